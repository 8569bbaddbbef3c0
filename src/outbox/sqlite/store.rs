//! What the outbox does, as statements on its file. The writer calls it, one call at a time.

use std::collections::HashSet;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::books::Books;
use super::{file, from_sql, to_sql};
use crate::outbox::config::Config;
use crate::outbox::entry::{Appended, Due, EntryKey, Health, NewEntry, Room, Settlement, Work};
use crate::outbox::error::{AppendError, Limit, OpenError};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::{cut, forget_at_ms, longest_due, note_discarded};

/// Ready pairs that one claim sets waiting at the most; the next claim goes on.
const WAITING_MAX: usize = 256;

/// The file and its counters.
pub(super) struct Store {
    pub connection: Connection,
    pub config: Config,
    pub books: Books,
    /// No remembered id may be forgotten before this time.
    pub forget_from_ms: u64,
    /// No dead letter is too old before this time.
    pub retire_from_ms: u64,
    pub work: Work,
    /// A pair became ready since [`Store::begin`].
    pub woke: bool,
}

impl Store {
    /// Opens the file, and makes ready again what was in flight when its last process ended.
    pub(super) fn open(config: &Config) -> Result<Store, OpenError> {
        let connection = file::open(&config.path)?;
        Store::start(connection, config).map_err(|error| file::failed(&config.path, &error))
    }

    pub(super) fn start(connection: Connection, config: &Config) -> Result<Store> {
        let mut store = Store {
            books: Books::load(&connection)?,
            connection,
            config: config.clone(),
            forget_from_ms: 0,
            retire_from_ms: 0,
            work: Work::default(),
            woke: false,
        };
        store.begin()?;
        store.execute("UPDATE total SET starts = starts + 1", [])?;
        store.put_back(1)?;
        store.commit()?;
        Ok(store)
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        self.woke = false;
        self.execute("BEGIN", []).map(drop)
    }

    /// Makes the transaction durable: synced when this returns.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.books.save(&self.connection)?;
        self.execute("COMMIT", []).map(drop)
    }

    /// Undoes the transaction; SQLite may have done so itself already.
    pub(super) fn roll_back(&mut self) -> Result<()> {
        if !self.connection.is_autocommit() {
            self.execute("ROLLBACK", [])?;
        }
        self.books = Books::load(&self.connection)?;
        self.forget_from_ms = 0;
        self.retire_from_ms = 0;
        Ok(())
    }

    /// Entries were admitted before. The outer error is the file's, the inner one a refusal.
    pub(super) fn append(
        &mut self,
        entries: &[NewEntry],
    ) -> Result<Result<Vec<Appended>, AppendError>> {
        if let Some(first) = entries.first() {
            self.sweep(first.accepted_at_ms)?;
        }
        let bytes: u64 = entries.iter().map(NewEntry::bytes).sum();
        if self.room_for(bytes, entries.len() as u64).is_err() {
            // Duplicates need no room; to look for them is worth it only here.
            let (mut bytes, mut events) = (0, 0);
            for entry in entries {
                if !self.knows(&entry.id)? {
                    bytes += entry.bytes();
                    events += 1;
                }
            }
            if let Err(full) = self.room_for(bytes, events) {
                return Ok(Err(full));
            }
        }
        let appended: Result<_> = entries.iter().map(|entry| self.append_one(entry)).collect();
        appended.map(Ok)
    }

    fn room_for(&self, bytes: u64, events: u64) -> Result<(), AppendError> {
        let (held, max) = (self.books.bytes, self.config.bytes_max);
        if held + bytes > max {
            return Err(AppendError::full(held, bytes, Limit::Bytes(max)));
        }
        let (held, max) = (self.books.events, self.config.entries_max);
        if held + events > max {
            return Err(AppendError::full(held, events, Limit::Entries(max)));
        }
        Ok(())
    }

    fn knows(&self, id: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM known WHERE id = ?1";
        self.connection.prepare_cached(sql)?.exists([id])
    }

    fn append_one(&mut self, entry: &NewEntry) -> Result<Appended> {
        let pairs = entry.endpoints.len();
        let forget_at_ms =
            (pairs == 0).then(|| forget_at_ms(entry.accepted_at_ms, self.config.dedupe));
        let sql = "INSERT INTO known VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let known = params![entry.id, pairs as i64, forget_at_ms.map(to_sql)];
        if self.execute(sql, known)? == 0 {
            return Ok(Appended::Duplicate);
        }
        if let Some(forget_at_ms) = forget_at_ms {
            self.remembered(forget_at_ms);
            return Ok(Appended::Stored);
        }
        self.books.last_seq += 1;
        let seq = self.books.last_seq;
        self.execute(
            "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                seq,
                entry.id,
                to_sql(entry.accepted_at_ms),
                to_sql(entry.bytes()),
                entry.hook,
                entry.dialect,
                entry.lane,
                entry.operation_id,
                entry.body.as_ref(),
            ],
        )?;
        self.books.bytes += entry.bytes();
        self.books.events += 1;
        for name in &entry.endpoints {
            let endpoint = self.books.number_or_new(name);
            self.append_pair(endpoint, seq, entry)?;
        }
        Ok(Appended::Stored)
    }

    /// A new pair is ready; whether its lane is free is found out by `claim`.
    fn append_pair(&mut self, endpoint: i64, seq: i64, entry: &NewEntry) -> Result<()> {
        self.woke = true;
        let accepted_at_ms = to_sql(entry.accepted_at_ms);
        self.execute(
            "INSERT INTO pair VALUES (?1, ?2, 0, 0, ?3, ?4, 0, 0, 0, '', 0)",
            params![endpoint, seq, accepted_at_ms, entry.lane],
        )?;
        let counts = self.books.counts(endpoint);
        counts.accepted += 1;
        counts.pending += 1;
        Ok(())
    }

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
    /// The others are set waiting, so that each is looked at only once.
    fn free(&self, endpoint: i64, limit: usize) -> Result<Vec<(u64, i64)>> {
        let sql = "SELECT seq, accepted_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND place = 0 AND place < 3 AND due_at_ms = 0 AND seq > ?2
            ORDER BY seq LIMIT 1";
        let mut next = self.connection.prepare_cached(sql)?;
        let mut free = Vec::new();
        let mut lanes = HashSet::new();
        let mut last = 0;
        let mut waiting = 0;
        while free.len() < limit && waiting < WAITING_MAX {
            let found: Option<(i64, i64, String)> = next
                .query_row(params![endpoint, last], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            let Some((seq, accepted_at_ms, lane)) = found else {
                break;
            };
            last = seq;
            if lane.is_empty() || asked(Fault::LaneRace) {
                free.push((from_sql(accepted_at_ms), seq));
            } else if lanes.contains(&lane) || self.is_busy(endpoint, &lane)? {
                waiting += 1;
                self.set_place(endpoint, seq, 3)?;
            } else {
                free.push((from_sql(accepted_at_ms), seq));
                lanes.insert(lane);
            }
        }
        Ok(free)
    }

    /// Whether a pair of the lane is in flight or a retry: the lane waits for its end.
    ///
    /// Invariant: of a lane that is not busy, the first pair is ready.
    fn is_busy(&self, endpoint: i64, lane: &str) -> Result<bool> {
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

    fn claim_one(&self, endpoint: i64, name: &str, seq: i64) -> Result<Due> {
        let sql = "UPDATE pair SET place = 1, attempts = attempts + 1, claims = claims + 1
            WHERE endpoint = ?1 AND seq = ?2 RETURNING attempts, claims, crashes, replays";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (attempt, claim, crashes, replays) = statement
            .query_row(params![endpoint, seq], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
        let sql = "SELECT id, accepted_at_ms, hook, dialect, lane, operation_id, body
            FROM event WHERE seq = ?1";
        self.connection
            .prepare_cached(sql)?
            .query_row([seq], |row| {
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
                    lane: row.get(4)?,
                    operation_id: row.get(5)?,
                    body: Bytes::from(row.get::<_, Vec<u8>>(6)?),
                    endpoint: name.to_owned(),
                    attempt,
                    crashes,
                    replays,
                })
            })
    }

    pub(super) fn settle(
        &mut self,
        settlements: &[(EntryKey, Settlement)],
        now_ms: u64,
    ) -> Result<()> {
        for (key, settlement) in settlements {
            self.settle_one(*key, settlement, now_ms)?;
        }
        self.sweep(now_ms)
    }

    fn settle_one(&mut self, key: EntryKey, settlement: &Settlement, now_ms: u64) -> Result<()> {
        let sql = "SELECT lane, attempts, replays, due_at_ms FROM pair
            WHERE endpoint = ?1 AND seq = ?2 AND claims = ?3 AND place = 1";
        let found: Option<(String, i64, i64, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![key.endpoint, key.seq, key.claim], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((lane, attempts, replays, due_at_ms)) = found else {
            return Ok(());
        };
        self.books.counts(key.endpoint).in_flight -= 1;
        match settlement {
            Settlement::Release => self.release(key, &lane, due_at_ms),
            Settlement::Retry {
                due_at_ms,
                reason,
                counts,
            } => self.retry(key, *due_at_ms, reason, attempts - i64::from(!counts)),
            Settlement::Dead { reason, answer } => {
                self.books.counts(key.endpoint).dead += 1;
                let retire_at_ms = forget_at_ms(now_ms, self.config.dead_keep);
                self.retire_from_ms = self.retire_from_ms.min(retire_at_ms);
                self.execute(
                    "INSERT INTO dead VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        key.endpoint,
                        key.seq,
                        attempts,
                        to_sql(now_ms),
                        cut(reason),
                        replays,
                        cut(answer)
                    ],
                )?;
                self.remove(key.endpoint, key.seq, &lane)
            }
            Settlement::Delivered => {
                self.books.counts(key.endpoint).delivered += 1;
                self.remove(key.endpoint, key.seq, &lane)?;
                self.end_pair(key.seq, now_ms).map(drop)
            }
            Settlement::Discarded { reason } => {
                self.discard_pair(key.endpoint, key.seq, &lane, reason, now_ms)
            }
        }
    }

    fn discard_pair(
        &mut self,
        endpoint: i64,
        seq: i64,
        lane: &str,
        reason: &str,
        now_ms: u64,
    ) -> Result<()> {
        self.books.counts(endpoint).discarded += 1;
        self.remove(endpoint, seq, lane)?;
        let id = self.end_pair(seq, now_ms)?;
        note_discarded(&self.books.endpoints[&endpoint].name, &id, reason);
        Ok(())
    }

    /// Ends pending pairs that are not in flight, the oldest first.
    pub(super) fn discard_pending(
        &mut self,
        name: &str,
        reason: &str,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64> {
        let Some(endpoint) = self.books.number(name) else {
            return Ok(0);
        };
        let in_flight = self.books.counts(endpoint).in_flight as usize;
        let sql = "SELECT seq, lane, place FROM pair WHERE endpoint = ?1 ORDER BY seq LIMIT ?2";
        let limit_rows = to_sql((limit + in_flight) as u64);
        let rows: Vec<(i64, String, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_map(params![endpoint, limit_rows], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_>>()?;
        let mut discarded = 0;
        for (seq, lane, place) in rows {
            if place != 1 && discarded < limit as u64 {
                self.discard_pair(endpoint, seq, &lane, reason, now_ms)?;
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    pub(super) fn set_health(&mut self, name: &str, health: &Health) {
        if let Some(endpoint) = self.books.number(name) {
            self.books.set_health(endpoint, health.clone());
        }
    }

    fn release(&mut self, key: EntryKey, lane: &str, due_at_ms: i64) -> Result<()> {
        self.woke = true;
        let sql = "UPDATE pair SET attempts = attempts - 1, place = ?3
            WHERE endpoint = ?1 AND seq = ?2";
        let is_retry = due_at_ms > 0;
        let place = if is_retry { 2 } else { 0 };
        self.execute(sql, params![key.endpoint, key.seq, place])?;
        if is_retry {
            return Ok(());
        }
        self.let_pass(key.endpoint, key.seq, lane)
    }

    fn retry(&mut self, key: EntryKey, due_at_ms: u64, reason: &str, attempts: i64) -> Result<()> {
        // A sleeper may have looked while the pair was in flight, and know of no due time.
        self.woke = true;
        let sql = "UPDATE pair SET place = 2, due_at_ms = ?3, reason = ?4, attempts = ?5
            WHERE endpoint = ?1 AND seq = ?2";
        let due_at_ms = to_sql(due_at_ms.max(1));
        let values = params![key.endpoint, key.seq, due_at_ms, cut(reason), attempts];
        self.execute(sql, values).map(drop)
    }

    /// Takes out a pair that has ended; the next of its lane becomes ready.
    fn remove(&mut self, endpoint: i64, seq: i64, lane: &str) -> Result<()> {
        self.books.counts(endpoint).pending -= 1;
        let sql = "DELETE FROM pair WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![endpoint, seq])?;
        // A waiting pair that was discarded leaves a busy lane behind.
        if lane.is_empty() || self.is_busy(endpoint, lane)? {
            return Ok(());
        }
        if let Some(next) = self.first_waiting(endpoint, lane, i64::MAX)? {
            self.woke = true;
            self.set_place(endpoint, next, 0)?;
        }
        Ok(())
    }

    /// One pair of the event has ended for good; the last one takes the event with it.
    pub(super) fn end_pair(&mut self, seq: i64, now_ms: u64) -> Result<String> {
        let sql = "SELECT id, bytes FROM event WHERE seq = ?1";
        let (id, bytes): (String, i64) = self
            .connection
            .prepare_cached(sql)?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let forget_at_ms = forget_at_ms(now_ms, self.config.dedupe);
        let sql = "UPDATE known SET pairs = pairs - 1,
            forget_at_ms = CASE WHEN pairs = 1 THEN ?2 END
            WHERE id = ?1 RETURNING pairs";
        let pairs: i64 = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![id, to_sql(forget_at_ms)], |row| row.get(0))?;
        if pairs == 0 {
            self.execute("DELETE FROM event WHERE seq = ?1", [seq])?;
            self.books.bytes -= from_sql(bytes);
            self.books.events -= 1;
            self.remembered(forget_at_ms);
        }
        Ok(id)
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }
}
