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

#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: [Mutex<Vec<Line>>; TABLES],
}

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
        let table = &self.tables[TABLE.get()];
        let mut lines = table.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line {
            minute,
            hook,
            kind,
            list: None,
            version: Version {
                number: version.number,
                hash: Arc::clone(&version.hash),
            },
            count: 1,
        };
        let mut is_counted = add(&mut lines, line);
        for (index, hit) in decision.hits.iter().enumerate() {
            // Each list once.
            if decision.hits[..index]
                .iter()
                .all(|known| known.list != hit.list)
            {
                let line = Line {
                    minute,
                    hook,
                    kind,
                    list: Some(Arc::clone(&hit.list)),
                    version: version.clone(),
                    count: 1,
                };
                is_counted &= add(&mut lines, line);
            }
        }
        is_counted
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Vec<Line> {
        let mut all = Vec::new();
        for table in &self.tables {
            let mut lines = table.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = mem::take(&mut *lines);
            drop(lines);
            for line in taken {
                add(&mut all, line);
            }
        }
        all
    }
}

fn add(lines: &mut Vec<Line>, line: Line) -> bool {
    let is_full = lines.len() >= LINES_MAX;
    let known = lines.iter_mut().rev().find(|known| {
        known.minute == line.minute
            && known.kind == line.kind
            && std::ptr::eq(known.hook, line.hook)
            && known.version.number == line.version.number
            && known.list == line.list
    });
    match known {
        Some(known) => known.count += line.count,
        None if is_full => return false,
        None => lines.push(line),
    }
    true
}
