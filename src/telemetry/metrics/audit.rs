//! Acts of operators that were recorded, and that could not be.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Default)]
pub struct AuditMetrics {
    records: Series<ResultLabel, Counter>,
    failures: Counter,
}

impl AuditMetrics {
    pub(super) fn register(registry: &mut Registry) -> AuditMetrics {
        let metrics = AuditMetrics::default();
        registry.register(
            "audit_records",
            "Records of the audit by result: begun, done, refused, failed",
            metrics.records.clone(),
        );
        registry.register(
            "audit_failures",
            "Acts that could not be recorded, and so were refused",
            metrics.failures.clone(),
        );
        metrics
    }

    pub fn recorded(&self, result: &'static str) {
        self.records.of(&ResultLabel { result }).inc();
    }

    pub fn failed(&self) {
        self.failures.inc();
    }
}
