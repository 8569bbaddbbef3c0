//! Telling an endpoint of events that have happened: one call for one of them or for several.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use tokio::time::Instant;
use tracing::warn;

use super::cloudevents;
use super::endpoint_client::{EndpointClient, failure_of, url_for};
use super::failed::Names;
use super::registry::Callbacks;
use super::told::{Miss, Told};
use super::wire::Answer;
use crate::decision::{Failure, FailureClass};
use crate::dialect::{self, Outgoing};
use crate::event::{DialectId, Event};
use crate::policy::{Endpoint, EventFormat};

/// The part of an answer that is kept with a dead letter.
const ANSWER_KEPT_BYTES: usize = 1 << 10;
/// How long the body of an answer may take after its head.
const ANSWER_REST_TIME: Duration = Duration::from_secs(1);

/// An after event as it was stored.
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    /// The same for every attempt, so that the receiver can tell a repeat.
    pub id: &'a str,
    pub hook: &'a str,
    /// Name of the dialect that `body` is written in.
    pub dialect: &'a str,
    pub operation_id: &'a str,
    pub body: Bytes,
    /// Milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// How often it was replayed after it was dead.
    pub replays: u32,
    /// Rises in the order of acceptance.
    pub number: u64,
    /// Earlier events of its conversation that the endpoint did not get.
    pub missing: u64,
    /// Its conversation went on without it.
    pub aside: bool,
}

/// A stored event that was read again, ready to be told.
#[derive(Clone, Debug)]
pub struct Letter {
    pub id: String,
    pub event: Event,
    /// Milliseconds since 1970.
    pub accepted_at_ms: u64,
    pub replays: u32,
    pub number: u64,
    pub missing: u64,
    pub aside: bool,
}

impl Letter {
    /// Errors: what is wrong with the event, which could be read when it was accepted.
    pub fn read(stored: &Stored<'_>) -> Result<Letter, Miss> {
        let unreadable = |detail| Miss::of(Failure::new(FailureClass::Internal, detail));
        Ok(Letter {
            id: stored.id.to_owned(),
            event: event_of(stored).map_err(unreadable)?,
            accepted_at_ms: stored.accepted_at_ms,
            replays: stored.replays,
            number: stored.number,
            missing: stored.missing,
            aside: stored.aside,
        })
    }
}

/// Whether an endpoint can be told of events now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// The breaker lets so many calls try it.
    Trying(usize),
    /// The breaker is open for so long.
    Resting(Duration),
}

impl Callbacks {
    /// Tells an endpoint of events that have happened, in one call. There must be one at least;
    /// several only if it [takes batches](Self::takes_batches).
    pub async fn tell(&self, endpoint: &Endpoint, letters: &[&Letter], timeout: Duration) -> Told {
        let client = self.client(endpoint);
        let told = client.tell(endpoint, letters, timeout).await;
        client.note(told.name(), told.miss().map_or("", |miss| &miss.detail));
        told
    }

    /// Whether events such as this one can share a call with others of its hook.
    pub fn takes_batches(&self, endpoint: &Endpoint, letter: &Letter) -> bool {
        endpoint.events.batch_events_max > 1
            && match endpoint.events.format {
                EventFormat::CloudEvents => true,
                EventFormat::Dialect => dialect::of(endpoint.dialect)
                    .request_batch(&endpoint.url, std::slice::from_ref(&letter.event))
                    .is_some(),
            }
    }

    /// Whether it is worth while to begin a call that tells.
    pub fn readiness(&self, endpoint: &Endpoint) -> Readiness {
        let client = self.client(endpoint);
        let now = Instant::now();
        let breaker = client.telling.lock();
        match (breaker.state(now), breaker.open_left(now)) {
            ("closed", _) => Readiness::Ready,
            (_, Some(left)) => Readiness::Resting(left),
            _ => Readiness::Trying(endpoint.breaker.probes as usize),
        }
    }
}

impl EndpointClient {
    async fn tell(&self, endpoint: &Endpoint, letters: &[&Letter], timeout: Duration) -> Told {
        let now = Instant::now();
        let outgoing = match self.outgoing(endpoint, letters) {
            Ok(outgoing) => outgoing,
            Err(failure) if failure.class == FailureClass::BlockedAddress => {
                return Told::from_failure(failure);
            }
            Err(failure) => return Told::NotSent(Miss::of(failure)),
        };
        let guarded = self
            .telling
            .acquire(endpoint)
            .and_then(|in_flight| Ok((in_flight, self.telling.permit(endpoint, now)?)));
        let (_in_flight, permit) = match guarded {
            Ok(guarded) => guarded,
            Err(failure) => return Told::NotSent(Miss::of(failure)),
        };
        let until = now + timeout;
        let call = self.client(endpoint).post(endpoint, outgoing);
        let told = match tokio::time::timeout_at(until, call).await {
            Ok(Ok(answer)) => self.conclude(endpoint, letters, answer, until).await,
            Ok(Err(error)) => Told::from_failure(failure_of(endpoint, error)),
            Err(_) => Told::from_failure(Failure::new(
                FailureClass::Timeout,
                format!("`{}` did not answer within {timeout:?}", endpoint.name),
            )),
        };
        permit.end(told.ending(), &endpoint.breaker, Instant::now());
        told
    }

    /// What an answer means for the events. Its head is enough: what follows it, or never comes,
    /// is read for the connection's sake, for the operator's, and because it may name events
    /// that are to come again.
    async fn conclude(
        &self,
        endpoint: &Endpoint,
        letters: &[&Letter],
        answer: Answer,
        until: Instant,
    ) -> Told {
        let (status, retry_after) = (answer.status, answer.retry_after);
        let delivered = match endpoint.events.success.as_slice() {
            [] => dialect::of(endpoint.dialect).acknowledges(status),
            success => success.contains(&status),
        };
        let names = delivered.then(|| Names::of(endpoint, letters)).flatten();
        let body = match names {
            Some(_) => answer.beginning(endpoint.answer_bytes_max, until).await,
            None => {
                let until = until.min(Instant::now() + ANSWER_REST_TIME);
                answer.beginning(ANSWER_KEPT_BYTES, until).await
            }
        };
        let kept = &body[..body.len().min(ANSWER_KEPT_BYTES)];
        let detail = format!("`{}` answered {status}", endpoint.name);
        let miss = Miss {
            retry_after,
            answer: String::from_utf8_lossy(kept).into_owned(),
            ..Miss::of(Failure::new(FailureClass::HttpStatus, detail))
        };
        let Some(names) = names else {
            return Told::from_status(status, delivered, miss);
        };
        let named = names.read(&body);
        if let Some(warning) = named.warning
            && !self.odd_list.swap(true, Ordering::Relaxed)
        {
            warn!(endpoint = %endpoint.name, warning, "what an answer does not name counts as delivered; this is said once");
        }
        Told::without(named.failed, letters.len(), miss)
    }

    /// Writes the call, and signs it anew for each attempt.
    fn outgoing(&self, endpoint: &Endpoint, letters: &[&Letter]) -> Result<Outgoing, Failure> {
        let dialect = dialect::of(endpoint.dialect);
        let written = match (endpoint.events.format, letters) {
            (EventFormat::CloudEvents, _) => Some(cloudevents::batch(endpoint, letters)),
            (EventFormat::Dialect, [letter]) => {
                let url = url_for(endpoint, &letter.event)?;
                let mut outgoing = dialect.request(&url, &letter.event, None);
                if dialect.needs_api_key(letter.event.hook) {
                    let key = endpoint.im_api_key.reveal().to_owned();
                    outgoing.headers.push(("IM-API-KEY", key));
                }
                Some(outgoing)
            }
            (EventFormat::Dialect, _) => {
                let events: Vec<Event> =
                    letters.iter().map(|letter| letter.event.clone()).collect();
                dialect.request_batch(&endpoint.url, &events)
            }
        };
        let mut outgoing = written.ok_or_else(|| {
            let detail = format!("`{}` takes no batches", endpoint.name);
            Failure::new(FailureClass::Internal, detail)
        })?;
        self.sign(endpoint, &id_of(letters), &mut outgoing)?;
        outgoing.headers.extend(order_headers(letters));
        Ok(outgoing)
    }
}

/// What the receiver can tell a repeat, a gap and a break of the order by. Of a batch, what holds
/// for any of its events; CloudEvents say it of each.
fn order_headers(letters: &[&Letter]) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let [letter] = letters {
        headers.push(("webhook-sequence", letter.number.to_string()));
    }
    let replays = letters.iter().map(|letter| letter.replays).max();
    if let Some(replays @ 1..) = replays {
        headers.push(("webhook-replay", replays.to_string()));
    }
    let missing: u64 = letters.iter().map(|letter| letter.missing).sum();
    if missing > 0 {
        headers.push(("webhook-missing", missing.to_string()));
    }
    if letters.iter().any(|letter| letter.aside) {
        headers.push(("webhook-out-of-order", "true".to_owned()));
    }
    headers
}

/// The event's own id, or for a batch one that is the same whenever the same events are told.
fn id_of(letters: &[&Letter]) -> String {
    if let [letter] = letters {
        return letter.id.clone();
    }
    let mut sha = Context::new(&SHA256);
    for letter in letters {
        // The length in front keeps `ab` + `c` and `a` + `bc` apart.
        sha.update(&(letter.id.len() as u64).to_be_bytes());
        sha.update(letter.id.as_bytes());
    }
    let hex: String = sha.finish().as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("batch_{hex}")
}

/// Reads a stored event again; it could be read when it was accepted.
fn event_of(stored: &Stored<'_>) -> Result<Event, String> {
    let id = DialectId::from_name(stored.dialect)
        .ok_or_else(|| format!("its dialect `{}` is unknown", stored.dialect))?;
    let hook = dialect::hook(stored.hook)
        .ok_or_else(|| format!("its hook `{}` is unknown", stored.hook))?;
    dialect::of(id)
        .decode_one(hook, stored.operation_id, stored.body.clone())
        .map_err(|unreadable| format!("it cannot be read: {}", unreadable.reason))
}
