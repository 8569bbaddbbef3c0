//! What callgate tells of itself: metrics, the state of each hook, logs.
//!
//! Owns: every metric's name and labels, the log setup, and how often one line may repeat.
//! Leaves alone: when something is counted: `hook` and `server` call it, the core never does.
//! Message text and secrets are in none of it. Nothing here makes anybody wait.
//!
//! Order, downward: `metrics`, `hooks`, `logs`, `outcomes`, `spread`, `unknown_commands`, `usage`.

mod hooks;
mod logs;
mod metrics;
mod outcomes;
mod spread;
mod unknown_commands;
mod usage;

pub use hooks::{HookState, HookStates};
pub use logs::{
    CallerLimits, CallerLines, LogFormat, LogSettings, LogThrottle, Logs, Losses, is_obeyed, say,
    start_logs,
};
pub use metrics::{Metrics, OutboxGauges, OutboxTotals, PortMetrics, Stage, StorageGauges};
pub use outcomes::{CameTo, Outcomes};
pub use spread::Spread;
pub use unknown_commands::UnknownCommands;
pub use usage::{UsageLevel, UsageLimits};
