//! Which decisions are kept when there are more than may be.
//!
//! In each second the first ones are kept, up to the limit. Of the others a share is, by a hash of
//! the message's id, so that all calls about one message are kept or none; each stands for as many
//! as were left out with it. The share is a power of two and follows what the second before had.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The smallest share is one of a million.
const SHIFT_MAX: u32 = 20;
const SEEN_BITS: u32 = 32;

#[derive(Debug)]
pub(super) struct Sampler {
    per_second: u32,
    /// What is past the limit is left out, whatever its hash.
    drops_rest: bool,
    /// The second, and how many were seen in it.
    window: AtomicU64,
    /// The share of the rest: one of 2 to this power.
    shift: AtomicU32,
}

impl Sampler {
    pub(super) fn sharing(per_second: u32) -> Sampler {
        Sampler {
            per_second,
            drops_rest: false,
            window: AtomicU64::default(),
            shift: AtomicU32::default(),
        }
    }

    pub(super) fn dropping(per_second: u32) -> Sampler {
        Sampler {
            drops_rest: true,
            ..Sampler::sharing(per_second)
        }
    }

    /// For how many a decision of this second stands, if it is kept.
    pub(super) fn weight(&self, second: u32, hash: impl FnOnce() -> u64) -> Option<u32> {
        let seen = self.seen(second);
        if seen < self.per_second {
            return Some(1);
        }
        if self.drops_rest {
            return None;
        }
        let shift = shift_of(seen, self.per_second).max(self.shift.load(Ordering::Relaxed));
        let is_kept = hash() & ((1 << shift) - 1) == 0;
        is_kept.then_some(1 << shift)
    }

    /// How many of this second were seen before.
    fn seen(&self, second: u32) -> u32 {
        loop {
            let window = self.window.load(Ordering::Relaxed);
            if (window >> SEEN_BITS) as u32 == second {
                return self.window.fetch_add(1, Ordering::Relaxed) as u32;
            }
            let fresh = u64::from(second) << SEEN_BITS | 1;
            let swapped =
                self.window
                    .compare_exchange(window, fresh, Ordering::Relaxed, Ordering::Relaxed);
            if swapped.is_ok() {
                let follows = (window >> SEEN_BITS) as u32 == second.wrapping_sub(1);
                let before = if follows { window as u32 } else { 0 };
                self.shift
                    .store(shift_of(before, self.per_second), Ordering::Relaxed);
                return 0;
            }
        }
    }
}

/// How often a number must be halved to be below twice the limit.
fn shift_of(seen: u32, per_second: u32) -> u32 {
    let times = seen / per_second.max(1);
    times.checked_ilog2().unwrap_or(0).min(SHIFT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `rate` decisions in each second are kept, and for how many they stand.
    fn kept(sampler: &Sampler, seconds: std::ops::Range<u32>, rate: u32) -> (u64, u64) {
        let (mut rows, mut weights) = (0, 0);
        for second in seconds {
            for number in 0..rate {
                let hash =
                    u64::from(second * 1_000_003 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let hash = hash ^ (hash >> 29);
                if let Some(weight) = sampler.weight(second, || hash) {
                    rows += 1;
                    weights += u64::from(weight);
                }
            }
        }
        (rows, weights)
    }

    #[test]
    fn few_are_all_kept() {
        assert_eq!(kept(&Sampler::sharing(50), 10..20, 50), (500, 500));
    }

    #[test]
    fn of_many_a_share_stands_for_all() {
        let sampler = Sampler::sharing(50);
        kept(&sampler, 0..1, 10_000);
        let (rows, weights) = kept(&sampler, 1..101, 10_000);
        assert!((5_000..=20_000).contains(&rows), "{rows}");
        let off = weights.abs_diff(1_000_000);
        assert!(off < 100_000, "{weights} for a million");
    }

    #[test]
    fn a_first_second_of_many_is_bounded_too() {
        let (rows, weights) = kept(&Sampler::sharing(50), 7..8, 1 << 17);
        assert!(rows < 1_200, "{rows}");
        assert!(weights.abs_diff(1 << 17) < 1 << 15, "{weights}");
    }

    #[test]
    fn what_must_not_be_shared_ends_at_the_limit() {
        assert_eq!(kept(&Sampler::dropping(50), 0..3, 80), (150, 150));
        assert_eq!(kept(&Sampler::dropping(0), 0..3, 80), (0, 0));
    }

    #[test]
    fn calls_about_one_message_are_kept_together_or_not() {
        let sampler = Sampler::sharing(1);
        kept(&sampler, 0..1, 5_000);
        for hash in 0..5_000 {
            let [first, second] = [(); 2].map(|()| sampler.weight(1, || hash).is_some());
            assert!(first == second || hash < 2, "{hash}");
        }
    }
}
