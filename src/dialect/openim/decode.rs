//! From a call to an event.
//!
//! Shape: a POST to `{base}/{command}`, `{base}?command=…`, or `{base}` with the command in the
//! body's `callbackCommand` alone. The body is one JSON object.
//! Source: open-im-server main, `pkg/common/webhook/http_client.go`; older versions for the query.

use std::borrow::Cow;

use bytes::Bytes;

use crate::dialect::contract::{Call, Decoded, Head, Unreadable};
use crate::dialect::document::json::{self, Flaw, Object};
use crate::dialect::document::readable::readable;
use crate::dialect::hooks::{Form, HookInfo, Receiver};
use crate::dialect::query;
use crate::event::{Can, DialectId, Document, Event, Hook, Message, Moment, Text, TextClass};

use super::table::{self, ONE_MEMBER_JOINS, v2};
use super::texts::{content_texts, texts};
use super::{message, recipients, request};

/// Longest unknown command that is reported.
const COMMAND_CHARS_MAX: usize = 100;

/// Reads a call to a route of v3 or v2.
///
/// The URL's form tells the two apart where it can, for only v3 appends a command. Else the route
/// tells, unless the body knows better.
pub(crate) fn decode(call: &Call<'_>, route: DialectId) -> Result<Decoded, Unreadable> {
    let head = &call.head;
    let in_path = command_in_path(head.path);
    let in_url = in_path.or_else(|| command_in_query(head.query));
    let text = readable(&call.body);
    let body = match &text {
        Cow::Borrowed(_) => call.body.clone(),
        Cow::Owned(mended) => Bytes::from(mended.clone()),
    };
    let object = Object::parse(&text);
    let command = command_of(in_url, &object)?;
    let Some(info) = table::by_command(&command) else {
        let dialect = match in_url {
            Some(_) => DialectId::OpenIm,
            None => route,
        };
        let event = unknown_event(head, &command, &text, object.as_ref().ok(), dialect);
        return Ok(Decoded::UnknownCommand {
            command: command.chars().take(COMMAND_CHARS_MAX).collect(),
            event: event.map(Box::new),
        });
    };
    let unreadable = |reason| Unreadable {
        hook: Some(info.hook),
        reason,
    };
    let object = object.map_err(|flaw| unreadable(format!("the body is {flaw}")))?;

    let dialect = match (in_path, in_url) {
        (Some(_), _) => DialectId::OpenIm,
        (None, Some(_)) => route,
        (None, None) => without_url(info.hook, &object, route),
    };
    let can = match dialect {
        DialectId::OpenImV2 => v2::can(info.hook),
        _ => can(info, &command),
    };
    let mut event = read(info, dialect, can, &object, &text, |document, name| {
        is_replaceable(info, dialect, can, document, name)
    })
    .map_err(unreadable)?;
    event.operation_id = operation_id(head, &object);
    event.body = Some(body);
    let event = query::with_query(event, rest_of_query(head));
    Ok(Decoded::Event(Box::new(event)))
}

fn operation_id(head: &Head<'_>, object: &Object<'_>) -> String {
    match head.operation_id() {
        "" => object.text("operationID").unwrap_or_default().into_owned(),
        id => id.to_owned(),
    }
}

/// The event of a command that this version of callgate has no hook for.
///
/// Its order is kept as far as its fields tell what it belongs to; equal ones are no repeats. It
/// is of the route's dialect if the URL does not tell, for so it is answered.
fn unknown_event(
    head: &Head<'_>,
    command: &str,
    body: &str,
    object: Option<&Object<'_>>,
    dialect: DialectId,
) -> Option<Event> {
    let object = object?;
    let hook = table::other(table::moment_of(command));
    let named = object.text("callbackCommand");
    let body = match named.filter(|named| !named.is_empty()) {
        Some(_) => body.to_owned(),
        None => with_command(body, object, command),
    };
    let (can, ordering_key) = match hook.moment {
        Moment::After => (Can::NOTHING, likely_ordering_key(object)),
        Moment::Before => (can_as_said(dialect), String::new()),
    };
    let event = Event {
        operation_id: operation_id(head, object),
        ordering_key,
        recipients: recipients::read(object),
        body: Some(Bytes::from(body)),
        ..Event::new(hook, dialect, can)
    };
    Some(query::with_query(event, rest_of_query(head)))
}

/// What the answer to a question of which nothing is known can do. That of v2 has its codes alone.
fn can_as_said(dialect: DialectId) -> Can {
    Can {
        block: true,
        replace: dialect == DialectId::OpenIm,
        replace_later: false,
        reply: false,
    }
}

fn likely_ordering_key(object: &Object<'_>) -> String {
    let text = |name| scalar(object, name).unwrap_or_default();
    let message = Message {
        send_id: text("sendID"),
        recv_id: text("recvID"),
        group_id: text("groupID"),
        ..Message::default()
    };
    let of_message = message::conversation_id(&message);
    let others = ["conversationID", "userID", "fromUserID", "ownerUserID"].map(text);
    let mut keys = others.into_iter().chain([of_message]).rev();
    keys.find(|key| !key.is_empty()).unwrap_or_default()
}

/// The hook whose command stands in the URL.
pub(crate) fn hook_of(head: &Head<'_>) -> Option<Hook> {
    let command = command_in_path(head.path).or_else(|| command_in_query(head.query))?;
    table::by_command(command).map(|info| info.hook)
}

/// Whether the URL of a call names a command, as every version since v3.0 does.
pub(crate) fn url_names_command(head: &Head<'_>) -> bool {
    command_in_path(head.path)
        .or_else(|| command_in_query(head.query))
        .is_some()
}

/// Reads an event that was stored with the body of its call.
pub(crate) fn decode_one(
    hook: Hook,
    operation_id: &str,
    body: Bytes,
    dialect: DialectId,
) -> Result<Event, Unreadable> {
    let call = Call {
        head: Head::default(),
        body,
    };
    let unreadable = |reason| Unreadable {
        hook: Some(hook),
        reason,
    };
    let mut event = match decode(&call, dialect)? {
        Decoded::Event(event) => event,
        Decoded::UnknownCommand {
            event: Some(event), ..
        } if hook.name == table::OTHER => event,
        Decoded::UnknownCommand { command, .. } => {
            return Err(unreadable(format!("its command `{command}` is unknown")));
        }
        Decoded::Batch { .. } => return Err(unreadable("it is more than one event".to_owned())),
    };
    if !operation_id.is_empty() {
        event.operation_id = operation_id.to_owned();
    }
    Ok(*event)
}

/// Builds an event from a message that was given directly.
pub(crate) fn event_from_message(hook: Hook, operation_id: String, message: Message) -> Event {
    let info = table::info(hook);
    let can = can_directly(hook);
    let mut texts = Vec::with_capacity(2);
    if !message.sender_nickname.is_empty() {
        texts.push(Text {
            document: Document::Body,
            pointer: "/senderNickname".to_owned(),
            class: TextClass::Label,
            value: message.sender_nickname.clone(),
            literals: Vec::new(),
            replaceable: can.replace && info.can_replace_content(),
            keep_length: false,
            protected: Vec::new(),
        });
    }
    content_texts(DialectId::OpenIm, &message, can.replace, &mut texts);
    let mut event = Event {
        operation_id,
        natural_id: natural_id(info, Some(&message), None),
        ordering_key: ordering_key(info, Some(&message), None),
        message: Some(message),
        texts,
        ..Event::new(hook, DialectId::OpenIm, can)
    };
    if hook.moment == Moment::After {
        // What is told later is stored as a body.
        event.body = Some(request::body(&event));
    }
    event
}

/// Builds an event from a body that was given directly. Errors: as over HTTP.
pub(crate) fn event_from_body(
    hook: Hook,
    operation_id: String,
    body: Bytes,
) -> Result<Event, Unreadable> {
    let info = table::info(hook);
    let unreadable = |reason| Unreadable {
        hook: Some(hook),
        reason,
    };
    if hook.name == table::OTHER {
        let event = decode_one(hook, &operation_id, body, DialectId::OpenIm)?;
        return match event.hook == hook {
            true => Ok(event),
            false => Err(unreadable(format!(
                "its command is that of `{}`",
                event.hook
            ))),
        };
    }
    let text = readable(&body);
    let flawed = |flaw| unreadable(format!("the body is {flaw}"));
    let object = Object::parse(&text).map_err(flawed)?;
    let named = object.text("callbackCommand").unwrap_or_default();
    let text = match &*named {
        "" => with_command(&text, &object, info.command),
        named if same_command(named, info.command) => text.clone().into_owned(),
        named => return Err(disagreement(info.command, named)),
    };
    let object = Object::parse(&text).map_err(flawed)?;
    let can = can_directly(hook);
    let mut event = read(info, DialectId::OpenIm, can, &object, &text, |_, _| {
        can.replace
    })
    .map_err(unreadable)?;
    event.operation_id = match operation_id.is_empty() {
        true => object.text("operationID").unwrap_or_default().into_owned(),
        false => operation_id,
    };
    event.body = Some(Bytes::from(text));
    Ok(event)
}

/// Reads an event without its operation id and body.
///
/// `replaceable` says of a document and the name of a field in it whether the answer carries it.
/// Errors: a sentence on the field at fault.
fn read(
    info: &'static HookInfo,
    dialect: DialectId,
    can: Can,
    object: &Object<'_>,
    body: &str,
    replaceable: impl Fn(Document, &str) -> bool,
) -> Result<Event, String> {
    let message = match info.takes_message() {
        true => Some(message::read(object)?),
        false => None,
    };
    // A message names its receiver itself.
    let recipients = match info.form {
        Form::Message(_) => None,
        _ => recipients::read(object),
    };
    Ok(Event {
        natural_id: natural_id(info, message.as_ref(), Some(object)),
        ordering_key: ordering_key(info, message.as_ref(), Some(object)),
        texts: texts(info, dialect, message.as_ref(), object, body, replaceable),
        message,
        recipients,
        ..Event::new(info.hook, dialect, can)
    })
}

/// The answer over HTTP carries a new value of a text.
fn is_replaceable(
    info: &HookInfo,
    dialect: DialectId,
    can: Can,
    document: Document,
    name: &str,
) -> bool {
    let in_answer = match (document, name) {
        (Document::Content, _) => "content",
        // v2 takes a new content and nothing else.
        (Document::Body, _) if dialect == DialectId::OpenImV2 => return false,
        // Push information is replaced as a whole.
        (Document::Body, "title" | "desc") => "offlinePushInfo",
        (Document::Body, name) => name,
    };
    let field = info.answer_field(in_answer);
    can.replace && field.is_some_and(|field| field.effect.acts())
}

/// What the answer to a call of v3 can do.
fn can(info: &HookInfo, command: &str) -> Can {
    if info.hook.moment == Moment::After {
        return Can::NOTHING;
    }
    Can {
        block: true,
        // Of the old form we read the request, but do not write its own answer.
        replace: info.can_replace() && !command.eq_ignore_ascii_case(ONE_MEMBER_JOINS),
        replace_later: matches!(info.form, Form::Message(Receiver::User | Receiver::Group)),
        reply: false,
    }
}

/// What the answer to a call over gRPC can do.
fn can_directly(hook: Hook) -> Can {
    match hook.moment {
        Moment::After => Can::NOTHING,
        Moment::Before => Can {
            block: true,
            replace: true,
            replace_later: false,
            reply: false,
        },
    }
}

fn natural_id(
    info: &HookInfo,
    message: Option<&Message>,
    object: Option<&Object<'_>>,
) -> Option<String> {
    if info.hook.moment == Moment::Before {
        return None;
    }
    let mut id = info.hook.name.to_owned();
    let mut add = |part: &str| {
        id.push(':');
        id.push_str(part);
    };
    if let Some(message) = message {
        match (
            message.server_msg_id.as_str(),
            message.client_msg_id.as_str(),
        ) {
            ("", "") => return None,
            ("", client) => add(client),
            (server, _) => add(server),
        }
        return Some(id);
    }
    if info.natural_id.is_empty() {
        return None;
    }
    for field in info.natural_id {
        add(&scalar(object?, field)?);
    }
    Some(id)
}

/// Only what is told afterwards has an order to keep.
fn ordering_key(info: &HookInfo, message: Option<&Message>, object: Option<&Object<'_>>) -> String {
    if info.hook.moment == Moment::Before {
        return String::new();
    }
    if let Some(message) = message {
        return message::conversation_id(message);
    }
    let value = object.and_then(|object| scalar(object, info.ordering_key));
    match (info.ordering_key, value.unwrap_or_default()) {
        (_, value) if value.is_empty() => value,
        ("groupID", group) => message::group_ordering_key(&group),
        (_, id) => id,
    }
}

/// A string's text, or a number as written.
fn scalar(object: &Object<'_>, name: &str) -> Option<String> {
    let raw = object.last(name)?;
    match json::text(raw) {
        Some(text) => Some(text.into_owned()),
        None => json::int(raw).map(|number| number.to_string()),
    }
}

/// The dialect of a call whose URL names no command: of v2, or of v3 behind a URL that loses it.
///
/// Messages of v3.8.1 and later have `sendTime`, those of v2.0 have no `atUserList`. Between the
/// two lie v2.3 and v3.0: as a before call it must be of v2, since v3 loses the command only from
/// a URL that nobody writes; as an after call it may be a stored one of v3.
fn without_url(hook: Hook, object: &Object<'_>, route: DialectId) -> DialectId {
    let has = |name| object.last(name).is_some();
    match () {
        () if has("sendTime") => DialectId::OpenIm,
        () if v2::row(hook).is_none() => route,
        () if hook.moment == Moment::Before || !has("atUserList") => DialectId::OpenImV2,
        () => route,
    }
}

/// The command of a call, on which URL and body must agree.
fn command_of<'a>(
    in_url: Option<&'a str>,
    object: &Result<Object<'a>, Flaw>,
) -> Result<Cow<'a, str>, Unreadable> {
    let in_body = object.as_ref().ok();
    let in_body = in_body.and_then(|object| object.text("callbackCommand"));
    match (in_url, in_body.filter(|command| !command.is_empty())) {
        (Some(url), Some(body)) if !same_command(url, &body) => Err(disagreement(url, &body)),
        (Some(url), _) => Ok(Cow::Borrowed(url)),
        (None, Some(body)) => Ok(body),
        (None, None) => Err(Unreadable {
            hook: None,
            reason: match object {
                Err(flaw) => format!("the URL names no command, and the body is {flaw}"),
                Ok(_) => "neither the URL nor the body names a command".to_owned(),
            },
        }),
    }
}

/// The last segment of the path, if it is a command. Empty segments, as in `//callbackX`, and a
/// secret in the path do not matter.
fn command_in_path(path: &str) -> Option<&str> {
    let last = path.rsplit('/').find(|segment| !segment.is_empty())?;
    table::looks_like_command(last).then_some(last)
}

/// `command=…`, `callbackCommand=…`, or any value that ends in `/callback…Command`: what becomes
/// of a URL with a query when OpenIM appends the command to it.
fn command_in_query(query: &str) -> Option<&str> {
    query.split('&').find_map(command_in_pair)
}

fn command_in_pair(pair: &str) -> Option<&str> {
    let (key, value) = pair.split_once('=')?;
    let named = ["command", "callbackCommand"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(key));
    match (named, value.rsplit_once('/')) {
        (true, None) if !value.is_empty() => Some(value),
        (_, Some((_, last))) if table::looks_like_command(last) => Some(last),
        _ => None,
    }
}

/// The query without the command; whole where the path names it, for then nothing is read here.
fn rest_of_query(head: &Head<'_>) -> String {
    if command_in_path(head.path).is_some() {
        return query::rest(head.query, Some);
    }
    query::rest(head.query, |pair| match command_in_pair(pair) {
        None => Some(pair),
        // What OpenIM appended to the value of another key.
        Some(_) => pair
            .rsplit_once('/')
            .map(|(own, _)| own)
            .filter(|own| !own.ends_with('=')),
    })
}

/// Both commands mean the same hook, or are the same unknown one.
fn same_command(a: &str, b: &str) -> bool {
    let hook = |command| table::by_command(command).map(|info| info.hook);
    a.eq_ignore_ascii_case(b) || (hook(a).is_some() && hook(a) == hook(b))
}

fn disagreement(in_url: &str, in_body: &str) -> Unreadable {
    let hooks = [in_url, in_body].map(table::by_command);
    let known = || hooks.iter().flatten().map(|info| info.hook);
    let before = known().find(|hook| hook.moment == Moment::Before);
    Unreadable {
        hook: before.or_else(|| known().next()),
        reason: "the URL and the body name different commands".to_owned(),
    }
}

/// The body with `callbackCommand` as its first field.
fn with_command(body: &str, object: &Object<'_>, command: &str) -> String {
    let comma = if object.members.is_empty() { "" } else { "," };
    let rest = body.trim_start();
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    format!("{{\"callbackCommand\":\"{command}\"{comma}{rest}")
}
