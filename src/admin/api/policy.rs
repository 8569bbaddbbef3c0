//! The policy of all replicas: read whole, and replaced whole.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::about::{About, flag, number, object, objects, text};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::audit::Act;
use crate::reload::{Contents, NotReplaced, NotShared};
use crate::trial::TrialError;
use crate::versions::{Origin, RollbackError};

pub(super) const POLICY: About = About {
    answer: &[
        number("number", "of the version in force here"),
        text("version", "the same with its hash"),
        object(
            "files",
            "by path, each as base64, its cases with it; secrets are in none",
        ),
    ],
    ..About::new("Shows the policy in force with all its files.")
};

pub(super) const PUSH: About = About {
    body: &[
        object(
            "files",
            "by path, each as base64; what no policy is read from is left out, but for `tests/`",
        )
        .must(),
        number(
            "over",
            "the version that it was made from: while another is the newest it is not taken",
        )
        .must(),
        text("why", "the reason; it stands beside the version").must(),
        flag(
            "force",
            "also where it changes more than the policy expects of a change",
        ),
    ],
    answer: &[
        text("version", "that is in force"),
        number("number", "of it"),
        flag("changed", "whether that is another one"),
        objects("problems", "warnings"),
    ],
    ..About::new("Makes files the policy of all replicas (`policies: postgres`). It is recorded.")
};

pub(super) async fn policy(call: Call) -> Answer {
    let policies = Arc::clone(&call.admin.policies);
    let read = tokio::task::spawn_blocking(move || policies.files_of());
    let (version, files) = read
        .await
        .map_err(|error| ApiProblem::internal(error.to_string()))?;
    let files = files.files.into_iter();
    let files: Map<String, Value> = files
        .map(|(path, content)| (path, STANDARD.encode(content).into()))
        .collect();
    reply::found(&json!({
        "number": version.number,
        "version": version.to_string(),
        "files": files,
    }))
}

pub(super) async fn push(call: Call) -> Answer {
    let files = files(&call)?;
    let why = call.text("why").trim().to_owned();
    if why.is_empty() {
        let what = "`why` is missing: say what the change is for";
        return Err(ApiProblem::invalid(what).with("field", "why"));
    }
    let (over, forced) = (call.number("over"), call.flag("force"));
    let act = Act::new("policy.push", call.asked.who()).because(why.as_str());
    let begun = call.asked.begin(act).await?;
    let policies = Arc::clone(&call.admin.policies);
    let origin = Origin {
        who: call.asked.who(),
        why,
        restores: None,
    };
    let pushing = tokio::task::spawn_blocking(move || {
        let done = policies.replace(files, over, forced, origin);
        match &done {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        }
        done
    });
    let pushed = pushing
        .await
        .map_err(|error| ApiProblem::internal(error.to_string()))??;
    reply::found(&json!({
        "version": pushed.version.to_string(),
        "number": pushed.version.number,
        "changed": pushed.changed,
        "problems": serde_json::to_value(&pushed.problems).unwrap_or_default(),
    }))
}

fn files(call: &Call) -> Result<Contents, ApiProblem> {
    let given = call.field("files").and_then(Value::as_object);
    let given = given.into_iter().flatten();
    let files = given.map(|(path, content)| {
        let content = content.as_str().and_then(|text| STANDARD.decode(text).ok());
        let content = content.ok_or_else(|| {
            let what = format!("`files`: the content of `{path}` is not base64");
            ApiProblem::invalid(what).with("field", "files")
        })?;
        Ok((path.clone(), Arc::from(content)))
    });
    files.collect()
}

impl From<NotShared> for ApiProblem {
    fn from(error: NotShared) -> ApiProblem {
        let why = error.to_string();
        match error {
            NotShared::Overtaken(newest) => ApiProblem::conflict(why).with("newest", newest),
            NotShared::Away(_) | NotShared::Refused(_) => {
                ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "not_shared", why)
            }
        }
    }
}

impl From<NotReplaced> for ApiProblem {
    fn from(error: NotReplaced) -> ApiProblem {
        let why = error.to_string();
        match error {
            NotReplaced::OwnFiles => ApiProblem::conflict(why),
            NotReplaced::Path(_) => ApiProblem::invalid(why).with("field", "files"),
            NotReplaced::Bad(problems) => {
                let problems = serde_json::to_value(&problems).unwrap_or_default();
                ApiProblem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_policy", why)
                    .with("problems", problems)
            }
            NotReplaced::NotShared(error) => error.into(),
        }
    }
}

impl From<NotShared> for TrialError {
    fn from(error: NotShared) -> TrialError {
        TrialError::Files(error.into())
    }
}

/// Of two that change the policy at once one is told that the other came first.
impl From<NotShared> for RollbackError {
    fn from(error: NotShared) -> RollbackError {
        match error {
            NotShared::Overtaken(_) => RollbackError::Stale,
            other => RollbackError::NotShared(other.to_string()),
        }
    }
}
