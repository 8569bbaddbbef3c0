//! The hook's own fields in an answer: their types as Go checks them, and which of them OpenIM
//! would act on.
//!
//! Source: open-im-server main, `pkg/callbackstruct`.

use std::borrow::Cow;

use crate::decision::Replacement;
use crate::dialect::answers::{AnswerWarning, Protection, Protections};
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::readable::body_text;
use crate::dialect::hooks::{Ability, AnswerField, Effect, HookInfo, Kind};
use crate::event::{DialectId, Event};

use super::replace;

/// The new content in an answer to a hook that OpenIM gives none, for a message that came over
/// gRPC: there every before hook can replace it.
const CONTENT: AnswerField = AnswerField {
    name: "content",
    kind: Kind::Text,
    effect: Effect::Replaces,
};

/// The fields that an answer to this event may have.
pub(crate) fn of(info: &HookInfo, event: &Event) -> impl Iterator<Item = &'static AnswerField> {
    let over_grpc = event.body.is_none() && event.message.is_some() && event.can.replace;
    let content = (over_grpc && !info.can_replace_content()).then_some(&CONTENT);
    info.answer.iter().chain(content)
}

/// Our answer to the event can carry the field on: not one to an older form of the call.
fn carries(event: &Event, name: &str) -> bool {
    event.can.replace && (event.dialect == DialectId::OpenIm || name == "content")
}

/// What an answer replaces.
#[derive(Debug)]
pub(crate) struct Read {
    pub replacement: Replacement,
    pub warning: Option<AnswerWarning>,
}

/// Reads the fields that OpenIM would act on; values equal to the request's are no change.
///
/// `content_back` brings a new content into the event's form.
/// Errors: a field of a wrong type, or an unusable content.
pub(crate) fn read(
    info: &HookInfo,
    event: &Event,
    object: &Object<'_>,
    protect: Protections,
    content_back: impl Fn(String) -> Result<String, AnswerWarning>,
) -> Result<Read, AnswerWarning> {
    let mut read = Read {
        replacement: Replacement::default(),
        warning: None,
    };
    let wipes = info.can == Ability::ReplaceAndEcho
        && carries(event, "groupID")
        && !protect.hold(Protection::Echo);
    if !wipes && !of(info, event).any(|field| object.last(field.name).is_some()) {
        return Ok(read);
    }
    let body = body_text(event);
    let request = Object::parse(&body).ok();
    // An answer that repeats the id of the group repeats the rest on purpose too, empty or not.
    let repeats = info.can == Ability::ReplaceAndEcho
        && object.text("groupID").is_some_and(|id| !id.is_empty());
    for field in of(info, event) {
        let raw = match (object.last(field.name), field.effect) {
            (Some(raw), _) => raw,
            // As the server takes it: what is absent is null.
            (None, Effect::Overwrites { absent }) if wipes => {
                read.set(field, absent);
                continue;
            }
            (None, _) => continue,
        };
        if !fits(field.kind, raw) {
            return Err(AnswerWarning::WrongType);
        }
        let asked = request
            .as_ref()
            .and_then(|request| request.last(replace::request_name(field.name)));
        let value = match usable(field, raw, asked, event.body.is_some(), repeats) {
            Usable::Yes(value) if carries(event, field.name) => value,
            Usable::No => continue,
            Usable::Wipes(value)
                if carries(event, field.name) && !protect.hold(Protection::Wipe) =>
            {
                read.set(field, value);
                continue;
            }
            Usable::Wipes(value) => {
                hold_back(&mut read, event, field, value);
                continue;
            }
            Usable::Mended(_) | Usable::Harmful
                if carries(event, field.name) && !protect.hold(Protection::Panic) =>
            {
                Cow::Borrowed(raw)
            }
            Usable::Mended(value) if carries(event, field.name) => {
                hold_back(&mut read, event, field, raw);
                read.warning = Some(AnswerWarning::UnusableField);
                Cow::Owned(value)
            }
            Usable::Yes(_) | Usable::Mended(_) | Usable::Harmful => {
                hold_back(&mut read, event, field, raw);
                read.warning = Some(AnswerWarning::UnusableField);
                continue;
            }
        };
        if field.name == "content" {
            let text = json::text(&value).unwrap_or_default().into_owned();
            let content = content_back(text)?;
            let old = event.message.as_ref().map(|message| &message.content);
            read.replacement.content = Some(content).filter(|content| Some(content) != old);
        } else if field.effect == Effect::Sets || !asked.is_some_and(|asked| same(asked, &value)) {
            read.set(field, &value);
        }
    }
    Ok(read)
}

impl Read {
    fn set(&mut self, field: &AnswerField, raw: &str) {
        let field = (field.name.to_owned(), raw.to_owned());
        self.replacement.fields.push(field);
    }
}

/// A field of the hook has a type that OpenIM does not read.
pub(crate) fn any_misfit(info: &HookInfo, event: &Event, object: &Object<'_>) -> bool {
    let misfits = |field: &AnswerField| {
        let raw = object.last(field.name);
        raw.is_some_and(|raw| !fits(field.kind, raw))
    };
    of(info, event).any(misfits)
}

/// Keeps a value for a policy that wants it all the same, where our answer can carry it.
fn hold_back(read: &mut Read, event: &Event, field: &AnswerField, raw: &str) {
    if carries(event, field.name) {
        let held_back = (field.name.to_owned(), raw.to_owned());
        read.replacement.held_back.push(held_back);
    }
}

enum Usable<'a> {
    Yes(Cow<'a, str>),
    No,
    /// It would empty what the request has, in an answer that does not look as if it meant to.
    Wipes(&'a str),
    /// Without the entries that OpenIM would break on.
    Mended(String),
    /// OpenIM would break on it.
    Harmful,
}

/// Whether OpenIM would act on a value that has the right type.
fn usable<'a>(
    field: &AnswerField,
    raw: &'a str,
    asked: Option<&str>,
    has_body: bool,
    repeats: bool,
) -> Usable<'a> {
    let given = raw != "null";
    let was_asked = !has_body || asked.is_some_and(|asked| asked != "null");
    match field.effect {
        Effect::Ignored | Effect::Echoed { .. } => Usable::No,
        Effect::ReplacesIfAsked if given && !was_asked => Usable::Harmful,
        Effect::ReplacesUnlessEmpty if matches!(raw, "\"\"") || is_empty_list(raw) => Usable::No,
        // As OpenIM takes them, "" and null wipe the value; from an answer that repeats nothing
        // they are an oversight.
        Effect::Overwrites { absent } if matches!(raw, "null" | "\"\"") => {
            let value = if given { raw } else { absent };
            match repeats {
                true => Usable::Yes(Cow::Borrowed(value)),
                false => Usable::Wipes(value),
            }
        }
        _ if !given => Usable::No,
        _ if field.kind == Kind::Members && is_empty_list(raw) => Usable::No,
        _ => match entries(field.kind, raw) {
            Some(Cow::Owned(entries)) if entries == "[]" => Usable::Harmful,
            Some(Cow::Owned(entries)) => Usable::Mended(entries),
            Some(Cow::Borrowed(_)) | None => Usable::Yes(Cow::Borrowed(raw)),
        },
    }
}

fn is_empty_list(raw: &str) -> bool {
    json::elements(raw).is_some_and(|elements| elements.is_empty())
}

/// A list of users or members without the entries that OpenIM panics on; `None` for other kinds.
fn entries(kind: Kind, raw: &str) -> Option<Cow<'_, str>> {
    let has_id = |entry: &&str| {
        let object = Object::parse(entry).ok();
        object.is_some_and(|object| object.text("userID").is_some())
    };
    let keeps = |entry: &&str| match kind {
        Kind::Members => has_id(entry),
        _ => *entry != "null",
    };
    if !matches!(kind, Kind::Members | Kind::Users) {
        return None;
    }
    let all = json::elements(raw)?;
    let kept: Vec<&str> = all.iter().copied().filter(keeps).collect();
    Some(match kept.len() == all.len() {
        true => Cow::Borrowed(raw),
        false => Cow::Owned(format!("[{}]", kept.join(","))),
    })
}

/// Both raw values are the same, or the same text.
fn same(a: &str, b: &str) -> bool {
    a == b || json::text(a).is_some_and(|text| Some(text) == json::text(b))
}

/// Go can decode the value into a field of this kind.
pub(crate) fn fits(kind: Kind, raw: &str) -> bool {
    if raw == "null" {
        return true;
    }
    match kind {
        Kind::Text => json::text(raw).is_some(),
        Kind::Int32 => json::int32(raw).is_some(),
        Kind::Bool => matches!(raw, "true" | "false"),
        Kind::Texts => json::texts(raw).is_some(),
        Kind::Bytes => json::text(raw).is_some_and(|text| is_base64(&text)),
        Kind::Flags => Object::parse(raw).is_ok_and(|flags| {
            flags
                .members
                .iter()
                .all(|flag| fits(Kind::Bool, flag.value))
        }),
        Kind::PushInfo => fits_struct(raw, &PUSH_INFO, &["iOSBadgeCount"], &[]),
        Kind::Users => each_fits(raw, |user| {
            let small = ["appMangerLevel", "globalRecvMsgOpt"];
            fits_struct(user, &["userID", "nickname", "faceURL", "ex"], &[], &small)
                && fits_int64(user, "createTime")
        }),
        Kind::Members => each_fits(raw, |member| {
            fits_struct(
                member,
                &["userID", "nickname", "faceURL", "ex"],
                &[],
                &["roleLevel"],
            ) && fits_int64(member, "muteEndTime")
        }),
    }
}

const PUSH_INFO: [&str; 5] = ["title", "desc", "ex", "iOSPushSound", "signalInfo"];

fn each_fits(raw: &str, fits: impl Fn(&str) -> bool) -> bool {
    json::elements(raw).is_some_and(|elements| {
        elements
            .into_iter()
            .all(|entry| entry == "null" || fits(entry))
    })
}

fn fits_struct(raw: &str, texts: &[&str], bools: &[&str], ints: &[&str]) -> bool {
    let Ok(object) = Object::parse(raw) else {
        return false;
    };
    object.members.iter().all(|member| {
        let is_in = |names: &[&str]| names.iter().any(|name| json::same_key(&member.key, name));
        match () {
            () if is_in(texts) => fits(Kind::Text, member.value),
            () if is_in(bools) => fits(Kind::Bool, member.value),
            () if is_in(ints) => fits(Kind::Int32, member.value),
            () => true,
        }
    })
}

fn fits_int64(raw: &str, name: &str) -> bool {
    let value = Object::parse(raw).ok().and_then(|object| object.last(name));
    value.is_none_or(|raw| raw == "null" || json::int(raw).is_some())
}

/// Standard base64 with padding; Go skips line ends.
fn is_base64(text: &str) -> bool {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !b"\r\n".contains(byte))
        .collect();
    let padding = digits
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    digits.len().is_multiple_of(4)
        && padding <= 2
        && digits[..digits.len() - padding].iter().all(is_digit)
}
