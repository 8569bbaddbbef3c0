//! The connection to the file with its counters, and the transactions that change them. The writer
//! calls it, one call at a time.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rusqlite::{Connection, OptionalExtension, Result};

use super::counters::Counters;
use super::event::lossy;
use super::ids::{Digest, Ids, digest};
use super::number::from_sql;
use super::window::{Item, Window};
use super::windows::Windows;
use crate::outbox::config::Config;
use crate::outbox::entry::{Health, Work};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::forget_at_ms;

pub(super) struct Store {
    pub connection: Connection,
    pub config: Config,
    pub counters: Counters,
    pub ids: Ids,
    /// No dead letter is too old before this time.
    pub retire_from_ms: u64,
    /// No latest entry of a series is to be forgotten before this time.
    pub latest_from_ms: u64,
    /// The first time that was told since the file was opened, and the last event before it.
    pub opened: (Option<u64>, i64),
    pub work: Work,
    /// What is told next; others read and change it between the calls.
    pub windows: Arc<Mutex<Windows>>,
    /// New pairs, by the numbers of their endpoints, for the windows once they are committed.
    pub fed: Vec<(i64, Item)>,
    /// The last event that is committed.
    pub committed_seq: i64,
    /// A pair became ready since [`Store::begin`].
    pub woke: bool,
    /// Of a page of the file.
    pub page_bytes: i64,
    /// Commits since the length of the log was asked for.
    pub commits_since_look: u32,
    /// Events were deleted, and there may be pages to give back.
    pub has_freed: bool,
    /// Somebody copies the file as it is; true when it was written to.
    pub held: Weak<AtomicBool>,
    /// Commits wait for the disk.
    synced: bool,
}

impl Store {
    pub(super) fn new(connection: Connection, config: &Config) -> Result<Store> {
        let counters = Counters::load(&connection)?;
        let mut ids = Ids::default();
        ids.open(&connection)?;
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Store {
            opened: (None, counters.last_seq),
            committed_seq: counters.last_seq,
            windows: Arc::default(),
            fed: Vec::new(),
            counters,
            connection,
            config: config.clone(),
            ids,
            retire_from_ms: 0,
            latest_from_ms: 0,
            work: Work::default(),
            woke: false,
            page_bytes,
            commits_since_look: 0,
            has_freed: true,
            held: Weak::new(),
            synced: true,
        })
    }

    /// Whether the next transactions wait for the disk. One that does makes those before it
    /// durable too; one that does not is lost in a power loss, and only then.
    pub(super) fn sync(&mut self, synced: bool) -> Result<()> {
        if self.synced == synced || asked(Fault::NoSync) {
            return Ok(());
        }
        let level = if synced { "FULL" } else { "NORMAL" };
        self.connection.pragma_update(None, "synchronous", level)?;
        self.synced = synced;
        Ok(())
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.woke = false;
        self.fed.clear();
        self.ids.begin();
        self.execute("BEGIN", []).map(drop)
    }

    /// Ends the transaction; synced when this returns, if it is to be.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.ids.write(&self.connection)?;
        self.ids.write_held(&self.connection)?;
        self.counters.save(&self.connection)?;
        self.execute("COMMIT", [])?;
        self.ids.committed();
        self.committed_seq = self.counters.last_seq;
        self.tell_windows();
        Ok(())
    }

    /// What was committed can be claimed.
    pub(super) fn tell_windows(&mut self) {
        let fed = std::mem::take(&mut self.fed);
        let windows = Arc::clone(&self.windows);
        let mut windows = lock(&windows);
        windows.committed();
        for (endpoint, item) in fed {
            let name = &self.counters.endpoints[&endpoint].name;
            windows.open(endpoint, name, None).feed(item);
        }
        for (endpoint, window) in windows.all() {
            window.has_rows = self.counters.has_rows(endpoint);
            window.has_dead = self.counters.endpoints[&endpoint].counts.dead > 0;
        }
    }

    pub(super) fn windows(&self) -> MutexGuard<'_, Windows> {
        lock(&self.windows)
    }

    /// Looks at the window of an endpoint. One whose first event is not committed yet has none: of
    /// it there is nothing to claim, and nothing to read.
    pub(super) fn window<T>(&self, endpoint: i64, look: impl FnOnce(&mut Window) -> T) -> T {
        match self.windows().get(endpoint) {
            Some(window) => look(window),
            None => look(&mut Window::with_nothing()),
        }
    }

    /// Undoes the transaction; SQLite may have done so itself already.
    pub(super) fn roll_back(&mut self) -> Result<()> {
        if !self.connection.is_autocommit() {
            self.execute("ROLLBACK", [])?;
        }
        self.counters = Counters::load(&self.connection)?;
        self.ids.roll_back();
        self.windows().roll_back();
        self.fed.clear();
        self.retire_from_ms = 0;
        self.latest_from_ms = 0;
        Ok(())
    }

    /// Whether an event with this id is here, or ended not long ago.
    pub(super) fn knows(&mut self, id: Digest) -> Result<bool> {
        self.ids.knows(id, &self.connection, &self.counters)
    }

    /// One pair of the event has ended for good; the last one takes the event with it.
    pub(super) fn end_pair(&mut self, endpoint: i64, seq: i64, now_ms: u64) -> Result<()> {
        let sql = "SELECT id, bytes FROM event WHERE seq = ?1";
        let (id, bytes): (String, i64) = self
            .connection
            .prepare_cached(sql)?
            .query_row([seq], |row| Ok((lossy(row, 0)?, row.get(1)?)))?;
        self.counters.freed(endpoint, from_sql(bytes));
        if self.leaves_for_others(endpoint, seq)? {
            return Ok(());
        }
        self.execute("DELETE FROM event WHERE seq = ?1", [seq])?;
        self.end_event(seq, digest(&id), from_sql(bytes), now_ms);
        Ok(())
    }

    /// Counts an event out that is not in the file any more.
    pub(super) fn end_event(&mut self, seq: i64, digest: Digest, bytes: u64, now_ms: u64) {
        self.has_freed = true;
        // Damaged, it may be any number.
        self.counters.bytes = self.counters.bytes.saturating_sub(bytes);
        self.counters.events -= 1;
        self.counters.remembered_ids += 1;
        let forget_at_ms = forget_at_ms(now_ms, self.config.dedupe);
        self.ids.end(seq, digest, forget_at_ms);
    }

    /// Counts a pair out; whether its event has others left, and stays for them.
    pub(super) fn leaves_for_others(&self, endpoint: i64, seq: i64) -> Result<bool> {
        let sql = "UPDATE share SET pairs = pairs - 1 WHERE seq = ?1 RETURNING pairs";
        let mut statement = self.connection.prepare_cached(sql)?;
        let left: Option<i64> = statement.query_row([seq], |row| row.get(0)).optional()?;
        match left {
            Some(0) => {
                self.execute("DELETE FROM share WHERE seq = ?1", [seq])?;
                self.execute("DELETE FROM done WHERE seq = ?1", [seq])?;
                Ok(false)
            }
            Some(_) => {
                let sql = "INSERT OR IGNORE INTO done VALUES (?1, ?2)";
                self.execute(sql, [seq, endpoint])?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(super) fn set_health(&mut self, name: &str, health: &Health) {
        if let Some(endpoint) = self.counters.number(name) {
            self.counters.set_health(endpoint, health.clone());
        }
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }
}

pub(super) fn lock(windows: &Mutex<Windows>) -> MutexGuard<'_, Windows> {
    windows.lock().unwrap_or_else(PoisonError::into_inner)
}
