//! Whom connections with TLS trust: what the machine trusts, looked at again now and then, so that
//! a renewed bundle of certificates comes into force.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_native_certs};
use tracing::{info, warn};

/// How soon renewed certificates are noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Reading the machine's certificates takes long, so it is done once for all connections, and
/// again beside them.
pub(super) struct Trust {
    load: Box<dyn Fn() -> CertificateResult + Send + Sync>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    in_force: Option<InForce>,
    /// What was read the last time and not taken: less than what is in force.
    doubted: Option<Read>,
}

struct InForce {
    config: Result<Arc<ClientConfig>, Arc<str>>,
    read: Read,
    looked_at: Instant,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    certificates: Vec<rustls::pki_types::CertificateDer<'static>>,
    errors: Vec<String>,
}

impl Read {
    /// A bundle that is being written is shorter than it will be, and perhaps cut off.
    fn is_less_than(&self, other: &Read) -> bool {
        self.certificates.len() < other.certificates.len() || self.errors.len() > other.errors.len()
    }
}

impl Default for Trust {
    fn default() -> Trust {
        Trust::of(load_native_certs)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Trust {
    fn of(load: impl Fn() -> CertificateResult + Send + Sync + 'static) -> Trust {
        Trust {
            load: Box::new(load),
            seen: Mutex::default(),
        }
    }

    /// The configuration of a connection. The first time it is read now.
    pub(super) fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, Arc<str>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = seen.in_force.get_or_insert_with(|| self.read().into());
        if in_force.looked_at.elapsed() >= LOOK_AGAIN {
            // Also what keeps a second thread from being started.
            in_force.looked_at = Instant::now();
            let trust = Arc::clone(self);
            let look = move || trust.look();
            if let Err(error) = thread::Builder::new().spawn(look) {
                warn!(%error, "the machine's certificates could not be read again");
            }
        }
        in_force.config.clone()
    }

    /// Takes what is there now. Less than before is taken only when the next look finds the same:
    /// until then it may be half of what is being written.
    fn look(&self) {
        let read = self.read();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Seen { in_force, doubted } = &mut *seen;
        if let Some(known) = in_force.as_ref() {
            if read == known.read {
                *doubted = None;
                return;
            }
            if known.config.is_ok()
                && read.is_less_than(&known.read)
                && Some(&read) != doubted.as_ref()
            {
                let (certificates, errors) = (read.certificates.len(), read.errors.join("; "));
                warn!(
                    certificates,
                    errors,
                    "the machine's certificates are fewer than before; those from before are used until it stays so"
                );
                *doubted = Some(read);
                return;
            }
        }
        let next = InForce::from(read);
        match &next.config {
            Err(why) if in_force.as_ref().is_some_and(|known| known.config.is_ok()) => {
                warn!(%why, "the machine's certificates cannot be used, those from before are");
            }
            _ => {
                let certificates = next.read.certificates.len();
                info!(certificates, "the machine's certificates were read again");
                *doubted = None;
                *in_force = Some(next);
            }
        }
    }

    fn read(&self) -> Read {
        let loaded = (self.load)();
        Read {
            certificates: loaded.certs,
            errors: loaded.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Read> for InForce {
    fn from(read: Read) -> InForce {
        InForce {
            config: config_of(&read),
            read,
            looked_at: Instant::now(),
        }
    }
}

fn config_of(read: &Read) -> Result<Arc<ClientConfig>, Arc<str>> {
    let mut roots = RootCertStore::empty();
    // Machines carry one or the other that no library reads; it vouches for nobody then.
    let (added, _) = roots.add_parsable_certificates(read.certificates.iter().cloned());
    if added == 0 {
        let errors = read.errors.join("; ");
        let why = format!("no certificates were loaded from the system {errors}");
        return Err(why.trim_end().into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Arc::from(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls_native_certs::load_certs_from_paths;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        root.join("tests/fixtures/tls").join(name)
    }

    fn pem(name: &str) -> Vec<u8> {
        fs::read(fixture(name)).unwrap()
    }

    /// A bundle on disk, and who trusts it.
    struct Machine {
        directory: tempfile::TempDir,
        trust: Arc<Trust>,
    }

    impl Machine {
        fn with(bundle: &[u8]) -> Machine {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("bundle.pem");
            fs::write(&path, bundle).unwrap();
            let trust = Trust::of(move || load_certs_from_paths(Some(&path), None));
            let trust = Arc::new(trust);
            trust.config().unwrap();
            Machine { directory, trust }
        }

        fn renew(&self, bundle: &[u8]) {
            fs::write(self.directory.path().join("bundle.pem"), bundle).unwrap();
            self.trust.look();
        }

        /// Whether a server with a certificate of this authority is believed.
        async fn trusts(&self, authority: &str) -> bool {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let chain = CertificateDer::from_pem_file(fixture(&format!("{authority}-server.pem")));
            let key = PrivateKeyDer::from_pem_file(fixture(&format!("{authority}-server.key")));
            let server = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![chain.unwrap()], key.unwrap())
                .unwrap();
            let (here, there) = tokio::io::duplex(1 << 16);
            let server = TlsAcceptor::from(Arc::new(server));
            let accepting = tokio::spawn(async move { drop(server.accept(there).await) });
            let client = TlsConnector::from(self.trust.config().unwrap());
            let name = ServerName::try_from("localhost").unwrap();
            let connected = client.connect(name, here).await.is_ok();
            accepting.await.unwrap();
            connected
        }

        async fn check(&self, old: bool, new: bool) {
            assert_eq!(
                (self.trusts("old").await, self.trusts("new").await),
                (old, new)
            );
        }
    }

    #[tokio::test]
    async fn a_renewed_bundle_comes_into_force() {
        let machine = Machine::with(&pem("old-ca.pem"));
        machine.check(true, false).await;
        machine.renew(&[pem("old-ca.pem"), pem("new-ca.pem")].concat());
        machine.check(true, true).await;
        machine.renew(&[pem("new-ca.pem"), pem("new-server.pem")].concat());
        machine.check(false, true).await;
    }

    #[tokio::test]
    async fn half_a_bundle_changes_nothing() {
        let whole = [pem("old-ca.pem"), pem("new-ca.pem")].concat();
        let machine = Machine::with(&whole);
        let old = pem("old-ca.pem");
        let cuts = [
            0,
            1,
            old.len() / 2,
            old.len() - 1,
            old.len(),
            old.len() + 30,
            whole.len() - 40,
        ];
        for cut in cuts {
            machine.renew(&whole[..cut]);
            machine.check(true, true).await;
            machine.renew(&whole);
        }
        // What is no bundle at all is never taken.
        for _ in 0..3 {
            machine.renew(b"not a certificate");
            machine.check(true, true).await;
        }
    }

    #[tokio::test]
    async fn an_authority_that_stays_away_is_not_trusted_any_more() {
        let whole = [pem("old-ca.pem"), pem("new-ca.pem")].concat();
        let machine = Machine::with(&whole);
        machine.renew(&pem("new-ca.pem"));
        machine.check(true, true).await;
        machine.renew(&pem("new-ca.pem"));
        machine.check(false, true).await;
    }
}
