//! Notices edits by looking, ten times a second.
//!
//! Looking at a handful of files costs microseconds and works alike for every way in which files
//! are replaced (written in place, renamed over, symlink swapped, truncated and written) and on
//! every file system, which file notifications do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::files::Fingerprint;
use super::policies::Policies;
use crate::watch::Watch;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// Files that changed are read once they have not changed for this long, so that a file which is
/// truncated and then written is not read in between.
const SETTLE: Duration = Duration::from_millis(200);

/// Files that never stop changing are not read, because half a word list is a list too; that is
/// said once, after so long.
const TELL_AFTER: Duration = Duration::from_secs(10);

/// Watches the files of `policies` until dropped.
///
/// Errors: the operating system gives no thread.
pub fn watch(policies: Arc<Policies>) -> std::io::Result<Watch> {
    let mut looker = Looker {
        seen: policies.fingerprint(),
        engine: policies.engine_fingerprint(),
        // The files may have been edited between the first reading and now.
        settling: Settling::changed(Instant::now()),
        policies,
    };
    Watch::start("policy-watch", INTERVAL, move || looker.look())
}

/// What was seen of the files.
struct Looker {
    policies: Arc<Policies>,
    seen: (Fingerprint, Fingerprint),
    engine: Fingerprint,
    settling: Settling,
}

/// What is to be done about files after a look.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    Read,
    /// They have been changing all the time.
    Tell,
}

/// Whether changed files are still being written.
#[derive(Debug, Default)]
struct Settling {
    /// The last change that was not read.
    changed_at: Option<Instant>,
    /// The first of them.
    since: Option<Instant>,
    told: bool,
}

impl Settling {
    fn changed(at: Instant) -> Settling {
        Settling {
            changed_at: Some(at),
            since: Some(at),
            told: false,
        }
    }

    fn look(&mut self, changed: bool, now: Instant) -> Next {
        if !changed {
            let settled = self.changed_at.is_some_and(|at| now - at >= SETTLE);
            if settled {
                *self = Settling::default();
                return Next::Read;
            }
            return Next::Nothing;
        }
        self.changed_at = Some(now);
        let since = *self.since.get_or_insert(now);
        if now - since >= TELL_AFTER && !self.told {
            self.told = true;
            return Next::Tell;
        }
        Next::Nothing
    }
}

impl Looker {
    fn look(&mut self) {
        self.policies.free_retired();
        let now = self.policies.fingerprint();
        let changed = now != self.seen;
        self.seen = now;
        match self.settling.look(changed, Instant::now()) {
            Next::Nothing => {}
            Next::Read => {
                self.policies.reload();
            }
            Next::Tell => warn!(
                "the policy files are being written all the time; an edit comes into force when they have been left alone for {SETTLE:?}"
            ),
        }
        let engine = self.policies.engine_fingerprint();
        if engine != self.engine {
            self.engine = engine;
            self.policies.look_at_engine();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks as often as the watch does at files that change until `quiet_ms`; when each thing
    /// happened.
    fn look_until(quiet_ms: u64, end_ms: u64) -> Vec<(u64, Next)> {
        let start = Instant::now();
        let mut settling = Settling::default();
        let mut seen = Vec::new();
        for ms in (0..end_ms).step_by(INTERVAL.as_millis() as usize) {
            let next = settling.look(ms < quiet_ms, start + Duration::from_millis(ms));
            if next != Next::Nothing {
                seen.push((ms, next));
            }
        }
        seen
    }

    #[test]
    fn an_edit_is_read_well_within_a_second_of_its_last_write() {
        for quiet_ms in [100, 400, 5000] {
            let [(read_ms, Next::Read)] = look_until(quiet_ms, 20_000)[..] else {
                panic!("{quiet_ms}");
            };
            assert!(
                (quiet_ms + 100..quiet_ms + 500).contains(&read_ms),
                "{read_ms}"
            );
        }
    }

    #[test]
    fn files_that_never_settle_are_told_of_once_and_read_when_they_do() {
        let seen = look_until(60_000, 100_000);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(seen[0], (10_000, Next::Tell));
        assert_eq!(seen[1].1, Next::Read);
    }
}
