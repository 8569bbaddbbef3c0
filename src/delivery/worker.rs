//! The task of one endpoint: when its events are claimed, and how many requests carry them.
//!
//! It waits while the breaker is open, tries a paused endpoint now and then, keeps to the limits
//! of the policy in force, and leaves half of its room to first attempts. What cannot be sent now
//! is not even claimed, so a backlog costs nothing while its endpoint is down.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::batch::{Batches, Cut};
use super::pace::Pace;
use super::supervisor::{Carried, LOOK_AGAIN, Sign, Supervisor, now_ms};
use crate::callback::{ReadEvent, Readiness, takes_batches};
use crate::outbox::{Capacity, Health, OutboxError, Paused, Settlement};
use crate::policy::{Endpoint, EventFormat};

/// The first wait before a paused endpoint is tried; it doubles up to `probe_every`.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// How often events are looked for that have waited too long, at the least; and how many are
/// discarded at once.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
const EXPIRE_STEP: usize = 256;

/// Delivers to one endpoint until nothing is pending for it.
pub(super) async fn serve(supervisor: Arc<Supervisor>, name: String, stop: CancellationToken) {
    let health = match supervisor.outbox.stats().await {
        Ok(stats) => {
            let mut endpoints = stats.endpoints.into_iter();
            endpoints.find(|stats| stats.endpoint == name)
        }
        Err(error) => return supervisor.outbox_failed(&error),
    };
    let mut worker = EndpointWorker {
        wakeups: supervisor.outbox.wakeups(),
        supervisor,
        name,
        health: health.map(|stats| stats.health).unwrap_or_default(),
        pace: Pace::full(),
        batches: Batches::default(),
        requests: JoinSet::new(),
        retries: 0,
        probe_at: Instant::now(),
        probe_wait: PROBE_WAIT,
        expire_at: Instant::now(),
        stop,
    };
    while !worker.stop.is_cancelled() {
        match worker.step().await {
            Ok(Next::Step) => {}
            Ok(Next::Wait(wait)) => worker.wait(wait, true).await,
            Ok(Next::Rest(wait)) => worker.wait(wait, false).await,
            Ok(Next::End) => break,
            Err(error) => {
                worker.supervisor.outbox_failed(&error);
                break;
            }
        }
    }
    worker.end().await;
}

/// What the task does next.
enum Next {
    Step,
    /// Until something ends, becomes ready, or the time is over.
    Wait(Duration),
    /// Until something ends or the time is over: nothing can be sent before.
    Rest(Duration),
    /// Nothing is pending.
    End,
}

/// How many requests may begin now.
enum Gate {
    Open(usize),
    /// One, which tries a paused endpoint.
    Probe,
    Shut(Duration),
}

struct EndpointWorker {
    supervisor: Arc<Supervisor>,
    name: String,
    health: Health,
    pace: Pace,
    batches: Batches<ReadEvent>,
    requests: JoinSet<Carried>,
    /// Events in flight that are retries.
    retries: usize,
    /// When a paused endpoint is tried next.
    probe_at: Instant,
    probe_wait: Duration,
    /// When events are looked for next that have waited too long.
    expire_at: Instant,
    wakeups: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl EndpointWorker {
    async fn step(&mut self) -> Result<Next, OutboxError> {
        while let Some(ended) = self.requests.try_join_next() {
            self.ended(ended).await?;
        }
        self.wakeups.borrow_and_update();
        let snapshot = self.supervisor.policies.current();
        let Some(endpoint) = snapshot.endpoint(&self.name).cloned() else {
            // Parked until a policy names it again or an operator discards it.
            let next = self.wait_or_end(LOOK_AGAIN).await?;
            return Ok(match next {
                Next::End => Next::End,
                _ => Next::Rest(LOOK_AGAIN),
            });
        };
        if Instant::now() >= self.expire_at {
            self.expire(&endpoint).await?;
        }
        let (seats, probe) = match self.gate(&endpoint) {
            Gate::Shut(wait) => return Ok(Next::Rest(wait)),
            Gate::Probe => (1, true),
            Gate::Open(0) => return Ok(Next::Rest(LOOK_AGAIN)),
            Gate::Open(seats) => (seats, false),
        };
        let rate_wait = self.pace.wait(endpoint.events.rate_max, Instant::now());
        if !rate_wait.is_zero() {
            return Ok(Next::Rest(rate_wait));
        }
        if let Some(batch) = self.batches.take(now_ms(), cut_of(&endpoint, probe)) {
            self.send(&endpoint, batch, probe);
            return Ok(Next::Step);
        }
        if self.claim(&endpoint, seats, probe).await? {
            return Ok(Next::Step);
        }
        let batch_ms = self.batches.next_ms();
        let batch_wait = batch_ms.map(|at_ms| at_ms.saturating_sub(now_ms()));
        self.wait_or_end(batch_wait.map_or(LOOK_AGAIN, Duration::from_millis))
            .await
    }

    /// Discards some of the events that have waited for longer than the policy lets them.
    async fn expire(&mut self, endpoint: &Endpoint) -> Result<(), OutboxError> {
        let age_max = endpoint.events.pending_age_max;
        self.expire_at = Instant::now() + EXPIRE_EVERY;
        if age_max.is_zero() {
            return Ok(());
        }
        self.expire_at = Instant::now() + EXPIRE_EVERY.min(age_max / 2);
        let now_ms = now_ms();
        let before_ms = Some(now_ms.saturating_sub(age_max.as_millis() as u64));
        let reason = "it waited for longer than `pending_age_max`";
        let discarded = (self.supervisor.outbox)
            .discard_pending(&self.name, reason, before_ms, EXPIRE_STEP, now_ms)
            .await?;
        if discarded == EXPIRE_STEP as u64 {
            self.expire_at = Instant::now();
        }
        Ok(())
    }

    fn gate(&mut self, endpoint: &Endpoint) -> Gate {
        let now = Instant::now();
        if self.health.paused.is_some() {
            let left = self.probe_at.saturating_duration_since(now);
            return match self.requests.is_empty() {
                true if left.is_zero() => Gate::Probe,
                true => Gate::Shut(left.min(LOOK_AGAIN)),
                false => Gate::Shut(LOOK_AGAIN),
            };
        }
        let seats = match self.supervisor.callbacks.readiness(endpoint) {
            Readiness::Ready => self.pace.in_flight(endpoint.events.in_flight_max),
            Readiness::Trying(probes) => {
                self.pace.slow_down();
                probes
            }
            Readiness::Resting(left) => {
                self.pace.slow_down();
                return Gate::Shut(left.min(LOOK_AGAIN));
            }
        };
        let seats = seats.saturating_sub(self.requests.len());
        Gate::Open(seats.min(self.pace.room(endpoint.events.rate_max, now).max(1)))
    }

    /// Claims what there is room for, and sends what need not wait for others. False when there
    /// was nothing to claim.
    async fn claim(
        &mut self,
        endpoint: &Arc<Endpoint>,
        seats: usize,
        probe: bool,
    ) -> Result<bool, OutboxError> {
        let capacity = self.capacity(endpoint, seats, probe);
        if capacity.pairs == 0 {
            return Ok(false);
        }
        let claimed = self
            .supervisor
            .outbox
            .claim(&self.name, now_ms(), capacity)
            .await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let events = self.supervisor.read(claimed).await;
        let retries = events.iter().filter(|event| event.stored.attempt > 1);
        self.retries += retries.count();
        let wait_ms = endpoint.events.batch_wait.as_millis() as u64;
        for event in events {
            if takes_batches(endpoint, event.event.hook) {
                let until_ms = match probe {
                    true => 0,
                    false => event.stored.accepted_at_ms.saturating_add(wait_ms),
                };
                let hook = event.stored.hook.clone();
                let bytes = event.stored.body.len();
                self.batches.add(&hook, bytes, until_ms, event);
            } else {
                self.send(endpoint, vec![event], probe);
            }
        }
        Ok(true)
    }

    /// Half of the room is for first attempts, so that slow failures never take all of it.
    fn capacity(&self, endpoint: &Endpoint, seats: usize, probe: bool) -> Capacity {
        if probe {
            return Capacity::of(usize::from(self.batches.len() == 0));
        }
        let in_one = match self.batches_possible(endpoint) {
            true => endpoint.events.batch_events_max,
            false => 1,
        };
        let all = endpoint.events.in_flight_max.saturating_mul(in_one);
        let retries_max = (all / 2).max(1);
        Capacity {
            pairs: (seats * in_one).saturating_sub(self.batches.len()),
            retries: retries_max.saturating_sub(self.retries),
        }
    }

    /// Room for whole batches is made only where something was batched, or is all that there is:
    /// else events would be claimed that no request can carry yet.
    fn batches_possible(&self, endpoint: &Endpoint) -> bool {
        let cloudevents = endpoint.events.format == EventFormat::CloudEvents;
        cloudevents || self.batches.len() > 0
    }

    fn send(&mut self, endpoint: &Arc<Endpoint>, events: Vec<ReadEvent>, probe: bool) {
        let now = Instant::now();
        self.pace.begin(endpoint.events.rate_max, now);
        if probe {
            self.probe_at = now + self.probe_wait;
            self.probe_wait = (self.probe_wait * 2).min(endpoint.events.probe_every);
        }
        let supervisor = Arc::clone(&self.supervisor);
        let carry = supervisor.carry(Arc::clone(endpoint), events, probe, self.stop.clone());
        self.requests.spawn(carry);
    }

    /// Waits for what is to come, or ends when nothing is.
    async fn wait_or_end(&self, wait: Duration) -> Result<Next, OutboxError> {
        let due_ms = self.supervisor.outbox.next_due_ms(&self.name).await?;
        let busy = !self.requests.is_empty() || self.batches.len() > 0;
        let Some(due_ms) = due_ms else {
            return Ok(if busy { Next::Wait(wait) } else { Next::End });
        };
        let due = Duration::from_millis(due_ms.saturating_sub(now_ms()));
        // What is due and was not claimed waits for room or for its lane.
        Ok(match due.is_zero() {
            true if busy => Next::Wait(wait),
            true => Next::Wait(wait.min(Duration::from_millis(10))),
            false => Next::Wait(wait.min(due)),
        })
    }

    async fn wait(&mut self, wait: Duration, wakes: bool) {
        let wakeups = &mut self.wakeups;
        let requests = &mut self.requests;
        let ended = tokio::select! {
            () = self.stop.cancelled() => None,
            ended = requests.join_next(), if !requests.is_empty() => ended,
            // An error means that the outbox is gone, which the next step finds out.
            _ = wakeups.changed(), if wakes => None,
            () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => None,
        };
        if let Some(ended) = ended
            && let Err(error) = self.ended(ended).await
        {
            self.supervisor.outbox_failed(&error);
        }
    }

    async fn ended(&mut self, ended: Result<Carried, JoinError>) -> Result<(), OutboxError> {
        // A panicked request was reported by its panic; its events stay in flight until the next
        // start, and it says nothing about the endpoint.
        let Ok(Carried { retries, sign }) = ended else {
            return Ok(());
        };
        self.retries = self.retries.saturating_sub(retries);
        let snapshot = self.supervisor.policies.current();
        let Some(endpoint) = snapshot.endpoint(&self.name) else {
            return Ok(());
        };
        let now_ms = now_ms();
        match sign {
            Sign::Nothing => Ok(()),
            Sign::Alive => {
                self.pace.succeeded(endpoint.events.in_flight_max);
                self.recovered().await
            }
            Sign::Gone(why) => self.pause(now_ms, why).await,
            Sign::Failing(why) => {
                let since_ms = *self.health.failing_since_ms.get_or_insert(now_ms);
                let pause_after = endpoint.events.pause_after.as_millis() as u64;
                if since_ms == now_ms {
                    self.keep_health().await
                } else if now_ms.saturating_sub(since_ms) >= pause_after {
                    self.pause(now_ms, why).await
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn recovered(&mut self) -> Result<(), OutboxError> {
        if self.health == Health::default() {
            return Ok(());
        }
        if self.health.paused.is_some() {
            info!(
                endpoint = self.name,
                "endpoint answers again, its events are sent"
            );
            self.pace.slow_down();
        }
        self.probe_wait = PROBE_WAIT;
        self.health = Health::default();
        self.keep_health().await
    }

    async fn pause(&mut self, now_ms: u64, reason: String) -> Result<(), OutboxError> {
        if self.health.paused.is_some() {
            return Ok(());
        }
        error!(
            endpoint = self.name,
            reason, "endpoint paused, its events wait and one of them tries it now and then"
        );
        self.health.failing_since_ms.get_or_insert(now_ms);
        self.health.paused = Some(Paused {
            at_ms: now_ms,
            reason,
        });
        self.probe_at = Instant::now() + self.probe_wait;
        self.keep_health().await
    }

    async fn keep_health(&self) -> Result<(), OutboxError> {
        let outbox = &self.supervisor.outbox;
        outbox.set_health(&self.name, self.health.clone()).await
    }

    /// Puts back what was not sent, and waits for what was.
    async fn end(mut self) {
        let unsent = self.batches.take_all().into_iter();
        let unsent = unsent.map(|event| (event.stored.key, Settlement::Release));
        self.supervisor.settle(unsent.collect()).await;
        while let Some(ended) = self.requests.join_next().await {
            if let Err(error) = self.ended(ended).await {
                self.supervisor.outbox_failed(&error);
            }
        }
    }
}

fn cut_of(endpoint: &Endpoint, probe: bool) -> Cut {
    Cut {
        events_max: match probe {
            true => 1,
            false => endpoint.events.batch_events_max,
        },
        bytes_max: endpoint.events.batch_bytes_max,
    }
}
