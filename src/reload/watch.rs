//! Notices edits by looking, ten times a second.
//!
//! Looking at a handful of files costs microseconds and works alike for every way in which files
//! are replaced (written in place, renamed over, symlink swapped, truncated and written) and on
//! every file system, which file notifications do not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::error;

use super::files::Fingerprint;
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
        let mut looker = Looker {
            seen: policies.fingerprint(),
            engine: policies.engine_fingerprint(),
            // The files may have been edited between the first reading and now.
            changed_at: Some(Instant::now()),
            policies,
        };
        let thread = thread::Builder::new()
            .name("policy-watch".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    // What panics is one look; edits after it are looked at all the same.
                    if catch_unwind(AssertUnwindSafe(|| looker.look())).is_err() {
                        error!("an edit of the policy could not be looked at, edit it again");
                    }
                }
            })?;
        Ok(Watch {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// What was seen of the files.
struct Looker {
    policies: Arc<Policies>,
    seen: (Fingerprint, Fingerprint),
    engine: Fingerprint,
    /// Since when they have not been read although they changed.
    changed_at: Option<Instant>,
}

impl Looker {
    fn look(&mut self) {
        self.policies.free_retired();
        let now = self.policies.fingerprint();
        if now != self.seen {
            self.seen = now;
            self.changed_at = Some(Instant::now());
        } else if self.changed_at.is_some_and(|at| at.elapsed() >= SETTLE) {
            self.changed_at = None;
            self.policies.reload();
        }
        let engine = self.policies.engine_fingerprint();
        if engine != self.engine {
            self.engine = engine;
            self.policies.look_at_engine();
        }
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
