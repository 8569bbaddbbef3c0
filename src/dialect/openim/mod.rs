//! OpenIM v3.7 and later: the command is the last segment of the path.
//!
//! v3.0 to v3.6 write the same bodies and understand the same answers, but for v3.6.0, which
//! understands no refusal at all.
//! Source: open-im-server main, `pkg/callbackstruct` and `pkg/common/webhook`.

pub mod answer;
pub mod commands;
pub mod content;
pub mod decode;
pub mod fields;
pub mod message;
pub mod replace;
pub mod reply;
pub mod request;

use crate::decision::{Decision, Replacement};
use crate::event::{DialectId, Event, Hook};

use super::openim_v2;
use super::{Answers, Call, Decoded, Dialect, HookInfo, Outgoing, Reading, Reply, Unreadable};

pub use decode::{event_from_body, event_from_message};

/// OpenIM has this hook.
pub fn speaks(hook: Hook) -> bool {
    commands::HOOKS.iter().any(|info| info.hook == hook)
}

/// The dialect of OpenIM v3.
///
/// A route of this dialect also takes calls of v2, which name no command in the URL, and answers
/// them in their own form.
#[derive(Debug)]
pub struct OpenIm;

impl Dialect for OpenIm {
    fn id(&self) -> DialectId {
        DialectId::OpenIm
    }

    fn hooks(&self) -> &'static [HookInfo] {
        &commands::HOOKS
    }

    fn decode(&self, call: &Call<'_>) -> Result<Decoded, Unreadable> {
        decode::decode(call, DialectId::OpenIm)
    }

    fn reply(&self, event: &Event, decision: &Decision) -> Reply {
        match event.dialect {
            DialectId::OpenImV2 => openim_v2::reply(event, decision),
            _ => reply::reply(event, decision),
        }
    }

    fn reply_without_event(&self, hook: Option<Hook>, body: &[u8], decision: &Decision) -> Reply {
        reply::without_event(hook, body, decision)
    }

    fn not_stored(&self, event: &Event) -> Reply {
        match event.dialect {
            DialectId::OpenImV2 => openim_v2::not_stored(event),
            _ => reply::not_stored(),
        }
    }

    fn request(&self, url: &str, event: &Event, replacement: Option<&Replacement>) -> Outgoing {
        request::request(url, event, replacement)
    }

    fn read_answer(&self, event: &Event, status: u16, body: &[u8], answers: Answers) -> Reading {
        answer::read(event, status, body, answers)
    }

    fn apply(&self, event: &Event, replacement: &Replacement) -> Event {
        replace::apply(event, replacement)
    }

    fn replace_texts(&self, event: &Event, values: &[(usize, String)]) -> Replacement {
        replace::replace_texts(event, values)
    }
}
