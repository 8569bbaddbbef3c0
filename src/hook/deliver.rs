//! Brings what the outbox holds to the endpoints.
//!
//! One task per endpoint with pending events: it claims what is due, at most one event per lane,
//! tells the endpoint, and settles. A failure makes the event due again later; the breaker and a
//! missing endpoint park events without using up their attempts.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, StreamExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::callback::{Callbacks, Miss, Stored, Told};
use crate::outbox::{Due, Outbox, OutboxError, Room, Settlement};
use crate::policy::Endpoint;
use crate::reload::Policies;
use crate::telemetry::{Metrics, Seldom};

/// Events of one endpoint that are told at the same time.
const TELL_IN_FLIGHT: usize = 32;
/// How long an attempt may take.
const TELL_TIMEOUT: Duration = Duration::from_secs(15);
/// A sleeping task looks at least this often, so that a lost wake-up costs little.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is parked (breaker open, endpoint not in the policy) is looked at again after this.
const PARKED: Duration = Duration::from_secs(2);
/// Quick tries of an event that the endpoint itself refuses.
const REJECTED_ATTEMPTS_MAX: u32 = 3;
const REJECTED_WAIT: Duration = Duration::from_secs(1);

/// Delivers events until it is told to stop.
pub struct Delivery {
    policies: Arc<Policies>,
    callbacks: Arc<Callbacks>,
    outbox: Arc<dyn Outbox>,
    metrics: Arc<Metrics>,
    failures_logged: Seldom<(Arc<str>, &'static str)>,
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
            failures_logged: Seldom::default(),
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
                            tokio::spawn(delivery.serve(endpoint, stop.clone()))
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

    /// Delivers to one endpoint until nothing is pending for it.
    async fn serve(self: Arc<Self>, endpoint: String, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let claimed = match self
                .outbox
                .claim(&endpoint, now_ms(), Room::of(TELL_IN_FLIGHT))
                .await
            {
                Ok(claimed) => claimed,
                Err(error) => {
                    self.outbox_failed(&error);
                    return;
                }
            };
            if claimed.is_empty() {
                match self.outbox.next_due_ms(&endpoint).await {
                    Ok(Some(due_ms)) => self.sleep_until(due_ms, &stop).await,
                    Ok(None) => return,
                    Err(error) => {
                        self.outbox_failed(&error);
                        return;
                    }
                }
                continue;
            }
            self.deliver(claimed, &stop).await;
        }
    }

    /// Tells all claimed events at the same time and settles each as soon as it ends.
    async fn deliver(&self, claimed: Vec<Due>, stop: &CancellationToken) {
        stream::iter(claimed)
            .for_each_concurrent(TELL_IN_FLIGHT, |due| async move {
                let key = due.key;
                let settlement = tokio::select! {
                    settlement = self.attempt(due) => settlement,
                    () = stop.cancelled() => Settlement::Release,
                };
                let settled = self.outbox.settle(vec![(key, settlement)], now_ms()).await;
                if let Err(error) = settled {
                    self.outbox_failed(&error);
                }
            })
            .await;
    }

    async fn attempt(&self, due: Due) -> Settlement {
        let snapshot = self.policies.current();
        let Some(endpoint) = snapshot.endpoint(&due.endpoint) else {
            return parked("the policy has no endpoint of this name");
        };
        let stored = Stored {
            id: &due.id,
            hook: &due.hook,
            dialect: &due.dialect,
            operation_id: &due.operation_id,
            body: due.body.clone(),
            replays: due.replays,
        };
        let told = self.callbacks.tell(endpoint, &stored, TELL_TIMEOUT).await;
        self.metrics.delivered(&endpoint.name, told.name());
        self.settlement(endpoint, &due, told)
    }

    fn settlement(&self, endpoint: &Endpoint, due: &Due, told: Told) -> Settlement {
        let (settlement, outcome, detail) = match told {
            Told::Delivered => return Settlement::Delivered,
            Told::Rejected(miss) if due.attempt < REJECTED_ATTEMPTS_MAX => {
                let retry = retry(REJECTED_WAIT, &miss.detail, true);
                (retry, "rejected", miss.detail)
            }
            Told::Rejected(miss) | Told::Gone(miss) | Told::Hopeless(miss) => {
                (dead(&miss), "dead", miss.detail)
            }
            Told::NotSent(miss) => (parked(&miss.detail), "parked", miss.detail),
            Told::Retry(miss) => {
                let index = due.attempt.saturating_sub(1) as usize;
                match endpoint.retry_waits.get(index) {
                    Some(scheduled) => {
                        // Later than the endpoint asked is never wrong; earlier is.
                        let asked = miss.retry_after.unwrap_or_default();
                        let wait = equal_jitter(*scheduled).max(asked);
                        (retry(wait, &miss.detail, true), "retry", miss.detail)
                    }
                    None => (dead(&miss), "dead", miss.detail),
                }
            }
        };
        let key = (Arc::clone(&endpoint.name), outcome);
        if let Some(held_back) = self.failures_logged.pass(key) {
            warn!(endpoint = %endpoint.name, hook = due.hook, id = due.id, attempt = due.attempt, outcome, detail, held_back, "event not delivered");
        }
        settlement
    }

    async fn sleep_until(&self, due_ms: u64, stop: &CancellationToken) {
        let wait = Duration::from_millis(due_ms.saturating_sub(now_ms())).min(LOOK_AGAIN);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.outbox.appended() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    fn outbox_failed(&self, error: &OutboxError) {
        if let Some(held_back) = self.failures_logged.pass(("outbox".into(), "outbox")) {
            info!(%error, held_back, "the outbox does not answer");
        }
    }
}

fn parked(reason: &str) -> Settlement {
    retry(PARKED, reason, false)
}

fn retry(wait: Duration, reason: &str, counts: bool) -> Settlement {
    Settlement::Retry {
        due_at_ms: now_ms() + wait.as_millis() as u64,
        reason: reason.to_owned(),
        counts,
    }
}

fn dead(miss: &Miss) -> Settlement {
    Settlement::Dead {
        reason: miss.reason(),
        answer: miss.answer.clone(),
    }
}

/// Between half of the wait and all of it, so that what failed together does not return together.
fn equal_jitter(wait: Duration) -> Duration {
    // The hasher's keys are random; that is randomness enough for spreading retries.
    let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
    wait.mul_f64(0.5 + random / 2.0)
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
