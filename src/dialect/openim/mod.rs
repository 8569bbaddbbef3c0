//! OpenIM v3.7 and later: the command is the last segment of the path.
//!
//! v3.0 to v3.6 write the same bodies and understand the same answers, but for v3.6.0, which
//! understands no refusal at all.
//! Source: open-im-server main, `pkg/callbackstruct` and `pkg/common/webhook`.
//!
//! Order, downward: `v2`, `decode`, `reply`, `answer`, `fields`, `request`, `replace`, `texts`,
//! `elements`, `recipients`, `message`, `table`.

mod answer;
mod decode;
mod elements;
mod fields;
mod message;
mod recipients;
mod replace;
mod reply;
mod request;
pub(super) mod table;
pub(super) mod texts;
pub(crate) mod v2;

use std::time::Duration;

use bytes::Bytes;

use crate::decision::{Decision, Replacement};
use crate::dialect::answers::{AnswerRules, Reading};
use crate::dialect::contract::{
    Call, Decoded, Dialect, Head, Outgoing, Patience, Reply, Unreadable,
};
use crate::dialect::hooks::HookInfo;
use crate::event::{DialectId, Event, Hook};

pub(crate) use decode::{event_from_body, event_from_message, url_names_command};

/// The dialect of OpenIM v3.
///
/// A route of this dialect also takes calls of v2, which name no command in the URL: their events
/// are of v2's dialect, which answers them.
#[derive(Debug)]
pub(crate) struct OpenIm;

impl Dialect for OpenIm {
    fn id(&self) -> DialectId {
        DialectId::OpenIm
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &table::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call, DialectId::OpenIm)
    }

    fn hook_of(&self, head: &Head<'_>) -> Option<Hook> {
        decode::hook_of(head)
    }

    /// Source: `config/webhooks.yml` of v3.8 has 5 for every before hook; tools
    /// `utils/httputil/http_client.go` ends every call after 15 s.
    fn patience(&self, _: Hook) -> Option<Patience> {
        Some(Patience {
            server: "OpenIM",
            usual: Duration::from_secs(5),
            most: Some(Duration::from_secs(15)),
            setting: "the hook's `timeout` in OpenIM's webhooks.yml",
        })
    }

    fn decode_one(&self, hook: Hook, operation_id: &str, body: Bytes) -> Result<Event, Unreadable> {
        decode::decode_one(hook, operation_id, body, DialectId::OpenIm)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        reply::reply(event, decision)
    }

    fn reply_without_event(&self, hook: Option<Hook>, body: &[u8], decision: &Decision) -> Reply {
        reply::without_event(hook, body, decision)
    }

    fn not_stored(&self, _: &Event) -> Reply {
        reply::not_stored()
    }

    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
        request::request(url, event, replacement)
    }

    fn read_answer(&self, event: &Event, status: u16, body: &[u8], rules: AnswerRules) -> Reading {
        answer::read(event, status, body, rules)
    }

    fn apply(&self, event: &Event, replacement: &Replacement) -> Event {
        replace::apply(event, replacement)
    }

    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement {
        replace::replace_texts(event, values)
    }
}
