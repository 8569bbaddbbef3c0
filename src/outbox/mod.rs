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
//! Order, downward: `spool`, `postgres`, `sqlite`, `memory`, `interface`, `move_mark`, `moving`, `rules`, `series`, `pending`, `letter`, `file_care`, `entry`, `error`, `config`,
//! `faults`.

mod config;
mod entry;
mod error;
pub mod faults;
mod file_care;
mod interface;
mod letter;
mod move_mark;
mod moving;
mod pending;
mod rules;
mod series;

mod memory;
mod postgres;
mod spool;
mod sqlite;

use std::path::Path;
use std::sync::Arc;

pub use config::{Access, Again, BadUrl, Config, Kind, Server, ServerTls, WhenDown};
pub use entry::{
    Appended, AsRead, Capacity, Counts, EndpointStats, EntryKey, Health, NewEntry, Paused, Series,
    Settlement, Stats, StoredEvent, Work,
};
pub use error::{AppendError, OpenError, OutboxError};
pub use file_care::{Exported, Inspection, Repaired};
pub use interface::{Broken, OnFatal, Outbox, SharedState};
pub use letter::{
    BadCursor, DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, Discarded,
    DiscardedPage,
};
pub use moving::{
    MoveError, MoveFrame, MoveMark, MovePlace, MoveSide, MoveSource, MoveState, MoveTarget,
    MovedBatch, MovedEndpoint, MovedEvent, MovedId, MovedRows, MovedSeries, Part, Side,
};
pub use pending::{PendingEvent, PendingFilter, PendingPage, PendingState};
pub use spool::spool_path;

/// A connection to PostgreSQL, for what else is kept there.
pub(crate) use postgres::{Connection as Database, Error as DatabaseError, Hosts as DatabaseHosts};

/// The schema of an outbox's file, as this version writes it.
pub const FILE_SCHEMA: u32 = sqlite::SCHEMA;

/// Opens the outbox that the settings name.
///
/// What was in flight when the last process ended is ready again, with its attempt counted.
/// Takes as long for a large backlog as for none.
pub fn open(config: &Config, on_fatal: OnFatal) -> Result<Arc<dyn Outbox>, OpenError> {
    Ok(match config.kind {
        Kind::Memory => Arc::new(memory::Memory::new(config.clone())),
        Kind::Sqlite => {
            move_mark::refuse(&config.path)?;
            Arc::new(sqlite::Sqlite::open(config, on_fatal)?)
        }
        Kind::Postgres => Arc::new(postgres::Postgres::open(config, server_of(config)?)?),
    })
}

fn server_of(config: &Config) -> Result<&Server, OpenError> {
    config.server.as_ref().ok_or_else(|| OpenError::Database {
        why: "no server is named".to_owned(),
    })
}

/// The outbox that the settings name, to move events out of it. `now_ms` is the time of the move.
pub fn move_from(config: &Config, now_ms: u64) -> Result<Box<dyn MoveSource>, MoveError> {
    Ok(match config.kind {
        Kind::Postgres => Box::new(postgres::Moving::new(config, server_of(config)?)),
        _ => Box::new(sqlite::MoveOut::new(config, now_ms)),
    })
}

/// The outbox that the settings name, to move events into it.
pub fn move_to(config: &Config) -> Result<Box<dyn MoveTarget>, MoveError> {
    Ok(match config.kind {
        Kind::Postgres => Box::new(postgres::Moving::new(config, server_of(config)?)),
        _ => Box::new(sqlite::MoveIn::new(config)),
    })
}

/// Reads a whole file that no other process has open, and says what is damaged.
pub fn check_file(path: &Path) -> Result<Inspection, OpenError> {
    sqlite::check(path)
}

/// Makes a new file of what can be read of a damaged one, which is kept under another name.
/// `now_ms` is the time of the repair.
pub fn repair_file(path: &Path, now_ms: u64) -> Result<Repaired, OpenError> {
    sqlite::repair(path, now_ms)
}

/// Hands on every event of a file that is pending or dead and can be read; false when some cannot.
pub fn export_file(path: &Path, each: impl FnMut(Exported)) -> Result<bool, OpenError> {
    sqlite::export(path, each)
}

/// Opens the outbox and keeps it open: while its file cannot be opened or is damaged, every call
/// is answered with the reason, and opening is tried again and again.
///
/// One with a spool must be opened in a runtime, where what is in the spool is forwarded.
/// Errors: only what another try cannot mend, an outbox that another process has.
pub fn open_supervised(
    config: &Config,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
) -> Result<Arc<dyn Outbox>, OpenError> {
    Ok(match config.kind {
        Kind::Memory => Arc::new(memory::Memory::new(config.clone())),
        Kind::Sqlite => {
            move_mark::refuse(&config.path)?;
            let on_fatal = Box::new(move |why: &str| on_fatal(why));
            Arc::new(sqlite::Sqlite::keep_open(config, on_fatal)?)
        }
        Kind::Postgres => {
            let server = server_of(config)?;
            match server.when_down {
                WhenDown::Refuse => Arc::new(postgres::Postgres::keep_open(config, server)?),
                WhenDown::Spool => {
                    let spool = open_supervised(&spool::spool_of(config), on_fatal)?;
                    let shared = Arc::new(postgres::Postgres::keep_open(config, server)?);
                    Arc::new(spool::Spooling::new(config, shared, spool))
                }
            }
        }
    })
}

#[cfg(test)]
mod tests;
