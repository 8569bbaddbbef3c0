//! The versions on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::numbers::Numbers;
use super::place::{UNFINISHED, make_folder, put, sync_folder};
use super::record::{KeptFile, Record, sha256};

const RECORDS: &str = "records";
const FILES: &str = "files";
const SUFFIX: &str = ".json";
/// Digits of the largest number there is.
const DIGITS: usize = 20;

/// How much is kept, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub folder: PathBuf,
    /// Past either, the oldest that nothing names goes.
    pub versions_max: usize,
    pub bytes_max: u64,
}

/// Why a version cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    #[error("there is no version {0}; `callgate versions list` has those that are kept")]
    Unknown(u64),
    #[error("version {0} is damaged: {1} is not as it was written")]
    Damaged(u64, String),
    #[error(
        "of `{path}` of version {number} only the digest is kept: it is a secret, or no policy is read from it"
    )]
    Secret { number: u64, path: String },
    #[error("version {number} has no file `{path}`")]
    NoFile { number: u64, path: String },
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// What a start goes on from.
#[derive(Debug)]
pub struct Opened {
    /// The first number that no version can have.
    pub next: u64,
    /// The newest version that is whole, with its files.
    pub last: Option<(Record, Files)>,
    /// Newer ones that are not.
    pub damaged: Vec<VersionError>,
}

/// By path; what is not kept is left out.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// The versions of a data directory. Reading needs no lock: what is there is whole.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    pub fn new(folder: &Path) -> Store {
        Store {
            folder: folder.to_owned(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a start goes on from. A folder that is not there is empty.
    pub fn open(&self) -> Result<Opened, VersionError> {
        let numbers = self.numbers()?;
        let highest = numbers.first().copied().unwrap_or_default();
        let next = Numbers::read(&self.folder, highest);
        let next = next.map_err(|error| self.io(self.folder.clone(), error))?;
        let mut opened = Opened {
            next: next.next(),
            last: None,
            damaged: Vec::new(),
        };
        for number in numbers {
            let whole = self.record(number).and_then(|record| {
                let files = self.files(&record)?;
                Ok((record, files))
            });
            match whole {
                Ok(whole) => {
                    opened.last = Some(whole);
                    break;
                }
                Err(error) => opened.damaged.push(error),
            }
        }
        Ok(opened)
    }

    /// The numbers of what is kept, newest first.
    pub fn numbers(&self) -> Result<Vec<u64>, VersionError> {
        let folder = self.folder.join(RECORDS);
        let mut numbers = Vec::new();
        for name in self.names(&folder)? {
            let digits = name.strip_suffix(SUFFIX);
            let digits = digits.filter(|digits| digits.len() == DIGITS);
            numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    pub fn record(&self, number: u64) -> Result<Record, VersionError> {
        let path = self.record_path(number);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(VersionError::Unknown(number));
            }
            text => text.map_err(|error| self.io(path, error))?,
        };
        let record = Record::read(&text).filter(|record| record.number == number);
        record.ok_or_else(|| VersionError::Damaged(number, "its record".to_owned()))
    }

    /// The newest version before `number`.
    pub fn before(&self, number: u64) -> Result<Option<Record>, VersionError> {
        let numbers = self.numbers()?;
        let before = numbers.into_iter().find(|one| *one < number);
        before.map(|number| self.record(number)).transpose()
    }

    /// Every file of a version but its secrets.
    pub fn files(&self, record: &Record) -> Result<Files, VersionError> {
        let kept = record.files.iter().filter(|file| file.is_kept());
        kept.map(|file| {
            let content = self.content(record.number, file)?;
            Ok((file.path.clone(), Arc::from(content)))
        })
        .collect()
    }

    /// One file of a version.
    pub fn content(&self, number: u64, file: &KeptFile) -> Result<Vec<u8>, VersionError> {
        if !file.is_kept() {
            let path = file.path.clone();
            return Err(VersionError::Secret { number, path });
        }
        let damaged = || VersionError::Damaged(number, format!("`{}`", file.path));
        let path = self.file_path(&file.sha256);
        let content = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged()),
            content => content.map_err(|error| self.io(path, error))?,
        };
        match sha256(&content) == file.sha256 {
            true => Ok(content),
            false => Err(damaged()),
        }
    }

    /// Keeps a version with what its files hold, by SHA-256; it is on disk when this returns.
    pub(super) fn keep(
        &self,
        record: &Record,
        contents: &BTreeMap<String, Arc<[u8]>>,
    ) -> Result<(), VersionError> {
        let (records, files) = (self.folder.join(RECORDS), self.folder.join(FILES));
        for folder in [&records, &files] {
            make_folder(folder).map_err(|error| self.io(folder.clone(), error))?;
        }
        let mut written = false;
        for file in record.contents() {
            let path = self.file_path(&file.sha256);
            let is_there = fs::metadata(&path).is_ok_and(|found| found.len() == file.bytes);
            if let Some(content) = contents.get(&file.sha256).filter(|_| !is_there) {
                put(&path, content).map_err(|error| self.io(path, error))?;
                written = true;
            }
        }
        if written {
            sync_folder(&files).map_err(|error| self.io(files, error))?;
        }
        let path = self.record_path(record.number);
        put(&path, record.write().as_bytes()).map_err(|error| self.io(path, error))?;
        sync_folder(&records).map_err(|error| self.io(records, error))
    }

    /// How many versions there are, and the bytes of all files.
    pub(super) fn size(&self) -> Result<(usize, u64), VersionError> {
        let mut bytes = 0;
        for part in [RECORDS, FILES] {
            let folder = self.folder.join(part);
            for name in self.names(&folder)? {
                bytes += fs::metadata(folder.join(name)).map_or(0, |found| found.len());
            }
        }
        Ok((self.numbers()?.len(), bytes))
    }

    /// Drops the oldest versions until no more is kept than may be; never the newest one, and none
    /// that is `named`. Returns how many went.
    pub(super) fn cut(
        &self,
        settings: &Settings,
        named: &dyn Fn(u64) -> bool,
    ) -> Result<usize, VersionError> {
        let (mut count, mut bytes) = self.size()?;
        let is_full =
            |count: usize, bytes: u64| count > settings.versions_max || bytes > settings.bytes_max;
        if !is_full(count, bytes) {
            return Ok(0);
        }
        let mut numbers = self.numbers()?;
        if numbers.is_empty() {
            return Ok(0);
        }
        // The newest is what a start goes on from.
        numbers.remove(0);
        let mut users = self.users()?;
        let mut gone = 0;
        for number in numbers.into_iter().rev() {
            if !is_full(count, bytes) {
                break;
            }
            if named(number) {
                continue;
            }
            // The record first: no record ever names a file that is not there.
            let path = self.record_path(number);
            bytes = bytes.saturating_sub(self.remove(&path)?);
            count -= 1;
            gone += 1;
            for (sha256, of) in &mut users {
                if of.remove(&number) && of.is_empty() {
                    let path = self.file_path(sha256);
                    bytes = bytes.saturating_sub(self.remove(&path)?);
                }
            }
        }
        Ok(gone)
    }

    /// Drops a version of a copy; what it alone named goes with the next sweep.
    pub fn drop_record(&self, number: u64) -> Result<(), VersionError> {
        let path = self.record_path(number);
        self.remove(&path).map(drop)
    }

    /// Removes what no version names: of versions that went while the process ended.
    pub(super) fn sweep(&self) -> Result<(), VersionError> {
        let users = self.users()?;
        // A record that cannot be read may name any of them.
        if self.numbers()?.iter().any(|one| self.record(*one).is_err()) {
            return Ok(());
        }
        for part in [RECORDS, FILES] {
            let folder = self.folder.join(part);
            for name in self.names(&folder)? {
                let unused = part == FILES && users.get(&name).is_none_or(BTreeSet::is_empty);
                if unused || name.ends_with(UNFINISHED) {
                    self.remove(&folder.join(name))?;
                }
            }
        }
        Ok(())
    }

    /// Which versions name each file.
    fn users(&self) -> Result<BTreeMap<String, BTreeSet<u64>>, VersionError> {
        let mut users: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for number in self.numbers()? {
            // One that is damaged is of no use to anybody, and goes when its turn comes.
            let Ok(record) = self.record(number) else {
                continue;
            };
            for file in record.contents() {
                users.entry(file.sha256.clone()).or_default().insert(number);
            }
        }
        Ok(users)
    }

    /// Returns how many bytes that gave back.
    fn remove(&self, path: &Path) -> Result<u64, VersionError> {
        let bytes = fs::metadata(path).map_or(0, |found| found.len());
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.io(path.to_owned(), error))
            }
            _ => Ok(bytes),
        }
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, VersionError> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| self.io(folder.to_owned(), error))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    fn record_path(&self, number: u64) -> PathBuf {
        let name = format!("{number:0DIGITS$}{SUFFIX}");
        self.folder.join(RECORDS).join(name)
    }

    fn file_path(&self, sha256: &str) -> PathBuf {
        self.folder.join(FILES).join(sha256)
    }

    fn io(&self, path: PathBuf, error: io::Error) -> VersionError {
        VersionError::Io { path, error }
    }
}
