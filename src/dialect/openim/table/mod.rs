//! The tables of OpenIM's hooks.
//!
//! Order, downward: `commands`, `v3`, `answers`, `v2`, `build`.

mod answers;
mod build;
mod commands;
pub mod v2;
mod v3;

use crate::dialect::hooks::HookInfo;
use crate::event::Hook;

pub use commands::{ONE_MEMBER_JOINS, by_command, looks_like_command};
pub use v3::HOOKS;

/// The row of a hook, if OpenIM has it.
pub fn row(hook: Hook) -> Option<&'static HookInfo> {
    HOOKS.iter().find(|info| info.hook == hook)
}

/// The row of a hook of OpenIM.
pub fn info(hook: Hook) -> &'static HookInfo {
    row(hook).expect("an event of OpenIM is of a hook in its table")
}
