//! Answers, ours and those of endpoints: `{"retVal":true}` with, for an action, what the client
//! shall see.
//!
//! An endpoint's answer to an action goes to the client as a whole, so it is kept as a whole: the
//! field [`ANSWER`] of a replacement.

use bytes::Bytes;

use crate::decision::{
    Answer, Decision, FailureClass, Outcome, Refusal, Replacement, SkipReason, Verdict,
};
use crate::dialect::answers::Reading;
use crate::dialect::contract::Reply;
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::literal::{self, Edit};
use crate::dialect::document::readable::{body_text, readable};
use crate::dialect::document::values;
use crate::event::{Event, Hook, Text};

use super::decode::{decode_one, frame_of};
use super::table::{ACTION, AUTH, MESSAGE};

/// An endpoint's whole answer to an action.
const ANSWER: &str = "answer";
/// The new message of an action.
const MSG: &str = "msg";
/// Where the texts of an answer stand, to tell them from those of the request.
const IN_ANSWER: &str = "/answer";
const REFUSAL_CODE: i32 = 20001;

/// Writes our answer.
///
/// A message is always acknowledged. A login that no policy decides on is refused: the server
/// lets everybody in who gets a `true`.
pub(crate) fn reply(hook: Option<Hook>, decision: &Decision, shows_refusal: bool) -> Reply {
    let body = match hook {
        Some(hook) if hook == MESSAGE => ret_val(true),
        Some(hook) if hook == ACTION => action(&decision.verdict, shows_refusal),
        Some(hook) if hook == AUTH => {
            let is_refused = matches!(decision.verdict, Verdict::Block(_));
            ret_val(!is_refused && decision.skipped != Some(SkipReason::Disabled))
        }
        // Nobody knows what was asked.
        _ => ret_val(false),
    };
    Reply {
        status: 200,
        content_type: "application/json;charset=UTF-8",
        body: body.into(),
    }
}

fn ret_val(value: bool) -> String {
    format!("{{\"retVal\":{value}}}")
}

fn action(verdict: &Verdict, shows_refusal: bool) -> String {
    let with_msg = |value: bool, msg: &str| format!("{{\"retVal\":{value},\"msg\":{msg}}}");
    match verdict {
        Verdict::Allow | Verdict::Reply(_) => with_msg(true, "\"\""),
        Verdict::Block(refusal) => with_msg(shows_refusal, &plain(&refusal.public)),
        Verdict::Replace(replacement) => {
            match (replacement.field(ANSWER), replacement.field(MSG)) {
                (Some(answer), _) => answer.to_owned(),
                (None, Some(msg)) => with_msg(true, msg),
                (None, None) => with_msg(true, "\"\""),
            }
        }
    }
}

/// A literal as the server's own JSON library writes it: nothing is escaped that need not be.
fn plain(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Reads an endpoint's answer. Only an object with `retVal` true or false is one.
pub(crate) fn read(hook: Hook, status: u16, body: &[u8]) -> Reading {
    if status != 200 {
        return Reading::failure(FailureClass::HttpStatus, format!("status {status}"), None);
    }
    if hook == MESSAGE {
        return answer(Answer::Allow);
    }
    let invalid = |why: String| Reading::failure(FailureClass::InvalidAnswer, why, None);
    let text = readable(body);
    let object = match Object::parse(&text) {
        Ok(object) => object,
        Err(flaw) => return invalid(format!("the answer is {flaw}")),
    };
    let mut members = object.members.iter().rev();
    let msg = object.text(MSG).unwrap_or_default().into_owned();
    match members.find(|m| m.key == "retVal").map(|m| m.value) {
        Some("true") if hook == ACTION && object.members.len() > 1 => {
            answer(Answer::Replace(whole(text.trim().to_owned())))
        }
        Some("true") => answer(Answer::Allow),
        Some("false") => answer(Answer::Block(Refusal {
            code: REFUSAL_CODE,
            public: msg,
            detail: String::new(),
        })),
        _ => invalid("the answer has no `retVal` that is true or false".to_owned()),
    }
}

fn whole(answer: String) -> Replacement {
    field(ANSWER, answer)
}

fn field(name: &str, raw: String) -> Replacement {
    Replacement {
        content: None,
        fields: vec![(name.to_owned(), raw)],
        ..Replacement::default()
    }
}

fn answer(answer: Answer) -> Reading {
    Reading {
        outcome: Outcome::Answer(answer),
        warning: None,
    }
}

/// The event with a new message in it; or, for an endpoint's answer, the texts that would reach
/// the client.
pub(crate) fn apply(event: &Event, replacement: &Replacement) -> Event {
    if let Some(answer) = replacement.field(ANSWER) {
        return Event {
            texts: texts_of_answer(answer),
            body: Some(Bytes::from(answer.to_owned())),
            ..event.clone()
        };
    }
    let Some(raw) = replacement.field(MSG) else {
        return event.clone();
    };
    let body = Bytes::from(with_msg(event, raw));
    match decode_one(event.hook, &event.operation_id, &body) {
        Ok(changed) => Event {
            shows_refusal: event.shows_refusal,
            query: event.query.clone(),
            ..changed
        },
        // The event was an action with a message, and still is one.
        Err(_) => event.clone(),
    }
}

fn texts_of_answer(answer: &str) -> Vec<Text> {
    let mut texts = Vec::new();
    let object = Object::split(answer);
    for member in object
        .members
        .iter()
        .filter(|member| member.key != "clientMsgId")
    {
        let pointer = format!("{IN_ANSWER}/{}", member.key);
        values::find(answer, member.value, &pointer, true, &mut texts);
    }
    texts
}

fn with_msg(event: &Event, raw: &str) -> String {
    let body = body_text(event);
    let Ok(object) = Object::parse(&body) else {
        return body.into_owned();
    };
    let changes = [(MSG, raw.to_owned())];
    match (frame_of(&object), object.last("body")) {
        (Some(inner), Some(frame)) => {
            let inner = json::with_members(frame, &inner, &changes);
            json::with_members(&body, &object, &[("body", inner)])
        }
        _ => json::with_members(&body, &object, &changes),
    }
}

/// The body for an endpoint. What the client chose to be called stays in a login, which is passed
/// on as a whole; beside a message it was only for us.
pub(crate) fn body_to_send(event: &Event, replacement: Option<&Replacement>) -> Bytes {
    let raw = replacement.and_then(|replacement| replacement.field(MSG));
    let body = match raw {
        Some(raw) => with_msg(event, raw),
        None => body_text(event).into_owned(),
    };
    if event.hook == AUTH {
        return Bytes::from(body);
    }
    Bytes::from(without_proxy(&body))
}

/// The object without its member `proxy`.
fn without_proxy(body: &str) -> String {
    let Ok(object) = Object::parse(body) else {
        return body.to_owned();
    };
    if object.last("proxy").is_none() {
        return body.to_owned();
    }
    let kept = object
        .members
        .iter()
        .filter(|member| !json::same_key(&member.key, "proxy"));
    let kept: Vec<String> = kept
        .map(|member| format!("{}:{}", plain(&member.key), member.value))
        .collect();
    format!("{{{}}}", kept.join(","))
}

/// New texts in the message of an action, or in an endpoint's answer to one.
pub(crate) fn replace_texts(event: &Event, values: &[(usize, String)]) -> Replacement {
    let changed: Vec<_> = values
        .iter()
        .filter_map(|(index, value)| Some((event.texts.get(*index)?, value.as_str())))
        .filter(|(text, value)| text.replaceable && text.value != *value)
        .filter(|(text, _)| !text.literals.is_empty())
        .collect();
    let Some((first, _)) = changed.first() else {
        return Replacement::default();
    };
    let in_answer = first.pointer.starts_with(IN_ANSWER);
    let edits = changed.iter().map(|(text, value)| Edit {
        path: &text.literals,
        text: value,
    });
    let document = literal::splice(&body_text(event), edits.collect());
    if in_answer {
        return whole(document);
    }
    let msg = Object::parse(&document).ok().and_then(|object| {
        let inner = frame_of(&object).unwrap_or(object);
        inner.last(MSG).map(str::to_owned)
    });
    msg.map(|raw| field(MSG, raw)).unwrap_or_default()
}
