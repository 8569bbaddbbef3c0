//! How a process begins and ends with the file: what was in flight is put back.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result, params};
use tracing::warn;

use super::claims_file::ClaimsFile;
use super::file;
use super::store::Store;
use crate::outbox::config::Config;
use crate::outbox::error::OpenError;

impl Store {
    /// Opens the file, and makes ready again what was in flight when its last process ended.
    pub(super) fn open(config: &Config) -> Result<Store, OpenError> {
        let connection = file::open(&config.path)?;
        Store::start(connection, config, Some(&config.path))
            .map_err(|error| file::failed(&config.path, &error))
    }

    /// With what is noted of claims beside the file in this place, if there is one.
    pub(super) fn start(
        connection: Connection,
        config: &Config,
        beside: Option<&Path>,
    ) -> Result<Store> {
        let mut store = Store::new(connection, config)?;
        store.begin()?;
        store.execute("UPDATE total SET starts = starts + 1", [])?;
        let sql = "SELECT mark, starts FROM total";
        let (mark, starts): (i64, i64) = store
            .connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        store.windows().first_claim = (1 << 62) + (starts << 20);
        for record in beside.map_or_else(Vec::new, |path| ClaimsFile::left_beside(path, mark)) {
            store.take_over(&record)?;
        }
        store.put_back(1)?;
        store.commit()?;
        {
            let mut windows = store.windows();
            if let Some(path) = beside {
                windows.file = ClaimsFile::start(path, mark);
            }
            for (&number, endpoint) in &store.counters.endpoints {
                let unread = store.counters.unlisted(number) > 0;
                let behind = unread.then(|| store.counters.looked_to(number));
                windows.open(number, &endpoint.name, behind);
            }
        }
        store.tell_windows();
        Ok(store)
    }

    /// Puts back what is in flight and leaves one file, without a log.
    pub(super) fn close(mut self) -> Result<()> {
        self.windows().shut = true;
        self.begin()?;
        self.record_delivered()?;
        let mut flying = Vec::new();
        for (endpoint, window) in self.windows().all() {
            flying.extend(window.flying().into_iter().map(|seq| (endpoint, seq)));
        }
        for (endpoint, seq) in flying {
            self.give_row(endpoint, seq)?;
        }
        self.put_back(0)?;
        self.commit()?;
        self.windows().file.remove();
        self.write_log_back("TRUNCATE")?;
        self.connection.close().map_err(|(_, error)| error)
    }

    /// Lets go of the file without writing to it.
    pub(super) fn abandon(self) {
        let setting = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        // One that cannot be set is written back, which any next start would do.
        let _ = self.connection.set_db_config(setting, true);
    }

    /// Makes ready again what is in flight; the attempt stays counted, for it may have been seen.
    pub(super) fn put_back(&mut self, crashes: i64) -> Result<()> {
        let mut put_back = 0;
        let numbers: Vec<i64> = self.counters.endpoints.keys().copied().collect();
        for number in numbers {
            // In order, so that the index is searched for these alone and not for all that wait.
            let sql = "SELECT seq, lane, due_at_ms FROM pair
                WHERE endpoint = ?1 AND place = 1 AND place < 3 ORDER BY due_at_ms";
            let mut statement = self.connection.prepare_cached(sql)?;
            let in_flight = statement
                .query_map([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<(i64, String, i64)>>>()?;
            put_back += in_flight.len();
            for (seq, ordering_key, due_at_ms) in in_flight {
                let place = if due_at_ms == 0 { 0 } else { 2 };
                let sql = "UPDATE pair SET crashes = crashes + ?3, place = ?4
                    WHERE endpoint = ?1 AND seq = ?2";
                self.execute(sql, params![number, seq, crashes, place])?;
                if due_at_ms == 0 {
                    self.let_pass(number, seq, &ordering_key)?;
                }
            }
            self.counters.counts(number).in_flight = 0;
        }
        if put_back > 0 && crashes > 0 {
            warn!(
                put_back,
                "events were in flight at an unclean end, and are told again"
            );
        }
        Ok(())
    }
}
