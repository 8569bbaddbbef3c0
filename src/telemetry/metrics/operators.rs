//! Who came in at the operators' port, and who was kept out.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Default)]
pub struct OperatorMetrics {
    logins: Series<OutcomeLabel, Counter>,
    refused: Series<ReasonLabel, Counter>,
}

impl OperatorMetrics {
    pub(super) fn register(registry: &mut Registry) -> OperatorMetrics {
        let metrics = OperatorMetrics::default();
        registry.register(
            "operator_logins",
            "Logins at the operators' port by outcome: in, wrong, throttled, failed",
            metrics.logins.clone(),
        );
        registry.register(
            "operator_refused",
            "Requests that the operators' port did not let in, by reason: unknown, forbidden, \
             foreign_host, foreign_origin, proxy_identity",
            metrics.refused.clone(),
        );
        metrics
    }

    pub fn login(&self, outcome: &'static str) {
        self.logins.of(&OutcomeLabel { outcome }).inc();
    }

    pub fn refused(&self, reason: &'static str) {
        self.refused.of(&ReasonLabel { reason }).inc();
    }
}
