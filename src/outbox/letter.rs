//! Dead letters: events that an endpoint did not get, kept until they are replayed or discarded.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// Dead letters that one step looks at, so that no step holds up the others for long.
pub(super) const STEP_LETTERS_MAX: usize = 256;

/// One event that was given up on for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub endpoint: String,
    pub id: String,
    pub hook: String,
    pub ordering_key: String,
    pub operation_id: String,
    pub accepted_at_ms: u64,
    pub died_at_ms: u64,
    /// Requests made since it was accepted or replayed.
    pub attempts: u32,
    /// How often it was replayed before.
    pub replays: u32,
    /// The class of failure, a colon, and what happened.
    pub reason: String,
    /// The beginning of the endpoint's last answer; empty when there was none.
    pub answer: String,
    pub body_bytes: u64,
    /// Where it was asked for.
    pub body: Option<Bytes>,
}

/// Which dead letters, or discarded events, are meant. What is `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    pub endpoint: Option<String>,
    /// Without regard to letter case.
    pub hook: Option<String>,
    pub id: Option<String>,
    /// Accepted at this time or later.
    pub since_ms: Option<u64>,
    /// Accepted before this time.
    pub until_ms: Option<u64>,
    /// Given up on at this time or earlier: a replay does not meet again what it replayed.
    pub died_by_ms: Option<u64>,
    /// A part of the reason, without regard to letter case.
    pub reason: Option<String>,
    /// The bodies are wanted too.
    pub bodies: bool,
}

impl DeadFilter {
    pub(super) fn is_about(&self, endpoint: &str) -> bool {
        self.endpoint.as_ref().is_none_or(|name| name == endpoint)
    }

    pub(super) fn holds(&self, letter: &DeadLetter) -> bool {
        self.is_about(&letter.endpoint)
            && self.fits(
                &letter.hook,
                &letter.id,
                letter.accepted_at_ms,
                &letter.reason,
            )
            && self.died_by_ms.is_none_or(|at| letter.died_at_ms <= at)
    }

    pub(super) fn holds_discarded(&self, event: &Discarded) -> bool {
        self.is_about(&event.endpoint)
            && self.fits(&event.hook, &event.id, event.accepted_at_ms, &event.reason)
    }

    fn fits(&self, hook: &str, id: &str, accepted_at_ms: u64, reason: &str) -> bool {
        let part_of = |part: &String| reason.to_lowercase().contains(&part.to_lowercase());
        (self.hook.as_ref()).is_none_or(|wanted| wanted.eq_ignore_ascii_case(hook))
            && self.id.as_ref().is_none_or(|wanted| wanted == id)
            && self.since_ms.is_none_or(|at| accepted_at_ms >= at)
            && self.until_ms.is_none_or(|at| accepted_at_ms < at)
            && self.reason.as_ref().is_none_or(part_of)
    }
}

/// A place among the dead letters, which are in order of endpoint and acceptance. Good with the
/// outbox that gave it, and as long as that is not closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadCursor {
    pub(super) endpoint: i64,
    pub(super) seq: i64,
}

impl fmt::Display for DeadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.endpoint, self.seq)
    }
}

/// No place among dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cursor was not given by an outbox")]
pub struct BadCursor;

impl FromStr for DeadCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<DeadCursor, BadCursor> {
        let (endpoint, seq) = text.split_once('-').ok_or(BadCursor)?;
        Ok(DeadCursor {
            endpoint: endpoint.parse().map_err(|_| BadCursor)?,
            seq: seq.parse().map_err(|_| BadCursor)?,
        })
    }
}

/// Some dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadPage {
    /// In order of endpoint and acceptance.
    pub letters: Vec<DeadLetter>,
    /// Where to go on; `None` at the end. A page may be empty and not the last.
    pub next: Option<DeadCursor>,
}

/// One accepted event that an endpoint will not get, by somebody's will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    pub endpoint: String,
    pub id: String,
    pub hook: String,
    pub ordering_key: String,
    pub operation_id: String,
    pub accepted_at_ms: u64,
    pub discarded_at_ms: u64,
    /// Whose will it was: an operator's words, or the setting that says so.
    pub reason: String,
}

/// Some discarded events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscardedPage {
    /// In the order in which they were discarded.
    pub events: Vec<Discarded>,
    /// Where to go on; `None` at the end. A page may be empty and not the last.
    pub next: Option<DeadCursor>,
}

/// What is done about dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadAct {
    /// Nothing: they are counted only.
    Count,
    /// Pending again, in the order of their ordering keys, with all attempts before them.
    Replay,
    /// Ended; the outbox logs each.
    Discard { reason: String },
}

/// What one step over the dead letters did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadStep {
    /// Letters that the filter holds for, each of them done.
    pub done: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<DeadCursor>,
}
