//! What is read from files, and read again when they change; while what they hold is bad, what
//! they held before stays.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use crate::settings::Problem;
use crate::watch::Watch;

/// How often the files are looked at: `stat` costs microseconds, and sees alike a file that is
/// written in place, renamed over, or behind a symbolic link that is swapped.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Files that changed are read once they have not changed for this long: a certificate and its key
/// are rarely written in one instant.
const SETTLE: Duration = Duration::from_millis(400);
/// What is bad is read again after this time although it is the same: a certificate that was not
/// valid yet may be so now.
const TRY_AGAIN: Duration = Duration::from_secs(10);

type Read<T> = Box<dyn Fn() -> Result<T, Vec<Problem>> + Send + Sync>;

/// The last good value of some files.
pub(super) struct Kept<T> {
    files: Vec<PathBuf>,
    read: Read<T>,
    value: ArcSwap<T>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    seen: Fingerprint,
    /// When they are read.
    due: Option<Instant>,
    problems: Vec<Problem>,
}

/// What a look led to, when it led to anything.
#[derive(Debug)]
pub(super) enum Looked {
    Renewed,
    Refused(Vec<Problem>),
}

impl<T> Kept<T> {
    /// Reads for the first time.
    ///
    /// Errors: what `read` says.
    pub(super) fn start(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, Vec<Problem>> + Send + Sync + 'static,
    ) -> Result<Kept<T>, Vec<Problem>> {
        let seen = Fingerprint::of(&files);
        let value = ArcSwap::from_pointee(read()?);
        let state = State {
            // Of before the reading: what was edited meanwhile is read again.
            seen,
            due: None,
            problems: Vec::new(),
        };
        Ok(Kept {
            files,
            read: Box::new(read),
            value,
            state: Mutex::new(state),
        })
    }

    pub(super) fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// What is wrong with the files as they are now.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.state().problems.clone()
    }

    /// Reads the files if they have changed and then been left alone for a moment.
    pub(super) fn look(&self, now: Instant) -> Option<Looked> {
        let mut state = self.state();
        let seen = Fingerprint::of(&self.files);
        if seen != state.seen {
            state.seen = seen;
            state.due = Some(now + SETTLE);
            return None;
        }
        if now < state.due? {
            return None;
        }
        match (self.read)() {
            Ok(value) => {
                self.value.store(Arc::new(value));
                state.due = None;
                state.problems.clear();
                Some(Looked::Renewed)
            }
            Err(problems) => {
                state.due = Some(now + TRY_AGAIN);
                if problems == state.problems {
                    return None;
                }
                state.problems.clone_from(&problems);
                Some(Looked::Refused(problems))
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?})", self.files)
    }
}

/// What `stat` says of each file; `None` of one that is not there.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint(Vec<Option<Stat>>);

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Device, inode and time of change: another file of the same size and time is another file.
    identity: (u64, u64, i64, i64),
}

impl Fingerprint {
    fn of(files: &[PathBuf]) -> Fingerprint {
        let stats = files.iter().map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some(Stat {
                bytes: metadata.len(),
                modified: metadata.modified().ok(),
                identity: identity(&metadata),
            })
        });
        Fingerprint(stats.collect())
    }
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> (u64, u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> (u64, u64, i64, i64) {
    (0, 0, 0, 0)
}

/// Looks at certificate files again and again; stops when dropped.
///
/// Errors: the operating system gives no thread.
pub fn watch(look: impl FnMut() + Send + 'static) -> std::io::Result<Watch> {
    Watch::start("tls-watch", LOOK_EVERY, look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_good_value_stays_and_files_are_read_when_they_rest() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "1").unwrap();
        let path = file.clone();
        let kept = Kept::start(vec![file.clone()], move || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let wrong = |_| vec![Problem::of_file("file", "is no number", "")];
            text.parse::<u32>().map_err(wrong)
        })
        .unwrap();
        let start = Instant::now();
        let rest = SETTLE * 2;
        assert!(kept.look(start).is_none());
        fs::write(&file, "x").unwrap();
        assert!(kept.look(start).is_none());
        assert!(kept.look(start).is_none(), "it may still be written");
        assert!(matches!(kept.look(start + rest), Some(Looked::Refused(_))));
        assert_eq!((*kept.get(), kept.problems().len()), (1, 1));
        assert!(kept.look(start + 2 * rest).is_none(), "said once");
        // A swap of a file that has the same size.
        let other = directory.path().join("other");
        fs::write(&other, "2").unwrap();
        fs::rename(&other, &file).unwrap();
        assert!(kept.look(start + 2 * rest).is_none());
        assert!(matches!(kept.look(start + 3 * rest), Some(Looked::Renewed)));
        assert_eq!((*kept.get(), kept.problems().len()), (2, 0));
        fs::remove_file(&file).unwrap();
        kept.look(start + 3 * rest);
        assert!(matches!(
            kept.look(start + 4 * rest),
            Some(Looked::Refused(_))
        ));
        assert_eq!(*kept.get(), 2);
    }
}
