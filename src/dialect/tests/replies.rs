//! What we answer.

use super::*;

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
    assert_eq!(String::from_utf8(reply.body.to_vec()).unwrap(), expected);
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

#[test]
fn texts_that_no_answer_carries_are_not_replaced() {
    for request in [
        "before_send_single_msg.text",
        "before_add_friend",
        "after_create_group",
    ] {
        let event = event(request);
        let values: Vec<_> = (0..event.texts.len())
            .map(|index| (index, "x".to_owned()))
            .collect();
        assert!(of(event.dialect).replace_texts(&event, &values).is_empty());
    }
}
