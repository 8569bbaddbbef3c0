//! One at a time: events of a room whose bot keeps a state are decided in the order in which they
//! came, or the last answer would win.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// How many may wait. Whoever waits holds a place among all calls, so that without limits one
/// slow room would take the places of all others.
#[derive(Clone, Copy, Debug)]
pub struct WaitLimits {
    /// Of one ordering key, with the one whose turn it is.
    pub per_key_max: usize,
    /// Of all of them together.
    pub all_max: usize,
}

/// Who waits for whom.
#[derive(Debug)]
pub(super) struct KeyedLock {
    limits: WaitLimits,
    waiting: AtomicUsize,
    ordering_keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A turn; the next one begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a KeyedLock,
    ordering_key: &'a str,
    guard: Option<OwnedMutexGuard<()>>,
}

/// As many wait as may.
#[derive(Debug)]
pub(super) struct TooManyWait;

impl KeyedLock {
    pub(super) fn new(limits: WaitLimits) -> KeyedLock {
        KeyedLock {
            limits,
            waiting: AtomicUsize::new(0),
            ordering_keys: Mutex::default(),
        }
    }

    /// Waits until nobody else of this ordering key has a turn. First come, first served.
    pub(super) async fn wait<'a>(&'a self, ordering_key: &'a str) -> Result<Turn<'a>, TooManyWait> {
        let (mutex, mut turn) = self.queue(ordering_key)?;
        turn.guard = Some(mutex.lock_owned().await);
        Ok(turn)
    }

    /// Takes a place behind those that wait already. Whoever gives up waiting drops the turn, and
    /// leaves nothing behind.
    fn queue<'a>(
        &'a self,
        ordering_key: &'a str,
    ) -> Result<(Arc<tokio::sync::Mutex<()>>, Turn<'a>), TooManyWait> {
        let mut ordering_keys = self
            .ordering_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.waiting.load(Ordering::Relaxed) >= self.limits.all_max {
            return Err(TooManyWait);
        }
        let mutex = match ordering_keys.get(ordering_key) {
            // One is the map's own.
            Some(mutex) if Arc::strong_count(mutex) > self.limits.per_key_max => {
                return Err(TooManyWait);
            }
            Some(mutex) => Arc::clone(mutex),
            None => Arc::clone(ordering_keys.entry(ordering_key.to_owned()).or_default()),
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = Turn {
            turns: self,
            ordering_key,
            guard: None,
        };
        Ok((mutex, turn))
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.ordering_keys.lock().unwrap().len()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.turns;
        let mut ordering_keys = turns
            .ordering_keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        turns.waiting.fetch_sub(1, Ordering::Relaxed);
        // One is the map's own: nobody holds the ordering key or waits for it.
        if ordering_keys
            .get(self.ordering_key)
            .is_some_and(|mutex| Arc::strong_count(mutex) == 1)
        {
            ordering_keys.remove(self.ordering_key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn lock(per_key_max: usize, all_max: usize) -> KeyedLock {
        KeyedLock::new(WaitLimits {
            per_key_max,
            all_max,
        })
    }

    #[test]
    fn a_key_is_one_at_a_time_and_leaves_nothing_behind() {
        let turns = lock(9, 9);
        let first = turns.wait("a").now_or_never();
        let other = turns.wait("b").now_or_never();
        assert!(first.is_some() && other.is_some());
        let second = turns.wait("a").now_or_never();
        assert!(second.is_none(), "the first has its turn");
        drop(first);
        let third = turns.wait("a").now_or_never();
        assert!(third.is_some());
        drop((third, other));
        assert_eq!(turns.count(), 0);
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_more_wait_than_may_for_one_key_or_for_all() {
        let is_full = |turns: &KeyedLock, key: &str| {
            let refused = turns.wait(key).now_or_never();
            matches!(refused, Some(Err(TooManyWait)))
        };
        let turns = lock(2, 4);
        let _first = turns.wait("a").now_or_never();
        let mut second = Box::pin(turns.wait("a"));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert!(is_full(&turns, "a"));
        let _b = turns.wait("b").now_or_never();
        let _c = turns.wait("c").now_or_never();
        assert!(is_full(&turns, "d"));
        drop(second);
        assert!(!is_full(&turns, "d"), "whoever gives up makes room");
    }
}
