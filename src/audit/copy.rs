//! A copy of the chain while it is added to.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::folder::{Locked, private, segments};

/// How often it is begun anew when a segment was cut off meanwhile.
const TRIES: usize = 5;

/// Copies a chain up to its last record into a folder that is made. Who records waits no longer
/// than for the names of the files.
pub fn copy(folder: &Path, to: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match copy_once(folder, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                tries += 1;
                fs::remove_dir_all(to)?;
            }
            copied => return copied,
        }
    }
}

fn copy_once(folder: &Path, to: &Path) -> io::Result<()> {
    let Some(locked) = Locked::for_reading(folder)? else {
        return Ok(());
    };
    let segments = segments(folder)?;
    let names: Vec<_> = segments.iter().map(|one| one.path.clone()).collect();
    let mut small = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_whole = path.extension().is_none_or(|ending| ending != "new");
        if path.is_file() && is_whole && !names.contains(&path) {
            small.push((path.clone(), fs::read(&path)?));
        }
    }
    drop(locked);
    make_folder(to)?;
    for (path, content) in small {
        write(&content[..], &to.join(path.file_name().unwrap_or_default()))?;
    }
    for segment in segments {
        let file = File::open(&segment.path)?;
        // What was added since is not in the head either.
        let name = segment.path.file_name().unwrap_or_default();
        write(file.take(segment.bytes), &to.join(name))?;
    }
    File::open(to)?.sync_all()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write(mut from: impl Read, to: &Path) -> io::Result<()> {
    let mut file = private().write(true).create_new(true).open(to)?;
    io::copy(&mut from, &mut file)?;
    file.sync_all()
}
