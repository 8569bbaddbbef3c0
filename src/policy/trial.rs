//! How another policy is tried beside this one, as `candidate` in policy.yaml says it.

use std::time::Duration;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::event::closed_set;

/// What the candidate does for its share of the conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TrialMode {
    /// It is judged beside the ruling policy, and decides nothing.
    Shadow,
    /// It decides.
    Ruling,
}

closed_set!(TrialMode);

/// A candidate and the terms of its trial.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialRules {
    /// The candidate's own policy directory.
    pub directory: String,
    /// The share of the conversations that it is for, from 0, excluded, to 1.
    pub share: f64,
    pub mode: TrialMode,
    pub ends: TrialEnds,
    /// So long after its start it becomes the policy; zero is never.
    pub promote_after: Duration,
}

/// What ends a trial by itself: how much more of it than under the ruling policy is too much, as
/// shares of what is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialEnds {
    pub blocks: f64,
    pub let_through: f64,
    pub disagreement: f64,
    /// More than one decision in a hundred takes longer; zero is no limit.
    pub p99: Duration,
}

impl TrialRules {
    /// Equal for equal terms: two trials of one candidate on other terms are two trials.
    pub fn terms(&self) -> String {
        let TrialRules {
            directory: _,
            share,
            mode,
            ends,
            promote_after,
        } = self;
        format!("{share} {} {ends:?} {promote_after:?}", mode.name())
    }
}
