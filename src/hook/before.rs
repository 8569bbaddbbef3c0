//! A message before it is sent: the steps of a decision, and what each needs of the world. Start
//! reading here.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{Level, debug, enabled, info, warn};

use super::at_least::AtLeast;
use super::business::{Business, Question};
use super::keyed_lock::WaitLimits;
use super::long_scan::LongScans;
use super::reuse::Reuse;
use super::room_bot::RoomBots;
use crate::callback::{Asked, Callbacks, TimeBudget};
use crate::decision::{Answer, Decision, Failure, FailureClass, Hit, Outcome, Verdict};
use crate::event::{Event, Hook};
use crate::history::{Answered, History, Kind, SpanId, Stage as SpanStage, Told};
use crate::policy::{
    Ask, AtRecording, Found, HookRules, RecordedAnswer, Scan, Snapshot, Step, Version, less_margin,
};
use crate::recordings::Recordings;
use crate::reload::Policies;
use crate::rooms::Rooms;
use crate::telemetry::{CallerLines, LogThrottle, Metrics, Stage};
use crate::trial::{Heard, Seen, Taking, Trials};

/// Where nobody says how long the caller waits, it is this much longer than the endpoint may take.
const GRACE: Duration = Duration::from_secs(1);

/// Who asks, and how long it waits for us.
#[derive(Clone, Debug)]
pub struct Caller {
    pub received: Instant,
    /// `grpc-timeout`; over HTTP nothing is sent, and the hook's `caller_timeout` is taken.
    pub limit: CallerLimit,
    /// What the operator calls it, where callers are told apart.
    pub name: Option<Arc<str>>,
    pub address: Option<IpAddr>,
    /// What its trace says, where it takes part in one.
    pub traceparent: Option<String>,
    /// Which policies may decide.
    pub wants: AtLeast,
}

impl Caller {
    /// A caller of whom nothing more is known.
    pub fn unknown(received: Instant, limit: CallerLimit) -> Caller {
        Caller {
            received,
            limit,
            name: None,
            address: None,
            traceparent: None,
            wants: AtLeast::Any,
        }
    }
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

/// What is known of the way of a decision.
#[derive(Debug, Default)]
struct Way {
    times: Times,
    /// Who was asked.
    answered: Option<Answered>,
    /// The call is to be recorded.
    is_recorded: bool,
    /// With what was answered then.
    recorded: Option<RecordedAnswer>,
    /// Whether a trial wants to know what was asked, and what that was.
    is_tried: bool,
    heard: Option<Box<Heard>>,
    /// Where decisions are spans: of which id, and its stages in order.
    span: Option<SpanId>,
    stages: Vec<SpanStage>,
}

impl Way {
    fn passed(&mut self, name: &'static str, from: Instant, took: Duration) {
        if self.span.is_some() {
            self.stages.push(SpanStage { name, from, took });
        }
    }
}

/// Decides on before hooks.
#[derive(Debug)]
pub struct Before {
    policies: Arc<Policies>,
    business: Arc<dyn Business>,
    metrics: Arc<Metrics>,
    history: Arc<History>,
    recordings: Arc<Recordings>,
    trials: Option<Arc<Trials>>,
    reuse: Reuse,
    long_scans: LongScans,
    room_bots: RoomBots,
    lines: CallerLines,
    failures_logged: LogThrottle<(Option<Hook>, FailureClass)>,
    warnings_logged: LogThrottle<(Arc<str>, &'static str)>,
}

/// What a decision is about, as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Subject<'a> {
    hook: Option<Hook>,
    event: Option<&'a Event>,
}

impl Before {
    pub fn new(
        policies: Arc<Policies>,
        callbacks: Arc<Callbacks>,
        metrics: Arc<Metrics>,
        rooms: Arc<Rooms>,
        room_waits: WaitLimits,
        lines: CallerLines,
        history: Arc<History>,
    ) -> Before {
        let before = Before::asking(
            policies,
            callbacks,
            metrics,
            RoomBots::new(rooms, room_waits),
            lines,
        );
        Before { history, ..before }
    }

    /// Has calls recorded.
    pub fn recording(self, recordings: Arc<Recordings>) -> Before {
        Before { recordings, ..self }
    }

    /// Has a candidate policy tried on what is decided.
    pub fn with_trials(self, trials: Arc<Trials>) -> Before {
        Before {
            trials: Some(trials),
            ..self
        }
    }

    fn asking(
        policies: Arc<Policies>,
        business: Arc<dyn Business>,
        metrics: Arc<Metrics>,
        room_bots: RoomBots,
        lines: CallerLines,
    ) -> Before {
        Before {
            policies,
            business,
            metrics,
            history: Arc::new(History::off()),
            recordings: Arc::new(Recordings::off()),
            trials: None,
            reuse: Reuse::default(),
            long_scans: LongScans::default(),
            room_bots,
            lines,
            failures_logged: LogThrottle::default(),
            warnings_logged: LogThrottle::default(),
        }
    }

    /// Decides on one event. Always answers, before the caller's limit; never an error.
    pub fn decide<'a>(
        &'a self,
        event: &'a Event,
        caller: Caller,
    ) -> impl Future<Output = Settled> + Send + use<'a> {
        self.settle(event, caller, None)
    }

    /// Decides on an event whose call was shed: the filters look at it as at any other, and
    /// `failure` is the outcome of asking.
    pub fn shed<'a>(
        &'a self,
        event: &'a Event,
        caller: Caller,
        failure: &'a Failure,
    ) -> impl Future<Output = Settled> + Send + use<'a> {
        self.settle(event, caller, Some(failure))
    }

    /// Decides where there is no event to look at: a call that cannot be read.
    pub fn fail(&self, hook: Option<Hook>, caller: &Caller, failure: &Failure) -> Settled {
        let snapshot = self.policies.current();
        let decision = snapshot.failed(hook, failure);
        let subject = Subject { hook, event: None };
        self.log_failure(hook, failure);
        self.settled(&snapshot, subject, caller, decision, Way::default())
    }

    /// How soon a caller that does not say its limit must have its answer; `None` when no policy
    /// uses the hook.
    pub fn answer_within(&self, hook: Hook) -> Option<Duration> {
        let snapshot = self.policies.current();
        Some(less_margin(snapshot.rules(hook)?.caller_timeout))
    }

    async fn settle(&self, event: &Event, caller: Caller, shed: Option<&Failure>) -> Settled {
        let snapshot = self.policies.current();
        match caller.wants.is_met_by(&snapshot.version) {
            true => self.settle_by(snapshot, event, caller, shed, None).await,
            // Rare, so that its state is in a box and makes no other decision larger.
            false => Box::pin(self.settle_newer(snapshot, event, caller, shed)).await,
        }
    }

    /// Waits for the policy that the caller asks for. Without it nobody is asked, and the answer says
    /// so.
    async fn settle_newer(
        &self,
        older: Arc<Snapshot>,
        event: &Event,
        caller: Caller,
        shed: Option<&Failure>,
    ) -> Settled {
        let deadline = budget(older.rules(event.hook), &caller).deadline;
        drop(older);
        let stale = caller.wants.wait(&self.policies, deadline).await.err();
        let snapshot = self.policies.current();
        let shed = stale.as_ref().or(shed);
        self.settle_by(snapshot, event, caller, shed, stale.as_ref())
            .await
    }

    /// `policy` is the one in force; `stale`: it is older than the caller asked for.
    async fn settle_by(
        &self,
        policy: Arc<Snapshot>,
        event: &Event,
        caller: Caller,
        shed: Option<&Failure>,
        stale: Option<&Failure>,
    ) -> Settled {
        // What a caller finds too old is answered for that, and says nothing about a candidate.
        let trials = self.trials.as_ref().filter(|_| stale.is_none());
        let taking = trials.and_then(|trials| trials.taking(event));
        let snapshot = taking.as_ref().and_then(Taking::ruling).unwrap_or(&policy);
        let rules = snapshot.rules(event.hook);
        let _late = LateGuard {
            metrics: &self.metrics,
            hook: event.hook,
            received: caller.received,
            limit: limit_of(rules, &caller),
        };
        let mut way = Way {
            is_recorded: self.recordings.wants(event),
            is_tried: taking.is_some(),
            span: self.history.span(),
            ..Way::default()
        };
        let below = way.span.and_then(|span| below(event, span));
        let budget = budget(rules, &caller);
        let walked = {
            let walked = below.as_deref().unwrap_or(event);
            // Pinned here, so that it is not moved again: it has room for every step.
            let walk = pin!(self.walk(snapshot, walked, budget, shed, &mut way));
            AssertUnwindSafe(walk).catch_unwind().await
        };
        let decision = walked.unwrap_or_else(|_| {
            let failure = Failure::new(FailureClass::Internal, "callgate panicked");
            self.log_failure(Some(event.hook), &failure);
            snapshot.failed(Some(event.hook), &failure)
        });
        let decision = match stale {
            None => decision,
            Some(failure) => {
                self.log_failure(Some(event.hook), failure);
                snapshot.outdated(event.hook, decision, failure)
            }
        };
        let subject = Subject {
            hook: Some(event.hook),
            event: Some(event),
        };
        let heard = way.heard.take();
        let settled = self.settled(snapshot, subject, &caller, decision, way);
        if let Some(taking) = &taking {
            looking_on(|| {
                taking.tell(Seen {
                    event,
                    decision: &settled.decision,
                    policy: &policy,
                    heard: heard.map(|heard| *heard),
                    total: settled.times.total,
                });
            });
        }
        settled
    }

    /// Takes the steps of a decision one after the other.
    async fn walk(
        &self,
        snapshot: &Arc<Snapshot>,
        event: &Event,
        budget: TimeBudget,
        shed: Option<&Failure>,
        way: &mut Way,
    ) -> Decision {
        let mut step = snapshot.begin(event);
        loop {
            step = match step {
                Step::Settled(decision) => return decision,
                Step::Scan(scan) => {
                    let (found, is_new) = self.scan(snapshot, &scan, budget, way).await;
                    if let Some(why) = found.why_unfiltered() {
                        let failure = Failure::new(FailureClass::Unfiltered, why);
                        self.log_failure(Some(event.hook), &failure);
                    }
                    let next = scan.resume(&found);
                    if is_new {
                        self.count_matches(next.hits());
                    }
                    next
                }
                Step::Ask(ask) => {
                    let outcome = match shed {
                        Some(failure) => self.not_asked(event.hook, failure.clone()),
                        None => self.ask(&ask, budget, way).await,
                    };
                    if way.is_recorded {
                        way.recorded = Some(RecordedAnswer {
                            endpoint: Some(Arc::clone(&ask.endpoint().name)),
                            outcome: outcome.clone(),
                            took_us: way.times.callback.as_micros() as u64,
                        });
                    }
                    if way.is_tried {
                        let heard = Heard::of(&ask, &outcome, way.times.callback);
                        way.heard = Some(Box::new(heard));
                    }
                    ask.resume(outcome)
                }
            };
        }
    }

    /// Runs the filters, or takes their work from the call before about the same message. Also
    /// says whether the matches are new: the two calls about one message are one violation.
    async fn scan(
        &self,
        snapshot: &Arc<Snapshot>,
        scan: &Scan<'_>,
        budget: TimeBudget,
        way: &mut Way,
    ) -> (Arc<Found>, bool) {
        let started = Instant::now();
        let key = || {
            self.reuse
                .key(&snapshot.version, scan.rules(), scan.event())
        };
        let is_long = Reuse::is_long(scan.event());
        let before = match is_long && scan.is_first() {
            true => key().and_then(|key| self.reuse.take(key)),
            false => None,
        };
        let (found, is_new) = match before {
            Some(found) => (found, false),
            None => {
                let found = match self.long_scans.here(scan) {
                    Some(found) => found,
                    // Rare, so that its state is in a box and makes no other decision larger.
                    None => {
                        let long = self.long_scans.run(snapshot, scan, budget.deadline);
                        Box::pin(long).await
                    }
                };
                let found = Arc::new(found);
                let remember = |key| self.reuse.remember(key, scan.event(), &found);
                let matters = scan.is_first() && (is_long || found.count() > 0);
                let is_new = matters && key().is_none_or(remember);
                (found, is_new)
            }
        };
        let took = started.elapsed();
        way.times.filter += took;
        way.passed("filter", started, took);
        (found, is_new)
    }

    async fn ask(&self, ask: &Ask<'_>, budget: TimeBudget, way: &mut Way) -> Outcome {
        let question = Question {
            endpoint: ask.endpoint(),
            event: ask.event(),
            replacement: ask.replacement(),
            is_for_candidate: ask.is_for_candidate(),
        };
        match question.event.ordering_key.is_empty() {
            true => self.ask_business(question, budget, way).await,
            // Few events have an order; see above.
            false => Box::pin(self.ask_in_turn(question, budget, way)).await,
        }
    }

    async fn ask_in_turn(
        &self,
        question: Question<'_>,
        budget: TimeBudget,
        way: &mut Way,
    ) -> Outcome {
        let visit = match self.room_bots.visit(question, budget.deadline).await {
            Ok(visit) => visit,
            Err(failure) => return self.not_asked(question.event.hook, failure),
        };
        let outcome = self.ask_business(visit.question(), budget, way).await;
        visit.end(&outcome).await;
        outcome
    }

    async fn ask_business(
        &self,
        question: Question<'_>,
        budget: TimeBudget,
        way: &mut Way,
    ) -> Outcome {
        let started = Instant::now();
        let asked = self.business.ask(question, budget).await;
        way.times.callback += asked.elapsed;
        way.passed("endpoint", started, asked.elapsed);
        way.answered = Some(Answered {
            endpoint: Arc::clone(&question.endpoint.name),
            outcome: outcome_name(&asked.outcome),
        });
        looking_on(|| self.record_asking(question, &asked));
        match asked.outcome {
            Outcome::Failure(failure) => self.not_asked(question.event.hook, failure),
            answer => answer,
        }
    }

    /// There is no answer: the failure policy decides.
    fn not_asked(&self, hook: Hook, failure: Failure) -> Outcome {
        self.log_failure(Some(hook), &failure);
        Outcome::Failure(failure)
    }

    /// The one way out of a decision: what is recorded of it, and what the caller gets.
    fn settled(
        &self,
        snapshot: &Arc<Snapshot>,
        subject: Subject<'_>,
        caller: &Caller,
        decision: Decision,
        mut way: Way,
    ) -> Settled {
        way.times.total = caller.received.elapsed();
        let settled = Settled {
            decision,
            version: snapshot.version.clone(),
            times: way.times,
        };
        looking_on(|| self.record(subject, caller, &settled, way.answered.as_ref()));
        looking_on(|| self.keep(snapshot, subject, caller, &settled, &way));
        if let Some(event) = subject.event.filter(|_| way.is_recorded) {
            looking_on(|| self.record_call(snapshot, event, caller, way.recorded.take()));
        }
        settled
    }

    /// For those who want to know what another policy would have decided.
    fn record_call(
        &self,
        snapshot: &Snapshot,
        event: &Event,
        caller: &Caller,
        asked: Option<RecordedAnswer>,
    ) {
        self.recordings.keep(
            event,
            &AtRecording {
                at_ms: self.recordings.now_ms(),
                caller: caller.name.as_deref(),
                version: &snapshot.version.to_string(),
                asked: asked.as_ref(),
            },
        );
    }

    /// For those who ask later why.
    fn keep(
        &self,
        snapshot: &Arc<Snapshot>,
        subject: Subject<'_>,
        caller: &Caller,
        settled: &Settled,
        way: &Way,
    ) {
        let times = settled.times;
        self.history.tell(&Told {
            hook: subject.hook,
            event: subject.event,
            caller: caller.name.as_ref(),
            decision: &settled.decision,
            snapshot,
            answered: way.answered.as_ref(),
            received: caller.received,
            filter: times.filter,
            callback: times.callback,
            total: times.total,
            span: way.span,
            stages: &way.stages,
        });
    }

    fn record(
        &self,
        subject: Subject<'_>,
        caller: &Caller,
        settled: &Settled,
        answered: Option<&Answered>,
    ) {
        let Settled {
            decision, times, ..
        } = settled;
        if let Some(hook) = subject.hook {
            self.metrics.decided(hook, decision);
        }
        if subject.event.is_some() {
            self.metrics.spent(Stage::Total, times.total);
            if decision.skipped.is_none() {
                self.metrics.spent(Stage::Filter, times.filter);
            }
            if !times.callback.is_zero() {
                self.metrics.spent(Stage::Callback, times.callback);
            }
        }
        self.log_decision(subject, caller, settled, answered);
    }

    /// One line for each refusal and each message that a failure let through, or for each decision
    /// at level debug; but no sender and no address makes more than its rate of them.
    fn log_decision(
        &self,
        subject: Subject<'_>,
        caller: &Caller,
        settled: &Settled,
        answered: Option<&Answered>,
    ) {
        let Settled {
            decision,
            version,
            times,
        } = settled;
        let kind = Kind::of(decision);
        let is_told = matches!(kind, Kind::Block | Kind::LetThrough);
        if !is_told && !enabled!(Level::DEBUG) {
            return;
        }
        let sender = subject.event.map(Event::sender).unwrap_or_default();
        let Some(held_back) = self.lines.pass(caller.address, sender) else {
            return;
        };
        let hook = subject.hook.map_or("unknown", |hook| hook.name);
        let operation_id = subject.event.map(|event| event.operation_id.as_str());
        let message_id = subject.event.map(Event::message_id);
        let address = caller.address.map(tracing::field::display);
        let (caller, total_us) = (caller.name.as_deref(), times.total.as_micros() as u64);
        let (action, decider) = (decision.verdict.name(), decision.decider.name());
        let endpoint = answered.map(|answered| &*answered.endpoint);
        // The match that counts most, which of a block by the filters is one that blocks.
        let hit = decision.hits.iter().min_by_key(|hit| hit.action);
        let (list, line) = (hit.map(|hit| &*hit.list), hit.map(|hit| hit.line));
        let class = decision.failure.map(FailureClass::name);
        match &decision.verdict {
            Verdict::Block(refusal) => {
                info!(hook, operation_id, message_id, action, decider, code = refusal.code, class, endpoint, list, line, detail = decision.why, caller, address, %version, total_us, held_back, "decided");
            }
            _ if kind == Kind::LetThrough => {
                warn!(hook, operation_id, message_id, action, decider, class, endpoint, list, line, caller, address, %version, total_us, held_back, "let through without the review that the policy asks for");
            }
            _ => {
                let reviewed = decision.reviewed;
                debug!(hook, operation_id, message_id, action, decider, reviewed, endpoint, list, line, caller, address, %version, total_us, held_back, "decided");
            }
        }
    }

    fn count_matches(&self, hits: &[Hit]) {
        for hit in hits {
            self.metrics.matched(&hit.list, hit.action);
        }
    }

    fn record_asking(&self, question: Question<'_>, asked: &Asked) {
        let (endpoint, hook) = (&question.endpoint.name, question.event.hook);
        self.metrics.asked(endpoint, outcome_name(&asked.outcome));
        let Some(warning) = &asked.warning else {
            return;
        };
        self.metrics.answer_warned(endpoint, warning.name());
        let key = (Arc::clone(endpoint), warning.name());
        if let Some(held_back) = self.warnings_logged.pass(key) {
            warn!(%endpoint, %hook, oddity = warning.name(), held_back, "{}", warning.explain());
        }
    }

    fn log_failure(&self, hook: Option<Hook>, failure: &Failure) {
        looking_on(|| {
            if let Some(held_back) = self.failures_logged.pass((hook, failure.class)) {
                let hook = hook.map_or("unknown", |hook| hook.name);
                let (class, detail) = (failure.class.name(), failure.detail.as_str());
                warn!(
                    hook,
                    class, detail, held_back, "no usable answer, the failure policy decides"
                );
            }
        });
    }
}

/// The event for whom it is told to because of this decision, where its caller takes part in a trace:
/// what is done there is below the decision. In a box, for it is rare.
fn below(event: &Event, span: SpanId) -> Option<Box<Event>> {
    let below = span.below(event.traceparent.as_deref()?);
    let mut event = event.clone();
    event.traceparent = Some(below);
    Some(Box::new(event))
}

/// Whoever only looks on must not cost the caller its answer, however it ends.
fn looking_on(work: impl FnOnce()) {
    let _ = std::panic::catch_unwind(AssertUnwindSafe(work));
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
        // Of what only a policy that says so lets through.
        Outcome::Answer(Answer::Replace(new)) if new.is_empty() => "allow",
        Outcome::Answer(Answer::Replace(_)) => "replace",
        Outcome::Answer(Answer::Reply(_)) => "reply",
        Outcome::Failure(failure) => failure.class.name(),
    }
}

/// How long the caller waits; `None` is for ever, or not known.
fn limit_of(rules: Option<&HookRules>, caller: &Caller) -> Option<Duration> {
    match caller.limit {
        CallerLimit::Said(limit) => limit,
        CallerLimit::Configured => rules.map(|rules| rules.caller_timeout),
    }
}

fn budget(rules: Option<&HookRules>, caller: &Caller) -> TimeBudget {
    let timeout = rules.map(|rules| rules.timeout).unwrap_or_default();
    // A caller that waits for ever still gets its answer after the hook's timeout.
    let deadline = match limit_of(rules, caller) {
        Some(limit) => caller.received + less_margin(limit),
        None => Instant::now() + timeout + GRACE,
    };
    TimeBudget { timeout, deadline }
}

#[cfg(test)]
mod tests;
