//! What follows a match and belongs to it.

use crate::filter::text::is_trailing;

/// Where matches end that have marks behind them: a mask must not part a letter from its marks.
#[derive(Default)]
pub struct Trailing {
    /// What follows letters, from start to end in bytes, ascending: each is looked at once,
    /// however many hits end in it.
    known: Vec<(u32, u32)>,
}

impl Trailing {
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// The end of a hit, behind the marks that follow it.
    pub fn end(&mut self, text: &str, end: u32) -> u32 {
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
        let length = rest.len() - rest.trim_start_matches(is_trailing).len();
        let behind = end + length as u32;
        self.known.insert(at, (end, behind));
        behind
    }
}
