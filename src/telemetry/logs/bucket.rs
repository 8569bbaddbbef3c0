//! A rate: so much in a second, and what was not used is saved up for one.

use std::time::Instant;

#[derive(Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(max: u32, now: Instant) -> Bucket {
        Bucket {
            left: f64::from(max),
            at: now,
        }
    }

    /// Takes one out, if there is one.
    pub(super) fn take(&mut self, max: u32, now: Instant) -> bool {
        let max = f64::from(max);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * max).min(max);
        self.at = now;
        let passes = self.left >= 1.0;
        if passes {
            self.left -= 1.0;
        }
        passes
    }

    /// When something was last taken out, or tried to be.
    pub(super) fn used_at(&self) -> Instant {
        self.at
    }
}
