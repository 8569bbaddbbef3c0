//! One request: some events are delivered together, and each is settled.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::attempt::{self, Failing, Fate, History, Next, Now, Standing, Tried, Verdict};
use super::tools::{Tools, dead};
use crate::callback::{Delivery, ReadEvent};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::{EntryKey, Settlement};
use crate::policy::Endpoint;

/// Some events of one hook, on their way.
pub(super) struct Request {
    pub endpoint: Arc<Endpoint>,
    pub events: Vec<ReadEvent>,
    /// It tries a paused endpoint.
    pub probe: bool,
    /// The endpoint was failing when it was sent.
    pub failing: Option<Failing>,
}

/// How a request ended, for the endpoint's worker.
pub(super) struct Ended {
    pub endpoint: Standing,
    /// What happened, if it was not good.
    pub detail: String,
    pub hold_until_ms: Option<u64>,
    /// Ordering keys of which an event is tried again: what follows it waits.
    pub held: Vec<Arc<str>>,
}

/// The ordering key of an event that keeps to it; empty for others.
pub(super) fn key_of(event: &ReadEvent) -> &str {
    match event.stored.out_of_order {
        true => "",
        false => &event.stored.ordering_key,
    }
}

impl Request {
    /// Delivers the events and settles each. When the endpoint refuses several together, each
    /// half is sent alone, until the culprit is.
    pub(super) async fn carry(self, tools: Arc<Tools>, stop: CancellationToken) -> Ended {
        let mut ended = Ended {
            endpoint: Standing::Unknown,
            detail: String::new(),
            hold_until_ms: None,
            held: Vec::new(),
        };
        let Request {
            endpoint,
            events,
            probe,
            failing,
        } = self;
        let whole = events.len();
        let mut parts = vec![events];
        let mut unsent = Vec::new();
        // Ordering keys of events that died in this request: a gap for those behind.
        let mut dead: Vec<String> = Vec::new();
        while let Some(part) = parts.pop() {
            let mut part = part;
            let is_behind = |event: &mut ReadEvent| ended.holds(key_of(event));
            unsent.extend(part.extract_if(.., is_behind));
            if part.is_empty() {
                continue;
            }
            for event in &mut part {
                let before = dead.iter().filter(|key| *key == key_of(event)).count();
                event.stored.gap += before as u64;
            }
            if asked(Fault::DeleteEarly) {
                let keys = part.iter().map(|event| event.stored.key);
                tools
                    .settle(keys.map(|key| (key, Settlement::Delivered)).collect())
                    .await;
            }
            let (one, several);
            let borrowed: &[&ReadEvent] = match &part[..] {
                [event] => {
                    one = [event];
                    &one
                }
                events => {
                    several = events.iter().collect::<Vec<_>>();
                    &several
                }
            };
            let outcome = tokio::select! {
                outcome = tools.transport.deliver(&endpoint, borrowed) => outcome,
                () = out_of_time(&stop, tools.grace) => {
                    unsent.extend(part);
                    break;
                }
            };
            let tried = part.iter().map(tried).collect::<Vec<_>>();
            let history = History {
                events: &tried,
                probe,
                split: part.len() < whole,
                failing,
            };
            let now = Now {
                ms: tools.clock.now_ms(),
                chance: chance(),
            };
            match attempt::next(&outcome, &history, &endpoint, now) {
                Next::Halves => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Next::Settle(verdict) => {
                    let settlements = settlements(&tools, &endpoint, &part, &outcome, &verdict);
                    tools.settle(settlements).await;
                    dead.extend(died(&part, &verdict));
                    ended.note(&part, &outcome, verdict);
                }
            }
        }
        tools
            .release(parts.into_iter().flatten().chain(unsent))
            .await;
        ended
    }
}

impl Ended {
    /// Whether what is of this ordering key waits for an event before it.
    fn holds(&self, key: &str) -> bool {
        self.held.iter().any(|held| **held == *key)
    }

    fn note(&mut self, events: &[ReadEvent], outcome: &Delivery, verdict: Verdict) {
        self.endpoint = verdict.endpoint;
        self.detail = outcome
            .error()
            .map_or_else(String::new, |e| e.detail.clone());
        self.hold_until_ms = self.hold_until_ms.max(verdict.hold_until_ms);
        for (event, fate) in events.iter().zip(verdict.events) {
            let waits = matches!(fate, Fate::Retry { .. } | Fate::Parked { .. });
            if waits && !key_of(event).is_empty() {
                self.held.push(key_of(event).into());
            }
        }
    }
}

/// The ordering keys of the events that are dead now.
fn died(events: &[ReadEvent], verdict: &Verdict) -> Vec<String> {
    let fates = events.iter().zip(&verdict.events);
    fates
        .filter(|(event, fate)| matches!(fate, Fate::Dead) && !key_of(event).is_empty())
        .map(|(event, _)| key_of(event).to_owned())
        .collect()
}

fn tried(event: &ReadEvent) -> Tried<'_> {
    Tried {
        attempt: event.stored.attempt,
        ordering_key: key_of(event),
    }
}

fn settlements(
    tools: &Tools,
    endpoint: &Endpoint,
    events: &[ReadEvent],
    outcome: &Delivery,
    verdict: &Verdict,
) -> Vec<(EntryKey, Settlement)> {
    let mut settlements = Vec::with_capacity(events.len());
    for (place, (event, fate)) in events.iter().zip(&verdict.events).enumerate() {
        let outcome = outcome.of(place);
        let settlement = settlement(&outcome, *fate);
        if !matches!(fate, Fate::Behind) {
            note(tools, endpoint, event, &outcome, *fate);
        }
        settlements.push((event.stored.key, settlement));
    }
    settlements
}

fn settlement(outcome: &Delivery, fate: Fate) -> Settlement {
    let Some(error) = outcome.error() else {
        return match fate {
            Fate::Behind => Settlement::Release,
            _ => Settlement::Delivered,
        };
    };
    match fate {
        Fate::Delivered => Settlement::Delivered,
        Fate::Dead => dead(error),
        Fate::Behind => Settlement::Release,
        Fate::Parked { due_at_ms } => Settlement::Retry {
            due_at_ms,
            reason: error.reason(),
            counts: false,
            out_of_order: false,
        },
        Fate::Retry {
            due_at_ms,
            out_of_order,
        } => Settlement::Retry {
            due_at_ms,
            reason: error.reason(),
            counts: true,
            out_of_order,
        },
    }
}

/// Counts and logs what became of one event.
fn note(tools: &Tools, endpoint: &Endpoint, event: &ReadEvent, outcome: &Delivery, fate: Fate) {
    let stored = &event.stored;
    tools.metrics.delivered(&endpoint.name, outcome.name());
    let Some(error) = outcome.error() else {
        let lag_ms = tools.clock.now_ms().saturating_sub(stored.accepted_at_ms);
        return tools.metrics.lagged(Duration::from_millis(lag_ms));
    };
    let outcome = match fate {
        Fate::Delivered | Fate::Behind => return,
        Fate::Dead => "dead",
        Fate::Parked { .. } => "parked",
        Fate::Retry { .. } if matches!(outcome, Delivery::Rejected(_)) => "rejected",
        Fate::Retry { .. } => "retry",
    };
    let key = (Arc::clone(&endpoint.name), outcome);
    if let Some(held_back) = tools.failures_logged.pass(key) {
        warn!(endpoint = %endpoint.name, hook = stored.hook, id = stored.id, attempt = stored.attempt, outcome, detail = error.detail, held_back, "event not delivered");
    }
}

/// Some time after the end has begun.
async fn out_of_time(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

/// From 0 to 1.
fn chance() -> f64 {
    // The hasher's keys are random; that is randomness enough for spreading retries.
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}
