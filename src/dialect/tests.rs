//! Both dialects against recorded calls and answers, and against random ones.

mod fixtures;
mod random;

use bytes::Bytes;
use serde_json::Value;

use crate::decision::{
    Answer, Decider, Decision, FailureClass, Outcome, Refusal, Replacement, Verdict,
};
use crate::event::{DialectId, Event, Message, Moment, Text, TextClass};

use super::openim::content::{Search, find_texts};
use super::openim::message::is_plain;
use super::*;
use fixtures::{file, tree};

// What the checks stand on.

fn decode(dialect: DialectId, path: &str, body: &[u8]) -> Result<Decoded, Unreadable> {
    of(dialect).decode(&Call {
        path,
        query: "",
        operation_id: None,
        body: Bytes::copy_from_slice(body),
    })
}

/// The event of a recorded request, which comes as its server sends it.
fn event(request: &str) -> Event {
    let body = file(&format!("{request}.request.json"));
    let command = serde_json::from_slice::<Value>(body).unwrap()["callbackCommand"].clone();
    let (dialect, path) = match request.starts_with("legacy_v2") {
        true => (DialectId::OpenImV2, ""),
        false => (DialectId::OpenIm, command.as_str().unwrap()),
    };
    match decode(dialect, path, body) {
        Ok(Decoded::Event(event)) => *event,
        other => panic!("{request}: {other:?}"),
    }
}

fn decision(verdict: Verdict) -> Decision {
    Decision {
        verdict,
        decider: Decider::Filter,
        reviewed: true,
        failure: None,
        hits: Vec::new(),
        skipped: None,
    }
}

fn refusal(code: i32, public: &str, detail: &str) -> Refusal {
    Refusal {
        code,
        public: public.to_owned(),
        detail: detail.to_owned(),
    }
}

fn block() -> Verdict {
    Verdict::Block(refusal(
        20001,
        "message contains forbidden words",
        "word-filter: rule 17",
    ))
}

/// Masks what a test filter knows, in every text that can be replaced.
fn masked(event: &Event) -> Replacement {
    let values: Vec<(usize, String)> = event
        .texts
        .iter()
        .enumerate()
        .filter(|(_, text)| text.replaceable)
        .map(|(index, text)| {
            (
                index,
                text.value.replace("damn", "****").replace("傻瓜", "**"),
            )
        })
        .collect();
    of(event.dialect).replace_texts(event, &values)
}

fn replacement(content: Option<&str>, fields: &[(&str, &str)]) -> Replacement {
    Replacement {
        content: content.map(str::to_owned),
        fields: fields
            .iter()
            .map(|(name, raw)| ((*name).to_owned(), (*raw).to_owned()))
            .collect(),
    }
}

fn reply_to(request: &str, verdict: Verdict) -> String {
    let event = event(request);
    let reply = of(event.dialect).reply(&event, &decision(verdict));
    assert_eq!(
        (reply.status, reply.content_type),
        (200, "application/json")
    );
    String::from_utf8(reply.body).unwrap()
}

// What IM servers send.

fn check_texts(name: &str, expected: &Value) {
    let event = event(name.strip_suffix(".request.json").unwrap());
    let message = event.message.as_ref().unwrap();
    let mut texts = Vec::new();
    let search = Search {
        content_type: message.content_type,
        content: &message.content,
        plain: is_plain(event.dialect, message),
        mentioned: &[],
        replaceable: true,
        open_strings: false,
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
        let info = openim::commands::by_command(expected["command"].as_str().unwrap()).unwrap();
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
        assert_eq!(literal::decode(&body[text.literals[0].clone()]), text.value);
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

fn check_ids(request: &str, natural_id: Option<&str>, lane: &str) {
    let event = event(request);
    assert_eq!(
        (event.natural_id.as_deref(), &*event.lane),
        (natural_id, lane),
        "{request}"
    );
}

#[test]
fn after_events_have_ids_and_lanes() {
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
    check_ids("before_send_single_msg.text", None, single);
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
        path,
        query,
        operation_id: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let decoded = of(route).decode(&call);
    let found = match &decoded {
        Ok(Decoded::Event(event)) => Ok((event.hook.name, event.dialect)),
        Ok(Decoded::UnknownCommand(command)) => Ok((command.as_str(), route)),
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
    let with = |operation_id| {
        let call = Call {
            path: "callbackBeforeSendSingleMsgCommand",
            query: "",
            operation_id,
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

// What we answer.

#[test]
fn allow_and_block_are_the_recorded_ones() {
    let text = |name: &str| String::from_utf8(file(name).to_vec()).unwrap();
    for request in [
        "before_send_single_msg.text",
        "before_members_join_group",
        "before_add_friend",
    ] {
        assert_eq!(
            reply_to(request, Verdict::Allow),
            text("any.response-allow-canonical.json")
        );
        assert_eq!(
            reply_to(request, block()),
            text("any.response-block-canonical.json")
        );
    }
    for request in ["after_send_single_msg.text", "after_revoke_msg"] {
        assert_eq!(
            reply_to(request, block()),
            text("after_send_single_msg.response-ok.json")
        );
    }
    assert_eq!(
        reply_to("before_set_group_info_ex", block()),
        text("before_set_group_info_ex.response-block.json")
    );
    assert_eq!(
        reply_to("legacy_v2_before_send_single_msg.text", Verdict::Allow),
        text("legacy_v2_before_send_single_msg.response-allow.json")
    );
    let forbidden = |words: &str| Verdict::Block(refusal(20001, words, "d"));
    assert_eq!(
        reply_to(
            "legacy_v2_before_send_single_msg.text",
            forbidden("forbidden")
        ),
        text("legacy_v2_before_send_single_msg.response-block.json")
    );
    assert_eq!(
        reply_to("legacy_v2_word_filter.text", forbidden("forbidden words")),
        text("legacy_v2_word_filter.response-block.json")
    );
}

fn check_masked(request: &str, response: &str) {
    let replacement = masked(&event(request));
    let expected = String::from_utf8(file(&format!("{response}.json")).to_vec()).unwrap();
    assert_eq!(
        reply_to(request, Verdict::Replace(replacement)),
        expected,
        "{request}"
    );
}

#[test]
fn masked_texts_are_the_recorded_answers() {
    check_masked(
        "before_msg_modify.text",
        "before_msg_modify.text.response-replace",
    );
    check_masked(
        "before_msg_modify.at_text",
        "before_msg_modify.at_text.response-replace",
    );
    check_masked(
        "before_msg_modify.custom",
        "before_msg_modify.custom.response-replace",
    );
    check_masked(
        "before_msg_modify.quote",
        "before_msg_modify.quote.response-replace",
    );
    check_masked(
        "before_create_group",
        "before_create_group.response-replace",
    );
    check_masked(
        "before_set_group_info",
        "before_set_group_info.response-replace-echo",
    );
    check_masked(
        "before_set_group_info_ex",
        "before_set_group_info_ex.response-replace-echo",
    );
    check_masked(
        "before_set_group_member_info",
        "before_set_group_member_info.response-replace",
    );
    check_masked(
        "before_set_friend_remark",
        "before_set_friend_remark.response-replace",
    );
    check_masked(
        "before_update_user_info",
        "before_update_user_info.response-replace",
    );
    check_masked(
        "before_update_user_info_ex",
        "before_update_user_info_ex.response-replace",
    );
    check_masked(
        "before_user_register",
        "before_user_register.response-replace",
    );
    check_masked(
        "legacy_v2_word_filter.text",
        "legacy_v2_word_filter.response-replace",
    );
}

#[test]
fn an_allow_repeats_what_openim_would_wipe() {
    let check = |request, response: &str| {
        let expected = String::from_utf8(file(response).to_vec()).unwrap();
        assert_eq!(reply_to(request, Verdict::Allow), expected);
    };
    check(
        "before_set_group_info",
        "before_set_group_info.response-allow-echo.json",
    );
    check(
        "before_set_group_info_ex",
        "before_set_group_info_ex.response-allow-echo.json",
    );
    check(
        "legacy_v2_word_filter.text",
        "legacy_v2_word_filter.response-allow-echo.json",
    );
}

#[test]
fn push_information_is_replaced_as_a_whole() {
    let event = event("before_offline_push");
    let values = [(0, "You have a **** message.".to_owned())];
    let replacement = of(event.dialect).replace_texts(&event, &values);
    assert_eq!(
        replacement.field("offlinePushInfo").unwrap(),
        r#"{"title":"You have a **** message.","desc":"","ex":"","iOSPushSound":"+1","iOSBadgeCount":true,"signalInfo":""}"#
    );
    let shown = of(event.dialect).apply(&event, &replacement);
    assert_eq!(shown.texts[0].value, "You have a **** message.");
}

#[test]
fn what_an_answer_cannot_carry_becomes_a_block() {
    let blocks = |request, replacement| {
        reply_to(request, Verdict::Replace(replacement)).contains(r#""nextCode":1"#)
    };
    assert!(blocks(
        "before_send_single_msg.text",
        replacement(Some("{}"), &[])
    ));
    assert!(blocks(
        "before_add_friend",
        replacement(None, &[("reqMsg", "\"hi\"")])
    ));
    assert!(blocks(
        "before_msg_modify.text",
        replacement(None, &[("offlinePushInfo", "{}")])
    ));
    assert!(!blocks(
        "before_send_single_msg.text",
        replacement(None, &[])
    ));
    assert_eq!(
        reply_to(
            "legacy_v2_before_send_single_msg.text",
            Verdict::Replace(replacement(Some("hello ****"), &[]))
        ),
        r#"{"actionCode":1,"errCode":0,"errMsg":"not allowed","operationID":"1648000000000123"}"#
    );
}

#[test]
fn a_block_never_has_a_code_that_openim_takes_as_success() {
    let unsafe_code = Verdict::Block(refusal(0, "no", ""));
    let reply = reply_to("before_send_single_msg.text", unsafe_code);
    assert!(reply.contains(r#""errCode":20001"#), "{reply}");
}

fn check_without_event(
    (dialect, name): (DialectId, &str),
    body: &str,
    verdict: Verdict,
    expected: &str,
) {
    let reply = of(dialect).reply_without_event(hook(name), body.as_bytes(), &decision(verdict));
    assert_eq!(String::from_utf8(reply.body).unwrap(), expected);
}

#[test]
fn calls_without_an_event_are_answered_too() {
    use DialectId::{OpenIm as V3, OpenImV2 as V2};
    let allow = std::str::from_utf8(file("any.response-allow-canonical.json")).unwrap();
    let blocked = std::str::from_utf8(file("any.response-block-canonical.json")).unwrap();
    check_without_event((V3, ""), "", Verdict::Allow, allow);
    check_without_event((V3, ""), "", block(), blocked);
    check_without_event((V3, "beforeSendSingleMsg"), "{", block(), blocked);
    check_without_event((V3, "afterSendSingleMsg"), "{", block(), allow);
    let body = r#"{"groupID":"g","groupName":"n","faceURL":7}"#;
    check_without_event(
        (V3, "beforeSetGroupInfo"),
        body,
        Verdict::Allow,
        "{\"actionCode\":0,\"errCode\":0,\"errMsg\":\"\",\"errDlt\":\"\",\"nextCode\":0,\
         \"groupID\":\"g\",\"groupName\":\"n\",\"notification\":\"\",\"introduction\":\"\",\
         \"faceURL\":\"\"}\n",
    );
    check_without_event(
        (V3, "beforeSetGroupInfo"),
        "{",
        Verdict::Allow,
        "{\"actionCode\":0,\"errCode\":20001,\"errMsg\":\"not allowed\",\"errDlt\":\"the request \
         could not be read, and an answer must repeat it\",\"nextCode\":1}\n",
    );
    check_without_event(
        (V2, "beforeMsgModify"),
        r#"{"operationID":"o","content":"hi"}"#,
        Verdict::Allow,
        r#"{"actionCode":0,"errCode":0,"errMsg":"","operationID":"o","content":"hi"}"#,
    );
    check_without_event(
        (V2, "beforeMsgModify"),
        "{",
        Verdict::Allow,
        r#"{"actionCode":1,"errCode":0,"errMsg":"not allowed","operationID":"","content":""}"#,
    );
    check_without_event(
        (V2, "beforeSendSingleMsg"),
        r#"{"operationID":"o"}"#,
        Verdict::Block(refusal(20001, "no", "")),
        r#"{"actionCode":1,"errCode":0,"errMsg":"no","operationID":"o"}"#,
    );
}

#[test]
fn what_was_not_stored_is_answered_with_503() {
    for request in [
        "after_send_single_msg.text",
        "legacy_v2_after_send_single_msg.text",
    ] {
        let event = event(request);
        let reply = of(event.dialect).not_stored(&event);
        assert_eq!(reply.status, 503);
        assert!(serde_json::from_slice::<Value>(&reply.body).unwrap()["actionCode"] == 0);
    }
}

// What we send to endpoints.

fn sent(event: &Event, to: DialectId, replacement: Option<&Replacement>) -> (String, String) {
    let outgoing = of(to).request("http://h/cb", event, replacement);
    (
        outgoing.url,
        String::from_utf8(outgoing.body.to_vec()).unwrap(),
    )
}

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
            DialectId::OpenIm => {
                assert_eq!(url, format!("http://h/cb/{}", info(event.hook).command))
            }
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
            DialectId::OpenIm => {
                event_from_message(event.hook, event.operation_id.clone(), message)
            }
            DialectId::OpenImV2 => Event {
                body: None,
                ..event.clone()
            },
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

// What endpoints answer.

fn read(request: &str, endpoint: DialectId, answers: Answers, answer: &str) -> Reading {
    read_with_status(request, endpoint, answers, 200, answer)
}

fn read_with_status(
    request: &str,
    endpoint: DialectId,
    answers: Answers,
    status: u16,
    answer: &str,
) -> Reading {
    of(endpoint).read_answer(&event(request), status, answer.as_bytes(), answers)
}

/// The outcome as MATRIX.json writes it.
fn outcome(reading: &Reading, v2: bool) -> String {
    match &reading.outcome {
        Outcome::Answer(Answer::Block(_)) if v2 => "block client=201".to_owned(),
        Outcome::Answer(Answer::Block(refusal)) => format!("block errCode={}", refusal.code),
        Outcome::Answer(_) => "allow".to_owned(),
        Outcome::Failure(failure) if failure.class == FailureClass::InvalidAnswer => {
            "FAIL".to_owned()
        }
        Outcome::Failure(failure) => failure.class.name().to_owned(),
    }
}

#[test]
fn answers_are_read_as_the_matrix_says() {
    let matrix = tree("MATRIX.json");
    for (name, versions) in matrix.as_object().unwrap() {
        let body = file(&format!("any.response-{name}.json"));
        for (dialect, versions, column) in [
            (DialectId::OpenIm, versions, "v3.7.0..main"),
            (DialectId::OpenImV2, versions, "v2.0.2..v2.0.10"),
        ] {
            let expected = versions[column].as_str().unwrap();
            let expected = match (expected.split(" (").next().unwrap(), name.as_str()) {
                // We do not pass on the code that would turn the refusal into a success.
                ("block errCode=0", "odd-next1-errcode0") => "block errCode=20001",
                (expected, _) => expected,
            };
            let event = event("before_msg_modify.text");
            let reading = of(dialect).read_answer(&event, 200, body, Answers::OpenIm);
            let found = outcome(&reading, dialect == DialectId::OpenImV2);
            assert_eq!(found, expected, "{name} in {dialect}");
            // A server's own status does not turn an allow of a framework into a change.
            if let Outcome::Answer(Answer::Replace(replacement)) = &reading.outcome {
                panic!("{name} in {dialect} replaces {replacement:?}");
            }
        }
    }
}

/// How the three modes read an answer, and what is odd about it.
fn check_modes(answer: &str, openim: &str, strict: &str, intent: &str, oddity: Option<Oddity>) {
    for (answers, expected) in [
        (Answers::OpenIm, openim),
        (Answers::Strict, strict),
        (Answers::Intent, intent),
    ] {
        let reading = read(
            "before_send_single_msg.text",
            DialectId::OpenIm,
            answers,
            answer,
        );
        assert_eq!(outcome(&reading, false), expected, "{answer} {answers:?}");
        assert_eq!(reading.oddity, oddity, "{answer} {answers:?}");
    }
}

#[test]
fn odd_answers_are_read_by_the_mode() {
    let blocked = "block errCode=5001";
    let check = check_modes;
    let action = Some(Oddity::ActionCode);
    check(
        r#"{"actionCode":1,"errCode":5001}"#,
        "allow",
        "FAIL",
        blocked,
        action,
    );
    check(
        r#"{"actionCode":1,"errCode":5001,"nextCode":1}"#,
        "allow",
        "FAIL",
        blocked,
        action,
    );
    check(
        r#"{"errCode":5001}"#,
        "allow",
        "FAIL",
        blocked,
        Some(Oddity::ErrCodeAlone),
    );
    check(
        r#"{"errCode":200,"errMsg":"ok"}"#,
        "allow",
        "FAIL",
        "allow",
        Some(Oddity::ErrCodeAlone),
    );
    check(
        r#"{"nextCode":2,"errCode":5001}"#,
        "allow",
        "FAIL",
        blocked,
        Some(Oddity::NextCode),
    );
    let wrong = Some(Oddity::WrongType);
    check(
        r#"{"nextCode":"1","errCode":5001}"#,
        "FAIL",
        "FAIL",
        blocked,
        wrong,
    );
    check(
        r#"{"nextCode":true,"errCode":5001}"#,
        "FAIL",
        "FAIL",
        blocked,
        wrong,
    );
    check(r#"{"nextCode":"0"}"#, "FAIL", "FAIL", "FAIL", wrong);
    check(
        r#"{"code":1}"#,
        "allow",
        "FAIL",
        "allow",
        Some(Oddity::NothingKnown),
    );
    let spring = r#"{"timestamp":"t","status":404,"error":"Not Found"}"#;
    check(
        spring,
        "allow",
        "FAIL",
        "FAIL",
        Some(Oddity::FrameworkError),
    );
    let refused = r#"{"actionCode":0,"nextCode":1,"errCode":5001}"#;
    check(refused, blocked, blocked, blocked, None);
    check("{}", "allow", "allow", "allow", None);
    check("null", "allow", "allow", "allow", None);
    check(
        r#"{"nextCode":1,"nextCode":null,"errCode":5001}"#,
        blocked,
        blocked,
        blocked,
        None,
    );
}

#[test]
fn odd_answers_of_v2_are_read_by_the_mode() {
    let check = |answer: &str, modes: [&str; 3], oddity| {
        for (answers, expected) in Answers::ALL.into_iter().zip(modes) {
            let request = "legacy_v2_before_send_single_msg.text";
            let reading = read(request, DialectId::OpenImV2, answers, answer);
            assert_eq!(outcome(&reading, true), expected, "{answer} {answers:?}");
            assert_eq!(reading.oddity, oddity, "{answer} {answers:?}");
        }
    };
    let blocked = "block client=201";
    check(
        r#"{"actionCode":1,"errCode":5001}"#,
        ["allow", "FAIL", blocked],
        Some(Oddity::ActionAndErrCode),
    );
    check(
        r#"{"actionCode":0,"errCode":20001,"nextCode":1}"#,
        ["allow", "FAIL", blocked],
        Some(Oddity::NextCodeUnknown),
    );
    check(
        r#"{"errCode":1}"#,
        ["allow", "FAIL", blocked],
        Some(Oddity::ErrCodeAlone),
    );
    check(
        r#"{"actionCode":"1"}"#,
        ["FAIL", "FAIL", "FAIL"],
        Some(Oddity::WrongType),
    );
    check(r#"{"actionCode":1,"errCode":0}"#, [blocked; 3], None);
    check(
        r#"{"actionCode":0,"errCode":0,"operationID":5}"#,
        ["FAIL"; 3],
        Some(Oddity::WrongType),
    );
}

fn check_refusal(endpoint: DialectId, status: u16, answer: &str, expected: (i32, &str, &str)) {
    let request = "before_send_single_msg.text";
    let reading = read_with_status(request, endpoint, Answers::OpenIm, status, answer);
    let (code, public, detail) = expected;
    let expected = Outcome::Answer(Answer::Block(refusal(code, public, detail)));
    assert_eq!(reading.outcome, expected, "{answer}");
}

#[test]
fn refusals_keep_their_words_and_get_a_code_that_works() {
    use DialectId::{OpenIm as V3, OpenImV2 as V2};
    let with = |code: &str| {
        format!(r#"{{"actionCode":0,"errCode":{code},"errMsg":"m","errDlt":"d","nextCode":1}}"#)
    };
    check_refusal(V3, 200, &with("5001"), (5001, "m", "d"));
    check_refusal(
        V3,
        200,
        &with("0"),
        (20001, "m", "d; the answer's errCode was 0"),
    );
    check_refusal(
        V3,
        200,
        &with("99"),
        (20001, "m", "d; the answer's errCode was 99"),
    );
    check_refusal(
        V3,
        200,
        &with("-5"),
        (20001, "m", "d; the answer's errCode was -5"),
    );
    check_refusal(V3, 200, &with("100"), (100, "m", "d"));
    check_refusal(
        V3,
        200,
        r#"{"nextCode":1}"#,
        (20001, "", "the answer's errCode was 0"),
    );
    check_refusal(V3, 500, &with("5001"), (5001, "m", "d"));
    // The refusal counts although another field could not be decoded.
    check_refusal(
        V3,
        200,
        r#"{"nextCode":1,"errCode":5001,"content":{}}"#,
        (5001, "", ""),
    );
    check_refusal(
        V2,
        200,
        r#"{"actionCode":1,"errMsg":"m"}"#,
        (20001, "m", ""),
    );
    check_refusal(
        V2,
        403,
        r#"{"actionCode":1,"errMsg":"m"}"#,
        (20001, "m", ""),
    );
}

#[test]
fn a_status_of_failure_is_a_failure_unless_it_refuses() {
    for (status, answer) in [
        (500, "{}"),
        (404, "<html>"),
        (302, ""),
        (503, r#"{"errCode":5001}"#),
    ] {
        for endpoint in DialectId::ALL {
            let request = "before_send_single_msg.text";
            let reading = read_with_status(request, endpoint, Answers::Intent, status, answer);
            assert_eq!(outcome(&reading, false), "http_status", "{status} {answer}");
        }
    }
}

#[test]
fn after_hooks_only_look_at_the_status() {
    let read = |status, answer| {
        let request = "after_send_single_msg.text";
        let answers = Answers::Strict;
        let reading = read_with_status(request, DialectId::OpenIm, answers, status, answer);
        outcome(&reading, false)
    };
    assert_eq!(read(200, "ok"), "allow");
    assert_eq!(read(204, ""), "allow");
    assert_eq!(read(200, r#"{"nextCode":1}"#), "allow");
    assert_eq!(read(500, "{}"), "http_status");
}

/// New content, and new values of other fields.
type Values<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);

/// What an answer to a request replaces; `Err` is the oddity of an invalid answer.
fn check_replaces(
    request: &str,
    answer: &str,
    expected: Result<Values<'_>, Oddity>,
    oddity: Option<Oddity>,
) {
    let reading = read(request, DialectId::OpenIm, Answers::OpenIm, answer);
    let found = match &reading.outcome {
        Outcome::Answer(Answer::Allow) => Ok(Replacement::default()),
        Outcome::Answer(Answer::Replace(replacement)) => Ok(replacement.clone()),
        _ => Err(reading.oddity.unwrap()),
    };
    let expected = expected.map(|(content, fields)| replacement(content, fields));
    assert_eq!(found, expected, "{answer}");
    if expected.is_ok() {
        assert_eq!(reading.oddity, oddity, "{answer}");
    }
}

#[test]
fn fields_that_openim_acts_on_are_read() {
    let check = check_replaces;
    let modify = "before_msg_modify.text";
    check(
        modify,
        r#"{"Content":"{\"content\":\"x\"}","recvID":"u","options":{"history":false},"sessionType":null,"msgDataList":"AAA="}"#,
        Ok((
            Some(r#"{"content":"x"}"#),
            &[("recvID", "\"u\""), ("options", r#"{"history":false}"#)],
        )),
        None,
    );
    check(
        modify,
        r#"{"senderNickname":"爱丽丝","contentType":101}"#,
        Ok((None, &[])),
        None,
    );
    check(
        "before_members_join_group",
        std::str::from_utf8(file("before_members_join_group.response-replace.json")).unwrap(),
        Ok((
            None,
            &[(
                "memberCallbackList",
                r#"[{"userID":"6074729403","nickname":"Bob","faceURL":null,"roleLevel":20,"muteEndTime":1767229200000,"ex":null}]"#,
            )],
        )),
        None,
    );
    check(
        "before_create_group",
        r#"{"applyMemberFriend":1,"status":2}"#,
        Ok((None, &[("status", "2")])),
        None,
    );
    check(
        "before_send_single_msg.text",
        r#"{"errCode":0,"content":"x"}"#,
        Ok((None, &[])),
        None,
    );
    check(
        "before_set_friend_remark",
        r#"{"remark":""}"#,
        Ok((None, &[])),
        None,
    );
    check(
        "before_online_push",
        r#"{"userIDList":["u"]}"#,
        Ok((None, &[])),
        None,
    );
    check(
        "before_offline_push",
        r#"{"userIDList":[]}"#,
        Ok((None, &[])),
        None,
    );
}

#[test]
fn fields_of_a_wrong_type_are_no_answer() {
    let wrong = |request: &str, answer: &str| {
        check_replaces(request, answer, Err(Oddity::WrongType), None);
    };
    for answer in [
        r#"{"content":{"content":"masked"}}"#,
        r#"{"senderPlatformID":"5"}"#,
        r#"{"options":{"history":1}}"#,
        r#"{"options":[]}"#,
        r#"{"atUserIDList":"u"}"#,
        r#"{"atUserIDList":[1]}"#,
        r#"{"msgDataList":"@"}"#,
        r#"{"offlinePushInfo":{"iOSBadgeCount":1}}"#,
    ] {
        wrong("before_msg_modify.text", answer);
    }
    wrong("before_user_register", r#"{"users":{}}"#);
    wrong("before_user_register", r#"{"users":[1]}"#);
    wrong(
        "before_user_register",
        r#"{"users":[{"createTime":"now"}]}"#,
    );
    wrong(
        "before_members_join_group",
        r#"{"memberCallbackList":[{"userID":5}]}"#,
    );
    wrong(
        "before_create_single_chat_conversations",
        r#"{"isPinned":"true"}"#,
    );
}

#[test]
fn content_must_be_what_receivers_can_read() {
    let modify = "before_msg_modify.text";
    for content in ["plain masked text", "", "null", "[]", "{\\\"a\\\":1} x"] {
        let answer = format!(r#"{{"content":"{content}"}}"#);
        check_replaces(modify, &answer, Err(Oddity::ContentNotObject), None);
    }
    assert_eq!(
        read(
            modify,
            DialectId::OpenIm,
            Answers::OpenIm,
            r#"{"content":"x"}"#
        )
        .outcome,
        Reading::invalid(Oddity::ContentNotObject).outcome
    );
}

#[test]
fn answers_that_openim_panics_on_are_mended() {
    let check = |request: &str, response: &str, fields: &[(&str, &str)]| {
        let answer = std::str::from_utf8(file(response)).unwrap();
        check_replaces(
            request,
            answer,
            Ok((None, fields)),
            Some(Oddity::UnusableField),
        );
    };
    check(
        "before_msg_modify.text",
        "before_msg_modify.text.response-BAD-offlinepush-panic.json",
        &[],
    );
    check(
        "before_members_join_group",
        "before_members_join_group.response-BAD-missing-userid-panic.json",
        &[],
    );
    check(
        "before_update_user_info_ex",
        "before_update_user_info_ex.response-BAD-faceurl-panic.json",
        &[("nickName", "\"**** alice\"")],
    );
    check(
        "before_offline_push.no_push_info",
        "before_offline_push.response-replace.json",
        &[],
    );
    check_replaces(
        "before_members_join_group",
        r#"{"memberCallbackList":[{"userID":null},{"userID":"u","ex":"e"},null]}"#,
        Ok((
            None,
            &[("memberCallbackList", r#"[{"userID":"u","ex":"e"}]"#)],
        )),
        Some(Oddity::UnusableField),
    );
    check_replaces(
        "before_update_user_info_ex",
        r#"{"ex":"e"}"#,
        Ok((None, &[])),
        Some(Oddity::UnusableField),
    );
}

#[test]
fn an_answer_that_repeats_nothing_wipes_nothing() {
    let ex = "before_set_group_info_ex";
    let check = |answer: &str, fields: &[(&str, &str)]| {
        check_replaces(ex, answer, Ok((None, fields)), None);
    };
    check(r#"{"errCode":0}"#, &[]);
    check(r#"{"groupID":"","groupName":null}"#, &[]);
    check(r#"{"groupName":"x"}"#, &[("groupName", "\"x\"")]);
    let repeats = std::str::from_utf8(file("before_set_group_info_ex.response-allow-echo.json"));
    check(repeats.unwrap(), &[]);
    // Repeats on purpose and leaves the name out: the name is not changed.
    check(
        r#"{"groupID":"3159824577","groupName":null,"needVerification":2}"#,
        &[("groupName", "null")],
    );
}

#[test]
fn content_comes_back_in_the_events_form() {
    let check = |request: &str, endpoint, answer: &str, expected: Option<&str>| {
        let reading = read(request, endpoint, Answers::OpenIm, answer);
        let found = match reading.outcome {
            Outcome::Answer(Answer::Replace(replacement)) => replacement.content,
            Outcome::Answer(Answer::Allow) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found.as_deref(), expected, "{answer}");
    };
    let (v3, v2) = (DialectId::OpenIm, DialectId::OpenImV2);
    check(
        "before_msg_modify.text",
        v2,
        r#"{"errCode":0,"content":"这个** said <b>****</b> & left 😀 \"ok\"\nnext line"}"#,
        Some(
            r#"{"content":"这个** said \u003cb\u003e****\u003c/b\u003e \u0026 left 😀 \"ok\"\nnext line"}"#,
        ),
    );
    let same = r#"{"content":"这个傻瓜 said <b>damn</b> & left 😀 \"ok\"\nnext line"}"#;
    check("before_msg_modify.text", v2, same, None);
    let word_filter = "legacy_v2_word_filter.text";
    check(
        word_filter,
        v3,
        r#"{"content":"{\"content\":\"x\"}"}"#,
        Some("x"),
    );
    check(word_filter, v2, r#"{"content":"x"}"#, Some("x"));
    check(word_filter, v2, r#"{"content":"这个傻瓜 said damn"}"#, None);
    check(word_filter, v2, r#"{"content":"x","errCode":5}"#, None);
    check(word_filter, v2, r#"{"content":""}"#, Some(""));
    let missing = read(word_filter, v2, Answers::OpenIm, "{}");
    assert_eq!(missing.oddity, Some(Oddity::ContentMissing));
    let quote = r#"{"content":"{\"text\":\"x\"}"}"#;
    check(
        "before_msg_modify.quote",
        v2,
        quote,
        Some(r#"{"text":"x"}"#),
    );
}

// What comes over gRPC.

fn direct(hook_name: &str, content_type: i32, content: &str) -> Event {
    let message = Message {
        send_id: "u1".to_owned(),
        recv_id: "u2".to_owned(),
        content_type,
        content: content.to_owned(),
        sender_nickname: "Alice".to_owned(),
        ..Message::default()
    };
    event_from_message(hook(hook_name).unwrap(), "op".to_owned(), message)
}

#[test]
fn messages_given_directly_can_be_replaced_in_every_before_hook() {
    let event = direct("beforeSendSingleMsg", 101, r#"{"content":"damn"}"#);
    assert!(event.can.block && event.can.replace && !event.can.replace_later);
    let values: Vec<_> = event
        .texts
        .iter()
        .map(|text| (&*text.value, text.replaceable))
        .collect();
    assert_eq!(values, [("Alice", false), ("damn", true)]);
    let replacement = masked(&event);
    assert_eq!(
        replacement.content.as_deref(),
        Some(r#"{"content":"****"}"#)
    );
    let shown = of(event.dialect).apply(&event, &replacement);
    assert_eq!(shown.texts[1].value, "****");
    assert!(shown.texts[1].replaceable);

    let nickname = direct("beforeMsgModify", 102, "{}");
    let values = [(0, "A****".to_owned())];
    let replacement = of(nickname.dialect).replace_texts(&nickname, &values);
    assert_eq!(replacement.field("senderNickname"), Some("\"A****\""));
    let shown = of(nickname.dialect).apply(&nickname, &replacement);
    assert_eq!(shown.texts[0].value, "A****");
    assert_eq!(shown.message.unwrap().sender_nickname, "A****");
    assert_eq!(
        direct("afterSendSingleMsg", 101, "x").can,
        crate::event::Can::NOTHING
    );
}

#[test]
fn plain_content_given_directly_is_wrapped_for_the_endpoint_and_comes_back_plain() {
    let event = direct("beforeMsgModify", 101, "hello damn");
    assert_eq!(event.texts[1].value, "hello damn");
    assert_eq!(masked(&event).content.as_deref(), Some("hello ****"));
    let (_, body) = sent(&event, DialectId::OpenIm, None);
    assert!(
        body.contains(r#""content":"{\"content\":\"hello damn\"}""#),
        "{body}"
    );
    let answer = br#"{"content":"{\"content\":\"hello friend\"}"}"#;
    let reading = of(DialectId::OpenIm).read_answer(&event, 200, answer, Answers::OpenIm);
    let expected = Answer::Replace(replacement(Some("hello friend"), &[]));
    assert_eq!(reading.outcome, Outcome::Answer(expected));
}

#[test]
fn content_in_an_answer_counts_for_every_message_given_directly() {
    let event = direct("beforeSendSingleMsg", 101, r#"{"content":"damn"}"#);
    let read = |endpoint, answer: &str| {
        let answers = Answers::Strict;
        of(endpoint)
            .read_answer(&event, 200, answer.as_bytes(), answers)
            .outcome
    };
    let replaced = |content| Outcome::Answer(Answer::Replace(replacement(Some(content), &[])));
    let v3 = r#"{"content":"{\"content\":\"x\"}"}"#;
    assert_eq!(read(DialectId::OpenIm, v3), replaced(r#"{"content":"x"}"#));
    let v2 = r#"{"content":"x"}"#;
    assert_eq!(
        read(DialectId::OpenImV2, v2),
        replaced(r#"{"content":"x"}"#)
    );
    assert_eq!(
        read(DialectId::OpenIm, v2),
        Reading::invalid(Oddity::ContentNotObject).outcome
    );
}

#[test]
fn after_events_given_directly_have_a_body_to_store() {
    let event = direct("afterSendSingleMsg", 101, r#"{"content":"hi"}"#);
    let body = event.body.clone().unwrap();
    let Ok(Decoded::Event(stored)) = decode(event.dialect, "", &body) else {
        panic!("not decoded");
    };
    assert_eq!(stored.message, event.message);
    assert_eq!((&stored.lane, stored.dialect), (&event.lane, event.dialect));
}

#[test]
fn stored_after_events_keep_their_dialect() {
    for (name, body) in fixtures::all() {
        let is_after = name.contains("after_") && name.ends_with(".request.json");
        if is_after && name.starts_with("after_send") {
            // v3.0 to v3.8.0 have no sendTime.
            let text = std::str::from_utf8(body).unwrap();
            let old = text.replace(r#""sendTime":1767225600316,"#, "");
            let Ok(Decoded::Event(event)) = decode(DialectId::OpenIm, "", old.as_bytes()) else {
                panic!("not decoded");
            };
            assert_eq!(event.dialect, DialectId::OpenIm);
        }
        if is_after {
            let event = event(name.strip_suffix(".request.json").unwrap());
            let Ok(Decoded::Event(stored)) = decode(event.dialect, "", body) else {
                panic!("not decoded");
            };
            assert_eq!(
                (stored.dialect, stored.hook),
                (event.dialect, event.hook),
                "{name}"
            );
        }
    }
}

#[test]
fn bodies_given_directly_can_be_replaced_in_every_text() {
    let body = Bytes::from_static(br#" { "fromUserID":"u1","reqMsg":"damn" }"#);
    let event = event_from_body(hook("beforeAddFriend").unwrap(), String::new(), body).unwrap();
    assert!(event.can.replace);
    let replacement = masked(&event);
    assert_eq!(replacement.field("reqMsg"), Some("\"****\""));
    let (url, body) = sent(&event, DialectId::OpenIm, Some(&replacement));
    assert_eq!(url, "http://h/cb/callbackBeforeAddFriendCommand");
    assert_eq!(
        body,
        r#"{"callbackCommand":"callbackBeforeAddFriendCommand", "fromUserID":"u1","reqMsg":"****" }"#
    );
    let wrong = Bytes::from_static(br#"{"callbackCommand":"callbackBeforeAddBlackCommand"}"#);
    let unreadable = event_from_body(hook("beforeAddFriend").unwrap(), String::new(), wrong);
    assert!(
        unreadable
            .unwrap_err()
            .reason
            .contains("different commands")
    );
    let empty = event_from_body(
        hook("beforeAddBlack").unwrap(),
        String::new(),
        Bytes::from("{}"),
    );
    assert_eq!(
        empty.unwrap().body.unwrap(),
        r#"{"callbackCommand":"callbackBeforeAddBlackCommand"}"#
    );
}

// The texts of content.

fn texts(content_type: i32, content: &str) -> Vec<Text> {
    let mut event = direct("beforeMsgModify", content_type, content);
    event.texts.remove(0);
    event.texts
}

fn check_found(content_type: i32, content: &str, expected: &[(&str, TextClass, &str)]) {
    let texts = texts(content_type, content);
    let found: Vec<_> = texts
        .iter()
        .map(|text| (text.pointer.as_str(), text.class, text.value.as_str()))
        .collect();
    assert_eq!(found, expected, "{content}");
}

#[test]
fn no_form_of_content_hides_a_text() {
    use TextClass::{Body, Nested, Opaque};
    let check = check_found;
    check(
        101,
        r#"{"content":"a","content":"b"}"#,
        &[("/content", Body, "a"), ("/content", Body, "b")],
    );
    check(101, r#"{"CONTENT":"a"}"#, &[("/CONTENT", Body, "a")]);
    check(
        101,
        r#"{"c\u006fntent":"\u0064amn"}"#,
        &[("/content", Body, "damn")],
    );
    check(
        110,
        r#"{"deſcription":"a"}"#,
        &[("/deſcription", TextClass::Label, "a")],
    );
    check(
        101,
        r#"{"content":["a",{"b":"c"}]}"#,
        &[("/content/0", Opaque, "a"), ("/content/1/b", Opaque, "c")],
    );
    check(101, "hello", &[("", Body, "hello")]);
    check(
        101,
        r#"{"content":"a"} x"#,
        &[("", Body, r#"{"content":"a"} x"#)],
    );
    check(102, "[1]", &[("", Body, "[1]")]);
    check(
        106,
        r#"{"atUsersInfo":"a","quoteMessage":"b"}"#,
        &[
            ("/atUsersInfo", Opaque, "a"),
            ("/quoteMessage", Opaque, "b"),
        ],
    );
    check(
        114,
        r#"{"quoteMessage":{"content":"{\"content\":\"a\"}"}}"#,
        &[("/quoteMessage/content/content", Nested, "a")],
    );
    check(
        999,
        r#"{"x":[1,{"y~/":"a"}],"z":"b"}"#,
        &[("/x/1/y~0~1", Opaque, "a"), ("/z", Opaque, "b")],
    );
    check(1501, r#"{"detail":"a"}"#, &[]);
    check(102, r#"{"sourcePath":"a"}"#, &[]);
    check(101, r#"{"content":""}"#, &[]);
    check(101, "", &[]);
}

#[test]
fn json_in_strings_is_opened() {
    use TextClass::Opaque;
    let three = r#"{"data":"{\"a\":\"{\\\"b\\\":\\\"damn\\\"}\",\"c\":1}","extension":"{no json"}"#;
    check_found(
        110,
        three,
        &[
            ("/data/a/b", Opaque, "damn"),
            ("/extension", Opaque, "{no json"),
        ],
    );
    let found = texts(110, three);
    assert_eq!(found[0].literals.len(), 3);
    let event = direct("beforeMsgModify", 110, three);
    assert_eq!(
        masked(&event).content.unwrap(),
        three.replace("damn", "****")
    );
}

#[test]
fn nesting_without_end_is_judged_too() {
    let mut content = r#"{"textElem":{"content":"damn"}}"#.to_owned();
    for _ in 0..40 {
        content = format!(r#"{{"quoteElem":{{"quoteMessage":{content}}}}}"#);
    }
    let content = format!(r#"{{"text":"t","quoteMessage":{content}}}"#);
    let found = texts(114, &content);
    assert_eq!(found.last().unwrap().value, "damn");
    assert_eq!(found.last().unwrap().class, TextClass::Nested);
    assert!(found.last().unwrap().pointer.len() <= 256);
    let event = direct("beforeMsgModify", 114, &content);
    assert_eq!(
        masked(&event).content.unwrap(),
        content.replace("damn", "****")
    );
}

#[test]
fn texts_past_the_limit_are_joined() {
    let list = vec!["\"damn\""; 2_500].join(",");
    let event = direct(
        "beforeMsgModify",
        107,
        &format!(r#"{{"abstractList":[{list}]}}"#),
    );
    // The nickname, 2,000 texts, and the rest.
    assert_eq!(event.texts.len(), 2_002);
    let rest = event.texts.last().unwrap();
    assert_eq!(rest.value, "damn\n".repeat(500));
    assert!(!rest.replaceable);
    let content = masked(&event).content.unwrap();
    assert_eq!(
        (
            content.matches("****").count(),
            content.matches("damn").count()
        ),
        (2_000, 500)
    );
}

fn check_protected(text: &str, ids: &[&str], expected: &[&str]) {
    let content = serde_json::json!({ "atUserList": ids, "text": text }).to_string();
    let found = texts(106, &content);
    let protected: Vec<&str> = found[0]
        .protected
        .iter()
        .map(|range| &text[range.clone()])
        .collect();
    assert_eq!(protected, expected, "{text}");
}

#[test]
fn mentions_are_protected() {
    let check = check_protected;
    check("@607 @985 damn", &["607", "985"], &["@607", "@985"]);
    check("看@607", &["607"], &["@607"]);
    check("hi@607 x", &["607"], &["@607"]);
    check("@a@b.c x", &["b.c", "a@b.c"], &["@a@b.c"]);
    check("@607, x", &["607"], &[]);
    check("@608 x", &["607"], &[]);
    check("@傻瓜 x", &["傻瓜"], &[]);
    check("@bad word x", &["bad word"], &[]);
    check("@ x", &[""], &[]);
    check(&"@".repeat(1000), &["@"], &["@@"]);
}

#[test]
fn mentions_count_in_texts_with_mentions_alone() {
    let mut event = direct(
        "beforeMsgModify",
        101,
        r#"{"content":"@607 x","atUserList":["607"]}"#,
    );
    assert!(event.texts.pop().unwrap().protected.is_empty());
}

#[test]
fn entities_keep_the_length() {
    let keeps = |content: &str| texts(117, content)[0].keep_length;
    assert!(keeps(r#"{"text":"a","messageEntityList":[{"offset":0}]}"#));
    assert!(keeps(r#"{"MessageEntityList":[{}],"text":"a"}"#));
    assert!(!keeps(r#"{"text":"a","messageEntityList":[]}"#));
    assert!(!keeps(r#"{"text":"a","messageEntityList":null}"#));
}

#[test]
fn every_hook_is_known_to_a_dialect() {
    for id in DialectId::ALL {
        assert_eq!(of(id).id(), id);
        for info in of(id).hooks() {
            assert_eq!(hook(info.hook.name), Some(info.hook));
            assert_eq!(info.hook.moment == Moment::Before, info.can_block());
        }
    }
    assert_eq!(of(DialectId::OpenIm).hooks().len(), 53);
    assert_eq!(of(DialectId::OpenImV2).hooks().len(), 5);
}
