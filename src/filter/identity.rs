//! What tells the entries of one list apart: two of the same identity are found in the same places.
//!
//! For the tools that edit lists; nothing on the way of a message comes here.

use super::inspect::{Side, as_it_is_written, side_of, without_stars};
use super::list::Role;
use super::options::{Options, WholeWord};
use super::search::{is_pattern, is_sign};
use super::text::{self, FoldTable, FoldTables, SYMBOL, Stream};

/// An entry as its list reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    folded: Box<str>,
    sides: [Side; 2],
    /// Of what no folding reads: a pattern, a sign, letters of two readings.
    as_written: Option<Box<str>>,
}

impl Identity {
    /// What the entry is compared as; of a pattern what it says.
    pub fn folded(&self) -> &str {
        match (&self.as_written, &*self.folded) {
            (Some(written), "") => written,
            (_, folded) => folded,
        }
    }
}

/// Reads entries as one list does.
pub struct Identities {
    table: FoldTable,
    whole_word: WholeWord,
    stream: Stream,
}

impl Identities {
    /// Errors: what is wrong with the options, each in a clause.
    pub fn of(role: Role, options: &Options) -> Result<Identities, Vec<String>> {
        Ok(Identities {
            table: FoldTables::of(std::slice::from_ref(options)).get(options)?,
            whole_word: match role {
                Role::Match => options.whole_word,
                Role::Allow => WholeWord::Off,
            },
            stream: Stream::default(),
        })
    }

    /// The options that an entry has of its own do not count: with and without them it is the same
    /// entry.
    pub fn identity(&mut self, entry: &str) -> Identity {
        let entry = entry.trim();
        if is_pattern(entry) || is_sign(entry, &self.table) {
            return Identity {
                folded: "".into(),
                sides: Default::default(),
                as_written: Some(entry.into()),
            };
        }
        let (bare, open) = without_stars(entry);
        let folded = self.folded(bare);
        let folded = folded.trim();
        let ends = [folded.chars().next(), folded.chars().next_back()];
        let side = |end: usize| side_of(ends[end], open[end], self.whole_word);
        Identity {
            sides: [side(0), side(1)],
            as_written: match folded {
                // Nothing is left of it: no list can hold it, but it must not equal another.
                "" => Some(entry.into()),
                _ => as_it_is_written(bare),
            },
            folded: folded.into(),
        }
    }

    /// A text as it is compared with entries, for a search among them.
    pub fn folded(&mut self, text: &str) -> String {
        self.table.fold(text, &mut self.stream);
        let symbols = self.stream.symbols.iter().map(|symbol| symbol & SYMBOL);
        let mut folded = String::with_capacity(text.len());
        for symbol in symbols {
            match char::from_u32(symbol) {
                Some(c) => folded.push(c),
                None => folded.push_str(&text::flag_written(symbol).unwrap_or_default()),
            }
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, same: bool) {
        let mut identities = Identities::of(Role::Match, &Options::default()).unwrap();
        let both = [one, other].map(|entry| identities.identity(entry));
        assert_eq!(both[0] == both[1], same, "{one} and {other}: {both:?}");
    }

    #[test]
    fn what_is_found_in_the_same_places_is_the_same() {
        check("赌博", "賭博", true);
        check("Cat", "ＣＡＴ", true);
        check("cat", "cat ", true);
        check("赌博", "赌博*", true);
        check("cat", "cat*", false);
        check("cat", "dog", false);
        check("代 开", "代开", false);
        check("coco", "сосо", false);
        check("/c(a)t/", "/c(a)t/", true);
        check("🔞", "🔞\u{fe0f}", true);
    }

    #[test]
    fn it_agrees_with_what_is_called_repeated() {
        use crate::filter::{Entry, Filter, ListSpec};
        let words = [
            "赌博",
            "賭博",
            "cat",
            "Cat",
            "cat*",
            "*cat",
            "сосо",
            "coco",
            "vip",
            "ｖｉｐ",
            "8",
            "8*",
            "㍻",
        ];
        let entries = words.iter().map(|word| Entry {
            text: (*word).to_owned(),
            line: 0,
            tags: [].into(),
            options: None,
        });
        let filter = Filter::compile(vec![ListSpec {
            name: "words".into(),
            role: Role::Match,
            options: Options::default(),
            entries: entries.collect(),
        }])
        .unwrap();
        let folded = filter.folded_list("words", "words").unwrap();
        let repeated = folded.repeated(&folded.index());
        let mut identities = Identities::of(Role::Match, &Options::default()).unwrap();
        let known: Vec<Identity> = words.iter().map(|word| identities.identity(word)).collect();
        for (number, first) in repeated.iter().enumerate() {
            let equal = known.iter().position(|one| *one == known[number]);
            assert_eq!(equal, Some(first.unwrap_or(number)), "{}", words[number]);
        }
    }
}
