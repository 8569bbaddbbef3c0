//! What became of before calls.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::series::Series;
use crate::decision::{Decision, FailureClass, SkipReason, Verdict};
use crate::event::Hook;

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

#[derive(Debug, Default)]
pub(super) struct BeforeMetrics {
    decisions: Series<DecisionLabels, Counter>,
    let_through: Series<HookClass, Counter>,
    failures: Series<HookClass, Counter>,
    late: Series<HookLabel, Counter>,
    skipped: Series<HookReason, Counter>,
}

impl BeforeMetrics {
    pub(super) fn register(registry: &mut Registry) -> BeforeMetrics {
        let metrics = BeforeMetrics::default();
        registry.register(
            "decisions",
            "Decisions on before hooks, by who settled them",
            metrics.decisions.clone(),
        );
        registry.register(
            "let_through",
            "Messages let through by a failure, without the review that the policy asks for",
            metrics.let_through.clone(),
        );
        registry.register(
            "failures",
            "Failures on before hooks, whatever was done about them",
            metrics.failures.clone(),
        );
        registry.register(
            "before_late",
            "Before calls that were not answered within their caller's limit",
            metrics.late.clone(),
        );
        registry.register(
            "skipped",
            "Calls that a hook's rules left out, by reason",
            metrics.skipped.clone(),
        );
        metrics
    }

    pub(super) fn decided(&self, hook: Hook, decision: &Decision) {
        let labels = DecisionLabels {
            hook: hook.name,
            action: decision.verdict.name(),
            decider: decision.decider.name(),
        };
        self.decisions.of(&labels).inc();
        if let Some(reason) = decision.skipped {
            self.skipped(hook, reason);
        }
        if let Some(class) = decision.failure {
            self.failed(hook, class, &decision.verdict, decision.reviewed);
        }
    }

    pub(super) fn was_late(&self, hook: Hook) {
        self.late.of(&HookLabel { hook: hook.name }).inc();
    }

    pub(super) fn skipped(&self, hook: Hook, reason: SkipReason) {
        let labels = HookReason {
            hook: hook.name,
            reason: reason.name(),
        };
        self.skipped.of(&labels).inc();
    }

    fn failed(&self, hook: Hook, class: FailureClass, verdict: &Verdict, reviewed: bool) {
        let labels = HookClass {
            hook: hook.name,
            class: class.name(),
        };
        self.failures.of(&labels).inc();
        if !reviewed && !matches!(verdict, Verdict::Block(_)) {
            self.let_through.of(&labels).inc();
        }
    }
}
