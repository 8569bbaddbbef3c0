//! Dialects: how each IM server writes its calls and reads answers, on both sides of us.
//!
//! Owns: an IM server's form to [`Event`](crate::event::Event) and
//! [`Decision`](crate::decision::Decision), and back.
//! Leaves alone: transport (`server`, `callback`) and what is decided (`policy`).
//! No IO, no clock.
//!
//! Order, downward: `refused`, `registry`, `openim`, `wukongim`, `chatserver`, `funtek`, `contract`,
//! `answers`, `hooks`, `query`, `document`.

mod answers;
mod chatserver;
mod contract;
mod document;
mod funtek;
mod hooks;
mod openim;
mod query;
mod refused;
mod registry;
#[cfg(test)]
mod tests;
mod wukongim;

pub use answers::{AnswerRules, AnswerWarning, Answers, Protection, Protections, Reading};
pub use chatserver::ChatServerOptions;
pub use contract::{Call, Decoded, Dialect, Head, Headers, Outgoing, Patience, Reply, Unreadable};
pub use funtek::FuntekOptions;
pub use hooks::{Ability, AnswerField, BodyText, Effect, Form, HookInfo, Kind, Receiver};
pub use query::{refuse_query, with_query};
pub use refused::refused;
pub use registry::{
    Options, event_from_body, event_from_message, event_of_message, event_of_text, heard, hook,
    info, native_event_from_message, near_names, of, owner, read_stored,
};
pub use wukongim::WukongImOptions;
