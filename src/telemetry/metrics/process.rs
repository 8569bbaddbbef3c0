//! The process itself: lines that its log lost, and the files that it has open.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::super::logs::Losses;
use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    losses: Losses,
    files: Gauge<u64, AtomicU64>,
    files_max: Gauge<u64, AtomicU64>,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &mut Registry) -> ProcessMetrics {
        let lost: Series<ReasonLabel, Counter> = Series::default();
        let reason = |reason| lost.of(&ReasonLabel { reason });
        let metrics = ProcessMetrics {
            losses: Losses {
                queue: reason("queue"),
                write: reason("write"),
                rate: reason("rate"),
                caller: reason("caller"),
            },
            files: Gauge::default(),
            files_max: Gauge::default(),
        };
        registry.register(
            "log_lines_lost",
            "Log lines that were not written: the log is too slow (queue), refuses them (write), or they were too many of a kind (rate) or of a sender or address (caller)",
            lost,
        );
        registry.register(
            "open_files",
            "Files, sockets and pipes that the process has open; 0 where the system does not tell",
            metrics.files.clone(),
        );
        registry.register(
            "open_files_max",
            "How many it may have open; 0 where the system does not tell",
            metrics.files_max.clone(),
        );
        metrics
    }

    pub(super) fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// Looks at what is open now.
    pub(super) fn look(&self) {
        let max = files_max().unwrap_or(0);
        self.files_max.set(max);
        // Looking takes a file too: where there is none left, all are open.
        let open = fs::read_dir("/proc/self/fd").map(|files| files.count() as u64);
        self.files.set(open.unwrap_or(max));
    }
}

/// The soft limit, as Linux tells it.
fn files_max() -> Option<u64> {
    static LIMITS: &str = "/proc/self/limits";
    let limits = fs::read_to_string(LIMITS).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
