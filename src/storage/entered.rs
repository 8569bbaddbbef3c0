//! Who has a data directory: any number of servers, or one command that changes it as a whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

use super::error::{StorageError, at};

pub(super) const LOCK: &str = "lock";

/// The right to use a data directory, for as long as it is kept.
#[derive(Debug)]
#[must_use = "it ends with this value"]
pub struct Entered {
    /// `None`: nothing can be written there, so nobody can restore into it either.
    _file: Option<File>,
}

/// As a server.
///
/// Errors: somebody restores into it.
pub fn enter(data: &Path) -> Result<Entered, StorageError> {
    let Ok(file) = open(data) else {
        return Ok(Entered { _file: None });
    };
    match lock(&file, true) {
        Ok(()) => Ok(Entered { _file: Some(file) }),
        Err(_) => Err(StorageError::Restoring(data.to_owned())),
    }
}

/// As one who changes all of it. The folder is made if it is missing.
///
/// Errors: somebody uses it, or it cannot be written.
pub fn enter_alone(data: &Path) -> Result<Entered, StorageError> {
    make_folder(data).map_err(at(data))?;
    let file = open(data).map_err(at(data))?;
    match lock(&file, false) {
        Ok(()) => Ok(Entered { _file: Some(file) }),
        Err(_) => Err(StorageError::InUse(data.to_owned())),
    }
}

/// Makes a folder that is nobody else's, with those above it.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn open(data: &Path) -> io::Result<File> {
    private()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(data.join(LOCK))
}

/// Options for files that are nobody else's.
pub(super) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn lock(file: &File, shared: bool) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    let operation = match shared {
        true => FlockOperation::NonBlockingLockShared,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    Ok(flock(file, operation)?)
}

#[cfg(not(unix))]
fn lock(_: &File, _: bool) -> io::Result<()> {
    Ok(())
}
