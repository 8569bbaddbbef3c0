//! Taking pairs in flight: those that have a row, and those that the endpoint has yet to look at.

use std::collections::HashSet;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Result, params};

use super::store::Store;
use super::{from_sql, to_sql};
use crate::outbox::entry::{Due, EntryKey, Room};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::{MISSING_MAX, longest_due};

/// Ready pairs that one claim sets waiting at the most; the next claim goes on.
const WAITING_MAX: usize = 256;
/// Events that are looked at at once, those of other endpoints included.
const LOOK_MAX: i64 = 4096;

impl Store {
    pub(super) fn claim(&mut self, name: &str, now_ms: u64, room: Room) -> Result<Vec<Due>> {
        self.sweep(now_ms)?;
        let Some(endpoint) = self.books.number(name) else {
            return Ok(Vec::new());
        };
        let ready = self.free(endpoint, room.pairs)?;
        let retry = self.retries(endpoint, now_ms, room.retries.min(room.pairs))?;
        let claimed: Vec<Due> = longest_due(&ready, &retry, room.pairs)
            .into_iter()
            .map(|seq| self.claim_one(endpoint, name, seq))
            .collect::<Result<_>>()?;
        self.books.counts(endpoint).in_flight += claimed.len() as u64;
        Ok(claimed)
    }

    /// Ready pairs whose lanes are free, with the times of their acceptance, in its order.
    /// The others are set waiting, so that each is tried only once.
    fn free(&mut self, endpoint: i64, limit: usize) -> Result<Vec<(u64, i64)>> {
        let mut free = Vec::new();
        let mut lanes = HashSet::new();
        let mut last = 0;
        let mut waiting = 0;
        while free.len() < limit && waiting < WAITING_MAX {
            let Some((seq, accepted_at_ms, lane)) = self.next_ready(endpoint, last)? else {
                if self.look(endpoint, limit - free.len())? == 0 {
                    break;
                }
                continue;
            };
            last = seq;
            if lane.is_empty() || asked(Fault::LaneRace) {
                free.push((accepted_at_ms, seq));
            } else if lanes.contains(&lane) || self.is_busy(endpoint, &lane)? {
                waiting += 1;
                self.set_place(endpoint, seq, 3)?;
            } else {
                free.push((accepted_at_ms, seq));
                lanes.insert(lane);
            }
        }
        Ok(free)
    }

    /// The first ready pair with a row behind a place: with its time of acceptance and its lane.
    fn next_ready(&self, endpoint: i64, after: i64) -> Result<Option<(i64, u64, String)>> {
        let sql = "SELECT seq, accepted_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND place = 0 AND place < 3 AND due_at_ms = 0 AND seq > ?2
            ORDER BY seq LIMIT 1";
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after], |row| {
                Ok((row.get(0)?, from_sql(row.get(1)?), row.get(2)?))
            })
            .optional()
    }

    /// Gives rows to the next pairs of an endpoint, ready, and says how many they are.
    pub(super) fn look(&mut self, endpoint: i64, limit: usize) -> Result<usize> {
        let Some((from, name)) = self.books.unlooked(endpoint) else {
            return Ok(0);
        };
        let mut to = self.books.last_seq.min(from + LOOK_MAX);
        let sql = "SELECT seq, accepted_at_ms, lane FROM event
            WHERE seq > ?1 AND seq <= ?2 AND instr(endpoints, ?3) ORDER BY seq LIMIT ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit_rows = to_sql(limit as u64);
        let mut rows = statement.query(params![from, to, name, limit_rows])?;
        let mut listed = 0;
        while let Some(row) = rows.next()? {
            let (seq, accepted_at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
            let lane = row.get_ref(2)?.as_str()?;
            self.execute(
                "INSERT INTO pair VALUES (?1, ?2, 0, 0, ?3, ?4, 0, 0, 0, '', 0)",
                params![endpoint, seq, accepted_at_ms, lane],
            )?;
            listed += 1;
            if listed == limit {
                to = seq;
            }
        }
        drop(rows);
        drop(statement);
        self.books.looked(endpoint, to, listed as u64);
        Ok(listed)
    }

    /// Whether a pair of the lane is in flight or a retry: the lane waits for its end.
    ///
    /// Invariant: of a lane that is not busy, the first pair is ready.
    pub(super) fn is_busy(&self, endpoint: i64, lane: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place > 0 AND lane <> '' AND place < 3 LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.exists(params![endpoint, lane])
    }

    /// The first pair of a lane that waits, before a place.
    pub(super) fn first_waiting(
        &self,
        endpoint: i64,
        lane: &str,
        before: i64,
    ) -> Result<Option<i64>> {
        let sql = "SELECT seq FROM pair
            WHERE endpoint = ?1 AND lane = ?2 AND place = 3 AND place > 0 AND lane <> ''
            AND seq < ?3 ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement
            .query_row(params![endpoint, lane, before], |row| row.get(0))
            .optional()
    }

    /// After a pair of the lane is ready again: a replayed one before it goes first.
    pub(super) fn let_pass(&self, endpoint: i64, seq: i64, lane: &str) -> Result<()> {
        if lane.is_empty() {
            return Ok(());
        }
        if let Some(first) = self.first_waiting(endpoint, lane, seq)? {
            self.set_place(endpoint, first, 0)?;
            self.set_place(endpoint, seq, 3)?;
        }
        Ok(())
    }

    pub(super) fn set_place(&self, endpoint: i64, seq: i64, place: i64) -> Result<()> {
        let sql = "UPDATE pair SET place = ?3 WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq, place]).map(drop)
    }

    /// Retries that are due by then, the longest due first, with their due times.
    pub(super) fn retries(
        &self,
        endpoint: i64,
        due_by_ms: u64,
        limit: usize,
    ) -> Result<Vec<(u64, i64)>> {
        let sql = "SELECT due_at_ms, seq FROM pair
            WHERE endpoint = ?1 AND place = 2 AND place < 3 AND due_at_ms <= ?2
            ORDER BY due_at_ms, seq LIMIT ?3";
        let limit = to_sql(limit as u64);
        let mut statement = self.connection.prepare_cached(sql)?;
        let pairs = statement.query_map(params![endpoint, to_sql(due_by_ms), limit], |row| {
            Ok((from_sql(row.get(0)?), row.get(1)?))
        })?;
        pairs.collect()
    }

    /// Dead letters of the lane that were accepted before a pair of it, as far as they are counted.
    fn missing(&self, endpoint: i64, seq: i64, lane: &str) -> Result<u64> {
        if self.books.endpoints[&endpoint].counts.dead == 0 || lane.is_empty() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM (SELECT 1 FROM dead
            WHERE endpoint = ?1 AND lane = ?2 AND lane <> '' AND seq < ?3 LIMIT ?4)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let count = statement
            .query_row(params![endpoint, lane, seq, MISSING_MAX as i64], |row| {
                row.get(0)
            })?;
        Ok(from_sql(count))
    }

    fn claim_one(&self, endpoint: i64, name: &str, seq: i64) -> Result<Due> {
        let sql = "UPDATE pair SET place = 1, attempts = attempts + 1, claims = claims + 1
            WHERE endpoint = ?1 AND seq = ?2 RETURNING attempts, claims, crashes, replays, lane";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (attempt, claim, crashes, replays, lane) =
            statement.query_row(params![endpoint, seq], |row| {
                let lane: String = row.get(4)?;
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, lane))
            })?;
        let missing = self.missing(endpoint, seq, &lane)?;
        let sql = "SELECT id, accepted_at_ms, hook, dialect, lane, operation_id, body
            FROM event WHERE seq = ?1";
        self.connection
            .prepare_cached(sql)?
            .query_row([seq], |row| {
                let lane_of_event: String = row.get(4)?;
                Ok(Due {
                    key: EntryKey {
                        endpoint,
                        seq,
                        claim,
                    },
                    id: row.get(0)?,
                    accepted_at_ms: from_sql(row.get(1)?),
                    hook: row.get(2)?,
                    dialect: row.get(3)?,
                    aside: lane != lane_of_event,
                    lane: lane_of_event,
                    operation_id: row.get(5)?,
                    body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
                    endpoint: name.to_owned(),
                    attempt,
                    crashes,
                    replays,
                    number: from_sql(seq),
                    missing,
                })
            })
    }
}
