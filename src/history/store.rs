//! The files: which are written to, when they are sealed, and which are deleted.

use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("`{}` cannot be made ({error})", folder.display())]
    Folder { folder: PathBuf, error: io::Error },
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
}

impl Store {
    pub(super) fn new(settings: Settings, catalog: Arc<Catalog>) -> Store {
        Store {
            settings,
            catalog,
            open: Default::default(),
            looked: false,
            later: Vec::new(),
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
                self.note(&open, series, sealed);
                if sealed {
                    return;
                }
                // At most one of a series is young.
                if let Some(before) = self.open[series as usize].replace(open) {
                    self.seal(before, series);
                }
                self.rotate(series, now_us);
            }
            Err(error) if is_damage(&error) => self.put_aside(&path, &error),
            Err(error) => {
                warn!(file = %path.display(), %error, "a file of the history cannot be opened now");
                self.later.push(path);
            }
        }
    }

    /// Adds decisions and counts. What fails was not added; the file is opened anew the next time.
    pub(super) fn add(
        &mut self,
        series: Series,
        rows: &[NewRow],
        counts: &[Line],
        now_us: u64,
    ) -> Result<(), StoreError> {
        self.look(now_us)?;
        self.rotate(series, now_us);
        let slot = &mut self.open[series as usize];
        let mut open = match slot.take() {
            Some(open) => open,
            None => {
                let first = rows.first().map(|new| new.row.id.number);
                let first = first.unwrap_or(number_of(now_us));
                self.begin(series, first)?
            }
        };
        let added = open.add(rows, counts);
        self.note(&open, series, false);
        if let Err(error) = added {
            let path = open.path.clone();
            // Dropped, it is opened anew: as it was before, or as what it has become.
            drop(open);
            self.reopen(series, &path);
            return Err(StoreError::File { path, error });
        }
        self.open[series as usize] = Some(open);
        Ok(())
    }

    fn begin(&self, series: Series, first: i64) -> Result<OpenSegment, StoreError> {
        let folder = &self.settings.folder;
        let mut free = first;
        let path = loop {
            let path = Segment::path_of(folder, series, free);
            if !path.exists() {
                break path;
            }
            free += 1;
        };
        OpenSegment::create(path.clone(), free).map_err(|error| {
            // Half a file would be in the way of the next.
            for file in Segment::files(&path) {
                let _ = fs::remove_file(file);
            }
            StoreError::File { path, error }
        })
    }

    fn reopen(&mut self, series: Series, path: &Path) {
        let Some((_, first)) = Segment::read_name(path) else {
            return;
        };
        match OpenSegment::reopen(path, first) {
            Ok((open, _)) => self.open[series as usize] = Some(open),
            // On a full disk nothing is opened for writing: that is no damage.
            Err(error) if is_damage(&error) => self.put_aside(path, &error),
            Err(_) => {}
        }
    }

    /// What cannot be read is kept for a person who may look at it, and is in nobody's way.
    fn put_aside(&self, path: &Path, error: &rusqlite::Error) {
        warn!(file = %path.display(), %error, "a file of the history cannot be read, and is put aside as `.damaged`");
        for file in Segment::files(path) {
            let mut aside = file.clone().into_os_string();
            aside.push(".damaged");
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

    /// Deletes what is too old, and the oldest of what is too much: plain allows first.
    pub(super) fn keep_short(&mut self, now_us: u64) -> u64 {
        for path in mem::take(&mut self.later) {
            if let Some((series, first)) = Segment::read_name(&path) {
                self.take_over(path, series, first, now_us);
            }
        }
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

    fn delete(&self, segment: &Segment) -> bool {
        let [file, ..] = Segment::files(&segment.path);
        let deleted = match fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                warn!(file = %file.display(), %error, "a file of the history cannot be deleted");
                false
            }
            Ok(()) => true,
        };
        if deleted {
            for beside in &Segment::files(&segment.path)[1..] {
                let _ = fs::remove_file(beside);
            }
            self.catalog.remove(&segment.path);
        }
        deleted
    }

    /// Deletes what users wrote or were written to, in all files.
    pub(super) fn forget(&mut self, users: &[String], now_us: u64) -> Result<u64, StoreError> {
        self.look(now_us)?;
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
        Ok(gone)
    }

    /// Lets go of the files.
    pub(super) fn close(&mut self) {
        self.open = Default::default();
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseCorrupt | NotADatabase))
        || matches!(error, rusqlite::Error::InvalidQuery)
}
