//! Orders about what the outbox holds, carried out step by step while somebody reads on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::Status;

use super::meant::{dead_filter, pending_filter};
use super::told::failed;
use crate::clock::Clock;
use crate::outbox::{DeadAct, DeadCursor, DeadFilter, Outbox};
use crate::proto::v1;

/// Letters a second that a replay makes pending where the caller does not say how many.
const REPLAY_RATE: u32 = 100;
/// A replay goes in steps of this time.
const STEP_TIME: Duration = Duration::from_millis(100);
/// Events that one step of discarding ends.
const DISCARD_STEP: usize = 256;

/// Progress of an order, until it has ended.
pub type Progress = BoxStream<'static, Result<v1::OutboxProgress, Status>>;

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

/// Makes dead letters pending again, step by step while the stream is read.
pub fn replay(
    outbox: Arc<dyn Outbox>,
    request: v1::ReplayDeadRequest,
    clock: Clock,
) -> Result<Progress, Status> {
    replay_as_of(outbox, request, clock, clock.now_ms())
}

/// The same with what had died by then, and nothing that died later.
pub(in crate::admin) fn replay_as_of(
    outbox: Arc<dyn Outbox>,
    request: v1::ReplayDeadRequest,
    clock: Clock,
    as_of_ms: u64,
) -> Result<Progress, Status> {
    let rate = match request.rate {
        0 => REPLAY_RATE,
        rate => rate,
    };
    // Below ten a second, one letter at a time and a longer pause.
    let step_letters = (rate / 10).max(1);
    let pause = STEP_TIME.max(Duration::from_secs(1) / rate);
    Ok(match request.dry_run {
        true => count(
            outbox,
            died_by(dead_filter(request.filter), as_of_ms),
            clock,
        ),
        false => over_dead(Walk {
            outbox,
            clock,
            act: DeadAct::Replay,
            filter: died_by(dead_filter(request.filter), as_of_ms),
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
    discard_as_of(outbox, request, clock, None)
}

/// The same with what was there at a time, and nothing that came later.
pub(in crate::admin) fn discard_as_of(
    outbox: Arc<dyn Outbox>,
    request: v1::DiscardEventsRequest,
    clock: Clock,
    as_of_ms: Option<u64>,
) -> Result<Progress, Status> {
    let why = reason(&request.why)?;
    let filter = dead_filter(request.filter);
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
            false => discard_pending(outbox, endpoint, why, as_of_ms, clock),
        });
    }
    let filter = died_by(filter, as_of_ms.unwrap_or_else(|| clock.now_ms()));
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

/// What dies later is not met, however long the walk takes.
fn died_by(mut filter: DeadFilter, as_of_ms: u64) -> DeadFilter {
    filter.died_by_ms = Some(as_of_ms);
    filter
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

fn over_dead(walk: Walk) -> Progress {
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
    as_of_ms: Option<u64>,
    clock: Clock,
) -> Progress {
    let start = Some(0);
    let before_ms = as_of_ms.map(|at| at + 1);
    let steps = stream::try_unfold(start, move |done| {
        let (outbox, endpoint, why) = (outbox.clone(), endpoint.clone(), why.clone());
        async move {
            let Some(done) = done else {
                return Ok(None);
            };
            let step = outbox
                .discard_pending(&endpoint, &why, before_ms, DISCARD_STEP, clock.now_ms())
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
