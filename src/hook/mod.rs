//! The life of a message: asked about before it is sent, told of afterwards.
//!
//! Owns: the order of the steps, and that every call is recorded once.
//! Leaves alone: the rules (`policy`), the wire (`callback`, `dialect`), storage (`outbox`).

mod after;
mod before;
mod keyed_lock;
mod reuse;

pub use after::{Accepted, After, NotStored};
pub use before::{Before, Caller, CallerLimit, Settled, Times};
