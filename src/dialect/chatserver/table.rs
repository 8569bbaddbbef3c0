//! The hooks of chatServer.

use crate::dialect::hooks::{Ability, AnswerField, Effect, Form, HookInfo, Kind};
use crate::event::{Hook, Moment};

/// A client connects, also again after it lost its connection.
pub(crate) const AUTH: Hook = Hook {
    name: "chatserver.auth",
    moment: Moment::Before,
};
/// A message was sent.
pub(crate) const MESSAGE: Hook = Hook {
    name: "chatserver.message",
    moment: Moment::After,
};
/// A client sends a message to the business server itself, and shows its answer.
pub(crate) const ACTION: Hook = Hook {
    name: "chatserver.action",
    moment: Moment::Before,
};

pub(crate) static HOOKS: [HookInfo; 3] = [
    HookInfo {
        can: Ability::Block,
        ..row(AUTH, "auth", "user", false)
    },
    row(MESSAGE, "message", "message", true),
    HookInfo {
        can: Ability::Replace,
        answer: &[AnswerField {
            name: "msg",
            kind: Kind::Text,
            effect: Effect::Replaces,
        }],
        ..row(ACTION, "action", "message", true)
    },
];

const fn row(hook: Hook, command: &'static str, area: &'static str, message: bool) -> HookInfo {
    HookInfo {
        hook,
        command,
        area,
        can: Ability::Acknowledge,
        form: Form::Native { message },
        texts: &[],
        answer: &[],
        ordering_key: "",
        natural_id: &[],
    }
}
