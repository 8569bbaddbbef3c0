//! A tree whose every key and value knows its place.

use std::collections::BTreeMap;

use super::problem::Place;

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Map),
}

/// Entries by the lower-case form of their keys.
pub type Map = BTreeMap<String, Entry>;

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// As written.
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

impl Node {
    pub fn scalar(place: &Place, text: impl Into<String>) -> Node {
        Node {
            place: place.clone(),
            value: Value::Scalar(text.into()),
        }
    }

    pub fn map(place: &Place, map: Map) -> Node {
        Node {
            place: place.clone(),
            value: Value::Map(map),
        }
    }

    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(map) => map.values().map(|entry| 1 + entry.node.size()).sum(),
        }
    }
}

/// Entries in the order of their file.
pub fn in_file_order(map: &Map) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = map.values().collect();
    entries.sort_by(|a, b| a.key_place.cmp(&b.key_place));
    entries
}
