//! The one thread that writes. Whatever fails costs rows, which are counted, and nobody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::warn;

use super::catalog::Series;
use super::counts::Line;
use super::forget::Forgotten;
use super::id::{DecisionId, at_us, number_of};
use super::id_form::Ids;
use super::prepare;
use super::queue::Records;
use super::recent::RecentText;
use super::record::{Record, cut};
use super::sealing::Keys;
use super::segment::{NewRow, StageAt, Traced};
use super::settings::TextLevel;
use super::shared::Shared;
use super::sinks::Sinks;
use super::store::{Store, StoreError};
use super::trouble::Trouble;
use crate::writer_thread::Writes;

/// Decisions of one commit; what a disk does not take is lost by as many, and a file is left for another
/// one only between two.
const ROWS_AT_ONCE: usize = 1000;
/// How often it is looked for what is too old or too much.
const CUT_EVERY: Duration = Duration::from_secs(60);
/// Counts that wait for a disk that takes none.
const LINES_MAX: usize = 65_536;
/// A wall clock that was set back by less keeps the order of ids, at the cost of times that are wrong
/// by as much for as long.
const SET_BACK_US_MAX: u64 = 60_000_000;

pub(super) struct Writer {
    shared: Arc<Shared>,
    store: Store,
    keys: Keys,
    last_id: i64,
    /// What was counted and is not in a file yet.
    lines: Vec<Line>,
    cut_at: Option<Instant>,
    sinks: Sinks,
    trouble: Trouble,
    /// A key that is too old cannot be dropped.
    keeps_keys: bool,
}

impl Writes for Writer {
    fn look(&mut self) -> bool {
        self.shared.writes(true);
        let records = self.shared.queue.take();
        self.count();
        let now_us = self.shared.now_us();
        self.shared.recent.expire(now_us);
        let is_busy = !records.is_empty() || !self.lines.is_empty();
        if is_busy {
            self.write(records, now_us);
        }
        self.cut(now_us);
        self.shared.writes(false);
        self.trouble.look(Instant::now());
        is_busy
    }

    fn broke(&mut self) {
        self.trouble.failed("it panicked", 0);
        self.shared.writes(false);
        self.store.close();
    }

    fn end(&mut self) {
        self.store.close();
    }
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
            trouble: Trouble::default(),
            keeps_keys: false,
        }
    }

    fn count(&mut self) {
        for line in self.shared.tables.take(&mut self.lines, LINES_MAX) {
            let counts = &self.shared.metrics.history;
            counts.dropped(line.kind.name(), "count", line.count);
        }
    }

    fn write(&mut self, records: Records, now_us: u64) {
        if let Err(why) = self.prepare() {
            for record in &records {
                self.shared.dropped(record.kind, "disk");
            }
            return self.tell(Some(why), records.len());
        }
        let (mut decisions, mut allows) = (Vec::new(), Vec::new());
        for record in records {
            let is_plain = record.kind.is_plain();
            let kind = record.kind;
            let Some(new) = self.take(*record) else {
                self.shared.dropped(kind, "id");
                continue;
            };
            match is_plain {
                true => allows.push((kind, new)),
                false => decisions.push((kind, new)),
            }
        }
        let lines = std::mem::take(&mut self.lines);
        let (mut failed, mut dropped) = (None, 0);
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
            let (written, error) = self.add(series, &rows, lines, now_us);
            self.shared.metrics.history.wrote(written as u64);
            if let Some(error) = error {
                dropped += kinds.len() - written;
                for kind in kinds.into_iter().skip(written) {
                    self.shared.dropped(kind, "disk");
                }
                failed = Some(error.to_string());
            }
        }
        self.shared
            .written_to
            .fetch_max(self.last_id, Ordering::Release);
        self.tell(failed, dropped);
    }

    /// Adds rows, some at a time: what is too much for a file at its limit is not too much for two.
    ///
    /// Returns how many of them it wrote, and what kept it from the rest.
    fn add(
        &mut self,
        series: Series,
        rows: &[NewRow],
        mut lines: Vec<Line>,
        now_us: u64,
    ) -> (usize, Option<StoreError>) {
        let mut written = 0;
        loop {
            let some = &rows[written..rows.len().min(written + ROWS_AT_ONCE)];
            match self.store.add(series, some, &lines, now_us) {
                Ok(()) => written += some.len(),
                Err(error) => {
                    // They take little room, and are exact.
                    self.lines.extend(lines);
                    return (written, Some(error));
                }
            }
            lines.clear();
            if written == rows.len() {
                return (written, None);
            }
        }
    }

    /// What must be known before anything is written.
    fn prepare(&mut self) -> Result<(), String> {
        let now_us = self.shared.now_us();
        self.store.look(now_us).map_err(|error| error.to_string())?;
        let settings = &self.shared.settings;
        let cannot = |error: std::io::Error| {
            format!(
                "the key of the ids in `{}` cannot be had ({error})",
                settings.folder.display()
            )
        };
        if let Some(ids) = self.shared.ids.get() {
            return ids.stay(&settings.folder).map_err(cannot);
        }
        let ids = Ids::open(&settings.folder, settings.ids).map_err(cannot)?;
        let _ = self.shared.ids.set(ids);
        // A clock that was set back a little: ids go on rising until it has caught up.
        let soon = number_of(now_us.saturating_add(SET_BACK_US_MAX));
        let last = self.store.last_row_before(soon);
        self.last_id = self.last_id.max(last.unwrap_or(0));
        Ok(())
    }

    /// Gives a record its id and its form.
    fn take(&mut self, mut record: Record) -> Option<NewRow> {
        let ids = self.shared.ids.get()?;
        let id = DecisionId::next(record.at_us, self.last_id);
        self.last_id = id.number;
        let placed = std::mem::take(&mut record.texts);
        let stages = record.stages.iter().map(|stage| StageAt {
            name: stage.name,
            from_us: self.shared.us_of(stage.from),
            us: stage.took.as_micros() as u64,
        });
        let traced = Traced {
            stages: stages.collect(),
            traceparent: record.traceparent.take(),
            span: record.span,
        };
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
            traced,
        })
    }

    fn tell(&mut self, error: Option<String>, dropped: usize) {
        match &error {
            Some(why) => self.trouble.failed(why, dropped),
            None => self.trouble.worked(Instant::now()),
        }
        self.shared.set_error(error);
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
        let dropped = self.keys.drop_before(now_us.saturating_sub(sealed_keep));
        if let Err(error) = &dropped
            && !self.keeps_keys
        {
            warn!(%error, "the key of old texts cannot be dropped");
        }
        // It is tried again and again, and told once.
        self.keeps_keys = dropped.is_err();
    }

    /// Forgets what a user wrote or was written to.
    pub(super) fn forget(&mut self, user: &str) -> Result<Forgotten, String> {
        self.prepare()?;
        let texts = self.shared.recent.forget(&cut(user));
        let ids = self.shared.ids.get().map(|ids| ids.sought(user));
        let now_us = self.shared.now_us();
        let gone = self.store.forget(&ids.unwrap_or_default(), now_us);
        Ok(Forgotten {
            decisions: gone.map_err(|error| error.to_string())?,
            texts,
        })
    }
}
