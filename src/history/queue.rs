//! What waits for the writer. Nobody who puts something in ever waits.

use std::mem;
use std::sync::{Mutex, PoisonError};

use super::record::Record;

/// In boxes: whoever must make it longer moves little, while others wait.
pub(super) type Records = Vec<Box<Record>>;

#[derive(Debug)]
pub(super) struct Queue {
    rows_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Records,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(rows_max: usize, bytes_max: usize) -> Queue {
        Queue {
            rows_max,
            bytes_max,
            waiting: Mutex::default(),
        }
    }

    /// False: there is no room.
    pub(super) fn push(&self, record: Record) -> bool {
        let (bytes, record) = (record.bytes(), Box::new(record));
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = waiting.records.len() >= self.rows_max
            || waiting.bytes.saturating_add(bytes) > self.bytes_max;
        if is_full {
            return false;
        }
        waiting.bytes += bytes;
        waiting.records.push(record);
        true
    }

    pub(super) fn take(&self) -> Records {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *waiting).records
    }
}
