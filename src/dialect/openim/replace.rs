//! New values in an event: texts into a replacement, and a replacement into the event.

use bytes::Bytes;

use crate::decision::Replacement;
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::literal::{self, Edit};
use crate::dialect::document::readable::body_text;
use crate::event::{Document, Event, Text};

use super::{message, table, texts};

/// The fields that a request spreads over its body and an answer replaces as one object.
pub(crate) const PUSH_INFO: [(&str, &str); 6] = [
    ("title", "\"\""),
    ("desc", "\"\""),
    ("ex", "\"\""),
    ("iOSPushSound", "\"\""),
    ("iOSBadgeCount", "false"),
    ("signalInfo", "\"\""),
];

/// The name in the request of what an answer's field replaces.
pub(crate) fn request_name(field: &str) -> &str {
    match field {
        "senderFaceURL" => "faceURL",
        "atUserIDList" => "atUserList",
        "offlinePushInfo" => "title",
        same => same,
    }
}

/// Puts new texts into the literals of the event's documents and returns what changed.
pub(crate) fn replace_texts(event: &Event, values: &[(usize, String)]) -> Replacement {
    let changed = |document: Document| {
        values
            .iter()
            .filter_map(|(index, value)| Some((event.texts.get(*index)?, value.as_str())))
            .filter(|(text, value)| text.replaceable && text.value != *value)
            .filter(move |(text, _)| text.document == document)
            .collect::<Vec<_>>()
    };
    Replacement {
        content: new_content(event, &changed(Document::Content)),
        fields: new_fields(event, &changed(Document::Body)),
        ..Replacement::default()
    }
}

fn new_content(event: &Event, changed: &[(&Text, &str)]) -> Option<String> {
    let message = event.message.as_ref()?;
    match changed {
        [] => None,
        [(text, value)] if text.literals.is_empty() => Some((*value).to_owned()),
        changed => Some(literal::splice(&message.content, edits(changed))),
    }
}

fn new_fields(event: &Event, changed: &[(&Text, &str)]) -> Vec<(String, String)> {
    let body = match &event.body {
        Some(_) => literal::splice(&body_text(event), edits(changed)),
        None => String::new(),
    };
    let object = Object::parse(&body).ok();
    let mut fields: Vec<(String, String)> = Vec::new();
    for (text, value) in changed {
        let name = top_name(text);
        let (name, raw) = match (&object, name) {
            (None, name) => (name, literal::encoded(value)),
            (Some(object), "title" | "desc") => ("offlinePushInfo", push_info(object)),
            (Some(object), name) => (name, object.last(name).unwrap_or_default().to_owned()),
        };
        if !fields.iter().any(|(field, _)| field == name) {
            fields.push((name.to_owned(), raw));
        }
    }
    fields
}

fn edits<'a>(changed: &[(&'a Text, &'a str)]) -> Vec<Edit<'a>> {
    changed
        .iter()
        .filter(|(text, _)| !text.literals.is_empty())
        .map(|(text, value)| Edit {
            path: &text.literals,
            text: value,
        })
        .collect()
}

/// The body's field that a text stands in.
fn top_name(text: &Text) -> &str {
    let path = text.pointer.trim_start_matches('/');
    path.split('/').next().unwrap_or_default()
}

/// A request's push information as one object.
fn push_info(object: &Object<'_>) -> String {
    let members = PUSH_INFO
        .map(|(name, absent)| format!("\"{name}\":{}", object.last(name).unwrap_or(absent)));
    format!("{{{}}}", members.join(","))
}

/// The event with a replacement in it.
///
/// Fields that only an answer has, such as `memberCallbackList` or the `recvID` of
/// `beforeMsgModify`, change the message but not the body, which keeps the request's form.
pub(crate) fn apply(event: &Event, replacement: &Replacement) -> Event {
    let mut changed = event.clone();
    if table::is_other(event.hook) {
        // Of what is asked nothing is known, so nothing of it is known to change.
        return changed;
    }
    if let Some(message) = &mut changed.message {
        for (name, raw) in &replacement.fields {
            // A field of another type is no field of the message.
            let _ = message::set(message, name, raw);
        }
        if let Some(content) = &replacement.content {
            message.content.clone_from(content);
        }
    }
    let body = changed.body.is_some().then(|| new_body(event, replacement));
    let info = table::info(event.hook);
    let replaceable = |document: Document, name: &str| {
        let was = event.texts.iter().any(|text| {
            text.document == document
                && text.replaceable
                && (document == Document::Content || top_name(text) == name)
        });
        was || (document == Document::Content && event.can.replace && info.can_replace_content())
    };
    match &body {
        Some(body) => {
            if let Ok(object) = Object::parse(body) {
                let message = changed.message.as_ref();
                changed.texts =
                    texts::texts(info, event.dialect, message, &object, body, replaceable);
            }
        }
        None => changed.texts = direct_texts(&changed),
    }
    changed.body = body.map(Bytes::from);
    changed
}

/// Texts of an event without a body, after its message changed.
fn direct_texts(event: &Event) -> Vec<Text> {
    let message = event.message.clone().unwrap_or_default();
    let mut texts: Vec<Text> = event
        .texts
        .iter()
        .filter(|text| text.document == Document::Body)
        .map(|text| Text {
            value: message.sender_nickname.clone(),
            ..text.clone()
        })
        .collect();
    texts::content_texts(event.dialect, &message, event.can.replace, &mut texts);
    texts
}

/// The body with new raw values in it; whatever else stands in it stays as it is.
fn new_body(event: &Event, replacement: &Replacement) -> String {
    let body = body_text(event);
    let Ok(object) = Object::parse(&body) else {
        return body.into_owned();
    };
    let mut changes: Vec<(&str, String)> = Vec::new();
    for (name, raw) in &replacement.fields {
        match (name.as_str(), Object::parse(raw)) {
            ("offlinePushInfo", Ok(info)) => changes.extend(
                PUSH_INFO
                    .map(|(name, absent)| (name, info.last(name).unwrap_or(absent).to_owned())),
            ),
            (name, _) => changes.push((request_name(name), raw.clone())),
        }
    }
    if let Some(content) = &replacement.content {
        let mut raw = String::with_capacity(content.len() + 2);
        match object
            .last("content")
            .filter(|raw| json::text(raw).is_some())
        {
            Some(old) => literal::respell(old, content, &mut raw),
            None => literal::encode(content, &mut raw),
        }
        changes.push(("content", raw));
    }
    json::with_members(&body, &object, &changes)
}
