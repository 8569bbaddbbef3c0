//! Dead letters in the file: looked at, replayed, discarded, and too old at last.

use bytes::Bytes;
use rusqlite::{OptionalExtension, Result, params};
use tracing::error;

use super::event::lossy;
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::letter::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, STEP_LETTERS_MAX,
};
use crate::outbox::rules::{DAMAGED, cut, first_claim, forget_at_ms};

/// Where a dead letter stands.
struct DeadRow {
    endpoint: i64,
    seq: i64,
}

/// What is kept of a pair that is given up.
pub(super) struct Letter<'a> {
    pub attempts: i64,
    pub replays: i64,
    pub reason: &'a str,
    pub answer: &'a str,
}

type Found = Vec<(DeadRow, DeadLetter)>;

impl Store {
    /// Gives a pair up; its event stays for replay.
    pub(super) fn bury(
        &mut self,
        endpoint: i64,
        seq: i64,
        ordering_key: &str,
        letter: &Letter<'_>,
        now_ms: u64,
    ) -> Result<()> {
        self.counters.counts(endpoint).dead += 1;
        let retire_at_ms = forget_at_ms(now_ms, self.config.dead_keep);
        self.retire_from_ms = self.retire_from_ms.min(retire_at_ms);
        self.execute(
            "INSERT INTO dead SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, lane
            FROM event WHERE seq = ?2",
            params![
                endpoint,
                seq,
                letter.attempts,
                to_sql(now_ms),
                cut(letter.reason),
                letter.replays,
                cut(letter.answer)
            ],
        )?;
        self.remove(endpoint, seq, ordering_key)
    }

    /// Gives up a pair that is not in flight, whose event is not what was accepted: it is never
    /// told, and kept to be looked at.
    pub(super) fn bury_damaged(
        &mut self,
        endpoint: i64,
        seq: i64,
        id: &str,
        now_ms: u64,
    ) -> Result<()> {
        let name = &self.counters.endpoints[&endpoint].name;
        error!(
            endpoint = name,
            id, "a stored event is damaged, it is not told and kept as a dead letter"
        );
        let sql = "SELECT lane, attempts, replays FROM pair WHERE endpoint = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (ordering_key, attempts, replays) = statement.query_row([endpoint, seq], |row| {
            Ok((lossy(row, 0)?, row.get(1)?, row.get(2)?))
        })?;
        drop(statement);
        let letter = Letter {
            attempts,
            replays,
            reason: DAMAGED,
            answer: "",
        };
        self.bury(endpoint, seq, &ordering_key, &letter, now_ms)
    }

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
        for (row, letter) in &found {
            match act {
                DeadAct::Count => {}
                DeadAct::Replay => self.replay(row, letter)?,
                DeadAct::Discard { reason } => {
                    self.discard_dead(row.endpoint, row.seq, reason, now_ms)?;
                }
            }
        }
        Ok(DeadStep { done, next })
    }

    /// Promoted at some letters behind the cursor, and says where to go on.
    fn look_for(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<(Found, Option<DeadCursor>)> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (&endpoint, counters) in self.counters.endpoints.range(from.endpoint..) {
            if counters.counts.dead == 0 || !filter.is_about(&counters.name) {
                continue;
            }
            let mut seq = if endpoint == from.endpoint {
                from.seq
            } else {
                0
            };
            while let Some(letter) =
                self.next_dead(endpoint, &counters.name, &mut seq, filter.bodies)?
            {
                looked_at += 1;
                if filter.holds(&letter) {
                    found.push((DeadRow { endpoint, seq }, letter));
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    return Ok((found, Some(DeadCursor { endpoint, seq })));
                }
            }
        }
        Ok((found, None))
    }

    /// The first letter of an endpoint behind `seq`, which is moved to it.
    fn next_dead(
        &self,
        endpoint: i64,
        name: &str,
        seq: &mut i64,
        bodies: bool,
    ) -> Result<Option<DeadLetter>> {
        let sql = "SELECT dead.seq, id, hook, event.lane, operation_id, accepted_at_ms, died_at_ms,
            attempts, replays, reason, answer, length(body), CASE WHEN ?3 THEN body END
            FROM dead CROSS JOIN event ON event.seq = dead.seq
            WHERE endpoint = ?1 AND dead.seq > ?2 ORDER BY dead.seq LIMIT 1";
        let after = *seq;
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after, bodies], |row| {
                *seq = row.get(0)?;
                Ok(DeadLetter {
                    endpoint: name.to_owned(),
                    id: lossy(row, 1)?,
                    hook: lossy(row, 2)?,
                    ordering_key: lossy(row, 3)?,
                    operation_id: lossy(row, 4)?,
                    accepted_at_ms: from_sql(row.get(5)?),
                    died_at_ms: from_sql(row.get(6)?),
                    attempts: row.get(7)?,
                    replays: row.get(8)?,
                    reason: lossy(row, 9)?,
                    answer: lossy(row, 10)?,
                    body_bytes: from_sql(row.get(11)?),
                    body: row.get::<_, Option<Vec<u8>>>(12)?.map(Bytes::from),
                })
            })
            .optional()
    }

    /// The pair is ready; whether its ordering key is free is found out by `claim`.
    fn replay(&mut self, row: &DeadRow, letter: &DeadLetter) -> Result<()> {
        self.woke = true;
        self.remove_dead(row.endpoint, row.seq)?;
        self.counters.replayed(row.endpoint);
        self.window(row.endpoint, |window| window.has_rows = true);
        let replays = letter.replays + 1;
        let sql = "INSERT INTO pair VALUES (?1, ?2, 0, 0, ?3, ?4, 0, ?5, 0, '', ?6)";
        self.execute(
            sql,
            params![
                row.endpoint,
                row.seq,
                to_sql(letter.accepted_at_ms),
                letter.ordering_key,
                first_claim(replays),
                replays
            ],
        )
        .map(drop)
    }

    pub(super) fn discard_dead(
        &mut self,
        endpoint: i64,
        seq: i64,
        reason: &str,
        now_ms: u64,
    ) -> Result<()> {
        self.remove_dead(endpoint, seq)?;
        self.record_discarded(endpoint, seq, reason, now_ms)?;
        self.end_pair(endpoint, seq, now_ms)
    }

    fn remove_dead(&mut self, endpoint: i64, seq: i64) -> Result<()> {
        let sql = "DELETE FROM dead WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq])?;
        self.counters.counts(endpoint).dead -= 1;
        Ok(())
    }
}
