//! Recorded calls of IM servers, for `callgate explain`: what they are read as and answered.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use serde::Serialize;

use super::explain::text_of;
use crate::decision::{Decision, SkipReason};
use crate::dialect::{self, Call, Decoded, Dialect, Head, Options, Reply};
use crate::event::{DialectId, Event};
use crate::policy::{Explanation, Snapshot};

/// One event with every step of its decision.
#[derive(Debug, Serialize)]
pub struct Explained {
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
    pub fn alone(explanation: Explanation) -> Explained {
        Explained {
            decoded: None,
            explanation,
            answer: None,
        }
    }

    fn of(snapshot: &Snapshot, event: &Event, answer: impl Fn(&Decision) -> Reply) -> Explained {
        let explanation = snapshot.explain(event);
        let decision = Decision {
            verdict: explanation.verdict.clone(),
            skipped: SkipReason::ALL
                .into_iter()
                .find(|reason| Some(reason.name()) == explanation.skipped),
            ..Decision::acknowledged()
        };
        let reply = answer(&decision);
        Explained {
            decoded: Some(ReadAs::of(event)),
            explanation,
            answer: Some(AnswerShown {
                status: reply.status,
                body: String::from_utf8_lossy(&reply.body).into_owned(),
            }),
        }
    }

    pub fn text(&self) -> String {
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

/// Explains every event of a recorded call.
pub fn explain(
    snapshot: &Snapshot,
    dialect: &str,
    event: &str,
    file: &Path,
    options: Options,
) -> anyhow::Result<Vec<Explained>> {
    let dialect = dialect::heard(named(dialect)?.id(), &options);
    let body = read(file)?;
    let (path, query) = dialect.place(event);
    let call = Call {
        head: Head::at(&path, &query),
        body: body.clone(),
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => {
            let speaker = dialect::of(event.dialect);
            let answer = |decision: &Decision| speaker.reply(&event, decision);
            Ok(vec![Explained::of(snapshot, &event, answer)])
        }
        Ok(Decoded::Batch { hook, items }) => {
            let answer =
                |decision: &Decision| dialect.reply_without_event(Some(hook), &body, decision);
            let events =
                items
                    .into_iter()
                    .filter_map(|item| match dialect.decode_one(hook, "", item) {
                        Ok(event) => Some(Explained::of(snapshot, &event, answer)),
                        Err(unreadable) => {
                            eprintln!("callgate: an event is left out: {}", unreadable.reason);
                            None
                        }
                    });
            Ok(events.collect())
        }
        Ok(Decoded::UnknownCommand(name)) => bail!("`{name}` is no event of {}", dialect.id()),
        Err(unreadable) => bail!("this is no call of {}: {}", dialect.id(), unreadable.reason),
    }
}

/// The event of a recorded call whose body names it.
pub fn event(file: &Path, dialect: &str) -> anyhow::Result<Event> {
    let dialect = named(dialect)?;
    let call = Call {
        head: Head::at("", ""),
        body: read(file)?,
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => Ok(*event),
        Ok(Decoded::UnknownCommand(name)) => bail!("`{name}` is no command of {}", dialect.id()),
        Ok(Decoded::Batch { .. }) => bail!("name the event with --event"),
        Err(unreadable) => bail!("this is no call of {}: {}", dialect.id(), unreadable.reason),
    }
}

fn named(name: &str) -> anyhow::Result<&'static dyn Dialect> {
    let id = DialectId::from_name(name).with_context(|| {
        let names = DialectId::ALL.map(DialectId::name).join("`, `");
        format!("no dialect is named `{name}`; the names are `{names}`")
    })?;
    Ok(dialect::of(id))
}

fn read(file: &Path) -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body)?;
    } else {
        body = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(Bytes::from(body))
}
