//! Pairs that end: what is known of their ids, and what is kept of those that end by somebody's will.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::{Connection, Error};
use super::digest::to_sql;
use super::store::{Shared, Tx, lock};
use super::tally::ALL;
use crate::outbox::rules::forget_at_ms;

impl Tx<'_> {
    /// Pairs of events have ended, in this order; an event's last one takes the event with it.
    pub(super) async fn end_pairs(
        &mut self,
        ended: &[EndedPair],
        now_ms: u64,
    ) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let ending = Ending::of(ended, now_ms, self.shared);
        let rows = ending.write(self.connection).await?;
        self.note_ended(&ending, &rows);
        Ok(())
    }

    /// Counts what has ended.
    pub(super) fn note_ended(&mut self, ending: &Ending<'_>, rows: &[Row]) {
        for (endpoint, bytes, _) in ending.ended {
            self.tally(*endpoint).bytes -= bytes;
        }
        let bytes: HashMap<Uuid, i64> = (ending.ended.iter())
            .map(|(_, bytes, digest)| (*digest, *bytes))
            .collect();
        let total = self.tally(ALL);
        for row in rows.iter().filter(|row| row.get::<_, i32>(1) <= 0) {
            total.bytes -= bytes[&row.get::<_, Uuid>(0)];
            total.entries -= 1;
            total.remembered += 1;
        }
        let mut hints = lock(&self.shared.hints);
        hints.forget_from_ms = hints.forget_from_ms.min(ending.forget_at_ms);
    }

    /// Keeps what is to be known of events that end by somebody's will, in this order.
    pub(super) async fn record_discarded(
        &mut self,
        events: &[Gone],
        now_ms: u64,
    ) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        for event in events {
            self.tally(event.endpoint).discarded += 1;
        }
        let column = |of: fn(&Gone) -> &str| -> Vec<&str> { events.iter().map(of).collect() };
        let endpoints: Vec<i64> = events.iter().map(|event| event.endpoint).collect();
        let accepted: Vec<i64> = events.iter().map(|event| event.accepted_at_ms).collect();
        let sql = "WITH added AS (INSERT INTO discarded (endpoint, id, hook, ordering_key,
                operation_id, accepted_at_ms, reason, discarded_at_ms)
            SELECT e.endpoint, e.id, e.hook, e.ordering_key, e.operation_id, e.accepted_at_ms,
                e.reason, $8::bigint FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],
                $5::text[], $6::bigint[], $7::text[])
                WITH ORDINALITY AS e(endpoint, id, hook, ordering_key, operation_id, accepted_at_ms, reason, place)
            ORDER BY e.place RETURNING number)
            SELECT max(number) FROM added";
        let rows = self
            .connection
            .rows(
                sql,
                &[
                    &endpoints,
                    &column(|event| &event.id),
                    &column(|event| &event.hook),
                    &column(|event| &event.ordering_key),
                    &column(|event| &event.operation_id),
                    &accepted,
                    &column(|event| &event.reason),
                    &to_sql(now_ms),
                ],
            )
            .await?;
        let last: i64 = rows[0].get(0);
        let kept = to_sql(self.shared.config.discarded_kept);
        let sql = "DELETE FROM discarded WHERE number <= $1";
        let until = last.saturating_sub(kept);
        self.connection.rows(sql, &[&until]).await.map(drop)
    }
}

/// What is kept of an event that ends by somebody's will.
pub(super) struct Gone {
    pub endpoint: i64,
    pub id: String,
    pub hook: String,
    pub ordering_key: String,
    pub operation_id: String,
    pub accepted_at_ms: i64,
    pub reason: String,
}

/// The endpoint of a pair that has ended, its bytes, and the digest of its id.
pub(super) type EndedPair = (i64, i64, Uuid);

/// Pairs that have ended, in this order, for the rows of their ids.
pub(super) struct Ending<'e> {
    ended: &'e [EndedPair],
    forget_at_ms: u64,
    digests: Vec<Uuid>,
    counts: Vec<i32>,
    places: Vec<i64>,
}

impl<'e> Ending<'e> {
    pub(super) fn of(ended: &'e [EndedPair], now_ms: u64, shared: &Shared) -> Ending<'e> {
        let mut pairs: BTreeMap<Uuid, (i32, i64)> = BTreeMap::new();
        for (place, (_, _, digest)) in ended.iter().enumerate() {
            let pair = pairs.entry(*digest).or_default();
            pair.0 += 1;
            pair.1 = place as i64;
        }
        Ending {
            ended,
            forget_at_ms: forget_at_ms(now_ms, shared.config.dedupe),
            digests: pairs.keys().copied().collect(),
            counts: pairs.values().map(|pair| pair.0).collect(),
            places: pairs.values().map(|pair| pair.1).collect(),
        }
    }

    /// Answers with the digests, and how many pairs each has left.
    pub(super) async fn write(&self, connection: &Connection) -> Result<Vec<Row>, Error> {
        let values: [&(dyn ToSql + Sync); 4] = [
            &self.digests,
            &self.counts,
            &self.places,
            &to_sql(self.forget_at_ms),
        ];
        connection.rows(END_IDS, &values).await
    }
}

// Rows are locked in one order by all.
pub(super) const END_IDS: &str = "WITH gone AS MATERIALIZED (SELECT g.digest, g.pairs, g.place
        FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS g(digest, pairs, place)
        JOIN known ON known.digest = g.digest ORDER BY g.digest FOR UPDATE OF known),
    batch AS MATERIALIZED (SELECT nextval('known_ended') << 20 AS number)
    UPDATE known SET pairs = known.pairs - gone.pairs,
        forget_at_ms = CASE WHEN known.pairs <= gone.pairs THEN $4::bigint END,
        ended = CASE WHEN known.pairs <= gone.pairs THEN batch.number + gone.place END
    FROM gone, batch
    WHERE known.digest = gone.digest
    RETURNING known.digest, known.pairs";
