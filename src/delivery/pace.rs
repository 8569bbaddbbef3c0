//! How fast an endpoint is told: slowly after it was down, and never above its limit.
//!
//! The time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Successes that double the requests in flight.
const STEP_SUCCESSES: u32 = 10;
/// What an idle endpoint may be told at once, as time at its rate.
const BURST: Duration = Duration::from_millis(100);

/// Requests a second that an endpoint may be told, shared out among those who tell it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// 0 is no limit.
    pub(super) max: u32,
    /// Replicas that tell it, this one included.
    pub(super) replicas: u32,
}

impl Rate {
    /// From one request to the next; `None` is no limit.
    fn interval(self) -> Option<Duration> {
        let second = Duration::from_secs(1).checked_div(self.max)?;
        Some(second.saturating_mul(self.replicas.max(1)))
    }
}

/// The pace of one endpoint.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests in flight, until it is as fast as it may be.
    allowed: Option<usize>,
    successes: u32,
    /// When the next request may begin; `None` before the first.
    next_at: Option<Instant>,
}

impl Pace {
    pub(super) fn full() -> Pace {
        Pace {
            allowed: None,
            successes: 0,
            next_at: None,
        }
    }

    /// Begins again with one request at a time: a backlog that is let go all at once would bring
    /// the endpoint down again.
    pub(super) fn slow_down(&mut self) {
        self.allowed = Some(1);
        self.successes = 0;
    }

    pub(super) fn succeeded(&mut self, in_flight_max: usize) {
        let Some(allowed) = self.allowed else {
            return;
        };
        self.successes += 1;
        if self.successes >= STEP_SUCCESSES {
            self.successes = 0;
            let doubled = allowed.saturating_mul(2);
            self.allowed = (doubled < in_flight_max).then_some(doubled);
        }
    }

    /// Requests in flight that are allowed now.
    pub(super) fn in_flight(&self, in_flight_max: usize) -> usize {
        self.allowed.unwrap_or(in_flight_max).min(in_flight_max)
    }

    /// How long until the next request may begin.
    pub(super) fn wait(&self, rate: Rate, now: Instant) -> Duration {
        match self.next_at {
            Some(next_at) if rate.max > 0 => next_at.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// How many requests may begin now.
    pub(super) fn room(&self, rate: Rate, now: Instant) -> usize {
        let Some(interval) = rate.interval() else {
            return usize::MAX;
        };
        let saved = now.saturating_duration_since(self.from(now));
        match self.wait(rate, now).is_zero() {
            true => 1 + (saved.as_nanos() / interval.as_nanos().max(1)) as usize,
            false => 0,
        }
    }

    /// A request begins.
    pub(super) fn begin(&mut self, rate: Rate, now: Instant) {
        if let Some(interval) = rate.interval() {
            self.next_at = Some(self.from(now) + interval);
        }
    }

    /// From when the rate is counted: an endpoint that was idle has saved up no more than a burst.
    fn from(&self, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.next_at
            .map_or(earliest, |next_at| next_at.max(earliest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_it_doubles_with_every_ten_successes() {
        let mut pace = Pace::full();
        assert_eq!(pace.in_flight(32), 32);
        pace.slow_down();
        let mut seen = Vec::new();
        for _ in 0..60 {
            seen.push(pace.in_flight(32));
            pace.succeeded(32);
        }
        seen.dedup();
        assert_eq!(seen, [1, 2, 4, 8, 16, 32]);
        assert_eq!(pace.in_flight(7), 7);
    }

    /// Requests that begin in `seconds` at a rate, asked for every millisecond.
    fn begun(max: u32, replicas: u32, seconds: u64) -> u32 {
        let rate = Rate { max, replicas };
        let mut pace = Pace::full();
        let start = Instant::now();
        let mut begun = 0;
        for ms in 0..seconds * 1000 {
            let now = start + Duration::from_millis(ms);
            for _ in 0..pace.room(rate, now) {
                assert!(pace.wait(rate, now).is_zero());
                pace.begin(rate, now);
                begun += 1;
            }
        }
        begun
    }

    #[test]
    fn a_rate_is_kept_with_a_small_burst() {
        for rate in [1, 10, 100, 1000, 5000] {
            let begun = begun(rate, 1, 10);
            let wanted = rate * 10 + rate / 10;
            // Asked for once a millisecond, the last one of them comes too late.
            let least = wanted - rate / 1000;
            assert!((least..=wanted + 2).contains(&begun), "{rate}: {begun}");
        }
    }

    #[test]
    fn replicas_together_keep_the_rate_of_one() {
        for (rate, replicas) in [(1, 3), (10, 3), (100, 7), (1000, 100), (5, 100)] {
            let of_all: u32 = (0..replicas).map(|_| begun(rate, replicas, 100)).sum();
            let wanted = rate * 100 + rate / 10;
            // Each may begin one at once.
            let most = wanted + 2 * replicas;
            assert!(
                (wanted * 9 / 10..=most).contains(&of_all),
                "{rate} {replicas}: {of_all}"
            );
        }
        assert_eq!(
            Pace::full().room(
                Rate {
                    max: 0,
                    replicas: 3
                },
                Instant::now()
            ),
            usize::MAX
        );
    }
}
