//! Lines that one list hands over to another.

use super::apply::{Applied, Editing, Known};
use super::document::Document;
use crate::filter::Identities;

/// What came of lines that were handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    pub applied: Applied,
    /// Of each line, whether it was added; its entry was there already if not, and stays as it is.
    pub is_new: Vec<bool>,
}

/// Adds these lines as they are written, each where an entry like it goes; one whose entry is there
/// already, before or by an earlier line, adds nothing. `identities` are those of this list.
pub fn hand_over(bytes: &[u8], lines: &[&str], identities: &mut Identities) -> Handed {
    let document = Document::read(bytes);
    let known = Known::of(&document, identities);
    let mut editing = Editing::new(document, known);
    // A CR at the very end of a file belongs to no line end, and would become one here.
    let lines = lines.iter().map(|line| line.trim_end_matches('\r'));
    let is_new = lines
        .map(|line| editing.take_over(line, identities))
        .collect();
    Handed {
        applied: editing.applied(),
        is_new,
    }
}
