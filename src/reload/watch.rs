//! Notices edits by looking, ten times a second.
//!
//! Looking at a handful of files costs microseconds and works alike for every way in which files
//! are replaced (written in place, renamed over, symlink swapped, truncated and written) and on
//! every file system. Whether a writer has a file open still is known where the system tells; it
//! makes looking surer, and nothing depends on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::Fingerprint;
use super::policies::Policies;
use super::settling::{Next, Settling};
use super::writers::Writers;
use crate::watch::Watch;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Watches the files of `policies` until dropped.
///
/// Errors: the operating system gives no thread.
pub fn watch(policies: Arc<Policies>) -> std::io::Result<Watch> {
    let (files, outside) = policies.fingerprint();
    let mut looker = Looker {
        writers: Writers::watch(policies.directory(), &files),
        // The files may have been edited between the first reading and now.
        settling: Settling::all(&files, Instant::now()),
        outside_settling: Settling::default(),
        engine: policies.engine_fingerprint(),
        files,
        outside,
        policies,
    };
    Watch::start("policy-watch", INTERVAL, move || looker.look())
}

/// What was seen of the files.
struct Looker {
    policies: Arc<Policies>,
    files: Fingerprint,
    outside: Fingerprint,
    engine: Fingerprint,
    writers: Writers,
    settling: Settling,
    /// Of what the policy depends on and that is none of its settings.
    outside_settling: Settling,
}

impl Looker {
    fn look(&mut self) {
        self.policies.free_retired();
        let (files, outside) = self.policies.fingerprint();
        self.writers.look();
        let now = Instant::now();
        let writers = &self.writers;
        let is_open = |stat: &_| writers.is_open(stat);
        let next = self.settling.look(&self.files, &files, is_open, now);
        let beside = self
            .outside_settling
            .look(&self.outside, &outside, |_| None, now);
        if files != self.files {
            self.writers.follow(self.policies.directory(), &files);
        }
        (self.files, self.outside) = (files, outside);
        let renamed = self.writers.renamed(&self.files);
        match (next, beside) {
            (Next::Nothing, Next::Nothing) => {}
            (Next::Read(busy), _) => drop(self.policies.look_again(busy, &renamed)),
            (Next::Nothing, Next::Read(_)) => drop(self.policies.look_again(self.busy(), &renamed)),
        }
        let engine = self.policies.engine_fingerprint();
        if engine != self.engine {
            self.engine = engine;
            self.policies.look_at_engine();
        }
    }

    fn busy(&self) -> BTreeSet<String> {
        let open = self.files.stats().iter();
        let open = open.filter(|stat| self.writers.is_open(stat) == Some(true));
        open.map(|stat| stat.path.clone()).collect()
    }
}
