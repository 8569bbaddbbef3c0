//! Pending events as operators see them, and their order to try one now.

use std::cmp::Ordering;

use super::endpoint::{Endpoint, Pair, Place};
use super::state::State;
use crate::outbox::letter::{DeadCursor, DeadStep, STEP_LETTERS_MAX};
use crate::outbox::pending::{PendingEvent, PendingFilter, PendingPage, PendingState};

impl State {
    pub(super) fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> PendingPage {
        let (found, next) = self.look_for_pending(filter, from, limit);
        let events = found.into_iter().map(|(.., event)| event).collect();
        PendingPage { events, next }
    }

    pub(super) fn retry_now(
        &mut self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> DeadStep {
        let (found, next) = self.look_for_pending(filter, from, limit);
        let mut done = 0;
        for (number, seq, event) in found {
            if event.state == PendingState::Retry && event.due_at_ms > now_ms {
                self.endpoints[number].make_due(seq, now_ms.max(1));
                done += 1;
            }
        }
        DeadStep { done, next }
    }

    fn look_for_pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> (Vec<(usize, i64, PendingEvent)>, Option<DeadCursor>) {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            let after = match (number as i64).cmp(&from.endpoint) {
                Ordering::Less => continue,
                Ordering::Equal => from.seq + 1,
                Ordering::Greater => 0,
            };
            if !filter.is_about(&endpoint.name) {
                continue;
            }
            for (&seq, pair) in endpoint.pairs.range(after..) {
                looked_at += 1;
                let event = self.shown(endpoint, seq, pair, filter.bodies);
                if filter.holds(&event) {
                    found.push((number, seq, event));
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    let endpoint = number as i64;
                    return (found, Some(DeadCursor { endpoint, seq }));
                }
            }
        }
        (found, None)
    }

    fn shown(&self, endpoint: &Endpoint, seq: i64, pair: &Pair, with_body: bool) -> PendingEvent {
        let entry = &self.events[&seq].entry;
        let state = match pair.place {
            Place::Ready => PendingState::Ready,
            Place::Retry => PendingState::Retry,
            Place::InFlight => PendingState::InFlight,
            Place::Waiting => PendingState::Waiting,
        };
        let due_at_ms = pair.due_at_ms.filter(|_| state == PendingState::Retry);
        PendingEvent {
            endpoint: endpoint.name.clone(),
            id: entry.id.clone(),
            hook: entry.hook.clone(),
            ordering_key: entry.ordering_key.clone(),
            operation_id: entry.operation_id.clone(),
            accepted_at_ms: entry.accepted_at_ms,
            state,
            attempts: pair.attempts,
            replays: pair.replays,
            due_at_ms: due_at_ms.unwrap_or_default(),
            reason: pair.reason.clone(),
            body_bytes: entry.body.len() as u64,
            body: with_body.then(|| entry.body.clone()),
        }
    }
}
