//! Everything that can be asked for at the operators' port, and what it takes: one table for pages
//! and for orders over gRPC.
//!
//! Both are closed sets, the methods as `proto/` has them: one without a line here does not
//! compile, and what is asked for and is in neither is not passed on to anything.

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
    Script,
    Switch,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Door {
    pub method: Method,
    pub path: &'static str,
    pub capability: Capability,
    /// It is called by machines, over gRPC.
    pub is_order: bool,
}

/// The whole table; `/metrics` is one of the pages that take nothing, or not.
pub fn doors(metrics_open: bool) -> Vec<Door> {
    let pages = Page::VARIANTS.iter().map(|page| {
        let (method, path, capability) = page.door(metrics_open);
        Door {
            method,
            path,
            capability,
            is_order: false,
        }
    });
    let orders = AdminMethod::ALL.map(|method| (method.path(), capability(method)));
    let reflection = REFLECTION.map(|path| (path, Capability::View));
    let orders = orders.into_iter().chain(reflection);
    let orders = orders.map(|(path, capability)| Door {
        method: Method::POST,
        path,
        capability,
        is_order: true,
    });
    pages.chain(orders).collect()
}

impl Page {
    pub(super) fn door(self, metrics_open: bool) -> (Method, &'static str, Capability) {
        use Capability::{Account, Enter, View, Watch};

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
            Page::Script => (Method::GET, "/console/console.js", Enter),
            Page::Switch => (Method::POST, "/console/switch", Enter),
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
