//! Exact numbers of all decisions, by minute, hook, outcome, list and version.
//!
//! Threads that decide count in tables of their own, or nearly; the writer empties them.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::outcome::Kind;
use crate::decision::Decision;
use crate::policy::Version;

/// Tables; threads beyond this share them.
const TABLES: usize = 16;
/// Kinds of decisions that one table tells apart until the writer comes.
const LINES_MAX: usize = 4096;

/// How many of one kind there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Minutes since 1970.
    pub minute: u32,
    pub hook: &'static str,
    pub kind: Kind,
    /// `None`: all decisions of this kind. Otherwise those of them in which this list matched.
    pub list: Option<Arc<str>>,
    pub version: Version,
    pub count: u64,
}

/// What a line is known by.
#[derive(Clone, Copy)]
struct Key<'a> {
    minute: u32,
    hook: &'static str,
    kind: Kind,
    list: Option<&'a Arc<str>>,
    version: &'a Version,
}

#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: [Table; TABLES],
}

/// Alone in its piece of memory: threads that count in neighbours do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Table(Mutex<Vec<Line>>);

/// Hands out a table to each thread that comes.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static TABLE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % TABLES);
}

impl Tables {
    /// Counts a decision; false if there is no room for one of its kind.
    pub(super) fn count(
        &self,
        minute: u32,
        hook: &'static str,
        kind: Kind,
        version: &Version,
        decision: &Decision,
    ) -> bool {
        let Table(table) = &self.tables[TABLE.get()];
        let mut lines = table.lock().unwrap_or_else(PoisonError::into_inner);
        let all = Key {
            minute,
            hook,
            kind,
            list: None,
            version,
        };
        let mut is_counted = add(&mut lines, all, 1, LINES_MAX);
        for (index, hit) in decision.hits.iter().enumerate() {
            // Each list once.
            let before = &decision.hits[..index];
            if before.iter().all(|known| known.list != hit.list) {
                let of_list = Key {
                    list: Some(&hit.list),
                    ..all
                };
                is_counted &= add(&mut lines, of_list, 1, LINES_MAX);
            }
        }
        is_counted
    }

    /// Moves what was counted since the last time to `all`, and gives back what has no room there.
    pub(super) fn take(&self, all: &mut Vec<Line>, lines_max: usize) -> Vec<Line> {
        let mut left_out = Vec::new();
        for Table(table) in &self.tables {
            let mut lines = table.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = mem::take(&mut *lines);
            drop(lines);
            for line in taken {
                let is_added = add(all, line.key(), line.count, lines_max);
                if !is_added {
                    left_out.push(line);
                }
            }
        }
        left_out
    }
}

impl Line {
    fn key(&self) -> Key<'_> {
        Key {
            minute: self.minute,
            hook: self.hook,
            kind: self.kind,
            list: self.list.as_ref(),
            version: &self.version,
        }
    }
}

/// Counts on in the line that is there, or in a new one; false if there is no room for it. The one
/// that counted last is most often the one, so that nothing is cloned.
fn add(lines: &mut Vec<Line>, key: Key<'_>, count: u64, lines_max: usize) -> bool {
    let known = lines.iter_mut().rev().find(|known| {
        known.minute == key.minute
            && known.kind == key.kind
            && std::ptr::eq(known.hook, key.hook)
            // Every candidate has the number 0.
            && known.version == *key.version
            && known.list.as_ref() == key.list
    });
    if let Some(known) = known {
        known.count += count;
        return true;
    }
    if lines.len() >= lines_max {
        return false;
    }
    lines.push(Line {
        minute: key.minute,
        hook: key.hook,
        kind: key.kind,
        list: key.list.cloned(),
        version: key.version.clone(),
        count,
    });
    true
}
