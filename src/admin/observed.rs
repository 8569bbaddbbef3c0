//! What the outbox said of itself last, and how long ago: its disk may stall, and who watches must
//! be answered all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::outbox::{Outbox, SharedState, Stats};

/// How long a page waits for fresh numbers.
const FRESH_WITHIN: Duration = Duration::from_millis(250);
/// Asked for this often when nobody looks, so that the last known state is not an old one.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The last known state of the outbox.
#[derive(Debug)]
pub struct Observed {
    asked: AtomicU64,
    wake: Notify,
    seen: watch::Sender<Seen>,
}

/// What the outbox said, and when.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `None` until it has answered once.
    pub stats: Option<Arc<Stats>>,
    /// Why it did not answer the last time.
    pub error: Option<String>,
    /// `None` for an outbox that is not shared.
    pub shared: Option<SharedState>,
    at: Instant,
    /// The last request that this answers.
    number: u64,
}

impl Seen {
    /// How old `stats` are.
    pub(super) fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

impl Default for Observed {
    fn default() -> Observed {
        Observed {
            asked: AtomicU64::new(0),
            wake: Notify::new(),
            seen: watch::Sender::new(Seen {
                stats: None,
                error: None,
                shared: None,
                at: Instant::now(),
                number: 0,
            }),
        }
    }
}

impl Observed {
    /// Asks the outbox, one question at a time, until `stop`.
    pub async fn run(&self, outbox: Arc<dyn Outbox>, stop: CancellationToken) {
        let asking = async {
            loop {
                // Nobody asked: then it is time to look again.
                let _ = timeout(ASK_EVERY, self.wake.notified()).await;
                // The answer is for all who asked before it was asked for.
                let number = self.asked.load(Ordering::Relaxed);
                let shared = outbox.shared().await;
                self.seen.send_modify(|seen| seen.shared = shared);
                let answer = outbox.stats().await;
                self.seen.send_modify(|seen| {
                    seen.number = number;
                    match answer {
                        Ok(stats) => {
                            seen.stats = Some(Arc::new(stats));
                            seen.error = None;
                            seen.at = Instant::now();
                        }
                        Err(error) => seen.error = Some(error.to_string()),
                    }
                });
            }
        };
        let _ = stop.run_until_cancelled(asking).await;
    }

    /// What was last known of an outbox that is shared.
    pub(super) fn last_shared(&self) -> Option<SharedState> {
        self.seen.borrow().shared.clone()
    }

    /// Fresh numbers, or the last known ones when those do not come soon.
    pub(super) async fn latest(&self) -> Seen {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut answers = self.seen.subscribe();
        self.wake.notify_one();
        let fresh = answers.wait_for(|seen| seen.number >= number);
        // Both ends, late or never, are told by the age.
        let _ = timeout(FRESH_WITHIN, fresh).await;
        self.seen.borrow().clone()
    }
}
