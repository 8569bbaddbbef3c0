//! What a reverse proxy may say of who asks at the operators' port.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::HeaderName;
use ipnet::IpNet;

use super::Admin;
use crate::operators::{Grant, ListLimit, ProxySettings, Rights, Role, SecretPlace};
use crate::settings::{Field, Item, Problem, Severity};

/// Networks that are larger hold more than proxies: the bits that all of their addresses share.
const BITS_MIN_V4: u8 = 16;
const BITS_MIN_V6: u8 = 48;

pub(super) fn read(field: &Field<'_>, proxy_protocol: bool) -> Option<ProxySettings> {
    let section = field.section();
    let peers_field = section.field("peers");
    let peers: Vec<IpNet> = peers_field.items().iter().filter_map(net).collect();
    let headers = ["name_header", "groups_header", "secret_header"];
    let [name_header, groups_header, secret_header] =
        headers.map(|name| header(&section.field(name)));
    let (file, variable) = (section.field("secret_file"), section.field("secret_env"));
    let groups_field = section.field("groups");
    let groups = groups(&groups_field);
    section.finish();
    let secret = match (file.text(), variable.text()) {
        (path, name) if path.is_empty() && name.is_empty() => None,
        (path, name) if name.is_empty() => Some(SecretPlace::File(PathBuf::from(path))),
        (path, name) if path.is_empty() => Some(SecretPlace::Environment(name)),
        _ => {
            let what = "`secret_file` and `secret_env` are both set";
            variable.error(what, "say where the secret lies once");
            None
        }
    };
    if peers_field.items().is_empty() && groups.is_empty() && secret.is_none() {
        return None;
    }
    if peers_field.items().is_empty() {
        let hint = "name the addresses that your proxies call from: there is no default, since \
                    whoever is believed can be anybody";
        peers_field.error("no proxy is named", hint);
    }
    if groups.is_empty() {
        let hint = "write `GROUP: {role: viewer}` for each group that may come in";
        groups_field.error("no group is named, so nobody could come in", hint);
    }
    if proxy_protocol {
        let hint = "the other end of the socket decides, and with the PROXY protocol that is not \
                    who speaks HTTP: take one of the two away";
        field.error(
            "`proxy_identity` does not go with `admin.proxy_protocol`",
            hint,
        );
    }
    let Some(secret) = secret else {
        let hint = "`callgate hash-token --new` makes one; give it to the proxy too";
        file.error(
            "`secret_file` or `secret_env` must say where the secret lies",
            hint,
        );
        return None;
    };
    let mut all = vec![&name_header, &groups_header, &secret_header];
    all.sort_by_key(|header| header.as_str().to_owned());
    all.dedup();
    if all.len() < headers.len() {
        field.error("two of the headers are the same", "give each its own name");
    }
    Some(ProxySettings {
        peers,
        name_header,
        groups_header,
        secret_header,
        secret,
        groups,
    })
}

fn net(item: &Item<'_>) -> Option<IpNet> {
    let single = item.text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = single.or_else(|| item.text.parse::<IpNet>().ok());
    if net.is_none() {
        let what = format!("`{}` is no address and no network", item.text);
        item.error(what, "write 10.0.0.5 or 10.0.0.0/24");
    }
    net.map(|net| net.trunc())
}

fn header(field: &Field<'_>) -> HeaderName {
    /// What means something else already.
    const OTHERS: [&str; 6] = [
        "authorization",
        "cookie",
        "host",
        "origin",
        "content-type",
        "content-length",
    ];
    let text = field.text();
    let name = HeaderName::from_str(&text).ok();
    let begins = |name: &HeaderName| name.as_str().starts_with(|c: char| c.is_ascii_alphabetic());
    let name = name.filter(|name| begins(name) && !OTHERS.contains(&name.as_str()));
    name.unwrap_or_else(|| {
        let hint = "write a name of your own, like x-forwarded-user";
        field.error(format!("`{text}` cannot be the name of this header"), hint);
        HeaderName::from_static("x-none")
    })
}

fn groups(field: &Field<'_>) -> BTreeMap<String, Grant> {
    let section = field.section();
    let mut groups = BTreeMap::new();
    for (name, field) in section.fields() {
        let group = field.section();
        let role = group.field("role");
        let rights = group.field("rights");
        let lists = group.field("lists");
        if !role.is_set() {
            field.error(
                "the group has no role",
                "write `role: viewer`, moderator or operator",
            );
        }
        let grant = Grant {
            role: role.choice::<Role>().unwrap_or(Role::Viewer),
            rights: read_rights(&rights),
            lists: ListLimit::of(lists.items().iter().map(|item| &item.text)),
        };
        if !grant.is_sound() {
            let hint = "take the lists away, or write `role: moderator`";
            lists.error("an operator gives orders about every list", hint);
        }
        group.finish();
        if name.contains(',') || name.trim() != name || name.is_empty() {
            let hint = "groups are told apart by commas";
            field.error(format!("`{name}` cannot be the name of a group"), hint);
        }
        groups.insert(name, grant);
    }
    groups
}

fn read_rights(field: &Field<'_>) -> Rights {
    let mut rights = Rights::default();
    for item in field.items() {
        match item.text.as_str() {
            "text" => rights.text = true,
            "audit" => rights.audit = true,
            other => {
                let what = format!("there is no right `{other}`");
                item.error(what, "known are `text` and `audit`");
            }
        }
    }
    rights
}

/// What works and is dangerous.
pub(super) fn warnings(admin: &Admin, file: &str) -> Vec<Problem> {
    let Some(proxy) = &admin.proxy_identity else {
        return Vec::new();
    };
    let mut warnings = Vec::new();
    let mut warn = |path: &str, what: String, hint: &str| {
        warnings.push(Problem {
            path: format!("admin.proxy_identity{path}"),
            severity: Severity::Warning,
            ..Problem::of_file(file, what, hint)
        });
    };
    let is_wide = |net: &&IpNet| match net {
        IpNet::V4(net) => net.prefix_len() < BITS_MIN_V4,
        IpNet::V6(net) => net.prefix_len() < BITS_MIN_V6,
    };
    for net in proxy.peers.iter().filter(is_wide) {
        let what = format!("`{net}` holds more than proxies: the secret alone keeps strangers out");
        warn(".peers", what, "name the addresses of the proxies");
    }
    let is_away = |net: &IpNet| !net.addr().is_loopback();
    if admin.tls.is_none() && admin.is_reached_by_others() && proxy.peers.iter().any(is_away) {
        let what = "the secret goes over the network in plain text".to_owned();
        warn(
            "",
            what,
            "give the port `admin.tls`, or put the proxy on the same machine",
        );
    }
    if admin.unprotected {
        let what = "`admin.unprotected` does nothing beside it".to_owned();
        warn("", what, "remove `admin.unprotected`");
    }
    let both = |grant: &Grant| *grant == Grant::ALL;
    for (group, _) in proxy.groups.iter().filter(|(_, grant)| both(grant)) {
        if ["*", "all", "everyone", "users", "authenticated"].contains(&&*group.to_lowercase()) {
            let what = format!("whoever is in `{group}` may do and read everything");
            warn(".groups", what, "name a group that few are in");
        }
    }
    warnings
}
