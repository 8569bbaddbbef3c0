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
}

fn to_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
