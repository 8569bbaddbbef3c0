//! Pending events as operators see them: what waits, why, and until when.

use bytes::Bytes;

use super::letter::DeadCursor;

/// Which pending events are meant. What is `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingFilter {
    pub endpoint: Option<String>,
    /// Without regard to letter case.
    pub hook: Option<String>,
    pub id: Option<String>,
    pub ordering_key: Option<String>,
    /// The bodies are wanted too.
    pub bodies: bool,
}

impl PendingFilter {
    pub(super) fn is_about(&self, endpoint: &str) -> bool {
        self.endpoint.as_ref().is_none_or(|name| name == endpoint)
    }

    pub(super) fn holds(&self, event: &PendingEvent) -> bool {
        self.is_about(&event.endpoint)
            && (self.hook.as_ref()).is_none_or(|hook| hook.eq_ignore_ascii_case(&event.hook))
            && self.id.as_ref().is_none_or(|id| *id == event.id)
            && (self.ordering_key.as_ref()).is_none_or(|key| *key == event.ordering_key)
    }
}

/// Where a pending event is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingState {
    Ready,
    InFlight,
    Retry,
    /// Behind others of its ordering key.
    Waiting,
}

impl PendingState {
    pub fn name(self) -> &'static str {
        match self {
            PendingState::Ready => "ready",
            PendingState::InFlight => "in_flight",
            PendingState::Retry => "retry",
            PendingState::Waiting => "waiting",
        }
    }
}

/// One event that waits for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingEvent {
    pub endpoint: String,
    pub id: String,
    pub hook: String,
    pub ordering_key: String,
    pub operation_id: String,
    pub accepted_at_ms: u64,
    pub state: PendingState,
    /// Requests made since it was accepted or replayed.
    pub attempts: u32,
    pub replays: u32,
    /// When a retry is due; 0 for others.
    pub due_at_ms: u64,
    /// Why the last attempt failed; empty when there was none.
    pub reason: String,
    pub body_bytes: u64,
    /// Where it was asked for.
    pub body: Option<Bytes>,
}

/// Some pending events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingPage {
    /// In order of endpoint and acceptance.
    pub events: Vec<PendingEvent>,
    /// Where to go on; `None` at the end. A page may be empty and not the last.
    pub next: Option<DeadCursor>,
}
