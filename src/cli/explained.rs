//! What `callgate explain` prints: a decision step by step, and what a recorded call was read as.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::callback::preview;
use crate::decision::Decision;
use crate::dialect::Reply;
use crate::event::Event;
use crate::policy::{Explanation, Forward, Snapshot};

/// One event with every step of its decision.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<ReadAs>,
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerShown>,
}

/// What a recorded call was read as.
#[derive(Debug, Serialize)]
struct ReadAs {
    /// Equal for repeats; `null` where an equal event is not a repeat.
    id: Option<String>,
    #[serde(rename = "lane")]
    ordering_key: String,
    sender: String,
    target: String,
    can_block: bool,
    can_replace: bool,
    /// The payload is encrypted, so no filter can read it.
    #[serde(rename = "sealed")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<PresenceShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients: Option<RecipientsShown>,
}

#[derive(Debug, Serialize)]
struct MessageShown {
    id: String,
    client_id: String,
    content_type: i32,
    content: String,
    send_time_ms: i64,
}

#[derive(Debug, Serialize)]
struct PresenceShown {
    user_id: String,
    device_flag: u64,
    online: bool,
    connection_id: Option<u64>,
    device_count: Option<u64>,
    total_count: Option<u64>,
}

#[derive(Debug, Serialize)]
struct RecipientsShown {
    ids: Vec<String>,
    lost: bool,
}

#[derive(Debug, Serialize)]
struct AnswerShown {
    status: u16,
    body: String,
}

impl Explained {
    /// An explanation where there is no recorded call.
    pub(super) fn alone(snapshot: &Snapshot, event: &Event) -> Explained {
        Explained {
            decoded: None,
            explanation: snapshot.explain(event, &preview),
            answer: None,
        }
    }

    /// An explanation of a recorded call, with the answer that its dialect would write.
    pub(super) fn recorded(
        snapshot: &Snapshot,
        event: &Event,
        answer: impl Fn(&Decision) -> Reply,
    ) -> Explained {
        let explanation = snapshot.explain(event, &preview);
        let reply = answer(&explanation.decided);
        Explained {
            decoded: Some(ReadAs::of(event)),
            explanation,
            answer: Some(AnswerShown {
                status: reply.status,
                body: String::from_utf8_lossy(&reply.body).into_owned(),
            }),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        if let Some(decoded) = &self.decoded {
            out.push_str(&decoded.text());
        }
        out.push_str(&text_of(&self.explanation));
        if let Some(AnswerShown { status, body }) = &self.answer {
            let body = match body.trim_end() {
                "" => "an empty body",
                body => body,
            };
            out.push_str(&format!("answered {status} with {body}\n"));
        }
        out
    }
}

impl ReadAs {
    fn of(event: &Event) -> ReadAs {
        ReadAs {
            id: event.natural_id.clone(),
            ordering_key: event.ordering_key.clone(),
            sender: event.sender().to_owned(),
            target: event.target().to_owned(),
            can_block: event.can.block,
            can_replace: event.can.replace,
            encrypted: event.encrypted,
            message: event.message.as_ref().map(|message| MessageShown {
                id: message.server_msg_id.clone(),
                client_id: message.client_msg_id.clone(),
                content_type: message.content_type,
                content: message.content.clone(),
                send_time_ms: message.send_time,
            }),
            presence: event.presence.as_ref().map(|presence| PresenceShown {
                user_id: presence.user_id.clone(),
                device_flag: presence.device_flag,
                online: presence.online,
                connection_id: presence.connection_id,
                device_count: presence.device_count,
                total_count: presence.total_count,
            }),
            recipients: event.recipients.as_ref().map(|recipients| RecipientsShown {
                ids: recipients.ids.clone(),
                lost: recipients.lost,
            }),
        }
    }

    fn text(&self) -> String {
        let mut out = match &self.id {
            Some(id) => format!("event {id}"),
            None => "event without an id".to_owned(),
        };
        out.push_str(&format!(" from {:?} to {:?}\n", self.sender, self.target));
        if let Some(message) = &self.message {
            out.push_str(&format!(
                "message {:?}, type {}, {}: {}\n",
                message.id,
                message.content_type,
                if self.encrypted {
                    "encrypted"
                } else {
                    "readable"
                },
                message.content
            ));
        }
        if let Some(presence) = &self.presence {
            let unknown = |count: Option<u64>| count.map_or("?".to_owned(), |n| n.to_string());
            out.push_str(&format!(
                "{} is {} with device {}, connection {}, {} of {} devices\n",
                presence.user_id,
                if presence.online { "online" } else { "offline" },
                presence.device_flag,
                unknown(presence.connection_id),
                unknown(presence.device_count),
                unknown(presence.total_count),
            ));
        }
        if let Some(recipients) = &self.recipients {
            out.push_str(&format!(
                "recipients {}{}\n",
                recipients.ids.join(", "),
                if recipients.lost {
                    " and others that the server lost"
                } else {
                    ""
                }
            ));
        }
        out
    }
}

fn text_of(explanation: &Explanation) -> String {
    let mut out = format!("hook {}, policy {}\n", explanation.hook, explanation.policy);
    if let Some(reason) = explanation.skipped {
        out.push_str(&format!(
            "the hook's rules are not applied: {reason}\nallow\n"
        ));
        return out;
    }
    for text in &explanation.texts {
        out.push_str(&format!(
            "text {} ({}): {:?}\n",
            text.place, text.class, text.value
        ));
        for (folded, lists) in by_reading(&text.folded) {
            out.push_str(&format!("  read as {folded:?} by {}\n", lists.join(", ")));
        }
        for one in &text.matches {
            out.push_str(&format!(
                "  {} `{}` from list {} line {}, seen as {:?}, bytes {:?}, characters {:?}, UTF-16 {:?}\n",
                one.action, one.entry, one.list, one.line, one.matched, one.bytes, one.chars, one.utf16
            ));
            if !one.evasions.is_empty() {
                out.push_str(&format!("    seen through: {}\n", one.evasions.join(", ")));
            }
        }
        for one in &text.spared {
            out.push_str(&format!(
                "  `{}` from list {}, seen as {:?}, is spared by `{}` from list {} line {}\n",
                one.entry, one.list, one.matched, one.by_phrase, one.by_list, one.by_line
            ));
        }
    }
    out.push_str(&format!("filters: {}\n", explanation.filters));
    if explanation.forward.is_none() {
        out.push_str("asks nobody\n");
    }
    for forward in explanation.forward.iter().chain(&explanation.also) {
        push_forward(&mut out, forward);
    }
    out.push_str(&format!(
        "decision, if nobody else objects: {}\n",
        explanation.decision
    ));
    out
}

/// Lists that read a text alike are named together.
fn by_reading(folded: &BTreeMap<String, String>) -> BTreeMap<&str, Vec<&str>> {
    let mut readings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (list, reading) in folded {
        readings.entry(reading).or_default().push(list);
    }
    readings
}

fn push_forward(out: &mut String, forward: &Forward) {
    let Forward {
        endpoint,
        timeout_ms,
        ..
    } = forward;
    match &forward.failure {
        Some(why) => out.push_str(&format!("cannot ask {endpoint}: {why}\n")),
        None => {
            let url = &forward.url;
            out.push_str(&format!(
                "asks {endpoint} within {timeout_ms} ms: POST {url}\n"
            ));
            for (name, value) in &forward.headers {
                out.push_str(&format!("{name}: {value}\n"));
            }
            out.push_str(&format!("\n{}\n", forward.body.trim_end()));
        }
    }
    for (class, action) in &forward.failures {
        out.push_str(&format!("  on {class}: {action}\n"));
    }
}
