//! Notices edits by looking, ten times a second.
//!
//! Looking at a handful of files costs microseconds and works alike for every way in which files
//! are replaced (written in place, renamed over, symlink swapped, truncated and written) and on
//! every file system, which file notifications do not.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::policies::Policies;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// Files that changed are read once they have not changed for this long, so that a file which is
/// truncated and then written is not read in between.
const SETTLE: Duration = Duration::from_millis(200);

/// The watching thread; stops when dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching the files of `policies`.
    ///
    /// Errors: the operating system gives no thread.
    pub fn start(policies: Arc<Policies>) -> std::io::Result<Watch> {
        let (stop, stopped) = mpsc::channel::<()>();
        let mut seen = policies.fingerprint();
        let mut engine = policies.engine_fingerprint();
        // The files may have been edited between the first reading and now.
        let mut changed_at = Some(Instant::now());
        let thread = thread::Builder::new()
            .name("policy-watch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let now = policies.fingerprint();
                    if now != seen {
                        seen = now;
                        changed_at = Some(Instant::now());
                    } else if changed_at.is_some_and(|at| at.elapsed() >= SETTLE) {
                        changed_at = None;
                        policies.reload();
                    }
                    let engine_now = policies.engine_fingerprint();
                    if engine_now != engine {
                        engine = engine_now;
                        policies.look_at_engine();
                    }
                }
            })?;
        Ok(Watch {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}
