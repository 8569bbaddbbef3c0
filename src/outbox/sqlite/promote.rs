//! Giving rows to pairs: those of an endpoint that it has yet to come to stand in their events
//! alone.

use rusqlite::{Result, params};

use super::event::lossy;
use super::number::to_sql;
use super::store::Store;

/// Events that are looked at at once, those of other endpoints included.
pub(super) const PROMOTE_MAX: i64 = 4096;

impl Store {
    /// Gives rows to the next pairs of an endpoint, ready, and says how many they are.
    pub(super) fn promote(&mut self, endpoint: i64, limit: usize) -> Result<usize> {
        let Some((from, name)) = self.counters.unpromoted(endpoint) else {
            return Ok(0);
        };
        // A damaged list of endpoints must not make more pairs than were accepted.
        let limit = limit.min(self.counters.unlisted(endpoint) as usize);
        let mut to = self.counters.last_seq.min(from + PROMOTE_MAX);
        let sql = "SELECT seq, accepted_at_ms, lane FROM event
            WHERE seq > ?1 AND seq <= ?2 AND instr(endpoints, ?3) ORDER BY seq LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit_rows = to_sql(limit as u64);
        let mut rows = statement.query(params![from, to, name, limit_rows])?;
        let mut listed = 0;
        while let Some(row) = rows.next()? {
            let (seq, accepted_at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
            let ordering_key = lossy(row, 2)?;
            self.execute(
                "INSERT INTO pair VALUES (?1, ?2, 0, 0, ?3, ?4, 0, 0, 0, '', 0)",
                params![endpoint, seq, accepted_at_ms, ordering_key],
            )?;
            listed += 1;
            if listed == limit {
                to = seq;
            }
        }
        drop(rows);
        drop(statement);
        self.counters.promoted(endpoint, to, listed as u64);
        Ok(listed)
    }
}
