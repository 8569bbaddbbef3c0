//! Versions of the policy that are kept on disk.

use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Default)]
pub struct VersionMetrics {
    kept: Gauge<i64, AtomicI64>,
    bytes: Gauge<i64, AtomicI64>,
    failures: Counter,
}

impl VersionMetrics {
    pub(super) fn register(registry: &mut Registry) -> VersionMetrics {
        let metrics = VersionMetrics::default();
        registry.register(
            "versions_kept",
            "Versions of the policy that are kept with their files",
            metrics.kept.clone(),
        );
        registry.register(
            "versions_bytes",
            "Bytes of all versions that are kept",
            metrics.bytes.clone(),
        );
        registry.register(
            "versions_failures",
            "Tries to keep a version in force that failed; it stays in force",
            metrics.failures.clone(),
        );
        metrics
    }

    pub fn kept(&self, versions: usize, bytes: u64) {
        self.kept.set(versions as i64);
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn failed(&self) {
        self.failures.inc();
    }
}
