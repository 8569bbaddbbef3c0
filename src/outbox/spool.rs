//! An outbox that others share, with one of this replica's own for the time that it is away.
//!
//! While the shared one cannot be written to, events are accepted into the spool, in one row of the
//! order of acceptance, and are forwarded when it is back. Until the last of them is forwarded, what
//! comes goes behind them, so the order of each conversation is that of its acceptance here. One that
//! is forwarded twice, or was in the shared one already, is a duplicate there by its id.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, info, warn};

use super::config::{Config, Kind};
use super::entry::{
    Appended, AsRead, Capacity, EntryKey, Health, NewEntry, Series, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OutboxError};
use super::interface::{Broken, Outbox, SharedState};
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

/// What the spool's events are for.
const SHARED: &str = "the shared outbox";
/// Events that are forwarded at a time.
const FORWARDED_MAX: usize = 256;
/// What stands before a body: names, each byte of which may be six in JSON, and a series.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// What could not be forwarded is tried again so soon.
const AGAIN: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 500 });

pub(super) struct Spooling {
    inner: Arc<Inner>,
    /// Ends the forwarder.
    _ends: DropGuard,
}

struct Inner {
    config: Config,
    shared: Arc<dyn Outbox>,
    spool: Arc<dyn Outbox>,
    /// The last time that was told.
    now_ms: AtomicU64,
    /// Events go into the spool. Whoever accepts reads, so that it changes while nobody does.
    spools: RwLock<bool>,
    /// The same, to be looked at.
    is_spooling: AtomicBool,
    forwarded: AtomicU64,
    is_closed: CancellationToken,
}

/// What stands in the spool: the whole entry, in JSON before its body.
#[derive(Serialize, Deserialize)]
struct Head {
    ordering_key: String,
    endpoints: Vec<String>,
    series: Option<(String, String, Duration)>,
}

/// Where the spool of an outbox is that would be at `path` if it were not shared: a file of its own,
/// so that what an outbox holds from before is not taken for what was spooled.
pub fn spool_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push("-spool");
    PathBuf::from(path)
}

/// The settings of the spool: whatever the shared one takes has room in it with its head.
pub(super) fn spool_of(config: &Config) -> Config {
    Config {
        kind: Kind::Sqlite,
        server: None,
        path: spool_path(&config.path),
        body_bytes_max: config.body_bytes_max.saturating_add(HEAD_BYTES_MAX),
        endpoint_bytes_max: config.bytes_max,
        ..config.clone()
    }
}

impl Spooling {
    /// What the spool holds of an earlier process is forwarded first.
    pub(super) fn new(
        config: &Config,
        shared: Arc<dyn Outbox>,
        spool: Arc<dyn Outbox>,
    ) -> Spooling {
        let inner = Arc::new(Inner {
            config: config.clone(),
            now_ms: AtomicU64::new(0),
            shared,
            spool,
            spools: RwLock::new(true),
            is_spooling: AtomicBool::new(true),
            forwarded: AtomicU64::new(0),
            is_closed: CancellationToken::new(),
        });
        let forwarder = Arc::clone(&inner);
        tokio::spawn(async move {
            let closed = forwarder.is_closed.clone();
            closed.run_until_cancelled(forwarder.forward()).await;
        });
        Spooling {
            _ends: inner.is_closed.clone().drop_guard(),
            inner,
        }
    }
}

impl Inner {
    async fn append(&self, entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        let spools = self.spools.read().await;
        if !*spools && self.shared.refusal().is_none() {
            match self.shared.append(entries.clone()).await {
                // Whether it was committed is not known; if so, it is a duplicate later.
                Err(AppendError::Failed(_)) => {}
                answered => return answered,
            }
        }
        drop(spools);
        self.begin_to_spool().await;
        // Nobody ends the spooling while this is read.
        let spools = self.spools.read().await;
        if !*spools {
            return self.shared.append(entries).await;
        }
        let spooled = entries.into_iter().map(spooled).collect();
        self.spool.append(spooled).await
    }

    async fn begin_to_spool(&self) {
        let mut spools = self.spools.write().await;
        if !*spools {
            *spools = true;
            self.is_spooling.store(true, Ordering::Release);
            warn!("the shared outbox is away: after events are kept here and forwarded later");
        }
    }

    /// Forwards what is in the spool, in its order, for as long as this outbox is used.
    async fn forward(&self) {
        loop {
            let mut wakeups = self.spool.wakeups();
            wakeups.borrow_and_update();
            match self.forward_some().await {
                Ok(true) => {}
                Ok(false) => {
                    self.end_spooling().await;
                    let _ = tokio::time::timeout(Duration::from_secs(1), wakeups.changed()).await;
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Whether there was something to forward.
    async fn forward_some(&self) -> Result<bool, OutboxError> {
        let capacity = Capacity::of(FORWARDED_MAX);
        // Nothing here waits for a time.
        let now_ms = self.now_ms.load(Ordering::Relaxed);
        let claimed = self.spool.claim(SHARED, now_ms, capacity).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let (mut entries, mut settlements) = (Vec::new(), Vec::new());
        for event in &claimed {
            match unspooled(event) {
                Some(entry) => entries.push(entry),
                None => error!(id = event.id, "an event in the spool cannot be read"),
            }
            settlements.push((event.key, Settlement::Delivered));
        }
        let count = entries.len() as u64;
        let forwarded = self.shared.append(entries).await;
        if let Err(error) = forwarded {
            // In their order again: all go back before any is taken again.
            let back = claimed.iter().map(|event| (event.key, Settlement::Release));
            self.spool.settle(back.collect(), now_ms).await?;
            return Err(OutboxError::Failed(error.to_string()));
        }
        self.forwarded.fetch_add(count, Ordering::Relaxed);
        self.spool.settle(settlements, now_ms).await?;
        Ok(true)
    }

    /// Ends the spooling if nothing is left; nobody accepts meanwhile.
    async fn end_spooling(&self) {
        if !self.is_spooling.load(Ordering::Acquire) || self.shared.refusal().is_some() {
            return;
        }
        let mut spools = self.spools.write().await;
        let is_empty = matches!(self.spool.endpoints().await.as_deref(), Ok([]));
        if is_empty {
            *spools = false;
            self.is_spooling.store(false, Ordering::Release);
            let forwarded = self.forwarded.swap(0, Ordering::Relaxed);
            info!(forwarded, "after events go into the shared outbox");
        }
    }
}

/// As it stands in the spool: what its endpoints, its order and its series are is in its body.
fn spooled(entry: NewEntry) -> NewEntry {
    let head = Head {
        ordering_key: entry.ordering_key,
        endpoints: entry.endpoints,
        series: (entry.series).map(|series| (series.name, series.line, series.within)),
    };
    let head = serde_json::to_vec(&head).expect("texts and numbers are JSON");
    let mut body = Vec::with_capacity(4 + head.len() + entry.body.len());
    body.extend_from_slice(&(head.len() as u32).to_be_bytes());
    body.extend_from_slice(&head);
    body.extend_from_slice(&entry.body);
    NewEntry {
        ordering_key: String::new(),
        body: Bytes::from(body),
        endpoints: vec![SHARED.to_owned()],
        series: None,
        // It waits for as long as the shared one is away.
        read: AsRead::default(),
        ..entry
    }
}

/// What was accepted.
fn unspooled(event: &StoredEvent) -> Option<NewEntry> {
    let length = event.body.get(..4)?.try_into().ok()?;
    let length = u32::from_be_bytes(length) as usize;
    let head: Head = serde_json::from_slice(event.body.get(4..4 + length)?).ok()?;
    let series = head
        .series
        .map(|(name, line, within)| Series { name, line, within });
    Some(NewEntry {
        ordering_key: head.ordering_key,
        body: event.body.slice(4 + length..),
        endpoints: head.endpoints,
        series,
        ..NewEntry::clone(&event.entry)
    })
}

#[async_trait]
impl Outbox for Spooling {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            // What the shared one would never take must not wait in the spool.
            entry.admit(&self.inner.config)?;
            let now_ms = entry.accepted_at_ms;
            self.inner.now_ms.fetch_max(now_ms, Ordering::Relaxed);
        }
        self.inner.append(entries).await
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError> {
        self.inner.shared.claim(endpoint, now_ms, capacity).await
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        self.inner.shared.settle(settlements, now_ms).await
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        self.inner.shared.next_due_ms(endpoint).await
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        self.inner.shared.bound_retries(endpoint, latest_ms).await
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        self.inner.shared.dead(filter, from, limit).await
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        self.inner.shared.discarded(filter, from, limit).await
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let shared = &self.inner.shared;
        shared.act_on_dead(act, filter, from, limit, now_ms).await
    }

    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError> {
        self.inner.shared.pending(filter, from, limit).await
    }

    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        self.inner
            .shared
            .retry_now(filter, from, limit, now_ms)
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
        let shared = &self.inner.shared;
        let discarded = shared.discard_pending(endpoint, reason, accepted_before_ms, limit, now_ms);
        discarded.await
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        self.inner.shared.set_health(endpoint, health).await
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        self.inner.shared.endpoints().await
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.inner.shared.stats().await
    }

    async fn copy(&self, to: &Path) -> Result<bool, OutboxError> {
        self.inner.spool.copy(to).await
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.inner.shared.wakeups()
    }

    /// What is accepted into the spool is accepted.
    fn refusal(&self) -> Option<String> {
        match self.inner.shared.refusal() {
            Some(_) => self.inner.spool.refusal(),
            None => None,
        }
    }

    fn replicas(&self) -> u32 {
        self.inner.shared.replicas()
    }

    async fn shared(&self) -> Option<SharedState> {
        let state = self.inner.shared.shared().await?;
        let spool = self.inner.spool.stats().await;
        let spooled = spool.map(|stats| stats.entries).unwrap_or_default();
        Some(SharedState { spooled, ..state })
    }

    fn broken(&self) -> Option<Broken> {
        self.inner
            .shared
            .broken()
            .or_else(|| self.inner.spool.broken())
    }

    async fn close(&self) {
        self.inner.is_closed.cancel();
        self.inner.spool.close().await;
        self.inner.shared.close().await;
    }
}
