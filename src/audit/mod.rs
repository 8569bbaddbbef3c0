//! What was done here, by whom: each act is on disk before it is done, and none can be taken away
//! unseen.
//!
//! Owns: the records, the chain that they make, their files, how long they are kept.
//! Leaves alone: who may do what (`admin`), what an act does.
//!
//! A folder holds segments of JSON lines and the file `head`. A record's `hash` is the SHA-256 of
//! its line up to the hash, and holds the hash of the record before it: whoever changes, removes,
//! doubles or moves one breaks the chain there. `head` and `/status` name the last record, so that
//! one that is taken from the end is missed too. There is no key: whoever may write the folder can
//! make a new chain, and what shows it is a head that was noted elsewhere (the log has each).
//!
//! Order, downward: `trail`, `refusals`, `journal`, `edits`, `copy`, `pages`, `chain`, `folder`, `record`, `act`.

mod act;
mod chain;
mod copy;
mod edits;
mod folder;
mod journal;
mod pages;
mod record;
mod refusals;
#[cfg(test)]
mod tests;
mod trail;

pub use act::{Act, Who};
pub use chain::{Found, read, verify};
pub use copy::copy;
pub use edits::Edited;
pub use journal::{AuditError, Settings};
pub use pages::{Page, Wanted, page};
pub use record::{Head, Outcome, Record};
pub use trail::{Audit, Begun, PolicyEdits};
