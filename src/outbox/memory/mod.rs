//! The outbox in memory, for tests and for those who can do without durability.
//!
//! Order, downward: `pending`, `letters`, `state`, `latest`, `endpoint`.

mod endpoint;
mod latest;
mod letters;
mod pending;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use self::state::State;
use super::config::Config;
use super::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OutboxError};
use super::interface::Outbox;
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

pub(super) struct Memory {
    config: Config,
    /// `None` once it is closed.
    state: Mutex<Option<State>>,
    wakeups: watch::Sender<u64>,
}

impl Memory {
    pub(super) fn new(config: Config) -> Memory {
        Memory {
            config,
            state: Mutex::new(Some(State::default())),
            wakeups: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, ask: impl FnOnce(&mut State) -> T) -> Result<T, OutboxError> {
        self.state().as_mut().map(ask).ok_or(OutboxError::Closed)
    }

    fn wake(&self) {
        self.wakeups.send_modify(|commits| *commits += 1);
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            entry.admit(&self.config)?;
            // All that waits is in memory.
            entry.read.forget();
        }
        let appended = self.with(|state| state.append(entries, &self.config))??;
        self.wake();
        Ok(appended)
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError> {
        self.with(|state| {
            state.sweep(now_ms, &self.config);
            state.claim(endpoint, now_ms, capacity)
        })
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        self.with(|state| {
            for (key, settlement) in settlements {
                state.settle(key, settlement, now_ms, &self.config);
            }
            state.sweep(now_ms, &self.config);
        })?;
        self.wake();
        Ok(())
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        self.with(|state| state.bound_retries(endpoint, &latest_ms))?;
        self.wake();
        Ok(())
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        self.with(|state| state.dead(filter, from, limit))
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        self.with(|state| state.discarded(filter, from, limit))
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let step =
            self.with(|state| state.act_on_dead(act, filter, from, limit, now_ms, &self.config))?;
        self.wake();
        Ok(step)
    }

    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError> {
        self.with(|state| state.pending(filter, from, limit))
    }

    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let step = self.with(|state| state.retry_now(filter, from, limit, now_ms))?;
        self.wake();
        Ok(step)
    }

    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        let discarded = self.with(|state| {
            let old = state.idle(endpoint, accepted_before_ms, limit);
            for &(number, seq) in &old {
                state.discard_pair(number, seq, reason, now_ms, &self.config);
            }
            old.len() as u64
        })?;
        self.wake();
        Ok(discarded)
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        self.with(|state| state.set_health(endpoint, health))
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        self.with(|state| state.next_due_ms(endpoint))
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        self.with(|state| state.endpoints())
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.with(|state| state.stats())
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wakeups.subscribe()
    }

    async fn close(&self) {
        *self.state() = None;
    }
}
