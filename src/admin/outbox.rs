//! What operators see of the outbox and do about dead letters, as messages of `AdminService`.
//!
//! The command line uses it on a running server through gRPC, and on a file that no server has
//! open directly, so both say the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::Status;

use crate::clock::Clock;
use crate::dialect;
use crate::outbox::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, Discarded, EndpointStats, Outbox, OutboxError,
    PendingEvent, PendingFilter,
};
use crate::proto::v1;
use crate::settings::suggest;
use crate::telemetry::{UsageLevel, UsageLimits};

/// Letters on a page where the caller does not say how many.
const PAGE_LETTERS: u32 = 100;
const PAGE_LETTERS_MAX: u32 = 1000;
/// With their bodies: a page must fit into a gRPC message of the usual 4 MiB.
const PAGE_BODIES_MAX: u32 = 3;
/// Letters a second that a replay makes pending where the caller does not say how many.
const REPLAY_RATE: u32 = 100;
/// A replay goes in steps of this time.
const STEP_TIME: Duration = Duration::from_millis(100);
/// Events that one step of discarding ends.
const DISCARD_STEP: usize = 256;

/// Progress of an order, until it has ended.
pub type Progress = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

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
    let mut filter = filter(request.filter);
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
    let filter = filter(request.filter);
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

fn pending_filter(filter: Option<v1::PendingFilter>) -> PendingFilter {
    let filter = filter.unwrap_or_default();
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    PendingFilter {
        endpoint: text(filter.endpoint),
        hook: text(filter.hook),
        id: text(filter.id),
        ordering_key: text(filter.lane),
        bodies: false,
    }
}

/// Makes retries due now, step by step while the stream is read.
pub fn retry(outbox: Arc<dyn Outbox>, request: v1::RetryPendingRequest, clock: Clock) -> Progress {
    let filter = pending_filter(request.filter);
    let start = At {
        from: Some(DeadCursor::default()),
        done: 0,
    };
    let steps = stream::try_unfold(
        (outbox, filter, start),
        move |(outbox, filter, at)| async move {
            let Some(from) = at.from else {
                return Ok(None);
            };
            let step = outbox
                .retry_now(&filter, from, DISCARD_STEP, clock.now_ms())
                .await
                .map_err(failed)?;
            let at = At {
                from: step.next,
                done: at.done + step.done,
            };
            let progress = v1::OutboxProgress {
                done: at.done,
                ended: at.from.is_none(),
            };
            Ok(Some((progress, (outbox, filter, at))))
        },
    );
    steps.boxed()
}

/// The names in a filter, of dead letters or of what waits.
pub struct Named<'a> {
    pub endpoint: &'a str,
    pub hook: &'a str,
}

impl<'a> From<&'a v1::DeadFilter> for Named<'a> {
    fn from(filter: &'a v1::DeadFilter) -> Named<'a> {
        Named {
            endpoint: &filter.endpoint,
            hook: &filter.hook,
        }
    }
}

impl<'a> From<&'a v1::PendingFilter> for Named<'a> {
    fn from(filter: &'a v1::PendingFilter) -> Named<'a> {
        Named {
            endpoint: &filter.endpoint,
            hook: &filter.hook,
        }
    }
}

/// Refuses the name of a hook that no dialect has, and of an endpoint that no event was ever
/// accepted for and no policy has: an order about it would be about nothing, and say so of a slip
/// of the pen as of a job done.
pub async fn check_names<'a, F>(
    outbox: &dyn Outbox,
    configured: &[String],
    filter: Option<&'a F>,
) -> Result<(), Status>
where
    &'a F: Into<Named<'a>>,
{
    let Some(Named { endpoint, hook }) = filter.map(Into::into) else {
        return Ok(());
    };
    if !hook.is_empty() && dialect::hook(hook).is_none() {
        let hint = match dialect::near_names(hook).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`callgate dialects` names them".to_owned(),
        };
        let what = format!("filter.hook: there is no hook `{hook}`; {hint}");
        return Err(Status::invalid_argument(what));
    }
    if endpoint.is_empty() {
        return Ok(());
    }
    let stats = outbox.stats().await.map_err(failed)?;
    let held = stats.endpoints.iter().map(|stats| stats.endpoint.as_str());
    let known: BTreeSet<&str> = held.chain(configured.iter().map(String::as_str)).collect();
    if known.contains(endpoint) {
        return Ok(());
    }
    let hint = match known.is_empty() {
        true => "there are no endpoints yet".to_owned(),
        false => suggest(endpoint, known),
    };
    let what = format!("filter.endpoint: there is no endpoint `{endpoint}`; {hint}");
    Err(Status::invalid_argument(what))
}

/// Makes dead letters pending again, step by step while the stream is read.
pub fn replay(
    outbox: Arc<dyn Outbox>,
    request: v1::ReplayDeadRequest,
    clock: Clock,
) -> Result<Progress, Status> {
    let rate = match request.rate {
        0 => REPLAY_RATE,
        rate => rate,
    };
    // Below ten a second, one letter at a time and a longer pause.
    let step_letters = (rate / 10).max(1);
    let pause = STEP_TIME.max(Duration::from_secs(1) / rate);
    Ok(match request.dry_run {
        true => count(outbox, filter(request.filter), clock),
        false => over_dead(Walk {
            outbox,
            clock,
            act: DeadAct::Replay,
            filter: filter(request.filter),
            step_letters: step_letters as usize,
            pause,
        }),
    })
}

/// What an operator may give as the reason of a discard: it is kept with every event, and shown.
const WHY_BYTES_MAX: usize = 512;

fn reason(why: &str) -> Result<String, Status> {
    if why.len() > WHY_BYTES_MAX || why.chars().any(char::is_control) {
        let what = format!("why: at most {WHY_BYTES_MAX} bytes in one line");
        return Err(Status::invalid_argument(what));
    }
    Ok(match why {
        "" => "an operator discarded it".to_owned(),
        why => format!("an operator discarded it: {why}"),
    })
}

/// Ends dead letters, or what is pending for one endpoint, step by step while the stream is read.
pub fn discard(
    outbox: Arc<dyn Outbox>,
    request: v1::DiscardEventsRequest,
    clock: Clock,
) -> Result<Progress, Status> {
    let why = reason(&request.why)?;
    let filter = filter(request.filter);
    if request.pending {
        let Some(endpoint) = filter.endpoint.clone() else {
            return Err(Status::invalid_argument(
                "filter.endpoint: name the endpoint whose pending events are to be discarded",
            ));
        };
        let only = DeadFilter {
            endpoint: filter.endpoint.clone(),
            ..DeadFilter::default()
        };
        if filter != only {
            return Err(Status::invalid_argument(
                "filter: pending events are discarded by endpoint alone",
            ));
        }
        return Ok(match request.dry_run {
            true => count_pending(outbox, endpoint),
            false => discard_pending(outbox, endpoint, why, clock),
        });
    }
    Ok(match request.dry_run {
        true => count(outbox, filter, clock),
        false => over_dead(Walk {
            outbox,
            clock,
            act: DeadAct::Discard { reason: why },
            filter,
            step_letters: DISCARD_STEP,
            pause: Duration::ZERO,
        }),
    })
}

/// One order about dead letters.
struct Walk {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    act: DeadAct,
    filter: DeadFilter,
    step_letters: usize,
    pause: Duration,
}

/// Where a walk is: the place to go on from, and what was done so far.
struct At {
    from: Option<DeadCursor>,
    done: u64,
}

fn count(outbox: Arc<dyn Outbox>, filter: DeadFilter, clock: Clock) -> Progress {
    over_dead(Walk {
        outbox,
        clock,
        act: DeadAct::Count,
        filter,
        step_letters: usize::MAX,
        pause: Duration::ZERO,
    })
}

fn over_dead(mut walk: Walk) -> Progress {
    // What dies from now on is not met, however long the walk takes.
    walk.filter.died_by_ms = Some(walk.clock.now_ms());
    let start = At {
        from: Some(DeadCursor::default()),
        done: 0,
    };
    let steps = stream::try_unfold((walk, start), |(walk, at)| async move {
        let Some(from) = at.from else {
            return Ok(None);
        };
        let step = walk
            .outbox
            .act_on_dead(
                &walk.act,
                &walk.filter,
                from,
                walk.step_letters,
                walk.clock.now_ms(),
            )
            .await
            .map_err(failed)?;
        let at = At {
            from: step.next,
            done: at.done + step.done,
        };
        let progress = v1::OutboxProgress {
            done: at.done,
            ended: at.from.is_none(),
        };
        if step.done > 0 && at.from.is_some() {
            tokio::time::sleep(walk.pause).await;
        }
        Ok(Some((progress, (walk, at))))
    });
    steps.boxed()
}

fn count_pending(outbox: Arc<dyn Outbox>, endpoint: String) -> Progress {
    let counted = async move {
        let stats = outbox.stats().await.map_err(failed)?;
        let mut endpoints = stats.endpoints.iter();
        let found = endpoints.find(|stats| stats.endpoint == endpoint);
        Ok(v1::OutboxProgress {
            done: found.map_or(0, |stats| stats.counts.pending - stats.counts.in_flight),
            ended: true,
        })
    };
    stream::once(counted).boxed()
}

fn discard_pending(
    outbox: Arc<dyn Outbox>,
    endpoint: String,
    why: String,
    clock: Clock,
) -> Progress {
    let start = Some(0);
    let steps = stream::try_unfold(start, move |done| {
        let (outbox, endpoint, why) = (outbox.clone(), endpoint.clone(), why.clone());
        async move {
            let Some(done) = done else {
                return Ok(None);
            };
            let step = outbox
                .discard_pending(&endpoint, &why, None, DISCARD_STEP, clock.now_ms())
                .await
                .map_err(failed)?;
            let done = done + step;
            let ended = step == 0;
            let progress = v1::OutboxProgress { done, ended };
            Ok(Some((progress, (!ended).then_some(done))))
        }
    });
    steps.boxed()
}

fn filter(filter: Option<v1::DeadFilter>) -> DeadFilter {
    let filter = filter.unwrap_or_default();
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let time = |at_ms: u64| Some(at_ms).filter(|at_ms| *at_ms > 0);
    DeadFilter {
        endpoint: text(filter.endpoint),
        hook: text(filter.hook),
        id: text(filter.id),
        since_ms: time(filter.since_ms),
        until_ms: time(filter.until_ms),
        died_by_ms: None,
        reason: text(filter.reason),
        bodies: false,
    }
}

fn failed(error: OutboxError) -> Status {
    match error {
        OutboxError::DiskFull(_) => Status::resource_exhausted(error.to_string()),
        OutboxError::Closed => Status::unavailable(error.to_string()),
        OutboxError::Failed(_) => Status::internal(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_discard_is_one_short_line() {
        assert_eq!(reason("").unwrap(), "an operator discarded it");
        assert_eq!(reason("gone").unwrap(), "an operator discarded it: gone");
        for wrong in ["two\nlines", "\u{1b}[2J", &"x".repeat(513)] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
    }
}
