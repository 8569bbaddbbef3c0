//! The hooks of OpenIM v2.0.
//!
//! Source: open-im-server v2.0.10, `internal/rpc/msg/callback.go`.

use crate::dialect::hooks::{Ability, AnswerField, Effect, Form, HookInfo, Kind, Receiver};
use crate::event::{Can, Hook, Moment};

use super::build::SENDER;

/// The hooks that v2.0 has. Later versions of v2 have more, in the forms of v3.
pub(crate) static HOOKS: [HookInfo; 5] = [
    before(
        "beforeSendSingleMsg",
        "callbackBeforeSendSingleMsgCommand",
        Receiver::User,
    ),
    before(
        "beforeSendGroupMsg",
        "callbackBeforeSendGroupMsgCommand",
        Receiver::Group,
    ),
    // Comes first of all, and only for texts.
    HookInfo {
        can: Ability::ReplaceAndEcho,
        answer: &[AnswerField {
            name: "content",
            kind: Kind::Text,
            effect: Effect::Overwrites { absent: "\"\"" },
        }],
        ..before(
            "beforeMsgModify",
            "callbackWordFilterCommand",
            Receiver::Nobody,
        )
    },
    after(
        "afterSendSingleMsg",
        "callbackAfterSendSingleMsgCommand",
        Receiver::User,
    ),
    after(
        "afterSendGroupMsg",
        "callbackAfterSendGroupMsgCommand",
        Receiver::Group,
    ),
];

const fn before(name: &'static str, command: &'static str, receiver: Receiver) -> HookInfo {
    HookInfo {
        hook: Hook {
            name,
            moment: Moment::Before,
        },
        command,
        area: "message",
        can: Ability::Block,
        form: Form::Message(receiver),
        texts: SENDER,
        answer: &[],
        ordering_key: "",
        natural_id: &[],
    }
}

const fn after(name: &'static str, command: &'static str, receiver: Receiver) -> HookInfo {
    HookInfo {
        hook: Hook {
            name,
            moment: Moment::After,
        },
        can: Ability::Acknowledge,
        ..before(name, command, receiver)
    }
}

/// The row of a hook, if v2.0 has it.
pub(crate) fn row(hook: Hook) -> Option<&'static HookInfo> {
    HOOKS.iter().find(|info| info.hook == hook)
}

/// What the answer to a call of v2.0 can do. The word filter is asked before the others.
pub(crate) fn can(hook: Hook) -> Can {
    match hook.moment {
        Moment::After => Can::NOTHING,
        Moment::Before => Can {
            block: true,
            replace: filters_words(hook),
            replace_later: false,
            reply: false,
        },
    }
}

/// Its answer always replaces the content.
pub(crate) fn filters_words(hook: Hook) -> bool {
    hook.name == "beforeMsgModify"
}
