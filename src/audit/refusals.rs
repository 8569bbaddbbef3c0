//! A limit for records of what was refused: a stranger must not fill the disk.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Records at once, after a rest.
const BURST: u32 = 20;
/// Then one in this time.
const EVERY: Duration = Duration::from_secs(600);
/// Kinds of acts that are told apart; there are fewer.
const KINDS_MAX: usize = 64;

/// For each kind of act, how many may be recorded, and how many were not.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<String, Kind>);

#[derive(Debug)]
struct Kind {
    left: u32,
    since: Instant,
    held_back: u64,
}

impl Refusals {
    /// `Some(held back since the last)` when this one may be recorded.
    pub(super) fn pass(&mut self, what: &str, now: Instant) -> Option<u64> {
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(what) {
            return None;
        }
        let kind = self.0.entry(what.to_owned()).or_insert(Kind {
            left: BURST,
            since: now,
            held_back: 0,
        });
        let more = now.duration_since(kind.since).as_secs() / EVERY.as_secs();
        if more > 0 {
            kind.left = BURST.min(
                kind.left
                    .saturating_add(u32::try_from(more).unwrap_or(BURST)),
            );
            kind.since += EVERY * u32::try_from(more).unwrap_or(0);
        }
        if kind.left == 0 {
            kind.held_back += 1;
            return None;
        }
        kind.left -= 1;
        Some(std::mem::take(&mut kind.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let passed = |refusals: &mut Refusals, what, now| {
            let passed = (0..100_000).filter_map(|_| refusals.pass(what, now));
            passed.collect::<Vec<_>>()
        };
        assert_eq!(passed(&mut refusals, "login", start), [0; 20]);
        let later = start + EVERY * 2;
        assert_eq!(passed(&mut refusals, "login", later), [99_980, 0]);
        assert_eq!(passed(&mut refusals, "orders", later).len(), 20);
        let days_later = start + EVERY * 10_000;
        assert_eq!(passed(&mut refusals, "login", days_later).len(), 20);
    }
}
