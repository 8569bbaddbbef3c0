//! A candidate policy beside the one in force.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RulerLabel {
    decided_by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DifferenceLabels {
    policy: &'static str,
    candidate: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    by: &'static str,
}

#[derive(Debug, Default)]
pub struct TrialMetrics {
    running: Gauge,
    decisions: Series<RulerLabel, Counter>,
    differences: Series<DifferenceLabels, Counter>,
    not_comparable: Counter,
    dropped: Counter,
    ended: Series<EndLabel, Counter>,
}

impl TrialMetrics {
    pub(super) fn register(registry: &mut Registry) -> TrialMetrics {
        let metrics = TrialMetrics::default();
        registry.register(
            "trial_running",
            "1 while a candidate policy is tried beside the one in force",
            metrics.running.clone(),
        );
        registry.register(
            "trial_decisions",
            "Decisions of a trial that were looked at, by who made them: the policy in force, or the candidate",
            metrics.decisions.clone(),
        );
        registry.register(
            "trial_differences",
            "Decisions of a trial on which the two differ, by what the policy in force comes to and what the candidate does",
            metrics.differences.clone(),
        );
        registry.register(
            "trial_not_comparable",
            "Decisions of a trial where the policy that did not decide would have asked an endpoint something that was not asked",
            metrics.not_comparable.clone(),
        );
        registry.register(
            "trial_dropped",
            "Decisions of a trial that were not looked at, for want of room",
            metrics.dropped.clone(),
        );
        registry.register(
            "trial_ended",
            "Trials that ended, by the condition that ended them, or order, promotion, removed",
            metrics.ended.clone(),
        );
        metrics
    }

    pub fn running(&self, runs: bool) {
        self.running.set(i64::from(runs));
    }

    pub fn looked(&self, decided_by: &'static str, is_comparable: bool) {
        self.decisions.of(&RulerLabel { decided_by }).inc();
        if !is_comparable {
            self.not_comparable.inc();
        }
    }

    pub fn differed(&self, policy: &'static str, candidate: &'static str) {
        let labels = DifferenceLabels { policy, candidate };
        self.differences.of(&labels).inc();
    }

    pub fn dropped(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    pub fn ended(&self, by: &'static str) {
        self.ended.of(&EndLabel { by }).inc();
    }
}
