//! Reading a chain from end to end, and telling where it is not what was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::folder::{Locked, Segment, segments};
use super::record::{Hash, Head, LINE_BYTES_MAX, Record};

/// The act that says from where on records are kept.
pub(super) const CUT: &str = "audit.cut";

/// How often old records can be cut off while a chain is read.
const CUTS_MEANWHILE_MAX: usize = 3;

/// What a line holds.
enum Line {
    Record(Box<Record>),
    /// It is not, to the byte, what was written.
    Unreadable,
    /// Half a line at the end of all: of a process that ended while it wrote.
    Half,
}

/// What was found of a chain.
#[derive(Debug, Default)]
pub struct Found {
    pub records: u64,
    pub first: Option<u64>,
    pub last: Option<Head>,
    /// Where it is not what was written.
    pub problems: Vec<String>,
    /// What is as it should be, and worth knowing.
    pub notes: Vec<String>,
}

/// Gives `each` all records that are as they were written, oldest first; returns the places of the
/// lines that are not.
///
/// Errors: a file cannot be read.
pub fn read(folder: &Path, mut each: impl FnMut(Record)) -> io::Result<Vec<String>> {
    // Nobody adds half a record now; what is added while it is read is whole or at the end.
    drop(Locked::for_reading(folder)?);
    let mut unreadable = Vec::new();
    walk(folder, |place, line| match line {
        Line::Record(record) => each(*record),
        Line::Unreadable => unreadable.push(place),
        Line::Half => {}
    })?;
    Ok(unreadable)
}

/// Checks a chain from end to end. `noted` are heads that were seen elsewhere, with who says so:
/// their records must be there.
///
/// Errors: a file cannot be read.
pub fn verify(folder: &Path, noted: &[(Head, &str)]) -> io::Result<Found> {
    // What was cut off while it was read is no damage: then it is read again.
    for _ in 0..CUTS_MEANWHILE_MAX {
        match verify_once(folder, noted) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            checked => return checked,
        }
    }
    verify_once(folder, noted)
}

fn verify_once(folder: &Path, noted: &[(Head, &str)]) -> io::Result<Found> {
    let mut checks = Checks::default();
    let file = folder.join("head");
    // Acts do not wait while a long chain is read: what is added behind this head may be there or
    // not.
    let (head, is_there) = match Locked::for_reading(folder)? {
        None => (None, false),
        Some(mut locked) => (locked.head()?, true),
    };
    let file = file.display();
    for (head, says) in noted {
        checks.expect(head.clone(), (*says).to_owned());
    }
    if let Some(head) = &head {
        checks.expect(head.clone(), format!("`{file}`"));
    }
    walk(folder, |place, line| checks.line(place, line))?;
    if head.is_none() && (checks.found.records > 0 || is_there) {
        checks.found.problems.push(format!(
            "`{file}` is not there or not as it was written: nothing says whether records are missing at the end"
        ));
    }
    Ok(checks.end(folder))
}

/// What is known while a chain is read.
#[derive(Default)]
struct Checks {
    found: Found,
    /// The first record's own, for the cut that it must agree with.
    first_prev: Option<Hash>,
    /// From where on records are kept, as the last cut says.
    cut: Option<(u64, String)>,
    /// The hash of the record before cannot be known.
    unsure: bool,
    expected: Vec<Expected>,
}

/// A record that somebody names.
struct Expected {
    head: Head,
    says: String,
    seen: bool,
}

impl Checks {
    fn expect(&mut self, head: Head, says: String) {
        let seen = head.number == 0;
        self.expected.push(Expected { head, says, seen });
    }

    fn line(&mut self, place: String, line: Line) {
        match line {
            Line::Record(record) => self.record(&place, &record),
            Line::Unreadable => {
                self.found
                    .problems
                    .push(format!("{place}: this is not what was written"));
                self.unsure = true;
            }
            Line::Half => self.found.notes.push(format!(
                "{place}: half a record, of a process that ended while it wrote; the next act takes it away"
            )),
        }
    }

    fn record(&mut self, place: &str, record: &Record) {
        let (number, problems) = (record.number, &mut self.found.problems);
        match &self.found.last {
            None => {
                self.found.first = Some(number);
                self.first_prev = Some(record.prev.clone());
            }
            Some(last) if number <= last.number => {
                problems.push(format!(
                    "{place}: record {number} stands behind record {}: it is there twice, or was moved",
                    last.number
                ));
                return;
            }
            Some(last) if number > last.number + 1 && !self.unsure => {
                let (from, to) = (last.number + 1, number - 1);
                let missing = match from == to {
                    true => format!("record {from} is missing"),
                    false => format!("records {from} to {to} are missing"),
                };
                problems.push(format!("{place}: {missing} before this one"));
            }
            Some(last) if record.prev != last.hash && !self.unsure => problems.push(format!(
                "{place}: record {number} does not go on from record {}: one of them is another",
                last.number
            )),
            Some(_) => {}
        }
        self.unsure = false;
        self.found.records += 1;
        let head = record.head();
        for expected in &mut self.expected {
            if expected.head.number == number {
                expected.seen = true;
                if expected.head.hash != head.hash {
                    let says = &expected.says;
                    problems.push(format!(
                        "{place}: record {number} is another than {says} says"
                    ));
                }
            }
        }
        self.found.last = Some(head);
        if record.what == CUT {
            self.cut = cut_of(record);
        }
    }

    fn end(mut self, folder: &Path) -> Found {
        let folder = folder.display();
        let (first, last) = (self.found.first.unwrap_or(1), &self.found.last);
        let last = last.as_ref().map_or(0, |last| last.number);
        let problems = &mut self.found.problems;
        match &self.cut {
            _ if first == 1 => {}
            Some((kept_from, prev)) if first == *kept_from => {
                if self.first_prev.is_some_and(|found| found.to_string() != *prev) {
                    problems.push(format!(
                        "{folder}: record {first} is another than the cut says that records are kept from"
                    ));
                }
            }
            // A cut that was broken off is finished by the next one.
            Some((kept_from, _)) if first < *kept_from => {}
            _ => problems.push(format!(
                "{folder}: record {first} is the first, and no record says that those before it were cut off"
            )),
        }
        for Expected { head, says, seen } in self.expected {
            if !seen && head.number > last {
                problems.push(format!(
                    "{folder}: the last record is {last}, and {says} names record {}: records are missing at the end",
                    head.number
                ));
            } else if !seen && head.number < first {
                let number = head.number;
                self.found.notes.push(format!(
                    "record {number}, which {says} names, is older than what is kept"
                ));
            }
        }
        self.found
    }
}

/// Where a cut says that what is kept begins, and the hash before it.
fn cut_of(record: &Record) -> Option<(u64, String)> {
    let details = record.details.as_ref()?;
    let kept_from = details.get("kept_from").and_then(Value::as_u64)?;
    let prev = details.get("prev").and_then(Value::as_str)?;
    Some((kept_from, prev.to_owned()))
}

fn walk(folder: &Path, mut each: impl FnMut(String, Line)) -> io::Result<()> {
    let segments = segments(folder)?;
    let count = segments.len();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == count;
        walk_segment(segment, is_last, &mut each)?;
    }
    Ok(())
}

fn walk_segment(
    segment: &Segment,
    is_last: bool,
    each: &mut impl FnMut(String, Line),
) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(&segment.path)?);
    let path = segment.path.display();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let mut limited = (&mut reader).take(2 * LINE_BYTES_MAX as u64);
        if limited.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let place = format!("{path}:{number}");
        let Some(whole) = line.strip_suffix(b"\n") else {
            let is_half = is_last && reader.fill_buf()?.is_empty();
            each(
                place,
                if is_half {
                    Line::Half
                } else {
                    Line::Unreadable
                },
            );
            continue;
        };
        let record = Record::read(whole);
        let record = record.filter(|record| number > 1 || record.number == segment.first);
        each(
            place,
            match record {
                Some(record) => Line::Record(Box::new(record)),
                None => Line::Unreadable,
            },
        );
    }
    Ok(())
}
