//! Certificates, and handshakes that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::series::Series;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UsedBy {
    used_by: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    port: &'static str,
    reason: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct TlsMetrics {
    days_left: Series<UsedBy, Gauge<f64, AtomicU64>>,
    rejected: Series<UsedBy, Gauge<i64, AtomicI64>>,
    failed: Series<HandshakeLabels, Counter>,
}

impl TlsMetrics {
    pub(super) fn register(registry: &mut Registry) -> TlsMetrics {
        let metrics = TlsMetrics::default();
        registry.register(
            "tls_certificate_days_left",
            "Days until a certificate of ours expires, in fractions",
            metrics.days_left.clone(),
        );
        registry.register(
            "tls_files_rejected",
            "1 while certificate files on disk are bad and those from before are in force",
            metrics.rejected.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "Connections to a port with TLS that came to nothing, by reason",
            metrics.failed.clone(),
        );
        metrics
    }

    pub(super) fn failed(&self, port: &'static str, reason: &'static str) {
        self.failed.of(&HandshakeLabels { port, reason }).inc();
    }

    /// Sets what is known of all certificates; others are forgotten.
    pub(super) fn set(&self, certificates: &[(String, Option<f64>, bool)]) {
        let known = |labels: &UsedBy| {
            let mut names = certificates.iter().map(|(name, ..)| name.as_str());
            names.any(|name| *name == *labels.used_by)
        };
        self.days_left.keep_only(known);
        self.rejected.keep_only(known);
        for (used_by, days_left, rejected) in certificates {
            let labels = UsedBy {
                used_by: used_by.as_str().into(),
            };
            if let Some(days_left) = days_left {
                self.days_left.of(&labels).set(*days_left);
            }
            self.rejected.of(&labels).set(i64::from(*rejected));
        }
    }
}
