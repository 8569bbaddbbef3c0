//! Answers that wait for their peer to take them, and how long they have been waiting.
//!
//! An answer is with its peer while the connection has no room for it: the peer does not read, or
//! gave the call no window. Such an answer holds memory and keeps its connection busy for as long
//! as the peer likes, so it has a limit. Time is counted in periods of that limit: an answer that
//! was there before the last whole period began has waited for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The answers of one connection that wait, by the period in which they began to.
#[derive(Debug, Default)]
pub(super) struct Unread {
    period: AtomicU64,
    /// Milliseconds after the connection's opening.
    began_ms: AtomicU64,
    waiting: [AtomicUsize; 3],
}

impl Unread {
    /// Whether an answer has waited for longer than `limit`, and for no longer than twice that.
    /// To be asked at least once in every `limit`.
    pub(super) fn is_late(&self, age_ms: u64, limit: Duration) -> bool {
        let in_period = age_ms.saturating_sub(self.began_ms.load(Ordering::Relaxed));
        if u128::from(in_period) < limit.as_millis() {
            return false;
        }
        self.began_ms.store(age_ms, Ordering::Relaxed);
        let period = self.period.fetch_add(1, Ordering::Relaxed) + 1;
        // The one before the last: there are three.
        self.waiting[slot_of(period + 1)].load(Ordering::Relaxed) > 0
    }
}

fn slot_of(period: u64) -> usize {
    (period % 3) as usize
}

/// One answer, or a part of one, while it waits.
#[derive(Debug)]
pub(super) struct Waiting {
    unread: Arc<Unread>,
    slot: usize,
}

impl Waiting {
    pub(super) fn new(unread: &Arc<Unread>) -> Waiting {
        let slot = slot_of(unread.period.load(Ordering::Relaxed));
        unread.waiting[slot].fetch_add(1, Ordering::Relaxed);
        Waiting {
            unread: Arc::clone(unread),
            slot,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.unread.waiting[self.slot].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Looks every second; after how many seconds the connection is closed.
    fn late_after(unread: &Unread, from: u64, until: u64) -> Option<u64> {
        (from..until).find(|second| unread.is_late(second * 1000, LIMIT))
    }

    #[test]
    fn an_answer_that_nobody_takes_is_late_after_one_to_two_limits() {
        for began in 0..30 {
            let unread = Arc::new(Unread::default());
            assert_eq!(late_after(&unread, 0, began), None);
            let _waiting = Waiting::new(&unread);
            let late = late_after(&unread, began, 100).unwrap();
            assert!((10..=20).contains(&(late - began)), "{began}: {late}");
        }
    }

    #[test]
    fn answers_that_are_taken_are_never_late() {
        let unread = Arc::new(Unread::default());
        for second in 0..200 {
            // One every second, each of which takes nine seconds.
            let waiting = Waiting::new(&unread);
            assert!(!unread.is_late(second * 1000, LIMIT));
            drop(waiting);
        }
        let mut older = Vec::new();
        for second in 200..400 {
            older.push(Waiting::new(&unread));
            if older.len() > 9 {
                older.remove(0);
            }
            assert!(!unread.is_late(second * 1000, LIMIT), "{second}");
        }
    }
}
