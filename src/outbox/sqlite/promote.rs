//! Pairs without rows: read into the windows, and given a row when something holds them up.

use std::sync::Arc;

use rusqlite::{Result, params};

use super::event::Stored;
use super::ids::digest;
use super::number::{from_sql, to_sql};
use super::store::Store;
use super::window::{Item, Window};

/// Events that are looked at at once, those of other endpoints included.
pub(super) const PROMOTE_MAX: i64 = 4096;
/// Pairs and bytes of bodies that are read at once, a body more or less.
const READ_MAX: u64 = if cfg!(test) { 2 } else { 128 };
const READ_BYTES_MAX: usize = 1 << 20;
/// Pairs that get a row in one call because the window is full of such that wait.
const SPILL_MAX: usize = 256;

impl Store {
    /// Reads pairs into the window until so many can be claimed, or there are no more. Says how many
    /// got a row instead of a place.
    pub(super) fn refill(&mut self, endpoint: i64, wanted: usize, now_ms: u64) -> Result<usize> {
        let mut spilled = 0;
        while spilled < SPILL_MAX
            && let Some(from) = self.window(endpoint, |window| window.unread(wanted))
        {
            spilled += self.read_some(endpoint, from, now_ms)?;
        }
        Ok(spilled)
    }

    /// Reads until the window has the first of all pairs without a row.
    pub(super) fn refill_if_empty(&mut self, endpoint: i64, now_ms: u64) -> Result<()> {
        while let Some(from) = self.window(endpoint, |window| window.unread_if_empty()) {
            self.read_some(endpoint, from, now_ms)?;
        }
        Ok(())
    }

    /// Says how many got a row instead of a place in the window.
    fn read_some(&mut self, endpoint: i64, from: i64, now_ms: u64) -> Result<usize> {
        let known = self.windows().len(endpoint);
        // A damaged list of endpoints must not make more pairs than were accepted.
        let limit = (self.counters.unlisted(endpoint).saturating_sub(known)).min(READ_MAX);
        let to = self.committed_seq.min(from + PROMOTE_MAX);
        let (found, whole) = self.unlisted(endpoint, from, to, limit)?;
        let to = match (limit, found.last()) {
            (0, _) => self.committed_seq,
            (_, Some(last)) if !whole => last.seq,
            _ => to,
        };
        let mut spilled = 0;
        for stored in found {
            let sound = stored.sound;
            let item = item_of(stored);
            // With the same lock: whoever ends the last of the key sees that it has rows.
            let spills = |window: &mut Window| {
                let spills = window.is_full() && window.has_key(&item.entry.ordering_key);
                window.has_rows |= spills;
                spills
            };
            if sound && !self.window(endpoint, spills) {
                self.window(endpoint, |window| window.add(item));
                continue;
            }
            spilled += 1;
            self.window(endpoint, |window| window.has_rows = true);
            self.insert_row(endpoint, &item, if sound { 3 } else { 0 })?;
            if !sound {
                self.bury_damaged(endpoint, item.seq, &item.entry.id, now_ms)?;
            }
        }
        let complete = to >= self.committed_seq;
        self.window(endpoint, |window| window.read_to(to, complete));
        Ok(spilled)
    }

    /// Pairs without rows in a range of places, the last included, and whether that is all of it.
    fn unlisted(
        &self,
        endpoint: i64,
        from: i64,
        to: i64,
        limit: u64,
    ) -> Result<(Vec<Stored>, bool)> {
        let sql = "SELECT seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body,
            endpoints, checksum FROM event WHERE seq > ?1 AND seq <= ?2 AND instr(endpoints, ?3)
            AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.endpoint = ?4 AND pair.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.endpoint = ?4 AND dead.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM done WHERE done.seq = event.seq AND done.endpoint = ?4)
            ORDER BY seq LIMIT ?5";
        let mut statement = self.connection.prepare_cached(sql)?;
        let name = format!(" {endpoint} ");
        let mut rows = statement.query(params![from, to, name, endpoint, to_sql(limit)])?;
        let mut found = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let stored = Stored::read(row)?;
            bytes += stored.entry.body.len();
            found.push(stored);
            if bytes >= READ_BYTES_MAX {
                return Ok((found, false));
            }
        }
        let whole = (found.len() as u64) < limit;
        Ok((found, whole))
    }

    /// Gives a pair of the window a row, in flight if it is.
    pub(super) fn give_row(&mut self, endpoint: i64, seq: i64) -> Result<()> {
        let Some((item, in_flight)) = self.windows().leave(endpoint, seq) else {
            return Ok(());
        };
        self.insert_row(endpoint, &item, i64::from(in_flight))?;
        self.counters.counts(endpoint).in_flight += u64::from(in_flight);
        Ok(())
    }

    /// A row for a pair that has none, in a place; one in flight has used up its attempt.
    pub(super) fn insert_row(&mut self, endpoint: i64, item: &Item, place: i64) -> Result<()> {
        let sql = "INSERT INTO pair VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, 0, '', 0)";
        let values = params![
            endpoint,
            item.seq,
            place,
            to_sql(item.entry.accepted_at_ms),
            item.entry.ordering_key,
            i64::from(place == 1),
            item.claims,
        ];
        self.execute(sql, values)?;
        self.counters.got_row(endpoint);
        Ok(())
    }
}

/// What the window keeps of a stored event.
fn item_of(stored: Stored) -> Item {
    Item {
        seq: stored.seq,
        digest: digest(&stored.entry.id),
        bytes: from_sql(stored.bytes),
        shared: stored.numbers.split_ascii_whitespace().nth(1).is_some(),
        claims: 0,
        entry: Arc::new(stored.entry),
    }
}
