//! What a scan may cost.
//!
//! Counted in steps and not by a clock, so that the same text under the same lists always ends in
//! the same way. A step is one look at one candidate, or what takes as long: five to ten
//! nanoseconds.

use std::cell::Cell;

/// What any text may take, however short.
const STEPS_AT_LEAST: u64 = 4_000_000;
/// What each of its bytes may take beside that. Chat takes one to three with one list.
pub const STEPS_PER_BYTE: u64 = 16;
/// What no text may take, unless the policy says else.
pub const STEPS_MAX: u64 = 64_000_000;
/// What regular expressions may take in one text, unless the policy says else: each byte that one
/// of them reads.
pub const REGEX_STEPS_MAX: u64 = 64_000_000;

/// The steps that are left for the texts of one call.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    regex_left: Cell<u64>,
    given: u64,
    regex_given: u64,
    spent: Cell<Option<Spent>>,
}

/// What a scan ran out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// The steps of looking for words.
    Steps,
    /// Those of regular expressions.
    Regexes,
}

impl Budget {
    /// For texts of so many bytes in all: 4,000,000 steps and 16 for each byte, but no more than
    /// `steps_max`; regular expressions have `regex_steps_max` of their own.
    pub fn new(bytes: usize, steps_max: u64, regex_steps_max: u64) -> Budget {
        let by_length = (bytes as u64).saturating_mul(STEPS_PER_BYTE);
        let given = by_length.saturating_add(STEPS_AT_LEAST).min(steps_max);
        Budget {
            left: Cell::new(given),
            regex_left: Cell::new(regex_steps_max),
            given,
            regex_given: regex_steps_max,
            spent: Cell::new(None),
        }
    }

    /// The same with the usual limits.
    pub fn of_bytes(bytes: usize) -> Budget {
        Budget::new(bytes, STEPS_MAX, REGEX_STEPS_MAX)
    }

    /// No limit: what a scan costs is then counted alone.
    pub fn unlimited() -> Budget {
        Budget {
            left: Cell::new(u64::MAX),
            given: u64::MAX,
            ..Budget::new(0, 0, u64::MAX)
        }
    }

    /// What the texts were not searched to the end for.
    pub fn spent(&self) -> Option<Spent> {
        self.spent.get()
    }

    /// The steps that were taken.
    pub fn steps(&self) -> u64 {
        self.given - self.left.get()
    }

    /// Those that regular expressions may still take.
    pub(super) fn regex_steps_left(&self) -> usize {
        usize::try_from(self.regex_left.get()).unwrap_or(usize::MAX)
    }

    /// Gives back what was taken and not needed.
    pub(super) fn give_back_for_regex(&self, steps: usize) {
        let left = self.regex_left.get().saturating_add(steps as u64);
        self.regex_left.set(left.min(self.regex_given));
    }

    /// Those of regular expressions.
    pub fn regex_steps(&self) -> u64 {
        self.regex_given - self.regex_left.get()
    }

    /// Takes steps; false once there are none left.
    #[inline]
    pub(super) fn take(&self, steps: usize) -> bool {
        self.take_of(&self.left, steps, Spent::Steps)
    }

    /// Takes steps of regular expressions.
    #[inline]
    pub(super) fn take_for_regex(&self, steps: usize) -> bool {
        self.take_of(&self.regex_left, steps, Spent::Regexes)
    }

    #[inline]
    fn take_of(&self, left: &Cell<u64>, steps: usize, what: Spent) -> bool {
        match left.get().checked_sub(steps as u64) {
            Some(rest) => {
                left.set(rest);
                true
            }
            None => {
                left.set(0);
                self.give_up(what);
                false
            }
        }
    }

    /// Something was left out for its cost.
    #[cold]
    pub(super) fn give_up(&self, what: Spent) {
        self.spent.set(self.spent.get().or(Some(what)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_grows_with_the_text_up_to_its_limit() {
        let steps = |bytes| Budget::of_bytes(bytes).given;
        assert_eq!(steps(0), 4_000_000);
        assert_eq!(steps(1_000_000), 20_000_000);
        assert_eq!(steps(100_000_000), STEPS_MAX);
    }

    #[test]
    fn once_spent_it_stays_so() {
        let budget = Budget::new(0, 10, 10);
        assert!(budget.take(4) && budget.take(6) && budget.take_for_regex(10));
        assert_eq!((budget.spent(), budget.steps()), (None, 10));
        assert!(!budget.take(1));
        assert!(!budget.take_for_regex(1));
        assert_eq!(budget.spent(), Some(Spent::Steps));
        assert_eq!((budget.steps(), budget.regex_steps()), (10, 10));
    }
}
