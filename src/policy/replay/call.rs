//! A call as it can be judged again.

use std::sync::Arc;

use bytes::Bytes;

use crate::decision::{Answer, Outcome};
use crate::dialect;
use crate::event::{Can, DialectId, Event, Hook, Message, Room};

/// A call on a before hook, and what the endpoint said to it.
///
/// What it was decided to be is not in it: that is judged again.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedCall {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub hook: Hook,
    pub dialect: DialectId,
    /// As the policy names it, where callers are told apart.
    pub caller: Option<Arc<str>>,
    /// The policy that decided then.
    pub version: String,
    pub operation_id: String,
    pub query: String,
    pub(super) subject: Subject,
    /// What only the way that it came by tells; `None` of a call in the short form.
    pub(super) way: Option<Way>,
    pub asked: Option<Asked>,
}

/// What it is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// In the form of its dialect.
    Body(Bytes),
    Message(Box<Message>),
    /// A text, as `callgate send` gives it.
    Text(Box<Message>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Way {
    pub can: Can,
    /// Of each text, in their order.
    pub replaceable: Vec<bool>,
    pub shows_refusal: bool,
    /// What the operator's options for its server read in it: receiver, group, type of session.
    pub to: Option<(String, String, i32)>,
    pub room: Option<Room>,
}

/// Who was asked, and how that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// `None`: whoever is asked says so.
    pub endpoint: Option<Arc<str>>,
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// What only somebody who records a call can tell of it.
#[derive(Debug, Default)]
pub struct AtRecording<'a> {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// As the policy names it, where callers are told apart.
    pub caller: Option<&'a str>,
    /// The policy that decides.
    pub version: &'a str,
    pub asked: Option<&'a Asked>,
}

impl Way {
    pub(super) fn of(event: &Event) -> Way {
        let message = event.message.as_ref().filter(|_| event.body.is_some());
        Way {
            can: event.can,
            replaceable: event.texts.iter().map(|text| text.replaceable).collect(),
            shows_refusal: event.shows_refusal,
            to: message.map(|message| {
                let (recv, group) = (message.recv_id.clone(), message.group_id.clone());
                (recv, group, message.session_type)
            }),
            room: event.room.clone(),
        }
    }
}

impl RecordedCall {
    /// What it takes in memory, nearly.
    pub fn bytes(&self) -> usize {
        let subject = match &self.subject {
            Subject::Body(body) => body.len(),
            Subject::Message(message) | Subject::Text(message) => {
                size_of::<Message>() + message.content.len() + message.ex.len()
            }
        };
        let answer = match self.asked.as_ref().map(|asked| &asked.outcome) {
            Some(Outcome::Answer(Answer::Replace(new))) => {
                let fields = new.fields.iter().chain(&new.held_back);
                let fields: usize = fields.map(|(name, json)| name.len() + json.len()).sum();
                new.content.as_ref().map_or(0, String::len) + fields
            }
            Some(Outcome::Answer(Answer::Reply(reply))) => {
                reply.message.as_ref().map_or(0, String::len)
            }
            _ => 0,
        };
        size_of::<RecordedCall>() + subject + answer + self.query.len() + self.operation_id.len()
    }

    /// The event, as it was when it was decided on.
    ///
    /// Errors: it cannot be read, which it could be then.
    pub fn event(&self) -> Result<Event, String> {
        let mut event = match &self.subject {
            Subject::Body(body) => {
                let dialect = dialect::of(self.dialect);
                let read = dialect.decode_one(self.hook, &self.operation_id, body.clone());
                read.map_err(|unreadable| unreadable.reason)?
            }
            Subject::Message(message) => {
                let message = message.as_ref().clone();
                dialect::event_from_message(self.hook, self.operation_id.clone(), message)
            }
            Subject::Text(message) => {
                let message = message.as_ref().clone();
                let read = dialect::event_of_message(self.hook, &self.operation_id, message);
                read.map_err(|unreadable| unreadable.reason)?
            }
        };
        event.query.clone_from(&self.query);
        let Some(way) = &self.way else {
            return Ok(event);
        };
        event.can = way.can;
        event.shows_refusal = way.shows_refusal;
        if way.replaceable.len() == event.texts.len() {
            for (text, replaceable) in event.texts.iter_mut().zip(&way.replaceable) {
                text.replaceable = *replaceable;
            }
        }
        if let (Some(message), Some((recv, group, session))) = (&mut event.message, &way.to) {
            message.recv_id.clone_from(recv);
            message.group_id.clone_from(group);
            message.session_type = *session;
        }
        if way.room.is_some() {
            event.room.clone_from(&way.room);
        }
        Ok(event)
    }
}
