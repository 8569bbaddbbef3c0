//! `/api/v1/events`: tells a page when there is something new to show.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::Serialize;

use super::acts::Asked;
use super::shown::Admin;
use super::who::Who;

/// How often it is looked at whether the stream has to end; a server that stops waits so long.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After so many looks there is a tick.
const LOOKS_OF_TICK: u32 = 8;

/// A number for each thing that pages show; another one than before says that it has changed.
#[derive(Debug, Serialize)]
struct Tick {
    overview: u32,
    hooks: u32,
    delivery: u32,
    changes: u32,
}

/// Ticks every 2 s, as server-sent events, until whoever asked may not see them any more.
pub(super) async fn events(
    State(admin): State<Admin>,
    Extension(asked): Extension<Asked>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let was_ready = admin.ready.load(Ordering::Relaxed);
    let start = (admin, asked.who, was_ready, 0);
    let ticks = stream::unfold(start, |(admin, who, was_ready, mut looks)| async move {
        while looks > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
            let is_stopping = was_ready && !admin.ready.load(Ordering::Relaxed);
            if is_stopping || !still_known(&admin, &who) {
                return None;
            }
            looks -= 1;
        }
        let tick = tick(&admin).await;
        // Plain numbers: serialising them cannot fail.
        let tick = serde_json::to_string(&tick).unwrap_or_default();
        let event = Ok(Event::default().event("tick").data(tick));
        Some((event, (admin, who, was_ready, LOOKS_OF_TICK)))
    });
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

fn still_known(admin: &Admin, who: &Who) -> bool {
    match who {
        Who::Nobody => false,
        Who::Anyone => admin.access.open && !admin.operators.is_set_up(),
        Who::CommandLine => true,
        Who::Known(identity) => admin.operators.still_knows(identity),
    }
}

async fn tick(admin: &Admin) -> Tick {
    let seen = admin.observed.latest().await;
    let outbox = seen.stats.as_ref().map(|stats| {
        let of_each = stats.endpoints.iter().map(|stats| {
            let counts = &stats.counts;
            let ended = [counts.delivered, counts.dead, counts.discarded];
            (
                stats.endpoint.clone(),
                counts.accepted,
                ended,
                counts.in_flight,
                stats.health.paused.is_some(),
            )
        });
        of_each.collect::<Vec<_>>()
    });
    let delivery = number(&(outbox, &seen.error));
    let rejected = admin.policies.rejected().map(|rejected| rejected.at_ms);
    let edited = admin.policies.engine_edit().map(|edit| edit.at_ms);
    let shared = admin.policies.shared();
    let shared = shared.map(|shared| (shared.newest, shared.away, shared.problems.len()));
    let changes = number(&(
        admin.policies.current().version.number,
        rejected,
        edited,
        shared,
    ));
    let called = admin.metrics.hooks.called().into_iter().map(|hook| {
        let state = admin.metrics.hooks.get(hook);
        (hook.name, state.map(|state| state.calls()))
    });
    let endpoints = admin.callbacks.status().into_iter().map(|endpoint| {
        let breakers = (
            endpoint.breaker,
            endpoint.delivery_breaker,
            endpoint.hook_breakers,
        );
        (
            endpoint.name,
            breakers,
            endpoint.last_outcome,
            endpoint.last_at_ms,
        )
    });
    let hooks = number(&(
        called.collect::<Vec<_>>(),
        endpoints.collect::<Vec<_>>(),
        changes,
    ));
    let outcomes = admin.metrics.outcomes.totals();
    Tick {
        overview: number(&(outcomes, delivery, hooks, admin.audit.error())),
        hooks,
        delivery,
        changes,
    }
}

fn number(state: &impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish() as u32
}
