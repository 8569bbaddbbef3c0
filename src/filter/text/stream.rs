//! Folded text: a row of symbols that know where they came from.

use std::ops::Range;

/// The bits of a symbol that say which character it is; the rest are flags. What is no character
/// has a number above all code points: sounds, and flags of countries.
pub(crate) const SYMBOL: u32 = (1 << 21) - 1;
pub(super) const LATIN: u32 = 1 << 21;
pub(super) const GREEK: u32 = 1 << 22;
pub(super) const CYRILLIC: u32 = 1 << 23;
pub(crate) const DIGIT: u32 = 1 << 24;
/// Came from a regional indicator, two of which may be a flag.
pub(crate) const REGIONAL: u32 = 1 << 25;
/// Came from the same character as the symbol before.
pub(crate) const MORE: u32 = 1 << 26;
/// A letter of another script that writes blanks between words.
pub(crate) const WORD: u32 = 1 << 27;
/// A Latin letter that is one of another script in the text.
pub(crate) const FOREIGN: u32 = 1 << 28;

pub(crate) const LETTER: u32 = LATIN | GREEK | CYRILLIC | WORD;

/// The bits from here on are the kind of noise; 0 is none.
pub(crate) const KIND_SHIFT: u32 = 29;

/// A kind beside those of noise: what stands before the letter parts words.
pub(crate) const PARTED: u32 = 6;

/// What the last symbol of a stream is, if letters made it or may go on with it.
#[derive(Clone, Copy, Default)]
pub(super) struct Syllable {
    /// How many symbols there are; with more it is the last no longer.
    pub(super) count: usize,
    /// The consonant that ends it, where that stands, and where what is before it ends.
    pub(super) last: Option<(char, u32, u32)>,
    /// There is a vowel in it.
    pub(super) vowel: bool,
}

/// Folded text. `symbols[i]` came from the character at byte `origins[i]`.
#[derive(Default)]
pub(crate) struct Stream {
    pub symbols: Vec<u32>,
    pub origins: Vec<u32>,
    /// Characters that were joined by what follows them: where each begins, and where the last
    /// that joined it ends. What was dropped may stand between.
    joined: Vec<(u32, u32)>,
    /// What is before this byte was read with what stands before it.
    pub(super) read_to: u32,
    /// Marks before this byte are in their canonical order.
    pub(super) marks_to: u32,
    /// The symbols that follow what parts words.
    pub(super) parted: Vec<u32>,
    pub(super) syllable: Syllable,
}

impl Stream {
    pub(super) fn clear(&mut self) {
        self.symbols.clear();
        self.origins.clear();
        self.joined.clear();
        self.parted.clear();
        (self.read_to, self.marks_to) = (0, 0);
        self.syllable = Syllable::default();
    }

    /// The symbol that the character at this byte begins with; `None` if it was dropped or joined.
    pub(crate) fn symbol_at(&self, origin: u32) -> Option<u32> {
        let at = self.origins.binary_search(&origin).ok()?;
        let first = self.origins[..at].partition_point(|known| *known < origin);
        Some(self.symbols[first])
    }

    /// Where the character at byte `origin` of `text` ends, with what joined it.
    pub(crate) fn end_of(&self, text: &str, origin: u32) -> u32 {
        let joined = self
            .joined
            .binary_search_by_key(&origin, |(start, _)| *start);
        if let Ok(number) = joined {
            return self.joined[number].1;
        }
        let c = text[origin as usize..].chars().next();
        origin + c.map_or(0, char::len_utf8) as u32
    }

    /// Notes that a character that ends there joined the last symbol.
    pub(super) fn join(&mut self, end: u32) {
        let Some(start) = self.origins.last().copied() else {
            return;
        };
        match self.joined.last_mut() {
            Some(last) if last.0 == start => last.1 = end,
            _ => self.joined.push((start, end)),
        }
    }

    /// Where what joined the last symbol that anything joined ends.
    pub(super) fn last_end(&self) -> u32 {
        self.joined.last().map_or(0, |last| last.1)
    }

    /// Notes that what joined the last symbol ends there, and no further.
    pub(super) fn join_to(&mut self, end: u32) {
        if let Some(last) = self.joined.last_mut() {
            last.1 = end;
        }
    }

    /// The same, in an order of its own.
    pub(crate) fn copy(&self) -> Stream {
        Stream {
            symbols: self.symbols.clone(),
            origins: self.origins.clone(),
            joined: self.joined.clone(),
            ..Stream::default()
        }
    }

    #[inline]
    pub(super) fn push(&mut self, symbol: u32, origin: u32) {
        self.symbols.push(symbol);
        self.origins.push(origin);
    }

    /// Puts the characters of a range in reverse; the symbols of each keep their order.
    pub(crate) fn reverse(&mut self, range: Range<usize>) {
        let (symbols, origins) = (&mut self.symbols[range.clone()], &mut self.origins[range]);
        symbols.reverse();
        origins.reverse();
        let mut start = 0;
        for at in 0..symbols.len() {
            if symbols[at] & MORE == 0 {
                symbols[start..=at].reverse();
                start = at + 1;
            }
        }
    }
}
