//! Versions of the policy, as operators see them and bring them back: for the API, the page and
//! commands on the files of a server that is stopped.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::audit::{Act, Who};
use crate::versions::{FileDiff, KeptFile, Plan, Record, RollbackError, Store, VersionError};

/// A version in one object; `in_force` is the number of the one that decides.
pub fn summary(record: &Record, in_force: u64) -> Value {
    json!({
        "number": record.number,
        "version": format!("{}-{}", record.number, record.hash),
        "at": time(record.at_ms),
        "who": record.origin.who.to_string(),
        "why": record.origin.why,
        "restores": record.origin.restores,
        "in_force": record.number == in_force,
        "files": record.files.len(),
        "bytes": record.files.iter().map(|file| file.bytes).sum::<u64>(),
    })
}

/// The same with its files.
pub fn details(record: &Record, in_force: u64) -> Value {
    let mut details = summary(record, in_force);
    details["program"] = record.program.as_str().into();
    details["files"] = record.files.iter().map(file).collect();
    details["outside"] = record.outside.iter().map(file).collect();
    details
}

fn file(file: &KeptFile) -> Value {
    json!({
        "path": file.path,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "kept": file.is_kept(),
        "secret": file.secret,
    })
}

/// Versions, newest first, from before `place` on; and where to go on.
pub fn page(
    store: &Store,
    place: Option<u64>,
    limit: usize,
) -> Result<(Vec<Record>, Option<u64>), VersionError> {
    let numbers = store.numbers()?.into_iter();
    let mut numbers = numbers
        .filter(|number| place.is_none_or(|place| *number < place))
        .peekable();
    let mut records = Vec::new();
    while records.len() < limit {
        let Some(number) = numbers.next() else { break };
        match store.record(number) {
            Ok(record) => records.push(record),
            // It went meanwhile, or is damaged, which the start says.
            Err(VersionError::Unknown(_) | VersionError::Damaged(..)) => {}
            Err(error) => return Err(error),
        }
    }
    let more = numbers.peek().is_some();
    let last = records.last().map(|record| record.number);
    Ok((records, last.filter(|_| more)))
}

/// What a version changed, or what it has that another one had not.
pub fn differences(
    store: &Store,
    number: u64,
    with: Option<u64>,
) -> Result<(Option<u64>, Vec<FileDiff>), VersionError> {
    let after = store.record(number)?;
    let before = match with {
        Some(with) => Some(store.record(with)?),
        None => store.before(number)?,
    };
    let diffs = crate::versions::diff(store, before.as_ref(), &after)?;
    Ok((before.map(|before| before.number), diffs))
}

/// What became of a file. Of what may hold secrets the lines are for those who may write it.
pub fn difference(diff: &FileDiff, shows_all: bool) -> Value {
    let shown = shows_all || is_list(&diff.path);
    json!({
        "path": diff.path,
        "change": diff.change.name(),
        "lines_added": diff.added,
        "lines_removed": diff.removed,
        "patch": diff.patch.as_deref().filter(|_| shown),
    })
}

/// Word lists are for everybody who may see what is in force.
pub fn is_list(path: &str) -> bool {
    path.ends_with(".txt")
}

/// What a rollback would do.
pub fn plan_json(plan: &Plan, shows_all: bool) -> Value {
    let steps = plan.steps.iter().map(|step| {
        let mut shown = difference(&step.diff, shows_all);
        shown["unkept"] = step.unkept.into();
        shown
    });
    json!({
        "plan": plan.id,
        "number": plan.number,
        "files": steps.collect::<Vec<_>>(),
        "patch": plan.patch(),
    })
}

/// A rollback, as it stands in the audit.
pub fn rollback(who: Who, plan: &Plan, why: &str) -> Act {
    let act = Act::new("versions.rollback", who);
    act.on(format!("version {}-{}", plan.number, plan.hash))
        .because(why)
        .count("files", plan.steps.len() as u64)
}

/// What a rollback to a version would do to the files in a directory now.
pub fn plan(store: &Store, directory: &Path, number: u64) -> Result<Plan, RollbackError> {
    let record = store.record(number)?;
    let disk = crate::reload::read_files(directory).map_err(|problem| RollbackError::Io {
        path: directory.to_owned(),
        error: std::io::Error::other(problem.to_string()),
    })?;
    Plan::of(store, &record, &disk.files)
}

/// RFC 3339, to the millisecond.
pub fn time(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(at).to_string()
}
