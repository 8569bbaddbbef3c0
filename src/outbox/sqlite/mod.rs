//! The outbox in one SQLite file: accepted means committed and synced.
//!
//! Owns: the file, its schema, and the thread that alone reads and writes it.
//! Calls become jobs for that thread; it does many in one transaction and answers when the
//! transaction is on disk, so one sync pays for all of them.
//!
//! What an endpoint is told next stands in memory (`windows`), and is claimed and settled there by
//! whoever asks; the thread reads more into it, and records what was delivered with its commits.
//!
//! Order, downward: `repair`, `inspect`, `salvage`, `writer`, `start`, `maintenance`, `append`, `settle`, `claim`,
//! `deliver`, `sweep`, `latest`, `dead`, `discards`, `pending`, `stats`, `promote`, `order`, `store`, `file`,
//! `windows`, `window`, `incoming`, `ids`, `claims_file`, `counters`, `event`, `reserve`, `file_watch`, `number`.

mod append;
mod claim;
mod claims_file;
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
mod latest;
mod maintenance;
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

pub(super) use inspect::{check, export};
pub(super) use repair::repair;

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot, watch};

use self::file_watch::FileWatch;
use self::incoming::Incoming;
use self::reserve::Reserve;
use self::store::{Store, lock};
use self::windows::{ENDED_MAX, Windows};
use self::writer::{Alarm, Call, Job, Message, Writer};
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
    writer: Option<JoinHandle<()>>,
    wakeups: watch::Sender<u64>,
    /// Why the writer ended before its time.
    broken: Arc<OnceLock<Broken>>,
    refusal: Arc<Mutex<Option<String>>>,
    windows: Arc<Mutex<Windows>>,
}

impl Sqlite {
    pub(super) fn open(config: &Config, on_fatal: OnFatal) -> Result<Sqlite, OpenError> {
        let (store, reserve) = Sqlite::open_with_reserve(config)?;
        let (queue, jobs) = std::sync::mpsc::channel();
        let wakeups = watch::Sender::new(0);
        let broken = Arc::new(OnceLock::new());
        let refusal = Arc::new(Mutex::new(None));
        let windows = Arc::clone(&store.windows);
        let writer = Writer {
            store,
            reserve,
            jobs,
            entries_max: config.commit_entries_max.max(1),
            wait: config.commit_wait,
            wakeups: wakeups.clone(),
            alarm: Alarm {
                broken: Arc::clone(&broken),
                on_fatal,
                windows: Arc::clone(&windows),
            },
            unmaintained: false,
            files: FileWatch::start(&config.path),
            looked_at: None,
            record_at: None,
            refusal: Arc::clone(&refusal),
        };
        let writer = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || writer.run())
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
            writer: Some(writer),
            wakeups,
            broken,
            refusal,
            windows,
        })
    }

    /// Opens the file, with the room of the reserve if there is no other.
    fn open_with_reserve(config: &Config) -> Result<(Store, Reserve), OpenError> {
        let now = Instant::now();
        let (opened, mut reserve) = match Store::open(config) {
            Err(OpenError::DiskFull { .. }) => {
                let mut reserve = Reserve::open(&config.path, config.reserve_bytes, now);
                reserve.give(now);
                (Store::open(config), reserve)
            }
            opened => {
                let reserve = Reserve::open(&config.path, config.reserve_bytes, now);
                (opened, reserve)
            }
        };
        let store = opened?;
        reserve.is_held(now);
        Ok((store, reserve))
    }

    /// Has the writer do a call, and waits until it is on disk.
    async fn call<T: Send + 'static>(
        &self,
        entries: usize,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let asked = Asked {
            adds: false,
            synced: true,
            records: true,
        };
        self.call_that(asked, entries, run).await
    }

    /// Has the writer do a call of which a power loss may take what it changed.
    async fn ask<T: Send + 'static>(
        &self,
        entries: usize,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let asked = Asked {
            adds: false,
            synced: false,
            records: true,
        };
        self.call_that(asked, entries, run).await
    }

    /// The same for what is next to be told, whatever was delivered.
    async fn work<T: Send + 'static>(
        &self,
        entries: usize,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let asked = Asked {
            adds: false,
            synced: false,
            records: false,
        };
        self.call_that(asked, entries, run).await
    }

    async fn call_that<T: Send + 'static>(
        &self,
        asked: Asked,
        entries: usize,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let room = Arc::clone(&self.room).acquire_owned().await;
        let room = room.expect("the semaphore is never closed");
        let (answer, answered) = oneshot::channel();
        let job = Job {
            call: Box::new(Call::new(run, answer)),
            adds: asked.adds,
            synced: asked.synced,
            records: asked.records,
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
        match self.broken.get() {
            Some(broken) => OutboxError::Failed(broken.why.clone()),
            None => OutboxError::Closed,
        }
    }
}

/// What a call needs of its commit.
struct Asked {
    adds: bool,
    synced: bool,
    records: bool,
}

#[async_trait]
impl Outbox for Sqlite {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            entry.admit(&self.config)?;
        }
        let entries: Arc<[Incoming]> = entries.into_iter().map(Incoming::from).collect();
        let (count, incoming) = (entries.len(), Arc::clone(&entries));
        let asked = Asked {
            adds: true,
            synced: true,
            records: false,
        };
        self.call_that(asked, count, move |store| store.append(&incoming))
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
        self.work(capacity.pairs, move |store| {
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
        self.work(entries, move |store| store.settle(&settlements, now_ms))
            .await
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        if let Some(due_ms) = lock(&self.windows).next_due_ms(endpoint) {
            return Ok(due_ms);
        }
        let endpoint = endpoint.to_owned();
        self.work(0, move |store| store.next_due_ms(&endpoint))
            .await
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        if lock(&self.windows).is_without_rows(endpoint) {
            return Ok(());
        }
        let endpoint = endpoint.to_owned();
        self.call(1, move |store| store.bound_retries(&endpoint, &latest_ms))
            .await
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        let filter = filter.clone();
        self.ask(0, move |store| store.dead(&filter, from, limit))
            .await
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        let filter = filter.clone();
        self.ask(0, move |store| store.discarded(&filter, from, limit))
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
        self.call(limit, move |store| {
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
        self.ask(0, move |store| store.pending(&filter, from, limit))
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
        self.call(1, move |store| {
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
        self.call(limit, move |store| {
            store.discard_pending(&endpoint, &reason, accepted_before_ms, limit, now_ms)
        })
        .await
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        let endpoint = endpoint.to_owned();
        self.call(1, move |store| {
            store.set_health(&endpoint, &health);
            Ok(())
        })
        .await
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        if let Some(pending) = lock(&self.windows).pending() {
            return Ok(pending);
        }
        self.ask(0, |store| Ok(store.endpoints())).await
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.ask(0, |store| store.stats()).await
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wakeups.subscribe()
    }

    fn refusal(&self) -> Option<String> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        refusal
            .clone()
            .or_else(|| self.broken().map(|broken| broken.why))
    }

    fn broken(&self) -> Option<Broken> {
        self.broken.get().cloned()
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
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was reported by itself.
            let _ = writer.join();
        }
    }
}
