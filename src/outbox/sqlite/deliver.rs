//! Recording what was delivered from memory: once for many pairs.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Result, params};

use super::claims_file::Record;
use super::event::lossy;
use super::ids::{Digest, digest};
use super::number::from_sql;
use super::store::Store;
use super::windows::Ended;

/// A pair without a row that was delivered.
struct Delivered {
    endpoint: i64,
    seq: i64,
    digest: Digest,
    bytes: u64,
    shared: bool,
    at_ms: u64,
}

impl Delivered {
    fn of(ended: &Ended) -> Delivered {
        Delivered {
            endpoint: ended.endpoint,
            seq: ended.item.seq,
            digest: ended.item.digest,
            bytes: ended.item.bytes,
            shared: ended.item.shared,
            at_ms: ended.at_ms,
        }
    }
}

impl Store {
    /// Records what was delivered since the last time.
    pub(super) fn record_delivered(&mut self) -> Result<()> {
        let mut windows = self.windows();
        let unswept_ms = windows.take_unswept_ms();
        let delivered: Vec<Delivered> = windows.record().map(Delivered::of).collect();
        let endpoints: BTreeSet<i64> = delivered.iter().map(|pair| pair.endpoint).collect();
        let done_to = |endpoint| (endpoint, windows.done_to(endpoint, self.committed_seq));
        let looked: Vec<(i64, i64)> = endpoints.into_iter().map(done_to).collect();
        drop(windows);
        let mut gone = Vec::with_capacity(delivered.len());
        for pair in &delivered {
            if self.end_without_row(pair)? {
                gone.push(pair.seq);
            }
        }
        gone.sort_unstable();
        for run in gone.chunk_by(|one, next| one + 1 == *next) {
            let sql = "DELETE FROM event WHERE seq >= ?1 AND seq <= ?2";
            self.execute(sql, params![run[0], run[run.len() - 1]])?;
        }
        for (endpoint, to) in looked {
            self.counters.looked(endpoint, to);
        }
        match unswept_ms {
            Some(now_ms) => self.sweep(now_ms),
            None => Ok(()),
        }
    }

    /// Counts a pair out; whether its event has none left and must go.
    fn end_without_row(&mut self, pair: &Delivered) -> Result<bool> {
        self.counters.delivered(pair.endpoint);
        self.counters.freed(pair.endpoint, pair.bytes);
        if pair.shared && self.leaves_for_others(pair.endpoint, pair.seq)? {
            return Ok(false);
        }
        self.end_event(pair.seq, pair.digest, pair.bytes, pair.at_ms);
        Ok(true)
    }

    /// Takes over what the process before noted of a claim, if the pair is as it was then.
    pub(super) fn take_over(&mut self, record: &Record) -> Result<()> {
        let Record { endpoint, seq, .. } = *record;
        let is_known = self.counters.endpoints.contains_key(&endpoint);
        if !is_known || seq <= self.counters.looked_to(endpoint) {
            return Ok(());
        }
        let sql = "SELECT id, bytes FROM event WHERE seq = ?1 AND instr(endpoints, ?2)
            AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.endpoint = ?3 AND pair.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.endpoint = ?3 AND dead.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM done WHERE done.seq = event.seq AND done.endpoint = ?3)";
        let found: Option<(String, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![seq, format!(" {endpoint} "), endpoint], |row| {
                Ok((lossy(row, 0)?, row.get(1)?))
            })
            .optional()?;
        let Some((id, bytes)) = found else {
            return Ok(());
        };
        let Some(at_ms) = record.delivered_at_ms else {
            return self.take_over_in_flight(record);
        };
        let pair = Delivered {
            endpoint,
            seq,
            digest: digest(&id),
            bytes: from_sql(bytes),
            shared: true,
            at_ms,
        };
        if self.end_without_row(&pair)? {
            self.execute("DELETE FROM event WHERE seq = ?1", [seq])?;
        }
        Ok(())
    }

    fn take_over_in_flight(&mut self, record: &Record) -> Result<()> {
        let sql = "INSERT INTO pair SELECT ?1, seq, 1, 0, accepted_at_ms, lane, 1, ?3, 0, '', 0
            FROM event WHERE seq = ?2";
        self.execute(sql, [record.endpoint, record.seq, record.claim])?;
        self.counters.got_row(record.endpoint);
        self.counters.counts(record.endpoint).in_flight += 1;
        Ok(())
    }
}
