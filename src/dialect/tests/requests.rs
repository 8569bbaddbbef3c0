//! What we send to endpoints.

use super::*;

#[test]
fn a_body_in_the_endpoints_dialect_is_passed_on_byte_for_byte() {
    for (name, body) in fixtures::all() {
        let Some(request) = name.strip_suffix(".request.json") else {
            continue;
        };
        let event = event(request);
        let (url, sent) = sent(&event, event.dialect, None);
        assert_eq!(sent.as_bytes(), body, "{name}");
        match event.dialect {
            DialectId::OpenImV2 => assert_eq!(url, "http://h/cb"),
            _ => assert_eq!(url, format!("http://h/cb/{}", info(event.hook).command)),
        }
    }
}

#[test]
fn requests_composed_from_a_message_are_as_openim_writes_them() {
    let mut checked = 0;
    for (name, body) in fixtures::all() {
        let Some(request) = name.strip_suffix(".request.json") else {
            continue;
        };
        // What a message does not hold: other receivers, push information, fields of v2.1.
        if name.starts_with("legacy_v2.3") || name.contains("_push") {
            continue;
        }
        let event = event(request);
        let Some(message) = event.message.clone() else {
            continue;
        };
        let direct = match event.dialect {
            DialectId::OpenImV2 => Event {
                body: None,
                ..event.clone()
            },
            _ => event_from_message(event.hook, event.operation_id.clone(), message),
        };
        let (_, sent) = sent(&direct, event.dialect, None);
        assert_eq!(sent, String::from_utf8_lossy(body), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 38);
}

#[test]
fn a_composed_push_is_as_openim_writes_it() {
    let recorded = file("before_group_online_push.request.json");
    let event = event("before_group_online_push");
    let message = event.message.clone().unwrap();
    let direct = event_from_message(event.hook, event.operation_id.clone(), message);
    assert_eq!(
        sent(&direct, DialectId::OpenIm, None).1.as_bytes(),
        recorded
    );
}

#[test]
fn a_replacement_changes_the_bodys_content_alone() {
    let event = event("before_msg_modify.text");
    let replacement = masked(&event);
    let (_, body) = sent(&event, DialectId::OpenIm, Some(&replacement));
    let before = String::from_utf8_lossy(file("before_msg_modify.text.request.json"));
    assert_eq!(body, before.replace("damn", "****").replace("傻瓜", "**"));
    let shown = of(event.dialect).apply(&event, &replacement);
    assert_eq!(
        shown.texts[1].value,
        "这个** said <b>****</b> & left 😀 \"ok\"\nnext line"
    );
    assert!(shown.texts[1].replaceable);
}

#[test]
fn urls_and_headers_are_as_openim_writes_them() {
    let mut event = event("before_send_single_msg.text");
    let send = |event: &Event, url| of(DialectId::OpenIm).request(url, event, None);
    let outgoing = send(&event, "http://h/cb/");
    assert_eq!(
        outgoing.url,
        "http://h/cb/callbackBeforeSendSingleMsgCommand"
    );
    assert_eq!(
        outgoing.headers,
        [
            ("Content-Type", "application/json; charset=utf-8".to_owned()),
            (
                "operationID",
                "37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5".to_owned()
            ),
        ]
    );
    event.operation_id = "a\r\nb: c".to_owned();
    assert_eq!(send(&event, "http://h").headers.len(), 1);
}

#[test]
fn an_old_command_is_passed_on_in_the_url_too() {
    let body = br#"{"callbackCommand":"callbackUserOnlineCommand","userID":"u"}"#;
    let Ok(Decoded::Event(event)) = decode(DialectId::OpenIm, "callbackUserOnlineCommand", body)
    else {
        panic!("not decoded");
    };
    assert_eq!(
        sent(&event, DialectId::OpenIm, None).0,
        "http://h/cb/callbackUserOnlineCommand"
    );
}

#[test]
fn the_other_dialect_gets_its_own_form() {
    let v3 = event("before_msg_modify.text");
    let (url, body) = sent(&v3, DialectId::OpenImV2, None);
    assert_eq!(url, "http://h/cb");
    assert_eq!(
        body,
        r#"{"sendID":"4459135218","callbackCommand":"callbackWordFilterCommand","serverMsgID":"0b2676769e9eceb4983cb12966586f48","clientMsgID":"f4ff79f97195113e3048bbfedb5748b6","operationID":"37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5","senderPlatformID":5,"senderNickname":"爱丽丝","sessionType":1,"msgFrom":100,"contentType":101,"status":1,"createTime":1767225600289,"content":"这个傻瓜 said \u003cb\u003edamn\u003c/b\u003e \u0026 left 😀 \"ok\"\nnext line"}"#
    );
    let friend = event("before_add_friend");
    let recorded = file("before_add_friend.request.json");
    assert_eq!(
        sent(&friend, DialectId::OpenImV2, None).1.as_bytes(),
        recorded
    );

    let v2 = event("legacy_v2_before_send_single_msg.text");
    let (url, body) = sent(&v2, DialectId::OpenIm, None);
    assert_eq!(url, "http://h/cb/callbackBeforeSendSingleMsgCommand");
    assert!(body.contains(r#""content":"{\"content\":\"hello damn\"}","seq":0,"atUserList":null"#));
    assert!(body.ends_with("\"recvID\":\"6074729403\"}\n"));
}
