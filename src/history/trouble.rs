//! What the log is told of a disk that takes nothing: that it began and that it ended, each once.

use std::time::{Duration, Instant};

use tracing::{info, warn};

/// One that takes something only now and then is not well.
const WELL_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The log was told that it began.
    is_told: bool,
    /// Since when it has worked again.
    well_since: Option<Instant>,
    /// Decisions that it cost.
    dropped: u64,
}

impl Trouble {
    /// Something could not be written.
    pub(super) fn failed(&mut self, why: &str, dropped: usize) {
        self.well_since = None;
        self.dropped += dropped as u64;
        if !self.is_told {
            self.is_told = true;
            warn!(
                why,
                "decisions are made and not kept: the history cannot be written"
            );
        }
    }

    /// Something was written.
    pub(super) fn worked(&mut self, now: Instant) {
        self.well_since = self.well_since.or(Some(now));
    }

    /// Says that it is over, once that is sure.
    pub(super) fn look(&mut self, now: Instant) {
        let is_well = self
            .well_since
            .is_some_and(|since| now.duration_since(since) >= WELL_AFTER);
        if self.is_told && is_well {
            info!(dropped = self.dropped, "decisions are kept again");
            *self = Trouble::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_comes_and_goes_is_one_trouble() {
        let mut trouble = Trouble::default();
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        for second in 0..100 {
            trouble.failed("full", 3);
            trouble.worked(at(second));
            trouble.look(at(second + 5));
            assert!(trouble.is_told);
        }
        trouble.worked(at(105));
        trouble.look(at(108));
        assert_eq!((trouble.is_told, trouble.dropped), (true, 300));
        trouble.look(at(109));
        assert_eq!((trouble.is_told, trouble.dropped), (false, 0));
        // What is well is never told.
        trouble.worked(at(110));
        trouble.look(at(130));
        assert!(!trouble.is_told);
    }
}
