//! Dead letters in the file: looked at, replayed, discarded, and too old at last.

use rusqlite::{OptionalExtension, Result, params};

use super::store::Store;
use super::{from_sql, to_sql};
use crate::outbox::letter::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, STEP_LETTERS_MAX,
};
use crate::outbox::rules::{RETIRED, SWEEP_MAX, first_claim, forget_at_ms};

/// Where a dead letter stands.
struct Grave {
    endpoint: i64,
    seq: i64,
}

type Found = Vec<(Grave, DeadLetter)>;

impl Store {
    pub(super) fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage> {
        let (found, next) = self.look_for(filter, from, limit)?;
        let letters = found.into_iter().map(|(_, letter)| letter).collect();
        Ok(DeadPage { letters, next })
    }

    pub(super) fn act_on_dead(
        &mut self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep> {
        let (found, next) = self.look_for(filter, from, limit)?;
        let done = found.len() as u64;
        for (grave, letter) in &found {
            match act {
                DeadAct::Count => {}
                DeadAct::Replay => self.replay(grave, letter)?,
                DeadAct::Discard { reason } => {
                    self.discard_dead(grave.endpoint, grave.seq, reason, now_ms)?;
                }
            }
        }
        Ok(DeadStep { done, next })
    }

    /// Looks at some letters behind the cursor, and says where to go on.
    fn look_for(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<(Found, Option<DeadCursor>)> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (&endpoint, book) in self.books.endpoints.range(from.endpoint..) {
            if book.counts.dead == 0 || !filter.is_about(&book.name) {
                continue;
            }
            let mut seq = if endpoint == from.endpoint {
                from.seq
            } else {
                0
            };
            while let Some(letter) = self.next_dead(endpoint, &book.name, &mut seq)? {
                looked_at += 1;
                if filter.holds(&letter) {
                    found.push((Grave { endpoint, seq }, letter));
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    return Ok((found, Some(DeadCursor { endpoint, seq })));
                }
            }
        }
        Ok((found, None))
    }

    /// The first letter of an endpoint behind `seq`, which is moved to it.
    fn next_dead(&self, endpoint: i64, name: &str, seq: &mut i64) -> Result<Option<DeadLetter>> {
        let sql = "SELECT dead.seq, id, hook, event.lane, operation_id, accepted_at_ms, died_at_ms,
            attempts, replays, reason, answer, length(body)
            FROM dead CROSS JOIN event ON event.seq = dead.seq
            WHERE endpoint = ?1 AND dead.seq > ?2 ORDER BY dead.seq LIMIT 1";
        let after = *seq;
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after], |row| {
                *seq = row.get(0)?;
                Ok(DeadLetter {
                    endpoint: name.to_owned(),
                    id: row.get(1)?,
                    hook: row.get(2)?,
                    lane: row.get(3)?,
                    operation_id: row.get(4)?,
                    accepted_at_ms: from_sql(row.get(5)?),
                    died_at_ms: from_sql(row.get(6)?),
                    attempts: row.get(7)?,
                    replays: row.get(8)?,
                    reason: row.get(9)?,
                    answer: row.get(10)?,
                    body_bytes: from_sql(row.get(11)?),
                })
            })
            .optional()
    }

    /// The pair is ready; whether its lane is free is found out by `claim`.
    fn replay(&mut self, grave: &Grave, letter: &DeadLetter) -> Result<()> {
        self.woke = true;
        self.bury(grave.endpoint, grave.seq)?;
        self.books.replayed(grave.endpoint);
        let replays = letter.replays + 1;
        let sql = "INSERT INTO pair VALUES (?1, ?2, 0, 0, ?3, ?4, 0, ?5, 0, '', ?6)";
        self.execute(
            sql,
            params![
                grave.endpoint,
                grave.seq,
                to_sql(letter.accepted_at_ms),
                letter.lane,
                first_claim(replays),
                replays
            ],
        )
        .map(drop)
    }

    fn discard_dead(&mut self, endpoint: i64, seq: i64, reason: &str, now_ms: u64) -> Result<()> {
        self.bury(endpoint, seq)?;
        self.record_discarded(endpoint, seq, reason, now_ms)?;
        self.end_pair(endpoint, seq, now_ms)
    }

    fn bury(&mut self, endpoint: i64, seq: i64) -> Result<()> {
        let sql = "DELETE FROM dead WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq])?;
        self.books.counts(endpoint).dead -= 1;
        Ok(())
    }

    /// Discards some dead letters that were kept for long enough.
    pub(super) fn retire(&mut self, now_ms: u64) -> Result<()> {
        if now_ms < self.retire_from_ms {
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
