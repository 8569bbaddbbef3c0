//! Reading decisions out of a file.

use std::collections::HashMap;
use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, RowIndex, params_from_iter};

use super::catalog::Segment;
use super::conditions::Conditions;
use super::id::{DecisionId, at_us};
use super::row::{Row, RowMatch, RowVersion};
use super::segment;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("no history is kept: `history.enabled` in engine.yaml is false")]
    Off,
    #[error("this is no place to go on from; begin without one")]
    Cursor,
    #[error("the history cannot be written: {0}")]
    Unwritable(String),
    #[error("`{}` cannot be read ({error})", path.display())]
    File {
        path: PathBuf,
        error: rusqlite::Error,
    },
}

/// Reads a file; `None` if it was deleted meanwhile.
pub(super) fn read<T>(
    segment: &Segment,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, HistoryError> {
    let opened = segment::open(&segment.path, OpenFlags::empty());
    let found = opened.and_then(|db| {
        db.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")?;
        read(&db)
    });
    match found {
        Ok(found) => Ok(Some(found)),
        Err(_) if !segment.path.exists() => Ok(None),
        Err(error) => Err(HistoryError::File {
            path: segment.path.clone(),
            error,
        }),
    }
}

/// Which numbers of ids are looked at, and from which end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub above: i64,
    /// Not included.
    pub below: i64,
    /// Of ids behind the first and up to the second, which are being written, some are in the files
    /// and others before them are not: nobody is told of these yet.
    pub unsettled: (i64, i64),
    pub oldest_first: bool,
}

impl Span {
    /// One id, however soon after it was written.
    pub(super) fn one(number: i64) -> Span {
        Span {
            above: number,
            below: number + 1,
            unsettled: (number, number - 1),
            oldest_first: false,
        }
    }
}

pub(super) fn decisions(
    db: &Connection,
    sought: &Conditions,
    span: Span,
    rows_max: usize,
) -> rusqlite::Result<Vec<Row>> {
    let names = names(db)?;
    let mut sought_values = sought.values.clone();
    let at = sought_values.len() + 1;
    let (settled, now) = span.unsettled;
    sought_values.extend([span.above, span.below, settled, now, rows_max as i64].map(Value::from));
    let order = if span.oldest_first { "ASC" } else { "DESC" };
    // With a sign an id is not looked up, only compared: the span before it is what is walked.
    let sql = format!(
        "SELECT * FROM decisions WHERE id >= ?{at} AND id < ?{} AND (+id <= ?{} OR +id > ?{}){} \
         ORDER BY id {order} LIMIT ?{}",
        at + 1,
        at + 2,
        at + 3,
        sought.sql,
        at + 4
    );
    let mut query = db.prepare(&sql)?;
    let rows = query.query_map(params_from_iter(sought_values), |line| row_of(line, &names))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<Row>>>()?;
    let mut matches = db.prepare_cached(
        "SELECT list, line, entry, form, action, place, byte_start, byte_end, char_start, \
         char_end, folds FROM matches WHERE decision = ?1 ORDER BY number",
    )?;
    for row in &mut rows {
        let found = matches.query_map([row.id.number], |line| match_of(line, &names))?;
        row.matches = found.collect::<rusqlite::Result<_>>()?;
    }
    Ok(rows)
}

pub(super) type Names = HashMap<i64, String>;

pub(super) fn names(db: &Connection) -> rusqlite::Result<Names> {
    let mut query = db.prepare("SELECT id, name FROM names")?;
    let names = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    names.collect()
}

pub(super) fn name(names: &Names, id: i64) -> String {
    names.get(&id).cloned().unwrap_or_default()
}

fn row_of(line: &rusqlite::Row<'_>, names: &Names) -> rusqlite::Result<Row> {
    let named = |column: &str| Ok::<_, rusqlite::Error>(name(names, line.get(column)?));
    let maybe = |column: &str| {
        let id: Option<i64> = line.get(column)?;
        Ok::<_, rusqlite::Error>(id.map(|id| name(names, id)))
    };
    let id = DecisionId::new(line.get("id")?, line.get("random")?);
    Ok(Row {
        id,
        at_us: at_us(id.number),
        hook: named("hook")?,
        dialect: named("dialect")?,
        caller: maybe("caller")?,
        message_id: line.get("message")?,
        client_message_id: line.get("client_message")?,
        operation_id: line.get("operation")?,
        sender: line.get("sender")?,
        target: line.get("target")?,
        conversation: line.get("conversation")?,
        content_type: line.get("content_type")?,
        outcome: named("outcome")?,
        action: named("action")?,
        code: line.get("code")?,
        decided_by: named("decided_by")?,
        class: maybe("class")?,
        skipped: maybe("skipped")?,
        reviewed: line.get("reviewed")?,
        why: line.get("why")?,
        version: RowVersion {
            number: unsigned(line, "version")?,
            hash: named("version_hash")?,
        },
        matches: Vec::new(),
        matches_left_out: unsigned(line, "matches_left_out")?,
        endpoint: maybe("endpoint")?,
        answer: maybe("answer")?,
        filter_us: unsigned(line, "filter_us")?,
        endpoint_us: unsigned(line, "endpoint_us")?,
        total_us: unsigned(line, "total_us")?,
        weight: line.get("weight")?,
    })
}

fn match_of(line: &rusqlite::Row<'_>, names: &Names) -> rusqlite::Result<RowMatch> {
    let folds: String = line.get(10)?;
    Ok(RowMatch {
        list: name(names, line.get(0)?),
        line: line.get(1)?,
        entry: unsigned(line, 2)?,
        form: unsigned(line, 3)?,
        action: name(names, line.get(4)?),
        place: line.get(5)?,
        bytes: (unsigned(line, 6)?, unsigned(line, 7)?),
        chars: (unsigned(line, 8)?, unsigned(line, 9)?),
        folds: folds.split_whitespace().map(str::to_owned).collect(),
    })
}

/// SQLite knows no numbers without a sign.
pub(super) fn unsigned(line: &rusqlite::Row<'_>, column: impl RowIndex) -> rusqlite::Result<u64> {
    Ok(line.get::<_, i64>(column)? as u64)
}
