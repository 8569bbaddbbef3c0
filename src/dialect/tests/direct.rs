//! What comes over gRPC.

use super::*;

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
    let reading = of(DialectId::OpenIm).read_answer(&event, 200, answer, Answers::OpenIm.into());
    let expected = Answer::Replace(replacement(Some("hello friend"), &[]));
    assert_eq!(reading.outcome, Outcome::Answer(expected));
}

#[test]
fn content_in_an_answer_counts_for_every_message_given_directly() {
    let event = direct("beforeSendSingleMsg", 101, r#"{"content":"damn"}"#);
    let read = |endpoint, answer: &str| {
        let answers = Answers::Strict;
        of(endpoint)
            .read_answer(&event, 200, answer.as_bytes(), answers.into())
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
        Reading::invalid(AnswerWarning::ContentNotObject).outcome
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
    assert_eq!(
        (&stored.ordering_key, stored.dialect),
        (&event.ordering_key, event.dialect)
    );
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
