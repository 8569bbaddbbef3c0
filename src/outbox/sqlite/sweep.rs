//! What is forgotten with time: ids of ended events, latest entries of series, and dead letters
//! that nobody replayed.

use std::time::Duration;

use rusqlite::Result;

use super::number::from_sql;
use super::store::Store;
use crate::outbox::rules::{RETIRED, SWEEP_MAX, forget_at_ms};

/// After a start what was kept is kept for so long, or for as long as such is kept at all: what
/// time has passed is told by the wall clock alone, and one that is ahead must end nothing at once.
const KEPT_AFTER_START: Duration = Duration::from_secs(3600);

impl Store {
    /// Forgets some of all whose time has come.
    pub(super) fn sweep(&mut self, now_ms: u64) -> Result<()> {
        let opened_ms = self.windows().opened_ms(now_ms);
        self.opened.0.get_or_insert(opened_ms);
        self.retire(now_ms)?;
        self.sweep_latest(now_ms)?;
        let max = self.config.dedupe_ids_max;
        let by_time = !self.is_held(self.config.dedupe, now_ms);
        let until_ms = if by_time { now_ms } else { 0 };
        self.ids
            .sweep(&self.connection, &mut self.counters, max, until_ms)
    }

    /// Whether the time is yet to come until which nothing is ended that was kept for so long.
    fn is_held(&self, keep: Duration, now_ms: u64) -> bool {
        let opened_ms = self.opened.0.unwrap_or(now_ms);
        now_ms < forget_at_ms(opened_ms, keep.min(KEPT_AFTER_START))
    }

    /// Discards some dead letters that were kept for long enough.
    fn retire(&mut self, now_ms: u64) -> Result<()> {
        if now_ms < self.retire_from_ms || self.is_held(self.config.dead_keep, now_ms) {
            return Ok(());
        }
        let sql = "SELECT endpoint, seq, died_at_ms FROM dead WHERE died_at_ms >= 0
            ORDER BY died_at_ms LIMIT ?1";
        let oldest: Vec<(i64, i64, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_map([SWEEP_MAX as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_>>()?;
        let keep = self.config.dead_keep;
        self.retire_from_ms = if oldest.len() < SWEEP_MAX {
            u64::MAX
        } else {
            now_ms
        };
        for (endpoint, seq, died_at_ms) in oldest {
            let retire_at_ms = forget_at_ms(from_sql(died_at_ms), keep);
            if retire_at_ms > now_ms {
                self.retire_from_ms = retire_at_ms;
                break;
            }
            self.discard_dead(endpoint, seq, RETIRED, now_ms)?;
        }
        Ok(())
    }
}
