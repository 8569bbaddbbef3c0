//! Why the outbox could not do what it was asked.

use std::path::PathBuf;

/// Why events were not accepted. None of the call's events was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// There is no room now; the caller may try again later.
    #[error("the outbox is full: {why}")]
    Full { why: String },
    /// This event will never fit.
    #[error("event `{id}` has {bytes} bytes of {part}, at most {limit} are allowed")]
    TooLarge {
        id: String,
        part: &'static str,
        bytes: usize,
        limit: usize,
    },
    #[error("the outbox is closed")]
    Closed,
    #[error("the outbox failed: {0}")]
    Failed(String),
}

/// A limit of what the outbox holds.
#[derive(Clone, Debug)]
pub(super) enum Limit {
    Bytes(u64),
    /// Of the endpoint with this name.
    EndpointBytes(u64, String),
    Entries(u64),
}

/// Why the outbox could not be read or changed. Nothing of the call was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// The disk has no room for the change; the caller may try again later.
    #[error("the disk of the outbox is full: {0}")]
    DiskFull(String),
    #[error("the outbox is closed")]
    Closed,
    #[error("the outbox failed: {0}")]
    Failed(String),
}

impl AppendError {
    /// `held + more` of what `limit` counts are past it.
    pub(super) fn full(held: u64, more: u64, limit: Limit) -> AppendError {
        let why = match limit {
            Limit::EndpointBytes(max, name) => format!(
                "it holds {held} bytes for `{name}`, {more} more are past its `endpoint_share` {max}"
            ),
            Limit::Bytes(max) => {
                format!("it holds {held} bytes, {more} more are past `bytes_max` {max}")
            }
            Limit::Entries(max) => {
                format!("it holds {held} events, {more} more are past `entries_max` {max}")
            }
        };
        AppendError::Full { why }
    }
}

impl From<OutboxError> for AppendError {
    fn from(error: OutboxError) -> AppendError {
        match error {
            OutboxError::DiskFull(why) => AppendError::Full {
                why: format!("the disk is full: {why}"),
            },
            OutboxError::Closed => AppendError::Closed,
            OutboxError::Failed(why) => AppendError::Failed(why),
        }
    }
}

/// Why the outbox could not be opened, with a way out.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "`{}` is in use by another process: stop the other callgate, or give this one a file of its own in `outbox.path`", .path.display()
    )]
    Locked { path: PathBuf },
    #[error(
        "`{}` is not an outbox of callgate ({why}): move it away, or set another file in `outbox.path`", .path.display()
    )]
    NotAnOutbox { path: PathBuf, why: String },
    #[error(
        "`{}` was written by a newer callgate (schema {found}, this one knows {known}): start that version, or set another file in `outbox.path`", .path.display()
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error(
        "no permission to read and write `{}` ({why}): give the user that runs callgate the right to write the file and its folder", .path.display()
    )]
    Denied { path: PathBuf, why: String },
    #[error("`{}` has no room to be opened: free some space on its disk", .path.display())]
    DiskFull { path: PathBuf },
    #[error("SQLite {found} is built in, and the outbox needs {needed}: it mends a loss of data")]
    OldSqlite {
        found: &'static str,
        needed: &'static str,
    },
    #[error(
        "the outbox in schema `{schema}` of PostgreSQL was made by a newer callgate (schema {found}, this one knows {known}): start that version, or name another schema"
    )]
    NewerSchema {
        schema: String,
        found: i64,
        known: i64,
    },
    #[error("the outbox in PostgreSQL cannot be opened: {why}")]
    Database { why: String },
    #[error("the outbox in `{place}` is not used: {why}")]
    Moved { place: String, why: String },
    #[error("`{}` cannot be opened: {why}", .path.display())]
    Failed { path: PathBuf, why: String },
}
