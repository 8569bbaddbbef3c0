//! Moving out of the database: everything is read in the order in which it goes over, and left.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connect::{Connection, Error};
use super::digest::from_sql;
use super::tally::{self, ALL};
use crate::outbox::entry::{AsRead, Health, NewEntry, Paused};
use crate::outbox::letter::Discarded;
use crate::outbox::moving::{
    BATCH_BYTES, BATCH_ROWS, MoveFrame, MovePlace, MovedBatch, MovedEnd, MovedEndpoint, MovedEvent,
    MovedId, MovedPair, MovedRows, MovedSeries, Part,
};

const ROWS: i64 = BATCH_ROWS as i64;

/// The endpoints in the order of the frame.
#[derive(Default)]
pub(super) struct Numbers {
    numbers: Vec<i64>,
    places: HashMap<i64, usize>,
}

pub(super) async fn frame(connection: &Connection) -> Result<(MoveFrame, Numbers), Error> {
    let sums = tally::sums(connection).await?;
    let sql = "SELECT number, name, failing_since_ms, paused_at_ms, pause_reason FROM endpoint
        ORDER BY number";
    let mut numbers = Numbers::default();
    let mut endpoints = Vec::new();
    for row in connection.rows(sql, &[]).await? {
        let number: i64 = row.get(0);
        numbers.places.insert(number, endpoints.len());
        numbers.numbers.push(number);
        let sum = sums.get(&number).copied().unwrap_or_default();
        endpoints.push(MovedEndpoint {
            name: row.get(1),
            health: health(&row),
            counts: sum.counts(),
        });
    }
    let sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq";
    let last_seq = connection.rows(sql, &[]).await?[0].get(0);
    let all = sums.get(&ALL).copied().unwrap_or_default();
    let frame = MoveFrame {
        endpoints,
        last_seq,
        entries: from_sql(all.entries),
        remembered_ids: from_sql(all.remembered),
    };
    Ok((frame, numbers))
}

fn health(row: &Row) -> Health {
    let paused_at_ms: Option<i64> = row.get(3);
    Health {
        failing_since_ms: row.get::<_, Option<i64>>(2).map(from_sql),
        paused: paused_at_ms.map(|at_ms| Paused {
            at_ms: from_sql(at_ms),
            reason: row.get(4),
        }),
    }
}

/// Some rows behind a place; `None` at the end.
pub(super) async fn read(
    connection: &Connection,
    numbers: &Numbers,
    place: &MovePlace,
) -> Result<Option<MovedBatch>, Error> {
    let bad = |_| Error::Failed(format!("`{place}` is no place in it"));
    let number = || match place.after.as_str() {
        "" => Ok(0),
        after => after.parse::<i64>().map_err(bad),
    };
    let (rows, after, count) = match place.part {
        Part::Events => events(connection, numbers, number()?).await?,
        Part::Ids => ids(connection, &place.after).await?,
        Part::Discarded => discarded(connection, numbers, number()?).await?,
        Part::Series => series(connection, &place.after).await?,
        Part::End => return Ok(None),
    };
    let next = match after {
        Some(after) => place.behind(after, count),
        None => place.next_part(),
    };
    Ok(Some(MovedBatch { rows, next }))
}

/// Rows, what is behind them, and how many events are among them.
type Read = (MovedRows, Option<String>, usize);

async fn events(connection: &Connection, numbers: &Numbers, after: i64) -> Result<Read, Error> {
    let sql = "SELECT seq, max(bytes) FROM endpoint CROSS JOIN LATERAL (
            (SELECT seq, bytes FROM pair WHERE pair.endpoint = endpoint.number AND seq > $1
                ORDER BY seq LIMIT $2)
            UNION ALL
            (SELECT seq, bytes FROM dead WHERE dead.endpoint = endpoint.number AND seq > $1
                ORDER BY seq LIMIT $2)) AS waiting
        GROUP BY seq ORDER BY seq LIMIT $2";
    let rows = connection.rows(sql, &[&after, &ROWS]).await?;
    let mut bytes = 0;
    let mut last = None;
    for row in &rows {
        bytes += from_sql(row.get(1));
        if last.is_some() && bytes > BATCH_BYTES {
            break;
        }
        last = Some(row.get::<_, i64>(0));
    }
    let Some(last) = last else {
        return Ok((MovedRows::Events(Vec::new()), None, 0));
    };
    let events = between(connection, numbers, after, last).await?;
    let count = events.len();
    Ok((MovedRows::Events(events), Some(last.to_string()), count))
}

/// The events behind a place up to another one, that one included.
async fn between(
    connection: &Connection,
    numbers: &Numbers,
    after: i64,
    last: i64,
) -> Result<Vec<MovedEvent>, Error> {
    let mut events: BTreeMap<i64, MovedEvent> = BTreeMap::new();
    let all = &numbers.numbers;
    // Bodies once, however many wait for them.
    let sql = "SELECT event.seq, waiting.bytes, waiting.digest, id, hook, dialect, ordering_key,
            operation_id, accepted_at_ms, body
        FROM (SELECT part, seq, max(bytes) AS bytes, (array_agg(digest))[1] AS digest FROM pair
            WHERE endpoint = ANY($1) AND seq > $2 AND seq <= $3 GROUP BY part, seq) AS waiting
        JOIN event ON event.part = waiting.part AND event.seq = waiting.seq";
    for row in connection.rows(sql, &[all, &after, &last]).await? {
        events.insert(row.get(0), event(&row));
    }
    let sql = "SELECT seq, bytes, digest, id, hook, dialect, ordering_key, operation_id,
            accepted_at_ms, body, endpoint, attempts, replays, reason, died_at_ms, answer
        FROM dead WHERE endpoint = ANY($1) AND seq > $2 AND seq <= $3";
    for row in connection.rows(sql, &[all, &after, &last]).await? {
        let end = MovedEnd::Dead {
            died_at_ms: row.get(14),
            answer: row.get(15),
        };
        let event = events.entry(row.get(0)).or_insert_with(|| event(&row));
        event.pairs.push(pair(numbers, &row, 10, end));
    }
    let sql = "SELECT seq, endpoint, attempts, replays, reason, crashes, due_at_ms, lane IS NULL
        FROM pair WHERE endpoint = ANY($1) AND seq > $2 AND seq <= $3";
    for row in connection.rows(sql, &[all, &after, &last]).await? {
        let seq: i64 = row.get(0);
        let gone = || Error::Failed(format!("event {seq} is pending, and it is not there"));
        let event = events.get_mut(&seq).ok_or_else(gone)?;
        let end = MovedEnd::Pending {
            crashes: row.get::<_, i32>(5).into(),
            due_at_ms: row.get(6),
            out_of_order: row.get::<_, bool>(7) && !event.entry.ordering_key.is_empty(),
        };
        event.pairs.push(pair(numbers, &row, 1, end));
    }
    for event in events.values_mut() {
        event.pairs.sort_by_key(|pair| pair.endpoint);
    }
    Ok(events.into_values().collect())
}

fn event(row: &Row) -> MovedEvent {
    MovedEvent {
        seq: row.get(0),
        bytes: row.get(1),
        digest: row.get::<_, Uuid>(2).into_bytes(),
        entry: NewEntry {
            id: row.get(3),
            hook: row.get(4),
            dialect: row.get(5),
            ordering_key: row.get(6),
            operation_id: row.get(7),
            accepted_at_ms: from_sql(row.get(8)),
            body: Bytes::from(row.get::<_, Vec<u8>>(9)),
            endpoints: Vec::new(),
            series: None,
            read: AsRead::default(),
        },
        pairs: Vec::new(),
    }
}

/// From `endpoint, attempts, replays, reason` at a column.
fn pair(numbers: &Numbers, row: &Row, at: usize, end: MovedEnd) -> MovedPair {
    MovedPair {
        endpoint: numbers.places[&row.get::<_, i64>(at)],
        attempts: row.get::<_, i32>(at + 1).into(),
        replays: row.get::<_, i32>(at + 2).into(),
        reason: row.get(at + 3),
        end,
    }
}

async fn ids(connection: &Connection, after: &str) -> Result<Read, Error> {
    let (time, end) = after.split_once('-').unwrap_or_default();
    let (time, end): (i64, i64) = (time.parse().unwrap_or(0), end.parse().unwrap_or(0));
    let sql = "SELECT digest, forget_at_ms, ended FROM known
        WHERE forget_at_ms IS NOT NULL AND (forget_at_ms, ended) > ($1, $2)
        ORDER BY forget_at_ms, ended LIMIT $3";
    let most = 8 * ROWS;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&time, &end, &most];
    let rows = connection.rows(sql, &values).await?;
    let of = |row: &Row| MovedId {
        digest: row.get::<_, Uuid>(0).into_bytes(),
        forget_at_ms: row.get(1),
    };
    let last = rows.last();
    let after = last.map(|row| format!("{}-{}", row.get::<_, i64>(1), row.get::<_, i64>(2)));
    Ok((MovedRows::Ids(rows.iter().map(of).collect()), after, 0))
}

async fn discarded(connection: &Connection, numbers: &Numbers, after: i64) -> Result<Read, Error> {
    let sql =
        "SELECT discarded.number, endpoint.number, name, id, hook, ordering_key, operation_id,
            accepted_at_ms, discarded_at_ms, reason
        FROM (SELECT * FROM discarded WHERE number > $1 ORDER BY number LIMIT $2) AS discarded
        JOIN endpoint ON endpoint.number = discarded.endpoint ORDER BY discarded.number";
    let rows = connection.rows(sql, &[&after, &ROWS]).await?;
    let known = rows
        .iter()
        .filter(|row| numbers.places.contains_key(&row.get::<_, i64>(1)));
    let of = |row: &Row| Discarded {
        endpoint: row.get(2),
        id: row.get(3),
        hook: row.get(4),
        ordering_key: row.get(5),
        operation_id: row.get(6),
        accepted_at_ms: from_sql(row.get(7)),
        discarded_at_ms: from_sql(row.get(8)),
        reason: row.get(9),
    };
    let after = rows.last().map(|row| row.get::<_, i64>(0).to_string());
    Ok((MovedRows::Discarded(known.map(of).collect()), after, 0))
}

async fn series(connection: &Connection, after: &str) -> Result<Read, Error> {
    let after = Uuid::parse_str(after).unwrap_or_default();
    let sql =
        "SELECT series, forget_at_ms, lines FROM latest WHERE series > $1 AND forget_at_ms > 0
        ORDER BY series LIMIT $2";
    let rows = connection.rows(sql, &[&after, &ROWS]).await?;
    let of = |row: &Row| MovedSeries {
        digest: row.get::<_, Uuid>(0).into_bytes(),
        forget_at_ms: row.get(1),
        lines: (row.get::<_, Vec<Uuid>>(2).into_iter())
            .map(Uuid::into_bytes)
            .collect(),
    };
    let last = rows.last();
    let after = last.map(|row| row.get::<_, Uuid>(0).to_string());
    Ok((MovedRows::Series(rows.iter().map(of).collect()), after, 0))
}
