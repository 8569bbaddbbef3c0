//! From a backup back to what callgate starts from.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::copying::{copy_file, sync_folder};
use super::entered::{LOCK, enter_alone, make_folder};
use super::error::{StorageError, at};
use super::manifest::Manifest;
use super::moves::{self, Move, Moves, PREPARED, beside, folder_of};
use super::places::{OPERATORS, Places};
use crate::operators;
use crate::versions::is_in_use;

/// What no start would miss.
const PASSING: [&str; 3] = [LOCK, "cli.token", PREPARED];

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// Where what was there before is now.
    pub aside: Option<PathBuf>,
}

/// Puts what is in a backup in the places of what is there. Everybody has to log in again.
///
/// Errors: nothing has changed then, unless it says that a place cannot be written.
pub fn restore(places: &Places, from: &Path, replace: bool) -> Result<Restored, StorageError> {
    let manifest = Manifest::check(from)?;
    check_places(places, &manifest)?;
    if is_in_use(&places.versions) {
        return Err(StorageError::InUse(places.data.clone()));
    }
    let _alone = enter_alone(&places.data)?;
    moves::end(&places.data)?;
    let old = in_the_way(places)?;
    if let Some(path) = old.first().filter(|_| !replace) {
        return Err(StorageError::NotEmpty(path.clone()));
    }
    let aside = aside_name(places);
    let moves = prepare(places, from, &manifest, aside.clone())?;
    moves.decide(&places.data)?;
    moves::end(&places.data)?;
    Ok(Restored {
        manifest,
        aside: (!old.is_empty()).then(|| places.data.join(aside)),
    })
}

/// A name of its own for what was there: a second may see more than one restore.
fn aside_name(places: &Places) -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let first = format!("before-restore-{}", now.replace(':', ""));
    let is_taken = |name: &str| {
        let folder = places.data.join(name);
        let mut elsewhere = places.all().into_iter().map(|(_, to)| beside(&to, name));
        folder.exists() || elsewhere.any(|path| path.exists())
    };
    let mut name = first.clone();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{first}-{number}");
    }
    name
}

/// Everything in the backup has a place to go to.
fn check_places(places: &Places, manifest: &Manifest) -> Result<(), StorageError> {
    let names = places.all().map(|(name, _)| name);
    for file in &manifest.files {
        let part = file.path.split('/').next().unwrap_or_default();
        if !names.contains(&part) {
            return Err(StorageError::NoPlace(part.to_owned()));
        }
    }
    Ok(())
}

/// What is there already.
fn in_the_way(places: &Places) -> Result<Vec<PathBuf>, StorageError> {
    let data = &places.data;
    let mut found = Vec::new();
    for entry in fs::read_dir(data).map_err(at(data))? {
        let entry = entry.map_err(at(data))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !PASSING.contains(&&*name) && !name.starts_with("before-restore-") {
            found.push(entry.path());
        }
    }
    let all = places.all().into_iter().map(|(_, path)| path);
    found.extend(all.filter(|path| !path.starts_with(data) && path.exists()));
    found.sort();
    Ok(found)
}

/// Copies everything to where a rename brings it into its place.
fn prepare(
    places: &Places,
    from: &Path,
    manifest: &Manifest,
    aside: String,
) -> Result<Moves, StorageError> {
    let prepared = places.data.join(PREPARED);
    if prepared.exists() {
        fs::remove_dir_all(&prepared).map_err(at(&prepared))?;
    }
    let mut moves = Vec::new();
    for (name, to) in places.all() {
        let place = match to.starts_with(&places.data) {
            true => prepared.join(name),
            // A rename leads to no other disk.
            false => {
                let mut beside = to.clone().into_os_string();
                beside.push(".restored");
                PathBuf::from(beside)
            }
        };
        let has_files = copy_part(from, manifest, name, &place)?;
        let from = has_files.then_some(place);
        moves.push(Move { from, to });
    }
    let operators = prepared.join(OPERATORS);
    if operators.exists() {
        // Who logged out since must not be let in by that session again.
        operators::end_sessions(&operators)
            .map_err(|error| at(&operators)(std::io::Error::other(error)))?;
        for beside in ["-wal", "-shm"] {
            let mut path = operators.clone().into_os_string();
            path.push(beside);
            let _ = fs::remove_file(path);
        }
    }
    Ok(Moves { aside, moves })
}

/// Whether there was anything of it.
fn copy_part(
    from: &Path,
    manifest: &Manifest,
    name: &str,
    place: &Path,
) -> Result<bool, StorageError> {
    if place.is_dir() {
        fs::remove_dir_all(place).map_err(at(place))?;
    } else if place.exists() {
        fs::remove_file(place).map_err(at(place))?;
    }
    let mut has_files = false;
    for file in &manifest.files {
        let rest = file.path.strip_prefix(name);
        let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(rest) = rest else { continue };
        has_files = true;
        let to = match rest.trim_start_matches('/') {
            "" => place.to_owned(),
            rest => place.join(rest),
        };
        let folder = folder_of(&to);
        make_folder(folder).map_err(at(folder))?;
        let copied = copy_file(&from.join(&file.path), &to, u64::MAX)?;
        if copied != (file.sha256.clone(), file.bytes) {
            return Err(StorageError::Damaged {
                file: file.path.clone(),
                why: "its digest is another one",
            });
        }
        sync_folder(folder)?;
    }
    Ok(has_files)
}
