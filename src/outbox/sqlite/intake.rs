//! Accepting events: one row for each, and what it counts.

use rusqlite::{Result, params};

use super::ids::digest;
use super::store::Store;
use super::to_sql;
use crate::outbox::entry::{Appended, NewEntry};
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::rules::forget_at_ms;

impl Store {
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
                if !self.knows(digest(&entry.id))? {
                    bytes += entry.bytes();
                    events += 1;
                }
            }
            if let Err(full) = self.room_for(bytes, events) {
                return Ok(Err(full));
            }
        }
        let mut appended = Vec::with_capacity(entries.len());
        let mut rows = Vec::with_capacity(entries.len());
        for entry in entries {
            let digest = digest(&entry.id);
            if self.knows(digest)? {
                appended.push(Appended::Duplicate);
                continue;
            }
            appended.push(Appended::Stored);
            if entry.endpoints.is_empty() {
                let forget_at_ms = forget_at_ms(entry.accepted_at_ms, self.config.dedupe);
                self.books.remembered_ids += 1;
                self.ids.accept_ended(digest, forget_at_ms);
                continue;
            }
            self.ids.accept(digest);
            let seq = self.books.add_event(entry);
            rows.push((seq, self.books.add_pairs(seq, entry), entry));
        }
        self.insert(&rows)?;
        self.woke |= !rows.is_empty();
        Ok(Ok(appended))
    }

    fn insert(&self, rows: &[(i64, String, &NewEntry)]) -> Result<()> {
        let sql = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut event = self.connection.prepare_cached(sql)?;
        for (seq, endpoints, entry) in rows {
            event.execute(params![
                seq,
                entry.id,
                to_sql(entry.accepted_at_ms),
                to_sql(entry.bytes()),
                entry.hook,
                entry.dialect,
                entry.lane,
                entry.operation_id,
                entry.body.as_ref(),
                endpoints,
            ])?;
            if let pairs @ 2.. = entry.endpoints.len() {
                let sql = "INSERT INTO share VALUES (?1, ?2)";
                self.execute(sql, params![seq, pairs as i64])?;
            }
        }
        Ok(())
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
}
