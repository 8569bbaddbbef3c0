//! Reading an endpoint's answer as OpenIM v3 does: v3.7 and later, or an older version by name.
//!
//! Shape: an object with `actionCode`, `errCode`, `errMsg`, `errDlt` and `nextCode`, all optional,
//! and the hook's own fields. It refuses exactly if `actionCode` is 0 and `nextCode` is 1.
//! Go's rules: keys without regard to case, the last of equal ones counts, `null` is as if absent,
//! integers have 32 bits, and a wrong type, or text behind the object, is no answer. Older versions
//! differ in what refuses ([`Answers`]).
//! Source: open-im-server main, `pkg/callbackstruct/common.go`, `pkg/common/webhook`.

use crate::decision::{Answer, FailureClass, Outcome, Refusal, Replacement};
use crate::dialect::answers::{
    AnswerRules, AnswerWarning, Answers, Protection, Protections, Reading,
};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::readable;
use crate::event::{DialectId, Event, Moment};

use super::{fields, request, table};

/// The code of a refusal that brings none of its own that is safe.
pub(crate) const REFUSAL_CODE: i32 = 20001;

/// OpenIM reports 0 as success, and 1 to 99 as a fault of its own.
pub(crate) fn is_safe_code(code: i64) -> bool {
    (100..=i64::from(i32::MAX)).contains(&code)
}

/// Reads an answer.
pub(crate) fn read(event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading {
    let AnswerRules { answers, protect } = rules;
    let info = table::info(event.hook);
    if event.hook.moment == Moment::After {
        return acknowledgement(status);
    }
    let text = readable(body);
    let object = match parse(&text, status) {
        Ok(object) => object,
        Err(reading) => return reading,
    };
    // Before v3.4.2 there was no `nextCode`.
    let known = match answers {
        Answers::OpenIm30 => &CODES[..4],
        _ => &CODES[..],
    };
    let codes = Codes::read(&object, known, json::int32);
    if let Some(reading) = wrong_type(&codes, status, rules) {
        return reading;
    }
    if refuses(&codes, answers) {
        if !protect.hold(Protection::Refusal) && fields::any_misfit(info, event, &object) {
            return Reading::invalid(AnswerWarning::WrongType);
        }
        return refusal(&codes, status, protect);
    }
    if !is_success(status) {
        return wrong_status(status);
    }
    let warning = contradiction(&codes, answers).or_else(|| unknown(&codes, &object, event));
    if let Some(reading) = judge(warning, &codes, rules) {
        return reading;
    }
    if table::is_other(event.hook) {
        return answer(whole(&object, event), None);
    }
    let back = |content| content_back(event, content);
    match fields::read(info, event, &object, protect, back) {
        Ok(read) => answer(read.replacement, warning.or(read.warning)),
        Err(warning) => Reading::invalid(warning),
    }
}

/// The rule of a version of the server; of v3.7 and later where none is named.
fn refuses(codes: &Codes, answers: Answers) -> bool {
    match answers {
        Answers::OpenIm30 => codes.action != 0 || codes.err != 0,
        Answers::OpenIm342 => codes.action != 0 || codes.next == 1,
        Answers::OpenIm36 => false,
        Answers::OpenIm | Answers::Strict | Answers::Intent | Answers::OpenIm21 => {
            codes.action == 0 && codes.next == 1
        }
    }
}

/// After hooks: whatever the answer says, it is thrown away.
pub(crate) fn acknowledgement(status: u16) -> Reading {
    match is_success(status) {
        true => answer(Replacement::default(), None),
        false => wrong_status(status),
    }
}

/// Reads the object, for which Go takes `null` too.
pub(crate) fn parse(text: &str, status: u16) -> Result<Object<'_>, Reading> {
    let nothing = Object {
        members: Vec::new(),
    };
    match Object::parse(text) {
        Ok(object) => Ok(object),
        Err(_) if text.trim_ascii() == "null" => Ok(nothing),
        Err(_) if !is_success(status) => Err(wrong_status(status)),
        Err(flaw) => Err(Reading::failure(
            FailureClass::InvalidAnswer,
            format!("the answer is {flaw}"),
            None,
        )),
    }
}

/// The names of the codes, in the order in which the versions got them.
pub(crate) const CODES: [&str; 5] = ["actionCode", "errCode", "errMsg", "errDlt", "nextCode"];

/// The five codes of an answer.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    pub action: i64,
    pub err: i64,
    pub next: i64,
    pub message: String,
    pub detail: String,
    /// At least one of them is there.
    pub any: bool,
    pub wrong_type: bool,
    /// `nextCode` is of a wrong type, but a person reads a 1.
    pub next_means_one: bool,
}

impl Codes {
    /// Reads the codes that the server knows; `int` is how wide its integers are.
    pub(crate) fn read<T: Into<i64>>(
        object: &Object<'_>,
        known: &[&str],
        int: impl Fn(&str) -> Option<T>,
    ) -> Codes {
        let mut codes = Codes::default();
        for member in &object.members {
            let is = |name| known.contains(&name) && json::same_key(&member.key, name);
            let set_int = |field: &mut i64| match int(member.value) {
                Some(number) => {
                    *field = number.into();
                    true
                }
                None => false,
            };
            let fits = match () {
                () if is("actionCode") => set_int(&mut codes.action),
                () if is("errCode") => set_int(&mut codes.err),
                () if is("nextCode") => {
                    codes.next_means_one = matches!(member.value, "\"1\"" | "true" | "1.0");
                    set_int(&mut codes.next)
                }
                () if is("errMsg") => set_text(&mut codes.message, member.value),
                () if is("errDlt") => set_text(&mut codes.detail, member.value),
                () => continue,
            };
            codes.any = true;
            codes.wrong_type |= !fits && member.value != "null";
        }
        codes
    }

    /// What the author means is to refuse. 200 as an `errCode` is HTTP's success, copied.
    pub(crate) fn means_refusal(&self) -> bool {
        self.action != 0 || self.next == 1 || !matches!(self.err, 0 | 200) || self.next_means_one
    }

    /// The refusal; its code is one that is safe, unless nobody wants that.
    pub(crate) fn refusal(&self, protect: Protections) -> Refusal {
        let is_taken = is_safe_code(self.err) || !protect.hold(Protection::Code);
        let own = i32::try_from(self.err).ok().filter(|_| is_taken);
        Refusal {
            code: own.unwrap_or(REFUSAL_CODE),
            public: self.message.clone(),
            detail: self.detail.clone(),
        }
    }
}

fn set_text(field: &mut String, raw: &str) -> bool {
    let text = json::text(raw);
    let fits = text.is_some();
    if let Some(text) = text {
        *field = text.into_owned();
    }
    fits
}

/// A reading if one of the codes has a wrong type.
pub(crate) fn wrong_type(codes: &Codes, status: u16, rules: AnswerRules) -> Option<Reading> {
    if !codes.wrong_type {
        return None;
    }
    Some(match rules.answers {
        _ if !is_success(status) => wrong_status(status),
        Answers::Intent if codes.means_refusal() => {
            block(codes.refusal(rules.protect), Some(AnswerWarning::WrongType))
        }
        _ => Reading::invalid(AnswerWarning::WrongType),
    })
}

/// The reading of a refusal in the dialect's own form, which counts whatever the status.
fn refusal(codes: &Codes, status: u16, protect: Protections) -> Reading {
    let warning = match () {
        () if !is_safe_code(codes.err) => Some(AnswerWarning::RefusalCode),
        () if !is_success(status) => Some(AnswerWarning::RefusalStatus),
        () => None,
    };
    block(codes.refusal(protect), warning)
}

/// Codes that let the operation go on although they look like a refusal.
fn contradiction(codes: &Codes, answers: Answers) -> Option<AnswerWarning> {
    if answers == Answers::OpenIm36 {
        return codes
            .means_refusal()
            .then_some(AnswerWarning::RefusalIgnored);
    }
    match codes {
        Codes { action, .. } if *action != 0 => Some(AnswerWarning::ActionCode),
        Codes { next, .. } if !matches!(next, 0 | 1) => Some(AnswerWarning::NextCode),
        Codes { err, .. } if *err != 0 => Some(AnswerWarning::ErrCodeAlone),
        _ => None,
    }
}

/// An object that is no answer at all: a web framework's error, or one with other fields only.
pub(crate) fn unknown(codes: &Codes, object: &Object<'_>, event: &Event) -> Option<AnswerWarning> {
    if codes.any || object.members.is_empty() {
        return None;
    }
    // Of a command of tomorrow no field is known.
    let is_other = table::is_other(event.hook);
    let status = object.last("status").and_then(json::int32);
    if object.last("error").is_some() && status.is_some_and(|status| status >= 400) {
        return Some(AnswerWarning::FrameworkError);
    }
    let is_known = |key: &str| {
        fields::of(table::info(event.hook), event).any(|field| json::same_key(key, field.name))
    };
    match is_other || object.members.iter().any(|member| is_known(&member.key)) {
        true => None,
        false => Some(AnswerWarning::NothingKnown),
    }
}

/// The reading of an odd answer, unless it goes on to be read as the server does.
pub(crate) fn judge(
    warning: Option<AnswerWarning>,
    codes: &Codes,
    rules: AnswerRules,
) -> Option<Reading> {
    let warning = warning?;
    match (rules.answers, warning) {
        (Answers::Strict, _) | (Answers::Intent, AnswerWarning::FrameworkError) => {
            Some(Reading::invalid(warning))
        }
        (Answers::Intent, _) if codes.means_refusal() => {
            Some(block(codes.refusal(rules.protect), Some(warning)))
        }
        // Its `status` is no field of the hook.
        (_, AnswerWarning::FrameworkError) => Some(answer(Replacement::default(), Some(warning))),
        _ => None,
    }
}

/// The answer to a command of which nothing is known, as it is: nobody can say what a field of it
/// leads to.
fn whole(object: &Object<'_>, event: &Event) -> Replacement {
    let is_code = |key: &str| CODES.iter().any(|code| json::same_key(key, code));
    let mut fields: Vec<(String, String)> = Vec::new();
    for member in object.members.iter().filter(|_| event.can.replace) {
        if !is_code(&member.key) {
            // The last of equal ones counts.
            fields.retain(|(name, _)| *name != *member.key);
            fields.push((member.key.clone().into_owned(), member.value.to_owned()));
        }
    }
    Replacement {
        fields,
        ..Replacement::default()
    }
}

pub(crate) fn answer(replacement: Replacement, warning: Option<AnswerWarning>) -> Reading {
    let is_allow = replacement.is_empty() && replacement.held_back.is_empty();
    let answer = match is_allow {
        true => Answer::Allow,
        false => Answer::Replace(replacement),
    };
    Reading {
        outcome: Outcome::Answer(answer),
        warning,
    }
}

pub(crate) fn block(refusal: Refusal, warning: Option<AnswerWarning>) -> Reading {
    Reading {
        outcome: Outcome::Answer(Answer::Block(refusal)),
        warning,
    }
}

pub(crate) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

pub(crate) fn wrong_status(status: u16) -> Reading {
    Reading::failure(FailureClass::HttpStatus, format!("status {status}"), None)
}

/// The endpoint's content in the form of the event.
///
/// Errors: not the JSON object that receiving clients need.
fn content_back(event: &Event, content: String) -> Result<String, AnswerWarning> {
    let object = Object::parse(&content);
    if request::wraps(event) {
        let text = object
            .as_ref()
            .ok()
            .and_then(|object| object.text("content"));
        return text
            .map(|text| text.into_owned())
            .ok_or(AnswerWarning::ContentNotObject);
    }
    let was_object = event
        .message
        .as_ref()
        .is_some_and(|message| Object::parse(&message.content).is_ok());
    match was_object && event.dialect == DialectId::OpenIm && object.is_err() {
        true => Err(AnswerWarning::ContentNotObject),
        false => Ok(content),
    }
}
