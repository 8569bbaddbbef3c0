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
        let unfiltered = self.unfiltered.is_some();
        if_unfiltered(by_filter(self), unfiltered)
    }

    /// The endpoint's replacement, and what the filters said about the event with it.
    pub(super) fn replaced(self, replacement: Replacement, mut second: Screening) -> Decision {
        let unfiltered = self.unfiltered.is_some() || second.unfiltered.is_some();
        let mut hits = self.hits;
        for hit in std::mem::take(&mut second.hits) {
            if !hits.contains(&hit) {
                hits.push(hit);
            }
        }
        let decision = match second.verdict {
            Verdict::Block(_) => by_filter(Screening { hits, ..second }),
            masked => {
                // The second screening saw every text of the event as it would be sent, so its
                // values stand over the endpoint's.
                let replacement = match masked {
                    Verdict::Replace(masked) => merge(replacement, masked),
                    Verdict::Allow | Verdict::Block(_) | Verdict::Reply(_) => replacement,
                };
                by_callback(hits, Verdict::Replace(replacement))
            }
        };
        if_unfiltered(decision, unfiltered)
    }

    /// What an endpoint sees of the event instead: masked texts, also those that this call's
    /// answer cannot carry.
    pub(super) fn shown(&self) -> Option<Replacement> {
        match &self.verdict {
            Verdict::Replace(replacement) if self.shown.is_empty() => Some(replacement.clone()),
            Verdict::Replace(replacement) => Some(merge(replacement.clone(), self.shown.clone())),
            _ if self.shown.is_empty() => None,
            _ => Some(self.shown.clone()),
        }
    }
}

impl Snapshot {
    /// Texts that were not searched to the end block here, unless the hook's own key for them says
    /// allow, or a filter blocks anyway.
    pub(super) fn refuse_unfiltered(
        &self,
        rules: &HookRules,
        screening: &Screening,
    ) -> Option<Decision> {
        let why = screening.unfiltered.as_ref()?;
        let blocks = rules.action(FailureClass::Unfiltered) == FailureAction::Block;
        if !blocks || matches!(screening.verdict, Verdict::Block(_)) {
            return None;
        }
        let failure = Failure::new(FailureClass::Unfiltered, &**why);
        let hits = screening.hits.clone();
        Some(self.by_failure(rules, hits, Verdict::Allow, &failure))
    }

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
        let unfiltered = screening.unfiltered.is_some();
        let decision = match (outcome, &screening.verdict) {
            (_, Verdict::Block(_) | Verdict::Reply(_)) => by_filter(screening),
            (Outcome::Answer(Answer::Block(refusal)), _) => {
                by_callback(screening.hits, Verdict::Block(refusal))
            }
            (Outcome::Answer(Answer::Reply(reply)), _) if event.can.reply => {
                by_callback(screening.hits, Verdict::Reply(reply))
            }
            (Outcome::Answer(Answer::Allow | Answer::Reply(_) | Answer::Replace(_)), _) => {
                by_filter(screening)
            }
            (Outcome::Failure(failure), _) => {
                self.by_failure(rules, screening.hits, screening.verdict, &failure)
            }
        };
        if_unfiltered(decision, unfiltered)
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
                ..Decision::acknowledged()
            },
            Some(rules) => self.by_failure(rules, Vec::new(), Verdict::Allow, failure),
        }
    }

    /// What is answered where the caller asked for a newer policy than this one: what this one blocks
    /// stays blocked, and about everything else the failure policy decides. Either says so.
    pub fn outdated(&self, hook: Hook, decision: Decision, failure: &Failure) -> Decision {
        let class = failure.class;
        match (&decision.verdict, self.rules(hook)) {
            (Verdict::Block(_), _) => Decision {
                failure: Some(class),
                ..decision
            },
            (_, Some(rules)) => self.by_failure(rules, decision.hits, decision.verdict, failure),
            // What the newer one has for this hook is not known.
            (_, None) => Decision {
                decider: Decider::FailurePolicy,
                reviewed: false,
                failure: Some(class),
                skipped: None,
                ..decision
            },
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
        failure: &Failure,
    ) -> Decision {
        let class = failure.class;
        let why = format!("failure policy: {class}");
        let (verdict, reviewed) = match rules.action(class) {
            FailureAction::Allow => (verdict, false),
            FailureAction::Block => (Verdict::Block(self.failure_refusal(class, &why)), true),
        };
        Decision {
            verdict,
            decider: Decider::FailurePolicy,
            reviewed,
            failure: Some(class),
            hits,
            skipped: None,
            why,
        }
    }

    fn failure_refusal(&self, class: FailureClass, why: &str) -> Refusal {
        let public = match class.blocks_unless_named() {
            true => &self.failure.final_reason,
            false => &self.failure.reason,
        };
        Refusal {
            code: self.failure.code,
            public: public.clone(),
            detail: if self.failure.tells_class { why } else { "" }.to_owned(),
        }
    }
}

/// What passes although the word lists were not run to the end says so.
fn if_unfiltered(decision: Decision, unfiltered: bool) -> Decision {
    let is_blocked = matches!(decision.verdict, Verdict::Block(_));
    if !unfiltered || is_blocked {
        return decision;
    }
    Decision {
        decider: match decision.decider {
            Decider::Nothing => Decider::FailurePolicy,
            decider => decider,
        },
        reviewed: false,
        // How asking failed is what an operator can mend first.
        failure: decision.failure.or(Some(FailureClass::Unfiltered)),
        ..decision
    }
}

fn by_filter(screening: Screening) -> Decision {
    let decider = match screening.verdict {
        Verdict::Allow => Decider::Nothing,
        Verdict::Block(_) | Verdict::Replace(_) | Verdict::Reply(_) => Decider::Filter,
    };
    let Screening {
        hits, verdict, why, ..
    } = screening;
    Decision {
        why,
        ..reviewed(hits, verdict, decider)
    }
}

fn by_callback(hits: Vec<Hit>, verdict: Verdict) -> Decision {
    Decision {
        why: "the business server's answer".to_owned(),
        ..reviewed(hits, verdict, Decider::Callback)
    }
}

fn reviewed(hits: Vec<Hit>, verdict: Verdict, decider: Decider) -> Decision {
    Decision {
        verdict,
        decider,
        hits,
        ..Decision::acknowledged()
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
