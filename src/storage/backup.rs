//! Making a backup.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::copying::{bytes_of, copy_database, copy_folder, make_empty, sync, sync_folder};
use super::entered::make_folder;
use super::error::{StorageError, at};
use super::manifest::Manifest;
use super::places::{AUDIT, HISTORY, OPERATORS, Places, ROOMS, VERSIONS};
use crate::audit;
use crate::history::History;
use crate::outbox::Outbox;
use crate::versions::{Store, VersionError};

/// Makes a backup of what is kept, while it is used. `outbox` is whoever has it open.
///
/// Errors: nothing is left of it then.
pub async fn backup(
    places: &Places,
    outbox: Option<&dyn Outbox>,
    history: Option<Arc<History>>,
    to: &Path,
) -> Result<Manifest, StorageError> {
    let began = SystemTime::now();
    let beside = beside(places, to)?;
    let unfinished = Unfinished(beside.clone());
    if let Some(outbox) = outbox {
        let path = beside.join(places.outbox_name());
        make_empty(&path)?;
        let copied = outbox.copy(&path).await;
        match copied.map_err(|error| StorageError::Outbox(error.to_string()))? {
            true => sync(&path)?,
            false => fs::remove_file(&path).map_err(at(&path))?,
        }
    }
    let (places, target) = (places.clone(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        copy_files(&places, history.as_deref(), &beside)?;
        let manifest = Manifest::write(&beside, began)?;
        fs::rename(&beside, &target).map_err(at(&target))?;
        if let Some(folder) = target.parent() {
            sync_folder(folder)?;
        }
        Ok(manifest)
    });
    let copied = copied.await.unwrap_or_else(|error| {
        let error = std::io::Error::other(error);
        Err(at(to)(error))
    });
    drop(unfinished);
    copied
}

/// What acts on others comes before what records it: a change that is in the backup is in its audit,
/// and a version that a decision names among its versions.
fn copy_files(places: &Places, history: Option<&History>, to: &Path) -> Result<(), StorageError> {
    copy_database(&places.rooms, &to.join(ROOMS))?;
    copy_database(&places.operators(), &to.join(OPERATORS))?;
    if let Some(history) = history {
        history.flush();
    }
    copy_folder(&places.history, &to.join(HISTORY))?;
    copy_folder(&places.versions, &to.join(VERSIONS))?;
    check_versions(&to.join(VERSIONS))?;
    audit::copy(&places.audit, &to.join(AUDIT)).map_err(at(&places.audit))
}

/// A version that was dropped while it was copied is dropped in the copy.
fn check_versions(folder: &Path) -> Result<(), StorageError> {
    let store = Store::new(folder);
    let version =
        |number| move |error: VersionError| StorageError::Version(number, error.to_string());
    let numbers = store.numbers().map_err(version(0))?;
    let newest = numbers.first().copied();
    for number in numbers {
        let whole = store.record(number).and_then(|record| store.files(&record));
        match whole {
            Ok(_) => {}
            // The newest is never dropped. A damaged one is no better in the folder that is copied.
            Err(error) if Some(number) == newest => return Err(version(number)(error)),
            Err(_) => store.drop_record(number).map_err(version(number))?,
        }
    }
    Ok(())
}

/// Makes the folder that becomes the backup.
fn beside(places: &Places, to: &Path) -> Result<PathBuf, StorageError> {
    if !to.is_absolute() {
        return Err(StorageError::Relative(to.to_owned()));
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(StorageError::Exists(to.to_owned()));
    }
    let (Some(folder), Some(name)) = (to.parent(), to.file_name()) else {
        return Err(StorageError::Exists(to.to_owned()));
    };
    make_folder(folder).map_err(at(folder))?;
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if real(folder).starts_with(real(&places.data)) {
        return Err(StorageError::Inside(to.to_owned()));
    }
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".unfinished");
    let beside = folder.join(hidden);
    // Of one that was broken off.
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    check_room(places, folder)?;
    make_folder(&beside).map_err(at(&beside))?;
    Ok(beside)
}

/// A backup must not take the room that the outbox needs: it may lie on the same disk.
fn check_room(places: &Places, folder: &Path) -> Result<(), StorageError> {
    #[cfg(unix)]
    {
        let sizes = places.all().map(|(_, path)| bytes_of(&path));
        let needed: u64 = sizes.iter().sum::<u64>() + (1 << 20);
        let found = rustix::fs::statvfs(folder).map_err(|error| at(folder)(error.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < needed {
            let folder = folder.to_owned();
            return Err(StorageError::NoRoom {
                folder,
                needed,
                free,
            });
        }
    }
    Ok(())
}

/// Removes the folder unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
