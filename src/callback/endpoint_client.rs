//! One endpoint: its connections, breakers, limits, keys, and what operators see of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime;
use tokio::time::Instant;
use tracing::{error, info};

use super::clients::Clients;
use super::destination::Destinations;
use super::health::{Health, Pass};
use super::pool::Pool;
use super::secret::{Keys, Secret, SecretError};
use super::source::Source;
use super::wire::{self, Answer, WireError};
use crate::decision::{Failure, FailureClass};
use crate::dialect::{self, Outgoing};
use crate::event::{Event, Moment};
use crate::in_flight::{InFlightLimit, InFlightPermit};
use crate::policy::{Endpoint, SignSettings};

/// What operators see of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    pub name: Arc<str>,
    pub url: String,
    /// What the calls of a candidate policy make of it, which are counted apart.
    pub is_candidates: bool,
    /// `closed`, `open` or `half_open`, for calls that are waited for.
    pub breaker: &'static str,
    /// How long the breaker stays open.
    pub open_left: Option<Duration>,
    /// The same for the delivery of events.
    pub delivery_breaker: &'static str,
    /// The hooks whose own breaker is not closed, with its state.
    pub hook_breakers: Vec<(&'static str, &'static str)>,
    pub in_flight: usize,
    /// What its server verifies our calls with, `whpk_…`; empty where both have the same secret.
    pub public_keys: Vec<String>,
    /// `answered`, `delivered` or the class of failure; `None` before the first call.
    pub last_outcome: Option<&'static str>,
    /// For failures: what happened.
    pub last_detail: String,
    /// Milliseconds since 1970.
    pub last_at_ms: u64,
}

/// One endpoint's connections, breakers and counters.
#[derive(Debug)]
pub(super) struct EndpointClient {
    shared: Arc<Clients>,
    /// Those of `shared` that fit, found without a look-up of all settings.
    pools: Mutex<HashMap<runtime::Id, Arc<Pool>>>,
    destinations: Destinations,
    /// What is learnt of the endpoint by asking is known when telling, and the reverse.
    pub(super) health: Health,
    /// Each has its own count, so that a backlog of events never keeps a message waiting.
    asking: InFlightLimit,
    telling: InFlightLimit,
    secret: Secret,
    /// An answer named events in a list that is not what it was meant to be, and that was logged.
    pub(super) odd_list: AtomicBool,
    last: Mutex<Last>,
    /// A policy names it; others are rooms, and go when they are not used.
    prepared: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Last {
    outcome: Option<&'static str>,
    detail: String,
    at_ms: u64,
    at: Option<Instant>,
}

impl EndpointClient {
    pub(super) fn new(shared: &Arc<Clients>) -> EndpointClient {
        EndpointClient {
            shared: Arc::clone(shared),
            pools: Mutex::default(),
            destinations: Destinations::default(),
            health: Health::default(),
            asking: InFlightLimit::default(),
            telling: InFlightLimit::default(),
            secret: Secret::default(),
            odd_list: AtomicBool::default(),
            last: Mutex::default(),
            prepared: AtomicBool::default(),
        }
    }

    /// Reads the keys now, so that what is wrong with them is seen before the first call.
    pub(super) fn prepare(&self, endpoint: &Endpoint) {
        self.prepared.store(true, Ordering::Relaxed);
        if endpoint.url.starts_with("https:") {
            // Reading the machine's certificates takes long; a call meets them read.
            if let Err(why) = self.shared.tls(endpoint) {
                error!(endpoint = %endpoint.name, %why, "the certificates that it is called with cannot be used");
            }
        }
        let Some(sign) = &endpoint.sign else {
            return self.secret.forget();
        };
        if let Err(why) = self.keys(endpoint, sign) {
            error!(endpoint = %endpoint.name, %why, "calls cannot be signed, so they are not made");
        }
    }

    /// Takes one of the endpoint's places and passes its breakers, or fails at once: nobody queues.
    pub(super) fn enter(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        now: Instant,
    ) -> Result<(InFlightPermit<'_>, Pass<'_>), Failure> {
        let limit = match event.hook.moment {
            Moment::Before => &self.asking,
            Moment::After => &self.telling,
        };
        let place = limit.acquire(endpoint.in_flight_max).ok_or_else(|| {
            let taken = limit.in_flight();
            Failure::new(
                FailureClass::Overloaded,
                format!("`{}` has {taken} calls in flight already", endpoint.name),
            )
        })?;
        let pass = self
            .health
            .enter(event.hook, Source::of(event), &endpoint.breaker, now)
            .map_err(|left| {
                Failure::new(
                    FailureClass::BreakerOpen,
                    format!("`{}` is not called for another {left:?}", endpoint.name),
                )
            })?;
        Ok((place, pass))
    }

    /// Adds the id of the call, and the signature if the endpoint's policy wants one.
    pub(super) fn sign(
        &self,
        endpoint: &Endpoint,
        id: &str,
        outgoing: &mut Outgoing,
    ) -> Result<(), Failure> {
        outgoing.headers.push(("webhook-id", id.to_owned()));
        let Some(sign) = &endpoint.sign else {
            return Ok(());
        };
        let keys = self.keys(endpoint, sign).map_err(|error| {
            let detail = format!("the secret of `{}` cannot be used: {error}", endpoint.name);
            Failure::new(FailureClass::Internal, detail)
        })?;
        let timestamp_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let signature = keys.sign(id, timestamp_s, &outgoing.body);
        let timestamp = timestamp_s.to_string();
        outgoing.headers.push(("webhook-timestamp", timestamp));
        outgoing.headers.push(("webhook-signature", signature));
        Ok(())
    }

    pub(super) fn keys(
        &self,
        endpoint: &Endpoint,
        sign: &SignSettings,
    ) -> Result<Arc<Keys>, SecretError> {
        let now = Instant::now().into_std();
        self.secret.keys(&sign.secret, now, |public_keys| {
            if public_keys.is_empty() {
                return;
            }
            let public_keys = public_keys.join(" ");
            info!(endpoint = %endpoint.name, public_keys, "calls are signed with private keys, and these verify them");
        })
    }

    /// Posts and waits for the head of the answer.
    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        outgoing: Outgoing,
    ) -> Result<Answer, WireError> {
        let allowed = &endpoint.allow_addresses;
        let destination = self.destinations.of(&outgoing.url, allowed)?;
        let pool = self.pool(endpoint);
        wire::post(&self.shared, pool, destination, endpoint, outgoing).await
    }

    fn pool(&self, endpoint: &Endpoint) -> Arc<Pool> {
        let here = runtime::Handle::current().id();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools
            .entry(here)
            .or_insert_with(|| self.shared.pool(endpoint));
        if !pool.settings.suit(endpoint) {
            *pool = self.shared.pool(endpoint);
        }
        Arc::clone(pool)
    }

    /// Whether a policy names it.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::Relaxed)
    }

    /// `None` when no call has ended yet.
    pub(super) fn used_at(&self) -> Option<Instant> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at
    }

    pub(super) fn note(&self, outcome: &'static str, detail: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.outcome = Some(outcome);
        last.at = Some(Instant::now());
        last.detail.clear();
        last.detail.push_str(detail);
        last.at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
    }

    pub(super) fn status(&self, name: &Arc<str>, url: &str, now: Instant) -> EndpointStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.health.obstacle(Moment::Before, now);
        let after = self.health.obstacle(Moment::After, now);
        EndpointStatus {
            name: Arc::clone(name),
            url: url.to_owned(),
            is_candidates: false,
            breaker: before.state,
            open_left: before.open_left,
            delivery_breaker: after.state,
            hook_breakers: [before.hooks, after.hooks].concat(),
            in_flight: self.asking.in_flight() + self.telling.in_flight(),
            public_keys: self.secret.public_keys(),
            last_outcome: last.outcome,
            last_detail: last.detail.clone(),
            last_at_ms: last.at_ms,
        }
    }
}

/// The URL to call: the endpoint's, or the one that the sender's client chose, if it may.
pub(super) fn url_for<'a>(endpoint: &'a Endpoint, event: &Event) -> Result<Cow<'a, str>, Failure> {
    let chosen = match endpoint.client_urls.is_empty() {
        true => None,
        false => dialect::of(endpoint.dialect).chosen_url(event),
    };
    match chosen {
        None => Ok(Cow::Borrowed(&endpoint.url)),
        Some(url) if endpoint.client_urls.iter().any(|one| one.covers(&url)) => Ok(url.into()),
        Some(_) => Err(Failure::new(
            FailureClass::BlockedAddress,
            format!(
                "`{}`: the client chose a URL that `client_urls` does not have",
                endpoint.name
            ),
        )),
    }
}

pub(super) fn failure_of(endpoint: &Endpoint, error: WireError) -> Failure {
    Failure::new(
        error.class,
        format!("`{}`: {}", endpoint.name, error.detail),
    )
}
