//! House rules that no compiler checks: who may import whom, and which modules only compute.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may import of ours. Changing a line is a change of the design.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("clock", &[]),
    ("decision", &["event"]),
    ("proto", &[]),
    ("settings", &[]),
    ("filter", &["event"]),
    ("dialect", &["event", "decision", "proto"]),
    (
        "policy",
        &["event", "decision", "settings", "filter", "dialect"],
    ),
    ("editor", &["filter", "policy"]),
    ("import", &["settings", "filter", "policy"]),
    ("aside", &[]),
    ("watch", &["aside"]),
    ("writer_thread", &["aside"]),
    ("telemetry", &["event", "decision"]),
    ("tls", &["settings", "watch"]),
    ("audit", &["aside", "telemetry"]),
    ("versions", &["aside", "audit", "telemetry"]),
    ("database", &[]),
    ("outbox", &["event", "database"]),
    ("rooms", &["database"]),
    ("in_flight", &[]),
    (
        "callers",
        &["event", "policy", "telemetry", "in_flight", "tls"],
    ),
    (
        "callback",
        &[
            "event",
            "decision",
            "dialect",
            "policy",
            "in_flight",
            "outbox",
            "settings",
            "tls",
        ],
    ),
    (
        "doctor",
        &[
            "event", "decision", "settings", "filter", "dialect", "policy", "callback",
        ],
    ),
    (
        "reload",
        &[
            "aside",
            "settings",
            "policy",
            "telemetry",
            "versions",
            "watch",
        ],
    ),
    ("ledger", &["outbox", "reload", "versions", "watch"]),
    (
        "history",
        &["event", "decision", "policy", "telemetry", "writer_thread"],
    ),
    (
        "recordings",
        &[
            "clock",
            "event",
            "policy",
            "telemetry",
            "writer_thread",
            "history",
        ],
    ),
    (
        "trial",
        &[
            "event",
            "decision",
            "settings",
            "filter",
            "policy",
            "telemetry",
            "audit",
            "versions",
            "watch",
            "reload",
            "history",
        ],
    ),
    (
        "lists",
        &[
            "decision", "settings", "filter", "policy", "editor", "import", "reload", "versions",
        ],
    ),
    (
        "hook",
        &[
            "clock",
            "history",
            "recordings",
            "trial",
            "event",
            "decision",
            "filter",
            "policy",
            "reload",
            "callback",
            "outbox",
            "rooms",
            "telemetry",
        ],
    ),
    (
        "delivery",
        &[
            "clock",
            "event",
            "policy",
            "outbox",
            "callback",
            "reload",
            "telemetry",
        ],
    ),
    (
        "server",
        &[
            "event",
            "in_flight",
            "callers",
            "decision",
            "proto",
            "dialect",
            "hook",
            "telemetry",
            "outbox",
            "policy",
            "reload",
            "tls",
        ],
    ),
    ("operators", &["clock", "database", "policy"]),
    (
        "storage",
        &[
            "audit",
            "database",
            "history",
            "operators",
            "outbox",
            "versions",
        ],
    ),
    (
        "admin",
        &[
            "audit",
            "history",
            "recordings",
            "trial",
            "lists",
            "editor",
            "import",
            "operators",
            "callers",
            "clock",
            "event",
            "decision",
            "proto",
            // The names of hooks, to tell a slip of the pen from one.
            "dialect",
            "doctor",
            "settings",
            "policy",
            "reload",
            "callback",
            "outbox",
            "rooms",
            "storage",
            "hook",
            "server",
            "telemetry",
            "tls",
            "versions",
        ],
    ),
    (
        "config",
        &[
            "audit",
            "event",
            "operators",
            "history",
            "recordings",
            "settings",
            "outbox",
            "telemetry",
            "tls",
            "versions",
        ],
    ),
];

/// `cli` ties everything together; these two hold it all.
const FREE: [&str; 3] = ["cli", "lib", "main"];

/// No IO, no clock.
const COMPUTES: [&str; 8] = [
    "event", "decision", "settings", "dialect", "filter", "policy", "editor", "import",
];
const OUTSIDE_WORLD: [&str; 5] = ["tokio", "reqwest", "std::fs", "std::net", "now()"];

/// What breaks a rule in the text of one file, in words. `file` is relative to `src`.
fn findings(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let code = without_tests_and_comments(text);
    let mut findings = Vec::new();
    if !FREE.contains(&module) {
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module);
        let Some((_, allowed)) = allowed else {
            return vec![format!("{file}: `{module}` is not in the table of imports")];
        };
        for import in imports(file, &code) {
            if import != module && !allowed.contains(&import.as_str()) {
                findings.push(format!("{file}: `{module}` must not import `{import}`"));
            }
        }
    }
    if COMPUTES.contains(&module) {
        let paths = flattened_uses(&code);
        for word in OUTSIDE_WORLD {
            if code.contains(word) || paths.iter().any(|path| path.starts_with(word)) {
                findings.push(format!(
                    "{file}: `{module}` only computes, but uses `{word}`"
                ));
            }
        }
    }
    findings
}

/// `hook/before.rs` belongs to `hook`, `event.rs` to `event`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of ours that the code names, by `crate::` or by enough `super::`.
fn imports(file: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` of a macro is the same; `some_crate::` is not.
        let before = code[..at].chars().next_back();
        if !before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            found.extend(first_names(&code[at + "crate::".len()..]));
        }
    }
    let to_root = "super::".repeat(depth(file));
    for (at, _) in code.match_indices(&to_root) {
        if !code[..at].ends_with("super::") {
            let rest = &code[at + to_root.len()..];
            found.extend(first_names(rest).into_iter().filter(|name| is_ours(name)));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// How many `super::` lead from a file to the root of the crate.
fn depth(file: &str) -> usize {
    let parts = file.split('/').count();
    if file.ends_with("/mod.rs") {
        parts - 1
    } else {
        parts
    }
}

fn is_ours(name: &str) -> bool {
    MAY_IMPORT.iter().any(|(module, _)| *module == name) || FREE.contains(&name)
}

/// `event::{Event}` names `event`; `{config, policy::Problem}` names `config` and `policy`.
fn first_names(text: &str) -> Vec<String> {
    let name_of = |text: &str| -> String {
        let text = text.trim_start();
        let is_part = |character: &char| character.is_alphanumeric() || *character == '_';
        text.chars().take_while(is_part).collect()
    };
    match text.strip_prefix('{') {
        None => vec![name_of(text)],
        Some(group) => split_group(group)
            .iter()
            .map(|item| name_of(item))
            .collect(),
    }
}

/// The items of `a, b::{c, d}} …` up to the brace that closes the group.
fn split_group(group: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut level = 0;
    for character in group.chars() {
        match character {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        items.last_mut().unwrap().push(character);
    }
    items
}

/// Every `use` with its groups written out: `std::{fs, io}` is `std::fs` and `std::io`.
pub fn flattened_uses(code: &str) -> Vec<String> {
    code.split("use ")
        .skip(1)
        .filter_map(|text| text.split(';').next())
        .flat_map(|text| {
            // Blanks mean nothing but around `as`.
            let words: Vec<_> = text.split_whitespace().collect();
            let text = words.join(" ").replace(" as ", "@").replace(' ', "");
            flatten("", &text)
        })
        .map(|path| path.replace('@', " as "))
        .collect()
}

fn flatten(prefix: &str, path: &str) -> Vec<String> {
    match path.split_once('{') {
        None => vec![format!("{prefix}{path}")],
        Some((start, group)) => split_group(group)
            .iter()
            .flat_map(|item| flatten(&format!("{prefix}{start}"), item))
            .collect(),
    }
}

pub fn without_tests_and_comments(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines);
            continue;
        }
        let end = line.find("//").unwrap_or(line.len());
        code.push_str(&line[..end]);
        code.push('\n');
    }
    code
}

/// Skips to the end of an item that rustfmt has laid out: its last line has its indentation.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) {
    let Some(first) = lines.next() else { return };
    if first.trim_end().ends_with(';') || first.trim_end().ends_with('}') {
        return;
    }
    let indent = first.len() - first.trim_start().len();
    for line in lines {
        if line.len() - line.trim_start().len() == indent && line.trim_start().starts_with('}') {
            return;
        }
    }
}

pub fn sources() -> Vec<(String, String)> {
    fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        // Files that hold tests alone.
        .filter(|(name, _)| !name.ends_with("tests.rs") && !name.contains("/tests/"))
        .collect()
}

#[test]
fn imports_follow_the_table_and_the_core_only_computes() {
    let findings: Vec<_> = sources()
        .iter()
        .flat_map(|(file, text)| findings(file, text))
        .collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn check(file: &str, text: &str, expected: &[&str]) {
    let found = findings(file, text);
    assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} is not about {expected}");
    }
}

#[test]
fn forbidden_imports_are_caught_in_every_form() {
    check(
        "filter/mod.rs",
        "use crate::policy::Snapshot;",
        &["`policy`"],
    );
    check(
        "filter/scan.rs",
        "let x = crate::hook::Before;",
        &["`hook`"],
    );
    check(
        "event.rs",
        "use crate::{decision::Hit, event::Span};",
        &["`decision`"],
    );
    check(
        "outbox/mod.rs",
        "use crate::{\n    event::Event,\n    hook::After,\n};",
        &["`hook`"],
    );
    check(
        "filter/mod.rs",
        "use super::policy::Snapshot;",
        &["`policy`"],
    );
    check(
        "filter/data/unicode.rs",
        "use super::super::super::cli;",
        &["`cli`"],
    );
    check("hook/before.rs", "use crate::dialect;", &["`dialect`"]);
    check("surprise.rs", "", &["not in the table"]);
}

#[test]
fn the_outside_world_is_caught_in_the_core() {
    check("policy/mod.rs", "use std::fs;", &["`std::fs`"]);
    check("policy/mod.rs", "use std::{fs, io};", &["`std::fs`"]);
    check("dialect/mod.rs", "use std::net::IpAddr;", &["`std::net`"]);
    check("event.rs", "let at = Instant::now();", &["`now()`"]);
    check("filter/mod.rs", "tokio::spawn(x)", &["`tokio`"]);
    check("decision.rs", "use reqwest::Url;", &["`reqwest`"]);
}

#[test]
fn what_is_allowed_is_not_caught() {
    check(
        "hook/before.rs",
        "use crate::policy::Snapshot;\nlet now = Instant::now();",
        &[],
    );
    check(
        "filter/mod.rs",
        "// see crate::policy\nuse super::span;",
        &[],
    );
    check(
        "filter/mod.rs",
        "#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
        &[],
    );
    check("policy/compile.rs", "use core::net::SocketAddr;", &[]);
    check("filter/scan.rs", "use super::policy_of;", &[]);
}

#[test]
fn code_after_a_test_module_is_looked_at() {
    let text = "#[cfg(test)]\nmod tests {\n    fn x() {}\n}\nuse std::fs;\n";
    check("filter/mod.rs", text, &["`std::fs`"]);
}
