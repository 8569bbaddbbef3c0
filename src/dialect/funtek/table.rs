//! The hooks of FUNTEK.

use crate::dialect::hooks::{Ability, Form, HookInfo};
use crate::event::{Hook, Moment};

pub(crate) const MESSAGE: Hook = before("funtek.MESSAGE");
/// Not a call of the server: the call that takes a message back, queued like an after event.
pub(crate) const RECALL: Hook = Hook {
    name: "funtek.recall",
    moment: Moment::After,
};

const fn before(name: &'static str) -> Hook {
    Hook {
        name,
        moment: Moment::Before,
    }
}

pub(crate) static HOOKS: [HookInfo; 5] = [
    row(MESSAGE, "MESSAGE", "message"),
    row(before("funtek.JOIN_ROOM"), "JOIN_ROOM", "group"),
    row(before("funtek.ADD_MEMBERS"), "ADD_MEMBERS", "group"),
    row(before("funtek.DELETE_MEMBERS"), "DELETE_MEMBERS", "group"),
    HookInfo {
        can: Ability::Acknowledge,
        ..row(RECALL, "", "message")
    },
];

const fn row(hook: Hook, command: &'static str, area: &'static str) -> HookInfo {
    HookInfo {
        hook,
        command,
        area,
        can: Ability::Reply,
        form: Form::Native {
            message: matches!(area.as_bytes(), b"message"),
        },
        texts: &[],
        answer: &[],
        ordering_key: "",
        natural_id: &[],
    }
}
