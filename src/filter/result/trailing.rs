//! What follows a match and belongs to it.

use crate::filter::text::{Stream, is_letter_mark, is_trailing};

/// Where matches end that have marks behind them: a mask must not part a letter from its marks.
#[derive(Default)]
pub(super) struct Trailing {
    /// What follows letters, from start to end in bytes, ascending: each is looked at once,
    /// however many hits end in it.
    known: Vec<(u32, u32)>,
}

impl Trailing {
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// The end of a hit, behind the marks that follow it; a mark that is a letter, and was read as
    /// one, is no longer one of them.
    pub(super) fn end(&mut self, text: &str, stream: &Stream, end: u32) -> u32 {
        let rest = &text[end as usize..];
        if !rest.chars().next().is_some_and(is_trailing) {
            return end;
        }
        let at = self.known.partition_point(|(start, _)| *start <= end);
        if let Some((_, behind)) = at.checked_sub(1).map(|before| self.known[before])
            && end < behind
        {
            return behind;
        }
        let mut marks = rest.char_indices();
        let first_other = marks.find(|(at, c)| {
            let is_letter = || stream.symbol_at(end + *at as u32).is_some();
            !is_trailing(*c) || is_letter_mark(*c) && is_letter()
        });
        let length = first_other.map_or(rest.len(), |(at, _)| at);
        let behind = end + length as u32;
        self.known.insert(at, (end, behind));
        behind
    }
}
