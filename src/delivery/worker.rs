//! The worker of one endpoint: when its events are claimed, and how many requests carry them.
//!
//! It waits while the breaker is open or the endpoint asked for time, tries a paused endpoint now
//! and then, keeps to the limits of the policy in force, and leaves half of its capacity to first
//! attempts. What cannot be sent now is not even claimed, so a backlog costs nothing while its
//! endpoint is down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::to_ms;
use super::batch::{Batch, Batches, Cut, Waiting};
use super::health::EndpointHealth;
use super::pace::{Pace, Rate};
use super::request::{Ended, Request, key_of};
use super::tools::Tools;
use crate::callback::{ReadEvent, Readiness, batched_hooks};
use crate::event::Hook;
use crate::outbox::{Capacity, OutboxError};
use crate::policy::{Endpoint, EventFormat};

/// How often events are looked for that have waited too long, at the least; and how many are
/// discarded at once.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
const EXPIRE_STEP: usize = 256;
/// No event is discarded for its age before this process has tried to deliver for so long, or for
/// `pending_age_max` if that is shorter: what happened before is told by the wall clock alone.
const EXPIRE_GRACE: Duration = Duration::from_secs(600);
/// After a restart no retry waits for longer than its schedule, or than an endpoint can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// A worker with nothing to do waits so long for more before it ends.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What may be waited for is not asked about more often than this.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// How long events of a hook with a broken handler are put away at the most, and at the least.
const PARKED_MAX: Duration = Duration::from_secs(30);
const TRYING_WAIT: Duration = Duration::from_secs(1);

/// Delivers to one endpoint until nothing is pending for it.
pub(super) async fn serve(tools: Arc<Tools>, name: String, stop: CancellationToken) {
    let health = match EndpointHealth::load(Arc::clone(&tools), name.clone()).await {
        Ok(health) => health,
        Err(error) => return tools.outbox_failed(&error),
    };
    // Tells the outbox the time: what was there at the start is no younger, whatever the clock of
    // the process before said.
    let now_ms = tools.clock.now_ms();
    if let Err(error) = tools.outbox.claim(&name, now_ms, Capacity::of(0)).await {
        return tools.outbox_failed(&error);
    }
    let mut worker = EndpointWorker {
        wakeups: tools.outbox.wakeups(),
        tools,
        name,
        health,
        pace: Pace::full(),
        batches: Batches::default(),
        batched: None,
        requests: JoinSet::new(),
        sent: HashMap::new(),
        is_bounded: false,
        started: Instant::now(),
        expire_at: Instant::now(),
        idle_since: None,
        stop,
    };
    while !worker.stop.is_cancelled() {
        match worker.step().await {
            Ok(Next::Step) => {}
            Ok(Next::Wait(wait)) => worker.wait(wait, true).await,
            Ok(Next::Rest(wait)) => worker.wait(wait, false).await,
            Ok(Next::End) => break,
            Err(error) => {
                worker.tools.outbox_failed(&error);
                break;
            }
        }
    }
    worker.end().await;
}

/// What the worker does next.
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
    Open(Opening),
    Shut(Duration),
}

#[derive(Clone, Copy)]
struct Opening {
    requests: usize,
    /// They try an endpoint that may be down still; first attempts are better for that than
    /// events that have failed before.
    tries: bool,
    /// The endpoint is paused: one event tries it.
    probe: bool,
}

/// What is known of a request until it ends.
struct Sent {
    hook: &'static str,
    ordering_keys: Vec<Arc<str>>,
    retries: usize,
}

struct EndpointWorker {
    tools: Arc<Tools>,
    name: String,
    health: EndpointHealth,
    pace: Pace,
    batches: Batches<ReadEvent>,
    /// The hooks that share requests, of the endpoint as it was last seen.
    batched: Option<(Arc<Endpoint>, Arc<[&'static str]>)>,
    requests: JoinSet<Ended>,
    sent: HashMap<Id, Sent>,
    /// Retries of an earlier process are not due later than they can be.
    is_bounded: bool,
    started: Instant,
    /// When events are looked for next that have waited too long.
    expire_at: Instant,
    /// Since when nothing is pending.
    idle_since: Option<Instant>,
    wakeups: watch::Receiver<u64>,
    stop: CancellationToken,
}

impl EndpointWorker {
    async fn step(&mut self) -> Result<Next, OutboxError> {
        while let Some(ended) = self.requests.try_join_next_with_id() {
            self.ended(ended).await?;
        }
        self.wakeups.borrow_and_update();
        let Some(endpoint) = (self.tools.endpoints)(&self.name) else {
            // Parked until a policy names it again or an operator discards it.
            let next = self.wait_or_end(self.tools.look_again).await?;
            return Ok(match next {
                Next::End => Next::End,
                _ => Next::Rest(self.tools.look_again),
            });
        };
        if !self.is_bounded {
            self.bound_retries(&endpoint).await?;
        }
        if Instant::now() >= self.expire_at {
            self.expire(&endpoint).await?;
        }
        let opening = match self.gate(&endpoint) {
            Gate::Shut(wait) => return Ok(Next::Rest(wait)),
            Gate::Open(Opening { requests: 0, .. }) => {
                return Ok(Next::Rest(self.tools.look_again));
            }
            Gate::Open(opening) => opening,
        };
        let rate_wait = self.pace.wait(self.rate(&endpoint), Instant::now());
        if !rate_wait.is_zero() {
            return Ok(Next::Rest(rate_wait));
        }
        self.park_blocked(&endpoint).await;
        let now_ms = self.tools.clock.now_ms();
        let batched = self.batched(&endpoint);
        let cut = |hook: &str| cut_of(&endpoint, batched.contains(&hook), opening);
        if let Some(batch) = self.batches.take(now_ms, cut) {
            self.send(&endpoint, batch, opening);
            return Ok(Next::Step);
        }
        if self.claim(&endpoint, opening).await? {
            return Ok(Next::Step);
        }
        let batch_wait = self.batches.next_ms().map(|at_ms| self.until(at_ms));
        self.wait_or_end(batch_wait.unwrap_or(self.tools.look_again))
            .await
    }

    /// What of the endpoint's rate is ours.
    fn rate(&self, endpoint: &Endpoint) -> Rate {
        Rate {
            max: endpoint.events.rate_max,
            replicas: self.tools.outbox.replicas(),
        }
    }

    /// Takes the due times of an earlier process for what they can be: its clock may have been
    /// ahead of ours.
    async fn bound_retries(&mut self, endpoint: &Endpoint) -> Result<(), OutboxError> {
        self.is_bounded = true;
        let now_ms = self.tools.clock.now_ms();
        let latest = endpoint.retry_waits.iter().map(|wait| {
            let wait = wait.as_millis().max(RETRY_AFTER_MAX.as_millis());
            now_ms.saturating_add(wait as u64)
        });
        let latest: Vec<u64> = match self.health.is_paused() {
            true => vec![now_ms],
            false => latest.collect(),
        };
        self.tools.outbox.bound_retries(&self.name, latest).await
    }

    /// Discards some of the events that have waited for longer than the policy lets them.
    async fn expire(&mut self, endpoint: &Endpoint) -> Result<(), OutboxError> {
        let age_max = endpoint.events.pending_age_max;
        let now = Instant::now();
        self.expire_at = now + EXPIRE_EVERY;
        if age_max.is_zero() {
            return Ok(());
        }
        let from = self.started + EXPIRE_GRACE.min(age_max);
        self.expire_at = (now + EXPIRE_EVERY.min(age_max / 2)).min(from.max(now));
        if now < from {
            return Ok(());
        }
        let now_ms = self.tools.clock.now_ms();
        let before_ms = Some(now_ms.saturating_sub(age_max.as_millis() as u64));
        let reason = "it waited for longer than `pending_age_max`";
        let discarded = (self.tools.outbox)
            .discard_pending(&self.name, reason, before_ms, EXPIRE_STEP, now_ms)
            .await?;
        self.expire_at = match discarded == EXPIRE_STEP as u64 {
            true => now,
            false => now + EXPIRE_EVERY.min(age_max / 2),
        };
        Ok(())
    }

    fn gate(&mut self, endpoint: &Endpoint) -> Gate {
        let now = Instant::now();
        let look_again = self.tools.look_again;
        let held = self.health.hold_left();
        if self.health.is_paused() {
            let left = self.health.probe_left(now).max(held);
            return match self.requests.is_empty() {
                true if left.is_zero() => Gate::Open(Opening {
                    requests: 1,
                    tries: true,
                    probe: true,
                }),
                true => Gate::Shut(left.min(look_again)),
                false => Gate::Shut(look_again),
            };
        }
        if !held.is_zero() {
            return Gate::Shut(held.min(look_again));
        }
        let (requests, tries) = match self.tools.transport.readiness(endpoint) {
            Readiness::Ready => (self.pace.in_flight(endpoint.events.in_flight_max), false),
            Readiness::Trying(probes) => {
                self.pace.slow_down();
                (probes, true)
            }
            Readiness::Resting(left) => {
                self.pace.slow_down();
                return Gate::Shut(left.min(look_again));
            }
        };
        let requests = requests.saturating_sub(self.requests.len());
        let at_rate = self.pace.room(self.rate(endpoint), now).max(1);
        Gate::Open(Opening {
            requests: requests.min(at_rate),
            tries,
            probe: false,
        })
    }

    /// Claims what there is capacity for. False when there was nothing that can be sent.
    async fn claim(
        &mut self,
        endpoint: &Arc<Endpoint>,
        opening: Opening,
    ) -> Result<bool, OutboxError> {
        let capacity = self.capacity(endpoint, opening);
        if capacity.pairs == 0 {
            return Ok(false);
        }
        let mut claimed = Vec::new();
        if opening.tries {
            let firsts = Capacity {
                retries: 0,
                ..capacity.clone()
            };
            claimed = self.claim_some(firsts).await?;
        }
        if claimed.is_empty() {
            claimed = self.claim_some(capacity).await?;
        }
        if claimed.is_empty() {
            return Ok(false);
        }
        let wait_ms = endpoint.events.batch_wait.as_millis() as u64;
        for event in claimed {
            let waiting = Waiting {
                bytes: event.stored.body.len(),
                until_ms: event.stored.accepted_at_ms.saturating_add(wait_ms),
                ordering_key: key_of(&event).into(),
                query: query_of(endpoint, &event).to_owned(),
                item: event,
            };
            self.batches.add(waiting.item.event.hook.name, waiting);
        }
        self.park_blocked(endpoint).await;
        Ok(self.batches.len() > 0)
    }

    /// Puts the events away of hooks whose handler is broken, until it is tried again: those of
    /// other hooks must not wait behind them.
    async fn park_blocked(&mut self, endpoint: &Endpoint) {
        let waits = |event: &ReadEvent| {
            let hook = event.event.hook;
            let wait = match self.tools.transport.hook_readiness(endpoint, hook) {
                Readiness::Ready => return None,
                Readiness::Trying(probes) if self.batches.under_way(hook.name) < probes => {
                    return None;
                }
                Readiness::Trying(_) => TRYING_WAIT,
                Readiness::Resting(left) => left.clamp(TRYING_WAIT, PARKED_MAX),
            };
            Some((hook, wait))
        };
        let blocked: Vec<(Hook, Duration)> = self.batches.firsts().filter_map(waits).collect();
        for (hook, wait) in blocked {
            let due_at_ms = self.tools.clock.now_ms() + to_ms(wait);
            let parked = self.batches.take_hook(hook.name);
            let reason = format!("breaker_open: `{}` fails for its hook", endpoint.name);
            self.tools.park(parked, due_at_ms, &reason).await;
        }
    }

    async fn claim_some(&self, capacity: Capacity) -> Result<Vec<ReadEvent>, OutboxError> {
        let now_ms = self.tools.clock.now_ms();
        let claimed = self.tools.outbox.claim(&self.name, now_ms, capacity);
        Ok(self.tools.read(claimed.await?).await)
    }

    /// Half of the capacity is for first attempts, so that slow failures never take all of it.
    /// What no request can carry yet is not claimed, but for one batch that fills.
    fn capacity(&mut self, endpoint: &Arc<Endpoint>, opening: Opening) -> Capacity {
        if opening.probe {
            return Capacity::of(usize::from(self.batches.len() == 0));
        }
        let hooks = self.batched(endpoint);
        let in_one = match hooks.is_empty() {
            true => 1,
            false => endpoint.events.batch_events_max,
        };
        let wanted = opening.requests.max(in_one);
        let pairs = wanted.saturating_sub(self.batches.len());
        let all = endpoint.events.in_flight_max.saturating_mul(in_one);
        let retries_max = (all / 2).max(1).saturating_sub(self.retries());
        Capacity {
            pairs,
            retries: retries_max.min(pairs.div_ceil(2)),
            in_a_row: in_one,
            in_a_row_of: hooks,
        }
    }

    /// The hooks whose events share requests; found once for each version of the endpoint.
    fn batched(&mut self, endpoint: &Arc<Endpoint>) -> Arc<[&'static str]> {
        match &self.batched {
            Some((of, hooks)) if Arc::ptr_eq(of, endpoint) => Arc::clone(hooks),
            _ => {
                let hooks = batched_hooks(endpoint);
                self.batched = Some((Arc::clone(endpoint), Arc::clone(&hooks)));
                hooks
            }
        }
    }

    /// Events in flight that are retries.
    fn retries(&self) -> usize {
        let waiting = self.batches.items();
        let waiting = waiting.filter(|event| event.stored.attempt > 1).count();
        waiting + self.sent.values().map(|sent| sent.retries).sum::<usize>()
    }

    fn send(&mut self, endpoint: &Arc<Endpoint>, batch: Batch<ReadEvent>, opening: Opening) {
        let now = Instant::now();
        self.pace.begin(self.rate(endpoint), now);
        if opening.probe {
            self.health.probed(endpoint.events.probe_every, now);
        }
        let Batch {
            hook,
            ordering_keys,
            items,
        } = batch;
        let retries = items.iter().filter(|event| event.stored.attempt > 1);
        let sent = Sent {
            hook,
            ordering_keys,
            retries: retries.count(),
        };
        let request = Request {
            endpoint: Arc::clone(endpoint),
            events: items,
            probe: opening.probe,
            failing: self.health.failing(),
        };
        let carry = request.carry(Arc::clone(&self.tools), self.stop.clone());
        let task = self.requests.spawn(carry);
        self.sent.insert(task.id(), sent);
    }

    /// Waits for what is to come, or ends when nothing has come for long.
    async fn wait_or_end(&mut self, wait: Duration) -> Result<Next, OutboxError> {
        let due_ms = self.tools.outbox.next_due_ms(&self.name).await?;
        let busy = !self.requests.is_empty() || self.batches.len() > 0;
        if busy || due_ms.is_some() {
            self.idle_since = None;
        }
        let Some(due_ms) = due_ms else {
            let now = Instant::now();
            let idle = now - *self.idle_since.get_or_insert(now);
            return Ok(match busy || idle < IDLE_MAX {
                true => Next::Wait(wait),
                false => Next::End,
            });
        };
        let due = self.until(due_ms);
        // What is due and was not claimed waits for capacity or for its ordering key.
        Ok(match due.is_zero() {
            true if busy => Next::Wait(wait),
            true => Next::Wait(wait.min(Duration::from_millis(10))),
            false => Next::Wait(wait.min(due)),
        })
    }

    fn until(&self, at_ms: u64) -> Duration {
        Duration::from_millis(at_ms.saturating_sub(self.tools.clock.now_ms()))
    }

    async fn wait(&mut self, wait: Duration, wakes: bool) {
        let wakeups = &mut self.wakeups;
        let requests = &mut self.requests;
        let ended = tokio::select! {
            () = self.stop.cancelled() => None,
            ended = requests.join_next_with_id(), if !requests.is_empty() => ended,
            // An error means that the outbox is gone, which the next step finds out.
            _ = wakeups.changed(), if wakes => None,
            () = tokio::time::sleep(wait.clamp(WAIT_MIN, self.tools.look_again)) => None,
        };
        if let Some(ended) = ended
            && let Err(error) = self.ended(ended).await
        {
            self.tools.outbox_failed(&error);
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) -> Result<(), OutboxError> {
        // A panicked request was reported by its panic; its events stay in flight until the next
        // start, and it says nothing about the endpoint.
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => (error.id(), None),
        };
        if let Some(sent) = self.sent.remove(&id) {
            let held = match &ended {
                Some(ended) => &ended.held,
                None => &sent.ordering_keys,
            };
            let behind = self.batches.end(sent.hook, &sent.ordering_keys, held);
            self.tools.release(behind).await;
        }
        let (Some(ended), Some(endpoint)) = (ended, (self.tools.endpoints)(&self.name)) else {
            return Ok(());
        };
        self.health.learn(&ended, &endpoint, &mut self.pace).await
    }

    /// Puts back what was not sent, and waits for what was.
    async fn end(mut self) {
        self.tools.release(self.batches.take_all()).await;
        while let Some(ended) = self.requests.join_next_with_id().await {
            if let Err(error) = self.ended(ended).await {
                self.tools.outbox_failed(&error);
            }
        }
    }
}

/// What distinguishes the requests of one hook: of CloudEvents each says its query itself.
fn query_of<'a>(endpoint: &Endpoint, event: &'a ReadEvent) -> &'a str {
    match endpoint.events.format {
        EventFormat::Dialect => &event.event.query,
        EventFormat::CloudEvents => "",
    }
}

fn cut_of(endpoint: &Endpoint, is_batched: bool, opening: Opening) -> Cut {
    Cut {
        events_max: match !opening.probe && is_batched {
            true => endpoint.events.batch_events_max,
            false => 1,
        },
        bytes_max: endpoint.events.batch_bytes_max,
    }
}
