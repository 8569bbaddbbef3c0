//! Where hits stand in the original, in the three units that clients count in.

use super::character;
use super::hits::Hit;
use crate::event::Span;

/// A place in the text, in bytes, characters and UTF-16 units.
#[derive(Clone, Copy, Default)]
struct Place {
    byte: usize,
    char: usize,
    utf16: usize,
}

/// The places of one text that somebody asked about.
#[derive(Default)]
pub struct Places {
    starts: Vec<(u32, Place)>,
    /// Each end stands at its byte in the hit; its place is behind the marks that follow.
    ends: Vec<(u32, Place)>,
}

impl Places {
    /// Finds the places of all hits in one pass over the text.
    pub fn locate(&mut self, text: &str, hits: &[Hit]) {
        fill(&mut self.starts, hits.iter().map(|hit| hit.start));
        fill(&mut self.ends, hits.iter().map(|hit| hit.end));
        let (mut next_start, mut next_end) = (0, 0);
        let mut open = 0;
        let mut here = Place::default();
        for c in text.chars() {
            if next_start == self.starts.len() && next_end == self.ends.len() && open == next_end {
                return;
            }
            note(&mut self.starts, &mut next_start, here);
            note(&mut self.ends, &mut next_end, here);
            // Invariant: the ends from `open` to `next_end` still wait for their last mark.
            if open < next_end && !character::is_trailing(c) {
                close(&mut self.ends[open..next_end], here);
                open = next_end;
            }
            here.byte += c.len_utf8();
            here.char += 1;
            here.utf16 += c.len_utf16();
        }
        close(&mut self.ends[open..], here);
    }

    /// The span of a hit that was located, rounded out to whole grapheme clusters.
    pub fn span(&self, hit: &Hit) -> Span {
        let start = find(&self.starts, hit.start);
        let end = find(&self.ends, hit.end);
        Span {
            bytes: start.byte..end.byte,
            chars: start.char..end.char,
            utf16: start.utf16..end.utf16,
        }
    }
}

fn fill(places: &mut Vec<(u32, Place)>, bytes: impl Iterator<Item = u32>) {
    places.clear();
    places.extend(bytes.map(|byte| (byte, Place::default())));
    places.sort_unstable_by_key(|(byte, _)| *byte);
    places.dedup_by_key(|(byte, _)| *byte);
}

fn note(places: &mut [(u32, Place)], next: &mut usize, here: Place) {
    if let Some((byte, place)) = places.get_mut(*next)
        && *byte as usize == here.byte
    {
        *place = here;
        *next += 1;
    }
}

fn close(ends: &mut [(u32, Place)], here: Place) {
    for (_, place) in ends {
        *place = here;
    }
}

fn find(places: &[(u32, Place)], byte: u32) -> Place {
    let at = places
        .binary_search_by_key(&byte, |(byte, _)| *byte)
        .expect("`locate` was given every hit that is asked about");
    places[at].1
}
