//! A test that may be looked at after every decision, as often and as long as one likes.
//!
//! It bets against "not larger than allowed": each stake grows by what it wins and shrinks by what it
//! loses, so that while that holds its mean never grows. By Ville's inequality the sum of the stakes
//! then ever reaches [`SURE_AT`] with a probability of at most 1 to `SURE_AT`.
//! Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting (2023).

use serde::{Deserialize, Serialize};

/// One trial has up to four tests, and all of them together may err in 1 of 100 trials.
const SURE_AT: f64 = 400.0;
/// How much of a stake is bet each time: much finds a large difference soon, little a small one.
const BOLDNESS: [f64; 3] = [0.7, 0.5, 0.2];
/// After so many decisions part of what was kept back is staked anew: what was well for a week and
/// goes wrong then is found as soon.
const EPOCH: u64 = 1_000;
/// The part of all that is staked at first; the rest is for later, where a tenth of it costs a
/// handful of decisions more, and here it would cost them all the time.
const FIRST: f64 = 0.9;

/// The stakes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bet {
    stakes: [f64; BOLDNESS.len()],
    looks: u64,
}

impl Bet {
    /// Looks at one more difference, from -1 to 1, of which a mean up to `allowed` is well. Says
    /// whether it is larger, surely.
    pub(super) fn add(&mut self, difference: f64, allowed: f64) -> bool {
        if self.looks.is_multiple_of(EPOCH) {
            let epoch = self.looks / EPOCH;
            for stake in &mut self.stakes {
                *stake += staked(epoch) / BOLDNESS.len() as f64;
            }
        }
        self.looks += 1;
        for (stake, boldness) in self.stakes.iter_mut().zip(BOLDNESS) {
            // Nothing is ever lost whole: the most that can be lost is the boldness.
            *stake *= 1.0 + boldness / (1.0 + allowed) * (difference - allowed);
        }
        self.stakes.iter().sum::<f64>() >= SURE_AT
    }

    /// How sure it is, from 0 to 1.
    pub(super) fn sureness(&self) -> f64 {
        let stakes: f64 = self.stakes.iter().sum();
        (stakes.max(1.0).ln() / SURE_AT.ln()).min(1.0)
    }
}

/// All epochs together have 1.
fn staked(epoch: u64) -> f64 {
    let squares = std::f64::consts::PI.powi(2) / 6.0;
    match epoch {
        0 => FIRST,
        epoch => (1.0 - FIRST) / squares / (epoch as f64).powi(2),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_staked_is_one_in_all() {
        let all: f64 = (0..1_000_000).map(staked).sum();
        assert!((0.999..=1.0).contains(&all), "{all}");
    }

    /// The probability that it is sure within so many looks, of which each is +1 or -1 with these
    /// probabilities: no draw, but every way that they can go.
    fn power(more: f64, less: f64, allowed: f64, looks: usize) -> f64 {
        let stakes = |ups: usize, downs: usize, evens: usize| {
            let factor = |boldness: f64, difference: f64| {
                1.0 + boldness / (1.0 + allowed) * (difference - allowed)
            };
            let stakes = BOLDNESS.map(|boldness| {
                factor(boldness, 1.0).powi(ups as i32)
                    * factor(boldness, -1.0).powi(downs as i32)
                    * factor(boldness, 0.0).powi(evens as i32)
            });
            stakes.iter().sum::<f64>() * FIRST / BOLDNESS.len() as f64
        };
        let mut sure = 0.0;
        // How probable it is that there were so many ups and downs, and it is not sure yet.
        let mut at = BTreeMap::from([((0, 0), 1.0)]);
        for look in 1..=looks {
            let mut next = BTreeMap::new();
            for ((ups, downs), probability) in at {
                let ways = [
                    ((ups + 1, downs), more),
                    ((ups, downs + 1), less),
                    ((ups, downs), 1.0 - more - less),
                ];
                for (way, of) in ways {
                    *next.entry(way).or_default() += probability * of;
                }
            }
            at = next;
            at.retain(|(ups, downs), probability| {
                let is_sure = stakes(*ups, *downs, look - ups - downs) >= SURE_AT;
                sure += if is_sure { *probability } else { 0.0 };
                // What is left out counts as not sure.
                !is_sure && *probability > 1e-9
            });
        }
        sure
    }

    #[test]
    fn ten_times_as_much_is_found_within_two_hundred_looks_at_two_in_a_hundred() {
        // Both of the same message: what one blocks the other blocks too.
        assert!(power(0.18, 0.0, 0.005, 200) > 0.999);
        // The hardest case: what one blocks says nothing of what the other blocks.
        let (candidate, policy) = (0.2, 0.02);
        let more = candidate * (1.0 - policy);
        let less = policy * (1.0 - candidate);
        assert!(power(more, less, 0.005, 200) > 0.995);
    }

    #[test]
    fn as_much_as_allowed_is_found_in_less_than_a_four_hundredth() {
        for (more, less) in [(0.005, 0.0), (0.105, 0.1), (0.3, 0.295)] {
            assert!(power(more, less, 0.005, 200) <= 1.0 / SURE_AT);
        }
    }

    #[test]
    fn what_was_well_for_long_and_goes_wrong_is_found() {
        let mut bet = Bet::default();
        for _ in 0..100_000 {
            assert!(!bet.add(0.0, 0.005));
        }
        let until = (0..200).position(|_| bet.add(1.0, 0.005));
        assert!(until.is_some_and(|decisions| decisions < 1_000));
    }
}
