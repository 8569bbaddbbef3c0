//! Turns OpenIM's own callback settings into a policy.yaml.
//!
//! `include` keeps reading OpenIM's file; this is for operators who move to a file of their own.

use core::net::SocketAddr;
use std::fmt::Write;
use std::sync::Arc;

use super::kept;
use crate::policy::{UrlAddress, convert_file};
use crate::settings::{At, Entry, Map, Problem, Problems, Value, in_file_order, parse};

/// What is known beside the file.
#[derive(Clone, Debug, Default)]
pub struct OpenImImport {
    /// Our own addresses: a `url` that leads there is no business server.
    pub listeners: Vec<SocketAddr>,
    /// The policy that the new one stands in for, with its name: its word lists are kept.
    pub policy: Option<(String, String)>,
}

/// Writes a policy that says what an OpenIM file says, its `url` as an endpoint.
///
/// Hooks that are off are only named in a comment. `None` when the file has errors; the problems
/// tell them, and what was left out.
pub fn import_openim(
    file: &str,
    bytes: &[u8],
    import: &OpenImImport,
) -> (Option<String>, Vec<Problem>) {
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
    let converted = convert_file(&root, &At::file(&name), &problems);
    let is_own = converted.url.as_ref().is_some_and(|entry| {
        let is_own = leads_to(entry, &import.listeners);
        if is_own {
            let at = At {
                place: entry.key_place.clone(),
                path: entry.key.clone(),
            };
            let what = "this url leads to callgate itself, so nobody is asked yet";
            problems.warning(
                &at,
                what,
                "write your business server's url into the policy",
            );
        }
        is_own
    });
    let kept = import.policy.as_ref().map(|policy| keep(policy, &problems));
    let section = section(&root);
    if let Some(version) = version_of(section) {
        let at = At {
            place: version.by.key_place.clone(),
            path: version.by.key.clone(),
        };
        let what = format!(
            "`answers: {}` is written, for this key says that the file is of {}",
            version.answers, version.span
        );
        problems.note(&at, what, version.other);
    }
    let text = write(file, section, &converted.hooks, is_own);
    let text = match kept {
        Some(kept) => format!("{text}\n{kept}").trim_end().to_owned() + "\n",
        None => text,
    };
    (Some(text), problems.into_sorted())
}

fn leads_to(url: &Entry, listeners: &[SocketAddr]) -> bool {
    let Value::Scalar(url) = &url.node.value else {
        return false;
    };
    let address = UrlAddress::parse(url);
    address.is_some_and(|address| listeners.iter().any(|own| address.reaches(own)))
}

/// The sections of the old policy that an import does not touch.
fn keep((name, text): &(String, String), problems: &Problems) -> String {
    let name: Arc<str> = name.as_str().into();
    let Ok(Some(node)) = parse(&name, text.as_bytes(), problems) else {
        return String::new();
    };
    let Value::Map(root) = node.value else {
        return String::new();
    };
    let (kept, left_out) = kept::sections(text, &root);
    if !left_out.is_empty() {
        let what = format!("not taken over: `{}`", left_out.join("`, `"));
        problems.warning(&At::file(&name), what, "copy from it what you still need");
    }
    kept
}

/// The keys of the file that are about callbacks.
fn section(root: &Map) -> &Map {
    match root.get("callback").map(|entry| &entry.node.value) {
        Some(Value::Map(section)) => section,
        _ => root,
    }
}

fn write(file: &str, section: &Map, hooks: &Map, is_own: bool) -> String {
    let mut out = format!("# Made by `callgate import openim {file}`.\n");
    out.push_str(&endpoint(section, is_own));
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
        // Writing into a String cannot fail.
        let _ = writeln!(out, "  {}:\n    enable: true", hook.key);
        if !is_own {
            out.push_str("    endpoint: business\n");
        }
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

/// The business server; as a comment where the file does not name it. Hooks without an endpoint
/// use one of the name `callbackUrl`.
fn endpoint(section: &Map, is_own: bool) -> String {
    let v2_url = scalar(section, "callbackurl");
    let url = v2_url.or_else(|| scalar(section, "url"));
    let url = url.filter(|url| !url.is_empty() && !is_own);
    let url = url.unwrap_or("http://127.0.0.1:8080/callback");
    let name = if is_own { "callbackUrl" } else { "business" };
    let mut out = format!("endpoints:\n  {name}:\n    url: {}\n", quoted(url));
    if v2_url.is_some() {
        out.push_str("    dialect: openim-v2\n");
    }
    if let Some(version) = version_of(section) {
        let Version {
            answers,
            by,
            span,
            other,
        } = version;
        let _ = writeln!(
            out,
            "    # The file is of {span} (it has `{}`), and so a business server of theirs refuses.\n    \
             # For one of another version: {other}.\n    answers: {answers}",
            by.key
        );
    }
    if !is_own {
        return out;
    }
    let commented: Vec<String> = out.lines().map(|line| format!("# {line}\n")).collect();
    format!(
        "# The url of that file leads to callgate itself, so nobody is asked yet. Name your business\n\
         # server here:\n{}",
        commented.concat()
    )
}

/// Which versions of OpenIM have a file like this.
struct Version<'a> {
    /// How a business server that was written for them is read.
    answers: &'static str,
    /// The key that says so.
    by: &'a Entry,
    span: &'static str,
    /// What to write where the business server is of another version.
    other: &'static str,
}

/// The version that a file is of, by the keys that only some have; `None` for the newest and for
/// v2.0.
fn version_of(section: &Map) -> Option<Version<'_>> {
    // v2.0 spells its first key with a small b, and has neither presence nor push.
    const SINCE_2_1: [&str; 3] = [
        "callbackBeforeSendSingleMsg",
        "callbackUserOnline",
        "callbackOfflinePush",
    ];
    const SINCE_3_4_2: [&str; 1] = ["quitGroup"];
    // v3.7 has a file of its own, whose keys begin with the moment.
    const UNTIL_3_6: [&str; 4] = ["msgModify", "userOnline", "offlinePush", "onlinePush"];
    let find = |names: &[&str]| {
        let mut keys = section.values();
        keys.find(|entry| names.contains(&&*entry.key))
    };
    let version = |by, answers, span, other| Version {
        answers,
        by,
        span,
        other,
    };
    if scalar(section, "callbackurl").is_some() {
        let by = find(&SINCE_2_1)?;
        let other = "remove the line for v2.0, which refuses with `actionCode` 1 and `errCode` 0";
        return Some(version(by, "openim-2.1", "v2.1 to v2.3", other));
    }
    if let Some(by) = find(&SINCE_3_4_2) {
        // v3.6 has the keys of v3.5; its own server ignores every refusal.
        let other = "remove the line for v3.7 and later, write openim-3.0 for v3.0 to v3.4.0; \
                     openim-3.6 ignores every refusal, as the server of v3.6 itself does";
        return Some(version(by, "openim-3.4.2", "v3.4.2 to v3.6", other));
    }
    let by = find(&UNTIL_3_6)?;
    let other = "remove the line for v3.7 and later, write openim-3.4.2 for v3.4.2 to v3.6";
    Some(version(by, "openim-3.0", "v3.0 to v3.4.0", other))
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
    use crate::policy::{CompileContext, FileSet, compile};

    #[test]
    fn the_version_of_a_file_says_how_answers_are_read() {
        let check = |file: &str, expected: &str| {
            let (text, _) = import_openim("config.yaml", file.as_bytes(), &OpenImImport::default());
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

    #[test]
    fn a_url_that_leads_to_callgate_is_no_business_server_and_lists_are_kept() {
        let file =
            "url: http://127.0.0.1:10006/callbackExample\nbeforeSendSingleMsg: {enable: true}\n";
        let policy = "lists:\n  ads: {file: lists/ads.txt}\nhooks: {beforeMsgModify: {}}\n";
        let import = OpenImImport {
            listeners: vec!["127.0.0.1:10006".parse().unwrap()],
            policy: Some(("policies/policy.yaml".to_owned(), policy.to_owned())),
        };
        let (text, problems) = import_openim("webhooks.yml", file.as_bytes(), &import);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "policies/policy.yaml: not taken over: `hooks`; copy from it what you still need",
                "webhooks.yml:1:1: url: this url leads to callgate itself, so nobody is asked yet; write your business server's url into the policy",
            ]
        );
        let text = text.unwrap();
        assert!(!text.contains("10006"), "{text}");
        assert!(
            text.contains("# endpoints:\n#   callbackUrl:\n#     url: "),
            "{text}"
        );
        assert!(
            text.ends_with("\nlists:\n  ads: {file: lists/ads.txt}\n"),
            "{text}"
        );
        let files = [
            ("policy.yaml", text.as_str()),
            ("lists/ads.txt", "some advertising\n"),
        ];
        let files = FileSet {
            root: String::new(),
            files: files
                .map(|(name, text)| (name.to_owned(), Arc::from(text.as_bytes())))
                .into(),
        };
        let compiled = compile(&files, &CompileContext::default(), 1);
        assert!(compiled.snapshot.is_some(), "{:?}", compiled.problems);
    }
}
