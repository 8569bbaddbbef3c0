//! What is said of a file, and what it is compared with.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::event::{DialectId, Moment};
use crate::policy::HookRules;

/// What is as it should be, and no warning.
const GOOD: [&str; 3] = ["pointed_here", "sent", "types_left_out"];

/// One thing about the file.
#[derive(Debug, Serialize)]
pub struct Remark {
    pub name: &'static str,
    pub grave: bool,
    pub what: String,
}

/// Where callgate is, as an IM server must call it.
#[derive(Clone, Debug, Default)]
pub struct Here {
    /// The addresses of the ports grpc, http and admin, in this order.
    pub listeners: Vec<SocketAddr>,
    /// The path prefixes of the HTTP port, and what each takes.
    pub routes: Vec<(String, DialectId)>,
}

impl Remark {
    /// It says that something is as it should be.
    pub(in crate::doctor) fn is_good(&self) -> bool {
        GOOD.contains(&self.name)
    }
}

pub(super) fn remark(name: &'static str, grave: bool, what: String) -> Remark {
    Remark { name, grave, what }
}

/// A hook that is on here, and that the server does not call.
pub(super) fn not_sent(name: &str, why: &str, server: &str) -> Remark {
    let what = format!("{name} is on here, and {why}: {server} never calls it");
    remark("not_sent", true, what)
}

pub(super) fn sent(name: &str, server: &str) -> Remark {
    remark(
        "sent",
        false,
        format!("{name}: sent by {server}, judged here"),
    )
}

pub(super) fn unseen(name: &str, server: &str) -> Remark {
    let what =
        format!("{name}: sent by {server}, and allowed unseen: the policy does not have it on");
    remark("unseen", false, what)
}

/// The server gives up before callgate answers, which it does as late as the policy lets it.
pub(super) fn waits_less(rules: &HookRules, waits: Duration, server: &str) -> Option<Remark> {
    let name = rules.hook.name;
    let is_late = rules.hook.moment == Moment::Before && waits < rules.caller_timeout;
    is_late.then(|| {
        let what = format!(
            "{name}: {server} waits {waits:?}, and the policy takes it for {:?}: an answer that \
             comes between is too late; write `caller_timeout: {waits:?}` for this hook",
            rules.caller_timeout
        );
        remark("waits_less", true, what)
    })
}
