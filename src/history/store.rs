//! The files: which are written to, when they are sealed, and which are deleted.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::catalog::{Catalog, Segment, Series};
use super::counts::Line;
use super::id::number_of;
use super::segment::{NewRow, OpenSegment};
use super::settings::Settings;

/// A file gets a successor after this time, or with this many rows.
const SEGMENT_AGE_MAX: Duration = Duration::from_secs(3600);
const SEGMENT_ROWS_MAX: u64 = 1_000_000;
/// Or with this part of all that may be kept: files are deleted whole.
const SEGMENTS_MIN: u64 = 16;
/// What the name of a file ends with that cannot be read.
const DAMAGED: &str = ".damaged";
/// Files that are waited for because they cannot be opened, or are gone.
const LATER_MAX: usize = 1000;
/// A file that takes nothing is given up for a new one, but not more often: what the disk does not
/// take it does not take into new files either.
const GIVE_UP_EVERY: Duration = Duration::from_secs(60);

/// A file with so many rows is not one that the disk never took anything into.
const ROWS_WORTH_A_FILE: u64 = 1000;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("`{}` cannot be made ({error})", folder.display())]
    Folder { folder: PathBuf, error: io::Error },
    #[error("`{}` cannot be opened now", path.display())]
    Closed { path: PathBuf },
    #[error("`{}` cannot be written ({error})", path.display())]
    File {
        path: PathBuf,
        error: rusqlite::Error,
    },
}

#[derive(Debug)]
pub(super) struct Store {
    settings: Settings,
    catalog: Arc<Catalog>,
    /// By series.
    open: [Option<OpenSegment>; Series::ALL.len()],
    /// The files of before were looked at.
    looked: bool,
    /// Of these, what could not be opened then, and is no damage.
    later: Vec<PathBuf>,
    /// When a file was given up, by series.
    gave_up: [Option<Instant>; Series::ALL.len()],
    /// Files that cannot be deleted, of which the log was told.
    undeleted: HashSet<PathBuf>,
    /// The same of those that cannot be opened.
    unopened: HashSet<PathBuf>,
}

impl Store {
    pub(super) fn new(settings: Settings, catalog: Arc<Catalog>) -> Store {
        Store {
            settings,
            catalog,
            open: Default::default(),
            looked: false,
            later: Vec::new(),
            gave_up: Default::default(),
            undeleted: HashSet::new(),
            unopened: HashSet::new(),
        }
    }

    /// Makes the folder, and takes over the files of before: what was being written to is gone on
    /// with while it is young, and sealed otherwise.
    pub(super) fn look(&mut self, now_us: u64) -> Result<(), StoreError> {
        if self.looked {
            return Ok(());
        }
        let folder = &self.settings.folder;
        let failed = |error| StoreError::Folder {
            folder: folder.clone(),
            error,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.sort();
        self.looked = true;
        for path in paths {
            if let Some((series, first)) = Segment::read_name(&path) {
                self.take_over(path, series, first, now_us);
            }
        }
        Ok(())
    }

    fn take_over(&mut self, path: PathBuf, series: Series, first: i64, now_us: u64) {
        match OpenSegment::reopen(&path, first) {
            Ok((open, sealed)) => {
                self.unopened.remove(&path);
                self.note(&open, series, sealed);
                if sealed {
                    return;
                }
                // Only the youngest of a series is gone on with.
                let slot = &mut self.open[series as usize];
                let older = match slot.take_if(|known| known.first < open.first) {
                    Some(before) => slot.replace(open).or(Some(before)),
                    None if slot.is_some() => Some(open),
                    None => slot.replace(open),
                };
                if let Some(older) = older {
                    self.seal(older, series);
                }
                self.rotate(series, now_us);
            }
            Err(error) if is_damage(&error) => self.put_aside(&path, &error),
            Err(error) => {
                // It is tried again and again, and told once.
                if self.unopened.insert(path.clone()) {
                    warn!(file = %path.display(), %error, "a file of the history cannot be opened now");
                }
                self.later.push(path);
            }
        }
    }

    /// Adds decisions and counts. What fails was not added; the file is opened anew the next time,
    /// or a new one is begun.
    pub(super) fn add(
        &mut self,
        series: Series,
        rows: &[NewRow],
        counts: &[Line],
        now_us: u64,
    ) -> Result<(), StoreError> {
        self.look(now_us)?;
        self.rotate(series, now_us);
        let first = first_of(rows, counts, now_us);
        self.leave_what_is_gone(series);
        if !rows.is_empty() {
            self.leave_what_is_ahead(series, first);
        }
        // A file that was worth its while may be left at any time.
        let open = self.open[series as usize].as_ref();
        let took_much = open.is_some_and(|open| open.rows >= ROWS_WORTH_A_FILE);
        let failed = match self.add_to_open(series, rows, counts, first) {
            Err(failed @ StoreError::File { .. }) if self.open[series as usize].is_some() => failed,
            added => return added,
        };
        let gave_up = self.gave_up[series as usize];
        if !took_much && gave_up.is_some_and(|at| at.elapsed() < GIVE_UP_EVERY) {
            return Err(failed);
        }
        // It may be this file alone that takes nothing: at its limit, or locked by somebody.
        self.gave_up[series as usize] = Some(Instant::now());
        if let Some(open) = self.open[series as usize].take() {
            self.set_aside(&open.path);
        }
        let again = self.add_to_open(series, rows, counts, first);
        again.map_err(|_| failed)
    }

    fn add_to_open(
        &mut self,
        series: Series,
        rows: &[NewRow],
        counts: &[Line],
        first: i64,
    ) -> Result<(), StoreError> {
        let mut open = match self.open[series as usize].take() {
            Some(open) => open,
            None => self.begin(series, first)?,
        };
        let added = open.add(rows, counts);
        self.note(&open, series, false);
        if let Err(error) = added {
            let (path, is_empty) = (open.path.clone(), open.is_empty());
            // Dropped, it is opened anew: as it was before, or as what it has become.
            drop(open);
            match is_empty {
                // Nothing is in it, and on a disk that takes nothing there would be one a moment.
                true => self.forget_file(&path),
                false => self.reopen(series, &path),
            }
            return Err(StoreError::File { path, error });
        }
        self.open[series as usize] = Some(open);
        Ok(())
    }

    /// A file that somebody deleted or put another one in the place of still takes what is written,
    /// and nobody would ever find it.
    fn leave_what_is_gone(&mut self, series: Series) {
        let slot = &mut self.open[series as usize];
        if let Some(gone) = slot.take_if(|open| !open.is_in_place()) {
            warn!(file = %gone.path.display(), "a file of the history was taken away while it was written to, and a new one is begun");
            self.catalog.remove(&gone.path);
            // A disk that was taken away may come back.
            self.later.push(gone.path.clone());
        }
    }

    /// The clock was set back before this process began: what is older than the file has a file of
    /// its own, so that each says by its first and last id what is in it.
    fn leave_what_is_ahead(&mut self, series: Series, first: i64) {
        let slot = &mut self.open[series as usize];
        let ahead = slot
            .take_if(|open| open.first > first || open.last_row.is_some_and(|last| last >= first));
        if let Some(ahead) = ahead {
            self.seal(ahead, series);
        }
    }

    fn begin(&self, series: Series, first: i64) -> Result<OpenSegment, StoreError> {
        let folder = &self.settings.folder;
        fs::create_dir_all(folder).map_err(|error| StoreError::Folder {
            folder: folder.clone(),
            error,
        })?;
        let mut free = first;
        let path = loop {
            let path = Segment::path_of(folder, series, free);
            if !path.exists() {
                break path;
            }
            // Downward: what it says to begin with is never behind what is in it.
            free -= 1;
        };
        OpenSegment::create(path.clone(), free).map_err(|error| {
            // Half a file would be in the way of the next.
            self.forget_file(&path);
            StoreError::File { path, error }
        })
    }

    fn forget_file(&self, path: &Path) {
        for file in Segment::files(path) {
            let _ = fs::remove_file(file);
        }
        self.catalog.remove(path);
    }

    fn reopen(&mut self, series: Series, path: &Path) {
        let Some((_, first)) = Segment::read_name(path) else {
            return;
        };
        match OpenSegment::reopen(path, first) {
            Ok((open, _)) => self.open[series as usize] = Some(open),
            // On a full disk nothing is opened for writing: that is no damage.
            Err(error) if is_damage(&error) => self.put_aside(path, &error),
            Err(_) => self.set_aside(path),
        }
    }

    /// Nothing is added to it any more; it gets its indexes when the disk takes them.
    fn set_aside(&mut self, path: &Path) {
        self.catalog.ends(path);
        self.later.push(path.to_owned());
    }

    /// What cannot be read is kept for a person who may look at it, and is in nobody's way.
    fn put_aside(&self, path: &Path, error: &rusqlite::Error) {
        warn!(file = %path.display(), %error, "a file of the history cannot be read, and is put aside as `.damaged`");
        for file in Segment::files(path) {
            let mut aside = file.clone().into_os_string();
            aside.push(DAMAGED);
            let _ = fs::rename(&file, aside);
        }
        self.catalog.remove(path);
    }

    /// Seals what is old or large enough.
    fn rotate(&mut self, series: Series, now_us: u64) {
        let bytes_max = self.settings.bytes_max / SEGMENTS_MIN;
        let age_max = SEGMENT_AGE_MAX.min(self.settings.keep / SEGMENTS_MIN as u32);
        let oldest = number_of(now_us.saturating_sub(age_max.as_micros() as u64));
        let open = self.open[series as usize].take_if(|open| {
            open.first < oldest
                || open.rows >= SEGMENT_ROWS_MAX
                || Segment::bytes_of(&open.path) > bytes_max
        });
        if let Some(open) = open {
            self.seal(open, series);
        }
    }

    fn seal(&mut self, open: OpenSegment, series: Series) {
        let (path, first, last) = (open.path.clone(), open.first, open.last);
        if let Err(error) = open.seal() {
            // It can be searched as it is, only slower.
            info!(file = %path.display(), %error, "a file of the history has no index");
        }
        self.catalog.put(Segment {
            bytes: Segment::bytes_of(&path),
            path,
            series,
            first,
            last,
            sealed: true,
        });
    }

    fn note(&self, open: &OpenSegment, series: Series, sealed: bool) {
        self.catalog.put(Segment {
            path: open.path.clone(),
            series,
            first: open.first,
            last: open.last,
            sealed,
            bytes: Segment::bytes_of(&open.path),
        });
    }

    /// Tries again what could not be opened.
    fn take_over_later(&mut self, now_us: u64) {
        let gone = self.later.len().saturating_sub(LATER_MAX);
        for path in mem::take(&mut self.later).into_iter().skip(gone) {
            match Segment::read_name(&path) {
                Some((series, first)) if path.exists() => {
                    self.take_over(path, series, first, now_us);
                }
                _ => self.later.push(path),
            }
        }
    }

    /// Deletes files that were put aside, and that nobody has touched for so long.
    fn drop_damaged(&self, age: Duration) {
        for entry in fs::read_dir(&self.settings.folder)
            .into_iter()
            .flatten()
            .flatten()
        {
            let modified = entry.metadata().and_then(|found| found.modified());
            let is_old = modified.is_ok_and(|at| at.elapsed().unwrap_or_default() >= age);
            if is_old && entry.file_name().to_string_lossy().ends_with(DAMAGED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Deletes what is too old, and the oldest of what is too much: plain allows first.
    pub(super) fn keep_short(&mut self, now_us: u64) -> u64 {
        self.take_over_later(now_us);
        self.drop_damaged(self.settings.keep);
        for series in Series::ALL {
            self.rotate(series, now_us);
        }
        let oldest = now_us.saturating_sub(self.settings.keep.as_micros() as u64);
        let oldest = number_of(oldest);
        let mut kept = self.catalog.all();
        kept.retain(|segment| {
            let is_old = segment.sealed && segment.last < oldest;
            !is_old || !self.delete(segment)
        });
        let mut bytes: u64 = kept.iter().map(|segment| segment.bytes).sum();
        for series in [Series::Allows, Series::Decisions] {
            // The oldest are last.
            for segment in kept.iter().rev() {
                let is_next = segment.series == series && segment.sealed;
                if bytes > self.settings.bytes_max && is_next && self.delete(segment) {
                    bytes -= segment.bytes;
                }
            }
        }
        bytes
    }

    fn delete(&mut self, segment: &Segment) -> bool {
        match fs::remove_file(&segment.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It is tried again and again, and told once.
                if self.undeleted.insert(segment.path.clone()) {
                    warn!(file = %segment.path.display(), %error, "a file of the history cannot be deleted");
                }
                false
            }
            _ => {
                self.undeleted.remove(&segment.path);
                self.forget_file(&segment.path);
                true
            }
        }
    }

    /// Deletes what users wrote or were written to, in all files.
    pub(super) fn forget(&mut self, users: &[String], now_us: u64) -> Result<u64, StoreError> {
        self.look(now_us)?;
        self.take_over_later(now_us);
        // What cannot be read may hold whoever is to be forgotten.
        self.drop_damaged(Duration::ZERO);
        let mut gone = 0;
        for segment in self.catalog.all() {
            let open = self.open[segment.series as usize].as_mut();
            let forgotten = match open.filter(|open| open.path == segment.path) {
                Some(open) => open.forget(users),
                None => OpenSegment::reopen(&segment.path, segment.first)
                    .and_then(|(mut open, _)| open.forget(users)),
            };
            gone += forgotten.map_err(|error| StoreError::File {
                path: segment.path.clone(),
                error,
            })?;
        }
        match self.later.iter().find(|path| path.exists()) {
            None => Ok(gone),
            Some(path) => Err(StoreError::Closed { path: path.clone() }),
        }
    }

    /// The last id before this one in the files that are gone on with.
    pub(super) fn last_row_before(&self, end: i64) -> Option<i64> {
        let open = self.open.iter().flatten();
        let last = open.filter_map(|open| open.last_row);
        last.filter(|last| *last < end).max()
    }

    /// Lets go of the files.
    pub(super) fn close(&mut self) {
        self.open = Default::default();
    }
}

/// What a file that begins with these must say to begin with: ids and counts behind it are found.
fn first_of(rows: &[NewRow], counts: &[Line], now_us: u64) -> i64 {
    let first = rows.first().map(|new| new.row.id.number);
    let counted = counts
        .iter()
        .map(|line| number_of(u64::from(line.minute) * 60_000_000));
    match first {
        Some(first) => first,
        None => counted.min().unwrap_or(number_of(now_us)),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseCorrupt | NotADatabase))
        || matches!(error, rusqlite::Error::InvalidQuery)
}
