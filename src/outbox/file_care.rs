//! What is told of a whole file: by `callgate outbox check`, `repair` and `export`.

use std::path::PathBuf;

use super::entry::NewEntry;

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Events that can be read.
    pub events: u64,
    /// The first ones, in words.
    pub findings: Vec<String>,
    /// How many there are.
    pub found: u64,
}

impl Inspection {
    pub fn is_sound(&self) -> bool {
        self.found == 0
    }
}

/// One event of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub entry: NewEntry,
    /// It fits its checksum.
    pub sound: bool,
    /// Names of the endpoints that it waits for.
    pub pending: Vec<String>,
    /// Names of the endpoints that it was given up on for.
    pub dead: Vec<String>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// What was wrong; with none nothing was done.
    pub inspection: Inspection,
    /// Events in the new file.
    pub kept: u64,
    /// Of these, kept as dead letters because they are damaged.
    pub damaged: u64,
    /// Pairs of events and endpoints that cannot be read any more, counted as discarded.
    pub lost: u64,
    /// Where the old file is now.
    pub old: Option<PathBuf>,
}
