//! What keeps the file small and clean: the log written back, pages given back.

use rusqlite::Result;

use super::copy::COPY_LOG_BYTES_MAX;
use super::store::Store;

/// The log is written back into the file when it holds so much of it.
const LOG_BYTES_MAX: i64 = 16 << 20;
/// After so many commits it is asked how long the log is: asking costs half of what a small commit
/// takes beside the disk.
const LOOK_EVERY: u32 = if cfg!(test) { 1 } else { 16 };
/// Free pages that are not worth giving back.
const FREE_BYTES_MIN: i64 = 1 << 20;
/// Pages that one step gives back, so that a caller who comes meanwhile waits little.
const GIVE_BACK_PAGES: i64 = 256;

impl Store {
    /// Writes the log back into the file when it is long; outside of transactions.
    pub(super) fn keep_log_short(&mut self) -> Result<()> {
        self.commits_since_look += 1;
        if self.commits_since_look < LOOK_EVERY {
            return Ok(());
        }
        self.commits_since_look = 0;
        let bytes_max = match self.is_copied() {
            true => COPY_LOG_BYTES_MAX,
            false => LOG_BYTES_MAX,
        };
        if self.log_pages()? * self.page_bytes < bytes_max {
            return Ok(());
        }
        self.write_log_back("PASSIVE")
    }

    pub(super) fn log_pages(&self) -> Result<i64> {
        let mut statement = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        statement.query_row([], |row| row.get(1))
    }

    pub(super) fn write_log_back(&self, how: &str) -> Result<()> {
        self.break_hold();
        self.connection
            .prepare_cached(&format!("PRAGMA wal_checkpoint({how})"))?
            .query_row([], |_| Ok(()))
    }

    /// Gives some free pages back to the file system; says whether there is more to do.
    pub(super) fn give_back(&mut self) -> Result<bool> {
        if !self.has_freed || self.is_copied() {
            return Ok(false);
        }
        let count = |pragma| {
            let mut statement = self.connection.prepare_cached(pragma)?;
            statement.query_row([], |row| row.get::<_, i64>(0))
        };
        let free = count("PRAGMA freelist_count")?;
        // Below half of the file they are soon used again.
        let free_min = FREE_BYTES_MIN / self.page_bytes;
        if free < free_min || free * 2 < count("PRAGMA page_count")? {
            self.has_freed = false;
            return Ok(false);
        }
        let sql = format!("PRAGMA incremental_vacuum({GIVE_BACK_PAGES})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut pages = statement.query([])?;
        while pages.next()?.is_some() {}
        if free - GIVE_BACK_PAGES < free_min {
            // The file is cut only when the log has been written back.
            self.write_log_back("PASSIVE")?;
        }
        Ok(true)
    }
}
