//! An earlier version brought back, or a candidate made the policy: its files written into the policy
//! directory, byte for byte, as a hand would. What comes of it is a new version.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::diff::{FileDiff, Side, file_diff};
use super::place::{make_folder, put, sync_folder};
use super::record::{KeptFile, Origin, Record, sha256};
use super::store::{Files, Store, VersionError};

/// What is being done, so that the next start ends what an end of power broke off.
const UNDER_WAY: &str = "rollback.json";
/// What files on disk held that no version has.
const REPLACED: &str = "replaced";
/// What the files of a candidate hold that is being promoted, by SHA-256.
const PROMOTED: &str = "promoted";
/// How many of [`REPLACED`] are kept.
const REPLACED_MAX: usize = 20;

/// Why a version cannot be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    #[error(transparent)]
    Version(#[from] VersionError),
    #[error(
        "`{0}` is a secret, of which only the digest is kept, and it is another one now: put the old one there first"
    )]
    SecretChanged(String),
    #[error("`{0}` is a link out of the policy directory, and is not written through")]
    LeadsOut(String),
    #[error(
        "the policy directory cannot be written here ({}: {error}); take the patch to where its files come from",
        .path.display()
    )]
    ReadOnly { path: PathBuf, error: io::Error },
    #[error("the files were edited since this was planned: plan it again")]
    Stale,
    /// Other replicas cannot be asked.
    #[error("{0}")]
    NotShared(String),
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// What has to be done to have a version's files on disk.
#[derive(Debug)]
pub struct Plan {
    /// The same for the same version and the same files on disk.
    pub id: String,
    /// The version that is brought back; 0 is a candidate.
    pub number: u64,
    pub hash: String,
    pub steps: Vec<Step>,
}

/// One file that will be another one.
#[derive(Debug)]
pub struct Step {
    pub diff: FileDiff,
    /// What is there now is in no version, and would be lost; a copy of it is kept.
    pub unkept: bool,
    /// What is there now, and what will be.
    before: Option<Arc<[u8]>>,
    content: Option<Arc<[u8]>>,
}

impl Plan {
    /// Compares a version with the files on `disk`, which are those that a policy is read from.
    ///
    /// Errors: it cannot be brought back.
    pub fn of(store: &Store, record: &Record, disk: &Files) -> Result<Plan, RollbackError> {
        let known = Known::of(store)?;
        let mut steps = Vec::new();
        let mut seen = record.hash.clone();
        let wanted = record.files.iter().map(|file| file.path.as_str());
        let there = disk.keys().map(String::as_str);
        let there = there.filter(|path| !path.starts_with("tests/"));
        let paths: BTreeSet<&str> = wanted.chain(there).collect();
        for path in paths {
            let now = disk.get(path);
            let digest = now.map(|content| sha256(content));
            seen.push_str(&format!("\n{path} {}", digest.as_deref().unwrap_or("-")));
            let content = match record.file(path) {
                Some(file) if Some(&file.sha256) == digest.as_ref() => continue,
                Some(file) if file.idle => continue,
                Some(file) if file.secret => {
                    return Err(RollbackError::SecretChanged(path.to_owned()));
                }
                Some(file) => Some(Arc::from(store.content(record.number, file)?)),
                // It lies beside the policy, and is nobody's but its owner's.
                None if !known.is_read(path) => continue,
                None => None,
            };
            steps.push(known.step(path, now, content));
        }
        Ok(Plan {
            id: sha256(seen.as_bytes())[..16].to_owned(),
            number: record.number,
            hash: record.hash.clone(),
            steps,
        })
    }

    /// Compares what a candidate was read from, and its cases, with the files on `disk`.
    ///
    /// Errors: what is kept cannot be read.
    pub fn promote(
        store: &Store,
        hash: &str,
        candidate: &Files,
        disk: &Files,
    ) -> Result<Plan, RollbackError> {
        let known = Known::of(store)?;
        let is_case = |path: &str| path.starts_with("tests/");
        let has_cases = candidate.keys().any(|path| is_case(path));
        let mut steps = Vec::new();
        let mut seen = format!("candidate {hash}");
        let paths: BTreeSet<&String> = candidate.keys().chain(disk.keys()).collect();
        for path in paths {
            let (now, wanted) = (disk.get(path), candidate.get(path));
            let digest = now.map(|content| sha256(content));
            seen.push_str(&format!("\n{path} {}", digest.as_deref().unwrap_or("-")));
            // What lies beside the policy is nobody's but its owner's.
            let goes = known.is_read(path) || (is_case(path) && has_cases);
            if now == wanted || (wanted.is_none() && !goes) {
                continue;
            }
            steps.push(known.step(path, now, wanted.cloned()));
        }
        Ok(Plan {
            id: sha256(seen.as_bytes())[..16].to_owned(),
            number: 0,
            hash: hash.to_owned(),
            steps,
        })
    }

    /// Makes the files on disk what they would be then.
    pub fn apply_to(&self, disk: &mut Files) {
        for step in &self.steps {
            match &step.content {
                Some(content) => disk.insert(step.diff.path.clone(), Arc::clone(content)),
                None => disk.remove(&step.diff.path),
            };
        }
    }

    /// All of it, as `patch -p1` takes it.
    pub fn patch(&self) -> String {
        let steps = self.steps.iter();
        steps
            .filter_map(|step| step.diff.patch.as_deref())
            .collect()
    }

    /// Looks whether every file can be written, and writes none.
    pub fn check(&self, directory: &Path) -> Result<(), RollbackError> {
        for step in &self.steps {
            let path = target(directory, &step.diff.path)?;
            let folder = existing_folder(&path);
            let probe = folder.join(format!(".callgate-{}", std::process::id()));
            let tried = File::create(&probe).and_then(|_| fs::remove_file(&probe));
            // A single file that is mounted is written in place.
            let tried = tried.or_else(|error| match OpenOptions::new().write(true).open(&path) {
                Ok(_) if step.content.is_some() => Ok(()),
                _ => Err(error),
            });
            tried.map_err(|error| RollbackError::ReadOnly {
                path: folder,
                error,
            })?;
        }
        Ok(())
    }

    /// Writes and removes the files, and has them on disk. `origin` stands beside the version that
    /// comes of it, if the next start has to end this.
    pub fn carry_out(
        &self,
        store: &Store,
        directory: &Path,
        origin: &Origin,
    ) -> Result<(), RollbackError> {
        self.check(directory)?;
        self.keep_replaced(store, directory)?;
        let under_way = UnderWay {
            number: self.number,
            origin: origin.clone(),
            is_written: false,
            files: self.keep_promoted(store)?,
        };
        under_way.note(store)?;
        let written = self.write(directory);
        if written.is_err() {
            // No mixture of two versions is left behind.
            for step in &self.steps {
                let undone = target(directory, &step.diff.path).map(|path| match &step.before {
                    Some(content) => replace(&path, content),
                    None => fs::remove_file(&path),
                });
                drop(undone);
            }
            end(store);
        }
        written
    }

    fn write(&self, directory: &Path) -> Result<(), RollbackError> {
        for step in &self.steps {
            let path = target(directory, &step.diff.path)?;
            let io = |error| RollbackError::Io {
                path: path.clone(),
                error,
            };
            match &step.content {
                Some(content) => replace(&path, content).map_err(io)?,
                None => match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                    _ => sync_folder(&existing_folder(&path)).map_err(io)?,
                },
            }
        }
        Ok(())
    }

    /// Keeps what a candidate's files hold, which no version has, for a start that has to end this.
    fn keep_promoted(&self, store: &Store) -> Result<Vec<Promoted>, RollbackError> {
        if self.number != 0 {
            return Ok(Vec::new());
        }
        let folder = store.folder().join(PROMOTED);
        let failed = |error| RollbackError::Io {
            path: folder.clone(),
            error,
        };
        make_folder(&folder).map_err(failed)?;
        let mut files = Vec::new();
        for step in &self.steps {
            let digest = step.content.as_ref().map(|content| sha256(content));
            if let (Some(digest), Some(content)) = (&digest, &step.content) {
                put(&folder.join(digest), content).map_err(failed)?;
            }
            files.push(Promoted {
                path: step.diff.path.clone(),
                sha256: digest,
            });
        }
        sync_folder(&folder).map_err(failed)?;
        Ok(files)
    }

    /// Keeps what is on disk and in no version, such as an edit that had errors.
    fn keep_replaced(&self, store: &Store, directory: &Path) -> Result<(), RollbackError> {
        let folder = store.folder().join(REPLACED);
        let unkept: Vec<_> = self.steps.iter().filter(|step| step.unkept).collect();
        if unkept.is_empty() {
            return Ok(());
        }
        let failed = |error| RollbackError::Io {
            path: folder.clone(),
            error,
        };
        make_folder(&folder).map_err(failed)?;
        for step in unkept {
            let name = step.diff.path.replace('/', "%");
            let content = fs::read(directory.join(&step.diff.path)).map_err(failed)?;
            put(&folder.join(format!("{}-{name}", self.id)), &content).map_err(failed)?;
        }
        sync_folder(&folder).map_err(failed)?;
        let mut old: Vec<_> = fs::read_dir(&folder)
            .map_err(failed)?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        old.sort();
        let over = old.len().saturating_sub(REPLACED_MAX);
        for (_, path) in &old[..over] {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// What is kept already.
struct Known {
    newest: Option<Record>,
    /// By SHA-256.
    contents: BTreeSet<String>,
}

impl Known {
    fn of(store: &Store) -> Result<Known, RollbackError> {
        let numbers = store.numbers()?;
        let newest = numbers.first().copied();
        let newest = newest.and_then(|number| store.record(number).ok());
        let mut contents = BTreeSet::new();
        for number in numbers {
            let Ok(record) = store.record(number) else {
                continue;
            };
            contents.extend(record.contents().map(|file| file.sha256.clone()));
        }
        Ok(Known { newest, contents })
    }

    /// The newest version is read from it.
    fn is_read(&self, path: &str) -> bool {
        let of = |record: &Record| record.file(path).is_some_and(KeptFile::is_kept);
        self.newest.as_ref().is_some_and(of)
    }

    fn step(&self, path: &str, now: Option<&Arc<[u8]>>, content: Option<Arc<[u8]>>) -> Step {
        let side = |content: Option<&Arc<[u8]>>| match content {
            None => Side::Nothing,
            Some(content) => Side::of(content.to_vec()),
        };
        let digest = now.map(|content| sha256(content));
        Step {
            diff: file_diff(path, side(now), side(content.as_ref())),
            unkept: digest.is_some_and(|digest| !self.contents.contains(&digest)),
            before: now.cloned(),
            content,
        }
    }
}

/// A file of a candidate that is being promoted.
#[derive(Debug, Serialize, Deserialize)]
struct Promoted {
    path: String,
    /// `None`: it goes.
    sha256: Option<String>,
}

/// A rollback that began.
#[derive(Debug, Serialize, Deserialize)]
struct UnderWay {
    number: u64,
    origin: Origin,
    /// The files are there, and nobody has brought them into force yet.
    is_written: bool,
    /// Of a candidate; empty for a version, whose files are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<Promoted>,
}

impl UnderWay {
    /// Writes what is left to be written of a candidate's files.
    fn write_promoted(&self, store: &Store, directory: &Path) -> Result<(), RollbackError> {
        for file in &self.files {
            let path = target(directory, &file.path)?;
            let io = |error| RollbackError::Io {
                path: path.clone(),
                error,
            };
            let Some(digest) = &file.sha256 else {
                let _ = fs::remove_file(&path);
                sync_folder(&existing_folder(&path)).map_err(io)?;
                continue;
            };
            let content = fs::read(store.folder().join(PROMOTED).join(digest)).map_err(io)?;
            if sha256(&content) != *digest {
                let what = format!("`{}` of the candidate", file.path);
                return Err(VersionError::Damaged(0, what).into());
            }
            replace(&path, &content).map_err(io)?;
        }
        Ok(())
    }

    fn note(&self, store: &Store) -> Result<(), RollbackError> {
        let path = store.folder().join(UNDER_WAY);
        // Strings and numbers: serialising them cannot fail.
        let text = serde_json::to_vec(self).unwrap_or_default();
        make_folder(store.folder())
            .and_then(|()| put(&path, &text))
            .and_then(|()| sync_folder(store.folder()))
            .map_err(|error| RollbackError::Io { path, error })
    }
}

/// Notes that the files are written and that the next start brings them into force.
pub fn leave_to_start(store: &Store, number: u64, origin: &Origin) -> Result<(), RollbackError> {
    let under_way = UnderWay {
        number,
        origin: origin.clone(),
        is_written: true,
        files: Vec::new(),
    };
    under_way.note(store)
}

/// Nothing is left to do of it.
pub fn end(store: &Store) {
    let _ = fs::remove_file(store.folder().join(UNDER_WAY));
    let _ = fs::remove_dir_all(store.folder().join(PROMOTED));
}

/// Ends a rollback that broke off; says whose the version is that comes of it, if there is one.
/// `read` reads the files on disk.
pub fn end_broken_off(
    store: &Store,
    directory: &Path,
    read: impl Fn() -> Option<Files>,
) -> Result<Option<(Origin, u64)>, RollbackError> {
    let text = match fs::read(store.folder().join(UNDER_WAY)) {
        Err(_) => return Ok(None),
        Ok(text) => text,
    };
    let Ok(under_way) = serde_json::from_slice::<UnderWay>(&text) else {
        return Ok(None);
    };
    if under_way.number == 0 {
        under_way.write_promoted(store, directory)?;
    } else if !under_way.is_written
        && let Some(disk) = read()
    {
        let record = store.record(under_way.number)?;
        Plan::of(store, &record, &disk)?.write(directory)?;
    }
    Ok(Some((under_way.origin, under_way.number)))
}

/// Where a file of the policy directory really is.
fn target(directory: &Path, path: &str) -> Result<PathBuf, RollbackError> {
    let full = directory.join(path);
    let io = |error| RollbackError::Io {
        path: full.clone(),
        error,
    };
    let root = fs::canonicalize(directory).map_err(io)?;
    let target = match fs::canonicalize(&full) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = fs::canonicalize(existing_folder(&full)).map_err(io)?;
            return match folder.starts_with(&root) {
                true => Ok(full),
                false => Err(RollbackError::LeadsOut(path.to_owned())),
            };
        }
        Err(error) => return Err(io(error)),
    };
    match target.starts_with(&root) {
        true => Ok(target),
        false => Err(RollbackError::LeadsOut(path.to_owned())),
    }
}

fn existing_folder(path: &Path) -> PathBuf {
    let folders = path.ancestors().skip(1);
    let found = folders.into_iter().find(|folder| folder.is_dir());
    found.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// Writes beside the file and renames, with its mode and its owner; a file that is mounted by
/// itself is written in place.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.callgate-{}", std::process::id()));
    let placed = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(content)?;
        if let Ok(found) = fs::metadata(path) {
            fs::set_permissions(&beside, found.permissions())?;
            keep_owner(&beside, &found);
        } else {
            readable(&beside)?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(folder)
    })();
    match placed {
        Err(error) if path.is_file() => {
            let _ = fs::remove_file(&beside);
            let in_place = matches!(
                error.kind(),
                io::ErrorKind::ResourceBusy
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::CrossesDevices
            );
            if !in_place {
                return Err(error);
            }
            let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
            file.write_all(content)?;
            file.sync_all()
        }
        placed => placed,
    }
}

/// A file that was not there is as its folder lets its neighbours be, for all to read.
fn readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mode = fs::metadata(folder)?.permissions().mode() & 0o666;
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o644))?;
    }
    let _ = path;
    Ok(())
}

fn keep_owner(path: &Path, like: &fs::Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Who may not give files away writes them as his own.
        let _ = std::os::unix::fs::chown(path, Some(like.uid()), Some(like.gid()));
    }
    let _ = (path, like);
}
