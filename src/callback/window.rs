//! Who was heard in the last seconds, and how the last call of each ended.
//!
//! Of very many sources an even part is kept, so that the share of those that failed stays true.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::source::Source;

/// The rolling window is kept in this many buckets.
const BUCKETS: usize = 10;
/// Sources that are kept at the most.
const SOURCES_MAX: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Window {
    /// Calls in each bucket.
    calls: [u32; BUCKETS],
    /// The bucket that is filled now, counted from the first.
    tick: u64,
    bucket_started: Option<Instant>,
    heard: HashMap<Source, Heard>,
    /// Sources that have one of these bits are left out.
    left_out: u64,
}

#[derive(Debug)]
struct Heard {
    tick: u64,
    failed: bool,
}

impl Window {
    pub(super) fn count(&mut self, source: Source, failed: bool, window: Duration, now: Instant) {
        self.advance(window, now);
        self.calls[self.tick as usize % BUCKETS] += 1;
        let tick = self.tick;
        if let Some(heard) = self.heard.get_mut(&source) {
            *heard = Heard { tick, failed };
            return;
        }
        while self.heard.len() >= SOURCES_MAX {
            self.left_out = self.left_out << 1 | 1;
            let left_out = self.left_out;
            self.heard.retain(|source, _| source.0 & left_out == 0);
        }
        if source.0 & self.left_out == 0 {
            self.heard.insert(source, Heard { tick, failed });
        }
    }

    pub(super) fn calls(&self) -> u32 {
        self.calls.iter().sum()
    }

    /// How many sources were heard, and of how many the last call failed.
    pub(super) fn sources(&self) -> (u32, u32) {
        let failed = self.heard.values().filter(|heard| heard.failed).count();
        (self.heard.len() as u32, failed as u32)
    }

    fn advance(&mut self, window: Duration, now: Instant) {
        let width = (window / BUCKETS as u32).as_nanos().max(1);
        let started = *self.bucket_started.get_or_insert(now);
        let passed = now.saturating_duration_since(started).as_nanos() / width;
        if passed == 0 {
            return;
        }
        for _ in 0..passed.min(BUCKETS as u128) {
            self.tick += 1;
            self.calls[self.tick as usize % BUCKETS] = 0;
        }
        self.bucket_started = Some(now);
        let tick = self.tick;
        self.heard
            .retain(|_, heard| heard.tick + BUCKETS as u64 > tick);
        if self.heard.len() < SOURCES_MAX / 4 {
            self.left_out >>= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    /// Sources as a hash would spread them.
    fn source(number: u64) -> Source {
        Source(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes())
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut window = Window::default();
        let start = Instant::now();
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            window.count(source(second), second < 20, WINDOW, now);
        }
        assert_eq!(window.calls(), 10);
        assert_eq!(window.sources(), (10, 0));
    }

    #[test]
    fn of_very_many_sources_the_share_stays_true() {
        let mut window = Window::default();
        let now = Instant::now();
        for number in 0..100_000 {
            window.count(source(number), number % 4 == 0, WINDOW, now);
        }
        let (heard, failed) = window.sources();
        assert!(heard as usize <= SOURCES_MAX && heard > 100, "{heard}");
        let share = f64::from(failed) / f64::from(heard);
        assert!((0.15..0.35).contains(&share), "{share}");
    }
}
