//! Calls that are kept to be judged again, and that are not.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: &'static str,
}

#[derive(Debug, Default)]
pub struct RecordingMetrics {
    calls: Counter,
    dropped: Series<DroppedLabels, Counter>,
    bytes: Gauge<u64, AtomicU64>,
    failing: Gauge,
}

impl RecordingMetrics {
    pub(super) fn register(registry: &mut Registry) -> RecordingMetrics {
        let metrics = RecordingMetrics::default();
        registry.register(
            "recordings_calls",
            "Calls that were recorded, sealed",
            metrics.calls.clone(),
        );
        registry.register(
            "recordings_dropped",
            "Calls that should have been recorded and were not, by why: no room to wait in (queue), or a disk that takes nothing, not even a key (disk)",
            metrics.dropped.clone(),
        );
        registry.register(
            "recordings_bytes",
            "What the files of recorded calls take",
            metrics.bytes.clone(),
        );
        registry.register(
            "recordings_failing",
            "1 while calls cannot be recorded; they are decided on all the same",
            metrics.failing.clone(),
        );
        metrics
    }

    pub fn wrote(&self, calls: u64) {
        self.calls.inc_by(calls);
    }

    pub fn dropped(&self, reason: &'static str, calls: u64) {
        self.dropped.of(&DroppedLabels { reason }).inc_by(calls);
    }

    pub fn holds(&self, bytes: u64) {
        self.bytes.set(bytes);
    }

    pub fn fails(&self, failing: bool) {
        self.failing.set(i64::from(failing));
    }
}
