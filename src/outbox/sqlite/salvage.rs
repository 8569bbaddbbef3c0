//! Reading a file that may be damaged: whatever can be read is, and what cannot is stepped over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::counters::{UNCOUNTED_MAX, numbers};
use super::event::{Stored, lossy};
use super::file;
use super::number::from_sql;
use crate::outbox::entry::{Counts, Health, Paused};
use crate::outbox::error::OpenError;

/// Places that are tried behind the last one that could be read, where the file does not say how
/// many there are.
const BEHIND_MAX: i64 = 1_000_000;

/// One endpoint as the file has it.
pub(super) struct Endpoint {
    pub name: String,
    pub counts: Counts,
    pub health: Health,
    /// Pairs behind this place stand in their events alone.
    pub looked_to: i64,
}

/// What is known of a pair beside its event.
#[derive(Clone, Debug)]
pub(super) enum Pair {
    Pending {
        due_at_ms: i64,
        out_of_order: bool,
        attempts: i64,
        claims: i64,
        crashes: i64,
        reason: String,
        replays: i64,
    },
    Dead {
        attempts: i64,
        died_at_ms: i64,
        reason: String,
        replays: i64,
        answer: String,
    },
}

/// Everything but the events.
pub(super) struct Frame {
    pub last_seq: i64,
    pub endpoints: BTreeMap<i64, Endpoint>,
    pub pairs: HashMap<(i64, i64), Pair>,
    /// Pairs that ended, of events that are here for others.
    pub done: HashSet<(i64, i64)>,
    /// Endpoints of which some pairs could not be read.
    pub torn: Vec<i64>,
}

/// Opens an existing file of the newest schema, or brings it there, and holds its lock.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    exists(path)?;
    file::open(path)
}

/// The same without a change of the file, whatever its schema.
pub(super) fn open_to_look(path: &Path) -> Result<Connection, OpenError> {
    exists(path)?;
    file::open_to_look(path)
}

fn exists(path: &Path) -> Result<(), OpenError> {
    match path.exists() {
        true => Ok(()),
        false => Err(OpenError::Failed {
            path: path.to_owned(),
            why: "there is no such file".to_owned(),
        }),
    }
}

impl Frame {
    /// Errors: the endpoints cannot be read, without which nothing else says anything.
    pub(super) fn read(connection: &Connection) -> Result<Frame> {
        let endpoints = endpoints(connection)?;
        let sql = "SELECT last_seq FROM total";
        let last = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let last_seq = last.or_else(|_| {
            let sql = "SELECT seq FROM event ORDER BY seq DESC LIMIT 1";
            connection.query_row(sql, [], |row| row.get(0))
        });
        let mut frame = Frame {
            last_seq: last_seq.unwrap_or(BEHIND_MAX),
            endpoints,
            pairs: HashMap::new(),
            done: HashSet::new(),
            torn: Vec::new(),
        };
        let numbers: Vec<i64> = frame.endpoints.keys().copied().collect();
        for endpoint in numbers {
            let whole = frame.read_pairs(connection, endpoint, PENDING, pending_of)
                & frame.read_pairs(connection, endpoint, DEAD, dead_of);
            if !whole {
                frame.torn.push(endpoint);
            }
        }
        frame.count_events(connection);
        // One that cannot be read is told again, which is no loss.
        let _ = frame.read_done(connection);
        Ok(frame)
    }

    /// Counts the events in, as far as they can be read, that the counters do not know yet.
    fn count_events(&mut self, connection: &Connection) {
        let count = |frame: &mut Frame| -> Result<()> {
            let sql = "SELECT seq, endpoints FROM event WHERE seq > ?1 ORDER BY seq";
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([frame.last_seq])?;
            while let Some(row) = rows.next()? {
                frame.last_seq = row.get(0)?;
                for number in numbers(&lossy(row, 1)?) {
                    if let Some(endpoint) = frame.endpoints.get_mut(&number) {
                        endpoint.counts.accepted += 1;
                        endpoint.counts.pending += 1;
                    }
                }
            }
            Ok(())
        };
        // What is behind one that cannot be read is found by its place.
        if count(self).is_err() {
            self.last_seq += UNCOUNTED_MAX;
        }
    }

    fn read_done(&mut self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare("SELECT endpoint, seq FROM done")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.done.insert((row.get(0)?, row.get(1)?));
        }
        Ok(())
    }

    /// Whether all of them could be read.
    fn read_pairs(
        &mut self,
        connection: &Connection,
        endpoint: i64,
        sql: &str,
        of: fn(&Row<'_>) -> Result<(i64, Pair)>,
    ) -> bool {
        let mut pairs = Vec::new();
        let whole = step_over(
            self.last_seq,
            |after| {
                let mut statement = connection.prepare_cached(sql)?;
                statement.query_row(params![endpoint, after], of).optional()
            },
            |found| match found {
                Found::There(seq, pair) => pairs.push(((endpoint, seq), pair)),
                Found::Unreadable(..) => {}
            },
        );
        self.pairs.extend(pairs);
        whole
    }

    /// The endpoints that an event is pending or dead for, each with what is known of the pair.
    /// One of which it cannot be known is pending: told again rather than lost.
    pub(super) fn pairs_of(&self, stored: &Stored) -> Vec<(i64, Option<Pair>)> {
        let mut pairs = Vec::new();
        for (&endpoint, of) in &self.endpoints {
            let is_named = stored.numbers.contains(&format!(" {endpoint} "));
            match self.pairs.get(&(endpoint, stored.seq)) {
                Some(pair) => pairs.push((endpoint, Some(pair.clone()))),
                None if is_named
                    && !self.done.contains(&(endpoint, stored.seq))
                    && (stored.seq > of.looked_to || self.torn.contains(&endpoint)) =>
                {
                    pairs.push((endpoint, None));
                }
                None => {}
            }
        }
        pairs
    }
}

/// What is found behind a place.
pub(super) enum Found<T> {
    There(i64, T),
    /// From the one to the other, as far as can be told.
    Unreadable(i64, i64),
}

/// Every event, in its order; whether all could be read.
pub(super) fn events(
    connection: &Connection,
    last_seq: i64,
    each: impl FnMut(Found<Stored>),
) -> bool {
    let next = |after: i64| {
        let sql = "SELECT seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body,
            endpoints, checksum FROM event WHERE seq > ?1 ORDER BY seq LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        let stored = statement.query_row([after], Stored::read).optional()?;
        Ok(stored.map(|stored| (stored.seq, stored)))
    };
    step_over(last_seq, next, each)
}

/// Goes from each to the next, and past what gives an error, place by place.
fn step_over<T>(
    last_seq: i64,
    next: impl Fn(i64) -> Result<Option<(i64, T)>>,
    mut each: impl FnMut(Found<T>),
) -> bool {
    let mut after = 0;
    let mut torn_from = None;
    let mut whole = true;
    while after <= last_seq {
        match next(after) {
            // A row that leads backwards is as bad as none.
            Ok(Some((seq, found))) if seq > after => {
                if let Some(from) = torn_from.take() {
                    each(Found::Unreadable(from, seq - 1));
                }
                each(Found::There(seq, found));
                after = seq;
            }
            Ok(None) => break,
            Ok(Some(_)) | Err(_) => {
                whole = false;
                torn_from.get_or_insert(after + 1);
                after += 1;
            }
        }
    }
    if let Some(from) = torn_from {
        each(Found::Unreadable(from, last_seq));
    }
    whole
}

fn endpoints(connection: &Connection) -> Result<BTreeMap<i64, Endpoint>> {
    let sql = "SELECT number, name, accepted, delivered, dead, discarded, pending, in_flight,
        failing_since_ms, paused_at_ms, pause_reason, looked_to FROM endpoint";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let count = |place| row.get(place).map(from_sql);
        let paused_at_ms: Option<i64> = row.get(9)?;
        let endpoint = Endpoint {
            name: lossy(row, 1)?,
            counts: Counts {
                accepted: count(2)?,
                delivered: count(3)?,
                dead: count(4)?,
                discarded: count(5)?,
                pending: count(6)?,
                in_flight: count(7)?,
            },
            health: Health {
                failing_since_ms: row.get::<_, Option<i64>>(8)?.map(from_sql),
                paused: match paused_at_ms {
                    Some(at_ms) => Some(Paused {
                        at_ms: from_sql(at_ms),
                        reason: lossy(row, 10)?,
                    }),
                    None => None,
                },
            },
            looked_to: row.get(11)?,
        };
        Ok((row.get(0)?, endpoint))
    })?;
    rows.collect()
}

const PENDING: &str = "SELECT seq, due_at_ms, lane = '', attempts, claims, crashes, reason, replays
    FROM pair WHERE endpoint = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";

fn pending_of(row: &Row<'_>) -> Result<(i64, Pair)> {
    let pair = Pair::Pending {
        due_at_ms: row.get(1)?,
        out_of_order: row.get(2)?,
        attempts: row.get(3)?,
        claims: row.get(4)?,
        crashes: row.get(5)?,
        reason: lossy(row, 6)?,
        replays: row.get(7)?,
    };
    Ok((row.get(0)?, pair))
}

const DEAD: &str = "SELECT seq, attempts, died_at_ms, reason, replays, answer
    FROM dead WHERE endpoint = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";

fn dead_of(row: &Row<'_>) -> Result<(i64, Pair)> {
    let pair = Pair::Dead {
        attempts: row.get(1)?,
        died_at_ms: row.get(2)?,
        reason: lossy(row, 3)?,
        replays: row.get(4)?,
        answer: lossy(row, 5)?,
    };
    Ok((row.get(0)?, pair))
}
