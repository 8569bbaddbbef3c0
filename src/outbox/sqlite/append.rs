//! Accepting events: one row for each, and what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Result, params};

use super::counters::{Counters, Pairs};
use super::event::checksum_of;
use super::ids::digest;
use super::number::to_sql;
use super::store::Store;
use super::window::Item;
use crate::outbox::entry::{Appended, NewEntry};
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::rules::{NO_ROOM, forget_at_ms};

/// An event that is new.
struct Row<'a> {
    seq: i64,
    entry: &'a NewEntry,
    pairs: Pairs,
}

impl Store {
    /// Entries were admitted before. The outer error is the file's, the inner one a refusal.
    pub(super) fn append(
        &mut self,
        entries: &[NewEntry],
    ) -> Result<Result<Vec<Appended>, AppendError>> {
        if let Some(first) = entries.first() {
            self.sweep(first.accepted_at_ms)?;
        }
        let repeats = self.repeats(entries)?;
        let new = entries.iter().zip(&repeats);
        let new: Vec<&NewEntry> = new
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
    fn append_new(&mut self, entries: &[&NewEntry]) -> Result<Result<Vec<Appended>, AppendError>> {
        let bytes: u64 = entries.iter().map(|entry| entry.bytes()).sum();
        if self.is_short(bytes, entries) {
            self.record_delivered()?;
        }
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
        let full = match self.full_endpoints(entries)? {
            Ok(full) => full,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut appended = Vec::with_capacity(entries.len());
        let mut rows = Vec::with_capacity(entries.len());
        for &entry in entries {
            if self.knows(&entry.id)? {
                appended.push(Appended::Duplicate);
                continue;
            }
            appended.push(Appended::Stored);
            let digest = digest(&entry.id);
            if entry.endpoints.is_empty() {
                let forget_at_ms = forget_at_ms(entry.accepted_at_ms, self.config.dedupe);
                self.counters.remembered_ids += 1;
                self.ids.accept_ended(digest, forget_at_ms);
                continue;
            }
            let seq = self.counters.add_event(entry);
            self.ids.accept(seq, digest);
            let pairs = self.counters.add_pairs(seq, entry, &full);
            rows.push(Row { seq, entry, pairs });
        }
        self.woke |= !rows.is_empty();
        self.insert(&rows)?;
        self.feed(&rows);
        for row in &rows {
            for &endpoint in &row.pairs.without_room {
                let at_ms = row.entry.accepted_at_ms;
                self.record_discarded(endpoint, row.seq, NO_ROOM, at_ms)?;
            }
        }
        Ok(Ok(appended))
    }

    /// Whether there is too little room, unless something was delivered meanwhile.
    fn is_short(&self, bytes: u64, entries: &[&NewEntry]) -> bool {
        let max = self.config.endpoint_bytes_max;
        self.room_for(bytes, entries.len() as u64).is_err()
            || !without_room(entries.iter().copied(), &self.counters, max).is_empty()
    }

    /// The endpoints that have no room for their part of a call. An event for such alone refuses
    /// the call.
    fn full_endpoints<'a>(
        &mut self,
        entries: &[&'a NewEntry],
    ) -> Result<Result<BTreeSet<&'a str>, AppendError>> {
        let max = self.config.endpoint_bytes_max;
        if without_room(entries.iter().copied(), &self.counters, max).is_empty() {
            return Ok(Ok(BTreeSet::new()));
        }
        // To look for duplicates is worth it only here.
        let mut new = Vec::with_capacity(entries.len());
        for &entry in entries {
            if !self.knows(&entry.id)? {
                new.push(entry);
            }
        }
        let full = without_room(new.iter().copied(), &self.counters, max);
        for entry in new {
            let first = entry.endpoints.first();
            let mut endpoints = entry.endpoints.iter();
            if let Some(name) = first
                && endpoints.all(|name| full.contains(name.as_str()))
            {
                let limit = Limit::EndpointBytes(max, name.clone());
                let held = self.counters.bytes_of(name);
                return Ok(Err(AppendError::full(held, entry.bytes(), limit)));
            }
        }
        Ok(Ok(full))
    }

    fn insert(&self, rows: &[Row<'_>]) -> Result<()> {
        let sql = "INSERT INTO event VALUES
            (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let mut event = self.connection.prepare_cached(sql)?;
        for Row { seq, entry, pairs } in rows {
            event.execute(params![
                seq,
                entry.id,
                to_sql(entry.accepted_at_ms),
                to_sql(entry.bytes()),
                entry.hook,
                entry.dialect,
                entry.ordering_key,
                entry.operation_id,
                entry.body.as_ref(),
                pairs.endpoints,
                checksum_of(*seq, entry, &pairs.endpoints),
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
        for Row { seq, entry, pairs } in rows {
            let entry = Arc::new((*entry).clone());
            for number in pairs.numbers() {
                let item = Item {
                    seq: *seq,
                    digest: digest(&entry.id),
                    bytes: entry.bytes(),
                    shared: pairs.count > 1,
                    claims: 0,
                    entry: Arc::clone(&entry),
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
}

/// The endpoints for which some events are too many bytes.
fn without_room<'a>(
    entries: impl Iterator<Item = &'a NewEntry>,
    counters: &Counters,
    max: u64,
) -> BTreeSet<&'a str> {
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        for name in &entry.endpoints {
            *bytes.entry(name).or_default() += entry.bytes();
        }
    }
    let over = |(name, more): (&'a str, u64)| {
        let held = counters.bytes_of(name);
        (held + more > max).then_some(name)
    };
    bytes.into_iter().filter_map(over).collect()
}
