//! The trial of a candidate policy, as operators see it, end it and promote it: for the API and the
//! page.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::acts::Asked;
use super::problem::ApiProblem;
use super::shown::Admin;
use super::versions::{plan_json, time};
use crate::audit::Act;
use crate::reload::{Budget, Reloaded};
use crate::trial::{Difference, Status, TrialError, promotion};
use crate::versions::{Origin, Plan, RollbackError};

/// A trial in one object.
pub(super) fn document(status: &Status) -> Value {
    let at = |at_ms: Option<u64>| at_ms.map(time);
    let ended = status.ended.as_ref().map(|ended| {
        json!({
            "at": time(ended.at_ms),
            "by": ended.by,
            "who": ended.who,
            "why": ended.why,
        })
    });
    json!({
        "state": status.state,
        "directory": status.directory,
        "mode": status.mode,
        "share": status.share,
        "candidate": status.candidate,
        "base": status.base,
        "started_at": at(status.started_ms),
        "promotes_at": at(status.promotes_ms),
        "promotion_held": status.promotion_held,
        "ended": ended,
        "ruled": status.ruled,
        "beside": status.beside,
        "compared": status.compared,
        "not_comparable": status.not_comparable,
        "dropped": status.dropped,
        "candidate_outcomes": status.candidate_outcomes,
        "policy_outcomes": status.policy_outcomes,
        "differences": status.differences,
        "conditions": status.conditions,
        "problems": status.problems,
        "latest": status.latest.iter().map(difference).collect::<Vec<_>>(),
    })
}

fn difference(difference: &Difference) -> Value {
    json!({
        "at": time(difference.at_ms),
        "hook": difference.hook,
        "message_id": difference.message_id,
        "decided_by": difference.decided_by,
        "policy": difference.policy,
        "candidate": difference.candidate,
        "list": difference.list,
        "line": difference.line,
    })
}

/// Starts a trial anew that has ended.
pub(super) async fn start(admin: &Admin, asked: &Asked, why: &str) -> Result<(), ApiProblem> {
    let why = reason(why)?;
    let begun = asked.begin(act("trial.start", admin, asked, why)).await?;
    let trials = Arc::clone(&admin.trials);
    let done = aside(move || trials.start_again()).await;
    match done {
        Ok(()) => begun.done(),
        Err(problem) => {
            begun.failed(problem.message());
            return Err(problem);
        }
    }
    Ok(())
}

/// Ends the trial that runs.
pub(super) async fn end(admin: &Admin, asked: &Asked, why: &str) -> Result<(), ApiProblem> {
    let why = reason(why)?;
    let begun = asked.begin(act("trial.end", admin, asked, why)).await?;
    let (trials, who, why) = (Arc::clone(&admin.trials), asked.who(), why.to_owned());
    let done = aside(move || trials.end(who, &why)).await;
    match done {
        Ok(()) => begun.done(),
        Err(problem) => {
            begun.failed(problem.message());
            return Err(problem);
        }
    }
    Ok(())
}

/// What a promotion would do to the files of the policy.
pub(super) async fn plan(admin: &Admin) -> Result<Plan, ApiProblem> {
    let trials = Arc::clone(&admin.trials);
    aside(move || trials.plan()).await
}

/// The plan as it is shown, with why it cannot be done, if it cannot.
pub(super) fn planned(admin: &Admin, plan: &Plan) -> Value {
    let mut document = plan_json(plan, true);
    document["candidate"] = format!("candidate-{}", plan.hash).into();
    if let Err(error) = plan.check(admin.policies.directory()) {
        document["refused"] = error.to_string().into();
    }
    document
}

/// Makes the candidate the policy, if that is what was planned.
pub(super) async fn promote(
    admin: &Admin,
    asked: &Asked,
    planned: Plan,
    plan_id: &str,
    why: &str,
    budget: Budget,
) -> Result<Reloaded, ApiProblem> {
    let why = reason(why)?.to_owned();
    if planned.id != plan_id {
        return Err(RollbackError::Stale.into());
    }
    if planned.steps.is_empty() {
        let what = "the files of the policy are those of the candidate already";
        return Err(ApiProblem::conflict(what));
    }
    if budget == Budget::Passed {
        let act = Act::new("policy.force", asked.who());
        let act = act.on(format!("candidate-{}", planned.hash));
        asked.record(act.because(why.as_str())).await?;
    }
    let begun = asked.begin(promotion(asked.who(), &planned, &why)).await?;
    let origin = Origin {
        who: asked.who(),
        why: format!("candidate-{} promoted: {why}", planned.hash),
        restores: None,
    };
    let trials = Arc::clone(&admin.trials);
    aside(move || {
        let done = trials.promote(&planned, origin, budget);
        match &done {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        }
        done
    })
    .await
}

fn act(what: &'static str, admin: &Admin, asked: &Asked, why: &str) -> Act {
    let candidate = admin.trials.status().candidate;
    Act::new(what, asked.who())
        .on(candidate.unwrap_or_default())
        .because(why)
}

fn reason(why: &str) -> Result<&str, ApiProblem> {
    match why.trim() {
        "" => Err(ApiProblem::invalid("`why` is missing: say why").with("field", "why")),
        why => Ok(why),
    }
}

/// Files are read and written away from the server's workers.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrialError> + Send + 'static,
) -> Result<T, ApiProblem> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| ApiProblem::internal(error.to_string()))?;
    done.map_err(Into::into)
}

impl From<TrialError> for ApiProblem {
    fn from(error: TrialError) -> ApiProblem {
        let why = error.to_string();
        let conflict = |code| ApiProblem::new(StatusCode::CONFLICT, code, why.clone());
        match error {
            TrialError::NoCandidate => conflict("no_candidate"),
            TrialError::Broken(_) => conflict("candidate_broken"),
            TrialError::NotRunning => conflict("not_running"),
            TrialError::Running => conflict("running"),
            TrialError::WouldBeBad(_) => conflict("would_be_bad"),
            TrialError::PastBudget(_) => conflict("past_budget"),
            TrialError::Files(error) => error.into(),
            TrialError::Unreadable(_) => {
                ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_read", why)
            }
        }
    }
}
