//! What all endpoints share: pools of connections, whom TLS trusts, and who we are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use rustls::ClientConfig;
use tokio::runtime;

use super::certificates::Certificates;
use super::own::OwnAddresses;
use super::pool::{Pool, PoolSettings};
use super::trust::Trust;
use crate::policy::Endpoint;

#[derive(Debug)]
pub(super) struct Clients {
    pools: Mutex<HashMap<(runtime::Id, PoolSettings), Arc<Pool>>>,
    trust: Arc<Trust>,
    certificates: Certificates,
    own: OwnAddresses,
    hop: HeaderValue,
}

impl Clients {
    /// `installation` is what our calls are known by; it must be visible ASCII.
    pub(super) fn new(installation: &str, listeners: Vec<SocketAddr>) -> Clients {
        let own = OwnAddresses::default();
        own.set(listeners);
        Clients {
            pools: Mutex::default(),
            trust: Arc::default(),
            certificates: Certificates::default(),
            own,
            hop: HeaderValue::from_str(installation)
                .unwrap_or(HeaderValue::from_static("callgate")),
        }
    }

    /// The pool of this runtime for an endpoint's settings.
    pub(super) fn pool(&self, endpoint: &Endpoint) -> Arc<Pool> {
        let key = (runtime::Handle::current().id(), PoolSettings::of(endpoint));
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Arc::clone(pool);
        }
        // Those of settings that a policy had before, which nobody holds any more.
        pools.retain(|_, pool| Arc::strong_count(pool) > 1);
        let pool = Arc::new(Pool::new(key.1.clone()));
        pools.insert(key, Arc::clone(&pool));
        pool
    }

    /// What a connection to an endpoint that is made now is made with.
    pub(super) fn tls(&self, endpoint: &Endpoint) -> Result<Arc<ClientConfig>, Arc<str>> {
        match Certificates::names(endpoint) {
            true => self.certificates.config(endpoint),
            false => self.trust.config(),
        }
    }

    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    pub(super) fn own(&self) -> &OwnAddresses {
        &self.own
    }

    pub(super) fn hop(&self) -> &HeaderValue {
        &self.hop
    }
}
