//! Everything that can be asked for at the operators' port, and what it takes: one table for pages,
//! for routes of the JSON API and for orders over gRPC.
//!
//! All are closed sets, the methods as `proto/` has them: one without a line here does not
//! compile, and what is asked for and is in none is not passed on to anything. A path may have
//! places for names: `/api/v1/plans/{id}`.

use http::Method;
use strum::VariantArray;

use crate::operators::Capability;
use crate::proto::AdminMethod;

/// What `/` shows, and, where one may see it, an unknown path.
pub(super) const INDEX: &str = "\
callgate, operators' port
  /status   what is in force, as JSON; `callgate status` prints it for people
  /metrics  for Prometheus
  /account  one's own password, tokens and sessions; /login before that
  /api/v1   the same and more for programs, as JSON: /api/v1/openapi.json says what there is
  /healthz  200 while the process runs
  /readyz   200 while calls are taken, and whether after hooks are; /readyz/after for those alone
  gRPC      callgate.v1.AdminService and reflection: `callgate outbox`, `callgate rooms`,
            `callgate operators`, grpcurl
";

/// Services that tell what services there are; both have one method.
pub const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// One page, or one thing that can be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(super) enum Page {
    Index,
    Alive,
    Ready,
    ReadyAfter,
    Metrics,
    Status,
    SetUp,
    SetUpForm,
    LogIn,
    LogInForm,
    LogOutForm,
    Account,
    PasswordForm,
    TokenForm,
    RemoveTokenForm,
    EndSessionsForm,
    Style,
    SetUpScript,
    Hooks,
    Endpoints,
    Changes,
    ChangeReplay,
    ChangeForceForm,
    Change,
    RollbackPlan,
    RollbackForm,
    RollbackPatch,
    Delivery,
    Payload,
    DeliveryPlanForm,
    DeliveryPlan,
    RunDeliveryPlanForm,
    RetryForm,
    Try,
    TryForm,
    Events,
    Script,
    Switch,
    Decisions,
    Decision,
    Trial,
    TrialStartForm,
    TrialEndForm,
    TrialPromotion,
    TrialPromoteForm,
    TrialPatch,
    WrongHit,
    Lists,
    List,
    ListEntry,
    ListDraft,
    ListPatch,
    ListSave,
    ListPlanForm,
    ListPlan,
    RunListPlanForm,
    Doctor,
    DoctorForm,
    Audit,
    Operators,
    Operator,
    InviteForm,
    OperatorPlanForm,
    OperatorPlan,
    RunOperatorPlanForm,
    Tokens,
    MakeTokenForm,
    TakeTokenForm,
}

/// One thing that programs can ask for, as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub(super) enum ApiRoute {
    OpenApi,
    Status,
    Hooks,
    Endpoints,
    Pending,
    Dead,
    Discarded,
    OutboxPlan,
    SeePlan,
    RunPlan,
    Replays,
    Retries,
    Audit,
    AuditNdjson,
    Operators,
    Invite,
    OperatorPlan,
    Tokens,
    MakeApiToken,
    RemoveApiToken,
    Decisions,
    Decision,
    DecisionsNdjson,
    DecisionsCsv,
    Try,
    Counts,
    Forget,
    Recordings,
    RecordedCalls,
    RecordedReplay,
    Reload,
    Policy,
    PushPolicy,
    Versions,
    Version,
    VersionFile,
    VersionDiff,
    Rollback,
    Trial,
    TrialStart,
    TrialEnd,
    TrialPromote,
    Lists,
    List,
    ListStory,
    ListEdit,
    ListPreview,
    ListLint,
    ListPromote,
    ListMove,
    ListImport,
    LastBackup,
    Backup,
    ListPlan,
    LastCheckUp,
    CheckUp,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Door {
    pub method: Method,
    /// As it is asked for, or a template of it: `{name}` stands for one part.
    pub path: &'static str,
    pub capability: Capability,
    pub kind: Kind,
}

/// How something is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By people, in a browser, and what of it changes something by forms; by probes.
    Page,
    /// By programs, over gRPC.
    Order,
    /// By programs, as JSON.
    Api,
}

/// The whole table; `/metrics` is one of the pages that take nothing, or not.
pub fn doors(metrics_open: bool) -> Vec<Door> {
    let pages = Page::VARIANTS.iter().map(|page| {
        let (method, path, capability) = page.door(metrics_open);
        Door {
            method,
            path,
            capability,
            kind: Kind::Page,
        }
    });
    let api = ApiRoute::VARIANTS.iter().map(|route| {
        let (method, path, capability) = route.door();
        Door {
            method,
            path,
            capability,
            kind: Kind::Api,
        }
    });
    let orders = AdminMethod::ALL.map(|method| (method.path(), capability(method)));
    let reflection = REFLECTION.map(|path| (path, Capability::View));
    let orders = orders.into_iter().chain(reflection);
    let orders = orders.map(|(path, capability)| Door {
        method: Method::POST,
        path,
        capability,
        kind: Kind::Order,
    });
    pages.chain(api).chain(orders).collect()
}

impl Page {
    pub(super) fn door(self, metrics_open: bool) -> (Method, &'static str, Capability) {
        use Capability::{Account, Appoint, Audit, Enter, Moderate, Operate, Text, View, Watch};

        let metrics = match metrics_open {
            true => Watch,
            false => View,
        };
        match self {
            Page::Index => (Method::GET, "/", View),
            Page::Alive => (Method::GET, "/healthz", Watch),
            Page::Ready => (Method::GET, "/readyz", Watch),
            Page::ReadyAfter => (Method::GET, "/readyz/after", Watch),
            Page::Metrics => (Method::GET, "/metrics", metrics),
            Page::Status => (Method::GET, "/status", View),
            Page::SetUp => (Method::GET, "/setup", Enter),
            Page::SetUpForm => (Method::POST, "/setup", Enter),
            Page::LogIn => (Method::GET, "/login", Enter),
            Page::LogInForm => (Method::POST, "/login", Enter),
            Page::LogOutForm => (Method::POST, "/logout", Account),
            Page::Account => (Method::GET, "/account", Account),
            Page::PasswordForm => (Method::POST, "/account/password", Account),
            Page::TokenForm => (Method::POST, "/account/tokens", Account),
            Page::RemoveTokenForm => (Method::POST, "/account/tokens/remove", Account),
            Page::EndSessionsForm => (Method::POST, "/account/sessions/end", Account),
            Page::Style => (Method::GET, "/console/style.css", Enter),
            Page::SetUpScript => (Method::GET, "/console/setup.js", Enter),
            Page::Hooks => (Method::GET, "/hooks", View),
            Page::Endpoints => (Method::GET, "/endpoints", View),
            Page::Changes => (Method::GET, "/changes", View),
            Page::ChangeReplay => (Method::GET, "/changes/replay", View),
            Page::ChangeForceForm => (Method::POST, "/changes/force", Operate),
            Page::Change => (Method::GET, "/changes/{number}", View),
            Page::RollbackPlan => (Method::GET, "/changes/{number}/rollback", Operate),
            Page::RollbackForm => (Method::POST, "/changes/{number}/rollback", Operate),
            Page::RollbackPatch => (Method::GET, "/changes/{number}/patch", Operate),
            Page::Delivery => (Method::GET, "/delivery", View),
            Page::Payload => (Method::GET, "/delivery/payload", Text),
            Page::DeliveryPlanForm => (Method::POST, "/delivery/plans", Operate),
            Page::DeliveryPlan => (Method::GET, "/delivery/plans/{id}", Operate),
            Page::RunDeliveryPlanForm => (Method::POST, "/delivery/plans/{id}", Operate),
            Page::RetryForm => (Method::POST, "/delivery/retry", Operate),
            Page::Try => (Method::GET, "/try", View),
            Page::TryForm => (Method::POST, "/try", View),
            Page::Events => (Method::GET, "/api/v1/events", View),
            Page::Script => (Method::GET, "/console/console.js", Enter),
            Page::Switch => (Method::POST, "/console/switch", Enter),
            Page::Decisions => (Method::GET, "/decisions", View),
            Page::Decision => (Method::GET, "/decisions/{id}", View),
            Page::Trial => (Method::GET, "/trial", View),
            Page::TrialStartForm => (Method::POST, "/trial/start", Operate),
            Page::TrialEndForm => (Method::POST, "/trial/end", Operate),
            Page::TrialPromotion => (Method::GET, "/trial/promotion", Operate),
            Page::TrialPromoteForm => (Method::POST, "/trial/promotion", Operate),
            Page::TrialPatch => (Method::GET, "/trial/promotion/patch", Operate),
            Page::WrongHit => (Method::GET, "/decisions/{id}/wrong", Moderate),
            Page::Lists => (Method::GET, "/lists", View),
            Page::List => (Method::GET, "/lists/{name}", View),
            Page::ListEntry => (Method::GET, "/lists/{name}/entry", View),
            Page::ListDraft => (Method::GET, "/lists/{name}/draft", Moderate),
            Page::ListPatch => (Method::GET, "/lists/{name}/draft/patch", Moderate),
            Page::ListSave => (Method::POST, "/lists/{name}/save", Moderate),
            Page::ListPlanForm => (Method::POST, "/lists/{name}/plans", Moderate),
            Page::ListPlan => (Method::GET, "/lists/{name}/plans/{id}", Moderate),
            Page::RunListPlanForm => (Method::POST, "/lists/{name}/plans/{id}", Moderate),
            Page::Doctor => (Method::GET, "/doctor", Operate),
            Page::DoctorForm => (Method::POST, "/doctor", Operate),
            Page::Audit => (Method::GET, "/audit", Audit),
            Page::Operators => (Method::GET, "/operators", Appoint),
            Page::Operator => (Method::GET, "/operators/{name}", Appoint),
            Page::InviteForm => (Method::POST, "/operators", Appoint),
            Page::OperatorPlanForm => (Method::POST, "/operators/{name}/plans", Appoint),
            Page::OperatorPlan => (Method::GET, "/operators/{name}/plans/{id}", Appoint),
            Page::RunOperatorPlanForm => (Method::POST, "/operators/{name}/plans/{id}", Appoint),
            Page::Tokens => (Method::GET, "/tokens", Appoint),
            Page::MakeTokenForm => (Method::POST, "/tokens", Appoint),
            Page::TakeTokenForm => (Method::POST, "/tokens/{id}/remove", Appoint),
        }
    }
}

impl ApiRoute {
    pub(super) fn door(self) -> (Method, &'static str, Capability) {
        use Capability::{Appoint, Audit, Moderate, Operate, Text, View};

        match self {
            ApiRoute::OpenApi => (Method::GET, "/api/v1/openapi.json", View),
            ApiRoute::Status => (Method::GET, "/api/v1/status", View),
            ApiRoute::Hooks => (Method::GET, "/api/v1/hooks", View),
            ApiRoute::Endpoints => (Method::GET, "/api/v1/endpoints", View),
            ApiRoute::Pending => (Method::GET, "/api/v1/outbox/pending", View),
            ApiRoute::Dead => (Method::GET, "/api/v1/outbox/dead", View),
            ApiRoute::Discarded => (Method::GET, "/api/v1/outbox/discarded", View),
            ApiRoute::OutboxPlan => (Method::POST, "/api/v1/outbox/plans", Operate),
            // What a plan takes is looked at again when it is run.
            ApiRoute::SeePlan => (Method::GET, "/api/v1/plans/{id}", View),
            ApiRoute::RunPlan => (Method::POST, "/api/v1/plans/{id}/run", Moderate),
            ApiRoute::Replays => (Method::POST, "/api/v1/replays", Operate),
            ApiRoute::Retries => (Method::POST, "/api/v1/outbox/retries", Operate),
            ApiRoute::Audit => (Method::GET, "/api/v1/audit", Audit),
            ApiRoute::AuditNdjson => (Method::GET, "/api/v1/audit.ndjson", Audit),
            ApiRoute::Operators => (Method::GET, "/api/v1/operators", Appoint),
            ApiRoute::Invite => (Method::POST, "/api/v1/operators/invitations", Appoint),
            ApiRoute::OperatorPlan => (Method::POST, "/api/v1/operators/plans", Appoint),
            ApiRoute::Tokens => (Method::GET, "/api/v1/tokens", Appoint),
            ApiRoute::MakeApiToken => (Method::POST, "/api/v1/tokens", Appoint),
            ApiRoute::RemoveApiToken => (Method::DELETE, "/api/v1/tokens/{id}", Appoint),
            ApiRoute::Decisions => (Method::GET, "/api/v1/decisions", View),
            ApiRoute::Decision => (Method::GET, "/api/v1/decisions/{id}", View),
            ApiRoute::DecisionsNdjson => (Method::GET, "/api/v1/decisions.ndjson", View),
            ApiRoute::DecisionsCsv => (Method::GET, "/api/v1/decisions.csv", View),
            ApiRoute::Try => (Method::POST, "/api/v1/try", View),
            ApiRoute::Counts => (Method::GET, "/api/v1/counts", View),
            ApiRoute::Forget => (Method::POST, "/api/v1/history/forget", Operate),
            ApiRoute::Recordings => (Method::GET, "/api/v1/recordings", View),
            ApiRoute::RecordedCalls => (Method::GET, "/api/v1/recordings.ndjson", Text),
            ApiRoute::RecordedReplay => (Method::POST, "/api/v1/recordings/replay", View),
            ApiRoute::Reload => (Method::POST, "/api/v1/reload", Operate),
            ApiRoute::Policy => (Method::GET, "/api/v1/policy", Operate),
            ApiRoute::PushPolicy => (Method::POST, "/api/v1/policy", Operate),
            ApiRoute::Versions => (Method::GET, "/api/v1/versions", View),
            ApiRoute::Version => (Method::GET, "/api/v1/versions/{number}", View),
            ApiRoute::VersionFile => (Method::GET, "/api/v1/versions/{number}/files/{path}", View),
            ApiRoute::VersionDiff => (Method::GET, "/api/v1/versions/{number}/diff", View),
            ApiRoute::Rollback => (Method::POST, "/api/v1/versions/{number}/rollback", Operate),
            ApiRoute::Trial => (Method::GET, "/api/v1/trial", View),
            ApiRoute::TrialStart => (Method::POST, "/api/v1/trial/start", Operate),
            ApiRoute::TrialEnd => (Method::POST, "/api/v1/trial/end", Operate),
            ApiRoute::TrialPromote => (Method::POST, "/api/v1/trial/promote", Operate),
            ApiRoute::Lists => (Method::GET, "/api/v1/lists", View),
            ApiRoute::List => (Method::GET, "/api/v1/lists/{name}", View),
            ApiRoute::ListStory => (Method::GET, "/api/v1/lists/{name}/story", View),
            ApiRoute::ListEdit => (Method::PATCH, "/api/v1/lists/{name}", Moderate),
            ApiRoute::ListPreview => (Method::POST, "/api/v1/lists/{name}/preview", Moderate),
            ApiRoute::ListLint => (Method::POST, "/api/v1/lists/{name}/lint", Moderate),
            ApiRoute::ListPromote => (Method::POST, "/api/v1/lists/{name}/promote", Moderate),
            ApiRoute::ListMove => (Method::POST, "/api/v1/lists/{name}/move", Moderate),
            ApiRoute::ListImport => (Method::POST, "/api/v1/lists/{name}/import", Moderate),
            ApiRoute::LastBackup => (Method::GET, "/api/v1/storage/backups", Operate),
            ApiRoute::Backup => (Method::POST, "/api/v1/storage/backups", Operate),
            ApiRoute::ListPlan => (Method::POST, "/api/v1/lists/{name}/plans", Moderate),
            ApiRoute::LastCheckUp => (Method::GET, "/api/v1/doctor", Operate),
            ApiRoute::CheckUp => (Method::POST, "/api/v1/doctor", Operate),
        }
    }
}

fn capability(method: AdminMethod) -> Capability {
    use Capability::{Appoint, Operate, View};

    match method {
        AdminMethod::Status
        | AdminMethod::Versions
        | AdminMethod::Explain
        | AdminMethod::OutboxStatus
        | AdminMethod::DeadLetters
        | AdminMethod::DiscardedEvents
        | AdminMethod::PendingEvents => View,
        AdminMethod::Reload
        | AdminMethod::ReplayDead
        | AdminMethod::DiscardEvents
        | AdminMethod::RetryPending
        | AdminMethod::SetRoom
        | AdminMethod::RemoveRoom => Operate,
        AdminMethod::Operators
        | AdminMethod::InviteOperator
        | AdminMethod::SetOperator
        | AdminMethod::MakeToken
        | AdminMethod::RemoveToken => Appoint,
        // The URL of a bot is often its secret too.
        AdminMethod::Rooms => Operate,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admin::paths::leads_to;

    #[test]
    fn a_path_of_the_table_leads_to_its_own_line() {
        let doors = doors(true);
        for door in &doors {
            let path = door.path.replace(['{', '}'], "");
            let (led, _) = leads_to(&doors, &path).unwrap();
            assert!(led.iter().all(|led| led.path == door.path), "{path}");
            assert!(led.iter().any(|led| led.method == door.method), "{path}");
        }
    }

    #[test]
    fn no_two_lines_are_about_the_same() {
        let doors = doors(true);
        let asked: BTreeSet<_> = doors
            .iter()
            .map(|door| (door.method.as_str().to_owned(), door.path))
            .collect();
        assert_eq!(asked.len(), doors.len());
    }
}
