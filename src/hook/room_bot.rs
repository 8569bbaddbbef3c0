//! A room's bot: asked in the state that it is in, at the URL of its room, one event at a time.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::business::Question;
use super::keyed_lock::{KeyedLock, TooManyWait, Turn, WaitLimits};
use crate::decision::{Answer, Failure, FailureClass, Outcome};
use crate::event::Event;
use crate::policy::Endpoint;
use crate::rooms::{Record, Rooms};

/// The bots of all rooms.
#[derive(Debug)]
pub(super) struct RoomBots {
    rooms: Arc<Rooms>,
    turns: KeyedLock,
}

/// A turn at a room's bot; others of the room wait until it is dropped.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    rooms: &'a Arc<Rooms>,
    _turn: Turn<'a>,
    question: Question<'a>,
    /// What is asked in its stead, where callgate keeps the room.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    room: String,
    endpoint: Arc<Endpoint>,
    event: Event,
}

impl RoomBots {
    pub(super) fn new(rooms: Arc<Rooms>, limits: WaitLimits) -> RoomBots {
        RoomBots {
            rooms,
            turns: KeyedLock::new(limits),
        }
    }

    /// Waits for a turn. The room's state is read when it has come: the turn before may have
    /// changed it.
    pub(super) async fn visit<'a>(
        &'a self,
        question: Question<'a>,
        deadline: Instant,
    ) -> Result<Visit<'a>, Failure> {
        let ordering_key = question.event.ordering_key.as_str();
        let turn = timeout_at(deadline, self.turns.wait(ordering_key)).await;
        let turn = turn.map_err(|_| {
            let why = "others of the same room were not answered in time";
            Failure::new(FailureClass::Deadline, why)
        })?;
        let turn = turn.map_err(|TooManyWait| {
            let why = "as many events of this room, or of all rooms, wait as may";
            Failure::new(FailureClass::Overloaded, why)
        })?;
        let room = question.event.room.as_ref();
        let room = room.filter(|room| room.kept_here);
        let record = room.and_then(|room| self.rooms.get(&room.id));
        Ok(Visit {
            rooms: &self.rooms,
            _turn: turn,
            question,
            kept: record.map(|record| Kept::of(question, record)),
        })
    }
}

impl Kept {
    fn of(question: Question<'_>, record: Record) -> Kept {
        let mut event = question.event.clone();
        if let Some(room) = &mut event.room {
            room.bot_state = Some(record.bot_state);
        }
        // Its own URL has its own breaker, so one room's bot is no other room's failure.
        let endpoint = Arc::new(Endpoint {
            url: record.webhook,
            ..Endpoint::clone(question.endpoint)
        });
        Kept {
            room: record.id,
            endpoint,
            event,
        }
    }
}

impl Visit<'_> {
    /// What the bot is asked.
    pub(super) fn question(&self) -> Question<'_> {
        match &self.kept {
            None => self.question,
            Some(kept) => Question {
                endpoint: &kept.endpoint,
                event: &kept.event,
                ..self.question
            },
        }
    }

    /// Keeps the state that the answer names, and ends the turn.
    pub(super) async fn end(self, outcome: &Outcome) {
        if let Some(kept) = self.kept
            && let Outcome::Answer(Answer::Reply(reply)) = outcome
            && let Some(state) = reply.state.clone()
        {
            let rooms = Arc::clone(self.rooms);
            // One write to disk; a worker that serves others must not wait for it.
            let write = move || rooms.set_state(&kept.room, &state);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(write).await {
                warn!(%error, "the state of a room's bot was not kept");
            }
        }
    }
}
