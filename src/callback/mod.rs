//! Asking and telling an endpoint: one HTTP call, and everything that protects both sides of it.
//!
//! Owns: connections, the circuit breaker, the limit of calls in flight, the address guard,
//! signatures, and the one place where a call's end becomes an [`Outcome`].
//! Leaves alone: what an outcome leads to (`policy`), bodies and answers (`dialect`), and when an
//! event is told again (`hook::deliver`).
//!
//! State belongs to an endpoint's name and URL, not to a policy version: it survives a reload.

mod breaker;
mod cloudevents;
mod failed;
mod guard;
mod secret;
mod tell;
mod told;
mod wire;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime;
use tokio::time::Instant;
use tracing::{error, info};
use uuid::Uuid;

use crate::decision::{Failure, FailureClass, Outcome, Replacement};
use crate::dialect::{self, AnswerWarning, Outgoing, Reading};
use crate::event::Event;
use crate::policy::{Endpoint, SignSettings};

use breaker::{Breaker, Ending, Permit};
pub use guard::{forbidden, literal_is_forbidden};
use secret::{Keys, Secret, SecretError};
pub use tell::{Letter, Readiness, Stored};
pub use told::{Miss, Told};
use wire::{Client, Tls, WireError};

/// Less time than this is not worth a call: it would be load without an answer.
const CALL_TIME_MIN: Duration = Duration::from_millis(5);

/// How long an answer is worth waiting for.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    /// The hook's own `timeout`, counted from the call to the endpoint.
    pub timeout: Duration,
    /// When the caller's limit, less our margin, is reached.
    pub deadline: Instant,
}

/// How asking ended, with what the log should say about it.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    /// The answer means something else than its author thinks.
    pub warning: Option<AnswerWarning>,
    pub elapsed: Duration,
}

/// What operators see of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    pub name: Arc<str>,
    pub url: String,
    /// `closed`, `open` or `half_open`, for calls that are waited for.
    pub breaker: &'static str,
    /// How long the breaker stays open.
    pub open_left: Option<Duration>,
    /// The same for the delivery of events.
    pub delivery_breaker: &'static str,
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

/// Every endpoint that was ever called, with its connections and protections.
#[derive(Debug, Default)]
pub struct Callbacks {
    lines: RwLock<HashMap<LineKey, Arc<Line>>>,
}

/// An endpoint's name and URL.
type LineKey = (Arc<str>, String);

/// One endpoint's connections, breakers and counters.
#[derive(Debug)]
struct Line {
    /// A connection is driven by the runtime that opened it. With a pool for each runtime a call
    /// stays on its thread; a shared pool wakes another thread twice a call.
    clients: Mutex<HashMap<runtime::Id, Client>>,
    tls: Tls,
    asking: Side,
    telling: Side,
    secret: Secret,
    /// An answer named events in a list that is not what it was meant to be, and that was logged.
    odd_list: AtomicBool,
    last: Mutex<Last>,
}

/// Asking and telling have their own breaker and count, so that a backlog of events never keeps
/// a message waiting.
#[derive(Debug, Default)]
struct Side {
    breaker: Arc<Mutex<Breaker>>,
    in_flight: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
struct Last {
    outcome: Option<&'static str>,
    detail: String,
    at_ms: u64,
}

impl Callbacks {
    /// Asks an endpoint about an event and waits no longer than `budget` allows.
    ///
    /// `replacement` is what the filters changed; the endpoint sees the event with it.
    /// Never fails: every failure is an [`Outcome::Failure`] with its class.
    pub async fn ask(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        replacement: Option<&Replacement>,
        budget: TimeBudget,
    ) -> Asked {
        let started = Instant::now();
        let line = self.line(endpoint);
        let (outcome, warning) = match line.ask(endpoint, event, replacement, budget).await {
            Ok(Reading { outcome, warning }) => (outcome, warning),
            Err(failure) => (Outcome::Failure(failure), None),
        };
        match &outcome {
            Outcome::Answer(_) => line.note("answered", ""),
            Outcome::Failure(failure) => line.note(failure.class.name(), &failure.detail),
        }
        Asked {
            outcome,
            warning,
            elapsed: started.elapsed(),
        }
    }

    /// Drops the state of endpoints that no policy names any more.
    pub fn keep_only<'a>(&self, endpoints: impl Iterator<Item = &'a Endpoint>) {
        let keep: Vec<_> = endpoints.map(key_of).collect();
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|key, _| keep.contains(key));
    }

    /// Makes the state of an endpoint now, so that operators see it before its first call.
    pub fn prepare(&self, endpoint: &Endpoint) {
        let line = self.line(endpoint);
        let Some(sign) = &endpoint.sign else {
            return line.secret.forget();
        };
        if let Err(why) = line.keys(endpoint, sign) {
            error!(endpoint = %endpoint.name, %why, "calls cannot be signed, so they are not made");
        }
    }

    pub fn status(&self) -> Vec<EndpointStatus> {
        let now = Instant::now();
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = lines
            .iter()
            .map(|((name, url), line)| line.status(name, url, now))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn line(&self, endpoint: &Endpoint) -> Arc<Line> {
        let key = key_of(endpoint);
        {
            let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(line) = lines.get(&key) {
                return Arc::clone(line);
            }
        }
        let mut lines = self.lines.write().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(key).or_insert_with(|| {
            Arc::new(Line {
                clients: Mutex::default(),
                tls: Tls::new(endpoint),
                asking: Side::default(),
                telling: Side::default(),
                secret: Secret::default(),
                odd_list: AtomicBool::default(),
                last: Mutex::default(),
            })
        });
        Arc::clone(line)
    }
}

impl Line {
    async fn ask(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        replacement: Option<&Replacement>,
        budget: TimeBudget,
    ) -> Result<Reading, Failure> {
        let now = Instant::now();
        let own = now + budget.timeout;
        // The shorter limit gives the failure its name: `deadline` is the caller's.
        let (until, late) = if budget.deadline < own {
            (budget.deadline, FailureClass::Deadline)
        } else {
            (own, FailureClass::Timeout)
        };
        let left = until.saturating_duration_since(now);
        if left < CALL_TIME_MIN {
            return Err(Failure::new(
                FailureClass::Deadline,
                format!("`{}` was not called: {left:?} left", endpoint.name),
            ));
        }
        let dialect = dialect::of(endpoint.dialect);
        let url = url_for(endpoint, event)?;
        let _seat = self.asking.seat(endpoint)?;
        let permit = self.asking.permit(endpoint, now)?;
        let mut outgoing = dialect.request(&url, event, replacement);
        let left_ms = left.as_millis().to_string();
        outgoing.headers.push(("x-callback-timeout-ms", left_ms));
        if endpoint.sign.as_ref().is_some_and(|sign| sign.before) {
            self.sign(endpoint, &Uuid::now_v7().to_string(), &mut outgoing)?;
        }
        let client = self.client(endpoint);
        let call = async {
            let answer = client.post(endpoint, outgoing).await?;
            let status = answer.status;
            let body = answer.body(endpoint.answer_bytes_max).await?;
            Ok::<_, WireError>((status, body))
        };
        let (status, body) = match tokio::time::timeout_at(until, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                permit.end(ending_of(error.class), &endpoint.breaker, Instant::now());
                return Err(failure_of(endpoint, error));
            }
            Err(_) => {
                permit.end(ending_of(late), &endpoint.breaker, Instant::now());
                return Err(Failure::new(
                    late,
                    format!("`{}` did not answer within {left:?}", endpoint.name),
                ));
            }
        };
        let reading = dialect.read_answer(event, status, &body, endpoint.answers);
        let ending = match &reading.outcome {
            Outcome::Answer(_) => Ending::Success,
            Outcome::Failure(failure) if failure.class == FailureClass::HttpStatus => {
                ending_of_status(status)
            }
            Outcome::Failure(failure) => ending_of(failure.class),
        };
        permit.end(ending, &endpoint.breaker, Instant::now());
        Ok(reading)
    }

    /// Adds the id of the call, and the signature if the endpoint's policy wants one.
    fn sign(&self, endpoint: &Endpoint, id: &str, outgoing: &mut Outgoing) -> Result<(), Failure> {
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

    fn keys(&self, endpoint: &Endpoint, sign: &SignSettings) -> Result<Arc<Keys>, SecretError> {
        let now = Instant::now().into_std();
        self.secret.keys(&sign.secret, now, |public_keys| {
            if public_keys.is_empty() {
                return;
            }
            let public_keys = public_keys.join(" ");
            info!(endpoint = %endpoint.name, public_keys, "calls are signed with private keys, and these verify them");
        })
    }

    fn client(&self, endpoint: &Endpoint) -> Client {
        let here = runtime::Handle::current().id();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients
            .entry(here)
            .or_insert_with(|| Client::new(endpoint, &self.tls));
        if !client.suits(endpoint) {
            *client = Client::new(endpoint, &self.tls);
        }
        client.clone()
    }

    fn note(&self, outcome: &'static str, detail: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.outcome = Some(outcome);
        last.detail.clear();
        last.detail.push_str(detail);
        last.at_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
    }

    fn status(&self, name: &Arc<str>, url: &str, now: Instant) -> EndpointStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let asking = self.asking.lock();
        EndpointStatus {
            name: Arc::clone(name),
            url: url.to_owned(),
            breaker: asking.state(now),
            open_left: asking.open_left(now),
            delivery_breaker: self.telling.lock().state(now),
            in_flight: self.asking.in_flight.load(Ordering::Relaxed)
                + self.telling.in_flight.load(Ordering::Relaxed),
            public_keys: self.secret.public_keys(),
            last_outcome: last.outcome,
            last_detail: last.detail.clone(),
            last_at_ms: last.at_ms,
        }
    }
}

impl Side {
    /// Takes one of the endpoint's seats, or fails at once: nobody queues.
    fn seat(&self, endpoint: &Endpoint) -> Result<Seat<'_>, Failure> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(&self.in_flight);
        if taken >= endpoint.in_flight_max {
            return Err(Failure::new(
                FailureClass::Overloaded,
                format!("`{}` has {taken} calls in flight already", endpoint.name),
            ));
        }
        Ok(seat)
    }

    fn permit(&self, endpoint: &Endpoint, now: Instant) -> Result<Permit, Failure> {
        Breaker::enter(&self.breaker, &endpoint.breaker, now).map_err(|left| {
            Failure::new(
                FailureClass::BreakerOpen,
                format!("`{}` is not called for another {left:?}", endpoint.name),
            )
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call in flight; given back when it ends in whatever way.
struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The URL to call: the endpoint's, or the one that the sender's client chose, if it may.
fn url_for<'a>(endpoint: &'a Endpoint, event: &Event) -> Result<Cow<'a, str>, Failure> {
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

fn key_of(endpoint: &Endpoint) -> LineKey {
    (Arc::clone(&endpoint.name), endpoint.url.clone())
}

fn failure_of(endpoint: &Endpoint, error: WireError) -> Failure {
    Failure::new(
        error.class,
        format!("`{}`: {}", endpoint.name, error.detail),
    )
}

/// What a failed call says about the endpoint's health.
fn ending_of(class: FailureClass) -> Ending {
    match class {
        FailureClass::Timeout
        | FailureClass::Connect
        | FailureClass::HttpStatus
        | FailureClass::InvalidAnswer
        | FailureClass::TooLarge => Ending::Failure,
        // None of these was the endpoint's doing: the caller's limit may be far shorter than
        // the hook's, and the rest never reached it.
        FailureClass::Deadline
        | FailureClass::BlockedAddress
        | FailureClass::BreakerOpen
        | FailureClass::Overloaded
        | FailureClass::Internal
        | FailureClass::UnreadableCall => Ending::Unknown,
    }
}

/// A server that refuses with 4xx is alive; one that is overloaded or broken is not.
fn ending_of_status(status: u16) -> Ending {
    if status == 429 || status >= 500 {
        Ending::Failure
    } else {
        Ending::Success
    }
}
