//! Wrong values for every setting there is, for the tests of those who read them.

use super::{Entry, Map, Node, Place, Problem, Problems, Severity, Value, parse};

/// Values that hardly any setting can have, by what is wrong with them. `case` and `near miss`
/// are made of the default.
const PROBES: [(&str, &str); 9] = [
    ("zero", "0"),
    ("zero time", "0s"),
    ("negative", "-1"),
    ("huge", "99999999999999999999"),
    ("huge time", "9999d"),
    ("huge size", "9999TiB"),
    ("no number", "nan"),
    ("empty", "\"\""),
    ("map", "{a: b}"),
];

/// One setting with a value in YAML.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `each_endpoint.breaker.open`.
    pub path: String,
    pub kind: &'static str,
    pub value: String,
}

/// Every probe for every setting of a document of defaults, those too that stand there as comments
/// because they have no default.
pub fn probes(defaults: &str) -> Vec<Probe> {
    probes_of(leaves(&uncommented(defaults)))
}

/// Every probe for these settings, each with a value that it can have.
pub fn probes_of(settings: impl IntoIterator<Item = (String, Option<String>)>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (path, default) in settings {
        let mut add = |kind, value: String| {
            let path = path.clone();
            probes.push(Probe { path, kind, value });
        };
        for (kind, value) in PROBES {
            add(kind, value.to_owned());
        }
        if let Some(default) = default.filter(|default| !default.is_empty()) {
            add("case", format!("\"{}\"", default.to_uppercase()));
            add("near miss", format!("\"{default}x\""));
        }
    }
    probes
}

/// A document with the settings in its comments: `# key: value` with its explanation below,
/// indented by two more; and what stands in such a form in the comment of `options: {}`.
fn uncommented(defaults: &str) -> String {
    let lines: Vec<&str> = defaults.lines().collect();
    let mut text = String::new();
    let mut options = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let comment = line.trim_start().strip_prefix("# ");
        let next = lines.get(number + 1).copied().unwrap_or_default();
        match comment.map(|comment| (comment, key_of(comment.trim_start()))) {
            Some((comment, Some(_)))
                if !comment.starts_with(' ') && next.starts_with(&format!("{indent}#   ")) =>
            {
                text.push_str(&format!("{indent}{comment}\n"));
            }
            Some((comment, Some((key, value)))) if comment.starts_with("  ") => {
                let value = value.split("  ").next().unwrap_or_default();
                options.push(format!("{indent}  {key}: {value}\n"));
            }
            _ if line.trim() == "options: {}" => {
                text.push_str(&format!("{indent}options:\n{}", options.concat()));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
        if comment.is_none() {
            options.clear();
        }
    }
    text
}

fn key_of(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(": ")?;
    let is_key = key.starts_with(|first: char| first.is_ascii_lowercase())
        && key
            .chars()
            .all(|character| character.is_ascii_alphabetic() || character == '_');
    (is_key && !value.is_empty()).then_some((key, value))
}

/// The settings of a document by their path, with the default of those that are one value.
fn leaves(defaults: &str) -> Vec<(String, Option<String>)> {
    let root = map_of(defaults);
    let mut found = Vec::new();
    collect("", &root, &mut found);
    found
}

fn collect(prefix: &str, map: &Map, found: &mut Vec<(String, Option<String>)>) {
    for entry in map.values() {
        let path = format!("{prefix}{}", entry.key);
        match &entry.node.value {
            Value::Map(inner) if !inner.is_empty() => collect(&format!("{path}."), inner, found),
            Value::Scalar(text) => found.push((path, Some(text.clone()))),
            Value::Null | Value::List(_) | Value::Map(_) => found.push((path, None)),
        }
    }
}

pub fn map_of(yaml: &str) -> Map {
    let problems = Problems::default();
    match parse(&"f".into(), yaml.as_bytes(), &problems) {
        Ok(Some(node)) => match node.value {
            Value::Map(map) => map,
            other => panic!("{yaml}: {other:?}"),
        },
        _ => panic!("{yaml}: {:?}", problems.into_sorted()),
    }
}

/// The document `base` with one more setting, whose value is YAML as it stands.
pub fn with(base: &str, path: &str, value: &str) -> String {
    const RAW: &str = "\u{1}";
    let mut root = match base {
        "" => Map::new(),
        base => map_of(base),
    };
    let keys: Vec<&str> = path.split('.').collect();
    put(&mut root, &keys, &format!("{RAW}{value}"));
    return yaml(&Value::Map(root));

    fn put(map: &mut Map, keys: &[&str], value: &str) {
        let place = Place::whole(&"f".into());
        let [key, rest @ ..] = keys else { return };
        let entry = map.entry(key.to_lowercase()).or_insert_with(|| Entry {
            key: (*key).to_owned(),
            key_place: place.clone(),
            node: Node::map(&place, Map::new()),
        });
        match (&mut entry.node.value, rest) {
            (Value::Map(inner), [_, ..]) => put(inner, rest, value),
            (other, _) => *other = Value::Scalar(value.to_owned()),
        }
    }

    fn yaml(value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Scalar(text) => match text.strip_prefix(RAW) {
                Some(raw) => raw.to_owned(),
                None => format!("\"{text}\""),
            },
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| yaml(&item.value)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(map) => {
                let entries = map.values();
                let entries: Vec<_> = entries
                    .map(|entry| format!("{}: {}", entry.key, yaml(&entry.node.value)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// Tries every probe in a file and in the environment; `read` gives the problems of a document
/// and an environment. Whatever is taken without a warning must be in `meant`, by path and kind
/// (`*` is every kind), and whatever is refused must say what to do. Letter case never matters,
/// and an empty variable is an empty list.
pub fn check(
    probes: &[Probe],
    variable: &str,
    base: &str,
    meant: &[(&str, &[&str])],
    read: impl Fn(&str, &[(String, String)]) -> Vec<Problem>,
) {
    let mut faults = Vec::new();
    for Probe { path, kind, value } in probes {
        let is_meant = meant
            .iter()
            .any(|(prefix, kinds)| path == prefix && (kinds.contains(kind) || *kinds == ["*"]));
        let is_meant = is_meant || *kind == "case";
        let upper = path.to_uppercase().replace('.', "__");
        let env = [(
            format!("{variable}__{upper}"),
            value.trim_matches('"').to_owned(),
        )];
        let in_file = read(&with(base, path, value), &[]);
        let in_environment = read(base, &env);
        for (from, problems) in [("file", in_file), ("environment", in_environment)] {
            let is_empty_list = from == "environment" && *kind == "empty";
            let mut told = problems.iter().filter(|one| one.path.starts_with(path));
            let is_refused = problems.iter().any(|one| one.severity == Severity::Error);
            if !is_refused && told.next().is_none() && !is_meant && !is_empty_list {
                faults.push(format!("{path}: {value} ({kind}, {from}) is taken"));
            }
            let mut errors = problems.iter().filter(|one| one.path.starts_with(path));
            if let Some(problem) = errors.find(|one| one.hint.is_empty()) {
                faults.push(format!("no hint: {problem}"));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn settings_in_comments_are_found() {
    let found = leaves(&uncommented(
        "# Times: 5s, 2m\n# include: webhooks.yml\n#   A file.\neach_list:\n  # block: refuse.\n  action: block\n  # As:\n  #   case: true   equal\n  #   skip: []     between\n  options: {}\n",
    ));
    let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
    let options = ["each_list.options.case", "each_list.options.skip"];
    assert_eq!(
        paths,
        [&["each_list.action"], &options[..], &["include"]].concat()
    );
}
