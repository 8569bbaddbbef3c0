//! A message before it is sent: select, filter, ask, conclude. Start reading here.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};

use super::keyed_lock::KeyedLock;
use super::reuse::Reuse;
use crate::callback::{Asked, Callbacks, TimeBudget};
use crate::decision::{Answer, Decision, Failure, FailureClass, Outcome, Verdict};
use crate::event::{Event, Hook};
use crate::filter::Scratch;
use crate::policy::{Endpoint, HookRules, Screening, Snapshot, Version};
use crate::reload::Policies;
use crate::rooms::Rooms;
use crate::telemetry::{LogThrottle, Metrics, Stage};

/// We answer this much before the caller's limit, or 5 % of it if that is more.
const MARGIN_MIN: Duration = Duration::from_millis(20);

thread_local! {
    // The filters' working memory: warm after the first message of a thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How long the caller waits for us.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    pub received: Instant,
    /// `grpc-timeout`; over HTTP nothing is sent, and the hook's `caller_timeout` is taken.
    pub limit: CallerLimit,
}

#[derive(Clone, Copy, Debug)]
pub enum CallerLimit {
    /// The caller said how long it waits, or that it waits for ever.
    Said(Option<Duration>),
    /// The caller's limit is in the policy.
    Configured,
}

/// A decision with the policy that made it.
#[derive(Clone, Debug)]
pub struct Settled {
    pub decision: Decision,
    pub version: Version,
    pub times: Times,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub filter: Duration,
    pub callback: Duration,
    pub total: Duration,
}

/// Decides on before hooks.
#[derive(Debug)]
pub struct Before {
    policies: Arc<Policies>,
    callbacks: Arc<Callbacks>,
    metrics: Arc<Metrics>,
    reuse: Reuse,
    room_turns: KeyedLock,
    rooms: Arc<Rooms>,
    failures_logged: LogThrottle<(Hook, FailureClass)>,
    warnings_logged: LogThrottle<(Arc<str>, &'static str)>,
}

impl Before {
    pub fn new(
        policies: Arc<Policies>,
        callbacks: Arc<Callbacks>,
        metrics: Arc<Metrics>,
        rooms: Arc<Rooms>,
    ) -> Before {
        Before {
            policies,
            callbacks,
            metrics,
            reuse: Reuse::default(),
            room_turns: KeyedLock::default(),
            rooms,
            failures_logged: LogThrottle::default(),
            warnings_logged: LogThrottle::default(),
        }
    }

    /// Decides on one event. Always answers, before the caller's limit; never an error.
    pub async fn decide(&self, event: &Event, caller: Caller) -> Settled {
        let snapshot = self.policies.current();
        let _late = LateGuard {
            metrics: &self.metrics,
            hook: event.hook,
            received: caller.received,
            limit: limit_of(snapshot.rules(event.hook), caller),
        };
        let mut times = Times::default();
        let settling = AssertUnwindSafe(self.settle(&snapshot, event, caller, &mut times));
        let decision = match settling.catch_unwind().await {
            Ok(decision) => decision,
            Err(_) => {
                let failure = Failure::new(FailureClass::Internal, "callgate panicked");
                self.log_failure(event.hook, &failure);
                snapshot.failed(Some(event.hook), &failure)
            }
        };
        times.total = caller.received.elapsed();
        self.record(event, &decision, &snapshot.version, times);
        Settled {
            decision,
            version: snapshot.version.clone(),
            times,
        }
    }

    /// How soon a caller that does not say its limit must have its answer; `None` when no policy
    /// uses the hook.
    pub fn answer_within(&self, hook: Hook) -> Option<Duration> {
        let snapshot = self.policies.current();
        Some(less_margin(snapshot.rules(hook)?.caller_timeout))
    }

    /// Decides where there is no event to look at: a call that was shed or cannot be read.
    pub fn fail(&self, hook: Option<Hook>, failure: &Failure) -> Settled {
        let snapshot = self.policies.current();
        let decision = snapshot.failed(hook, failure);
        if let Some(hook) = hook {
            self.metrics.decided(hook, &decision);
            self.log_failure(hook, failure);
        }
        Settled {
            decision,
            version: snapshot.version.clone(),
            times: Times::default(),
        }
    }

    async fn settle(
        &self,
        snapshot: &Snapshot,
        event: &Event,
        caller: Caller,
        times: &mut Times,
    ) -> Decision {
        let rules = match snapshot.select(event) {
            Ok(rules) => rules,
            Err(reason) => return Decision::skipped(reason),
        };
        let screening = self.screen(snapshot, rules, event, times);
        let endpoint = match &screening.verdict {
            Verdict::Block(_) | Verdict::Reply(_) => None,
            Verdict::Allow | Verdict::Replace(_) => rules.endpoints.first(),
        };
        let Some(endpoint) = endpoint else {
            return snapshot.conclude(rules, event, screening, None);
        };
        let budget = budget(rules, caller);
        let outcome = match event.ordering_key.as_str() {
            "" => self.ask(endpoint, event, &screening, budget, times).await,
            ordering_key => {
                match timeout_at(budget.deadline, self.room_turns.wait(ordering_key)).await {
                    Ok(_turn) => {
                        self.ask_room(endpoint, event, &screening, budget, times)
                            .await
                    }
                    Err(_) => {
                        let why = "others of the same room were not answered in time";
                        Outcome::Failure(Failure::new(FailureClass::Deadline, why))
                    }
                }
            }
        };
        let second = match &outcome {
            Outcome::Answer(Answer::Replace(replacement)) => SCRATCH.with_borrow_mut(|scratch| {
                Some(snapshot.screen_replaced(rules, event, replacement, scratch))
            }),
            _ => None,
        };
        snapshot.conclude(rules, event, screening, Some((outcome, second)))
    }

    /// Runs the filters, or takes their work from the call before about the same message.
    fn screen(
        &self,
        snapshot: &Snapshot,
        rules: &HookRules,
        event: &Event,
        times: &mut Times,
    ) -> Screening {
        let started = Instant::now();
        let key = || self.reuse.key(&snapshot.version, rules, event);
        let before = match Reuse::is_long(event) {
            true => key().and_then(|key| self.reuse.take(key)),
            false => None,
        };
        let screening = match before {
            Some(found) => snapshot.judge(rules, event, &found),
            None => {
                let found = SCRATCH.with_borrow_mut(|scratch| snapshot.find(rules, event, scratch));
                let screening = snapshot.judge(rules, event, &found);
                if found.count() > 0 || Reuse::is_long(event) {
                    // The two calls about one message are one violation.
                    let is_new = key().is_none_or(|key| self.reuse.remember(key, event, found));
                    self.count_matches(&screening, is_new);
                }
                screening
            }
        };
        times.filter = started.elapsed();
        screening
    }

    fn count_matches(&self, screening: &Screening, is_new: bool) {
        for hit in screening.hits.iter().filter(|_| is_new) {
            self.metrics.matched(&hit.list, hit.action);
        }
    }

    /// Asks a room's own bot in the state that it is in, and keeps the one that it goes to.
    async fn ask_room(
        &self,
        endpoint: &Arc<Endpoint>,
        event: &Event,
        screening: &Screening,
        budget: TimeBudget,
        times: &mut Times,
    ) -> Outcome {
        let kept = event.room.as_ref().filter(|room| room.kept_here);
        let Some(record) = kept.and_then(|room| self.rooms.get(&room.id)) else {
            return self.ask(endpoint, event, screening, budget, times).await;
        };
        let mut event = event.clone();
        if let Some(room) = &mut event.room {
            room.bot_state = Some(record.bot_state);
        }
        // Its own URL has its own breaker, so one room's bot is no other room's failure.
        let endpoint = Arc::new(Endpoint {
            url: record.webhook,
            ..Endpoint::clone(endpoint)
        });
        let outcome = self.ask(&endpoint, &event, screening, budget, times).await;
        if let Outcome::Answer(Answer::Reply(reply)) = &outcome
            && let Some(state) = reply.state.clone()
        {
            self.keep_state(record.id, state).await;
        }
        outcome
    }

    async fn keep_state(&self, room: String, state: String) {
        let rooms = Arc::clone(&self.rooms);
        // One write to disk; a worker that serves others must not wait for it.
        let written = tokio::task::spawn_blocking(move || rooms.set_state(&room, &state)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "the state of a room's bot was not kept");
        }
    }

    async fn ask(
        &self,
        endpoint: &Arc<Endpoint>,
        event: &Event,
        screening: &Screening,
        budget: TimeBudget,
        times: &mut Times,
    ) -> Outcome {
        let replacement = match &screening.verdict {
            Verdict::Replace(replacement) => Some(replacement),
            Verdict::Allow | Verdict::Block(_) | Verdict::Reply(_) => None,
        };
        let Asked {
            outcome,
            warning,
            elapsed,
        } = self
            .callbacks
            .ask(endpoint, event, replacement, budget)
            .await;
        times.callback = elapsed;
        self.metrics.asked(&endpoint.name, outcome_name(&outcome));
        if let Some(warning) = warning {
            self.metrics.answer_warned(&endpoint.name, warning.name());
            let key = (Arc::clone(&endpoint.name), warning.name());
            if let Some(held_back) = self.warnings_logged.pass(key) {
                warn!(endpoint = %endpoint.name, hook = %event.hook, oddity = warning.name(), held_back, "{}", warning.explain());
            }
        }
        if let Outcome::Failure(failure) = &outcome {
            self.log_failure(event.hook, failure);
        }
        outcome
    }

    fn record(&self, event: &Event, decision: &Decision, version: &Version, times: Times) {
        self.metrics.decided(event.hook, decision);
        self.metrics.spent(Stage::Total, times.total);
        if decision.skipped.is_none() {
            self.metrics.spent(Stage::Filter, times.filter);
        }
        if !times.callback.is_zero() {
            self.metrics.spent(Stage::Callback, times.callback);
        }
        let total_us = times.total.as_micros() as u64;
        let operation_id = event.operation_id.as_str();
        match &decision.verdict {
            Verdict::Block(refusal) => {
                info!(hook = %event.hook, operation_id, action = "block", decider = decision.decider.name(), code = refusal.code, detail = refusal.detail, version = %version, total_us, "decided");
            }
            verdict => {
                debug!(hook = %event.hook, operation_id, action = verdict.name(), decider = decision.decider.name(), reviewed = decision.reviewed, version = %version, total_us, "decided");
            }
        }
    }

    fn log_failure(&self, hook: Hook, failure: &Failure) {
        if let Some(held_back) = self.failures_logged.pass((hook, failure.class)) {
            warn!(%hook, class = failure.class.name(), detail = failure.detail, held_back, "no usable answer, the failure policy decides");
        }
    }
}

/// Counts a call that has no answer when its caller's limit is over, also when the caller has
/// gone by then and nobody is left to decide.
struct LateGuard<'a> {
    metrics: &'a Metrics,
    hook: Hook,
    received: Instant,
    limit: Option<Duration>,
}

impl Drop for LateGuard<'_> {
    fn drop(&mut self) {
        if self
            .limit
            .is_some_and(|limit| self.received.elapsed() > limit)
        {
            self.metrics.was_late(self.hook);
        }
    }
}

/// The label of an outcome: what was answered, or the class of failure.
fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answer(Answer::Allow) => "allow",
        Outcome::Answer(Answer::Block(_)) => "block",
        Outcome::Answer(Answer::Replace(_)) => "replace",
        Outcome::Answer(Answer::Reply(_)) => "reply",
        Outcome::Failure(failure) => failure.class.name(),
    }
}

fn less_margin(limit: Duration) -> Duration {
    limit.saturating_sub(MARGIN_MIN.max(limit / 20))
}

/// How long the caller waits; `None` is for ever, or not known.
fn limit_of(rules: Option<&HookRules>, caller: Caller) -> Option<Duration> {
    match caller.limit {
        CallerLimit::Said(limit) => limit,
        CallerLimit::Configured => rules.map(|rules| rules.caller_timeout),
    }
}

fn budget(rules: &HookRules, caller: Caller) -> TimeBudget {
    // A caller that waits for ever still gets its answer after the hook's timeout.
    let deadline = match limit_of(Some(rules), caller) {
        Some(limit) => caller.received + less_margin(limit),
        None => Instant::now() + rules.timeout + Duration::from_secs(1),
    };
    TimeBudget {
        timeout: rules.timeout,
        deadline,
    }
}
