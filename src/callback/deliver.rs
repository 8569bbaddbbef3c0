//! Delivering events that have happened to an endpoint: one call for one of them or for several.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ring::digest::{Context, SHA256};
use tokio::time::Instant;
use tracing::warn;

use super::cloudevents::{self, Envelope};
use super::delivery::{Delivery, DeliveryError};
use super::endpoint_client::{EndpointClient, failure_of, url_for};
use super::failed::Names;
use super::registry::Callbacks;
use super::stored::ReadEvent;
use super::wire::Answer;
use crate::decision::{Failure, FailureClass};
use crate::dialect::{self, Outgoing};
use crate::event::Event;
use crate::policy::{Endpoint, EventFormat};

/// The header of a key for the IM server's own API.
pub(super) const API_KEY: &str = "IM-API-KEY";
/// The part of an answer that is kept with a dead letter.
const ANSWER_KEPT_BYTES: usize = 1 << 10;
/// How long the body of an answer may take after its head.
const ANSWER_REST_TIME: Duration = Duration::from_secs(1);

/// Whether an endpoint takes events of a hook together in one call.
pub fn takes_batches(endpoint: &Endpoint, hook: &str) -> bool {
    endpoint.events.batch_events_max > 1
        && match endpoint.events.format {
            EventFormat::CloudEvents => true,
            EventFormat::Dialect => dialect::hook(hook)
                .is_some_and(|hook| dialect::of(endpoint.dialect).takes_batches(hook)),
        }
}

/// The hooks whose events an endpoint takes together.
pub fn batched_hooks(endpoint: &Endpoint) -> Arc<[&'static str]> {
    let hooks = dialect::of(endpoint.dialect).hooks().iter();
    hooks
        .map(|info| info.hook.name)
        .filter(|hook| takes_batches(endpoint, hook))
        .collect()
}

impl Callbacks {
    /// Delivers events that have happened to an endpoint, in one call. There must be one at least;
    /// several only if it [takes batches](takes_batches).
    pub async fn deliver(
        &self,
        endpoint: &Endpoint,
        events: &[&ReadEvent],
        timeout: Duration,
    ) -> Delivery {
        let client = self.client(endpoint);
        let delivery = client.deliver(endpoint, events, timeout).await;
        client.note(
            delivery.name(),
            delivery.error().map_or("", |error| &error.detail),
        );
        delivery
    }
}

impl EndpointClient {
    async fn deliver(
        &self,
        endpoint: &Endpoint,
        events: &[&ReadEvent],
        timeout: Duration,
    ) -> Delivery {
        let now = Instant::now();
        let outgoing = match self.outgoing(endpoint, events) {
            Ok(outgoing) => outgoing,
            Err(failure) if failure.class == FailureClass::BlockedAddress => {
                return Delivery::from_failure(failure);
            }
            Err(failure) => return Delivery::NotSent(DeliveryError::of(failure)),
        };
        let (_place, pass) = match self.enter(endpoint, &events[0].event, now) {
            Ok(entered) => entered,
            Err(failure) => return Delivery::NotSent(DeliveryError::of(failure)),
        };
        let until = now + timeout;
        let call = self.post(endpoint, outgoing);
        let mut ending = None;
        let delivery = match tokio::time::timeout_at(until, call).await {
            Ok(Ok(answer)) => self.conclude(endpoint, events, answer, until).await,
            Ok(Err(error)) => {
                ending = Some(error.ending());
                Delivery::from_failure(failure_of(endpoint, error))
            }
            Err(_) => Delivery::from_failure(Failure::new(
                FailureClass::Timeout,
                format!("`{}` did not answer within {timeout:?}", endpoint.name),
            )),
        };
        let ending = ending.unwrap_or_else(|| delivery.ending());
        pass.end(ending, &endpoint.breaker, Instant::now());
        delivery
    }

    /// What an answer means for the events. Its head is enough: what follows it, or never comes,
    /// is read for the connection's sake, for the operator's, and because it may name events
    /// that are to come again.
    async fn conclude(
        &self,
        endpoint: &Endpoint,
        events: &[&ReadEvent],
        answer: Answer,
        until: Instant,
    ) -> Delivery {
        let (status, retry_after) = (answer.status, answer.retry_after);
        let delivered = match endpoint.events.success.as_slice() {
            [] => dialect::of(endpoint.dialect).acknowledges(status),
            success => success.contains(&status),
        };
        let names = delivered.then(|| Names::of(endpoint, events)).flatten();
        let body = match names {
            Some(_) => answer.beginning(endpoint.answer_bytes_max, until).await,
            None => {
                let until = until.min(Instant::now() + ANSWER_REST_TIME);
                answer.beginning(ANSWER_KEPT_BYTES, until).await
            }
        };
        let kept = &body[..body.len().min(ANSWER_KEPT_BYTES)];
        let detail = format!("`{}` answered {status}", endpoint.name);
        let error = DeliveryError {
            retry_after,
            answer: String::from_utf8_lossy(kept).into_owned(),
            ..DeliveryError::of(Failure::new(FailureClass::HttpStatus, detail))
        };
        let Some(names) = names else {
            return Delivery::from_status(status, delivered, error);
        };
        let named = names.read(&body);
        if let Some(warning) = named.warning
            && !self.odd_list.swap(true, Ordering::Relaxed)
        {
            warn!(endpoint = %endpoint.name, warning, "what an answer does not name counts as delivered; this is said once");
        }
        Delivery::without(named.failed, events.len(), error)
    }

    /// Writes the call, and signs it anew for each attempt.
    fn outgoing(&self, endpoint: &Endpoint, events: &[&ReadEvent]) -> Result<Outgoing, Failure> {
        let mut outgoing = match events {
            [read] => write_event(endpoint, Envelope::of(read))?,
            events => write_batch(endpoint, events)?,
        };
        self.sign(endpoint, &id_of(events), &mut outgoing)?;
        outgoing.headers.extend(order_headers(events));
        Ok(outgoing)
    }
}

/// Writes the call that tells of one event; its id, its signature and what is said of its order
/// are for the one who makes it.
pub(super) fn write_event(
    endpoint: &Endpoint,
    envelope: Envelope<'_>,
) -> Result<Outgoing, Failure> {
    if endpoint.events.format == EventFormat::CloudEvents {
        return Ok(cloudevents::batch(endpoint, &[envelope]));
    }
    let dialect = dialect::of(endpoint.dialect);
    let url = url_for(endpoint, envelope.event)?;
    let mut outgoing = dialect.request(&url, envelope.event, None);
    if dialect.needs_api_key(envelope.event.hook) {
        let key = endpoint.im_api_key.reveal().to_owned();
        outgoing.headers.push((API_KEY, key));
    }
    Ok(outgoing)
}

fn write_batch(endpoint: &Endpoint, events: &[&ReadEvent]) -> Result<Outgoing, Failure> {
    let written = match endpoint.events.format {
        EventFormat::CloudEvents => {
            let envelopes: Vec<_> = events.iter().map(|read| Envelope::of(read)).collect();
            Some(cloudevents::batch(endpoint, &envelopes))
        }
        EventFormat::Dialect => {
            let events: Vec<Event> = events
                .iter()
                .map(|read| Event::clone(&read.event))
                .collect();
            dialect::of(endpoint.dialect).request_batch(&endpoint.url, &events)
        }
    };
    written.ok_or_else(|| {
        let detail = format!("`{}` takes no batches", endpoint.name);
        Failure::new(FailureClass::Internal, detail)
    })
}

/// What the receiver can tell a repeat, a gap and a break of the order by. Of a batch, what holds
/// for any of its events; CloudEvents say it of each.
fn order_headers(events: &[&ReadEvent]) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let [read] = events {
        headers.push(("webhook-sequence", read.stored.number.to_string()));
    }
    let replays = events.iter().map(|read| read.stored.replays).max();
    if let Some(replays @ 1..) = replays {
        headers.push(("webhook-replay", replays.to_string()));
    }
    let gap: u64 = events.iter().map(|read| read.stored.gap).sum();
    if gap > 0 {
        headers.push(("webhook-missing", gap.to_string()));
    }
    if events.iter().any(|read| read.stored.out_of_order) {
        headers.push(("webhook-out-of-order", "true".to_owned()));
    }
    headers
}

/// The event's own id, or for a batch one that is the same whenever the same events are delivered.
fn id_of(events: &[&ReadEvent]) -> String {
    if let [read] = events {
        return read.stored.id.clone();
    }
    let mut sha = Context::new(&SHA256);
    for read in events {
        // The length in front keeps `ab` + `c` and `a` + `bc` apart.
        sha.update(&(read.stored.id.len() as u64).to_be_bytes());
        sha.update(read.stored.id.as_bytes());
    }
    let hex: String = sha.finish().as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("batch_{hex}")
}
