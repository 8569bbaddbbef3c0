//! Calls that were recorded, under one policy and under another.
//!
//! Owns: what of a call must be known to judge it again, how it is written down, judging it, what
//! differs and why, and how much a change may.
//! Leaves alone: where recorded calls are kept (`recordings`), and deciding itself (`decide`, whose
//! steps are walked).
//!
//! Order, downward: `weigh`, `differences`, `excerpt`, `judge`, `written`, `call`.

mod call;
mod differences;
mod excerpt;
mod judge;
#[cfg(test)]
mod tests;
mod weigh;
mod written;

pub use call::{Asked, AtRecording, RecordedCall};
pub use differences::{Differences, Report};
pub use weigh::Expected;
