//! Where texts are searched: here, or, if that takes long, on a thread that serves nobody else.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::filter::Scratch;
use crate::policy::{Found, Scan, Snapshot};

/// A search that costs more steps is not done on a thread that serves calls: about a millisecond.
const STEPS_HERE_MAX: u64 = 200_000;
/// Long searches that are waiting for a thread or running; one more is not made.
const LONG_SCANS_MAX: usize = 256;

thread_local! {
    // The filters' working memory: warm after the first message of a thread.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Long searches run on as many threads as the machine has cores.
#[derive(Debug)]
pub(super) struct LongScans {
    threads: Arc<Semaphore>,
    pending: AtomicUsize,
}

impl Default for LongScans {
    fn default() -> LongScans {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        LongScans {
            threads: Arc::new(Semaphore::new(cores)),
            pending: AtomicUsize::new(0),
        }
    }
}

/// One of [`LONG_SCANS_MAX`]; given back however the search ends.
struct Pending<'a>(&'a AtomicUsize);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LongScans {
    /// Searches texts that take no time worth speaking of; `None` for others.
    pub(super) fn here(&self, scan: &Scan<'_>) -> Option<Found> {
        if scan.cost() > STEPS_HERE_MAX {
            return None;
        }
        // What a text costs is seldom more than usual; of one that does the search begins anew.
        SCRATCH.with_borrow_mut(|scratch| scan.run_within(STEPS_HERE_MAX, scratch))
    }

    /// Searches the texts of a scan elsewhere. Those that cannot be before the deadline are not:
    /// the answer must come, and says so.
    pub(super) async fn run(
        &self,
        snapshot: &Arc<Snapshot>,
        scan: &Scan<'_>,
        deadline: Instant,
    ) -> Found {
        let waiting = self.pending.fetch_add(1, Ordering::Relaxed);
        let _pending = Pending(&self.pending);
        if waiting >= LONG_SCANS_MAX {
            return Found::unfiltered("too many long texts are being searched");
        }
        let search = self.search(snapshot, scan);
        match timeout_at(deadline, search).await {
            Ok(found) => found,
            Err(_) => Found::unfiltered("its texts were not searched in time"),
        }
    }

    async fn search(&self, snapshot: &Arc<Snapshot>, scan: &Scan<'_>) -> Found {
        let thread = Arc::clone(&self.threads).acquire_owned().await;
        let (snapshot, event) = (Arc::clone(snapshot), scan.event().clone());
        let work = move || {
            // Held until the search ends, also when nobody waits for it any more.
            let _thread = thread;
            match snapshot.rules(event.hook) {
                Some(rules) => {
                    SCRATCH.with_borrow_mut(|scratch| snapshot.find(rules, &event, scratch))
                }
                None => Found::default(),
            }
        };
        match spawn_blocking(work).await {
            Ok(found) => found,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
