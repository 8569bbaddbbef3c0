//! The tables of OpenIM's hooks.
//!
//! Order, downward: `commands`, `v3`, `answers`, `v2`, `build`.

mod answers;
mod build;
mod commands;
pub(crate) mod v2;
mod v3;

use crate::dialect::hooks::HookInfo;
use crate::event::{Hook, Moment};

pub(crate) use commands::{ONE_MEMBER_JOINS, by_command, looks_like_command, moment_of};
pub(crate) use v3::{HOOKS, OTHER};

/// The row of a hook, if OpenIM has it.
pub(crate) fn row(hook: Hook) -> Option<&'static HookInfo> {
    HOOKS.iter().find(|info| info.hook.name == hook.name)
}

/// The hook of a command that has none of its own: one row, for what is asked before as for what
/// is told after.
pub(crate) fn other(moment: Moment) -> Hook {
    Hook {
        name: OTHER,
        moment,
    }
}

pub(crate) fn is_other(hook: Hook) -> bool {
    hook.name == OTHER
}

/// The row of a hook of OpenIM.
pub(crate) fn info(hook: Hook) -> &'static HookInfo {
    row(hook).expect("an event of OpenIM is of a hook in its table")
}
