//! A new file of what can be read of a damaged one.
//!
//! The old file is kept under another name. What is damaged is kept as dead letters, what cannot
//! be read is counted as discarded, and the books balance again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::event::Stored;
use super::file;
use super::ids::{digest, to_bytes};
use super::inspect::look_through;
use super::number::to_sql;
use super::salvage::{self, Found, Frame, Pair};
use crate::outbox::error::OpenError;
use crate::outbox::file_care::Repaired;
use crate::outbox::rules::{DAMAGED, LOST};

/// Repairs the file if it needs it. No other process may have it open.
pub(in crate::outbox) fn repair(path: &Path, now_ms: u64) -> Result<Repaired, OpenError> {
    let old = salvage::open(path)?;
    let inspection = look_through(&old);
    if inspection.is_sound() {
        return Ok(Repaired {
            inspection,
            ..Repaired::default()
        });
    }
    let of_file = |error: &rusqlite::Error| file::failed(path, error);
    let new_path = beside(path, "-repairing");
    for leftover in [new_path.clone(), beside(&new_path, "-wal")] {
        match fs::remove_file(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(refused(path, &error));
            }
            _ => {}
        }
    }
    let mut new = file::open(&new_path)?;
    let mut repaired = copy(&old, &mut new, now_ms).map_err(|error| of_file(&error))?;
    close(new).map_err(|error| of_file(&error))?;
    // Its log must not lie beside the new file: it would be read into it.
    close(old).map_err(|error| of_file(&error))?;
    let kept = beside(path, &format!(".damaged-{now_ms}"));
    swap(path, &new_path, &kept).map_err(|error| refused(path, &error))?;
    repaired.inspection = inspection;
    repaired.old = Some(kept);
    Ok(repaired)
}

/// In one step: there is always a file at its place.
fn swap(path: &Path, new: &Path, kept: &Path) -> io::Result<()> {
    let log = beside(path, "-wal");
    if log.exists() {
        fs::rename(&log, beside(kept, "-wal"))?;
    }
    fs::hard_link(path, kept)?;
    fs::rename(new, path)?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn close(connection: Connection) -> Result<()> {
    let written = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.close().map_err(|(_, error)| error)?;
    written
}

fn refused(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Failed {
        path: path.to_owned(),
        why: format!("it could not be repaired: {error}"),
    }
}

/// What one endpoint has in the new file.
#[derive(Default)]
struct Tally {
    pending: u64,
    dead: u64,
    bytes: i64,
}

fn copy(old: &Connection, new: &mut Connection, now_ms: u64) -> Result<Repaired> {
    let frame = Frame::read(old)?;
    let change = new.transaction()?;
    let mut repaired = Repaired::default();
    let mut tallies: BTreeMap<i64, Tally> = BTreeMap::new();
    let mut bytes = 0;
    let mut last_seq = 0;
    let mut failed = None;
    salvage::events(old, frame.last_seq, |found| {
        let Found::There(seq, stored) = found else {
            return;
        };
        last_seq = last_seq.max(seq);
        let pairs = frame.pairs_of(&stored);
        if failed.is_some() || pairs.is_empty() {
            return;
        }
        let size = match stored.sound {
            true => stored.bytes,
            false => stored.entry.body.len() as i64,
        };
        match copy_event(&change, &stored, size, &pairs, now_ms) {
            Ok(()) => {}
            Err(error) => failed = Some(error),
        }
        repaired.kept += 1;
        repaired.damaged += u64::from(!stored.sound);
        bytes += size;
        for (endpoint, pair) in pairs {
            let tally = tallies.entry(endpoint).or_default();
            tally.bytes += size;
            match pair {
                Some(Pair::Dead { .. }) => tally.dead += 1,
                _ if !stored.sound => tally.dead += 1,
                _ => tally.pending += 1,
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let last_seq = frame.last_seq.max(last_seq);
    for (&number, endpoint) in &frame.endpoints {
        let tally = tallies.remove(&number).unwrap_or_default();
        let old = endpoint.counts;
        let lost = (old.pending + old.dead).saturating_sub(tally.pending + tally.dead);
        repaired.lost += lost;
        let discarded = old.discarded + lost;
        let accepted = old.delivered + discarded + tally.pending + tally.dead;
        let paused = endpoint.health.paused.as_ref();
        change.execute(
            "INSERT INTO endpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?7, ?12)",
            params![
                number,
                endpoint.name,
                to_sql(accepted),
                to_sql(old.delivered),
                to_sql(tally.dead),
                to_sql(discarded),
                to_sql(tally.pending),
                endpoint.health.failing_since_ms.map(to_sql),
                paused.map(|paused| to_sql(paused.at_ms)),
                paused.map_or("", |paused| paused.reason.as_str()),
                last_seq,
                tally.bytes,
            ],
        )?;
        if lost > 0 {
            let what = format!("{lost} events");
            let sql = "INSERT INTO discarded VALUES (NULL, ?1, ?2, '', '', '', 0, ?3, ?4)";
            change.execute(sql, params![number, what, to_sql(now_ms), LOST])?;
        }
    }
    let remembered = copy_ended(old, &change)?;
    change.execute(
        "UPDATE total SET last_seq = ?1, bytes = ?2, remembered_ids = ?3, events = ?4",
        params![last_seq, bytes, remembered, to_sql(repaired.kept)],
    )?;
    change.commit()?;
    Ok(repaired)
}

fn copy_event(
    change: &Connection,
    stored: &Stored,
    size: i64,
    pairs: &[(i64, Option<Pair>)],
    now_ms: u64,
) -> Result<()> {
    let Stored { seq, entry, .. } = stored;
    let sql = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    change.prepare_cached(sql)?.execute(params![
        seq,
        entry.id,
        to_sql(entry.accepted_at_ms),
        size,
        entry.hook,
        entry.dialect,
        entry.ordering_key,
        entry.operation_id,
        entry.body.as_ref(),
        stored.numbers,
        stored.checksum,
    ])?;
    let ids = to_bytes(std::iter::once(digest(&entry.id)));
    let sql = "INSERT INTO held VALUES (?1, ?2)";
    change.prepare_cached(sql)?.execute(params![seq, ids])?;
    if pairs.len() > 1 {
        let sql = "INSERT INTO share VALUES (?1, ?2)";
        change
            .prepare_cached(sql)?
            .execute(params![seq, pairs.len() as i64])?;
    }
    for (endpoint, pair) in pairs {
        copy_pair(change, *endpoint, stored, pair.as_ref(), now_ms)?;
    }
    Ok(())
}

/// The attempts, due times and reasons stay; what is damaged is dead.
fn copy_pair(
    change: &Connection,
    endpoint: i64,
    stored: &Stored,
    pair: Option<&Pair>,
    now_ms: u64,
) -> Result<()> {
    let key = &stored.entry.ordering_key;
    let dead = "INSERT INTO dead VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let pending = "INSERT INTO pair VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let accepted_at_ms = to_sql(stored.entry.accepted_at_ms);
    match pair {
        Some(Pair::Dead {
            attempts,
            died_at_ms,
            reason,
            replays,
            answer,
        }) => change.prepare_cached(dead)?.execute(params![
            endpoint, stored.seq, attempts, died_at_ms, reason, replays, answer, key
        ]),
        _ if !stored.sound => change.prepare_cached(dead)?.execute(params![
            endpoint,
            stored.seq,
            0,
            to_sql(now_ms),
            DAMAGED,
            0,
            "",
            key
        ]),
        None => change.prepare_cached(pending)?.execute(params![
            endpoint,
            stored.seq,
            0,
            0,
            accepted_at_ms,
            key,
            0,
            0,
            0,
            "",
            0
        ]),
        Some(Pair::Pending {
            due_at_ms,
            out_of_order,
            attempts,
            claims,
            crashes,
            reason,
            replays,
        }) => {
            let place = if *due_at_ms > 0 { 2 } else { 0 };
            let key = if *out_of_order { "" } else { key.as_str() };
            change.prepare_cached(pending)?.execute(params![
                endpoint,
                stored.seq,
                place,
                due_at_ms,
                accepted_at_ms,
                key,
                attempts,
                claims,
                crashes,
                reason,
                replays
            ])
        }
    }
    .map(drop)
}

/// The ids of ended events, as far as they can be read; how many.
fn copy_ended(old: &Connection, change: &Connection) -> Result<i64> {
    let mut after = 0;
    let mut ids = 0;
    let sql = "SELECT number, forget_at_ms, ids FROM ended WHERE number > ?1
        ORDER BY number LIMIT 1";
    let mut statement = old.prepare(sql)?;
    loop {
        let next = statement.query_row([after], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
        });
        // Without them a repeat is told again, which is no loss.
        let Ok(Some((number, forget_at_ms, row))) = next.optional() else {
            return Ok(ids);
        };
        let _: (i64, i64) = (number, forget_at_ms);
        if row.len() % 16 == 0 {
            ids += row.len() as i64 / 16;
            let sql = "INSERT INTO ended (forget_at_ms, ids) VALUES (?1, ?2)";
            change
                .prepare_cached(sql)?
                .execute(params![forget_at_ms, row])?;
        }
        after = number;
    }
}
