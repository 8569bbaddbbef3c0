//! The time of day that never jumps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Says the time of day, as the wall clock had it at the start and the monotonic clock went on.
///
/// Whoever sets the wall clock while the process runs makes no wait longer or shorter and no age
/// negative: times that are compared with each other all come from one of these. What others
/// compare with their own clocks, such as the time in a signature, comes from the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_ms: u64,
}

impl Clock {
    /// Starts with the time of the wall clock, which is read this once.
    pub fn start() -> Clock {
        Clock::start_at(SystemTime::now())
    }

    pub fn start_at(wall: SystemTime) -> Clock {
        Clock {
            started: Instant::now(),
            started_ms: wall.duration_since(UNIX_EPOCH).map_or(0, to_ms),
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.started_ms
            .saturating_add(to_ms(self.started.elapsed()))
    }

    /// How old something is that carries a time of this clock, or of one before it.
    ///
    /// A time that has not come yet is of a process that ran before this one, with a wall clock
    /// that was ahead: its age is not known, but it is at least that of this process.
    pub fn age_of(&self, at_ms: u64) -> Duration {
        match self.now_ms().checked_sub(at_ms) {
            Some(age_ms) => Duration::from_millis(age_ms),
            None => self.started.elapsed(),
        }
    }
}

fn to_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn an_age_grows_whatever_was_done_to_the_wall_clock() {
        let wall = UNIX_EPOCH + 1_000_000 * HOUR;
        let stored_ms = Clock::start_at(wall).now_ms();
        // Started again with a wall clock that was set: back, not at all, forward.
        for (set_to, expected) in [
            (wall - 24 * HOUR, 2 * HOUR),
            (
                wall - Duration::from_secs(1),
                2 * HOUR - Duration::from_secs(1),
            ),
            (wall, 2 * HOUR),
            (wall + 24 * HOUR, 26 * HOUR),
        ] {
            let clock = Clock::start_at(set_to);
            let mut last = Duration::ZERO;
            for _ in 0..120 {
                tokio::time::advance(HOUR / 60).await;
                let age = clock.age_of(stored_ms);
                assert!(age >= last, "{age:?} after {last:?}");
                last = age;
            }
            assert_eq!(last, expected);
        }
    }
}
