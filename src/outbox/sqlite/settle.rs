//! Ending pairs, and putting them back.

use rusqlite::{OptionalExtension, Result, params};

use super::dead::Letter;
use super::event::lossy;
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::entry::{EntryKey, Settlement};
use crate::outbox::rules::cut;

impl Store {
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
        let ordering_key = self.window(key.endpoint, |window| window.key_in_flight(&key));
        if let Some(ordering_key) = ordering_key {
            match settlement {
                Settlement::Delivered => {
                    self.windows().deliver(&key, now_ms);
                    return self.go_on(key.endpoint, &ordering_key);
                }
                Settlement::Release => {
                    let ready = self.windows().release(&key);
                    self.woke |= ready;
                    return self.go_on(key.endpoint, &ordering_key);
                }
                _ => self.give_row(key.endpoint, key.seq)?,
            }
        }
        // In the order of their ends.
        self.record_delivered()?;
        let sql = "SELECT lane, attempts, replays, due_at_ms FROM pair
            WHERE endpoint = ?1 AND seq = ?2 AND claims = ?3 AND place = 1";
        let found: Option<(String, i64, i64, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![key.endpoint, key.seq, key.claim], |row| {
                Ok((lossy(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((ordering_key, attempts, replays, due_at_ms)) = found else {
            return Ok(());
        };
        self.counters.counts(key.endpoint).in_flight -= 1;
        match settlement {
            Settlement::Release => self.release(key, &ordering_key, due_at_ms),
            Settlement::Retry {
                due_at_ms,
                reason,
                counts,
                out_of_order,
            } => {
                let waits_for = match out_of_order {
                    true => "",
                    false => &ordering_key,
                };
                let attempts = attempts - i64::from(!counts);
                self.retry(key, waits_for, *due_at_ms, reason, attempts)?;
                match out_of_order {
                    true => self.leave_order(key, &ordering_key),
                    false => Ok(()),
                }
            }
            Settlement::Dead { reason, answer } => {
                let letter = Letter {
                    attempts,
                    replays,
                    reason,
                    answer,
                };
                self.bury(key.endpoint, key.seq, &ordering_key, &letter, now_ms)
            }
            Settlement::Delivered => {
                self.counters.counts(key.endpoint).delivered += 1;
                self.remove(key.endpoint, key.seq, &ordering_key)?;
                self.end_pair(key.endpoint, key.seq, now_ms)
            }
            Settlement::Discarded { reason } => {
                self.discard_pair(key.endpoint, key.seq, &ordering_key, reason, now_ms)
            }
        }
    }

    fn discard_pair(
        &mut self,
        endpoint: i64,
        seq: i64,
        ordering_key: &str,
        reason: &str,
        now_ms: u64,
    ) -> Result<()> {
        self.record_discarded(endpoint, seq, reason, now_ms)?;
        self.remove(endpoint, seq, ordering_key)?;
        self.end_pair(endpoint, seq, now_ms)
    }

    /// Ends pending pairs that are not in flight, the oldest first.
    pub(super) fn discard_pending(
        &mut self,
        name: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64> {
        let Some(endpoint) = self.counters.number(name) else {
            return Ok(0);
        };
        let mut discarded = 0;
        let mut after = 0;
        while discarded < limit as u64 {
            self.refill_if_empty(endpoint, now_ms)?;
            let row = self.next_idle(endpoint, after)?;
            let item = self.window(endpoint, |window| {
                window.next_waiting(0).map(|item| {
                    let entry = &item.entry;
                    (item.seq, entry.accepted_at_ms, entry.ordering_key.clone())
                })
            });
            let is_item = match (&row, &item) {
                (Some(row), Some(item)) => item.0 < row.0,
                (_, item) => item.is_some(),
            };
            let Some((seq, accepted_at_ms, ordering_key)) = (if is_item { item } else { row })
            else {
                break;
            };
            if accepted_before_ms.is_some_and(|before_ms| accepted_at_ms >= before_ms) {
                break;
            }
            match is_item {
                true => self.give_row(endpoint, seq)?,
                false => after = seq,
            }
            self.discard_pair(endpoint, seq, &ordering_key, reason, now_ms)?;
            discarded += 1;
        }
        Ok(discarded)
    }

    /// The first pair with a row behind a place that is not in flight: with its time of acceptance
    /// and its ordering key.
    fn next_idle(&self, endpoint: i64, after: i64) -> Result<Option<(i64, u64, String)>> {
        let sql = "SELECT seq, accepted_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND seq > ?2 AND place <> 1 ORDER BY seq LIMIT 1";
        self.connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, after], |row| {
                Ok((row.get(0)?, from_sql(row.get(1)?), lossy(row, 2)?))
            })
            .optional()
    }

    fn release(&mut self, key: EntryKey, ordering_key: &str, due_at_ms: i64) -> Result<()> {
        self.woke = true;
        let sql = "UPDATE pair SET attempts = attempts - 1, place = ?3
            WHERE endpoint = ?1 AND seq = ?2";
        let place = match (due_at_ms > 0, ordering_key.is_empty()) {
            (true, _) => 2,
            (false, true) => 0,
            // Others of the ordering key may be in flight still.
            (false, false) => 3,
        };
        self.execute(sql, params![key.endpoint, key.seq, place])?;
        self.go_on(key.endpoint, ordering_key)
    }

    fn retry(
        &mut self,
        key: EntryKey,
        ordering_key: &str,
        due_at_ms: u64,
        reason: &str,
        attempts: i64,
    ) -> Result<()> {
        // A sleeper may have looked while the pair was in flight, and know of no due time.
        self.woke = true;
        let (place, due_at_ms) = match self.is_busy_before(key.endpoint, ordering_key, key.seq)? {
            true => (3, 0),
            false => (2, to_sql(due_at_ms.max(1))),
        };
        let sql = "UPDATE pair SET place = ?6, due_at_ms = ?3, reason = ?4, attempts = ?5
            WHERE endpoint = ?1 AND seq = ?2";
        let values = params![
            key.endpoint,
            key.seq,
            due_at_ms,
            cut(reason),
            attempts,
            place
        ];
        self.execute(sql, values).map(drop)
    }

    /// Makes retries due no later than these times, by the attempts that they used up.
    pub(super) fn bound_retries(&mut self, name: &str, latest_ms: &[u64]) -> Result<()> {
        let Some(endpoint) = self.counters.number(name) else {
            return Ok(());
        };
        self.woke = true;
        for (place, latest) in latest_ms.iter().enumerate() {
            // Before its first attempt counts, a pair has used up none.
            let from = if place == 0 { 0 } else { place as i64 + 1 };
            let to = match place + 1 == latest_ms.len() {
                true => i64::MAX,
                false => place as i64 + 1,
            };
            let sql = "UPDATE pair SET due_at_ms = ?2
                WHERE endpoint = ?1 AND place = 2 AND place < 3 AND due_at_ms > ?2
                AND attempts BETWEEN ?3 AND ?4";
            let latest = to_sql((*latest).max(1));
            self.execute(sql, params![endpoint, latest, from, to])?;
        }
        Ok(())
    }

    /// Takes a pair out of its ordering key, which goes on without it.
    fn leave_order(&mut self, key: EntryKey, ordering_key: &str) -> Result<()> {
        let sql = "UPDATE pair SET lane = '' WHERE endpoint = ?1 AND seq = ?2";
        self.execute(sql, params![key.endpoint, key.seq])?;
        self.go_on(key.endpoint, ordering_key)
    }
}
