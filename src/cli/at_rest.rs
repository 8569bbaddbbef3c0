//! What is kept is for nobody else on the machine: the data directory and what is in it.

use std::path::{Path, PathBuf};

use crate::config::Config;

/// Directories below the data directory.
#[cfg(unix)]
const DEPTH_MAX: usize = 4;

/// Whatever this process makes from now on, the libraries below it included, is for its user alone
/// from the first byte.
pub(super) fn make_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Takes from the others what earlier versions, or somebody by hand, made readable for them; says
/// what could not be taken.
pub(super) fn keep_private(config: &Config) -> Vec<String> {
    let mut left = Vec::new();
    #[cfg(unix)]
    {
        take(&config.data, 0, &mut left);
        for path in [&config.outbox.path, &config.funtek.rooms] {
            // Of a folder that is not ours, our files alone.
            for file in with_companions(path) {
                close(&file, &mut left);
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (config, &mut left);
    left
}

/// A file, and what SQLite and callgate keep beside it.
#[cfg(unix)]
fn with_companions(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let folder = match folder == Path::new("") {
        true => Path::new("."),
        false => folder,
    };
    let name = name.to_string_lossy().into_owned();
    let is_ours = |entry: &std::fs::DirEntry| {
        let entry = entry.file_name().to_string_lossy().into_owned();
        entry
            .strip_prefix(&name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-') || rest.starts_with('.'))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(is_ours).map(|entry| entry.path());
    ours.filter(|path| path.is_file()).collect()
}

/// A directory with all that is in it. Links are left alone: they may lead anywhere.
#[cfg(unix)]
fn take(directory: &Path, depth: usize, left: &mut Vec<String>) {
    if !directory.is_dir() {
        return;
    }
    close(directory, left);
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => take(&entry.path(), depth + 1, left),
            Ok(kind) if kind.is_file() => close(&entry.path(), left),
            _ => {}
        }
    }
}

#[cfg(unix)]
fn close(path: &Path, left: &mut Vec<String>) {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    const OTHERS: u32 = 0o077;
    let Ok(found) = metadata(path) else { return };
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return;
    }
    // What its owner may do stays: somebody may keep a program there.
    let mode = mode & !OTHERS;
    if let Err(error) = set_permissions(path, Permissions::from_mode(mode)) {
        let shown = path.display();
        left.push(format!(
            "`{shown}` holds what people wrote and may be read by others, and its mode cannot be \
             changed ({error}); give it to the user that callgate runs as, or `chmod {mode:o}` it"
        ));
    }
}

/// Says where the files of an earlier version are, when the data directory is another one now and
/// they would be forgotten there.
pub(super) fn left_behind(config: &Config) -> Vec<String> {
    let earlier = Path::new("data");
    let kept = [
        ("outbox.path", "outbox.db", &config.outbox.path),
        ("funtek.rooms", "rooms.db", &config.funtek.rooms),
    ];
    let mut lines = Vec::new();
    for (setting, name, now) in kept {
        let before: PathBuf = earlier.join(name);
        if *now != before && !now.exists() && before.exists() {
            lines.push(format!(
                "`{}` is there from before, and `{}` is used now; stop callgate and move it (with \
                 what is beside it), or set `{setting}: {}`",
                before.display(),
                now.display(),
                before.display(),
            ));
        }
    }
    lines
}
