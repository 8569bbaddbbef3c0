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
