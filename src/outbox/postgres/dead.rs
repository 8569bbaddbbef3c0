//! Dead letters: looked at, replayed, discarded; and what was discarded last.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connect::Error;
use super::digest::{from_sql, text};
use super::ends::Gone;
use super::store::Tx;
use crate::outbox::letter::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, Discarded, DiscardedPage,
    STEP_LETTERS_MAX,
};
use crate::outbox::rules::{cut, note_discarded};

type Found = Vec<((i64, i64), DeadLetter)>;

impl Tx<'_> {
    pub(super) async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, Error> {
        let (found, next) = self.look_for_dead(filter, from, limit).await?;
        let letters = found.into_iter().map(|(_, letter)| letter).collect();
        Ok(DeadPage { letters, next })
    }

    pub(super) async fn act_on_dead(
        &mut self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, Error> {
        let (found, _) = self.look_for_dead(filter, from, limit).await?;
        let endpoints: BTreeSet<i64> = found.iter().map(|((endpoint, _), _)| *endpoint).collect();
        let endpoints: Vec<i64> = endpoints.into_iter().collect();
        self.hold(&endpoints).await?;
        // Others may have acted before they let go.
        let (found, next) = self.look_for_dead(filter, from, limit).await?;
        let found: Vec<(i64, i64)> = found.into_iter().map(|(place, _)| place).collect();
        let done = found.len() as u64;
        match act {
            DeadAct::Count => {}
            DeadAct::Replay => self.replay(&found).await?,
            DeadAct::Discard { reason } => self.discard_dead(&found, reason, now_ms).await?,
        }
        Ok(DeadStep { done, next })
    }

    /// Looks at some letters behind the cursor, and says where to go on.
    async fn look_for_dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<(Found, Option<DeadCursor>), Error> {
        let sql = "SELECT endpoint, seq, id, hook, ordering_key, operation_id, accepted_at_ms,
                died_at_ms, attempts, replays, reason, answer, length(body)::bigint,
                CASE WHEN $3 THEN body END
            FROM dead WHERE (endpoint, seq) > ($1, $2)
                AND ($4::bigint IS NULL OR endpoint = $4)
            ORDER BY endpoint, seq LIMIT $5";
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
        self.shared.read_endpoints(self.connection).await?;
        let rows = self.connection.rows(sql, &values).await?;
        let mut found = Vec::new();
        for (looked_at, row) in rows.iter().enumerate() {
            let (endpoint, seq): (i64, i64) = (row.get(0), row.get(1));
            let letter = letter(&self.shared.name(endpoint), row);
            if filter.holds(&letter) {
                found.push(((endpoint, seq), letter));
            }
            if found.len() >= limit || looked_at + 1 >= STEP_LETTERS_MAX {
                return Ok((found, Some(DeadCursor { endpoint, seq })));
            }
        }
        Ok((found, None))
    }

    /// The pairs are ready; whether their ordering keys are free is found out by `claim`.
    async fn replay(&mut self, letters: &[(i64, i64)]) -> Result<(), Error> {
        let part = self.shared.part.load(Ordering::Acquire);
        for (endpoint, seq) in letters {
            // Another endpoint's pair may have it there already.
            let sql = "INSERT INTO event (part, seq, id, accepted_at_ms, hook, dialect,
                    ordering_key, operation_id, body)
                SELECT $3::bigint, seq, id, accepted_at_ms, hook, dialect, ordering_key,
                    operation_id, body
                FROM dead WHERE endpoint = $1 AND seq = $2 ON CONFLICT DO NOTHING";
            self.connection.rows(sql, &[endpoint, seq, &part]).await?;
            let sql = "WITH gone AS (DELETE FROM dead WHERE endpoint = $1 AND seq = $2 RETURNING *)
                INSERT INTO pair (endpoint, seq, part, place, replays, accepted_at_ms, bytes,
                    digest, lane)
                SELECT endpoint, seq, $3::bigint, 0, replays + 1, accepted_at_ms, bytes, digest, lane
                FROM gone";
            self.connection.rows(sql, &[endpoint, seq, &part]).await?;
            let tally = self.tally(*endpoint);
            tally.dead -= 1;
            tally.pending += 1;
            self.woke = true;
        }
        Ok(())
    }

    /// Ends dead letters, in this order; the transaction holds their endpoints.
    pub(super) async fn discard_dead(
        &mut self,
        letters: &[(i64, i64)],
        reason: &str,
        now_ms: u64,
    ) -> Result<(), Error> {
        for (endpoint, seq) in letters {
            let sql = "DELETE FROM dead WHERE endpoint = $1 AND seq = $2
                RETURNING bytes, digest, id, hook, ordering_key, operation_id, accepted_at_ms";
            let rows = self.connection.rows(sql, &[endpoint, seq]).await?;
            let Some(row) = rows.first() else {
                continue;
            };
            self.tally(*endpoint).dead -= 1;
            let ended: (i64, i64, Uuid) = (*endpoint, row.get(0), row.get(1));
            let event = Gone {
                endpoint: *endpoint,
                id: row.get(2),
                hook: row.get(3),
                ordering_key: row.get(4),
                operation_id: row.get(5),
                accepted_at_ms: row.get(6),
                reason: text(cut(reason)).into_owned(),
            };
            note_discarded(&self.shared.name(*endpoint), &event.id, reason);
            self.record_discarded(&[event], now_ms).await?;
            self.end_pairs(&[ended], now_ms).await?;
        }
        Ok(())
    }

    pub(super) async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, Error> {
        let sql = "SELECT number, endpoint, id, hook, ordering_key, operation_id, accepted_at_ms,
                discarded_at_ms, reason
            FROM discarded WHERE number > $1 ORDER BY number LIMIT $2";
        let most = STEP_LETTERS_MAX as i64;
        self.shared.read_endpoints(self.connection).await?;
        let rows = self.connection.rows(sql, &[&from.seq, &most]).await?;
        let mut page = DiscardedPage::default();
        for (looked_at, row) in rows.iter().enumerate() {
            let event = Discarded {
                endpoint: self.shared.name(row.get(1)).to_string(),
                id: row.get(2),
                hook: row.get(3),
                ordering_key: row.get(4),
                operation_id: row.get(5),
                accepted_at_ms: from_sql(row.get(6)),
                discarded_at_ms: from_sql(row.get(7)),
                reason: row.get(8),
            };
            if filter.holds_discarded(&event) {
                page.events.push(event);
            }
            if page.events.len() >= limit || looked_at + 1 >= STEP_LETTERS_MAX {
                page.next = Some(DeadCursor {
                    endpoint: 0,
                    seq: row.get(0),
                });
                break;
            }
        }
        Ok(page)
    }
}

fn letter(endpoint: &str, row: &Row) -> DeadLetter {
    DeadLetter {
        endpoint: endpoint.to_owned(),
        id: row.get(2),
        hook: row.get(3),
        ordering_key: row.get(4),
        operation_id: row.get(5),
        accepted_at_ms: from_sql(row.get(6)),
        died_at_ms: from_sql(row.get(7)),
        attempts: row.get::<_, i32>(8) as u32,
        replays: row.get::<_, i32>(9) as u32,
        reason: row.get(10),
        answer: row.get(11),
        body_bytes: from_sql(row.get(12)),
        body: row.get::<_, Option<Vec<u8>>>(13).map(Bytes::from),
    }
}
