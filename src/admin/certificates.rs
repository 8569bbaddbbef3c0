//! The certificates of ports and endpoints: looked at, and shown.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::callback::Callbacks;
use crate::settings::Problem;
use crate::tls::{CertificateStatus, PortTls};

/// The ports that have TLS, by name.
pub type PortsTls = Vec<(&'static str, Arc<PortTls>)>;

/// All files for TLS that this process uses.
#[derive(Debug)]
pub struct Certificates {
    ports: PortsTls,
    callbacks: Arc<Callbacks>,
}

/// What one port or endpoint is served or called with.
#[derive(Serialize)]
pub(super) struct CertificateJson {
    used_by: String,
    /// Our own certificate; `null` where only an authority is configured.
    subject: Option<String>,
    names: Vec<String>,
    sha256: Option<String>,
    not_before_ms: Option<u64>,
    /// When the first of its chain expires.
    not_after_ms: Option<u64>,
    days_left: Option<f64>,
    /// Why the files on disk are not in force; what they held before is.
    problems: Vec<Problem>,
}

impl Certificates {
    pub fn new(ports: PortsTls, callbacks: Arc<Callbacks>) -> Certificates {
        Certificates { ports, callbacks }
    }

    pub fn of_port(&self, name: &str) -> Option<Arc<PortTls>> {
        let mut ports = self.ports.iter();
        let (_, tls) = ports.find(|(port, _)| *port == name)?;
        Some(Arc::clone(tls))
    }

    /// Reads again what has changed. Blocks while it reads: not for an async task.
    pub fn look(&self) {
        for (_, tls) in &self.ports {
            tls.look();
        }
        self.callbacks.look_at_certificates();
    }

    fn status(&self) -> Vec<CertificateStatus> {
        let ports = self.ports.iter().map(|(_, tls)| tls.status());
        ports.chain(self.callbacks.certificates()).collect()
    }

    pub(super) fn json(&self) -> Vec<CertificateJson> {
        let now = SystemTime::now();
        let all = self.status().into_iter();
        all.map(|status| json(status, now)).collect()
    }

    /// Who uses one, its days left, and whether what is on disk is bad.
    pub(super) fn gauges(&self) -> Vec<(String, Option<f64>, bool)> {
        let now = SystemTime::now();
        let gauge = |status: CertificateStatus| {
            let days_left = status.shown.map(|shown| shown.days_left(now));
            (status.used_by, days_left, !status.problems.is_empty())
        };
        self.status().into_iter().map(gauge).collect()
    }
}

fn json(status: CertificateStatus, now: SystemTime) -> CertificateJson {
    let shown = status.shown.as_ref();
    let names = shown.map(|shown| shown.names.iter().map(ToString::to_string).collect());
    CertificateJson {
        used_by: status.used_by.clone(),
        subject: shown.map(|shown| shown.subject.clone()),
        names: names.unwrap_or_default(),
        sha256: shown.map(|shown| shown.sha256.clone()),
        not_before_ms: shown.map(|shown| ms(shown.not_before)),
        not_after_ms: shown.map(|shown| ms(shown.not_after)),
        days_left: shown.map(|shown| (shown.days_left(now) * 10.0).round() / 10.0),
        problems: status.problems,
    }
}

fn ms(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
