//! WuKongIM v1 to v3: one URL, the event's name in the query, no envelope around the body.
//!
//! Shape: `POST {url}?event=msg.notify` (an array of messages), `msg.offline` (a message with its
//! recipients), `user.onlinestatus` (an array of strings) and, in the newest versions,
//! `msg.before_send` (a message that waits for our answer).
//! Source: WuKongIM v1.0.0 to v2.2.5 `internal/webhook`, v3 `internal/runtime/webhook`.
//!
//! Order, downward: `request`, `before_send`, `decode`, `recipients`, `presence`, `compose`,
//! `message`, `payload`, `table`, `options`.

mod before_send;
mod compose;
mod decode;
mod message;
mod options;
mod payload;
mod presence;
mod recipients;
mod request;
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
use crate::event::{DialectId, Event, Hook, Message};

use table::BEFORE_SEND;

pub use options::WukongImOptions;

/// The dialect of WuKongIM.
#[derive(Debug)]
pub(crate) struct WukongIm {
    options: WukongImOptions,
}

/// As it is spoken where no operator said more.
pub(crate) static DEFAULT: WukongIm = WukongIm {
    options: WukongImOptions {
        refuses_unreadable: false,
    },
};

impl WukongIm {
    pub(crate) fn new(options: WukongImOptions) -> WukongIm {
        WukongIm { options }
    }
}

impl Dialect for WukongIm {
    fn id(&self) -> DialectId {
        DialectId::WukongIm
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &table::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call)
    }

    fn hook_of(&self, head: &Head<'_>) -> Option<Hook> {
        decode::hook_of(head)
    }

    /// Source: `[webhook.before_send]` of its settings.
    fn patience(&self, hook: Hook) -> Option<Patience> {
        (hook == BEFORE_SEND).then_some(Patience {
            server: "WuKongIM",
            usual: Duration::from_millis(500),
            most: None,
            setting: "`timeout` below `[webhook.before_send]` of WuKongIM's settings",
        })
    }

    /// Its after events come many at a time.
    fn takes_long_bodies(&self, hook: Hook) -> bool {
        hook != BEFORE_SEND
    }

    /// v1 and v2 repeat the whole batch and then throw it away, so an operator must ask for it.
    fn refuses_unreadable(&self, _: Hook) -> bool {
        self.options.refuses_unreadable
    }

    fn place(&self, event: &str) -> (String, String) {
        (String::new(), format!("event={event}"))
    }

    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
        decode::decode_one(hook, operation_id, body)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        self.reply_without_event(Some(event.hook), &[], decision)
    }

    /// After hooks get an empty body: v1 and v2 do not read it, and a body that nobody reads costs
    /// them the connection.
    fn reply_without_event(&self, hook: Option<Hook>, _: &[u8], decision: &Decision) -> Reply {
        match hook {
            Some(hook) if hook == BEFORE_SEND => before_send::reply(decision),
            _ => empty(200),
        }
    }

    fn not_stored(&self, _: &Event) -> Reply {
        empty(503)
    }

    fn compose(&self, hook: Hook, message: &Message) -> Option<String> {
        compose::body(hook, message)
    }

    /// 201 and 204 are failures in every version.
    fn acknowledges(&self, status: u16) -> bool {
        status == 200
    }

    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
        request::request(url, event, replacement)
    }

    fn takes_batches(&self, hook: Hook) -> bool {
        table::is_array(hook)
    }

    fn request_batch(&self, url: &str, events: &[Event]) -> Option<Outgoing> {
        request::batch(url, events)
    }

    fn item_name(&self, event: &Event) -> Option<String> {
        request::item_name(event)
    }

    fn read_answer(&self, event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading {
        match event.hook {
            hook if hook == BEFORE_SEND => before_send::read(event, status, body, rules.answers),
            _ => before_send::acknowledgement(status),
        }
    }

    fn apply(&self, event: &Event, replacement: &Replacement) -> Event {
        before_send::apply(event, replacement)
    }

    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement {
        payload::replace_texts(event, values)
    }
}

fn empty(status: u16) -> Reply {
    Reply {
        status,
        content_type: "",
        body: Bytes::new(),
    }
}
