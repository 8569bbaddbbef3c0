//! Keys of included files that something above them overrides.
//!
//! Who includes a file of OpenIM expects it to rule. Where it does not, that is shown, so that
//! a `failedContinue: false` which does not hold is no surprise.

use std::fmt;

use serde::Serialize;

use crate::settings::{Entry, Layer, Map, Node, Place, Value};

/// One key of one hook: what an included file says, and what holds instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Override {
    pub hook: String,
    pub key: String,
    /// What holds.
    pub value: String,
    /// Where that stands: `policies/policy.yaml:14`, or the name of a variable.
    pub from: String,
    /// What the included file says; for an absent key what OpenIM takes it for.
    pub included: String,
    pub included_from: String,
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Override {
            hook,
            key,
            value,
            from,
            included,
            included_from,
        } = self;
        write!(
            f,
            "{hook}.{key}: {value} ({from}), not {included} ({included_from})"
        )
    }
}

/// Every override, by hook and key. `layers` stand from the lowest to the highest, and those of
/// `included` are OpenIM's files.
pub(super) fn of(layers: &[Layer], included: std::ops::Range<usize>) -> Vec<Override> {
    let mut all: Vec<Override> = Vec::new();
    // Of several included files the last one that says something is the one to name.
    for below in included.rev() {
        for (hook, fields) in hooks(&layers[below]) {
            for entry in fields.values() {
                let mut above = layers[below + 1..].iter().rev();
                let winner = above.find_map(|layer| field(layer, &hook.key, &entry.key));
                let mut told = all.iter();
                let is_told = told.any(|one| one.hook == hook.key && one.key == entry.key);
                if let Some(winner) = winner.filter(|_| !is_told) {
                    let (value, included) = (text(&winner.node), text(&entry.node));
                    if value != included {
                        all.push(Override {
                            hook: hook.key.clone(),
                            key: entry.key.clone(),
                            value,
                            from: shown(&winner.key_place),
                            included,
                            included_from: shown(&entry.key_place),
                        });
                    }
                }
            }
        }
    }
    all.sort_by(|a, b| (&a.hook, &a.key).cmp(&(&b.hook, &b.key)));
    all
}

fn hooks(layer: &Layer) -> impl Iterator<Item = (&Entry, &Map)> {
    let hooks = map_of(layer.root.get("hooks")).into_iter().flatten();
    hooks.filter_map(|(_, hook)| Some((hook, map_of(Some(hook))?)))
}

fn field<'a>(layer: &'a Layer, hook: &str, key: &str) -> Option<&'a Entry> {
    let hook = map_of(layer.root.get("hooks"))?.get(&hook.to_lowercase());
    map_of(hook)?.get(&key.to_lowercase())
}

fn map_of(entry: Option<&Entry>) -> Option<&Map> {
    match &entry?.node.value {
        Value::Map(map) => Some(map),
        Value::Null | Value::Scalar(_) | Value::List(_) => None,
    }
}

/// A value on one line, as YAML would have it.
fn text(node: &Node) -> String {
    match &node.value {
        Value::Null => String::new(),
        Value::Scalar(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entries = map.values();
            let entries: Vec<_> = entries
                .map(|entry| format!("{}: {}", entry.key, text(&entry.node)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn shown(place: &Place) -> String {
    match place.line {
        0 => place.file.to_string(),
        line => format!("{}:{line}", place.file),
    }
}
