//! What the workers of all endpoints share.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::{info, warn};

use crate::callback::{Callbacks, Delivery, DeliveryError, ReadEvent, Readiness};
use crate::clock::Clock;
use crate::event::Hook;
use crate::outbox::faults::{Fault, asked};
use crate::outbox::{EntryKey, Outbox, OutboxError, Settlement, StoredEvent};
use crate::policy::Endpoint;
use crate::telemetry::{LogThrottle, Metrics};

/// A sleeping task looks at least this often, so that a lost wake-up costs little.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An event that was in flight at so many unclean ends of the process is not tried again by
/// itself: it may be what ends the process.
const CRASHES_MAX: u32 = 3;

/// What brings events to an endpoint; a test has one of its own.
#[async_trait]
pub(super) trait Transport: Send + Sync {
    async fn deliver(&self, endpoint: &Endpoint, events: &[&ReadEvent]) -> Delivery;

    /// Whether it is worth while to begin, with the events of some hook.
    fn readiness(&self, endpoint: &Endpoint) -> Readiness;

    /// The same for the events of one hook, whose handler alone may be broken.
    fn hook_readiness(&self, endpoint: &Endpoint, hook: Hook) -> Readiness;
}

#[async_trait]
impl Transport for Arc<Callbacks> {
    async fn deliver(&self, endpoint: &Endpoint, events: &[&ReadEvent]) -> Delivery {
        let timeout = endpoint.events.timeout;
        Callbacks::deliver(self, endpoint, events, timeout).await
    }

    fn readiness(&self, endpoint: &Endpoint) -> Readiness {
        Callbacks::readiness(self, endpoint)
    }

    fn hook_readiness(&self, endpoint: &Endpoint, hook: Hook) -> Readiness {
        Callbacks::hook_readiness(self, endpoint, hook)
    }
}

/// An endpoint by its name, as the policy in force has it.
pub(super) type Endpoints = Box<dyn Fn(&str) -> Option<Arc<Endpoint>> + Send + Sync>;

pub(super) struct Tools {
    pub endpoints: Endpoints,
    pub transport: Box<dyn Transport>,
    pub outbox: Arc<dyn Outbox>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// A sleeping worker looks at least this often, so that a lost wake-up costs little and an
    /// edited policy is noticed.
    pub look_again: Duration,
    /// At the end, how long requests in flight may take before their events are put back.
    pub grace: Duration,
    pub failures_logged: LogThrottle<(Arc<str>, &'static str)>,
}

impl Tools {
    /// Reads claimed events again. Those that can never be delivered are dead at once, and say
    /// nothing about their neighbours.
    pub(super) async fn read(&self, claimed: Vec<StoredEvent>) -> Vec<ReadEvent> {
        let mut events = Vec::with_capacity(claimed.len());
        let mut hopeless = Vec::new();
        for stored in claimed {
            if stored.crashes >= CRASHES_MAX {
                let reason = format!(
                    "crashes: it was in flight when the process ended uncleanly, {} times",
                    stored.crashes
                );
                let answer = String::new();
                hopeless.push((stored.key, Settlement::Dead { reason, answer }));
                continue;
            }
            match ReadEvent::read(stored) {
                Ok(event) => events.push(event),
                Err((stored, error)) => {
                    warn!(
                        id = stored.id,
                        reason = error.detail,
                        "event cannot be read"
                    );
                    hopeless.push((stored.key, dead(&error)));
                }
            }
        }
        self.settle(hopeless).await;
        events
    }

    pub(super) async fn settle(&self, mut settlements: Vec<(EntryKey, Settlement)>) {
        if asked(Fault::LostRequeue) {
            settlements.retain(|(_, how)| !matches!(how, Settlement::Retry { .. }));
        }
        if settlements.is_empty() {
            return;
        }
        let now_ms = self.clock.now_ms();
        if let Err(error) = self.outbox.settle(settlements, now_ms).await {
            self.outbox_failed(&error);
        }
    }

    /// Puts events back that were not sent.
    pub(super) async fn release(&self, events: impl IntoIterator<Item = ReadEvent>) {
        let keys = events.into_iter().map(|event| event.stored.key);
        self.settle(keys.map(|key| (key, Settlement::Release)).collect())
            .await;
    }

    /// Puts events back until a time, without an attempt used up; those that follow one of their
    /// ordering key wait for it.
    pub(super) async fn park(&self, events: Vec<ReadEvent>, due_at_ms: u64, reason: &str) {
        let mut held = HashSet::new();
        let mut settlements = Vec::with_capacity(events.len());
        for ReadEvent { stored, .. } in &events {
            let in_order = !stored.out_of_order && !stored.ordering_key.is_empty();
            let settlement = match in_order && !held.insert(&stored.ordering_key) {
                true => Settlement::Release,
                false => Settlement::Retry {
                    due_at_ms,
                    reason: reason.to_owned(),
                    counts: false,
                    out_of_order: false,
                },
            };
            settlements.push((stored.key, settlement));
        }
        self.settle(settlements).await;
    }

    pub(super) fn outbox_failed(&self, error: &OutboxError) {
        if let Some(held_back) = self.failures_logged.pass(("outbox".into(), "outbox")) {
            info!(%error, held_back, "the outbox does not answer");
        }
    }
}

pub(super) fn dead(error: &DeliveryError) -> Settlement {
    Settlement::Dead {
        reason: error.reason(),
        answer: error.answer.clone(),
    }
}
