//! From what the filters say and what the endpoint answered to the decision.

use super::screen::Screening;
use super::snapshot::{HookRules, Snapshot};
use crate::decision::{
    Answer, Decider, Decision, Failure, FailureAction, FailureClass, Hit, Outcome, Refusal,
    Replacement, SkipReason, Verdict,
};
use crate::event::{Event, Hook, Moment};

impl Screening {
    /// Nobody is asked: what the filters say stands.
    pub(super) fn alone(self) -> Decision {
        by_filter(self.hits, self.verdict)
    }

    /// The endpoint's replacement, and what the filters said about the event with it.
    pub(super) fn replaced(self, replacement: Replacement, second: Screening) -> Decision {
        let mut hits = self.hits;
        for hit in second.hits {
            if !hits.contains(&hit) {
                hits.push(hit);
            }
        }
        match second.verdict {
            Verdict::Block(_) => by_filter(hits, second.verdict),
            masked => {
                // The second screening saw every text of the event as it would be sent, so its
                // values stand over the endpoint's.
                let replacement = match masked {
                    Verdict::Replace(masked) => merge(replacement, masked),
                    Verdict::Allow | Verdict::Block(_) | Verdict::Reply(_) => replacement,
                };
                by_callback(hits, Verdict::Replace(replacement))
            }
        }
    }
}

impl Snapshot {
    /// Concludes from the filters' verdict and from how asking an endpoint ended. A block by a
    /// filter stands whatever was answered.
    ///
    /// A replacement must have passed the filters: see [`Screening::replaced`].
    pub(super) fn answered(
        &self,
        rules: &HookRules,
        event: &Event,
        screening: Screening,
        outcome: Outcome,
    ) -> Decision {
        let Screening { hits, verdict } = screening;
        match (outcome, verdict) {
            (_, verdict @ (Verdict::Block(_) | Verdict::Reply(_))) => by_filter(hits, verdict),
            (Outcome::Answer(Answer::Block(refusal)), _) => {
                by_callback(hits, Verdict::Block(refusal))
            }
            (Outcome::Answer(Answer::Reply(reply)), _) if event.can.reply => {
                by_callback(hits, Verdict::Reply(reply))
            }
            (Outcome::Answer(Answer::Allow | Answer::Reply(_) | Answer::Replace(_)), verdict) => {
                by_filter(hits, verdict)
            }
            (Outcome::Failure(failure), verdict) => {
                self.by_failure(rules, hits, verdict, failure.class)
            }
        }
    }

    /// The failure policy's answer where there is no event to conclude about: a call that was
    /// shed, that cannot be read, or that our own fault ended.
    ///
    /// A hook that is not enabled has nothing to fail. When even the hook is unknown, the call
    /// is blocked as soon as one enabled before hook blocks this class: it may be that hook's.
    pub fn failed(&self, hook: Option<Hook>, failure: &Failure) -> Decision {
        let class = failure.class;
        let rules = match hook {
            Some(hook) => self.rules(hook),
            None => self.strictest(class),
        };
        match rules {
            None => Decision::skipped(SkipReason::Disabled),
            // The IM server only wants an acknowledgement, and nobody's review is missing.
            Some(rules) if rules.hook.moment == Moment::After => Decision {
                failure: Some(class),
                ..by_filter(Vec::new(), Verdict::Allow)
            },
            Some(rules) => self.by_failure(rules, Vec::new(), Verdict::Allow, class),
        }
    }

    fn strictest(&self, class: FailureClass) -> Option<&HookRules> {
        let before = || {
            self.hooks()
                .filter(|rules| rules.hook.moment == Moment::Before)
        };
        before()
            .find(|rules| rules.action(class) == FailureAction::Block)
            .or_else(|| before().next())
    }

    fn by_failure(
        &self,
        rules: &HookRules,
        hits: Vec<Hit>,
        verdict: Verdict,
        class: FailureClass,
    ) -> Decision {
        let (verdict, reviewed) = match rules.action(class) {
            FailureAction::Allow => (verdict, false),
            FailureAction::Block => (Verdict::Block(self.failure_refusal(class)), true),
        };
        Decision {
            verdict,
            decider: Decider::FailurePolicy,
            reviewed,
            failure: Some(class),
            hits,
            skipped: None,
        }
    }

    fn failure_refusal(&self, class: FailureClass) -> Refusal {
        Refusal {
            code: self.failure.code,
            public: self.failure.reason.clone(),
            detail: format!("failure policy: {class}"),
        }
    }
}

fn by_filter(hits: Vec<Hit>, verdict: Verdict) -> Decision {
    let decider = match verdict {
        Verdict::Allow => Decider::Nothing,
        Verdict::Block(_) | Verdict::Replace(_) | Verdict::Reply(_) => Decider::Filter,
    };
    reviewed(hits, verdict, decider)
}

fn by_callback(hits: Vec<Hit>, verdict: Verdict) -> Decision {
    reviewed(hits, verdict, Decider::Callback)
}

fn reviewed(hits: Vec<Hit>, verdict: Verdict, decider: Decider) -> Decision {
    Decision {
        verdict,
        decider,
        reviewed: true,
        failure: None,
        hits,
        skipped: None,
    }
}

fn merge(mut low: Replacement, high: Replacement) -> Replacement {
    if high.content.is_some() {
        low.content = high.content;
    }
    low.fields
        .retain(|(field, _)| !high.fields.iter().any(|(other, _)| other == field));
    low.fields.extend(high.fields);
    low
}
