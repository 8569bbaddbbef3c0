//! What those who decide, the writer and those who search have in common.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::catalog::Catalog;
use super::counts::Tables;
use super::id_form::Ids;
use super::outcome::Kind;
use super::queue::Queue;
use super::recent::Recent;
use super::sampler::Sampler;
use super::settings::Settings;
use crate::telemetry::Metrics;

#[derive(Debug)]
pub(super) struct Shared {
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub queue: Queue,
    pub tables: Tables,
    pub allows: Sampler,
    pub others: Sampler,
    pub recent: Recent,
    pub catalog: Arc<Catalog>,
    /// How ids are written, once that is known.
    pub ids: OnceLock<Ids>,
    pub bytes: AtomicU64,
    /// Why the last decisions could not be written.
    error: Mutex<Option<String>>,
    started: Instant,
    started_us: u64,
}

impl Shared {
    pub(super) fn new(settings: Settings, metrics: Arc<Metrics>) -> Shared {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Shared {
            queue: Queue::new(settings.queue_rows_max, settings.queue_bytes_max),
            tables: Tables::default(),
            allows: Sampler::sharing(settings.allows_per_second_max),
            others: Sampler::dropping(settings.decisions_per_second_max),
            recent: Recent::new(
                settings.texts_max,
                settings.texts_bytes_max,
                settings.texts_keep,
            ),
            catalog: Arc::default(),
            ids: OnceLock::new(),
            bytes: AtomicU64::default(),
            error: Mutex::default(),
            started: Instant::now(),
            started_us: now.map_or(0, |now| now.as_micros() as u64),
            settings,
            metrics,
        }
    }

    /// Microseconds since 1970, as the wall clock had it at the start and the other clock went on.
    pub(super) fn us_of(&self, at: Instant) -> u64 {
        self.started_us + at.saturating_duration_since(self.started).as_micros() as u64
    }

    pub(super) fn now_us(&self) -> u64 {
        self.us_of(Instant::now())
    }

    pub(super) fn dropped(&self, kind: Kind, reason: &'static str) {
        self.metrics.history.dropped(kind.name(), reason, 1);
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.metrics.history.holds(bytes);
    }

    /// Why the last decisions could not be written; `None` when they were.
    pub(super) fn error(&self) -> Option<String> {
        self.lock_error().clone()
    }

    /// True if that is new.
    pub(super) fn set_error(&self, error: Option<String>) -> bool {
        let mut known = self.lock_error();
        let is_new = known.is_some() != error.is_some();
        self.metrics.history.fails(error.is_some());
        *known = error;
        is_new
    }

    fn lock_error(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
