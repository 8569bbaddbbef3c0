//! What stands around a match, with the match and all digits masked: enough to see what kind of
//! message it is, and not to call somebody.

use crate::decision::Hit;
use crate::event::Event;

/// Characters on each side.
const AROUND: usize = 16;
const MASK: char = '*';

/// `None` where the match is not in the event as it came, but in an endpoint's answer.
pub(super) fn excerpt(event: &Event, hit: &Hit) -> Option<String> {
    let text = event.texts.iter().find(|text| text.place() == hit.place)?;
    let range = hit.span.bytes.clone();
    let before = text.value.get(..range.start)?;
    let matched = text.value.get(range.clone())?;
    let after = text.value.get(range.end..)?;
    let from = before.char_indices().rev().nth(AROUND - 1);
    let from = from.map_or(0, |(at, _)| at);
    let to = after.char_indices().nth(AROUND);
    let to = to.map_or(after.len(), |(at, _)| at);
    let mut excerpt = String::new();
    if from > 0 {
        excerpt.push('…');
    }
    excerpt.extend(before[from..].chars().map(masked));
    let length = matched.chars().count().min(AROUND);
    excerpt.extend(std::iter::repeat_n(MASK, length));
    excerpt.extend(after[..to].chars().map(masked));
    if to < after.len() {
        excerpt.push('…');
    }
    Some(excerpt)
}

fn masked(c: char) -> char {
    if c.is_numeric() { '#' } else { c }
}
