//! Under which paths IM servers call, and what of them may be shown.

use std::cmp::Reverse;

use crate::event::DialectId;
use crate::settings::{Field, Layer, Map, Value, shown_key};

/// The paths that are built in are known to everybody; any other may be a secret between callgate
/// and an IM server.
#[derive(Clone, Debug, PartialEq)]
pub struct Routes {
    /// Path prefix and dialect, the longest prefix first.
    pub served: Vec<(String, DialectId)>,
    /// In lower case.
    built_in: Vec<String>,
}

impl Routes {
    /// What is served, for people: `/openim (openim), /hook/… (openim)`.
    pub fn shown(&self) -> String {
        let shown = self.served.iter().map(|(prefix, dialect)| {
            let path = match self.built_in.contains(&prefix.to_lowercase()) {
                true => prefix.into(),
                false => shown_key(prefix),
            };
            format!("{path} ({dialect})")
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The paths that layers of settings name, in lower case.
#[derive(Debug)]
pub(super) struct Paths {
    built_in: Vec<String>,
    /// By the operator.
    written: Vec<String>,
}

impl Paths {
    /// The lowest layer are the built-in defaults.
    pub(super) fn of(layers: &[Layer]) -> Paths {
        let mut paths = layers.iter().map(paths_in);
        Paths {
            built_in: paths.next().unwrap_or_default(),
            written: paths.flatten().collect(),
        }
    }
}

fn paths_in(layer: &Layer) -> Vec<String> {
    let inner = |map: &Map, key: &str| match map.get(key).map(|entry| &entry.node.value) {
        Some(Value::Map(inner)) => Some(inner.clone()),
        _ => None,
    };
    let routes = inner(&layer.root, "http").and_then(|http| inner(&http, "routes"));
    routes.unwrap_or_default().into_keys().collect()
}

/// Reads the merged routes.
///
/// An operator's own path closes the built-in ones of its dialect that nobody wrote: a secret
/// path beside an open one would protect nothing.
pub(super) fn read(field: &Field<'_>, paths: &Paths) -> Routes {
    let names = DialectId::ALL.map(|id| (id.name(), Some(id)));
    let choices: Vec<_> = names.into_iter().chain([("none", None)]).collect();
    let mut served: Vec<(String, DialectId)> = Vec::new();
    for (prefix, field) in field.section().fields() {
        let is_path = prefix.starts_with('/') && !prefix.contains(['?', '#', ' ']);
        if !is_path || (prefix.len() > 1 && prefix.ends_with('/')) {
            let shown = shown_key(&prefix).into_owned();
            field.error(
                format!("`{shown}` is not a valid path"),
                "write it with a `/` at its beginning and none at its end: /openim",
            );
        }
        if let Some(Some(dialect)) = field.one_of(&choices) {
            served.push((prefix, dialect));
        }
    }
    let is_built_in = |path: &str| paths.built_in.contains(&path.to_lowercase());
    let own = served.iter().filter(|(path, _)| !is_built_in(path));
    let closed: Vec<_> = own.map(|(_, dialect)| family(*dialect)).collect();
    served.retain(|(path, dialect)| {
        let is_written = paths.written.contains(&path.to_lowercase());
        is_written || !closed.contains(&family(*dialect))
    });
    // Of two prefixes that fit, the longer says more.
    served.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
    Routes {
        built_in: paths.built_in.clone(),
        served,
    }
}

/// The versions of one server call each other's routes.
fn family(dialect: DialectId) -> DialectId {
    match dialect {
        DialectId::OpenImV2 => DialectId::OpenIm,
        other => other,
    }
}
