//! When files that are being edited may be read: no clock of its own, no IO.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::files::{Fingerprint, Stat};

/// A file is read once it has not changed for this long, so that one which is truncated and then
/// written is not read in between.
pub(super) const SETTLE: Duration = Duration::from_millis(200);
/// The same for a file that was seen to grow: who writes slowly makes pauses.
pub(super) const SETTLE_GROWING: Duration = Duration::from_millis(500);
/// When changes follow each other without an end, what is whole is read after this long.
pub(super) const FOLLOWED: Duration = Duration::from_millis(1200);
/// A file that somebody has open for writing is not read; after this long without a write it is
/// taken for one that was left open.
pub(super) const LEFT_OPEN: Duration = Duration::from_secs(60);
/// A file that is being written for so long is told of.
pub(super) const TELL_AFTER: Duration = Duration::from_secs(10);

/// What is to be done about files after a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// Read all but these, which are being written.
    Read(BTreeSet<String>),
}

/// The files that changed and were not read yet.
#[derive(Debug, Default)]
pub(super) struct Settling {
    changes: BTreeMap<String, Change>,
}

#[derive(Debug)]
struct Change {
    /// The last change, and the first that was not read.
    at: Instant,
    since: Instant,
    /// It is as long as a file that somebody is writing would be.
    grows: bool,
    /// Others are not kept waiting for it any more.
    aside: bool,
    told: bool,
}

impl Settling {
    /// Every file may have been edited before the first look.
    pub(super) fn all(files: &Fingerprint, now: Instant) -> Settling {
        let mut settling = Settling::default();
        for stat in files.stats() {
            settling.changed(&stat.path, false, now);
        }
        settling
    }

    fn changed(&mut self, path: &str, grew: bool, now: Instant) {
        let change = self.changes.entry(path.to_owned()).or_insert(Change {
            at: now,
            since: now,
            grows: false,
            aside: false,
            told: false,
        });
        change.at = now;
        change.grows = grew;
    }

    /// `is_open` tells of a file whether somebody has it open for writing, where that is known.
    pub(super) fn look(
        &mut self,
        before: &Fingerprint,
        after: &Fingerprint,
        is_open: impl Fn(&Stat) -> Option<bool>,
        now: Instant,
    ) -> Next {
        self.note(before, after, now);
        let mut busy = BTreeSet::new();
        let (mut any_left, mut any_unsettled, mut any_late, mut any_fresh_writer) =
            (false, false, false, false);
        let mut tell = false;
        for (path, change) in &mut self.changes {
            let stat = after.stat(path);
            let open = stat.and_then(&is_open);
            let quiet = now - change.at;
            let is_open = open == Some(true) && quiet < LEFT_OPEN;
            // Where nobody can say that it is closed, growing is what is seen of a writer.
            let grows = change.grows && open.is_none();
            let settle = if grows { SETTLE_GROWING } else { SETTLE };
            let is_settled = !is_open && quiet >= settle;
            let is_writing = is_open || grows && !is_settled;
            let late = now - change.since >= FOLLOWED;
            change.aside = is_writing && (change.aside || late);
            if is_writing {
                busy.insert(path.clone());
                any_fresh_writer |= !change.aside;
                tell |= !change.told && now - change.since >= TELL_AFTER;
            }
            if !change.aside {
                any_left = true;
                any_unsettled |= !is_settled;
                any_late |= late;
            }
        }
        let due = any_left && (!any_unsettled || any_late && !any_fresh_writer);
        if !due && !tell {
            return Next::Nothing;
        }
        self.changes.retain(|path, _| busy.contains(path));
        for change in self.changes.values_mut() {
            change.told |= now - change.since >= TELL_AFTER;
        }
        Next::Read(busy)
    }

    /// Files that changed, came or went since the last look.
    fn note(&mut self, before: &Fingerprint, after: &Fingerprint, now: Instant) {
        for stat in after.stats() {
            let old = before.stat(&stat.path);
            if old == Some(stat) {
                continue;
            }
            // Truncated, or longer each time.
            let was_changing = self.changes.contains_key(&stat.path);
            let grew = old.is_some_and(|old| match was_changing {
                true => old.identity == stat.identity && old.bytes < stat.bytes,
                false => old.identity == stat.identity && old.bytes != stat.bytes,
            });
            self.changed(&stat.path, grew, now);
        }
        for stat in before.stats() {
            if after.stat(&stat.path).is_none() {
                self.changed(&stat.path, false, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the files are looked at.
    const LOOK_MS: u64 = 100;

    /// What happens to a file at a time.
    #[derive(Clone, Copy)]
    struct Write {
        path: &'static str,
        from_ms: u64,
        until_ms: u64,
        every_ms: u64,
        grows: bool,
        /// Between the writes too.
        open: Option<bool>,
    }

    const EDIT: Write = Write {
        path: "a",
        from_ms: 100,
        until_ms: 101,
        every_ms: 100,
        grows: false,
        open: Some(false),
    };

    fn stat(write: &Write, ms: u64) -> Stat {
        let writes = match ms {
            ms if ms < write.from_ms => 0,
            ms => 1 + (ms.min(write.until_ms - 1) - write.from_ms) / write.every_ms,
        };
        Stat {
            path: write.path.to_owned(),
            bytes: if write.grows { writes } else { 10 + writes % 2 },
            modified: Some(std::time::UNIX_EPOCH + Duration::from_millis(writes)),
            identity: (0, 0),
            is_published: false,
        }
    }

    /// Looks as often as the watch does; when what was read.
    fn looks(writes: &[Write], end_ms: u64) -> Vec<(u64, BTreeSet<String>)> {
        let start = Instant::now();
        let print = |ms| Fingerprint::from_stats(writes.iter().map(|one| stat(one, ms)).collect());
        let mut settling = Settling::default();
        let mut before = print(0);
        let mut seen = Vec::new();
        for ms in (LOOK_MS..end_ms).step_by(LOOK_MS as usize) {
            let after = print(ms);
            let is_open = |stat: &Stat| {
                let write = writes.iter().find(|one| one.path == stat.path).unwrap();
                let writing = (write.from_ms..write.until_ms).contains(&ms);
                write.open.map(|open| open && writing)
            };
            let next = settling.look(&before, &after, is_open, start + Duration::from_millis(ms));
            if let Next::Read(busy) = next {
                seen.push((ms, busy));
            }
            before = after;
        }
        seen
    }

    #[test]
    fn an_edit_is_read_well_within_a_second_of_its_last_write() {
        for until_ms in [101, 400, 900] {
            for open in [Some(false), Some(true), None] {
                let write = Write {
                    until_ms,
                    open,
                    grows: open.is_none(),
                    ..EDIT
                };
                let seen = looks(&[write], 20_000);
                assert_eq!(seen.len(), 1, "{until_ms} {open:?} {seen:?}");
                let (at, busy) = &seen[0];
                assert!(busy.is_empty());
                assert!(
                    (until_ms + 100..until_ms + 700).contains(at),
                    "{until_ms}: {at}"
                );
            }
        }
    }

    #[test]
    fn edits_that_follow_each_other_are_read_within_two_seconds() {
        for every_ms in [20, 50, 100, 150, 200, 300] {
            for grows in [false, true] {
                let write = Write {
                    until_ms: 20_000,
                    every_ms,
                    grows,
                    ..EDIT
                };
                let seen = looks(&[write], 20_000);
                let mut last = 100;
                for (at, busy) in &seen {
                    assert!(busy.is_empty() && at - last <= 1500, "{every_ms}: {seen:?}");
                    last = *at;
                }
                assert!(last > 18_000, "{every_ms}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_file_that_is_being_written_holds_up_nobody_but_itself() {
        let slow = Write {
            until_ms: 8000,
            every_ms: 700,
            open: Some(true),
            grows: true,
            ..EDIT
        };
        let other = Write {
            path: "b",
            from_ms: 4000,
            until_ms: 4001,
            ..EDIT
        };
        let seen = looks(&[slow, other], 10_000);
        let reads: Vec<_> = seen.iter().map(|(at, busy)| (*at, busy.len())).collect();
        assert!(
            matches!(reads[..], [(4100..4500, 1), (8000..8700, 0)]),
            "{reads:?}"
        );
    }

    #[test]
    fn two_files_that_are_written_one_after_the_other_are_read_together() {
        let first = Write {
            until_ms: 900,
            every_ms: 300,
            open: Some(true),
            ..EDIT
        };
        let second = Write {
            path: "b",
            from_ms: 900,
            until_ms: 1900,
            every_ms: 300,
            open: Some(true),
            ..EDIT
        };
        let seen = looks(&[first, second], 5000);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen[0].0 >= 1900 && seen[0].1.is_empty(), "{seen:?}");
    }

    #[test]
    fn a_writer_that_stalls_is_told_of_once_and_one_that_left_the_file_open_is_not_waited_for() {
        let stalled = Write {
            until_ms: 1_000_000,
            every_ms: 1_000_000,
            open: Some(true),
            ..EDIT
        };
        let seen = looks(&[stalled], 100_000);
        let reads: Vec<_> = seen.iter().map(|(at, busy)| (*at, busy.len())).collect();
        assert!(
            matches!(reads[..], [(10_000..10_300, 1), (60_000..60_300, 0)]),
            "{reads:?}"
        );
    }

    #[test]
    fn where_nobody_knows_who_writes_a_growing_file_is_not_read() {
        let trickle = Write {
            until_ms: 9000,
            every_ms: 300,
            open: None,
            grows: true,
            ..EDIT
        };
        let other = Write {
            path: "b",
            from_ms: 4000,
            until_ms: 4001,
            open: None,
            ..EDIT
        };
        let seen = looks(&[trickle, other], 12_000);
        let reads: Vec<_> = seen.iter().map(|(at, busy)| (*at, busy.len())).collect();
        assert!(
            matches!(reads[..], [(4100..4700, 1), (9000..9700, 0)]),
            "{reads:?}"
        );
    }
}
