//! What waits for the writer. Nobody who puts something in ever waits.

use std::mem;
use std::sync::{Mutex, PoisonError};

use crate::policy::RecordedCall;

#[derive(Debug)]
pub(super) struct Queue {
    calls_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<RecordedCall>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(calls_max: usize, bytes_max: usize) -> Queue {
        Queue {
            calls_max,
            bytes_max,
            waiting: Mutex::default(),
        }
    }

    /// False: there is no room.
    pub(super) fn push(&self, call: RecordedCall) -> bool {
        let bytes = call.bytes();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = waiting.calls.len() >= self.calls_max
            || waiting.bytes.saturating_add(bytes) > self.bytes_max;
        if is_full {
            return false;
        }
        waiting.bytes += bytes;
        waiting.calls.push(call);
        true
    }

    pub(super) fn take(&self) -> Vec<RecordedCall> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *waiting).calls
    }
}
