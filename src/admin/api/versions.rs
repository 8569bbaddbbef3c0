//! Policies that were in force, with their files; and how one of them is brought back.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::about::{About, Field, Shape, any, flag, number, objects, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::admin::versions::{
    self, details, difference, differences, is_list, plan, plan_json, summary,
};
use crate::operators::Capability;
use crate::reload::Budget;
use crate::versions::{Origin, Plan, RollbackError, VersionError, end};

const NUMBER: Field = number("number", "counts up, over restarts too");
const VERSION: Field = text("version", "number and hash, as decisions have it");
const AT: Field = time("at", "when it came into force");
const WHO: Field = text("who", "brought it into force, as far as that is known");
const WHY: Field = text("why", "the reason that was given; may be empty");
const RESTORES: Field = number(
    "restores",
    "the earlier version whose files these are; null without a rollback",
);
const IN_FORCE: Field = flag("in_force", "it decides now");

pub(super) const LIST: About = About {
    answer: &[
        NUMBER,
        VERSION,
        AT,
        WHO,
        WHY,
        RESTORES,
        IN_FORCE,
        number("files", "how many it has"),
        number("bytes", "of all of them"),
    ],
    shape: Shape::Pages,
    ..About::new("Lists the policies that were in force and are kept, newest first.")
};

pub(super) const ONE: About = About {
    answer: &[
        NUMBER,
        VERSION,
        AT,
        WHO,
        WHY,
        RESTORES,
        IN_FORCE,
        objects(
            "files",
            "path, sha256, bytes, and whether the content is kept: not of a secret",
        ),
        number("bytes", "of all of them"),
        objects("outside", "files elsewhere that it depends on"),
        text("program", "version of callgate"),
    ],
    ..About::new("Shows one version with its files.")
};

pub(super) const FILE: About = About {
    answer: &[
        text("path", "in the policy directory"),
        text("sha256", "of the content"),
        number("bytes", "of the content"),
        text("text", "the content, where it is UTF-8"),
        text("base64", "the content, where it is not"),
    ],
    ..About::new(
        "Shows a file as it was. What is no word list may hold secrets: that takes an operator.",
    )
};

pub(super) const DIFF: About = About {
    query: &[number(
        "with",
        "the version to compare with; without it the one before",
    )],
    answer: &[
        number("number", "of the version"),
        any(
            "with",
            "the version it is compared with; null: there is none",
        ),
        objects(
            "files",
            "path, change (added, removed, changed), lines_added, lines_removed, patch; the lines of \
             what is no word list are for operators",
        ),
    ],
    ..About::new("Shows what a version changed.")
};

pub(super) const ROLLBACK: About = About {
    body: &[
        flag("dry_run", "say what would be done, and do nothing"),
        text("plan", "what is to be done, as a dry run named it"),
        text("why", "the reason; it stands beside the new version"),
    ],
    answer: &[
        text("plan", "its name"),
        number("number", "of the version that is brought back"),
        objects("files", "what becomes of each file"),
        text("patch", "the same for `patch -p1`"),
        text("in_force", "the new version; absent in a dry run"),
        objects("problems", "why it is not in force, if it is not"),
    ],
    ..About::new(
        "Brings a version back: writes its files, from which a new version comes. Only what a dry run \
         planned is done.",
    )
};

/// Versions on a page where nobody says how many.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1000;

pub(super) async fn list(call: Call) -> Answer {
    let place = call.cursor()?.and_then(|place| place.parse().ok());
    let limit = call.limit(PAGE, PAGE_MAX);
    let store = call.admin.versions.store();
    let (records, next) = aside(move || versions::page(&store, place, limit)).await?;
    let in_force = in_force(&call);
    let items = records.iter().map(|record| summary(record, in_force));
    reply::page(
        items.collect(),
        next.map(|next| call.next(&next.to_string())),
    )
}

pub(super) async fn one(call: Call) -> Answer {
    let (store, number) = (call.admin.versions.store(), number_of(&call)?);
    let record = aside(move || store.record(number)).await?;
    reply::tagged(&details(&record, in_force(&call)), &record.hash)
}

pub(super) async fn file(call: Call) -> Answer {
    let (store, number) = (call.admin.versions.store(), number_of(&call)?);
    let path = call.name("path").to_owned();
    if !is_list(&path) && !call.asked.who.may(Capability::Operate) {
        let why = format!("`{path}` may hold secrets: it takes an operator to see it");
        return Err(ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", why));
    }
    let (file, content) = aside(move || {
        let record = store.record(number)?;
        let file = record.file(&path).cloned();
        let file = file.ok_or(VersionError::NoFile { number, path })?;
        let content = store.content(number, &file)?;
        Ok::<_, VersionError>((file, content))
    })
    .await?;
    let mut document = json!({
        "path": file.path,
        "sha256": file.sha256,
        "bytes": file.bytes,
    });
    match String::from_utf8(content) {
        Ok(text) => document["text"] = text.into(),
        Err(error) => {
            use base64::Engine;
            use base64::engine::general_purpose::STANDARD;
            document["base64"] = STANDARD.encode(error.as_bytes()).into();
        }
    }
    reply::found(&document)
}

pub(super) async fn diff(call: Call) -> Answer {
    let (store, number) = (call.admin.versions.store(), number_of(&call)?);
    let with = call.number("with");
    let (with, diffs) = aside(move || differences(&store, number, with)).await?;
    let shows_all = call.asked.who.may(Capability::Operate);
    let files = diffs.iter().map(|diff| difference(diff, shows_all));
    reply::found(&json!({
        "number": number,
        "with": with,
        "files": files.collect::<Vec<_>>(),
    }))
}

pub(super) async fn rollback(call: Call) -> Answer {
    let number = number_of(&call)?;
    let policies = Arc::clone(&call.admin.policies);
    let store = call.admin.versions.store();
    let planned = {
        let (policies, store) = (Arc::clone(&policies), store.clone());
        aside(move || plan(&store, policies.directory(), number)).await
    };
    let planned = planned?;
    let mut document = plan_json(&planned, true);
    if call.flag("dry_run") {
        let checked = planned.check(policies.directory());
        if let Err(error) = checked {
            document["refused"] = error.to_string().into();
        }
        return reply::found(&document);
    }
    let why = call.text("why").trim();
    if why.is_empty() {
        return Err(
            ApiProblem::invalid("`why` is missing: say why it is brought back")
                .with("field", "why"),
        );
    }
    let done = carry_out(
        &call.admin,
        call.asked.clone(),
        planned,
        call.text("plan"),
        why,
    )
    .await?;
    document["in_force"] = done.version.to_string().into();
    let problems = serde_json::to_value(&done.problems).unwrap_or_default();
    document["problems"] = match done.changed {
        true => Value::Array(Vec::new()),
        false => problems,
    };
    reply::found(&document)
}

/// Does what was planned, if it is what would be planned now.
pub(in crate::admin) async fn carry_out(
    admin: &crate::admin::shown::Admin,
    asked: crate::admin::acts::Asked,
    planned: Plan,
    plan_id: &str,
    why: &str,
) -> Result<crate::reload::Reloaded, ApiProblem> {
    if planned.id != plan_id {
        return Err(RollbackError::Stale.into());
    }
    if planned.steps.is_empty() {
        let what = format!("the files are those of version {} already", planned.number);
        return Err(ApiProblem::conflict(what));
    }
    let begun = asked
        .begin(versions::rollback(asked.who(), &planned, why))
        .await?;
    let origin = Origin {
        who: asked.who(),
        why: why.to_owned(),
        restores: Some(planned.number),
    };
    let (policies, store) = (Arc::clone(&admin.policies), admin.versions.store());
    aside(move || {
        let done = policies.change(Some(origin.clone()), Budget::Held, || {
            // Nobody else writes by callgate now; a hand may have, since.
            let again = plan(&store, policies.directory(), planned.number)?;
            match again.id == planned.id {
                true => again.carry_out(&store, policies.directory(), &origin),
                false => Err(RollbackError::Stale),
            }
        });
        match &done {
            Ok(_) => {
                end(&store);
                begun.done();
            }
            Err(error) => begun.failed(&error.to_string()),
        }
        done
    })
    .await
}

fn in_force(call: &Call) -> u64 {
    call.admin.policies.current().version.number
}

fn number_of(call: &Call) -> Result<u64, ApiProblem> {
    let name = call.name("number");
    let number = name.parse().map_err(|_| {
        let why = format!("`{name}` is no version: its number is wanted, such as 7");
        ApiProblem::invalid(why).with("field", "number")
    })?;
    Ok(number)
}

/// Files are read away from the server's workers.
async fn aside<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, ApiProblem>
where
    T: Send + 'static,
    E: Send + 'static + Into<ApiProblem>,
{
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| ApiProblem::internal(error.to_string()))?;
    done.map_err(Into::into)
}

impl From<VersionError> for ApiProblem {
    fn from(error: VersionError) -> ApiProblem {
        let why = error.to_string();
        match error {
            VersionError::Unknown(_) | VersionError::NoFile { .. } => ApiProblem::not_found(why),
            VersionError::Secret { .. } => ApiProblem::new(StatusCode::CONFLICT, "not_kept", why),
            VersionError::Damaged(..) | VersionError::Io { .. } => {
                ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", why)
            }
        }
    }
}

impl From<RollbackError> for ApiProblem {
    fn from(error: RollbackError) -> ApiProblem {
        let why = error.to_string();
        let conflict = |code| ApiProblem::new(StatusCode::CONFLICT, code, why.clone());
        match error {
            RollbackError::Version(error) => error.into(),
            RollbackError::SecretChanged(_) => conflict("secret_changed"),
            RollbackError::LeadsOut(_) => conflict("leads_out"),
            RollbackError::ReadOnly { .. } => conflict("read_only"),
            RollbackError::Stale => conflict("stale"),
            RollbackError::NotShared(_) => {
                ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "not_shared", why)
            }
            RollbackError::Io { .. } => {
                ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_written", why)
            }
        }
    }
}
