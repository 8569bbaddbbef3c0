//! Why there is no backup, or nothing was restored.

use std::io;
use std::path::{Path, PathBuf};

use crate::outbox::MoveError;

/// What went wrong, for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("`{}` is there already; name a folder that is not", .0.display())]
    Exists(PathBuf),
    #[error("`{}` is no absolute path; a server has a working directory of its own", .0.display())]
    Relative(PathBuf),
    #[error("`{}` is in the data directory, which is what is copied; name another place", .0.display())]
    Inside(PathBuf),
    #[error("a backup is being made already, into `{}`", .0.display())]
    Busy(PathBuf),
    #[error(
        "`{}` has room for {free} bytes, and the backup takes {needed}; name a place with more room",
        .folder.display()
    )]
    NoRoom {
        folder: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("the outbox is in no backup: {0}")]
    Outbox(String),
    #[error("`{}`: {error}", .path.display())]
    Database {
        path: PathBuf,
        error: rusqlite::Error,
    },
    #[error("`{}`: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("version {0} of the policy is not whole in the copy: {1}; make another backup")]
    Version(u64, String),
    #[error("`{}` is no backup: {why}", .folder.display())]
    NoBackup { folder: PathBuf, why: String },
    #[error(
        "`{file}` of the backup is not what was written ({why}), so nothing was restored; take \
         another backup"
    )]
    Damaged { file: String, why: &'static str },
    #[error(
        "the backup is of callgate {callgate}, which writes form {found} of `{part}`, and this one \
         knows {known}: restore it with that callgate or a newer one"
    )]
    Newer {
        callgate: String,
        part: String,
        found: u32,
        known: u32,
    },
    #[error(
        "the backup has `{0}`, for which there is no place here: it was made under another \
         `storage.kind` in engine.yaml"
    )]
    NoPlace(String),
    #[error(
        "`{}` is in use by a callgate that runs; stop it first", .0.display()
    )]
    InUse(PathBuf),
    #[error("`{}` is being restored; start again when that has ended", .0.display())]
    Restoring(PathBuf),
    #[error(
        "`{}` is there already; `--replace` puts it aside, and what it has that the backup lacks is \
         not in force any more", .0.display()
    )]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Move(#[from] MoveError),
    #[error("{0}: nothing was moved")]
    NotMoved(String),
}

impl StorageError {
    /// It can be put right by asking for something else.
    pub fn is_asked_wrongly(&self) -> bool {
        use StorageError::{
            Busy, Damaged, Exists, InUse, Inside, Newer, NoBackup, NoPlace, NotEmpty, NotMoved,
            Relative, Restoring,
        };
        matches!(
            self,
            Exists(_)
                | Relative(_)
                | Inside(_)
                | Busy(_)
                | NoBackup { .. }
                | Damaged { .. }
                | Newer { .. }
                | InUse(_)
                | Restoring(_)
                | NoPlace(_)
                | NotEmpty(_)
                | NotMoved(_)
        )
    }
}

/// Names the file that something failed with.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |error| StorageError::Io { path, error }
}
