//! Repeatable chance: a test prints its seed, and `CALLGATE_SEED` plays it again.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, even enough for test data, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn from_env(test: &str) -> Random {
        let seed = std::env::var("CALLGATE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.unwrap().as_nanos() as u64
            });
        println!("{test}: play it again with CALLGATE_SEED={seed}");
        Random(seed)
    }

    /// A generator of its own for one of many threads.
    pub fn split(&mut self) -> Random {
        Random(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to `end`, which is not included.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
