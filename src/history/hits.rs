//! How many messages each entry of a list hit of late.
//!
//! Counted hour by hour while somebody asks, for as long as one waits for a page, and kept: what
//! was counted is not read again. The newest files come first.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Serialize;

use super::catalog::{Segment, Series};
use super::id::at_us;
use super::reading::{HistoryError, name, names, read};
use super::shared::Shared;

/// How long one answer goes on counting.
const TIME_MAX: Duration = Duration::from_millis(400);
/// Matches between two looks at the clock.
const LOOKS_EVERY: usize = 1_024;
/// Hours of entries that are kept; some 16 MiB.
const HOURS_KEPT_MAX: usize = 500_000;
const HOUR_US: u64 = 3_600_000_000;
const DAY_HOURS: u64 = 24;
const WEEK_HOURS: u64 = 7 * DAY_HOURS;

/// Messages that an entry hit, each once however often it stands in it; those in which it was
/// shadow are apart. In whole hours: the day is what of the last 24 hours is over, and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    pub day: u64,
    /// In the last seven days.
    pub week: u64,
    pub shadow_day: u64,
    pub shadow_week: u64,
}

/// Hits of some entries, in the order that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitsFound {
    pub hits: Vec<Hits>,
    /// What was decided since then is counted, in microseconds since 1970: a week, or as long as
    /// there is a history, or as far as there was time.
    pub since_us: u64,
}

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct HitCounts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// By list and hash of the entry.
    lists: HashMap<String, HashMap<i64, Vec<Hour>>>,
    hours: usize,
    /// Up to which id a file was counted.
    to: HashMap<PathBuf, i64>,
}

/// Messages that an entry hit in one hour since 1970.
#[derive(Clone, Copy, Debug)]
struct Hour {
    hour: u64,
    plain: u32,
    shadow: u32,
}

impl HitCounts {
    /// Of entries by their hashes. Blocks for the disk.
    pub(super) fn of(
        &self,
        shared: &Shared,
        list: &str,
        entries: &[u64],
    ) -> Result<HitsFound, HistoryError> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since_us = counted.go_on(shared)?;
        let hour = shared.now_us() / HOUR_US;
        let found = counted.lists.get(list);
        let hits = entries.iter().map(|entry| {
            let hours = found.and_then(|found| found.get(&(*entry as i64)));
            let mut hits = Hits::default();
            for one in hours.into_iter().flatten() {
                hits.add(*one, hour);
            }
            hits
        });
        Ok(HitsFound {
            hits: hits.collect(),
            since_us,
        })
    }

    /// As if a file had said so.
    #[cfg(test)]
    pub(super) fn tell(&self, list: &str, entry: i64, hour: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.hit(list, entry, hour, false);
    }

    /// Some of what was counted is not in the files any more.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Counted::default();
    }
}

impl Hits {
    fn add(&mut self, one: Hour, now: u64) {
        let (plain, shadow) = (u64::from(one.plain), u64::from(one.shadow));
        if one.hour + WEEK_HOURS >= now {
            self.week += plain;
            self.shadow_week += shadow;
        }
        if one.hour + DAY_HOURS >= now {
            self.day += plain;
            self.shadow_day += shadow;
        }
    }
}

impl Counted {
    /// Counts what came since the last time; says since when all is counted.
    fn go_on(&mut self, shared: &Shared) -> Result<u64, HistoryError> {
        let started = Instant::now();
        let now_us = shared.now_us();
        let week_us = now_us.saturating_sub(WEEK_HOURS * HOUR_US);
        // What is behind it is being written.
        let settled = shared.written_to.load(Ordering::Acquire);
        self.drop_older(week_us / HOUR_US);
        let mut since_us = now_us;
        for segment in shared.catalog.all() {
            if segment.series != Series::Decisions || at_us(segment.last) < week_us {
                continue;
            }
            let to = segment.last.min(settled);
            let is_whole = self.count(&segment, to, started)?;
            if !is_whole {
                // All that is behind this file was counted before it.
                return Ok(since_us.max(at_us(segment.last).min(now_us)));
            }
            since_us = since_us.min(at_us(segment.first)).max(week_us);
        }
        Ok(since_us)
    }

    /// Whether there was time, and room, for all of it.
    fn count(
        &mut self,
        segment: &Segment,
        to: i64,
        started: Instant,
    ) -> Result<bool, HistoryError> {
        let from = self.to.get(&segment.path).copied();
        let from = from.unwrap_or(segment.first - 1);
        if from >= to {
            return Ok(true);
        }
        if started.elapsed() > TIME_MAX {
            return Ok(false);
        }
        let counted = read(segment, |db| self.add(db, from, to, started))?;
        // A file that was deleted meanwhile has no more.
        let reached = counted.unwrap_or(to);
        self.to.insert(segment.path.clone(), reached);
        Ok(reached >= to)
    }

    /// Up to which id there was time.
    fn add(
        &mut self,
        db: &Connection,
        from: i64,
        to: i64,
        started: Instant,
    ) -> rusqlite::Result<i64> {
        let names = names(db)?;
        let mut query = db.prepare(
            "SELECT decision, list, entry, action FROM matches \
             WHERE decision > ?1 AND decision <= ?2 ORDER BY decision",
        )?;
        let mut lines = query.query([from, to])?;
        let shadow = names.iter().find(|(_, name)| *name == "shadow");
        let shadow = shadow.map(|(id, _)| *id);
        let (mut decision, mut looked) = (from, 0);
        let mut seen: Vec<(i64, i64)> = Vec::new();
        while let Some(line) = lines.next()? {
            let of: i64 = line.get(0)?;
            if of != decision {
                looked += 1;
                let is_time_up = looked % LOOKS_EVERY == 0 && started.elapsed() > TIME_MAX;
                if is_time_up || self.hours >= HOURS_KEPT_MAX {
                    return Ok(decision);
                }
                decision = of;
                seen.clear();
            }
            let found = (line.get(1)?, line.get(2)?);
            if seen.contains(&found) {
                continue;
            }
            seen.push(found);
            let is_shadow = Some(line.get(3)?) == shadow;
            self.hit(
                &name(&names, found.0),
                found.1,
                at_us(of) / HOUR_US,
                is_shadow,
            );
        }
        Ok(to)
    }

    fn hit(&mut self, list: &str, entry: i64, hour: u64, is_shadow: bool) {
        if !self.lists.contains_key(list) {
            self.lists.insert(list.to_owned(), HashMap::new());
        }
        let Some(entries) = self.lists.get_mut(list) else {
            return;
        };
        let hours = entries.entry(entry).or_default();
        let at = hours.iter().rposition(|one| one.hour == hour);
        let at = at.unwrap_or_else(|| {
            self.hours += 1;
            hours.push(Hour {
                hour,
                plain: 0,
                shadow: 0,
            });
            hours.len() - 1
        });
        match is_shadow {
            true => hours[at].shadow += 1,
            false => hours[at].plain += 1,
        }
    }

    /// Lets go of what no answer has any more.
    fn drop_older(&mut self, hour: u64) {
        for entries in self.lists.values_mut() {
            entries.retain(|_, hours| {
                hours.retain(|one| one.hour >= hour);
                !hours.is_empty()
            });
        }
        self.lists.retain(|_, entries| !entries.is_empty());
        let entries = self.lists.values().flat_map(HashMap::values);
        self.hours = entries.map(Vec::len).sum();
    }
}
