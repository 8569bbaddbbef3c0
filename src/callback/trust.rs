//! Whom connections with TLS trust: what the machine trusts, looked at again now and then, so that
//! a renewed bundle of certificates comes into force.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tracing::warn;

/// How soon renewed certificates are noticed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Reading the machine's certificates takes long, so it is done once for all connections, and
/// again beside them.
#[derive(Debug, Default)]
pub(super) struct Trust {
    read: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    config: Result<Arc<ClientConfig>, Arc<str>>,
    at: Instant,
}

impl Trust {
    /// The configuration of a connection. The first time it is read now.
    pub(super) fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, Arc<str>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = read.get_or_insert_with(|| Read {
            config: trust(),
            at: Instant::now(),
        });
        if known.at.elapsed() >= LOOK_AGAIN {
            // Also what keeps a second thread from being started.
            known.at = Instant::now();
            let trust = Arc::clone(self);
            let look = move || trust.look();
            if let Err(error) = thread::Builder::new().spawn(look) {
                warn!(%error, "the machine's certificates could not be read again");
            }
        }
        known.config.clone()
    }

    fn look(&self) {
        let config = trust();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = read.as_ref().is_some_and(|known| known.config.is_ok());
        match &config {
            Err(why) if known => {
                warn!(%why, "the machine's certificates cannot be read again, those from before are used");
            }
            _ => {
                let at = Instant::now();
                *read = Some(Read { config, at });
            }
        }
    }
}

fn trust() -> Result<Arc<ClientConfig>, Arc<str>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let built = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|versions| versions.with_platform_verifier());
    let mut config = built
        .map_err(|error| Arc::from(error.to_string()))?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
