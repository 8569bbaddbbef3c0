//! The elements of OpenIM's content types: where in a message's `content` people write.
//!
//! Shape: `content` is the message element as JSON, such as `{"content":"hello"}` for a text; a
//! quoted or forwarded message stands inside as a whole, with an element of its own such as
//! `{"senderNickname":"Bob","textElem":{"content":"hi"}}`.
//! Source: openim-sdk-core, `sdk_struct/sdk_struct.go`.

use crate::dialect::document::texts::{Fields, Rule};
use crate::event::TextClass::{Body, Label, Nested, Opaque};

/// How the element of a content type is read.
pub(crate) fn rule_of(content_type: i32) -> Rule {
    Rule::Fields(match content_type {
        101 | 118 => TEXT,
        102..=104 | 121 | 122 => &[],
        105 => FILE,
        106 => AT_TEXT,
        107 => MERGED,
        108 => CARD,
        109 => LOCATION,
        110 | 119 | 120 => return Rule::Open(CUSTOM),
        113 => TYPING,
        114 => QUOTE,
        115 => FACE,
        117 => ADVANCED_TEXT,
        // `{"detail":"{\"text\":…}"}` in a message, `{"text":…}` in the calls before a push.
        1400 => return Rule::EveryString(Body),
        // Machines write objects here. What is none was sent by a client: main lets clients send
        // these types, without any hook before the push.
        1000..=5000 => &[],
        // A type that is not known is no way past the filters.
        _ => return Rule::EveryString(Opaque),
    })
}

const TEXT: &Fields = &[("content", Rule::Text(Body))];
const FILE: &Fields = &[("fileName", Rule::Text(Label))];
const AT_TEXT: &Fields = &[
    ("text", Rule::Mentions),
    ("atUsersInfo", Rule::Each(&Rule::Fields(AT_USER))),
    ("quoteMessage", Rule::Message),
];
const AT_USER: &Fields = &[("groupNickname", Rule::Text(Label))];
const MERGED: &Fields = &[
    ("title", Rule::Text(Body)),
    ("abstractList", Rule::Each(&Rule::Text(Nested))),
    ("multiMessage", Rule::Each(&Rule::Message)),
];
const CARD: &Fields = &[
    ("nickname", Rule::Text(Label)),
    ("ex", Rule::AppText(Opaque)),
];
const LOCATION: &Fields = &[("description", Rule::AppText(Body))];
const CUSTOM: &Fields = &[
    ("data", Rule::AppText(Opaque)),
    ("description", Rule::AppText(Label)),
    ("extension", Rule::AppText(Opaque)),
];
const TYPING: &Fields = &[("msgTips", Rule::Text(Body))];
const QUOTE: &Fields = &[("text", Rule::Text(Body)), ("quoteMessage", Rule::Message)];
const FACE: &Fields = &[("data", Rule::AppText(Opaque))];
const ADVANCED_TEXT: &Fields = &[("text", Rule::Text(Body))];

/// A message inside of another one.
pub(crate) const MESSAGE: &Fields = &[
    ("senderNickname", Rule::Text(Label)),
    // Only very old messages have their text here.
    ("content", Rule::AppText(Body)),
    ("textElem", Rule::Fields(TEXT)),
    ("atTextElem", Rule::Fields(AT_TEXT)),
    ("quoteElem", Rule::Fields(QUOTE)),
    ("mergeElem", Rule::Fields(MERGED)),
    ("cardElem", Rule::Fields(CARD)),
    ("fileElem", Rule::Fields(FILE)),
    ("locationElem", Rule::Fields(LOCATION)),
    ("customElem", Rule::Open(CUSTOM)),
    ("faceElem", Rule::Fields(FACE)),
    ("advancedTextElem", Rule::Fields(ADVANCED_TEXT)),
    ("markdownTextElem", Rule::Fields(TEXT)),
];
