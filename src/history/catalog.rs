//! Which files there are, for the writer and for those who search.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Two series of files, so that plain allows can be dropped first, whole files at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Series {
    Decisions,
    Allows,
}

/// A file with the decisions of an hour, or fewer.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub series: Series,
    /// Numbers of ids in it; the last is that of the moment.
    pub first: i64,
    pub last: i64,
    /// Nothing is added any more.
    pub sealed: bool,
    pub bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Catalog {
    segments: Mutex<Vec<Segment>>,
}

impl Series {
    pub(super) const ALL: [Series; 2] = [Series::Decisions, Series::Allows];

    fn name(self) -> &'static str {
        match self {
            Series::Decisions => "decisions",
            Series::Allows => "allows",
        }
    }
}

impl Segment {
    /// The name of a file says of which series it is, and with which id it begins.
    pub(super) fn path_of(folder: &Path, series: Series, first: i64) -> PathBuf {
        folder.join(format!("{}-{first:016x}.db", series.name()))
    }

    pub(super) fn read_name(path: &Path) -> Option<(Series, i64)> {
        let name = path.file_name()?.to_str()?.strip_suffix(".db")?;
        let (series, first) = name.rsplit_once('-')?;
        let series = Series::ALL
            .into_iter()
            .find(|known| known.name() == series)?;
        Some((series, i64::from_str_radix(first, 16).ok()?))
    }

    /// The file, and what SQLite keeps beside it.
    pub(super) fn files(path: &Path) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|ending| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        })
    }

    pub(super) fn bytes_of(path: &Path) -> u64 {
        let sizes =
            Segment::files(path).map(|file| fs::metadata(file).map_or(0, |file| file.len()));
        sizes.iter().sum()
    }
}

impl Catalog {
    /// All files, the newest first.
    pub(super) fn all(&self) -> Vec<Segment> {
        let mut all = self.lock().clone();
        all.sort_by_key(|segment| std::cmp::Reverse(segment.last));
        all
    }

    /// Adds a file, or what is new about it.
    pub(super) fn put(&self, segment: Segment) {
        let mut segments = self.lock();
        match segments.iter_mut().find(|known| known.path == segment.path) {
            Some(known) => *known = segment,
            None => segments.push(segment),
        }
    }

    /// Nothing is added to a file any more.
    pub(super) fn ends(&self, path: &Path) {
        let mut segments = self.lock();
        if let Some(known) = segments.iter_mut().find(|known| known.path == path) {
            known.sealed = true;
        }
    }

    pub(super) fn remove(&self, path: &Path) {
        self.lock().retain(|segment| segment.path != path);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
