//! The recorded calls of real servers: what is read of them.

use std::collections::BTreeSet;

use super::*;

macro_rules! recorded {
    ($($name:literal)*) => {
        const FILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../tests/fixtures/recorded/", $name, ".jsonl")))),*
        ];
    };
}

recorded! {
    "openim-main"
    "openim-3.8.3-patch.16"
    "wukongim-1.2.6-http"
    "wukongim-2.2.5-http"
    "wukongim-2.2.5-grpc"
    "wukongim-main-http"
}

/// One recorded call, with its dialect and what follows the route.
pub struct Recorded {
    pub dialect: DialectId,
    pub path: String,
    pub query: String,
    pub body: String,
}

pub fn recorded() -> impl Iterator<Item = Recorded> {
    let lines = |(file, text): &(&'static str, &'static str)| {
        let dialect = match file.starts_with("openim") {
            true => DialectId::OpenIm,
            false => DialectId::WukongIm,
        };
        let lines = text.lines().map(move |line| call(dialect, line));
        lines.collect::<Vec<_>>()
    };
    FILES.iter().flat_map(lines)
}

fn call(dialect: DialectId, line: &str) -> Recorded {
    let call: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| call[name].as_str().unwrap().to_owned();
    let (path, query) = match call["target"].as_str() {
        Some(target) => {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let path = path.trim_start_matches("/openim");
            (
                path.trim_start_matches("/wukongim").to_owned(),
                query.to_owned(),
            )
        }
        None => (String::new(), format!("event={}", text("event"))),
    };
    Recorded {
        dialect,
        path,
        query,
        body: text("body"),
    }
}

impl Recorded {
    pub fn events(&self) -> Vec<Event> {
        let dialect = of(self.dialect);
        let call = Call {
            head: Head::at(&self.path, &self.query),
            body: Bytes::from(self.body.clone()),
        };
        match dialect.decode(&call).unwrap() {
            Decoded::Event(event) => vec![*event],
            Decoded::Batch { hook, items, .. } => {
                let one = |item| dialect.decode_one(hook, "", item).unwrap();
                items.into_iter().map(one).collect()
            }
            Decoded::UnknownCommand { command, .. } => panic!("`{command}` is unknown"),
        }
    }
}

/// Every member's name of a message or event that a recorded server writes. A new one must be
/// looked at: does it hold a text, an id or a receiver?
const KNOWN: &str = "
    HandleMsg HandleResult applyID applyMemberFriend atUserIDList atUserList attachedInfo
    blackUserID burnDuration callbackCommand channel_id channel_type clientMsgID client_msg_no
    compress_to_uids connID content contentType conversationID conversationId conversationType
    createTime creatorUserID desc ex expire faceURL friendUserID friendUserIDs fromUserID from_uid
    groupAtType groupEx groupID groupId groupName groupType header iOSBadgeCount
    iOSPushSound initMemberList introduction invitedUserIDs inviterUserID isAppBackground isPinned
    isPrivateChat joinSource kickedUserIDs lookMemberInfo memberCount memberList membersID
    message_id message_idstr message_seq msgFrom needVerification newOwnerUserID nickName
    notification notificationUpdateTime notificationUserID oldOwnerUserID operationID ownerID
    ownerUserID ownerUserId payload platform platformID reason recvID recvMsgOpt remark
    reqMessage reqMsg roleLevel senderNickname senderPlatformID sendID sendTime seq serverMsgID
    sessionType setting signalInfo source_id status timestamp title toUserID to_uids userID userId
    userIDList users Seqs
";

#[test]
fn no_field_of_a_recorded_body_is_new() {
    let known: BTreeSet<&str> = KNOWN.split_whitespace().collect();
    let mut new = BTreeSet::new();
    for call in recorded() {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let objects = match &body {
            Value::Array(items) => items.iter().filter_map(Value::as_object).collect(),
            body => vec![body.as_object().unwrap()],
        };
        for key in objects.into_iter().flat_map(|object| object.keys()) {
            if !known.contains(key.as_str()) {
                new.insert(format!("{key} in {}{}", call.path, call.query));
            }
        }
    }
    assert!(new.is_empty(), "no decoder knows {new:?}");
}

/// Words that the recording's policy looked for, each in a text that somebody typed.
const TYPED: [&str; 3] = ["forbiddenword", "maskme", "damn"];

#[test]
fn no_content_type_hides_a_typed_word_in_any_hook() {
    for call in recorded() {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let Some(content) = body["content"].as_str() else {
            continue;
        };
        let events = call.events();
        let in_texts = |word: &str| {
            let mut texts = events.iter().flat_map(|event| &event.texts);
            texts.any(|text| text.value.contains(word))
        };
        // A notification that OpenIM itself wrote: the act that it tells of had its own hook.
        let kind = body["contentType"].as_i64().unwrap();
        let by_machine = (1000..=5000).contains(&kind)
            && kind != 1400
            && serde_json::from_str::<Value>(content).is_ok_and(|tree| tree.is_object());
        // A key that no client shows, which some folding takes for `test`.
        let is_hidden = content.contains("te\\u017ft") || content.contains("teſt");
        for word in TYPED.into_iter().filter(|_| !is_hidden) {
            let is_there = content.contains(word) && !by_machine;
            assert!(
                !is_there || in_texts(word),
                "{word} in {} {content}",
                call.path
            );
        }
    }
}

#[test]
fn every_recorded_query_goes_on_and_every_body_stays() {
    for call in recorded() {
        let events = call.events();
        for event in &events {
            let form = Event {
                query: query::rest(&call.query, |part| {
                    Some(part).filter(|part| !part.starts_with("event="))
                }),
                ..event.clone()
            }
            .form();
            let (body, id) = (event.body.clone().unwrap(), &event.operation_id);
            let again = read_stored(&form, event.hook.name, id, body.clone()).unwrap();
            let sent = of(call.dialect).request("http://h/cb", &again, None);
            let expected = match call.dialect {
                DialectId::OpenIm => format!("http://h/cb{}", call.path),
                _ => "http://h/cb".to_owned(),
            };
            let between = if call.query.is_empty() { "" } else { "?" };
            assert_eq!(sent.url, format!("{expected}{between}{}", call.query));
            if call.dialect == DialectId::OpenIm {
                assert_eq!(sent.body, call.body);
                assert_eq!(sent.headers[0].1, "application/json; charset=utf-8");
            }
            assert!(call.body.contains(std::str::from_utf8(&body).unwrap()));
        }
    }
}

#[test]
fn what_was_accepted_is_what_is_read_again() {
    let mut seen = 0;
    for call in recorded() {
        let after = |event: &&Event| event.hook.moment == Moment::After;
        for event in call.events().iter().filter(after) {
            let (body, id) = (event.body.clone().unwrap(), &event.operation_id);
            let again = read_stored(&event.form(), event.hook.name, id, body).unwrap();
            assert_eq!(format!("{again:?}"), format!("{event:?}"));
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn receivers_are_seen_in_whatever_form_they_come() {
    let check = |dialect, path: &str, query: &str, body: &str, ids: &[&str]| {
        let call = Recorded {
            dialect,
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.to_owned(),
        };
        let events = call.events();
        for id in ids {
            assert!(events[0].concerns(|known| known == *id), "{id} in {body}");
        }
        assert!(!events[0].concerns(|known| known == "somebody"));
    };
    let offline = |to: &str| {
        format!(
            r#"{{"from_uid":"a","channel_id":"g","channel_type":2,"payload":"","message_id":1,{to}}}"#
        )
    };
    let wukongim = DialectId::WukongIm;
    let to = offline(r#""to_uids":["member-77"]"#);
    check(
        wukongim,
        "",
        "event=msg.offline",
        &to,
        &["member-77", "a", "g"],
    );
    let zipped = "H4sIAAAAAAACA4tWyk3NTUot0jU3V4oFAFAi1N4NAAAA";
    let to = offline(&format!(r#""compress_to_uids":"{zipped}""#));
    check(wukongim, "", "event=msg.offline", &to, &["member-77"]);
    let v3 = |command: &str, fields: &str, ids: &[&str]| {
        let path = format!("/{command}");
        check(DialectId::OpenIm, &path, "", &format!("{{{fields}}}"), ids);
    };
    v3(
        "callbackBeforeOfflinePushCommand",
        r#""sendID":"a","content":"","contentType":101,"userIDList":["b","c"]"#,
        &["a", "b", "c"],
    );
    v3(
        "callbackAfterKickGroupCommand",
        r#""groupID":"g","kickedUserIDs":["b"]"#,
        &["b", "g"],
    );
    v3(
        "callbackBeforeMembersJoinGroupCommand",
        r#""groupID":"g","memberList":[{"userID":"b","ex":""}]"#,
        &["b"],
    );
    v3(
        "callbackAfterGroupMsgReadCommand",
        r#""sendID":"a","receiveID":"b","unreadMsgNum":4,"contentType":3"#,
        &["a", "b"],
    );
    // A conversation is its group, or both of its users, whose ids may have a `_` in them.
    let revoked = "callbackBeforeAfterMsgCommand";
    let of = |conversation: &str, user: &str| {
        format!(r#""conversationID":"{conversation}","seq":1,"userID":"{user}""#)
    };
    v3(revoked, &of("sg_g_1", "a"), &["g_1", "a"]);
    v3(revoked, &of("si_a_b_c", "b_c"), &["a", "b_c"]);
    v3(revoked, &of("si_a_b_c", "a"), &["a", "b_c"]);
    v3(
        "callbackAfterCreateGroupCommand",
        r#""groupID":"g","ownerUserID":"o","creatorUserID":"c","initMemberList":[{"userID":"m","roleLevel":20}]"#,
        &["g", "o", "c", "m"],
    );
}

#[test]
fn commands_of_tomorrow_are_events() {
    let body = r#"{"callbackCommand":"callbackAfterSetGroupInfoCommandEX","groupID":"g"}"#;
    let unknown = |dialect: DialectId, path: &str, query: &str, body: &str| {
        let call = Call {
            head: Head::at(path, query),
            body: Bytes::from(body.to_owned()),
        };
        match of(dialect).decode(&call) {
            Ok(Decoded::UnknownCommand { command, event }) => (command, event),
            other => panic!("{other:?}"),
        }
    };
    let sent_again = |event: &Event| {
        let body = event.body.clone().unwrap();
        let again = read_stored(&event.form(), event.hook.name, "op", body).unwrap();
        assert_eq!(again.operation_id, "op");
        let sent = of(again.dialect).request("http://h", &again, None);
        (sent.url, String::from_utf8(sent.body.to_vec()).unwrap())
    };
    let path = "callbackAfterSetGroupInfoCommandEX";
    let (command, event) = unknown(DialectId::OpenIm, path, "key=k", body);
    let event = event.unwrap();
    assert_eq!((command.as_str(), event.hook.name), (path, "*"));
    assert_eq!(event.ordering_key, "sg_g");
    let expected = (format!("http://h/{path}?key=k"), body.to_owned());
    assert_eq!(sent_again(&event), expected);
    let others = hook("*").unwrap();
    let direct = |body: &str| event_from_body(others, "op".to_owned(), body.to_owned().into());
    assert_eq!(direct(body).unwrap().body.unwrap(), body);
    assert!(direct(r#"{"callbackCommand":"callbackAfterQuitGroupCommand"}"#).is_err());
    let (_, before) = unknown(DialectId::OpenIm, "callbackBeforeDreamCommand", "", "{}");
    let before = before.unwrap();
    assert_eq!(
        (before.hook.name, before.hook.moment),
        ("*", Moment::Before)
    );
    assert!(before.can.block && before.ordering_key.is_empty());

    let (name, event) = unknown(DialectId::WukongIm, "", "event=msg.read&a=1", "[1, 2]");
    let event = event.unwrap();
    assert_eq!((name.as_str(), event.hook.name), ("msg.read", "wukongim.*"));
    let expected = "http://h?event=msg.read&a=1".to_owned();
    assert_eq!(sent_again(&event), (expected, "[1, 2]".to_owned()));
}
