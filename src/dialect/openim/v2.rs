//! OpenIM v2.0: one URL, the command in the body, and other codes.
//!
//! Shape: the answer is `{"actionCode":0,"errCode":0,"errMsg":"","operationID":"…"}`. It refuses
//! exactly if `actionCode` is 1 and `errCode` is 0. v2.1 to v2.3 refuse if `actionCode` is not 0,
//! so our refusals work there too. To `callbackWordFilterCommand` an allow must repeat `content`,
//! for whatever the answer has replaces it.
//! Source: open-im-server v2.0.10, `internal/rpc/msg/callback.go`.

use bytes::Bytes;

use crate::decision::{Decision, Replacement, Verdict};
use crate::event::{DialectId, Event, Hook, Message, Moment};

use crate::dialect::answers::{
    AnswerRules, AnswerWarning, Answers, Protection, Protections, Reading,
};
use crate::dialect::contract::{Call, Decoded, Dialect, Head, Outgoing, Reply, Unreadable};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::literal;
use crate::dialect::document::readable::readable;
use crate::dialect::document::writer::Fields;
use crate::dialect::hooks::HookInfo;
use crate::dialect::query;

use super::answer::{self, Codes, REFUSAL_CODE};
use super::table::v2 as table;
use super::{decode, fields, message, replace, request};

/// The dialect of OpenIM v2.0.
#[derive(Debug)]
pub(crate) struct OpenImV2;

impl Dialect for OpenImV2 {
    fn id(&self) -> DialectId {
        DialectId::OpenImV2
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &table::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call, DialectId::OpenImV2)
    }

    fn hook_of(&self, head: &Head<'_>) -> Option<Hook> {
        decode::hook_of(head)
    }

    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
        decode::decode_one(hook, operation_id, body, DialectId::OpenImV2)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        reply(event, decision)
    }

    fn reply_without_event(&self, hook: Option<Hook>, body: &[u8], decision: &Decision) -> Reply {
        let body = readable(body);
        let text = |name: &str| {
            let object = Object::parse(&body).ok()?;
            object.text(name).map(|text| text.into_owned())
        };
        let operation_id = text("operationID").unwrap_or_default();
        let echo = hook
            .filter(|hook| table::filters_words(*hook))
            .map(|_| text("content"));
        match (&decision.verdict, echo) {
            (Verdict::Block(refusal), echo) if !is_after(hook) => {
                write(1, &refusal.public, &operation_id, echo.map(|_| ""))
            }
            // An allow without the content would empty the message.
            (_, Some(None)) => write(1, "not allowed", &operation_id, Some("")),
            (_, Some(Some(content))) => write(0, "", &operation_id, Some(&content)),
            (_, None) => write(0, "", &operation_id, None),
        }
    }

    fn not_stored(&self, event: &Event) -> Reply {
        not_stored(event)
    }

    /// A later version of v2 has the hooks of v3.
    fn speaks(&self, hook: Hook) -> bool {
        super::table::row(hook).is_some()
    }

    /// Writes the call as v2.0 does: the URL as it is, and v2.0's fields. Hooks that v2.0 does not
    /// have keep the body of v3, with the command of v3 in it.
    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
        let event = request::shown(event, replacement);
        let body = match (&event.body, &event.message) {
            (Some(body), _) if event.dialect == DialectId::OpenImV2 => body.clone(),
            (_, Some(message)) if table::row(event.hook).is_some() => {
                write_message(&event, message)
            }
            _ => request::body(&event),
        };
        Outgoing {
            url: query::joined(url, &event.query),
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            body,
        }
    }

    fn read_answer(&self, event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading {
        read_answer(event, status, body, rules)
    }

    fn apply(&self, event: &Event, replacement: &Replacement) -> Event {
        replace::apply(event, replacement)
    }

    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement {
        replace::replace_texts(event, values)
    }
}

/// The answer to an event of v2.0.
fn reply(event: &Event, decision: &Decision) -> Reply {
    let message = event.message.as_ref();
    let content = message
        .map(|message| message.content.as_str())
        .unwrap_or_default();
    let echo = |content| table::filters_words(event.hook).then_some(content);
    match &decision.verdict {
        Verdict::Block(refusal) if event.hook.moment == Moment::Before => {
            write(1, &refusal.public, &event.operation_id, echo(""))
        }
        Verdict::Replace(replacement) if !replacement.is_empty() && event.can.block => {
            match (&replacement.content, replacement.fields.is_empty()) {
                (Some(content), true) if table::filters_words(event.hook) => {
                    write(0, "", &event.operation_id, Some(content))
                }
                // What the answer cannot carry must not go on as it was.
                _ => write(1, "not allowed", &event.operation_id, echo("")),
            }
        }
        _ => write(0, "", &event.operation_id, echo(content)),
    }
}

/// The answer to an after call of v2.0 that could not be stored.
fn not_stored(event: &Event) -> Reply {
    Reply {
        status: 503,
        ..write(0, "not stored", &event.operation_id, None)
    }
}

fn write(action: i32, message: &str, operation_id: &str, content: Option<&str>) -> Reply {
    let mut fields = Fields::default();
    fields.raw("actionCode", action);
    fields.raw("errCode", 0);
    fields.text("errMsg", message);
    fields.text("operationID", operation_id);
    if let Some(content) = content {
        fields.text("content", content);
    }
    Reply {
        status: 200,
        content_type: "application/json",
        body: fields.finish("").into(),
    }
}

fn is_after(hook: Option<Hook>) -> bool {
    hook.is_some_and(|hook| hook.moment == Moment::After)
}

fn write_message(event: &Event, message: &Message) -> Bytes {
    let info = table::row(event.hook);
    let mut body = Fields::default();
    body.text("sendID", &message.send_id);
    body.text("callbackCommand", info.map_or("", |info| info.command));
    body.text("serverMsgID", &message.server_msg_id);
    body.text("clientMsgID", &message.client_msg_id);
    body.text("operationID", &event.operation_id);
    body.raw("senderPlatformID", message.sender_platform_id);
    body.text("senderNickname", &message.sender_nickname);
    body.raw("sessionType", message.session_type);
    body.raw("msgFrom", message.msg_from);
    body.raw("contentType", message.content_type);
    body.raw("status", message.status);
    body.raw("createTime", message.create_time);
    let plain = wrapped_text(event, message).map(|(text, _)| text);
    body.text("content", plain.as_deref().unwrap_or(&message.content));
    match event.hook.name {
        "beforeSendSingleMsg" | "afterSendSingleMsg" => body.text("recvID", &message.recv_id),
        "beforeSendGroupMsg" | "afterSendGroupMsg" => body.text("groupID", &message.group_id),
        _ => {}
    }
    Bytes::from(body.finish(""))
}

/// The text of a v3 message of type 101 and its literal in the content, where v2.0 has the text
/// alone.
fn wrapped_text<'a>(event: &Event, message: &'a Message) -> Option<(String, &'a str)> {
    if message.content_type != 101 || message::is_plain(event.dialect, message) {
        return None;
    }
    let raw = Object::parse(&message.content).ok()?.last("content")?;
    Some((json::text(raw)?.into_owned(), raw))
}

/// Reads an answer by the rule of v2.0.
fn read_answer(event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading {
    let answers = rules.answers;
    if event.hook.moment == Moment::After {
        return answer::acknowledgement(status);
    }
    let text = readable(body);
    let object = match answer::parse(&text, status) {
        Ok(object) => object,
        Err(reading) => return reading,
    };
    let codes = read_codes(&object);
    if let Some(reading) = answer::wrong_type(&codes, status, rules) {
        return reading;
    }
    let refuses = match answers {
        Answers::OpenIm21 => codes.action != 0,
        _ => codes.action == 1 && codes.err == 0,
    };
    if refuses {
        let warning = (!answer::is_success(status)).then_some(AnswerWarning::RefusalStatus);
        let mut refusal = codes.refusal(rules.protect);
        if codes.err == 0 {
            // The rule asks for it; what the sender's client gets is for us to say.
            refusal.code = REFUSAL_CODE;
        }
        return answer::block(refusal, warning);
    }
    if !answer::is_success(status) {
        return answer::wrong_status(status);
    }
    let next = object.last("nextCode").and_then(json::int);
    let warning = contradiction(&codes, next).or_else(|| answer::unknown(&codes, &object, event));
    let meant = Codes {
        next: next.unwrap_or_default(),
        ..codes
    };
    if let Some(reading) = answer::judge(warning, &meant, rules) {
        return reading;
    }
    let (replacement, missing) = match replacement(event, &object, &meant, rules.protect) {
        Ok(read) => read,
        Err(warning) => return Reading::invalid(warning),
    };
    answer::answer(replacement, warning.or(missing))
}

/// v2.0 knows `operationID` and neither `errDlt` nor `nextCode`; its integers have 64 bits.
fn read_codes(object: &Object<'_>) -> Codes {
    let mut codes = Codes::read(object, &answer::CODES[..3], json::int);
    let operation_id = object.last("operationID");
    codes.any |= operation_id.is_some();
    codes.wrong_type |= operation_id.is_some_and(|raw| raw != "null" && json::text(raw).is_none());
    codes
}

fn contradiction(codes: &Codes, next: Option<i64>) -> Option<AnswerWarning> {
    match (codes.action, codes.err, next) {
        (0, 0, Some(1)) => Some(AnswerWarning::NextCodeUnknown),
        (0, 0, _) => None,
        (0, _, Some(1)) => Some(AnswerWarning::NextCodeUnknown),
        (0, ..) => Some(AnswerWarning::ErrCodeAlone),
        (_, 0, _) => Some(AnswerWarning::ActionCode),
        _ => Some(AnswerWarning::ActionAndErrCode),
    }
}

/// The new values, and what is odd about them.
///
/// The word filter's answer has `content` and nothing else; hooks that v2.0 does not have are
/// answered as in v3.
fn replacement(
    event: &Event,
    object: &Object<'_>,
    codes: &Codes,
    protect: Protections,
) -> Result<(Replacement, Option<AnswerWarning>), AnswerWarning> {
    if !table::filters_words(event.hook) {
        let info = super::table::info(event.hook);
        let back = |content: String| Ok(content_back(event, content));
        let read = fields::read(info, event, object, protect, back)?;
        return Ok((read.replacement, read.warning));
    }
    let content = match object.last("content") {
        Some(raw) if raw != "null" => json::text(raw).ok_or(AnswerWarning::WrongType)?,
        // v2.0 empties the message; nobody means that.
        _ if !protect.hold(Protection::Echo) => "".into(),
        _ => return Ok((Replacement::default(), Some(AnswerWarning::ContentMissing))),
    };
    if codes.err != 0 {
        return Ok((Replacement::default(), None));
    }
    let content = content_back(event, content.into_owned());
    let old = event.message.as_ref().map(|message| &message.content);
    let replacement = Replacement {
        content: Some(content).filter(|content| Some(content) != old),
        fields: Vec::new(),
        ..Replacement::default()
    };
    Ok((replacement, None))
}

/// The endpoint's content in the form of the event: a text goes into the literal that it came from.
fn content_back(event: &Event, content: String) -> String {
    let message = event.message.as_ref();
    let Some((message, raw)) = message.and_then(|message| {
        let (_, raw) = wrapped_text(event, message)?;
        Some((message, raw))
    }) else {
        return content;
    };
    let edit = literal::Edit {
        path: &[json::range_in(&message.content, raw)],
        text: &content,
    };
    literal::splice(&message.content, vec![edit])
}
