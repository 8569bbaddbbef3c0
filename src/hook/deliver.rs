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

use super::line;
use crate::callback::{Callbacks, Letter, Miss, Stored, Told};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::{Due, EntryKey, Outbox, OutboxError, Settlement};
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
pub struct Delivery {
    pub(super) policies: Arc<Policies>,
    pub(super) callbacks: Arc<Callbacks>,
    pub(super) outbox: Arc<dyn Outbox>,
    metrics: Arc<Metrics>,
    failures_logged: LogThrottle<(Arc<str>, &'static str)>,
}

/// A claimed event, ready to be told.
pub(super) struct Parcel {
    pub due: Due,
    pub letter: Letter,
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

impl Delivery {
    pub fn new(
        policies: Arc<Policies>,
        callbacks: Arc<Callbacks>,
        outbox: Arc<dyn Outbox>,
        metrics: Arc<Metrics>,
    ) -> Delivery {
        Delivery {
            policies,
            callbacks,
            outbox,
            metrics,
            failures_logged: LogThrottle::default(),
        }
    }

    /// Runs until `stop`; then what is in flight is settled or put back.
    pub async fn run(self, stop: CancellationToken) {
        let delivery = Arc::new(self);
        let mut tasks: HashMap<String, JoinHandle<()>> = HashMap::new();
        while !stop.is_cancelled() {
            tasks.retain(|_, task| !task.is_finished());
            match delivery.outbox.endpoints().await {
                Ok(endpoints) => {
                    for endpoint in endpoints {
                        tasks.entry(endpoint.clone()).or_insert_with(|| {
                            let delivery = Arc::clone(&delivery);
                            tokio::spawn(line::serve(delivery, endpoint, stop.clone()))
                        });
                    }
                }
                Err(error) => delivery.outbox_failed(&error),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = delivery.outbox.appended() => {}
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
    pub(super) async fn read(&self, claimed: Vec<Due>) -> Vec<Parcel> {
        let mut parcels = Vec::with_capacity(claimed.len());
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
            let stored = Stored {
                id: &due.id,
                hook: &due.hook,
                dialect: &due.dialect,
                operation_id: &due.operation_id,
                body: due.body.clone(),
                accepted_at_ms: due.accepted_at_ms,
                replays: due.replays,
                number: due.number,
                missing: due.missing,
                aside: due.aside,
            };
            match Letter::read(&stored) {
                Ok(letter) => parcels.push(Parcel { due, letter }),
                Err(miss) => {
                    warn!(id = due.id, reason = miss.detail, "event cannot be told");
                    hopeless.push((due.key, dead(&miss)));
                }
            }
        }
        self.settle(hopeless).await;
        parcels
    }

    /// Tells an endpoint of some events in one request, and settles each. When the endpoint
    /// refuses several together, each half is told alone, until the culprit is.
    pub(super) async fn carry(
        self: Arc<Self>,
        endpoint: Arc<Endpoint>,
        parcels: Vec<Parcel>,
        paused: bool,
        stop: CancellationToken,
    ) -> Carried {
        let retries = parcels.iter().filter(|parcel| parcel.due.attempt > 1);
        let retries = retries.count();
        let mut sign = Sign::Nothing;
        let whole = parcels.len();
        let mut todo = vec![parcels];
        while let Some(mut parcels) = todo.pop() {
            let letters: Vec<&Letter> = parcels.iter().map(|parcel| &parcel.letter).collect();
            if asked(Fault::DeleteEarly) {
                let ended = parcels.iter().map(|parcel| parcel.due.key);
                let ended = ended.map(|key| (key, Settlement::Delivered)).collect();
                self.settle(ended).await;
            }
            let timeout = endpoint.events.timeout;
            let told = tokio::select! {
                told = self.callbacks.tell(&endpoint, &letters, timeout) => told,
                () = out_of_time(&stop) => {
                    todo.push(parcels);
                    break;
                }
            };
            if matches!(told, Told::Rejected(_)) && parcels.len() > 1 {
                let second = parcels.split_off(parcels.len() / 2);
                todo.extend([second, parcels]);
                continue;
            }
            let alone = parcels.len() < whole;
            let settlements = parcels
                .iter()
                .enumerate()
                .map(|(place, Parcel { due, .. })| {
                    let told = told.of(place);
                    self.note(&endpoint, due, &told);
                    let settlement = self.settlement(&endpoint, due, &told, paused, alone);
                    (due.key, settlement)
                });
            self.settle(settlements.collect()).await;
            sign = sign_of(&told);
        }
        let left = todo.into_iter().flatten();
        let left = left.map(|parcel| (parcel.due.key, Settlement::Release));
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

    fn note(&self, endpoint: &Endpoint, due: &Due, told: &Told) {
        self.metrics.delivered(&endpoint.name, told.name());
        if matches!(told, Told::Delivered) {
            let lag = now_ms().saturating_sub(due.accepted_at_ms);
            self.metrics.lagged(Duration::from_millis(lag));
        }
    }

    /// What becomes of one event. `paused`: it was sent to try the endpoint. `alone`: it was
    /// refused together with others before.
    fn settlement(
        &self,
        endpoint: &Endpoint,
        due: &Due,
        told: &Told,
        paused: bool,
        alone: bool,
    ) -> Settlement {
        let (settlement, outcome, miss) = match told {
            Told::Delivered => return Settlement::Delivered,
            Told::Failed(miss) | Told::Retry(miss) | Told::Gone(miss) if paused => {
                (parked(miss), "parked", miss)
            }
            Told::NotSent(miss) => (parked(miss), "parked", miss),
            Told::Rejected(miss) if !alone && due.attempt < REJECTED_ATTEMPTS_MAX => {
                (retry(REJECTED_WAIT, miss, false), "rejected", miss)
            }
            Told::Rejected(miss) | Told::Gone(miss) | Told::Hopeless(miss) => {
                (dead(miss), "dead", miss)
            }
            Told::Failed(miss) | Told::Partly { miss, .. } | Told::Retry(miss) => {
                let index = due.attempt.saturating_sub(1) as usize;
                match endpoint.retry_waits.get(index) {
                    Some(scheduled) => {
                        // Later than the endpoint asked is never wrong; earlier is.
                        let asked = miss.retry_after.unwrap_or_default();
                        let wait = equal_jitter(*scheduled).max(asked);
                        let aside = blocks_for_long(endpoint, due);
                        (retry(wait, miss, aside), "retry", miss)
                    }
                    None => (dead(miss), "dead", miss),
                }
            }
        };
        let key = (Arc::clone(&endpoint.name), outcome);
        if let Some(held_back) = self.failures_logged.pass(key) {
            warn!(endpoint = %endpoint.name, hook = due.hook, id = due.id, attempt = due.attempt, outcome, detail = miss.detail, held_back, "event not delivered");
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

fn sign_of(told: &Told) -> Sign {
    match told {
        Told::Delivered | Told::Partly { .. } | Told::Rejected(_) => Sign::Alive,
        Told::Failed(miss) | Told::Retry(miss) => Sign::Failing(miss.detail.clone()),
        Told::Gone(miss) => Sign::Gone(miss.detail.clone()),
        Told::NotSent(_) | Told::Hopeless(_) => Sign::Nothing,
    }
}

fn parked(miss: &Miss) -> Settlement {
    Settlement::Retry {
        due_at_ms: now_ms() + PARKED.as_millis() as u64,
        reason: miss.reason(),
        counts: false,
        aside: false,
    }
}

fn retry(wait: Duration, miss: &Miss, aside: bool) -> Settlement {
    Settlement::Retry {
        due_at_ms: now_ms() + wait.as_millis() as u64,
        reason: miss.reason(),
        counts: true,
        aside,
    }
}

/// Whether the retries of an event so far took as long as its lane may wait for it.
fn blocks_for_long(endpoint: &Endpoint, due: &Due) -> bool {
    let longest = endpoint.events.lane_block_max;
    let done = due.attempt.saturating_sub(1) as usize;
    let waits = endpoint.retry_waits.iter().take(done);
    !longest.is_zero() && waits.sum::<Duration>() >= longest
}

fn dead(miss: &Miss) -> Settlement {
    Settlement::Dead {
        reason: miss.reason(),
        answer: miss.answer.clone(),
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
