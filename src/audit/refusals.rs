//! A limit for records of what was refused: a stranger must not fill the disk.

use std::borrow::Cow;
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
pub(super) struct Refusals(HashMap<Cow<'static, str>, Kind>);

#[derive(Debug)]
struct Kind {
    left: u32,
    since: Instant,
    held_back: u64,
    /// When the last one was held back.
    last: Instant,
}

impl Refusals {
    /// `Some(held back since the last)` when this one may be recorded.
    pub(super) fn pass(&mut self, what: Cow<'static, str>, now: Instant) -> Option<u64> {
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(&what) {
            return None;
        }
        let kind = self.0.entry(what).or_insert(Kind {
            left: BURST,
            since: now,
            held_back: 0,
            last: now,
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
            kind.last = now;
            return None;
        }
        kind.left -= 1;
        Some(std::mem::take(&mut kind.held_back))
    }

    /// Takes how many were held back of each kind of which none was for `quiet`.
    pub(super) fn ended(&mut self, now: Instant, quiet: Duration) -> Vec<(Cow<'static, str>, u64)> {
        let kinds = self.0.iter_mut();
        let ended =
            kinds.filter(|(_, kind)| kind.held_back > 0 && now.duration_since(kind.last) >= quiet);
        ended
            .map(|(what, kind)| (what.clone(), std::mem::take(&mut kind.held_back)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let passed = |refusals: &mut Refusals, what: &'static str, now| {
            let passed = (0..100_000).filter_map(|_| refusals.pass(what.into(), now));
            passed.collect::<Vec<_>>()
        };
        assert_eq!(passed(&mut refusals, "login", start), [0; 20]);
        let later = start + EVERY * 2;
        assert_eq!(passed(&mut refusals, "login", later), [99_980, 0]);
        assert_eq!(passed(&mut refusals, "orders", later).len(), 20);
        let days_later = start + EVERY * 10_000;
        assert_eq!(passed(&mut refusals, "login", days_later).len(), 20);
    }

    #[test]
    fn the_end_of_a_flood_is_not_lost() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        for _ in 0..100 {
            refusals.pass("login".into(), start);
        }
        let minute = Duration::from_secs(60);
        let ended = |refusals: &mut Refusals, at: Instant| {
            let ended = refusals.ended(at, minute).into_iter();
            ended.map(|(_, held_back)| held_back).collect::<Vec<_>>()
        };
        // It goes on.
        assert_eq!(ended(&mut refusals, start + minute / 2), [0; 0]);
        refusals.pass("login".into(), start + minute / 2);
        assert_eq!(ended(&mut refusals, start + minute), [0; 0]);
        assert_eq!(ended(&mut refusals, start + minute * 2), [81]);
        // Once.
        assert_eq!(ended(&mut refusals, start + minute * 3), [0; 0]);
    }
}
