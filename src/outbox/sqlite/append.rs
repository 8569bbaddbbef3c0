//! Accepting events: one row for each, and what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Result, params};

use super::counters::Pairs;
use super::event::checksum_of;
use super::incoming::Incoming;
use super::number::to_sql;
use super::store::Store;
use super::window::Item;
use crate::outbox::entry::Appended;
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::rules::{NO_ROOM, forget_at_ms};

/// An event that is new.
struct Row<'a> {
    seq: i64,
    of: &'a Incoming,
    pairs: Pairs,
}

impl Store {
    /// Entries were admitted before. The outer error is the file's, the inner one a refusal.
    pub(super) fn append(
        &mut self,
        entries: &[Incoming],
    ) -> Result<Result<Vec<Appended>, AppendError>> {
        if let Some(first) = entries.first() {
            self.sweep(first.entry.accepted_at_ms)?;
        }
        let repeats = self.repeats(entries)?;
        let new = entries.iter().zip(&repeats);
        let new: Vec<&Incoming> = new
            .filter(|(_, repeat)| !**repeat)
            .map(|(entry, _)| entry)
            .collect();
        let appended = match self.append_new(&new)? {
            Ok(appended) => appended,
            Err(refused) => return Ok(Err(refused)),
        };
        self.note_latest(entries, &repeats)?;
        let mut appended = appended.into_iter();
        let of = |repeat: bool| match repeat {
            true => Some(Appended::Duplicate),
            false => appended.next(),
        };
        Ok(Ok(repeats.into_iter().filter_map(of).collect()))
    }

    /// Of entries that repeat nothing of their series.
    fn append_new(&mut self, entries: &[&Incoming]) -> Result<Result<Vec<Appended>, AppendError>> {
        let bytes: u64 = entries.iter().map(|new| new.bytes).sum();
        if self.is_short(bytes, entries) {
            self.record_delivered()?;
        }
        if self.room_for(bytes, entries.len() as u64).is_err() {
            // Duplicates need no room; to look for them is worth it only here.
            let (mut bytes, mut events) = (0, 0);
            for new in entries {
                if !self.knows(new.digest)? {
                    bytes += new.bytes;
                    events += 1;
                }
            }
            if let Err(full) = self.room_for(bytes, events) {
                return Ok(Err(full));
            }
        }
        let full = match self.full_endpoints(entries)? {
            Ok(full) => full,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut appended = Vec::with_capacity(entries.len());
        let mut rows = Vec::with_capacity(entries.len());
        for &new in entries {
            let Incoming { entry, digest, .. } = new;
            if self.knows(*digest)? {
                appended.push(Appended::Duplicate);
                continue;
            }
            appended.push(Appended::Stored);
            if entry.endpoints.is_empty() {
                let forget_at_ms = forget_at_ms(entry.accepted_at_ms, self.config.dedupe);
                self.counters.remembered_ids += 1;
                self.ids.accept_ended(*digest, forget_at_ms);
                continue;
            }
            let seq = self.counters.add_event(new.bytes);
            self.ids.accept(seq, *digest);
            let pairs = self.counters.add_pairs(seq, entry, new.bytes, &full);
            rows.push(Row {
                seq,
                of: new,
                pairs,
            });
        }
        self.woke |= !rows.is_empty();
        self.insert(&rows)?;
        self.feed(&rows);
        for row in &rows {
            for &endpoint in &row.pairs.without_room {
                let at_ms = row.of.entry.accepted_at_ms;
                self.record_discarded(endpoint, row.seq, NO_ROOM, at_ms)?;
            }
        }
        Ok(Ok(appended))
    }

    /// Whether there is too little room, unless something was delivered meanwhile.
    fn is_short(&self, bytes: u64, entries: &[&Incoming]) -> bool {
        self.room_for(bytes, entries.len() as u64).is_err()
            || !self.without_room(entries).is_empty()
    }

    /// The endpoints that have no room for their part of a call. An event for such alone refuses
    /// the call.
    fn full_endpoints<'a>(
        &mut self,
        entries: &[&'a Incoming],
    ) -> Result<Result<BTreeSet<&'a str>, AppendError>> {
        if self.without_room(entries).is_empty() {
            return Ok(Ok(BTreeSet::new()));
        }
        // To look for duplicates is worth it only here.
        let mut new = Vec::with_capacity(entries.len());
        for &entry in entries {
            if !self.knows(entry.digest)? {
                new.push(entry);
            }
        }
        let max = self.config.endpoint_bytes_max;
        let full = self.without_room(&new);
        for Incoming { entry, bytes, .. } in new {
            let first = entry.endpoints.first();
            let mut endpoints = entry.endpoints.iter();
            if let Some(name) = first
                && endpoints.all(|name| full.contains(name.as_str()))
            {
                let limit = Limit::EndpointBytes(max, name.clone());
                let held = self.counters.bytes_of(name);
                return Ok(Err(AppendError::full(held, *bytes, limit)));
            }
        }
        Ok(Ok(full))
    }

    fn insert(&self, rows: &[Row<'_>]) -> Result<()> {
        let sql = "INSERT INTO event VALUES
            (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let mut event = self.connection.prepare_cached(sql)?;
        for Row { seq, of, pairs } in rows {
            let entry = &of.entry;
            event.execute(params![
                seq,
                entry.id,
                to_sql(entry.accepted_at_ms),
                to_sql(of.bytes),
                entry.hook,
                entry.dialect,
                entry.ordering_key,
                entry.operation_id,
                entry.body.as_ref(),
                pairs.endpoints,
                checksum_of(*seq, &of.sum, &pairs.endpoints),
            ])?;
            if pairs.count > 1 {
                let sql = "INSERT INTO share VALUES (?1, ?2)";
                self.execute(sql, params![seq, pairs.count])?;
            }
        }
        Ok(())
    }

    /// Has the windows told of the pairs once they are committed.
    fn feed(&mut self, rows: &[Row<'_>]) {
        for Row { seq, of, pairs } in rows {
            for number in pairs.numbers() {
                let item = Item {
                    seq: *seq,
                    digest: of.digest,
                    bytes: of.bytes,
                    shared: pairs.count > 1,
                    claims: 0,
                    entry: Arc::clone(&of.entry),
                };
                self.fed.push((number, item));
            }
        }
    }

    fn room_for(&self, bytes: u64, events: u64) -> Result<(), AppendError> {
        let (held, max) = (self.counters.bytes, self.config.bytes_max);
        if held + bytes > max {
            return Err(AppendError::full(held, bytes, Limit::Bytes(max)));
        }
        let (held, max) = (self.counters.events, self.config.entries_max);
        if held + events > max {
            return Err(AppendError::full(held, events, Limit::Entries(max)));
        }
        Ok(())
    }

    /// The endpoints for which some events are too many bytes.
    fn without_room<'a>(&self, entries: &[&'a Incoming]) -> BTreeSet<&'a str> {
        let max = self.config.endpoint_bytes_max;
        let over = |name: &str, more: u64| self.counters.bytes_of(name) + more > max;
        let names = || entries.iter().flat_map(|new| &new.entry.endpoints);
        // Most often there is room for all of them, whatever is for whom.
        let all = entries.iter().map(|new| new.bytes).sum();
        if !names().any(|name| over(name, all)) {
            return BTreeSet::new();
        }
        let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
        for new in entries {
            for name in &new.entry.endpoints {
                *bytes.entry(name).or_default() += new.bytes;
            }
        }
        let over = |(name, more)| over(name, more).then_some(name);
        bytes.into_iter().filter_map(over).collect()
    }
}
