//! Questions about the outbox that change nothing.

use rusqlite::{OptionalExtension, Result, Row, params};

use super::number::from_sql;
use super::store::Store;
use crate::outbox::entry::{EndpointStats, Stats};

impl Store {
    pub(super) fn next_due_ms(&self, name: &str) -> Result<Option<u64>> {
        let Some(endpoint) = self.counters.number(name) else {
            return Ok(None);
        };
        let sql = "SELECT 1 FROM pair WHERE endpoint = ?1 AND place = 0 AND place < 3 LIMIT 1";
        if self.counters.unpromoted(endpoint).is_some()
            || self.connection.prepare_cached(sql)?.exists([endpoint])?
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
            endpoints.push(EndpointStats {
                endpoint: counters.name.clone(),
                counts: counters.counts,
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
        let of = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let sql = "SELECT seq, accepted_at_ms FROM pair WHERE endpoint = ?1 ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut oldest: Option<(i64, i64)> = statement.query_row([endpoint], of).optional()?;
        if oldest.is_none()
            && let Some((from, name)) = self.counters.unpromoted(endpoint)
        {
            let sql = "SELECT seq, accepted_at_ms FROM event
                WHERE seq > ?1 AND instr(endpoints, ?2) ORDER BY seq LIMIT 1";
            let mut statement = self.connection.prepare_cached(sql)?;
            oldest = statement.query_row(params![from, name], of).optional()?;
        }
        let (opened_at_ms, last_seq) = self.opened;
        Ok(oldest.map(|(seq, at_ms)| match opened_at_ms {
            Some(opened_at_ms) if seq <= last_seq => from_sql(at_ms).min(opened_at_ms),
            _ => from_sql(at_ms),
        }))
    }
}
