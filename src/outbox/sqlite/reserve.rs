//! Room on the disk that is kept for hard times.
//!
//! A backlog can only drain by writing: what was delivered must be recorded. So a file beside the
//! outbox takes some room, and gives it back when the disk is full. Until it has it again, nothing
//! new is accepted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

/// How often it is tried to take the room again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The file, held or given back.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// 0 is none at all.
    bytes: u64,
    held: bool,
    try_at: Instant,
}

impl Reserve {
    /// Takes the room, if the disk has it.
    pub(super) fn open(outbox: &Path, bytes: u64, now: Instant) -> Reserve {
        let mut path = outbox.as_os_str().to_owned();
        path.push("-reserve");
        let mut reserve = Reserve {
            path: path.into(),
            bytes,
            held: false,
            try_at: now,
        };
        if bytes == 0 {
            // One of an earlier configuration.
            let _ = fs::remove_file(&reserve.path);
        } else {
            reserve.is_held(now);
        }
        reserve
    }

    /// Whether there is room for new events, as far as the reserve knows; tries to take it again.
    pub(super) fn is_held(&mut self, now: Instant) -> bool {
        if self.bytes == 0 || self.held {
            return true;
        }
        if now < self.try_at {
            return false;
        }
        self.try_at = now + TRY_AGAIN;
        match take(&self.path, self.bytes) {
            Ok(()) => {
                self.held = true;
                info!(bytes = self.bytes, "the outbox has its reserve on the disk");
            }
            Err(error) => {
                let _ = fs::remove_file(&self.path);
                warn!(%error, bytes = self.bytes, "the disk has no room for the reserve of the outbox, so nothing new is accepted");
            }
        }
        self.held
    }

    /// Gives the room to others; false when it was given already.
    pub(super) fn give(&mut self, now: Instant) -> bool {
        if !std::mem::take(&mut self.held) {
            return false;
        }
        self.try_at = now + TRY_AGAIN;
        warn!("the disk is full: nothing new is accepted, and the reserve lets the backlog drain");
        fs::remove_file(&self.path).is_ok()
    }
}

fn take(path: &Path, bytes: u64) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() == bytes) {
        return Ok(());
    }
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            // Not every file system can.
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    let zeros = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(zeros.len() as u64);
        file.write_all(&zeros[..count as usize])?;
        left -= count;
    }
    file.sync_all()
}
