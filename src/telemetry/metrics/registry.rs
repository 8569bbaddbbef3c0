//! The metrics of one process, by the names that the rest of the code knows them by.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::super::hooks::HookStates;
use super::super::logs::Losses;
use super::super::outcomes::Outcomes;
use super::super::unknown_commands::UnknownCommands;
use super::after::AfterMetrics;
use super::audit::AuditMetrics;
use super::before::BeforeMetrics;
use super::callers::CallerMetrics;
use super::endpoints::EndpointMetrics;
use super::history::HistoryMetrics;
use super::operators::OperatorMetrics;
use super::outbox::{OutboxGauges, OutboxMetrics, OutboxTotals, StorageGauges};
use super::policy::PolicyMetrics;
use super::ports::{PortMetrics, PortsMetrics};
use super::process::ProcessMetrics;
use super::recordings::RecordingMetrics;
use super::stage::{Stage, StageMetrics};
use super::tls::TlsMetrics;
use super::trial::TrialMetrics;
use super::versions::VersionMetrics;
use crate::decision::{Decision, ListAction, SkipReason};
use crate::event::Hook;

/// The metrics of one process. Cheap to call from many threads.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub hooks: HookStates,
    pub unknown_commands: UnknownCommands,
    pub outcomes: Outcomes,
    pub callers: CallerMetrics,
    pub audit: AuditMetrics,
    pub operators: OperatorMetrics,
    pub versions: VersionMetrics,
    pub history: HistoryMetrics,
    pub recordings: RecordingMetrics,
    pub trial: TrialMetrics,
    before: BeforeMetrics,
    endpoints: EndpointMetrics,
    policy: PolicyMetrics,
    stages: StageMetrics,
    after: AfterMetrics,
    outbox: OutboxMetrics,
    process: ProcessMetrics,
    tls: TlsMetrics,
    ports: PortsMetrics,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("callgate");
        Metrics {
            hooks: HookStates::default(),
            unknown_commands: UnknownCommands::default(),
            outcomes: Outcomes::default(),
            callers: CallerMetrics::register(&mut registry),
            audit: AuditMetrics::register(&mut registry),
            operators: OperatorMetrics::register(&mut registry),
            versions: VersionMetrics::register(&mut registry),
            history: HistoryMetrics::register(&mut registry),
            recordings: RecordingMetrics::register(&mut registry),
            trial: TrialMetrics::register(&mut registry),
            before: BeforeMetrics::register(&mut registry),
            endpoints: EndpointMetrics::register(&mut registry),
            policy: PolicyMetrics::register(&mut registry),
            stages: StageMetrics::register(&mut registry),
            after: AfterMetrics::register(&mut registry),
            outbox: OutboxMetrics::register(&mut registry),
            process: ProcessMetrics::register(&mut registry),
            tls: TlsMetrics::register(&mut registry),
            ports: PortsMetrics::register(&mut registry),
            registry,
        }
    }

    /// Records a decision on a before hook: once for each call.
    pub fn decided(&self, hook: Hook, decision: &Decision) {
        self.outcomes.add(decision);
        self.before.decided(hook, decision);
        self.hooks.decided(hook, decision);
    }

    /// Records a before call that had no answer within its caller's limit.
    pub fn was_late(&self, hook: Hook) {
        self.before.was_late(hook);
    }

    pub fn spent(&self, stage: Stage, time: Duration) {
        self.stages.spent(stage, time);
    }

    /// Records the matches of a message; left out when another call of the same message did.
    pub fn matched(&self, list: &Arc<str>, action: ListAction) {
        self.policy.matched(list, action);
    }

    /// Sets whether the policy in force is one from before the start, because of files with errors,
    /// and how many lists keep their last good content.
    pub fn policy_held(&self, restored: bool, lists: usize) {
        self.policy.held(restored, lists);
    }

    /// Sets how far the policy in force is behind that of all replicas, and whether that is known.
    pub fn policy_behind(&self, versions: u64, away: bool) {
        self.policy.behind(versions, away);
    }

    /// Records an edit of the policy files. `version` is what is in force now.
    pub fn reloaded(&self, result: &'static str, version: u64, rejected: bool) {
        self.policy.reloaded(result, version, rejected);
    }

    /// Records how asking an endpoint ended: `allow`, `block`, `replace` or a failure's class.
    pub fn asked(&self, endpoint: &Arc<str>, outcome: &'static str) {
        self.endpoints.asked(endpoint, outcome);
    }

    pub fn answer_warned(&self, endpoint: &Arc<str>, warning: &'static str) {
        self.endpoints.answer_warned(endpoint, warning);
    }

    /// Sets whether the breakers of an endpoint are open: of the one for calls that are waited
    /// for, and of the one for events.
    pub fn breakers(&self, endpoint: &Arc<str>, asking_open: bool, telling_open: bool) {
        self.endpoints.breakers(endpoint, asking_open, telling_open);
    }

    /// Records an after event: `stored`, `duplicate`, `dropped` or `refused`.
    pub fn accepted(&self, hook: Hook, result: &'static str) {
        self.after.accepted(hook, result);
        self.hooks.accepted(hook, result != "refused");
    }

    /// Records an after event that no rule wants.
    pub fn dropped(&self, hook: Hook, reason: SkipReason) {
        self.after.accepted(hook, "dropped");
        self.before.skipped(hook, reason);
        self.hooks.skipped(hook, reason);
    }

    /// Records an attempt to deliver: `delivered` or why not.
    pub fn delivered(&self, endpoint: &Arc<str>, outcome: &'static str) {
        self.after.delivered(endpoint, outcome);
    }

    /// Records how long a delivered event was on its way.
    pub fn lagged(&self, lag: Duration) {
        self.after.lagged(lag);
    }

    /// Records a call that names no known hook or cannot be read.
    pub fn odd_call(&self, reason: &'static str) {
        self.after.odd_call(reason);
    }

    /// How old what is shown of the outbox is: its disk may not answer.
    pub fn outbox_seen(&self, age: Duration) {
        self.outbox.age.set(age.as_secs_f64());
    }

    /// Sets what several replicas share.
    pub fn storage(&self, gauges: StorageGauges) {
        self.outbox.set_storage(gauges);
    }

    /// Sets what the outbox holds now.
    pub fn outbox(&self, endpoints: &[OutboxGauges], totals: OutboxTotals) {
        self.outbox.set(endpoints, totals);
    }

    /// Forgets the endpoints and lists that a new policy does not name.
    pub fn keep_only(&self, endpoint: impl Fn(&str) -> bool, list: impl Fn(&str) -> bool) {
        self.endpoints.keep_endpoints(&endpoint);
        self.after.keep_endpoints(&endpoint);
        self.policy.keep_lists(&list);
    }

    /// Records a connection to a port with TLS that came to nothing.
    pub fn handshake_failed(&self, port: &'static str, reason: &'static str) {
        self.tls.failed(port, reason);
    }

    /// Sets what is known of all certificates: who uses one, its days left where it is ours, and
    /// whether what is on disk is bad.
    pub fn certificates(&self, certificates: &[(String, Option<f64>, bool)]) {
        self.tls.set(certificates);
    }

    /// Where a port counts its connections.
    pub fn port(&self, name: &'static str) -> PortMetrics {
        self.ports.of(name)
    }

    /// Where the log counts the lines that it loses.
    pub fn log_losses(&self) -> Losses {
        self.process.losses()
    }

    /// Everything in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        self.process.look();
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}
