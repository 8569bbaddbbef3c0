//! A candidate becomes the policy: its files take the place of the policy's, as those of an earlier
//! version do in a rollback.

use crate::audit::{Act, Who};
use crate::policy::{self, Snapshot};
use crate::reload::{Budget, Policies, Reloaded, read_files};
use crate::settings::{Problem, Severity};
use crate::versions::{self, Files, Origin, Plan, RollbackError, Store};

/// A candidate that was compared less often does not become the policy by itself.
const COMPARED_MIN: u64 = 200;

/// Why something cannot be done with a trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("the policy names no candidate: set `candidate.directory` in policy.yaml")]
    NoCandidate,
    #[error("the candidate has errors: {}", first(.0))]
    Broken(Vec<Problem>),
    #[error("no trial runs")]
    NotRunning,
    #[error("the trial runs already")]
    Running,
    #[error("with the candidate's files this would be no policy: {}", first(.0))]
    WouldBeBad(Vec<Problem>),
    #[error("{}", first(.0))]
    PastBudget(Vec<Problem>),
    #[error(transparent)]
    Files(#[from] RollbackError),
    #[error("the policy directory cannot be read: {0}")]
    Unreadable(Box<Problem>),
}

fn first(problems: &[Problem]) -> String {
    let error = problems
        .iter()
        .find(|problem| problem.severity == Severity::Error);
    let more = problems.len().saturating_sub(1);
    match (error.or(problems.first()), more) {
        (None, _) => "it cannot be read".to_owned(),
        (Some(problem), 0) => problem.to_string(),
        (Some(problem), more) => format!("{problem} (and {more} more)"),
    }
}

/// What has to be done to the files, where they would be a policy then; with that.
pub(super) fn plan(
    policies: &Policies,
    store: &Store,
    hash: &str,
    candidate: &Files,
) -> Result<(Plan, Snapshot), TrialError> {
    let disk = read_files(policies.directory()).map_err(TrialError::Unreadable)?;
    let plan = Plan::promote(store, hash, candidate, &disk.files)?;
    let mut would_be = disk;
    plan.apply_to(&mut would_be.files);
    let compiled = policy::compile(&would_be, policies.context(), 1);
    match compiled.snapshot {
        Some(snapshot) => Ok((plan, snapshot)),
        None => Err(TrialError::WouldBeBad(compiled.problems)),
    }
}

/// Does what was planned, if that is what would be planned now. Nothing is written of what changes
/// more than the candidate expects of a change, unless `budget` says so.
pub(super) fn carry_out(
    policies: &Policies,
    store: &Store,
    planned: &Plan,
    candidate: &Files,
    origin: Origin,
    budget: Budget,
) -> Result<Reloaded, TrialError> {
    let done = policies.change(Some(origin.clone()), budget, || {
        let (again, snapshot) = plan(policies, store, &planned.hash, candidate)?;
        if again.id != planned.id {
            return Err(TrialError::Files(RollbackError::Stale));
        }
        let weighed = match budget {
            Budget::Held => policies.weigh(&snapshot),
            Budget::Passed => Vec::new(),
        };
        if weighed.iter().any(|one| one.severity == Severity::Error) {
            return Err(TrialError::PastBudget(weighed));
        }
        let written = again.carry_out(store, policies.directory(), &origin);
        written.map_err(TrialError::Files)
    });
    if done.is_ok() {
        versions::end(store);
    }
    done
}

/// Why a candidate does not become the policy by itself although its time has come. `base` is the
/// policy in force when its trial began.
///
/// Errors: that.
pub(super) fn may_promote(policy: &str, base: &str, compared: u64) -> Result<(), String> {
    if policy != base {
        return Err(format!(
            "the policy is {policy} now and was {base} when the trial began: what was changed since would be lost; change the candidate too, or promote it yourself"
        ));
    }
    if compared < COMPARED_MIN {
        return Err(format!(
            "only {compared} decisions were compared, at least {COMPARED_MIN} are needed"
        ));
    }
    Ok(())
}

/// A promotion as it stands in the audit.
pub fn promotion(who: Who, plan: &Plan, why: &str) -> Act {
    Act::new("trial.promote", who)
        .on(format!("candidate-{}", plan.hash))
        .because(why)
        .count("files", plan.steps.len() as u64)
}
