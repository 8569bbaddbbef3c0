//! What is asked about a symbol: whether it is a blank, a sign, or may be passed over.

use super::character;
use super::stream::{DIGIT, KIND_SHIFT, LATIN, LETTER, SYMBOL};
use crate::filter::options::SkipClasses;

const SPACE: u32 = character::Noise::Space as u32 + 1;
const NEWLINE: u32 = character::Noise::Newline as u32 + 1;

/// A blank that ends no line.
pub(crate) fn is_space(symbol: Option<&u32>) -> bool {
    symbol.is_some_and(|symbol| symbol >> KIND_SHIFT == SPACE)
}

/// A symbol of a script that writes no blanks between words, and no characters for words either:
/// Thai, Lao, Burmese or Khmer.
pub(crate) fn is_unspaced(symbol: u32) -> bool {
    matches!(
        symbol & SYMBOL,
        0xE01..=0xE3A
            | 0xE40..=0xE5B
            | 0xE81..=0xEFF
            | 0x1000..=0x109F
            | 0x1780..=0x17FF
            | 0xA9E0..=0xA9FF
            | 0xAA60..=0xAA7F
    )
}

/// Symbols that may stand between two characters of an entry, ready to be asked for each symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// One bit for each kind of noise.
    kinds: u32,
    flags: u32,
}

impl Noise {
    pub(crate) fn new(classes: SkipClasses) -> Noise {
        let kinds = [
            (SkipClasses::SPACE, character::Noise::Space),
            (SkipClasses::PUNCT, character::Noise::Punct),
            (SkipClasses::SYMBOL, character::Noise::Symbol),
            (SkipClasses::STOP, character::Noise::Stop),
            (SkipClasses::NEWLINE, character::Noise::Newline),
        ];
        let flags = [(SkipClasses::DIGIT, DIGIT), (SkipClasses::LATIN, LATIN)];
        Noise {
            kinds: kinds
                .into_iter()
                .filter(|(class, _)| classes.contains(*class))
                .fold(0, |bits, (_, kind)| bits | 2 << kind as u32),
            flags: flags
                .into_iter()
                .filter(|(class, _)| classes.contains(*class))
                .fold(0, |bits, (_, flag)| bits | flag),
        }
    }

    /// A letter or a digit that may; of forms, whose kinds of noise are not known, all that can be
    /// said.
    pub(crate) fn is_of_class(self, symbol: u32) -> bool {
        symbol & self.flags != 0
    }

    #[inline]
    pub(crate) fn holds(self, symbol: u32) -> bool {
        self.kinds >> (symbol >> KIND_SHIFT) & 1 != 0 || symbol & self.flags != 0
    }
}

/// Two letters, of one script or of two.
#[inline]
pub(crate) fn are_letters(one: u32, other: u32) -> bool {
    one & LETTER != 0 && other & LETTER != 0
}

/// A blank or the end of a line.
pub(crate) fn is_blank(symbol: u32) -> bool {
    matches!(symbol >> KIND_SHIFT, SPACE | NEWLINE)
}

/// Any sign, emoji too, but no blank.
pub(crate) fn is_sign(symbol: u32) -> bool {
    const FIRST: u32 = character::Noise::Punct as u32 + 1;
    const LAST: u32 = character::Noise::Stop as u32 + 1;
    (FIRST..=LAST).contains(&(symbol >> KIND_SHIFT))
}
