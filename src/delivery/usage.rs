//! Tells the log when the outbox fills up, before it refuses.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::tools::LOOK_AGAIN;
use crate::outbox::Outbox;
use crate::telemetry::{UsageLevel, UsageLimits};

/// Looks again and again until it is told to stop.
pub async fn watch_usage(outbox: Arc<dyn Outbox>, limits: UsageLimits, stop: CancellationToken) {
    let mut told = UsageLevel::default();
    while !stop.is_cancelled() {
        // An outbox that does not answer is told by those who need it.
        if let Ok(stats) = outbox.stats().await {
            let used = limits.used(stats.bytes, stats.entries);
            if let Some(level) = told.tell(used) {
                told = level;
                say(level, used, stats.bytes, stats.entries, limits);
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn say(level: UsageLevel, used: f64, bytes: u64, entries: u64, limits: UsageLimits) {
    let UsageLimits {
        bytes_max,
        entries_max,
    } = limits;
    let used_percent = (used * 100.0) as u64;
    match level {
        UsageLevel::Normal => info!(used_percent, "outbox has room again"),
        UsageLevel::High => warn!(
            used_percent,
            bytes, bytes_max, entries, entries_max, "outbox fills up, full it refuses events"
        ),
        UsageLevel::Critical => error!(
            used_percent,
            bytes, bytes_max, entries, entries_max, "outbox is nearly full, full it refuses events"
        ),
    }
}
