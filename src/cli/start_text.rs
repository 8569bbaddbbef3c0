//! What `callgate serve` prints when it starts: addresses, and what is in force.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use crate::config::{Config, Storage};
use crate::decision::{FailureAction, FailureClass};
use crate::event::Moment;
use crate::policy::{Endpoint, HookRules, Snapshot};

/// Where the ports really are: a configured port of 0 is any free one.
pub(super) struct Addresses {
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

/// What is in force, for the person who starts it.
pub(super) fn start_text(snapshot: &Snapshot, addresses: &Addresses, config: &Config) -> String {
    let Addresses { grpc, http, admin } = addresses;
    let mut text = format!(
        "callgate {}, policy {}\n  gRPC    {grpc}\n  HTTP    {}://{http}  {}\n  status  {}://{admin}/status\n{}hooks\n",
        env!("CARGO_PKG_VERSION"),
        snapshot.version,
        scheme(config.http.tls.is_some()),
        config.http.routes.shown(),
        scheme(config.admin.tls.is_some()),
        storage_line(config),
    );
    for rules in snapshot.hooks() {
        text.push_str(&hook_line(rules));
    }
    if !snapshot.overrides().is_empty() {
        text.push_str("overridden keys of included files\n");
        for one in snapshot.overrides() {
            text.push_str(&format!("  {one}\n"));
        }
    }
    let default = SocketAddr::from(([127, 0, 0, 1], 50051));
    let server = match config.grpc.tls.is_some() {
        false if *grpc == default => String::new(),
        tls => format!(" --server {}://{grpc}", scheme(tls)),
    };
    text.push_str(&format!("try it: callgate send{server} \"a message\"\n"));
    text
}

/// What is shared with other replicas, and what is not; nothing where nothing is.
fn storage_line(config: &Config) -> String {
    match config.storage {
        Storage::Embedded => String::new(),
        Storage::Postgres(_) => format!(
            "  outbox  in PostgreSQL, for all replicas; rooms, operators, audit, decisions and \
             versions are this replica's own, in {}\n",
            config.data.display()
        ),
    }
}

fn scheme(tls: bool) -> &'static str {
    match tls {
        true => "https",
        false => "http",
    }
}

/// The same for a machine: one line of the log.
pub(super) fn start_json(snapshot: &Snapshot, addresses: &Addresses) -> String {
    let hooks: Vec<_> = snapshot.hooks().map(|rules| rules.hook.name).collect();
    let line = json!({
        "level": "INFO", "message": "started", "target": "callgate",
        "version": env!("CARGO_PKG_VERSION"), "policy": snapshot.version.to_string(),
        "grpc": addresses.grpc, "http": addresses.http, "admin": addresses.admin,
        "hooks": hooks,
    });
    format!("{line}\n")
}

/// One enabled hook: where it forwards to, and what its failures lead to.
fn hook_line(rules: &HookRules) -> String {
    let endpoint = |endpoint: &Arc<Endpoint>| {
        // Events have the endpoint's own time, whatever the hook's.
        let within = match rules.hook.moment {
            Moment::Before => rules.timeout,
            Moment::After => endpoint.events.timeout,
        };
        format!("{} within {within:?}", endpoint.url)
    };
    let endpoints: Vec<String> = rules.endpoints.iter().map(endpoint).collect();
    let forwards = match endpoints.as_slice() {
        [] => "forwards to nobody".to_owned(),
        endpoints => format!("-> {}", endpoints.join(", ")),
    };
    let failures = match rules.hook.moment {
        Moment::After => "stored, then delivered at least once".to_owned(),
        Moment::Before => failure_text(rules),
    };
    format!(
        "  {:<22} filters [{}], {forwards}; {failures}\n",
        rules.hook.name,
        rules.list_names().join(", "),
    )
}

fn failure_text(rules: &HookRules) -> String {
    let named = |action: FailureAction| -> Vec<&str> {
        FailureClass::ALL
            .into_iter()
            .filter(|class| rules.action(*class) == action)
            .map(FailureClass::name)
            .collect()
    };
    match (named(FailureAction::Allow), named(FailureAction::Block)) {
        (allowed, blocked) if allowed.is_empty() => {
            format!("every failure blocks ({} classes)", blocked.len())
        }
        (allowed, blocked) if blocked.len() <= allowed.len() => {
            format!("failures are let through, but {} block", blocked.join(", "))
        }
        (allowed, _) => format!("failures block, but {} are let through", allowed.join(", ")),
    }
}
