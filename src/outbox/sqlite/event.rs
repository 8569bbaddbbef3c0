//! One stored event as the file has it, and the checksum that says whether that is what was
//! accepted: a disk gives back wrong bytes without an error.

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result, Row};

use super::number::{from_sql, to_sql};
use crate::outbox::entry::{AsRead, NewEntry};

/// A row of `event`.
pub(super) struct Stored {
    pub seq: i64,
    pub entry: NewEntry,
    /// What it counts against the limits.
    pub bytes: i64,
    /// The numbers of its endpoints, each between blanks.
    pub numbers: String,
    pub checksum: i64,
    /// It is what was accepted.
    pub sound: bool,
}

impl Stored {
    /// Reads `seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body, endpoints,
    /// checksum`. Whatever the bytes are, something is read; only a page that
    /// cannot be read is an error.
    pub(super) fn read(row: &Row<'_>) -> Result<Stored> {
        let (seq, numbers, parts, of) = parts_of(row)?;
        let [id, hook, dialect, ordering_key, operation_id, body] = parts;
        let checksum_there = number_of(row.get_ref(10)?);
        let sound = checksum_there == checksum(seq, &sum(numbers, parts), of)
            || checksum_there == old_checksum(seq, numbers, parts, of);
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Stored {
            seq,
            bytes: numbers[1],
            numbers: lossy(of),
            checksum: checksum_there,
            sound,
            entry: NewEntry {
                id: lossy(id),
                hook: lossy(hook),
                dialect: lossy(dialect),
                ordering_key: lossy(ordering_key),
                operation_id: lossy(operation_id),
                body: Bytes::copy_from_slice(body),
                endpoints: Vec::new(),
                accepted_at_ms: from_sql(numbers[0]),
                series: None,
                read: AsRead::default(),
            },
        })
    }

    /// The event in a place. Errors: there is none, though a pair says so.
    pub(super) fn find(connection: &Connection, seq: i64) -> Result<Stored> {
        let sql = "SELECT seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body,
            endpoints, checksum FROM event WHERE seq = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row([seq], Stored::read)
    }
}

/// What the checksum of an event says of its own parts, without its place: computed before the
/// writer has it. `bytes` is what it counts.
pub(super) fn sum_of(entry: &NewEntry, bytes: u64) -> Sum {
    sum(
        [to_sql(entry.accepted_at_ms), to_sql(bytes)],
        [
            entry.id.as_bytes(),
            entry.hook.as_bytes(),
            entry.dialect.as_bytes(),
            entry.ordering_key.as_bytes(),
            entry.operation_id.as_bytes(),
            &entry.body,
        ],
    )
}

/// The checksum of an event in its place, with the numbers of its endpoints.
pub(super) fn checksum_of(seq: i64, sum: &Sum, endpoints: &str) -> i64 {
    checksum(seq, sum, endpoints.as_bytes())
}

/// Of everything that is told of an event.
pub(super) type Sum = [u8; 32];

fn sum(numbers: [i64; 2], parts: [&[u8]; 6]) -> Sum {
    let mut sha = Context::new(&SHA256);
    for number in numbers {
        sha.update(&number.to_le_bytes());
    }
    add_parts(&mut sha, &parts);
    sha.finish().as_ref().try_into().expect("it has 32 bytes")
}

fn checksum(seq: i64, sum: &Sum, endpoints: &[u8]) -> i64 {
    let mut sha = Context::new(&SHA256);
    sha.update(&seq.to_le_bytes());
    sha.update(sum);
    sha.update(endpoints);
    beginning(sha)
}

/// How checksums were made up to schema 5, whose events may be here still.
fn old_checksum(seq: i64, numbers: [i64; 2], parts: [&[u8]; 6], endpoints: &[u8]) -> i64 {
    let mut sha = Context::new(&SHA256);
    sha.update(&seq.to_le_bytes());
    for number in numbers {
        sha.update(&number.to_le_bytes());
    }
    add_parts(&mut sha, &parts);
    add_parts(&mut sha, &[endpoints]);
    beginning(sha)
}

/// Each part with its length before it.
fn add_parts(sha: &mut Context, parts: &[&[u8]]) {
    for part in parts {
        sha.update(&(part.len() as u64).to_le_bytes());
        sha.update(part);
    }
}

fn beginning(sha: Context) -> i64 {
    let digest = sha.finish();
    i64::from_le_bytes(digest.as_ref()[..8].try_into().expect("it has 32 bytes"))
}

/// The checksum that schema 4 gives a row as it is, whatever it says itself.
pub(super) fn checksum_of_row(row: &Row<'_>) -> Result<i64> {
    let (seq, numbers, parts, endpoints) = parts_of(row)?;
    Ok(old_checksum(seq, numbers, parts, endpoints))
}

type Parts<'a> = (i64, [i64; 2], [&'a [u8]; 6], &'a [u8]);

fn parts_of<'a>(row: &'a Row<'_>) -> Result<Parts<'a>> {
    let raw = |place| row.get_ref(place).map(bytes_of);
    let number = |place| row.get_ref(place).map(number_of);
    let parts = [raw(1)?, raw(4)?, raw(5)?, raw(6)?, raw(7)?, raw(8)?];
    Ok((number(0)?, [number(2)?, number(3)?], parts, raw(9)?))
}

/// A text that may not be one any more.
pub(super) fn lossy(row: &Row<'_>, place: usize) -> Result<String> {
    let text = row.get_ref(place).map(bytes_of)?;
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn bytes_of(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn number_of(value: ValueRef<'_>) -> i64 {
    match value {
        ValueRef::Integer(number) => number,
        _ => 0,
    }
}
