//! A thread that looks at files now and then, and gives way to those that serve.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::error;

use crate::aside::give_way;

/// The looking thread; stops when dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Calls `look` after each `every`, on a thread of this name, until dropped. What panics is one
    /// look: the next comes all the same.
    ///
    /// Errors: the operating system gives no thread.
    pub fn start(
        name: &'static str,
        every: Duration,
        mut look: impl FnMut() + Send + 'static,
    ) -> io::Result<Watch> {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                give_way();
                while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    if catch_unwind(AssertUnwindSafe(&mut look)).is_err() {
                        error!(
                            thread = name,
                            "an edit of a file could not be looked at, edit it again"
                        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_panics_is_not_the_last() {
        let (said, looks) = mpsc::channel();
        let mut count = 0;
        let watch = Watch::start("test-watch", Duration::from_millis(1), move || {
            count += 1;
            let _ = said.send(count);
            assert!(count > 2, "on purpose");
        });
        let limit = Duration::from_secs(60);
        let seen: Vec<_> = (0..4).map(|_| looks.recv_timeout(limit)).collect();
        assert_eq!(seen, [Ok(1), Ok(2), Ok(3), Ok(4)]);
        drop(watch);
        // The thread has ended, and with it what it could say.
        assert!(looks.iter().count() < usize::MAX);
    }
}
