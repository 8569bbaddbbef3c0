//! A decision as the one that made it hands it over.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::outcome::Kind;
use super::place::place_of;
use super::span::{SpanId, Stage};
use crate::decision::{Decider, Decision, FailureClass, Hit, SkipReason, Verdict};
use crate::event::{Event, Hook};
use crate::policy::{Snapshot, Version};

/// Texts of one message beyond this many bytes are not kept.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Matches of one message beyond these are only counted.
const MATCHES_MAX: usize = 64;
/// Ids are cut here: what is longer is nobody's id.
const ID_BYTES_MAX: usize = 256;
const WHY_BYTES_MAX: usize = 256;

/// Who was asked, and what came of it.
#[derive(Clone, Debug)]
pub struct Answered {
    pub endpoint: Arc<str>,
    /// `allow`, `block`, `replace`, `reply`, or a class of failure.
    pub outcome: &'static str,
}

/// A decision that was just made.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub hook: Option<Hook>,
    pub event: Option<&'a Event>,
    pub caller: Option<&'a Arc<str>>,
    pub decision: &'a Decision,
    pub snapshot: &'a Arc<Snapshot>,
    pub answered: Option<&'a Answered>,
    pub received: Instant,
    pub filter: Duration,
    pub callback: Duration,
    pub total: Duration,
    /// Where decisions are spans: of which id, and what was done in it, in order.
    pub span: Option<SpanId>,
    pub stages: &'a [Stage],
}

/// A text of a message, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedText {
    pub place: String,
    pub value: String,
}

/// The same, kept: with what must be known of it later.
#[derive(Debug)]
pub(super) struct Record {
    pub at_us: u64,
    pub weight: u32,
    pub kind: Kind,
    pub hook: &'static str,
    pub dialect: &'static str,
    pub caller: Option<Arc<str>>,
    pub message_id: String,
    pub client_message_id: String,
    pub operation_id: String,
    pub sender: String,
    pub target: String,
    pub conversation: String,
    pub content_type: i32,
    pub action: &'static str,
    pub code: Option<i32>,
    pub decider: Decider,
    pub class: Option<FailureClass>,
    pub skipped: Option<SkipReason>,
    pub reviewed: bool,
    pub why: String,
    pub version: Version,
    pub hits: Vec<Hit>,
    pub hits_more: usize,
    /// Where there are hits, what tells how their lists read them.
    pub snapshot: Option<Arc<Snapshot>>,
    pub answered: Option<Answered>,
    pub filter: Duration,
    pub callback: Duration,
    pub total: Duration,
    pub texts: Vec<PlacedText>,
    pub traceparent: Option<String>,
    pub span: Option<SpanId>,
    pub stages: Vec<Stage>,
}

impl Record {
    pub(super) fn of(told: &Told<'_>, kind: Kind, at_us: u64, weight: u32, texts: bool) -> Record {
        let Told {
            decision, event, ..
        } = *told;
        let message = event.and_then(|event| event.message.as_ref());
        let hits = &decision.hits[..decision.hits.len().min(MATCHES_MAX)];
        Record {
            at_us,
            weight,
            kind,
            hook: told.hook.map_or("unknown", |hook| hook.name),
            dialect: event.map_or("", |event| event.dialect.name()),
            caller: told.caller.cloned(),
            message_id: message.map_or_else(String::new, |message| cut(&message.server_msg_id)),
            client_message_id: message
                .map_or_else(String::new, |message| cut(&message.client_msg_id)),
            operation_id: event.map_or_else(String::new, |event| cut(&event.operation_id)),
            sender: event.map_or_else(String::new, |event| cut(event.sender())),
            target: event.map_or_else(String::new, |event| cut(event.target())),
            conversation: event.map_or_else(String::new, conversation),
            content_type: message.map_or(0, |message| message.content_type),
            action: decision.verdict.name(),
            code: match &decision.verdict {
                Verdict::Block(refusal) => Some(refusal.code),
                _ => None,
            },
            decider: decision.decider,
            class: decision.failure,
            skipped: decision.skipped,
            reviewed: decision.reviewed,
            why: prefix(&decision.why, WHY_BYTES_MAX).to_owned(),
            version: told.snapshot.version.clone(),
            hits: hits.to_vec(),
            hits_more: decision.hits.len() - hits.len(),
            snapshot: (!hits.is_empty()).then(|| Arc::clone(told.snapshot)),
            answered: told.answered.cloned(),
            filter: told.filter,
            callback: told.callback,
            total: told.total,
            traceparent: event.and_then(|event| event.traceparent.clone()),
            span: told.span,
            stages: told.span.map_or_else(Vec::new, |_| told.stages.to_vec()),
            texts: match (texts, event) {
                (true, Some(event)) => texts_of(event),
                _ => Vec::new(),
            },
        }
    }

    /// What it takes in memory, nearly.
    pub(super) fn bytes(&self) -> usize {
        let ids = self.message_id.len()
            + self.client_message_id.len()
            + self.operation_id.len()
            + self.sender.len()
            + self.target.len()
            + self.conversation.len()
            + self.why.len();
        let hits: usize = self.hits.iter().map(bytes_of_hit).sum();
        let texts: usize = self.texts.iter().map(PlacedText::bytes).sum();
        size_of::<Record>() + ids + hits + texts
    }
}

impl PlacedText {
    pub(super) fn bytes(&self) -> usize {
        size_of::<PlacedText>() + self.place.len() + self.value.len()
    }
}

fn bytes_of_hit(hit: &Hit) -> usize {
    size_of::<Hit>() + hit.entry.len() + hit.place.len() + hit.evasions.len() * size_of::<&str>()
}

/// What the message is part of: a group, a room, or two people, whoever of them writes.
fn conversation(event: &Event) -> String {
    let message = event.message.as_ref();
    match message.filter(|message| message.group_id.is_empty() && !message.recv_id.is_empty()) {
        Some(message) => pair(&cut(&message.send_id), &cut(&message.recv_id)),
        None => cut(event.target()),
    }
}

/// Two people in one order.
pub(super) fn pair(one: &str, other: &str) -> String {
    let (first, second) = if one <= other {
        (one, other)
    } else {
        (other, one)
    };
    format!("{first}:{second}")
}

fn texts_of(event: &Event) -> Vec<PlacedText> {
    let mut left = TEXT_BYTES_MAX;
    let mut texts = Vec::new();
    for text in &event.texts {
        let value = prefix(&text.value, left);
        left -= value.len();
        if !value.is_empty() {
            texts.push(PlacedText {
                place: place_of(&text.place()),
                value: value.to_owned(),
            });
        }
    }
    texts
}

/// An id as it is kept.
pub(super) fn cut(id: &str) -> String {
    prefix(id, ID_BYTES_MAX).to_owned()
}

fn prefix(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
