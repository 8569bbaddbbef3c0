//! Layers of settings, merged by figment: built-in defaults < files < environment.
//!
//! Figment decides which layer a value comes from; its tag leads back to the layer's own tree,
//! and so to the line and column.

use std::sync::Arc;

use figment::value::{Dict, Empty, Map as FigmentMap, Value as FigmentValue};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::document::parse;
use super::problem::{At, Place, Problems};
use super::shown::shown_key;
use super::tree::{Entry, Map, Node, Value};

/// One source of settings.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Tells layers apart; no two in one merge may have the same.
    pub name: String,
    pub root: Map,
}

impl Layer {
    pub fn new(name: impl Into<String>, root: Map) -> Layer {
        Layer {
            name: name.into(),
            root,
        }
    }

    fn entry(&self, path: &[&str]) -> Option<&Entry> {
        let (last, parents) = path.split_last()?;
        let mut map = &self.root;
        for key in parents {
            let Value::Map(inner) = &map.get(*key)?.node.value else {
                return None;
            };
            map = inner;
        }
        map.get(*last)
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<FigmentMap<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(dict(&self.root)))
    }
}

fn dict(map: &Map) -> Dict {
    let values = map.iter();
    values
        .map(|(key, entry)| (key.clone(), figment_value(&entry.node)))
        .collect()
}

fn figment_value(node: &Node) -> FigmentValue {
    match &node.value {
        Value::Null => FigmentValue::from(Empty::Unit),
        Value::Scalar(text) => FigmentValue::from(text.as_str()),
        Value::List(items) => items.iter().map(figment_value).collect::<Vec<_>>().into(),
        Value::Map(map) => FigmentValue::from(dict(map)),
    }
}

/// Merges layers, the lowest first.
pub fn merge(layers: &[Layer]) -> Map {
    let figment = layers.iter().fold(Figment::new(), Figment::merge);
    match figment.find_value("") {
        Ok(FigmentValue::Dict(_, dict)) => {
            let restorer = Restorer {
                layers,
                figment: &figment,
            };
            restorer.map(&dict, &mut Vec::new())
        }
        // Without any layer there is no profile to select, hence no value.
        _ => Map::new(),
    }
}

struct Restorer<'a> {
    layers: &'a [Layer],
    figment: &'a Figment,
}

impl Restorer<'_> {
    fn map<'k>(&self, dict: &'k Dict, path: &mut Vec<&'k str>) -> Map {
        let mut map = Map::new();
        for (key, value) in dict {
            path.push(key);
            let entry = self.entry(value, path);
            path.pop();
            map.insert(key.clone(), entry);
        }
        map
    }

    fn entry<'k>(&self, value: &'k FigmentValue, path: &mut Vec<&'k str>) -> Entry {
        if let FigmentValue::Dict(_, dict) = value {
            let named = self.written(path);
            let map = self.map(dict, path);
            let node = Node::map(&named.node.place, map);
            return Entry { node, ..named };
        }
        let winner = self.figment.get_metadata(value.tag());
        let winner = winner.and_then(|winner| {
            let mut layers = self.layers.iter();
            layers.find(|layer| layer.name == winner.name)
        });
        winner
            .and_then(|layer| layer.entry(path))
            .expect("figment's values come from the layers")
            .clone()
    }

    /// The map as its highest layer has it, but as a file has it where it is a map in a file too:
    /// the name of a variable has no letter case.
    fn written(&self, path: &[&str]) -> Entry {
        let mut entries = self.layers.iter().rev().filter_map(|l| l.entry(path));
        let highest = entries
            .clone()
            .next()
            .expect("figment's keys come from the layers");
        let in_file = entries
            .find(|entry| entry.key_place.line > 0 && matches!(entry.node.value, Value::Map(_)));
        in_file.unwrap_or(highest).clone()
    }
}

/// Reads `PREFIX__A__B=value` as `a.b: value`, without regard to letter case.
///
/// A value in brackets, `[…]` or `{…}`, is read as YAML, any other as plain text; where a list
/// is expected, commas separate its items.
pub fn from_environment(prefix: &str, env: &[(String, String)], problems: &Problems) -> Layer {
    let prefix = format!("{}__", prefix.to_lowercase());
    let mut root = Map::new();
    let mut variables: Vec<&(String, String)> = env.iter().collect();
    variables.sort();
    for (name, value) in variables {
        let lower = name.to_lowercase();
        let Some(path) = lower.strip_prefix(&prefix) else {
            continue;
        };
        let shown: Vec<_> = name.split("__").map(shown_key).collect();
        let file: Arc<str> = shown.join("__").into();
        let Some(node) = environment_value(&file, value, problems) else {
            continue;
        };
        let keys: Vec<&str> = path.split("__").collect();
        if keys.iter().any(|key| key.is_empty()) || !put(&mut root, &keys, &file, node) {
            problems.error(
                &At::file(&file),
                "this variable does not fit beside the others",
                "write PREFIX__SECTION__KEY, and give a key either one value or parts",
            );
        }
    }
    Layer::new("environment", root)
}

fn environment_value(file: &Arc<str>, value: &str, problems: &Problems) -> Option<Node> {
    let place = Place::whole(file);
    let in_brackets = |open, close| value.starts_with(open) && value.ends_with(close);
    if !in_brackets('[', ']') && !in_brackets('{', '}') {
        return Some(Node::scalar(&place, value));
    }
    let mut node = parse(file, value.as_bytes(), problems).ok()??;
    forget_lines(&mut node, &place);
    Some(node)
}

fn forget_lines(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| forget_lines(item, place)),
        Value::Map(map) => {
            for entry in map.values_mut() {
                entry.key_place = place.clone();
                forget_lines(&mut entry.node, place);
            }
        }
    }
}

/// False when one of the keys has a plain value already, or the last one any.
fn put(map: &mut Map, keys: &[&str], file: &Arc<str>, node: Node) -> bool {
    let Some((key, rest)) = keys.split_first() else {
        return false;
    };
    if rest.is_empty() {
        let entry = Entry {
            key: (*key).to_owned(),
            key_place: Place::whole(file),
            node,
        };
        return map.insert((*key).to_owned(), entry).is_none();
    }
    let place = Place::whole(file);
    let entry = map.entry((*key).to_owned()).or_insert_with(|| Entry {
        key: (*key).to_owned(),
        key_place: place.clone(),
        node: Node::map(&place, Map::new()),
    });
    match &mut entry.node.value {
        Value::Map(inner) => put(inner, rest, file, node),
        _ => false,
    }
}

/// Removes keys without a value, so that they do not hide what a lower layer says.
pub fn without_nulls(map: &mut Map) {
    map.retain(|_, entry| entry.node.value != Value::Null);
    for entry in map.values_mut() {
        if let Value::Map(inner) = &mut entry.node.value {
            without_nulls(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, yaml: &str) -> Layer {
        let problems = Problems::default();
        let node = parse(&name.into(), yaml.as_bytes(), &problems);
        match node.unwrap().map(|node| node.value) {
            Some(Value::Map(root)) => Layer::new(name, root),
            other => panic!("{yaml}: {other:?} {:?}", problems.into_sorted()),
        }
    }

    fn print(map: &Map) -> String {
        let entries = map.values().map(|entry| {
            let Place { file, line, .. } = &entry.node.place;
            match &entry.node.value {
                Value::Map(inner) => format!("{}{{{}}}", entry.key, print(inner)),
                Value::Scalar(text) => format!("{}={text}@{file}:{line}", entry.key),
                other => format!("{}={other:?}", entry.key),
            }
        });
        entries.collect::<Vec<_>>().join(" ")
    }

    fn check(low: &str, high: &str, env: &[(&str, &str)], expected: &str) {
        let problems = Problems::default();
        let env: Vec<(String, String)> = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let environment = from_environment("CALLGATE_POLICY", &env, &problems);
        let merged = merge(&[layer("low", low), layer("high", high), environment]);
        let mut lines = vec![print(&merged)];
        lines.extend(problems.into_sorted().iter().map(ToString::to_string));
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn the_highest_layer_wins_key_by_key_and_keeps_its_place() {
        check(
            "a: 1\nb: {c: 1, d: 1}",
            "\n\nb: {c: 2}",
            &[],
            "a=1@low:1 b{c=2@high:3 d=1@low:2}",
        );
        check("a: {x: 1}", "a: 2", &[], "a=2@high:1");
    }

    #[test]
    fn variables_match_keys_without_regard_to_case_and_keep_the_files_spelling() {
        check(
            "hooks: {beforeMsgModify: {timeout: 1}}",
            "a: 1",
            &[
                ("CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__TIMEOUT", "3"),
                ("OTHER", "x"),
            ],
            "a=1@high:1 hooks{beforeMsgModify{timeout=3@CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__TIMEOUT:0}}",
        );
    }

    #[test]
    fn a_variable_with_brackets_is_yaml() {
        check(
            "a: 1",
            "b: 1",
            &[("callgate_policy__b", "{c: 5}")],
            "a=1@low:1 b{c=5@callgate_policy__b:0}",
        );
    }

    #[test]
    fn variables_that_contradict_each_other_are_reported() {
        check(
            "a: 1",
            "b: 1",
            &[("CALLGATE_POLICY__X", "1"), ("CALLGATE_POLICY__X__Y", "1")],
            "a=1@low:1 b=1@high:1 x=1@CALLGATE_POLICY__X:0\nCALLGATE_POLICY__X__Y: this variable does not fit beside the others; write PREFIX__SECTION__KEY, and give a key either one value or parts",
        );
    }
}
