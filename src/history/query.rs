//! Finding decisions, and counting them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;
use serde::Serialize;

use super::catalog::{Segment, Series};
use super::conditions::{Conditions, Filter};
use super::id::{DecisionId, at_us, number_of};
use super::reading::{HistoryError, Span, decisions, name, names, read, unsigned};
use super::record::PlacedText;
use super::row::Row;
use super::sealing::Keys;
use super::settings::TextLevel;
use super::shared::Shared;

/// A search that takes longer ends with what it has, and says how far it came.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Decisions, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Where the next page begins; `None`: that was all.
    pub next: Option<String>,
    /// Where more was found or time was up: everything since then was looked at. Microseconds.
    pub searched_to_us: Option<u64>,
    /// Some of the rows stand for others.
    pub is_sampled: bool,
}

/// How many decisions there were of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Counted {
    /// Seconds since 1970, where a span of time begins.
    pub from_s: u64,
    pub hook: String,
    pub outcome: String,
    /// `None`: all; otherwise those in which this list matched.
    pub list: Option<String>,
    pub version: u64,
    pub count: u64,
}

/// Exact numbers, oldest first.
pub type Counts = Vec<Counted>;

impl Shared {
    /// Decisions behind `cursor`, or the newest.
    pub(super) fn find(
        &self,
        filter: &Filter,
        cursor: Option<i64>,
        rows_max: usize,
    ) -> Result<Page, HistoryError> {
        let started = Instant::now();
        let sought = filter.conditions(self.ids.get());
        let mut below = cursor.unwrap_or(i64::MAX);
        if let Some(to) = filter.to_us {
            below = below.min(number_of(to));
        }
        let above = filter.from_us.map_or(i64::MIN, number_of);
        let span = Span {
            above,
            below,
            unsettled: self.unsettled(),
            oldest_first: false,
        };
        let mut rows: Vec<Row> = Vec::new();
        let mut searched_to = None;
        for segment in self.segments(above, below) {
            let is_done = rows.len() > rows_max && rows[rows_max].id.number > segment.last;
            if is_done {
                break;
            }
            if started.elapsed() > TIME_MAX {
                searched_to = Some(segment.last.saturating_add(1).min(below));
                break;
            }
            let found = read(&segment, |db| decisions(db, &sought, span, rows_max + 1))?;
            rows.extend(found.unwrap_or_default());
            rows.sort_by_key(|row| std::cmp::Reverse(row.id));
            rows.truncate(rows_max + 1);
        }
        let has_more = rows.len() > rows_max;
        rows.truncate(rows_max);
        let last = rows.last().map(|row| row.id.number).filter(|_| has_more);
        let next = last.or(searched_to);
        Ok(Page {
            is_sampled: rows.iter().any(|row| row.weight > 1),
            next: next.map(cursor_text),
            searched_to_us: next.map(at_us),
            rows,
        })
    }

    /// The next ones after an id, up to a limit: the newest first, and the oldest of them when there
    /// are more.
    pub(super) fn newer(
        &self,
        filter: &Filter,
        after: i64,
        rows_max: usize,
    ) -> Result<Vec<Row>, HistoryError> {
        let sought = filter.conditions(self.ids.get());
        let above = filter.from_us.map_or(i64::MIN, number_of);
        let span = Span {
            above: above.max(after.saturating_add(1)),
            below: filter.to_us.map_or(i64::MAX, number_of),
            unsettled: self.unsettled(),
            oldest_first: true,
        };
        let mut rows: Vec<Row> = Vec::new();
        let segments = self.segments(span.above, span.below);
        for segment in segments.into_iter().rev() {
            let has_all = rows.len() >= rows_max;
            if has_all && rows.last().is_some_and(|row| row.id.number < segment.first) {
                continue;
            }
            let found = read(&segment, |db| decisions(db, &sought, span, rows_max))?;
            rows.extend(found.unwrap_or_default());
            rows.sort_by_key(|row| row.id);
            rows.truncate(rows_max);
        }
        rows.reverse();
        Ok(rows)
    }

    /// What is being written at this moment, so that nobody who goes on from the newest row misses
    /// one before it.
    fn unsettled(&self) -> (i64, i64) {
        let written_to = self.written_to.load(Ordering::Acquire);
        (written_to, number_of(self.now_us()))
    }

    pub(super) fn decision(&self, id: DecisionId) -> Result<Option<Row>, HistoryError> {
        let all = Conditions::default();
        for segment in self.segments(id.number, id.number + 1) {
            let span = Span::one(id.number);
            let found = read(&segment, |db| decisions(db, &all, span, 1))?;
            let found = found.unwrap_or_default().pop();
            if found.as_ref().is_some_and(|row| row.id == id) {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The texts of a decision, while they are kept.
    pub(super) fn texts(&self, id: DecisionId) -> Result<Option<Vec<PlacedText>>, HistoryError> {
        match self.settings.texts {
            TextLevel::None => Ok(None),
            TextLevel::Memory => {
                let kept = self.recent.find(id, self.now_us());
                Ok(kept.map(|kept| kept.texts.clone()))
            }
            TextLevel::Sealed => {
                let keys = Keys::new(&self.settings.folder);
                for segment in self.segments(id.number, id.number + 1) {
                    let sealed = read(&segment, |db| {
                        let query = "SELECT sealed FROM texts WHERE decision = ?1";
                        db.query_row(query, [id.number], |row| row.get::<_, Vec<u8>>(0))
                            .optional()
                    })?;
                    if let Some(sealed) = sealed.flatten() {
                        return Ok(keys.open(at_us(id.number), id.number, &sealed));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Exact numbers in spans of so many seconds, whole minutes.
    pub(super) fn counts(&self, filter: &Filter, step_s: u64) -> Result<Counts, HistoryError> {
        let step = (step_s / 60).max(1);
        let from = filter.from_us.map_or(0, |from| from / 60_000_000);
        let to = filter
            .to_us
            .map_or(i64::MAX as u64, |to| to.div_ceil(60_000_000));
        let above = number_of(from * 60_000_000);
        let mut sums = BTreeMap::new();
        for segment in self.segments(above, i64::MAX) {
            if segment.series != Series::Decisions {
                continue;
            }
            read(&segment, |db| {
                let names = names(db)?;
                let mut query = db.prepare(
                    "SELECT minute / ?1, hook, outcome, list, version, sum(count) FROM counts \
                     WHERE minute >= ?2 AND minute < ?3 GROUP BY 1, 2, 3, 4, 5",
                )?;
                let mut lines = query.query([step as i64, from as i64, to as i64])?;
                while let Some(line) = lines.next()? {
                    let key = (
                        unsigned(line, 0)? * step * 60,
                        name(&names, line.get(1)?),
                        name(&names, line.get(2)?),
                        Some(line.get(3)?).filter(|list| *list != 0),
                        unsigned(line, 4)?,
                    );
                    let (from, hook, outcome, list, version) = key;
                    let list = list.map(|list| name(&names, list));
                    *sums
                        .entry((from, hook, outcome, list, version))
                        .or_default() += unsigned(line, 5)?;
                }
                Ok(())
            })?;
        }
        let counted = sums
            .into_iter()
            .map(|((from_s, hook, outcome, list, version), count)| Counted {
                from_s,
                hook,
                outcome,
                list,
                version,
                count,
            });
        Ok(counted
            .filter(|counted| counts_for(counted, filter))
            .collect())
    }

    /// The versions that decisions and counts name.
    pub(super) fn versions(&self) -> Result<BTreeSet<u64>, HistoryError> {
        let mut versions = BTreeSet::new();
        for segment in self.catalog.all() {
            let found = read(&segment, |db| {
                let sql = "SELECT version FROM counts UNION SELECT version FROM decisions";
                let mut query = db.prepare(sql)?;
                let found = query.query_map([], |line| unsigned(line, 0))?;
                found.collect::<rusqlite::Result<Vec<u64>>>()
            })?;
            versions.extend(found.into_iter().flatten());
        }
        Ok(versions)
    }

    /// Files with ids from `above` and below `below`, the newest first.
    fn segments(&self, above: i64, below: i64) -> Vec<Segment> {
        let mut segments = self.catalog.all();
        segments.retain(|segment| segment.last >= above && segment.first < below);
        segments
    }
}

/// What the exact numbers can be told apart by.
fn counts_for(counted: &Counted, filter: &Filter) -> bool {
    let is = |asked: &Option<String>, is: &str| asked.as_deref().is_none_or(|asked| asked == is);
    counted.list == filter.list
        && is(&filter.hook, &counted.hook)
        && (filter.outcomes.is_empty() || filter.outcomes.contains(&counted.outcome))
        && filter
            .version
            .is_none_or(|version| version == counted.version)
}

/// Reads a cursor.
pub(super) fn cursor_of(text: &str) -> Option<i64> {
    i64::from_str_radix(text, 16).ok()
}

fn cursor_text(number: i64) -> String {
    format!("{number:x}")
}
