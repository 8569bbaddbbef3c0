//! The mark of a move beside the file of an outbox.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::moving::MoveMark;

/// Where it is.
pub(super) fn path_of(outbox: &Path) -> PathBuf {
    beside(outbox, "-move")
}

pub(super) fn beside(outbox: &Path, ending: &str) -> PathBuf {
    let mut name = outbox.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub(super) fn read(outbox: &Path) -> Result<Option<MoveMark>, OpenError> {
    let path = path_of(outbox);
    let failed = |why: String| OpenError::Failed {
        path: path.clone(),
        why,
    };
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(mark) => Ok(Some(mark)),
            Err(error) => Err(failed(format!("it is no mark of a move: {error}"))),
        },
    }
}

/// Puts it on disk, or takes it away.
pub(super) fn write(outbox: &Path, mark: Option<&MoveMark>) -> io::Result<()> {
    let path = path_of(outbox);
    match mark {
        None => match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
        Some(mark) => {
            let new = beside(&path, ".new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&new)?;
            file.write_all(&serde_json::to_vec_pretty(mark)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
        }
    }
    sync_folder(outbox)
}

/// Has the names beside a file on disk.
pub(super) fn sync_folder(outbox: &Path) -> io::Result<()> {
    let folder = outbox.parent().filter(|folder| *folder != Path::new(""));
    match fs::File::open(folder.unwrap_or(Path::new("."))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        folder => folder?.sync_all(),
    }
}

/// Errors: the file is no outbox to be used, because of a move.
pub(super) fn refuse(outbox: &Path) -> Result<(), OpenError> {
    match read(outbox)?.and_then(|mark| mark.refusal()) {
        None => Ok(()),
        Some(why) => Err(OpenError::Moved {
            place: outbox.display().to_string(),
            why,
        }),
    }
}
