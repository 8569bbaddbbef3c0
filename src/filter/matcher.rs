//! Folded entries and where they are found: the automaton, and whose patterns they are.

use super::automaton::Automaton;
use super::fold::{DIGIT, LETTER, MORE, REGIONAL, SYMBOL, Stream};
use super::options::WholeWord;

/// No further owner.
const LAST: u32 = u32::MAX;

/// Patterns on their way into a [`Matcher`], one owner for each.
#[derive(Default)]
pub struct Draft {
    symbols: Vec<u32>,
    bounds: Vec<usize>,
    owners: Vec<Owner>,
}

/// Which entry a pattern is, and what must not stand beside it.
#[derive(Clone, Copy, PartialEq)]
struct Owner {
    list: u32,
    entry: u32,
    /// Flags of symbols that must not stand before and behind the entry.
    left: u32,
    right: u32,
    next: u32,
}

/// Which ends of an entry need a boundary.
#[derive(Clone, Copy)]
pub struct Ends {
    pub whole_word: WholeWord,
    pub left_open: bool,
    pub right_open: bool,
}

impl Draft {
    /// Adds a folded entry, which is not empty.
    pub fn push(&mut self, list: u32, entry: u32, folded: &[u32], ends: Ends) {
        let (Some(first), Some(last)) = (folded.first(), folded.last()) else {
            unreachable!("the caller refused entries of which nothing is left");
        };
        self.symbols
            .extend(folded.iter().map(|symbol| symbol & SYMBOL));
        self.bounds.push(self.symbols.len());
        self.owners.push(Owner {
            list,
            entry,
            left: barred(*first, ends.whole_word, ends.left_open),
            right: barred(*last, ends.whole_word, ends.right_open),
            next: LAST,
        });
    }
}

/// What must not stand beside an end with this symbol.
fn barred(symbol: u32, whole_word: WholeWord, open: bool) -> u32 {
    match whole_word {
        _ if open || symbol & (LETTER | DIGIT) == 0 => 0,
        WholeWord::Alnum => LETTER | DIGIT,
        WholeWord::Alpha => LETTER,
        WholeWord::Off => 0,
    }
}

pub struct Matcher {
    automaton: Automaton,
    patterns: Vec<Pattern>,
    owners: Vec<Owner>,
}

struct Pattern {
    symbols: u32,
    first_owner: u32,
}

/// An entry in a stream, from its first symbol to behind its last.
pub struct Candidate {
    pub list: u32,
    pub entry: u32,
    pub start: usize,
    pub end: usize,
}

impl Matcher {
    pub fn build(draft: Draft) -> Matcher {
        let (automaton, numbers) = Automaton::build(&draft.symbols, &draft.bounds);
        let mut matcher = Matcher {
            automaton,
            patterns: Vec::new(),
            owners: draft.owners,
        };
        let mut start = 0;
        for (owner, number) in numbers.into_iter().enumerate() {
            let end = draft.bounds[owner];
            if number as usize == matcher.patterns.len() {
                matcher.patterns.push(Pattern {
                    symbols: (end - start) as u32,
                    first_owner: LAST,
                });
            }
            matcher.own(number as usize, owner as u32);
            start = end;
        }
        matcher
    }

    /// Makes `owner` one of the owners of a pattern, unless an earlier entry of its list matches
    /// wherever it does.
    fn own(&mut self, pattern: usize, owner: u32) {
        let new = self.owners[owner as usize];
        let first = self.patterns[pattern].first_owner;
        let mut known = first;
        while let Some(old) = self.owners.get(known as usize) {
            if (old.list, old.left, old.right) == (new.list, new.left, new.right) {
                return;
            }
            known = old.next;
        }
        self.owners[owner as usize].next = first;
        self.patterns[pattern].first_owner = owner;
    }

    /// Reports every entry of the `active` lists that stands in the stream as a word.
    pub fn find(&self, stream: &Stream, active: &[bool], mut found: impl FnMut(Candidate)) {
        let symbols = &stream.symbols[..];
        self.automaton.find(symbols, |number, last| {
            let pattern = &self.patterns[number as usize];
            let end = last + 1;
            let start = end - pattern.symbols as usize;
            if !is_of_whole_characters(symbols, start, end) {
                return;
            }
            let mut next = pattern.first_owner;
            while let Some(owner) = self.owners.get(next as usize) {
                next = owner.next;
                if active[owner.list as usize] && owner.stands_free(symbols, start, end) {
                    found(Candidate {
                        list: owner.list,
                        entry: owner.entry,
                        start,
                        end,
                    });
                }
            }
        });
    }
}

/// Begins and ends with a character of the original, and is no flag of two regional indicators.
#[inline]
fn is_of_whole_characters(symbols: &[u32], start: usize, end: usize) -> bool {
    let flag = end - start == 2 && symbols[start] & symbols[start + 1] & REGIONAL != 0;
    let behind = symbols.get(end).copied().unwrap_or(0);
    !flag && (symbols[start] | behind) & MORE == 0
}

impl Owner {
    #[inline]
    fn stands_free(&self, symbols: &[u32], start: usize, end: usize) -> bool {
        let before = match start {
            0 => 0,
            start => symbols[start - 1],
        };
        let behind = symbols.get(end).copied().unwrap_or(0);
        is_boundary(before, symbols[start], self.left)
            && is_boundary(behind, symbols[end - 1], self.right)
    }
}

/// A flag is no part of the word beside it, though its letters are.
#[inline]
fn is_boundary(neighbour: u32, own: u32, barred: u32) -> bool {
    neighbour & barred == 0 || neighbour & !own & REGIONAL != 0
}
