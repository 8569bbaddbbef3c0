//! Files that appear whole or not at all, for nobody else on the machine.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// One process at a time has it.
pub(super) const LOCK: &str = "lock";
/// Beside a file until it is whole.
pub(super) const UNFINISHED: &str = ".new";

/// Makes a folder with those above it.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Writes a file and syncs it; its name is on disk after [`sync_folder`].
pub(super) fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(UNFINISHED);
    let beside = Path::new(&beside);
    let mut options = private();
    let written = options.write(true).create(true).truncate(true).open(beside);
    let written = written.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(beside, path));
    if placed.is_err() {
        // On a full disk what is left of it takes room.
        let _ = fs::remove_file(beside);
    }
    placed
}

/// Has the names in a folder on disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return File::open(folder)?.sync_all();
    #[cfg(not(unix))]
    {
        let _ = (folder, File::open);
        Ok(())
    }
}

/// A file that one process at a time has, for as long as it is open.
///
/// Errors: another process has it, or it cannot be made.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let file = private()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    #[cfg(unix)]
    {
        use rustix::fs::{FlockOperation, flock};
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another process keeps its versions there"))?;
    }
    Ok(file)
}

/// Whether a process keeps its versions in a folder now.
pub fn is_in_use(folder: &Path) -> bool {
    let path = folder.join(LOCK);
    path.exists() && lock(&path).is_err()
}

fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
