//! From a call to events.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use crate::dialect::contract::{Call, Decoded, Head, Unreadable};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::readable;
use crate::dialect::query;
use crate::event::{Can, DialectId, Event, Hook, Series};

use super::message::{self, Parties};
use super::table::{BEFORE_SEND, OFFLINE, ONLINE_STATUS, OTHER, by_event};
use super::{payload, presence, recipients};

/// Longest unknown event that is reported.
const EVENT_CHARS_MAX: usize = 100;
/// The server repeats a presence within seconds; its connection ids start again with it, so an
/// equal line after a longer time, or after another line, is another connection.
const PRESENCE_REPEATS_WITHIN: Duration = Duration::from_secs(60);

/// Reads a call: the event's name from the query, one event or many from the body.
///
/// Shape: `msg.notify` and `user.onlinestatus` are arrays; `msg.offline` is an object, and an
/// array of them is accepted, as an old document has it.
pub(crate) fn decode(call: &Call<'_>) -> Result<Decoded, Unreadable> {
    let Some(name) = event_in_query(call.head.query) else {
        return Err(Unreadable {
            hook: None,
            reason: "the URL names no event (`?event=msg.notify`)".to_owned(),
        });
    };
    let Some(info) = by_event(name) else {
        return Ok(Decoded::UnknownCommand {
            command: name.chars().take(EVENT_CHARS_MAX).collect(),
            event: Some(Box::new(Event {
                query: query::rest(call.head.query, Some),
                ..unknown_event(call.body.clone())
            })),
        });
    };
    if info.hook == BEFORE_SEND {
        let operation_id = call.head.operation_id();
        let mut event = decode_one(info.hook, operation_id, call.body.clone())?;
        event.query = rest_of(call.head.query);
        return Ok(Decoded::Event(Box::new(event)));
    }
    let body = mended(&call.body);
    let text = readable(&body);
    let unreadable = |flaw| Unreadable {
        hook: Some(info.hook),
        reason: format!("the body is {flaw}"),
    };
    let items = match json::first_byte(&text) {
        Some(b'{') if info.hook != ONLINE_STATUS => {
            Object::parse(&text).map_err(unreadable)?;
            vec![body.clone()]
        }
        _ => json::parse_elements(&text)
            .map_err(unreadable)?
            .into_iter()
            .map(|item| body.slice(json::range_in(&text, item)))
            .collect(),
    };
    Ok(Decoded::Batch {
        hook: info.hook,
        query: rest_of(call.head.query),
        items,
    })
}

/// The hook whose name stands in the query.
pub(crate) fn hook_of(head: &Head<'_>) -> Option<Hook> {
    by_event(event_in_query(head.query)?).map(|info| info.hook)
}

/// Reads one message or one line of presence.
pub(crate) fn decode_one(hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
    if hook == OTHER {
        return Ok(Event {
            operation_id: operation_id.to_owned(),
            ..unknown_event(body)
        });
    }
    let body = mended(&body);
    let event = match hook {
        hook if hook == ONLINE_STATUS => presence_event(hook, &body),
        hook => message_event(hook, &body),
    };
    let mut event = event.map_err(|reason| Unreadable {
        hook: Some(hook),
        reason,
    })?;
    event.operation_id = operation_id.to_owned();
    event.body = Some(body);
    Ok(event)
}

/// Whatever it is: told in the order in which it comes.
fn unknown_event(body: Bytes) -> Event {
    Event {
        ordering_key: OTHER.name.to_owned(),
        body: Some(body),
        ..Event::new(OTHER, DialectId::WukongIm, Can::NOTHING)
    }
}

fn presence_event(hook: Hook, body: &Bytes) -> Result<Event, String> {
    let text = readable(body);
    // A line alone is a string literal; a parser has to see that it is one.
    let line: String =
        serde_json::from_str(&text).map_err(|_| "the item is not a string".to_owned())?;
    let presence = presence::parse(&line)
        .ok_or("the item is not `uid-deviceFlag-online-connId-deviceCount-totalCount`")?;
    let mut event = Event::new(hook, DialectId::WukongIm, Can::NOTHING);
    // Without the connection's id, equal lines may be two times that the same user came.
    if presence.connection_id.is_some() {
        event.natural_id = Some(format!("{hook}:{line}"));
        event.series = Some(Series {
            name: format!("{hook}:{}-{}", presence.user_id, presence.device_flag),
            repeats_within: PRESENCE_REPEATS_WITHIN,
        });
    }
    event.ordering_key = presence.user_id.clone();
    event.presence = Some(presence);
    Ok(event)
}

fn message_event(hook: Hook, body: &Bytes) -> Result<Event, String> {
    let text = readable(body);
    let object = Object::parse(&text).map_err(|flaw| format!("the body is {flaw}"))?;
    let waits = hook == BEFORE_SEND;
    let content = match payload::decoded(&object) {
        Err(why) if waits => return Err(why.to_owned()),
        content => content.unwrap_or_default(),
    };
    let encrypted = message::is_encrypted(&object);
    let can = match waits {
        true => Can {
            block: true,
            replace: !content.is_mended,
            replace_later: false,
            reply: false,
        },
        false => Can::NOTHING,
    };
    let mut event = Event::new(hook, DialectId::WukongIm, can);
    if !encrypted {
        event.texts = payload::texts(&content.text, can.replace);
    }
    let parties = Parties::read(&object);
    let message = message::read(&object, &parties, content.text);
    if !waits {
        // The server itself sends its pushes in no order.
        if hook != OFFLINE {
            event.ordering_key = parties.ordering_key();
        }
        event.natural_id = message::natural_id(hook, &object, &message);
    }
    if hook == OFFLINE {
        event.recipients = Some(recipients::read(&object));
    }
    event.encrypted = encrypted;
    event.message = Some(message);
    Ok(event)
}

/// The body as UTF-8, which Go's encoder always writes.
fn mended(body: &Bytes) -> Bytes {
    match readable(body) {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(mended) => Bytes::from(mended),
    }
}

/// The query without the event's name, wherever it stands.
fn rest_of(query: &str) -> String {
    let query = match named_event(query) {
        Some(_) => query,
        None => query.rsplit_once(APPENDED).map_or(query, |(own, _)| own),
    };
    query::rest(query, |part| {
        Some(part).filter(|part| !part.starts_with("event="))
    })
}

/// How v1 and v2 append the event's name to a URL that has a query already: at the end of another
/// value.
const APPENDED: &str = "?event=";

/// The value of `event=`.
fn event_in_query(query: &str) -> Option<&str> {
    let appended = || query.rsplit_once(APPENDED).map(|(_, name)| name);
    named_event(query)
        .or_else(appended)
        .filter(|name| !name.is_empty())
}

fn named_event(query: &str) -> Option<&str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let named = pairs.find(|(key, value)| *key == "event" && !value.is_empty());
    named.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_found_in_every_form_of_the_query() {
        let check = |query, expected| assert_eq!(event_in_query(query), expected, "{query}");
        check("event=msg.notify", Some("msg.notify"));
        check("event=msg.notify&tenant=a", Some("msg.notify"));
        check("tenant=a&event=msg.offline", Some("msg.offline"));
        check("tenant=a?event=msg.notify", Some("msg.notify"));
        check("", None);
        check("event=", None);
        check("events=msg.notify", None);
    }

    #[test]
    fn what_the_operator_put_into_the_query_goes_on_alone() {
        let check = |query, expected| assert_eq!(rest_of(query), expected, "{query}");
        check("event=msg.notify", "");
        check("event=msg.notify&tenant=a", "tenant=a");
        check("tenant=a?event=msg.notify", "tenant=a");
        check("tenant=a&b=%27'?event=msg.notify", "tenant=a&b=%27'");
        check("x=1&event=msg.notify&y=2?event=z", "x=1&y=2?event=z");
    }
}
