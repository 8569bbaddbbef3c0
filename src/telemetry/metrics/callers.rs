//! Who called, who was refused, and who asked for more than it may.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLabel {
    caller: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallerLimit {
    caller: Arc<str>,
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// Callers are labels by the names that the policy in force has, and by no other.
#[derive(Debug, Default)]
pub struct CallerMetrics {
    calls: Series<CallerLabel, Counter>,
    limited: Series<CallerLimit, Counter>,
    refused: Family<Reason, Counter>,
}

impl CallerMetrics {
    pub(super) fn register(registry: &mut Registry) -> CallerMetrics {
        let metrics = CallerMetrics::default();
        registry.register("caller_calls", "Calls of a caller", metrics.calls.clone());
        registry.register(
            "caller_limited",
            "Calls of a caller past a limit of its own: in_flight or rate",
            metrics.limited.clone(),
        );
        registry.register(
            "callers_refused",
            "Calls that nobody of the policy's callers may make, by reason",
            metrics.refused.clone(),
        );
        metrics
    }

    pub fn called(&self, caller: &Arc<str>) {
        let label = CallerLabel {
            caller: Arc::clone(caller),
        };
        self.calls.of(&label).inc();
    }

    pub fn limited(&self, caller: &Arc<str>, limit: &'static str) {
        let labels = CallerLimit {
            caller: Arc::clone(caller),
            limit,
        };
        self.limited.of(&labels).inc();
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Forgets the callers that a new policy does not name.
    pub fn keep_only(&self, keep: impl Fn(&str) -> bool) {
        self.calls.keep_only(|label| keep(&label.caller));
        self.limited.keep_only(|label| keep(&label.caller));
    }
}
