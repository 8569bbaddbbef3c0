//! What follows a match and belongs to it.

use crate::filter::text::{Stream, is_letter_mark, is_trailing};

/// Where matches end that have marks behind them: a mask must not part a letter from its marks.
#[derive(Default)]
pub(super) struct Trailing {
    /// The rows of marks of a text, from start to end in bytes, ascending; known once somebody
    /// asks, in one pass, whatever the number of hits and their order.
    rows: Option<Vec<(u32, u32)>>,
}

impl Trailing {
    pub(super) fn clear(&mut self) {
        self.rows = None;
    }

    /// The end of a hit, behind the marks that follow it; a mark that is a letter, and was read as
    /// one, is no longer one of them.
    pub(super) fn end(&mut self, text: &str, stream: &Stream, end: u32) -> u32 {
        let rest = &text[end as usize..];
        if !rest.chars().next().is_some_and(is_trailing) {
            return end;
        }
        let rows = self.rows.get_or_insert_with(|| rows_of(text, stream));
        let before = rows.partition_point(|(start, _)| *start <= end);
        match before.checked_sub(1).map(|at| rows[at]) {
            Some((_, behind)) => behind.max(end),
            None => end,
        }
    }
}

fn rows_of(text: &str, stream: &Stream) -> Vec<(u32, u32)> {
    let mut rows: Vec<(u32, u32)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is_trailing(*c)) {
        let start = at as u32;
        if is_letter_mark(c) && stream.symbol_at(start).is_some() {
            continue;
        }
        let end = start + c.len_utf8() as u32;
        match rows.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => rows.push((start, end)),
        }
    }
    rows
}
