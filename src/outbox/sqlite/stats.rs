//! Questions about the outbox that change nothing.

use rusqlite::{OptionalExtension, Result, params};

use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::entry::{EndpointStats, Stats};

impl Store {
    pub(super) fn next_due_ms(&self, name: &str) -> Result<Option<u64>> {
        let Some(endpoint) = self.counters.number(name) else {
            return Ok(None);
        };
        let sql = "SELECT 1 FROM pair WHERE endpoint = ?1 AND place = 0 AND place < 3 LIMIT 1";
        if self.window(endpoint, |window| {
            window.next_head(0).is_some() || window.unread(usize::MAX).is_some()
        }) || self.connection.prepare_cached(sql)?.exists([endpoint])?
        {
            return Ok(Some(0));
        }
        let retry = self.retries(endpoint, u64::MAX, 1)?;
        Ok(retry.first().map(|&(due_at_ms, _)| due_at_ms))
    }

    pub(super) fn endpoints(&self) -> Vec<String> {
        let pending = self.counters.endpoints.values();
        let pending = pending.filter(|counters| counters.counts.pending > 0);
        let mut names: Vec<String> = pending.map(|counters| counters.name.clone()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn stats(&self) -> Result<Stats> {
        let mut endpoints = Vec::with_capacity(self.counters.endpoints.len());
        for (number, counters) in &self.counters.endpoints {
            let mut counts = counters.counts;
            counts.in_flight += self.window(*number, |window| window.in_flight());
            endpoints.push(EndpointStats {
                endpoint: counters.name.clone(),
                counts,
                bytes: counters.bytes,
                oldest_pending_ms: self.oldest_pending_ms(*number)?,
                health: counters.health.clone(),
            });
        }
        endpoints.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Ok(Stats {
            endpoints,
            bytes: self.counters.bytes,
            entries: self.counters.events,
            remembered_ids: self.counters.remembered_ids,
            work: self.work,
        })
    }

    /// What was here when the file was opened is at least as old as that: the clock that it was
    /// accepted by may have been ahead of ours.
    fn oldest_pending_ms(&self, endpoint: i64) -> Result<Option<u64>> {
        let sql = "SELECT seq, accepted_at_ms FROM pair WHERE endpoint = ?1 ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = statement.query_row([endpoint], |row| Ok((row.get(0)?, row.get(1)?)));
        let row: Option<(i64, i64)> = row.optional()?;
        let (item, unread) = self.window(endpoint, |window| {
            let oldest = window.oldest();
            let oldest = oldest.map(|item| (item.seq, to_sql(item.entry.accepted_at_ms)));
            (oldest, window.unread_if_empty())
        });
        let item = match (item, unread) {
            (None, Some(from)) => self.first_unread(endpoint, from)?,
            (item, _) => item,
        };
        let oldest = row.into_iter().chain(item).min();
        let (opened_at_ms, last_seq) = self.opened;
        Ok(oldest.map(|(seq, at_ms)| match opened_at_ms {
            Some(opened_at_ms) if seq <= last_seq => from_sql(at_ms).min(opened_at_ms),
            _ => from_sql(at_ms),
        }))
    }
    /// The first pair without a row behind a place.
    fn first_unread(&self, endpoint: i64, from: i64) -> Result<Option<(i64, i64)>> {
        let sql = "SELECT seq, accepted_at_ms FROM event
            WHERE seq > ?1 AND instr(endpoints, ?2)
            AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.endpoint = ?3 AND pair.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.endpoint = ?3 AND dead.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM done WHERE done.seq = event.seq AND done.endpoint = ?3)
            ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let name = format!(" {endpoint} ");
        let first = statement.query_row(params![from, name, endpoint], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        first.optional()
    }
}
