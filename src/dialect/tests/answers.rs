//! What endpoints answer.

use super::*;

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
    of(endpoint).read_answer(&event(request), status, answer.as_bytes(), answers.into())
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
        for (dialect, answers, column) in [
            (DialectId::OpenIm, Answers::OpenIm, "v3.7.0..main"),
            (
                DialectId::OpenIm,
                Answers::OpenIm36,
                "v3.6.0..v3.6.1-beta.0",
            ),
            (DialectId::OpenIm, Answers::OpenIm342, "v3.4.2..v3.5.1"),
            (DialectId::OpenIm, Answers::OpenIm30, "v3.0.0..v3.4.0"),
            (DialectId::OpenImV2, Answers::OpenIm21, "v2.1.0..v2.3.3"),
            (DialectId::OpenImV2, Answers::OpenIm, "v2.0.2..v2.0.10"),
        ] {
            let expected = versions[column].as_str().unwrap();
            let expected = match (expected.split(" (").next().unwrap(), name.as_str()) {
                // We do not pass on the code that would turn the refusal into a success.
                ("block errCode=0", _) => "block errCode=20001",
                (expected, _) => expected,
            };
            let event = event("before_msg_modify.text");
            let reading = of(dialect).read_answer(&event, 200, body, answers.into());
            let mut found = outcome(&reading, expected.contains("client="));
            // v2.1 to v2.3 pass on the answer's code, where it has one.
            if let Outcome::Answer(Answer::Block(refusal)) = &reading.outcome
                && answers == Answers::OpenIm21
                && refusal.code != 20001
            {
                found = format!("block client={}", refusal.code);
            }
            assert_eq!(found, expected, "{name} in {column}");
            // A server's own status does not turn an allow of a framework into a change.
            if let Outcome::Answer(Answer::Replace(replacement)) = &reading.outcome {
                panic!("{name} in {dialect} replaces {replacement:?}");
            }
        }
    }
}

/// How the three modes read an answer, and what is odd about it.
fn check_modes(
    answer: &str,
    openim: &str,
    strict: &str,
    intent: &str,
    warning: Option<AnswerWarning>,
) {
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
        assert_eq!(reading.warning, warning, "{answer} {answers:?}");
    }
}

#[test]
fn odd_answers_are_read_by_the_mode() {
    let blocked = "block errCode=5001";
    let check = check_modes;
    let action = Some(AnswerWarning::ActionCode);
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
        Some(AnswerWarning::ErrCodeAlone),
    );
    check(
        r#"{"errCode":200,"errMsg":"ok"}"#,
        "allow",
        "FAIL",
        "allow",
        Some(AnswerWarning::ErrCodeAlone),
    );
    check(
        r#"{"nextCode":2,"errCode":5001}"#,
        "allow",
        "FAIL",
        blocked,
        Some(AnswerWarning::NextCode),
    );
    let wrong = Some(AnswerWarning::WrongType);
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
        Some(AnswerWarning::NothingKnown),
    );
    let spring = r#"{"timestamp":"t","status":404,"error":"Not Found"}"#;
    check(
        spring,
        "allow",
        "FAIL",
        "FAIL",
        Some(AnswerWarning::FrameworkError),
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
    let check = |answer: &str, modes: [&str; 3], warning| {
        for (answers, expected) in Answers::ALL.into_iter().zip(modes) {
            let request = "legacy_v2_before_send_single_msg.text";
            let reading = read(request, DialectId::OpenImV2, answers, answer);
            assert_eq!(outcome(&reading, true), expected, "{answer} {answers:?}");
            assert_eq!(reading.warning, warning, "{answer} {answers:?}");
        }
    };
    let blocked = "block client=201";
    check(
        r#"{"actionCode":1,"errCode":5001}"#,
        ["allow", "FAIL", blocked],
        Some(AnswerWarning::ActionAndErrCode),
    );
    check(
        r#"{"actionCode":0,"errCode":20001,"nextCode":1}"#,
        ["allow", "FAIL", blocked],
        Some(AnswerWarning::NextCodeUnknown),
    );
    check(
        r#"{"errCode":1}"#,
        ["allow", "FAIL", blocked],
        Some(AnswerWarning::ErrCodeAlone),
    );
    check(
        r#"{"actionCode":"1"}"#,
        ["FAIL", "FAIL", "FAIL"],
        Some(AnswerWarning::WrongType),
    );
    check(r#"{"actionCode":1,"errCode":0}"#, [blocked; 3], None);
    check(
        r#"{"actionCode":0,"errCode":0,"operationID":5}"#,
        ["FAIL"; 3],
        Some(AnswerWarning::WrongType),
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
    check_refusal(V3, 200, &with("0"), (20001, "m", "d"));
    check_refusal(V3, 200, &with("99"), (20001, "m", "d"));
    check_refusal(V3, 200, &with("-5"), (20001, "m", "d"));
    check_refusal(V3, 200, &with("100"), (100, "m", "d"));
    check_refusal(V3, 200, r#"{"nextCode":1}"#, (20001, "", ""));
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
        for endpoint in OPENIM {
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

/// What an answer to a request replaces; `Err` is the warning of an invalid answer.
fn check_replaces(
    request: &str,
    answer: &str,
    expected: Result<Values<'_>, AnswerWarning>,
    warning: Option<AnswerWarning>,
) {
    let reading = read(request, DialectId::OpenIm, Answers::OpenIm, answer);
    let found = match &reading.outcome {
        Outcome::Answer(Answer::Allow) => Ok(Replacement::default()),
        Outcome::Answer(Answer::Replace(replacement)) => Ok(Replacement {
            held_back: Vec::new(),
            ..replacement.clone()
        }),
        _ => Err(reading.warning.unwrap()),
    };
    let expected = expected.map(|(content, fields)| replacement(content, fields));
    assert_eq!(found, expected, "{answer}");
    if expected.is_ok() {
        assert_eq!(reading.warning, warning, "{answer}");
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
        check_replaces(request, answer, Err(AnswerWarning::WrongType), None);
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
        check_replaces(modify, &answer, Err(AnswerWarning::ContentNotObject), None);
    }
    assert_eq!(
        read(
            modify,
            DialectId::OpenIm,
            Answers::OpenIm,
            r#"{"content":"x"}"#
        )
        .outcome,
        Reading::invalid(AnswerWarning::ContentNotObject).outcome
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
            Some(AnswerWarning::UnusableField),
        );
    };
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
    check_replaces(
        "before_members_join_group",
        r#"{"memberCallbackList":[{"userID":null},{"userID":"u","ex":"e"},null]}"#,
        Ok((
            None,
            &[("memberCallbackList", r#"[{"userID":"u","ex":"e"}]"#)],
        )),
        Some(AnswerWarning::UnusableField),
    );
}

#[test]
fn what_harms_is_held_back_as_it_is() {
    let check = |request: &str, answer: &str, name: &str, raw: &str| {
        let reading = read(request, DialectId::OpenIm, Answers::OpenIm, answer);
        let Outcome::Answer(Answer::Replace(replacement)) = reading.outcome else {
            panic!("{answer}");
        };
        let expected = [(name.to_owned(), raw.to_owned())];
        assert_eq!(replacement.held_back, expected, "{answer}");
        let event = event(request);
        let info = info(event.hook);
        assert!(info.holds_back(name) && info.holds_back(&name.to_uppercase()));
        // Where a policy names it, our answer carries it.
        let verdict = Verdict::Replace(self::replacement(None, &[(name, raw)]));
        let reply = reply_to(request, verdict);
        assert!(reply.contains(&format!("\"{name}\":{raw}")), "{reply}");
    };
    let members = r#"[{"nickname":"n"}]"#;
    check(
        "before_members_join_group",
        &format!(r#"{{"memberCallbackList":{members}}}"#),
        "memberCallbackList",
        members,
    );
    let face = r#"{"faceURL":"f"}"#;
    check("before_update_user_info_ex", face, "faceURL", "\"f\"");
    let wipe = r#"{"introduction":null}"#;
    check("before_set_group_info", wipe, "introduction", "\"\"");
    check("before_set_group_info_ex", wipe, "introduction", "null");
    // To OpenIM "" and null are two things there.
    let empty = r#"{"introduction":""}"#;
    check("before_set_group_info_ex", empty, "introduction", "\"\"");
}

#[test]
fn what_the_request_does_not_tell_of_goes_on() {
    let check = |request: &str, answer: &str, field: (&str, &str)| {
        check_replaces(request, answer, Ok((None, &[field])), None);
    };
    let push = r#"{"title":"t","desc":"d"}"#;
    let answer = format!(r#"{{"offlinePushInfo":{push}}}"#);
    let field = ("offlinePushInfo", push);
    check("before_offline_push.no_push_info", &answer, field);
    check("before_msg_modify.text", &answer, field);
    let ex = ("ex", "\"e\"");
    check("before_update_user_info_ex", r#"{"ex":"e"}"#, ex);
    // 0 in the request may mean that it is not set; 0 in the answer sets it.
    let zero = ("applyMemberFriend", "0");
    check("before_set_group_info", r#"{"applyMemberFriend":0}"#, zero);
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
    assert_eq!(missing.warning, Some(AnswerWarning::ContentMissing));
    let quote = r#"{"content":"{\"text\":\"x\"}"}"#;
    check(
        "before_msg_modify.quote",
        v2,
        quote,
        Some(r#"{"text":"x"}"#),
    );
}

#[test]
fn what_the_caller_cannot_take_is_left_out() {
    let answer = r#"{"content":"{\"content\":\"x\"}","ex":"e"}"#;
    let reading = read(
        "legacy_v2_word_filter.text",
        DialectId::OpenIm,
        Answers::OpenIm,
        answer,
    );
    let expected = Answer::Replace(replacement(Some("x"), &[]));
    assert_eq!(reading.outcome, Outcome::Answer(expected));
    assert_eq!(reading.warning, Some(AnswerWarning::UnusableField));

    let old = br#"{"callbackCommand":"callbackBeforeMemberJoinGroupCommand","userID":"u"}"#;
    let path = "callbackBeforeMemberJoinGroupCommand";
    let Ok(Decoded::Event(one_member)) = decode(DialectId::OpenIm, path, old) else {
        panic!("not decoded");
    };
    assert!(!one_member.can.replace);
    let answer = br#"{"memberCallbackList":[{"userID":"u"}]}"#;
    let reading =
        of(DialectId::OpenIm).read_answer(&one_member, 200, answer, Answers::OpenIm.into());
    assert_eq!(reading.outcome, Outcome::Answer(Answer::Allow));
    assert_eq!(reading.warning, Some(AnswerWarning::UnusableField));
}

#[test]
fn content_that_never_was_an_object_may_be_replaced_by_any() {
    let body = br#"{"sendID":"u","contentType":101,"content":"plain damn"}"#;
    let path = "callbackBeforeMsgModifyCommand";
    let Ok(Decoded::Event(event)) = decode(DialectId::OpenIm, path, body) else {
        panic!("not decoded");
    };
    let answer = br#"{"content":"plain"}"#;
    let reading = of(DialectId::OpenIm).read_answer(&event, 200, answer, Answers::OpenIm.into());
    let expected = Answer::Replace(replacement(Some("plain"), &[]));
    assert_eq!(reading.outcome, Outcome::Answer(expected));
}
