//! The latest entries of series, which alone can be repeated.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result, params};

use super::ids::{Digest, digest, digests, to_bytes};
use super::incoming::Incoming;
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::entry::Series;
use crate::outbox::rules::{SWEEP_MAX, forget_at_ms};
use crate::outbox::series;

impl Store {
    /// For each entry, whether it repeats the latest ones of its series.
    pub(super) fn repeats(&self, entries: &[Incoming]) -> Result<Vec<bool>> {
        let mut repeats = vec![false; entries.len()];
        for (name, of) in by_series(entries) {
            let latest = self.latest(name, entries[of[0].0].entry.accepted_at_ms)?;
            let again = series::repeats(&latest, &lines(&of));
            for ((place, _), again) in of.into_iter().zip(again) {
                repeats[place] = again;
            }
        }
        Ok(repeats)
    }

    /// The lines of the latest call that was about a series, as long as they can be repeated.
    fn latest(&self, name: &str, now_ms: u64) -> Result<Vec<Digest>> {
        let sql = "SELECT lines FROM latest WHERE series = ?1 AND forget_at_ms > ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found: Option<Vec<u8>> = statement
            .query_row(params![number_of(name), to_sql(now_ms)], |row| row.get(0))
            .optional()?;
        Ok(found.map_or_else(Vec::new, |lines| digests(&lines).collect()))
    }

    /// Notes what the entries of an accepted call say; one that only repeats says nothing.
    pub(super) fn note_latest(&mut self, entries: &[Incoming], repeats: &[bool]) -> Result<()> {
        for (name, of) in by_series(entries) {
            if of.iter().all(|(place, _)| repeats[*place]) {
                continue;
            }
            let (place, last) = of[of.len() - 1];
            let forget_at_ms = forget_at_ms(entries[place].entry.accepted_at_ms, last.within);
            self.latest_from_ms = self.latest_from_ms.min(forget_at_ms);
            let lines = to_bytes(series::kept(lines(&of)).into_iter());
            self.execute(
                "INSERT OR REPLACE INTO latest VALUES (?1, ?2, ?3)",
                params![number_of(name), to_sql(forget_at_ms), lines],
            )?;
        }
        Ok(())
    }

    /// Forgets some of those that cannot be repeated any more.
    pub(super) fn sweep_latest(&mut self, now_ms: u64) -> Result<()> {
        if now_ms < self.latest_from_ms {
            return Ok(());
        }
        let sql = "DELETE FROM latest WHERE series IN (SELECT series FROM latest
            WHERE forget_at_ms <= ?1 ORDER BY forget_at_ms LIMIT ?2)";
        let gone = self.execute(sql, params![to_sql(now_ms), SWEEP_MAX as i64])?;
        if gone < SWEEP_MAX {
            let sql = "SELECT forget_at_ms FROM latest ORDER BY forget_at_ms LIMIT 1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let first = statement.query_row([], |row| row.get(0)).optional()?;
            self.latest_from_ms = first.map_or(u64::MAX, from_sql);
        }
        Ok(())
    }
}

fn by_series(entries: &[Incoming]) -> BTreeMap<&str, Vec<(usize, &Series)>> {
    series::by_series(entries.iter().map(|new| &*new.entry))
}

fn lines(of: &[(usize, &Series)]) -> Vec<Digest> {
    of.iter().map(|(_, series)| digest(&series.line)).collect()
}

/// A series as a number; half of its digest, so that no two are met that are equal.
fn number_of(name: &str) -> i64 {
    digest(name) as i64
}
