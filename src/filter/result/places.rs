//! Where hits stand in the original, in the three units that clients count in.

use super::hit::Hit;
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
pub(crate) struct Places(Vec<(u32, Place)>);

impl Places {
    /// Finds the places of all hits in one pass over the text.
    pub(crate) fn locate(&mut self, text: &str, hits: &[Hit]) {
        let bytes = hits.iter().flat_map(|hit| [hit.start, hit.end]);
        self.0.clear();
        self.0.extend(bytes.map(|byte| (byte, Place::default())));
        self.0.sort_unstable_by_key(|(byte, _)| *byte);
        self.0.dedup_by_key(|(byte, _)| *byte);
        let mut here = Place::default();
        for (byte, place) in &mut self.0 {
            for c in text[here.byte..*byte as usize].chars() {
                here.char += 1;
                here.utf16 += c.len_utf16();
            }
            here.byte = *byte as usize;
            *place = here;
        }
    }

    /// The span of a hit that was located.
    pub(crate) fn span(&self, hit: &Hit) -> Span {
        let (start, end) = (self.place(hit.start), self.place(hit.end));
        Span {
            bytes: start.byte..end.byte,
            chars: start.char..end.char,
            utf16: start.utf16..end.utf16,
        }
    }

    fn place(&self, byte: u32) -> Place {
        let at = self.0.binary_search_by_key(&byte, |(byte, _)| *byte);
        self.0[at.expect("`locate` was given every hit that is asked about")].1
    }
}
