//! A file as a tree, whether it is YAML or TOML.

use std::sync::Arc;

use crate::settings::{At, Entry, Map, Node, Problem, Problems, Value, parse};

pub(super) fn yaml(file: &Arc<str>, content: &[u8], problems: &Problems) -> Map {
    match parse(file, content, problems) {
        Ok(Some(node)) => match node.value {
            Value::Map(map) => map,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// `None`: it is no TOML, which of the files that we know only WuKongIM's is.
pub(super) fn toml(file: &Arc<str>, content: &[u8]) -> Option<Result<Map, Problem>> {
    let text = std::str::from_utf8(content).ok()?;
    let is_section = |line: &str| {
        let line = line.trim();
        line.starts_with('[') && line.ends_with(']') && !line.contains([',', '"'])
    };
    if !text.lines().any(is_section) {
        return None;
    }
    Some(match text.parse::<toml_edit::DocumentMut>() {
        Ok(document) => Ok(map_of(document.as_table(), &At::file(file))),
        Err(error) => Err(Problem::of_file(
            file.to_string(),
            format!("is no TOML that can be read: {}", error.message()),
            "see what the server itself says of it",
        )),
    })
}

fn map_of(table: &dyn toml_edit::TableLike, at: &At) -> Map {
    let entries = table.iter().filter_map(|(key, item)| {
        let node = match (item.as_table_like(), item.as_array()) {
            (Some(table), _) => Node::map(&at.place, map_of(table, at)),
            (None, Some(array)) => Node {
                place: at.place.clone(),
                value: Value::List(array.iter().map(|one| scalar(one, at)).collect()),
            },
            (None, None) => scalar(item.as_value()?, at),
        };
        let entry = Entry {
            key: key.to_owned(),
            key_place: at.place.clone(),
            node,
        };
        Some((key.to_lowercase(), entry))
    });
    entries.collect()
}

fn scalar(value: &toml_edit::Value, at: &At) -> Node {
    let text = match (value.as_str(), value.as_bool(), value.as_integer()) {
        (Some(text), _, _) => text.to_owned(),
        (_, Some(flag), _) => flag.to_string(),
        (_, _, Some(number)) => number.to_string(),
        _ => String::new(),
    };
    Node::scalar(&at.place, text)
}

/// The text of a key; empty where there is none.
pub(super) fn text<'a>(map: &'a Map, key: &str) -> &'a str {
    match map.get(key).map(|entry| &entry.node.value) {
        Some(Value::Scalar(text)) => text,
        _ => "",
    }
}
