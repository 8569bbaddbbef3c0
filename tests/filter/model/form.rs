//! The ways to write an entry: as it stands, in pinyin, in parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use pinyin::ToPinyin;

use callgate::filter::{Options, Pinyin};

use super::character::{is_han, noise};
use super::code_point::CodePoints;
use super::fold::{fold, fold_keeping_scripts};

/// Shorter words are not matched by their initials.
const INITIALS_FROM: usize = 3;

/// A folded character of a form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub c: char,
    /// Which character of the entry it writes.
    pub of: usize,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    Plain,
    Typed,
    Part,
}

/// One way to write an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    pub letters: Vec<Letter>,
    /// Holds what is skipped in a text, so nothing is skipped in it.
    pub literal: bool,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    pub word: String,
    pub forms: Vec<Form>,
    /// Whether letters may stand before and after it.
    pub open: [bool; 2],
}

impl Entry {
    pub fn new(word: &str, points: &CodePoints, options: &Options) -> Entry {
        let (bare, open) = without_stars(word);
        let mut forms = BTreeSet::new();
        for folded in [
            fold(bare, points, options),
            fold_keeping_scripts(bare, points, options),
        ] {
            let folded: Vec<char> = folded.iter().map(|symbol| symbol.c).collect();
            forms.extend(forms_of(&folded, points, options));
        }
        Entry {
            word: word.to_owned(),
            forms: forms.into_iter().collect(),
            open,
        }
    }
}

/// `cat*` is `cat`, open at its end; stars alone are stars.
fn without_stars(word: &str) -> (&str, [bool; 2]) {
    if word.chars().all(|c| c == '*') {
        return (word, [false, false]);
    }
    let (bare, before) = match word.strip_prefix('*') {
        Some(bare) => (bare, true),
        None => (word, false),
    };
    match bare.strip_suffix('*') {
        Some(bare) => (bare, [before, true]),
        None => (bare, [before, false]),
    }
}

fn forms_of(folded: &[char], points: &CodePoints, options: &Options) -> Vec<Form> {
    let ways: Vec<Vec<(How, String)>> = folded
        .iter()
        .map(|c| ways_of(*c, folded.len(), points, options))
        .collect();
    let mut forms = vec![Vec::new()];
    for (of, ways) in ways.iter().enumerate() {
        forms = forms
            .iter()
            .flat_map(|form| ways.iter().map(move |way| (form, way)))
            .map(|(form, (how, text))| {
                let mut form: Vec<Letter> = form.clone();
                form.extend(text.chars().map(|c| Letter { c, of, how: *how }));
                form
            })
            .collect();
    }
    let skipped =
        |letter: &Letter| noise(letter.c).is_some_and(|class| options.skip.contains(class));
    let forms = forms.into_iter().map(|letters| Form {
        literal: letters.iter().any(skipped),
        letters,
    });
    forms.collect()
}

/// The ways to write one character of an entry of so many.
fn ways_of(c: char, count: usize, points: &CodePoints, options: &Options) -> Vec<(How, String)> {
    let mut ways = vec![(How::Plain, c.to_string())];
    if !is_han(c) {
        return ways;
    }
    let fold = |text: &str| -> String {
        let symbols = fold_keeping_scripts(text, points, options);
        symbols.iter().map(|symbol| symbol.c).collect()
    };
    if let (Pinyin::Full | Pinyin::Initials, Some(syllable)) = (options.pinyin, syllable(c)) {
        for typed in ["u", "v"] {
            ways.push((How::Typed, fold(&syllable.replace('ü', typed))));
        }
        if options.pinyin == Pinyin::Initials && count >= INITIALS_FROM {
            ways.push((How::Typed, fold(&syllable[..1])));
        }
    }
    if options.split {
        let parts = PARTS.get(&c).into_iter().flatten();
        ways.extend(parts.map(|parts| (How::Part, fold(parts))));
    }
    ways
}

/// The sound of a Han character, without its tone.
pub fn syllable(c: char) -> Option<&'static str> {
    Some(c.to_pinyin()?.plain())
}

/// The parts that a character can be taken apart into, two or three.
static PARTS: LazyLock<BTreeMap<char, Vec<String>>> = LazyLock::new(|| {
    let table = fs::read_to_string("tests/fixtures/filter/data/chaizi-jt.txt").unwrap();
    let mut parts: BTreeMap<char, Vec<String>> = BTreeMap::new();
    for line in table.lines() {
        let mut columns = line.split('\t');
        let Some(c) = columns.next().and_then(|column| column.chars().next()) else {
            continue;
        };
        let columns = columns.map(|column| column.replace(' ', ""));
        parts
            .entry(c)
            .or_default()
            .extend(columns.filter(|parts| (2..=3).contains(&parts.chars().count())));
    }
    parts
});
