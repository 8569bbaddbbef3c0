//! Inside a module, files stand in an order and import only downward.
//!
//! The doc of each folder's `mod.rs` ends with that order:
//!
//! ```text
//! //! Order, downward: `before`, `room_bot`, `reuse`.
//! ```
//!
//! A file imports only files that stand to its right. `mod.rs` is above them all: it is the front
//! door, and what it defines is for those outside. A folder counts as one entry, with an order of
//! its own inside.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::{flattened_uses, sources, without_tests_and_comments};

/// A file of ours: its module path, and what it imports of ours as module paths.
struct File {
    name: String,
    module: Vec<String>,
    imports: Vec<Vec<String>>,
}

/// A folder with a `mod.rs`.
struct Folder {
    /// What its doc says, in that order.
    order: Vec<String>,
    entries: BTreeSet<String>,
    /// What `mod.rs` names of its files: `Screen` is of `screen`.
    named: BTreeMap<String, String>,
    /// What `mod.rs` takes from elsewhere.
    foreign: BTreeSet<String>,
}

fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// `super::a::B` in module `x::y` is `x::a::B`; `None` for what is not ours.
fn absolute(module: &[String], path: &str) -> Option<Vec<String>> {
    let mut parts = path.split("::").peekable();
    let mut at = match *parts.peek()? {
        "crate" => {
            parts.next();
            Vec::new()
        }
        "self" => {
            parts.next();
            module.to_vec()
        }
        "super" => module.to_vec(),
        _ => return None,
    };
    while parts.next_if_eq(&"super").is_some() {
        at.pop();
    }
    at.extend(parts.map(str::to_owned));
    Some(at)
}

/// Every path of the code that begins with `crate`, `self` or `super`.
fn paths(code: &str) -> Vec<String> {
    let mut found = flattened_uses(code);
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|character| is_part(character) || character == ':') {
                continue;
            }
            let rest = &code[at..];
            let end = rest.find(|character| !is_part(character) && character != ':');
            let path = rest[..end.unwrap_or(rest.len())].trim_end_matches(':');
            // A group is written out by `flattened_uses`.
            if !rest[path.len()..].starts_with("::{") {
                found.push(path.to_owned());
            }
        }
    }
    found
        .into_iter()
        .map(|path| path.split(" as ").next().unwrap().trim().to_owned())
        .collect()
}

fn read(name: &str, text: &str) -> File {
    let module = module_of(name);
    let code = without_tests_and_comments(text);
    let imports = paths(&code);
    let imports = imports.iter().filter_map(|path| absolute(&module, path));
    File {
        name: name.to_owned(),
        imports: imports.collect(),
        module,
    }
}

/// What stands in backticks behind `Order, downward:`.
fn order_of(text: &str) -> Vec<String> {
    let doc: String = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let Some((_, order)) = doc.split_once("Order, downward:") else {
        return Vec::new();
    };
    order
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn folder_of(name: &str, text: &str, entries: BTreeSet<String>) -> Folder {
    let module = module_of(name);
    let mut named = BTreeMap::new();
    let mut foreign = BTreeSet::new();
    for path in flattened_uses(&without_tests_and_comments(text)) {
        let (path, alias) = match path.split_once(" as ") {
            Some((path, alias)) => (path.to_owned(), alias.to_owned()),
            None => {
                let last = path.rsplit("::").next().unwrap().to_owned();
                (path, last)
            }
        };
        let first = path.split("::").next().unwrap();
        let target = match entries.contains(first) {
            true => [&module[..], &[first.to_owned()]].concat(),
            false => absolute(&module, &path).unwrap_or_default(),
        };
        match target
            .strip_prefix(&module[..])
            .and_then(|rest| rest.first())
        {
            Some(entry) if entries.contains(entry) => {
                named.insert(alias, entry.clone());
            }
            _ => {
                foreign.insert(alias);
            }
        }
    }
    Folder {
        order: order_of(text),
        entries,
        named,
        foreign,
    }
}

/// Whether the folder that a file lies in is a module of `module`.
fn has_front_door(sources: &[(String, String)], file: &[String], module: &[String]) -> bool {
    let Some(folder) = file.get(..module.len() + 1) else {
        return false;
    };
    sources.iter().any(|(name, _)| module_of(name) == folder)
}

/// Folders by their module path.
fn folders(sources: &[(String, String)]) -> BTreeMap<Vec<String>, Folder> {
    let mut folders = BTreeMap::new();
    for (name, text) in sources {
        if !name.ends_with("/mod.rs") {
            continue;
        }
        let module = module_of(name);
        let entries = sources.iter().filter_map(|(other, _)| {
            let (file, other) = (other, module_of(other));
            // Data that a file includes by its path is no module.
            let direct =
                other.len() == module.len() + 1 || has_front_door(sources, &other, &module);
            (direct && file != name && other.len() > module.len() && other.starts_with(&module))
                .then(|| other[module.len()].clone())
        });
        let folder = folder_of(name, text, entries.collect());
        folders.insert(module, folder);
    }
    folders
}

/// What breaks the order, in words.
fn findings(sources: &[(String, String)]) -> Vec<String> {
    let folders = folders(sources);
    let mut findings = Vec::new();
    for (module, folder) in &folders {
        let ordered: BTreeSet<_> = folder.order.iter().cloned().collect();
        if folder.entries.len() > 1 && ordered != folder.entries {
            let missing: Vec<_> = folder.entries.symmetric_difference(&ordered).collect();
            findings.push(format!(
                "{}/mod.rs: its line `Order, downward:` and its files differ in {missing:?}",
                module.join("/")
            ));
        }
    }
    for (name, text) in sources {
        let file = read(name, text);
        for (module, folder) in &folders {
            findings.extend(upward(&file, module, folder));
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// What a file of a folder, or of a folder in it, imports against that folder's order.
fn upward(file: &File, module: &[String], folder: &Folder) -> Vec<String> {
    let Some(own) = file
        .module
        .strip_prefix(module)
        .and_then(|rest| rest.first())
    else {
        return Vec::new();
    };
    let place = |entry: &str| folder.order.iter().position(|other| other == entry);
    let mut findings = Vec::new();
    for import in &file.imports {
        let Some(first) = import.strip_prefix(module).and_then(|rest| rest.first()) else {
            continue;
        };
        let entry = match folder.entries.contains(first) {
            true => first,
            false => match folder.named.get(first) {
                Some(entry) => entry,
                None if folder.foreign.contains(first) => continue,
                None => {
                    findings.push(format!(
                        "{}: imports `{first}`, which {}/mod.rs defines",
                        file.name,
                        module.join("/")
                    ));
                    continue;
                }
            },
        };
        if entry != own && place(entry) <= place(own) {
            findings.push(format!(
                "{}: imports `{entry}`, which is above it",
                file.name
            ));
        }
    }
    findings
}

#[test]
fn files_import_only_downward() {
    let findings = findings(&sources());
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn check(files: &[(&str, &str)], expected: &[&str]) {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let found = findings(&files.collect::<Vec<_>>());
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} is not about {expected}");
    }
}

#[test]
fn an_import_upward_is_caught_in_every_form() {
    let front = "//! X.\n//!\n//! Order, downward: `high`,\n//! `low`.\nmod high;\nmod low;\n\
                 pub use high::High;\npub use low::{Low, Other as Third};\nuse crate::event::Event;\n";
    let high = |text| {
        [
            ("room/mod.rs", front),
            ("room/high.rs", text),
            ("room/low.rs", ""),
        ]
    };
    let low = |text| {
        [
            ("room/mod.rs", front),
            ("room/high.rs", ""),
            ("room/low.rs", text),
        ]
    };
    check(&high("use super::low::Low;\nuse super::Event;"), &[]);
    check(&high("use super::{Low, Third};"), &[]);
    check(&low("use super::high::High;"), &["`high`, which is above"]);
    check(&low("use super::{High};"), &["`high`, which is above"]);
    check(&low("use crate::{event, room::High};"), &["`high`"]);
    check(&low("fn f() { super::high::go() }"), &["`high`"]);
    check(&low("use super::Defined;"), &["room/mod.rs defines"]);
    check(
        &low("#[cfg(test)]\nmod tests {\n    use super::super::high;\n}\n"),
        &[],
    );
}

#[test]
fn the_order_names_every_file_and_a_folder_counts_as_one() {
    let front = "//! Order, downward: `high`, `low`.\n";
    let files = |inner| {
        [
            ("room/mod.rs", front),
            ("room/high.rs", ""),
            ("room/low/mod.rs", "//! Order, downward: `a`, `b`.\n"),
            ("room/low/a.rs", inner),
            ("room/low/b.rs", ""),
        ]
    };
    check(&files("use super::b;"), &[]);
    check(&files("use super::super::high;"), &["`high`"]);
    check(
        &[
            ("room/mod.rs", front),
            ("room/high.rs", ""),
            ("room/new.rs", ""),
        ],
        &["differ in [\"low\", \"new\"]"],
    );
}
