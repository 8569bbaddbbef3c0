//! A message in our words as v3 would write it.

use flate2::Crc;

use crate::dialect::document::writer::Fields;
use crate::event::{Hook, Message};

use super::payload;
use super::table::{BEFORE_SEND, NOTIFY};

/// The body of a call about a message; `None` for hooks that need more than a message.
pub(crate) fn body(hook: Hook, message: &Message) -> Option<String> {
    match hook {
        hook if hook == BEFORE_SEND => Some(before_send(message)),
        hook if hook == NOTIFY => Some(notify(message)),
        _ => None,
    }
}

fn before_send(message: &Message) -> String {
    let mut body = Fields::default();
    body.text("from_uid", &message.send_id);
    channel(&mut body, message);
    body.text("client_msg_no", &message.client_msg_id);
    body.text("payload", &payload::encoded(&message.content));
    body.raw("no_persist", false);
    body.raw("sync_once", false);
    body.finish("")
}

fn notify(message: &Message) -> String {
    let mut body = Fields::default();
    body.raw("header", r#"{"no_persist":0,"red_dot":1,"sync_once":0}"#);
    body.raw("setting", 0);
    body.raw("expire", 0);
    // An id of another kind stands in `message_idstr` alone.
    body.raw(
        "message_id",
        message.server_msg_id.parse::<u64>().unwrap_or(0),
    );
    body.text("message_idstr", &message.server_msg_id);
    body.text("client_msg_no", &message.client_msg_id);
    body.raw("message_seq", message.seq);
    body.text("from_uid", &message.send_id);
    channel(&mut body, message);
    body.raw("timestamp", message.send_time / 1000);
    body.text("payload", &payload::encoded(&message.content));
    body.finish("")
}

fn channel(body: &mut Fields, message: &Message) {
    match message.group_id.as_str() {
        "" => {
            body.text("channel_id", &person(&message.send_id, &message.recv_id));
            body.raw("channel_type", 1);
        }
        group => {
            body.text("channel_id", group);
            body.raw("channel_type", 2);
        }
    }
}

/// The channel of two persons: the one with the larger CRC-32 comes first.
fn person(a: &str, b: &str) -> String {
    let sum = |id: &str| {
        let mut crc = Crc::new();
        crc.update(id.as_bytes());
        crc.sum()
    };
    match sum(a) > sum(b) {
        true => format!("{a}@{b}"),
        false => format!("{b}@{a}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_stand_in_the_servers_order() {
        let check = |a: &str, b: &str, expected: &str| {
            assert_eq!(person(a, b), expected);
            assert_eq!(person(b, a), expected);
        };
        check("alice", "bob", "bob@alice");
        check("u1001", "____system", "____system@u1001");
        check("u1", "____system", "u1@____system");
    }

    #[test]
    fn a_message_is_written_as_the_server_writes_it() {
        let message = Message {
            send_id: "alice".to_owned(),
            recv_id: "bob".to_owned(),
            server_msg_id: "1904423718245728256".to_owned(),
            client_msg_id: "c-0003".to_owned(),
            send_time: 1_742_870_400_000,
            content: r#"{"content":"hi","type":1}"#.to_owned(),
            ..Message::default()
        };
        let recorded = include_str!(
            "../../../tests/fixtures/dialects/wukongim.msg.before_send.person.request.json"
        );
        assert_eq!(body(BEFORE_SEND, &message).as_deref(), Some(recorded));
        let recorded =
            include_str!("../../../tests/fixtures/dialects/wukongim.msg.notify.v3.request.json");
        let first = recorded[1..]
            .split_inclusive('}')
            .take(2)
            .collect::<String>();
        let message = Message {
            client_msg_id: "c-0001".to_owned(),
            seq: 41,
            content: r#"{"content":"hello","type":1}"#.to_owned(),
            ..message
        };
        assert_eq!(body(NOTIFY, &message), Some(first));
        assert_eq!(body(super::super::table::OFFLINE, &message), None);
    }
}
