//! The texts of an event: those in its message's content, and those in its body.

use crate::dialect::document::json::{self, Object};
use crate::dialect::document::texts::{Search, find_texts};
use crate::dialect::hooks::HookInfo;
use crate::event::{DialectId, Document, Message, Text};

use super::{elements, message};

/// Every text of an event that has a body. The fields that hold them stand before `content` in
/// every request.
pub(crate) fn texts(
    info: &HookInfo,
    dialect: DialectId,
    message: Option<&Message>,
    object: &Object<'_>,
    body: &str,
    replaceable: impl Fn(Document, &str) -> bool,
) -> Vec<Text> {
    let mut texts = Vec::with_capacity(2);
    let mut add = |pointer: String, raw: &str, class, replaceable| {
        let value = json::text(raw).unwrap_or_default();
        if !value.is_empty() {
            texts.push(Text {
                document: Document::Body,
                pointer,
                class,
                value: value.into_owned(),
                literals: vec![json::range_in(body, raw)],
                replaceable,
                keep_length: false,
                protected: Vec::new(),
            });
        }
    };
    for text in info.texts {
        let name = text.list.unwrap_or(text.name);
        let Some(raw) = object.last(name) else {
            continue;
        };
        let replaceable = replaceable(Document::Body, name);
        if text.list.is_none() {
            add(format!("/{name}"), raw, text.class, replaceable);
            continue;
        }
        let items = json::elements(raw).unwrap_or_default();
        for (index, item) in items.into_iter().enumerate() {
            if let Some(raw) = Object::split(item).last(text.name) {
                add(
                    format!("/{name}/{index}/{}", text.name),
                    raw,
                    text.class,
                    replaceable,
                );
            }
        }
    }
    if let Some(message) = message {
        let replaceable = replaceable(Document::Content, "content");
        content_texts(dialect, message, replaceable, &mut texts);
    }
    texts
}

/// Appends the texts of a message's content.
pub(super) fn content_texts(
    dialect: DialectId,
    message: &Message,
    replaceable: bool,
    texts: &mut Vec<Text>,
) {
    find_texts(search(dialect, message, replaceable), texts);
}

/// What to look for in a message's content.
pub(in crate::dialect) fn search(
    dialect: DialectId,
    message: &Message,
    replaceable: bool,
) -> Search<'_> {
    Search {
        content: &message.content,
        rule: elements::rule_of(message.content_type),
        message: elements::MESSAGE,
        plain: message::is_plain(dialect, message),
        mentioned: message.at_user_ids.as_deref().unwrap_or_default(),
        replaceable,
        open_strings: true,
    }
}
