//! The order of an ordering key: who is ready, who waits.

use rusqlite::{OptionalExtension, Result, params};

use super::store::Store;

impl Store {
    /// Whether a pair of the ordering key is in flight or a retry: the others wait for its end.
    ///
    /// Invariant: of an ordering key that is not busy, the first pair is ready.
    pub(super) fn is_busy(&self, endpoint: i64, ordering_key: &str) -> Result<bool> {
        if self.window(endpoint, |window| window.is_busy(ordering_key, i64::MAX)) {
            return Ok(true);
        }
        self.is_busy_in_rows(endpoint, ordering_key)
    }

    fn is_busy_in_rows(&self, endpoint: i64, ordering_key: &str) -> Result<bool> {
        if !self.counters.has_rows(endpoint) {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place > 0 AND lane <> '' AND place < 3 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![endpoint, ordering_key])
    }

    /// Whether pairs with rows go before one of the window: one that is being tried, or an earlier
    /// one.
    pub(super) fn is_held_by_rows(
        &self,
        endpoint: i64,
        ordering_key: &str,
        seq: i64,
    ) -> Result<bool> {
        if self.is_busy_in_rows(endpoint, ordering_key)? {
            return Ok(true);
        }
        let sql = "SELECT 1 FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place IN (0, 3) AND lane <> '' AND seq < ?3 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![endpoint, ordering_key, seq])
    }

    /// Whether a pair of the ordering key before a place is in flight or a retry.
    pub(super) fn is_busy_before(
        &self,
        endpoint: i64,
        ordering_key: &str,
        seq: i64,
    ) -> Result<bool> {
        if self.window(endpoint, |window| window.is_busy(ordering_key, seq)) {
            return Ok(true);
        }
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
        let row = match self.counters.has_rows(endpoint) {
            true => self.first_waiting(endpoint, ordering_key, i64::MAX)?,
            false => None,
        };
        let item = self.window(endpoint, |window| window.first_waiting(ordering_key));
        self.woke |= row.is_some() || item.is_some();
        match row {
            Some(row) if item.is_none_or(|item| row < item) => self.set_place(endpoint, row, 0),
            _ => {
                self.window(endpoint, |window| window.unblock(ordering_key));
                Ok(())
            }
        }
    }

    /// Takes out a pair that has ended; the next of its ordering key becomes ready.
    pub(super) fn remove(&mut self, endpoint: i64, seq: i64, ordering_key: &str) -> Result<()> {
        self.counters.removed(endpoint);
        let sql = "DELETE FROM pair WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq])?;
        self.go_on(endpoint, ordering_key)
    }
}
