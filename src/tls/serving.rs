//! What a port of ours is served with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use tracing::{error, info};

use super::kept::{Kept, Looked};
use super::provider::provider;
use super::shown::{CertificateStatus, Shown};
use super::verify::{Clients, Pins};
use super::{identity, trusted};
use crate::settings::Problem;

/// `tls` of a port in engine.yaml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Who signs the certificates of callers; `None`: they are not asked for one.
    pub client_ca: Option<PathBuf>,
    /// A caller without a certificate is refused.
    pub client_required: bool,
}

/// The certificate of a port in force, and how callers are verified.
#[derive(Debug)]
pub struct PortTls {
    port: &'static str,
    kept: Kept<InForce>,
}

#[derive(Debug)]
struct InForce {
    config: Arc<ServerConfig>,
    shown: Shown,
}

impl ServingFiles {
    /// What is wrong with the files of a port.
    pub fn check(&self, port: &str, now: SystemTime) -> Vec<Problem> {
        match read(self, &[], now) {
            Ok(_) => Vec::new(),
            Err(problems) => placed(problems, port),
        }
    }

    fn paths(&self) -> Vec<PathBuf> {
        let ours = [self.cert.clone(), self.key.clone()];
        ours.into_iter().chain(self.client_ca.clone()).collect()
    }
}

impl PortTls {
    /// Reads the files of the port with this name. `protocols` are those of ALPN.
    ///
    /// Errors: everything that is wrong with them.
    pub fn start(
        port: &'static str,
        files: ServingFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<PortTls, Vec<Problem>> {
        let kept = Kept::start(files.paths(), move || {
            read(&files, protocols, SystemTime::now()).map_err(|problems| placed(problems, port))
        })?;
        Ok(PortTls { port, kept })
    }

    /// What a connection that comes now is served with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.kept.get().config)
    }

    /// Reads the files again if they have changed, and says what came of it.
    pub fn look(&self) {
        match self.kept.look(Instant::now()) {
            None => {}
            Some(Looked::Renewed) => {
                let shown = &self.kept.get().shown;
                let until = humantime::format_rfc3339_seconds(shown.not_after);
                info!(port = self.port, subject = shown.subject, %until, "certificate renewed");
            }
            Some(Looked::Refused(problems)) => {
                for problem in problems {
                    error!(
                        port = self.port,
                        "the certificate on disk is refused, the one from before stays: {problem}"
                    );
                }
            }
        }
    }

    pub fn status(&self) -> CertificateStatus {
        CertificateStatus {
            used_by: self.port.to_owned(),
            shown: Some(self.kept.get().shown.clone()),
            problems: self.kept.problems(),
        }
    }
}

/// Says which setting named the file.
fn placed(problems: Vec<Problem>, port: &str) -> Vec<Problem> {
    let placed = problems.into_iter().map(|problem| Problem {
        path: format!("{port}.tls"),
        ..problem
    });
    placed.collect()
}

fn read(
    files: &ServingFiles,
    protocols: &[&[u8]],
    now: SystemTime,
) -> Result<InForce, Vec<Problem>> {
    let identity = identity::read(&files.cert, &files.key, now);
    let clients = files.client_ca.as_ref().map(|path| {
        let trusted = trusted::read(path, now)?;
        let whole = |why: String| Problem::of_file(path.display().to_string(), why, "");
        clients(trusted, files.client_required).map_err(whole)
    });
    let (identity, clients) = match (identity, clients.transpose()) {
        (Ok(identity), Ok(clients)) => (identity, clients),
        (identity, clients) => {
            let problems = identity.err().unwrap_or_default().into_iter();
            return Err(problems.chain(clients.err()).collect());
        }
    };
    let versions = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has suites of both versions");
    let verified = match clients {
        Some(clients) => versions.with_client_cert_verifier(Arc::new(clients)),
        None => versions.with_no_client_auth(),
    };
    let mut config = verified.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    // Made anew with each configuration: a ticket stands for a certificate that was verified, and
    // must not outlive the authorities that it was verified by.
    if let Ok(tickets) = rustls::crypto::ring::Ticketer::new() {
        config.ticketer = tickets;
    }
    Ok(InForce {
        config: Arc::new(config),
        shown: identity.shown,
    })
}

fn clients(trusted: trusted::Trusted, required: bool) -> Result<Clients, String> {
    let authorities: Option<Arc<dyn ClientCertVerifier>> = match trusted.roots.is_empty() {
        true => None,
        false => {
            let built = WebPkiClientVerifier::builder_with_provider(trusted.roots, provider());
            Some(built.build().map_err(|error| error.to_string())?)
        }
    };
    Ok(Clients {
        authorities,
        pins: Pins(trusted.pins),
        algorithms: provider().signature_verification_algorithms,
        required,
    })
}
