//! Moving into a file: it is made beside its place, and put there when everything is in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, Result, params};

use super::event::{checksum_of, sum_of};
use super::file;
use super::ids::to_bytes;
use super::move_out::failed;
use super::number::{from_sql, to_sql};
use crate::outbox::config::Config;
use crate::outbox::entry::Counts;
use crate::outbox::letter::Discarded;
use crate::outbox::move_mark::{self, beside, sync_folder};
use crate::outbox::moving::{
    MoveError, MoveFrame, MoveMark, MovePlace, MoveSide, MoveTarget, MovedBatch, MovedEnd,
    MovedEvent, MovedId, MovedPair, MovedRows, MovedSeries,
};
use crate::outbox::rules::first_claim;

/// Events whose ids stand in one row, by their places.
const ROW_IDS: i64 = 112;

type Done<T> = std::result::Result<T, MoveError>;

/// A file that nobody else uses, as a target.
pub(in crate::outbox) struct MoveIn {
    config: Config,
    open: Option<Connection>,
}

/// What a batch adds for one endpoint.
#[derive(Default)]
struct Added {
    pending: i64,
    dead: i64,
    listed: i64,
    bytes: i64,
}

impl MoveIn {
    pub(in crate::outbox) fn new(config: &Config) -> MoveIn {
        MoveIn {
            config: config.clone(),
            open: None,
        }
    }

    /// Where it is made.
    fn filling(&self) -> PathBuf {
        beside(&self.config.path, "-filling")
    }

    /// Everything is at its place already.
    fn is_placed(&self) -> bool {
        !self.filling().exists() && self.config.path.exists()
    }

    fn failed(&self, error: impl std::fmt::Display) -> MoveError {
        failed(&self.config.path, error)
    }

    /// Removes a file with what is beside it.
    fn remove(&self, file: &Path) -> Done<()> {
        for ending in ["-wal", "-claims", "-reserve", ""] {
            match fs::remove_file(beside(file, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Done<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let written = open.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        written.map_err(|error| self.failed(error))?;
        let closed = open.close().map_err(|(_, error)| error);
        closed.map_err(|error| self.failed(error))
    }

    /// Does something in one transaction.
    fn change<T>(&mut self, change: impl FnOnce(&Connection) -> Result<T>) -> Done<T> {
        let path = self.config.path.clone();
        let failed = |error: rusqlite::Error| failed(&path, error);
        let connection = match &mut self.open {
            Some(open) => open,
            closed => closed.insert(file::open(&beside(&path, "-filling"))?),
        };
        let transaction = connection.transaction().map_err(failed)?;
        let done = change(&transaction).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }
}

#[async_trait]
impl MoveSide for MoveIn {
    fn name(&self) -> String {
        format!("the file `{}`", self.config.path.display())
    }

    async fn mark(&mut self) -> Done<Option<MoveMark>> {
        Ok(move_mark::read(&self.config.path)?)
    }

    async fn set_mark(&mut self, mark: Option<&MoveMark>) -> Done<()> {
        move_mark::write(&self.config.path, mark).map_err(|error| self.failed(error))
    }

    /// Who has a file has the data directory, which is asked for before.
    async fn used_by(&mut self) -> Done<Option<String>> {
        Ok(None)
    }
}

#[async_trait]
impl MoveTarget for MoveIn {
    /// A file that a start has made and nobody has used is as good as none.
    async fn holds(&mut self) -> Done<Option<String>> {
        if !self.config.path.exists() {
            return Ok(None);
        }
        let connection = file::open(&self.config.path)?;
        let sql = "SELECT (SELECT last_seq + remembered_ids FROM total)
            + (SELECT count(*) FROM endpoint) + EXISTS (SELECT 1 FROM event)";
        let used: i64 = connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| self.failed(error))?;
        Ok((used > 0).then(|| "events or ids of its own".to_owned()))
    }

    async fn begin(&mut self, new: &MoveMark, frame: &MoveFrame) -> Done<MovePlace> {
        let before = self.mark().await?;
        if before.is_none_or(|before| before.id != new.id) {
            self.remove(&self.filling())?;
            // It holds nothing, as was asked before; what is there from now on is what was moved.
            self.remove(&self.config.path)?;
            self.set_mark(Some(new)).await?;
        }
        if self.is_placed() {
            return Ok(MovePlace::end(frame.entries));
        }
        let place: String = self.change(|connection| {
            connection.execute_batch("CREATE TABLE IF NOT EXISTS moving (place TEXT NOT NULL)")?;
            let begins = !connection.prepare("SELECT 1 FROM moving")?.exists([])?;
            if begins {
                let place = MovePlace::default().to_string();
                connection.execute("INSERT INTO moving VALUES (?1)", [place])?;
                add_endpoints(connection, frame)?;
            }
            connection.query_row("SELECT place FROM moving", [], |row| row.get(0))
        })?;
        place.parse()
    }

    async fn write(&mut self, batch: &MovedBatch) -> Done<()> {
        self.change(|connection| {
            match &batch.rows {
                MovedRows::Events(events) => add_events(connection, events)?,
                MovedRows::Ids(ids) => add_ids(connection, ids)?,
                MovedRows::Discarded(events) => add_discarded(connection, events)?,
                MovedRows::Series(series) => add_series(connection, series)?,
            }
            let place = batch.next.to_string();
            connection
                .execute("UPDATE moving SET place = ?1", [place])
                .map(drop)
        })
    }

    async fn complete(&mut self, frame: &MoveFrame) -> Done<()> {
        if self.is_placed() {
            return Ok(());
        }
        self.change(|connection| count(connection, frame))?
    }

    async fn open(&mut self) -> Done<()> {
        self.close()?;
        if !self.is_placed() {
            let placed = fs::rename(self.filling(), &self.config.path);
            placed.map_err(|error| self.failed(error))?;
            sync_folder(&self.config.path).map_err(|error| self.failed(error))?;
        }
        let connection = self.open.insert(file::open(&self.config.path)?);
        let dropped = connection.execute_batch("DROP TABLE IF EXISTS moving");
        dropped.map_err(|error| self.failed(error))?;
        self.close()?;
        self.set_mark(None).await
    }

    async fn clear(&mut self) -> Done<()> {
        self.open = None;
        self.remove(&self.filling())?;
        self.set_mark(None).await
    }
}

/// Under the numbers of their places in the frame, from 1.
fn add_endpoints(connection: &Connection, frame: &MoveFrame) -> Result<()> {
    for (place, endpoint) in frame.endpoints.iter().enumerate() {
        let paused = endpoint.health.paused.as_ref();
        let sql = "INSERT INTO endpoint VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, ?3, ?4, ?5, 0, 0, 0)";
        connection.prepare_cached(sql)?.execute(params![
            number_of(place),
            endpoint.name,
            endpoint.health.failing_since_ms.map(to_sql),
            paused.map(|paused| to_sql(paused.at_ms)),
            paused.map_or("", |paused| paused.reason.as_str()),
        ])?;
    }
    Ok(())
}

fn number_of(place: usize) -> i64 {
    place as i64 + 1
}

fn add_events(connection: &Connection, events: &[MovedEvent]) -> Result<()> {
    let mut added: BTreeMap<i64, Added> = BTreeMap::new();
    for event in events {
        add_event(connection, event)?;
        for pair in &event.pairs {
            add_pair(connection, event, pair)?;
            let of = added.entry(number_of(pair.endpoint)).or_default();
            of.bytes += event.bytes;
            match pair.end {
                MovedEnd::Dead { .. } => of.dead += 1,
                MovedEnd::Pending { .. } => of.pending += 1,
            }
            of.listed += i64::from(has_row(pair));
        }
    }
    for (number, of) in added {
        let sql =
            "UPDATE endpoint SET pending = pending + ?2, dead = dead + ?3, listed = listed + ?4,
            bytes = bytes + ?5 WHERE number = ?1";
        let values = params![number, of.pending, of.dead, of.listed, of.bytes];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    let bytes: i64 = events.iter().map(|event| event.bytes).sum();
    let sql =
        "UPDATE total SET events = events + ?1, bytes = bytes + ?2, last_seq = max(last_seq, ?3)";
    let last = events.last().map_or(0, |event| event.seq);
    let values = params![events.len() as i64, bytes, last];
    connection.prepare_cached(sql)?.execute(values)?;
    add_held(connection, events)
}

/// A pair that was never tried stands in its event alone.
fn has_row(pair: &MovedPair) -> bool {
    matches!(pair.end, MovedEnd::Pending { .. }) && !pair.is_new()
}

fn add_event(connection: &Connection, event: &MovedEvent) -> Result<()> {
    let MovedEvent { seq, entry, .. } = event;
    let mut endpoints = String::new();
    for pair in &event.pairs {
        // Writing to a string cannot fail.
        let _ = write!(endpoints, " {} ", number_of(pair.endpoint));
    }
    let sum = sum_of(entry, from_sql(event.bytes));
    let sql = "INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        seq,
        entry.id,
        to_sql(entry.accepted_at_ms),
        event.bytes,
        entry.hook,
        entry.dialect,
        entry.ordering_key,
        entry.operation_id,
        entry.body.as_ref(),
        endpoints,
        checksum_of(*seq, &sum, &endpoints),
    ])?;
    if event.pairs.len() > 1 {
        let sql = "INSERT INTO share VALUES (?1, ?2)";
        let values = [*seq, event.pairs.len() as i64];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

fn add_pair(connection: &Connection, event: &MovedEvent, pair: &MovedPair) -> Result<()> {
    let (number, key) = (number_of(pair.endpoint), &event.entry.ordering_key);
    match &pair.end {
        MovedEnd::Dead { died_at_ms, answer } => {
            let sql =
                "INSERT INTO dead (endpoint, seq, attempts, died_at_ms, reason, replays, answer,
                lane) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            connection.prepare_cached(sql)?.execute(params![
                number,
                event.seq,
                pair.attempts,
                died_at_ms,
                pair.reason,
                pair.replays,
                answer,
                key
            ])?;
        }
        MovedEnd::Pending {
            crashes,
            due_at_ms,
            out_of_order,
        } if has_row(pair) => {
            let sql = "INSERT INTO pair (endpoint, seq, place, due_at_ms, accepted_at_ms, lane,
                attempts, claims, crashes, reason, replays)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
            connection.prepare_cached(sql)?.execute(params![
                number,
                event.seq,
                if *due_at_ms > 0 { 2 } else { 0 },
                due_at_ms,
                to_sql(event.entry.accepted_at_ms),
                if *out_of_order { "" } else { key.as_str() },
                pair.attempts,
                first_claim(u32::try_from(pair.replays).unwrap_or(0)),
                crashes,
                pair.reason,
                pair.replays,
            ])?;
        }
        MovedEnd::Pending { .. } => {}
    }
    Ok(())
}

/// The ids of events, those of near places in one row.
fn add_held(connection: &Connection, events: &[MovedEvent]) -> Result<()> {
    let mut left = events;
    while let Some(first) = left.first().map(|event| event.seq) {
        let (row, rest) = left.split_at(left.partition_point(|it| it.seq < first + ROW_IDS));
        let mut ids = vec![0; (row[row.len() - 1].seq - first + 1) as usize];
        for event in row {
            ids[(event.seq - first) as usize] = u128::from_le_bytes(event.digest);
        }
        let sql = "INSERT INTO held VALUES (?1, ?2)";
        let values = params![first, to_bytes(ids.into_iter())];
        connection.prepare_cached(sql)?.execute(values)?;
        left = rest;
    }
    Ok(())
}

fn add_ids(connection: &Connection, ids: &[MovedId]) -> Result<()> {
    for together in ids.chunk_by(|one, next| one.forget_at_ms == next.forget_at_ms) {
        let digests = together.iter().map(|id| u128::from_le_bytes(id.digest));
        let sql = "INSERT INTO ended (forget_at_ms, ids) VALUES (?1, ?2)";
        let values = params![together[0].forget_at_ms, to_bytes(digests)];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    let sql = "UPDATE total SET remembered_ids = remembered_ids + ?1";
    connection.execute(sql, [ids.len() as i64]).map(drop)
}

fn add_discarded(connection: &Connection, events: &[Discarded]) -> Result<()> {
    for event in events {
        let sql = "INSERT INTO discarded SELECT NULL, number, ?2, ?3, ?4, ?5, ?6, ?7, ?8
            FROM endpoint WHERE name = ?1";
        connection.prepare_cached(sql)?.execute(params![
            event.endpoint,
            event.id,
            event.hook,
            event.ordering_key,
            event.operation_id,
            to_sql(event.accepted_at_ms),
            to_sql(event.discarded_at_ms),
            event.reason,
        ])?;
    }
    Ok(())
}

/// Under half of the digests of their names; of two that stand for the same series the later one.
fn add_series(connection: &Connection, series: &[MovedSeries]) -> Result<()> {
    for one in series {
        let half = one.digest[..8].try_into().expect("it has 16 bytes");
        let lines = one.lines.iter().copied().map(u128::from_le_bytes);
        let sql = "INSERT INTO latest VALUES (?1, ?2, ?3) ON CONFLICT (series) DO UPDATE
            SET forget_at_ms = excluded.forget_at_ms, lines = excluded.lines
            WHERE excluded.forget_at_ms > latest.forget_at_ms";
        let values = params![i64::from_le_bytes(half), one.forget_at_ms, to_bytes(lines)];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

/// Counts what the source counted. The inner error is about the books.
fn count(connection: &Connection, frame: &MoveFrame) -> Result<Done<()>> {
    for place in 0..frame.endpoints.len() {
        let sql = "SELECT pending, dead FROM endpoint WHERE number = ?1";
        let number = number_of(place);
        let found = connection.query_row(sql, [number], |row| {
            Ok(Counts {
                pending: from_sql(row.get(0)?),
                dead: from_sql(row.get(1)?),
                ..Counts::default()
            })
        })?;
        let counts = match frame.check(place, found) {
            Ok(counts) => counts,
            Err(error) => return Ok(Err(error)),
        };
        let sql = "UPDATE endpoint SET accepted = ?2, delivered = ?3, discarded = ?4
            WHERE number = ?1";
        connection.execute(
            sql,
            params![
                number,
                to_sql(counts.accepted),
                to_sql(counts.delivered),
                to_sql(counts.discarded)
            ],
        )?;
    }
    let sql = "UPDATE total SET last_seq = max(last_seq, ?1)";
    connection.execute(sql, [frame.last_seq])?;
    let place = MovePlace::end(frame.entries).to_string();
    connection.execute("UPDATE moving SET place = ?1", [place])?;
    Ok(Ok(()))
}
