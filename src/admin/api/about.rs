//! What a route of the API is asked with and answers, said once: for who reads the documents, and
//! for the check before the handler.

use serde_json::{Map, Value, json};

use super::times;

/// A route, in words.
#[derive(Debug)]
pub(in crate::admin) struct About {
    /// One line that begins with a verb.
    pub(super) summary: &'static str,
    /// What may stand behind `?`.
    pub(super) query: &'static [Field],
    /// The keys of the JSON object that is sent; without any, nothing is.
    pub(super) body: &'static [Field],
    /// The keys of the JSON object that comes back, or of each item of a list.
    pub(super) answer: &'static [Field],
    pub(super) shape: Shape,
    /// `If-Match` must name the state that the change is meant for.
    pub(super) matched: bool,
}

impl About {
    /// What most routes are: read, whole, without parameters.
    pub(super) const fn new(summary: &'static str) -> About {
        About {
            summary,
            query: &[],
            body: &[],
            answer: &[],
            shape: Shape::Document,
            matched: false,
        }
    }

    /// What may stand behind `?`, with what lists take.
    pub(super) fn queries(&self) -> impl Iterator<Item = &'static Field> + Clone {
        let paging = match self.shape {
            Shape::Pages => PAGING,
            Shape::Document | Shape::List => &[],
        };
        self.query.iter().chain(paging)
    }
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Shape {
    /// One object.
    Document,
    /// All of a list: `{items, next}`, where `next` is null.
    List,
    /// A page of a list; `cursor` and `limit` are taken.
    Pages,
}

const PAGING: &[Field] = &[
    text("cursor", "where to go on: `next` of the page before"),
    number("limit", "how many at most"),
];

/// One value of a query, a body or an answer.
#[derive(Debug)]
pub(in crate::admin) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: FieldKind,
    pub(super) about: &'static str,
    pub(super) required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum FieldKind {
    Text,
    Number,
    Flag,
    /// RFC 3339.
    Time,
    Texts,
    Object,
    Objects,
    /// Anything that JSON has.
    Any,
}

impl Field {
    const fn new(name: &'static str, kind: FieldKind, about: &'static str) -> Field {
        Field {
            name,
            kind,
            about,
            required: false,
        }
    }

    /// It must be there.
    pub(super) const fn must(mut self) -> Field {
        self.required = true;
        self
    }
}

pub(super) const fn text(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Text, about)
}

pub(super) const fn number(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Number, about)
}

pub(super) const fn flag(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Flag, about)
}

pub(super) const fn time(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Time, about)
}

pub(super) const fn texts(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Texts, about)
}

pub(super) const fn object(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Object, about)
}

pub(super) const fn objects(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Objects, about)
}

pub(super) const fn any(name: &'static str, about: &'static str) -> Field {
    Field::new(name, FieldKind::Any, about)
}

impl FieldKind {
    /// As a query has it, which is all text. `None`: it is not of this kind.
    pub(super) fn of_text(self, text: &str) -> Option<Value> {
        match self {
            FieldKind::Text | FieldKind::Any => Some(text.into()),
            FieldKind::Number => text.parse::<u64>().ok().map(Value::from),
            FieldKind::Flag => text.parse::<bool>().ok().map(Value::from),
            FieldKind::Time => times::read(text).map(|_| text.into()),
            FieldKind::Texts => Some(text.split(',').map(str::trim).collect()),
            FieldKind::Object | FieldKind::Objects => None,
        }
    }

    /// Whether a value of a body is of this kind.
    pub(super) fn is(self, value: &Value) -> bool {
        let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().all(is));
        match self {
            FieldKind::Text => value.is_string(),
            FieldKind::Number => value.is_u64(),
            FieldKind::Flag => value.is_boolean(),
            FieldKind::Time => value
                .as_str()
                .is_some_and(|text| times::read(text).is_some()),
            FieldKind::Texts => all(Value::is_string),
            FieldKind::Object => value.is_object(),
            FieldKind::Objects => all(Value::is_object),
            FieldKind::Any => true,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            FieldKind::Text => "a text",
            FieldKind::Number => "a whole number, 0 or more",
            FieldKind::Flag => "true or false",
            FieldKind::Time => "a time as RFC 3339 has it, like 2026-01-31T14:02:00Z",
            FieldKind::Texts => "texts",
            FieldKind::Object => "an object",
            FieldKind::Objects => "objects in an array",
            FieldKind::Any => "JSON",
        }
    }

    /// As OpenAPI has it.
    pub(super) fn schema(self) -> Map<String, Value> {
        let schema = match self {
            FieldKind::Text => json!({ "type": "string" }),
            FieldKind::Number => json!({ "type": "integer", "minimum": 0 }),
            FieldKind::Flag => json!({ "type": "boolean" }),
            FieldKind::Time => json!({ "type": "string", "format": "date-time" }),
            FieldKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            FieldKind::Object => json!({ "type": "object" }),
            FieldKind::Objects => json!({ "type": "array", "items": { "type": "object" } }),
            FieldKind::Any => json!({}),
        };
        match schema {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}
