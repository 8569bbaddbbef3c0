//! Pending events as operators see them, and their order to try one now.

use bytes::Bytes;
use tokio_postgres::Row;

use super::connect::Error;
use super::digest::{from_sql, to_sql};
use super::store::Tx;
use crate::outbox::letter::{DeadCursor, DeadStep, STEP_LETTERS_MAX};
use crate::outbox::pending::{PendingEvent, PendingFilter, PendingPage, PendingState};

type Found = Vec<((i64, i64), PendingEvent)>;

impl Tx<'_> {
    pub(super) async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, Error> {
        let (found, next) = self.look_for_pending(filter, from, limit).await?;
        let events = found.into_iter().map(|(_, event)| event).collect();
        Ok(PendingPage { events, next })
    }

    pub(super) async fn retry_now(
        &mut self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, Error> {
        let (found, next) = self.look_for_pending(filter, from, limit).await?;
        let mut endpoints: Vec<i64> = found.iter().map(|((endpoint, _), _)| *endpoint).collect();
        endpoints.dedup();
        self.hold(&endpoints).await?;
        let mut done = 0;
        for ((endpoint, seq), event) in found {
            if event.state == PendingState::Retry && event.due_at_ms > now_ms {
                let sql = "UPDATE pair SET due_at_ms = $3
                    WHERE endpoint = $1 AND seq = $2 AND place = 2 AND due_at_ms > $3";
                let due_at_ms = to_sql(now_ms.max(1));
                self.connection
                    .rows(sql, &[&endpoint, &seq, &due_at_ms])
                    .await?;
                self.woke = true;
                done += 1;
            }
        }
        Ok(DeadStep { done, next })
    }

    async fn look_for_pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<(Found, Option<DeadCursor>), Error> {
        let sql = "SELECT pair.endpoint, pair.seq, id, hook, ordering_key, operation_id,
                pair.accepted_at_ms,
                CASE WHEN place = 0 AND lane IS NOT NULL AND (
                    EXISTS (SELECT 1 FROM pair AS other WHERE other.endpoint = pair.endpoint
                        AND other.lane = pair.lane AND other.seq < pair.seq OFFSET 0)
                    OR EXISTS (SELECT 1 FROM pair AS other WHERE other.endpoint = pair.endpoint
                        AND other.lane = pair.lane AND other.place IN (1, 2) OFFSET 0))
                    THEN 3::smallint ELSE place END,
                attempts, replays, due_at_ms, reason, length(body)::bigint,
                CASE WHEN $3 THEN body END
            FROM (SELECT * FROM pair WHERE (endpoint, seq) > ($1, $2)
                AND ($4::bigint IS NULL OR endpoint = $4)
                ORDER BY endpoint, seq LIMIT $5) AS pair
            JOIN event ON event.part = pair.part AND event.seq = pair.seq
            ORDER BY pair.endpoint, pair.seq";
        self.shared.read_endpoints(self.connection).await?;
        let endpoint = match &filter.endpoint {
            Some(name) => match self.shared.number(self.connection, name).await? {
                Some(number) => Some(number),
                None => return Ok((Vec::new(), None)),
            },
            None => None,
        };
        let most = STEP_LETTERS_MAX as i64;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&from.endpoint, &from.seq, &filter.bodies, &endpoint, &most];
        let rows = self.connection.rows(sql, &values).await?;
        let mut found = Vec::new();
        for (looked_at, row) in rows.iter().enumerate() {
            let (endpoint, seq): (i64, i64) = (row.get(0), row.get(1));
            let event = shown(&self.shared.name(endpoint), row);
            if filter.holds(&event) {
                found.push(((endpoint, seq), event));
            }
            if found.len() >= limit || looked_at + 1 >= STEP_LETTERS_MAX {
                return Ok((found, Some(DeadCursor { endpoint, seq })));
            }
        }
        Ok((found, None))
    }
}

fn shown(endpoint: &str, row: &Row) -> PendingEvent {
    let state = match row.get::<_, i16>(7) {
        0 => PendingState::Ready,
        1 => PendingState::InFlight,
        2 => PendingState::Retry,
        _ => PendingState::Waiting,
    };
    let due_at_ms = match state {
        PendingState::Retry => from_sql(row.get(10)),
        _ => 0,
    };
    PendingEvent {
        endpoint: endpoint.to_owned(),
        id: row.get(2),
        hook: row.get(3),
        ordering_key: row.get(4),
        operation_id: row.get(5),
        accepted_at_ms: from_sql(row.get(6)),
        state,
        attempts: row.get::<_, i32>(8) as u32,
        replays: row.get::<_, i32>(9) as u32,
        due_at_ms,
        reason: row.get(11),
        body_bytes: from_sql(row.get(12)),
        body: row.get::<_, Option<Vec<u8>>>(13).map(Bytes::from),
    }
}
