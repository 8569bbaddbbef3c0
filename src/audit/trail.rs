//! The front door: what is to be recorded, and what then may be done.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::act::{Act, Who};
use super::edits::{Edited, Kept};
use super::journal::{AuditError, Journal, Settings};
use super::pages::{Page, Wanted, page};
use super::record::{Head, Outcome, Record};
use super::refusals::Refusals;
use crate::aside::{aside, give_way};
use crate::telemetry::Metrics;

/// How often old records are looked for; whole files of them are cut off.
const CUT_EVERY: Duration = Duration::from_secs(3600);

/// Refusals that were held back are written when none of their kind came for this time.
const TAIL_AFTER: Duration = Duration::from_secs(60);
const HELD_BACK: &str = "these were counted and not written one by one";

/// When an edit that could not be recorded is tried again.
const EDIT_AGAIN: Duration = Duration::from_secs(60);

/// Where acts are recorded before they are done.
#[derive(Debug)]
pub struct Audit {
    journal: Mutex<Journal>,
    refusals: Mutex<Refusals>,
    /// Why the last act could not be recorded; `None` once one could.
    error: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
}

impl Audit {
    /// Looks at what was recorded before. A folder that cannot be read is told, and refuses acts
    /// until it can.
    pub fn open(settings: Settings, metrics: Arc<Metrics>) -> Audit {
        let (journal, opened) = Journal::open(settings);
        let audit = Audit {
            journal: Mutex::new(journal),
            refusals: Mutex::default(),
            error: Mutex::default(),
            metrics,
        };
        if let Err(error) = opened {
            audit.fail(&error);
        }
        audit
    }

    /// Records an act that is done at once, right after this: it is on disk when this returns.
    /// Blocks for the disk.
    ///
    /// Errors: it could not be recorded, and must not be done.
    pub fn record(&self, act: Act) -> Result<Head, AuditError> {
        self.add(act, Outcome::Done, "", None)
    }

    /// As [`Audit::record`], away from the server's workers.
    pub async fn recorded(self: &Arc<Self>, act: Act) -> Result<Head, AuditError> {
        let audit = Arc::clone(self);
        let recording = tokio::task::spawn_blocking(move || audit.record(act));
        recording.await.unwrap_or(Err(AuditError::Ending))
    }

    /// Records that an act begins whose end is recorded too: one that may fail, or whose extent is
    /// known afterwards. Blocks for the disk.
    ///
    /// Errors: it could not be recorded, and must not begin.
    pub fn begin(self: &Arc<Self>, act: Act) -> Result<Begun, AuditError> {
        let head = self.add(act.clone(), Outcome::Begun, "", None)?;
        Ok(Begun {
            audit: Arc::clone(self),
            act: Some(act),
            number: head.number,
        })
    }

    /// As [`Audit::begin`], away from the server's workers.
    pub async fn begun(self: &Arc<Self>, act: Act) -> Result<Begun, AuditError> {
        let audit = Arc::clone(self);
        let recording = tokio::task::spawn_blocking(move || audit.begin(act));
        recording.await.unwrap_or(Err(AuditError::Ending))
    }

    /// Records that somebody was refused, unless too many were a moment ago: those are counted, and
    /// the next record has their number (`held_back`). A refusal stays one if it cannot be recorded.
    /// Blocks for the disk.
    pub fn refused(&self, act: Act, why: &str) {
        if let Some(act) = self.pass(act) {
            // It was told and counted where it failed.
            let _ = self.add(act, Outcome::Refused, why, None);
        }
    }

    /// As [`Audit::refused`], and does not wait for it.
    pub fn refuse(self: &Arc<Self>, act: Act, why: impl Into<String>) {
        let Some(act) = self.pass(act) else { return };
        let (audit, why) = (Arc::clone(self), why.into());
        tokio::task::spawn_blocking(move || audit.add(act, Outcome::Refused, &why, None));
    }

    fn pass(&self, act: Act) -> Option<Act> {
        match self
            .lock_refusals()
            .pass(act.what.clone(), Instant::now())?
        {
            0 => Some(act),
            held_back => Some(act.count("held_back", held_back)),
        }
    }

    /// Cuts off what is older than it must be kept, and writes how many refusals were held back
    /// when no more come, now and then, until `stop`.
    pub async fn keep_short(self: Arc<Self>, stop: CancellationToken) {
        let mut cut: Option<tokio::time::Instant> = None;
        let mut goes_on = true;
        while goes_on {
            let audit = Arc::clone(&self);
            let is_time = cut.is_none_or(|cut| cut.elapsed() >= CUT_EVERY);
            if is_time {
                cut = Some(tokio::time::Instant::now());
            }
            let look = move || {
                if is_time {
                    audit.cut();
                }
                audit.write_held_back(TAIL_AFTER);
            };
            let _ = tokio::task::spawn_blocking(look).await;
            let rest = tokio::time::sleep(TAIL_AFTER);
            goes_on = stop.run_until_cancelled(rest).await.is_some();
        }
        let rest = move || self.write_held_back(Duration::ZERO);
        let _ = tokio::task::spawn_blocking(rest).await;
    }

    /// Records the refusals that were counted and not written, of kinds of which none came for a
    /// while: the end of a flood.
    fn write_held_back(&self, quiet: Duration) {
        let ended = self.lock_refusals().ended(Instant::now(), quiet);
        for (what, held_back) in ended {
            let act = Act {
                what,
                ..Act::new("", Who::Nobody)
            };
            let act = act.count("held_back", held_back);
            let _ = self.add(act, Outcome::Refused, HELD_BACK, None);
        }
    }

    fn cut(&self) {
        match self.lock_journal().cut(SystemTime::now()) {
            Ok(0) => {}
            Ok(records) => info!(records, "old records of the audit were cut off"),
            Err(error) => self.fail(&error),
        }
    }

    /// Starts a thread that records the policies that it is told of, and ends when nobody can tell
    /// it any more.
    ///
    /// Errors: the operating system gives no thread.
    pub fn follow_policies(self: &Arc<Self>) -> io::Result<PolicyEdits> {
        let (wake, woken) = mpsc::sync_channel(1);
        let latest: Arc<Mutex<Option<Edited>>> = Arc::default();
        let (audit, told) = (Arc::clone(self), Arc::clone(&latest));
        let follow = move || {
            give_way();
            let mut left = None;
            while woken.recv_timeout(EDIT_AGAIN) != Err(RecvTimeoutError::Disconnected) {
                let edited = told.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(edited) = edited.or(left.take()) else {
                    continue;
                };
                // To compare long lists takes memory.
                let recorded = aside("audit-compare", || audit.edited(&edited));
                left = recorded.is_err().then_some(edited);
            }
        };
        let thread = thread::Builder::new().name("audit-policy".to_owned());
        thread.spawn(follow)?;
        Ok(PolicyEdits { latest, wake })
    }

    fn edited(&self, edited: &Edited) -> Result<(), AuditError> {
        let folder = self.settings().folder;
        let now = Kept::of(edited);
        let Some(act) = Kept::read(&folder).act(edited, &now) else {
            return Ok(());
        };
        self.record(act)?;
        now.write(&folder).map_err(|error| {
            let error = AuditError::File { folder, error };
            self.fail(&error);
            error
        })
    }

    /// Some records, newest first, away from the server's workers.
    ///
    /// Errors: a file cannot be read.
    pub async fn page(&self, wanted: Wanted, below: Option<u64>, limit: usize) -> io::Result<Page> {
        let folder = self.settings().folder;
        let reading = tokio::task::spawn_blocking(move || page(&folder, &wanted, below, limit));
        reading
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// The last record.
    pub fn head(&self) -> Option<Head> {
        let journal = self.lock_journal();
        journal.head().filter(|head| head.number > 0).cloned()
    }

    /// Why acts are refused.
    pub fn error(&self) -> Option<String> {
        self.lock_error().clone()
    }

    pub fn settings(&self) -> Settings {
        self.lock_journal().settings().clone()
    }

    fn add(
        &self,
        act: Act,
        result: Outcome,
        why: &str,
        of: Option<u64>,
    ) -> Result<Head, AuditError> {
        let now = SystemTime::now();
        let (what, who) = (act.what.clone(), act.who.to_string());
        let recorded = self.lock_journal().append(now, |before| {
            let record = Record::new(before, now, act, result);
            record.because(why).ends(of)
        });
        match &recorded {
            Ok(head) => {
                self.metrics.audit.recorded(result.name());
                *self.lock_error() = None;
                // Whoever keeps the log elsewhere has a copy of the chain's heads.
                info!(%what, %who, result = result.name(), record = %head, "recorded in the audit");
            }
            Err(error) => self.fail(error),
        }
        recorded
    }

    fn fail(&self, error: &AuditError) {
        self.metrics.audit.failed();
        let error = error.to_string();
        error!(%error, "the audit cannot be written, acts of operators are refused");
        *self.lock_error() = Some(error);
    }

    fn lock_journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_error(&self) -> MutexGuard<'_, Option<String>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has each policy recorded that comes into force. What cannot be recorded now is recorded later: a
/// policy is in force by its files alone.
#[derive(Debug)]
pub struct PolicyEdits {
    latest: Arc<Mutex<Option<Edited>>>,
    wake: SyncSender<()>,
}

impl PolicyEdits {
    /// Waits for nothing. Of several in a moment the last is recorded, with all that changed.
    pub fn tell(&self, edited: Edited) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(edited);
        // One that was woken already looks once more.
        let _ = self.wake.try_send(());
    }
}

/// An act that began. Dropped without an end, it is recorded as broken off.
#[derive(Debug)]
#[must_use = "say how it ended"]
pub struct Begun {
    audit: Arc<Audit>,
    act: Option<Act>,
    number: u64,
}

impl Begun {
    /// Counts what was done so far.
    pub fn counted(&mut self, of: &'static str, count: u64) {
        if let Some(act) = &mut self.act {
            act.counts.insert(of.into(), count);
        }
    }

    /// It was done. Blocks for the disk; what was done stays done if that fails.
    pub fn done(mut self) {
        self.end(Outcome::Done, "");
    }

    /// It failed. Blocks for the disk.
    pub fn failed(mut self, why: &str) {
        self.end(Outcome::Failed, why);
    }

    fn end(&mut self, result: Outcome, why: &str) {
        if let Some(act) = self.act.take() {
            let _ = self.audit.add(act, result, why, Some(self.number));
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(act) = self.act.take() else { return };
        let broken_off = Begun {
            audit: Arc::clone(&self.audit),
            act: Some(act),
            number: self.number,
        };
        let record = move || broken_off.failed("broken off");
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(record)),
            Err(_) => record(),
        }
    }
}
