//! Pending events as operators see them, and their order to try one now.

use rusqlite::{OptionalExtension, Result, Row, params};

use super::event::{Stored, lossy};
use super::number::{from_sql, to_sql};
use super::promote::PROMOTE_MAX;
use super::store::Store;
use crate::outbox::letter::{DeadCursor, DeadStep, STEP_LETTERS_MAX};
use crate::outbox::pending::{PendingEvent, PendingFilter, PendingPage, PendingState};

/// A pair, with a row or without one.
struct Pair {
    seq: i64,
    state: PendingState,
    attempts: u32,
    replays: u32,
    due_at_ms: u64,
    reason: String,
}

/// What is behind a place.
enum Next {
    Pair(Pair),
    /// Nothing up to here; there may be more.
    Nothing(i64),
    End,
}

type Found = (Vec<(i64, i64, PendingEvent)>, Option<DeadCursor>);

impl Store {
    pub(super) fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage> {
        let (found, next) = self.look_for_pending(filter, from, limit)?;
        let events = found.into_iter().map(|(.., event)| event).collect();
        Ok(PendingPage { events, next })
    }

    pub(super) fn retry_now(
        &mut self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep> {
        let (found, next) = self.look_for_pending(filter, from, limit)?;
        let mut done = 0;
        for (endpoint, seq, event) in found {
            if event.state == PendingState::Retry && event.due_at_ms > now_ms {
                let sql = "UPDATE pair SET due_at_ms = ?3 WHERE endpoint = ?1 AND seq = ?2";
                self.execute(sql, params![endpoint, seq, to_sql(now_ms.max(1))])?;
                self.woke = true;
                done += 1;
            }
        }
        Ok(DeadStep { done, next })
    }

    /// Looks at some pairs behind the cursor, and says where to go on.
    fn look_for_pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<Found> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (&endpoint, counters) in self.counters.endpoints.range(from.endpoint..) {
            if counters.counts.pending == 0 || !filter.is_about(&counters.name) {
                continue;
            }
            let mut seq = if endpoint == from.endpoint {
                from.seq
            } else {
                0
            };
            loop {
                match self.next_pending(endpoint, seq)? {
                    Next::End => break,
                    Next::Nothing(to) => {
                        seq = to;
                        looked_at = STEP_LETTERS_MAX;
                    }
                    Next::Pair(pair) => {
                        seq = pair.seq;
                        looked_at += 1;
                        let event = self.shown(&counters.name, pair, filter.bodies)?;
                        if filter.holds(&event) {
                            found.push((endpoint, seq, event));
                        }
                    }
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    return Ok((found, Some(DeadCursor { endpoint, seq })));
                }
            }
        }
        Ok((found, None))
    }

    fn next_pending(&self, endpoint: i64, after: i64) -> Result<Next> {
        let sql = "SELECT seq, place, attempts, replays, due_at_ms, reason FROM pair
            WHERE endpoint = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let listed = statement.query_row(params![endpoint, after], pair_of);
        let listed = listed.optional()?;
        // The others stand in their events alone.
        if self.counters.unlisted(endpoint) == 0 {
            return Ok(listed.map_or(Next::End, Next::Pair));
        }
        let from = after.max(self.counters.looked_to(endpoint));
        let to = self.counters.last_seq.min(from + PROMOTE_MAX);
        let sql = "SELECT seq, lane FROM event
            WHERE seq > ?1 AND seq <= ?2 AND instr(endpoints, ?3)
            AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.endpoint = ?4 AND pair.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.endpoint = ?4 AND dead.seq = event.seq)
            AND NOT EXISTS (SELECT 1 FROM done WHERE done.seq = event.seq AND done.endpoint = ?4)
            ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let name = format!(" {endpoint} ");
        let other = statement.query_row(params![from, to, name, endpoint], |row| {
            Ok((row.get::<_, i64>(0)?, lossy(row, 1)?))
        });
        Ok(match (listed, other.optional()?) {
            // Behind the last event there are none without a row.
            (Some(pair), None) if pair.seq <= to || to >= self.counters.last_seq => {
                Next::Pair(pair)
            }
            (Some(pair), Some((seq, _))) if pair.seq < seq => Next::Pair(pair),
            (_, Some((seq, key))) => Next::Pair(self.unlisted_pair(endpoint, seq, &key)?),
            (None, None) if to >= self.counters.last_seq => Next::End,
            (_, None) => Next::Nothing(to),
        })
    }

    /// A pair without a row, as the window knows it.
    fn unlisted_pair(&self, endpoint: i64, seq: i64, key: &str) -> Result<Pair> {
        let behind_row = !key.is_empty() && self.is_held_by_rows(endpoint, key, seq)?;
        let state = self.window(endpoint, |window| match window.first_waiting(key) {
            _ if window.flies(seq) => PendingState::InFlight,
            _ if behind_row || window.is_busy(key, seq) => PendingState::Waiting,
            Some(first) if first < seq => PendingState::Waiting,
            _ => PendingState::Ready,
        });
        Ok(Pair {
            seq,
            state,
            attempts: u32::from(state == PendingState::InFlight),
            replays: 0,
            due_at_ms: 0,
            reason: String::new(),
        })
    }

    fn shown(&self, endpoint: &str, pair: Pair, with_body: bool) -> Result<PendingEvent> {
        let entry = Stored::find(&self.connection, pair.seq)?.entry;
        Ok(PendingEvent {
            endpoint: endpoint.to_owned(),
            id: entry.id,
            hook: entry.hook,
            ordering_key: entry.ordering_key,
            operation_id: entry.operation_id,
            accepted_at_ms: entry.accepted_at_ms,
            state: pair.state,
            attempts: pair.attempts,
            replays: pair.replays,
            due_at_ms: pair.due_at_ms,
            reason: pair.reason,
            body_bytes: entry.body.len() as u64,
            body: with_body.then_some(entry.body),
        })
    }
}

fn pair_of(row: &Row<'_>) -> Result<Pair> {
    let state = match row.get(1)? {
        0 => PendingState::Ready,
        1 => PendingState::InFlight,
        2 => PendingState::Retry,
        _ => PendingState::Waiting,
    };
    Ok(Pair {
        seq: row.get(0)?,
        state,
        attempts: row.get(2)?,
        replays: row.get(3)?,
        due_at_ms: match state {
            PendingState::Retry => from_sql(row.get(4)?),
            _ => 0,
        },
        reason: lossy(row, 5)?,
    })
}
