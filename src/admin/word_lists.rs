//! Edits of word lists, for pages and the API: on record before they are done, and what is said
//! when they are not.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use tonic::Status;

use super::acts::Asked;
use super::problem::ApiProblem;
use super::refusal;
use super::shown::Admin;
use crate::audit::Act;
use crate::editor::Op;
use crate::lists::{Edit, Moved, NotSaved, Preview, Saved, Texts};
use crate::operators::Capability;
use crate::reload::Budget;
use crate::versions::Origin;

/// Edits of one call or form.
pub(super) const OPS_MAX: usize = 20_000;
/// Edits of more entries are planned first.
pub(super) const UNPLANNED_OPS_MAX: usize = 20;
/// Entries that a record names.
const ENTRIES_TOLD_MAX: usize = 50;
/// Characters of a reason.
const WHY_CHARS_MAX: usize = 500;

/// Why nothing was done.
#[derive(Debug)]
pub(super) enum NotDone {
    NoReason,
    TooMany(usize),
    /// So many edits are planned first.
    NotPlanned(usize),
    /// It is not for who asks to change this list.
    OtherList(String),
    /// It could not be recorded.
    Unrecorded(Status),
    NotSaved(NotSaved),
}

impl From<NotSaved> for NotDone {
    fn from(error: NotSaved) -> NotDone {
        NotDone::NotSaved(error)
    }
}

/// A list that would be changed by an edit of this one, and is not for who asks to change: itself,
/// or another that stands in its file.
fn not_for(admin: &Admin, asked: &Asked, list: &str) -> Option<String> {
    let others = admin.lists.in_file_of(list);
    let mut changed = [list.to_owned()].into_iter().chain(others);
    changed.find(|list| !asked.who.may_change(list))
}

/// Whether somebody may change a list, and so all that stand in its file.
pub(super) fn may_change(admin: &Admin, asked: &Asked, list: &str) -> bool {
    not_for(admin, asked, list).is_none()
}

/// Refuses who may not change all lists that an edit is about, on record.
fn must(admin: &Admin, asked: &Asked, edit: &Edit, act: Act) -> Result<(), NotDone> {
    let mut lists = [Some(&edit.list), edit.to.as_ref()].into_iter().flatten();
    let Some(other) = lists.find_map(|list| not_for(admin, asked, list)) else {
        return Ok(());
    };
    let why = refusal::other_list(&asked.who, &other);
    asked.refuse(act, &why);
    Err(NotDone::OtherList(why))
}

/// Makes an edit that is on record, and answers when it is in force.
///
/// Errors: it is one of so many entries that it must be planned.
pub(super) async fn save(
    admin: &Admin,
    asked: &Asked,
    edit: Edit,
    why: &str,
) -> Result<Saved, NotDone> {
    match edit.ops.len() > UNPLANNED_OPS_MAX {
        true => Err(NotDone::NotPlanned(edit.ops.len())),
        false => save_planned(admin, asked, edit, why, None).await,
    }
}

/// The same, also where it changes more than the policy expects of a change; it takes an operator.
pub(super) async fn force(
    admin: &Admin,
    asked: &Asked,
    edit: Edit,
    why: &str,
) -> Result<Saved, NotDone> {
    if edit.ops.len() > UNPLANNED_OPS_MAX {
        return Err(NotDone::NotPlanned(edit.ops.len()));
    }
    let act = Act::new("policy.force", asked.who()).on(target(&edit));
    let may = asked.must(Capability::Operate, act.because(why));
    may.map_err(NotDone::Unrecorded)?;
    save_by(admin, asked, edit, why, (None, Budget::Passed)).await
}

/// As [`save`] an edit of any size; `plan` is the id of the plan that it was.
pub(super) async fn save_planned(
    admin: &Admin,
    asked: &Asked,
    edit: Edit,
    why: &str,
    plan: Option<&str>,
) -> Result<Saved, NotDone> {
    save_by(admin, asked, edit, why, (plan, Budget::Held)).await
}

/// What an edit is done to.
fn target(edit: &Edit) -> String {
    let from = format!("list {}", edit.list);
    match &edit.to {
        Some(to) => format!("{from} to list {to}"),
        None => from,
    }
}

/// The same with the names of its lists as the policy has them.
pub(super) fn named(admin: &Admin, mut edit: Edit) -> Edit {
    for list in std::iter::once(&mut edit.list).chain(&mut edit.to) {
        if let Some(name) = admin.lists.name(list) {
            *list = name;
        }
    }
    edit
}

async fn save_by(
    admin: &Admin,
    asked: &Asked,
    edit: Edit,
    why: &str,
    (plan, budget): (Option<&str>, Budget),
) -> Result<Saved, NotDone> {
    let why: String = why.trim().chars().take(WHY_CHARS_MAX).collect();
    if why.is_empty() {
        return Err(NotDone::NoReason);
    }
    if edit.ops.len() > OPS_MAX {
        return Err(NotDone::TooMany(edit.ops.len()));
    }
    let edit = named(admin, edit);
    let what = match (budget, &edit.to) {
        (Budget::Held, None) => "list.edit",
        (Budget::Held, Some(_)) => "list.move",
        (Budget::Passed, _) => "policy.force",
    };
    let act = Act::new(what, asked.who()).on(target(&edit));
    let mut details = told(&edit.ops);
    if let Some(to) = &edit.to {
        details["to"] = to.as_str().into();
    }
    if let Some(plan) = plan {
        details["plan"] = plan.into();
    }
    let mut act = act.because(&*why).with(details);
    for (of, count) in counts(&edit) {
        act = act.count(of, count);
    }
    must(admin, asked, &edit, act.clone())?;
    let begun = asked.begin(act).await.map_err(NotDone::Unrecorded)?;
    let origin = Origin {
        who: asked.who(),
        why,
        restores: None,
    };
    let lists = admin.lists.clone();
    // It goes on where nobody waits any more, and ends its record.
    let doing = tokio::task::spawn_blocking(move || {
        let saved = match budget {
            Budget::Held => lists.save(&edit, origin),
            Budget::Passed => lists.force(&edit, origin),
        };
        match &saved {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        }
        saved
    });
    match doing.await {
        Ok(saved) => Ok(saved?),
        Err(error) => Err(NotSaved::Io(error.to_string()).into()),
    }
}

fn counts(edit: &Edit) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for op in &edit.ops {
        let of = match op {
            Op::Add { .. } => "added",
            Op::Set { .. } => "set",
            Op::Remove { .. } if edit.to.is_some() => "moved",
            Op::Remove { .. } => "removed",
        };
        *counts.entry(of).or_default() += 1;
    }
    counts
}

fn told(ops: &[Op]) -> Value {
    let told = ops.iter().take(ENTRIES_TOLD_MAX).map(|op| json!(op));
    let mut details = json!({ "ops": told.collect::<Vec<_>>() });
    if let Some(left_out) = ops
        .len()
        .checked_sub(ENTRIES_TOLD_MAX)
        .filter(|left| *left > 0)
    {
        details["ops_left_out"] = left_out.into();
    }
    details
}

/// What came of an edit, for programs.
pub(super) fn saved_as(saved: &Saved) -> Value {
    json!({
        "version": saved.version.to_string(),
        "added": saved.added,
        "set": saved.set,
        "removed": saved.removed,
        "merged": saved.merged,
        "made_already": saved.made_already,
        "moved": saved.moved.as_ref().map(moved_as),
        "warnings": saved.warnings,
    })
}

fn moved_as(moved: &Moved) -> Value {
    json!({
        "to": moved.to,
        "listed": moved.listed.len(),
        "listed_entries": moved.named(),
    })
}

/// What an edit would do. What people wrote is shown to who may read it, and on record.
pub(super) async fn preview(
    admin: &Admin,
    asked: &Asked,
    edit: Edit,
    given: Vec<String>,
) -> Result<Preview, NotDone> {
    if edit.ops.len() > OPS_MAX {
        return Err(NotDone::TooMany(edit.ops.len()));
    }
    let lists = admin.lists.clone();
    let act = Act::new("list.preview", asked.who()).on(target(&edit));
    must(admin, asked, &edit, act.clone())?;
    let looking = tokio::task::spawn_blocking(move || {
        let texts: Texts = lists.texts(given);
        lists.preview(&edit, &texts)
    });
    let mut preview = match looking.await {
        Ok(preview) => preview?,
        Err(error) => return Err(NotSaved::Io(error.to_string()).into()),
    };
    let shown = preview
        .excerpts
        .iter()
        .filter(|one| one.of == "recent")
        .count() as u64;
    if shown > 0 {
        let may = asked.who.may(Capability::Text);
        let recorded = match may {
            true => asked.record(act.count("texts", shown)).await.is_ok(),
            false => false,
        };
        if !recorded {
            preview.excerpts.retain(|one| one.of != "recent");
        }
    }
    Ok(preview)
}

impl From<NotDone> for Status {
    fn from(error: NotDone) -> Status {
        let message = match error {
            NotDone::Unrecorded(status) => return status,
            NotDone::OtherList(why) => return Status::permission_denied(why),
            NotDone::NotSaved(NotSaved::Busy) => {
                return Status::unavailable(NotSaved::Busy.to_string());
            }
            NotDone::NotSaved(
                error @ (NotSaved::Io(_) | NotSaved::Half(_) | NotSaved::Unreadable(_)),
            ) => {
                return Status::internal(error.to_string());
            }
            NotDone::NotSaved(error @ NotSaved::NoList(..)) => {
                return Status::not_found(error.to_string());
            }
            NotDone::NotSaved(NotSaved::Invalid(problems)) => {
                let first = problems.first().map(ToString::to_string);
                format!(
                    "{}: {}",
                    NotSaved::Invalid(Vec::new()),
                    first.unwrap_or_default()
                )
            }
            NotDone::NotSaved(NotSaved::Wrong(problems)) => {
                let first = problems.first().map(|one| one.what.clone());
                let first = first.unwrap_or_default();
                format!("{}: {first}", NotSaved::Wrong(problems))
            }
            NotDone::NotSaved(error @ (NotSaved::Conflicts(..) | NotSaved::BaseUnknown(_))) => {
                format!("{error}; plan it anew")
            }
            error => ApiProblem::from(error).message().to_owned(),
        };
        Status::failed_precondition(message)
    }
}

impl From<NotDone> for ApiProblem {
    fn from(error: NotDone) -> ApiProblem {
        match error {
            NotDone::NoReason => ApiProblem::invalid("`why` is missing: say what the edit is for")
                .with("field", "why"),
            NotDone::TooMany(ops) => {
                let why = format!("{ops} edits at once; {OPS_MAX} are the most");
                ApiProblem::invalid(why).with("ops_max", OPS_MAX)
            }
            NotDone::NotPlanned(ops) => {
                let why = format!(
                    "{ops} edits at once: more than {UNPLANNED_OPS_MAX} are planned first, with \
                     POST /api/v1/lists/NAME/plans, and the plan is run"
                );
                ApiProblem::new(StatusCode::CONFLICT, "plan_needed", why)
                    .with("ops_max", UNPLANNED_OPS_MAX)
            }
            NotDone::OtherList(why) => ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", why),
            NotDone::Unrecorded(status) => status.into(),
            NotDone::NotSaved(error) => error.into(),
        }
    }
}

impl From<NotSaved> for ApiProblem {
    fn from(error: NotSaved) -> ApiProblem {
        let message = error.to_string();
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            NotSaved::NoList(..) => ApiProblem::not_found(message),
            NotSaved::NoFile(_) | NotSaved::NoMove(_) => ApiProblem::conflict(message),
            NotSaved::Wrong(problems) => {
                ApiProblem::new(unprocessable, "wrong_edits", message).with("ops", json!(problems))
            }
            NotSaved::Conflicts(conflicts, now) => {
                ApiProblem::new(StatusCode::PRECONDITION_FAILED, "conflict", message)
                    .with("conflicts", json!(conflicts))
                    .with("etag", format!("\"{now}\""))
            }
            NotSaved::BaseUnknown(now) => {
                ApiProblem::new(StatusCode::PRECONDITION_FAILED, "stale", message)
                    .with("etag", format!("\"{now}\""))
            }
            NotSaved::Locked(problems) => {
                ApiProblem::new(StatusCode::LOCKED, "broken_file", message)
                    .with("problems", json!(problems))
            }
            NotSaved::Invalid(problems) => {
                ApiProblem::new(unprocessable, "invalid_policy", message)
                    .with("problems", json!(problems))
            }
            NotSaved::ReadOnly { patch, .. } => {
                ApiProblem::new(StatusCode::CONFLICT, "read_only", message).with("patch", patch)
            }
            NotSaved::Busy => {
                ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).again_in(1)
            }
            NotSaved::NotRead(_) => ApiProblem::new(unprocessable, "not_read", message),
            NotSaved::NotShared(error) => error.into(),
            NotSaved::Unreadable(_) | NotSaved::Half(_) | NotSaved::Io(_) => {
                ApiProblem::internal(message)
            }
        }
    }
}
