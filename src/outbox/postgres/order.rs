//! The order of an ordering key: who is ready, who waits.
//!
//! All of this is for a transaction that holds the endpoint. Invariant: of an ordering key with
//! waiting pairs one that does not wait is there too, and whoever takes it out lets the next go on.

use uuid::Uuid;

use super::connect::Error;
use super::store::Tx;

/// What became of a claim that nobody settles.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Nobody heard of it.
    Never,
    /// Perhaps.
    Perhaps,
    /// Perhaps, and it may be what ended the replica.
    ByOneThatDied,
}

pub(super) const GO_ON: &str = "UPDATE pair SET place = 0 FROM (
        SELECT first.seq FROM (SELECT DISTINCT l FROM unnest($2::uuid[]) AS l) AS lanes(lane)
        CROSS JOIN LATERAL (SELECT seq, place FROM pair
            WHERE endpoint = $1 AND lane = lanes.lane ORDER BY seq LIMIT 1) AS first
        WHERE first.place = 3 AND NOT EXISTS (SELECT 1 FROM pair AS tried
            WHERE endpoint = $1 AND tried.lane = lanes.lane AND place IN (1, 2) OFFSET 0)
    ) AS next
    WHERE pair.endpoint = $1 AND pair.seq = next.seq
    RETURNING pair.seq";

impl Tx<'_> {
    /// Makes the first pair of each ordering key ready, where none is being tried.
    pub(super) async fn go_on(&mut self, endpoint: i64, lanes: &[Uuid]) -> Result<(), Error> {
        self.woke |= self.let_next_go_on(endpoint, lanes).await?;
        Ok(())
    }

    /// The same, and says whether there are any.
    pub(super) async fn let_next_go_on(
        &self,
        endpoint: i64,
        lanes: &[Uuid],
    ) -> Result<bool, Error> {
        if lanes.is_empty() {
            return Ok(false);
        }
        let rows = self.connection.rows(GO_ON, &[&endpoint, &lanes]).await?;
        Ok(!rows.is_empty())
    }

    /// Whether a pair of the ordering key before a place is in flight or a retry.
    pub(super) async fn is_busy_before(
        &self,
        endpoint: i64,
        lane: Option<Uuid>,
        seq: i64,
    ) -> Result<bool, Error> {
        let Some(lane) = lane else {
            return Ok(false);
        };
        let sql = "SELECT 1 FROM pair WHERE endpoint = $1 AND lane = $2 AND place IN (1, 2)
            AND seq < $3 LIMIT 1";
        let rows = self.connection.rows(sql, &[&endpoint, &lane, &seq]).await?;
        Ok(!rows.is_empty())
    }

    /// Puts pairs that are in flight back, because nobody will settle them. The attempt of one that
    /// may have been told stays counted.
    pub(super) async fn put_back(
        &mut self,
        endpoint: i64,
        seqs: &[i64],
        told: Told,
    ) -> Result<(), Error> {
        let crashes = i32::from(told == Told::ByOneThatDied);
        let uncounted = i32::from(told == Told::Never);
        let sql = "UPDATE pair SET place = CASE WHEN due_at_ms = 0 THEN 0 ELSE 2 END,
                crashes = crashes + $3, attempts = attempts - $4, owner = NULL, claim = NULL
            WHERE endpoint = $1 AND seq = ANY($2) AND place = 1 RETURNING lane";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&endpoint, &seqs, &crashes, &uncounted];
        let rows = self.connection.rows(sql, &values).await?;
        self.tally(endpoint).in_flight -= rows.len() as i64;
        self.woke |= !rows.is_empty();
        let lanes: Vec<Uuid> = rows.iter().filter_map(|row| row.get(0)).collect();
        // One that was replayed meanwhile goes first.
        self.go_on(endpoint, &lanes).await
    }
}
