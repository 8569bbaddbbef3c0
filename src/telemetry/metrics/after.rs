//! What became of after events, and of calls that are neither.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::endpoints::EndpointOutcome;
use super::series::Series;
use crate::event::Hook;

/// Seconds from the acceptance of an event to its delivery.
const LAG_BUCKETS: [f64; 12] = [
    0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookResult {
    hook: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug)]
pub(super) struct AfterMetrics {
    events: Series<HookResult, Counter>,
    deliveries: Series<EndpointOutcome, Counter>,
    odd_calls: Series<ReasonLabel, Counter>,
    lag: Histogram,
}

impl AfterMetrics {
    pub(super) fn register(registry: &mut Registry) -> AfterMetrics {
        let metrics = AfterMetrics {
            events: Series::default(),
            deliveries: Series::default(),
            odd_calls: Series::default(),
            lag: Histogram::new(LAG_BUCKETS),
        };
        registry.register(
            "events",
            "After events by what became of them",
            metrics.events.clone(),
        );
        registry.register(
            "deliveries",
            "Attempts to deliver an after event, by outcome",
            metrics.deliveries.clone(),
        );
        registry.register(
            "odd_calls",
            "Calls from IM servers that name no known hook or cannot be read",
            metrics.odd_calls.clone(),
        );
        registry.register_with_unit(
            "delivery_lag",
            "Time from the acceptance of an event to its delivery",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        metrics
    }

    pub(super) fn accepted(&self, hook: Hook, result: &'static str) {
        let labels = HookResult {
            hook: hook.name,
            result,
        };
        self.events.of(&labels).inc();
    }

    pub(super) fn delivered(&self, endpoint: &Arc<str>, outcome: &'static str) {
        let labels = EndpointOutcome::of(endpoint, outcome);
        self.deliveries.of(&labels).inc();
    }

    pub(super) fn lagged(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    pub(super) fn odd_call(&self, reason: &'static str) {
        self.odd_calls.of(&ReasonLabel { reason }).inc();
    }

    pub(super) fn keep_endpoints(&self, keep: &dyn Fn(&str) -> bool) {
        self.deliveries.keep_only(|labels| keep(&labels.endpoint));
    }
}
