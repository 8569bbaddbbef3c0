//! A text as a matcher reads it, and what must hold around a match and in its gaps.

use std::ops::Range;

use super::word::{PART, SYLLABLE};
use crate::filter::text::{LETTER, MORE, REGIONAL, is_blank};

#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// With everything that is in the text.
    pub stream: &'a [u32],
    pub symbols: &'a [u32],
    /// Where in `stream` each of `symbols` stands; `None` when they are the same.
    pub at: Option<&'a [u32]>,
}

impl Seen<'_> {
    #[inline]
    pub fn place(&self, index: usize) -> usize {
        match self.at {
            None => index,
            Some(at) => at[index] as usize,
        }
    }

    /// How many symbols were left out before one that is not the first.
    pub fn gap_before(&self, index: usize) -> usize {
        self.place(index) - self.place(index - 1) - 1
    }

    /// What stands behind the symbol before `index` belongs neither to its character nor to its
    /// word.
    pub fn is_right_free(&self, index: usize, barred: u32) -> bool {
        let last = self.place(index - 1);
        let behind = self.stream.get(last + 1).copied().unwrap_or(0);
        behind & MORE == 0 && is_boundary(behind, self.stream[last], barred)
    }

    /// A blank was left out before a symbol that is not the first.
    pub fn is_parted_before(&self, index: usize) -> bool {
        let (from, to) = (self.place(index - 1), self.place(index));
        let mut gap = self.stream[from + 1..to].iter();
        gap.any(|symbol| is_blank(*symbol))
    }

    /// What was left out between the symbols of a match: nowhere more than `max_gap` symbols, and
    /// no blank between two letters, unless there is a gap between any two: a word that is spelled
    /// out. What is typed for one character is a word of its own, and its parts stand together.
    ///
    /// `form` has the symbols of the entry that those of the match stand for, if it matters.
    pub fn gaps_are_small(&self, form: Option<&[u32]>, range: Range<usize>, max_gap: u32) -> bool {
        let (first, last) = (self.place(range.start), self.place(range.end - 1));
        if last - first == range.len() - 1 {
            return true;
        }
        let (mut blank, mut closed) = (false, false);
        for (index, at) in range.clone().skip(1).enumerate() {
            let (from, to) = (self.place(at - 1), self.place(at));
            if to - from - 1 > max_gap as usize {
                return false;
            }
            let flags = |at: usize, index: usize| form.map_or(self.stream[at], |form| form[index]);
            let (before, behind) = (flags(from, index), flags(to, index + 1));
            if behind & PART != 0 && to - from > 1 {
                return false;
            }
            if before & behind & LETTER != 0 && behind & SYLLABLE == 0 {
                closed |= to - from == 1;
                let mut gap = self.stream[from + 1..to].iter();
                blank |= gap.any(|symbol| is_blank(*symbol));
            }
        }
        !(blank && closed)
    }
}

/// Begins and ends with a character of the original, is no flag of two regional indicators, and
/// has nothing beside it that makes it a part of a word.
#[inline]
pub fn stands_free(stream: &[u32], start: usize, end: usize, left: u32, right: u32) -> bool {
    let flag = end - start == 2 && stream[start] & stream[start + 1] & REGIONAL != 0;
    let before = start.checked_sub(1).map_or(0, |before| stream[before]);
    let behind = stream.get(end).copied().unwrap_or(0);
    !flag
        && (stream[start] | behind) & MORE == 0
        && is_boundary(before, stream[start], left)
        && is_boundary(behind, stream[end - 1], right)
}

/// A flag is no part of the word beside it, though its letters are.
#[inline]
fn is_boundary(neighbour: u32, own: u32, barred: u32) -> bool {
    neighbour & barred == 0 || neighbour & !own & REGIONAL != 0
}
