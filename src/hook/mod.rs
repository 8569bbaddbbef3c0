//! The life of a message: asked about before it is sent, told of afterwards.
//!
//! Owns: the order of the steps, and that every call is recorded once.
//! Leaves alone: the rules (`policy`), the wire (`callback`, `dialect`), storage (`outbox`).
//!
//! Order, downward: `after`, `before`, `at_least`, `room_bot`, `business`, `long_scan`, `reuse`,
//! `keyed_lock`.

mod after;
mod at_least;
mod before;
mod business;
mod keyed_lock;
mod long_scan;
mod reuse;
mod room_bot;

pub use after::{Accepted, After, NotStored};
pub use at_least::AtLeast;
pub use before::{Before, Caller, CallerLimit, Settled, Times};
pub use keyed_lock::WaitLimits;
