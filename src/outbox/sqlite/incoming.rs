//! An entry on its way to the writer: what can be told of it without the file was computed by who
//! brought it, so that all others do not wait for that.

use std::sync::Arc;

use super::event::{Sum, sum_of};
use super::ids::{Digest, digest};
use crate::outbox::entry::NewEntry;

pub(super) struct Incoming {
    pub entry: Arc<NewEntry>,
    /// Of its id.
    pub digest: Digest,
    /// What it counts against the limits.
    pub bytes: u64,
    /// For its checksum.
    pub sum: Sum,
}

impl From<NewEntry> for Incoming {
    fn from(entry: NewEntry) -> Incoming {
        let bytes = entry.bytes();
        Incoming {
            digest: digest(&entry.id),
            bytes,
            sum: sum_of(&entry, bytes),
            entry: Arc::new(entry),
        }
    }
}
