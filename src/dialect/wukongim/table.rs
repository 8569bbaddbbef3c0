//! The hooks of WuKongIM.

use crate::dialect::hooks::{Ability, AnswerField, Effect, Form, HookInfo, Kind};
use crate::event::{Hook, Moment};

/// The only hook whose answer is read.
pub(crate) const BEFORE_SEND: Hook = Hook {
    name: "wukongim.msg.before_send",
    moment: Moment::Before,
};
pub(crate) const NOTIFY: Hook = after("wukongim.msg.notify");
pub(crate) const OFFLINE: Hook = after("wukongim.msg.offline");
pub(crate) const ONLINE_STATUS: Hook = after("wukongim.user.onlinestatus");

/// The hook of every event that has none of its own; the query keeps its name.
pub(crate) const OTHER: Hook = after("wukongim.*");

const fn after(name: &'static str) -> Hook {
    Hook {
        name,
        moment: Moment::After,
    }
}

pub(crate) static HOOKS: [HookInfo; 5] = [
    HookInfo {
        can: Ability::Replace,
        answer: &[AnswerField {
            name: "payload",
            kind: Kind::Bytes,
            effect: Effect::Replaces,
        }],
        ..row(BEFORE_SEND, "msg.before_send", "message", true)
    },
    row(NOTIFY, "msg.notify", "message", true),
    row(OFFLINE, "msg.offline", "push", true),
    row(ONLINE_STATUS, "user.onlinestatus", "presence", false),
    row(OTHER, "", "other", false),
];

const fn row(hook: Hook, command: &'static str, area: &'static str, has_message: bool) -> HookInfo {
    HookInfo {
        hook,
        command,
        area,
        can: Ability::Acknowledge,
        form: Form::Native {
            message: has_message,
        },
        texts: &[],
        answer: &[],
        ordering_key: "",
        natural_id: &[],
    }
}

/// Its body is an array, of as many events as there are.
pub(crate) fn is_array(hook: Hook) -> bool {
    hook == NOTIFY || hook == ONLINE_STATUS
}

/// The table's row of an event's name.
pub(crate) fn by_event(name: &str) -> Option<&'static HookInfo> {
    HOOKS
        .iter()
        .find(|info| info.command == name && info.hook != OTHER)
}

/// The event's name of a hook.
pub(crate) fn event_name(hook: Hook) -> &'static str {
    HOOKS
        .iter()
        .find(|info| info.hook == hook)
        .map_or("", |info| info.command)
}
