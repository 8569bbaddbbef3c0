//! `/metrics`: what is counted elsewhere, and what is asked of the outbox and the endpoints here.

use std::time::Duration;

use super::shown::Admin;
use crate::outbox::Work;
use crate::telemetry::{OutboxGauges, OutboxTotals, Spread, StorageGauges};

/// Everything that is counted, as OpenMetrics.
pub(super) async fn text(admin: &Admin) -> String {
    let seen = admin.observed.latest().await;
    admin.metrics.outbox_seen(seen.age());
    let shared = seen.shared.as_ref();
    admin.metrics.storage(StorageGauges {
        away: shared.is_some_and(|shared| shared.away.is_some()),
        replicas: shared.map_or(1, |shared| u64::from(shared.replicas)),
        spooled: shared.map_or(0, |shared| shared.spooled),
    });
    if let Some(stats) = &seen.stats {
        let since =
            |at_ms: Option<u64>| at_ms.map_or(Duration::ZERO, |at_ms| admin.clock.age_of(at_ms));
        let gauges: Vec<_> = stats
            .endpoints
            .iter()
            .map(|endpoint| OutboxGauges {
                endpoint: endpoint.endpoint.as_str().into(),
                accepted: endpoint.counts.accepted,
                delivered: endpoint.counts.delivered,
                dead: endpoint.counts.dead,
                discarded: endpoint.counts.discarded,
                pending: endpoint.counts.pending,
                in_flight: endpoint.counts.in_flight,
                conserved: endpoint.counts.conserved(),
                oldest_age: since(endpoint.oldest_pending_ms),
                failing: since(endpoint.health.failing_since_ms),
                paused: endpoint.health.paused.is_some(),
            })
            .collect();
        let totals = OutboxTotals {
            bytes: stats.bytes,
            entries: stats.entries,
            used: admin.outbox_limits.used(stats.bytes, stats.entries),
            commits: stats.work.commits,
            committed_calls: stats.work.calls,
            commit_time: stats.work.time,
            commit_sizes: spread(
                &Work::SIZES.map(|events| events as f64),
                &stats.work.by_size,
                stats.work.accepted as f64,
            ),
            commit_times: spread(
                &Work::TIMES_US.map(|time_us| time_us as f64 / 1e6),
                &stats.work.by_time,
                stats.work.time.as_secs_f64(),
            ),
        };
        admin.metrics.outbox(&gauges, totals);
    }
    for endpoint in admin.callbacks.status() {
        let (asking, telling) = (endpoint.breaker, endpoint.delivery_breaker);
        let metrics = &admin.metrics;
        metrics.breakers(&endpoint.name, asking == "open", telling == "open");
    }
    admin.metrics.history.fails(admin.history.error().is_some());
    admin.metrics.certificates(&admin.certificates.gauges());
    admin.metrics.encode()
}

/// `counts` has one more than there are bounds.
fn spread(bounds: &[f64], counts: &[u64], sum: f64) -> Spread {
    Spread {
        ranges: bounds.iter().copied().zip(counts.iter().copied()).collect(),
        above: counts.last().copied().unwrap_or_default(),
        sum,
    }
}
