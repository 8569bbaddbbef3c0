//! The answer to a caller that may not call: no IM server reads it as leave to go on.

use super::contract::{Dialect, Head, Reply};
use super::openim;
use super::registry::of;
use crate::decision::{Decider, Decision, Refusal, Verdict};
use crate::event::{DialectId, Hook, Moment};

/// What the sender of a message reads of it.
const PUBLIC: &str = "not allowed";
/// OpenIM's range for refusals by a callback.
const CODE: i32 = 20_001;

/// Refuses a call with `status`, in the words of its server. `hook` is known where the call was
/// read; its body is then given too.
///
/// OpenIM does not look at the status, so the body refuses; WuKongIM takes any status but 200 for
/// a failure, chatServer too.
pub fn refused(
    dialect: &dyn Dialect,
    head: &Head<'_>,
    read: Option<(Hook, &[u8])>,
    status: u16,
) -> Reply {
    let (hook, body) = match read {
        Some((hook, body)) => (Some(hook), body),
        None => (dialect.hook_of(head), &[][..]),
    };
    // v2 has its command in the body alone. Each reads the refusal of the other as an allow.
    let speaker = match dialect.id() {
        DialectId::OpenIm | DialectId::OpenImV2 if read.is_none() => {
            of(match openim::url_names_command(head) {
                true => DialectId::OpenIm,
                false => DialectId::OpenImV2,
            })
        }
        _ => dialect,
    };
    // An after hook has nothing to refuse: then it is told as if no hook were known.
    let hook = hook.filter(|hook| hook.moment == Moment::Before);
    Reply {
        status,
        ..speaker.reply_without_event(hook, body, &refusal())
    }
}

fn refusal() -> Decision {
    let refusal = Refusal {
        code: CODE,
        public: PUBLIC.to_owned(),
        detail: String::new(),
    };
    Decision {
        verdict: Verdict::Block(refusal),
        decider: Decider::Nothing,
        ..Decision::acknowledged()
    }
}
