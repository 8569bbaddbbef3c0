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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::decision::{Answer, Failure, FailureClass, Verdict};
    use crate::policy::{CompileContext, FileSet, RecordedCall, compile};

    fn policy(timeout: &str, url: &str) -> Snapshot {
        let policy = format!(
            "endpoints: {{business: {{url: \"{url}\"}}}}\n\
             hooks: {{beforeSendSingleMsg: {{endpoint: business, timeout: {timeout}, failedContinue: false}}}}\n"
        );
        let content: Arc<[u8]> = policy.into_bytes().into();
        let files = FileSet {
            files: BTreeMap::from([("policy.yaml".to_owned(), content)]),
            ..FileSet::default()
        };
        let compiled = compile(&files, &CompileContext::default(), 1);
        compiled
            .snapshot
            .unwrap_or_else(|| panic!("{:?}", compiled.problems))
    }

    /// Whether a policy that asks the same would have blocked, after the one in force gave the endpoint
    /// 200 ms and this came of it.
    fn judged(candidate: &Snapshot, outcome: Outcome, elapsed_ms: u64) -> Option<bool> {
        let line = br#"{"hook":"beforeSendSingleMsg","text":"hello"}"#;
        let event = RecordedCall::read(line).unwrap().event().unwrap();
        let in_force = policy("200ms", "http://business.example/callback");
        let mut step = in_force.begin(&event);
        let heard = loop {
            step = match step {
                Step::Scan(scan) => {
                    let found = scan.run(&mut Scratch::default());
                    scan.resume(&found)
                }
                Step::Ask(ask) => {
                    break Heard::of(&ask, &outcome, Duration::from_millis(elapsed_ms));
                }
                Step::Settled(decision) => panic!("nobody is asked: {decision:?}"),
            };
        };
        let decision = judge(candidate, &event, Some(&heard), &mut Scratch::default());
        decision.map(|decision| matches!(decision.verdict, Verdict::Block(_)))
    }

    #[test]
    fn an_answer_counts_where_it_would_have_come_in_time() {
        let same = "http://business.example/callback";
        let allow = || Outcome::Answer(Answer::Allow);
        assert_eq!(judged(&policy("200ms", same), allow(), 50), Some(false));
        assert_eq!(judged(&policy("100ms", same), allow(), 50), Some(false));
        assert_eq!(judged(&policy("100ms", same), allow(), 150), None);
        let other = policy("200ms", "http://other.example/callback");
        assert_eq!(judged(&other, allow(), 50), None);
    }

    #[test]
    fn a_failure_counts_where_the_time_was_the_same() {
        let same = "http://business.example/callback";
        let failed = || Outcome::Failure(Failure::new(FailureClass::Timeout, "too late"));
        assert_eq!(judged(&policy("200ms", same), failed(), 200), Some(true));
        assert_eq!(judged(&policy("300ms", same), failed(), 200), None);
    }
}
