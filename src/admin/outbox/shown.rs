//! What operators see of the outbox: counters, and pages of what it holds.

use tonic::Status;

use super::meant::{dead_filter, pending_filter};
use super::told::failed;
use crate::clock::Clock;
use crate::outbox::{DeadCursor, DeadLetter, Discarded, EndpointStats, Outbox, PendingEvent};
use crate::proto::v1;
use crate::telemetry::{UsageLevel, UsageLimits};

/// Letters on a page where the caller does not say how many.
const PAGE_LETTERS: u32 = 100;
const PAGE_LETTERS_MAX: u32 = 1000;
/// With their bodies: a page must fit into a gRPC message of the usual 4 MiB.
const PAGE_BODIES_MAX: u32 = 3;

/// Counters and sizes.
pub async fn status(
    outbox: &dyn Outbox,
    limits: UsageLimits,
    clock: Clock,
) -> Result<v1::OutboxStatusResponse, Status> {
    let stats = outbox.stats().await.map_err(failed)?;
    let used = limits.used(stats.bytes, stats.entries);
    let endpoints = stats.endpoints.into_iter();
    Ok(v1::OutboxStatusResponse {
        endpoints: endpoints.map(|stats| endpoint(stats, clock)).collect(),
        bytes: stats.bytes,
        entries: stats.entries,
        remembered_ids: stats.remembered_ids,
        bytes_max: limits.bytes_max,
        entries_max: limits.entries_max,
        used,
        level: UsageLevel::of(used).name().to_owned(),
    })
}

fn endpoint(stats: EndpointStats, clock: Clock) -> v1::OutboxEndpoint {
    let counts = stats.counts;
    let paused = stats.health.paused.unwrap_or_default();
    v1::OutboxEndpoint {
        endpoint: stats.endpoint,
        accepted: counts.accepted,
        delivered: counts.delivered,
        dead: counts.dead,
        discarded: counts.discarded,
        pending: counts.pending,
        in_flight: counts.in_flight,
        oldest_pending_age_ms: stats
            .oldest_pending_ms
            .map_or(0, |oldest| clock.age_of(oldest).as_millis() as u64),
        conserved: counts.conserved(),
        failing_since_ms: stats.health.failing_since_ms.unwrap_or(0),
        paused_at_ms: paused.at_ms,
        pause_reason: paused.reason,
        bytes: stats.bytes,
    }
}

/// One page of dead letters.
pub async fn dead(
    outbox: &dyn Outbox,
    request: v1::DeadLettersRequest,
) -> Result<v1::DeadLettersResponse, Status> {
    let (from, limit) = page_of(&request.cursor, request.limit, request.show)?;
    let mut filter = dead_filter(request.filter);
    filter.bodies = request.show;
    let page = outbox.dead(&filter, from, limit).await.map_err(failed)?;
    Ok(v1::DeadLettersResponse {
        letters: page.letters.into_iter().map(letter).collect(),
        next: page.next.map(|next| next.to_string()).unwrap_or_default(),
    })
}

/// One page of discarded events.
pub async fn discarded(
    outbox: &dyn Outbox,
    request: v1::DiscardedEventsRequest,
) -> Result<v1::DiscardedEventsResponse, Status> {
    let (from, limit) = page_of(&request.cursor, request.limit, false)?;
    let filter = dead_filter(request.filter);
    let page = outbox
        .discarded(&filter, from, limit)
        .await
        .map_err(failed)?;
    Ok(v1::DiscardedEventsResponse {
        events: page.events.into_iter().map(discarded_event).collect(),
        next: page.next.map(|next| next.to_string()).unwrap_or_default(),
    })
}

fn page_of(cursor: &str, limit: u32, show: bool) -> Result<(DeadCursor, usize), Status> {
    let from = match cursor {
        "" => DeadCursor::default(),
        cursor => cursor
            .parse()
            .map_err(|error| Status::invalid_argument(format!("cursor: {error}")))?,
    };
    let limit = match limit {
        0 => PAGE_LETTERS,
        limit => limit.min(PAGE_LETTERS_MAX),
    };
    let limit = match show {
        true => limit.min(PAGE_BODIES_MAX),
        false => limit,
    };
    Ok((from, limit as usize))
}

fn discarded_event(event: Discarded) -> v1::DiscardedEvent {
    v1::DiscardedEvent {
        endpoint: event.endpoint,
        id: event.id,
        hook: event.hook,
        lane: event.ordering_key,
        operation_id: event.operation_id,
        accepted_at_ms: event.accepted_at_ms,
        discarded_at_ms: event.discarded_at_ms,
        reason: event.reason,
    }
}

fn letter(letter: DeadLetter) -> v1::DeadLetter {
    v1::DeadLetter {
        endpoint: letter.endpoint,
        id: letter.id,
        hook: letter.hook,
        lane: letter.ordering_key,
        operation_id: letter.operation_id,
        accepted_at_ms: letter.accepted_at_ms,
        died_at_ms: letter.died_at_ms,
        attempts: letter.attempts,
        replays: letter.replays,
        reason: letter.reason,
        answer: letter.answer,
        body_bytes: letter.body_bytes,
        body: letter.body.unwrap_or_default().into(),
    }
}

/// One page of pending events.
pub async fn pending(
    outbox: &dyn Outbox,
    request: v1::PendingEventsRequest,
) -> Result<v1::PendingEventsResponse, Status> {
    let (from, limit) = page_of(&request.cursor, request.limit, request.show)?;
    let mut filter = pending_filter(request.filter);
    filter.bodies = request.show;
    let page = outbox.pending(&filter, from, limit).await.map_err(failed)?;
    Ok(v1::PendingEventsResponse {
        events: page.events.into_iter().map(pending_event).collect(),
        next: page.next.map(|next| next.to_string()).unwrap_or_default(),
    })
}

fn pending_event(event: PendingEvent) -> v1::PendingEvent {
    v1::PendingEvent {
        endpoint: event.endpoint,
        id: event.id,
        hook: event.hook,
        lane: event.ordering_key,
        operation_id: event.operation_id,
        accepted_at_ms: event.accepted_at_ms,
        state: event.state.name().to_owned(),
        attempts: event.attempts,
        replays: event.replays,
        due_at_ms: event.due_at_ms,
        reason: event.reason,
        body_bytes: event.body_bytes,
        body: event.body.unwrap_or_default().into(),
    }
}
