//! A word list as somebody edits it: the lines of its file, and what becomes of them.
//!
//! Owns: which lines an edit means, that no other byte changes, where a new entry goes, also one of
//! another list, and what becomes of an edit whose file was edited by somebody else too.
//! Leaves alone: what an entry means (`policy`), reading and writing files (`lists`).
//! No IO, no clock.
//!
//! Two entries are the same if the filter finds them in the same places
//! ([`Identity`](crate::filter::Identity)); a merge compares them one by one, not line by line.
//!
//! Order, downward: `merge`, `handed`, `apply`, `layout`, `document`, `op`.

mod apply;
mod document;
mod handed;
mod layout;
mod merge;
mod op;
#[cfg(test)]
mod tests;

pub use apply::{Applied, apply};
pub use document::{Document, Row, What};
pub use handed::{Handed, hand_over};
pub use merge::{Conflict, Merged, NotMerged, merge};
pub use op::{Op, OpProblem, Said, Which, check};
