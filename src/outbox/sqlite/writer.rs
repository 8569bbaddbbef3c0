//! The one thread that touches the file: group commit, and what happens when the disk fails.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::alarm::{Alarm, Fate, fate, words};
use super::file_watch::FileWatch;
use super::job::{Job, Message};
use super::reserve::Reserve;
use super::store::Store;
use super::windows::ENDED_MAX;
use crate::outbox::error::OutboxError;
use crate::outbox::faults::{Fault, asked};

pub(super) struct Writer<'a> {
    pub store: Store,
    pub reserve: Reserve,
    pub jobs: &'a Receiver<Message>,
    pub entries_max: usize,
    pub wait: Duration,
    pub wakeups: &'a watch::Sender<u64>,
    pub alarm: &'a Alarm,
    /// Maintenance failed, and that was logged.
    pub unmaintained: bool,
    pub files: FileWatch,
    /// When the files were looked at last.
    pub looked_at: Option<Instant>,
    /// When what was delivered is recorded at the latest.
    pub record_at: Option<Instant>,
    /// Why nothing new is accepted.
    pub refusal: &'a Mutex<Option<String>>,
}

/// How often the files are looked at, at the least, while anything is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long what was delivered may wait for a commit of others.
const RECORD_AFTER: Duration = Duration::from_secs(1);

/// Where it is told that the file stays as it is.
type Holding = oneshot::Sender<Result<Arc<AtomicBool>, OutboxError>>;

/// The alarm was raised, and the thread must end.
struct Ended;

impl Writer<'_> {
    /// Does jobs until it is told to close, nobody can ask any more, or the disk fails.
    pub(super) fn run(mut self) {
        let served = panic::catch_unwind(AssertUnwindSafe(|| self.serve()));
        match served {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(closed))) => {
                if let Err(error) = self.store.close() {
                    match fate(&error) {
                        Fate::Fatal => self.alarm.raise(&words(&error)),
                        // What was in flight is put back at the next start instead.
                        Fate::Full | Fate::Failed | Fate::Damaged => {
                            warn!(%error, "outbox not closed cleanly");
                        }
                    }
                }
                // The caller may have gone.
                let _ = closed.send(());
            }
            Ok(Err(Ended)) => self.leave(),
            Err(_) => {
                self.alarm.give_up("its writer panicked");
                self.leave();
            }
        }
    }

    /// Writes nothing more. The lock is let go of only where the file may be opened again.
    fn leave(self) {
        let broken = self.alarm.broken();
        if broken.is_none_or(|broken| !broken.may_reopen) {
            return mem::forget(self.store);
        }
        let store = self.store;
        let left = panic::catch_unwind(AssertUnwindSafe(|| store.abandon()));
        if left.is_err() {
            warn!("the file of the outbox is held until the process ends");
        }
    }

    fn serve(&mut self) -> Result<Option<oneshot::Sender<()>>, Ended> {
        let mut producers = 0;
        while let Some(first) = self.next()? {
            let (mut batch, closed) = self.collect(first, producers)?;
            producers = batch.iter().filter(|job| job.needs.adds).count();
            // Without a job, to record what was delivered.
            self.commit(&mut batch)?;
            if closed.is_some() {
                return Ok(closed);
            }
        }
        Ok(None)
    }

    /// The next message; while there is none, the file is made smaller.
    fn next(&mut self) -> Result<Option<Message>, Ended> {
        loop {
            match self.jobs.try_recv() {
                Ok(Message::Settled) => continue,
                Ok(Message::Hold(answer)) => {
                    self.hold(answer)?;
                    continue;
                }
                Ok(message) => return Ok(Some(message)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            let given_back = self.store.give_back();
            if self.maintained(given_back)?.unwrap_or(false) {
                continue;
            }
            let left = match self.record_at() {
                // Whoever settles the first sends a message.
                None => Duration::MAX,
                Some(at) => at.saturating_duration_since(Instant::now()),
            };
            match self.jobs.recv_timeout(left) {
                Ok(Message::Settled) => {}
                Ok(Message::Hold(answer)) => self.hold(answer)?,
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => return Ok(Some(Message::Record)),
            }
        }
    }

    /// When what was delivered is recorded at the latest; `None` when there is nothing.
    fn record_at(&mut self) -> Option<Instant> {
        match self.store.windows().ended() {
            0 => self.record_at = None,
            _ => {
                let _ = self
                    .record_at
                    .get_or_insert_with(|| Instant::now() + RECORD_AFTER);
            }
        }
        self.record_at
    }

    /// What goes into one commit: all that waits, up to the limit. When far fewer producers have
    /// come than were answered by the commit before, the others are on their way back, and nobody
    /// else waits for this commit, they are waited for.
    fn collect(
        &mut self,
        first: Message,
        producers_before: usize,
    ) -> Result<(Vec<Job>, Option<oneshot::Sender<()>>), Ended> {
        let started = Instant::now();
        let mut batch = Vec::new();
        let mut entries = 0;
        let mut producers = 0;
        let mut message = first;
        loop {
            match message {
                Message::Close(closed) => return Ok((batch, Some(closed))),
                Message::Settled | Message::Record => {}
                Message::Hold(answer) => self.hold(answer)?,
                Message::Do(job) => {
                    entries += job.entries;
                    producers += usize::from(job.needs.adds);
                    batch.push(job);
                }
            }
            if entries >= self.entries_max {
                break;
            }
            let next = self.jobs.try_recv().or_else(|_| {
                if batch.is_empty() || producers < batch.len() || producers * 2 >= producers_before
                {
                    return Err(RecvTimeoutError::Timeout);
                }
                let left = self.wait.saturating_sub(started.elapsed());
                self.jobs.recv_timeout(left)
            });
            match next {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        Ok((batch, None))
    }

    /// Leaves the file as it is from now on, for who copies it.
    fn hold(&mut self, answer: Holding) -> Result<(), Ended> {
        let held = self.store.hold();
        let told = match &held {
            Ok(held) => Ok(Arc::clone(held)),
            Err(error) => Err(OutboxError::Failed(words(error))),
        };
        // Who asked may have gone.
        let _ = answer.send(told);
        self.maintained(held).map(drop)
    }

    /// Does jobs in one transaction and answers them. If one of them fails, each gets a
    /// transaction of its own, so that it fails alone.
    fn commit(&mut self, batch: &mut Vec<Job>) -> Result<(), Ended> {
        let adds = batch.iter().any(|job| job.needs.adds);
        if let Err(refusal) = self.look(adds) {
            refuse(batch, &refusal);
        }
        if asked(Fault::AckEarly) {
            return self.answer_early(batch);
        }
        let started = Instant::now();
        let Err((fate, why)) = self.transact(batch) else {
            if batch.iter().any(|job| job.needs.synced) {
                let adding = batch.iter().filter(|job| job.needs.adds);
                let accepted = adding.map(|job| job.entries).sum();
                let time = started.elapsed();
                self.store.work.committed(batch.len(), accepted, time);
            }
            // What went into a file that is not there any more was not accepted.
            if let Err(moved) = self.look(adds) {
                refuse(batch, &moved);
            }
            for job in batch.drain(..) {
                job.call.answer(Ok(()));
            }
            if self.store.woke {
                self.wakeups.send_modify(|commits| *commits += 1);
            }
            let log_kept = match self.reserve.is_held(Instant::now()) {
                true => self.store.keep_log_short(),
                // The log must not take what the reserve has given.
                false => self.store.write_log_back("PASSIVE"),
            };
            return self.maintained(log_kept).map(drop);
        };
        let (error, end) = match fate {
            Fate::Fatal => {
                // Before anyone hears of it.
                self.alarm.raise(&why);
                (OutboxError::Failed(why), Err(Ended))
            }
            Fate::Damaged => {
                let why = format!(
                    "its file is damaged: stop callgate, and `callgate outbox repair` saves what can be read ({why})"
                );
                self.alarm.give_up(&why);
                (OutboxError::Failed(why), Err(Ended))
            }
            Fate::Full if self.reserve.give(Instant::now()) => {
                return self.commit(batch);
            }
            Fate::Full | Fate::Failed if batch.len() > 1 => {
                return batch
                    .drain(..)
                    .try_for_each(|job| self.commit(&mut vec![job]));
            }
            Fate::Full => (OutboxError::DiskFull(why), Ok(())),
            Fate::Failed => (OutboxError::Failed(why), Ok(())),
        };
        for job in batch.drain(..) {
            job.call.answer(Err(error.clone()));
        }
        end
    }

    /// Whether anything new can be accepted; said also to those who ask for the state.
    fn look(&mut self, adds: bool) -> Result<(), OutboxError> {
        let now = Instant::now();
        let is_due = |at: Instant| now.saturating_duration_since(at) >= LOOK_EVERY;
        if !adds && !self.looked_at.is_none_or(is_due) {
            return Ok(());
        }
        self.looked_at = Some(now);
        let looked = match self.files.check() {
            Err(why) => Err(OutboxError::Failed(why)),
            Ok(()) if !self.reserve.is_held(now) => {
                let why = "what is left is for the backlog".to_owned();
                Err(OutboxError::DiskFull(why))
            }
            Ok(()) => Ok(()),
        };
        let refusal = looked.as_ref().err().map(ToString::to_string);
        let mut told = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != refusal {
            match &refusal {
                Some(why) => error!(why, "nothing new is accepted"),
                None => info!("new events are accepted again"),
            }
            *told = refusal;
        }
        looked
    }

    /// The fault of that name: whoever waits is answered as if all went well, and a little later
    /// it does.
    fn answer_early(&mut self, batch: &mut Vec<Job>) -> Result<(), Ended> {
        let begun = self.store.begin();
        let recorded = begun.and_then(|()| self.store.record_delivered());
        let done = recorded.and_then(|()| {
            batch
                .iter_mut()
                .try_for_each(|job| job.call.run(&mut self.store))
        });
        for job in batch.drain(..) {
            job.call.answer(Ok(()));
        }
        std::thread::sleep(Duration::from_millis(5));
        done.and_then(|()| self.store.commit()).map_err(|_| Ended)?;
        self.wakeups.send_modify(|commits| *commits += 1);
        Ok(())
    }

    /// All of the jobs or, with the reason, none.
    fn transact(&mut self, batch: &mut [Job]) -> Result<(), (Fate, String)> {
        let synced = batch.iter().any(|job| job.needs.synced);
        let records = batch.is_empty()
            || batch.iter().any(|job| job.needs.records)
            || self.store.windows().ended() >= ENDED_MAX
            || self.record_at().is_some_and(|at| at <= Instant::now());
        let done = self
            .store
            .sync(synced)
            .and_then(|()| self.store.begin())
            .and_then(|()| match records {
                true => self.store.record_delivered(),
                false => Ok(()),
            })
            .and_then(|()| {
                batch
                    .iter_mut()
                    .try_for_each(|job| job.call.run(&mut self.store))
            })
            .and_then(|()| self.store.commit());
        if records {
            // Failed, it is tried again after the same time.
            self.record_at = None;
        }
        let Err(error) = done else {
            return Ok(());
        };
        let fate = fate(&error);
        if fate != Fate::Fatal
            && fate != Fate::Damaged
            && let Err(worse) = self.store.roll_back()
        {
            return Err((
                Fate::Fatal,
                format!("{}, then {}", words(&error), words(&worse)),
            ));
        }
        Err((fate, words(&error)))
    }

    /// Maintenance that fails can wait, unless the disk cannot be believed.
    fn maintained<T>(&mut self, maintenance: rusqlite::Result<T>) -> Result<Option<T>, Ended> {
        match maintenance {
            Ok(value) => {
                self.unmaintained = false;
                Ok(Some(value))
            }
            Err(error) if fate(&error) == Fate::Fatal => {
                self.alarm.raise(&words(&error));
                Err(Ended)
            }
            Err(error) if fate(&error) == Fate::Damaged => {
                self.alarm.give_up(&words(&error));
                Err(Ended)
            }
            Err(error) => {
                if !mem::replace(&mut self.unmaintained, true) {
                    warn!(%error, "outbox file not tended, tried again at each commit");
                }
                Ok(None)
            }
        }
    }
}

/// Answers those that make the outbox larger.
fn refuse(batch: &mut Vec<Job>, refusal: &OutboxError) {
    for job in batch.extract_if(.., |job| job.needs.adds) {
        job.call.answer(Err(refusal.clone()));
    }
}
