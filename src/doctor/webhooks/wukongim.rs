//! WuKongIM's own file: wk.yaml of v1 and v2, wukongim.toml of v3.
//!
//! Shape: `webhook: {httpAddr, grpcAddr, focusEvents}` of v1 and v2, where `grpcAddr` wins;
//! `[webhook]` with `http_addr` and `focus_events` of v3, and beside it `[webhook.before_send]` with
//! `enabled`, `http_addr`, `timeout`, `on_timeout` and `on_error`. No focus means all events.
//! Source: WuKongIM v1.2.6 and v2.2.5 `options.go`, main `internal/app/config.go`.

use std::sync::Arc;
use std::time::Duration;

use super::address::{self, Key};
use super::reading::text;
use super::remark::{Here, Remark, RemarkKind, not_sent, remark, sent, unseen, waits_less};
use crate::doctor::said::said;
use crate::event::DialectId;
use crate::policy::Snapshot;
use crate::settings::{Map, Value};

const SERVER: &str = "WuKongIM";
/// What its server calls the events, and their hooks here.
const EVENTS: [(&str, &str); 3] = [
    ("msg.notify", "wukongim.msg.notify"),
    ("msg.offline", "wukongim.msg.offline"),
    ("user.onlinestatus", "wukongim.user.onlinestatus"),
];
const BEFORE: &str = "wukongim.msg.before_send";
/// How long it waits where its file does not say.
const WAITS: Duration = Duration::from_millis(500);

/// Whether a file is WuKongIM's.
pub(super) fn is_its(root: &Map) -> bool {
    let section = root.get("webhook").map(|entry| &entry.node.value);
    matches!(section, Some(Value::Map(_))) || root.keys().any(|key| key.starts_with("webhook."))
}

pub(super) fn look(file: &Arc<str>, root: &Map, snapshot: &Snapshot, here: &Here) -> Vec<Remark> {
    let settings = section(root);
    let get = |names: [&str; 2]| {
        let found = names.iter().map(|name| text(&settings, name));
        found
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or("")
    };
    let key = |name| Key {
        file,
        name,
        server: SERVER,
        dialect: DialectId::WukongIm,
        path: "/wukongim",
    };
    let (http, grpc) = (
        get(["httpaddr", "http_addr"]),
        get(["grpcaddr", "grpc_addr"]),
    );
    let before = match settings.get("before_send").map(|entry| &entry.node.value) {
        Some(Value::Map(before)) if text(before, "enabled") == "true" => Some(before),
        _ => None,
    };
    let mut remarks = Vec::new();
    let is_told = !http.is_empty() || !grpc.is_empty();
    match grpc {
        // A file that is about `before_send` alone tells nothing afterwards.
        "" if before.is_none() || is_told => {
            remarks.push(address::url(key("webhook.httpAddr"), http, here));
        }
        "" => {}
        grpc => remarks.push(address::grpc(key("webhook.grpcAddr"), grpc, here)),
    }
    let focus = focus(&settings);
    for (event, hook) in EVENTS {
        let is_sent = is_told && (focus.is_empty() || focus.iter().any(|one| one == event));
        remarks.extend(told(hook, is_sent, is_told, snapshot));
    }
    remarks.extend(focus.iter().filter_map(|event| unknown(event)));
    match before {
        Some(before) => {
            let url = text(before, "http_addr");
            remarks.push(address::url(
                key("webhook.before_send.http_addr"),
                url,
                here,
            ));
            remarks.extend(asked(before, snapshot));
        }
        None => remarks.extend(told(BEFORE, false, true, snapshot)),
    }
    remarks
}

/// What is below `webhook`, also where it is written with a dot.
fn section(root: &Map) -> Map {
    let mut settings = match root.get("webhook").map(|entry| &entry.node.value) {
        Some(Value::Map(section)) => section.clone(),
        _ => Map::new(),
    };
    for (key, entry) in root {
        if let Some(key) = key.strip_prefix("webhook.") {
            settings.insert(key.to_owned(), entry.clone());
        }
    }
    settings
}

/// The events that it tells; empty: all.
fn focus(settings: &Map) -> Vec<String> {
    let mut keys = ["focusevents", "focus_events"].iter();
    let Some(entry) = keys.find_map(|key| settings.get(*key)) else {
        return Vec::new();
    };
    let words =
        |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    match &entry.node.value {
        Value::Scalar(text) => words(text),
        Value::List(list) => list
            .iter()
            .flat_map(|node| match &node.value {
                Value::Scalar(text) => words(text),
                _ => Vec::new(),
            })
            .collect(),
        Value::Null | Value::Map(_) => Vec::new(),
    }
}

fn unknown(event: &str) -> Option<Remark> {
    let is_known = EVENTS.iter().any(|(known, _)| *known == event);
    (!is_known).then(|| {
        let what = said(
            format!("focusEvents: {SERVER} knows no event `{event}`, so it matches nothing"),
            format!("focusEvents：{SERVER} 没有事件 `{event}`，因此它什么也不匹配"),
        );
        remark(RemarkKind::File, false, what)
    })
}

fn told(hook: &str, is_sent: bool, is_told: bool, snapshot: &Snapshot) -> Option<Remark> {
    let is_on = snapshot.hooks().any(|rules| rules.hook.name == hook);
    let why = match (hook == BEFORE, is_told) {
        (true, _) => said(
            "`[webhook.before_send]` is not enabled in the file",
            "文件没有启用 `[webhook.before_send]`",
        ),
        (false, true) => said(
            "not among the file's focusEvents",
            "不在文件的 focusEvents 之中",
        ),
        (false, false) => said(
            "the file names no address for events",
            "文件没有写事件的地址",
        ),
    };
    match (is_sent, is_on) {
        (true, true) => Some(sent(hook, SERVER)),
        (true, false) => Some(unseen(hook, SERVER)),
        (false, true) => Some(not_sent(hook, &why, SERVER)),
        (false, false) => None,
    }
}

/// `[webhook.before_send]`, which is enabled.
fn asked(before: &Map, snapshot: &Snapshot) -> Vec<Remark> {
    let mut hooks = snapshot.hooks();
    let Some(rules) = hooks.find(|rules| rules.hook.name == BEFORE) else {
        return vec![unseen(BEFORE, SERVER)];
    };
    let mut remarks = vec![sent(BEFORE, SERVER)];
    let waits = humantime::parse_duration(text(before, "timeout")).unwrap_or(WAITS);
    remarks.extend(waits_less(rules, waits, SERVER));
    for key in ["on_timeout", "on_error"] {
        if text(before, key) == "allow" {
            let what = said(
                format!(
                    "{BEFORE}: `{key} = \"allow\"`: while callgate cannot be reached, messages go \
                     through unseen"
                ),
                format!("{BEFORE}：`{key} = \"allow\"`：callgate 无法连接时，消息未经查看就通过"),
            );
            remarks.push(remark(RemarkKind::LetsThrough, false, what));
        }
    }
    remarks
}
