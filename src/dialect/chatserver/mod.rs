//! chatServer: a login, a message and an action are three hooks at three URLs.
//!
//! Shape: JSON objects; the path alone says which hook it is, and the server waits 10 s. Answers
//! are objects with `retVal`.
//! Source: chatServer, `doc/WebHooks.md`, `jsSource/src/wsWebsocket.js`.
//!
//! Order, downward: `answer`, `decode`, `table`, `options`.

mod answer;
mod decode;
mod options;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;

use crate::decision::{Decision, Replacement};
use crate::dialect::answers::{AnswerRules, Reading};
use crate::dialect::contract::{
    Call, Decoded, Dialect, Head, Outgoing, Patience, Reply, Unreadable,
};
use crate::dialect::hooks::HookInfo;
use crate::dialect::query;
use crate::event::{DialectId, Event, Hook, Message};

pub use options::ChatServerOptions;

/// The dialect of chatServer.
#[derive(Debug)]
pub(crate) struct ChatServer {
    options: ChatServerOptions,
}

/// As it is spoken where no operator said more.
pub(crate) static DEFAULT: ChatServer = ChatServer {
    options: ChatServerOptions {
        type_1_is_room: false,
        shows_refusals: false,
    },
};

impl ChatServer {
    pub(crate) fn new(options: ChatServerOptions) -> ChatServer {
        ChatServer { options }
    }
}

impl Dialect for ChatServer {
    fn id(&self) -> DialectId {
        DialectId::ChatServer
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &table::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call, &self.options)
    }

    fn hook_of(&self, head: &Head<'_>) -> Option<Hook> {
        decode::hook_of_path(head.path)
    }

    /// Source: its `doc/WebHooks.md`; nothing sets it.
    fn patience(&self, _: Hook) -> Option<Patience> {
        let limit = Duration::from_secs(10);
        Some(Patience {
            server: "chatServer",
            usual: limit,
            most: Some(limit),
            setting: "",
        })
    }

    /// It does not repeat, and takes a message for delivered whatever is answered.
    fn refuses_unreadable(&self, _: Hook) -> bool {
        false
    }

    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
        decode::decode_one(hook, operation_id, &body)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        answer::reply(Some(event.hook), decision, event.shows_refusal)
    }

    fn reply_without_event(&self, hook: Option<Hook>, _: &[u8], decision: &Decision) -> Reply {
        answer::reply(hook, decision, false)
    }

    /// The server does not repeat; the status is for those who watch.
    fn not_stored(&self, event: &Event) -> Reply {
        Reply {
            status: 503,
            ..self.reply(event, &Decision::acknowledged())
        }
    }

    fn compose(&self, hook: Hook, message: &Message) -> Option<String> {
        decode::compose(hook, message)
    }

    fn acknowledges(&self, status: u16) -> bool {
        status == 200
    }

    fn chosen_url(&self, event: &Event) -> Option<String> {
        decode::chosen_url(event)
    }

    /// Each hook has a URL of its own, so it is called as it stands.
    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
        Outgoing {
            url: query::joined(url, &event.query),
            headers: vec![("Content-Type", "application/json;charset=UTF-8".to_owned())],
            body: answer::body_to_send(event, replacement),
        }
    }

    fn read_answer(&self, event: &Event, status: u16, body: &[u8], _: AnswerRules) -> Reading {
        answer::read(event.hook, status, body)
    }

    fn apply(&self, event: &Event, replacement: &Replacement) -> Event {
        answer::apply(event, replacement)
    }

    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement {
        answer::replace_texts(event, values)
    }
}
