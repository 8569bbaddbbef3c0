//! The call that asks or tells an endpoint, as WuKongIM would make it.
//!
//! Shape: `POST {url}?event=msg.notify`; the bodies of [`super::decode`].
//! Source: v3 `internal/runtime/webhook/sender.go` for a URL that has a query already.

use bytes::Bytes;

use crate::decision::Replacement;
use crate::dialect::contract::Outgoing;
use crate::dialect::query;
use crate::event::Event;

use super::before_send;
use super::table::{NOTIFY, ONLINE_STATUS, OTHER, event_name, is_array};

/// Writes the call about one event.
pub(crate) fn request(url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
    let changed = replacement.filter(|replacement| !replacement.is_empty());
    let changed = changed.map(|replacement| before_send::apply(event, replacement));
    let event = changed.as_ref().unwrap_or(event);
    let body = event.body.clone().unwrap_or_default();
    let body = match event.hook {
        hook if is_array(hook) => array(std::slice::from_ref(&body)),
        _ => body,
    };
    outgoing(url, event, body)
}

/// Writes the call about several events of one hook that takes batches.
pub(crate) fn batch(url: &str, events: &[Event]) -> Option<Outgoing> {
    let first = events.first()?;
    let fits = |event: &Event| event.hook == first.hook && event.query == first.query;
    if !is_array(first.hook) || !events.iter().all(fits) {
        return None;
    }
    let items: Vec<Bytes> = events
        .iter()
        .map(|event| event.body.clone().unwrap_or_default())
        .collect();
    Some(outgoing(url, &events[0], array(&items)))
}

/// What names an item of an array: the message's id, or the whole line of a presence.
pub(crate) fn item_name(event: &Event) -> Option<String> {
    match event.hook {
        hook if hook == NOTIFY => {
            let id = &event.message.as_ref()?.server_msg_id;
            (!id.is_empty()).then(|| id.clone())
        }
        hook if hook == ONLINE_STATUS => serde_json::from_slice(event.body.as_ref()?).ok(),
        _ => None,
    }
}

/// What the IM server had in its query goes behind, as it came; of an event of tomorrow that is its
/// name too.
fn outgoing(url: &str, event: &Event, body: Bytes) -> Outgoing {
    let named = match event.hook {
        hook if hook == OTHER => url.to_owned(),
        hook => with_event(url, event_name(hook)),
    };
    Outgoing {
        url: query::joined(&named, &event.query),
        headers: vec![("Content-Type", "application/json".to_owned())],
        body,
    }
}

fn array(items: &[Bytes]) -> Bytes {
    let length = items.iter().map(|item| item.len() + 1).sum::<usize>();
    let mut body = Vec::with_capacity(length + 1);
    for (index, item) in items.iter().enumerate() {
        body.push(if index == 0 { b'[' } else { b',' });
        body.extend_from_slice(item);
    }
    if items.is_empty() {
        body.push(b'[');
    }
    body.push(b']');
    Bytes::from(body)
}

/// The URL with the event's name in its query, keys in order, as v3 writes it; v1 and v2 would
/// lose the name in a URL that has a query.
fn with_event(url: &str, name: &str) -> String {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && key(pair) != "event")
        .map(str::to_owned)
        .collect();
    pairs.push(format!("event={name}"));
    pairs.sort_by_key(|pair| key(pair));
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_finds_its_place_in_any_url() {
        let check = |url: &str, expected: &str| assert_eq!(with_event(url, "msg.notify"), expected);
        check("http://h/hook", "http://h/hook?event=msg.notify");
        check("http://h/hook/", "http://h/hook/?event=msg.notify");
        check(
            "http://h/hook?tenant=a",
            "http://h/hook?event=msg.notify&tenant=a",
        );
        check(
            "http://h/hook?a=1&event=x",
            "http://h/hook?a=1&event=msg.notify",
        );
        check("http://h/hook#frag", "http://h/hook?event=msg.notify");
        check("http://h/hook?", "http://h/hook?event=msg.notify");
    }

    #[test]
    fn items_are_joined_as_they_are() {
        assert_eq!(array(&[]), "[]");
        assert_eq!(array(&["1".into(), "{\"a\":2}".into()]), "[1,{\"a\":2}]");
    }
}
