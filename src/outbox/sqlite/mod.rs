//! The outbox in one SQLite file: accepted means committed and synced.
//!
//! Owns: the file, its schema, and the thread that alone reads and writes it.
//! Calls become jobs for that thread; it does many in one transaction and answers when the
//! transaction is on disk, so one sync pays for all of them.
//!
//! What an endpoint is told next stands in memory (`windows`), and is claimed and settled there by
//! whoever asks; the thread reads more into it, and records what was delivered with its commits.
//!
//! Order, downward: `move_in`, `move_out`, `repair`, `inspect`, `salvage`, `keeper`, `writer`, `alarm`, `job`, `start`, `maintenance`, `copy`, `append`, `settle`, `claim`,
//! `deliver`, `sweep`, `latest`, `dead`, `discards`, `pending`, `stats`, `promote`, `order`, `store`, `file`,
//! `windows`, `window`, `incoming`, `ids`, `claims_file`, `counters`, `event`, `reserve`, `file_watch`, `number`.

mod alarm;
mod append;
mod claim;
mod claims_file;
mod copy;
mod counters;
mod dead;
mod deliver;
mod discards;
mod event;
mod file;
mod file_watch;
mod ids;
mod incoming;
mod inspect;
mod job;
mod keeper;
mod latest;
mod maintenance;
mod move_in;
mod move_out;
mod number;
mod order;
mod pending;
mod promote;
mod repair;
mod reserve;
mod salvage;
mod settle;
mod start;
mod stats;
mod store;
mod sweep;
mod window;
mod windows;
mod writer;

#[cfg(test)]
mod tests;

pub(super) use file::SCHEMA;
pub(super) use inspect::{check, export};
pub(super) use move_in::MoveIn;
pub(super) use move_out::MoveOut;
pub(super) use repair::repair;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot, watch};
use tracing::error;

use self::alarm::Alarm;
use self::copy::copy_file;
use self::incoming::Incoming;
use self::job::{Call, Job, Message, Needs};
use self::keeper::{Keeper, Opened};
use self::store::{Store, lock};
use self::windows::{ENDED_MAX, Windows};
use super::config::Config;
use super::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OpenError, OutboxError};
use super::interface::{Broken, OnFatal, Outbox};
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

/// The asking side of the writer's thread.
pub(super) struct Sqlite {
    config: Config,
    room: Arc<Semaphore>,
    /// `None` only while it is dropped.
    queue: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    wakeups: watch::Sender<u64>,
    /// Why it cannot be used.
    broken: Arc<Mutex<Option<Broken>>>,
    /// It is opened again, unless the disk cannot be believed.
    reopens: bool,
    refusal: Arc<Mutex<Option<String>>>,
    windows: Arc<Mutex<Windows>>,
}

impl Sqlite {
    pub(super) fn open(config: &Config, on_fatal: OnFatal) -> Result<Sqlite, OpenError> {
        let opened = keeper::open(config)?;
        Sqlite::start(config, on_fatal, Ok(opened), false)
    }

    /// The same, opened again and again while it cannot be used: every call is answered with the
    /// reason meanwhile.
    ///
    /// Errors: another process has the file, or no thread can be had; a later try mends neither.
    pub(super) fn keep_open(config: &Config, on_fatal: OnFatal) -> Result<Sqlite, OpenError> {
        match keeper::open(config) {
            Err(error @ (OpenError::Locked { .. } | OpenError::OldSqlite { .. })) => Err(error),
            opened => Sqlite::start(config, on_fatal, opened, true),
        }
    }

    fn start(
        config: &Config,
        on_fatal: OnFatal,
        opened: Result<Opened, OpenError>,
        reopens: bool,
    ) -> Result<Sqlite, OpenError> {
        let (queue, jobs) = std::sync::mpsc::channel();
        let wakeups = watch::Sender::new(0);
        let (broken, refusal) = (Arc::default(), Arc::default());
        let windows = Arc::default();
        let keeper = Keeper {
            config: config.clone(),
            jobs,
            wakeups: wakeups.clone(),
            alarm: Alarm {
                broken: Arc::clone(&broken),
                on_fatal,
                windows: Arc::clone(&windows),
            },
            refusal: Arc::clone(&refusal),
            reopens,
        };
        let first = match opened {
            Ok((mut store, reserve)) => {
                keeper.install(&mut store);
                Some((store, reserve))
            }
            Err(error) => {
                error!(%error, "no after event is accepted, and opening the outbox is tried again");
                keeper.alarm.give_up(&error.to_string());
                None
            }
        };
        let thread = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || keeper.run(first))
            .map_err(|error| OpenError::Failed {
                path: config.path.clone(),
                why: format!("no thread for its writer: {error}"),
            })?;
        Ok(Sqlite {
            config: config.clone(),
            room: Arc::new(Semaphore::new(
                config.queue_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            queue: Some(queue),
            thread: Some(thread),
            wakeups,
            broken,
            reopens,
            refusal,
            windows,
        })
    }

    /// Has the writer do a call that takes so much of a commit, and waits until it is done as its
    /// answer needs it.
    async fn call<T: Send + 'static>(
        &self,
        needs: Needs,
        entries: usize,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let (answer, answered) = oneshot::channel();
        let job = Job {
            call: Box::new(Call::new(run, answer)),
            needs,
            entries,
            _room: room,
        };
        self.send(Message::Do(job))?;
        answered.await.map_err(|_| self.gone())?
    }

    fn send(&self, message: Message) -> Result<(), OutboxError> {
        let queue = self.queue.as_ref().ok_or(OutboxError::Closed)?;
        queue.send(message).map_err(|_| self.gone())
    }

    fn gone(&self) -> OutboxError {
        match self.why_broken() {
            Some(broken) => OutboxError::Failed(broken.why),
            None => OutboxError::Closed,
        }
    }

    fn why_broken(&self) -> Option<Broken> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.clone()
    }
}

#[async_trait]
impl Outbox for Sqlite {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            entry.admit(&self.config)?;
        }
        let entries: Arc<[Incoming]> = entries.into_iter().map(Incoming::from).collect();
        let (count, incoming) = (entries.len(), Arc::clone(&entries));
        self.call(Needs::ACCEPTING, count, move |store| {
            store.append(&incoming)
        })
        .await?
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError> {
        if let Some(claimed) = lock(&self.windows).claim(endpoint, now_ms, &capacity) {
            return Ok(claimed);
        }
        let endpoint = endpoint.to_owned();
        // What a power loss takes back is claimed again, and told once more at the worst; the end of
        // the process alone loses nothing, so crashes are counted.
        self.call(Needs::TELLING, capacity.pairs, move |store| {
            store.claim(&endpoint, now_ms, &capacity)
        })
        .await
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        let (before, settled, ended) = {
            let mut windows = lock(&self.windows);
            let before = windows.ended();
            let settled = windows.settle(&settlements, now_ms);
            (before, settled, windows.ended())
        };
        if let Some(ready) = settled {
            if ready {
                self.wakeups.send_modify(|commits| *commits += 1);
            }
            if before / ENDED_MAX < ended / ENDED_MAX {
                self.send(Message::Record)?;
            } else if before == 0 && ended > 0 {
                self.send(Message::Settled)?;
            }
            return Ok(());
        }
        let entries = settlements.len();
        self.call(Needs::TELLING, entries, move |store| {
            store.settle(&settlements, now_ms)
        })
        .await
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        if let Some(due_ms) = lock(&self.windows).next_due_ms(endpoint) {
            return Ok(due_ms);
        }
        let endpoint = endpoint.to_owned();
        self.call(Needs::TELLING, 0, move |store| store.next_due_ms(&endpoint))
            .await
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        if lock(&self.windows).is_without_rows(endpoint) {
            return Ok(());
        }
        let endpoint = endpoint.to_owned();
        self.call(Needs::LASTING, 1, move |store| {
            store.bound_retries(&endpoint, &latest_ms)
        })
        .await
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        let filter = filter.clone();
        self.call(Needs::LOOKING, 0, move |store| {
            store.dead(&filter, from, limit)
        })
        .await
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        let filter = filter.clone();
        self.call(Needs::LOOKING, 0, move |store| {
            store.discarded(&filter, from, limit)
        })
        .await
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let (act, filter) = (act.clone(), filter.clone());
        self.call(Needs::LASTING, limit, move |store| {
            store.act_on_dead(&act, &filter, from, limit, now_ms)
        })
        .await
    }

    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError> {
        let filter = filter.clone();
        self.call(Needs::LOOKING, 0, move |store| {
            store.pending(&filter, from, limit)
        })
        .await
    }

    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let filter = filter.clone();
        self.call(Needs::LASTING, 1, move |store| {
            store.retry_now(&filter, from, limit, now_ms)
        })
        .await
    }

    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        if lock(&self.windows).is_idle(endpoint) {
            return Ok(0);
        }
        let (endpoint, reason) = (endpoint.to_owned(), reason.to_owned());
        self.call(Needs::LASTING, limit, move |store| {
            store.discard_pending(&endpoint, &reason, accepted_before_ms, limit, now_ms)
        })
        .await
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        let endpoint = endpoint.to_owned();
        self.call(Needs::LASTING, 1, move |store| {
            store.set_health(&endpoint, &health);
            Ok(())
        })
        .await
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        if let Some(pending) = lock(&self.windows).pending() {
            return Ok(pending);
        }
        self.call(Needs::LOOKING, 0, |store| Ok(store.endpoints()))
            .await
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.call(Needs::LOOKING, 0, |store| store.stats()).await
    }

    async fn copy(&self, to: &Path) -> Result<bool, OutboxError> {
        // What was delivered until now is recorded.
        self.stats().await?;
        let (answer, answered) = oneshot::channel();
        self.send(Message::Hold(answer))?;
        let is_broken = answered.await.map_err(|_| self.gone())??;
        let (from, to) = (self.config.path.clone(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || copy_file(&from, &to)).await;
        let failed = |why: String| OutboxError::Failed(format!("it could not be copied: {why}"));
        copied
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        match is_broken.load(Ordering::Acquire) {
            false => Ok(true),
            true => Err(failed(
                "more was accepted meanwhile than its log has room for; try again later".to_owned(),
            )),
        }
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wakeups.subscribe()
    }

    fn refusal(&self) -> Option<String> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal
            .clone()
            .or_else(|| self.why_broken().map(|broken| broken.why))
    }

    fn broken(&self) -> Option<Broken> {
        let broken = self.why_broken();
        broken.filter(|broken| !broken.may_reopen || !self.reopens)
    }

    async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.send(Message::Close(answer)).is_ok() {
            // An error means that the writer has ended already, which is what was asked for.
            let _ = answered.await;
        }
    }
}

impl Drop for Sqlite {
    /// Without `close` before, what is in flight stays so in the file, as after a crash.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer was reported by itself.
            let _ = thread.join();
        }
    }
}
