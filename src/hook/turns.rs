//! One at a time: events of a room whose bot keeps a state are decided in the order in which they
//! came, or the last answer would win.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Who waits for whom.
#[derive(Debug, Default)]
pub struct Turns {
    lanes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A turn; the next one begins when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    lane: &'a str,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else of this lane has a turn. First come, first served.
    pub async fn wait<'a>(&'a self, lane: &'a str) -> Turn<'a> {
        let mutex = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            match lanes.get(lane) {
                Some(mutex) => Arc::clone(mutex),
                None => Arc::clone(lanes.entry(lane.to_owned()).or_default()),
            }
        };
        // Whoever gives up waiting must not leave the lane behind.
        let mut turn = Turn {
            turns: self,
            lane,
            guard: None,
        };
        turn.guard = Some(mutex.lock_owned().await);
        turn
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.lanes.lock().unwrap().len()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.turns;
        let mut lanes = turns.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        // One is the map's own: nobody holds the lane or waits for it.
        if lanes
            .get(self.lane)
            .is_some_and(|mutex| Arc::strong_count(mutex) == 1)
        {
            lanes.remove(self.lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_lane_is_one_at_a_time_and_leaves_nothing_behind() {
        let turns = Turns::default();
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
