//! Where the file of a list really is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file that may be written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Behind all symbolic links.
    pub path: PathBuf,
    pub folder: PathBuf,
}

/// Why it may not.
#[derive(Debug)]
pub(super) enum NoPlace {
    /// A symbolic link leads out of the policy directory, to here.
    Outside(PathBuf),
    Io(io::Error),
}

impl Place {
    /// `path` is relative to the policy directory.
    pub(super) fn of(directory: &Path, path: &str) -> Result<Place, NoPlace> {
        let root = fs::canonicalize(directory).map_err(NoPlace::Io)?;
        let real = fs::canonicalize(directory.join(path)).map_err(NoPlace::Io)?;
        match real.parent() {
            Some(folder) if folder.starts_with(&root) => Ok(Place {
                folder: folder.to_owned(),
                path: real.clone(),
            }),
            _ => Err(NoPlace::Outside(real)),
        }
    }
}

/// Why a file cannot be written, as far as that can be told before it is tried.
pub(super) fn read_only(directory: &Path, file: &str) -> Option<String> {
    let place = match Place::of(directory, file) {
        Ok(place) => place,
        Err(NoPlace::Outside(path)) => {
            let path = path.display();
            return Some(format!(
                "`{file}` leads out of the policy directory, to {path}"
            ));
        }
        Err(NoPlace::Io(error)) => return Some(format!("`{file}` cannot be found: {error}")),
    };
    match (may_write(&place.folder), may_write(&place.path)) {
        (Err(error), Err(_)) => Some(format!("`{file}` cannot be written: {error}")),
        _ => None,
    }
}

#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(path, Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.permissions().readonly() {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

/// Whether two names lead to one file, by whatever links.
#[cfg(unix)]
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    of(one).is_some_and(|one| of(other) == Some(one))
}

#[cfg(not(unix))]
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let of = |path: &Path| fs::canonicalize(path).ok();
    of(one).is_some_and(|one| of(other) == Some(one))
}
