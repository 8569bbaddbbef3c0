//! The front door: decisions are told here, and looked for.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conditions::Filter;
use super::forget::Forgotten;
use super::hits::{HitCounts, HitsFound};
use super::id::DecisionId;
use super::in_force::{EntryNow, InForce};
use super::outcome::Kind;
use super::query::{Counts, Page, cursor_of};
use super::reading::HistoryError;
use super::recent::RecentText;
use super::record::{PlacedText, Record, Told};
use super::row::Row;
use super::settings::{Settings, TextLevel};
use super::shared::Shared;
use super::sinks::Sinks;
use super::span::SpanId;
use super::writer::Writer;
use crate::event::Event;
use crate::policy::Snapshot;
use crate::telemetry::Metrics;
use crate::writer_thread::WriterThread;

/// How long whoever looks waits for what was just decided: a disk that takes nothing has no more.
const SETTLES_WITHIN: Duration = Duration::from_millis(500);

/// How long whoever has a user forgotten waits: each file is rewritten where it has something of it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(300);

/// What was decided lately.
#[derive(Debug, Default)]
pub struct History {
    /// `None`: nothing is kept.
    pub(super) shared: Option<Arc<Shared>>,
    writer: Option<WriterThread<Writer>>,
    in_force: InForce,
    hits: HitCounts,
}

impl History {
    /// Keeps nothing.
    pub fn off() -> History {
        History::default()
    }

    /// Starts the thread that writes. A folder that cannot be written is told then, and costs the
    /// decisions until it can.
    ///
    /// Errors: the operating system gives no thread.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> io::Result<History> {
        if !settings.enabled {
            return Ok(History::off());
        }
        let shared = Arc::new(Shared::new(settings, metrics));
        let sinks = Sinks::start(&shared.settings.sinks, &shared.metrics)?;
        let writer = Writer::new(Arc::clone(&shared), sinks);
        Ok(History {
            shared: Some(shared),
            writer: Some(WriterThread::start("history", writer)?),
            in_force: InForce::default(),
            hits: HitCounts::default(),
        })
    }

    /// An id for a decision that begins, where decisions are spans.
    pub fn span(&self) -> Option<SpanId> {
        let sinks = &self.shared.as_ref()?.settings.sinks;
        let is_traced = sinks.otlp.as_ref().is_some_and(|otlp| otlp.traces);
        is_traced.then(SpanId::fresh)
    }

    /// Takes note of a decision. Never waits: what there is no room for is dropped and counted.
    pub fn tell(&self, told: &Told<'_>) {
        let Some(shared) = self.shared.as_deref() else {
            return;
        };
        let at_us = shared.us_of(told.received + told.total);
        let second = (at_us / 1_000_000) as u32;
        let kind = Kind::of(told.decision);
        let hook = told.hook.map_or("unknown", |hook| hook.name);
        let version = &told.snapshot.version;
        let tables = &shared.tables;
        if !tables.count(second / 60, hook, kind, version, told.decision) {
            shared.dropped(kind, "count");
        }
        let sampler = match kind.is_plain() {
            true => &shared.allows,
            false => &shared.others,
        };
        let Some(weight) = sampler.weight(second, || hash_of(told, at_us)) else {
            if !kind.is_plain() {
                shared.dropped(kind, "rate");
            }
            return;
        };
        let with_texts = shared.settings.texts != TextLevel::None;
        let record = Record::of(told, kind, at_us, weight, with_texts);
        if !shared.queue.push(record) {
            shared.dropped(kind, "queue");
        }
    }

    /// Waits until what was told before is in the files. Blocks.
    pub fn flush(&self) {
        self.settle(ANSWERS_WITHIN);
    }

    /// Decisions behind `cursor`, or the newest. Blocks for the disk.
    ///
    /// Errors: a file cannot be read.
    pub fn find(
        &self,
        filter: &Filter,
        cursor: Option<&str>,
        rows_max: usize,
    ) -> Result<Page, HistoryError> {
        let Some(text) = cursor else {
            return self.settled()?.find(filter, None, rows_max);
        };
        // What is behind it was in the files before.
        let cursor = cursor_of(text).ok_or(HistoryError::Cursor)?;
        self.on()?.find(filter, Some(cursor), rows_max)
    }

    /// The newest decisions after one that is known. Blocks for the disk.
    pub fn newer(
        &self,
        filter: &Filter,
        after: DecisionId,
        rows_max: usize,
    ) -> Result<Vec<Row>, HistoryError> {
        self.settled()?.newer(filter, after.number, rows_max)
    }

    /// Blocks for the disk.
    pub fn decision(&self, id: DecisionId) -> Result<Option<Row>, HistoryError> {
        self.settled()?.decision(id)
    }

    /// The texts of a decision; `None` when they are not kept, or not any more. Blocks for the disk.
    pub fn texts(&self, id: DecisionId) -> Result<Option<Vec<PlacedText>>, HistoryError> {
        self.settled()?.texts(id)
    }

    /// Exact numbers in spans of `step_s` seconds, in whole minutes. Of a filter time, hook, list,
    /// outcome and version count. Blocks for the disk.
    pub fn counts(&self, filter: &Filter, step_s: u64) -> Result<Counts, HistoryError> {
        self.settled()?.counts(filter, step_s)
    }

    /// How many messages these entries of a list hit of late, by the hashes of the entries. Blocks for
    /// the disk, for less than a second.
    pub fn hits(&self, list: &str, entries: &[u64]) -> Result<HitsFound, HistoryError> {
        self.hits.of(self.settled()?, list, entries)
    }

    /// The versions of the policy that kept decisions name; `None` when a file cannot be read. Blocks
    /// for the disk.
    pub fn versions(&self) -> Option<BTreeSet<u64>> {
        match self.settled().and_then(|shared| shared.versions()) {
            Ok(versions) => Some(versions),
            Err(HistoryError::Off) => Some(BTreeSet::new()),
            Err(_) => None,
        }
    }

    /// The last texts, newest first; none but at level `memory`.
    pub fn recent_texts(&self) -> Vec<Arc<RecentText>> {
        let shared = self.shared.as_ref();
        shared.map_or_else(Vec::new, |shared| shared.recent.all(shared.now_us()))
    }

    /// The entry of a list with this hash, if a policy has it.
    pub fn in_force(&self, snapshot: &Snapshot, list: &str, entry: u64) -> Option<EntryNow> {
        self.in_force.find(snapshot, list, entry)
    }

    /// Errors: nothing is kept.
    fn on(&self) -> Result<&Shared, HistoryError> {
        self.shared.as_deref().ok_or(HistoryError::Off)
    }

    /// What may be searched, once what was decided before is in it.
    ///
    /// Errors: nothing is kept.
    fn settled(&self) -> Result<&Shared, HistoryError> {
        let shared = self.on()?;
        self.settle(SETTLES_WITHIN);
        Ok(shared)
    }

    /// A writer with too many questions is about to look anyway.
    fn settle(&self, within: Duration) {
        if let Some(writer) = &self.writer {
            writer.ask(within, |_| ());
        }
    }

    /// Forgets what a user wrote or was written to. Blocks for the disk.
    ///
    /// Errors: the files cannot be written; what is forgotten by then stays so.
    pub fn forget(&self, user: &str) -> Result<Forgotten, HistoryError> {
        let shared = self.on()?;
        let silent = || {
            let folder = shared.settings.folder.display();
            HistoryError::Unwritable(format!("`{folder}` does not answer"))
        };
        let user = user.to_owned();
        let writer = self.writer.as_ref().ok_or(HistoryError::Off)?;
        let forgotten = writer.ask(ANSWERS_WITHIN, move |writer| writer.forget(&user));
        self.hits.forget();
        forgotten
            .ok_or_else(silent)?
            .map_err(HistoryError::Unwritable)
    }

    /// Writes what is left and lets go of the files. Blocks for the disk.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.end();
        }
    }

    /// Why decisions are not kept at the moment.
    pub fn error(&self) -> Option<String> {
        self.shared.as_ref()?.error()
    }

    /// Decisions that should be kept and are not, since the start.
    pub fn dropped(&self) -> u64 {
        let shared = self.shared.as_ref();
        shared.map_or(0, |shared| shared.dropped.load(Ordering::Relaxed))
    }

    /// What the files hold, in bytes.
    pub fn bytes(&self) -> u64 {
        let shared = self.shared.as_ref();
        shared.map_or(0, |shared| shared.bytes.load(Ordering::Relaxed))
    }

    pub fn settings(&self) -> Option<&Settings> {
        Some(&self.shared.as_ref()?.settings)
    }
}

/// Equal for all calls about one message, and on all machines.
fn hash_of(told: &Told<'_>, at_us: u64) -> u64 {
    let id = told.event.map_or("", Event::message_id);
    let mut hash = match id {
        "" => at_us,
        id => id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }),
    };
    // The lowest bits decide, so all of them must.
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}
