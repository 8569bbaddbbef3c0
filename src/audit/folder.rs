//! The files of a chain: segments that are named by their first record, and `head`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::record::{Head, LINE_BYTES_MAX, Record};

const HEAD: &str = "head";
const SUFFIX: &str = ".jsonl";
/// Digits of the largest number there is.
const DIGITS: usize = 20;

/// One file of records.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The number of its first record, as its name says.
    pub first: u64,
    pub path: PathBuf,
    pub bytes: u64,
}

impl Segment {
    pub(super) fn path_of(folder: &Path, first: u64) -> PathBuf {
        folder.join(format!("{first:0DIGITS$}{SUFFIX}"))
    }

    /// The first record, if it can be read.
    pub(super) fn first_record(&self) -> io::Result<Option<Record>> {
        let mut start = Vec::new();
        let file = File::open(&self.path)?;
        file.take(LINE_BYTES_MAX as u64).read_to_end(&mut start)?;
        let line = start.split(|byte| *byte == b'\n').next();
        Ok(line.and_then(Record::read))
    }

    /// The last line and where it begins; bytes behind the last line are half a record of a
    /// process that ended, and begin at `whole`.
    pub(super) fn tail(&self) -> io::Result<Tail> {
        let mut file = File::open(&self.path)?;
        let bytes = file.metadata()?.len();
        // The last line, and half a line behind it.
        let from = bytes.saturating_sub(2 * LINE_BYTES_MAX as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        let Some(last) = end.iter().rposition(|byte| *byte == b'\n') else {
            // Without any line, or with one that is longer than any that was written.
            return Ok(Tail {
                whole: if from == 0 { 0 } else { bytes },
                record: None,
            });
        };
        let before = end[..last].iter().rposition(|byte| *byte == b'\n');
        let line = &end[before.map_or(0, |at| at + 1)..last];
        Ok(Tail {
            whole: from + last as u64 + 1,
            record: Record::read(line),
        })
    }
}

/// How a segment ends.
pub(super) struct Tail {
    /// Bytes up to the end of the last line.
    pub whole: u64,
    /// `None`: it is not as it was written, or there is none.
    pub record: Option<Record>,
}

/// The segments, oldest first.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let first = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        let first = first.filter(|digits| digits.len() == DIGITS);
        if let Some(first) = first.and_then(|digits| digits.parse().ok()) {
            segments.push(Segment {
                first,
                path: entry.path(),
                bytes: entry.metadata()?.len(),
            });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// The file `head`, locked: one process at a time adds to the chain.
pub(super) struct Locked {
    file: File,
}

impl Locked {
    /// Makes the folder and the file if there are none.
    pub(super) fn for_writing(folder: &Path) -> io::Result<Locked> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(folder)?;
        let mut options = private();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(folder.join(HEAD))?;
        lock(&file, false)?;
        Ok(Locked { file })
    }

    /// Waits until nobody adds a record. `None`: there is no file.
    pub(super) fn for_reading(folder: &Path) -> io::Result<Option<Locked>> {
        let file = match File::open(folder.join(HEAD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        lock(&file, true)?;
        Ok(Some(Locked { file }))
    }

    /// What the file says; `None` if it says nothing that can be read.
    pub(super) fn head(&mut self) -> io::Result<Option<Head>> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        let read = (&mut self.file).take(1024).read_to_string(&mut text);
        match read {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Ok(text.strip_suffix('\n').and_then(|text| {
                let (number, hash) = text.split_once(' ')?;
                let is_number = number.len() == DIGITS;
                let number = number.parse().ok().filter(|_| is_number)?;
                Some(Head {
                    number,
                    hash: hash.parse().ok()?,
                })
            })),
        }
    }

    /// One line of one length, over the one that is there: no end of power leaves half of it.
    pub(super) fn note(&mut self, head: &Head) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let line = format!("{:0DIGITS$} {}\n", head.number, head.hash);
        self.file.write_all(line.as_bytes())?;
        self.file.set_len(line.len() as u64)
    }
}

/// Options for files that are nobody else's.
pub(super) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

#[cfg(unix)]
fn lock(file: &File, shared: bool) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    let operation = match shared {
        true => FlockOperation::LockShared,
        false => FlockOperation::LockExclusive,
    };
    Ok(flock(file, operation)?)
}

#[cfg(not(unix))]
fn lock(_: &File, _: bool) -> io::Result<()> {
    Ok(())
}
