//! The files of a policy directory: what is read, and how an edit is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::policy::FileSet;
use crate::settings::Problem;

/// More files than this are no policy directory but a mistake.
const FILES_MAX: usize = 1_000;
/// All files together; a million words take about 20 MiB.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How often a file is read that is written meanwhile.
const STEADY_TRIES: usize = 20;
const STEADY_PAUSE: Duration = Duration::from_millis(2);
/// Directories below the policy directory.
const DEPTH_MAX: usize = 4;
/// Read when callgate starts and never again.
pub(super) const START_ONLY: &str = "engine.yaml";
/// What a policy can consist of; editors' backup and swap files are none of it.
const EXTENSIONS: [&str; 5] = ["yaml", "yml", "txt", "csv", "json"];

/// Folders that callgate itself writes to, by what lies in each: the audit and the versions. Where
/// `data` is among the policy files, every version that comes into force changes them; taken for
/// policy, they would make another version at once, and so on without end.
const OWN: [[&str; 2]; 2] = [["head", "policy.json"], ["lock", "records"]];

/// Who writes a file sets its time of change with each write; a longer time after the last write
/// is that of a rename, or of one who set its times or its mode when all was written.
const PUBLISHED_AFTER: Duration = Duration::from_millis(5);

/// What `stat` says of every file. Two equal fingerprints mean that nothing was edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<Stat>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub path: String,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
    /// Differs when a file is renamed over another or a symlink is swapped, even if size and
    /// time are equal.
    pub identity: Identity,
    /// It is a symbolic link, or was renamed into place, or got its times or its mode after its last
    /// write: whoever put it there had finished.
    pub is_published: bool,
}

/// The same file, whatever it is named.
pub(super) type Identity = (u64, u64);

impl Stat {
    fn of(path: String, metadata: &fs::Metadata, is_link: bool) -> Stat {
        Stat {
            path,
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            identity: identity(metadata),
            is_published: is_link || was_published(metadata),
        }
    }
}

impl Fingerprint {
    /// By path.
    pub(super) fn stats(&self) -> &[Stat] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn from_stats(stats: Vec<Stat>) -> Fingerprint {
        Fingerprint(stats)
    }

    pub(super) fn stat(&self, path: &str) -> Option<&Stat> {
        self.0.iter().find(|stat| stat.path == path)
    }

    /// Takes note of files that were renamed into place, where they are as they were then.
    pub(super) fn publish(&mut self, renamed: &[Stat]) {
        for stat in &mut self.0 {
            stat.is_published |= renamed.contains(stat);
        }
    }

    pub(crate) fn of(directory: &Path) -> Fingerprint {
        let mut stats = Vec::new();
        // What cannot be read now is absent from the fingerprint; reading it will say why.
        let _ = walk(directory, "", 0, &mut stats);
        Fingerprint(stats)
    }

    /// The same of single files, wherever they are; those that are missing are left out.
    pub(super) fn of_files(paths: &[PathBuf]) -> Fingerprint {
        let stats = paths.iter().filter_map(|path| {
            let metadata = fs::metadata(path).ok()?;
            Some(Stat::of(path.display().to_string(), &metadata, false))
        });
        Fingerprint(stats.collect())
    }
}

/// Reads every policy file below `directory`.
///
/// Symbolic links are followed; hidden names are left out (Kubernetes keeps its own copies
/// there), and so are `engine.yaml` and what callgate keeps of versions and acts.
/// Errors: a problem that names the file which cannot be read.
pub fn read_files(directory: &Path) -> Result<FileSet, Box<Problem>> {
    let root = directory.display().to_string();
    let mut stats = Vec::new();
    walk(directory, "", 0, &mut stats).map_err(|(path, error)| {
        Problem::of_file(
            path,
            format!("cannot be read: {error}"),
            "check that it exists and may be read; `--policies DIR` names another directory",
        )
    })?;
    let bytes: u64 = stats.iter().map(|stat| stat.bytes).sum();
    if stats.len() > FILES_MAX || bytes > BYTES_MAX {
        return Err(Box::new(Problem::of_file(
            root,
            format!(
                "holds {} files with {bytes} bytes; the limits are {FILES_MAX} files and {BYTES_MAX} bytes",
                stats.len()
            ),
            "move what is not policy out of the directory",
        )));
    }
    let mut files = BTreeMap::new();
    for stat in stats {
        let content = read_steady(&directory.join(&stat.path)).map_err(|error| {
            Problem::of_file(
                format!("{root}/{}", stat.path),
                format!("cannot be read: {error}"),
                "check its permissions",
            )
        })?;
        files.insert(stat.path, Arc::from(content));
    }
    Ok(FileSet { root, files })
}

/// Reads a file that nobody wrote meanwhile; one that never stands still is read as it is.
fn read_steady(path: &Path) -> io::Result<Vec<u8>> {
    let look = || {
        let found = fs::metadata(path)?;
        io::Result::Ok((found.len(), found.modified().ok(), identity(&found)))
    };
    let mut tries = 0;
    loop {
        let before = look()?;
        let content = fs::read(path)?;
        tries += 1;
        let is_whole = look()? == before && content.len() as u64 == before.0;
        if is_whole || tries == STEADY_TRIES {
            return Ok(content);
        }
        thread::sleep(STEADY_PAUSE);
    }
}

fn walk(
    directory: &Path,
    prefix: &str,
    depth: usize,
    stats: &mut Vec<Stat>,
) -> Result<(), (String, io::Error)> {
    let named = |error| (directory.display().to_string(), error);
    let mut entries = fs::read_dir(directory)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(named)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let path = format!("{prefix}{name}");
        let full = entry.path();
        let at = |error| (full.display().to_string(), error);
        // Follows symbolic links: what counts is what would be read.
        let metadata = match fs::metadata(&full) {
            Ok(metadata) => metadata,
            // A file that went away while we looked is no file of the policy.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(error)),
        };
        if metadata.is_dir() {
            if depth < DEPTH_MAX && !is_own(&full) {
                walk(&full, &format!("{path}/"), depth + 1, stats)?;
            }
        } else if metadata.is_file() && is_policy_path(&path) {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            stats.push(Stat::of(path, &metadata, is_link));
        }
    }
    Ok(())
}

fn is_own(folder: &Path) -> bool {
    let has = |name: &&str| folder.join(name).exists();
    OWN.iter().any(|names| names.iter().all(has))
}

pub(super) fn is_policy_path(path: &str) -> bool {
    path != START_ONLY
        && path
            .rsplit_once('.')
            .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension))
}

#[cfg(unix)]
fn was_published(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let changed = nanos(metadata.ctime(), metadata.ctime_nsec());
    let written = nanos(metadata.mtime(), metadata.mtime_nsec());
    changed - written > PUBLISHED_AFTER.as_nanos() as i128
}

#[cfg(not(unix))]
fn was_published(_: &fs::Metadata) -> bool {
    let _ = PUBLISHED_AFTER;
    false
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgate_keeps_among_the_policy_files_is_none_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        };
        for path in ["policy.yaml", "records/a.yaml", "audit/policy.json"] {
            write(path);
        }
        let before = Fingerprint::of(directory.path());
        assert_eq!(before.stats().len(), 3, "they may be called so");
        write("data/audit/head");
        write("data/audit/policy.json");
        write("data/versions/lock");
        write("data/versions/records/1.json");
        assert_eq!(Fingerprint::of(directory.path()), before);
        let read = read_files(directory.path()).unwrap();
        assert_eq!(read.files.len(), 3);
    }
}
