//! Where everything is.

use std::path::PathBuf;

/// The files and folders that are kept, as engine.yaml has them.
#[derive(Clone, Debug)]
pub struct Places {
    pub data: PathBuf,
    pub outbox: PathBuf,
    /// The outbox is in a database, and the file holds what is not forwarded to it yet.
    pub is_spool: bool,
    pub rooms: PathBuf,
    pub history: PathBuf,
    pub audit: PathBuf,
    pub versions: PathBuf,
}

impl Places {
    pub(super) fn operators(&self) -> PathBuf {
        self.data.join("operators.db")
    }

    /// What the outbox's file is called in a backup: one is no substitute for the other.
    pub(super) fn outbox_name(&self) -> &'static str {
        match self.is_spool {
            true => SPOOL,
            false => OUTBOX,
        }
    }

    /// Each with its name in a backup.
    pub(super) fn all(&self) -> [(&'static str, PathBuf); 6] {
        [
            (self.outbox_name(), self.outbox.clone()),
            (ROOMS, self.rooms.clone()),
            (OPERATORS, self.operators()),
            (HISTORY, self.history.clone()),
            (VERSIONS, self.versions.clone()),
            (AUDIT, self.audit.clone()),
        ]
    }
}

const OUTBOX: &str = "outbox.db";
const SPOOL: &str = "spool.db";
pub(super) const ROOMS: &str = "rooms.db";
pub(super) const OPERATORS: &str = "operators.db";
pub(super) const HISTORY: &str = "history";
pub(super) const VERSIONS: &str = "versions";
pub(super) const AUDIT: &str = "audit";
