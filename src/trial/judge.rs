//! What the policy that did not decide would have decided, with what is known of the endpoint.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::decision::{Decision, Outcome, Replacement};
use crate::event::Event;
use crate::filter::Scratch;
use crate::policy::{Ask, Endpoint, Snapshot, Step};

/// What was asked for the decision that was made, and what came of it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub endpoint: Arc<Endpoint>,
    pub replacement: Option<Replacement>,
    pub outcome: Outcome,
    /// How long the endpoint could have taken, and what asking took.
    pub timeout: Duration,
    pub elapsed: Duration,
}

impl Heard {
    /// Of a question and how it ended.
    pub fn of(ask: &Ask<'_>, outcome: &Outcome, elapsed: Duration) -> Heard {
        Heard {
            endpoint: Arc::clone(ask.endpoint()),
            replacement: ask.replacement().cloned(),
            outcome: outcome.clone(),
            timeout: ask.rules().timeout,
            elapsed,
        }
    }

    /// The same question would have had the same answer.
    fn answers(&self, ask: &Ask<'_>) -> bool {
        let timeout = ask.rules().timeout;
        let in_time = match &self.outcome {
            Outcome::Answer(_) => self.elapsed < timeout,
            Outcome::Failure(_) => self.timeout == timeout,
        };
        in_time
            && *self.endpoint == **ask.endpoint()
            && self.replacement.as_ref() == ask.replacement()
    }
}

/// `None`: it would have asked something that was not asked.
pub(super) fn judge(
    snapshot: &Snapshot,
    event: &Event,
    heard: Option<&Heard>,
    scratch: &mut Scratch,
) -> Option<Decision> {
    let walk = || {
        let mut step = snapshot.begin(event);
        loop {
            step = match step {
                Step::Settled(decision) => return Some(decision),
                Step::Scan(scan) => {
                    let found = scan.run(scratch);
                    scan.resume(&found)
                }
                Step::Ask(ask) => match heard.filter(|heard| heard.answers(&ask)) {
                    Some(heard) => ask.resume(heard.outcome.clone()),
                    None => return None,
                },
            };
        }
    };
    let judged = catch_unwind(AssertUnwindSafe(walk));
    // The next one does not look at what a panic left there.
    judged.unwrap_or_else(|_| {
        *scratch = Scratch::default();
        None
    })
}
