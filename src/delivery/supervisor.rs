//! Brings what the outbox holds to the endpoints.
//!
//! One task per endpoint with pending events claims what is due, at most one event per lane, and
//! has requests carry it (`line`). A request tells the endpoint and settles its events. A failure
//! makes them due again later; what was not put on the wire uses up no attempt.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::worker;
use crate::callback::{Callbacks, Delivery, DeliveryError, ReadEvent};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::{EntryKey, Outbox, OutboxError, Settlement, StoredEvent};
use crate::policy::Endpoint;
use crate::reload::Policies;
use crate::telemetry::{LogThrottle, Metrics};

/// A sleeping task looks at least this often, so that a lost wake-up costs little.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An event that was not put on the wire is looked at again after this.
const PARKED: Duration = Duration::from_secs(2);
/// Quick tries of an event that the endpoint itself refuses.
const REJECTED_ATTEMPTS_MAX: u32 = 3;
const REJECTED_WAIT: Duration = Duration::from_secs(1);
/// An event that was in flight at so many unclean ends of the process is not tried again by
/// itself: it may be what ends the process.
const CRASHES_MAX: u32 = 3;
/// At the end, how long requests in flight may take before their events are put back.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Delivers events until it is told to stop.
pub struct Supervisor {
    pub(super) policies: Arc<Policies>,
    pub(super) callbacks: Arc<Callbacks>,
    pub(super) outbox: Arc<dyn Outbox>,
    metrics: Arc<Metrics>,
    failures_logged: LogThrottle<(Arc<str>, &'static str)>,
}

/// How a request ended, for the endpoint's task.
pub(super) struct Carried {
    /// Of its events, how many were retries.
    pub retries: usize,
    pub sign: Sign,
}

/// What a request says about its endpoint.
pub(super) enum Sign {
    /// It answered something that is about the events, or took them.
    Alive,
    Failing(String),
    /// It says that it is gone for good.
    Gone(String),
    /// Nothing was put on the wire, or the end came first.
    Nothing,
}

impl Supervisor {
    pub fn new(
        policies: Arc<Policies>,
        callbacks: Arc<Callbacks>,
        outbox: Arc<dyn Outbox>,
        metrics: Arc<Metrics>,
    ) -> Supervisor {
        Supervisor {
            policies,
            callbacks,
            outbox,
            metrics,
            failures_logged: LogThrottle::default(),
        }
    }

    /// Runs until `stop`; then what is in flight is settled or put back.
    pub async fn run(self, stop: CancellationToken) {
        let supervisor = Arc::new(self);
        let mut tasks: HashMap<String, JoinHandle<()>> = HashMap::new();
        while !stop.is_cancelled() {
            tasks.retain(|_, task| !task.is_finished());
            match supervisor.outbox.endpoints().await {
                Ok(endpoints) => {
                    for endpoint in endpoints {
                        tasks.entry(endpoint.clone()).or_insert_with(|| {
                            let supervisor = Arc::clone(&supervisor);
                            tokio::spawn(worker::serve(supervisor, endpoint, stop.clone()))
                        });
                    }
                }
                Err(error) => supervisor.outbox_failed(&error),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = supervisor.outbox.appended() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        for (_, task) in tasks {
            // A panicked task was reported by its panic; its events stay pending.
            let _ = task.await;
        }
    }

    /// Reads claimed events again. Those that can never be told are dead at once, and say nothing
    /// about their neighbours.
    pub(super) async fn read(&self, claimed: Vec<StoredEvent>) -> Vec<ReadEvent> {
        let mut events = Vec::with_capacity(claimed.len());
        let mut hopeless = Vec::new();
        for due in claimed {
            if due.crashes >= CRASHES_MAX {
                let reason = format!(
                    "crashes: it was in flight when the process ended uncleanly, {} times",
                    due.crashes
                );
                hopeless.push((due.key, dead_of(reason)));
                continue;
            }
            match ReadEvent::read(due) {
                Ok(event) => events.push(event),
                Err((due, error)) => {
                    warn!(id = due.id, reason = error.detail, "event cannot be read");
                    hopeless.push((due.key, dead(&error)));
                }
            }
        }
        self.settle(hopeless).await;
        events
    }

    /// Tells an endpoint of some events in one request, and settles each. When the endpoint
    /// refuses several together, each half is told alone, until the culprit is.
    pub(super) async fn carry(
        self: Arc<Self>,
        endpoint: Arc<Endpoint>,
        events: Vec<ReadEvent>,
        paused: bool,
        stop: CancellationToken,
    ) -> Carried {
        let retries = events.iter().filter(|event| event.stored.attempt > 1);
        let retries = retries.count();
        let mut sign = Sign::Nothing;
        let whole = events.len();
        let mut todo = vec![events];
        while let Some(mut events) = todo.pop() {
            let borrowed: Vec<&ReadEvent> = events.iter().collect();
            if asked(Fault::DeleteEarly) {
                let ended = events.iter().map(|event| event.stored.key);
                let ended = ended.map(|key| (key, Settlement::Delivered)).collect();
                self.settle(ended).await;
            }
            let timeout = endpoint.events.timeout;
            let delivery = tokio::select! {
                delivery = self.callbacks.deliver(&endpoint, &borrowed, timeout) => delivery,
                () = out_of_time(&stop) => {
                    todo.push(events);
                    break;
                }
            };
            if matches!(delivery, Delivery::Rejected(_)) && events.len() > 1 {
                let second = events.split_off(events.len() / 2);
                todo.extend([second, events]);
                continue;
            }
            let alone = events.len() < whole;
            let settlements =
                events
                    .iter()
                    .enumerate()
                    .map(|(place, ReadEvent { stored: due, .. })| {
                        let delivery = delivery.of(place);
                        self.note(&endpoint, due, &delivery);
                        let settlement = self.settlement(&endpoint, due, &delivery, paused, alone);
                        (due.key, settlement)
                    });
            self.settle(settlements.collect()).await;
            sign = sign_of(&delivery);
        }
        let left = todo.into_iter().flatten();
        let left = left.map(|event| (event.stored.key, Settlement::Release));
        self.settle(left.collect()).await;
        Carried { retries, sign }
    }

    pub(super) async fn settle(&self, mut settlements: Vec<(EntryKey, Settlement)>) {
        if asked(Fault::LostRequeue) {
            settlements.retain(|(_, how)| !matches!(how, Settlement::Retry { .. }));
        }
        if settlements.is_empty() {
            return;
        }
        if let Err(error) = self.outbox.settle(settlements, now_ms()).await {
            self.outbox_failed(&error);
        }
    }

    fn note(&self, endpoint: &Endpoint, due: &StoredEvent, delivery: &Delivery) {
        self.metrics.delivered(&endpoint.name, delivery.name());
        if matches!(delivery, Delivery::Delivered) {
            let lag = now_ms().saturating_sub(due.accepted_at_ms);
            self.metrics.lagged(Duration::from_millis(lag));
        }
    }

    /// What becomes of one event. `paused`: it was sent to try the endpoint. `alone`: it was
    /// refused together with others before.
    fn settlement(
        &self,
        endpoint: &Endpoint,
        due: &StoredEvent,
        delivery: &Delivery,
        paused: bool,
        alone: bool,
    ) -> Settlement {
        let (settlement, outcome, error) = match delivery {
            Delivery::Delivered => return Settlement::Delivered,
            Delivery::Failed(error) | Delivery::Retry(error) | Delivery::Gone(error) if paused => {
                (parked(error), "parked", error)
            }
            Delivery::NotSent(error) => (parked(error), "parked", error),
            Delivery::Rejected(error) if !alone && due.attempt < REJECTED_ATTEMPTS_MAX => {
                (retry(REJECTED_WAIT, error, false), "rejected", error)
            }
            Delivery::Rejected(error) | Delivery::Gone(error) | Delivery::Hopeless(error) => {
                (dead(error), "dead", error)
            }
            Delivery::Failed(error) | Delivery::Partly { error, .. } | Delivery::Retry(error) => {
                let index = due.attempt.saturating_sub(1) as usize;
                match endpoint.retry_waits.get(index) {
                    Some(scheduled) => {
                        // Later than the endpoint asked is never wrong; earlier is.
                        let asked = error.retry_after.unwrap_or_default();
                        let wait = equal_jitter(*scheduled).max(asked);
                        let out_of_order = blocks_for_long(endpoint, due);
                        (retry(wait, error, out_of_order), "retry", error)
                    }
                    None => (dead(error), "dead", error),
                }
            }
        };
        let key = (Arc::clone(&endpoint.name), outcome);
        if let Some(held_back) = self.failures_logged.pass(key) {
            warn!(endpoint = %endpoint.name, hook = due.hook, id = due.id, attempt = due.attempt, outcome, detail = error.detail, held_back, "event not delivered");
        }
        settlement
    }

    pub(super) fn outbox_failed(&self, error: &OutboxError) {
        if let Some(held_back) = self.failures_logged.pass(("outbox".into(), "outbox")) {
            info!(%error, held_back, "the outbox does not answer");
        }
    }
}

/// Some time after the end has begun.
async fn out_of_time(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN_TIME).await;
}

fn sign_of(delivery: &Delivery) -> Sign {
    match delivery {
        Delivery::Delivered | Delivery::Partly { .. } | Delivery::Rejected(_) => Sign::Alive,
        Delivery::Failed(error) | Delivery::Retry(error) => Sign::Failing(error.detail.clone()),
        Delivery::Gone(error) => Sign::Gone(error.detail.clone()),
        Delivery::NotSent(_) | Delivery::Hopeless(_) => Sign::Nothing,
    }
}

fn parked(error: &DeliveryError) -> Settlement {
    Settlement::Retry {
        due_at_ms: now_ms() + PARKED.as_millis() as u64,
        reason: error.reason(),
        counts: false,
        out_of_order: false,
    }
}

fn retry(wait: Duration, error: &DeliveryError, out_of_order: bool) -> Settlement {
    Settlement::Retry {
        due_at_ms: now_ms() + wait.as_millis() as u64,
        reason: error.reason(),
        counts: true,
        out_of_order,
    }
}

/// Whether the retries of an event so far took as long as its lane may wait for it.
fn blocks_for_long(endpoint: &Endpoint, due: &StoredEvent) -> bool {
    let longest = endpoint.events.lane_block_max;
    let done = due.attempt.saturating_sub(1) as usize;
    let waits = endpoint.retry_waits.iter().take(done);
    !longest.is_zero() && waits.sum::<Duration>() >= longest
}

fn dead(error: &DeliveryError) -> Settlement {
    Settlement::Dead {
        reason: error.reason(),
        answer: error.answer.clone(),
    }
}

fn dead_of(reason: String) -> Settlement {
    Settlement::Dead {
        reason,
        answer: String::new(),
    }
}

/// Between half of the wait and all of it, so that what failed together does not return together.
fn equal_jitter(wait: Duration) -> Duration {
    // The hasher's keys are random; that is randomness enough for spreading retries.
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    wait.mul_f64(0.5 + random / 2.0)
}

pub(super) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
