//! A copy of the file while it is used.
//!
//! Nobody but the writer's connection may read the file with its log. So the writer writes the log
//! back, and then leaves the file as it is until the copy is made: all that is committed meanwhile
//! stays in the log. Another thread reads the file; the writer does nothing for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OpenFlags, Result};

use super::store::Store;
use crate::database;

/// A log that is longer is written back, whoever copies.
pub(super) const COPY_LOG_BYTES_MAX: i64 = 1 << 30;

impl Store {
    /// Leaves the file as it is now for as long as what is returned is kept, and that is false.
    /// Outside of transactions.
    pub(super) fn hold(&mut self) -> Result<Arc<AtomicBool>> {
        let written: (i64, i64, i64) = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if let Some(before) = self.held.upgrade() {
            before.store(true, Ordering::Release);
        }
        let (busy, pages, written_back) = written;
        let is_broken = Arc::new(AtomicBool::new(busy != 0 || pages != written_back));
        self.held = Arc::downgrade(&is_broken);
        Ok(is_broken)
    }

    /// Whether a copy is being made of the file as it is.
    pub(super) fn is_copied(&self) -> bool {
        self.held.strong_count() > 0
    }

    /// The file is written to all the same: a copy that is being made is good for nothing.
    pub(super) fn break_hold(&self) {
        if let Some(held) = self.held.upgrade() {
            held.store(true, Ordering::Release);
        }
    }
}

/// Copies the file without its log, which nobody writes back meanwhile.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<()> {
    // Through SQLite, which closes a file only when no lock of this process would go with that;
    // as one that does not change, which takes no lock and reads no log.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{}?immutable=1", escaped(from));
    database::copy_pages(&Connection::open_with_flags(uri, flags)?, to)
}

fn escaped(path: &Path) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let escaped = bytes.map(|byte| match is_plain(byte) {
        true => char::from(*byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}
