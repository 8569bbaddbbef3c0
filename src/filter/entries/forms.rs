//! The other forms of an entry: characters typed as pinyin, or written as their parts.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use crate::filter::options::{Options, Pinyin};
use crate::filter::search::{PART, SYLLABLE, of_form};
use crate::filter::text::{FoldTable, SYMBOL, Stream, sound};

/// The most forms of one entry, itself included: every form of five characters that can each be
/// written in three ways.
const FORMS_MAX: usize = 243;
/// From how many characters on an entry is also matched by its initials.
const INITIALS_FROM: usize = 3;

/// What characters are made of: read once somebody asks, for all lists that are compiled together.
#[derive(Default)]
pub(crate) struct Components(OnceCell<HashMap<char, &'static str>>);

impl Components {
    fn of(&self, c: char) -> Option<&'static str> {
        let all = self.0.get_or_init(|| {
            let lines = include_str!("../text/data/components.txt").lines();
            let lines = lines.filter(|line| !line.starts_with('#'));
            let pairs = lines.filter_map(|line| {
                let mut chars = line.chars();
                Some((chars.next()?, chars.as_str()))
            });
            pairs.collect()
        });
        all.get(&c).copied()
    }
}

/// Makes the forms of entries under one set of options.
pub(super) struct Forms<'a> {
    table: &'a FoldTable,
    pinyin: Pinyin,
    /// `None` where characters are not parted.
    components: Option<&'a Components>,
    stream: Stream,
}

/// One way to write one character, of a kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    kind: Kind,
    symbols: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Itself,
    Sound,
    Initial,
    Parts,
}

impl<'a> Forms<'a> {
    pub(super) fn new(
        table: &'a FoldTable,
        options: &Options,
        components: &'a Components,
    ) -> Forms<'a> {
        Forms {
            table,
            pinyin: options.pinyin,
            components: options.split.then_some(components),
            stream: Stream::default(),
        }
    }

    /// Every form of a folded entry but the entry itself; of very many those in which the fewest
    /// characters are changed, after those in which all are changed alike.
    pub(super) fn of(&mut self, entry: &[u32]) -> BTreeSet<Vec<u32>> {
        if self.pinyin == Pinyin::None && self.components.is_none() {
            return BTreeSet::new();
        }
        let ways: Vec<Vec<Way>> = entry
            .iter()
            .map(|symbol| self.ways(*symbol, entry.len()))
            .collect();
        let mut forms = BTreeSet::new();
        for kind in [Kind::Sound, Kind::Initial, Kind::Parts] {
            forms.insert(written(ways.iter().map(|ways| {
                let mut ways = ways.iter();
                let itself = &ways.as_slice()[0];
                ways.find(|way| way.kind == kind).unwrap_or(itself)
            })));
        }
        let most = ways.iter().filter(|ways| ways.len() > 1).count();
        for changed in 1..=most {
            choose(&ways, changed, &mut Vec::new(), &mut forms);
            if forms.len() >= FORMS_MAX {
                break;
            }
        }
        forms.remove(&written(ways.iter().map(|ways| &ways[0])));
        forms
    }

    /// The ways to write one character, itself first.
    fn ways(&mut self, symbol: u32, length: usize) -> Vec<Way> {
        let mut ways = vec![Way {
            kind: Kind::Itself,
            symbols: vec![symbol],
        }];
        let Some(c) = char::from_u32(symbol & SYMBOL) else {
            return ways;
        };
        if self.pinyin != Pinyin::None {
            let sound = sound::typed(c);
            let initial = sound.as_ref().and_then(|sound| sound.get(..1));
            let initial =
                initial.filter(|_| self.pinyin == Pinyin::Initials && length >= INITIALS_FROM);
            self.add(&mut ways, Kind::Initial, initial);
            self.add(&mut ways, Kind::Sound, sound.as_deref());
            self.add(&mut ways, Kind::Sound, sound::typed_plainly(c).as_deref());
        }
        let parts = self.components.and_then(|components| components.of(c));
        for parts in parts.unwrap_or_default().split_whitespace() {
            self.add(&mut ways, Kind::Parts, Some(parts));
        }
        ways[1..].sort();
        ways.dedup_by(|one, other| one.symbols == other.symbols);
        ways
    }

    fn add(&mut self, ways: &mut Vec<Way>, kind: Kind, text: Option<&str>) {
        let Some(text) = text else {
            return;
        };
        self.table.fold(text, &mut self.stream);
        let folded = self.stream.symbols.iter();
        let mut symbols: Vec<u32> = folded.map(|symbol| of_form(*symbol)).collect();
        let [first, others @ ..] = &mut symbols[..] else {
            return;
        };
        match kind {
            Kind::Parts => others.iter_mut().for_each(|other| *other |= PART),
            Kind::Itself | Kind::Sound | Kind::Initial => *first |= SYLLABLE,
        }
        ways.push(Way { kind, symbols });
    }
}

/// Adds every form in which exactly `changed` of the characters that are left are changed.
fn choose<'w>(
    ways: &'w [Vec<Way>],
    changed: usize,
    chosen: &mut Vec<&'w Way>,
    forms: &mut BTreeSet<Vec<u32>>,
) {
    if forms.len() >= FORMS_MAX {
        return;
    }
    let left = &ways[chosen.len()..];
    let Some(next) = left.first() else {
        forms.insert(written(chosen.iter().copied()));
        return;
    };
    let others = left[1..].iter().filter(|ways| ways.len() > 1).count();
    for way in next {
        let changed = match way.kind {
            Kind::Itself if changed <= others => changed,
            Kind::Itself => continue,
            Kind::Sound | Kind::Initial | Kind::Parts if changed > 0 => changed - 1,
            Kind::Sound | Kind::Initial | Kind::Parts => continue,
        };
        chosen.push(way);
        choose(ways, changed, chosen, forms);
        chosen.pop();
    }
}

/// The symbols of a form; what follows a syllable is no part of it.
fn written<'w>(ways: impl Iterator<Item = &'w Way>) -> Vec<u32> {
    let mut symbols = Vec::new();
    let mut after_syllable = false;
    for way in ways {
        let start = symbols.len();
        symbols.extend(&way.symbols);
        if after_syllable {
            symbols[start] |= SYLLABLE;
        }
        after_syllable = matches!(way.kind, Kind::Sound | Kind::Initial);
    }
    symbols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(entry: &str, options: &Options) -> Vec<String> {
        let table = FoldTable::build(options).unwrap();
        let mut stream = Stream::default();
        table.fold(entry, &mut stream);
        let components = Components::default();
        let mut forms = Forms::new(&table, options, &components);
        let forms = forms.of(&stream.symbols).into_iter();
        let mut forms: Vec<String> = forms
            .map(|form| {
                let chars = form.iter().map(|symbol| symbol & SYMBOL);
                chars.filter_map(char::from_u32).collect()
            })
            .collect();
        forms.sort();
        forms
    }

    fn check(entry: &str, options: &Options, expected: &[&str]) {
        assert_eq!(forms(entry, options), expected, "{entry}");
    }

    #[test]
    fn characters_are_typed_and_parted() {
        let plain = Options::default();
        let pinyin = |pinyin| Options {
            pinyin,
            ..Options::default()
        };
        let split = Options {
            split: true,
            ..Options::default()
        };
        check("赌博", &plain, &[]);
        check("赌博", &pinyin(Pinyin::Full), &["dubo", "du博", "赌bo"]);
        check("赌博", &pinyin(Pinyin::Initials), &["dubo", "du博", "赌bo"]);
        check("女v", &pinyin(Pinyin::Full), &["nuv", "nvv"]);
        check("casino", &pinyin(Pinyin::Full), &[]);
        check("赌x", &split, &["贝者x"]);
        let initials = forms("加微信", &pinyin(Pinyin::Initials));
        assert_eq!(initials.len(), 26);
        assert!(initials.contains(&"jwx".to_owned()));
        assert!(initials.contains(&"加weix".to_owned()));
    }

    #[test]
    fn long_entries_have_the_likeliest_forms() {
        let options = Options {
            pinyin: Pinyin::Initials,
            ..Options::default()
        };
        let forms = forms("代开增值税发票", &options);
        assert!(forms.len() <= FORMS_MAX);
        assert!(forms.contains(&"daikaizengzhishuifapiao".to_owned()));
        assert!(forms.contains(&"dkzzsfp".to_owned()));
        assert!(forms.contains(&"代开增值税发p".to_owned()));
    }
}
