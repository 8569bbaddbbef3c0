//! Numbers of versions, which never repeat: a version is numbered when it comes into force, and that
//! waits for no disk, so that numbers are set aside ahead.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::place::{put, sync_folder};

const FILE: &str = "numbers";
/// How many are set aside. A process that is killed leaves a gap of at most so many.
pub(super) const AHEAD: u64 = 16;
/// With fewer of them left, more are set aside.
const LOW: u64 = 8;
/// Digits of the largest number there is.
const DIGITS: usize = 20;

/// What is on disk about numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    folder: PathBuf,
    /// The highest number that may have been given to a version.
    aside: u64,
}

impl Numbers {
    /// `highest` is that of the versions that are kept.
    ///
    /// What the file says is lost with it, not what is kept: then as many are skipped as can have
    /// been given away since.
    pub(super) fn read(folder: &Path, highest: u64) -> io::Result<Numbers> {
        let text = match fs::read_to_string(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            text => Some(text?),
        };
        let written = text.and_then(|text| text.strip_suffix('\n')?.parse::<u64>().ok());
        let aside = match written {
            Some(written) => written.max(highest),
            None if highest > 0 => highest + AHEAD,
            None => 0,
        };
        Ok(Numbers {
            folder: folder.to_owned(),
            aside,
        })
    }

    /// The first number that no version can have.
    pub(super) fn next(&self) -> u64 {
        self.aside + 1
    }

    /// Sets more aside where few are left after `used`.
    pub(super) fn keep_ahead(&mut self, used: u64) -> io::Result<()> {
        if self.aside >= used + LOW {
            return Ok(());
        }
        self.write(used + AHEAD)
    }

    /// Gives back what was set aside after `used`, the last that was given to a version.
    pub(super) fn end(&mut self, used: u64) -> io::Result<()> {
        if self.aside == used {
            return Ok(());
        }
        self.write(used)
    }

    /// A line of one length over the one that is there: no end of power leaves half of it, and a
    /// full disk takes it.
    fn write(&mut self, aside: u64) -> io::Result<()> {
        let path = self.folder.join(FILE);
        let line = format!("{aside:0DIGITS$}\n");
        match fs::metadata(&path) {
            Ok(found) if found.len() == line.len() as u64 => {
                let mut file = OpenOptions::new().write(true).open(&path)?;
                file.write_all(line.as_bytes())?;
                file.sync_all()?;
            }
            _ => {
                put(&path, line.as_bytes())?;
                sync_folder(&self.folder)?;
            }
        }
        self.aside = aside;
        Ok(())
    }
}
