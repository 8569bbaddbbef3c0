//! The ways to write an entry: as it stands, in pinyin, in parts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use pinyin::ToPinyin;

use callgate::filter::{Options, Pinyin, SkipClasses};

use super::character::{is_han, noise};
use super::code_point::CodePoints;
use super::fold::{fold, fold_among_latin, fold_keeping_scripts};
use super::sign;

/// Shorter words are not matched by their initials.
const INITIALS_FROM: usize = 3;

/// Of more forms than this nobody asks for all.
const FORMS_MAX: usize = 10_000;

/// A folded character of a form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub c: char,
    /// Which character of the entry it writes.
    pub of: usize,
    pub how: How,
    /// A blank stands before it.
    pub joint: bool,
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
    /// Counts only where letters of two scripts stand for it.
    pub mixed: bool,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Entry {
    pub word: String,
    pub forms: Vec<Form>,
    /// Whether letters may stand before and after it.
    pub open: [bool; 2],
    /// It is one sign, and sought as that.
    pub sign: Option<Vec<char>>,
    /// There are so many forms that only the first of each is known.
    pub is_cut: bool,
}

impl Entry {
    pub fn new(word: &str, points: &CodePoints, options: &Options) -> Entry {
        let (bare, open) = without_stars(word.trim());
        let bare = bare.trim();
        let mut forms = BTreeSet::new();
        let chars = |symbols: Vec<super::fold::Symbol>| -> Vec<char> {
            let is_blank = |symbol: &super::fold::Symbol| {
                matches!(
                    symbol.noise(),
                    Some(SkipClasses::SPACE | SkipClasses::NEWLINE)
                )
            };
            let symbols = symbols.iter().skip_while(|symbol| is_blank(symbol));
            let mut symbols: Vec<_> = symbols.collect();
            while symbols.last().is_some_and(|symbol| is_blank(symbol)) {
                symbols.pop();
            }
            symbols.iter().map(|symbol| symbol.c).collect()
        };
        let alone = chars(fold(bare, points, options));
        let own = chars(fold_keeping_scripts(bare, points, options));
        let mixed = chars(fold_among_latin(bare, points, options));
        let is_cut = [&alone, &own].into_iter().any(|folded| {
            let ways = folded
                .iter()
                .map(|c| ways_of(*c, folded.len(), points, options));
            product(&ways.collect::<Vec<_>>()) > FORMS_MAX
        });
        for folded in [&alone, &own] {
            forms.extend(forms_of(folded, points, options));
        }
        if mixed != alone && mixed != own {
            let plain = Options {
                pinyin: Pinyin::None,
                split: false,
                ..options.clone()
            };
            let forms_of = forms_of(&mixed, points, &plain).into_iter();
            forms.extend(forms_of.map(|form| Form {
                mixed: true,
                ..form
            }));
        }
        Entry {
            word: word.to_owned(),
            sign: sign::of_entry(word.trim(), points),
            forms: forms.into_iter().collect(),
            open,
            is_cut,
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

fn product(ways: &[Vec<(How, String)>]) -> usize {
    let count = ways.iter().map(Vec::len);
    count.fold(1, usize::saturating_mul)
}

fn forms_of(folded: &[char], points: &CodePoints, options: &Options) -> Vec<Form> {
    let mut ways: Vec<Vec<(How, String)>> = folded
        .iter()
        .map(|c| ways_of(*c, folded.len(), points, options))
        .collect();
    if product(&ways) > FORMS_MAX {
        ways.iter_mut().for_each(|ways| ways.truncate(1));
    }
    let mut forms = vec![Vec::new()];
    for (of, ways) in ways.iter().enumerate() {
        forms = forms
            .iter()
            .flat_map(|form| ways.iter().map(move |way| (form, way)))
            .map(|(form, (how, text))| {
                let mut form: Vec<Letter> = form.clone();
                form.extend(text.chars().map(|c| Letter {
                    c,
                    of,
                    how: *how,
                    joint: false,
                }));
                form
            })
            .collect();
    }
    let class = |c: char| match c {
        // A flag.
        '\u{F0000}'..='\u{F0FFF}' => Some(SkipClasses::SYMBOL),
        c => noise(c),
    };
    let skipped =
        |letter: &Letter| class(letter.c).is_some_and(|class| options.skip.contains(class));
    let is_blank = |letter: &Letter| noise(letter.c) == Some(SkipClasses::SPACE);
    let forms = forms.into_iter().map(|letters| {
        let literal = letters
            .iter()
            .any(|letter| skipped(letter) && !is_blank(letter));
        let as_it_stands = literal || options.skip == SkipClasses::NONE;
        Form {
            literal,
            mixed: false,
            letters: if as_it_stands {
                letters
            } else {
                jointed(letters, is_blank)
            },
        }
    });
    forms.collect()
}

/// The letters without the blanks, which those behind them remember.
fn jointed(letters: Vec<Letter>, is_blank: impl Fn(&Letter) -> bool) -> Vec<Letter> {
    let mut jointed = Vec::new();
    let mut joint = false;
    for letter in letters {
        if is_blank(&letter) {
            joint = true;
        } else {
            jointed.push(Letter { joint, ..letter });
            joint = false;
        }
    }
    jointed
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
