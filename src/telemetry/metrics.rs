//! Every metric, in one registry of our own. Names and labels are a contract.
//!
//! Labels are hooks, endpoints, lists and closed sets: never ids, never text.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::hooks::HookStates;
use super::spread::{Shown, Spread};
use crate::decision::{Decision, FailureClass, ListAction, SkipReason, Verdict};
use crate::event::{Hook, closed_set};

/// Where the time of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    Decode,
    Filter,
    Callback,
    Total,
}

closed_set!(Stage);

impl Stage {
    fn label(self) -> StageLabel {
        StageLabel { stage: self.name() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    hook: &'static str,
    action: &'static str,
    decider: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabel {
    hook: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookClass {
    hook: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookReason {
    hook: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookResult {
    hook: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointOutcome {
    endpoint: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabel {
    endpoint: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListLabels {
    list: Arc<str>,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointState {
    endpoint: Arc<str>,
    state: &'static str,
}

/// What the outbox says of one endpoint, set before each scrape.
#[derive(Clone, Debug)]
pub struct OutboxGauges {
    pub endpoint: Arc<str>,
    pub accepted: u64,
    pub delivered: u64,
    pub dead: u64,
    pub discarded: u64,
    pub pending: u64,
    pub in_flight: u64,
    /// The counters above add up.
    pub conserved: bool,
    /// Zero when nothing is pending.
    pub oldest_age: Duration,
    /// Zero while the endpoint answers.
    pub failing: Duration,
    pub paused: bool,
}

/// What the outbox says of itself, set before each scrape.
#[derive(Clone, Debug, Default)]
pub struct OutboxTotals {
    pub bytes: u64,
    pub entries: u64,
    /// The share of its limits, 1 is full.
    pub used: f64,
    /// Transactions that were synced to disk, and the calls that they answered.
    pub commits: u64,
    pub committed_calls: u64,
    pub commit_time: Duration,
    /// Events in those that accepted some.
    pub commit_sizes: Spread,
    /// In seconds.
    pub commit_times: Spread,
}

/// The metrics of one process. Cheap to call from many threads.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub hooks: HookStates,
    decisions: Family<DecisionLabels, Counter>,
    let_through: Family<HookClass, Counter>,
    failures: Family<HookClass, Counter>,
    late: Family<HookLabel, Counter>,
    skipped: Family<HookReason, Counter>,
    outcomes: Family<EndpointOutcome, Counter>,
    answer_warnings: Family<EndpointOutcome, Counter>,
    matches: Family<ListLabels, Counter>,
    shadow_matches: Family<ListLabels, Counter>,
    events: Family<HookResult, Counter>,
    deliveries: Family<EndpointOutcome, Counter>,
    odd_calls: Family<ReasonLabel, Counter>,
    reloads: Family<ResultLabel, Counter>,
    policy_version: Gauge<i64, AtomicI64>,
    policy_rejected: Gauge<i64, AtomicI64>,
    stages: Family<StageLabel, Histogram>,
    /// The members of `stages`, found without a look-up.
    stage: [Histogram; Stage::ALL.len()],
    pending: Family<EndpointState, Gauge<u64, AtomicU64>>,
    dead: Family<EndpointLabel, Gauge<u64, AtomicU64>>,
    oldest_age: Family<EndpointLabel, Gauge<f64, AtomicU64>>,
    failing: Family<EndpointLabel, Gauge<f64, AtomicU64>>,
    paused: Family<EndpointLabel, Gauge<i64, AtomicI64>>,
    breaker_open: Family<EndpointLabel, Gauge<i64, AtomicI64>>,
    delivery_breaker_open: Family<EndpointLabel, Gauge<i64, AtomicI64>>,
    pairs: Family<EndpointLabel, Counter>,
    ended: Family<EndpointState, Counter>,
    mismatch: Gauge<i64, AtomicI64>,
    outbox_bytes: Gauge<u64, AtomicU64>,
    outbox_entries: Gauge<u64, AtomicU64>,
    outbox_used: Gauge<f64, AtomicU64>,
    commits: Counter,
    committed_calls: Counter,
    commit_seconds: Counter<f64, AtomicU64>,
    commit_sizes: Shown,
    commit_times: Shown,
    lag: Histogram,
}

/// Seconds; from the filter's microseconds to the longest wait for an endpoint.
const BUCKETS: [f64; 14] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 1.0,
    5.0, 15.0,
];

/// Seconds from the acceptance of an event to its delivery.
const LAG_BUCKETS: [f64; 12] = [
    0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0,
];

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let stages =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let mut metrics = Metrics {
            registry: Registry::with_prefix("callgate"),
            hooks: HookStates::default(),
            decisions: Family::default(),
            let_through: Family::default(),
            failures: Family::default(),
            late: Family::default(),
            skipped: Family::default(),
            outcomes: Family::default(),
            answer_warnings: Family::default(),
            matches: Family::default(),
            shadow_matches: Family::default(),
            events: Family::default(),
            deliveries: Family::default(),
            odd_calls: Family::default(),
            reloads: Family::default(),
            policy_version: Gauge::default(),
            policy_rejected: Gauge::default(),
            stage: Stage::ALL.map(|stage| stages.get_or_create(&stage.label()).clone()),
            stages,
            pending: Family::default(),
            dead: Family::default(),
            oldest_age: Family::default(),
            failing: Family::default(),
            paused: Family::default(),
            breaker_open: Family::default(),
            delivery_breaker_open: Family::default(),
            pairs: Family::default(),
            ended: Family::default(),
            mismatch: Gauge::default(),
            outbox_bytes: Gauge::default(),
            outbox_entries: Gauge::default(),
            outbox_used: Gauge::default(),
            commits: Counter::default(),
            committed_calls: Counter::default(),
            commit_seconds: Counter::default(),
            commit_sizes: Shown::default(),
            commit_times: Shown::default(),
            lag: Histogram::new(LAG_BUCKETS),
        };
        metrics.register();
        metrics.register_outbox();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "decisions",
            "Decisions on before hooks, by who settled them",
            self.decisions.clone(),
        );
        registry.register(
            "let_through",
            "Messages let through by a failure, without the review that the policy asks for",
            self.let_through.clone(),
        );
        registry.register(
            "failures",
            "Failures on before hooks, whatever was done about them",
            self.failures.clone(),
        );
        registry.register(
            "before_late",
            "Before calls that were not answered within their caller's limit",
            self.late.clone(),
        );
        registry.register(
            "skipped",
            "Calls that a hook's rules left out, by reason",
            self.skipped.clone(),
        );
        registry.register(
            "endpoint_outcomes",
            "How asking an endpoint ended: its answer or the class of failure",
            self.outcomes.clone(),
        );
        registry.register(
            "endpoint_oddities",
            "Answers that mean something else than their author thinks",
            self.answer_warnings.clone(),
        );
        registry.register(
            "matches",
            "Matches of word lists, by what the list does",
            self.matches.clone(),
        );
        registry.register(
            "shadow_matches",
            "Matches that would have counted if their entries were not in shadow mode",
            self.shadow_matches.clone(),
        );
        registry.register(
            "events",
            "After events by what became of them",
            self.events.clone(),
        );
        registry.register(
            "deliveries",
            "Attempts to deliver an after event, by outcome",
            self.deliveries.clone(),
        );
        registry.register(
            "odd_calls",
            "Calls from IM servers that name no known hook or cannot be read",
            self.odd_calls.clone(),
        );
        registry.register(
            "reloads",
            "Edits of the policy files, by result",
            self.reloads.clone(),
        );
        registry.register(
            "policy_version",
            "Number of the policy in force",
            self.policy_version.clone(),
        );
        registry.register(
            "policy_rejected",
            "1 while the files on disk have errors and an older policy is in force",
            self.policy_rejected.clone(),
        );
        registry.register_with_unit(
            "stage",
            "Time spent on a before call, by stage",
            Unit::Seconds,
            self.stages.clone(),
        );
    }

    fn register_outbox(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "outbox_accepted_pairs",
            "Events accepted, each counted once for each endpoint",
            self.pairs.clone(),
        );
        registry.register(
            "outbox_ended_pairs",
            "Events that have ended for good, by endpoint and state: delivered or discarded",
            self.ended.clone(),
        );
        registry.register(
            "outbox_pending",
            "Events that have not ended, by endpoint and state: waiting or in_flight",
            self.pending.clone(),
        );
        registry.register(
            "outbox_dead",
            "Events that were given up on and can be replayed, by endpoint",
            self.dead.clone(),
        );
        registry.register(
            "outbox_conservation_mismatch",
            "1 when accepted is not delivered + dead + discarded + pending: a fault of callgate",
            self.mismatch.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest_pending_age",
            "Age of the oldest event that waits for an endpoint",
            Unit::Seconds,
            self.oldest_age.clone(),
        );
        registry.register_with_unit(
            "endpoint_failing",
            "For how long no event could be delivered to an endpoint",
            Unit::Seconds,
            self.failing.clone(),
        );
        registry.register(
            "endpoint_paused",
            "1 while the events of an endpoint wait and it is only tried now and then",
            self.paused.clone(),
        );
        registry.register(
            "breaker_open",
            "1 while an endpoint is not asked because it failed",
            self.breaker_open.clone(),
        );
        registry.register(
            "delivery_breaker_open",
            "1 while an endpoint is not told of events because it failed",
            self.delivery_breaker_open.clone(),
        );
        registry.register_with_unit(
            "delivery_lag",
            "Time from the acceptance of an event to its delivery",
            Unit::Seconds,
            self.lag.clone(),
        );
        registry.register_with_unit(
            "outbox",
            "Size of the outbox, as `outbox.bytes_max` counts it",
            Unit::Bytes,
            self.outbox_bytes.clone(),
        );
        registry.register(
            "outbox_entries",
            "Events in the outbox, as `outbox.entries_max` counts them",
            self.outbox_entries.clone(),
        );
        registry.register(
            "outbox_used_ratio",
            "Share of `outbox.bytes_max` or `outbox.entries_max` that is used, whichever is more",
            self.outbox_used.clone(),
        );
        registry.register(
            "outbox_commits",
            "Transactions of the outbox, each synced to disk once",
            self.commits.clone(),
        );
        registry.register(
            "outbox_committed_calls",
            "Calls that those transactions answered",
            self.committed_calls.clone(),
        );
        registry.register_with_unit(
            "outbox_commit",
            "Time that those transactions took",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "outbox_commit_batch_size",
            "Events that one transaction accepted, for those that accepted some",
            self.commit_sizes.clone(),
        );
        registry.register_with_unit(
            "outbox_commit_latency",
            "Time that one transaction took, with its sync to disk",
            Unit::Seconds,
            self.commit_times.clone(),
        );
    }

    /// Records a decision on a before hook: once for each call.
    pub fn decided(&self, hook: Hook, decision: &Decision) {
        let action = decision.verdict.name();
        let labels = DecisionLabels {
            hook: hook.name,
            action,
            decider: decision.decider.name(),
        };
        self.decisions.get_or_create(&labels).inc();
        self.hooks
            .decided(hook, action, decision.decider, decision.skipped);
        if let Some(reason) = decision.skipped {
            self.count_skip(hook, reason);
        }
        if let Some(class) = decision.failure {
            self.count_failure(hook, class, &decision.verdict, decision.reviewed);
        }
    }

    /// Records the matches of a message; left out when another call of the same message did.
    pub fn matched(&self, list: &Arc<str>, action: ListAction) {
        let labels = ListLabels {
            list: Arc::clone(list),
            action: action.name(),
        };
        let series = match action {
            ListAction::Shadow => &self.shadow_matches,
            ListAction::Block | ListAction::Replace | ListAction::Flag => &self.matches,
        };
        series.get_or_create(&labels).inc();
    }

    /// Records how asking an endpoint ended: `allow`, `block`, `replace` or a failure's class.
    pub fn asked(&self, endpoint: &Arc<str>, outcome: &'static str) {
        self.outcomes
            .get_or_create(&outcome_labels(endpoint, outcome))
            .inc();
    }

    pub fn answer_warned(&self, endpoint: &Arc<str>, warning: &'static str) {
        self.answer_warnings
            .get_or_create(&outcome_labels(endpoint, warning))
            .inc();
    }

    /// Records an after event: `stored`, `duplicate`, `dropped` or `refused`.
    pub fn accepted(&self, hook: Hook, result: &'static str) {
        let labels = HookResult {
            hook: hook.name,
            result,
        };
        self.events.get_or_create(&labels).inc();
        self.hooks.accepted(hook, result != "refused");
    }

    /// Records an after event that no rule wants.
    pub fn dropped(&self, hook: Hook, reason: SkipReason) {
        let labels = HookResult {
            hook: hook.name,
            result: "dropped",
        };
        self.events.get_or_create(&labels).inc();
        self.count_skip(hook, reason);
        self.hooks.skipped(hook, reason);
    }

    /// Records an attempt to deliver: `delivered` or why not.
    pub fn delivered(&self, endpoint: &Arc<str>, outcome: &'static str) {
        self.deliveries
            .get_or_create(&outcome_labels(endpoint, outcome))
            .inc();
    }

    /// Records how long a delivered event was on its way.
    pub fn lagged(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// Sets whether the breakers of an endpoint are open: of the one for calls that are waited
    /// for, and of the one for events.
    pub fn breakers(&self, endpoint: &Arc<str>, asking_open: bool, telling_open: bool) {
        let label = EndpointLabel {
            endpoint: Arc::clone(endpoint),
        };
        let asking = self.breaker_open.get_or_create(&label);
        asking.set(i64::from(asking_open));
        let telling = self.delivery_breaker_open.get_or_create(&label);
        telling.set(i64::from(telling_open));
    }

    /// Records a before call that had no answer within its caller's limit.
    pub fn was_late(&self, hook: Hook) {
        let label = HookLabel { hook: hook.name };
        self.late.get_or_create(&label).inc();
    }

    /// Records a call that names no known hook or cannot be read.
    pub fn odd_call(&self, reason: &'static str) {
        self.odd_calls.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Records an edit of the policy files. `version` is what is in force now.
    pub fn reloaded(&self, result: &'static str, version: u64, rejected: bool) {
        self.reloads.get_or_create(&ResultLabel { result }).inc();
        self.policy_version.set(version as i64);
        self.policy_rejected.set(i64::from(rejected));
    }

    pub fn spent(&self, stage: Stage, time: Duration) {
        self.stage[stage as usize].observe(time.as_secs_f64());
    }

    /// Sets what the outbox holds now.
    pub fn outbox(&self, endpoints: &[OutboxGauges], totals: OutboxTotals) {
        for gauges in endpoints {
            self.outbox_endpoint(gauges);
        }
        let mismatch = endpoints.iter().any(|gauges| !gauges.conserved);
        self.mismatch.set(i64::from(mismatch));
        self.outbox_bytes.set(totals.bytes);
        self.outbox_entries.set(totals.entries);
        let seconds = totals.commit_time.as_secs_f64();
        set_count(&self.commits, totals.commits);
        set_count(&self.committed_calls, totals.committed_calls);
        let bits = seconds.to_bits();
        self.commit_seconds.inner().store(bits, Ordering::Relaxed);
        self.outbox_used.set(totals.used);
        self.commit_sizes.set(totals.commit_sizes);
        self.commit_times.set(totals.commit_times);
    }

    fn outbox_endpoint(&self, gauges: &OutboxGauges) {
        let label = EndpointLabel {
            endpoint: Arc::clone(&gauges.endpoint),
        };
        let state = |state| EndpointState {
            endpoint: Arc::clone(&gauges.endpoint),
            state,
        };
        let waiting = gauges.pending.saturating_sub(gauges.in_flight);
        for (name, count) in [("waiting", waiting), ("in_flight", gauges.in_flight)] {
            self.pending.get_or_create(&state(name)).set(count);
        }
        for (name, count) in [
            ("delivered", gauges.delivered),
            ("discarded", gauges.discarded),
        ] {
            set_count(&self.ended.get_or_create(&state(name)), count);
        }
        set_count(&self.pairs.get_or_create(&label), gauges.accepted);
        self.dead.get_or_create(&label).set(gauges.dead);
        let seconds = gauges.oldest_age.as_secs_f64();
        self.oldest_age.get_or_create(&label).set(seconds);
        let seconds = gauges.failing.as_secs_f64();
        self.failing.get_or_create(&label).set(seconds);
        let paused = i64::from(gauges.paused);
        self.paused.get_or_create(&label).set(paused);
    }

    /// Everything in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    fn count_skip(&self, hook: Hook, reason: SkipReason) {
        let labels = HookReason {
            hook: hook.name,
            reason: reason.name(),
        };
        self.skipped.get_or_create(&labels).inc();
    }

    fn count_failure(&self, hook: Hook, class: FailureClass, verdict: &Verdict, reviewed: bool) {
        let labels = HookClass {
            hook: hook.name,
            class: class.name(),
        };
        self.failures.get_or_create(&labels).inc();
        if !reviewed && !matches!(verdict, Verdict::Block(_)) {
            self.let_through.get_or_create(&labels).inc();
        }
    }
}

/// Sets a counter that the outbox keeps itself, over restarts.
fn set_count(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}

fn outcome_labels(endpoint: &Arc<str>, outcome: &'static str) -> EndpointOutcome {
    EndpointOutcome {
        endpoint: Arc::clone(endpoint),
        outcome,
    }
}
