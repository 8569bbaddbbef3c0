//! What those who decide, the writer and those who search have in common.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tracing::warn;

use super::catalog::Catalog;
use super::counts::Tables;
use super::id::number_of;
use super::id_form::Ids;
use super::outcome::Kind;
use super::queue::Queue;
use super::recent::Recent;
use super::sampler::Sampler;
use super::settings::Settings;
use crate::telemetry::Metrics;

/// A disk that takes nothing for longer is told as one that fails. To index a full file takes seconds.
const SILENT_MAX: Duration = Duration::from_secs(20);

const TELL_EVERY: Duration = Duration::from_secs(600);

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
    /// Decisions that should be kept and are not, since the start.
    pub dropped: AtomicU64,
    /// All ids of this process up to this one are in the files, or never will be.
    pub written_to: AtomicI64,
    /// Since when the writer has waited for the disk; 0: it does not.
    writing_since_us: AtomicU64,
    /// When the log was told that the queue is full; 0: never.
    full_told_us: AtomicU64,
    /// Why the last decisions could not be written.
    error: Mutex<Option<String>>,
    started: Instant,
    started_us: u64,
}

impl Shared {
    pub(super) fn new(settings: Settings, metrics: Arc<Metrics>) -> Shared {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let started_us = now.map_or(0, |now| now.as_micros() as u64);
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
            dropped: AtomicU64::default(),
            written_to: AtomicI64::new(number_of(started_us)),
            writing_since_us: AtomicU64::default(),
            full_told_us: AtomicU64::default(),
            error: Mutex::default(),
            started: Instant::now(),
            started_us,
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
        // Without its text, or counted wrongly, it is kept all the same.
        if !matches!(reason, "key" | "count") {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.metrics.history.dropped(kind.name(), reason, 1);
        if reason == "queue" && self.is_time_to_tell() {
            let kind = kind.name();
            warn!(
                kind,
                "decisions are made and not kept: too many wait for the disk of the history"
            );
        }
    }

    /// A disk that is too slow is told now and then, not for each decision that it costs.
    fn is_time_to_tell(&self) -> bool {
        let now_us = self.now_us();
        let told = self.full_told_us.load(Ordering::Relaxed);
        let is_told = told > 0 && now_us < told.saturating_add(TELL_EVERY.as_micros() as u64);
        let (from, to) = (Ordering::Relaxed, Ordering::Relaxed);
        !is_told
            && self
                .full_told_us
                .compare_exchange(told, now_us, from, to)
                .is_ok()
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.metrics.history.holds(bytes);
    }

    /// Why the last decisions could not be written; `None` when they were.
    pub(super) fn error(&self) -> Option<String> {
        let silent = match self.writing_since_us.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros(self.now_us().saturating_sub(since)),
        };
        match silent > SILENT_MAX {
            true => Some(format!(
                "`{}` has not taken what was handed over {} s ago",
                self.settings.folder.display(),
                silent.as_secs()
            )),
            false => self.lock_error().clone(),
        }
    }

    /// The writer begins to wait for the disk, or has ended to.
    pub(super) fn writes(&self, does: bool) {
        let since = if does { self.now_us() } else { 0 };
        self.writing_since_us.store(since, Ordering::Relaxed);
    }

    /// Why what was handed over last is in no file.
    pub(super) fn set_error(&self, error: Option<String>) {
        self.metrics.history.fails(error.is_some());
        *self.lock_error() = error;
    }

    fn lock_error(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
