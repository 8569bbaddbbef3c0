//! Moving out of the file: everything is read in the order in which it goes over.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::counters::{Counters, numbers};
use super::event::{Stored, lossy};
use super::file;
use super::ids::{digest, digests};
use super::number::{from_sql, to_sql};
use super::store::Store;
use crate::outbox::config::Config;
use crate::outbox::letter::Discarded;
use crate::outbox::move_mark::{self, beside, sync_folder};
use crate::outbox::moving::{
    BATCH_BYTES, BATCH_ROWS, MoveError, MoveFrame, MoveMark, MovePlace, MoveSide, MoveSource,
    MovedBatch, MovedEnd, MovedEndpoint, MovedEvent, MovedId, MovedPair, MovedRows, MovedSeries,
    Part,
};
use crate::outbox::rules::DAMAGED;

const ROWS: i64 = BATCH_ROWS as i64;
/// Ids of a batch, a row of them more or less.
const IDS: usize = 8 * BATCH_ROWS;

/// A file that nobody else uses, as a source.
pub(in crate::outbox) struct MoveOut {
    config: Config,
    now_ms: u64,
    /// Opened when it is first needed, and then held.
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    /// Numbers of endpoints, and up to where each of their pairs has ended or has a row.
    endpoints: Vec<(i64, i64)>,
    frame: MoveFrame,
}

impl MoveOut {
    /// `now_ms` is the time at which a damaged event becomes a dead letter.
    pub(in crate::outbox) fn new(config: &Config, now_ms: u64) -> MoveOut {
        MoveOut {
            config: config.clone(),
            now_ms,
            open: None,
        }
    }

    fn path(&self) -> &Path {
        &self.config.path
    }

    fn open(&mut self) -> std::result::Result<&Open, MoveError> {
        if self.open.is_none() {
            if !self.path().exists() {
                let why = "there is no outbox in this place; `outbox.path` of engine.yaml names it";
                return Err(MoveError::Failed(format!(
                    "`{}`: {why}",
                    self.path().display()
                )));
            }
            let failed = |error| file::failed(&self.config.path, &error);
            // A start and an end, so that nothing is in flight and one file has all of it.
            Store::open(&self.config)?.close().map_err(failed)?;
            let connection = file::open(&self.config.path)?;
            self.open = Some(Open::new(connection).map_err(failed)?);
        }
        Ok(self.open.as_ref().expect("it was just made"))
    }
}

#[async_trait]
impl MoveSide for MoveOut {
    fn name(&self) -> String {
        format!("the file `{}`", self.path().display())
    }

    async fn mark(&mut self) -> std::result::Result<Option<MoveMark>, MoveError> {
        Ok(move_mark::read(self.path())?)
    }

    async fn set_mark(&mut self, mark: Option<&MoveMark>) -> std::result::Result<(), MoveError> {
        if mark.is_some() && self.is_in_place() {
            self.open()?;
        }
        move_mark::write(self.path(), mark).map_err(|error| failed(self.path(), error))
    }

    /// Who has a file has the data directory, which is asked for before.
    async fn used_by(&mut self) -> std::result::Result<Option<String>, MoveError> {
        Ok(None)
    }
}

#[async_trait]
impl MoveSource for MoveOut {
    async fn frame(&mut self) -> std::result::Result<MoveFrame, MoveError> {
        Ok(self.open()?.frame.clone())
    }

    async fn read(
        &mut self,
        place: &MovePlace,
    ) -> std::result::Result<Option<MovedBatch>, MoveError> {
        let now_ms = self.now_ms;
        let read = self.open()?.read(place, now_ms);
        read.map_err(|error| failed(self.path(), error))
    }

    /// Under another name, where no start finds it.
    async fn put_aside(&mut self) -> std::result::Result<Option<String>, MoveError> {
        if !self.is_in_place() {
            return Ok(None);
        }
        if let Some(open) = self.open.take() {
            let closed = open.connection.close().map_err(|(_, error)| error);
            closed.map_err(|error| failed(self.path(), error))?;
        }
        let aside = self.aside();
        for ending in ["-reserve", "-claims"] {
            // Of use to nobody any more; one that stays does no harm.
            let _ = fs::remove_file(beside(self.path(), ending));
        }
        // The log first: read into another file it would damage that.
        for ending in ["-wal", ""] {
            let (from, to) = (beside(self.path(), ending), beside(&aside, ending));
            if from.exists() {
                fs::rename(&from, &to).map_err(|error| failed(self.path(), error))?;
            }
        }
        sync_folder(self.path()).map_err(|error| failed(self.path(), error))?;
        Ok(Some(aside.display().to_string()))
    }

    fn is_in_place(&self) -> bool {
        self.path().exists()
    }
}

impl MoveOut {
    fn aside(&self) -> PathBuf {
        beside(self.path(), &format!(".moved-{}", self.now_ms))
    }
}

pub(super) fn failed(path: &Path, error: impl std::fmt::Display) -> MoveError {
    MoveError::Failed(format!("`{}`: {error}", path.display()))
}

/// Rows, what is behind them, and how many events are among them.
type Read = (MovedRows, Option<i64>, usize);

impl Open {
    fn new(connection: Connection) -> Result<Open> {
        let counters = Counters::load(&connection)?;
        let mut frame = MoveFrame {
            endpoints: Vec::new(),
            last_seq: counters.last_seq,
            entries: counters.events,
            remembered_ids: counters.remembered_ids,
        };
        let mut endpoints = Vec::new();
        for (&number, endpoint) in &counters.endpoints {
            endpoints.push((number, counters.looked_to(number)));
            frame.endpoints.push(MovedEndpoint {
                name: endpoint.name.clone(),
                health: endpoint.health.clone(),
                counts: endpoint.counts,
            });
        }
        Ok(Open {
            connection,
            endpoints,
            frame,
        })
    }

    fn read(&self, place: &MovePlace, now_ms: u64) -> Result<Option<MovedBatch>> {
        let after = place.after.parse();
        let (rows, after, count) = match place.part {
            Part::Events => self.events(after.unwrap_or(0), now_ms)?,
            Part::Ids => self.ids(after.unwrap_or(0))?,
            Part::Discarded => self.discarded(after.unwrap_or(0))?,
            Part::Series => self.series(after.unwrap_or(i64::MIN))?,
            Part::End => return Ok(None),
        };
        let next = match after {
            Some(after) => place.behind(after, count),
            None => place.next_part(),
        };
        Ok(Some(MovedBatch { rows, next }))
    }

    fn events(&self, after: i64, now_ms: u64) -> Result<Read> {
        let sql = "SELECT seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body,
            endpoints, checksum FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([after, ROWS])?;
        let (mut events, mut last, mut bytes) = (Vec::new(), None, 0);
        while bytes < BATCH_BYTES
            && let Some(row) = rows.next()?
        {
            let stored = Stored::read(row)?;
            last = Some(stored.seq);
            bytes += stored.entry.body.len() as u64;
            let pairs = self.pairs(&stored, now_ms)?;
            if !pairs.is_empty() {
                events.push(MovedEvent {
                    seq: stored.seq,
                    digest: digest(&stored.entry.id).to_le_bytes(),
                    bytes: stored.bytes,
                    entry: stored.entry,
                    pairs,
                });
            }
        }
        let count = events.len();
        Ok((MovedRows::Events(events), last, count))
    }

    /// What an event is to its endpoints. One that is damaged is told to nobody: it is dead.
    fn pairs(&self, stored: &Stored, now_ms: u64) -> Result<Vec<MovedPair>> {
        let mut pairs = Vec::new();
        for (place, &(endpoint, looked_to)) in self.endpoints.iter().enumerate() {
            let found = match self.listed(place, endpoint, stored)? {
                None => self.dead(place, endpoint, stored.seq)?,
                listed => listed,
            };
            let is_named = || numbers(&stored.numbers).any(|named| named == endpoint);
            let found = match found {
                None if stored.seq > looked_to
                    && is_named()
                    && !self.is_done(endpoint, stored.seq)? =>
                {
                    Some(MovedPair::new(place))
                }
                found => found,
            };
            let Some(mut pair) = found else { continue };
            if !stored.sound && matches!(pair.end, MovedEnd::Pending { .. }) {
                DAMAGED.clone_into(&mut pair.reason);
                pair.end = MovedEnd::Dead {
                    died_at_ms: to_sql(now_ms),
                    answer: String::new(),
                };
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// A pair with a row.
    fn listed(&self, place: usize, endpoint: i64, stored: &Stored) -> Result<Option<MovedPair>> {
        let sql = "SELECT attempts, replays, reason, crashes, due_at_ms, lane FROM pair
            WHERE endpoint = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let pair = statement.query_row([endpoint, stored.seq], |row| {
            Ok(MovedPair {
                endpoint: place,
                attempts: row.get(0)?,
                replays: row.get(1)?,
                reason: lossy(row, 2)?,
                end: MovedEnd::Pending {
                    crashes: row.get(3)?,
                    due_at_ms: row.get(4)?,
                    out_of_order: lossy(row, 5)? != stored.entry.ordering_key,
                },
            })
        });
        pair.optional()
    }

    fn dead(&self, place: usize, endpoint: i64, seq: i64) -> Result<Option<MovedPair>> {
        let sql = "SELECT attempts, replays, reason, died_at_ms, answer FROM dead
            WHERE endpoint = ?1 AND seq = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let pair = statement.query_row([endpoint, seq], |row| {
            Ok(MovedPair {
                endpoint: place,
                attempts: row.get(0)?,
                replays: row.get(1)?,
                reason: lossy(row, 2)?,
                end: MovedEnd::Dead {
                    died_at_ms: row.get(3)?,
                    answer: lossy(row, 4)?,
                },
            })
        });
        pair.optional()
    }

    fn is_done(&self, endpoint: i64, seq: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM done WHERE seq = ?1 AND endpoint = ?2";
        self.connection.prepare_cached(sql)?.exists([seq, endpoint])
    }

    fn ids(&self, after: i64) -> Result<Read> {
        let sql = "SELECT number, forget_at_ms, ids FROM ended WHERE number > ?1 ORDER BY number";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([after])?;
        let (mut ids, mut last) = (Vec::new(), None);
        while ids.len() < IDS
            && let Some(row) = rows.next()?
        {
            last = Some(row.get(0)?);
            let forget_at_ms = row.get(1)?;
            ids.extend(digests(row.get_ref(2)?.as_blob()?).map(|digest| MovedId {
                digest: digest.to_le_bytes(),
                forget_at_ms,
            }));
        }
        Ok((MovedRows::Ids(ids), last, 0))
    }

    fn discarded(&self, after: i64) -> Result<Read> {
        let sql = "SELECT discarded.number, name, id, hook, lane, operation_id, accepted_at_ms,
                discarded_at_ms, reason
            FROM discarded JOIN endpoint ON endpoint.number = discarded.endpoint
            WHERE discarded.number > ?1 ORDER BY discarded.number LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let of = |row: &Row<'_>| {
            let event = Discarded {
                endpoint: lossy(row, 1)?,
                id: lossy(row, 2)?,
                hook: lossy(row, 3)?,
                ordering_key: lossy(row, 4)?,
                operation_id: lossy(row, 5)?,
                accepted_at_ms: from_sql(row.get(6)?),
                discarded_at_ms: from_sql(row.get(7)?),
                reason: lossy(row, 8)?,
            };
            Ok((row.get::<_, i64>(0)?, event))
        };
        let rows = statement.query_map(params![after, ROWS], of)?;
        let (numbers, events): (Vec<i64>, Vec<_>) =
            rows.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((MovedRows::Discarded(events), numbers.last().copied(), 0))
    }

    fn series(&self, after: i64) -> Result<Read> {
        let sql = "SELECT series, forget_at_ms, lines FROM latest WHERE series > ?1
            ORDER BY series LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let of = |row: &Row<'_>| {
            let number: i64 = row.get(0)?;
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            let lines = digests(row.get_ref(2)?.as_blob()?);
            let series = MovedSeries {
                digest,
                forget_at_ms: row.get(1)?,
                lines: lines.map(u128::to_le_bytes).collect(),
            };
            Ok((number, series))
        };
        let rows = statement.query_map(params![after, ROWS], of)?;
        let (numbers, series): (Vec<i64>, Vec<_>) =
            rows.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((MovedRows::Series(series), numbers.last().copied(), 0))
    }
}
