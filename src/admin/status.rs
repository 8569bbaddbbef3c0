//! `/status` as JSON: what is in force, what was rejected, and what each hook and endpoint did
//! last.

use std::collections::BTreeMap;

use serde::Serialize;

use super::certificates::CertificateJson;
use super::shown::Admin;
use crate::callback::EndpointStatus;
use crate::decision::FailureClass;
use crate::event::{Hook, Moment};
use crate::policy::{HookRules, Override, Version};
use crate::settings::Problem;
use crate::telemetry::UsageLevel;

#[derive(Serialize)]
struct Status {
    version: &'static str,
    policy: PolicyStatus,
    /// What a restart would change; `null` when nothing.
    engine_file: Option<EngineStatus>,
    /// What of engine.yaml works and is dangerous.
    engine_warnings: Vec<Problem>,
    hooks: BTreeMap<&'static str, HookStatus>,
    /// By name; empty where whoever reaches a port may call.
    callers: BTreeMap<String, CallerStatus>,
    /// Calls by command that this version has no hook of its own for, since the start.
    unknown_commands: BTreeMap<String, u64>,
    endpoints: Vec<EndpointJson>,
    outbox: OutboxStatus,
    audit: AuditStatus,
    versions: VersionsStatus,
    history: HistoryStatus,
    /// Every port and endpoint with files for TLS.
    tls: Vec<CertificateJson>,
}

#[derive(Serialize)]
struct PolicyStatus {
    number: u64,
    hash: String,
    loaded_at_ms: u64,
    warnings: Vec<Problem>,
    /// The edit that is on disk and not in force, if there is one.
    rejected: Option<RejectedStatus>,
    /// Word lists whose last good content is in force, not what is on disk.
    held: Vec<HeldStatus>,
    /// The files have had errors since before the start, and the last good version is in force.
    restored: bool,
    /// Keys of included files that something overrides.
    overrides: Vec<Override>,
    /// How far this replica is with the policy of all; `null` where the policy is its own.
    shared: Option<SharedStatus>,
}

/// A policy that all replicas have.
#[derive(Serialize)]
struct SharedStatus {
    /// The newest version that is known here.
    newest: u64,
    /// By how much that is above the one in force here.
    behind: u64,
    /// Why the newest cannot be asked for; `null` while it can.
    away: Option<String>,
    /// Why the newest cannot be in force here.
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct HeldStatus {
    file: String,
    why: String,
}

/// The policies that were in force.
#[derive(Serialize)]
struct VersionsStatus {
    kept: usize,
    bytes: u64,
    /// `null` before the first one is on disk.
    newest: Option<u64>,
    /// Why the one in force is not kept yet; `null` when it is.
    error: Option<String>,
}

/// What was decided.
#[derive(Serialize)]
struct HistoryStatus {
    enabled: bool,
    bytes: u64,
    bytes_max: u64,
    /// Decisions that it should have and has not, since the start.
    dropped: u64,
    /// Why decisions are made and not kept; `null` while they are.
    error: Option<String>,
}

/// engine.yaml on disk says something else than what runs.
#[derive(Serialize)]
struct EngineStatus {
    edited_at_ms: u64,
    /// Whether callgate would start with it.
    valid: bool,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct RejectedStatus {
    at_ms: u64,
    problems: Vec<Problem>,
}

#[derive(Serialize, Default)]
pub(super) struct HookStatus {
    enabled: bool,
    filters: Vec<String>,
    endpoints: Vec<String>,
    timeout_ms: u64,
    /// Before hooks: what is done about each class of failure.
    failure_actions: BTreeMap<&'static str, &'static str>,
    calls: u64,
    /// `null` before the first call.
    last_call_ms: Option<u64>,
    last_outcome: Option<&'static str>,
    skipped: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct CallerStatus {
    in_flight: usize,
}

#[derive(Serialize)]
pub(super) struct EndpointJson {
    name: String,
    url: String,
    /// Of the calls of a candidate policy, which are counted apart.
    candidate: bool,
    breaker: &'static str,
    open_left_ms: Option<u64>,
    delivery_breaker: &'static str,
    /// The hooks whose own breaker is not closed: their handler fails, or is too slow.
    hook_breakers: BTreeMap<&'static str, &'static str>,
    in_flight: usize,
    /// What the endpoint's server verifies our calls with; empty where both have the same secret.
    public_keys: Vec<String>,
    last_outcome: Option<&'static str>,
    last_detail: String,
    last_at_ms: Option<u64>,
}

#[derive(Serialize, Default)]
struct OutboxStatus {
    /// Set when the outbox could not be asked.
    error: Option<String>,
    /// How old the numbers are: its disk may not answer.
    age_ms: u64,
    bytes: u64,
    bytes_max: u64,
    entries: u64,
    entries_max: u64,
    /// The share of the limits, whichever is more; 1 is full.
    used: f64,
    /// normal, high from 0.7, critical from 0.85.
    level: &'static str,
    /// `null` for an outbox that no other replica shares.
    shared: Option<SharedJson>,
    endpoints: BTreeMap<String, OutboxCounts>,
}

#[derive(Serialize)]
struct AuditStatus {
    /// Number and hash of the last record, for `callgate audit verify --head`; `null` without any.
    head: Option<String>,
    /// Why acts are refused; `null` while they can be recorded.
    error: Option<String>,
}

/// An outbox that several replicas share, as this one sees it.
#[derive(Serialize)]
struct SharedJson {
    replica: String,
    /// That live, this one included.
    replicas: u32,
    /// Why it does not answer; `null` while it does.
    away: Option<String>,
    /// Events in this replica's own file that are to be forwarded.
    spooled: u64,
}

#[derive(Serialize)]
struct OutboxCounts {
    accepted: u64,
    pending: u64,
    delivered: u64,
    dead: u64,
    discarded: u64,
    in_flight: u64,
    /// What counts against the endpoint's share of the outbox.
    bytes: u64,
    oldest_pending_age_ms: Option<u64>,
    /// `false` is a fault of callgate: the counts do not add up.
    conserved: bool,
    /// Since when no attempt has succeeded; `null` while the endpoint answers.
    failing_since_ms: Option<u64>,
    /// Since when and why events are parked; `null` while they are sent.
    paused: Option<PausedJson>,
}

#[derive(Serialize)]
struct PausedJson {
    at_ms: u64,
    reason: String,
}

/// The status document.
pub(super) async fn json(admin: &Admin) -> String {
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        policy: policy(admin),
        engine_file: admin.policies.engine_edit().map(|edit| EngineStatus {
            edited_at_ms: edit.at_ms,
            valid: edit.problems.is_empty(),
            problems: edit.problems,
        }),
        engine_warnings: admin.engine_warnings.to_vec(),
        hooks: hooks(admin),
        callers: callers(admin),
        unknown_commands: admin.metrics.unknown_commands.counts(),
        endpoints: endpoints(admin),
        outbox: outbox(admin).await,
        audit: AuditStatus {
            head: admin.audit.head().map(|head| head.to_string()),
            error: admin.audit.error(),
        },
        versions: versions(admin),
        history: history(admin),
        tls: admin.certificates.json(),
    };
    // Plain maps and strings: serialising them cannot fail.
    serde_json::to_string_pretty(&status).unwrap_or_default()
}

fn policy(admin: &Admin) -> PolicyStatus {
    let Version { number, hash } = admin.policies.current().version.clone();
    PolicyStatus {
        number,
        hash: hash.to_string(),
        loaded_at_ms: admin
            .policies
            .versions()
            .first()
            .map_or(0, |loaded| loaded.at_ms),
        warnings: admin.policies.warnings(),
        rejected: admin.policies.rejected().map(|rejected| RejectedStatus {
            at_ms: rejected.at_ms,
            problems: rejected.problems,
        }),
        held: admin
            .policies
            .held()
            .into_iter()
            .map(|held| HeldStatus {
                file: held.file,
                why: held.why,
            })
            .collect(),
        restored: admin.policies.is_restored(),
        overrides: admin.policies.current().overrides().to_vec(),
        shared: admin.policies.shared().map(|shared| SharedStatus {
            newest: shared.newest,
            behind: shared.newest.saturating_sub(number),
            away: shared.away,
            problems: shared.problems,
        }),
    }
}

fn versions(admin: &Admin) -> VersionsStatus {
    let state = admin.versions.state();
    VersionsStatus {
        kept: state.versions,
        bytes: state.bytes,
        newest: state.newest,
        error: state.error,
    }
}

fn history(admin: &Admin) -> HistoryStatus {
    let history = &admin.history;
    let settings = history.settings();
    HistoryStatus {
        enabled: settings.is_some(),
        bytes: history.bytes(),
        bytes_max: settings.map_or(0, |settings| settings.bytes_max),
        dropped: history.dropped(),
        error: history.error(),
    }
}

/// Every hook that a policy enables or that was ever called.
pub(super) fn hooks(admin: &Admin) -> BTreeMap<&'static str, HookStatus> {
    let snapshot = admin.policies.current();
    let mut hooks: BTreeMap<_, _> = snapshot
        .hooks()
        .map(|rules| (rules.hook.name, of_rules(admin, rules)))
        .collect();
    for hook in admin.metrics.hooks.called() {
        hooks
            .entry(hook.name)
            .or_insert_with(|| with_calls(admin, hook, HookStatus::default()));
    }
    hooks
}

fn of_rules(admin: &Admin, rules: &HookRules) -> HookStatus {
    let mut status = HookStatus {
        enabled: true,
        filters: rules.list_names(),
        endpoints: rules
            .endpoints
            .iter()
            .map(|endpoint| endpoint.name.to_string())
            .collect(),
        timeout_ms: rules.timeout.as_millis() as u64,
        ..HookStatus::default()
    };
    if rules.hook.moment == Moment::Before {
        status.failure_actions = FailureClass::ALL
            .into_iter()
            .map(|class| (class.name(), rules.action(class).name()))
            .collect();
    }
    with_calls(admin, rules.hook, status)
}

fn with_calls(admin: &Admin, hook: Hook, mut status: HookStatus) -> HookStatus {
    if let Some(state) = admin.metrics.hooks.get(hook) {
        status.calls = state.calls();
        status.last_call_ms = Some(state.last_at_ms());
        status.last_outcome = Some(state.last_outcome());
        status.skipped = state
            .skipped()
            .map(|(reason, count)| (reason.name(), count))
            .collect();
    }
    status
}

fn callers(admin: &Admin) -> BTreeMap<String, CallerStatus> {
    let known = admin.callers.known().into_iter();
    let status = known.map(|known| {
        let in_flight = known.in_flight();
        (known.name().to_string(), CallerStatus { in_flight })
    });
    status.collect()
}

/// The business servers of the policy.
pub(super) fn endpoints(admin: &Admin) -> Vec<EndpointJson> {
    admin.callbacks.status().into_iter().map(endpoint).collect()
}

fn endpoint(status: EndpointStatus) -> EndpointJson {
    EndpointJson {
        name: status.name.to_string(),
        url: status.url,
        candidate: status.is_candidates,
        breaker: status.breaker,
        open_left_ms: status.open_left.map(|left| left.as_millis() as u64),
        delivery_breaker: status.delivery_breaker,
        hook_breakers: status.hook_breakers.into_iter().collect(),
        in_flight: status.in_flight,
        public_keys: status.public_keys,
        last_at_ms: status.last_outcome.map(|_| status.last_at_ms),
        last_outcome: status.last_outcome,
        last_detail: status.last_detail,
    }
}

async fn outbox(admin: &Admin) -> OutboxStatus {
    let seen = admin.observed.latest().await;
    let age_ms = seen.age().as_millis() as u64;
    let shared = seen.shared.map(|shared| SharedJson {
        replica: shared.replica,
        replicas: shared.replicas,
        away: shared.away,
        spooled: shared.spooled,
    });
    let Some(stats) = seen.stats else {
        let silent = || "the outbox has not answered yet".to_owned();
        return OutboxStatus {
            error: Some(seen.error.unwrap_or_else(silent)),
            age_ms,
            shared,
            ..OutboxStatus::default()
        };
    };
    let endpoints = stats.endpoints.iter().cloned().map(|endpoint| {
        let counts = endpoint.counts;
        let counts = OutboxCounts {
            accepted: counts.accepted,
            pending: counts.pending,
            delivered: counts.delivered,
            dead: counts.dead,
            discarded: counts.discarded,
            in_flight: counts.in_flight,
            bytes: endpoint.bytes,
            conserved: counts.conserved(),
            failing_since_ms: endpoint.health.failing_since_ms,
            paused: endpoint.health.paused.map(|paused| PausedJson {
                at_ms: paused.at_ms,
                reason: paused.reason,
            }),
            oldest_pending_age_ms: endpoint
                .oldest_pending_ms
                .map(|oldest| admin.clock.age_of(oldest).as_millis() as u64),
        };
        (endpoint.endpoint, counts)
    });
    let limits = admin.outbox_limits;
    let used = limits.used(stats.bytes, stats.entries);
    OutboxStatus {
        error: seen.error,
        age_ms,
        bytes: stats.bytes,
        bytes_max: limits.bytes_max,
        entries: stats.entries,
        entries_max: limits.entries_max,
        used,
        level: UsageLevel::of(used).name(),
        shared,
        endpoints: endpoints.collect(),
    }
}
