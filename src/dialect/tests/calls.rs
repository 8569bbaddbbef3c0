//! What IM servers send.

use super::*;

fn check_texts(name: &str, expected: &Value) {
    let event = event(name.strip_suffix(".request.json").unwrap());
    let message = event.message.as_ref().unwrap();
    let mut texts = Vec::new();
    let search = Search {
        mentioned: &[],
        open_strings: false,
        ..search(event.dialect, message, true)
    };
    find_texts(search, &mut texts);
    let found: Vec<Value> = texts
        .iter()
        .map(|text| {
            serde_json::json!({
                "pointer": text.pointer, "class": text.class.name(), "value": text.value
            })
        })
        .collect();
    assert_eq!(Value::from(found), *expected, "{name}");
    assert_eq!(
        message.content_type,
        tree("INDEX.json")["requests"][name]["contentType"]
    );
    assert_eq!(
        message.session_type,
        tree("INDEX.json")["requests"][name]["sessionType"]
    );
}

#[test]
fn every_recorded_request_is_read_with_its_texts() {
    let index = tree("INDEX.json");
    let requests = index["requests"].as_object().unwrap();
    let n_files = fixtures::all()
        .filter(|(name, _)| name.ends_with(".request.json"))
        .count();
    assert_eq!(requests.len(), n_files);
    for (name, expected) in requests {
        let event = event(name.strip_suffix(".request.json").unwrap());
        let info = openim::table::by_command(expected["command"].as_str().unwrap()).unwrap();
        assert_eq!(event.hook, info.hook, "{name}");
        let is_v2 = expected["dialect"] == "v2";
        assert_eq!(event.dialect == DialectId::OpenImV2, is_v2, "{name}");
        match expected.get("text") {
            Some(texts) => check_texts(name, texts),
            None => assert!(event.message.is_none(), "{name}"),
        }
    }
}

fn check_body_texts(request: &str, expected: &[(&str, &str, bool)]) {
    let event = event(request);
    let body = std::str::from_utf8(event.body.as_ref().unwrap()).unwrap();
    let texts: Vec<_> = event
        .texts
        .iter()
        .filter(|text| text.document == crate::event::Document::Body)
        .collect();
    for text in &texts {
        assert_eq!(
            document::literal::decode(&body[text.literals[0].clone()]),
            text.value
        );
    }
    let found: Vec<_> = texts
        .iter()
        .map(|text| (text.place(), text.value.as_str(), text.replaceable))
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(place, value, can)| (&**place, *value, *can))
        .collect();
    assert_eq!(found, expected, "{request}");
}

#[test]
fn texts_outside_of_content_are_found() {
    check_body_texts(
        "before_send_single_msg.text",
        &[("senderNickname", "爱丽丝", false)],
    );
    check_body_texts(
        "before_msg_modify.text",
        &[("senderNickname", "爱丽丝", true)],
    );
    check_body_texts(
        "legacy_v2_word_filter.text",
        &[("senderNickname", "爱丽丝", false)],
    );
    check_body_texts(
        "before_offline_push",
        &[("title", "You have a new message.", true)],
    );
    check_body_texts("before_offline_push.no_push_info", &[]);
    check_body_texts(
        "before_create_group",
        &[
            ("groupName", "damn 项目组", true),
            ("notification", "welcome", true),
            ("introduction", "we <3 rust & go", true),
        ],
    );
    check_body_texts(
        "before_set_group_info_ex",
        &[("groupName", "damn 项目组", true)],
    );
    check_body_texts(
        "before_user_register",
        &[("users/0/nickname", "Carol damn", true)],
    );
    check_body_texts(
        "before_update_user_info",
        &[("nickName", "damn alice", true)],
    );
    check_body_texts("before_set_friend_remark", &[("remark", "damn bob", true)]);
    check_body_texts(
        "before_add_friend",
        &[("reqMsg", "hi, damn it add me", false)],
    );
    check_body_texts(
        "before_add_friend_agree",
        &[("HandleMsg", "ok damn", false)],
    );
    check_body_texts(
        "before_apply_join_group",
        &[("reqMessage", "let me in, damn", false)],
    );
    check_body_texts(
        "before_invite_user_to_group",
        &[("reason", "damn join", false)],
    );
}

fn check_ids(request: &str, natural_id: Option<&str>, ordering_key: &str) {
    let event = event(request);
    assert_eq!(
        (event.natural_id.as_deref(), &*event.ordering_key),
        (natural_id, ordering_key),
        "{request}"
    );
}

#[test]
fn after_events_have_ids_and_ordering_keys() {
    let single = "si_4459135218_6074729403";
    check_ids(
        "after_send_single_msg.text",
        Some("afterSendSingleMsg:0b2676769e9eceb4983cb12966586f48"),
        single,
    );
    check_ids(
        "after_msg_save_db.group_text",
        Some("afterMsgSaveDB:0b2676769e9eceb4983cb12966586f48"),
        "sg_3159824577",
    );
    check_ids(
        "after_revoke_msg",
        Some("afterRevokeMsg:si_4459135218_6074729403:42"),
        single,
    );
    check_ids("after_single_msg_read", None, single);
    check_ids("after_user_online", None, "4459135218");
    check_ids("after_dismiss_group", None, "sg_3159824577");
    check_ids("before_send_single_msg.text", None, "");
}

fn check_can(request: &str, block: bool, replace: bool, replace_later: bool) {
    let can = event(request).can;
    assert_eq!(
        (can.block, can.replace, can.replace_later),
        (block, replace, replace_later)
    );
}

#[test]
fn events_say_what_the_answer_can_do() {
    check_can("before_send_single_msg.text", true, false, true);
    check_can("before_msg_modify.text", true, true, false);
    check_can("after_send_single_msg.text", false, false, false);
    check_can("before_online_push", true, false, false);
    check_can("before_offline_push", true, true, false);
    check_can("legacy_v2_word_filter.text", true, true, false);
    check_can("legacy_v2_before_send_single_msg.text", true, false, false);
    check_can("legacy_v2_after_send_single_msg.text", false, false, false);
}

/// `Ok` with hook and dialect, or `Err` with hook and reason.
fn check_route(
    (route, path, query): (DialectId, &str, &str),
    body: &str,
    expected: Result<(&str, DialectId), (Option<&str>, &str)>,
) {
    let call = Call {
        head: Head::at(path, query),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let decoded = of(route).decode(&call);
    let found = match &decoded {
        Ok(Decoded::Event(event)) => Ok((event.hook.name, event.dialect)),
        Ok(Decoded::UnknownCommand { command, .. }) => Ok((command.as_str(), route)),
        Ok(Decoded::Batch { .. }) => unreachable!("OpenIM sends one event a call"),
        Err(error) => Err((error.hook.map(|hook| hook.name), error.reason.as_str())),
    };
    assert_eq!(found, expected, "{path}?{query}");
}

#[test]
fn the_command_is_found_wherever_it_stands() {
    use DialectId::{OpenIm as V3, OpenImV2 as V2};
    let v3 = r#"{"sendID":"u","contentType":101,"content":"x","sendTime":1}"#;
    let revoke = r#"{"callbackCommand":"callbackBeforeAfterMsgCommand"}"#;
    let single = Ok(("beforeSendSingleMsg", V3));
    check_route((V3, "callbackBeforeSendSingleMsgCommand", ""), v3, single);
    check_route(
        (V3, "//CALLBACKBEFORESENDSINGLEMSGCOMMAND/", ""),
        v3,
        single,
    );
    check_route(
        (V3, "/secret/callbackBeforeSendSingleMsgCommand", "key=a"),
        v3,
        single,
    );
    check_route(
        (V3, "", "command=callbackBeforeSendSingleMsgCommand"),
        v3,
        single,
    );
    check_route(
        (
            V3,
            "/",
            "a=b&callbackCommand=callbackBeforeSendSingleMsgCommand",
        ),
        v3,
        single,
    );
    check_route(
        (V3, "", "token=x/callbackBeforeSendSingleMsgCommand"),
        v3,
        single,
    );
    check_route((V3, "", ""), revoke, Ok(("afterRevokeMsg", V3)));
    check_route((V3, "secret", "x=/y"), revoke, Ok(("afterRevokeMsg", V3)));
    check_route(
        (V3, "callbackXCommand", ""),
        "{}",
        Ok(("callbackXCommand", V3)),
    );
    check_route(
        (V3, "callbackXCommand", ""),
        "no JSON",
        Ok(("callbackXCommand", V3)),
    );
    check_route((V2, "callbackBeforeSendSingleMsgCommand", ""), v3, single);
    check_route(
        (V2, "", "command=callbackBeforeSendSingleMsgCommand"),
        v3,
        Ok(("beforeSendSingleMsg", V2)),
    );
}

#[test]
fn calls_of_v2_on_a_route_of_v3_are_seen_to_be_of_v2() {
    use DialectId::{OpenIm as V3, OpenImV2 as V2};
    let with = |command: &str, more: &str| {
        format!(
            r#"{{"sendID":"u","callbackCommand":"{command}","contentType":101,"content":"x"{more}}}"#
        )
    };
    let word_filter = with("callbackWordFilterCommand", "");
    check_route((V3, "", ""), &word_filter, Ok(("beforeMsgModify", V2)));
    // A URL with a fragment loses the command of v3.
    let v3 = with("callbackBeforeSendSingleMsgCommand", r#","sendTime":0"#);
    check_route((V3, "", ""), &v3, Ok(("beforeSendSingleMsg", V3)));
    check_route((V2, "", ""), &v3, Ok(("beforeSendSingleMsg", V3)));
    let other = r#"{"callbackCommand":"callbackBeforeAddFriendCommand"}"#;
    check_route((V3, "", ""), other, Ok(("beforeAddFriend", V3)));
    check_route((V2, "", ""), other, Ok(("beforeAddFriend", V2)));
}

#[test]
fn calls_that_cannot_be_read_say_why() {
    use DialectId::OpenIm as V3;
    let path = "callbackBeforeSendSingleMsgCommand";
    let hook = Some("beforeSendSingleMsg");
    let check = |path, body, hook, reason| check_route((V3, path, ""), body, Err((hook, reason)));
    check(
        "",
        "",
        None,
        "the URL names no command, and the body is not a JSON object",
    );
    check(
        "",
        "{}",
        None,
        "neither the URL nor the body names a command",
    );
    check(path, "", hook, "the body is not a JSON object");
    check(
        path,
        r#"{"sendID":"secret"#,
        hook,
        "the body is not valid JSON at line 1 column 17",
    );
    check(path, "{}", hook, "`sendID` is missing");
    check(
        path,
        r#"{"sendID":"u","contentType":1,"content":5}"#,
        hook,
        "`content` has a wrong type",
    );
    let disagree = "the URL and the body name different commands";
    check(
        path,
        r#"{"callbackCommand":"callbackXCommand"}"#,
        hook,
        disagree,
    );
    // The before hook of the two, so that its failure policy answers.
    check(
        "callbackAfterSendSingleMsgCommand",
        r#"{"callbackCommand":"callbackBeforeSendSingleMsgCommand"}"#,
        hook,
        disagree,
    );
}

#[test]
fn an_old_name_in_the_body_agrees_with_the_new_one_in_the_url() {
    check_route(
        (DialectId::OpenIm, "callbackAfterUserOnlineCommand", ""),
        r#"{"callbackCommand":"callbackUserOnlineCommand"}"#,
        Ok(("afterUserOnline", DialectId::OpenIm)),
    );
}

#[test]
fn the_operation_id_comes_from_the_header_first() {
    let body = file("before_send_single_msg.text.request.json");
    let with = |operation_id: Option<&str>| {
        let mut headers = http::HeaderMap::new();
        if let Some(id) = operation_id {
            headers.insert("Operationid", id.parse().unwrap());
        }
        let call = Call {
            head: Head {
                headers: Headers::of(&headers),
                ..Head::at("callbackBeforeSendSingleMsgCommand", "")
            },
            body: Bytes::from_static(body),
        };
        match of(DialectId::OpenIm).decode(&call) {
            Ok(Decoded::Event(event)) => event.operation_id,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(Some("op")), "op");
    assert_eq!(with(Some("")), "37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5");
    assert_eq!(with(None), "37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5");
}

#[test]
fn a_body_that_is_not_utf8_is_mended_as_go_does() {
    let body = b"{\"callbackCommand\":\"callbackBeforeAddFriendCommand\",\"reqMsg\":\"a\xffdamn\"}";
    let Ok(Decoded::Event(event)) = decode(DialectId::OpenIm, "", body) else {
        panic!("not decoded");
    };
    assert_eq!(event.texts[0].value, "a\u{FFFD}damn");
}
