//! Turns OpenIM's own callback settings into a policy.yaml.
//!
//! `include` keeps reading OpenIM's file; this is for operators who move to a file of their own.

use std::fmt::Write;
use std::sync::Arc;

use crate::policy::convert_file;
use crate::settings::{At, Map, Problem, Problems, Value, in_file_order, parse};

/// Writes a policy that says what an OpenIM file says, its `url` as an endpoint.
///
/// Hooks that are off are only named in a comment. `None` when the file has errors; the problems
/// tell them, and what was left out.
pub fn import_openim(file: &str, bytes: &[u8]) -> (Option<String>, Vec<Problem>) {
    let problems = Problems::default();
    let name: Arc<str> = file.into();
    let Ok(root) = parse(&name, bytes, &problems) else {
        return (None, problems.into_sorted());
    };
    let Some(Value::Map(root)) = root.map(|root| root.value) else {
        problems.error(
            &At::file(&name),
            "this is no map of hooks",
            "give OpenIM's webhooks.yml",
        );
        return (None, problems.into_sorted());
    };
    let hooks = convert_file(&root, &At::file(&name), &problems).hooks;
    let text = write(file, section(&root), &hooks);
    (Some(text), problems.into_sorted())
}

/// The keys of the file that are about callbacks.
fn section(root: &Map) -> &Map {
    match root.get("callback").map(|entry| &entry.node.value) {
        Some(Value::Map(section)) => section,
        _ => root,
    }
}

fn write(file: &str, section: &Map, hooks: &Map) -> String {
    let mut out = format!("# Made by `callgate import openim {file}`.\nendpoints:\n  business:\n");
    let v2_url = scalar(section, "callbackurl");
    let url = v2_url.or_else(|| scalar(section, "url"));
    let url = url.unwrap_or("http://127.0.0.1:8080/callback");
    // Writing into a String cannot fail.
    let _ = writeln!(out, "    url: {}", quoted(url));
    if v2_url.is_some() {
        out.push_str("    dialect: openim-v2\n");
    }
    if let Some(answers) = answers_of(section, v2_url.is_some()) {
        let _ = writeln!(
            out,
            "    answers: {answers}  # how the server of this file reads refusals"
        );
    }
    out.push_str("hooks:\n");
    let mut off = Vec::new();
    for hook in in_file_order(hooks) {
        let Value::Map(fields) = &hook.node.value else {
            continue;
        };
        if scalar(fields, "enable") != Some("true") {
            off.push(hook.key.as_str());
            continue;
        }
        let _ = writeln!(
            out,
            "  {}:\n    enable: true\n    endpoint: business",
            hook.key
        );
        for field in fields.values() {
            if field.key != "enable" {
                write_field(&mut out, &field.key, &field.node.value);
            }
        }
    }
    if !off.is_empty() {
        let _ = writeln!(out, "# Off in that file: {}", off.join(", "));
    }
    out
}

/// The version of OpenIM that a file is of, by the keys that only some have; `None` for the newest
/// and for v2.0.
fn answers_of(section: &Map, is_v2: bool) -> Option<&'static str> {
    // v2.0 spells its first key with a small b, and has neither presence nor push.
    const SINCE_2_1: [&str; 3] = [
        "callbackBeforeSendSingleMsg",
        "callbackUserOnline",
        "callbackOfflinePush",
    ];
    const SINCE_3_4_2: [&str; 1] = ["quitGroup"];
    // v3.7 has a file of its own, whose keys begin with the moment.
    const UNTIL_3_6: [&str; 4] = ["msgModify", "userOnline", "offlinePush", "onlinePush"];
    let has = |names: &[&str]| section.values().any(|entry| names.contains(&&*entry.key));
    match is_v2 {
        true => has(&SINCE_2_1).then_some("openim-2.1"),
        false if has(&SINCE_3_4_2) => Some("openim-3.4.2"),
        false => has(&UNTIL_3_6).then_some("openim-3.0"),
    }
}

fn write_field(out: &mut String, key: &str, value: &Value) {
    let text = match value {
        Value::Null | Value::Map(_) => return,
        Value::Scalar(text) => text.clone(),
        Value::List(items) if items.is_empty() => return,
        Value::List(items) => {
            let items = items.iter().filter_map(|item| match &item.value {
                Value::Scalar(text) => Some(quoted(text)),
                Value::Null | Value::List(_) | Value::Map(_) => None,
            });
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
    };
    let _ = writeln!(out, "    {key}: {text}");
}

fn scalar<'a>(fields: &'a Map, name: &str) -> Option<&'a str> {
    match &fields.get(name)?.node.value {
        Value::Scalar(text) => Some(text),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// A text as a YAML scalar that reads back the same.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_file_says_how_answers_are_read() {
        let check = |file: &str, expected: &str| {
            let (text, _) = import_openim("config.yaml", file.as_bytes());
            let text = text.unwrap();
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("answers: "));
            let answers = line.and_then(|line| line.split_whitespace().next());
            assert_eq!(answers.unwrap_or_default(), expected, "{text}");
        };
        let v2 = |keys: &str| format!("callback:\n  callbackUrl: \"http://h\"\n{keys}");
        check(
            "url: \"http://h\"\nbeforeSendSingleMsg: {enable: true}\n",
            "",
        );
        check(&v2("  callbackbeforeSendSingleMsg: {enable: true}\n"), "");
        check(
            &v2("  callbackBeforeSendSingleMsg: {enable: true}\n"),
            "openim-2.1",
        );
        let v3 = "callback:\n  url: \"http://h\"\n  msgModify: {enable: true}\n";
        check(v3, "openim-3.0");
        check(
            &format!("{v3}  quitGroup: {{enable: true}}\n"),
            "openim-3.4.2",
        );
    }
}
