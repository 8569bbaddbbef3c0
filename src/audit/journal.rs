//! Adding records to the files, and cutting off old ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::act::{Act, Who};
use super::chain::CUT;
use super::folder::{Locked, Segment, private, segments};
use super::record::{Head, Outcome, Record};

/// A segment that is larger gets a successor.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;
/// So does one that has lasted this part of the time for which records are kept: whole segments are
/// cut off.
const SEGMENTS_PER_KEEP: u32 = 16;
/// The act that says that the chain is not what was written.
const DAMAGED: &str = "audit.damaged";

/// Where records are, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub folder: PathBuf,
    /// How long records are kept at least.
    pub keep: Duration,
    /// With this much nothing is recorded, and so nothing done.
    pub bytes_max: u64,
}

/// Why an act was not done: it could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(
        "not done, since it could not be recorded: `{}` cannot be written ({error}); make room on \
         the disk, or give the folder to the user that callgate runs as", .folder.display()
    )]
    File { folder: PathBuf, error: io::Error },
    #[error(
        "not done, since it could not be recorded: `{}` holds {bytes} bytes, and `audit.bytes_max` \
         is {bytes_max}; raise it, or shorten `audit.keep`", .folder.display()
    )]
    Full {
        folder: PathBuf,
        bytes: u64,
        bytes_max: u64,
    },
    /// The task that records was ended.
    #[error("not done, since it could not be recorded: callgate is ending")]
    Ending,
}

/// The files, and the last record that this process knows of.
#[derive(Debug)]
pub(super) struct Journal {
    settings: Settings,
    known: Option<Head>,
}

impl Journal {
    /// Looks at what is there; writes nothing.
    ///
    /// Errors: it cannot be read.
    pub(super) fn open(settings: Settings) -> (Journal, Result<(), AuditError>) {
        let mut journal = Journal {
            settings,
            known: None,
        };
        let known = Locked::for_reading(&journal.settings.folder);
        let known = known.and_then(|locked| locked.map(|mut locked| locked.head()).transpose());
        match known {
            Ok(known) => {
                journal.known = known.flatten();
                (journal, Ok(()))
            }
            Err(error) => {
                let error = journal.failed(error);
                (journal, Err(error))
            }
        }
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.known.as_ref()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Adds one record; it is on disk when this returns.
    pub(super) fn append(
        &mut self,
        now: SystemTime,
        record: impl FnOnce(&Head) -> Record,
    ) -> Result<Head, AuditError> {
        let mut locked = self.lock()?;
        let mut end = self.end(&mut locked, now)?;
        let bytes = end.bytes;
        let bytes_max = self.settings.bytes_max;
        if bytes >= bytes_max {
            let folder = self.settings.folder.clone();
            return Err(AuditError::Full {
                folder,
                bytes,
                bytes_max,
            });
        }
        let record = record(&end.head);
        let head = self.write(&mut end, record);
        let head = head.map_err(|error| self.failed(error))?;
        self.noted(&mut locked, head.clone());
        Ok(head)
    }

    /// Cuts off the segments whose records are all older than they must be kept. That it is done is
    /// a record too, and on disk before.
    pub(super) fn cut(&mut self, now: SystemTime) -> Result<u64, AuditError> {
        let folder = self.settings.folder.clone();
        let segments = segments(&folder).map_err(|error| self.failed(error))?;
        let Some(oldest) = now.checked_sub(self.settings.keep) else {
            return Ok(0);
        };
        let mut kept_from = None;
        let mut cut = 0;
        // The last segment is never whole.
        for (index, next) in segments.iter().enumerate().skip(1) {
            let first = next.first_record().map_err(|error| self.failed(error))?;
            let Some(first) = first else { break };
            if first.time().is_none_or(|time| time >= oldest) {
                break;
            }
            kept_from = Some(first);
            cut = index;
        }
        let Some(kept_from) = kept_from else {
            return Ok(0);
        };
        let records = kept_from.number - segments[0].first;
        let act = Act::new(CUT, Who::Callgate)
            .count("records", records)
            .with(json!({ "kept_from": kept_from.number, "prev": kept_from.prev }));
        self.append(now, |head| Record::new(head, now, act, Outcome::Done))?;
        for segment in &segments[..cut] {
            fs::remove_file(&segment.path).map_err(|error| self.failed(error))?;
        }
        Ok(records)
    }

    fn lock(&self) -> Result<Locked, AuditError> {
        Locked::for_writing(&self.settings.folder).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> AuditError {
        let folder = self.settings.folder.clone();
        AuditError::File { folder, error }
    }

    fn noted(&mut self, locked: &mut Locked, head: Head) {
        // The record is on disk; a head that is behind it misses nothing that was lost.
        let _ = locked.note(&head);
        self.known = Some(head);
    }

    /// Where the next record goes. If the chain is not the one that was left, that is recorded
    /// first, behind a gap that stays visible.
    fn end(&mut self, locked: &mut Locked, now: SystemTime) -> Result<End, AuditError> {
        let end = self.look(now);
        let mut end = end.map_err(|error| self.failed(error))?;
        let noted = locked.head().map_err(|error| self.failed(error))?;
        let found = end.head.number;
        let mut damage = end.damage.take();
        for known in noted.iter().chain(&self.known) {
            let is_there = known.number == 0
                || match known.number == found {
                    true => known.hash == end.head.hash,
                    false => {
                        known.number < found
                            && self.holds(known).map_err(|error| self.failed(error))?
                    }
                };
            if !is_there {
                damage.get_or_insert("the last record is not the one that was written last");
            }
        }
        if noted.is_none() && found > 0 {
            damage.get_or_insert("the file `head` is not there or not as it was written");
        }
        let Some(damage) = damage else {
            return Ok(end);
        };
        let latest = noted.into_iter().chain(self.known.clone());
        let latest = latest.max_by_key(|head| head.number);
        if let Some(latest) = latest.filter(|latest| latest.number >= found) {
            end.head = latest;
        }
        end.segment = None;
        let act = Act::new(DAMAGED, Who::Callgate)
            .with(json!({ "last_found": found, "last_known": end.head.number }));
        let record = Record::new(&end.head, now, act, Outcome::Failed).because(damage);
        tracing::error!(
            damage,
            last_found = found,
            last_known = end.head.number,
            "the audit is not what was written; `callgate audit verify` says where"
        );
        let head = self.write(&mut end, record);
        let head = head.map_err(|error| self.failed(error))?;
        self.noted(locked, head);
        Ok(end)
    }

    /// Whether a record is still in the files as it was.
    fn holds(&self, known: &Head) -> io::Result<bool> {
        let segments = segments(&self.settings.folder)?;
        let segment = segments
            .iter()
            .rev()
            .find(|segment| segment.first <= known.number);
        // Of what was cut off nothing can be said.
        let Some(segment) = segment else {
            return Ok(true);
        };
        let text = fs::read(&segment.path)?;
        let mut records = text.split(|byte| *byte == b'\n').filter_map(Record::read);
        Ok(records.any(|record| record.head() == *known))
    }

    /// Finds the last record, and takes half a record behind it away.
    fn look(&self, now: SystemTime) -> io::Result<End> {
        let segments = segments(&self.settings.folder)?;
        let mut end = End {
            head: Head::none(),
            segment: None,
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            damage: None,
        };
        for mut segment in segments.into_iter().rev() {
            let tail = segment.tail()?;
            if tail.whole < segment.bytes {
                OpenOptions::new()
                    .write(true)
                    .open(&segment.path)?
                    .set_len(tail.whole)?;
                segment.bytes = tail.whole;
            }
            if segment.bytes == 0 {
                continue;
            }
            let record = match tail.record {
                Some(record) => Some(record),
                None => {
                    end.damage = Some("the last line is not what was written");
                    let text = fs::read(&segment.path)?;
                    let mut lines = text.rsplit(|byte| *byte == b'\n');
                    lines.find_map(Record::read)
                }
            };
            if let Some(record) = record {
                end.head = record.head();
                let has_room = segment.bytes < SEGMENT_BYTES_MAX && !self.is_old(&segment, now)?;
                end.segment = Some(segment).filter(|_| has_room);
                break;
            }
        }
        Ok(end)
    }

    fn is_old(&self, segment: &Segment, now: SystemTime) -> io::Result<bool> {
        let first = segment.first_record()?.and_then(|record| record.time());
        let age = first.and_then(|first| now.duration_since(first).ok());
        Ok(age.is_some_and(|age| age > self.settings.keep / SEGMENTS_PER_KEEP))
    }

    /// Writes one line and waits for the disk. What fails leaves nothing behind.
    fn write(&self, end: &mut End, record: Record) -> io::Result<Head> {
        let first = record.number;
        let (mut line, head) = record.into_line();
        line.push('\n');
        let folder = &self.settings.folder;
        let (path, before) = match &end.segment {
            Some(segment) => (segment.path.clone(), segment.bytes),
            None => (Segment::path_of(folder, first), 0),
        };
        let mut options = private();
        let mut file = options.append(true).create(true).open(&path)?;
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        let written = written.and_then(|()| match before {
            // The name of a new file is in its folder.
            0 => File::open(folder)?.sync_all(),
            _ => Ok(()),
        });
        if let Err(error) = written {
            let _ = file.set_len(before);
            return Err(error);
        }
        let bytes = before + line.len() as u64;
        end.bytes += line.len() as u64;
        let first = end.segment.as_ref().map_or(first, |segment| segment.first);
        end.segment = Some(Segment { first, path, bytes });
        end.head = head.clone();
        Ok(head)
    }
}

/// The end of the chain as it is on disk.
struct End {
    head: Head,
    /// What goes on; `None`: the next record begins a new one.
    segment: Option<Segment>,
    /// Of all segments.
    bytes: u64,
    damage: Option<&'static str>,
}
