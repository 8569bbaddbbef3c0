//! What is asked of the thread that has the connections.

use tokio::sync::oneshot;

use crate::outbox::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use crate::outbox::error::{AppendError, OutboxError};
use crate::outbox::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use crate::outbox::pending::{PendingFilter, PendingPage};

/// Where the answer goes; nobody may wait for it any more.
pub(super) type To<T> = oneshot::Sender<Result<T, OutboxError>>;

/// Events to accept.
pub(super) struct Append {
    pub entries: Vec<NewEntry>,
    pub to: oneshot::Sender<Result<Vec<Appended>, AppendError>>,
}

/// Delivery's questions and orders about one endpoint.
pub(super) enum Deliver {
    Claim(String, u64, Capacity, To<Vec<StoredEvent>>),
    Settle(Vec<(EntryKey, Settlement)>, u64, To<()>),
    NextDue(String, To<Option<u64>>),
    BoundRetries(String, Vec<u64>, To<()>),
}

/// Questions and orders of operators, and of those who look at everything.
pub(super) enum Look {
    Dead(DeadFilter, DeadCursor, usize, To<DeadPage>),
    Discarded(DeadFilter, DeadCursor, usize, To<DiscardedPage>),
    ActOnDead(DeadAct, DeadFilter, DeadCursor, usize, u64, To<DeadStep>),
    Pending(PendingFilter, DeadCursor, usize, To<PendingPage>),
    RetryNow(PendingFilter, DeadCursor, usize, u64, To<DeadStep>),
    DiscardPending(String, String, Option<u64>, usize, u64, To<u64>),
    SetHealth(String, Health, To<()>),
    Endpoints(To<Vec<String>>),
    Stats(To<Stats>),
}
