//! Who calls: each call is known by what it brings, and held to its caller's limits.
//!
//! Owns: comparing what a call brings with what the policy in force says, reading secrets that
//! lie outside of the policy, the limits of each caller, counting and logging refusals.
//! Leaves alone: what a policy may say (`policy`), where a call's head is (`server`).
//!
//! Order, downward: `door`, `table`, `known`, `pace`, `refused`, `secrets`.

mod door;
mod known;
mod pace;
mod refused;
mod secrets;
mod table;
#[cfg(test)]
mod tests;

pub use door::{Admitted, Callers};
pub use known::{Held, Known, Limit};
pub(crate) use pace::Pace;
pub use refused::Refused;
pub use secrets::check_token;
pub use table::Evidence;
