//! What every dialect can do, and the values that go in and out of it.
//!
//! Owns: the trait and its words.
//! Leaves alone: which dialects there are (`registry`).

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::answers::{AnswerRules, Reading};
use super::hooks::HookInfo;
use crate::decision::{Decision, Replacement};
use crate::event::{DialectId, Event, Hook, Message};

/// One call of an IM server, in its own form.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    pub head: Head<'a>,
    pub body: Bytes,
}

/// What comes before the body of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// What follows the route's prefix: `callbackX`, `/callbackX` or nothing.
    pub path: &'a str,
    /// Without the `?`.
    pub query: &'a str,
    pub headers: Headers<'a>,
}

impl<'a> Head<'a> {
    /// The head of a call without headers.
    pub fn at(path: &'a str, query: &'a str) -> Head<'a> {
        Head {
            path,
            query,
            headers: Headers::default(),
        }
    }

    /// The header `Operationid`; empty where the caller sends none.
    pub fn operation_id(&self) -> &'a str {
        self.headers.get("operationid").unwrap_or_default()
    }
}

/// The headers of a call; none where it came by another way than HTTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a>(Option<&'a HeaderMap>);

impl<'a> Headers<'a> {
    pub fn of(headers: &'a HeaderMap) -> Headers<'a> {
        Headers(Some(headers))
    }

    /// The first value of a header, if it is text.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.0?.get(name)?.as_bytes()).ok()
    }
}

/// What a call that can be read says.
#[derive(Clone, Debug)]
pub enum Decoded {
    Event(Box<Event>),
    /// Any number of after events of one hook in one call, in their order. Each is read by
    /// [`Dialect::decode_one`], so that one that cannot be read says nothing about its neighbours.
    Batch {
        hook: Hook,
        /// The call's query, which belongs to each of them.
        query: String,
        items: Vec<Bytes>,
    },
    /// A command that we have no hook of its own for: acknowledged with the canonical allow. Where
    /// it tells what has happened it is an event too, of the hook for all such commands.
    UnknownCommand {
        command: String,
        event: Option<Box<Event>>,
    },
}

/// A call that cannot be read, or whose URL and body disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// As far as it can be known; a before hook if either place names one.
    pub hook: Option<Hook>,
    /// For the log; holds no text of the message.
    pub reason: String,
}

/// An answer to an IM server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Empty where the body is.
    pub content_type: &'static str,
    pub body: Bytes,
}

/// A call to an endpoint, to be POSTed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// How long an IM server waits for the answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The server, for people.
    pub server: &'static str,
    /// Where its own settings say nothing else.
    pub usual: Duration,
    /// Whatever its settings say.
    pub most: Option<Duration>,
    /// Which of its settings says so.
    pub setting: &'static str,
}

/// How one IM server writes its calls and reads answers.
pub trait Dialect: Send + Sync + std::fmt::Debug {
    fn id(&self) -> DialectId;

    /// Every hook that this server knows.
    fn hooks(&self) -> &'static [HookInfo];

    /// Reads a call.
    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable>;

    /// How the URL of a call names an event: the path below the route, and the query.
    fn place(&self, event: &str) -> (String, String) {
        (event.to_owned(), String::new())
    }

    /// The hook that the head of a call names; `None` where only the body says it.
    fn hook_of(&self, head: &Head<'_>) -> Option<Hook>;

    /// How long the server waits for the answer to a before hook; `None` where nobody knows.
    fn patience(&self, _hook: Hook) -> Option<Patience> {
        None
    }

    /// A call of this hook carries many events, so its body may be longer than most.
    fn takes_long_bodies(&self, _hook: Hook) -> bool {
        false
    }

    /// An after call that cannot be read, and that a policy wants, is answered with a failure.
    /// Not to a server that would not send it again, or that throws good events away with it.
    fn refuses_unreadable(&self, _hook: Hook) -> bool {
        true
    }

    /// Reads one event whose hook is known: an item of a batch, or one that was stored.
    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable>;

    /// Writes the answer to an event. Never one that the server fails on: what it cannot carry
    /// becomes a block.
    fn reply(&self, event: &Event, decision: &Decision) -> Reply;

    /// Writes an answer where there is no event: an unknown command (with an allow), an unreadable
    /// call, a call that was shed. What the answer must repeat is taken from `body` as far as it
    /// can be read.
    fn reply_without_event(&self, hook: Option<Hook>, body: &[u8], decision: &Decision) -> Reply;

    /// Writes the answer to an after call that could not be stored: status 503. The server ignores
    /// it, but proxies and logs see it.
    fn not_stored(&self, event: &Event) -> Reply;

    /// Writes the body of a call of this dialect's server about a message that was given directly;
    /// `None` for hooks that need more than a message.
    fn compose(&self, _hook: Hook, _message: &Message) -> Option<String> {
        None
    }

    /// An endpoint of this dialect can be asked about or told of the events of a hook.
    fn speaks(&self, hook: Hook) -> bool {
        self.hooks().iter().any(|info| info.hook.name == hook.name)
    }

    /// A status with which an endpoint says that it has the events that it was told of.
    fn acknowledges(&self, status: u16) -> bool {
        (200..300).contains(&status)
    }

    /// The URL that the sender's client chose to be called for this event. It is nobody's word:
    /// only what an operator allows may be called.
    fn chosen_url(&self, _event: &Event) -> Option<String> {
        None
    }

    /// The call for this hook goes to the IM server's own API, with its key.
    fn needs_api_key(&self, _hook: Hook) -> bool {
        false
    }

    /// What else a decision leads to, to be told like an after event: the recall of a message that
    /// could not be blocked.
    fn follow_up(&self, _event: &Event, _decision: &Decision) -> Option<Event> {
        None
    }

    /// Writes the call that asks or tells an endpoint of this dialect.
    ///
    /// The body is the one that we got, byte for byte, if it is in this dialect; a replacement is
    /// spliced into it.
    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing;

    /// An endpoint of this dialect takes several events of a hook in one call.
    fn takes_batches(&self, _hook: Hook) -> bool {
        false
    }

    /// Writes one call that tells an endpoint of several events of one hook, in their order;
    /// `None` where the dialect [has no such form](Self::takes_batches), and each is told alone.
    fn request_batch(&self, _url: &str, _events: &[Event]) -> Option<Outgoing> {
        None
    }

    /// By what an endpoint that is told of several events in one call can name this one;
    /// `None` where the dialect has no such call, or the event nothing that names it.
    fn item_name(&self, _event: &Event) -> Option<String> {
        None
    }

    /// Reads the answer of an endpoint of this dialect. `event` is the one that it was shown.
    fn read_answer(&self, event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading;

    /// The event as it is after a replacement, its texts found again: what would really be sent.
    fn apply(&self, event: &Event, replacement: &Replacement) -> Event;

    /// The replacement that gives some of the event's texts (by index in `event.texts`) new
    /// values and leaves every other byte. Texts that are not replaceable stay.
    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement;
}
