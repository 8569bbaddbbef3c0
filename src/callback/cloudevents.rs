//! Several events in one body: a batch of CloudEvents 1.0 in JSON.
//!
//! Source: CloudEvents 1.0.2, JSON format, section 4.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::stored::ReadEvent;
use crate::dialect::{self, Outgoing};
use crate::event::Event;
use crate::policy::Endpoint;

const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    /// The form that `data` has.
    source: String,
    #[serde(rename = "type")]
    kind: String,
    /// What keeps its order: a conversation, a group or a user.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: String,
    /// Rises in the order of acceptance, also when compared as text.
    sequence: String,
    /// Earlier events of the subject that the endpoint did not get.
    #[serde(rename = "missing", skip_serializing_if = "is_zero")]
    gap: u64,
    /// The events of its subject went on without it.
    #[serde(rename = "outoforder", skip_serializing_if = "is_false")]
    out_of_order: bool,
    #[serde(rename = "operationid", skip_serializing_if = "str::is_empty")]
    operation_id: &'a str,
    /// The query of the call that brought it, as it came.
    #[serde(skip_serializing_if = "str::is_empty")]
    query: &'a str,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// A body that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// An event, with what only callgate knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    pub event: &'a Event,
    pub id: &'a str,
    pub accepted_at_ms: u64,
    pub number: u64,
    pub gap: u64,
    pub out_of_order: bool,
}

impl<'a> Envelope<'a> {
    pub(super) fn of(read: &'a ReadEvent) -> Envelope<'a> {
        Envelope {
            event: &read.event,
            id: &read.stored.id,
            accepted_at_ms: read.stored.accepted_at_ms,
            number: read.stored.number,
            gap: read.stored.gap,
            out_of_order: read.stored.out_of_order,
        }
    }
}

/// One call with all of the events, in their order.
pub(super) fn batch(endpoint: &Endpoint, events: &[Envelope<'_>]) -> Outgoing {
    let bodies: Vec<Bytes> = events
        .iter()
        .map(|envelope| {
            let dialect = dialect::of(endpoint.dialect);
            let outgoing = dialect.request(&endpoint.url, envelope.event, None);
            outgoing.body
        })
        .collect();
    let items: Vec<_> = events
        .iter()
        .zip(&bodies)
        .map(|(envelope, body)| cloud_event(endpoint, *envelope, body))
        .collect();
    let body = serde_json::to_vec(&items).expect("strings and JSON values can be written");
    Outgoing {
        url: endpoint.url.clone(),
        headers: vec![("content-type", CONTENT_TYPE.to_owned())],
        body: body.into(),
    }
}

fn cloud_event<'a>(endpoint: &Endpoint, envelope: Envelope<'a>, body: &'a [u8]) -> CloudEvent<'a> {
    let accepted_at = UNIX_EPOCH + Duration::from_millis(envelope.accepted_at_ms);
    let data: Option<&RawValue> = serde_json::from_slice(body).ok();
    CloudEvent {
        specversion: "1.0",
        id: envelope.id,
        source: format!("/callgate/{}", endpoint.dialect),
        kind: format!("callgate.v1.{}", envelope.event.hook),
        subject: &envelope.event.ordering_key,
        time: humantime::format_rfc3339_millis(accepted_at).to_string(),
        sequence: format!("{:020}", envelope.number),
        gap: envelope.gap,
        out_of_order: envelope.out_of_order,
        operation_id: &envelope.event.operation_id,
        query: &envelope.event.query,
        datacontenttype: "application/json",
        data,
        data_base64: data.is_none().then(|| STANDARD.encode(body)),
    }
}
