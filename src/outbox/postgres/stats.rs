//! Questions about the outbox that change nothing.

use super::connect::Error;
use super::digest::{from_sql, to_sql};
use super::store::{Tx, lock};
use super::tally::{self, ALL};
use crate::outbox::entry::{EndpointStats, Health, Paused, Stats};

impl Tx<'_> {
    pub(super) async fn next_due_ms(&self, endpoint: i64) -> Result<Option<u64>, Error> {
        let sql = "SELECT 0::bigint FROM (SELECT 1 FROM pair
                WHERE endpoint = $1 AND place = 0 LIMIT 1) AS ready
            UNION ALL SELECT due_at_ms FROM (SELECT due_at_ms FROM pair
                WHERE endpoint = $1 AND place = 2 ORDER BY due_at_ms LIMIT 1) AS retry LIMIT 1";
        let rows = self.connection.rows(sql, &[&endpoint]).await?;
        Ok(rows.first().map(|row| from_sql(row.get(0))))
    }

    /// The names of endpoints with pending pairs, sorted.
    pub(super) async fn endpoints(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT name FROM endpoint
            WHERE EXISTS (SELECT 1 FROM pair WHERE endpoint = number OFFSET 0)";
        let rows = self.connection.rows(sql, &[]).await?;
        let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn set_health(&self, endpoint: &str, health: &Health) -> Result<(), Error> {
        let sql = "UPDATE endpoint SET failing_since_ms = $2, paused_at_ms = $3, pause_reason = $4
            WHERE name = $1";
        let failing = health.failing_since_ms.map(to_sql);
        let paused_at = health.paused.as_ref().map(|paused| to_sql(paused.at_ms));
        let reason = health.paused.as_ref().map_or("", |paused| &paused.reason);
        let reason = super::digest::text(reason);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&endpoint, &failing, &paused_at, &reason];
        self.connection.rows(sql, &values).await.map(drop)
    }

    pub(super) async fn stats(&self) -> Result<Stats, Error> {
        let sums = tally::sums(self.connection).await?;
        let sql = "SELECT number, name, failing_since_ms, paused_at_ms, pause_reason,
                (SELECT accepted_at_ms FROM pair WHERE endpoint = number ORDER BY seq LIMIT 1)
            FROM endpoint";
        let mut endpoints = Vec::new();
        for row in self.connection.rows(sql, &[]).await? {
            let tally = sums.get(&row.get::<_, i64>(0)).copied().unwrap_or_default();
            if tally.accepted == 0 {
                continue;
            }
            let paused_at: Option<i64> = row.get(3);
            let health = Health {
                failing_since_ms: row.get::<_, Option<i64>>(2).map(from_sql),
                paused: paused_at.map(|at_ms| Paused {
                    at_ms: from_sql(at_ms),
                    reason: row.get(4),
                }),
            };
            endpoints.push(EndpointStats {
                endpoint: row.get(1),
                counts: tally.counts(),
                oldest_pending_ms: row.get::<_, Option<i64>>(5).map(from_sql),
                bytes: from_sql(tally.bytes),
                health,
            });
        }
        endpoints.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        let all = sums.get(&ALL).copied().unwrap_or_default();
        Ok(Stats {
            endpoints,
            bytes: from_sql(all.bytes),
            entries: from_sql(all.entries),
            remembered_ids: from_sql(all.remembered),
            work: *lock(&self.shared.work),
        })
    }
}
