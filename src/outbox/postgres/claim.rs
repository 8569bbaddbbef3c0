//! Taking pairs in flight.
//!
//! The transaction holds the endpoint, so claims of several replicas come one after the other, and
//! each sees whole what those before did. It is over before anybody is told anything.

use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::Row;

use super::connect::Error;
use super::digest::{from_sql, to_sql};
use super::store::{ALIVE, HOLD, Tx};
use crate::outbox::entry::{AsRead, Capacity, EntryKey, NewEntry, StoredEvent};
use crate::outbox::rules::{GAP_MAX, longest_due};

/// Ready pairs that one claim sets waiting at the most; the next claim goes on.
const WAITING_MAX: usize = 256;

// `OFFSET 0`, here and elsewhere: each row is looked up by its index. Without it the planner may read
// all pairs of the endpoint once and look there, which takes a second where a million wait.
const READY: &str = "SELECT seq, accepted_at_ms, lane IS NULL OR NOT (
        EXISTS (SELECT 1 FROM pair AS other WHERE other.endpoint = $1
            AND other.lane = pair.lane AND other.seq < pair.seq OFFSET 0)
        OR EXISTS (SELECT 1 FROM pair AS other WHERE other.endpoint = $1
            AND other.lane = pair.lane AND other.place IN (1, 2) OFFSET 0))
    FROM pair WHERE endpoint = $1 AND place = 0 AND seq > $2 ORDER BY seq LIMIT $3";
const RETRIES: &str = "SELECT due_at_ms, seq FROM pair
    WHERE endpoint = $1 AND place = 2 AND due_at_ms <= $2
    ORDER BY due_at_ms, seq LIMIT $3";

impl Tx<'_> {
    pub(super) async fn claim(
        &mut self,
        endpoint: i64,
        now_ms: u64,
        capacity: &Capacity,
    ) -> Result<Vec<StoredEvent>, Error> {
        let retries = capacity.retries.min(capacity.pairs);
        (self.connection)
            .prepare(&[ALIVE, HOLD, READY, RETRIES])
            .await?;
        // In this order: whoever takes this replica for dead waits for nothing while it does, and
        // each statement sees what was committed before it was its turn.
        let (alive, held, ready, retry) = futures_util::join!(
            self.is_alive(),
            self.hold(std::slice::from_ref(&endpoint)),
            self.free(endpoint, capacity.pairs),
            self.retries(endpoint, now_ms, retries)
        );
        alive.and(held)?;
        let (ready, retry) = (ready?, retry?);
        let chosen = longest_due(&ready, &retry, capacity.pairs);
        let mut claimed = self.take(endpoint, &chosen).await?;
        let behind = self.behind(endpoint, &claimed, capacity).await?;
        claimed.extend(self.take(endpoint, &behind).await?);
        Ok(claimed)
    }

    /// Ready pairs whose ordering keys are free, with the times of their acceptance, in its order.
    /// The others are set waiting, so that each is tried only once.
    async fn free(&self, endpoint: i64, limit: usize) -> Result<Vec<(u64, i64)>, Error> {
        let (mut free, mut waiting) = (Vec::new(), Vec::new());
        let mut last = 0;
        let page = limit.clamp(1, WAITING_MAX) as i64;
        while free.len() < limit && waiting.len() < WAITING_MAX {
            let rows = (self.connection)
                .rows(READY, &[&endpoint, &last, &page])
                .await?;
            for row in &rows {
                last = row.get(0);
                if row.get(2) || self.shared.broken.key_race {
                    free.push((from_sql(row.get(1)), last));
                } else {
                    waiting.push(last);
                }
            }
            if rows.len() < page as usize {
                break;
            }
        }
        free.truncate(limit);
        if !waiting.is_empty() {
            let sql =
                "UPDATE pair SET place = 3 WHERE endpoint = $1 AND seq = ANY($2) AND place = 0";
            self.connection.rows(sql, &[&endpoint, &waiting]).await?;
        }
        Ok(free)
    }

    /// Retries that are due by then, the longest due first, with their due times.
    async fn retries(
        &self,
        endpoint: i64,
        due_by_ms: u64,
        limit: usize,
    ) -> Result<Vec<(u64, i64)>, Error> {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&endpoint, &to_sql(due_by_ms), &(limit as i64)];
        let rows = self.connection.rows(RETRIES, &values).await?;
        Ok(rows
            .iter()
            .map(|row| (from_sql(row.get(0)), row.get(1)))
            .collect())
    }

    /// The pairs behind the first of each ordering key that can go with it: of its hook, not tried
    /// before, and nothing between them.
    async fn behind(
        &self,
        endpoint: i64,
        heads: &[StoredEvent],
        capacity: &Capacity,
    ) -> Result<Vec<i64>, Error> {
        let limit = |head: &StoredEvent| capacity.behind(head);
        let with_more = heads.iter().filter(|head| limit(head) > 0);
        let seqs: Vec<i64> = with_more.map(|head| head.key.seq).collect();
        let mut left = capacity.pairs.saturating_sub(heads.len());
        if seqs.is_empty() || left == 0 {
            return Ok(Vec::new());
        }
        let sql =
            "SELECT head.seq, next.seq, next.place IN (0, 3) AND next.attempts = 0, event.hook
            FROM unnest($2::bigint[]) WITH ORDINALITY AS heads(seq, place)
            JOIN pair AS head ON head.endpoint = $1 AND head.seq = heads.seq
            CROSS JOIN LATERAL (SELECT seq, part, place, attempts FROM pair
                WHERE endpoint = $1 AND lane = head.lane AND pair.seq > head.seq
                ORDER BY seq LIMIT $3) AS next
            JOIN event ON event.part = next.part AND event.seq = next.seq
            ORDER BY heads.place, next.seq";
        let most = left.min(capacity.in_a_row) as i64;
        let rows = self
            .connection
            .rows(sql, &[&endpoint, &seqs, &most])
            .await?;
        let mut behind = Vec::new();
        for head in heads {
            let of_head = rows
                .iter()
                .filter(|row| row.get::<_, i64>(0) == head.key.seq);
            let fits = |row: &&Row| row.get(2) && row.get::<_, &str>(3) == head.hook;
            let run = of_head.take_while(fits).take(limit(head).min(left));
            let before = behind.len();
            behind.extend(run.map(|row| row.get::<_, i64>(1)));
            left -= behind.len() - before;
        }
        Ok(behind)
    }

    /// Takes pairs in flight, and gives them in this order.
    async fn take(&mut self, endpoint: i64, seqs: &[i64]) -> Result<Vec<StoredEvent>, Error> {
        if seqs.is_empty() {
            return Ok(Vec::new());
        }
        let claims: Vec<i64> = seqs.iter().map(|_| self.shared.next_claim()).collect();
        let me = self.shared.me();
        let sql = "WITH taken AS (UPDATE pair SET place = 1, attempts = pair.attempts + 1,
                owner = $4, claim = c.claim
                FROM unnest($2::bigint[], $3::bigint[]) AS c(seq, claim)
                WHERE pair.endpoint = $1 AND pair.seq = c.seq
                RETURNING pair.*)
            SELECT taken.seq, taken.claim, taken.attempts, taken.crashes, taken.replays,
                taken.lane IS NULL AND event.ordering_key <> '', taken.accepted_at_ms,
                id, hook, dialect, ordering_key, operation_id, body,
                CASE WHEN taken.lane IS NULL THEN 0 ELSE (SELECT count(*) FROM (SELECT 1 FROM dead
                    WHERE dead.endpoint = $1 AND dead.lane = taken.lane AND dead.seq < taken.seq
                    LIMIT $5) AS gap) END
            FROM taken JOIN event ON event.part = taken.part AND event.seq = taken.seq
            ORDER BY taken.claim";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&endpoint, &seqs, &claims, &me, &(GAP_MAX as i64)];
        let rows = self.connection.rows(sql, &values).await?;
        self.tally(endpoint).in_flight += rows.len() as i64;
        let name = self.shared.name(endpoint);
        let stored: Vec<StoredEvent> = rows
            .iter()
            .map(|row| stored(endpoint, &name, row))
            .collect();
        for event in &stored {
            let EntryKey { seq, claim, .. } = event.key;
            self.taken.push(((endpoint, seq), claim));
        }
        Ok(stored)
    }
}

fn stored(endpoint: i64, name: &Arc<str>, row: &Row) -> StoredEvent {
    let seq: i64 = row.get(0);
    let entry = NewEntry {
        id: row.get(7),
        hook: row.get(8),
        dialect: row.get(9),
        ordering_key: row.get(10),
        operation_id: row.get(11),
        body: Bytes::from(row.get::<_, Vec<u8>>(12)),
        endpoints: Vec::new(),
        accepted_at_ms: from_sql(row.get(6)),
        series: None,
        read: AsRead::default(),
    };
    StoredEvent {
        key: EntryKey {
            endpoint,
            seq,
            claim: row.get(1),
        },
        entry: Arc::new(entry),
        endpoint: Arc::clone(name),
        attempt: row.get::<_, i32>(2) as u32,
        crashes: row.get::<_, i32>(3) as u32,
        replays: row.get::<_, i32>(4) as u32,
        number: from_sql(seq),
        gap: from_sql(row.get(13)),
        out_of_order: row.get(5),
    }
}
