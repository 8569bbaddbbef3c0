//! What every outbox does for those who append, deliver and look after it.

use std::path::Path;

use async_trait::async_trait;
use tokio::sync::watch;

use super::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OutboxError};
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

/// Called once, from the writer's thread, with the reason when the disk failed in a way after
/// which no promise can be kept. The process must end: after a failed sync the kernel may report
/// success for data that it has dropped, so only a new start that reads the file again is safe.
/// Until the end every call is answered with an error.
pub type OnFatal = Box<dyn Fn(&str) + Send + Sync>;

/// Why an outbox has ended before it was closed; every call is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub why: String,
    /// It may be opened again. Not after a failed sync, see [`OnFatal`].
    pub may_reopen: bool,
}

/// What one of several replicas on the same outbox knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedState {
    /// What people call this replica by.
    pub replica: String,
    /// Replicas that live, as far as this one knows, itself included.
    pub replicas: u32,
    /// Why the shared outbox does not answer; `None` while it does.
    pub away: Option<String>,
    /// Events that are in this replica's own file and are to be forwarded.
    pub spooled: u64,
}

/// Keeps accepted events until each has ended.
///
/// Implementations share one suite, in `tests`.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Accepts events, all or none. When it returns, they are stored as durably as the outbox can.
    ///
    /// The answer has one element for each entry, in their order. An entry without endpoints is
    /// accepted and has nothing left to do; its id is remembered like any other.
    async fn append(&self, entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError>;

    /// Takes pairs of one endpoint in flight, as many as there is room for, the longest due
    /// first.
    ///
    /// Of an ordering key one pair is in flight, or a few that are one behind the other from its
    /// front, where the capacity has room for such after the first of every key.
    ///
    /// First tries are due since their acceptance, retries since their due time, so neither can
    /// starve the other. Fewer may come while many wait for their ordering keys. Each pair taken
    /// must be settled: a call that is dropped while it waits may leave pairs in flight until the next
    /// start. A claim outlives the end of the process; a power loss may take it back.
    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError>;

    /// Ends or puts back pairs that were claimed, all or none.
    ///
    /// A pair that is to be tried again waits for those of its ordering key before it that are
    /// being tried.
    /// A key that is not in flight any more is passed over, so settling twice is harmless.
    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError>;

    /// When the next pair of the endpoint can be claimed: not later than this, 0 is at once, and
    /// `None` is not before something is appended or settled.
    ///
    /// It may be too early by one `claim`, which finds out that an ordering key is not free.
    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError>;

    /// Makes retries of an endpoint due no later than these times: of pairs that used up one
    /// attempt the first, of two the second, of more the last.
    ///
    /// For a start: due times of an earlier process may be those of a clock that was ahead.
    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError>;

    /// The dead letters that a filter holds for, up to `limit`, behind a cursor.
    ///
    /// One call looks at a few hundred at most, so a page may have fewer and not be the last.
    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError>;

    /// The events that were discarded last and that a filter holds for, up to `limit`, behind a
    /// cursor of the page before.
    ///
    /// One call looks at a few hundred at most, as `dead` does.
    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError>;

    /// Does something about up to `limit` of the dead letters that a filter holds for, behind a
    /// cursor; all or none of the step.
    ///
    /// A filter that names nothing that dies meanwhile, called until `next` is `None`, has done
    /// it to each letter once; called again from the start it goes on where it was broken off.
    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError>;

    /// The pending events that a filter holds for, up to `limit`, behind a cursor.
    ///
    /// One call looks at a few hundred at most, as `dead` does.
    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError>;

    /// Makes up to `limit` of the retries that a filter holds for due now, behind a cursor, and
    /// says how many were not.
    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError>;

    /// Ends up to `limit` pending pairs of an endpoint that are not in flight, the oldest first,
    /// and says how many: for an endpoint that is gone for good. With a time, only those that were
    /// accepted before it.
    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError>;

    /// Keeps what is known of an endpoint; one that never had a pair is passed over.
    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError>;

    /// The names of endpoints with pending pairs, sorted.
    async fn endpoints(&self) -> Result<Vec<String>, OutboxError>;

    /// Counters and sizes; cheap whatever the backlog.
    async fn stats(&self) -> Result<Stats, OutboxError>;

    /// A value that rises after each commit that made a pair ready: appended, put back, or next
    /// in its ordering key. Take the receiver before looking, and no change is missed.
    fn wakeups(&self) -> watch::Receiver<u64>;

    /// Why nothing new is accepted, as far as is known without asking the disk.
    fn refusal(&self) -> Option<String> {
        self.broken().map(|broken| broken.why)
    }

    /// Replicas that live and deliver from it, this one included.
    fn replicas(&self) -> u32 {
        1
    }

    /// What is known of an outbox that others share; `None` for one of this process's own.
    async fn shared(&self) -> Option<SharedState> {
        None
    }

    /// Why it has ended before its time, if it has.
    fn broken(&self) -> Option<Broken> {
        None
    }

    /// Copies what is kept on this machine into a file that is there and empty: all that was
    /// accepted before this call, as it was then or became since. False: nothing is.
    async fn copy(&self, _to: &Path) -> Result<bool, OutboxError> {
        Ok(false)
    }

    /// Waits for the next such commit after this call.
    async fn appended(&self) {
        // An error means that the outbox is gone, and `self` shows that it is not.
        let _ = self.wakeups().changed().await;
    }

    /// Finishes what is queued, puts what is in flight back, and closes the file. What is called
    /// later is answered with `Closed`.
    async fn close(&self);
}
