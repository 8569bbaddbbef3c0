//! What follows an attempt: one function of its outcome, of what was before, and of the settings.
//!
//! The time and the dice are arguments.

use std::collections::HashSet;
use std::time::Duration;

use crate::callback::{Delivery, DeliveryError};
use crate::policy::Endpoint;

/// An event that was not put on the wire is looked at again after this.
const PARKED: Duration = Duration::from_secs(2);
/// Quick tries of an event that the endpoint itself refuses.
const REJECTED_ATTEMPTS_MAX: u32 = 3;
const REJECTED_WAIT: Duration = Duration::from_secs(1);
/// No endpoint is paused before this process has seen it fail for so long, or for `pause_after`
/// if that is shorter: what an earlier process saw is told by its clock alone.
pub(super) const SEEN_MIN: Duration = Duration::from_secs(600);

/// One event of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried<'a> {
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Empty where its order does not matter.
    pub ordering_key: &'a str,
}

/// What was before the request.
#[derive(Debug)]
pub(super) struct History<'a> {
    /// In the order in which the request has them.
    pub events: &'a [Tried<'a>],
    /// It was sent to try a paused endpoint.
    pub probe: bool,
    /// The endpoint refused its events together with others.
    pub split: bool,
    /// The endpoint was failing when it was sent.
    pub failing: Option<Failing>,
}

/// Since when an endpoint fails; milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    pub since_ms: u64,
    /// The first failure that this process saw.
    pub seen_ms: u64,
}

/// The time, and a throw of the dice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Milliseconds since 1970.
    pub ms: u64,
    /// From 0 to 1.
    pub chance: f64,
}

/// What follows a request.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// The events are sent again in two halves, to find the one that is refused.
    Halves,
    Settle(Verdict),
}

#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    /// For each event, in their order.
    pub events: Vec<Fate>,
    pub endpoint: Standing,
    /// The endpoint asked for nothing to come before this.
    pub hold_until_ms: Option<u64>,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    Retry {
        due_at_ms: u64,
        out_of_order: bool,
    },
    /// Tried again without an attempt used up.
    Parked {
        due_at_ms: u64,
    },
    /// Waits behind an event of its ordering key.
    Behind,
    Dead,
}

/// What a request says about its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It answered something that is about the events, or took them.
    Alive,
    Failing,
    /// It has failed for too long, or says that it is gone for good.
    Pause,
    /// Nothing was put on the wire.
    Unknown,
}

/// Decides what follows a request that ended in this way.
pub(super) fn next(
    outcome: &Delivery,
    history: &History<'_>,
    endpoint: &Endpoint,
    now: Now,
) -> Next {
    if matches!(outcome, Delivery::Rejected(_)) && history.events.len() > 1 {
        return Next::Halves;
    }
    let mut held: HashSet<&str> = HashSet::new();
    let mut fates = Vec::with_capacity(history.events.len());
    for (place, tried) in history.events.iter().enumerate() {
        let key = tried.ordering_key;
        let fate = match held.contains(key) {
            // Settled from the front: what stands behind comes again, in order.
            true => Fate::Behind,
            false => fate(&outcome.of(place), tried.attempt, history, endpoint, now),
        };
        let waits = matches!(fate, Fate::Retry { .. } | Fate::Parked { .. });
        if waits && !key.is_empty() {
            held.insert(key);
        }
        fates.push(fate);
    }
    Next::Settle(Verdict {
        events: fates,
        endpoint: standing(outcome, history.failing, endpoint, now),
        hold_until_ms: hold(outcome).map(|hold| now.ms.saturating_add(to_ms(hold))),
    })
}

fn fate(
    outcome: &Delivery,
    attempt: u32,
    history: &History<'_>,
    endpoint: &Endpoint,
    now: Now,
) -> Fate {
    let at = |wait: Duration| now.ms.saturating_add(to_ms(wait));
    match outcome {
        Delivery::Delivered => Fate::Delivered,
        Delivery::Failed(_) | Delivery::Retry(_) | Delivery::Gone(_) if history.probe => {
            Fate::Parked {
                due_at_ms: at(PARKED.min(endpoint.events.probe_every)),
            }
        }
        Delivery::NotSent(_) => Fate::Parked {
            due_at_ms: at(PARKED),
        },
        Delivery::Rejected(_) if !history.split && attempt < REJECTED_ATTEMPTS_MAX => Fate::Retry {
            due_at_ms: at(REJECTED_WAIT),
            out_of_order: false,
        },
        Delivery::Rejected(_) | Delivery::Gone(_) | Delivery::Hopeless(_) => Fate::Dead,
        Delivery::Failed(error) | Delivery::Partly { error, .. } | Delivery::Retry(error) => {
            match endpoint.retry_waits.get(attempt.saturating_sub(1) as usize) {
                Some(scheduled) => Fate::Retry {
                    due_at_ms: at(wait(*scheduled, error, now)),
                    out_of_order: blocks_for_long(endpoint, attempt),
                },
                None => Fate::Dead,
            }
        }
    }
}

/// Between half of the scheduled wait and all of it, so that what failed together does not return
/// together; later if the endpoint asked for it, which is never wrong, as earlier is.
fn wait(scheduled: Duration, error: &DeliveryError, now: Now) -> Duration {
    let jittered = scheduled.mul_f64(0.5 + now.chance.clamp(0.0, 1.0) / 2.0);
    jittered.max(error.retry_after.unwrap_or_default())
}

/// Whether the retries of an event so far took as long as its ordering key may wait for it.
fn blocks_for_long(endpoint: &Endpoint, attempt: u32) -> bool {
    let longest = endpoint.events.lane_block_max;
    let done = attempt.saturating_sub(1) as usize;
    let waits = endpoint.retry_waits.iter().take(done);
    !longest.is_zero() && waits.sum::<Duration>() >= longest
}

fn standing(
    outcome: &Delivery,
    failing: Option<Failing>,
    endpoint: &Endpoint,
    now: Now,
) -> Standing {
    match outcome {
        Delivery::Delivered | Delivery::Partly { .. } | Delivery::Rejected(_) => Standing::Alive,
        Delivery::Gone(_) => Standing::Pause,
        Delivery::NotSent(_) | Delivery::Hopeless(_) => Standing::Unknown,
        Delivery::Failed(_) | Delivery::Retry(_) => {
            let pause_after = endpoint.events.pause_after;
            let for_long = |failing: Failing| {
                now.ms.saturating_sub(failing.since_ms) >= to_ms(pause_after)
                    && now.ms.saturating_sub(failing.seen_ms) >= to_ms(pause_after.min(SEEN_MIN))
            };
            match failing {
                Some(failing) if for_long(failing) => Standing::Pause,
                _ => Standing::Failing,
            }
        }
    }
}

/// For how long the endpoint asked to be left alone: 429 and 503 are about all that it gets.
fn hold(outcome: &Delivery) -> Option<Duration> {
    let error = outcome.error()?;
    match error.status {
        Some(429 | 503) => error.retry_after,
        _ => None,
    }
}

pub(super) fn to_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
