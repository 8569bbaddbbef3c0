//! When lines of a list changed last, and what became of one entry: read from the versions that are
//! kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::edit::{Lists, NotSaved};
use crate::editor::{Document, Said, What};
use crate::filter::{Identities, Identity};
use crate::versions::{Origin, Record, Store};

/// How long a page of rows looks back; what is older then is told as not known.
const ROWS_TIME_MAX: Duration = Duration::from_millis(120);
/// How long it may take to find out what became of one entry.
const ENTRY_TIME_MAX: Duration = Duration::from_secs(3);

/// A version that changed a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub version: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub origin: Origin,
}

/// When a row changed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastChange {
    /// This version brought the line as it stands.
    In(Change),
    /// No version in force had it so far.
    NotInForce,
    /// It stands there since this version or longer: nothing older is kept, or looking further
    /// would have taken too long.
    Before(Change),
}

/// What a version did to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Added,
    Changed,
    Removed,
    /// It was there in the oldest version that was looked at.
    Found,
}

impl Deed {
    pub fn name(self) -> &'static str {
        match self {
            Deed::Added => "added",
            Deed::Changed => "changed",
            Deed::Removed => "removed",
            Deed::Found => "found",
        }
    }
}

/// A version that did something to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub change: Change,
    pub deed: Deed,
    /// The lines of the entry from then on; none once it was removed.
    pub lines: Vec<Said>,
}

/// All that is known of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Story {
    /// Its lines in the file as it is on disk.
    pub now: Vec<Said>,
    /// The newest first.
    #[serde(skip)]
    pub events: Vec<Event>,
    /// Everything since this version was looked at; `None` where no version is kept.
    pub since: Option<u64>,
    /// There are older ones, and time was up.
    pub cut: bool,
}

impl Change {
    fn of(record: &Record) -> Change {
        Change {
            version: record.number,
            at_ms: record.at_ms,
            origin: record.origin.clone(),
        }
    }
}

/// The versions of one file, newest first, each content once: what changed it is the oldest of
/// those that have the same content behind each other.
struct Contents<'s> {
    store: &'s Store,
    file: String,
    numbers: std::vec::IntoIter<u64>,
    ahead: Option<Record>,
}

impl<'s> Contents<'s> {
    fn of(store: &'s Store, file: &str) -> Contents<'s> {
        let numbers = store.numbers().unwrap_or_default();
        Contents {
            store,
            file: file.to_owned(),
            numbers: numbers.into_iter(),
            ahead: None,
        }
    }

    fn record(&mut self) -> Option<Record> {
        // A record that is damaged or gone is as good as none.
        let ahead = self.ahead.take();
        ahead.or_else(|| {
            self.numbers
                .find_map(|number| self.store.record(number).ok())
        })
    }
}

impl Iterator for Contents<'_> {
    /// The version that brought a content, and the content; empty where there was no such file.
    type Item = (Record, Vec<u8>);

    fn next(&mut self) -> Option<(Record, Vec<u8>)> {
        let mut first = self.record()?;
        let hash = |record: &Record, file: &str| record.file(file).map(|file| file.sha256.clone());
        let own = hash(&first, &self.file);
        while let Some(record) = self.record() {
            if hash(&record, &self.file) != own {
                self.ahead = Some(record);
                break;
            }
            first = record;
        }
        let content = match first.file(&self.file) {
            Some(file) => self.store.content(first.number, file).ok()?,
            None => Vec::new(),
        };
        Some((first, content))
    }
}

/// The lines of a file, without their ends.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let lines = content.split(|byte| *byte == b'\n');
    lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// When these lines of a file changed last, in their order; line ends are no part of them.
pub(super) fn last_changes(store: &Store, file: &str, wanted: &[&[u8]]) -> Vec<LastChange> {
    let started = Instant::now();
    let mut found: HashMap<&[u8], LastChange> = HashMap::new();
    let mut open: HashSet<&[u8]> = wanted.iter().copied().collect();
    let mut last: Option<Record> = None;
    for (record, content) in Contents::of(store, file) {
        let there: HashSet<&[u8]> = lines(&content)
            .filter_map(|line| open.get(line).copied())
            .collect();
        for line in open.difference(&there) {
            let change = last.as_ref().map(Change::of);
            found.insert(line, change.map_or(LastChange::NotInForce, LastChange::In));
        }
        (open, last) = (there, Some(record));
        if open.is_empty() || started.elapsed() > ROWS_TIME_MAX {
            break;
        }
    }
    let rest = last.map_or(LastChange::NotInForce, |record| {
        LastChange::Before(Change::of(&record))
    });
    let of = |line: &&[u8]| found.get(line).unwrap_or(&rest).clone();
    wanted.iter().map(of).collect()
}

/// An entry in whatever spelling.
struct Sought {
    identity: Identity,
    /// Everybody who edits the list needs them: held for one entry at a time.
    identities: Arc<Mutex<Identities>>,
    /// Contents of versions differ in few entries.
    known: HashMap<String, bool>,
}

impl Sought {
    fn of(entry: &str, identities: Arc<Mutex<Identities>>) -> Sought {
        let identity = identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .identity(entry);
        Sought {
            identity,
            identities,
            known: HashMap::new(),
        }
    }

    fn is(&mut self, entry: &str) -> bool {
        if let Some(is) = self.known.get(entry) {
            return *is;
        }
        let mut identities = self
            .identities
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is = identities.identity(entry) == self.identity;
        self.known.insert(entry.to_owned(), is);
        is
    }

    /// The lines that say something of it.
    fn lines_of(&mut self, content: &[u8]) -> Vec<Said> {
        let document = Document::read(content);
        let mut said = Vec::new();
        for row in document.rows() {
            if let What::Entry(line) = row.what
                && self.is(line.text())
            {
                said.push(Said::of(&line));
            }
        }
        said
    }
}

impl Lists {
    /// What became of an entry of a list, whatever its spelling: added, changed and removed, by
    /// whom. Blocks for the disk, for some three seconds at most.
    pub fn story(&self, name: &str, entry: &str) -> Result<Story, NotSaved> {
        let known = self.known(name)?;
        let mut sought = Sought::of(entry, self.identities(&known)?);
        let mut story = Story {
            now: sought.lines_of(&self.content(&known)?),
            ..Story::default()
        };
        let Some(store) = &self.versions else {
            return Ok(story);
        };
        let started = Instant::now();
        let mut newer: Option<(Record, Vec<Said>)> = None;
        for (record, content) in Contents::of(store, &known.file) {
            if started.elapsed() > ENTRY_TIME_MAX {
                story.cut = true;
                break;
            }
            let said = sought.lines_of(&content);
            story.since = Some(record.number);
            if let Some((newer, after)) = newer.take() {
                story.events.extend(event(&newer, &said, after));
            }
            newer = Some((record, said));
        }
        if let Some((oldest, lines)) = newer.filter(|(_, said)| !said.is_empty()) {
            story.events.push(Event {
                change: Change::of(&oldest),
                deed: Deed::Found,
                lines,
            });
        }
        Ok(story)
    }
}

/// What a version made of an entry; `None`: nothing.
fn event(record: &Record, before: &[Said], after: Vec<Said>) -> Option<Event> {
    let deed = match (before.is_empty(), after.is_empty()) {
        _ if before == after => return None,
        (true, _) => Deed::Added,
        (false, true) => Deed::Removed,
        (false, false) => Deed::Changed,
    };
    Some(Event {
        change: Change::of(record),
        deed,
        lines: after,
    })
}
