//! What entries become once they are compiled, for the tools that look at lists as lists.
//!
//! Nothing on the way of a message comes here.

use super::compiled::Filter;
use super::group::Group;
use super::inside::{Index, hash};
use super::list::{EntryId, ListId, ListSpec, Role};
use super::options::WholeWord;
use super::search::is_pattern;
use super::text::{Script, digit, is_word_letter, script};

impl Filter {
    /// The lists that were compiled, in their order.
    pub fn lists(&self) -> &[ListSpec] {
        // Behind them are the parts of those in which entries have options of their own.
        &self.lists[..self.lists.len() - self.parts.len()]
    }

    /// In how many ways a list reads every text: one, and one more for each way to fold or to skip
    /// that entries with options of their own ask for.
    pub fn ways_to_read(&self, list: &str) -> usize {
        let id = self.lists().iter().position(|known| *known.name == *list);
        let own = self.parts.iter().enumerate();
        let parts = own.filter(|(_, part)| Some(part.list().0 as usize) == id);
        let parts = parts.map(|(part, _)| self.lists().len() + part);
        let mut ways: Vec<_> = id
            .into_iter()
            .chain(parts)
            .filter_map(|id| {
                let options = &self.lists[id].options;
                Some((
                    self.group_of[id]?,
                    options.skip,
                    options.leet,
                    options.homophone,
                ))
            })
            .collect();
        ways.sort_unstable();
        ways.dedup();
        ways.len()
    }

    /// What each regular expression takes for a byte of a text, in steps; most take one.
    pub fn regex_prices(&self) -> Vec<(ListId, EntryId, usize)> {
        let prices = self.groups.iter().flat_map(Group::prices);
        let written = prices.map(|(of, price)| {
            let (list, entry) = self.written_as(of.list, of.entry);
            (list, entry, price)
        });
        written.collect()
    }

    /// What the entries of `list` are compared as, in their order, folded with the options of the
    /// list `reader`; phrases of an allow list are read with the options of the list that they
    /// spare. `None` when there is no such list, or when `reader` cannot match.
    pub fn folded_list(&self, list: &str, reader: &str) -> Option<FoldedList> {
        let list = self.lists().iter().find(|known| *known.name == *list)?;
        let reader = self
            .lists()
            .iter()
            .position(|known| *known.name == *reader)?;
        let group = &self.groups[self.group_of[reader]?];
        let whole_word = match list.role {
            Role::Match => list.options.whole_word,
            Role::Allow => WholeWord::Off,
        };
        let mut forms = FoldedList::default();
        for (number, entry) in list.written().enumerate() {
            if is_pattern(entry.text) || group.is_sign(entry.text) {
                forms.push_alone(entry.text);
            } else if entry.options.is_some() {
                forms.push_alone(&format!("\0{number}"));
            } else {
                let (bare, open) = without_stars(entry.text);
                forms.push(bare, group.folded(bare).trim(), open, whole_word);
            }
        }
        Some(forms)
    }
}

/// The entry without a `*` at either end, and at which ends there was one.
pub(super) fn without_stars(text: &str) -> (&str, [bool; 2]) {
    let text = text.trim();
    let left = text.strip_prefix('*');
    let bare = left.unwrap_or(text);
    let right = bare.strip_suffix('*');
    let bare = right.unwrap_or(bare);
    if bare.chars().all(|c| c == '*') {
        return (text, [false, false]);
    }
    (bare, [left.is_some(), right.is_some()])
}

/// Folded entries, one after the other.
#[derive(Default)]
pub struct FoldedList {
    symbols: Vec<u32>,
    /// Where each form ends in `symbols`.
    bounds: Vec<usize>,
    sides: Vec<[Side; 2]>,
    /// What tells entries apart beside their symbols. Patterns and entries with options of their
    /// own have no symbols, for the list's options do not fold them. Of a Greek or Cyrillic
    /// letter, which is read as Latin in one text and as itself in another, one way is kept.
    as_written: Vec<Option<Box<str>>>,
}

/// What must not stand beside an end of a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Side {
    letter: bool,
    digit: bool,
}

/// A form inside of another, or equal to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The number of the entry whose form is inside.
    pub entry: usize,
    /// It is a match in every text in which the other is one.
    pub always: bool,
    /// The other is longer.
    pub shorter: bool,
}

impl FoldedList {
    fn push(&mut self, bare: &str, folded: &str, open: [bool; 2], whole_word: WholeWord) {
        let ends = [folded.chars().next(), folded.chars().next_back()];
        self.symbols.extend(folded.chars().map(u32::from));
        self.bounds.push(self.symbols.len());
        let side = |end: usize| side_of(ends[end], open[end], whole_word);
        self.sides.push([side(0), side(1)]);
        self.as_written.push(as_it_is_written(bare));
    }

    fn push_alone(&mut self, written: &str) {
        self.bounds.push(self.symbols.len());
        self.sides.push(Default::default());
        self.as_written.push(Some(written.into()));
    }

    pub fn count(&self) -> usize {
        self.bounds.len()
    }

    fn symbols(&self, entry: usize) -> &[u32] {
        let start = if entry == 0 {
            0
        } else {
            self.bounds[entry - 1]
        };
        &self.symbols[start..self.bounds[entry]]
    }

    /// In characters, after folding; 0 for a pattern and for an entry with options of its own.
    pub fn length(&self, entry: usize) -> usize {
        self.symbols(entry).len()
    }

    pub fn text(&self, entry: usize) -> String {
        let symbols = self.symbols(entry).iter();
        symbols
            .filter_map(|symbol| char::from_u32(*symbol))
            .collect()
    }

    fn hash(&self, entry: usize) -> u64 {
        match (self.symbols(entry), &self.as_written[entry]) {
            ([], Some(written)) => hash(written.chars().map(u32::from)),
            (symbols, _) => hash(symbols.iter().copied()),
        }
    }

    /// Whether two entries are found in the same places.
    fn are_equal(&self, entry: usize, other: usize) -> bool {
        self.sides[entry] == self.sides[other]
            && self.as_written[entry] == self.as_written[other]
            && self.symbols(entry) == self.symbols(other)
    }

    /// For each entry the first one that is found in the same places, if that is not itself.
    pub fn repeated(&self, index: &Index) -> Vec<Option<usize>> {
        let first = |entry: usize| {
            let mut alike = index.with_hash(self.hash(entry));
            alike.find(|other| *other >= entry || self.are_equal(entry, *other))
        };
        let earlier = |entry: usize| first(entry).filter(|other| *other < entry);
        (0..self.count()).map(earlier).collect()
    }

    /// An index of the entries, for [`Self::repeated`] and [`Self::each_inside`].
    pub fn index(&self) -> Index {
        Index::of(
            self.count(),
            |entry| self.symbols(entry),
            |entry| self.hash(entry),
            |entry| self.sides[entry][0].letter,
        )
    }

    /// Tells for each entry of `holders`, by its number, which of these are inside of it. Those
    /// that would begin inside of a Latin word, and are not found there, are left out.
    pub fn each_inside(
        &self,
        index: &Index,
        holders: &FoldedList,
        mut found: impl FnMut(usize, Inside),
    ) {
        for holder in 0..holders.count() {
            let text = holders.symbols(holder);
            index.each_within(text, |entry, start, length| {
                let within = &text[start..start + length];
                if self.symbols(entry) == within {
                    found(holder, self.inside(entry, holders, holder, start));
                }
            });
        }
    }

    fn inside(&self, entry: usize, holders: &FoldedList, holder: usize, start: usize) -> Inside {
        let text = holders.symbols(holder);
        let end = start + self.length(entry);
        let [left, right] = self.sides[entry];
        let [outer_left, outer_right] = holders.sides[holder];
        let free_left = match start {
            0 => left.allows_all_that(outer_left),
            start => left.allows(text[start - 1]),
        };
        let free_right = match text.get(end) {
            None => right.allows_all_that(outer_right),
            Some(symbol) => right.allows(*symbol),
        };
        Inside {
            entry,
            always: free_left && free_right && holders.as_written[holder].is_none(),
            shorter: self.length(entry) < text.len(),
        }
    }
}

impl Side {
    fn allows(self, neighbour: u32) -> bool {
        let Some(c) = char::from_u32(neighbour) else {
            return true;
        };
        !(self.letter && is_letter(c) || self.digit && is_digit(c))
    }

    /// Whatever `other` lets stand beside it may stand here.
    fn allows_all_that(self, other: Side) -> bool {
        (!self.letter || other.letter) && (!self.digit || other.digit)
    }
}

/// What must not stand beside an end of an entry.
pub(super) fn side_of(end: Option<char>, open: bool, whole_word: WholeWord) -> Side {
    match end {
        Some(c) if !open => barred_beside(c, whole_word),
        _ => Side::default(),
    }
}

/// An entry that is read in two ways, which its folded form does not tell apart.
pub(super) fn as_it_is_written(bare: &str) -> Option<Box<str>> {
    let of_other_script = bare.chars().any(is_greek_or_cyrillic);
    of_other_script.then(|| bare.into())
}

fn barred_beside(end: char, whole_word: WholeWord) -> Side {
    let counts = is_letter(end) || is_digit(end);
    Side {
        letter: counts && whole_word != WholeWord::Off,
        digit: counts && matches!(whole_word, WholeWord::Alnum | WholeWord::Segment),
    }
}

fn is_letter(c: char) -> bool {
    script(c).is_some() || is_word_letter(c)
}

fn is_greek_or_cyrillic(c: char) -> bool {
    matches!(script(c), Some(Script::Greek | Script::Cyrillic))
}

fn is_digit(c: char) -> bool {
    digit(c).is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::filter::entry_table::Entry;
    use crate::filter::options::Options;

    fn filter(words: &[&str]) -> Filter {
        let entries = words.iter().map(|word| Entry {
            text: (*word).to_owned(),
            line: 0,
            tags: Arc::new([]),
            options: None,
        });
        Filter::compile(vec![ListSpec {
            name: "words".into(),
            role: Role::Match,
            options: Options::default(),
            entries: entries.collect(),
        }])
        .unwrap()
    }

    fn forms(words: &[&str]) -> FoldedList {
        filter(words).folded_list("words", "words").unwrap()
    }

    #[test]
    fn a_form_is_folded_and_has_no_stars() {
        let forms = forms(&["賭博", "*ＣＡＴ*", "***"]);
        let texts: Vec<String> = (0..forms.count()).map(|entry| forms.text(entry)).collect();
        assert_eq!(texts, ["赌博", "cat", "***"]);
    }

    #[test]
    fn the_first_of_equal_entries_is_named() {
        let forms = forms(&["赌博", "cat", "賭博", "cat*", "Cat", "賭愽"]);
        assert_eq!(
            forms.repeated(&forms.index()),
            [None, None, Some(0), None, Some(1), None]
        );
    }

    #[test]
    fn letters_of_two_readings_are_compared_as_they_were_written() {
        let forms = forms(&["coco", "сосо", "coco", "сосо"]);
        assert_eq!(
            forms.repeated(&forms.index()),
            [None, None, Some(0), Some(1)]
        );
    }

    /// Which entries are always found where `holder` is.
    fn check_always(words: &[&str], holder: &str, expected: &[&str]) {
        let forms = forms(words);
        let mut always = Vec::new();
        forms.each_inside(&forms.index(), &forms, |at, inside| {
            if words[at] == holder && words[inside.entry] != holder && inside.always {
                always.push(words[inside.entry]);
            }
        });
        always.sort_unstable();
        assert_eq!(always, expected, "{words:?} in {holder}");
        // The matcher itself must agree wherever the holder stands.
        for text in ["{}", "看{}了", "a{}", "{}a", "1{}", "{}1", "({}) b"] {
            let text = text.replace("{}", holder.trim_matches('*'));
            for word in expected.iter().filter(|_| is_found(holder, &text)) {
                assert!(is_found(word, &text), "{word} in {text}");
            }
        }
    }

    fn is_found(word: &str, text: &str) -> bool {
        let filter = filter(&[word]);
        let mut found = Vec::new();
        let set = filter.list_set(&["words"]);
        filter.scan(text, &set, &mut Default::default(), &mut found);
        !found.is_empty()
    }

    #[test]
    fn a_shorter_entry_is_found_where_the_longer_one_is() {
        check_always(&["赌博", "网上赌博", "赌"], "网上赌博", &["赌", "赌博"]);
        check_always(&["cat", "my cat", "cats"], "my cat", &["cat"]);
        check_always(&["vip", "加vip"], "加vip", &["vip"]);
    }

    #[test]
    fn an_entry_inside_of_a_word_is_not() {
        check_always(&["cat", "category"], "category", &[]);
        check_always(&["cat", "cat*"], "cat*", &[]);
        check_always(&["cat", "cat*"], "cat", &["cat*"]);
        check_always(&["cat*", "category", "cat5"], "category", &["cat*"]);
        check_always(&["cat", "my cat*"], "my cat*", &[]);
        check_always(&["8", "v8发动机"], "v8发动机", &[]);
        // In a Cyrillic text `сосо` is found, and `coco` is not.
        check_always(&["coco", "сосо"], "сосо", &[]);
    }
}
