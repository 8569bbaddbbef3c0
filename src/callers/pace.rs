//! Calls a second, with a burst: a bucket that fills evenly, in one word.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Lets so many calls a second through, and after a rest as many at once as the burst has.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// Nanoseconds of one call.
    call_ns: u64,
    /// How far ahead of time calls may be.
    ahead_ns: u64,
    /// Nanoseconds after `start` at which all calls that were let through are paid for.
    paid_ns: AtomicU64,
}

impl Pace {
    /// `calls_per_second` is above 0; a burst of 0 is as many as a second has.
    pub(crate) fn new(calls_per_second: u32, burst: u32, now: Instant) -> Pace {
        let call_ns = 1_000_000_000 / u64::from(calls_per_second.max(1));
        let burst = match burst {
            0 => calls_per_second,
            burst => burst,
        };
        Pace {
            start: now,
            call_ns,
            ahead_ns: call_ns * u64::from(burst.max(1)),
            paid_ns: AtomicU64::new(0),
        }
    }

    /// Whether one more call is within the pace. One that is not costs nothing.
    pub(crate) fn pass(&self, now: Instant) -> bool {
        let since: Duration = now.saturating_duration_since(self.start);
        let now_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let paid = self
            .paid_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
                let next = paid.max(now_ns).saturating_add(self.call_ns);
                (next <= now_ns.saturating_add(self.ahead_ns)).then_some(next)
            });
        paid.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let pace = Pace::new(10, 3, start);
        let passed = |ms: u64, calls: usize| {
            let now = start + Duration::from_millis(ms);
            (0..calls).filter(|_| pace.pass(now)).count()
        };
        assert_eq!(passed(0, 9), 3);
        assert_eq!(passed(99, 9), 0);
        assert_eq!(passed(100, 9), 1);
        assert_eq!(passed(350, 9), 2);
        // A long rest is worth no more than the burst.
        assert_eq!(passed(60_000, 9), 3);
        // Without a burst a second's calls may come at once.
        let even = Pace::new(7, 0, start);
        assert_eq!((0..99).filter(|_| even.pass(start)).count(), 7);
    }

    #[test]
    fn a_second_never_has_more_than_rate_and_burst() {
        let start = Instant::now();
        let pace = Pace::new(100, 5, start);
        let passed =
            (0..10_000_u64).filter(|step| pace.pass(start + Duration::from_micros(step * 100)));
        let passed = passed.count();
        assert!((100..=105).contains(&passed), "{passed}");
    }
}
