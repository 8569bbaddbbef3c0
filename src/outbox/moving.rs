//! A whole outbox on its way into another one: what goes over, piece by piece, and the mark by which
//! both know that it does.
//!
//! Places in the order of acceptance stay what they are, so the target's rows say how far a move has
//! come. A target commits each batch with the place behind it: whoever comes next goes on there.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::entry::{Counts, Health, NewEntry};
use super::error::OpenError;
use super::letter::Discarded;

/// Rows of a batch, and bytes of bodies, a body more or less: what a move has in memory.
pub(super) const BATCH_ROWS: usize = if cfg!(test) { 3 } else { 512 };
pub(super) const BATCH_BYTES: u64 = 4 << 20;

/// What a move has to do with an outbox. Kept in it, or beside it, from before the first row goes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveMark {
    /// The same on both sides.
    pub id: String,
    pub side: Side,
    pub state: MoveState,
    /// Where the other side is, for people.
    pub other: String,
    /// RFC 3339.
    pub began: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Source,
    Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveState {
    Begun,
    /// Of a source: nothing of it counts any more. Of a target: it is used.
    Done,
}

impl MoveMark {
    /// Why an outbox with this mark must not be used; `None`: it may.
    pub fn refusal(&self) -> Option<String> {
        let MoveMark { other, began, .. } = self;
        let on = "call `callgate storage move` again with the same arguments, and it goes on where \
                  it was";
        match (self.side, self.state) {
            (Side::Target, MoveState::Done) => None,
            (Side::Target, MoveState::Begun) => Some(format!(
                "events are being moved into it from {other} (begun {began}), and not all are here: {on}"
            )),
            (Side::Source, MoveState::Begun) => Some(format!(
                "its events are being moved to {other} (begun {began}), and that has not ended: {on}, \
                 or with `--abandon` to have everything stay here"
            )),
            (Side::Source, MoveState::Done) => Some(format!(
                "its events were moved to {other} (begun {began}) and are delivered from there: set \
                 `storage` in engine.yaml to that; to have them here again, `callgate storage move` \
                 them back"
            )),
        }
    }
}

/// What goes over, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Events that are pending or dead for somebody, in the order of acceptance.
    #[default]
    Events,
    /// Ids of ended events that are remembered, in the order of their ends.
    Ids,
    /// The last events that were discarded.
    Discarded,
    /// What the latest call said of each series.
    Series,
    End,
}

impl Part {
    const ALL: [(Part, &'static str); 5] = [
        (Part::Events, "events"),
        (Part::Ids, "ids"),
        (Part::Discarded, "discarded"),
        (Part::Series, "series"),
        (Part::End, "end"),
    ];

    fn next(self) -> Part {
        let at = Part::ALL.iter().position(|(part, _)| *part == self);
        Part::ALL
            .get(at.unwrap_or(4) + 1)
            .map_or(Part::End, |next| next.0)
    }
}

/// How far a move has come: everything of earlier parts is there, and of this one what is not behind
/// `after`, which only its source can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MovePlace {
    pub part: Part,
    pub(super) after: String,
    /// Events that are there.
    pub events: u64,
}

impl MovePlace {
    /// Behind rows of the same part.
    pub(super) fn behind(&self, after: impl ToString, events: usize) -> MovePlace {
        MovePlace {
            after: after.to_string(),
            events: self.events + events as u64,
            ..*self
        }
    }

    /// Everything is there.
    pub(super) fn end(events: u64) -> MovePlace {
        MovePlace {
            part: Part::End,
            after: String::new(),
            events,
        }
    }

    /// At the beginning of the next part.
    pub(super) fn next_part(&self) -> MovePlace {
        MovePlace {
            part: self.part.next(),
            after: String::new(),
            ..*self
        }
    }
}

impl fmt::Display for MovePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Part::ALL.iter().find(|(part, _)| *part == self.part);
        let name = named.map_or("end", |(_, name)| name);
        write!(f, "{name} {} {}", self.events, self.after)
    }
}

impl FromStr for MovePlace {
    type Err = MoveError;

    fn from_str(text: &str) -> Result<MovePlace, MoveError> {
        let bad = || MoveError::Failed(format!("`{text}` is no place of a move"));
        let mut words = text.splitn(3, ' ');
        let (name, events, after) = (words.next(), words.next(), words.next());
        let part = Part::ALL.iter().find(|(_, of)| Some(*of) == name);
        Ok(MovePlace {
            part: part.ok_or_else(bad)?.0,
            events: events.and_then(|it| it.parse().ok()).ok_or_else(bad)?,
            after: after.unwrap_or_default().to_owned(),
        })
    }
}

/// Rows of one part.
#[derive(Debug)]
pub enum MovedRows {
    Events(Vec<MovedEvent>),
    Ids(Vec<MovedId>),
    Discarded(Vec<Discarded>),
    Series(Vec<MovedSeries>),
}

/// Rows, and the place behind them.
#[derive(Debug)]
pub struct MovedBatch {
    pub rows: MovedRows,
    pub next: MovePlace,
}

/// One event that is pending or dead for somebody.
#[derive(Debug)]
pub struct MovedEvent {
    pub(super) seq: i64,
    /// What is kept of its id where only that is compared.
    pub(super) digest: [u8; 16],
    /// What it counts against the limits.
    pub(super) bytes: i64,
    pub(super) entry: NewEntry,
    pub(super) pairs: Vec<MovedPair>,
}

#[derive(Debug)]
pub(super) struct MovedPair {
    /// In the list of the frame.
    pub endpoint: usize,
    pub attempts: i64,
    pub replays: i64,
    pub reason: String,
    pub end: MovedEnd,
}

#[derive(Debug)]
pub(super) enum MovedEnd {
    Pending {
        crashes: i64,
        due_at_ms: i64,
        out_of_order: bool,
    },
    Dead {
        died_at_ms: i64,
        answer: String,
    },
}

impl MovedPair {
    /// One that was never tried.
    pub(super) fn new(endpoint: usize) -> MovedPair {
        MovedPair {
            endpoint,
            attempts: 0,
            replays: 0,
            reason: String::new(),
            end: MovedEnd::Pending {
                crashes: 0,
                due_at_ms: 0,
                out_of_order: false,
            },
        }
    }

    /// It is one.
    pub(super) fn is_new(&self) -> bool {
        let waits = matches!(
            self.end,
            MovedEnd::Pending {
                crashes: 0,
                due_at_ms: 0,
                out_of_order: false,
            }
        );
        waits && self.attempts == 0 && self.replays == 0 && self.reason.is_empty()
    }
}

/// The id of an event that has ended.
#[derive(Debug)]
pub struct MovedId {
    pub(super) digest: [u8; 16],
    pub(super) forget_at_ms: i64,
}

#[derive(Debug)]
pub struct MovedSeries {
    /// Of its name; a file keeps half of it, and the rest is zero then.
    pub(super) digest: [u8; 16],
    pub(super) forget_at_ms: i64,
    pub(super) lines: Vec<[u8; 16]>,
}

/// What an outbox counts, and what it knows of its endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveFrame {
    /// In an order of its own that does not change.
    pub endpoints: Vec<MovedEndpoint>,
    pub(super) last_seq: i64,
    /// Events that are pending or dead for somebody.
    pub entries: u64,
    /// Ids of ended ones.
    pub remembered_ids: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedEndpoint {
    pub name: String,
    pub health: Health,
    pub counts: Counts,
}

impl MoveFrame {
    /// What the target has to have counted when everything is there: a pair that is damaged went over
    /// as a dead letter, and none is lost.
    pub(super) fn check(&self, endpoint: usize, found: Counts) -> Result<Counts, MoveError> {
        let MovedEndpoint { name, counts, .. } = &self.endpoints[endpoint];
        if found.pending + found.dead != counts.pending + counts.dead || found.dead < counts.dead {
            return Err(MoveError::Books {
                endpoint: name.clone(),
                counted: [counts.pending, counts.dead],
                found: [found.pending, found.dead],
            });
        }
        Ok(Counts {
            pending: found.pending,
            dead: found.dead,
            in_flight: 0,
            ..*counts
        })
    }
}

/// Why a move did not go on. Nothing is lost, and called again it goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("`{0}` uses {1}: stop every callgate that does, and call this again")]
    InUse(String, String),
    #[error("another `callgate storage move` is at work on {0}: let it end")]
    Moving(String),
    #[error(
        "the books of `{endpoint}` do not balance: {} pending and {} dead are counted, {} and {} were \
         found; `callgate outbox check` says what is wrong with a file, `callgate outbox repair` mends \
         it", .counted[0], .counted[1], .found[0], .found[1]
    )]
    Books {
        endpoint: String,
        counted: [u64; 2],
        found: [u64; 2],
    },
    #[error(
        "{0}: when that is mended, call this again with the same arguments: it goes on where it was"
    )]
    Failed(String),
}

/// One side of a move, which nobody else uses meanwhile.
#[async_trait]
pub trait MoveSide: Send {
    /// For people; no secret is in it.
    fn name(&self) -> String;

    async fn mark(&mut self) -> Result<Option<MoveMark>, MoveError>;

    /// Sets the mark. One that begins a move makes sure first that nobody uses this side, and from
    /// then on nobody can.
    async fn set_mark(&mut self, mark: Option<&MoveMark>) -> Result<(), MoveError>;

    /// Who uses it now, as far as that can be seen without a change.
    async fn used_by(&mut self) -> Result<Option<String>, MoveError>;
}

/// The outbox that events are moved out of.
#[async_trait]
pub trait MoveSource: MoveSide {
    /// What is counted; nothing is in flight then.
    async fn frame(&mut self) -> Result<MoveFrame, MoveError>;

    /// Some rows behind a place; `None` at the end.
    async fn read(&mut self, place: &MovePlace) -> Result<Option<MovedBatch>, MoveError>;

    /// What is left is put where nobody takes it for an outbox; where that is. Done again, it does
    /// nothing.
    async fn put_aside(&mut self) -> Result<Option<String>, MoveError>;

    /// Whether that is still to be done.
    fn is_in_place(&self) -> bool;
}

/// The outbox that they are moved into.
#[async_trait]
pub trait MoveTarget: MoveSide {
    /// What it holds of its own, in words; `None` when it is empty.
    async fn holds(&mut self) -> Result<Option<String>, MoveError>;

    /// Makes it ready for this move, or goes on with it: its mark is set. How far it has come.
    async fn begin(&mut self, mark: &MoveMark, frame: &MoveFrame) -> Result<MovePlace, MoveError>;

    /// Rows of the source, and the place behind them; both or neither.
    async fn write(&mut self, batch: &MovedBatch) -> Result<(), MoveError>;

    /// Everything is there: it counts what the source counted, and holds it to what came.
    async fn complete(&mut self, frame: &MoveFrame) -> Result<(), MoveError>;

    /// It is used from now on; its mark says so, or is gone.
    async fn open(&mut self) -> Result<(), MoveError>;

    /// Takes away what an unfinished move has brought, and its mark.
    async fn clear(&mut self) -> Result<(), MoveError>;
}
