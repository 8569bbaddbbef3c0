//! One at a time: events of a room whose bot keeps a state are decided in the order in which they
//! came, or the last answer would win.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Who waits for whom.
#[derive(Debug, Default)]
pub struct KeyedLock {
    ordering_keys: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A turn; the next one begins when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a KeyedLock,
    ordering_key: &'a str,
    guard: Option<OwnedMutexGuard<()>>,
}

impl KeyedLock {
    /// Waits until nobody else of this ordering key has a turn. First come, first served.
    pub async fn wait<'a>(&'a self, ordering_key: &'a str) -> Turn<'a> {
        let mutex = {
            let mut ordering_keys = self
                .ordering_keys
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match ordering_keys.get(ordering_key) {
                Some(mutex) => Arc::clone(mutex),
                None => Arc::clone(ordering_keys.entry(ordering_key.to_owned()).or_default()),
            }
        };
        // Whoever gives up waiting must not leave the ordering key behind.
        let mut turn = Turn {
            turns: self,
            ordering_key,
            guard: None,
        };
        turn.guard = Some(mutex.lock_owned().await);
        turn
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

    #[test]
    fn a_lane_is_one_at_a_time_and_leaves_nothing_behind() {
        let turns = KeyedLock::default();
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
    }
}
