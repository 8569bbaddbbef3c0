//! What was discarded last, and why: an accepted event that is not delivered must be found again.

use rusqlite::{OptionalExtension, Result, params};

use super::event::lossy;
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::letter::{DeadCursor, DeadFilter, Discarded, DiscardedPage, STEP_LETTERS_MAX};
use crate::outbox::rules::{cut, note_discarded};

impl Store {
    /// Counts a pair as discarded, and keeps what is to be known of it; its event is still here.
    pub(super) fn record_discarded(
        &mut self,
        endpoint: i64,
        seq: i64,
        reason: &str,
        now_ms: u64,
    ) -> Result<()> {
        self.counters.counts(endpoint).discarded += 1;
        let sql = "INSERT INTO discarded SELECT NULL, ?1, id, hook, lane, operation_id,
            accepted_at_ms, ?3, ?4 FROM event WHERE seq = ?2 RETURNING number, id";
        let values = params![endpoint, seq, to_sql(now_ms), cut(reason)];
        let mut statement = self.connection.prepare_cached(sql)?;
        let (number, id): (i64, String) =
            statement.query_row(values, |row| Ok((row.get(0)?, lossy(row, 1)?)))?;
        note_discarded(&self.counters.endpoints[&endpoint].name, &id, reason);
        let kept = to_sql(self.config.discarded_kept);
        let sql = "DELETE FROM discarded WHERE number <= ?1";
        self.execute(sql, [number.saturating_sub(kept)]).map(drop)
    }

    pub(super) fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage> {
        let mut page = DiscardedPage::default();
        let mut number = from.seq;
        let mut looked_at = 0;
        while let Some(event) = self.next_discarded(&mut number)? {
            looked_at += 1;
            if filter.holds_discarded(&event) {
                page.events.push(event);
            }
            if page.events.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                page.next = Some(DeadCursor {
                    endpoint: 0,
                    seq: number,
                });
                break;
            }
        }
        Ok(page)
    }

    /// The first event behind `number`, which is moved to it.
    fn next_discarded(&self, number: &mut i64) -> Result<Option<Discarded>> {
        let sql = "SELECT number, endpoint, id, hook, lane, operation_id, accepted_at_ms,
            discarded_at_ms, reason FROM discarded WHERE number > ?1 ORDER BY number LIMIT 1";
        let after = *number;
        self.connection
            .prepare_cached(sql)?
            .query_row([after], |row| {
                *number = row.get(0)?;
                let endpoint: i64 = row.get(1)?;
                Ok(Discarded {
                    endpoint: self.counters.endpoints[&endpoint].name.clone(),
                    id: lossy(row, 2)?,
                    hook: lossy(row, 3)?,
                    ordering_key: lossy(row, 4)?,
                    operation_id: lossy(row, 5)?,
                    accepted_at_ms: from_sql(row.get(6)?),
                    discarded_at_ms: from_sql(row.get(7)?),
                    reason: lossy(row, 8)?,
                })
            })
            .optional()
    }
}
