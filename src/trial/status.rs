//! What is shown of a trial.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judge::judge;
use super::kept::Trial;
use super::running::{Compare, Ruler};
use super::tally::{Ruled, Sides};
use crate::decision::Decision;
use crate::event::Event;
use crate::filter::Scratch;
use crate::policy::TrialRules;
use crate::settings::Problem;

/// A decision on which the two differ. Neither text nor people: its message finds it among the
/// decisions.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub hook: &'static str,
    pub message_id: String,
    /// `policy` or `candidate`.
    pub decided_by: &'static str,
    pub policy: &'static str,
    pub candidate: &'static str,
    /// The match that counts most on the side that has the harder outcome.
    pub list: Option<String>,
    pub line: Option<u32>,
}

/// A trial as it stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// `none`, `broken` (the candidate has errors), `running` or `ended`.
    pub state: &'static str,
    pub directory: Option<String>,
    pub mode: Option<&'static str>,
    pub share: Option<f64>,
    /// As decisions by it have it: `candidate-9f2c01ab34de`.
    pub candidate: Option<String>,
    /// The policy in force when it began.
    pub base: Option<String>,
    /// Milliseconds since 1970.
    pub started_ms: Option<u64>,
    pub promotes_ms: Option<u64>,
    pub ended: Option<ShownEnd>,
    /// Why it does not become the policy although its time has come.
    pub promotion_held: Option<String>,
    /// Decisions by the candidate, and by the policy in force where the candidate was judged too.
    pub ruled: Counts,
    pub beside: Counts,
    pub compared: u64,
    pub not_comparable: u64,
    pub dropped: u64,
    /// What each comes to, over those that were compared.
    pub candidate_outcomes: BTreeMap<String, u64>,
    pub policy_outcomes: BTreeMap<String, u64>,
    /// `allow>block`: the policy in force first.
    pub differences: BTreeMap<String, u64>,
    pub conditions: Vec<ShownCondition>,
    /// What is wrong with the candidate's files on disk.
    pub problems: Vec<Problem>,
    /// The latest first.
    pub latest: Vec<Difference>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    pub decisions: u64,
    pub blocks: u64,
    pub let_through: u64,
    pub slow: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShownEnd {
    pub at_ms: u64,
    pub by: &'static str,
    pub who: String,
    pub why: String,
}

/// What ends it by itself, and how near that is.
#[derive(Clone, Debug, Serialize)]
pub struct ShownCondition {
    pub name: &'static str,
    /// As the policy says it.
    pub allowed: String,
    /// From 0 to 1: how sure it is that there is more than is allowed; at 1 the trial ends.
    pub sureness: f64,
}

/// Both sides of a decision, and how they differ if they do.
pub(super) fn looked_at(
    compare: &Compare,
    scratch: &mut Scratch,
    at_ms: u64,
) -> (Sides, Option<Difference>) {
    let Compare {
        event,
        decision,
        ruler,
        other,
        heard,
        total,
    } = compare;
    let other = judge(other, event, heard.as_ref(), scratch);
    let outcome = heard.as_ref().map(|heard| &heard.outcome);
    let sides = Sides::of(*ruler, decision, other.as_ref(), outcome, *total);
    let difference = Difference::of(event, &sides, decision, other.as_ref(), at_ms);
    (sides, difference)
}

impl Difference {
    /// `None`: the two agree, or it is not known.
    fn of(
        event: &Event,
        sides: &Sides,
        made: &Decision,
        other: Option<&Decision>,
        at_ms: u64,
    ) -> Option<Difference> {
        let (Some(candidate), Some(policy)) = sides.kinds() else {
            return None;
        };
        if candidate == policy {
            return None;
        }
        // Of both, the one that has a match: who lets it through often has none.
        let hits = made
            .hits
            .iter()
            .chain(other.iter().flat_map(|other| &other.hits));
        let hit = hits.min_by_key(|hit| hit.action);
        Some(Difference {
            at_ms,
            hook: event.hook.name,
            message_id: event.message_id().chars().take(256).collect(),
            decided_by: match sides.ruler {
                Ruler::Candidate => "candidate",
                Ruler::Policy => "policy",
            },
            policy: policy.name(),
            candidate: candidate.name(),
            list: hit.map(|hit| hit.list.to_string()),
            // An entry that stands in policy.yaml has none.
            line: hit.map(|hit| hit.line).filter(|line| *line > 0),
        })
    }
}

impl Status {
    pub(super) fn of(rules: Option<&TrialRules>, trial: Option<&Trial>) -> Status {
        let mut status = Status {
            state: "none",
            ..Status::default()
        };
        if let Some(rules) = rules {
            status.state = "broken";
            status.directory = Some(rules.directory.clone());
            status.mode = Some(rules.mode.name());
            status.share = Some(rules.share);
        }
        let Some(trial) = trial else { return status };
        status.state = match &trial.ended {
            Some(_) => "ended",
            None => "running",
        };
        status.candidate = Some(format!("candidate-{}", trial.candidate));
        status.base = Some(trial.base.clone());
        status.started_ms = Some(trial.started_ms);
        status.ended = trial.ended.as_ref().map(|ended| ShownEnd {
            at_ms: ended.at_ms,
            by: ended.by.name(),
            who: ended.who.to_string(),
            why: ended.why.clone(),
        });
        let tally = &trial.tally;
        status.ruled = counts(&tally.ruled);
        status.beside = counts(&tally.beside);
        status.compared = tally.compared;
        status.not_comparable = tally.not_comparable;
        status.dropped = tally.dropped;
        status.candidate_outcomes.clone_from(&tally.candidate);
        status.policy_outcomes.clone_from(&tally.policy);
        status.differences.clone_from(&tally.differences);
        if let Some(rules) = rules {
            let ends = &rules.ends;
            let more = |share: f64| format!("+{}%", (share * 1e6).round() / 1e4);
            let allowed = [
                more(ends.blocks),
                more(ends.let_through),
                more(ends.disagreement),
                humantime::format_duration(ends.p99).to_string(),
            ];
            let conditions = tally.sureness().into_iter().zip(allowed);
            let conditions = conditions.map(|((condition, sureness), allowed)| ShownCondition {
                name: condition.name(),
                allowed,
                sureness,
            });
            let has_p99 = !ends.p99.is_zero();
            status.conditions = conditions
                .filter(|shown| has_p99 || shown.name != "p99")
                .collect();
            if trial.ended.is_none() && !rules.promote_after.is_zero() {
                let after = rules.promote_after.as_millis() as u64;
                status.promotes_ms = Some(trial.started_ms.saturating_add(after));
            }
        }
        status
    }
}

fn counts(ruled: &Ruled) -> Counts {
    Counts {
        decisions: ruled.decisions,
        blocks: ruled.blocks,
        let_through: ruled.let_through,
        slow: ruled.slow,
    }
}
