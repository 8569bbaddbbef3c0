//! What is asked of the history, by pages and by programs alike.

use std::sync::Arc;

use serde_json::{Value, json};

use super::problem::ApiProblem;
use super::shown::Admin;
use crate::history::{
    DecisionId, Filter, History, HistoryError, Kind, Row, RowMatch, WordForms, entry_hash,
};
use crate::policy::Snapshot;
use crate::settings::suggest;
use crate::versions::{Record, Store};

/// What a search is told by, as a query has it: `text` gives the value of a name, empty where it is
/// not there; times are in milliseconds.
///
/// Errors: a value that cannot be meant.
pub(super) fn filter_of<'a>(
    snapshot: &Snapshot,
    text: impl Fn(&'static str) -> &'a str,
    time: impl Fn(&'static str) -> Option<u64>,
) -> Result<Filter, ApiProblem> {
    let some = |name| Some(text(name).trim().to_owned()).filter(|text| !text.is_empty());
    let number = |name: &'static str| {
        some(name)
            .map(|text| text.parse::<u64>())
            .transpose()
            .map_err(|_| wrong(name, "must be a whole number"))
    };
    let outcomes = text("outcome").split(',').map(str::trim);
    let outcomes: Vec<String> = outcomes
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    for outcome in &outcomes {
        if Kind::from_name(outcome).is_none() {
            let hint = suggest(outcome, Kind::ALL.map(Kind::name));
            return Err(wrong("outcome", &format!("`{outcome}` is none; {hint}")));
        }
    }
    let entry = some("entry")
        .map(|text| u64::from_str_radix(&text, 16))
        .transpose();
    Ok(Filter {
        from_us: time("since").map(|ms| ms.saturating_mul(1000)),
        to_us: time("until").map(|ms| ms.saturating_mul(1000)),
        message: some("message"),
        operation: some("operation"),
        sender: some("sender"),
        target: some("target"),
        conversation: some("conversation"),
        hook: some("hook"),
        caller: some("caller"),
        outcomes,
        class: some("class"),
        reviewed: match text("reviewed") {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        version: number("version")?,
        endpoint: some("endpoint"),
        list: some("list"),
        line: number("line")?.map(|line| u32::try_from(line).unwrap_or(u32::MAX)),
        word: some("word").map(|word| WordForms::of(snapshot, &word)),
        entry: entry.map_err(|_| wrong("entry", "is a hash of 16 hex digits"))?,
    })
}

fn wrong(field: &str, why: &str) -> ApiProblem {
    ApiProblem::invalid(format!("`{field}` {why}")).with("field", field)
}

impl From<HistoryError> for ApiProblem {
    fn from(error: HistoryError) -> ApiProblem {
        let why = error.to_string();
        match error {
            HistoryError::Off => ApiProblem::conflict(why),
            HistoryError::Cursor => ApiProblem::invalid(why),
            HistoryError::Unwritable(_) | HistoryError::File { .. } => ApiProblem::internal(why),
        }
    }
}

/// Asks the history away from the server's workers: it waits for the disk.
pub(super) async fn ask<T: Send + 'static>(
    admin: &Admin,
    question: impl FnOnce(&History) -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, ApiProblem> {
    let history = Arc::clone(&admin.history);
    let asking = tokio::task::spawn_blocking(move || question(&history));
    let answer = asking
        .await
        .map_err(|error| ApiProblem::internal(error.to_string()))?;
    Ok(answer?)
}

/// A decision with what is known now of its matches.
pub(super) fn document(admin: &Admin, snapshot: &Snapshot, row: &Row) -> Value {
    let mut document = json!(row);
    let matches = row.matches.iter().map(|found| {
        let now = admin.history.in_force(snapshot, &found.list, found.entry);
        let mut shown = json!(found);
        shown["in_force"] = now.is_some().into();
        shown["line_now"] = now.map(|now| now.line).into();
        shown
    });
    document["matches"] = matches.collect();
    document
}

/// An entry as the files of a version had it: the file and the text. `None` where that version is
/// not kept, or its words stand in the policy itself.
pub(super) fn entry_then(store: &Store, row: &Row, found: &RowMatch) -> Option<(String, String)> {
    let record = store.record(row.version.number).ok()?;
    if !record.hash.starts_with(&row.version.hash) || found.line == 0 {
        return None;
    }
    record.files.iter().find_map(|file| {
        let content = store.content(record.number, file).ok()?;
        let mut lines = content.split(|byte| *byte == b'\n');
        let entry = entry_of(lines.nth(found.line as usize - 1)?)?;
        (entry_hash(&entry) == found.entry).then(|| (file.path.clone(), entry))
    })
}

/// The entry of a line of a list.
fn entry_of(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let entry = line.trim().split('\t').next()?.trim_end();
    let entry = match entry.strip_prefix('\\') {
        Some(rest) if rest.starts_with(['#', '\\']) => rest,
        _ => entry,
    };
    Some(entry.trim_start_matches('\u{feff}').to_owned())
}

/// The version that took an entry out of its file, of an entry that is in none that is in force;
/// the one of several takings that halving finds. `None` where what is kept does not tell.
pub(super) fn removed_by(store: &Store, row: &Row, found: &RowMatch, path: &str) -> Option<Record> {
    let mut numbers = store.numbers().ok()?;
    numbers.retain(|number| *number > row.version.number);
    numbers.reverse();
    let lacks = |number: u64| {
        let record = store.record(number).ok()?;
        let Some(file) = record.file(path) else {
            return Some(true);
        };
        let content = store.content(number, file).ok()?;
        let mut entries = content.split(|byte| *byte == b'\n').filter_map(entry_of);
        Some(!entries.any(|entry| entry_hash(&entry) == found.entry))
    };
    let (mut there, mut gone) = (0, numbers.len().checked_sub(1)?);
    if !lacks(numbers[gone])? {
        return None;
    }
    while there < gone {
        let middle = usize::midpoint(there, gone);
        match lacks(numbers[middle])? {
            true => gone = middle,
            false => there = middle + 1,
        }
    }
    store.record(numbers[gone]).ok()
}

/// Reads the id of a decision and finds it.
///
/// Errors: there is none of it.
pub(super) async fn decision(admin: &Admin, id: &str) -> Result<Row, ApiProblem> {
    let id: DecisionId = id.parse().map_err(ApiProblem::invalid)?;
    let found = ask(admin, move |history| history.decision(id)).await?;
    found.ok_or_else(|| {
        ApiProblem::not_found(
            "no decision with this id is kept: it is too old, or another process made it",
        )
    })
}
