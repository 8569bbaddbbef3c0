//! From a call to an event. Only `event` and `roomID` must be there: the server's own examples
//! lack the rest of what its table names.

use bytes::Bytes;

use crate::dialect::contract::{Call, Decoded, Unreadable};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::readable;
use crate::dialect::document::writer::Fields;
use crate::dialect::document::{literal, values};
use crate::dialect::query;
use crate::event::{Can, DialectId, Event, Hook, Message, Room};

use super::options::FuntekOptions;
use super::table::{HOOKS, MESSAGE, RECALL};

/// Longest unknown event that is reported.
const EVENT_CHARS_MAX: usize = 100;
/// The members of a message that people write.
const WRITTEN: [&str; 4] = ["message", "contents", "template", "extra"];

/// Reads a call.
pub(crate) fn decode(call: &Call<'_>, options: &FuntekOptions) -> Result<Decoded, Unreadable> {
    let text = readable(&call.body);
    let unreadable = |reason: String| Unreadable { hook: None, reason };
    let object = Object::parse(&text).map_err(|flaw| unreadable(format!("the body is {flaw}")))?;
    let name = object.text("event").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| unreadable("`event` is missing".to_owned()))?;
    let found = HOOKS
        .iter()
        .find(|info| !info.command.is_empty() && info.command.eq_ignore_ascii_case(&name));
    let Some(info) = found else {
        let shown = name.chars().take(EVENT_CHARS_MAX).collect();
        return Ok(Decoded::UnknownCommand {
            command: shown,
            event: None,
        });
    };
    let mut event = read(info.hook, &object, &text, options).map_err(|reason| Unreadable {
        hook: Some(info.hook),
        reason,
    })?;
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
    let text = readable(body);
    let unreadable = |reason: String| Unreadable {
        hook: Some(hook),
        reason,
    };
    let object = Object::parse(&text).map_err(|flaw| unreadable(format!("the body is {flaw}")))?;
    let mut event = match hook == RECALL {
        true => Ok(recalled(&object, &text)),
        false => read(hook, &object, &text, &FuntekOptions::default()),
    }
    .map_err(unreadable)?;
    event.operation_id = operation_id.to_owned();
    Ok(event)
}

fn read(
    hook: Hook,
    object: &Object<'_>,
    body: &str,
    options: &FuntekOptions,
) -> Result<Event, String> {
    let room_id = object.text("roomID").filter(|id| !id.is_empty());
    let room_id = room_id.ok_or("`roomID` is missing")?.into_owned();
    let can = Can {
        reply: true,
        ..Can::NOTHING
    };
    let data = object.last("data").unwrap_or_default();
    let inside = Object::split(data);
    let sender = Client::of(inside.last("sender").unwrap_or_default());
    let named = object.text("clientID").filter(|id| !id.is_empty());
    let sender_id = named.map_or(sender.id, |id| id.into_owned());
    let is_bot = options.bot.as_deref() == Some(sender_id.as_str());

    let mut event = Event::new(hook, DialectId::Funtek, can);
    event.ordering_key = format!("room:{room_id}");
    event.body = Some(Bytes::from(body.to_owned()));
    event.room = Some(Room {
        id: room_id.clone(),
        bot_state: object.text("botState").map(|state| state.into_owned()),
        bot: options.bot.clone(),
        kept_here: false,
        by_robot: hook == MESSAGE && (sender.is_robot || is_bot),
        members: members(inside.last("members").unwrap_or_default()),
    });
    if hook != MESSAGE {
        event.user_id = sender_id;
        return Ok(event);
    }
    let kind = inside.text("messageType").unwrap_or_default();
    event.encrypted = kind == "encrypted";
    if !event.encrypted {
        for name in WRITTEN {
            if let Some(raw) = inside.last(name) {
                values::find(body, raw, &format!("/data/{name}"), false, &mut event.texts);
            }
        }
    }
    event.message = Some(message(&inside, &kind, room_id, sender_id, sender.nickname));
    Ok(event)
}

fn message(
    data: &Object<'_>,
    kind: &str,
    room_id: String,
    sender_id: String,
    nickname: String,
) -> Message {
    let millis = data.last("messageTimeMS").and_then(json::int).unwrap_or(0);
    let content = data.last("message").filter(|raw| *raw != "null");
    Message {
        // Nobody is the server itself.
        msg_from: if sender_id.is_empty() { 200 } else { 100 },
        send_id: sender_id,
        group_id: room_id,
        server_msg_id: message_id(data),
        sender_nickname: nickname,
        session_type: 3,
        content_type: content_type(kind),
        status: 1,
        send_time: millis,
        create_time: millis,
        content: content.map_or_else(String::new, |raw| {
            json::text(raw).map_or_else(|| raw.to_owned(), |text| text.into_owned())
        }),
        ..Message::default()
    }
}

/// `_id`, which newer versions write too; else `id`.
fn message_id(data: &Object<'_>) -> String {
    let id = data.text("_id").or_else(|| data.text("id"));
    id.unwrap_or_default().into_owned()
}

/// OpenIM's number of a type, so that a policy's types mean the same; 0 for others.
fn content_type(kind: &str) -> i32 {
    match kind {
        "text" => 101,
        "image" => 102,
        "audio" => 103,
        "video" => 104,
        "file" => 105,
        "location" => 109,
        _ => 0,
    }
}

/// A user; a message of the server has none.
#[derive(Default)]
struct Client {
    id: String,
    nickname: String,
    is_robot: bool,
}

impl Client {
    fn of(raw: &str) -> Client {
        let object = Object::split(raw);
        Client {
            id: message_id(&object),
            nickname: object.text("nickname").unwrap_or_default().into_owned(),
            is_robot: object.last("isRobot") == Some("true"),
        }
    }
}

fn members(raw: &str) -> Vec<String> {
    let members = json::elements(raw).unwrap_or_default();
    members
        .into_iter()
        .map(|member| Client::of(member).id)
        .collect()
}

/// A recall that waits to be told: `{"roomID":..,"_id":..}`.
fn recalled(object: &Object<'_>, body: &str) -> Event {
    let text = |name| object.text(name).unwrap_or_default().into_owned();
    let (room_id, id) = (text("roomID"), text("_id"));
    let mut event = Event::new(RECALL, DialectId::Funtek, Can::NOTHING);
    event.natural_id = (!id.is_empty()).then(|| format!("{RECALL}:{id}"));
    event.ordering_key = format!("room:{room_id}");
    event.body = Some(Bytes::from(body.to_owned()));
    event.message = Some(Message {
        group_id: room_id.clone(),
        server_msg_id: id,
        ..Message::default()
    });
    event.room = Some(Room {
        id: room_id,
        ..Room::default()
    });
    event
}

/// A message in our words as the server writes it; its group is the room.
pub(crate) fn compose(message: &Message) -> String {
    let (id, user) = (&message.server_msg_id, &message.send_id);
    let content = match Object::parse(&message.content) {
        Ok(_) => message.content.clone(),
        Err(_) => literal::encoded(&message.content),
    };
    let mut sender = Fields::default();
    sender.text("_id", user);
    sender.text("nickname", &message.sender_nickname);
    sender.raw("isRobot", false);
    sender.text("id", user);
    let mut data = Fields::default();
    data.text("_id", id);
    data.raw("message", content);
    data.text("room", &message.group_id);
    data.raw("sender", sender.finish(""));
    data.text("messageType", message_type(message.content_type));
    data.raw("messageTimeMS", message.send_time);
    data.text("id", id);
    let mut body = Fields::default();
    body.text("clientID", user);
    body.text("roomID", &message.group_id);
    body.text("event", "MESSAGE");
    body.raw("data", data.finish(""));
    body.finish("")
}

fn message_type(content_type: i32) -> &'static str {
    match content_type {
        102 => "image",
        103 => "audio",
        104 => "video",
        105 => "file",
        109 => "location",
        _ => "text",
    }
}

/// The bot's state in a call that cannot be read as a whole.
pub(crate) fn bot_state(body: &[u8]) -> Option<String> {
    let text = readable(body);
    let object = Object::parse(&text).ok()?;
    object.text("botState").map(|state| state.into_owned())
}
