//! One case: what a file says, checked.

use bytes::Bytes;
use strum::{IntoStaticStr, VariantArray};

use super::play::Play;
use crate::decision::{Decider, FailureClass, SkipReason, Verdict};
use crate::dialect::{self, Call, Decoded, Head};
use crate::event::{DialectId, Event, Hook, Message};
use crate::settings::At;

/// A message and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub at: At,
    /// Empty for a recorded call, which names its own.
    pub(super) hooks: Vec<Hook>,
    pub(super) subject: Subject,
    /// Who calls, by its name in `callers`.
    pub(super) caller: Option<String>,
    pub(super) plays: Vec<Play>,
    pub(super) expect: Expect,
}

#[derive(Clone, Debug)]
pub(super) enum Subject {
    Texts(Vec<String>, Short),
    /// Texts by the list that must find them; `none` is no list.
    Table(Vec<(String, Vec<String>)>, Short),
    Call(Recorded),
}

/// A message in few words.
#[derive(Clone, Debug)]
pub(super) struct Short {
    pub from: String,
    pub to: String,
    pub group: String,
    pub content_type: i32,
    /// Texts are the whole `content`.
    pub is_content: bool,
    /// As the hook's own server sends it over HTTP, and not as a message given over gRPC.
    pub over_http: bool,
}

/// A call as an IM server sent it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub dialect: DialectId,
    /// What its URL names; empty where the body does.
    pub event: String,
    pub body: Bytes,
}

/// What must come out; what is not named may be anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub action: Option<Action>,
    pub code: Option<i32>,
    pub reason: Option<String>,
    pub detail: Option<String>,
    /// The sender's texts as they go on.
    pub text: Option<String>,
    pub content: Option<String>,
    /// Entries, or `list/entry`: these and no others.
    pub matches: Option<Vec<String>>,
    pub reviewed: Option<bool>,
    pub failure: Option<Option<FailureClass>>,
    pub skipped: Option<Option<SkipReason>>,
    pub decided_by: Option<Decider>,
    /// The endpoints that are asked or told.
    pub asks: Option<Vec<String>>,
    pub micros_max: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Action {
    Allow,
    Block,
    Replace,
    Reply,
    /// The caller may not call this hook.
    Refused,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        self.into()
    }

    pub(super) fn of(verdict: &Verdict) -> Action {
        match verdict {
            Verdict::Allow => Action::Allow,
            Verdict::Block(_) => Action::Block,
            Verdict::Replace(_) => Action::Replace,
            Verdict::Reply(_) => Action::Reply,
        }
    }
}

impl Case {
    /// It makes a decision on this event: a real server that plays cases looks for it.
    pub fn is_about(&self, event: &Event) -> bool {
        match &self.subject {
            Subject::Call(call) => event.body.as_ref() == Some(&call.body),
            Subject::Table(..) => false,
            Subject::Texts(texts, short) => {
                let says = |text: &String| match short.is_content {
                    true => event
                        .message
                        .as_ref()
                        .is_some_and(|message| message.content == *text),
                    false => event.texts.iter().any(|one| one.value == *text),
                };
                self.hooks.contains(&event.hook) && texts.iter().any(says)
            }
        }
    }

    /// What the endpoint does, in its order.
    pub fn plays(&self) -> &[Play] {
        &self.plays
    }
}

impl Short {
    /// The event of this text at a hook. Errors: the hook is about more than a message.
    pub(super) fn event(&self, hook: Hook, text: &str) -> Result<Event, String> {
        let message = self.message(text);
        let operation_id = "callgate-test";
        if !dialect::info(hook).takes_message() {
            let event = dialect::native_event_from_message(hook, operation_id, &message);
            return event.map_err(|_| {
                format!("`{hook}` is about more than a text: give a recorded `call`")
            });
        }
        let event = dialect::event_from_message(hook, operation_id.to_owned(), message);
        match self.over_http {
            true => over_http(&event),
            false => Ok(event),
        }
    }

    fn message(&self, text: &str) -> Message {
        let content = match self.is_content {
            true => text.to_owned(),
            false => serde_json::json!({ "content": text }).to_string(),
        };
        Message {
            send_id: self.from.clone(),
            recv_id: self.to.clone(),
            group_id: self.group.clone(),
            client_msg_id: "callgate-test".to_owned(),
            server_msg_id: "callgate-test".to_owned(),
            session_type: if self.group.is_empty() { 1 } else { 3 },
            msg_from: 100,
            content_type: self.content_type,
            status: 1,
            content,
            ..Message::default()
        }
    }
}

/// The event as it is when it comes in the body of its own server's call.
fn over_http(event: &Event) -> Result<Event, String> {
    let dialect = dialect::of(dialect::owner(event.hook));
    let outgoing = dialect.request("", event, None);
    let (path, query) = outgoing.url.split_once('?').unwrap_or((&outgoing.url, ""));
    let call = Call {
        head: Head::at(path, query),
        body: outgoing.body,
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => Ok(*event),
        Ok(_) => Err("its call is of another kind".to_owned()),
        Err(unreadable) => Err(unreadable.reason),
    }
}
