//! Taking pairs in flight: those that have a row, and those that the endpoint has yet to look at.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Result, params};

use super::event::{Stored, lossy};
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::entry::{Capacity, EntryKey, StoredEvent};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::{GAP_MAX, longest_due};

/// Ready pairs that one claim sets waiting at the most; the next claim goes on.
const WAITING_MAX: usize = 256;

impl Store {
    pub(super) fn claim(
        &mut self,
        name: &str,
        now_ms: u64,
        capacity: &Capacity,
    ) -> Result<Vec<StoredEvent>> {
        self.sweep(now_ms)?;
        let Some(endpoint) = self.counters.number(name) else {
            return Ok(Vec::new());
        };
        let mut claimed = Vec::new();
        // When all that was chosen is damaged, what is behind it is looked for at once.
        while claimed.is_empty() {
            let ready = self.free(endpoint, capacity.pairs)?;
            let retry = self.retries(endpoint, now_ms, capacity.retries.min(capacity.pairs))?;
            let chosen = longest_due(&ready, &retry, capacity.pairs);
            if chosen.is_empty() {
                break;
            }
            for seq in chosen {
                claimed.extend(self.claim_one(endpoint, name, seq, now_ms)?);
            }
        }
        for head in 0..claimed.len() {
            let left = capacity.pairs.saturating_sub(claimed.len());
            let limit = capacity.behind(&claimed[head]).min(left);
            for seq in self.behind(&claimed[head], limit)? {
                claimed.extend(self.claim_one(endpoint, name, seq, now_ms)?);
            }
        }
        self.counters.counts(endpoint).in_flight += claimed.len() as u64;
        Ok(claimed)
    }

    /// Ready pairs whose ordering keys are free, with the times of their acceptance, in its order.
    /// The others are set waiting, so that each is tried only once.
    fn free(&mut self, endpoint: i64, limit: usize) -> Result<Vec<(u64, i64)>> {
        let mut free = Vec::new();
        let mut ordering_keys = HashSet::new();
        let mut last = 0;
        let mut waiting = 0;
        while free.len() < limit && waiting < WAITING_MAX {
            let Some((seq, accepted_at_ms, ordering_key)) = self.next_ready(endpoint, last)? else {
                if self.promote(endpoint, limit - free.len())? == 0 {
                    break;
                }
                continue;
            };
            last = seq;
            if ordering_key.is_empty() || asked(Fault::KeyRace) {
                free.push((accepted_at_ms, seq));
            } else if ordering_keys.contains(&ordering_key)
                || self.is_busy(endpoint, &ordering_key)?
            {
                waiting += 1;
                self.set_place(endpoint, seq, 3)?;
            } else {
                free.push((accepted_at_ms, seq));
                ordering_keys.insert(ordering_key);
            }
        }
        Ok(free)
    }

    /// The first ready pair with a row behind a place: with its time of acceptance and its
    /// ordering key.
    fn next_ready(&self, endpoint: i64, after: i64) -> Result<Option<(i64, u64, String)>> {
        let sql = "SELECT seq, accepted_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND place = 0 AND place < 3 AND due_at_ms = 0 AND seq > ?2
            ORDER BY seq LIMIT 1";
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after], |row| {
                Ok((row.get(0)?, from_sql(row.get(1)?), lossy(row, 2)?))
            })
            .optional()
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

    /// The pairs behind the first of an ordering key that can go with it: of its hook, not tried
    /// before, and nothing between them.
    fn behind(&self, head: &StoredEvent, limit: usize) -> Result<Vec<i64>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let EntryKey { endpoint, seq, .. } = head.key;
        let sql =
            "SELECT pair.seq, attempts, hook FROM pair CROSS JOIN event ON event.seq = pair.seq
            WHERE endpoint = ?1 AND pair.lane = ?2 AND pair.lane <> '' AND place = 3
            AND pair.seq > ?3 AND pair.seq < coalesce((SELECT min(seq) FROM pair
                WHERE endpoint = ?1 AND lane = ?2 AND lane <> '' AND place < 3 AND seq > ?3), ?4)
            ORDER BY pair.seq LIMIT ?5";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = to_sql(limit as u64);
        let values = params![endpoint, head.ordering_key, seq, i64::MAX, limit];
        let mut rows = statement.query(values)?;
        let mut behind = Vec::new();
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(1)? > 0 || lossy(row, 2)? != head.hook {
                break;
            }
            behind.push(row.get(0)?);
        }
        Ok(behind)
    }

    /// Dead letters of the ordering key that were accepted before a pair of it, as far as they are
    /// counted.
    fn gap(&self, endpoint: i64, seq: i64, ordering_key: &str) -> Result<u64> {
        if self.counters.endpoints[&endpoint].counts.dead == 0 || ordering_key.is_empty() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM (SELECT 1 FROM dead
            WHERE endpoint = ?1 AND lane = ?2 AND lane <> '' AND seq < ?3 LIMIT ?4)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let count = statement.query_row(
            params![endpoint, ordering_key, seq, GAP_MAX as i64],
            |row| row.get(0),
        )?;
        Ok(from_sql(count))
    }

    /// Takes a pair in flight; `None` when its event is not what was accepted, and the pair dead.
    fn claim_one(
        &mut self,
        endpoint: i64,
        name: &str,
        seq: i64,
        now_ms: u64,
    ) -> Result<Option<StoredEvent>> {
        let stored = Stored::find(&self.connection, seq)?;
        if !stored.sound {
            self.bury_damaged(endpoint, seq, &stored.entry.id, now_ms)?;
            return Ok(None);
        }
        let entry = stored.entry;
        let sql = "UPDATE pair SET place = 1, attempts = attempts + 1, claims = claims + 1
            WHERE endpoint = ?1 AND seq = ?2 RETURNING attempts, claims, crashes, replays, lane";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (attempt, claim, crashes, replays, ordering_key) =
            statement.query_row(params![endpoint, seq], |row| {
                let ordering_key = lossy(row, 4)?;
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    ordering_key,
                ))
            })?;
        drop(statement);
        let gap = self.gap(endpoint, seq, &ordering_key)?;
        Ok(Some(StoredEvent {
            key: EntryKey {
                endpoint,
                seq,
                claim,
            },
            id: entry.id,
            accepted_at_ms: entry.accepted_at_ms,
            hook: entry.hook,
            dialect: entry.dialect,
            out_of_order: ordering_key != entry.ordering_key,
            ordering_key: entry.ordering_key,
            operation_id: entry.operation_id,
            body: entry.body,
            endpoint: name.to_owned(),
            attempt,
            crashes,
            replays,
            number: from_sql(seq),
            gap,
        }))
    }
}
