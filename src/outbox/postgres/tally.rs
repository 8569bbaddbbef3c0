//! What a transaction changes about the counters, and their sums.

use std::collections::BTreeMap;

use super::connect::{Connection, Error};
use super::digest::from_sql;
use crate::outbox::entry::Counts;

/// For what is counted for no endpoint.
pub(super) const ALL: i64 = 0;

/// Changes of counters, or their sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub accepted: i64,
    pub delivered: i64,
    pub dead: i64,
    pub discarded: i64,
    pub pending: i64,
    pub in_flight: i64,
    /// Of an endpoint, what counts against its share; of all, against `bytes_max`.
    pub bytes: i64,
    /// Of all alone, as the next.
    pub entries: i64,
    pub remembered: i64,
}

impl Tally {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            accepted: from_sql(self.accepted),
            delivered: from_sql(self.delivered),
            dead: from_sql(self.dead),
            discarded: from_sql(self.discarded),
            pending: from_sql(self.pending),
            in_flight: from_sql(self.in_flight),
        }
    }
}

/// By endpoint.
pub(super) type Tallies = BTreeMap<i64, Tally>;

pub(super) const ADD: &str =
    "INSERT INTO tally SELECT $1::bigint, $2::smallint, * FROM unnest($3::bigint[], $4::bigint[],
        $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
        $11::bigint[], $12::bigint[])
    ON CONFLICT (replica, task, endpoint) DO UPDATE SET
        accepted = tally.accepted + excluded.accepted,
        delivered = tally.delivered + excluded.delivered,
        dead = tally.dead + excluded.dead,
        discarded = tally.discarded + excluded.discarded,
        pending = tally.pending + excluded.pending,
        in_flight = tally.in_flight + excluded.in_flight,
        bytes = tally.bytes + excluded.bytes,
        entries = tally.entries + excluded.entries,
        remembered = tally.remembered + excluded.remembered";

/// Adds changes to the rows of a replica's task.
pub(super) async fn add(
    connection: &Connection,
    replica: i64,
    task: i16,
    changes: &Tallies,
) -> Result<(), Error> {
    let changed: Vec<(&i64, &Tally)> = (changes.iter())
        .filter(|(_, change)| **change != Tally::default())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Tally) -> i64| -> Vec<i64> {
        changed.iter().map(|(_, change)| of(change)).collect()
    };
    let endpoints: Vec<i64> = changed.iter().map(|(endpoint, _)| **endpoint).collect();
    connection
        .rows(
            ADD,
            &[
                &replica,
                &task,
                &endpoints,
                &column(|change| change.accepted),
                &column(|change| change.delivered),
                &column(|change| change.dead),
                &column(|change| change.discarded),
                &column(|change| change.pending),
                &column(|change| change.in_flight),
                &column(|change| change.bytes),
                &column(|change| change.entries),
                &column(|change| change.remembered),
            ],
        )
        .await
        .map(drop)
}

pub(super) const SUMS: &str =
    "SELECT endpoint, sum(accepted)::bigint, sum(delivered)::bigint, sum(dead)::bigint,
    sum(discarded)::bigint, sum(pending)::bigint, sum(in_flight)::bigint, sum(bytes)::bigint,
    sum(entries)::bigint, sum(remembered)::bigint FROM tally GROUP BY endpoint";

/// The sums of all replicas.
pub(super) async fn sums(connection: &Connection) -> Result<Tallies, Error> {
    let rows = connection.rows(SUMS, &[]).await?;
    let sum = |row: &tokio_postgres::Row| {
        let sum = Tally {
            accepted: row.get(1),
            delivered: row.get(2),
            dead: row.get(3),
            discarded: row.get(4),
            pending: row.get(5),
            in_flight: row.get(6),
            bytes: row.get(7),
            entries: row.get(8),
            remembered: row.get(9),
        };
        (row.get(0), sum)
    };
    Ok(rows.iter().map(sum).collect())
}

/// Adds the rows of replicas that are gone to those of replica 0.
pub(super) async fn fold(connection: &Connection) -> Result<(), Error> {
    let sql = "WITH gone AS (DELETE FROM tally WHERE replica > 0
            AND NOT EXISTS (SELECT 1 FROM replica WHERE number = tally.replica) RETURNING *)
        INSERT INTO tally SELECT 0, 0, endpoint, sum(accepted), sum(delivered), sum(dead),
            sum(discarded), sum(pending), sum(in_flight), sum(bytes), sum(entries), sum(remembered)
        FROM gone GROUP BY endpoint ORDER BY endpoint
        ON CONFLICT (replica, task, endpoint) DO UPDATE SET
            accepted = tally.accepted + excluded.accepted,
            delivered = tally.delivered + excluded.delivered,
            dead = tally.dead + excluded.dead,
            discarded = tally.discarded + excluded.discarded,
            pending = tally.pending + excluded.pending,
            in_flight = tally.in_flight + excluded.in_flight,
            bytes = tally.bytes + excluded.bytes,
            entries = tally.entries + excluded.entries,
            remembered = tally.remembered + excluded.remembered";
    connection.rows(sql, &[]).await.map(drop)
}
