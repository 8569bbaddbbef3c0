//! The ids that make a duplicate: of the events that are here, and of those that ended not long
//! ago.
//!
//! In the file their digests stand in the order of acceptance and of ending, many in a row, so
//! that keeping an id takes no page of its own, as it would in an index. What is asked is a set in
//! memory, made from them when the first event comes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use ring::digest::SHA256;
use rusqlite::{Connection, OptionalExtension, Params, Result, params};

use super::counters::Counters;
use super::event::lossy;
use super::number::{from_sql, to_sql};
use crate::outbox::rules::SWEEP_MAX;

/// What is kept of an id. Half of a SHA-256, so that no sender can make two that are equal; never 0.
pub(super) type Digest = u128;

const DIGEST_BYTES: usize = size_of::<Digest>();
/// Ids of events that are here and stand in no row of digests, so that one that is soon delivered
/// never does. They are few enough to be read from the events at a start.
const UNHELD_MAX: usize = if cfg!(test) { 5 } else { 1024 };
/// Ids in a row that is written again with every end of one of its events: less than a page.
const ROW_IDS_MAX: usize = 112;

/// The known ids, and what the open transaction changes about them.
#[derive(Default)]
pub(super) struct Ids {
    /// `None` until it is asked for.
    known: Option<HashSet<Digest, BuildHasherDefault<Taken>>>,
    /// Up to this event those that are here stand in rows; `None` until it is read.
    held_to: Option<i64>,
    /// Of those that are here behind it, as of the last commit.
    unheld: BTreeMap<i64, Digest>,
    /// Of the events accepted.
    accepted: Vec<(i64, Digest)>,
    /// Up to this event those that are here stand in rows once the transaction is committed.
    written_to: Option<i64>,
    /// The events that ended and stand in rows, and the others.
    gone: Vec<i64>,
    gone_unheld: Vec<i64>,
    /// Of events that ended, with the times until which they are remembered.
    ended: Vec<(u64, Digest)>,
    /// What the transaction did to the known ones, in its order: each id, and whether it was known
    /// before.
    undo: Vec<(Digest, bool)>,
    /// No id may be forgotten before this time.
    forget_from_ms: u64,
}

/// Digests are as good as hashes already.
#[derive(Default)]
pub(super) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only digests are in the set");
    }

    fn write_u128(&mut self, digest: Digest) {
        self.0 = digest as u64;
    }
}

pub(super) fn digest(id: &str) -> Digest {
    let hash = ring::digest::digest(&SHA256, id.as_bytes());
    let half = hash.as_ref()[..DIGEST_BYTES]
        .try_into()
        .expect("it is half of it");
    Digest::from_le_bytes(half).max(1)
}

pub(super) fn digests(bytes: &[u8]) -> impl Iterator<Item = Digest> {
    let (whole, _) = bytes.as_chunks();
    whole.iter().map(|bytes| Digest::from_le_bytes(*bytes))
}

pub(super) fn to_bytes(digests: impl Iterator<Item = Digest>) -> Vec<u8> {
    digests.flat_map(Digest::to_le_bytes).collect()
}

impl Ids {
    pub(super) fn begin(&mut self) {
        self.undo.clear();
    }

    /// An event that is here now.
    pub(super) fn accept(&mut self, seq: i64, digest: Digest) {
        self.accepted.push((seq, digest));
        self.add(digest);
    }

    /// An event is not here any more.
    pub(super) fn end(&mut self, seq: i64, digest: Digest, forget_at_ms: u64) {
        match self.held_to {
            Some(held_to) if seq > held_to => self.gone_unheld.push(seq),
            _ => self.gone.push(seq),
        }
        self.ended.push((forget_at_ms, digest));
        self.forget_from_ms = self.forget_from_ms.min(forget_at_ms);
    }

    /// An event that was accepted and has nothing left to do.
    pub(super) fn accept_ended(&mut self, digest: Digest, forget_at_ms: u64) {
        self.ended.push((forget_at_ms, digest));
        self.forget_from_ms = self.forget_from_ms.min(forget_at_ms);
        self.add(digest);
    }

    fn add(&mut self, digest: Digest) {
        self.undo.push((digest, false));
        if let Some(known) = &mut self.known {
            known.insert(digest);
        }
    }

    fn forget(&mut self, digest: Digest) {
        self.undo.push((digest, true));
        if let Some(known) = &mut self.known {
            known.remove(&digest);
        }
    }

    /// Undoes what the transaction has changed.
    pub(super) fn roll_back(&mut self) {
        let mut known = self.known.take();
        if let Some(known) = &mut known {
            for (digest, was_known) in self.undo.iter().rev() {
                match was_known {
                    true => known.insert(*digest),
                    false => known.remove(digest),
                };
            }
        }
        *self = Ids {
            known,
            held_to: self.held_to,
            unheld: std::mem::take(&mut self.unheld),
            ..Ids::default()
        };
    }

    /// The transaction is in the file.
    pub(super) fn committed(&mut self) {
        self.unheld.extend(self.accepted.drain(..));
        for seq in self.gone_unheld.drain(..) {
            self.unheld.remove(&seq);
        }
        if let Some(held_to) = self.written_to.take() {
            self.held_to = Some(held_to);
            self.unheld = self.unheld.split_off(&(held_to + 1));
        }
    }
}

impl Ids {
    /// Whether an event with this id is here, or ended not long ago.
    pub(super) fn knows(
        &mut self,
        digest: Digest,
        connection: &Connection,
        counters: &Counters,
    ) -> Result<bool> {
        if self.known.is_none() {
            self.write(connection)?;
            self.load(connection, counters)?;
        }
        let known = self.known.as_ref();
        Ok(known.is_some_and(|known| known.contains(&digest)))
    }

    fn load(&mut self, connection: &Connection, counters: &Counters) -> Result<()> {
        let count = counters.events + counters.remembered_ids;
        let mut known = HashSet::with_capacity_and_hasher(count as usize, Default::default());
        for sql in ["SELECT ids FROM held", "SELECT ids FROM ended"] {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let ids = row.get_ref(0)?.as_blob()?;
                known.extend(digests(ids).filter(|&digest| digest != 0));
            }
        }
        // The others stand in their events alone.
        let held_to = self.open(connection)?;
        let sql = "SELECT seq, id FROM event WHERE seq > ?1 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([held_to])?;
        while let Some(row) = rows.next()? {
            let digest = digest(&lossy(row, 1)?);
            known.insert(digest);
            self.unheld.insert(row.get(0)?, digest);
        }
        known.extend(self.accepted.iter().map(|(_, digest)| *digest));
        self.known = Some(known);
        Ok(())
    }

    /// Up to where events stand in rows; behind the last row none does.
    pub(super) fn open(&mut self, connection: &Connection) -> Result<i64> {
        if let Some(held_to) = self.held_to {
            return Ok(held_to);
        }
        let sql = "SELECT first, length(ids) FROM held ORDER BY first DESC LIMIT 1";
        let last: Option<(i64, i64)> = connection
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let held_to = last.map_or(0, |(first, bytes)| first + bytes / DIGEST_BYTES as i64 - 1);
        self.held_to = Some(held_to);
        Ok(held_to)
    }

    /// Puts ids into rows when those that stand in none are many; the newest stay without.
    pub(super) fn write_held(&mut self, connection: &Connection) -> Result<()> {
        // Until they were read, those of the process before are not known here.
        if self.known.is_none() || self.unheld.len() <= UNHELD_MAX {
            return Ok(());
        }
        let gone: BTreeSet<i64> = self.gone_unheld.iter().copied().collect();
        let here: Vec<(i64, Digest)> = self
            .unheld
            .iter()
            .map(|(seq, digest)| (*seq, *digest))
            .filter(|(seq, _)| !gone.contains(seq))
            .take(self.unheld.len() - UNHELD_MAX / 2)
            .collect();
        let mut left = here.as_slice();
        while let Some(&(first, _)) = left.first() {
            let end = first + ROW_IDS_MAX as i64;
            let (row, rest) = left.split_at(left.partition_point(|(seq, _)| *seq < end));
            let mut ids = vec![0; (row[row.len() - 1].0 - first + 1) as usize];
            for (seq, digest) in row {
                ids[(seq - first) as usize] = *digest;
            }
            let sql = "INSERT INTO held VALUES (?1, ?2)";
            execute(connection, sql, params![first, to_bytes(ids.into_iter())])?;
            left = rest;
        }
        if let Some((last, _)) = here.last() {
            self.written_to = Some(*last);
        }
        Ok(())
    }

    /// Writes what the transaction has changed; once for all of its calls.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<()> {
        self.write_gone(connection)?;
        let ended = std::mem::take(&mut self.ended);
        for together in ended.chunk_by(|one, next| one.0 == next.0) {
            let forget_at_ms = to_sql(together[0].0);
            let ids = to_bytes(together.iter().map(|&(_, digest)| digest));
            let sql = "INSERT INTO ended (forget_at_ms, ids) VALUES (?1, ?2)";
            execute(connection, sql, params![forget_at_ms, ids])?;
        }
        Ok(())
    }

    /// Takes ended events out of their rows; a row without any goes.
    fn write_gone(&mut self, connection: &Connection) -> Result<()> {
        let mut gone = std::mem::take(&mut self.gone);
        gone.sort_unstable();
        let mut left = gone.as_slice();
        while let Some(&seq) = left.first() {
            let sql = "SELECT first, ids FROM held WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
            let (first, mut ids): (i64, Vec<u8>) = connection
                .prepare_cached(sql)?
                .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let end = first + (ids.len() / DIGEST_BYTES) as i64;
            // One that is not there ends in a panic, not in a loop: the file is not what it must be.
            let here = left.partition_point(|&seq| seq < end);
            let (here, rest) = left.split_at(here.max(1));
            for seq in here {
                let from = (seq - first) as usize * DIGEST_BYTES;
                ids[from..from + DIGEST_BYTES].fill(0);
            }
            if ids.iter().all(|&byte| byte == 0) {
                execute(connection, "DELETE FROM held WHERE first = ?1", [first])?;
            } else {
                let sql = "UPDATE held SET ids = ?2 WHERE first = ?1";
                execute(connection, sql, params![first, ids])?;
            }
            left = rest;
        }
        Ok(())
    }

    /// Forgets some ids whose time has come, and some of those that are too many.
    pub(super) fn sweep(
        &mut self,
        connection: &Connection,
        counters: &mut Counters,
        max: u64,
        now_ms: u64,
    ) -> Result<()> {
        let too_many = |counters: &Counters| counters.remembered_ids.saturating_sub(max) as usize;
        if too_many(counters) == 0 && now_ms < self.forget_from_ms {
            return Ok(());
        }
        self.write(connection)?;
        let mut room = SWEEP_MAX;
        while room > 0 {
            let sql = "SELECT number, forget_at_ms, ids FROM ended ORDER BY number LIMIT 1";
            let first: Option<(i64, i64, Vec<u8>)> = connection
                .prepare_cached(sql)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((number, forget_at_ms, ids)) = first else {
                self.forget_from_ms = u64::MAX;
                break;
            };
            self.forget_from_ms = from_sql(forget_at_ms);
            let count = ids.len() / DIGEST_BYTES;
            let forgotten = match from_sql(forget_at_ms) <= now_ms {
                true => count,
                false => too_many(counters).min(count),
            };
            let forgotten = forgotten.min(room);
            if forgotten == 0 {
                break;
            }
            for digest in digests(&ids).take(forgotten) {
                self.forget(digest);
            }
            counters.remembered_ids -= forgotten as u64;
            room -= forgotten;
            if forgotten == count {
                execute(connection, "DELETE FROM ended WHERE number = ?1", [number])?;
            } else {
                let rest = &ids[forgotten * DIGEST_BYTES..];
                let sql = "UPDATE ended SET ids = ?2 WHERE number = ?1";
                execute(connection, sql, params![number, rest])?;
            }
        }
        Ok(())
    }
}

fn execute(connection: &Connection, sql: &str, values: impl Params) -> Result<usize> {
    connection.prepare_cached(sql)?.execute(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes of one transaction, `+id` and `-id`, and what is known after it was undone.
    fn check(before: &[Digest], changes: &[(char, Digest)]) {
        let mut ids = Ids {
            known: Some(before.iter().copied().collect()),
            ..Ids::default()
        };
        ids.begin();
        for &(change, digest) in changes {
            match change {
                '+' => ids.accept(1, digest),
                _ => ids.forget(digest),
            }
        }
        ids.roll_back();
        let mut known: Vec<Digest> = ids.known.unwrap().into_iter().collect();
        known.sort_unstable();
        assert_eq!(known, before, "{changes:?}");
    }

    /// An id that is known by mistake is an event that is lost.
    #[test]
    fn a_transaction_that_is_undone_leaves_the_ids_as_they_were() {
        check(&[1], &[('+', 2)]);
        check(&[1, 2], &[('-', 2)]);
        check(&[1], &[('+', 2), ('-', 2)]);
        check(&[1, 2], &[('-', 2), ('+', 2)]);
        check(&[1], &[('+', 2), ('-', 2), ('+', 2), ('-', 1)]);
    }
}
