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
        if let Some(pair) = listed.optional()? {
            return Ok(Next::Pair(pair));
        }
        // The others stand in their events alone.
        let Some((to, name)) = self.counters.unpromoted(endpoint) else {
            return Ok(Next::End);
        };
        let after = after.max(to);
        if after >= self.counters.last_seq {
            return Ok(Next::End);
        }
        let to = self.counters.last_seq.min(after + PROMOTE_MAX);
        let sql = "SELECT seq FROM event
            WHERE seq > ?1 AND seq <= ?2 AND instr(endpoints, ?3) ORDER BY seq LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let seq = statement.query_row(params![after, to, name], |row| row.get(0));
        Ok(match seq.optional()? {
            None => Next::Nothing(to),
            Some(seq) => Next::Pair(Pair {
                seq,
                state: PendingState::Ready,
                attempts: 0,
                replays: 0,
                due_at_ms: 0,
                reason: String::new(),
            }),
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
