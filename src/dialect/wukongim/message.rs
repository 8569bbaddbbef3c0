//! The fields of a message, the same for all versions of the server.
//!
//! Source: `MessageResp` of v1 `internal/server`, v2 `internal/types`, v3 `mapper.go`.

use ring::digest::{Context, SHA256};

use crate::dialect::document::json::{self, Object};
use crate::event::{Hook, Message};

use super::payload;
use super::table::OFFLINE;

/// The server's own user: v2 blanks it as a sender.
const SYSTEM_UID: &str = "____system";
/// What v2 appends to the channel of a command message.
const COMMAND_SUFFIX: &str = "____cmd";
/// Bit of `setting`: the payload is encrypted end to end.
const SETTING_SIGNAL: i64 = 0x20;
const PERSON: i64 = 1;

/// Who talks to whom, the same whatever version wrote it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parties {
    pub sender: String,
    /// The other person; empty in other channels, and where the server does not tell.
    pub peer: String,
    /// The channel's id; empty for persons.
    pub group: String,
    pub channel_type: i64,
}

impl Parties {
    pub(crate) fn read(object: &Object<'_>) -> Parties {
        let text = |name| object.text(name).unwrap_or_default().into_owned();
        let channel_type = object.last("channel_type").and_then(json::int);
        Parties::of(
            &text("from_uid"),
            &text("channel_id"),
            channel_type.unwrap_or(0),
        )
    }

    /// Takes a person channel apart: v1 and v2 name the peer, v3 both (`bob@alice`, in an order of
    /// its own). A uid may hold an `@` too, so the sender's is looked for at both ends.
    fn of(from: &str, channel: &str, channel_type: i64) -> Parties {
        let sender = if from.is_empty() { SYSTEM_UID } else { from };
        let channel = channel.strip_suffix(COMMAND_SUFFIX).unwrap_or(channel);
        let mut parties = Parties {
            sender: sender.to_owned(),
            peer: String::new(),
            group: String::new(),
            channel_type,
        };
        if channel_type != PERSON {
            parties.group = channel.to_owned();
            return parties;
        }
        let at_end = channel
            .strip_suffix(sender)
            .and_then(|rest| rest.strip_suffix('@'));
        let at_start = channel
            .strip_prefix(sender)
            .and_then(|rest| rest.strip_prefix('@'));
        let peer = at_end.or(at_start).unwrap_or(channel);
        // v2 blanks the sender and then takes the wrong half: the peer is not known.
        let is_lost = sender == SYSTEM_UID && peer == SYSTEM_UID;
        parties.peer = if is_lost { "" } else { peer }.to_owned();
        parties
    }

    /// A channel keeps its order; both directions of a chat are one.
    pub(crate) fn ordering_key(&self) -> String {
        let (a, b) = (&self.sender, &self.peer);
        match self.channel_type {
            PERSON => format!("{PERSON}:{}@{}", a.min(b), a.max(b)),
            other => format!("{other}:{}", self.group),
        }
    }
}

/// The message in our words.
///
/// `content` is the payload as text, `content_type` its `type` (1 is text). `send_time` comes in
/// seconds. `seq` is 0 where it does not fit 32 bits; the body has it exactly.
pub(crate) fn read(object: &Object<'_>, parties: &Parties, content: String) -> Message {
    let number = |name| object.last(name).and_then(json::int);
    let is_system = parties.sender == SYSTEM_UID;
    let millis = number("timestamp").unwrap_or(0).saturating_mul(1000);
    Message {
        send_id: parties.sender.clone(),
        recv_id: parties.peer.clone(),
        group_id: parties.group.clone(),
        server_msg_id: message_id(object),
        client_msg_id: object
            .text("client_msg_no")
            .unwrap_or_default()
            .into_owned(),
        session_type: if parties.channel_type == PERSON { 1 } else { 3 },
        msg_from: if is_system { 200 } else { 100 },
        content_type: payload::content_type(&content),
        status: 1,
        send_time: millis,
        create_time: millis,
        seq: number("message_seq")
            .and_then(|seq| u32::try_from(seq).ok())
            .unwrap_or(0),
        content,
        ..Message::default()
    }
}

/// The payload is encrypted end to end, so no filter can read it.
pub(crate) fn is_encrypted(object: &Object<'_>) -> bool {
    let setting = object.last("setting").and_then(json::int);
    setting.is_some_and(|setting| setting & SETTING_SIGNAL != 0)
}

/// `message_idstr`, or the number as written: it does not fit a float.
fn message_id(object: &Object<'_>) -> String {
    let text = object.text("message_idstr").unwrap_or_default();
    if !text.is_empty() {
        return text.into_owned();
    }
    let digits = object.last("message_id").unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits {
        "0" => String::new(),
        digits if is_number => digits.to_owned(),
        _ => String::new(),
    }
}

/// What tells the pushes of one message apart: every node sends its own, of some recipients each.
const PUSH_PARTS: [&str; 3] = ["to_uids", "compress_to_uids", "source_id"];
/// What tells the states of one message apart that is a stream, or that is edited.
const STREAM_PARTS: [&str; 9] = [
    "stream_no",
    "stream_seq",
    "stream_flag",
    "streams",
    "stream_data",
    "end",
    "end_reason",
    "error",
    "event_meta",
];

/// The message's id, and where one message is told of several times, what it is told of.
pub(crate) fn natural_id(hook: Hook, object: &Object<'_>, message: &Message) -> Option<String> {
    let id = &message.server_msg_id;
    if id.is_empty() {
        return None;
    }
    let parts: &[&str] = match hook {
        hook if hook == OFFLINE => &PUSH_PARTS,
        _ if STREAM_PARTS.iter().any(|name| object.last(name).is_some()) => &STREAM_PARTS,
        _ => return Some(format!("{hook}:{id}")),
    };
    let mut sha = Context::new(&SHA256);
    for name in parts {
        let raw = object.last(name).unwrap_or_default();
        sha.update(&(raw.len() as u64).to_be_bytes());
        sha.update(raw.as_bytes());
    }
    let digest = sha.finish();
    let part: String = digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("{hook}:{id}:{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_the_same_in_every_version() {
        let check = |from: &str, channel: &str, sender: &str, peer: &str| {
            let parties = Parties::of(from, channel, 1);
            assert_eq!(
                (&*parties.sender, &*parties.peer),
                (sender, peer),
                "{channel}"
            );
        };
        check("alice", "bob", "alice", "bob");
        check("alice", "bob@alice", "alice", "bob");
        check("bob", "bob@alice", "bob", "alice");
        check("alice", "bob@alice____cmd", "alice", "bob");
        check(
            "alice@x.com",
            "bob@y.com@alice@x.com",
            "alice@x.com",
            "bob@y.com",
        );
        check("alice@x.com", "bob@y.com", "alice@x.com", "bob@y.com");
        check("alice", "alice@alice", "alice", "alice");
        check("", "u1001", "____system", "u1001");
        check("", "____system@u1001", "____system", "u1001");
        check("", "u1@____system", "____system", "u1");
        check("", "____system", "____system", "");
    }

    #[test]
    fn both_directions_of_a_chat_share_an_ordering_key() {
        let ordering_key = |from, channel, kind| Parties::of(from, channel, kind).ordering_key();
        assert_eq!(
            ordering_key("alice", "bob", 1),
            ordering_key("bob", "bob@alice", 1)
        );
        assert_ne!(ordering_key("alice", "g", 2), ordering_key("alice", "g", 3));
    }
}
