//! The call that asks or tells an endpoint, as OpenIM v3 would make it.
//!
//! Shape: a POST to `{url}/{command}`; the fields in the order of OpenIM's structs, `null` for
//! empty lists, `<`, `>` and `&` escaped, one line feed at the end.
//! Source: open-im-server main, `pkg/callbackstruct` and `pkg/common/webhook/http_client.go`.

use std::borrow::Cow;

use bytes::Bytes;

use crate::decision::Replacement;
use crate::dialect::contract::Outgoing;
use crate::dialect::document::json::Object;
use crate::dialect::document::literal;
use crate::dialect::document::writer::Fields;
use crate::dialect::hooks::{Form, HookInfo, Receiver};
use crate::dialect::query;
use crate::event::{DialectId, Event, Message};

use super::{message, replace, table};

/// Writes the call to an endpoint of this dialect.
pub(crate) fn request(url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
    let event = shown(event, replacement);
    let body = body(&event);
    let url = url.trim_end_matches('/');
    Outgoing {
        url: query::joined(
            &format!("{url}/{}", command_of(&event, &body)),
            &event.query,
        ),
        headers: headers(&event.operation_id),
        body,
    }
}

/// The event that the endpoint is shown.
pub(crate) fn shown<'a>(event: &'a Event, replacement: Option<&Replacement>) -> Cow<'a, Event> {
    match replacement.filter(|replacement| !replacement.is_empty()) {
        Some(replacement) => Cow::Owned(replace::apply(event, replacement)),
        None => Cow::Borrowed(event),
    }
}

/// The body in the form of v3: the one that we got, or one made from the message.
pub(crate) fn body(event: &Event) -> Bytes {
    match (&event.body, &event.message) {
        (Some(body), _) if event.dialect == DialectId::OpenIm => body.clone(),
        (_, Some(message)) => {
            let content = wrapped_content(event, message);
            Bytes::from(write_message(event, message, &content))
        }
        (Some(body), None) => body.clone(),
        (None, None) => Bytes::from_static(b"{}\n"),
    }
}

/// The endpoint sees another content than the event has: plain text in a JSON object around it.
pub(crate) fn wraps(event: &Event) -> bool {
    let composed = event.body.is_none() || event.dialect != DialectId::OpenIm;
    let plain = |message: &Message| {
        message.content_type == 101
            && (message::is_plain(event.dialect, message)
                || Object::parse(&message.content).is_err())
    };
    composed && event.message.as_ref().is_some_and(plain)
}

fn wrapped_content<'a>(event: &Event, message: &'a Message) -> Cow<'a, str> {
    match wraps(event) {
        true => Cow::Owned(format!(
            "{{\"content\":{}}}",
            literal::encoded(&message.content)
        )),
        false => Cow::Borrowed(&message.content),
    }
}

/// The command in the caller's own words: a server of an older version uses older ones, and so
/// does a business server that was written for it.
fn command_of<'a>(event: &Event, body: &'a [u8]) -> &'a str {
    // As OpenIM writes it; inside of a string the quotes would be escaped.
    const KEY: &[u8] = b"\"callbackCommand\":\"";
    let named = memchr::memmem::find(body, KEY).and_then(|at| {
        let value = &body[at + KEY.len()..];
        let end = memchr::memchr(b'"', value)?;
        std::str::from_utf8(&value[..end]).ok()
    });
    let is_hooks = |named: &&str| match table::by_command(named) {
        Some(info) => info.hook == event.hook,
        None => event.hook.name == table::OTHER,
    };
    named
        .filter(is_hooks)
        .unwrap_or(table::info(event.hook).command)
}

/// OpenIM's headers. An operation id that no header can hold is left out.
fn headers(operation_id: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
    // Go writes any UTF-8 into a header, and reads it.
    let fits = operation_id
        .bytes()
        .all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f));
    if fits && !operation_id.is_empty() {
        headers.push(("operationID", operation_id.to_owned()));
    }
    headers
}

fn write_message(event: &Event, message: &Message, content: &str) -> String {
    let info = table::info(event.hook);
    let mut body = Fields::default();
    match info.form {
        Form::Message(receiver) => {
            write_common(&mut body, event, info, message, content);
            if matches!(receiver, Receiver::User | Receiver::UserAndGroup) {
                body.text("recvID", &message.recv_id);
            }
            if matches!(receiver, Receiver::Group | Receiver::UserAndGroup) {
                body.text("groupID", &message.group_id);
            }
        }
        Form::Push { .. } | Form::Plain | Form::Native { .. } => {
            write_push(&mut body, event, info, message, content);
        }
    }
    body.finish("\n")
}

fn write_common(
    body: &mut Fields,
    event: &Event,
    info: &HookInfo,
    message: &Message,
    content: &str,
) {
    body.text("sendID", &message.send_id);
    body.text("callbackCommand", info.command);
    body.text("serverMsgID", &message.server_msg_id);
    body.text("clientMsgID", &message.client_msg_id);
    body.text("operationID", &event.operation_id);
    body.raw("senderPlatformID", message.sender_platform_id);
    body.text("senderNickname", &message.sender_nickname);
    body.raw("sessionType", message.session_type);
    body.raw("msgFrom", message.msg_from);
    body.raw("contentType", message.content_type);
    body.raw("status", message.status);
    body.raw("sendTime", message.send_time);
    body.raw("createTime", message.create_time);
    body.text("content", content);
    body.raw("seq", message.seq);
    body.texts("atUserList", message.at_user_ids.as_deref());
    body.text("faceURL", &message.sender_face_url);
    body.text("ex", &message.ex);
}

fn write_push(body: &mut Fields, event: &Event, info: &HookInfo, message: &Message, content: &str) {
    let receiver = std::slice::from_ref(&message.recv_id);
    body.text("callbackCommand", info.command);
    body.text("operationID", &event.operation_id);
    body.raw("platformID", message.sender_platform_id);
    body.text("platform", platform_name(message.sender_platform_id));
    if matches!(info.form, Form::Push { user_ids: true, .. }) {
        let known = !message.recv_id.is_empty();
        body.texts("userIDList", known.then_some(receiver));
    }
    body.text("clientMsgID", &message.client_msg_id);
    body.text("sendID", &message.send_id);
    body.text("groupID", &message.group_id);
    body.raw("contentType", message.content_type);
    body.raw("sessionType", message.session_type);
    body.texts("atUserIDList", message.at_user_ids.as_deref());
    body.text("content", content);
    if matches!(info.form, Form::Push { seq: true, .. }) {
        body.raw("seq", message.seq);
    }
}

/// Source: openimsdk/protocol, `constant/platform_id_to_name.go`.
fn platform_name(platform_id: i32) -> &'static str {
    match platform_id {
        1 => "IOS",
        2 => "Android",
        3 => "Windows",
        4 => "OSX",
        5 => "Web",
        6 => "MiniWeb",
        7 => "Linux",
        8 => "APad",
        9 => "IPad",
        10 => "Admin",
        11 => "HarmonyOS",
        _ => "",
    }
}
