//! The last step of a restore: prepared files take the place of what was there. It is written down
//! before, so that whoever comes next can end it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::copying::sync_folder;
use super::entered::{make_folder, private};
use super::error::{StorageError, at};

const FILE: &str = "restore.json";
/// Where files are prepared, in the data directory.
pub(super) const PREPARED: &str = "restored";

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moves {
    /// What was there goes into this folder of the data directory; where it is elsewhere, it stays
    /// beside, with this behind its name.
    pub aside: String,
    pub moves: Vec<Move>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Move {
    /// What was prepared; `None`: the backup has nothing for this place.
    pub from: Option<PathBuf>,
    pub to: PathBuf,
}

impl Moves {
    /// From now on they are done, by this process or the next.
    pub(super) fn decide(&self, data: &Path) -> Result<(), StorageError> {
        let path = data.join(FILE);
        let beside = data.join("restore.json.new");
        let text = serde_json::to_vec(self).map_err(|error| at(&path)(error.into()))?;
        let written = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside);
        let written = written.and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(at(&beside))?;
        fs::rename(&beside, &path).map_err(at(&path))?;
        sync_folder(data)
    }
}

/// Whether a restore was decided and has not ended.
pub fn is_half_restored(data: &Path) -> bool {
    data.join(FILE).exists()
}

/// Ends a restore that was decided; false when there is none.
pub fn end(data: &Path) -> Result<bool, StorageError> {
    let path = data.join(FILE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        text => text.map_err(at(&path))?,
    };
    let moves: Moves =
        serde_json::from_slice(&text).map_err(|error| at(&path)(io::Error::other(error)))?;
    for one in &moves.moves {
        carry_out(data, &moves.aside, one)?;
    }
    let prepared = data.join(PREPARED);
    if prepared.exists() {
        fs::remove_dir_all(&prepared).map_err(at(&prepared))?;
    }
    fs::remove_file(&path).map_err(at(&path))?;
    sync_folder(data)?;
    Ok(true)
}

/// Done again, it does what is left of it.
fn carry_out(data: &Path, aside: &str, one: &Move) -> Result<(), StorageError> {
    if let Some(from) = &one.from
        && !from.exists()
    {
        return Ok(());
    }
    // What belongs to a file goes before it: nothing of the old one may lie beside the new one.
    let mut old = companions(&one.to)?;
    old.extend(
        fs::symlink_metadata(&one.to)
            .is_ok()
            .then(|| one.to.clone()),
    );
    for path in old {
        put_aside(data, aside, &path)?;
    }
    let folder = folder_of(&one.to);
    if let Some(from) = &one.from {
        make_folder(folder).map_err(at(folder))?;
        fs::rename(from, &one.to).map_err(at(&one.to))?;
    }
    if folder.exists() {
        sync_folder(folder)?;
    }
    Ok(())
}

fn put_aside(data: &Path, aside: &str, path: &Path) -> Result<(), StorageError> {
    let name = path.file_name().unwrap_or_default();
    let target = match is_same(folder_of(path), data) {
        true => {
            let folder = data.join(aside);
            make_folder(&folder).map_err(at(&folder))?;
            folder.join(name)
        }
        false => beside(path, aside),
    };
    fs::rename(path, &target).map_err(at(path))
}

/// The same folder, however it is written: what was decided has whole paths, and who ends it may have
/// its own from where it was started.
fn is_same(folder: &Path, other: &Path) -> bool {
    let whole = |path: &Path| fs::canonicalize(path).ok();
    folder == other || whole(folder).is_some_and(|folder| whole(other) == Some(folder))
}

/// Where what was there stays when it is not in the data directory.
pub(super) fn beside(path: &Path, aside: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{aside}"));
    path.with_file_name(name)
}

/// What SQLite and the outbox keep beside a file.
fn companions(path: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let name = path.file_name().unwrap_or_default();
    let name = format!("{}-", name.to_string_lossy());
    let folder = folder_of(path);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(folder))?;
        let is_beside = entry.file_name().to_string_lossy().starts_with(&name);
        found.extend((is_beside && entry.path().is_file()).then(|| entry.path()));
    }
    Ok(found)
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
