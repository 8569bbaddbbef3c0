//! The other side: does the IM server's own webhooks.yml send its calls here, hook by hook.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use crate::policy::{Snapshot, UrlAddress, convert_file};
use crate::settings::{At, Entry, Map, Problems, Value, parse};

/// One thing about the file.
#[derive(Debug, Serialize)]
pub(super) struct Remark {
    pub name: &'static str,
    pub grave: bool,
    pub what: String,
}

fn remark(name: &'static str, grave: bool, what: String) -> Remark {
    Remark { name, grave, what }
}

/// Errors: the file cannot be read.
pub(super) fn look(
    path: &Path,
    snapshot: &Snapshot,
    listeners: &[SocketAddr],
) -> anyhow::Result<Vec<Remark>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file: Arc<str> = path.display().to_string().into();
    let problems = Problems::default();
    let root = match parse(&file, &bytes, &problems) {
        Ok(Some(node)) => match node.value {
            Value::Map(map) => map,
            _ => Map::new(),
        },
        _ => Map::new(),
    };
    let converted = convert_file(&root, &At::file(&file), &problems);
    let mut remarks: Vec<Remark> = problems
        .into_sorted()
        .iter()
        .map(|problem| remark("file", false, problem.to_string()))
        .collect();
    remarks.push(pointed_here(converted.url.as_ref(), listeners, &file));
    for entry in converted.hooks.values() {
        remarks.extend(hook(entry, snapshot));
    }
    for rules in snapshot.hooks() {
        let name = rules.hook.name;
        let is_openim = !name.contains('.');
        if is_openim && !converted.hooks.contains_key(&name.to_lowercase()) {
            remarks.push(remark(
                "not_sent",
                true,
                format!("{name} is on here, and not in the file: OpenIM never calls it"),
            ));
        }
    }
    Ok(remarks)
}

fn pointed_here(url: Option<&Entry>, listeners: &[SocketAddr], file: &str) -> Remark {
    let url = match url.map(|entry| &entry.node.value) {
        Some(Value::Scalar(url)) => url.clone(),
        _ => String::new(),
    };
    let address = UrlAddress::parse(&url);
    let is_here = address.as_ref().is_some_and(|address| {
        // A name may be this machine's; its port says more.
        let mut ports = listeners.iter().map(SocketAddr::port);
        let is_name = address.host.parse::<std::net::IpAddr>().is_err();
        listeners.iter().any(|own| address.reaches(own))
            || is_name && ports.any(|port| port == address.port)
    });
    match is_here {
        true => remark(
            "pointed_here",
            false,
            format!("{file}: url {url} leads to callgate"),
        ),
        false if url.is_empty() => remark(
            "pointed_elsewhere",
            true,
            format!("{file}: there is no url, so OpenIM calls nobody"),
        ),
        false => remark(
            "pointed_elsewhere",
            true,
            format!(
                "{file}: url {url} leads elsewhere, so callgate is never asked; write http://<callgate>:{}/callbackExample",
                port(listeners)
            ),
        ),
    }
}

fn port(listeners: &[SocketAddr]) -> u16 {
    // grpc, http, admin.
    listeners.get(1).map_or(10006, SocketAddr::port)
}

/// A hook of the file, against the policy's.
fn hook(entry: &Entry, snapshot: &Snapshot) -> Option<Remark> {
    let Value::Map(fields) = &entry.node.value else {
        return None;
    };
    let is_on = match fields.get("enable").map(|entry| &entry.node.value) {
        Some(Value::Scalar(flag)) => flag.eq_ignore_ascii_case("true"),
        _ => true,
    };
    let name = &entry.key;
    let mut hooks = snapshot.hooks();
    let rules = hooks.find(|rules| rules.hook.name.eq_ignore_ascii_case(name));
    match (is_on, rules) {
        (true, Some(_)) => Some(remark(
            "sent",
            false,
            format!("{name}: sent by OpenIM, judged here"),
        )),
        (true, None) => Some(remark(
            "unseen",
            false,
            format!("{name}: sent by OpenIM, and allowed unseen: the policy does not have it on"),
        )),
        (false, Some(_)) => Some(remark(
            "not_sent",
            true,
            format!("{name} is on here, and `enable: false` in the file: OpenIM never calls it"),
        )),
        (false, None) => None,
    }
}
