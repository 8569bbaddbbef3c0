//! An outbox that is opened again when it has failed, so that its file's state stops nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::watch;
use tracing::{error, info};

use super::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OpenError, OutboxError};
use super::interface::{Broken, Outbox};
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

/// The first wait before it is opened again; it doubles up to the longest.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// One that was open for so long has not failed at once.
const STEADY: Duration = Duration::from_secs(60);

pub(super) type Open = Box<dyn Fn() -> Result<Arc<dyn Outbox>, OpenError> + Send + Sync>;

pub(super) struct Supervised {
    open: Open,
    /// The open one, or why there is none.
    now: RwLock<Result<Arc<dyn Outbox>, String>>,
    closed: AtomicBool,
    /// For those who wait while there is none.
    wakeups: watch::Sender<u64>,
}

impl Supervised {
    /// Errors: another process has the file, or no thread can be had; a later try mends neither.
    pub(super) fn start(open: Open) -> Result<Arc<Supervised>, OpenError> {
        let now = match open() {
            Err(error @ (OpenError::Locked { .. } | OpenError::OldSqlite { .. })) => {
                return Err(error);
            }
            Err(error) => {
                error!(%error, "no after event is accepted, and opening the outbox is tried again");
                Err(error.to_string())
            }
            Ok(outbox) => Ok(outbox),
        };
        let supervised = Arc::new(Supervised {
            open,
            now: RwLock::new(now),
            closed: AtomicBool::new(false),
            wakeups: watch::Sender::new(0),
        });
        let weak = Arc::downgrade(&supervised);
        thread::Builder::new()
            .name("outbox-keeper".to_owned())
            .spawn(move || keep(&weak))
            .map_err(|error| OpenError::Failed {
                path: "outbox".into(),
                why: format!("no thread that keeps it open: {error}"),
            })?;
        Ok(supervised)
    }

    /// Opens it again if it has failed. `None` when it has not; else whether it is open now.
    fn look(&self) -> Option<bool> {
        let now = self.now();
        match now {
            Ok(outbox) => {
                let broken = outbox.broken().filter(|broken| broken.may_reopen)?;
                error!(
                    why = broken.why,
                    "the outbox failed, and opening it is tried again"
                );
                self.set(Err(broken.why));
                Some(false)
            }
            Err(before) => match (self.open)() {
                Ok(outbox) => {
                    info!("the outbox is open, after events are accepted");
                    self.set(Ok(outbox));
                    self.wakeups.send_modify(|opened| *opened += 1);
                    Some(true)
                }
                Err(error) => {
                    let why = error.to_string();
                    if why != before {
                        error!(why, "the outbox cannot be opened, which is tried again");
                    }
                    self.set(Err(why));
                    Some(false)
                }
            },
        }
    }

    fn now(&self) -> Result<Arc<dyn Outbox>, String> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.clone()
    }

    fn set(&self, now: Result<Arc<dyn Outbox>, String>) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn inner(&self) -> Result<Arc<dyn Outbox>, OutboxError> {
        match self.closed.load(Ordering::Relaxed) {
            true => Err(OutboxError::Closed),
            false => self.now().map_err(OutboxError::Failed),
        }
    }
}

fn keep(supervised: &Weak<Supervised>) {
    let mut wait = WAIT;
    let mut opened = Instant::now();
    loop {
        thread::sleep(wait);
        let Some(supervised) = supervised.upgrade() else {
            return;
        };
        if supervised.closed.load(Ordering::Relaxed) {
            return;
        }
        match supervised.look() {
            None if opened.elapsed() >= STEADY => wait = WAIT,
            None => {}
            Some(true) => opened = Instant::now(),
            Some(false) => wait = (wait * 2).min(WAIT_MAX),
        }
    }
}

#[async_trait]
impl Outbox for Supervised {
    async fn append(&self, entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        self.inner()?.append(entries).await
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError> {
        self.inner()?.claim(endpoint, now_ms, capacity).await
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        self.inner()?.settle(settlements, now_ms).await
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        self.inner()?.next_due_ms(endpoint).await
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        self.inner()?.bound_retries(endpoint, latest_ms).await
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        self.inner()?.dead(filter, from, limit).await
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        self.inner()?.discarded(filter, from, limit).await
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        self.inner()?
            .act_on_dead(act, filter, from, limit, now_ms)
            .await
    }

    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError> {
        self.inner()?.pending(filter, from, limit).await
    }

    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        self.inner()?.retry_now(filter, from, limit, now_ms).await
    }

    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        self.inner()?
            .discard_pending(endpoint, reason, accepted_before_ms, limit, now_ms)
            .await
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        self.inner()?.set_health(endpoint, health).await
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        self.inner()?.endpoints().await
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.inner()?.stats().await
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        match self.now() {
            Ok(outbox) => outbox.wakeups(),
            Err(_) => self.wakeups.subscribe(),
        }
    }

    fn refusal(&self) -> Option<String> {
        match self.now() {
            Ok(outbox) => outbox.refusal(),
            Err(why) => Some(why),
        }
    }

    fn broken(&self) -> Option<Broken> {
        let outbox = self.now().ok()?;
        outbox.broken().filter(|broken| !broken.may_reopen)
    }

    async fn close(&self) {
        if let Ok(outbox) = self.now() {
            outbox.close().await;
        }
        self.closed.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::outbox::tests::bench::{Nothing, entry, folder, shipped};
    use crate::outbox::{Config, open};

    /// An outbox over a file of the test's making.
    fn supervised(config: &Config) -> Arc<Supervised> {
        let config = config.clone();
        Supervised::start(Box::new(move || open(&config, Box::new(|_| {})))).unwrap()
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_opened_is_opened_once_it_can() {
        let folder = folder();
        let config = Config {
            path: folder.path().join("outbox.db"),
            ..shipped()
        };
        std::fs::write(&config.path, "no database ".repeat(99)).unwrap();
        let outbox = supervised(&config);
        let refused = outbox.append(vec![entry("a", "A", 10)]).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("is not an outbox of callgate"), "{why}");
        assert!(outbox.refusal().unwrap().contains("is not an outbox"));
        let waiting = outbox.wakeups();
        assert_eq!(outbox.look(), Some(false));
        std::fs::remove_file(&config.path).unwrap();
        assert_eq!(outbox.look(), Some(true));
        assert!(waiting.has_changed().unwrap());
        assert_eq!(outbox.refusal(), None);
        outbox.append(vec![entry("a", "A", 10)]).await.unwrap();
        outbox.close().await;
        let closed = outbox.append(vec![entry("b", "A", 10)]).await;
        assert_eq!(closed, Err(AppendError::Closed));
    }

    #[tokio::test]
    async fn one_that_failed_is_opened_again_unless_the_disk_lies() {
        for may_reopen in [true, false] {
            let folder = folder();
            let config = Config {
                path: folder.path().join("outbox.db"),
                ..shipped()
            };
            let opens = Arc::new(Mutex::new(0));
            let opened = Arc::clone(&opens);
            let outbox = Supervised::start(Box::new(move || {
                *opened.lock().unwrap() += 1;
                open(&config, Box::new(|_| {}))
            }))
            .unwrap();
            let broken = Broken {
                why: "on purpose".to_owned(),
                may_reopen,
            };
            outbox.set(Ok(Arc::new(Nothing(Some(broken)))));
            match may_reopen {
                true => {
                    assert_eq!(outbox.look(), Some(false));
                    assert_eq!(outbox.refusal().unwrap(), "on purpose");
                    assert_eq!(outbox.look(), Some(true));
                    assert_eq!(outbox.refusal(), None);
                }
                false => {
                    assert_eq!(outbox.look(), None);
                    assert_eq!(outbox.broken().unwrap().why, "on purpose");
                }
            }
            assert_eq!(*opens.lock().unwrap(), 1 + i32::from(may_reopen));
        }
    }
}
