//! The order to look at the policy files now.

use std::sync::Arc;

use serde_json::json;

use super::about::{About, flag, objects, text};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::audit::Act;
use crate::settings::Severity;
use crate::versions::Origin;

pub(super) const RELOAD: About = About {
    body: &[
        flag(
            "force",
            "also where it changes more than the policy expects of a change; it takes `why`",
        ),
        text("why", "the reason, for the record"),
    ],
    answer: &[
        text("version", "that is in force"),
        flag("changed", "whether that is another one"),
        objects(
            "problems",
            "what keeps the files from coming into force, and warnings",
        ),
    ],
    ..About::new("Looks at the policy files now. It is recorded.")
};

pub(super) async fn reload(call: Call) -> Answer {
    let (is_forced, why) = (call.flag("force"), call.text("why").trim().to_owned());
    if is_forced && why.is_empty() {
        let problem = ApiProblem::invalid("`why` is missing: say why the budget does not hold");
        return Err(problem.with("field", "why"));
    }
    let act = match is_forced {
        true => Act::new("policy.force", call.asked.who()),
        false => Act::new("policy.reload", call.asked.who()),
    };
    let begun = call.asked.begin(act.because(why.as_str())).await?;
    let policies = Arc::clone(&call.admin.policies);
    let origin = Origin {
        who: call.asked.who(),
        why,
        restores: None,
    };
    let looked = tokio::task::spawn_blocking(move || match is_forced {
        true => policies.force(origin),
        false => policies.reload_for(Some(origin)),
    });
    let reloaded = looked
        .await
        .map_err(|error| ApiProblem::internal(error.to_string()))?;
    let problems = reloaded.problems.iter();
    match problems
        .filter(|one| one.severity == Severity::Error)
        .count()
    {
        0 => begun.done(),
        errors => begun.failed(&format!("the files have {errors} error(s)")),
    }
    reply::found(&json!({
        "version": reloaded.version.to_string(),
        "changed": reloaded.changed,
        "problems": serde_json::to_value(&reloaded.problems).unwrap_or_default(),
    }))
}
