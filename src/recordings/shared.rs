//! What those who decide, the writer and those who read have in common.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::queue::Queue;
use super::settings::Settings;
use crate::clock::Clock;
use crate::telemetry::Metrics;

#[derive(Debug)]
pub(super) struct Shared {
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub queue: Queue,
    pub bytes: AtomicU64,
    /// Of 2^32 calls, so many are kept.
    pub share: u64,
    /// Why the last calls could not be written.
    pub error: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn dropped(&self, reason: &'static str, calls: u64) {
        self.metrics.recordings.dropped(reason, calls);
    }

    /// Why the last calls could not be written; `None` when they were.
    pub(super) fn error(&self) -> Option<String> {
        let known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// True if that is new.
    pub(super) fn set_error(&self, error: Option<String>) -> bool {
        let mut known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.is_some() != error.is_some();
        self.metrics.recordings.fails(error.is_some());
        *known = error;
        is_new
    }
}
