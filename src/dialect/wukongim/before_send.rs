//! `msg.before_send`: the one call that waits for an answer, and the answer.
//!
//! Shape: `{"allow":true}`, `{"allow":true,"payload":"<base64>"}`, `{"allow":false}` or
//! `{"allow":false,"reason_code":200}`. Any other key, a repeated one, or a letter in another
//! case is no answer at all.
//! Source: WuKongIM `internal/usecase/message/before_send.go`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::decision::{Answer, Decision, FailureClass, Outcome, Refusal, Replacement, Verdict};
use crate::dialect::answers::{AnswerWarning, Answers, Reading};
use crate::dialect::contract::Reply;
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::literal;
use crate::dialect::document::readable::body_text;
use crate::event::Event;

use super::{decode, payload};

/// What the server tells the sender when the answer names no code of its own: not allowed to send.
const NOT_ALLOWED: i32 = 11;
/// Codes that reach the sender as they are.
const OWN_CODES: std::ops::RangeInclusive<i32> = 128..=255;
/// A longer payload is an error to the server.
const PAYLOAD_BYTES_MAX: usize = 32_767;
const KEYS: [&str; 3] = ["allow", "payload", "reason_code"];

/// Writes the answer. A payload that the server would not take becomes a refusal.
pub(crate) fn reply(decision: &Decision) -> Reply {
    let body = match &decision.verdict {
        Verdict::Allow | Verdict::Reply(_) => ALLOW.to_owned(),
        Verdict::Block(refusal) => refused(refusal.code),
        Verdict::Replace(replacement) if replacement.is_empty() => ALLOW.to_owned(),
        Verdict::Replace(replacement) => match new_payload(replacement) {
            Some(packed) => format!("{{\"allow\":true,\"payload\":\"{packed}\"}}"),
            None => refused(NOT_ALLOWED),
        },
    };
    Reply {
        status: 200,
        content_type: "application/json",
        body: body.into(),
    }
}

const ALLOW: &str = "{\"allow\":true}";

fn refused(code: i32) -> String {
    match OWN_CODES.contains(&code) {
        true => format!("{{\"allow\":false,\"reason_code\":{code}}}"),
        false => "{\"allow\":false}".to_owned(),
    }
}

/// The base64 of a replacement that the server takes.
fn new_payload(replacement: &Replacement) -> Option<Cow<'_, str>> {
    if let Some(content) = &replacement.content {
        let fits = (1..=PAYLOAD_BYTES_MAX).contains(&content.len());
        return fits.then(|| Cow::Owned(payload::encoded(content)));
    }
    let packed = json::text(replacement.field("payload")?)?;
    let length = STANDARD.decode(packed.as_bytes()).ok()?.len();
    (1..=PAYLOAD_BYTES_MAX).contains(&length).then_some(packed)
}

/// Reads an answer by the server's own rule.
pub(crate) fn read(event: &Event, status: u16, body: &[u8], answers: Answers) -> Reading {
    if status != 200 {
        return Reading::failure(FailureClass::HttpStatus, format!("status {status}"), None);
    }
    let invalid = |why: String| Reading::failure(FailureClass::InvalidAnswer, why, None);
    let Ok(text) = std::str::from_utf8(body) else {
        return invalid("the answer is not UTF-8".to_owned());
    };
    let object = match Object::parse(text) {
        Ok(object) => object,
        Err(flaw) => return invalid(format!("the answer is {flaw}")),
    };
    let count = |name: &str| object.members.iter().filter(|m| m.key == name).count();
    let known = |key: &str| KEYS.contains(&key);
    if object.members.iter().any(|member| !known(&member.key)) {
        return extra_key(&object, answers);
    }
    if KEYS.iter().any(|name| count(name) > 1) {
        return invalid("a key of the answer repeats".to_owned());
    }
    let member = |name: &str| {
        object
            .members
            .iter()
            .find(|m| m.key == name)
            .map(|m| m.value)
    };
    let code = member("reason_code");
    match member("allow") {
        Some("true") => allowed(event, code, member("payload")),
        Some("false") => refusal(code, member("payload").is_some()),
        _ => invalid("the answer has no `allow` that is true or false".to_owned()),
    }
}

/// An answer with a key that the server does not know is an error to it, also one that refuses.
fn extra_key(object: &Object<'_>, answers: Answers) -> Reading {
    let refuses = object.last("allow") == Some("false");
    match answers {
        Answers::Intent if refuses => {
            let mut reading = refusal(object.last("reason_code"), false);
            reading.warning = Some(AnswerWarning::ExtraKey);
            reading
        }
        _ => Reading::invalid(AnswerWarning::ExtraKey),
    }
}

fn allowed(event: &Event, code: Option<&str>, packed: Option<&str>) -> Reading {
    if code.is_some_and(|code| code != "0") {
        return Reading::invalid(AnswerWarning::ReasonCode);
    }
    let Some(raw) = packed else {
        return answer(Answer::Allow, None);
    };
    let bytes = json::text(raw).and_then(|packed| STANDARD.decode(packed.as_bytes()).ok());
    let bytes = bytes.filter(|bytes| (1..=PAYLOAD_BYTES_MAX).contains(&bytes.len()));
    let Some(bytes) = bytes else {
        return Reading::invalid(AnswerWarning::UnusablePayload);
    };
    let replacement = match String::from_utf8(bytes) {
        Ok(content) if was(event, &content) => return answer(Answer::Allow, None),
        Ok(content) => Replacement {
            content: Some(content),
            fields: Vec::new(),
            ..Replacement::default()
        },
        // Bytes that are no text stay in base64.
        Err(_) => Replacement {
            content: None,
            fields: vec![("payload".to_owned(), raw.to_owned())],
            ..Replacement::default()
        },
    };
    answer(Answer::Replace(replacement), None)
}

fn was(event: &Event, content: &str) -> bool {
    event
        .message
        .as_ref()
        .is_some_and(|message| message.content == content)
}

/// A refusal is one whatever stands beside it; only its code may get lost.
fn refusal(code: Option<&str>, has_payload: bool) -> Reading {
    let own = code
        .and_then(json::int32)
        .filter(|code| OWN_CODES.contains(code));
    let own = own.filter(|_| !has_payload);
    let lost = own.is_none() && code.is_some();
    let refusal = Refusal {
        code: own.unwrap_or(NOT_ALLOWED),
        public: String::new(),
        detail: String::new(),
    };
    answer(
        Answer::Block(refusal),
        lost.then_some(AnswerWarning::ReasonCode),
    )
}

/// After hooks: only 200 counts, and the body is thrown away.
pub(crate) fn acknowledgement(status: u16) -> Reading {
    match status {
        200 => answer(Answer::Allow, None),
        _ => Reading::failure(FailureClass::HttpStatus, format!("status {status}"), None),
    }
}

fn answer(answer: Answer, warning: Option<AnswerWarning>) -> Reading {
    Reading {
        outcome: Outcome::Answer(answer),
        warning,
    }
}

/// The event with another payload, its texts found again.
pub(crate) fn apply(event: &Event, replacement: &Replacement) -> Event {
    let raw = match &replacement.content {
        Some(content) => literal::encoded(&payload::encoded(content)),
        None => match replacement.field("payload") {
            Some(raw) => raw.to_owned(),
            None => return event.clone(),
        },
    };
    let body = body_text(event);
    let changed = match Object::parse(&body) {
        Ok(object) => json::with_members(&body, &object, &[("payload", raw)]),
        Err(_) => return event.clone(),
    };
    let read = decode::decode_one(event.hook, &event.operation_id, Bytes::from(changed));
    match read {
        Ok(changed) => Event {
            can: event.can,
            query: event.query.clone(),
            ..changed
        },
        // The payload of an answer was checked when it was read.
        Err(_) => event.clone(),
    }
}
