//! The files: sealed calls one behind the other, a file never longer than a day.
//!
//! Each call is its length, its time in microseconds since 1970, and what the key of its day has
//! sealed. A file that broke off, or of which something was erased, is read as far as it goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::history::{DayKey, FileId, Keys, file_id};
use crate::policy::RecordedCall;

const ENDING: &str = ".calls";
/// Length and time.
const HEAD_BYTES: usize = 4 + 8;
const DAY_US: u64 = 86_400_000_000;
/// A file with this much gets a successor, so that reading one takes little memory.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// And with this part of all that may be kept, so that making room costs little of it.
const FILE_PART: u64 = 16;

/// A file of one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// Since 1970.
    pub day: u64,
    pub number: u64,
}

impl Name {
    fn read(name: &str) -> Option<Name> {
        let (day, number) = name.strip_suffix(ENDING)?.split_once('-')?;
        Some(Name {
            day: day.parse().ok()?,
            number: number.parse().ok()?,
        })
    }

    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:08}-{:06}{ENDING}", self.day, self.number))
    }

    /// Its first moment.
    pub(super) fn begins_us(&self) -> u64 {
        self.day.saturating_mul(DAY_US)
    }

    pub(super) fn ends_us(&self) -> u64 {
        self.begins_us().saturating_add(DAY_US)
    }
}

/// What a file may hold before it gets a successor.
pub(super) fn file_bytes_max(bytes_max: u64) -> u64 {
    FILE_BYTES_MAX.min(bytes_max / FILE_PART)
}

pub(super) fn day_of(at_us: u64) -> u64 {
    at_us / DAY_US
}

/// All files with their sizes, the oldest first.
///
/// Errors: the folder cannot be read; one that is not there has none.
pub(super) fn list(folder: &Path) -> io::Result<Vec<(Name, u64)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files: Vec<(Name, u64)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = Name::read(&entry.file_name().to_string_lossy())?;
            Some((name, entry.metadata().ok()?.len()))
        })
        .collect();
    files.sort();
    Ok(files)
}

/// The file that is written to.
#[derive(Debug)]
pub(super) struct Open {
    name: Name,
    path: PathBuf,
    file: File,
    /// What it is, whatever else gets its name.
    id: Option<FileId>,
    bytes: u64,
}

impl Open {
    /// A new file: behind one that broke off nothing is ever written.
    pub(super) fn create(folder: &Path, day: u64) -> io::Result<Open> {
        fs::create_dir_all(folder)?;
        let last = list(folder)?
            .into_iter()
            .filter(|(name, _)| name.day == day);
        let number = last.map(|(name, _)| name.number).max().unwrap_or(0) + 1;
        let name = Name { day, number };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let path = name.path(folder);
        let file = options.open(&path)?;
        Ok(Open {
            id: file_id(&path),
            name,
            path,
            file,
            bytes: 0,
        })
    }

    /// What is written here is found under its name: nobody took it away.
    pub(super) fn is_in_place(&self) -> bool {
        self.id.is_some() && file_id(&self.path) == self.id
    }

    /// The next call of this day fits in.
    pub(super) fn takes(&self, day: u64, bytes_max: u64) -> bool {
        self.name.day == day && self.bytes < bytes_max
    }

    pub(super) fn is(&self, name: &Name) -> bool {
        self.name == *name
    }

    /// Errors: nothing of it is in the file, and the file takes no more.
    pub(super) fn append(mut self, frames: &[u8]) -> io::Result<Open> {
        if let Err(error) = self.file.write_all(frames) {
            // Half of a call is nothing that anybody can read; the reader stops there all the same.
            let _ = self.file.set_len(self.bytes);
            if self.bytes == 0 {
                // On a disk that takes nothing there would be one a moment.
                let _ = fs::remove_file(&self.path);
            }
            return Err(error);
        }
        self.bytes += frames.len() as u64;
        Ok(self)
    }
}

/// Seals the line of a call behind those that are there.
///
/// Errors: it cannot be sealed, and nothing of it is there.
pub(super) fn seal(frames: &mut Vec<u8>, key: &DayKey, at_us: u64, line: &[u8]) -> io::Result<()> {
    let at = at_us.to_le_bytes();
    let head = frames.len();
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(&at);
    frames.extend_from_slice(line);
    let from = head + HEAD_BYTES;
    let sealed = key.seal(&at, frames, from);
    let length = u32::try_from(frames.len() - from).map_err(io::Error::other);
    let sealed = sealed.and(length);
    match &sealed {
        Ok(length) => frames[head..head + 4].copy_from_slice(&length.to_le_bytes()),
        Err(_) => frames.truncate(head),
    }
    sealed.map(drop)
}

/// Where a sealed call stands in its file.
struct Frame<'a> {
    from: usize,
    at_us: u64,
    sealed: &'a [u8],
}

/// The frames of a file, as far as they are whole.
fn frames(content: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut place = 0;
    std::iter::from_fn(move || {
        let head = content.get(place..place + HEAD_BYTES)?;
        let (length, at) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
        let at_us = u64::from_le_bytes(at.try_into().ok()?);
        let from = place + HEAD_BYTES;
        let sealed = content.get(from..from.checked_add(length)?)?;
        place = from + length;
        Some(Frame {
            from,
            at_us,
            sealed,
        })
    })
}

/// Reads calls while others are written.
#[derive(Debug)]
pub struct Reading {
    folder: PathBuf,
    since_us: u64,
    until_us: u64,
    /// What is left, the oldest last.
    left: Vec<Name>,
}

impl Reading {
    /// `since_us` is taken in, `until_us` is not.
    pub(super) fn new(folder: &Path, since_us: u64, until_us: u64) -> io::Result<Reading> {
        let files = list(folder)?.into_iter().map(|(name, _)| name);
        let touches = |name: &Name| name.ends_us() > since_us && name.begins_us() < until_us;
        let mut left: Vec<Name> = files.filter(touches).collect();
        left.reverse();
        Ok(Reading {
            folder: folder.to_owned(),
            since_us,
            until_us,
            left,
        })
    }

    /// The calls of the next file, oldest first, as lines of JSON; `None` behind the last. What
    /// cannot be opened any more is left out.
    pub fn next_lines(&mut self) -> Option<Vec<Vec<u8>>> {
        let name = self.left.pop()?;
        Some(self.lines(&name))
    }

    /// The newest calls, the newest last.
    pub(super) fn newest(mut self, calls_max: usize) -> Vec<RecordedCall> {
        self.left.reverse();
        let mut newest: Vec<RecordedCall> = Vec::new();
        while newest.len() < calls_max {
            let Some(name) = self.left.pop() else { break };
            let lines = self.lines(&name);
            let wanted = calls_max - newest.len();
            let lines = &lines[lines.len().saturating_sub(wanted)..];
            let calls = lines
                .iter()
                .filter_map(|line| RecordedCall::read(line).ok());
            newest.splice(0..0, calls);
        }
        newest
    }

    fn lines(&self, name: &Name) -> Vec<Vec<u8>> {
        let Some(key) = Keys::new(&self.folder).find(name.begins_us()) else {
            return Vec::new();
        };
        // It may have gone meanwhile.
        let content = fs::read(name.path(&self.folder)).unwrap_or_default();
        let wanted = self.since_us..self.until_us;
        let lines = frames(&content)
            .filter(|frame| wanted.contains(&frame.at_us))
            .filter_map(|frame| key.open(&frame.at_us.to_le_bytes(), frame.sealed));
        lines.collect()
    }
}

/// Overwrites what concerns a user, and says how many calls that were.
///
/// Errors: a file cannot be written; what is overwritten by then stays so.
pub(super) fn erase(folder: &Path, user: &str) -> io::Result<u64> {
    let mut erased = 0;
    for (name, _) in list(folder)? {
        let Some(key) = Keys::new(folder).find(name.begins_us()) else {
            continue;
        };
        let path = name.path(folder);
        let content = fs::read(&path)?;
        let concerned: Vec<Frame<'_>> = frames(&content)
            .filter(|frame| concerns(&key, frame, user))
            .collect();
        if concerned.is_empty() {
            continue;
        }
        let mut file = OpenOptions::new().write(true).open(&path)?;
        for frame in &concerned {
            file.seek(SeekFrom::Start(frame.from as u64))?;
            file.write_all(&vec![0; frame.sealed.len()])?;
        }
        file.sync_all()?;
        erased += concerned.len() as u64;
    }
    Ok(erased)
}

fn concerns(key: &DayKey, frame: &Frame<'_>, user: &str) -> bool {
    let Some(line) = key.open(&frame.at_us.to_le_bytes(), frame.sealed) else {
        return false;
    };
    let event = RecordedCall::read(&line).and_then(|call| call.event());
    // Where it cannot be told any more whom it is about, it goes.
    event.map_or(true, |event| event.concerns(|id| id == user))
}
