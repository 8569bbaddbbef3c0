//! What the outbox holds, and how its writer does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::super::spread::{Shown, Spread};
use super::endpoints::EndpointLabel;
use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointState {
    endpoint: Arc<str>,
    state: &'static str,
}

/// What the outbox says of one endpoint, set before each scrape.
#[derive(Clone, Debug)]
pub struct OutboxGauges {
    pub endpoint: Arc<str>,
    pub accepted: u64,
    pub delivered: u64,
    pub dead: u64,
    pub discarded: u64,
    pub pending: u64,
    pub in_flight: u64,
    /// The counters above add up.
    pub conserved: bool,
    /// Zero when nothing is pending.
    pub oldest_age: Duration,
    /// Zero while the endpoint answers.
    pub failing: Duration,
    pub paused: bool,
}

/// What the outbox says of itself, set before each scrape.
#[derive(Clone, Debug, Default)]
pub struct OutboxTotals {
    pub bytes: u64,
    pub entries: u64,
    /// The share of its limits, 1 is full.
    pub used: f64,
    /// Transactions that were synced to disk, and the calls that they answered.
    pub commits: u64,
    pub committed_calls: u64,
    pub commit_time: Duration,
    /// Events in those that accepted some.
    pub commit_sizes: Spread,
    /// In seconds.
    pub commit_times: Spread,
}

/// What several replicas share, set before each scrape.
#[derive(Clone, Copy, Debug)]
pub struct StorageGauges {
    /// The shared outbox does not answer.
    pub away: bool,
    pub replicas: u64,
    /// Events that are to be forwarded.
    pub spooled: u64,
}

#[derive(Debug, Default)]
pub(super) struct OutboxMetrics {
    away: Gauge<i64, AtomicI64>,
    replicas: Gauge<u64, AtomicU64>,
    spooled: Gauge<u64, AtomicU64>,
    pairs: Series<EndpointLabel, Counter>,
    ended: Series<EndpointState, Counter>,
    pending: Series<EndpointState, Gauge<u64, AtomicU64>>,
    dead: Series<EndpointLabel, Gauge<u64, AtomicU64>>,
    mismatch: Gauge<i64, AtomicI64>,
    oldest_age: Series<EndpointLabel, Gauge<f64, AtomicU64>>,
    failing: Series<EndpointLabel, Gauge<f64, AtomicU64>>,
    paused: Series<EndpointLabel, Gauge<i64, AtomicI64>>,
    pub(super) age: Gauge<f64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    entries: Gauge<u64, AtomicU64>,
    used: Gauge<f64, AtomicU64>,
    commits: Counter,
    committed_calls: Counter,
    commit_seconds: Counter<f64, AtomicU64>,
    commit_sizes: Shown,
    commit_times: Shown,
}

impl OutboxMetrics {
    pub(super) fn register(registry: &mut Registry) -> OutboxMetrics {
        let metrics = OutboxMetrics::default();
        metrics.register_endpoints(registry);
        metrics.register_totals(registry);
        metrics.register_storage(registry);
        metrics
    }

    fn register_endpoints(&self, registry: &mut Registry) {
        registry.register(
            "outbox_accepted_pairs",
            "Events accepted, each counted once for each endpoint",
            self.pairs.clone(),
        );
        registry.register(
            "outbox_ended_pairs",
            "Events that have ended for good, by endpoint and state: delivered or discarded",
            self.ended.clone(),
        );
        registry.register(
            "outbox_pending",
            "Events that have not ended, by endpoint and state: waiting or in_flight",
            self.pending.clone(),
        );
        registry.register(
            "outbox_dead",
            "Events that were given up on and can be replayed, by endpoint",
            self.dead.clone(),
        );
        registry.register(
            "outbox_conservation_mismatch",
            "1 when accepted is not delivered + dead + discarded + pending: a fault of callgate",
            self.mismatch.clone(),
        );
        registry.register_with_unit(
            "outbox_oldest_pending_age",
            "Age of the oldest event that waits for an endpoint",
            Unit::Seconds,
            self.oldest_age.clone(),
        );
        registry.register_with_unit(
            "endpoint_failing",
            "For how long no event could be delivered to an endpoint",
            Unit::Seconds,
            self.failing.clone(),
        );
        registry.register(
            "endpoint_paused",
            "1 while the events of an endpoint wait and it is only tried now and then",
            self.paused.clone(),
        );
    }

    fn register_totals(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "outbox_snapshot_age",
            "How old what is shown of the outbox is: its disk may not answer",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register_with_unit(
            "outbox",
            "Size of the outbox, as `outbox.bytes_max` counts it",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register(
            "outbox_entries",
            "Events in the outbox, as `outbox.entries_max` counts them",
            self.entries.clone(),
        );
        registry.register(
            "outbox_used_ratio",
            "Share of `outbox.bytes_max` or `outbox.entries_max` that is used, whichever is more",
            self.used.clone(),
        );
        registry.register(
            "outbox_commits",
            "Transactions of the outbox, each synced to disk once",
            self.commits.clone(),
        );
        registry.register(
            "outbox_committed_calls",
            "Calls that those transactions answered",
            self.committed_calls.clone(),
        );
        registry.register_with_unit(
            "outbox_commit",
            "Time that those transactions took",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "outbox_commit_batch_size",
            "Events that one transaction accepted, for those that accepted some",
            self.commit_sizes.clone(),
        );
        registry.register_with_unit(
            "outbox_commit_latency",
            "Time that one transaction took, with its sync to disk",
            Unit::Seconds,
            self.commit_times.clone(),
        );
    }

    fn register_storage(&self, registry: &mut Registry) {
        registry.register(
            "storage_away",
            "1 while the PostgreSQL of `storage` does not answer this replica",
            self.away.clone(),
        );
        registry.register(
            "storage_replicas",
            "Replicas that share the outbox and live, as this one knows; 1 without PostgreSQL",
            self.replicas.clone(),
        );
        registry.register(
            "outbox_spooled",
            "Events in this replica's own file that are to be forwarded to PostgreSQL",
            self.spooled.clone(),
        );
    }

    pub(super) fn set_storage(&self, gauges: StorageGauges) {
        self.away.set(i64::from(gauges.away));
        self.replicas.set(gauges.replicas);
        self.spooled.set(gauges.spooled);
    }

    pub(super) fn set(&self, endpoints: &[OutboxGauges], totals: OutboxTotals) {
        self.keep_endpoints(endpoints);
        for gauges in endpoints {
            self.set_endpoint(gauges);
        }
        let mismatch = endpoints.iter().any(|gauges| !gauges.conserved);
        self.mismatch.set(i64::from(mismatch));
        self.bytes.set(totals.bytes);
        self.entries.set(totals.entries);
        let seconds = totals.commit_time.as_secs_f64();
        set_count(&self.commits, totals.commits);
        set_count(&self.committed_calls, totals.committed_calls);
        let bits = seconds.to_bits();
        self.commit_seconds.inner().store(bits, Ordering::Relaxed);
        self.used.set(totals.used);
        self.commit_sizes.set(totals.commit_sizes);
        self.commit_times.set(totals.commit_times);
    }

    fn set_endpoint(&self, gauges: &OutboxGauges) {
        let label = EndpointLabel {
            endpoint: Arc::clone(&gauges.endpoint),
        };
        let state = |state| EndpointState {
            endpoint: Arc::clone(&gauges.endpoint),
            state,
        };
        let waiting = gauges.pending.saturating_sub(gauges.in_flight);
        for (name, count) in [("waiting", waiting), ("in_flight", gauges.in_flight)] {
            self.pending.of(&state(name)).set(count);
        }
        for (name, count) in [
            ("delivered", gauges.delivered),
            ("discarded", gauges.discarded),
        ] {
            set_count(&self.ended.of(&state(name)), count);
        }
        set_count(&self.pairs.of(&label), gauges.accepted);
        self.dead.of(&label).set(gauges.dead);
        let seconds = gauges.oldest_age.as_secs_f64();
        self.oldest_age.of(&label).set(seconds);
        let seconds = gauges.failing.as_secs_f64();
        self.failing.of(&label).set(seconds);
        let paused = i64::from(gauges.paused);
        self.paused.of(&label).set(paused);
    }

    /// The outbox itself names every endpoint that it holds something of.
    fn keep_endpoints(&self, endpoints: &[OutboxGauges]) {
        let keep = |name: &Arc<str>| endpoints.iter().any(|gauges| gauges.endpoint == *name);
        self.ended.keep_only(|labels| keep(&labels.endpoint));
        self.pairs.keep_only(|labels| keep(&labels.endpoint));
        self.pending.keep_only(|labels| keep(&labels.endpoint));
        self.dead.keep_only(|labels| keep(&labels.endpoint));
        self.oldest_age.keep_only(|labels| keep(&labels.endpoint));
        self.failing.keep_only(|labels| keep(&labels.endpoint));
        self.paused.keep_only(|labels| keep(&labels.endpoint));
    }
}

/// Sets a counter that the outbox keeps itself, over restarts.
fn set_count(counter: &Counter, count: u64) {
    counter.inner().store(count, Ordering::Relaxed);
}
