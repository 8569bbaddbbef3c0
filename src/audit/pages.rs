//! Records newest first, a page at a time, while others are added.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use super::folder::segments;
use super::record::{Outcome, Record};

/// Records that one page looks at, so that a rare one does not take the time of all.
const LOOKED_AT_MAX: usize = 20_000;

/// Which records are meant. What is `None` is no limit.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// How the name of who did it begins.
    pub who: Option<String>,
    /// How the act begins: `outbox` is all of `outbox.…`.
    pub act: Option<String>,
    pub result: Option<Outcome>,
    /// At this time or later.
    pub since: Option<SystemTime>,
    /// Before this time.
    pub until: Option<SystemTime>,
}

/// Some records.
#[derive(Debug, Default)]
pub struct Page {
    /// Newest first.
    pub records: Vec<Record>,
    /// The number that the next page's records are below; `None` at the end. A page may be empty
    /// and not the last.
    pub next: Option<u64>,
}

impl Wanted {
    fn is_met(&self, record: &Record) -> bool {
        let at = record.time();
        let begins = |text: &str, start: &Option<String>| {
            start
                .as_ref()
                .is_none_or(|start| text.starts_with(start.as_str()))
        };
        begins(&record.what, &self.act)
            && begins(&record.who.to_string(), &self.who)
            && self.result.is_none_or(|result| record.result == result)
            && self
                .since
                .is_none_or(|since| at.is_some_and(|at| at >= since))
            && self
                .until
                .is_none_or(|until| at.is_some_and(|at| at < until))
    }
}

/// One page of the records below a number. Takes no lock: what is half written is not there yet.
///
/// Errors: a file cannot be read.
pub fn page(folder: &Path, wanted: &Wanted, below: Option<u64>, limit: usize) -> io::Result<Page> {
    let below = below.unwrap_or(u64::MAX);
    let mut page = Page::default();
    let mut looked_at = 0;
    for segment in segments(folder)?.iter().rev() {
        if segment.first >= below {
            continue;
        }
        let text = match fs::read(&segment.path) {
            // It was cut off meanwhile, and all before it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(page),
            text => text?,
        };
        let lines = text.rsplit(|byte| *byte == b'\n');
        for record in lines
            .filter_map(Record::read)
            .filter(|record| record.number < below)
        {
            let number = record.number;
            if wanted.is_met(&record) {
                page.records.push(record);
            }
            looked_at += 1;
            if page.records.len() >= limit || looked_at >= LOOKED_AT_MAX {
                page.next = Some(number);
                return Ok(page);
            }
        }
    }
    Ok(page)
}
