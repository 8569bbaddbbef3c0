//! The one thread that writes. Whatever fails costs rows, which are counted, and nobody else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::catalog::Series;
use super::counts::Line;
use super::forget::Forgotten;
use super::id::{DecisionId, at_us};
use super::id_form::Ids;
use super::prepare;
use super::recent::RecentText;
use super::record::Record;
use super::sealing::Keys;
use super::segment::NewRow;
use super::settings::TextLevel;
use super::shared::Shared;
use super::sinks::Sinks;
use super::store::Store;

/// How long a decision waits for others.
const TICK: Duration = Duration::from_millis(250);
/// How often it is looked for one when there was none.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// How often it is looked for what is too old or too much.
const CUT_EVERY: Duration = Duration::from_secs(60);
/// Counts that wait for a disk that takes none.
const LINES_MAX: usize = 65_536;

/// What the thread is asked for.
pub(super) enum Job {
    /// What was handed over before is in the files afterwards.
    Flush(SyncSender<()>),
    /// What a user wrote or was written to is forgotten.
    Forget(String, SyncSender<Result<Forgotten, String>>),
    /// As a flush, and the end.
    Close(SyncSender<()>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Store,
    keys: Keys,
    last_id: i64,
    /// What was counted and is not in a file yet.
    lines: Vec<Line>,
    cut_at: Option<Instant>,
    sinks: Sinks,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sinks: Sinks) -> Writer {
        Writer {
            store: Store::new(shared.settings.clone(), Arc::clone(&shared.catalog)),
            keys: Keys::new(&shared.settings.folder),
            shared,
            last_id: 0,
            lines: Vec::new(),
            cut_at: None,
            sinks,
        }
    }

    /// Writes until it is closed, or nobody can ask any more. What panics is one look.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        // Whoever searches finds what was kept before.
        let _ = catch_unwind(AssertUnwindSafe(|| self.look()));
        let mut wait = TICK;
        loop {
            let job = match jobs.recv_timeout(wait) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let looked = catch_unwind(AssertUnwindSafe(|| self.look()));
            wait = match looked {
                Ok(true) => TICK,
                Ok(false) => IDLE_TICK,
                Err(_) => {
                    error!("decisions could not be written, and are lost");
                    self.store.close();
                    TICK
                }
            };
            match job {
                None => {}
                // Whoever asked may have gone.
                Some(Job::Flush(done)) => {
                    let _ = done.send(());
                }
                Some(Job::Forget(user, done)) => {
                    let forgotten = catch_unwind(AssertUnwindSafe(|| self.forget(&user)));
                    let panicked = |_| Err("the history could not be written".to_owned());
                    let _ = done.send(forgotten.unwrap_or_else(panicked));
                }
                Some(Job::Close(done)) => {
                    self.store.close();
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    /// Writes what is there; false if there was nothing.
    fn look(&mut self) -> bool {
        let records = self.shared.queue.take();
        self.count();
        let now_us = self.shared.now_us();
        self.shared.recent.expire(now_us);
        let is_busy = !records.is_empty() || !self.lines.is_empty();
        if is_busy {
            self.write(records, now_us);
        }
        self.cut(now_us);
        is_busy
    }

    fn count(&mut self) {
        for line in self.shared.tables.take() {
            if self.lines.len() < LINES_MAX {
                self.lines.push(line);
            } else {
                let counts = &self.shared.metrics.history;
                counts.dropped(line.kind.name(), "count", line.count);
            }
        }
    }

    fn write(&mut self, records: Vec<Record>, now_us: u64) {
        if let Err(why) = self.prepare() {
            for record in &records {
                self.shared.dropped(record.kind, "disk");
            }
            return self.tell(Some(why));
        }
        let (mut decisions, mut allows) = (Vec::new(), Vec::new());
        for record in records {
            let is_plain = record.kind.is_plain();
            let kind = record.kind;
            let Some(new) = self.take(record) else {
                self.shared.dropped(kind, "id");
                continue;
            };
            match is_plain {
                true => allows.push((kind, new)),
                false => decisions.push((kind, new)),
            }
        }
        let lines = std::mem::take(&mut self.lines);
        let mut failed = None;
        for (series, new, lines) in [
            (Series::Decisions, decisions, lines),
            (Series::Allows, allows, Vec::new()),
        ] {
            if new.is_empty() && lines.is_empty() {
                continue;
            }
            let (kinds, rows): (Vec<_>, Vec<_>) = new.into_iter().unzip();
            let rows = Arc::new(rows);
            // What the disk does not take they may.
            if !rows.is_empty() && !self.sinks.is_empty() {
                self.sinks.give(&rows, &self.shared.metrics);
            }
            match self.store.add(series, &rows, &lines, now_us) {
                Ok(()) => self.shared.metrics.history.wrote(rows.len() as u64),
                Err(error) => {
                    for kind in kinds {
                        self.shared.dropped(kind, "disk");
                    }
                    // They take little room, and are exact.
                    self.lines.extend(lines);
                    failed = Some(error.to_string());
                }
            }
        }
        self.tell(failed);
    }

    /// What must be known before anything is written.
    fn prepare(&mut self) -> Result<(), String> {
        let now_us = self.shared.now_us();
        self.store.look(now_us).map_err(|error| error.to_string())?;
        if self.shared.ids.get().is_none() {
            let settings = &self.shared.settings;
            let ids = Ids::open(&settings.folder, settings.ids);
            let ids = ids.map_err(|error| {
                format!(
                    "the key of the ids in `{}` cannot be had ({error})",
                    settings.folder.display()
                )
            })?;
            let _ = self.shared.ids.set(ids);
        }
        Ok(())
    }

    /// Gives a record its id and its form.
    fn take(&mut self, mut record: Record) -> Option<NewRow> {
        let ids = self.shared.ids.get()?;
        let id = DecisionId::next(record.at_us, self.last_id);
        self.last_id = id.number;
        let placed = std::mem::take(&mut record.texts);
        let traceparent = record.traceparent.take();
        let mut texts = None;
        match self.shared.settings.texts {
            TextLevel::None => {}
            TextLevel::Memory => self.shared.recent.add(RecentText {
                id,
                at_us: record.at_us,
                hook: record.hook,
                texts: placed,
                sender: record.sender.clone(),
                target: record.target.clone(),
            }),
            TextLevel::Sealed if placed.is_empty() => {}
            TextLevel::Sealed => match self.keys.seal(at_us(id.number), id.number, &placed) {
                Ok(sealed) => texts = Some(sealed),
                Err(_) => self.shared.dropped(record.kind, "key"),
            },
        }
        Some(NewRow {
            row: prepare::row(record, id, ids),
            texts,
            traceparent,
        })
    }

    fn tell(&self, error: Option<String>) {
        if !self.shared.set_error(error.clone()) {
            return;
        }
        match error {
            Some(why) => warn!(
                why,
                "decisions are made and not kept: the history cannot be written"
            ),
            None => info!("decisions are kept again"),
        }
    }

    /// Deletes what is too old or too much, now and then.
    fn cut(&mut self, now_us: u64) {
        let now = Instant::now();
        if self.cut_at.is_some_and(|at| now < at) {
            return;
        }
        self.cut_at = Some(now + CUT_EVERY);
        if self.prepare().is_err() {
            return;
        }
        self.shared.set_bytes(self.store.keep_short(now_us));
        let sealed_keep = self.shared.settings.sealed_keep.as_micros() as u64;
        if let Err(error) = self.keys.drop_before(now_us.saturating_sub(sealed_keep)) {
            warn!(%error, "the key of old texts cannot be dropped");
        }
    }

    fn forget(&mut self, user: &str) -> Result<Forgotten, String> {
        self.prepare()?;
        let texts = self.shared.recent.forget(user);
        let ids = self.shared.ids.get().map(|ids| ids.sought(user));
        let now_us = self.shared.now_us();
        let gone = self.store.forget(&ids.unwrap_or_default(), now_us);
        Ok(Forgotten {
            decisions: gone.map_err(|error| error.to_string())?,
            texts,
        })
    }
}
