//! How asking endpoints ended, and which of them are not called.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndpointOutcome {
    pub(super) endpoint: Arc<str>,
    outcome: &'static str,
}

impl EndpointOutcome {
    pub(super) fn of(endpoint: &Arc<str>, outcome: &'static str) -> EndpointOutcome {
        EndpointOutcome {
            endpoint: Arc::clone(endpoint),
            outcome,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndpointLabel {
    pub(super) endpoint: Arc<str>,
}

#[derive(Debug, Default)]
pub(super) struct EndpointMetrics {
    outcomes: Series<EndpointOutcome, Counter>,
    answer_warnings: Series<EndpointOutcome, Counter>,
    breaker_open: Series<EndpointLabel, Gauge<i64, AtomicI64>>,
    delivery_breaker_open: Series<EndpointLabel, Gauge<i64, AtomicI64>>,
}

impl EndpointMetrics {
    pub(super) fn register(registry: &mut Registry) -> EndpointMetrics {
        let metrics = EndpointMetrics::default();
        registry.register(
            "endpoint_outcomes",
            "How asking an endpoint ended: its answer or the class of failure",
            metrics.outcomes.clone(),
        );
        registry.register(
            "endpoint_oddities",
            "Answers that mean something else than their author thinks",
            metrics.answer_warnings.clone(),
        );
        registry.register(
            "breaker_open",
            "1 while an endpoint is not asked because it failed",
            metrics.breaker_open.clone(),
        );
        registry.register(
            "delivery_breaker_open",
            "1 while an endpoint is not told of events because it failed",
            metrics.delivery_breaker_open.clone(),
        );
        metrics
    }

    pub(super) fn asked(&self, endpoint: &Arc<str>, outcome: &'static str) {
        self.outcomes
            .of(&EndpointOutcome::of(endpoint, outcome))
            .inc();
    }

    pub(super) fn answer_warned(&self, endpoint: &Arc<str>, warning: &'static str) {
        let labels = EndpointOutcome::of(endpoint, warning);
        self.answer_warnings.of(&labels).inc();
    }

    pub(super) fn breakers(&self, endpoint: &Arc<str>, asking_open: bool, telling_open: bool) {
        let label = EndpointLabel {
            endpoint: Arc::clone(endpoint),
        };
        self.breaker_open.of(&label).set(i64::from(asking_open));
        let telling = self.delivery_breaker_open.of(&label);
        telling.set(i64::from(telling_open));
    }

    pub(super) fn keep_endpoints(&self, keep: &dyn Fn(&str) -> bool) {
        self.outcomes.keep_only(|labels| keep(&labels.endpoint));
        self.answer_warnings
            .keep_only(|labels| keep(&labels.endpoint));
        self.breaker_open.keep_only(|labels| keep(&labels.endpoint));
        self.delivery_breaker_open
            .keep_only(|labels| keep(&labels.endpoint));
    }
}
