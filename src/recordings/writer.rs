//! The one thread that seals and writes. Whatever fails costs calls, which are counted, and nobody
//! else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use std::{fs, io};

use tracing::{error, info, warn};

use super::files::{self, Open};
use super::queue::Waiting;
use super::shared::Shared;
use crate::history::Keys;
use crate::writer_thread::Writes;

/// How often it is looked for what is too old or too much.
const CUT_EVERY: Duration = Duration::from_secs(60);
/// Room that is kept from one time to the next.
const FRAMES_KEPT: usize = 4 << 20;

pub(super) struct Writer {
    shared: Arc<Shared>,
    keys: Keys,
    open: Option<Open>,
    /// Room for what is sealed.
    frames: Vec<u8>,
    /// A file with this much gets a successor.
    file_bytes_max: u64,
    cut_at: Option<Instant>,
    /// Old files cannot be deleted.
    keeps_files: bool,
}

impl Writes for Writer {
    fn look(&mut self) -> bool {
        let calls = self.shared.queue.take();
        let is_busy = calls.len() > 0;
        if is_busy {
            self.write(&calls);
        }
        let now = Instant::now();
        if self.cut_at.is_none_or(|at| now >= at) {
            self.cut_at = Some(now + CUT_EVERY);
            self.cut();
        }
        is_busy
    }

    fn broke(&mut self) {
        error!("recorded calls could not be written, and are lost");
        self.open = None;
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Writer {
        Writer {
            keys: Keys::new(&shared.settings.folder),
            file_bytes_max: files::file_bytes_max(shared.settings.bytes_max),
            shared,
            open: None,
            frames: Vec::new(),
            cut_at: None,
            keeps_files: false,
        }
    }

    /// Overwrites what concerns a user, and says how many calls that were.
    ///
    /// Errors: a file cannot be written; what is overwritten by then stays so.
    pub(super) fn forget(&self, user: &str) -> io::Result<u64> {
        files::erase(&self.shared.settings.folder, user)
    }

    fn write(&mut self, calls: &Waiting) {
        let mut failed = None;
        let mut done = 0;
        while done < calls.len() {
            let (written, result) = self.write_some(calls, done);
            match result {
                Ok(()) => self.shared.metrics.recordings.wrote(written as u64),
                Err(error) => {
                    self.shared.dropped("disk", written as u64);
                    let folder = self.shared.settings.folder.display();
                    failed = Some(format!("`{folder}` cannot be written ({error})"));
                }
            }
            done += written;
        }
        self.tell(failed);
        // What is written counts at once, so that the files never hold much more than they may.
        self.keep_short(0);
    }

    /// Writes the next calls, of one day and no more than a piece, and says how many.
    fn write_some(&mut self, calls: &Waiting, done: usize) -> (usize, io::Result<()>) {
        let first_us = calls.from(done).next().map_or(0, |(at_ms, _)| at_us(at_ms));
        let day = files::day_of(first_us);
        let of_day = calls.from(done);
        let of_day = of_day.take_while(|(at_ms, _)| files::day_of(at_us(*at_ms)) == day);
        let key = match self.keys.of_day(first_us) {
            Ok(key) => key,
            Err(error) => return (of_day.count(), Err(error)),
        };
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        let mut count = 0;
        for (at_ms, line) in of_day {
            if frames.len() as u64 >= self.file_bytes_max {
                break;
            }
            count += 1;
            if let Err(error) = files::seal(&mut frames, key, at_us(at_ms), line) {
                return (count, Err(error));
            }
        }
        let appended = self.append(day, &frames);
        if frames.capacity() <= FRAMES_KEPT {
            self.frames = frames;
        }
        (count, appended)
    }

    fn append(&mut self, day: u64, frames: &[u8]) -> io::Result<()> {
        let mut open = self.open.take();
        // What was written there nobody would ever find.
        if open.take_if(|open| !open.is_in_place()).is_some() {
            warn!("a file of recorded calls was taken away while it was written to");
        }
        let goes_on = open.filter(|open| open.takes(day, self.file_bytes_max));
        // It may be this file alone that takes nothing, at its limit: then a new one does.
        self.open = goes_on.and_then(|open| open.append(frames).ok());
        if self.open.is_none() {
            let open = Open::create(&self.shared.settings.folder, day)?;
            self.open = Some(open.append(frames)?);
        }
        Ok(())
    }

    fn tell(&self, error: Option<String>) {
        if !self.shared.set_error(error.clone()) {
            return;
        }
        match error {
            Some(why) => warn!(why, "calls are decided on and not recorded"),
            None => info!("calls are recorded again"),
        }
    }

    /// Deletes what is too old or too much.
    fn cut(&mut self) {
        let shared = Arc::clone(&self.shared);
        let settings = &shared.settings;
        let now_us = shared.clock.now_ms().saturating_mul(1000);
        let oldest_us = now_us.saturating_sub(settings.keep.as_micros() as u64);
        // The key first: without it the files say nothing any more.
        if let Err(error) = self.keys.drop_before(oldest_us) {
            warn!(%error, "the key of old recorded calls cannot be dropped");
        }
        self.keep_short(oldest_us);
    }

    /// Deletes what is older, and the oldest of the rest until it is no more than it may be.
    fn keep_short(&mut self, oldest_us: u64) {
        let deleted = self.delete(oldest_us);
        if let Err(error) = &deleted
            && !self.keeps_files
        {
            warn!(%error, "old recorded calls cannot be deleted");
        }
        // It is tried again and again, and told once.
        self.keeps_files = deleted.is_err();
    }

    /// Errors: one cannot be deleted, which keeps no other.
    fn delete(&mut self, oldest_us: u64) -> io::Result<()> {
        let settings = &self.shared.settings;
        let folder = &settings.folder;
        let files = files::list(folder)?;
        let mut bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        let mut deleted = Ok(());
        for (name, size) in &files {
            if name.ends_us() > oldest_us && bytes <= settings.bytes_max {
                continue;
            }
            match fs::remove_file(name.path(folder)) {
                Ok(()) => bytes -= size,
                Err(error) => deleted = Err(error),
            }
            if self.open.as_ref().is_some_and(|open| open.is(name)) {
                self.open = None;
            }
        }
        self.shared.bytes.store(bytes, Ordering::Relaxed);
        self.shared.metrics.recordings.holds(bytes);
        deleted
    }
}

fn at_us(at_ms: u64) -> u64 {
    at_ms.saturating_mul(1000)
}
