//! Logs: how lines are written, and that writing them never stops what they are about.
//!
//! Whoever logs puts a line into a bounded queue and goes on; one thread writes. A log that is
//! full, slow or gone costs lines, which are counted, and nothing else. No line has a control
//! character, whatever a sender put into a name, and no kind of line, and no caller's, comes more
//! often than a set rate.
//!
//! Order, downward: `setup`, `callers`, `rate`, `bucket`, `queue`, `clean`, `throttle`.

mod bucket;
mod callers;
mod clean;
mod queue;
mod rate;
mod setup;
mod throttle;

pub use callers::{CallerLimits, CallerLines};
pub use clean::is_obeyed;
pub use queue::Losses;
pub use setup::{LogFormat, LogSettings, Logs, say, start_logs};
pub use throttle::LogThrottle;
