//! Copies of files and folders, for nobody else on the machine, on disk when they are made.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};

use super::entered::{make_folder, private};
use super::error::{StorageError, at};
use crate::database;

const PIECE_BYTES: usize = 256 << 10;
/// Folders below each other.
const DEPTH_MAX: usize = 4;

/// Copies a database that others may use; false when there is none.
pub(super) fn copy_database(from: &Path, to: &Path) -> Result<bool, StorageError> {
    if !from.exists() {
        return Ok(false);
    }
    make_empty(to)?;
    database::copy(from, to).map_err(|error| StorageError::Database {
        path: from.to_owned(),
        error,
    })?;
    sync(to)?;
    Ok(true)
}

/// Copies a folder. What is gone before its turn has come is left out, and so is what is not whole
/// or no one's but a process's.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<(), StorageError> {
    copy_below(from, to, 0)
}

fn copy_below(from: &Path, to: &Path, depth: usize) -> Result<(), StorageError> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(at(from))?,
    };
    make_folder(to).map_err(at(to))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(at(from))?.file_name());
    }
    // `records` of the versions come after `files` in this order, and must be read before them.
    names.sort();
    for name in names.iter().rev() {
        let shown = name.to_string_lossy();
        let (from, to) = (from.join(name), to.join(name));
        let Ok(found) = fs::symlink_metadata(&from) else {
            continue;
        };
        if found.is_dir() && depth < DEPTH_MAX {
            copy_below(&from, &to, depth + 1)?;
        } else if found.is_file() && !is_passing(&shown) {
            let copied = match shown.ends_with(".db") {
                true => copy_database(&from, &to).map(drop),
                false => copy_file(&from, &to, u64::MAX).map(drop),
            };
            match copied {
                // It was dropped meanwhile, as the oldest are.
                Err(_) if !from.exists() => {
                    let _ = fs::remove_file(&to);
                }
                copied => copied?,
            }
        }
    }
    sync_folder(to)
}

/// What SQLite keeps beside a file, locks, and what is being written.
fn is_passing(name: &str) -> bool {
    let endings = ["-wal", "-shm", "-journal", ".new", ".damaged"];
    name == "lock" || endings.iter().any(|ending| name.ends_with(ending))
}

/// Copies at most so many bytes, and says what their digest is, and how many they were.
pub(super) fn copy_file(
    from: &Path,
    to: &Path,
    bytes_max: u64,
) -> Result<(String, u64), StorageError> {
    let source = File::open(from).map_err(at(from))?;
    let target = private().write(true).create_new(true).open(to);
    let mut target = target.map_err(at(to))?;
    let digest = pump(source.take(bytes_max), |piece| target.write_all(piece));
    let digest = digest.map_err(at(to))?;
    target.sync_all().map_err(at(to))?;
    Ok(digest)
}

/// The digest of a file and its size.
pub(super) fn digest(path: &Path) -> Result<(String, u64), StorageError> {
    let file = File::open(path).map_err(at(path))?;
    pump(file, |_| Ok(())).map_err(at(path))
}

fn pump(
    mut from: impl Read,
    mut to: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(String, u64)> {
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        context.update(&piece[..read]);
        to(&piece[..read])?;
        bytes += read as u64;
    }
    let hex = context.finish();
    let hex = hex.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Ok((hex.collect(), bytes))
}

/// A file that is there, empty, and for its owner alone.
pub(super) fn make_empty(path: &Path) -> Result<(), StorageError> {
    let made = private().write(true).create_new(true).open(path);
    made.map(drop).map_err(at(path))
}

pub(super) fn sync(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(at(path))
}

/// Has the names in a folder on disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StorageError> {
    #[cfg(unix)]
    return sync(folder);
    #[cfg(not(unix))]
    {
        let _ = folder;
        Ok(())
    }
}

/// Bytes of a file or of all files of a folder.
pub(super) fn bytes_of(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    match found.is_dir() {
        false => found.len(),
        true => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| bytes_of(&entry.path())).sum()
        }
    }
}

/// Every file below a folder, as `a/b`.
pub(super) fn files_below(folder: &Path, prefix: &str) -> Result<Vec<String>, StorageError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => files.extend(files_below(&entry.path(), &format!("{name}/"))?),
            false => files.push(name),
        }
    }
    files.sort();
    Ok(files)
}
