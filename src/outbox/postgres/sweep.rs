//! What is forgotten with time: ids of ended events, latest entries of series, dead letters that
//! nobody replayed, and parts whose events have all ended.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connect::{Connection, Error};
use super::digest::{from_sql, to_sql};
use super::store::{Shared, Tx, lock};
use super::tally::{self, ALL};
use crate::outbox::rules::{RETIRED, SWEEP_MAX, forget_at_ms};

/// After a start what was kept is kept for so long, or for as long as such is kept at all: what
/// time has passed is told by the wall clock alone, and one that is ahead must end nothing at once.
const KEPT_AFTER_START: Duration = Duration::from_secs(3600);

impl Shared {
    /// Whether something may have to be forgotten now.
    pub(super) fn is_sweep_due(&self, now_ms: u64) -> bool {
        let mut hints = lock(&self.hints);
        let opened_ms = *hints.opened_ms.get_or_insert(now_ms);
        let is_held = |keep: Duration| now_ms < forget_at_ms(opened_ms, keep.min(KEPT_AFTER_START));
        let too_many = hints.remembered > to_sql(self.config.dedupe_ids_max);
        too_many
            || now_ms >= hints.latest_from_ms
            || (now_ms >= hints.forget_from_ms && !is_held(self.config.dedupe))
            || (now_ms >= hints.retire_from_ms && !is_held(self.config.dead_keep))
    }

    fn is_held(&self, keep: Duration, now_ms: u64) -> bool {
        let opened_ms = lock(&self.hints).opened_ms.unwrap_or(now_ms);
        now_ms < forget_at_ms(opened_ms, keep.min(KEPT_AFTER_START))
    }
}

impl Tx<'_> {
    /// Forgets some of all whose time has come.
    pub(super) async fn sweep(&mut self, now_ms: u64) -> Result<(), Error> {
        self.retire(now_ms).await?;
        self.sweep_latest(now_ms).await?;
        self.sweep_ids(now_ms).await
    }

    async fn retire(&mut self, now_ms: u64) -> Result<(), Error> {
        let keep = self.shared.config.dead_keep;
        if now_ms < lock(&self.shared.hints).retire_from_ms || self.shared.is_held(keep, now_ms) {
            return Ok(());
        }
        let sql = "SELECT endpoint, seq, died_at_ms FROM dead
            ORDER BY died_at_ms, endpoint, seq LIMIT $1";
        let most = SWEEP_MAX as i64;
        let rows = self.connection.rows(sql, &[&most]).await?;
        let endpoints: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        let endpoints: Vec<i64> = endpoints.into_iter().collect();
        self.hold(&endpoints).await?;
        let mut from_ms = if rows.len() < SWEEP_MAX {
            u64::MAX
        } else {
            now_ms
        };
        let mut old = Vec::new();
        for row in &rows {
            let retire_at_ms = forget_at_ms(from_sql(row.get(2)), keep);
            if retire_at_ms > now_ms {
                from_ms = retire_at_ms;
                break;
            }
            old.push((row.get(0), row.get(1)));
        }
        lock(&self.shared.hints).retire_from_ms = from_ms;
        self.discard_dead(&old, RETIRED, now_ms).await
    }

    async fn sweep_latest(&mut self, now_ms: u64) -> Result<(), Error> {
        if now_ms < lock(&self.shared.hints).latest_from_ms {
            return Ok(());
        }
        let sql = "DELETE FROM latest WHERE series IN (SELECT series FROM latest
            WHERE forget_at_ms <= $1 ORDER BY forget_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let most = SWEEP_MAX as i64;
        self.connection.rows(sql, &[&to_sql(now_ms), &most]).await?;
        let sql = "SELECT min(forget_at_ms) FROM latest";
        let rows = self.connection.rows(sql, &[]).await?;
        let first: Option<i64> = rows[0].get(0);
        lock(&self.shared.hints).latest_from_ms = first.map_or(u64::MAX, from_sql);
        Ok(())
    }

    async fn sweep_ids(&mut self, now_ms: u64) -> Result<(), Error> {
        let config = &self.shared.config;
        let sums = tally::sums(self.connection).await?;
        let change = self.tallies.get(&ALL).map_or(0, |change| change.remembered);
        let remembered = sums.get(&ALL).map_or(0, |sum| sum.remembered) + change;
        let too_many = (remembered - to_sql(config.dedupe_ids_max)).clamp(0, SWEEP_MAX as i64);
        let until_ms = match self.shared.is_held(config.dedupe, now_ms) {
            true => -1,
            false => to_sql(now_ms),
        };
        let sql = "WITH oldest AS (SELECT digest, forget_at_ms,
                row_number() OVER (ORDER BY forget_at_ms, ended) AS place
                FROM (SELECT digest, forget_at_ms, ended FROM known
                    WHERE forget_at_ms IS NOT NULL ORDER BY forget_at_ms, ended LIMIT $3
                    FOR UPDATE SKIP LOCKED) AS first)
            DELETE FROM known USING oldest WHERE known.digest = oldest.digest
                AND (oldest.place <= $1 OR oldest.forget_at_ms <= $2) RETURNING 1";
        let most = SWEEP_MAX as i64;
        let rows = self
            .connection
            .rows(sql, &[&too_many, &until_ms, &most])
            .await?;
        let gone = rows.len() as i64;
        self.tally(ALL).remembered -= gone;
        let sql = "SELECT forget_at_ms FROM known WHERE forget_at_ms IS NOT NULL
            ORDER BY forget_at_ms, ended LIMIT 1";
        let rows = self.connection.rows(sql, &[]).await?;
        let first = rows.first().map_or(u64::MAX, |row| from_sql(row.get(0)));
        let mut hints = lock(&self.shared.hints);
        // The commit adds what this transaction changes.
        hints.remembered = remembered - change;
        hints.forget_from_ms = first;
        Ok(())
    }
}

/// Begins a new part when the last one has grown old, and drops one whose events have all ended.
pub(super) async fn turn_parts(
    connection: &Connection,
    shared: &Shared,
    every: Duration,
) -> Result<(), Error> {
    connection
        .run("BEGIN; SET LOCAL lock_timeout = '1s'")
        .await?;
    let lock = "SELECT pg_try_advisory_xact_lock(hashtextextended('callgate parts ' || current_schema(), 0))";
    if connection.rows(lock, &[]).await?[0].get(0) {
        let sql = "SELECT number, extract(epoch FROM clock_timestamp() - began_at)::float8
            FROM part ORDER BY number";
        let parts = connection.rows(sql, &[]).await?;
        let parts: Vec<(i64, f64)> = parts.iter().map(|row| (row.get(0), row.get(1))).collect();
        let (last, age) = parts[parts.len() - 1];
        if age >= every.as_secs_f64() {
            let next = last + 1;
            connection
                .run(&format!(
                    "CREATE TABLE event_{next} PARTITION OF event FOR VALUES IN ({next});
                    INSERT INTO part VALUES ({next})"
                ))
                .await?;
        }
        // Into the one before the last others may write still.
        for (number, _) in parts.iter().rev().skip(2) {
            drop_ended(connection, *number).await?;
        }
    }
    connection.run("COMMIT").await?;
    shared.read_part(connection).await
}

async fn drop_ended(connection: &Connection, part: i64) -> Result<(), Error> {
    let holds = format!("SELECT 1 FROM pair WHERE part = {part} LIMIT 1");
    let is_held = || async { connection.is_some(&holds).await };
    if is_held().await? {
        return Ok(());
    }
    // Whoever writes into it has ended then, and what it wrote is seen.
    connection
        .run(&format!("LOCK TABLE event_{part} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    if is_held().await? {
        return Ok(());
    }
    connection
        .run(&format!(
            "DROP TABLE event_{part}; DELETE FROM part WHERE number = {part}"
        ))
        .await
}
