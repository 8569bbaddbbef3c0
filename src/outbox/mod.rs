//! The outbox: where accepted after-events wait until every endpoint has them.
//!
//! Owns: what *accepted* means (on disk, synced), which event may be told to which endpoint now,
//! and how each ends: delivered, dead, or discarded by a recorded act. At every commit, for every
//! endpoint, `accepted = delivered + dead + discarded + pending`.
//! Leaves alone: telling an endpoint (`callback`), when to try again and when to give up (`delivery`).
//! No wall clock: times are arguments, in milliseconds since 1970.
//!
//! One event for one endpoint is a *pair*. Its life:
//!
//! ```text
//!  append ──► waiting ──► ready ──claim──► in flight ──► delivered | dead | discarded
//!   behind others of       ▲ ▲                 │ │
//!   its ordering key   due │ └─── release ─────┘ │
//!                        retry ◄─── failed ──────┘
//! ```
//!
//! A pair with an ordering key is ready only at the head of it, so a key has at most one in flight
//! and keeps the order of acceptance; a head that waits for its retry holds up its own key alone.
//! A dead pair that is replayed is the next of its key, after the one that is being tried.
//!
//! Order, downward: `sqlite`, `memory`, `interface`, `rules`, `series`, `letter`, `entry`, `error`, `config`,
//! `faults`.

mod config;
mod entry;
mod error;
pub mod faults;
mod interface;
mod letter;
mod rules;
mod series;

mod memory;
mod sqlite;

use std::sync::Arc;

pub use config::{Config, Kind};
pub use entry::{
    Appended, Capacity, Counts, EndpointStats, EntryKey, Health, NewEntry, Paused, Series,
    Settlement, Stats, StoredEvent, Work,
};
pub use error::{AppendError, OpenError, OutboxError};
pub use interface::{OnFatal, Outbox};
pub use letter::{
    BadCursor, DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, Discarded,
    DiscardedPage,
};

/// Opens the outbox that the settings name.
///
/// What was in flight when the last process ended is ready again, with its attempt counted.
/// Takes as long for a large backlog as for none.
pub fn open(config: &Config, on_fatal: OnFatal) -> Result<Arc<dyn Outbox>, OpenError> {
    Ok(match config.kind {
        Kind::Memory => Arc::new(memory::Memory::new(config.clone())),
        Kind::Sqlite => Arc::new(sqlite::Sqlite::open(config, on_fatal)?),
    })
}

#[cfg(test)]
mod tests;
