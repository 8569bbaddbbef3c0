//! The harmless, marked calls that an endpoint is played.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::dialect::{self, Call, Decoded, Head};
use crate::event::{DialectId, Event, Hook, Message};

/// Every user, group, room and id in the calls.
pub(super) const MARK: &str = "callgate-doctor";

/// One call.
pub(super) struct TestCall {
    /// `beforeSendSingleMsg picture`.
    pub name: String,
    pub event: Event,
    /// No server knows this command yet.
    pub is_unknown: bool,
}

/// The calls for the before hooks that ask an endpoint of this dialect: every content type and
/// shape at the first hook, the usual ones at the others.
pub(super) fn calls(dialect: DialectId, hooks: &[Hook]) -> Vec<TestCall> {
    let mut calls = Vec::new();
    let mut whole = true;
    for hook in hooks {
        let is_openim = matches!(dialect, DialectId::OpenIm | DialectId::OpenImV2);
        let made = match dialect::info(*hook).takes_message() {
            true => message_calls(dialect, *hook, std::mem::take(&mut whole)),
            false if is_openim => plain_calls(*hook),
            false => native_calls(dialect, *hook),
        };
        calls.extend(made);
    }
    if dialect == DialectId::OpenIm && !hooks.is_empty() {
        calls.extend(unknown_command());
    }
    calls
}

/// The `content` of OpenIM's message types, with what a client writes.
fn shapes() -> Vec<(&'static str, i32, Value)> {
    let url = "https://example.invalid/callgate-doctor";
    let picture =
        json!({"uuid": MARK, "type": "png", "size": 1, "width": 1, "height": 1, "url": url});
    vec![
        (
            "text",
            101,
            json!({"content": "callgate doctor says hello"}),
        ),
        (
            "picture",
            102,
            json!({"sourcePath": "", "sourcePicture": picture, "bigPicture": picture, "snapshotPicture": picture}),
        ),
        (
            "at text",
            106,
            json!({"text": "@callgate-doctor hello", "atUserList": [MARK], "isAtSelf": false}),
        ),
        (
            "other letters",
            101,
            json!({"content": "你好，\u{1f600} \"quotes\" <b>&</b> \\ \u{2028} Ünïcödé عربى"}),
        ),
        ("empty text", 101, json!({"content": ""})),
        (
            "long text",
            101,
            json!({"content": "callgate doctor ".repeat(500)}),
        ),
        (
            "voice",
            103,
            json!({"uuid": MARK, "soundPath": "", "sourceUrl": url, "dataSize": 1, "duration": 1}),
        ),
        (
            "video",
            104,
            json!({"videoPath": "", "videoUUID": MARK, "videoUrl": url, "videoType": "mp4", "videoSize": 1, "duration": 1, "snapshotUrl": url}),
        ),
        (
            "file",
            105,
            json!({"filePath": "", "uuid": MARK, "sourceUrl": url, "fileName": "doctor.txt", "fileSize": 1}),
        ),
        (
            "merged messages",
            107,
            json!({"title": "callgate doctor", "abstractList": ["a"], "multiMessage": []}),
        ),
        (
            "card",
            108,
            json!({"userID": MARK, "nickname": "doctor", "faceURL": "", "ex": ""}),
        ),
        (
            "location",
            109,
            json!({"description": "callgate doctor", "longitude": 0.0, "latitude": 0.0}),
        ),
        (
            "custom",
            110,
            json!({"data": "{\"callgate\":\"doctor\"}", "description": "", "extension": ""}),
        ),
        (
            "quote",
            114,
            json!({"text": "callgate doctor", "quoteMessage": {"contentType": 101, "sendID": MARK, "textElem": {"content": "hi"}}}),
        ),
        ("face", 115, json!({"index": 1, "data": "{}"})),
        (
            "rich text",
            117,
            json!({"text": "callgate doctor", "messageEntityList": []}),
        ),
        ("business notice", 2001, json!({"key": MARK, "data": "{}"})),
    ]
}

/// Of the shapes, those that every hook is played.
const USUAL: usize = 3;

fn message_calls(dialect: DialectId, hook: Hook, whole: bool) -> Vec<TestCall> {
    let mut calls = Vec::new();
    let most = if whole { usize::MAX } else { USUAL };
    for (name, content_type, content) in shapes().into_iter().take(most) {
        let event = dialect::event_from_message(
            hook,
            MARK.to_owned(),
            message(hook, content_type, &content),
        );
        calls.push(TestCall::new(hook, name, event));
    }
    let text = json!({"content": "callgate doctor says hello"});
    let event = dialect::event_from_message(hook, MARK.to_owned(), message(hook, 101, &text));
    let body = dialect::of(dialect).request("", &event, None).body;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        return calls;
    };
    if whole {
        for (name, fields) in [
            (
                "without newer fields",
                without(&fields, &["sendTime", "ex", "atUserList", "faceURL"]),
            ),
            (
                "with fields of tomorrow",
                with(&fields, "callgateDoctor", json!({"new": [1, null]})),
            ),
            (
                "with a list that is null",
                with(&fields, "atUserList", Value::Null),
            ),
        ] {
            calls.extend(from_fields(dialect, hook, name, &fields));
        }
    }
    calls
}

fn message(hook: Hook, content_type: i32, content: &Value) -> Message {
    let is_group = hook.name.to_lowercase().contains("group");
    Message {
        send_id: MARK.to_owned(),
        recv_id: if is_group {
            String::new()
        } else {
            MARK.to_owned()
        },
        group_id: if is_group {
            MARK.to_owned()
        } else {
            String::new()
        },
        server_msg_id: MARK.to_owned(),
        client_msg_id: MARK.to_owned(),
        sender_platform_id: 5,
        sender_nickname: "callgate doctor".to_owned(),
        session_type: if is_group { 3 } else { 1 },
        msg_from: 100,
        content_type,
        status: 1,
        send_time: 1_700_000_000_000,
        create_time: 1_700_000_000_000,
        content: content.to_string(),
        ..Message::default()
    }
}

fn without(fields: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let mut fields = fields.clone();
    fields.retain(|name, _| !names.contains(&name.as_str()));
    fields
}

fn with(fields: &Map<String, Value>, name: &str, value: Value) -> Map<String, Value> {
    let mut fields = fields.clone();
    fields.insert(name.to_owned(), value);
    fields
}

fn from_fields(
    dialect: DialectId,
    hook: Hook,
    name: &str,
    fields: &Map<String, Value>,
) -> Option<TestCall> {
    let body = Bytes::from(Value::Object(fields.clone()).to_string());
    let event = dialect::of(dialect).decode_one(hook, MARK, body).ok()?;
    Some(TestCall::new(hook, name, event))
}

/// A hook of OpenIM that is about users and groups.
fn plain_calls(hook: Hook) -> Vec<TestCall> {
    let command = dialect::info(hook).command;
    let body = json!({
        "callbackCommand": command, "operationID": MARK, "userID": MARK, "fromUserID": MARK,
        "toUserID": MARK, "ownerUserID": MARK, "groupID": MARK, "groupName": "callgate doctor",
        "reqMsg": "hello", "reqMessage": "hello", "nickname": "callgate doctor", "remark": "doctor",
        "handleResult": 1, "groupType": 2, "groupMemberUserID": MARK, "ex": "",
    });
    let body = Bytes::from(body.to_string());
    let event = dialect::event_from_body(hook, MARK.to_owned(), body);
    let call = event.map(|event| TestCall::new(hook, "of callgate doctor", event));
    call.into_iter().collect()
}

/// A command that this version of OpenIM does not have: the next one may.
fn unknown_command() -> Option<TestCall> {
    let command = "callbackBeforeCallgateDoctorCommand";
    let body = json!({"callbackCommand": command, "operationID": MARK, "userID": MARK});
    let call = Call {
        head: Head::at(command, ""),
        body: Bytes::from(body.to_string()),
    };
    match dialect::of(DialectId::OpenIm).decode(&call) {
        Ok(Decoded::UnknownCommand { event, .. }) => event.map(|event| TestCall {
            name: "an unknown command".to_owned(),
            event: *event,
            is_unknown: true,
        }),
        _ => None,
    }
}

/// Calls of other servers, in the shapes that were recorded of them.
fn native_calls(dialect: DialectId, hook: Hook) -> Vec<TestCall> {
    let bodies = match dialect {
        DialectId::WukongIm => wukongim(),
        DialectId::ChatServer => chatserver(hook.name),
        DialectId::Funtek => funtek(),
        DialectId::OpenIm | DialectId::OpenImV2 => Vec::new(),
    };
    let calls = bodies.into_iter().filter_map(|(name, body)| {
        let body = Bytes::from(body.to_string());
        let event = dialect::of(dialect).decode_one(hook, MARK, body).ok()?;
        Some(TestCall::new(hook, name, event))
    });
    calls.collect()
}

fn wukongim() -> Vec<(&'static str, Value)> {
    use base64::Engine;
    let call = |payload: &str, channel_type: u8| {
        let payload = base64::engine::general_purpose::STANDARD.encode(payload);
        json!({
            "from_uid": MARK, "channel_id": MARK, "channel_type": channel_type,
            "client_msg_no": MARK, "payload": payload, "no_persist": false, "sync_once": false,
        })
    };
    let text = r#"{"content":"callgate doctor says hello","type":1}"#;
    let mut tomorrow = call(text, 2);
    tomorrow["callgate_doctor"] = json!([1, null]);
    vec![
        ("text to a group", call(text, 2)),
        ("text to a person", call(text, 1)),
        (
            "other letters",
            call(r#"{"content":"你好 😀 \"quotes\"","type":1}"#, 2),
        ),
        (
            "picture",
            call(
                r#"{"type":2,"url":"https://example.invalid/a.png","width":1,"height":1}"#,
                2,
            ),
        ),
        (
            "voice",
            call(
                r#"{"type":4,"url":"https://example.invalid/a","timeTrad":1}"#,
                2,
            ),
        ),
        (
            "card",
            call(r#"{"type":7,"uid":"callgate-doctor","name":"doctor"}"#, 2),
        ),
        (
            "file",
            call(
                r#"{"type":8,"url":"https://example.invalid/a","name":"a.txt","size":1}"#,
                2,
            ),
        ),
        ("own type", call(r#"{"type":1000,"any":{"thing":true}}"#, 2)),
        ("a payload that is no JSON", call("callgate doctor", 2)),
        (
            "long text",
            call(
                &json!({"type": 1, "content": "doctor ".repeat(500)}).to_string(),
                2,
            ),
        ),
        ("with fields of tomorrow", tomorrow),
    ]
}

fn chatserver(hook: &str) -> Vec<(&'static str, Value)> {
    let inner = json!({"content": "callgate doctor says hello", "type": "text"});
    if hook.contains("auth") {
        return vec![(
            "login",
            json!({"token": MARK, "userId": MARK, "nick": "doctor", "headerImg": "", "time": 1_700_000_000_000_u64}),
        )];
    }
    if hook.contains("action") {
        return vec![
            (
                "action",
                json!({"code": 112, "body": {"msg": {"text": "callgate doctor"}, "clientMsgId": MARK}, "version": 1}),
            ),
            (
                "action with a plain text",
                json!({"code": 112, "body": {"msg": "callgate doctor", "clientMsgId": MARK}, "version": 1}),
            ),
        ];
    }
    vec![
        (
            "to a room",
            json!({"desc": MARK, "type": 2, "sendUserId": MARK, "content": inner.to_string()}),
        ),
        (
            "to a person",
            json!({"desc": MARK, "type": 1, "sendUserId": MARK, "content": inner.to_string()}),
        ),
        (
            "with content as an object",
            json!({"desc": MARK, "type": 2, "sendUserId": MARK, "content": inner}),
        ),
    ]
}

fn funtek() -> Vec<(&'static str, Value)> {
    let call = |kind: &str, message: Value, state: &str| {
        json!({
            "appID": MARK, "clientID": MARK, "roomID": MARK, "event": "MESSAGE", "botState": state,
            "data": {
                "_id": MARK, "id": MARK, "message": message, "room": MARK, "messageType": kind,
                "sender": {"_id": MARK, "id": MARK, "nickname": "doctor", "isRobot": false},
                "messageTimeMS": 1_700_000_000_000_u64,
            },
        })
    };
    vec![
        (
            "text",
            call("text", json!("callgate doctor says hello"), ""),
        ),
        ("text in a state", call("text", json!("2"), "CONTACT")),
        ("picture", call("image", Value::Null, "")),
    ]
}

impl TestCall {
    fn new(hook: Hook, name: &str, event: Event) -> TestCall {
        TestCall {
            name: format!("{} {name}", hook.name),
            event,
            is_unknown: false,
        }
    }
}
