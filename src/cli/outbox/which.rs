//! Which events an order is about.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::proto::v1;

/// Which events are meant; all of what is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Name of the endpoint.
    #[arg(long, value_name = "NAME")]
    pub(super) endpoint: Option<String>,
    /// Name of the hook, such as afterSendSingleMsg.
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// Id of one event.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Accepted at this time or later: 2026-01-31T08:00:00Z, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    since: Option<u64>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    until: Option<u64>,
    /// A part of the reason, such as timeout or `answered 410`.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Which {
    pub(super) fn names_nothing(&self) -> bool {
        self.filter() == v1::DeadFilter::default()
    }

    pub(super) fn filter(&self) -> v1::DeadFilter {
        v1::DeadFilter {
            endpoint: self.endpoint.clone().unwrap_or_default(),
            hook: self.hook.clone().unwrap_or_default(),
            id: self.id.clone().unwrap_or_default(),
            since_ms: self.since.unwrap_or_default(),
            until_ms: self.until.unwrap_or_default(),
            reason: self.reason.clone().unwrap_or_default(),
        }
    }
}

/// `2026-01-31T08:00:00Z`, or a time ago, in milliseconds since 1970.
fn time_ms(text: &str) -> Result<u64, String> {
    let ago = humantime::parse_duration(text).ok();
    let at = match ago {
        Some(ago) => SystemTime::now().checked_sub(ago),
        None => humantime::parse_rfc3339_weak(text).ok(),
    };
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_millis() as u64)
        .ok_or_else(|| "write 2026-01-31T08:00:00Z, or 2h for two hours ago".to_owned())
}

/// Which pending events are meant; all of what is given must hold.
#[derive(Debug, clap::Args)]
pub(super) struct WhichPending {
    /// Name of the endpoint.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Name of the hook, such as afterSendSingleMsg.
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// Id of one event.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The conversation in which they keep their order, as `lane` of `--json` shows it.
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
}

impl WhichPending {
    pub(super) fn filter(&self) -> v1::PendingFilter {
        v1::PendingFilter {
            endpoint: self.endpoint.clone().unwrap_or_default(),
            hook: self.hook.clone().unwrap_or_default(),
            id: self.id.clone().unwrap_or_default(),
            lane: self.conversation.clone().unwrap_or_default(),
        }
    }
}
