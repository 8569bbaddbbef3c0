//! The payload of a message: base64 around bytes that are, by the SDKs' convention, JSON such as
//! `{"type":1,"content":"hello"}`. The server never looks inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decision::Replacement;
use crate::dialect::document::json::{self, Object};
use crate::dialect::document::literal::{self, Edit};
use crate::dialect::document::readable::readable;
use crate::dialect::document::texts::{Search, find_texts};
use crate::event::{Event, Text, TextClass};

/// The type that the SDKs give a text; raw text without JSON counts as one.
const TEXT: i32 = 1;
/// Strings that machines write: a word in them would be an accident.
const NO_WORDS: [&str; 13] = [
    "url",
    "uid",
    "uids",
    "from_uid",
    "message_id",
    "client_msg_no",
    "channel_id",
    "vercode",
    "img",
    "thumbnail",
    "waveform",
    "format",
    "extension",
];

/// A payload as text.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub text: String,
    /// It was not UTF-8, so what is shown is not what was sent.
    pub is_mended: bool,
}

/// The decoded payload; empty when it is `null`.
///
/// Errors: it is missing or not base64.
pub(crate) fn decoded(object: &Object<'_>) -> Result<Content, &'static str> {
    let raw = object.last("payload").ok_or("`payload` is missing")?;
    if raw == "null" {
        return Ok(Content::default());
    }
    let packed = json::text(raw).ok_or("`payload` is not a string")?;
    let bytes = STANDARD
        .decode(packed.as_bytes())
        .map_err(|_| "`payload` is not base64")?;
    Ok(Content {
        text: readable(&bytes).into_owned(),
        is_mended: std::str::from_utf8(&bytes).is_err(),
    })
}

/// A payload as the server writes it.
pub(crate) fn encoded(content: &str) -> String {
    STANDARD.encode(content)
}

/// The payload's `type`; 1 for text without JSON, 0 for JSON without a type.
pub(crate) fn content_type(content: &str) -> i32 {
    match Object::parse(content) {
        Ok(object) => object.last("type").and_then(json::int32).unwrap_or(0),
        Err(_) => TEXT,
    }
}

/// Every text of a payload: the `content` that the sender typed, what a quoted or forwarded
/// message says, and whatever else holds words.
pub(crate) fn texts(content: &str, replaceable: bool) -> Vec<Text> {
    let mut texts = Vec::new();
    let search = Search::every_string(content, replaceable);
    find_texts(search, &mut texts);
    texts.retain(|text| !NO_WORDS.contains(&last_key(&text.pointer)));
    for text in &mut texts {
        text.class = class_of(text);
    }
    texts
}

fn class_of(text: &Text) -> TextClass {
    let is_below = |top: &str| {
        let rest = text.pointer.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match last_key(&text.pointer) {
        _ if is_below("/reply") || is_below("/msgs") => TextClass::Nested,
        _ if text.pointer.is_empty() || is_below("/content") => TextClass::Body,
        "name" | "title" | "from_name" => TextClass::Label,
        _ => text.class,
    }
}

/// The name that a value has, also inside an array of values.
fn last_key(pointer: &str) -> &str {
    let is_name = |part: &&str| !part.bytes().all(|byte| byte.is_ascii_digit());
    pointer.rsplit('/').find(is_name).unwrap_or_default()
}

/// The payload with new texts in it; every other byte stays.
pub(crate) fn replace_texts(event: &Event, values: &[(usize, String)]) -> Replacement {
    let content = event.message.as_ref().map(|message| &*message.content);
    let changed: Vec<(&Text, &str)> = values
        .iter()
        .filter_map(|(index, value)| Some((event.texts.get(*index)?, value.as_str())))
        .filter(|(text, value)| text.replaceable && text.value != *value)
        .collect();
    let content = match (content, changed.as_slice()) {
        (None, _) | (_, []) => None,
        (_, [(text, value)]) if text.literals.is_empty() => Some((*value).to_owned()),
        (Some(content), changed) => {
            let edits = changed.iter().filter(|(text, _)| !text.literals.is_empty());
            let edits = edits.map(|(text, value)| Edit {
                path: &text.literals,
                text: value,
            });
            Some(literal::splice(content, edits.collect()))
        }
    };
    Replacement {
        content,
        fields: Vec::new(),
        ..Replacement::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, expected: &[(&str, &str, TextClass)]) {
        let texts = texts(content, true);
        let read: Vec<_> = texts
            .iter()
            .map(|text| (text.pointer.as_str(), text.value.as_str(), text.class))
            .collect();
        assert_eq!(read, expected, "{content}");
    }

    #[test]
    fn every_text_has_its_author() {
        check("hello", &[("", "hello", TextClass::Body)]);
        check(
            r#"{"type":1,"content":"hi","mention":{"all":0,"uids":["u1"]}}"#,
            &[("/content", "hi", TextClass::Body)],
        );
        check(
            r#"{"type":1,"content":"hi","reply":{"from_uid":"u","from_name":"Bob","payload":{"content":"old"}}}"#,
            &[
                ("/content", "hi", TextClass::Body),
                ("/reply/from_name", "Bob", TextClass::Nested),
                ("/reply/payload/content", "old", TextClass::Nested),
            ],
        );
        check(
            r#"{"type":8,"name":"a.pdf","url":"https://x/y","extra":"z"}"#,
            &[
                ("/name", "a.pdf", TextClass::Label),
                ("/extra", "z", TextClass::Opaque),
            ],
        );
    }

    #[test]
    fn types_are_the_payloads_own() {
        assert_eq!(content_type(r#"{"type":1,"content":"x"}"#), 1);
        assert_eq!(content_type(r#"{"content":"x"}"#), 0);
        assert_eq!(content_type("hello"), 1);
    }
}
