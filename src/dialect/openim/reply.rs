//! Our answer to OpenIM v3.
//!
//! Shape: `{"actionCode":0,"errCode":0,"errMsg":"Success","errDlt":"","nextCode":0}`, then the
//! fields that change. OpenIM refuses exactly if `actionCode` is 0 and `nextCode` is 1, and does
//! not look at the status.
//! Source: open-im-server main, `pkg/callbackstruct/common.go`.

use std::borrow::Cow;

use bytes::Bytes;

use crate::decision::{Decider, Decision, Refusal, Replacement, Verdict};
use crate::dialect::contract::Reply;
use crate::dialect::document::json::Object;
use crate::dialect::document::literal;
use crate::dialect::document::readable::readable;
use crate::dialect::document::writer::Fields;
use crate::dialect::hooks::{Ability, Effect, HookInfo};
use crate::event::{Event, Hook, Moment};

use super::answer::{REFUSAL_CODE, is_safe_code};
use super::fields::fits;
use super::table;

/// The answer to nearly every call: the operation goes on as it is.
const ALLOW: &str =
    "{\"actionCode\":0,\"errCode\":0,\"errMsg\":\"Success\",\"errDlt\":\"\",\"nextCode\":0}\n";

/// The answer to an event.
pub(crate) fn reply(event: &Event, decision: &Decision) -> Reply {
    let body = event.body.as_deref().unwrap_or_default();
    match &decision.verdict {
        // Whatever it is: as the business server says it.
        Verdict::Replace(replacement) if table::is_other(event.hook) => json(said(replacement)),
        _ => json(write(event.hook, body, decision)),
    }
}

/// Our codes, and behind them every field as it is.
fn said(replacement: &Replacement) -> Bytes {
    let mut body = codes("").finish("");
    body.pop();
    for (name, raw) in &replacement.fields {
        body.push_str(&format!(",{}:{raw}", literal::encoded(name)));
    }
    body.push_str("}\n");
    body.into()
}

/// The answer where there is no event.
pub(crate) fn without_event(hook: Option<Hook>, body: &[u8], decision: &Decision) -> Reply {
    json(match hook {
        Some(hook) => write(hook, body, decision),
        None => match &decision.verdict {
            Verdict::Block(refusal) => block(refusal, decision.decider),
            Verdict::Allow | Verdict::Replace(_) | Verdict::Reply(_) => allow(),
        },
    })
}

/// The answer to an after call that could not be stored.
pub(crate) fn not_stored() -> Reply {
    let mut reply = json(codes("not stored").finish("\n").into());
    reply.status = 503;
    reply
}

/// `body` is the request, of which the echo is taken.
fn write(hook: Hook, body: &[u8], decision: &Decision) -> Bytes {
    let info = table::info(hook);
    let nothing = Replacement::default();
    let replacement = match &decision.verdict {
        _ if hook.moment == Moment::After => return allow(),
        Verdict::Block(refusal) => return block(refusal, decision.decider),
        Verdict::Allow | Verdict::Reply(_) => &nothing,
        Verdict::Replace(replacement) => replacement,
    };
    let echoes = info.can == Ability::ReplaceAndEcho;
    if replacement.is_empty() && !echoes {
        return allow();
    }
    let body = match echoes {
        true => readable(body),
        false => Cow::Borrowed(""),
    };
    let request = Object::parse(&body).ok();
    if echoes && request.is_none() {
        return cannot("the request could not be read, and an answer must repeat it");
    }
    if !carries(info, replacement) {
        return cannot("the answer to this hook cannot carry the new values");
    }
    let mut fields = codes("");
    for field in info.answer {
        let replaced = match field.name {
            "content" => replacement.content.as_deref().map(literal::encoded),
            name => replacement.field(name).map(str::to_owned),
        };
        let echo = || match field.effect {
            Effect::Overwrites { absent } | Effect::Echoed { absent } => {
                let asked = request
                    .as_ref()
                    .and_then(|request| request.last(field.name));
                let is_sound = |raw: &&str| *raw != "null" && fits(field.kind, raw);
                Some(asked.filter(is_sound).unwrap_or(absent).to_owned())
            }
            _ => None,
        };
        if let Some(raw) = replaced.or_else(echo) {
            fields.raw(field.name, raw);
        }
    }
    fields.finish("\n").into()
}

/// Every new value is one that OpenIM takes from the answer.
fn carries(info: &HookInfo, replacement: &Replacement) -> bool {
    let content = replacement.content.iter().map(|_| "content");
    let names = replacement.fields.iter().map(|(name, _)| name.as_str());
    let acts = |name| {
        info.answer_field(name)
            .is_some_and(|field| field.effect.acts())
    };
    content.chain(names).all(acts)
}

fn allow() -> Bytes {
    Bytes::from_static(ALLOW.as_bytes())
}

fn codes(message: &str) -> Fields {
    let mut fields = Fields::default();
    fields.raw("actionCode", 0);
    fields.raw("errCode", 0);
    fields.text("errMsg", message);
    fields.text("errDlt", "");
    fields.raw("nextCode", 0);
    fields
}

/// A refusal. It carries nothing else: OpenIM would ignore it, and older versions act on it.
fn block(refusal: &Refusal, decider: Decider) -> Bytes {
    // What a business server says is safe already, unless an operator wants it as it is.
    let is_safe = is_safe_code(refusal.code.into()) || decider == Decider::Callback;
    let mut fields = Fields::default();
    fields.raw("actionCode", 0);
    fields.raw("errCode", if is_safe { refusal.code } else { REFUSAL_CODE });
    fields.text("errMsg", &refusal.public);
    fields.text("errDlt", &refusal.detail);
    fields.raw("nextCode", 1);
    fields.finish("\n").into()
}

fn cannot(detail: &str) -> Bytes {
    let refusal = Refusal {
        code: REFUSAL_CODE,
        public: "not allowed".to_owned(),
        detail: detail.to_owned(),
    };
    block(&refusal, Decider::Nothing)
}

fn json(body: Bytes) -> Reply {
    Reply {
        status: 200,
        content_type: "application/json",
        body,
    }
}
