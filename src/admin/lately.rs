//! What messages came to in the last hour, minute by minute.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::telemetry::{CameTo, Metrics};

const MINUTE_MS: u64 = 60_000;
const MINUTES_KEPT: usize = 60;

type Totals = [u64; CameTo::ALL.len()];

/// The totals at the end of each of the last minutes, since the start of the process.
#[derive(Debug, Default)]
pub struct Lately(Mutex<VecDeque<Totals>>);

/// Numbers of spans of time, oldest first; the last one is not over.
#[derive(Debug, PartialEq)]
pub(super) struct Minutes {
    /// When the first of them began.
    pub start_ms: u64,
    /// The time between two.
    pub step_ms: u64,
    pub counts: Vec<Totals>,
}

impl Minutes {
    /// All of one kind.
    pub(super) fn of(&self, kind: CameTo) -> Vec<u64> {
        self.counts
            .iter()
            .map(|totals| totals[kind as usize])
            .collect()
    }

    pub(super) fn sum(&self, kind: CameTo) -> u64 {
        self.of(kind).iter().sum()
    }
}

impl Lately {
    /// Reads the totals at the end of each minute, until `stop`.
    pub async fn run(&self, metrics: Arc<Metrics>, clock: Clock, stop: CancellationToken) {
        let reading = async {
            loop {
                let left_ms = MINUTE_MS - clock.now_ms() % MINUTE_MS;
                tokio::time::sleep(Duration::from_millis(left_ms)).await;
                self.minute_over(metrics.outcomes.totals());
            }
        };
        let _ = stop.run_until_cancelled(reading).await;
    }

    fn minute_over(&self, totals: Totals) {
        let mut kept = self.kept();
        kept.push_back(totals);
        // What an hour began with is kept too.
        if kept.len() > MINUTES_KEPT {
            kept.pop_front();
        }
    }

    /// The last hour; `now` are the totals at this moment.
    pub(super) fn minutes(&self, now: Totals, now_ms: u64) -> Minutes {
        let kept = self.kept();
        let mut ends: Vec<Totals> = kept.iter().copied().collect();
        ends.push(now);
        // Before the first minute that is kept there was nothing, or what it began with.
        let mut before = match ends.len() > MINUTES_KEPT {
            true => ends.remove(0),
            false => Totals::default(),
        };
        let mut counts = Vec::with_capacity(MINUTES_KEPT);
        counts.resize(MINUTES_KEPT.saturating_sub(ends.len()), Totals::default());
        for end in ends {
            counts.push(std::array::from_fn(|at| end[at].saturating_sub(before[at])));
            before = end;
        }
        let this_minute_ms = now_ms - now_ms % MINUTE_MS;
        let minutes_before = counts.len() as u64 - 1;
        Minutes {
            start_ms: this_minute_ms.saturating_sub(minutes_before * MINUTE_MS),
            step_ms: MINUTE_MS,
            counts,
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<Totals>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_every_message_counted_once() {
        let lately = Lately::default();
        let hour_ms = 3_600_000;
        let passed = |minutes: &Minutes| minutes.of(CameTo::Passed);
        let fresh = lately.minutes([7, 0, 0, 1, 0], hour_ms + 30_000);
        assert_eq!(fresh.start_ms, hour_ms - 59 * MINUTE_MS);
        assert_eq!(passed(&fresh).len(), MINUTES_KEPT);
        assert_eq!(passed(&fresh)[58..], [0, 7]);
        assert_eq!(fresh.sum(CameTo::Blocked), 1);
        for minute in 1..=100 {
            lately.minute_over([minute * 10, 0, 0, 0, 0]);
        }
        // 101 minutes, of which the last has 3 messages so far.
        let hour = lately.minutes([1003, 0, 0, 0, 0], hour_ms);
        assert_eq!(passed(&hour).len(), MINUTES_KEPT);
        assert_eq!(passed(&hour)[..2], [10, 10]);
        assert_eq!(passed(&hour)[58..], [10, 3]);
        assert_eq!(hour.sum(CameTo::Passed), 593);
    }
}
