//! The fields of a message in OpenIM's requests and answers.
//!
//! Units: `sendTime` and `createTime` are in milliseconds since 1970.
//! Source: open-im-server main, `pkg/callbackstruct/common.go` and `push.go`.

use crate::dialect::document::json::{self, Object};
use crate::event::{DialectId, Message};

/// Without these there is nothing to decide about.
const NEEDED: [&str; 3] = ["sendID", "content", "contentType"];

/// Names that are compared without regard to case if none of them is met exactly.
const NAMES: [&str; 23] = [
    "sendID",
    "recvID",
    "groupID",
    "serverMsgID",
    "clientMsgID",
    "senderPlatformID",
    "platformID",
    "senderNickname",
    "faceURL",
    "senderFaceURL",
    "sessionType",
    "msgFrom",
    "contentType",
    "status",
    "sendTime",
    "createTime",
    "content",
    "seq",
    "atUserList",
    "atUserIDList",
    "ex",
    "callbackCommand",
    "operationID",
];

/// A field has another type than OpenIM gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType;

/// Reads a message from a request.
///
/// Errors: a sentence that names the first field of `sendID`, `content` and `contentType` that is
/// missing or of a wrong type. Other fields of a wrong type are as if absent.
pub(crate) fn read(object: &Object<'_>) -> Result<Message, String> {
    let mut message = Message::default();
    for member in &object.members {
        let is_needed = |name: &&&str| json::same_key(&member.key, name);
        if set(&mut message, &member.key, member.value).is_err()
            && let Some(name) = NEEDED.iter().find(is_needed)
        {
            return Err(format!("`{name}` has a wrong type"));
        }
    }
    match NEEDED.iter().find(|name| object.last(name).is_none()) {
        Some(name) => Err(format!("`{name}` is missing")),
        None => Ok(message),
    }
}

/// Sets a field by its name in a request or in an answer. `null` and unknown names change nothing,
/// as in Go.
pub(crate) fn set(message: &mut Message, name: &str, raw: &str) -> Result<(), WrongType> {
    if raw == "null" {
        return Ok(());
    }
    match name {
        "sendID" => set_text(&mut message.send_id, raw),
        "recvID" => set_text(&mut message.recv_id, raw),
        "groupID" => set_text(&mut message.group_id, raw),
        "serverMsgID" => set_text(&mut message.server_msg_id, raw),
        "clientMsgID" => set_text(&mut message.client_msg_id, raw),
        "senderPlatformID" | "platformID" => set_number(&mut message.sender_platform_id, raw),
        "senderNickname" => set_text(&mut message.sender_nickname, raw),
        "faceURL" | "senderFaceURL" => set_text(&mut message.sender_face_url, raw),
        "sessionType" => set_number(&mut message.session_type, raw),
        "msgFrom" => set_number(&mut message.msg_from, raw),
        "contentType" => set_number(&mut message.content_type, raw),
        "status" => set_number(&mut message.status, raw),
        "sendTime" => set_number(&mut message.send_time, raw),
        "createTime" => set_number(&mut message.create_time, raw),
        "content" => set_text(&mut message.content, raw),
        "seq" => set_number(&mut message.seq, raw),
        "ex" => set_text(&mut message.ex, raw),
        "atUserList" | "atUserIDList" => {
            message.at_user_ids = Some(json::texts(raw).ok_or(WrongType)?);
            Ok(())
        }
        "callbackCommand" | "operationID" => Ok(()),
        other => match NAMES.iter().find(|name| json::same_key(other, name)) {
            Some(name) => set(message, name, raw),
            None => Ok(()),
        },
    }
}

fn set_text(field: &mut String, raw: &str) -> Result<(), WrongType> {
    *field = json::text(raw).ok_or(WrongType)?.into_owned();
    Ok(())
}

fn set_number<T: std::str::FromStr>(field: &mut T, raw: &str) -> Result<(), WrongType> {
    *field = raw.parse().map_err(|_| WrongType)?;
    Ok(())
}

/// The `content` of a message is the text itself, not JSON around it: type 101 of v2.
pub(crate) fn is_plain(dialect: DialectId, message: &Message) -> bool {
    dialect == DialectId::OpenImV2 && message.content_type == 101
}

/// OpenIM's id of the conversation that a message belongs to, so that its read marks and its
/// revocation, which carry that id, keep their place behind it.
pub(crate) fn conversation_id(message: &Message) -> String {
    let (from, to) = (&message.send_id, &message.recv_id);
    match (message.group_id.as_str(), to.is_empty()) {
        ("", true) => from.clone(),
        ("", false) => format!("si_{}_{}", from.min(to), from.max(to)),
        (group, _) => group_ordering_key(group),
    }
}

/// The ordering key of a group: the id of its conversation.
pub(crate) fn group_ordering_key(group: &str) -> String {
    format!("sg_{group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<(&str, i32), &str>) {
        let message = read(&Object::parse(body).unwrap());
        let read = message
            .as_ref()
            .map(|message| (message.content.as_str(), message.content_type))
            .map_err(String::as_str);
        assert_eq!(read, expected, "{body}");
    }

    #[test]
    fn needed_fields_are_needed() {
        check(
            r#"{"sendID":"u","content":"c","contentType":101}"#,
            Ok(("c", 101)),
        );
        check(
            r#"{"SENDid":"u","Content":"c","contenttype":101}"#,
            Ok(("c", 101)),
        );
        check(
            r#"{"sendID":"u","contentType":101}"#,
            Err("`content` is missing"),
        );
        check(
            r#"{"sendID":1,"content":"c","contentType":101}"#,
            Err("`sendID` has a wrong type"),
        );
        check(
            r#"{"sendID":"u","content":{"content":"c"},"contentType":101}"#,
            Err("`content` has a wrong type"),
        );
        check(
            r#"{"sendID":"u","content":"c","contentType":"101"}"#,
            Err("`contentType` has a wrong type"),
        );
    }

    #[test]
    fn other_fields_may_be_anything() {
        check(
            r#"{"sendID":"u","content":"c","contentType":101,"seq":-1,"ex":{},"atUserList":[1],"x":0}"#,
            Ok(("c", 101)),
        );
    }

    #[test]
    fn every_name_is_set_without_recursion() {
        for name in NAMES {
            let mut message = Message::default();
            let _ = set(&mut message, &name.to_ascii_uppercase(), "1");
        }
    }

    #[test]
    fn both_sides_of_a_chat_share_an_ordering_key() {
        let message = |from: &str, to: &str| Message {
            send_id: from.to_owned(),
            recv_id: to.to_owned(),
            ..Message::default()
        };
        assert_eq!(conversation_id(&message("b", "a")), "si_a_b");
        assert_eq!(conversation_id(&message("a", "b")), "si_a_b");
    }
}
