//! How many messages came to what, since the start: few numbers that a curve is drawn of.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::decision::{Decision, ListAction, Verdict};

/// What a message came to, by what matters most about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameTo {
    /// It passed as it was, reviewed or wanted by no rule.
    Passed,
    /// It passed, and a list marked it or would have done something.
    Flagged,
    /// It passed otherwise than it was sent.
    Replaced,
    Blocked,
    /// A failure let it pass without the review that the policy asks for.
    LetThrough,
}

impl CameTo {
    pub const ALL: [CameTo; 5] = [
        CameTo::Passed,
        CameTo::Flagged,
        CameTo::Replaced,
        CameTo::Blocked,
        CameTo::LetThrough,
    ];

    fn of(decision: &Decision) -> CameTo {
        let is_marked = |action| matches!(action, ListAction::Flag | ListAction::Shadow);
        match &decision.verdict {
            Verdict::Block(_) => CameTo::Blocked,
            _ if !decision.reviewed => CameTo::LetThrough,
            Verdict::Replace(_) => CameTo::Replaced,
            _ if decision.hits.iter().any(|hit| is_marked(hit.action)) => CameTo::Flagged,
            _ => CameTo::Passed,
        }
    }
}

/// One counter for each of [`CameTo`], in its order. Cheap to add to from many threads.
#[derive(Debug, Default)]
pub struct Outcomes([AtomicU64; CameTo::ALL.len()]);

impl Outcomes {
    pub(super) fn add(&self, decision: &Decision) {
        self.0[CameTo::of(decision) as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, since the start.
    pub fn totals(&self) -> [u64; CameTo::ALL.len()] {
        std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Decider, Refusal, Replacement};

    #[test]
    fn what_matters_most_about_a_decision_is_counted_once() {
        let outcomes = Outcomes::default();
        let decided = |verdict: Verdict, reviewed: bool| Decision {
            verdict,
            decider: Decider::Nothing,
            reviewed,
            failure: None,
            hits: Vec::new(),
            skipped: None,
            why: String::new(),
        };
        let refusal = Refusal {
            code: 1,
            public: String::new(),
            detail: String::new(),
        };
        for (decision, came_to) in [
            (decided(Verdict::Allow, true), CameTo::Passed),
            (decided(Verdict::Allow, false), CameTo::LetThrough),
            (
                decided(Verdict::Replace(Replacement::default()), true),
                CameTo::Replaced,
            ),
            // What was masked and then let through by a failure was not reviewed either.
            (
                decided(Verdict::Replace(Replacement::default()), false),
                CameTo::LetThrough,
            ),
            (decided(Verdict::Block(refusal), true), CameTo::Blocked),
        ] {
            let before = outcomes.totals();
            outcomes.add(&decision);
            let after = outcomes.totals();
            for kind in CameTo::ALL {
                let added = u64::from(kind == came_to);
                assert_eq!(
                    after[kind as usize] - before[kind as usize],
                    added,
                    "{decision:?}"
                );
            }
        }
    }
}
