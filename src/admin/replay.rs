//! What recorded calls would come to under other files than those in force, and how such files come
//! into force although they change more than the policy expects: for pages and the API.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::acts::Asked;
use super::problem::ApiProblem;
use super::shown::Admin;
use super::versions;
use crate::audit::Act;
use crate::lists::Edit;
use crate::operators::Capability;
use crate::policy::{self, Differences, FileSet, ReplayReport, Snapshot};
use crate::reload::{Reloaded, read_files};
use crate::settings::{Problem, Severity};
use crate::versions::Origin;

/// Calls that are judged, the newest.
const CALLS_MAX: usize = 10_000;

/// Whose files are compared with those in force.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    /// Those on disk.
    Disk,
    /// An earlier version brought back.
    Version(u64),
    /// The candidate made the policy.
    Candidate,
    /// Those on disk with an edit of a list.
    List(Edit),
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Replayed {
    /// `None`: no call is recorded.
    pub report: Option<ReplayReport>,
    /// What the policy expects of the change to it and would not get; warnings too.
    pub expected: Vec<Problem>,
    /// What people wrote, and who, is left out: it takes the right `text`.
    pub is_hidden: bool,
}

impl Replayed {
    /// A reload or a save would refuse the change.
    pub(super) fn is_refused(&self) -> bool {
        let mut expected = self.expected.iter();
        expected.any(|problem| problem.severity == Severity::Error)
    }

    pub(super) fn document(&self) -> Value {
        json!({
            "report": self.report,
            "expected": self.expected,
            "refused": self.is_refused(),
            "hidden": self.is_hidden,
        })
    }
}

/// Judges the newest recorded calls under both. What people wrote is shown to who may read it, and
/// on record.
pub(super) async fn replay(
    admin: &Admin,
    asked: &Asked,
    subject: Subject,
) -> Result<Replayed, ApiProblem> {
    let name = named(&subject);
    let (work, ruling) = (admin.clone(), admin.policies.current());
    let mut replayed = aside(move || {
        let candidate = compiled(&work, &subject)?;
        judged(&work, &ruling, &candidate)
    })
    .await?;
    let Some(report) = &mut replayed.report else {
        return Ok(replayed);
    };
    let excerpts: usize = report.groups.iter().map(|group| group.excerpts.len()).sum();
    if excerpts + report.senders.len() > 0 {
        let act = Act::new("recordings.read", asked.who()).on(name);
        let act = act.count("texts", excerpts as u64);
        let may = asked.who.may(Capability::Text);
        if !may || asked.record(act).await.is_err() {
            replayed.is_hidden = true;
            report.senders.clear();
            for group in &mut report.groups {
                group.excerpts.clear();
            }
        }
    }
    Ok(replayed)
}

fn named(subject: &Subject) -> String {
    match subject {
        Subject::Disk => "the files on disk".to_owned(),
        Subject::Version(number) => format!("version {number}"),
        Subject::Candidate => "the candidate".to_owned(),
        Subject::List(edit) => match &edit.to {
            Some(to) => format!("list {} with entries moved to {to}", edit.list),
            None => format!("list {}", edit.list),
        },
    }
}

fn compiled(admin: &Admin, subject: &Subject) -> Result<Snapshot, ApiProblem> {
    let files = files(admin, subject)?;
    let number = admin.policies.current().version.number + 1;
    let compiled = policy::compile_untried(&files, admin.policies.context(), number);
    compiled.snapshot.ok_or_else(|| {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        let errors = compiled.problems.iter();
        let errors = errors.filter(|problem| problem.severity == Severity::Error);
        let errors: Vec<String> = errors.take(10).map(ToString::to_string).collect();
        let message = format!("this is no policy: {}", errors.join("; "));
        ApiProblem::new(unprocessable, "invalid_policy", message)
            .with("problems", json!(compiled.problems))
    })
}

fn files(admin: &Admin, subject: &Subject) -> Result<FileSet, ApiProblem> {
    let directory = admin.policies.directory();
    let disk = || {
        let disk = read_files(directory);
        disk.map_err(|problem| ApiProblem::internal(problem.to_string()))
    };
    let plan = match subject {
        Subject::Disk => return disk(),
        Subject::List(edit) => return Ok(admin.lists.files_with(edit)?),
        Subject::Version(number) => versions::plan(&admin.versions.store(), directory, *number)?,
        Subject::Candidate => admin.trials.plan()?,
    };
    let mut files = disk()?;
    plan.apply_to(&mut files.files);
    Ok(files)
}

fn judged(admin: &Admin, ruling: &Snapshot, candidate: &Snapshot) -> Result<Replayed, ApiProblem> {
    let expected = candidate.expected_after(ruling);
    let weighed = expected.map_or(0, |expected| expected.calls_max);
    let newest = admin.recordings.newest(CALLS_MAX.max(weighed));
    let calls = newest.map_err(|error| {
        ApiProblem::internal(format!("the recorded calls cannot be read ({error})"))
    })?;
    let last = |calls_max: usize| {
        let calls = calls.as_deref()?;
        Some(&calls[calls.len().saturating_sub(calls_max)..])
    };
    let report = last(CALLS_MAX).map(|calls| {
        let mut differences = Differences::default();
        for call in calls {
            differences.judge(ruling, candidate, call);
        }
        differences.report()
    });
    let expected = expected.map(|expected| expected.weigh(ruling, candidate, last(weighed)));
    let expected = expected.unwrap_or_default();
    Ok(Replayed {
        report,
        expected,
        is_hidden: false,
    })
}

/// Looks at the policy files now, if `is_forced` also where they change more than is expected.
pub(super) async fn reload(
    admin: &Admin,
    asked: &Asked,
    is_forced: bool,
    why: &str,
) -> Result<Reloaded, ApiProblem> {
    let why = why.trim().to_owned();
    if is_forced && why.is_empty() {
        let problem = ApiProblem::invalid("`why` is missing: say why the budget does not hold");
        return Err(problem.with("field", "why"));
    }
    let act = match is_forced {
        true => Act::new("policy.force", asked.who()),
        false => Act::new("policy.reload", asked.who()),
    };
    let begun = asked.begin(act.because(why.as_str())).await?;
    let policies = Arc::clone(&admin.policies);
    let origin = Origin {
        who: asked.who(),
        why,
        restores: None,
    };
    let reloaded = aside(move || {
        Ok(match is_forced {
            true => policies.force(origin),
            false => policies.reload_for(Some(origin)),
        })
    })
    .await?;
    let problems = reloaded.problems.iter();
    match problems
        .filter(|one| one.severity == Severity::Error)
        .count()
    {
        0 => begun.done(),
        errors => begun.failed(&format!("the files have {errors} error(s)")),
    }
    Ok(reloaded)
}

/// Files are read and policies compiled away from the server's workers.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiProblem> + Send + 'static,
) -> Result<T, ApiProblem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiProblem::internal(error.to_string()))?
}
