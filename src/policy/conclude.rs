//! From what the filters say and what the endpoint answered to the decision.

use super::screen::Screening;
use super::snapshot::{HookRules, Snapshot};
use crate::decision::{
    Answer, Decider, Decision, Failure, FailureAction, FailureClass, Hit, Outcome, Refusal,
    Replacement, SkipReason, Verdict,
};
use crate::event::{Event, Hook, Moment};

impl Snapshot {
    /// Concludes from the filters' verdict and, if an endpoint was asked, from how that ended.
    ///
    /// `asked` is the outcome and, when the answer replaces something, the second screening,
    /// that of [`Snapshot::screen_replaced`]. A block by a filter stands whatever was answered.
    pub fn conclude(
        &self,
        rules: &HookRules,
        event: &Event,
        screening: Screening,
        asked: Option<(Outcome, Option<Screening>)>,
    ) -> Decision {
        let Screening { hits, verdict } = screening;
        let (outcome, second) = match (&verdict, asked) {
            (Verdict::Block(_) | Verdict::Reply(_), _) | (_, None) => {
                return by_filter(hits, verdict);
            }
            (Verdict::Allow | Verdict::Replace(_), Some(asked)) => asked,
        };
        match outcome {
            Outcome::Answer(Answer::Allow) => by_filter(hits, verdict),
            Outcome::Answer(Answer::Block(refusal)) => by_callback(hits, Verdict::Block(refusal)),
            Outcome::Answer(Answer::Reply(reply)) if event.can.reply => {
                by_callback(hits, Verdict::Reply(reply))
            }
            Outcome::Answer(Answer::Reply(_)) => by_filter(hits, verdict),
            Outcome::Answer(Answer::Replace(replacement)) => {
                let replacement = rules.admit(event, &replacement);
                match second {
                    _ if replacement.is_empty() => by_filter(hits, verdict),
                    Some(second) => replaced(hits, replacement, second),
                    None => by_callback(hits, Verdict::Replace(over(verdict, replacement))),
                }
            }
            Outcome::Failure(failure) => self.by_failure(rules, hits, verdict, failure.class),
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

/// The endpoint's replacement after it has passed the filters too.
fn replaced(mut hits: Vec<Hit>, replacement: Replacement, second: Screening) -> Decision {
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

/// What was not screened a second time leaves the filters' own replacement below it.
fn over(verdict: Verdict, replacement: Replacement) -> Replacement {
    match verdict {
        Verdict::Replace(filtered) => merge(filtered, replacement),
        Verdict::Allow | Verdict::Block(_) | Verdict::Reply(_) => replacement,
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
