//! A word that is looked for: which entry it is, and what must hold at its ends.

use crate::filter::options::WholeWord;
use crate::filter::text::{DIGIT, KIND_SHIFT, LETTER, SYMBOL, is_unspaced};

/// In a form of an entry: begins what is typed for one character of it.
pub(crate) const SYLLABLE: u32 = 1 << 30;

/// In a form of an entry: belongs to the symbol before it; nothing may stand between the two.
pub(crate) const PART: u32 = 1 << 29;

/// In a form of an entry: a blank stands before it.
pub(crate) const JOINT: u32 = 1 << 31;

/// In what must not stand before an entry: prefixes may.
pub(super) const PREFIXES: u32 = 1 << 31;

/// In what must not stand before or behind an entry: nothing that goes on with its word, as far as
/// a segmenter knows.
pub(super) const SEGMENTED: u32 = 1 << 30;

/// Flags of symbols in what must not stand beside an entry.
pub(super) const BARRED: u32 = LETTER | DIGIT;

/// The most symbols that may stand for a blank of an entry.
pub(super) const BLANKS_MAX: usize = 256;

/// A folded symbol as one of a form, in which the kind of noise makes room for other flags.
pub(crate) fn of_form(symbol: u32) -> u32 {
    symbol & ((1 << KIND_SHIFT) - 1)
}

/// An entry of a list, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryOf {
    pub list: u32,
    pub entry: u32,
}

/// A word to look for, whatever its forms.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub of: EntryOf,
    pub ends: Ends,
    /// It belongs to a combination, so it must be found whoever else has the same pattern.
    pub combined: bool,
    /// It is found only where letters of two scripts stand for it.
    pub mixed: bool,
}

/// Which ends of an entry need a boundary.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    pub whole_word: WholeWord,
    /// Prefixes of Arabic and Hebrew may stand before it.
    pub prefixes: bool,
    pub left_open: bool,
    pub right_open: bool,
}

impl Ends {
    /// What must not stand before and behind these symbols, which are not empty.
    pub(crate) fn barred(self, folded: &[u32]) -> (u32, u32) {
        let (Some(first), Some(last)) = (folded.first(), folded.last()) else {
            unreachable!("the caller refused entries of which nothing is left");
        };
        let prefixes = self.prefixes && has_prefixes(*first & SYMBOL);
        (
            barred(*first, self.whole_word, self.left_open) | (u32::from(prefixes) * PREFIXES),
            barred(*last, self.whole_word, self.right_open),
        )
    }
}

/// What a list says about what may stand in its matches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub max_gap: u32,
    /// Blanks may stand between any two characters.
    pub blanks: bool,
    /// From how many equal symbols on they may stand for fewer; 0 is never.
    pub repeat: u32,
}

/// An entry in a stream, from its first symbol to behind its last.
pub(crate) struct Candidate {
    pub of: EntryOf,
    pub start: usize,
    pub end: usize,
}

/// What must not stand beside an end with this symbol.
fn barred(symbol: u32, whole_word: WholeWord, open: bool) -> u32 {
    let beside = match whole_word {
        _ if open || symbol & (LETTER | DIGIT) == 0 => 0,
        WholeWord::Alnum | WholeWord::Segment => LETTER | DIGIT,
        WholeWord::Alpha => LETTER,
        WholeWord::Off => 0,
    };
    match whole_word == WholeWord::Segment && !open && is_unspaced(symbol) {
        true => beside | SEGMENTED,
        false => beside,
    }
}

/// A letter of a script whose prefixes are written without a blank.
fn has_prefixes(symbol: u32) -> bool {
    matches!(symbol, 0x5D0..=0x5EA | 0x620..=0x6D5)
}
