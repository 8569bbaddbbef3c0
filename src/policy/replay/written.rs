//! A recorded call as one line of JSON: in full, as callgate keeps it, or in short, as people write
//! one.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::call::{Asked, AtRecording, RecordedCall, Subject, Way};
use crate::decision::{Answer, Failure, FailureClass, Outcome, Refusal, Replacement, RoomReply};
use crate::dialect;
use crate::event::{Can, DialectId, Event, Hook, Message, Room};

/// The code of a refusal that says none.
const REFUSAL_CODE: i32 = 20001;
const TEXT_TYPE: i32 = 101;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Line<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    at_ms: u64,
    hook: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    dialect: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_empty")]
    version: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    operation: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_empty")]
    query: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<WayLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<AskedLine>,
    // The short form.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "type")]
    content_type: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
}

/// A message by the names that OpenIM has for its fields.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct MessageLine<'a> {
    #[serde(rename = "sendID")]
    send_id: Cow<'a, str>,
    #[serde(rename = "recvID")]
    recv_id: Cow<'a, str>,
    #[serde(rename = "groupID")]
    group_id: Cow<'a, str>,
    #[serde(rename = "serverMsgID")]
    server_msg_id: Cow<'a, str>,
    #[serde(rename = "clientMsgID")]
    client_msg_id: Cow<'a, str>,
    #[serde(rename = "senderPlatformID")]
    sender_platform_id: i32,
    sender_nickname: Cow<'a, str>,
    #[serde(rename = "senderFaceURL")]
    sender_face_url: Cow<'a, str>,
    session_type: i32,
    msg_from: i32,
    content_type: i32,
    status: i32,
    send_time: i64,
    create_time: i64,
    content: Cow<'a, str>,
    seq: u32,
    at_user_list: Option<Cow<'a, [String]>>,
    ex: Cow<'a, str>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WayLine {
    block: bool,
    replace: bool,
    replace_later: bool,
    reply: bool,
    /// `1` and `0`, for each text.
    replaceable: String,
    #[serde(skip_serializing_if = "is_false")]
    shows_refusal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<(String, String, i32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomLine>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RoomLine {
    id: String,
    bot_state: Option<String>,
    bot: Option<String>,
    by_robot: bool,
    kept_here: bool,
    members: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AskedLine {
    endpoint: Option<String>,
    /// allow, block, replace, reply, or a class of failure.
    outcome: String,
    #[serde(skip_serializing_if = "is_zero")]
    took_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_back: Vec<(String, String)>,
    #[serde(skip_serializing_if = "String::is_empty")]
    sender: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl RecordedCall {
    /// One line of JSON, without its end.
    pub fn line(&self) -> Vec<u8> {
        let line = Line {
            at_ms: self.at_ms,
            hook: self.hook.name.into(),
            dialect: self.dialect.name().into(),
            caller: self.caller.as_deref().map(Into::into),
            version: self.version.as_str().into(),
            operation: self.operation_id.as_str().into(),
            query: self.query.as_str().into(),
            way: self.way.as_ref().map(WayLine::of),
            asked: self.asked.as_ref().map(AskedLine::of),
            ..Line::default()
        };
        let line = match &self.subject {
            Subject::Body(body) => line.about_body(body),
            Subject::Message(message) | Subject::Text(message) => line.about_message(message),
        };
        let mut json = Vec::with_capacity(self.bytes());
        line.write(&mut json);
        json
    }

    /// Writes the line of a call behind what is there: all that is needed to have its event again.
    ///
    /// Bodies and messages are not copied on the way: it is done where calls are decided on.
    pub fn record(event: &Event, known: &AtRecording<'_>, to: &mut Vec<u8>) {
        let line = Line {
            at_ms: known.at_ms,
            hook: event.hook.name.into(),
            dialect: event.dialect.name().into(),
            caller: known.caller.map(Into::into),
            version: known.version.into(),
            operation: event.operation_id.as_str().into(),
            query: event.query.as_str().into(),
            way: Some(WayLine::of(&Way::of(event))),
            asked: known.asked.map(AskedLine::of),
            ..Line::default()
        };
        let none = Message::default();
        let line = match &event.body {
            Some(body) => line.about_body(body),
            None => line.about_message(event.message.as_ref().unwrap_or(&none)),
        };
        line.write(to);
    }

    /// Reads a line, in full or in short:
    /// `{"hook":"beforeSendSingleMsg","text":"hello","from":"u1","to":"u2","answer":"allow"}`.
    ///
    /// Errors: what is wrong with it.
    pub fn read(line: &[u8]) -> Result<RecordedCall, String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let hook = hook_of(&line.hook)?;
        let dialect = match &*line.dialect {
            "" => dialect::owner(hook),
            name => {
                DialectId::from_name(name).ok_or_else(|| format!("no dialect is named `{name}`"))?
            }
        };
        let asked = match (&line.asked, &line.answer) {
            (Some(_), Some(_)) => return Err("it has `asked` and `answer`".to_owned()),
            (Some(asked), None) => Some(asked.read()?),
            (None, Some(answer)) => {
                let short = AskedLine {
                    outcome: answer.clone(),
                    ..AskedLine::default()
                };
                Some(short.read()?)
            }
            // Whoever writes calls by hand means the word lists.
            (None, None) if line.way.is_none() => Some(Asked {
                endpoint: None,
                outcome: Outcome::Answer(Answer::Allow),
                took_us: 0,
            }),
            (None, None) => None,
        };
        let way = line.way.as_ref().map(WayLine::read);
        Ok(RecordedCall {
            at_ms: line.at_ms,
            hook,
            dialect,
            caller: line.caller.as_deref().map(Into::into),
            version: line.version.clone().into_owned(),
            operation_id: line.operation.clone().into_owned(),
            query: line.query.clone().into_owned(),
            subject: line.subject()?,
            way,
            asked,
        })
    }
}

fn hook_of(name: &str) -> Result<Hook, String> {
    if name.is_empty() {
        return Err("`hook` is missing".to_owned());
    }
    dialect::hook(name).ok_or_else(|| format!("no hook is named `{name}`"))
}

impl<'a> Line<'a> {
    fn about_body(mut self, body: &'a [u8]) -> Line<'a> {
        match std::str::from_utf8(body) {
            Ok(text) => self.body = Some(text.into()),
            Err(_) => self.body_base64 = Some(STANDARD.encode(body)),
        }
        self
    }

    fn about_message(mut self, message: &'a Message) -> Line<'a> {
        self.message = Some(MessageLine::of(message));
        self
    }

    fn write(&self, to: &mut Vec<u8>) {
        serde_json::to_writer(to, self).expect("texts and numbers are JSON");
    }

    fn subject(self) -> Result<Subject, String> {
        let named = [
            self.body.is_some(),
            self.body_base64.is_some(),
            self.message.is_some(),
            self.text.is_some(),
        ];
        if named.into_iter().filter(|named| *named).count() != 1 {
            return Err("one of `text`, `message`, `body` and `body_base64` must be there".into());
        }
        if let Some(body) = self.body {
            return Ok(Subject::Body(body.into_owned().into()));
        }
        if let Some(body) = self.body_base64 {
            let body = STANDARD.decode(body);
            return match body {
                Ok(body) => Ok(Subject::Body(Bytes::from(body))),
                Err(_) => Err("`body_base64` is no base64".to_owned()),
            };
        }
        if let Some(message) = self.message {
            return Ok(Subject::Message(Box::new(message.read())));
        }
        let content_type = self.content_type.unwrap_or(TEXT_TYPE);
        let text = self.text.unwrap_or_default();
        let group_id = self.group.unwrap_or_default();
        Ok(Subject::Text(Box::new(Message {
            send_id: self.from.unwrap_or_else(|| "user1".to_owned()),
            recv_id: match group_id.as_str() {
                "" => self.to.unwrap_or_else(|| "user2".to_owned()),
                _ => String::new(),
            },
            session_type: if group_id.is_empty() { 1 } else { 3 },
            group_id,
            msg_from: 100,
            status: 1,
            content_type,
            content: match content_type {
                TEXT_TYPE => serde_json::json!({ "content": text }).to_string(),
                _ => text,
            },
            ..Message::default()
        })))
    }
}

impl<'a> MessageLine<'a> {
    fn of(message: &'a Message) -> MessageLine<'a> {
        MessageLine {
            send_id: message.send_id.as_str().into(),
            recv_id: message.recv_id.as_str().into(),
            group_id: message.group_id.as_str().into(),
            server_msg_id: message.server_msg_id.as_str().into(),
            client_msg_id: message.client_msg_id.as_str().into(),
            sender_platform_id: message.sender_platform_id,
            sender_nickname: message.sender_nickname.as_str().into(),
            sender_face_url: message.sender_face_url.as_str().into(),
            session_type: message.session_type,
            msg_from: message.msg_from,
            content_type: message.content_type,
            status: message.status,
            send_time: message.send_time,
            create_time: message.create_time,
            content: message.content.as_str().into(),
            seq: message.seq,
            at_user_list: message.at_user_ids.as_deref().map(Into::into),
            ex: message.ex.as_str().into(),
        }
    }

    fn read(self) -> Message {
        Message {
            send_id: self.send_id.into_owned(),
            recv_id: self.recv_id.into_owned(),
            group_id: self.group_id.into_owned(),
            server_msg_id: self.server_msg_id.into_owned(),
            client_msg_id: self.client_msg_id.into_owned(),
            sender_platform_id: self.sender_platform_id,
            sender_nickname: self.sender_nickname.into_owned(),
            sender_face_url: self.sender_face_url.into_owned(),
            session_type: self.session_type,
            msg_from: self.msg_from,
            content_type: self.content_type,
            status: self.status,
            send_time: self.send_time,
            create_time: self.create_time,
            content: self.content.into_owned(),
            seq: self.seq,
            at_user_ids: self.at_user_list.map(Cow::into_owned),
            ex: self.ex.into_owned(),
        }
    }
}

impl WayLine {
    fn of(way: &Way) -> WayLine {
        let replaceable = way.replaceable.iter();
        WayLine {
            block: way.can.block,
            replace: way.can.replace,
            replace_later: way.can.replace_later,
            reply: way.can.reply,
            replaceable: replaceable
                .map(|can| if *can { '1' } else { '0' })
                .collect(),
            shows_refusal: way.shows_refusal,
            to: way.to.clone(),
            room: way.room.as_ref().map(|room| RoomLine {
                id: room.id.clone(),
                bot_state: room.bot_state.clone(),
                bot: room.bot.as_ref().map(ToString::to_string),
                by_robot: room.by_robot,
                kept_here: room.kept_here,
                members: room.members.clone(),
            }),
        }
    }

    fn read(&self) -> Way {
        Way {
            can: Can {
                block: self.block,
                replace: self.replace,
                replace_later: self.replace_later,
                reply: self.reply,
            },
            replaceable: self.replaceable.chars().map(|can| can == '1').collect(),
            shows_refusal: self.shows_refusal,
            to: self.to.clone(),
            room: self.room.as_ref().map(|room| Room {
                id: room.id.clone(),
                bot_state: room.bot_state.clone(),
                bot: room.bot.as_deref().map(Into::into),
                by_robot: room.by_robot,
                kept_here: room.kept_here,
                members: room.members.clone(),
            }),
        }
    }
}

impl AskedLine {
    fn of(asked: &Asked) -> AskedLine {
        let mut line = AskedLine {
            endpoint: asked.endpoint.as_ref().map(ToString::to_string),
            took_us: asked.took_us,
            ..AskedLine::default()
        };
        line.outcome = match &asked.outcome {
            Outcome::Answer(Answer::Allow) => "allow",
            Outcome::Answer(Answer::Block(refusal)) => {
                line.code = Some(refusal.code);
                line.reason.clone_from(&refusal.public);
                line.detail.clone_from(&refusal.detail);
                "block"
            }
            Outcome::Answer(Answer::Replace(new)) => {
                line.content.clone_from(&new.content);
                line.fields.clone_from(&new.fields);
                line.held_back.clone_from(&new.held_back);
                "replace"
            }
            Outcome::Answer(Answer::Reply(reply)) => {
                line.sender.clone_from(&reply.sender);
                line.message.clone_from(&reply.message);
                line.state.clone_from(&reply.state);
                "reply"
            }
            Outcome::Failure(failure) => failure.class.name(),
        }
        .to_owned();
        line
    }

    fn read(&self) -> Result<Asked, String> {
        let outcome = match self.outcome.as_str() {
            "allow" => Outcome::Answer(Answer::Allow),
            "block" => Outcome::Answer(Answer::Block(Refusal {
                code: self.code.unwrap_or(REFUSAL_CODE),
                public: self.reason.clone(),
                detail: self.detail.clone(),
            })),
            "replace" => Outcome::Answer(Answer::Replace(Replacement {
                content: self.content.clone(),
                fields: self.fields.clone(),
                held_back: self.held_back.clone(),
            })),
            "reply" => Outcome::Answer(Answer::Reply(RoomReply {
                sender: self.sender.clone(),
                message: self.message.clone(),
                state: self.state.clone(),
            })),
            class => {
                let class = FailureClass::from_name(class).ok_or_else(|| {
                    format!(
                        "`{class}` is no answer: write allow, block, or a class of failure such \
                         as timeout"
                    )
                })?;
                Outcome::Failure(Failure::new(class, "as it was recorded"))
            }
        };
        Ok(Asked {
            endpoint: self.endpoint.as_deref().map(Into::into),
            outcome,
            took_us: self.took_us,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `callgate` reads again is what it wrote.
    fn check(call: &RecordedCall) {
        let line = call.line();
        let read = RecordedCall::read(&line).unwrap();
        assert_eq!(&read, call, "{}", String::from_utf8_lossy(&line));
    }

    fn recorded(event: &Event, caller: Option<&str>, at_ms: u64) -> RecordedCall {
        let mut line = Vec::new();
        let known = AtRecording {
            at_ms,
            caller,
            ..AtRecording::default()
        };
        RecordedCall::record(event, &known, &mut line);
        RecordedCall::read(&line).unwrap()
    }

    fn call(short: &str) -> RecordedCall {
        RecordedCall::read(short.as_bytes()).unwrap()
    }

    #[test]
    fn a_call_in_full_comes_back_as_it_was_with_each_answer() {
        let short = call(r#"{"hook":"beforeSendGroupMsg","text":"hello","group":"g1"}"#);
        let event = short.event().unwrap();
        let mut full = recorded(&event, Some("im"), 1_796_000_000_000);
        check(&full);
        let again = full.event().unwrap();
        assert_eq!(format!("{again:?}"), format!("{event:?}"));
        for outcome in [
            Outcome::Answer(Answer::Allow),
            Outcome::Answer(Answer::Block(Refusal {
                code: 20010,
                public: "no".to_owned(),
                detail: "not here".to_owned(),
            })),
            Outcome::Answer(Answer::Replace(Replacement {
                content: Some("{}".to_owned()),
                fields: vec![("ex".to_owned(), "\"x\"".to_owned())],
                held_back: vec![("seq".to_owned(), "1".to_owned())],
            })),
            Outcome::Answer(Answer::Reply(RoomReply {
                sender: "bot".to_owned(),
                message: Some("{}".to_owned()),
                state: Some(String::new()),
            })),
            Outcome::Failure(Failure::new(FailureClass::Timeout, "as it was recorded")),
        ] {
            full.asked = Some(Asked {
                endpoint: Some("business".into()),
                outcome,
                took_us: 12,
            });
            check(&full);
        }
    }

    /// Every recorded body of every server's before hook is the same event again, with what only
    /// its way told.
    #[test]
    fn a_body_comes_back_with_what_its_way_told() {
        let body = include_bytes!("../../../tests/fixtures/dialects/funtek.MESSAGE.request.json");
        let hook = dialect::hook("funtek.MESSAGE").unwrap();
        let read = dialect::of(DialectId::Funtek).decode_one(hook, "op", body.as_slice().into());
        let mut event = read.unwrap();
        event.query = "key=1".to_owned();
        event.can.reply = !event.can.reply;
        event.shows_refusal = !event.shows_refusal;
        for text in &mut event.texts {
            text.replaceable = !text.replaceable;
        }
        if let Some(room) = &mut event.room {
            room.kept_here = true;
            room.bot_state = Some("second".to_owned());
        }
        let call = recorded(&event, None, 5);
        check(&call);
        assert_eq!(format!("{:?}", call.event().unwrap()), format!("{event:?}"));
        let binary = RecordedCall {
            subject: Subject::Body(Bytes::from_static(&[0xff, 0])),
            ..call
        };
        check(&binary);
    }

    #[test]
    fn a_line_that_cannot_be_meant_is_told() {
        let check = |line: &str, expected: &str| {
            let error = RecordedCall::read(line.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check("{}", "`hook` is missing");
        check(r#"{"hook":"beforeSend"}"#, "no hook is named `beforeSend`");
        check(r#"{"hook":"beforeMsgModify"}"#, "one of `text`");
        check(
            r#"{"hook":"beforeMsgModify","text":"a","answer":"maybe"}"#,
            "`maybe` is no answer",
        );
        check(
            r#"{"hook":"beforeMsgModify","txt":"a"}"#,
            "unknown field `txt`",
        );
        check("[", "EOF");
    }
}
