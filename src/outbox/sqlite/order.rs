//! The order of an ordering key: who is ready, who waits.

use rusqlite::{OptionalExtension, Result, params};

use super::store::Store;

impl Store {
    /// Whether a pair of the ordering key is in flight or a retry: the others wait for its end.
    ///
    /// Invariant: of an ordering key that is not busy, the first pair is ready.
    pub(super) fn is_busy(&self, endpoint: i64, ordering_key: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place > 0 AND lane <> '' AND place < 3 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![endpoint, ordering_key])
    }

    /// Whether a pair of the ordering key before a place is in flight or a retry.
    pub(super) fn is_busy_before(
        &self,
        endpoint: i64,
        ordering_key: &str,
        seq: i64,
    ) -> Result<bool> {
        let sql = "SELECT 1 FROM pair WHERE endpoint = ?1 AND lane = ?2 AND lane <> ''
            AND place > 0 AND place < 3 AND seq < ?3 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![endpoint, ordering_key, seq])
    }

    /// The first pair of an ordering key that waits, before a place.
    pub(super) fn first_waiting(
        &self,
        endpoint: i64,
        ordering_key: &str,
        before: i64,
    ) -> Result<Option<i64>> {
        let sql = "SELECT seq FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place = 3 AND place > 0 AND lane <> ''
            AND seq < ?3 ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row(params![endpoint, ordering_key, before], |row| row.get(0))
            .optional()
    }

    /// After a pair of the ordering key is ready again: a replayed one before it goes first.
    pub(super) fn let_pass(&self, endpoint: i64, seq: i64, ordering_key: &str) -> Result<()> {
        if ordering_key.is_empty() {
            return Ok(());
        }
        if let Some(first) = self.first_waiting(endpoint, ordering_key, seq)? {
            self.set_place(endpoint, first, 0)?;
            self.set_place(endpoint, seq, 3)?;
        }
        Ok(())
    }

    pub(super) fn set_place(&self, endpoint: i64, seq: i64, place: i64) -> Result<()> {
        let sql = "UPDATE pair SET place = ?3 WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq, place]).map(drop)
    }

    /// Makes the next pair of an ordering key ready, after one has left it.
    pub(super) fn go_on(&mut self, endpoint: i64, ordering_key: &str) -> Result<()> {
        // A waiting pair that was discarded leaves a busy ordering key behind.
        if ordering_key.is_empty() || self.is_busy(endpoint, ordering_key)? {
            return Ok(());
        }
        if let Some(next) = self.first_waiting(endpoint, ordering_key, i64::MAX)? {
            self.woke = true;
            self.set_place(endpoint, next, 0)?;
        }
        Ok(())
    }

    /// Takes out a pair that has ended; the next of its ordering key becomes ready.
    pub(super) fn remove(&mut self, endpoint: i64, seq: i64, ordering_key: &str) -> Result<()> {
        self.counters.removed(endpoint);
        let sql = "DELETE FROM pair WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq])?;
        self.go_on(endpoint, ordering_key)
    }
}
