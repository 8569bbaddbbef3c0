//! What a policy expects of the change to it, held against calls that were recorded.

use std::fmt;
use std::sync::OnceLock;

use crate::policy::{RecordedCall, Snapshot};
use crate::settings::Problem;

/// Judges a policy that is about to come into force. An error among what it says keeps it from that.
pub(super) type Weigh<'a> = dyn Fn(&Snapshot) -> Vec<Problem> + Sync + 'a;

type Newest = Box<dyn Fn(usize) -> Option<Vec<RecordedCall>> + Send + Sync>;

/// Where recorded calls come from, once that is known.
#[derive(Default)]
pub(super) struct Weighing(OnceLock<Newest>);

impl fmt::Debug for Weighing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weighing")
    }
}

impl Weighing {
    pub(super) fn take_from(&self, newest: Newest) {
        // A second place would have the same.
        let _ = self.0.set(newest);
    }

    pub(super) fn weigh(&self, ruling: &Snapshot, candidate: &Snapshot) -> Vec<Problem> {
        let Some(expected) = candidate.expected_after(ruling) else {
            return Vec::new();
        };
        let newest = self.0.get();
        let calls = newest.and_then(|newest| newest(expected.calls_max));
        expected.weigh(ruling, candidate, calls.as_deref())
    }
}
