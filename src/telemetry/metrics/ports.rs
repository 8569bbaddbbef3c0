//! The connections of our ports: how many are open, which were not taken, which had to go.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortLabel {
    port: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    port: &'static str,
    reason: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct PortsMetrics {
    open: Series<PortLabel, Gauge<u64, AtomicU64>>,
    refused: Series<EndLabel, Counter>,
    evicted: Series<EndLabel, Counter>,
}

/// What one port counts. A clone counts the same.
#[derive(Clone, Debug, Default)]
pub struct PortMetrics {
    pub open: Gauge<u64, AtomicU64>,
    /// Not taken: all places of the port are busy, all of the peer's, or there is no descriptor.
    pub refused_port: Counter,
    pub refused_peer: Counter,
    pub refused_descriptors: Counter,
    /// Closed: what a proxy must say first was missing or bad, or somebody else said it.
    pub refused_proxy: Counter,
    /// Closed: a newcomer needed the place, answers took too much memory, or were not taken.
    pub evicted_place: Counter,
    pub evicted_memory: Counter,
    pub evicted_unread: Counter,
}

impl PortsMetrics {
    pub(super) fn register(registry: &mut Registry) -> PortsMetrics {
        let metrics = PortsMetrics::default();
        registry.register(
            "connections_open",
            "Connections that a port has open",
            metrics.open.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were closed at once: all places of the port are busy (port), all of the peer's are (peer), no file can be opened (descriptors), or a PROXY header is missing, bad or nobody's to send (proxy)",
            metrics.refused.clone(),
        );
        registry.register(
            "connections_evicted",
            "Connections that were closed for others: an idle one whose place a newcomer needed (place), or one whose answers take too much memory (memory) or are not taken (unread)",
            metrics.evicted.clone(),
        );
        metrics
    }

    pub(super) fn of(&self, port: &'static str) -> PortMetrics {
        let refused = |reason| self.refused.of(&EndLabel { port, reason });
        let evicted = |reason| self.evicted.of(&EndLabel { port, reason });
        PortMetrics {
            open: self.open.of(&PortLabel { port }),
            refused_port: refused("port"),
            refused_peer: refused("peer"),
            refused_descriptors: refused("descriptors"),
            refused_proxy: refused("proxy"),
            evicted_place: evicted("place"),
            evicted_memory: evicted("memory"),
            evicted_unread: evicted("unread"),
        }
    }
}
