//! From the files of a policy and the environment to one tree of settings.
//!
//! Layers, the lowest first: built-in defaults, OpenIM's included files, what policy.yaml says in
//! OpenIM's v2 spelling, what it says in ours, the environment in both spellings.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::endpoint::{EndpointTls, SecretSource};
use super::openim_config::{self, Converted};
use super::overrides::{self, Override};
use super::url_address::UrlAddress;
use crate::settings::{
    At, Entry, Item, Layer, Map, Node, Problems, Section, Value, from_environment, merge, parse,
    suggest, without_nulls,
};

/// Every setting of policy.yaml with its default and its explanation.
pub const DEFAULTS: &str = include_str!("../defaults/policy.yaml");

/// The one file that a policy must have.
pub(super) const POLICY_FILE: &str = "policy.yaml";

/// The content of the files of a policy directory.
#[derive(Clone, Debug, Default)]
pub struct FileSet {
    /// The directory as the operator knows it: `policies`.
    pub root: String,
    /// By path relative to the directory, with `/`.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

impl FileSet {
    /// How a file is named in problems.
    pub(super) fn shown(&self, path: &str) -> Arc<str> {
        match self.root.trim_end_matches('/') {
            "" => path.into(),
            root => format!("{root}/{path}").into(),
        }
    }

    /// A path that a setting names and that may lead out of the directory.
    pub(super) fn beside(&self, path: &str) -> String {
        match self.root.trim_end_matches('/') {
            _ if path.starts_with('/') => path.to_owned(),
            "" => path.to_owned(),
            root => format!("{root}/{}", inside(path)),
        }
    }

    /// The file that a setting names, or a problem at the setting.
    pub(super) fn named(&self, path: &str, at: &At, problems: &Problems) -> Option<&Arc<[u8]>> {
        let leaves = path.starts_with('/') || path.contains('\\') || path.contains(':');
        if leaves || path.split('/').any(|part| part == "..") {
            let hint = format!("write a path inside of it, with `/`: lists/{}", "words.txt");
            let what = format!("`{path}` is not inside the policy directory");
            problems.error(at, what, hint);
            return None;
        }
        let file = self.files.get(inside(path));
        if file.is_none() {
            let what = format!("there is no file `{path}` in the policy directory");
            let names = self.files.keys().map(String::as_str);
            problems.error(at, what, suggest(path, names));
        }
        file
    }
}

/// What a policy is read with, beside its files.
#[derive(Clone, Debug, Default)]
pub struct CompileContext {
    /// Environment variables; only `CALLGATE_POLICY__…` are used.
    pub env: Vec<(String, String)>,
    /// Our own addresses: forwarding to them would loop.
    pub listeners: Vec<SocketAddr>,
    /// Looks whether a secret can be used, and says why it cannot; `None` does not look.
    pub check_secret: Option<SecretCheck>,
    /// The same for the files that an endpoint is called with over TLS.
    pub check_tls: Option<TlsCheck>,
    /// The same for what a caller is known by.
    pub check_token: Option<SecretCheck>,
    /// Our ports for IM servers and message services that others reach, in words.
    pub open_ports: Vec<String>,
    /// Those of them that speak plain text.
    pub plain_ports: Vec<String>,
    /// It is tried beside another one, and not in force itself.
    pub is_candidate: bool,
}

/// The error is one clause, and holds nothing of the secret.
pub type SecretCheck = fn(&SecretSource) -> Result<(), String>;

/// What the built-in defaults are called where a place names its file.
const DEFAULTS_NAME: &str = "built-in defaults";

/// Somebody wrote it: it stands in a file of the policy, or in the environment.
pub(super) fn is_written(at: &At) -> bool {
    &*at.place.file != DEFAULTS_NAME
}

/// Each clause says what is wrong with a file, and what to do about it.
pub type TlsCheck = fn(&EndpointTls) -> Vec<String>;

/// A path as the file set has it.
pub(super) fn inside(path: &str) -> &str {
    path.trim_start_matches("./")
}

/// Settings whose parts are named by the operator, with what holds for each of them.
const TEMPLATES: [(&str, &str); 4] = [
    ("callers", "each_caller"),
    ("endpoints", "each_endpoint"),
    ("lists", "each_list"),
    ("hooks", "each_hook"),
];

/// Built-in defaults of single hooks, where their server waits for another time than OpenIM.
const SPECIAL_HOOKS: &str = "special_hooks";

/// All that the files and the environment say.
pub(super) struct Sources {
    pub settings: Map,
    /// What included files say in vain.
    pub overrides: Vec<Override>,
    /// The included files, by path relative to the directory.
    pub included: Vec<String>,
}

/// Reads and merges everything; `None` when policy.yaml itself cannot be read.
pub(super) fn read(
    files: &FileSet,
    context: &CompileContext,
    problems: &Problems,
) -> Option<Sources> {
    let mut policy = read_policy(files, problems)?;
    let mut environment = from_environment("CALLGATE_POLICY", &context.env, problems).root;
    settle_nulls(&mut policy, problems);
    let (included, included_files) = included(files, &policy, &environment, problems);
    let names_endpoint = [&policy, &environment]
        .iter()
        .any(|layer| ENDPOINT_KEYS.iter().any(|key| layer.contains_key(*key)));
    if !names_endpoint {
        tell_urls(&included, context, problems);
    }
    let policy_v2 = openim_config::take_v2(&mut policy, problems);
    let environment_v2 = openim_config::take_v2(&mut environment, problems);
    let mut layers = vec![Layer::new("defaults", defaults())];
    layers.extend(included.into_iter().map(|(layer, _)| layer));
    let included = 1..layers.len();
    layers.push(Layer::new("policy in v2 spelling", of_v2(policy_v2)));
    layers.push(Layer::new("policy", policy));
    layers.push(Layer::new(
        "environment in v2 spelling",
        of_v2(environment_v2),
    ));
    layers.push(Layer::new("environment", environment));
    let overrides = overrides::of(&layers, included);
    spread_templates(&mut layers);
    spread_failure_actions(&mut layers);
    Some(Sources {
        settings: merge(&layers),
        overrides,
        included: included_files,
    })
}

fn read_policy(files: &FileSet, problems: &Problems) -> Option<Map> {
    let file = files.shown(POLICY_FILE);
    let Some(bytes) = files.files.get(POLICY_FILE) else {
        let hint = "write one; `callgate defaults policy` prints every setting";
        problems.error(&At::file(&file), "there is no such file", hint);
        return None;
    };
    match parse(&file, bytes, problems).ok()? {
        Some(node) => map_of(node, problems),
        None => {
            let hint = "restore it; `callgate defaults policy` prints every setting";
            problems.error(&At::file(&file), "the file is empty", hint);
            None
        }
    }
}

fn map_of(node: Node, problems: &Problems) -> Option<Map> {
    match node.value {
        Value::Map(map) => Some(map),
        Value::Null | Value::Scalar(_) | Value::List(_) => {
            let at = At {
                place: node.place,
                path: String::new(),
            };
            problems.error(
                &at,
                "the file must be a map of keys",
                "write `key: value` lines",
            );
            None
        }
    }
}

fn defaults() -> Map {
    let problems = Problems::default();
    let node = parse(&DEFAULTS_NAME.into(), DEFAULTS.as_bytes(), &problems);
    match node {
        Ok(Some(Node {
            value: Value::Map(map),
            ..
        })) => map,
        other => unreachable!("a test reads the built-in defaults: {other:?}"),
    }
}

/// A key without a value says nothing, except that a name below `hooks:` is written there.
fn settle_nulls(policy: &mut Map, problems: &Problems) {
    for (section, _) in TEMPLATES {
        let Some(Value::Map(names)) = policy.get_mut(section).map(|entry| &mut entry.node.value)
        else {
            continue;
        };
        for entry in names.values_mut() {
            if entry.node.value == Value::Null {
                entry.node = Node::map(&entry.key_place, Map::new());
            }
            let path = format!("{section}.{}", entry.key);
            report_nulls(&entry.node, &path, problems);
        }
    }
    without_nulls(policy);
}

fn report_nulls(node: &Node, path: &str, problems: &Problems) {
    let Value::Map(map) = &node.value else {
        return;
    };
    for entry in map.values() {
        let path = format!("{path}.{}", entry.key);
        if entry.node.value == Value::Null {
            let at = At {
                place: entry.key_place.clone(),
                path: path.clone(),
            };
            let hint = "write a value or remove the key";
            problems.warning(&at, "there is no value, so the default counts", hint);
        }
        report_nulls(&entry.node, &path, problems);
    }
}

/// Where a policy names business servers.
const ENDPOINT_KEYS: [&str; 3] = ["endpoints", "callbackurl", "callback"];

/// The `url` of an included file is not called. Whoever names no business server may think that
/// it is, unless it leads to callgate as it must on an OpenIM server.
fn tell_urls(included: &[(Layer, Option<Entry>)], context: &CompileContext, problems: &Problems) {
    for entry in included.iter().filter_map(|(_, url)| url.as_ref()) {
        let Value::Scalar(url) = &entry.node.value else {
            continue;
        };
        let address = UrlAddress::parse(url);
        let mut listeners = context.listeners.iter();
        let is_own = address.is_some_and(|url| listeners.any(|own| url.reaches(own)));
        if !is_own && !url.is_empty() {
            let at = At {
                place: entry.key_place.clone(),
                path: entry.key.clone(),
            };
            problems.warning(
                &at,
                "this url is ignored: on an OpenIM server it leads to callgate",
                "name the business server in policy.yaml: `callbackUrl`, or `endpoints`",
            );
        }
    }
}

/// The layers of included files, each with the `url` of its file.
fn included(
    files: &FileSet,
    policy: &Map,
    environment: &Map,
    problems: &Problems,
) -> (Vec<(Layer, Option<Entry>)>, Vec<String>) {
    let include = environment.get("include").or_else(|| policy.get("include"));
    let Some(include) = include else {
        return Default::default();
    };
    let root = Map::from([("include".to_owned(), include.clone())]);
    let root = Section::root(&root, At::file(&files.shown(POLICY_FILE)), problems);
    let paths = root.field("include").items().into_iter().enumerate();
    let mut named = Vec::new();
    let layers = paths.filter_map(|(index, Item { text: path, at, .. })| {
        let bytes = files.named(&path, &at, problems)?;
        named.push(inside(&path).to_owned());
        let Converted { hooks, url, .. } =
            read_included(files.shown(inside(&path)), bytes, problems)?;
        let name = format!("included {index}");
        Some((Layer::new(name, section("hooks", hooks)), url))
    });
    let layers = layers.collect();
    (layers, named)
}

fn read_included(file: Arc<str>, bytes: &[u8], problems: &Problems) -> Option<Converted> {
    let at = At::file(&file);
    match parse(&file, bytes, problems).ok()? {
        Some(node) => {
            let root = map_of(node, problems)?;
            Some(openim_config::convert_file(&root, &at, problems))
        }
        None => {
            problems.error(&at, "the file is empty", "restore it or do not include it");
            None
        }
    }
}

fn section(name: &str, map: Map) -> Map {
    match map.values().next() {
        Some(first) => {
            let place = first.key_place.clone();
            let node = Node::map(&place, map);
            Map::from([(
                name.to_owned(),
                Entry {
                    key: name.to_owned(),
                    key_place: place,
                    node,
                },
            )])
        }
        None => Map::new(),
    }
}

/// What v2's keys say, in our words: `callbackUrl` is an endpoint of that name.
fn of_v2(converted: Converted) -> Map {
    let mut root = section("hooks", converted.hooks);
    if let Some(url) = converted.url {
        let place = url.key_place.clone();
        let mut endpoint = Map::new();
        if converted.is_v2 {
            let dialect = Entry {
                key: "dialect".to_owned(),
                key_place: place.clone(),
                node: Node::scalar(&place, "openim-v2"),
            };
            endpoint.insert("dialect".to_owned(), dialect);
        }
        let url = Entry {
            key: "url".to_owned(),
            ..url
        };
        endpoint.insert("url".to_owned(), url);
        let entry = Entry {
            key: CALLBACK_URL.to_owned(),
            key_place: place.clone(),
            node: Node::map(&place, endpoint),
        };
        let endpoints = Map::from([(CALLBACK_URL.to_lowercase(), entry)]);
        root.extend(section("endpoints", endpoints));
    }
    root
}

/// The endpoint of hooks that name none.
pub(super) const CALLBACK_URL: &str = "callbackUrl";

fn child<'a>(map: &'a mut Map, name: &str) -> Option<&'a mut Map> {
    match map.get_mut(name).map(|entry| &mut entry.node.value) {
        Some(Value::Map(inner)) => Some(inner),
        _ => None,
    }
}

fn map_at<'a>(entry: &'a Entry, name: &str) -> Option<&'a Map> {
    let Value::Map(map) = &entry.node.value else {
        return None;
    };
    match map.get(name).map(|entry| &entry.node.value) {
        Some(Value::Map(inner)) => Some(inner),
        _ => None,
    }
}

/// Puts what holds for each endpoint, list and hook below every one that a layer names.
fn spread_templates(layers: &mut [Layer]) {
    for (name, template) in TEMPLATES {
        let mut written: BTreeMap<String, Entry> = BTreeMap::new();
        let mut templates: Vec<Layer> = Vec::new();
        for layer in layers.iter_mut() {
            for (key, entry) in child(&mut layer.root, name).into_iter().flatten() {
                written.entry(key.clone()).or_insert_with(|| entry.clone());
            }
            if let Some(Value::Map(own)) = layer.root.remove(template).map(|entry| entry.node.value)
            {
                templates.push(Layer::new(layer.name.clone(), own));
            }
        }
        let template = merge(&templates);
        let special = match name {
            "hooks" => layers[0].root.remove(SPECIAL_HOOKS),
            _ => None,
        };
        for (key, entry) in &mut written {
            let own = special.as_ref().and_then(|special| map_at(special, key));
            let template = match own {
                None => template.clone(),
                // Above the built-in template, below what the operator says of all.
                Some(own) => {
                    let mut templates = templates.clone();
                    templates.insert(1, Layer::new("this hook's defaults", own.clone()));
                    merge(&templates)
                }
            };
            entry.node = Node::map(&entry.key_place, template);
        }
        layers[0].root.extend(section(name, written));
    }
}

/// Lets `failedContinue: {timeout: block}` stand over a lower layer's `failedContinue: true`:
/// the boolean goes on to hold for the other classes.
fn spread_failure_actions(layers: &mut [Layer]) {
    const KEY: &str = "failedcontinue";
    let mut by_class: BTreeSet<String> = BTreeSet::new();
    for layer in layers.iter_mut().rev() {
        for (name, hook) in child(&mut layer.root, "hooks").into_iter().flatten() {
            let Value::Map(fields) = &mut hook.node.value else {
                continue;
            };
            let Some(entry) = fields.get_mut(KEY) else {
                continue;
            };
            match &entry.node.value {
                Value::Map(_) => {
                    by_class.insert(name.clone());
                }
                Value::Scalar(_) if by_class.contains(name) => {
                    let default = Entry {
                        key: "default".to_owned(),
                        ..entry.clone()
                    };
                    let classes = Map::from([("default".to_owned(), default)]);
                    entry.node = Node::map(&entry.key_place, classes);
                }
                _ => {}
            }
        }
    }
}
