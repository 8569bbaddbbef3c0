//! Every endpoint that is called, found by its name and URL.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::time::Instant;

use super::clients::Clients;
use super::endpoint_client::{EndpointClient, EndpointStatus};
use crate::policy::Endpoint;

/// Every endpoint that was ever called, with its connections and protections.
#[derive(Debug)]
pub struct Callbacks {
    shared: Arc<Clients>,
    clients: RwLock<HashMap<ClientKey, Arc<EndpointClient>>>,
}

/// An endpoint's name and URL.
type ClientKey = (Arc<str>, String);

impl Callbacks {
    /// `installation` is what our own calls are known by when they come back, and `listeners` where
    /// they would.
    pub fn new(installation: &str, listeners: Vec<SocketAddr>) -> Callbacks {
        Callbacks {
            shared: Arc::new(Clients::new(installation, listeners)),
            clients: RwLock::default(),
        }
    }

    /// Drops the state of endpoints that no policy names any more.
    pub fn keep_only<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) {
        let keep: Vec<_> = endpoints.map(key_of).collect();
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|key, _| keep.contains(key));
    }

    /// Makes the state of an endpoint now, so that operators see it before its first call.
    pub fn prepare(&self, endpoint: &Endpoint) {
        self.client(endpoint).prepare(endpoint);
    }

    pub fn status(&self) -> Vec<EndpointStatus> {
        let now = Instant::now();
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = clients
            .iter()
            .map(|((name, url), client)| client.status(name, url, now))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(super) fn client(&self, endpoint: &Endpoint) -> Arc<EndpointClient> {
        let key = key_of(endpoint);
        {
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(client) = clients.get(&key) {
                return Arc::clone(client);
            }
        }
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        let client = clients
            .entry(key)
            .or_insert_with(|| Arc::new(EndpointClient::new(&self.shared)));
        Arc::clone(client)
    }
}

fn key_of(endpoint: &Endpoint) -> ClientKey {
    (Arc::clone(&endpoint.name), endpoint.url.clone())
}
