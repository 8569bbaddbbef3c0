//! Every endpoint that is called, found by its name and URL, and by who asks it.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tokio::time::Instant;

use super::clients::Clients;
use super::endpoint_client::{EndpointClient, EndpointStatus};
use crate::event::Hook;
use crate::policy::Endpoint;
use crate::tls::CertificateStatus;

/// Endpoints whose state is kept. A policy has few; the rooms of a chat server, each with a bot at
/// a URL of its own, can be very many.
const CLIENTS_MAX: usize = 1000;
/// Of those that no policy names, how many operators are shown.
const OTHERS_SHOWN: usize = 100;

/// Every endpoint that was called lately, with its protections.
#[derive(Debug)]
pub struct Callbacks {
    shared: Arc<Clients>,
    clients: RwLock<HashMap<ClientKey, Arc<EndpointClient>>>,
}

/// Which policy asks. What a candidate makes fail, such as by a wrong secret, must not open the breaker
/// for the policy in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Policy,
    Candidate,
}

/// An endpoint's name and URL.
type ClientKey = (Arc<str>, String, Side);

/// The same, borrowed, so that a look-up copies nothing.
trait Named {
    fn key(&self) -> (&str, &str, Side);
}

impl Named for ClientKey {
    fn key(&self) -> (&str, &str, Side) {
        (&self.0, &self.1, self.2)
    }
}

impl Named for (&Endpoint, Side) {
    fn key(&self) -> (&str, &str, Side) {
        (&self.0.name, &self.0.url, self.1)
    }
}

impl<'a> Borrow<dyn Named + 'a> for ClientKey {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl Hash for dyn Named + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As the owned key hashes.
        self.key().hash(state);
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Named + '_ {}

impl Callbacks {
    /// `installation` is what our own calls are known by when they come back, and `listeners` where
    /// they would.
    pub fn new(installation: &str, listeners: Vec<SocketAddr>) -> Callbacks {
        Callbacks {
            shared: Arc::new(Clients::new(installation, listeners)),
            clients: RwLock::default(),
        }
    }

    /// Drops the state of endpoints that no policy names any more. Those that are called at
    /// another URL than the policy's, as rooms are, stay with the endpoint whose name they have.
    pub fn keep_only<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) {
        let keep = endpoints.map(|endpoint| key_of(endpoint, Side::Policy));
        let keep: HashSet<_> = keep.collect();
        let names: HashSet<_> = keep.iter().map(|(name, ..)| name).collect();
        let certificates = self.shared.certificates();
        certificates.keep_only(|name| names.iter().any(|known| ***known == *name));
        let mut clients = self.write();
        clients.retain(|key, client| {
            keep.contains(key) || (!client.is_prepared() && names.contains(&key.0))
        });
    }

    /// Makes the state of an endpoint now, so that operators see it before its first call.
    pub fn prepare(&self, endpoint: &Endpoint) {
        self.client(endpoint).prepare(endpoint);
    }

    /// Reads certificates of endpoints again that have changed. Blocks while it reads.
    pub fn look_at_certificates(&self) {
        self.shared.certificates().look();
    }

    /// The certificates of all endpoints whose policies name some.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        self.shared.certificates().status()
    }

    /// A policy tells the endpoint of this hook, perhaps never yet.
    pub fn expect(&self, endpoint: &Endpoint, hook: Hook) {
        self.client(endpoint).health.expect(hook);
    }

    /// Every endpoint of the policy, and of those at other URLs the ones that fail or were called
    /// last.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let now = Instant::now();
        let (mut all, mut others): (Vec<_>, Vec<_>) = {
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            let all = clients.iter().map(|((name, url, side), client)| {
                let status = EndpointStatus {
                    is_candidates: *side == Side::Candidate,
                    ..client.status(name, url, now)
                };
                (client.is_prepared(), status)
            });
            all.partition(|(prepared, _)| *prepared)
        };
        others.sort_by_key(|(_, status)| {
            let fails = status.breaker != "closed" || status.delivery_breaker != "closed";
            (!fails, Reverse(status.last_at_ms))
        });
        others.truncate(OTHERS_SHOWN);
        all.extend(others);
        all.sort_by(|(a_prepared, a), (b_prepared, b)| {
            (&a.name, !a_prepared, a.is_candidates, &a.url).cmp(&(
                &b.name,
                !b_prepared,
                b.is_candidates,
                &b.url,
            ))
        });
        all.into_iter().map(|(_, status)| status).collect()
    }

    /// What all endpoints share.
    pub(super) fn shared(&self) -> &Clients {
        &self.shared
    }

    pub(super) fn client(&self, endpoint: &Endpoint) -> Arc<EndpointClient> {
        self.client_of(endpoint, Side::Policy)
    }

    pub(super) fn client_of(&self, endpoint: &Endpoint, side: Side) -> Arc<EndpointClient> {
        {
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(client) = clients.get(&(endpoint, side) as &dyn Named) {
                return Arc::clone(client);
            }
        }
        let mut clients = self.write();
        if clients.len() >= CLIENTS_MAX {
            forget_idle(&mut clients);
        }
        let client = clients
            .entry(key_of(endpoint, side))
            .or_insert_with(|| Arc::new(EndpointClient::new(&self.shared)));
        Arc::clone(client)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<ClientKey, Arc<EndpointClient>>> {
        self.clients.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a quarter of what no policy names: those that were used longest ago. Their next call
/// makes them anew; who holds one uses it to the end of the call.
fn forget_idle(clients: &mut HashMap<ClientKey, Arc<EndpointClient>>) {
    let mut idle: Vec<_> = clients
        .iter()
        .filter(|(_, client)| !client.is_prepared() && Arc::strong_count(client) == 1)
        .map(|(key, client)| (client.used_at(), key.clone()))
        .collect();
    idle.sort_unstable_by_key(|(used_at, _)| *used_at);
    idle.truncate(CLIENTS_MAX / 4);
    for (_, key) in idle {
        clients.remove(&key);
    }
}

fn key_of(endpoint: &Endpoint, side: Side) -> ClientKey {
    (Arc::clone(&endpoint.name), endpoint.url.clone(), side)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::policy::{CompileContext, FileSet};

    /// An endpoint of a policy.
    pub(in crate::callback) fn endpoint_of(policy: &str, name: &str) -> Endpoint {
        let files = [("policy.yaml".to_owned(), policy.as_bytes().into())];
        let files = FileSet {
            files: files.into_iter().collect(),
            ..FileSet::default()
        };
        let compiled = crate::policy::compile(&files, &CompileContext::default(), 1);
        let snapshot = compiled.snapshot.expect("the policy is good");
        Endpoint::clone(snapshot.endpoint(name).unwrap())
    }

    fn endpoint() -> Endpoint {
        static BOT: OnceLock<Endpoint> = OnceLock::new();
        let text = "endpoints: {bot: {url: 'http://127.0.0.1:9/x', dialect: funtek}}\nhooks: {funtek.MESSAGE: {endpoint: bot}}\n";
        BOT.get_or_init(|| endpoint_of(text, "bot")).clone()
    }

    fn room(number: usize) -> Endpoint {
        Endpoint {
            url: format!("http://127.0.0.1:9/room/{number}"),
            ..endpoint()
        }
    }

    #[test]
    fn rooms_are_forgotten_and_endpoints_are_not() {
        let callbacks = Callbacks::new("test", Vec::new());
        callbacks.prepare(&endpoint());
        let held = callbacks.client(&room(0));
        for number in 0..10 * CLIENTS_MAX {
            callbacks.client(&room(number)).note("answered", "");
        }
        let kept = callbacks.write().len();
        assert!(kept <= CLIENTS_MAX, "{kept}");
        let status = callbacks.status();
        assert_eq!(status.len(), 1 + OTHERS_SHOWN);
        assert_eq!(status[0].url, endpoint().url);
        // In use it is the same, and what was used last is still known.
        assert!(Arc::ptr_eq(&held, &callbacks.client(&room(0))));
        let last = key_of(&room(10 * CLIENTS_MAX - 1), Side::Policy);
        assert!(callbacks.write().contains_key(&last));
    }

    #[test]
    fn what_a_candidate_makes_of_an_endpoint_is_its_own() {
        let callbacks = Callbacks::new("test", Vec::new());
        let [policy, candidate] =
            [Side::Policy, Side::Candidate].map(|side| callbacks.client_of(&endpoint(), side));
        assert!(!Arc::ptr_eq(&policy, &candidate));
        assert!(Arc::ptr_eq(&policy, &callbacks.client(&endpoint())));
        // Another policy in force has not moved it.
        callbacks.prepare(&endpoint());
        callbacks.keep_only([&endpoint()].into_iter());
        let again = callbacks.client_of(&endpoint(), Side::Candidate);
        assert!(Arc::ptr_eq(&candidate, &again));
    }

    #[test]
    fn a_new_policy_keeps_the_rooms_of_endpoints_that_it_has() {
        let callbacks = Callbacks::new("test", Vec::new());
        callbacks.prepare(&endpoint());
        callbacks.client(&room(1));
        callbacks.keep_only([&endpoint()].into_iter());
        assert_eq!(callbacks.write().len(), 2);
        let moved = room(2);
        callbacks.prepare(&moved);
        callbacks.keep_only([&moved].into_iter());
        let names: Vec<_> = callbacks.status().into_iter().map(|one| one.url).collect();
        assert_eq!(names, [room(2).url, room(1).url]);
        callbacks.keep_only([].into_iter());
        assert_eq!(callbacks.write().len(), 0);
    }
}
