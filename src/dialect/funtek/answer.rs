//! Answers, ours and those of bots, and the calls that are made.
//!
//! Shape: `{"senderID":"robot001","toBotState":"active","data":{"message":"hi","messageType":
//! "text"}}`, of which every member may be absent; ours have these three and nothing else.

use bytes::Bytes;

use crate::decision::{
    Answer, Decider, Decision, FailureClass, Outcome, Refusal, RoomReply, Verdict,
};
use crate::dialect::answers::Reading;
use crate::dialect::contract::{Outgoing, Reply};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::readable;
use crate::dialect::query;
use crate::event::{Event, Room};

use super::decode;
use super::table::RECALL;

/// Writes the answer to a call.
///
/// A refusal becomes a warning, if there is a bot to post it as. A failure never posts anything.
pub(crate) fn reply(room: Option<&Room>, event: &Event, decision: &Decision) -> Reply {
    let keep = room.and_then(|room| room.bot_state.as_deref());
    let bot = room.and_then(|room| room.bot.as_deref());
    match (&decision.verdict, bot) {
        (Verdict::Block(_), _) if decision.decider == Decider::FailurePolicy => nothing(keep),
        (Verdict::Block(refusal), Some(bot)) if !refusal.public.is_empty() => {
            let state = state_json(None, keep);
            written(Some(bot), &state, &warning(event, refusal))
        }
        (Verdict::Reply(reply), bot) => {
            let state = state_json(reply.state.as_deref(), keep);
            let sender = Some(reply.sender.as_str()).filter(|sender| !sender.is_empty());
            match &reply.message {
                Some(message) => written(sender.or(bot), &state, message),
                None => written(None, &state, "null"),
            }
        }
        (Verdict::Allow | Verdict::Block(_) | Verdict::Replace(_), _) => nothing(keep),
    }
}

/// The answer that does nothing. What the server makes of an absent state is not known, so the one
/// that it sent is repeated.
pub(crate) fn nothing(bot_state: Option<&str>) -> Reply {
    written(None, &state_json(None, bot_state), "null")
}

fn state_json(to: Option<&str>, keep: Option<&str>) -> String {
    to.or(keep).map_or_else(|| "null".to_owned(), plain)
}

fn warning(event: &Event, refusal: &Refusal) -> String {
    let id = event
        .message
        .as_ref()
        .map_or("", |message| &message.server_msg_id);
    let about = match id {
        "" => String::new(),
        id => format!(",\"reply\":{}", plain(id)),
    };
    let text = plain(&refusal.public);
    format!("{{\"message\":{text},\"messageType\":\"text\"{about}}}")
}

fn written(sender: Option<&str>, state: &str, data: &str) -> Reply {
    let sender = sender.map_or_else(String::new, |sender| {
        format!("\"senderID\":{},", plain(sender))
    });
    Reply {
        status: 200,
        content_type: "application/json",
        body: format!("{{{sender}\"toBotState\":{state},\"data\":{data}}}").into(),
    }
}

fn plain(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Reads a bot's answer. The flat form of 2019 has the message's members beside the state.
pub(crate) fn read(status: u16, body: &[u8]) -> Reading {
    if !(200..300).contains(&status) {
        return Reading::failure(FailureClass::HttpStatus, format!("status {status}"), None);
    }
    let text = readable(body);
    let object = match Object::parse(&text) {
        Ok(object) => object,
        Err(flaw) => {
            let why = format!("the answer is {flaw}");
            return Reading::failure(FailureClass::InvalidAnswer, why, None);
        }
    };
    let member = |name: &str| object.last(name).filter(|raw| *raw != "null");
    let texts = ["senderID", "toBotState"].map(|name| member(name).map(json::text));
    let is_object = |raw: &str| raw.starts_with('{');
    if texts.contains(&Some(None)) || !member("data").is_none_or(is_object) {
        let why = "`senderID` and `toBotState` are texts and `data` is an object";
        return Reading::failure(FailureClass::InvalidAnswer, why, None);
    }
    let [sender, state] = texts.map(|text| text.flatten().map(|text| text.into_owned()));
    let mut reply = RoomReply {
        sender: sender.unwrap_or_default(),
        message: member("data").map(str::to_owned),
        state,
    };
    if member("messageType").is_some() && object.last("data").is_none() {
        reply.sender = object.text("sender").unwrap_or_default().into_owned();
        reply.message = Some(flat_message(&object));
    }
    let answer = match reply == RoomReply::default() {
        true => Answer::Allow,
        false => Answer::Reply(reply),
    };
    Reading {
        outcome: Outcome::Answer(answer),
        warning: None,
    }
}

fn flat_message(object: &Object<'_>) -> String {
    let own = |key: &str| !["toBotState", "sender"].contains(&key);
    let members: Vec<String> = object
        .members
        .iter()
        .filter(|member| own(&member.key))
        .map(|member| format!("{}:{}", plain(&member.key), member.value))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The recall of a message that was refused but stands in the room.
pub(crate) fn recall(event: &Event, decision: &Decision) -> Option<Event> {
    let is_refused = matches!(decision.verdict, Verdict::Block(_));
    if !is_refused || decision.decider == Decider::FailurePolicy {
        return None;
    }
    let room = event.room.as_ref()?;
    let message = event.message.as_ref()?;
    // A path has a meaning of its own for these, escaped or not.
    let is_no_path = matches!(room.id.as_str(), "." | "..");
    if message.server_msg_id.is_empty() || is_no_path {
        return None;
    }
    let (room, id) = (plain(&room.id), plain(&message.server_msg_id));
    let body = Bytes::from(format!("{{\"roomID\":{room},\"_id\":{id}}}"));
    decode::decode_one(RECALL, &event.operation_id, &body).ok()
}

/// The call that asks a room's bot, or the one that takes a message back.
pub(crate) fn request(url: &str, event: &Event) -> Outgoing {
    let json = ("Content-Type", "application/json".to_owned());
    if event.hook != RECALL {
        return Outgoing {
            url: query::joined(url, &event.query),
            headers: vec![json],
            body: with_state(event),
        };
    }
    let room = event.room.as_ref().map_or("", |room| &room.id);
    let id = event
        .message
        .as_ref()
        .map_or("", |message| &message.server_msg_id);
    let body = format!("{{\"messageType\":\"recall\",\"_id\":{}}}", plain(id));
    Outgoing {
        url: format!(
            "{}/rooms/{}/message",
            url.trim_end_matches('/'),
            escaped(room)
        ),
        headers: vec![json],
        body: Bytes::from(body),
    }
}

/// The body with the state that the room is in, if the caller did not know it.
fn with_state(event: &Event) -> Bytes {
    let body = event.body.clone().unwrap_or_default();
    let Some(state) = event
        .room
        .as_ref()
        .and_then(|room| room.bot_state.as_deref())
    else {
        return body;
    };
    let text = readable(&body);
    let Ok(object) = Object::parse(&text) else {
        return body.clone();
    };
    if object.text("botState").as_deref() == Some(state) {
        return body.clone();
    }
    let changed = match object.last("botState") {
        Some(_) => json::with_members(&text, &object, &[("botState", plain(state))]),
        None => {
            let rest = text.trim_start().strip_prefix('{').unwrap_or_default();
            format!("{{\"botState\":{},{rest}", plain(state))
        }
    };
    Bytes::from(changed)
}

/// A room's id as one part of a path.
fn escaped(id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    id.bytes().map(escape).collect()
}
