//! What an IM server sends, over HTTP and over gRPC.

use std::fs;
use std::path::PathBuf;

use callgate::proto::v1;
use serde_json::json;

/// The canonical allow.
pub const ALLOW: &str =
    "{\"actionCode\":0,\"errCode\":0,\"errMsg\":\"Success\",\"errDlt\":\"\",\"nextCode\":0}\n";

pub const SINGLE: &str = "beforeSendSingleMsg";
pub const GROUP: &str = "beforeSendGroupMsg";
pub const MODIFY: &str = "beforeMsgModify";

/// The canonical refusal.
pub fn block(code: i32, message: &str, detail: &str) -> String {
    format!(
        r#"{{"actionCode":0,"errCode":{code},"errMsg":"{message}","errDlt":"{detail}","nextCode":1}}"#
    ) + "\n"
}

/// `beforeSendSingleMsg` is `callbackBeforeSendSingleMsgCommand` on the wire.
pub fn command(hook: &str) -> String {
    let (first, rest) = hook.split_at(1);
    format!("callback{}{rest}Command", first.to_uppercase())
}

/// The path at which OpenIM calls a hook.
pub fn path(hook: &str) -> String {
    format!("/openim/{}", command(hook))
}

/// The body that OpenIM sends for a message hook, with its fields in its order.
pub fn body(hook: &str, text: &str) -> String {
    body_with_id(hook, text, "server-1")
}

pub fn body_with_id(hook: &str, text: &str, server_msg_id: &str) -> String {
    let content = json!(json!({ "content": text }).to_string());
    let receiver = match hook {
        "beforeSendGroupMsg" | "afterSendGroupMsg" => r#","groupID":"group1""#,
        "beforeMsgModify" => "",
        _ => r#","recvID":"user2""#,
    };
    let session = if receiver.contains("groupID") { 3 } else { 1 };
    format!(
        r#"{{"sendID":"user1","callbackCommand":"{}","serverMsgID":"{server_msg_id}","clientMsgID":"client-{server_msg_id}","operationID":"op-1","senderPlatformID":5,"senderNickname":"Alice","sessionType":{session},"msgFrom":100,"contentType":101,"status":1,"sendTime":1767225600316,"createTime":1767225600289,"content":{content},"seq":0,"atUserList":null,"faceURL":"","ex":""{receiver}}}"#,
        command(hook)
    ) + "\n"
}

/// The same from a certain sender.
pub fn body_from(sender: &str, hook: &str, text: &str) -> String {
    let sender = format!(r#""sendID":"{sender}""#);
    body(hook, text).replace(r#""sendID":"user1""#, &sender)
}

/// The same over gRPC.
pub fn request(hook: &str, text: &str) -> v1::BeforeRequest {
    v1::BeforeRequest {
        hook: hook.to_owned(),
        operation_id: "op-1".to_owned(),
        message: Some(message(hook, text, "server-1")),
        ..v1::BeforeRequest::default()
    }
}

pub fn message(hook: &str, text: &str, server_msg_id: &str) -> v1::Message {
    let group = hook.contains("Group");
    v1::Message {
        send_id: "user1".to_owned(),
        recv_id: if group { "" } else { "user2" }.to_owned(),
        group_id: if group { "group1" } else { "" }.to_owned(),
        server_msg_id: server_msg_id.to_owned(),
        client_msg_id: format!("client-{server_msg_id}"),
        content: json!({ "content": text }).to_string(),
        ..v1::Message::default()
    }
}

pub fn after_event(hook: &str, text: &str, server_msg_id: &str) -> v1::AfterEvent {
    v1::AfterEvent {
        hook: hook.to_owned(),
        operation_id: "op-1".to_owned(),
        message: Some(message(hook, text, server_msg_id)),
        ..v1::AfterEvent::default()
    }
}

/// A recorded call or answer from `tests/fixtures/openim`.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = fixtures().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded call or answer of another IM server, from `tests/fixtures/dialects`.
pub fn dialect_fixture(dialect: &str, name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dialects");
    let path = root.join(format!("{dialect}.{name}"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every recorded call: file name, the command in its body, its bytes.
pub fn recorded() -> Vec<(String, String, Vec<u8>)> {
    let mut calls: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".request.json"))
        .map(|name| {
            let bytes = fixture(&name);
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let command = json["callbackCommand"].as_str().unwrap().to_owned();
            (name, command, bytes)
        })
        .collect();
    calls.sort();
    calls
}

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openim")
}
