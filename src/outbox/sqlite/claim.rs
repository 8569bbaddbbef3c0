//! Taking pairs in flight: those that have a row, and those that the endpoint has yet to look at.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, Result, params};

use super::event::{Stored, lossy};
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::entry::{Capacity, EntryKey, StoredEvent};
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::{GAP_MAX, longest_due};

/// Ready pairs that one claim sets waiting at the most; the next claim goes on.
const WAITING_MAX: usize = 256;

/// A pair that is ready.
struct Ready {
    seq: i64,
    /// When it was accepted.
    at_ms: u64,
    key: String,
}

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
        self.refill(endpoint, capacity.pairs, now_ms)?;
        let mut claimed = Vec::new();
        // When all that was chosen is damaged, what is behind it is looked for at once.
        while claimed.is_empty() {
            let ready = self.free(endpoint, capacity.pairs, now_ms)?;
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
        Ok(claimed)
    }

    /// Ready pairs whose ordering keys are free, with the times of their acceptance, in its order.
    /// The others are set waiting, so that each is tried only once.
    fn free(&mut self, endpoint: i64, limit: usize, now_ms: u64) -> Result<Vec<(u64, i64)>> {
        let mut free = Vec::new();
        let mut ordering_keys = HashSet::new();
        // Of the pairs with rows, and of the others.
        let (mut last_row, mut last_head) = (0, 0);
        let mut waiting = 0;
        while free.len() < limit && waiting < WAITING_MAX {
            let row = self.next_ready(endpoint, last_row)?;
            let head = self.next_head(endpoint, last_head);
            let is_row = match (&row, &head) {
                (Some(row), Some(head)) => row.seq < head.seq,
                (row, _) => row.is_some(),
            };
            let Some(ready) = (if is_row { row } else { head }) else {
                // Some of the heads were none.
                if self
                    .window(endpoint, |window| window.unread(limit))
                    .is_none()
                {
                    break;
                }
                waiting += self.refill(endpoint, limit, now_ms)?;
                continue;
            };
            let Ready { seq, at_ms, key } = ready;
            let last = if is_row {
                &mut last_row
            } else {
                &mut last_head
            };
            *last = seq;
            if key.is_empty() || asked(Fault::KeyRace) {
                free.push((at_ms, seq));
            } else if ordering_keys.contains(&key) || !self.is_first(endpoint, seq, &key, is_row)? {
                waiting += 1;
                match is_row {
                    true => self.set_place(endpoint, seq, 3)?,
                    false => self.window(endpoint, |window| window.block(&key)),
                }
            } else {
                free.push((at_ms, seq));
                ordering_keys.insert(key);
            }
        }
        Ok(free)
    }

    /// Whether nothing of its ordering key goes before a ready pair.
    fn is_first(&self, endpoint: i64, seq: i64, key: &str, is_row: bool) -> Result<bool> {
        if !is_row {
            let has_rows = self.counters.has_rows(endpoint);
            return Ok(!has_rows || !self.is_held_by_rows(endpoint, key, seq)?);
        }
        let earlier = self.window(endpoint, |window| window.first_waiting(key));
        Ok(earlier.is_none_or(|earlier| earlier > seq) && !self.is_busy(endpoint, key)?)
    }

    /// The first pair of the window behind a place that is ready as far as the window knows.
    fn next_head(&self, endpoint: i64, after: i64) -> Option<Ready> {
        self.window(endpoint, |window| {
            window.next_head(after).map(|item| Ready {
                seq: item.seq,
                at_ms: item.entry.accepted_at_ms,
                key: item.entry.ordering_key.clone(),
            })
        })
    }

    /// The first ready pair with a row behind a place.
    fn next_ready(&self, endpoint: i64, after: i64) -> Result<Option<Ready>> {
        if !self.counters.has_rows(endpoint) {
            return Ok(None);
        }
        let sql = "SELECT seq, accepted_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND place = 0 AND place < 3 AND due_at_ms = 0 AND seq > ?2
            ORDER BY seq LIMIT 1";
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after], |row| {
                Ok(Ready {
                    seq: row.get(0)?,
                    at_ms: from_sql(row.get(1)?),
                    key: lossy(row, 2)?,
                })
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
        if !self.counters.has_rows(endpoint) {
            return Ok(Vec::new());
        }
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
        let rows = self.rows_behind(endpoint, &head.ordering_key, seq, limit)?;
        let items: Vec<(i64, bool)> = self.window(endpoint, |window| {
            let behind = window.behind(&head.ordering_key, seq).take(limit);
            behind
                .map(|(seq, hook)| (seq, hook == Some(&head.hook)))
                .collect()
        });
        let mut behind: Vec<(i64, bool)> = rows
            .into_iter()
            .map(|(seq, hook)| (seq, hook.as_ref() == Some(&head.hook)))
            .chain(items)
            .collect();
        behind.sort_unstable();
        let run = behind.into_iter().take_while(|(_, fits)| *fits);
        Ok(run.take(limit).map(|(seq, _)| seq).collect())
    }

    /// Pairs with rows behind a place of an ordering key, with the hooks of those that wait and
    /// were not tried before.
    fn rows_behind(
        &self,
        endpoint: i64,
        ordering_key: &str,
        seq: i64,
        limit: usize,
    ) -> Result<Vec<(i64, Option<String>)>> {
        if !self.counters.has_rows(endpoint) {
            return Ok(Vec::new());
        }
        let waiting = "SELECT pair.seq, attempts, hook
            FROM pair CROSS JOIN event ON event.seq = pair.seq
            WHERE endpoint = ?1 AND pair.lane = ?2 AND pair.lane <> '' AND place = 3
            AND pair.seq > ?3 ORDER BY pair.seq LIMIT ?4";
        let mut statement = self.connection.prepare_cached(waiting)?;
        let limit = to_sql(limit as u64);
        let rows = statement.query_map(params![endpoint, ordering_key, seq, limit], |row| {
            let hook = lossy(row, 2)?;
            Ok((row.get(0)?, (row.get::<_, i64>(1)? == 0).then_some(hook)))
        })?;
        let mut behind = rows.collect::<Result<Vec<_>>>()?;
        // One that does not wait ends the run.
        for place in 0..3 {
            let sql = "SELECT seq FROM pair WHERE endpoint = ?1 AND lane = ?2 AND lane <> ''
                AND place = ?4 AND place < 3 AND seq > ?3 ORDER BY seq LIMIT 1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let other = statement
                .query_row(params![endpoint, ordering_key, seq, place], |row| {
                    row.get(0)
                })
                .optional()?;
            behind.extend(other.map(|seq| (seq, None)));
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
        let key = self.window(endpoint, |window| window.waiting_key(seq));
        if let Some(key) = key {
            let gap = self.gap(endpoint, seq, &key)?;
            return Ok(self.windows().take_for_now(endpoint, seq, gap));
        }
        let stored = Stored::find(&self.connection, seq)?;
        if !stored.sound {
            self.bury_damaged(endpoint, seq, &stored.entry.id, now_ms)?;
            return Ok(None);
        }
        let entry = stored.entry;
        let sql = "UPDATE pair SET place = 1, attempts = attempts + 1, claims = claims + 1
            WHERE endpoint = ?1 AND seq = ?2 RETURNING attempts, claims, crashes, replays, lane";
        let mut statement = self.connection.prepare_cached(sql)?;
        let claimed = statement.query_row(params![endpoint, seq], |row| {
            let ordering_key = lossy(row, 4)?;
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                ordering_key,
            ))
        });
        // One of the window may have been claimed meanwhile.
        let Some((attempt, claim, crashes, replays, ordering_key)) = claimed.optional()? else {
            return Ok(None);
        };
        drop(statement);
        self.counters.counts(endpoint).in_flight += 1;
        let gap = self.gap(endpoint, seq, &ordering_key)?;
        Ok(Some(StoredEvent {
            key: EntryKey {
                endpoint,
                seq,
                claim,
            },
            out_of_order: ordering_key != entry.ordering_key,
            entry: Arc::new(entry),
            endpoint: name.into(),
            attempt,
            crashes,
            replays,
            number: from_sql(seq),
            gap,
        }))
    }
}
