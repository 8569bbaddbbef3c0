//! From a call to an event.

use bytes::Bytes;

use crate::dialect::contract::{Call, Decoded, Unreadable};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::{body_text, readable};
use crate::dialect::document::writer::Fields;
use crate::dialect::document::{literal, values};
use crate::dialect::query;
use crate::event::{Can, DialectId, Event, Hook, Message, TextClass};

use super::options::ChatServerOptions;
use super::table::{ACTION, AUTH, MESSAGE};

/// The names of the hooks' URLs in the server's documents (one of them misspelt there), those of
/// its client's settings, and short ones.
const PATHS: [(Hook, &[&str]); 3] = [
    (AUTH, &["auth.do", "authproxy", "auth"]),
    (
        MESSAGE,
        &[
            "messagereveiced.do",
            "messagereceived.do",
            "msgresproxy",
            "message",
        ],
    ),
    (ACTION, &["actionmessage.do", "actionresproxy", "action"]),
];

/// Reads a call: its hook from the path or, at another path, from what the body holds.
///
/// The content type says nothing: the server's own examples take any.
pub(crate) fn decode(call: &Call<'_>, options: &ChatServerOptions) -> Result<Decoded, Unreadable> {
    let named = hook_of_path(call.head.path);
    let text = readable(&call.body);
    let object = Object::parse(&text).map_err(|flaw| Unreadable {
        hook: named,
        reason: format!("the body is {flaw}"),
    })?;
    let hook = named.or_else(|| hook_of_body(&object)).ok_or(Unreadable {
        hook: None,
        reason: "neither the path nor the body says which hook this is".to_owned(),
    })?;
    let mut event = read(hook, &text, options)?;
    event.operation_id = call.head.operation_id().to_owned();
    event.query = query::rest(call.head.query, Some);
    Ok(Decoded::Event(Box::new(event)))
}

/// Reads an event whose hook is known.
pub(crate) fn decode_one(
    hook: Hook,
    operation_id: &str,
    body: &Bytes,
) -> Result<Event, Unreadable> {
    let mut event = read(hook, &readable(body), &ChatServerOptions::default())?;
    event.operation_id = operation_id.to_owned();
    Ok(event)
}

/// The hook whose name is the last segment of the path.
pub(crate) fn hook_of_path(path: &str) -> Option<Hook> {
    let last = path.rsplit('/').find(|segment| !segment.is_empty())?;
    let last = last.to_ascii_lowercase();
    let found = PATHS
        .iter()
        .find(|(_, names)| names.contains(&last.as_str()));
    found.map(|(hook, _)| *hook)
}

fn hook_of_body(object: &Object<'_>) -> Option<Hook> {
    let has = |name| object.last(name).is_some();
    match () {
        () if has("token") || has("proxy") => Some(AUTH),
        () if has("clientMsgId") || frame_of(object).is_some() => Some(ACTION),
        () if has("sendUserId") || has("desc") => Some(MESSAGE),
        () => None,
    }
}

fn read(hook: Hook, body: &str, options: &ChatServerOptions) -> Result<Event, Unreadable> {
    let unreadable = |reason: String| Unreadable {
        hook: Some(hook),
        reason,
    };
    let object = Object::parse(body).map_err(|flaw| unreadable(format!("the body is {flaw}")))?;
    let event = match hook {
        hook if hook == AUTH => login(&object, body),
        hook if hook == ACTION => action(&object, body),
        _ => Ok(message(&object, options)),
    };
    let mut event = event.map_err(unreadable)?;
    event.shows_refusal = options.shows_refusals;
    event.body = Some(Bytes::from(body.to_owned()));
    Ok(event)
}

/// The whole of what the client told the server when it connected; unknown keys pass through.
fn login(object: &Object<'_>, body: &str) -> Result<Event, String> {
    let user_id = object.last("userId").and_then(scalar);
    let user_id = user_id.ok_or("`userId` is missing")?;
    let can = Can {
        block: true,
        replace: false,
        replace_later: false,
        reply: false,
    };
    let mut event = Event::new(AUTH, DialectId::ChatServer, can);
    event.user_id = user_id;
    if let Some(nick) = object.last("nick") {
        values::find(body, nick, "/nick", false, &mut event.texts);
        for text in &mut event.texts {
            text.class = TextClass::Label;
        }
    }
    Ok(event)
}

/// `type` is 1 for a person and 2 for a room, by the document's comment; its own example and the
/// client's SDK say otherwise, so `desc` has the last word.
fn message(object: &Object<'_>, options: &ChatServerOptions) -> Event {
    let sender = object
        .last("sendUserId")
        .and_then(scalar)
        .unwrap_or_default();
    let desc = object.text("desc").unwrap_or_default();
    let kind = object.last("type").and_then(json::int);
    let is_room = match () {
        () if desc.contains("房间") => true,
        () if desc.contains("点对点") => false,
        () => kind == Some(if options.type_1_is_room { 1 } else { 2 }),
    };
    let mut event = Event::new(MESSAGE, DialectId::ChatServer, Can::NOTHING);
    event.ordering_key.clone_from(&sender);
    event.message = Some(Message {
        send_id: sender,
        session_type: if is_room { 3 } else { 1 },
        msg_from: 100,
        content: object.last("content").map(content_of).unwrap_or_default(),
        ..Message::default()
    });
    event
}

/// The client's frame around the message, or the frame's body alone. Neither names the sender.
fn action(object: &Object<'_>, body: &str) -> Result<Event, String> {
    let frame = frame_of(object);
    let (inner, pointer) = match &frame {
        Some(inner) => (inner, "/body/msg"),
        None => (object, "/msg"),
    };
    let raw = inner.last("msg").ok_or("`msg` is missing")?;
    let named = |name| object.last(name).and_then(scalar);
    let can = Can {
        block: true,
        replace: true,
        replace_later: false,
        reply: false,
    };
    let mut event = Event::new(ACTION, DialectId::ChatServer, can);
    values::find(body, raw, pointer, true, &mut event.texts);
    event.message = Some(Message {
        send_id: named("sendUserId")
            .or_else(|| named("userId"))
            .unwrap_or_default(),
        client_msg_id: inner.text("clientMsgId").unwrap_or_default().into_owned(),
        msg_from: 100,
        content: content_of(raw),
        ..Message::default()
    });
    Ok(event)
}

/// The body of a frame such as `{"code":112,"body":{..},"version":1}`.
pub(crate) fn frame_of<'a>(object: &Object<'a>) -> Option<Object<'a>> {
    object.last("code").and_then(json::int)?;
    let body = object.last("body")?;
    body.starts_with('{').then(|| Object::split(body))
}

/// A message in our words as the server writes it; a login is no message.
pub(crate) fn compose(hook: Hook, message: &Message) -> Option<String> {
    let content = match Object::parse(&message.content) {
        Ok(_) => message.content.clone(),
        Err(_) => literal::encoded(&message.content),
    };
    let mut body = Fields::default();
    match hook {
        hook if hook == MESSAGE => {
            let is_room = !message.group_id.is_empty();
            body.text(
                "desc",
                if is_room {
                    "房间消息"
                } else {
                    "点对点消息"
                },
            );
            body.raw("type", if is_room { 2 } else { 1 });
            body.text("sendUserId", &message.send_id);
            body.text("content", &message.content);
        }
        hook if hook == ACTION => {
            body.raw("msg", content);
            body.text("clientMsgId", &message.client_msg_id);
            body.text("sendUserId", &message.send_id);
        }
        _ => return None,
    }
    Some(body.finish(""))
}

/// A text, or the JSON of another value.
fn content_of(raw: &str) -> String {
    json::text(raw).map_or_else(|| raw.to_owned(), |text| text.into_owned())
}

/// A string's text, or a number as written: ids come as both.
fn scalar(raw: &str) -> Option<String> {
    match json::text(raw) {
        Some(text) => Some(text.into_owned()),
        None => json::int(raw).map(|number| number.to_string()),
    }
}

/// The URL that the client named for this hook when it connected. Beside `proxy`, where an old
/// example has the last of them, it is looked for too.
pub(crate) fn chosen_url(event: &Event) -> Option<String> {
    let name = match event.hook {
        hook if hook == AUTH => "authProxy",
        hook if hook == MESSAGE => "msgResProxy",
        _ => "actionResProxy",
    };
    let body = body_text(event);
    let object = Object::parse(&body).ok()?;
    let proxy = object.last("proxy").filter(|raw| raw.starts_with('{'));
    let inside = proxy.and_then(|raw| Object::split(raw).text(name).map(|url| url.into_owned()));
    let beside = || object.text(name).map(|url| url.into_owned());
    inside.or_else(beside).filter(|url| !url.is_empty())
}
