//! Words whose inner letters are hidden by signs: `b*dword`.
//!
//! No automaton can know which letters are hidden. Words are looked up by their length, first and
//! last letter, and only where a text holds signs: for each letter of the text that begins a word,
//! as many look-ups as there are lengths of such words.

use std::collections::HashMap;

use super::seen::stands_free;
use super::word::{Candidate, EntryOf, Word};
use crate::filter::budget::Budget;
use crate::filter::text::{DIGIT, LETTER, SYMBOL, are_letters, is_sign};

/// Shorter words have no inner letter.
const LETTERS_MIN: usize = 3;
/// What a look-up costs.
const STEPS_FOR_LENGTH: usize = 4;

#[derive(Default)]
pub(crate) struct Selfmask {
    words: Vec<Hidden>,
    /// Words by length, first and last letter.
    alike: HashMap<(usize, u32, u32), Vec<u32>>,
    /// The lengths of the words that begin with a letter, ascending.
    lengths: HashMap<u32, Vec<usize>>,
}

struct Hidden {
    of: EntryOf,
    symbols: Box<[u32]>,
    left: u32,
    right: u32,
}

impl Selfmask {
    /// Adds a folded entry, if it is a word of letters and digits that begins and ends with a
    /// letter.
    pub(crate) fn add(&mut self, word: Word, folded: &[u32]) {
        let (Some(first), Some(last)) = (folded.first(), folded.last()) else {
            return;
        };
        let is_word = folded.iter().all(|symbol| symbol & (LETTER | DIGIT) != 0);
        if folded.len() < LETTERS_MIN || !is_word || !are_letters(*first, *last) {
            return;
        }
        let (left, right) = word.ends.barred(folded);
        let symbols: Box<[u32]> = folded.iter().map(|symbol| symbol & SYMBOL).collect();
        let (first, last) = (first & SYMBOL, last & SYMBOL);
        let lengths = self.lengths.entry(first).or_default();
        if let Err(at) = lengths.binary_search(&symbols.len()) {
            lengths.insert(at, symbols.len());
        }
        let alike = self.alike.entry((symbols.len(), first, last)).or_default();
        alike.push(self.words.len() as u32);
        self.words.push(Hidden {
            of: word.of,
            symbols,
            left,
            right,
        });
    }

    /// Reports every word of the `active` lists of which at most a third is hidden, or of four letters two.
    pub(crate) fn find(
        &self,
        stream: &[u32],
        active: &[bool],
        budget: &Budget,
        mut found: impl FnMut(Candidate),
    ) {
        if self.words.is_empty() || !stream.iter().any(|symbol| is_sign(*symbol)) {
            return;
        }
        let letters = stream.iter().enumerate();
        for (start, first) in letters.filter(|(_, symbol)| *symbol & LETTER != 0) {
            let first = first & SYMBOL;
            for length in self.lengths.get(&first).into_iter().flatten() {
                let end = start + length;
                let Some(token) = stream.get(start..end) else {
                    break;
                };
                let last = token[length - 1] & SYMBOL;
                let alike = self.alike.get(&(*length, first, last));
                if !budget.take(STEPS_FOR_LENGTH + alike.map_or(0, Vec::len)) {
                    return;
                }
                for number in alike.into_iter().flatten() {
                    let word = &self.words[*number as usize];
                    if active[word.of.list as usize]
                        && word.is_hidden_in(token)
                        && stands_free(stream, start, end, word.left, word.right)
                    {
                        found(Candidate {
                            of: word.of,
                            start,
                            end,
                        });
                    }
                }
            }
        }
    }
}

impl Hidden {
    /// Every symbol is the word's or a sign, and at least one, but no more than a third, or two of
    /// four, are signs.
    fn is_hidden_in(&self, token: &[u32]) -> bool {
        let mut hidden = 0;
        let fits = self
            .symbols
            .iter()
            .zip(token)
            .enumerate()
            .all(|(nth, (own, text))| {
                let equal = *own == text & SYMBOL;
                hidden += usize::from(!equal);
                let inner = nth > 0 && nth + 1 < self.symbols.len();
                equal || inner && is_sign(*text)
            });
        let most = match self.symbols.len() {
            4 => 2,
            length => length / 3,
        };
        fits && hidden > 0 && hidden <= most
    }
}
