//! Where everything is.

use std::path::PathBuf;

/// The files and folders that are kept, as engine.yaml has them.
#[derive(Clone, Debug)]
pub struct Places {
    pub data: PathBuf,
    pub outbox: PathBuf,
    pub rooms: PathBuf,
    pub history: PathBuf,
    pub audit: PathBuf,
    pub versions: PathBuf,
}

impl Places {
    pub(super) fn operators(&self) -> PathBuf {
        self.data.join("operators.db")
    }

    /// Each with its name in a backup.
    pub(super) fn all(&self) -> [(&'static str, PathBuf); 6] {
        [
            (OUTBOX, self.outbox.clone()),
            (ROOMS, self.rooms.clone()),
            (OPERATORS, self.operators()),
            (HISTORY, self.history.clone()),
            (VERSIONS, self.versions.clone()),
            (AUDIT, self.audit.clone()),
        ]
    }
}

pub(super) const OUTBOX: &str = "outbox.db";
pub(super) const ROOMS: &str = "rooms.db";
pub(super) const OPERATORS: &str = "operators.db";
pub(super) const HISTORY: &str = "history";
pub(super) const VERSIONS: &str = "versions";
pub(super) const AUDIT: &str = "audit";
