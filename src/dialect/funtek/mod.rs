//! FUNTEK, also PinChat and IMKIT: a room has a URL, and a bot behind it that may answer.
//!
//! Shape: `{"roomID":..,"event":"MESSAGE","botState":..,"data":{..}}`, answered with `senderID`,
//! `toBotState` and `data`. The hook fires when the message is in the room, so nothing can be
//! blocked or changed: an answer is a message of the bot's own, and a recall is a call to the
//! server's API, made afterwards.
//! Source: imkit/api-doc, `webhook.md` and `message/Message-Format.md`. The server is closed.
//!
//! Order, downward: `answer`, `decode`, `table`, `options`.

mod answer;
mod decode;
mod options;
mod table;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::decision::{Decision, Replacement};
use crate::dialect::answers::{AnswerRules, Reading};
use crate::dialect::contract::{Call, Decoded, Dialect, Head, Outgoing, Reply, Unreadable};
use crate::dialect::hooks::HookInfo;
use crate::event::{DialectId, Event, Hook, Message};

use table::{MESSAGE, RECALL};

pub use options::FuntekOptions;

/// The dialect of FUNTEK.
#[derive(Debug)]
pub(crate) struct Funtek {
    options: FuntekOptions,
}

/// As it is spoken where no operator said more.
pub(crate) static DEFAULT: Funtek = Funtek {
    options: FuntekOptions { bot: None },
};

impl Funtek {
    pub(crate) fn new(options: FuntekOptions) -> Funtek {
        Funtek { options }
    }
}

impl Dialect for Funtek {
    fn id(&self) -> DialectId {
        DialectId::Funtek
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &table::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call, &self.options)
    }

    /// The body alone says it.
    fn hook_of(&self, _: &Head<'_>) -> Option<Hook> {
        None
    }

    /// It does not repeat.
    fn refuses_unreadable(&self, _: Hook) -> bool {
        false
    }

    /// The body names its event, so the URL has nothing to say.
    fn place(&self, _: &str) -> (String, String) {
        (String::new(), String::new())
    }

    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
        decode::decode_one(hook, operation_id, &body)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        answer::reply(event.room.as_ref(), event, decision)
    }

    fn reply_without_event(&self, _: Option<Hook>, body: &[u8], _: &Decision) -> Reply {
        answer::nothing(decode::bot_state(body).as_deref())
    }

    fn not_stored(&self, event: &Event) -> Reply {
        answer::nothing(
            event
                .room
                .as_ref()
                .and_then(|room| room.bot_state.as_deref()),
        )
    }

    fn compose(&self, hook: Hook, message: &Message) -> Option<String> {
        (hook == MESSAGE).then(|| decode::compose(message))
    }

    fn needs_api_key(&self, hook: Hook) -> bool {
        hook == RECALL
    }

    fn follow_up(&self, event: &Event, decision: &Decision) -> Option<Event> {
        answer::recall(event, decision)
    }

    /// A room's URL is called as it stands; a recall goes to the server's API, whose address the
    /// endpoint's URL is.
    fn request(&self, url: &str, event: &Event, _: Option<&Replacement>) -> Outgoing {
        answer::request(url, event)
    }

    fn read_answer(&self, _: &Event, status: u16, body: &[u8], _: AnswerRules) -> Reading {
        answer::read(status, body)
    }

    fn apply(&self, event: &Event, _: &Replacement) -> Event {
        event.clone()
    }

    /// What is in the room cannot be changed.
    fn replace_texts(&self, _: &Event, _: &[(usize, String)]) -> Replacement {
        Replacement::default()
    }
}
