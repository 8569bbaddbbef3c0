//! What is said of a file, and what it is compared with.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::doctor::said::{Said, said};
use crate::event::{DialectId, Moment, closed_set};
use crate::policy::HookRules;

/// What can be said of a file.
///
/// Closed: each has a title in every language, and its name is in `--json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum RemarkKind {
    /// The file itself cannot be read as one, or holds what means nothing.
    File,
    PointedHere,
    PointedElsewhere,
    WrongPort,
    WrongPath,
    Sent,
    Unseen,
    NotSent,
    WaitsLess,
    TypesLeftOut,
    FailedContinue,
    LetsThrough,
}

closed_set!(RemarkKind);

impl Serialize for RemarkKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One thing about the file.
#[derive(Debug, Serialize)]
pub struct Remark {
    #[serde(rename = "name")]
    pub kind: RemarkKind,
    pub grave: bool,
    pub what: Said,
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
        matches!(
            self.kind,
            RemarkKind::PointedHere | RemarkKind::Sent | RemarkKind::TypesLeftOut
        )
    }
}

pub(super) fn remark(kind: RemarkKind, grave: bool, what: Said) -> Remark {
    Remark { kind, grave, what }
}

/// A hook that is on here, and that the server does not call.
pub(super) fn not_sent(name: &str, why: &Said, server: &str) -> Remark {
    let Said { english, chinese } = why;
    let what = said(
        format!("{name} is on here, and {english}: {server} never calls it"),
        format!("{name} 在这里已开启，但{chinese}：{server} 从不调用它"),
    );
    remark(RemarkKind::NotSent, true, what)
}

pub(super) fn sent(name: &str, server: &str) -> Remark {
    let what = said(
        format!("{name}: sent by {server}, judged here"),
        format!("{name}：由 {server} 发送，在这里判定"),
    );
    remark(RemarkKind::Sent, false, what)
}

pub(super) fn unseen(name: &str, server: &str) -> Remark {
    let what = said(
        format!("{name}: sent by {server}, and allowed unseen: the policy does not have it on"),
        format!("{name}：由 {server} 发送，未经查看就放行：策略没有开启它"),
    );
    remark(RemarkKind::Unseen, false, what)
}

/// The server gives up before callgate answers, which it does as late as the policy lets it.
pub(super) fn waits_less(rules: &HookRules, waits: Duration, server: &str) -> Option<Remark> {
    let name = rules.hook.name;
    let taken_for = rules.caller_timeout;
    let is_late = rules.hook.moment == Moment::Before && waits < taken_for;
    is_late.then(|| {
        let what = said(
            format!(
                "{name}: {server} waits {waits:?}, and the policy takes it for {taken_for:?}: an \
                 answer that comes between is too late; write `caller_timeout: {waits:?}` for this \
                 hook"
            ),
            format!(
                "{name}：{server} 等待 {waits:?}，而策略以为是 {taken_for:?}：其间到达的回答已经太迟；\
                 请给这个钩子写 `caller_timeout: {waits:?}`"
            ),
        );
        remark(RemarkKind::WaitsLess, true, what)
    })
}
