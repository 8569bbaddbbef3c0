//! A text as the matcher sees it: folded characters that know where they come from.

use std::collections::HashSet;

use unicode_normalization::char::compose;
use unicode_script::{Script, UnicodeScript};

use callgate::filter::{Confusables, Marks, Options, SkipClasses};

use super::character::{is_invisible, is_latin, is_letter, is_mark, is_regional, noise};
use super::code_point::{CodePoints, Lookalike};

/// One folded character.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub c: char,
    looks: Option<Lookalike>,
    /// The characters of the text that it comes from.
    pub from: usize,
    pub to: usize,
    /// Whether it is the first and the last symbol of its characters: `㎏` is two symbols.
    pub starts: bool,
    pub ends: bool,
    pub regional: bool,
}

impl Symbol {
    pub fn noise(&self) -> Option<SkipClasses> {
        noise(self.c)
    }
}

/// What a character does to the text.
enum Effect {
    Drop,
    /// Joins the symbol before it if the two compose; otherwise it is this, or dropped.
    Join {
        mark: char,
        alone: Option<char>,
    },
    Fold,
}

/// Folds a text; look-alikes are Latin where the options say so.
pub fn fold(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let mut symbols = fold_keeping_scripts(text, points, options);
    settle(&mut symbols, options.confusables);
    symbols
}

/// Folds a text; look-alikes stay what they are, unless they are always Latin.
pub fn fold_keeping_scripts(text: &str, points: &CodePoints, options: &Options) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for (at, c) in text.chars().enumerate() {
        match effect(c, options) {
            Effect::Drop => {}
            Effect::Join { mark, alone } => {
                let joined = symbols.last().and_then(|last| compose(last.c, mark));
                match (joined, symbols.last_mut()) {
                    (Some(joined), Some(last)) => {
                        last.c = joined;
                        last.looks = None;
                        last.to = at + 1;
                    }
                    _ => {
                        let alone = alone.map(|c| (c, None));
                        push(&mut symbols, c, at, alone.into_iter().collect());
                    }
                }
            }
            Effect::Fold => {
                let pieces = points.fold(c).into_iter();
                push(
                    &mut symbols,
                    c,
                    at,
                    pieces.map(|piece| (piece.c, piece.looks)).collect(),
                );
            }
        }
    }
    if options.confusables == Confusables::Always {
        settle(&mut symbols, Confusables::Always);
    }
    symbols
}

/// The symbols with those from each of these ranges of characters turned round; the symbols of
/// one character stay in their order.
pub fn turned(symbols: &[Symbol], ranges: &[[usize; 2]]) -> Vec<Symbol> {
    let part_of = |symbol: &Symbol| {
        let mut ranges = ranges.iter();
        ranges.position(|range| range[0] <= symbol.from && symbol.from < range[1])
    };
    let mut turned = Vec::new();
    for part in symbols.chunk_by(|one, next| part_of(one) == part_of(next)) {
        if part_of(&part[0]).is_none() {
            turned.extend_from_slice(part);
            continue;
        }
        let characters: Vec<&[Symbol]> = part.chunk_by(|one, next| one.from == next.from).collect();
        turned.extend(characters.into_iter().rev().flatten().cloned());
    }
    turned
}

fn effect(c: char, options: &Options) -> Effect {
    match c {
        _ if options.invisible && is_invisible(c) => Effect::Drop,
        // Voiced marks of kana, and the second and third letter of a Hangul syllable.
        '\u{3099}' | '\u{309A}' => Effect::Join {
            mark: c,
            alone: None,
        },
        '\u{FF9E}' if options.width => Effect::Join {
            mark: '\u{3099}',
            alone: Some('゛'),
        },
        '\u{FF9F}' if options.width => Effect::Join {
            mark: '\u{309A}',
            alone: Some('゜'),
        },
        '\u{1161}'..='\u{1175}' | '\u{11A8}'..='\u{11C2}' => Effect::Join {
            mark: c,
            alone: Some(c),
        },
        _ if is_mark(c) => match options.marks {
            Marks::On => Effect::Drop,
            Marks::Zalgo => Effect::Join {
                mark: c,
                alone: None,
            },
            Marks::Off => Effect::Join {
                mark: c,
                alone: Some(c),
            },
        },
        _ => Effect::Fold,
    }
}

fn push(symbols: &mut Vec<Symbol>, c: char, at: usize, pieces: Vec<(char, Option<Lookalike>)>) {
    let count = pieces.len();
    for (nth, (folded, looks)) in pieces.into_iter().enumerate() {
        symbols.push(Symbol {
            c: folded,
            looks,
            from: at,
            to: at + 1,
            starts: nth == 0,
            ends: nth + 1 == count,
            regional: is_regional(c),
        });
    }
}

/// Makes look-alikes Latin: all of them, or those in a run of letters that holds a Latin letter
/// and those of a script of which the text has no letter that is told apart from Latin ones.
fn settle(symbols: &mut [Symbol], confusables: Confusables) {
    let foreign: HashSet<Script> = symbols
        .iter()
        .filter(|symbol| is_letter(symbol.c) && !symbol.looks.is_some_and(|looks| looks.close))
        .map(|symbol| symbol.c.script())
        .collect();
    let mut runs = symbols.chunk_by_mut(|one, next| is_letter(one.c) && is_letter(next.c));
    for run in &mut runs {
        let among_latin = run.iter().any(|symbol| is_latin(symbol.c));
        for symbol in run.iter_mut() {
            let Some(looks) = symbol.looks.take() else {
                continue;
            };
            let latin = match confusables {
                Confusables::Off => false,
                Confusables::Always => true,
                Confusables::Auto => among_latin || !foreign.contains(&symbol.c.script()),
            };
            if latin {
                symbol.c = looks.latin;
            }
        }
    }
}
