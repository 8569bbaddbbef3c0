//! Moving into the database: rows as they stand in the source, each batch in one transaction with the
//! place behind it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::{Connection, Error};
use super::digest::{lane, text, to_sql};
use super::mark;
use super::store::Tx;
use super::tally::{self, ALL};
use crate::outbox::entry::NewEntry;
use crate::outbox::letter::Discarded;
use crate::outbox::moving::{
    MoveError, MoveFrame, MovePlace, MovedBatch, MovedEnd, MovedEvent, MovedId, MovedPair,
    MovedRows, MovedSeries,
};

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What is there that a move must not be mixed with.
pub(super) async fn holds(connection: &Connection) -> Result<Option<String>, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pair), EXISTS (SELECT 1 FROM dead),
        EXISTS (SELECT 1 FROM known), EXISTS (SELECT 1 FROM discarded)";
    let row = &connection.rows(sql, &[]).await?[0];
    let kinds = [
        "pending events",
        "dead letters",
        "ids that it remembers",
        "discarded events",
    ];
    let found = (0..4).filter(|&at| row.get(at)).map(|at| kinds[at]);
    let found: Vec<&str> = found.collect();
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

/// Empties the tables of the outbox; numbers go on.
pub(super) async fn clear(connection: &Connection) -> Result<(), Error> {
    connection
        .run("TRUNCATE event, pair, dead, known, latest, discarded, tally, endpoint")
        .await
}

/// Makes the endpoints known; their numbers, in the order of the frame.
pub(super) async fn add_endpoints(
    connection: &Connection,
    frame: &MoveFrame,
) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::with_capacity(frame.endpoints.len());
    for endpoint in &frame.endpoints {
        let health = &endpoint.health;
        let failing = health.failing_since_ms.map(to_sql);
        let paused = health.paused.as_ref();
        let paused_at = paused.map(|paused| to_sql(paused.at_ms));
        let reason = text(paused.map_or("", |paused| paused.reason.as_str()));
        let sql = "INSERT INTO endpoint (name, failing_since_ms, paused_at_ms, pause_reason)
            VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET
                failing_since_ms = excluded.failing_since_ms,
                paused_at_ms = excluded.paused_at_ms, pause_reason = excluded.pause_reason
            RETURNING number";
        let values: Values<'_> = &[&endpoint.name, &failing, &paused_at, &reason];
        numbers.push(connection.rows(sql, values).await?[0].get(0));
    }
    Ok(numbers)
}

impl Tx<'_> {
    /// Adds rows; `numbers` are those of the endpoints in the order of the frame.
    pub(super) async fn move_in(
        &mut self,
        numbers: &[i64],
        batch: &MovedBatch,
    ) -> Result<(), Error> {
        match &batch.rows {
            MovedRows::Events(events) => self.add_events(numbers, events).await?,
            MovedRows::Ids(ids) => self.add_ids(ids).await?,
            MovedRows::Discarded(events) => self.add_discarded(events).await?,
            MovedRows::Series(series) => self.add_series(series).await?,
        }
        mark::set_place(self.connection, &batch.next).await
    }

    async fn add_events(&mut self, numbers: &[i64], events: &[MovedEvent]) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let pairs = |event: &'_ MovedEvent| event.pairs.len() as i32;
        let mut known: BTreeMap<Uuid, i32> = BTreeMap::new();
        let total = self.tally(ALL);
        for event in events {
            *known.entry(Uuid::from_bytes(event.digest)).or_default() += pairs(event);
            total.bytes += event.bytes;
            total.entries += 1;
        }
        let digests: Vec<Uuid> = known.keys().copied().collect();
        let counts: Vec<i32> = known.values().copied().collect();
        let sql = "INSERT INTO known (digest, pairs)
            SELECT * FROM unnest($1::uuid[], $2::int[]) AS k(digest, pairs) ORDER BY digest
            ON CONFLICT (digest) DO UPDATE SET pairs = known.pairs + excluded.pairs";
        self.connection.rows(sql, &[&digests, &counts]).await?;
        let is_pending = |pair: &MovedPair| matches!(pair.end, MovedEnd::Pending { .. });
        let waiting = events.iter().filter(|it| it.pairs.iter().any(is_pending));
        self.add_bodies(&waiting.collect::<Vec<_>>()).await?;
        let all = events
            .iter()
            .flat_map(|event| event.pairs.iter().map(move |pair| (event, pair)));
        let (pending, dead) = all.partition::<Vec<_>, _>(|(_, pair)| is_pending(pair));
        for (event, pair) in pending.iter().chain(&dead) {
            let tally = self.tally(numbers[pair.endpoint]);
            tally.bytes += event.bytes;
            match is_pending(pair) {
                true => tally.pending += 1,
                false => tally.dead += 1,
            }
        }
        self.add_pairs(numbers, &pending).await?;
        self.add_dead(numbers, &dead).await
    }

    async fn add_bodies(&self, events: &[&MovedEvent]) -> Result<(), Error> {
        let texts = |of: fn(&NewEntry) -> &String| -> Vec<std::borrow::Cow<'_, str>> {
            events.iter().map(|event| text(of(&event.entry))).collect()
        };
        let seqs: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let accepted: Vec<i64> = (events.iter())
            .map(|event| to_sql(event.entry.accepted_at_ms))
            .collect();
        let bodies: Vec<&[u8]> = events.iter().map(|event| &*event.entry.body).collect();
        let sql = "INSERT INTO event (part, seq, accepted_at_ms, id, hook, dialect, ordering_key,
                operation_id, body)
            SELECT $1::bigint, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[],
                $6::text[], $7::text[], $8::text[], $9::bytea[])";
        let part = self.shared.part.load(Ordering::Acquire);
        let values: Values<'_> = &[
            &part,
            &seqs,
            &accepted,
            &texts(|entry| &entry.id),
            &texts(|entry| &entry.hook),
            &texts(|entry| &entry.dialect),
            &texts(|entry| &entry.ordering_key),
            &texts(|entry| &entry.operation_id),
            &bodies,
        ];
        self.connection.rows(sql, values).await.map(drop)
    }

    /// New ones are ready, and a claim sees which of them wait for their ordering keys.
    async fn add_pairs(&self, numbers: &[i64], pairs: &[Placed<'_>]) -> Result<(), Error> {
        let mut own: Vec<(i16, i32, i64, Option<Uuid>)> = Vec::with_capacity(pairs.len());
        for (event, pair) in pairs {
            if let MovedEnd::Pending {
                crashes,
                due_at_ms,
                out_of_order,
            } = pair.end
            {
                let place = if due_at_ms > 0 { 2 } else { 0 };
                let lane = lane(&event.entry.ordering_key).filter(|_| !out_of_order);
                own.push((place, small(crashes), due_at_ms, lane));
            }
        }
        let places: Vec<i16> = own.iter().map(|it| it.0).collect();
        let crashes: Vec<i32> = own.iter().map(|it| it.1).collect();
        let due: Vec<i64> = own.iter().map(|it| it.2).collect();
        let lanes: Vec<Option<Uuid>> = own.iter().map(|it| it.3).collect();
        let columns = Columns::of(numbers, pairs);
        let sql = "INSERT INTO pair (part, endpoint, seq, attempts, replays, accepted_at_ms, bytes,
                digest, reason, place, crashes, due_at_ms, lane)
            SELECT $1::bigint, * FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::int[],
                $6::bigint[], $7::bigint[], $8::uuid[], $9::text[], $10::smallint[], $11::int[],
                $12::bigint[], $13::uuid[])";
        let part = self.shared.part.load(Ordering::Acquire);
        let values: Values<'_> = &[
            &part,
            &columns.endpoints,
            &columns.seqs,
            &columns.attempts,
            &columns.replays,
            &columns.accepted,
            &columns.bytes,
            &columns.digests,
            &columns.reasons,
            &places,
            &crashes,
            &due,
            &lanes,
        ];
        self.connection.rows(sql, values).await.map(drop)
    }

    async fn add_dead(&self, numbers: &[i64], dead: &[Placed<'_>]) -> Result<(), Error> {
        let (mut died, mut answers) = (Vec::new(), Vec::new());
        for (_, pair) in dead {
            if let MovedEnd::Dead { died_at_ms, answer } = &pair.end {
                died.push(*died_at_ms);
                answers.push(text(answer));
            }
        }
        let texts = |of: fn(&NewEntry) -> &String| -> Vec<std::borrow::Cow<'_, str>> {
            dead.iter()
                .map(|(event, _)| text(of(&event.entry)))
                .collect()
        };
        let lanes: Vec<Option<Uuid>> = (dead.iter())
            .map(|(event, _)| lane(&event.entry.ordering_key))
            .collect();
        let bodies: Vec<&[u8]> = dead.iter().map(|(event, _)| &*event.entry.body).collect();
        let columns = Columns::of(numbers, dead);
        let sql = "INSERT INTO dead (endpoint, seq, attempts, replays, accepted_at_ms, bytes, digest,
                reason, died_at_ms, answer, lane, id, hook, dialect, ordering_key, operation_id, body)
            SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bigint[],
                $6::bigint[], $7::uuid[], $8::text[], $9::bigint[], $10::text[], $11::uuid[],
                $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bytea[])";
        let values: Values<'_> = &[
            &columns.endpoints,
            &columns.seqs,
            &columns.attempts,
            &columns.replays,
            &columns.accepted,
            &columns.bytes,
            &columns.digests,
            &columns.reasons,
            &died,
            &answers,
            &lanes,
            &texts(|entry| &entry.id),
            &texts(|entry| &entry.hook),
            &texts(|entry| &entry.dialect),
            &texts(|entry| &entry.ordering_key),
            &texts(|entry| &entry.operation_id),
            &bodies,
        ];
        self.connection.rows(sql, values).await.map(drop)
    }

    async fn add_ids(&mut self, ids: &[MovedId]) -> Result<(), Error> {
        let digests: Vec<Uuid> = ids.iter().map(|id| Uuid::from_bytes(id.digest)).collect();
        let forget: Vec<i64> = ids.iter().map(|id| id.forget_at_ms).collect();
        let sql = "WITH batch AS MATERIALIZED (SELECT nextval('known_ended') << 20 AS number)
            INSERT INTO known (digest, pairs, forget_at_ms, ended)
            SELECT digest, 0, forget_at_ms, batch.number + place
            FROM batch, unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS k(digest, forget_at_ms, place)
            ON CONFLICT (digest) DO NOTHING RETURNING 1";
        let added = self.connection.rows(sql, &[&digests, &forget]).await?;
        self.tally(ALL).remembered += added.len() as i64;
        Ok(())
    }

    async fn add_discarded(&self, events: &[Discarded]) -> Result<(), Error> {
        for event in events {
            let sql = "INSERT INTO discarded (endpoint, id, hook, ordering_key, operation_id,
                    accepted_at_ms, discarded_at_ms, reason)
                SELECT number, $2, $3, $4, $5, $6, $7, $8 FROM endpoint WHERE name = $1";
            let values: Values<'_> = &[
                &event.endpoint,
                &text(&event.id),
                &text(&event.hook),
                &text(&event.ordering_key),
                &text(&event.operation_id),
                &to_sql(event.accepted_at_ms),
                &to_sql(event.discarded_at_ms),
                &text(&event.reason),
            ];
            self.connection.rows(sql, values).await?;
        }
        Ok(())
    }

    async fn add_series(&self, series: &[MovedSeries]) -> Result<(), Error> {
        for one in series {
            let lines = one.lines.iter().copied().map(Uuid::from_bytes);
            let lines: Vec<Uuid> = lines.collect();
            let sql = "INSERT INTO latest VALUES ($1, $2, $3) ON CONFLICT (series) DO NOTHING";
            let values: Values<'_> = &[&Uuid::from_bytes(one.digest), &one.forget_at_ms, &lines];
            self.connection.rows(sql, values).await?;
        }
        Ok(())
    }

    /// Counts what the source counted. The inner error is about the books.
    pub(super) async fn count_moved(
        &mut self,
        numbers: &[i64],
        frame: &MoveFrame,
    ) -> Result<Result<(), MoveError>, Error> {
        let sums = tally::sums(self.connection).await?;
        for (place, number) in numbers.iter().enumerate() {
            let found = sums.get(number).copied().unwrap_or_default();
            let counts = match frame.check(place, found.counts()) {
                Ok(counts) => counts,
                Err(error) => return Ok(Err(error)),
            };
            let tally = self.tally(*number);
            tally.accepted = to_sql(counts.accepted) - found.accepted;
            tally.delivered = to_sql(counts.delivered) - found.delivered;
            tally.discarded = to_sql(counts.discarded) - found.discarded;
        }
        let sql = "SELECT setval('event_seq', greatest($1, last_value)) FROM event_seq
            WHERE $1 > 0 AND $1 >= last_value";
        self.connection.rows(sql, &[&frame.last_seq]).await?;
        mark::set_place(self.connection, &MovePlace::end(frame.entries)).await?;
        Ok(Ok(()))
    }
}

/// A pair with its event.
type Placed<'a> = (&'a MovedEvent, &'a MovedPair);

/// What pending and dead pairs have in common.
struct Columns<'a> {
    endpoints: Vec<i64>,
    seqs: Vec<i64>,
    attempts: Vec<i32>,
    replays: Vec<i32>,
    accepted: Vec<i64>,
    bytes: Vec<i64>,
    digests: Vec<Uuid>,
    reasons: Vec<std::borrow::Cow<'a, str>>,
}

impl<'a> Columns<'a> {
    fn of(numbers: &[i64], pairs: &[Placed<'a>]) -> Columns<'a> {
        let small_ones = |of: fn(&MovedPair) -> i64| -> Vec<i32> {
            pairs.iter().map(|(_, pair)| small(of(pair))).collect()
        };
        let of_events = |of: fn(&MovedEvent) -> i64| -> Vec<i64> {
            pairs.iter().map(|(event, _)| of(event)).collect()
        };
        let digests = pairs
            .iter()
            .map(|(event, _)| Uuid::from_bytes(event.digest));
        Columns {
            endpoints: (pairs.iter())
                .map(|(_, pair)| numbers[pair.endpoint])
                .collect(),
            seqs: of_events(|event| event.seq),
            attempts: small_ones(|pair| pair.attempts),
            replays: small_ones(|pair| pair.replays),
            accepted: of_events(|event| to_sql(event.entry.accepted_at_ms)),
            bytes: of_events(|event| event.bytes),
            digests: digests.collect(),
            reasons: pairs.iter().map(|(_, pair)| text(&pair.reason)).collect(),
        }
    }
}

/// Of a counter that is small.
fn small(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
