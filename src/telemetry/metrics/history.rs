//! Decisions that are kept, and that are not.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    kind: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: &'static str,
}

#[derive(Debug, Default)]
pub struct HistoryMetrics {
    rows: Counter,
    dropped: Series<DroppedLabels, Counter>,
    bytes: Gauge<u64, AtomicU64>,
    failing: Gauge,
    sink_dropped: Series<SinkLabel, Counter>,
    sink_failing: Series<SinkLabel, Gauge>,
}

impl HistoryMetrics {
    pub(super) fn register(registry: &mut Registry) -> HistoryMetrics {
        let metrics = HistoryMetrics::default();
        registry.register(
            "history_rows",
            "Decisions that were written to the history",
            metrics.rows.clone(),
        );
        registry.register(
            "history_dropped",
            "Decisions that the history should have and has not, by what came out and why: too many in a second (rate), no room to wait in (queue), a disk that takes nothing (disk), no key to seal the text with (key), or only their number is wrong (count)",
            metrics.dropped.clone(),
        );
        registry.register(
            "history_bytes",
            "What the files of the history take",
            metrics.bytes.clone(),
        );
        registry.register(
            "history_failing",
            "1 while the history cannot be written; decisions are made all the same",
            metrics.failing.clone(),
        );
        registry.register(
            "history_sink_dropped",
            "Decisions that a sink of the history did not get: it is too slow, or does not take them",
            metrics.sink_dropped.clone(),
        );
        registry.register(
            "history_sink_failing",
            "1 while a sink of the history takes nothing",
            metrics.sink_failing.clone(),
        );
        metrics
    }

    pub fn wrote(&self, rows: u64) {
        self.rows.inc_by(rows);
    }

    pub fn dropped(&self, kind: &'static str, reason: &'static str, count: u64) {
        self.dropped
            .of(&DroppedLabels { kind, reason })
            .inc_by(count);
    }

    pub fn sink_dropped(&self, sink: &'static str, rows: u64) {
        self.sink_dropped.of(&SinkLabel { sink }).inc_by(rows);
    }

    pub fn sink_fails(&self, sink: &'static str, failing: bool) {
        self.sink_failing
            .of(&SinkLabel { sink })
            .set(i64::from(failing));
    }

    pub fn holds(&self, bytes: u64) {
        self.bytes.set(bytes);
    }

    pub fn fails(&self, failing: bool) {
        self.failing.set(i64::from(failing));
    }
}
