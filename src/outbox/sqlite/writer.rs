//! The one thread that touches the file: group commit, and what happens when the disk fails.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tracing::warn;

use super::reserve::Reserve;
use super::store::Store;
use crate::outbox::error::OutboxError;
use crate::outbox::faults::{Fault, asked};
use crate::outbox::interface::OnFatal;

pub(super) enum Message {
    Do(Job),
    Close(oneshot::Sender<()>),
}

/// A call in the queue.
pub(super) struct Job {
    pub call: Box<dyn Work>,
    /// It makes the outbox larger.
    pub adds: bool,
    /// Its answer is a promise that outlives a power loss.
    pub synced: bool,
    /// How much of a commit it takes.
    pub entries: usize,
    /// Its place in the queue, free again when it is dropped.
    pub _room: OwnedSemaphorePermit,
}

/// A call of any type: done in a transaction, answered after it.
pub(super) trait Work: Send {
    /// Done again from the start if the transaction was rolled back.
    fn run(&mut self, store: &mut Store) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), OutboxError>);
}

pub(super) struct Call<T, F> {
    run: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, OutboxError>>,
}

impl<T, F> Call<T, F> {
    pub(super) fn new(run: F, answer: oneshot::Sender<Result<T, OutboxError>>) -> Call<T, F> {
        Call {
            run,
            value: None,
            answer,
        }
    }
}

impl<T: Send, F: FnMut(&mut Store) -> rusqlite::Result<T> + Send> Work for Call<T, F> {
    fn run(&mut self, store: &mut Store) -> rusqlite::Result<()> {
        self.value = Some((self.run)(store)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), OutboxError>) {
        let Call { value, answer, .. } = *self;
        let value = committed.map(|()| value.expect("what is committed was run"));
        // The caller may have gone; what it asked for is done all the same.
        let _ = answer.send(value);
    }
}

/// Tells that the outbox can keep no promise any more.
pub(super) struct Alarm {
    pub broken: Arc<OnceLock<String>>,
    pub on_fatal: OnFatal,
}

impl Alarm {
    fn raise(&self, why: &str) {
        if self.broken.set(why.to_owned()).is_ok() {
            (self.on_fatal)(why);
        }
    }
}

pub(super) struct Writer {
    pub store: Store,
    pub reserve: Reserve,
    pub jobs: Receiver<Message>,
    pub entries_max: usize,
    pub wait: Duration,
    pub wakeups: watch::Sender<u64>,
    pub alarm: Alarm,
    /// Maintenance failed, and that was logged.
    pub unmaintained: bool,
}

/// The alarm was raised, and the thread must end.
struct Broken;

impl Writer {
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
                        Fate::Full | Fate::Failed => warn!(%error, "outbox not closed cleanly"),
                    }
                }
                // The caller may have gone.
                let _ = closed.send(());
            }
            Ok(Err(Broken)) => mem::forget(self.store),
            Err(_) => {
                self.alarm.raise("its writer panicked");
                mem::forget(self.store);
            }
        }
    }

    fn serve(&mut self) -> Result<Option<oneshot::Sender<()>>, Broken> {
        let mut producers = 0;
        while let Some(first) = self.next()? {
            let (mut batch, closed) = self.collect(first, producers);
            producers = batch.iter().filter(|job| job.adds).count();
            if !batch.is_empty() {
                self.commit(&mut batch)?;
            }
            if closed.is_some() {
                return Ok(closed);
            }
        }
        Ok(None)
    }

    /// The next message; while there is none, the file is made smaller.
    fn next(&mut self) -> Result<Option<Message>, Broken> {
        loop {
            match self.jobs.try_recv() {
                Ok(message) => return Ok(Some(message)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            let given_back = self.store.give_back();
            if !self.maintained(given_back)?.unwrap_or(false) {
                return Ok(self.jobs.recv().ok());
            }
        }
    }

    /// What goes into one commit: all that waits, up to the limit. When far fewer producers have
    /// come than were answered by the commit before, the others are on their way back, and nobody
    /// else waits for this commit, they are waited for.
    fn collect(
        &self,
        first: Message,
        producers_before: usize,
    ) -> (Vec<Job>, Option<oneshot::Sender<()>>) {
        let started = Instant::now();
        let mut batch = Vec::new();
        let mut entries = 0;
        let mut producers = 0;
        let mut message = first;
        loop {
            match message {
                Message::Close(closed) => return (batch, Some(closed)),
                Message::Do(job) => {
                    entries += job.entries;
                    producers += usize::from(job.adds);
                    batch.push(job);
                }
            }
            if entries >= self.entries_max {
                break;
            }
            let next = self.jobs.try_recv().or_else(|_| {
                if producers < batch.len() || producers * 2 >= producers_before {
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
        (batch, None)
    }

    /// Does jobs in one transaction and answers them. If one of them fails, each gets a
    /// transaction of its own, so that it fails alone.
    fn commit(&mut self, batch: &mut Vec<Job>) -> Result<(), Broken> {
        if !self.reserve.is_held(Instant::now()) {
            let full = OutboxError::DiskFull("what is left is for the backlog".to_owned());
            for job in batch.extract_if(.., |job| job.adds) {
                job.call.answer(Err(full.clone()));
            }
        }
        if asked(Fault::AckEarly) {
            return self.answer_early(batch);
        }
        let started = Instant::now();
        let Err((fate, why)) = self.transact(batch) else {
            if batch.iter().any(|job| job.synced) {
                let adding = batch.iter().filter(|job| job.adds);
                let accepted = adding.map(|job| job.entries).sum();
                let time = started.elapsed();
                self.store.work.committed(batch.len(), accepted, time);
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
                (OutboxError::Failed(why), Err(Broken))
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

    /// The fault of that name: whoever waits is answered as if all went well, and a little later
    /// it does.
    fn answer_early(&mut self, batch: &mut Vec<Job>) -> Result<(), Broken> {
        let done = self.store.begin().and_then(|()| {
            batch
                .iter_mut()
                .try_for_each(|job| job.call.run(&mut self.store))
        });
        for job in batch.drain(..) {
            job.call.answer(Ok(()));
        }
        std::thread::sleep(Duration::from_millis(5));
        done.and_then(|()| self.store.commit())
            .map_err(|_| Broken)?;
        self.wakeups.send_modify(|commits| *commits += 1);
        Ok(())
    }

    /// All of the jobs or, with the reason, none.
    fn transact(&mut self, batch: &mut [Job]) -> Result<(), (Fate, String)> {
        let synced = batch.iter().any(|job| job.synced);
        let done = self
            .store
            .sync(synced)
            .and_then(|()| self.store.begin())
            .and_then(|()| {
                batch
                    .iter_mut()
                    .try_for_each(|job| job.call.run(&mut self.store))
            })
            .and_then(|()| self.store.commit());
        let Err(error) = done else {
            return Ok(());
        };
        let fate = fate(&error);
        if fate != Fate::Fatal
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
    fn maintained<T>(&mut self, maintenance: rusqlite::Result<T>) -> Result<Option<T>, Broken> {
        match maintenance {
            Ok(value) => {
                self.unmaintained = false;
                Ok(Some(value))
            }
            Err(error) if fate(&error) == Fate::Fatal => {
                self.alarm.raise(&words(&error));
                Err(Broken)
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

/// What a failure of the file means.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing was written, and there may be room later.
    Full,
    /// What was asked cannot be done; what else is asked can.
    Failed,
    /// Nothing that the disk says can be believed any more.
    Fatal,
}

/// The error, with the code that says which operation failed.
fn words(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("{error} (SQLite code {})", code.extended_code),
        None => error.to_string(),
    }
}

fn fate(error: &rusqlite::Error) -> Fate {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fate::Full,
        // A failed sync is one of the first; the kernel may drop the data and then report success.
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly,
        ) => Fate::Fatal,
        _ => Fate::Failed,
    }
}
