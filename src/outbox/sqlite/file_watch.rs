//! Whether the file is still where it was opened. One that was removed, moved or replaced takes
//! whatever is written to it along, without an error.

use std::path::{Path, PathBuf};

/// The files of an open outbox, and which they were.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<(PathBuf, Identity)>,
}

/// Device and inode.
type Identity = (u64, u64);

impl FileWatch {
    /// Notes the file and its log, just after they were opened and written to.
    pub(super) fn start(path: &Path) -> FileWatch {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), log.into()];
        let identified = files
            .into_iter()
            .filter_map(|path| identity(&path).map(|identity| (path, identity)));
        FileWatch {
            files: identified.collect(),
        }
    }

    /// Errors: what is not there any more, and what helps.
    pub(super) fn check(&self) -> Result<(), String> {
        for (path, expected) in &self.files {
            let what = match identity(path) {
                Some(found) if found == *expected => continue,
                Some(_) => "replaced by another file",
                None => "removed or moved",
            };
            return Err(format!(
                "`{}` was {what} while it was open: put it back, or restart callgate to begin with what is there",
                path.display()
            ));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;

    // Of a link its target, which is what was opened.
    let found = std::fs::metadata(path).ok()?;
    // Unlinked, it is still open and nowhere.
    (found.nlink() > 0).then(|| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}
