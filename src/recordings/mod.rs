//! Real calls, kept sealed for a while, so that another policy can be tried on them.
//!
//! Owns: which calls are kept, their files, how long, what is forgotten.
//! Leaves alone: what of a call must be known to judge it again (`policy`), the keys of the days
//! (`history`), who may read them (`admin`).
//!
//! Whoever decides puts a call into a bounded queue and goes on; one thread seals and writes. What
//! that thread cannot take is dropped and counted. Nothing that is in a file can be read without
//! the key of its day.
//!
//! Order, downward: `recorder`, `writer`, `shared`, `files`, `queue`, `settings`.

mod files;
mod queue;
mod recorder;
mod settings;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

pub use files::Reading;
pub use recorder::{Recordings, State};
pub use settings::Settings;
