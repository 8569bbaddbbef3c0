//! What we call others with: whom we trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use tracing::{error, info};

use super::kept::{Kept, Looked};
use super::provider::provider;
use super::shown::{CertificateStatus, Shown};
use super::verify::{Pins, Servers};
use super::{identity, pem, trusted};
use crate::settings::Problem;

/// The files that a server is called with. Equal ones make equal connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallingFiles {
    /// Whom to trust; `None`: whom the machine trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Certificates of servers that are trusted under any name, beside `ca`.
    pub known: Vec<PathBuf>,
}

/// What connections to one server are made with, now.
#[derive(Debug)]
pub struct CallingTls {
    used_by: String,
    kept: Kept<InForce>,
}

#[derive(Debug)]
struct InForce {
    config: Arc<ClientConfig>,
    shown: Option<Shown>,
}

impl CallingFiles {
    fn paths(&self) -> Vec<PathBuf> {
        let client = self.client.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca.iter().chain(client).cloned().collect()
    }

    /// What is wrong with the files.
    pub fn check(&self, now: SystemTime) -> Vec<Problem> {
        read(self, &[], now).err().unwrap_or_default()
    }
}

impl CallingTls {
    /// Reads the files. `used_by` names who is called, in the log and the status.
    ///
    /// Errors: everything that is wrong with them.
    pub fn start(
        used_by: String,
        files: CallingFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<CallingTls, Vec<Problem>> {
        let paths = files.paths();
        let kept = Kept::start(paths, move || read(&files, protocols, SystemTime::now()))?;
        Ok(CallingTls { used_by, kept })
    }

    /// What a connection that is made now is made with.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.kept.get().config)
    }

    /// Reads the files again if they have changed, and says what came of it.
    pub fn look(&self) {
        let used_by = self.used_by.as_str();
        match self.kept.look(Instant::now()) {
            None => {}
            Some(Looked::Renewed) => info!(used_by, "certificates read again"),
            Some(Looked::Refused(problems)) => {
                for problem in problems {
                    error!(
                        used_by,
                        "certificates on disk are refused, those from before stay: {problem}"
                    );
                }
            }
        }
    }

    pub fn status(&self) -> CertificateStatus {
        CertificateStatus {
            used_by: self.used_by.clone(),
            shown: self.kept.get().shown.clone(),
            problems: self.kept.problems(),
        }
    }
}

/// What a single connection is made with.
///
/// Errors: everything that is wrong with the files.
pub fn calling_config(
    files: &CallingFiles,
    protocols: &[&[u8]],
) -> Result<Arc<ClientConfig>, Vec<Problem>> {
    Ok(read(files, protocols, SystemTime::now())?.config)
}

fn read(
    files: &CallingFiles,
    protocols: &[&[u8]],
    now: SystemTime,
) -> Result<InForce, Vec<Problem>> {
    let servers = servers(files, now).map_err(|problem| vec![problem]);
    let identity = files.client.as_ref();
    let identity = identity.map(|(cert, key)| identity::read(cert, key, now));
    let (servers, identity) = match (servers, identity.transpose()) {
        (Ok(servers), Ok(identity)) => (servers, identity),
        (servers, identity) => {
            let problems = servers.err().into_iter().chain(identity.err());
            return Err(problems.flatten().collect());
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has suites of both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(servers));
    let shown = identity.as_ref().map(|identity| identity.shown.clone());
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(InForce {
        config: Arc::new(config),
        shown,
    })
}

fn servers(files: &CallingFiles, now: SystemTime) -> Result<Servers, Problem> {
    let mut known = Vec::new();
    for path in &files.known {
        // The first is the server's own; whom it was signed by signs others too.
        known.extend(pem::certificates(path)?.into_iter().next());
    }
    let (authorities, pins) = match &files.ca {
        Some(path) => {
            let trusted = trusted::read(path, now)?;
            (authorities(path, trusted.roots)?, trusted.pins)
        }
        // A machine that trusts nobody still knows the certificates that were named.
        None => (machine(), Vec::new()),
    };
    Ok(Servers {
        authorities,
        pins: Pins(pins),
        known: Pins(known),
        algorithms: provider().signature_verification_algorithms,
    })
}

fn authorities(
    path: &Path,
    roots: Arc<RootCertStore>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, Problem> {
    if roots.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    let whole = |why: String| Problem::of_file(path.display().to_string(), why, "");
    Ok(Some(built.map_err(|error| whole(error.to_string()))?))
}

fn machine() -> Option<Arc<dyn ServerCertVerifier>> {
    let machine = rustls_platform_verifier::Verifier::new(provider());
    Some(Arc::new(machine.ok()?))
}
