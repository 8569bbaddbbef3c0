//! A folded text as a string, for what reads no symbols.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use crate::filter::text::{SYMBOL, Stream, is_invisible};

/// A folded text as a string, with the way back to the original.
pub(super) struct Folded<'a> {
    pub(super) text: String,
    /// For each byte of `text` the symbol that it is of.
    symbols: Vec<u32>,
    original: &'a str,
    origins: &'a [u32],
}

impl<'a> Folded<'a> {
    pub(super) fn new(original: &'a str, stream: &'a Stream) -> Folded<'a> {
        let (mut text, mut symbols) = (String::new(), Vec::new());
        for (number, symbol) in stream.symbols.iter().enumerate() {
            let origin = stream.origins[number] as usize;
            let c = match original[origin..].chars().next() {
                // The sentence goes on behind it, where `,` may belong to a URL.
                Some(stop) if "，！？；（）".contains(stop) => stop,
                _ => char::from_u32(symbol & SYMBOL).unwrap_or(char::REPLACEMENT_CHARACTER),
            };
            text.push(c);
            symbols.resize(text.len(), number as u32);
        }
        Folded {
            text,
            symbols,
            original,
            origins: &stream.origins,
        }
    }

    /// The characters of the original from which a part was folded, of usual width and composed.
    pub(super) fn written(&self, range: Range<usize>) -> String {
        let (start, end) = self.origin(range);
        let shown = self.original[start..end].chars();
        shown.filter(|c| !is_invisible(*c)).nfkc().collect()
    }

    /// The bytes of the original from which a part was folded.
    pub(super) fn origin(&self, range: Range<usize>) -> (usize, usize) {
        let origin = |byte: usize| self.origins[self.symbols[byte] as usize] as usize;
        let (start, last) = (origin(range.start), origin(range.end - 1));
        let length = self.original[last..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        (start, last + length)
    }
}
