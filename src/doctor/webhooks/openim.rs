//! OpenIM's own file: webhooks.yml of v3.7 and later, or the part of config.yaml of older versions.

use std::sync::Arc;
use std::time::Duration;

use super::address::{self, Key};
use super::reading::text;
use super::remark::{Here, Remark, RemarkKind, not_sent, remark, sent, unseen, waits_less};
use crate::doctor::said::said;
use crate::event::{DialectId, Moment};
use crate::policy::{HookRules, Snapshot, convert_file};
use crate::settings::{At, Entry, Map, Problems, Value};

const SERVER: &str = "OpenIM";

pub(super) fn look(
    file: &Arc<str>,
    root: &Map,
    snapshot: &Snapshot,
    here: &Here,
    problems: &Problems,
) -> Vec<Remark> {
    let converted = convert_file(root, &At::file(file), problems);
    let url = match converted.url.as_ref().map(|entry| &entry.node.value) {
        Some(Value::Scalar(url)) => url,
        _ => "",
    };
    let key = Key {
        file,
        name: "url",
        server: SERVER,
        dialect: DialectId::OpenIm,
        path: "/callbackExample",
    };
    let mut remarks = vec![address::url(key, url, here)];
    for entry in converted.hooks.values() {
        remarks.extend(hook(entry, snapshot));
    }
    for rules in snapshot.hooks() {
        let name = rules.hook.name;
        let is_openim = !name.contains('.');
        if is_openim && !converted.hooks.contains_key(&name.to_lowercase()) {
            remarks.push(not_sent(
                name,
                &said("not in the file", "不在这个文件中"),
                SERVER,
            ));
        }
    }
    remarks.extend(unread(&converted.hooks, snapshot));
    remarks
}

/// A hook of the file, against the policy's.
fn hook(entry: &Entry, snapshot: &Snapshot) -> Vec<Remark> {
    let Value::Map(fields) = &entry.node.value else {
        return Vec::new();
    };
    let name = &entry.key;
    let mut hooks = snapshot.hooks();
    let rules = hooks.find(|rules| rules.hook.name.eq_ignore_ascii_case(name));
    match (is_on(fields), rules) {
        (true, Some(rules)) => both(name, fields, rules),
        (true, None) => vec![unseen(name, SERVER)],
        (false, Some(_)) => {
            let why = said("`enable: false` in the file", "文件中是 `enable: false`");
            vec![not_sent(name, &why, SERVER)]
        }
        (false, None) => Vec::new(),
    }
}

/// What is sent, and judged here: whether in time, and whether all of it.
fn both(name: &str, fields: &Map, rules: &HookRules) -> Vec<Remark> {
    let mut remarks = vec![sent(name, SERVER)];
    let seconds = text(fields, "timeout").trim_end_matches('s').parse();
    let waits = seconds.map(Duration::from_secs).ok();
    remarks.extend(waits.and_then(|waits| waits_less(rules, waits, SERVER)));
    for (key, says, chinese) in [
        ("allowedtypes", "sends these types alone", "只发送这些类型"),
        ("deniedtypes", "does not send these types", "不发送这些类型"),
        (
            "attentionids",
            "tells of these users alone",
            "只告知这些用户的事",
        ),
    ] {
        let list = match fields.get(key).map(|entry| &entry.node.value) {
            Some(Value::List(list)) if !list.is_empty() => list,
            _ => continue,
        };
        let values = list.iter().filter_map(|node| match &node.value {
            Value::Scalar(text) => Some(text.as_str()),
            _ => None,
        });
        let values: Vec<&str> = values.collect();
        let values = values.join(", ");
        let what = said(
            format!("{name}: {SERVER} {says}: {values}"),
            format!("{name}：{SERVER} {chinese}：{values}"),
        );
        remarks.push(remark(RemarkKind::TypesLeftOut, false, what));
    }
    remarks
}

/// `failedContinue` says nothing to the server itself since v3.7.
fn unread(hooks: &Map, snapshot: &Snapshot) -> Option<Remark> {
    let lets = |rules: &&HookRules| {
        let entry = hooks.get(&rules.hook.name.to_lowercase());
        let fields = entry.map(|entry| &entry.node.value);
        let Some(Value::Map(fields)) = fields else {
            return false;
        };
        rules.hook.moment == Moment::Before
            && is_on(fields)
            && text(fields, "failedcontinue") == "true"
    };
    let first = snapshot.hooks().find(lets)?.hook.name;
    let what = said(
        format!(
            "`failedContinue: true`, as at {first}, is read by no OpenIM from 3.7 on: while \
             callgate cannot be reached, what its before hooks are about is refused; have two of it \
             running"
        ),
        format!(
            "OpenIM 从 3.7 起不再读取 `failedContinue: true`（如 {first} 处）：callgate 无法连接时，\
             before 钩子所问的操作都会被拒绝；请运行两个 callgate"
        ),
    );
    Some(remark(RemarkKind::FailedContinue, false, what))
}

fn is_on(fields: &Map) -> bool {
    match text(fields, "enable") {
        "" => true,
        flag => flag.eq_ignore_ascii_case("true"),
    }
}
