//! A text as a matcher reads it, and what must hold around a match and in its gaps.

use std::ops::Range;

use super::prefix;
use super::word::{BARRED, BLANKS_MAX, JOINT, Limits, PART, PREFIXES, SEGMENTED, SYLLABLE};
use crate::filter::result::Segments;
use crate::filter::text::{
    DIGIT, FOREIGN, KIND_SHIFT, MORE, PARTED, REGIONAL, SYMBOL, are_letters, is_blank, is_space,
};

/// Signs that stand between the digits of numbers, dates, times and ranges, Arabic ones too.
const NUMERIC: &str = ".,:/-'’ ٫٬‐–—−~";
/// So many of them at most: `13. 12. 2024`, `13 - 12`.
const NUMERIC_MAX: usize = 3;
/// What people type for an apostrophe.
const APOSTROPHES: &str = "'’‘‛`´′";
/// What stands behind the apostrophe of a contraction.
const CONTRACTED: [&str; 7] = ["s", "t", "d", "m", "ll", "re", "ve"];

#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// With everything that is in the text.
    pub stream: &'a [u32],
    pub symbols: &'a [u32],
    /// Where in `stream` each of `symbols` stands; `None` when they are the same.
    pub at: Option<&'a [u32]>,
    /// Where the words of `stream` end that no blanks part.
    pub segments: &'a Segments,
}

impl Seen<'_> {
    #[inline]
    pub(crate) fn place(&self, index: usize) -> usize {
        match self.at {
            None => index,
            Some(at) => at[index] as usize,
        }
    }

    /// How many symbols were left out before one that is not the first.
    pub(crate) fn gap_before(&self, index: usize) -> usize {
        self.place(index) - self.place(index - 1) - 1
    }

    /// What stands behind the symbol before `index` belongs neither to its character nor to its
    /// word.
    pub(crate) fn is_right_free(&self, index: usize, barred: u32) -> bool {
        let last = self.place(index - 1);
        let behind = self.stream.get(last + 1).copied().unwrap_or(0);
        let barred = barred & BARRED;
        behind & MORE == 0 && (is_parted(behind) || is_boundary(behind, self.stream[last], barred))
    }

    /// Words begin and end at these places of the stream, as far as what must not stand beside an
    /// entry asks a segmenter.
    #[inline]
    pub(super) fn are_words(&self, place: Range<usize>, left: u32, right: u32) -> bool {
        let is_end =
            |barred: u32, at| barred & SEGMENTED == 0 || self.segments.is_end(self.stream, at);
        (left | right) & SEGMENTED == 0 || is_end(left, place.start) && is_end(right, place.end)
    }

    /// A blank was left out before a symbol that is not the first.
    pub(crate) fn is_parted_before(&self, index: usize) -> bool {
        let (from, to) = (self.place(index - 1), self.place(index));
        let mut gap = self.stream[from + 1..to].iter();
        gap.any(|symbol| is_blank(*symbol))
    }

    /// A blank that ends no line was left out before a symbol that is not the first.
    pub(crate) fn is_spaced_before(&self, index: usize) -> bool {
        let mut gap = self.gap(index);
        gap.any(|symbol| is_space(Some(symbol)))
    }

    fn gap(&self, index: usize) -> std::slice::Iter<'_, u32> {
        let (from, to) = (self.place(index - 1), self.place(index));
        self.stream[from + 1..to].iter()
    }

    /// What was left out between the symbols of a match: nowhere more than `max_gap` symbols, and
    /// no blank between two letters, unless there is a gap between any two: a word that is spelled
    /// out. What is typed for one character is a word of its own, and its parts stand together.
    /// Where the entry has a blank something must be left out.
    ///
    /// `form` has the symbols of the entry that those of the match stand for, if it matters.
    pub(crate) fn gaps_are_small(
        &self,
        form: Option<&[u32]>,
        range: Range<usize>,
        limits: &Limits,
    ) -> bool {
        let (first, last) = (self.place(range.start), self.place(range.end - 1));
        let jointed = form.is_some_and(|form| form.iter().any(|symbol| symbol & JOINT != 0));
        if last - first == range.len() - 1 {
            return !jointed;
        }
        let (mut blank, mut closed) = (false, false);
        for (index, at) in range.clone().skip(1).enumerate() {
            let (from, to) = (self.place(at - 1), self.place(at));
            let gap = to - from - 1;
            let flags = |at: usize, index: usize| form.map_or(self.stream[at], |form| form[index]);
            if form.is_some() && flags(to, index + 1) & JOINT != 0 {
                if gap == 0 || gap > BLANKS_MAX {
                    return false;
                }
                continue;
            }
            let spaced = jointed && !limits.blanks && self.is_spaced_before(at);
            if gap > limits.max_gap as usize || spaced {
                return false;
            }
            let (before, behind) = (flags(from, index), flags(to, index + 1));
            let (part, syllable) = match form {
                Some(_) => (behind & PART != 0, behind & SYLLABLE != 0),
                None => (false, false),
            };
            if part && gap > 0 {
                return false;
            }
            if are_letters(before, behind) && !syllable {
                closed |= gap == 0;
                blank |= self.is_parted_before(at);
            }
        }
        let is_bounded = blank && closed;
        let is_joint = |at: usize| {
            let own = form.and_then(|form| form.get(at - range.start));
            own.is_some_and(|own| own & JOINT != 0)
        };
        !is_bounded && !self.is_number_or_contraction(range.clone(), is_joint)
    }

    /// The gaps of a match are those of a number, a date or a time, or that of `he'll`.
    ///
    /// `is_joint`: what stands before this symbol is a blank of the entry, and no gap.
    pub(crate) fn is_number_or_contraction(
        &self,
        range: Range<usize>,
        is_joint: impl Fn(usize) -> bool,
    ) -> bool {
        let (mut gaps, mut digits) = (0, 0);
        let (mut numeric, mut together, mut apostrophe) = (false, false, None);
        for at in range.clone() {
            let own = self.stream[self.place(at)];
            digits += usize::from(own & DIGIT != 0);
            if at == range.start || is_joint(at) {
                continue;
            }
            let before = self.stream[self.place(at - 1)];
            let gap = self.gap(at);
            let length = gap.len();
            gaps += usize::from(length > 0);
            let mut signs = gap.map(|symbol| char::from_u32(symbol & SYMBOL));
            let mut all_of = |known: &str| {
                let is_known = |sign: Option<char>| sign.is_some_and(|sign| known.contains(sign));
                length > 0 && signs.all(is_known)
            };
            if before & own & DIGIT != 0 {
                together |= length == 0;
                numeric |= length <= NUMERIC_MAX && all_of(NUMERIC);
            } else if are_letters(before, own) && length == 1 && all_of(APOSTROPHES) {
                apostrophe = Some(at);
            }
        }
        let contracted = apostrophe.filter(|_| gaps == 1).is_some_and(|at| {
            let letters = (at..range.end).map(|at| self.stream[self.place(at)] & SYMBOL);
            let letters = letters.filter_map(char::from_u32);
            CONTRACTED
                .iter()
                .any(|known| letters.clone().eq(known.chars()))
        });
        contracted || numeric && (together || digits < 3)
    }

    /// Letters of two scripts stand there, or one that is not of the script it is read in.
    pub(crate) fn is_mixed(&self, range: Range<usize>) -> bool {
        let mut symbols = range.map(|at| self.stream[self.place(at)]);
        symbols.any(|symbol| symbol & FOREIGN != 0)
    }
}

/// Begins and ends with a character of the original, is no flag of two regional indicators, and
/// has nothing beside it that makes it a part of a word.
#[inline]
pub(super) fn stands_free(stream: &[u32], start: usize, end: usize, left: u32, right: u32) -> bool {
    let flag = end - start == 2 && stream[start] & stream[start + 1] & REGIONAL != 0;
    let before = start.checked_sub(1).map_or(0, |before| stream[before]);
    let behind = stream.get(end).copied().unwrap_or(0);
    !flag
        && (stream[start] | behind) & MORE == 0
        && (is_boundary(before, stream[start], left & BARRED)
            || is_parted(stream[start])
            || left & PREFIXES != 0 && prefix::stands_before(stream, start))
        && (is_boundary(behind, stream[end - 1], right & BARRED) || is_parted(behind))
}

/// A flag is no part of the word beside it, though its letters are.
#[inline]
fn is_boundary(neighbour: u32, own: u32, barred: u32) -> bool {
    neighbour & barred == 0 || neighbour & !own & REGIONAL != 0
}

/// What stands before this letter parts it from the one before.
#[inline]
pub(super) fn is_parted(symbol: u32) -> bool {
    symbol >> KIND_SHIFT == PARTED
}
