//! Recorded calls and answers of every event, and random bytes.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::decision::{Answer, Decider, Decision, Outcome, Refusal, Verdict};
use crate::dialect::tests::damage::damaged_of;
use crate::dialect::{Answers, Call, Decoded, Dialect, FuntekOptions, Head, Unreadable, of};
use crate::event::{DialectId, Event, Message};

use super::Funtek;
use super::table::RECALL;

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!("../../../tests/fixtures/dialects/funtek.", $name))[..]
    };
}

fn decode(body: &[u8]) -> Result<Decoded, Unreadable> {
    let options = FuntekOptions {
        bot: Some(Arc::from("robot001")),
    };
    Funtek::new(options).decode(&Call {
        head: Head::at("", ""),
        body: Bytes::copy_from_slice(body),
    })
}

fn event(body: &[u8]) -> Event {
    match decode(body) {
        Ok(Decoded::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn reply(event: &Event, verdict: Verdict, decider: Decider) -> String {
    let decision = Decision {
        verdict,
        decider,
        ..Decision::acknowledged()
    };
    let reply = of(DialectId::Funtek).reply(event, &decision);
    assert_eq!(reply.status, 200);
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn block() -> Verdict {
    Verdict::Block(Refusal {
        code: 20001,
        public: "消息含有违规内容".to_owned(),
        detail: "list `bad`".to_owned(),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn membership_is_the_same_with_and_without_the_optional_fields() {
    let check = |hook: &str, members: &[&str], bodies: [&[u8]; 2]| {
        for body in bodies {
            let event = event(body);
            let room = event.room.as_ref().unwrap();
            assert_eq!((event.hook.name, event.sender()), (hook, "sss"));
            assert_eq!(
                (room.id.as_str(), event.target()),
                ("demo-room", "demo-room")
            );
            assert_eq!(room.members, members);
            assert!(!room.by_robot);
        }
    };
    check(
        "funtek.JOIN_ROOM",
        &["sss"],
        [
            fixture!("JOIN_ROOM.request.json"),
            fixture!("JOIN_ROOM.doc-sample.request.json"),
        ],
    );
    check(
        "funtek.ADD_MEMBERS",
        &["robot001"],
        [
            fixture!("ADD_MEMBERS.request.json"),
            fixture!("ADD_MEMBERS.doc-sample.request.json"),
        ],
    );
    check(
        "funtek.DELETE_MEMBERS",
        &["ccc"],
        [
            fixture!("DELETE_MEMBERS.request.json"),
            fixture!("DELETE_MEMBERS.doc-sample.request.json"),
        ],
    );
}

/// Sender, type, texts.
fn message(body: &[u8]) -> String {
    let event = event(body);
    let message = event.message.as_ref().unwrap();
    assert_eq!(message.server_msg_id, "5c1ddf2d1536bbb6c49f7cfe");
    let texts: Vec<_> = event.texts.iter().map(|text| text.value.as_str()).collect();
    let room = event.room.as_ref().unwrap();
    let mark = match (event.encrypted, room.by_robot) {
        (true, _) => " sealed",
        (_, true) => " robot",
        _ => "",
    };
    format!(
        "{} {} {:?}{mark}",
        event.sender(),
        message.content_type,
        texts
    )
}

#[test]
fn a_message_may_be_any_json() {
    assert_eq!(
        message(fixture!("MESSAGE.request.json")),
        r#"sss 101 ["Bonjour 2"]"#
    );
    assert_eq!(
        message(fixture!("MESSAGE.doc-sample.request.json")),
        r#"sss 101 ["Bonjour 2"]"#
    );
    assert_eq!(
        message(fixture!("MESSAGE.legacy-robotID.request.json")),
        r#"sss 101 ["Bonjour 2"]"#
    );
    assert_eq!(
        message(fixture!("MESSAGE.object-message.request.json")),
        r#"sss 101 ["custom badword content"]"#
    );
    assert_eq!(
        message(fixture!("MESSAGE.number-message.request.json")),
        "sss 101 []"
    );
    assert_eq!(
        message(fixture!("MESSAGE.image.request.json")),
        "sss 102 []"
    );
    assert_eq!(
        message(fixture!("MESSAGE.encrypted.request.json")),
        "sss 0 [] sealed"
    );
    assert_eq!(
        message(fixture!("MESSAGE.null-sender.request.json")),
        r#" 101 ["system text"]"#
    );
    assert!(message(fixture!("MESSAGE.robot-sender.request.json")).ends_with(" robot"));
}

#[test]
fn our_own_bot_is_left_alone_whatever_the_server_says_of_it() {
    let body = br#"{"roomID":"r","event":"MESSAGE","clientID":"robot001","data":{"message":"x"}}"#;
    assert!(event(body).room.unwrap().by_robot);
}

#[test]
fn nothing_to_say_keeps_the_state() {
    let check = |body: &[u8], expected: &str| {
        assert_eq!(
            reply(&event(body), Verdict::Allow, Decider::Nothing),
            expected
        );
    };
    check(
        fixture!("MESSAGE.doc-sample.request.json"),
        &text(fixture!("noop.response.json")),
    );
    check(
        fixture!("MESSAGE.request.json"),
        &text(fixture!("reset-state.response.json")),
    );
    check(
        fixture!("MESSAGE.in-state.request.json"),
        &text(fixture!("state-only.response.json")),
    );
}

#[test]
fn a_hit_is_a_warning_and_a_recall() {
    let bad = event(fixture!("MESSAGE.badword.request.json"));
    assert_eq!(
        reply(&bad, block(), Decider::Filter),
        text(fixture!("warning-reply.response.json"))
    );
    let decision = Decision {
        verdict: block(),
        decider: Decider::Filter,
        ..Decision::acknowledged()
    };
    let dialect = of(DialectId::Funtek);
    let recall = dialect.follow_up(&bad, &decision).unwrap();
    assert_eq!(recall.hook, RECALL);
    let stored = dialect
        .decode_one(RECALL, "", recall.body.clone().unwrap())
        .unwrap();
    assert_eq!(stored.natural_id, recall.natural_id);
    let call = dialect.request("https://api.example/", &stored, None);
    assert_eq!(call.url, "https://api.example/rooms/demo-room/message");
    assert_eq!(call.body, fixture!("recall-api.request.json"));
}

#[test]
fn a_room_cannot_lead_a_recall_elsewhere() {
    let body = Bytes::from_static(br#"{"roomID":"../admin?x#y/z","_id":"1"}"#);
    let recall = of(DialectId::Funtek).decode_one(RECALL, "", body).unwrap();
    let call = of(DialectId::Funtek).request("https://api.example", &recall, None);
    assert_eq!(
        call.url,
        "https://api.example/rooms/..%2Fadmin%3Fx%23y%2Fz/message"
    );
}

#[test]
fn a_failure_posts_nothing_and_takes_nothing_back() {
    let bad = event(fixture!("MESSAGE.in-state.request.json"));
    let expected = text(fixture!("state-only.response.json"));
    assert_eq!(reply(&bad, block(), Decider::FailurePolicy), expected);
    let decision = Decision {
        verdict: block(),
        decider: Decider::FailurePolicy,
        ..Decision::acknowledged()
    };
    assert!(of(DialectId::Funtek).follow_up(&bad, &decision).is_none());
}

#[test]
fn without_a_bot_nothing_is_posted() {
    let mut bad = event(fixture!("MESSAGE.badword.request.json"));
    bad.room.as_mut().unwrap().bot = None;
    let expected = text(fixture!("reset-state.response.json"));
    assert_eq!(reply(&bad, block(), Decider::Filter), expected);
}

/// What a bot answers to a message that came in the state `CONTACT`, as the server gets it.
fn check(answer: &str, expected: &str) {
    check_status(200, answer, expected);
}

fn check_status(status: u16, answer: &str, expected: &str) {
    let event = event(fixture!("MESSAGE.in-state.request.json"));
    let reading = of(DialectId::Funtek).read_answer(
        &event,
        status,
        answer.as_bytes(),
        Answers::OpenIm.into(),
    );
    let read = match reading.outcome {
        Outcome::Answer(Answer::Allow) => reply(&event, Verdict::Allow, Decider::Callback),
        Outcome::Answer(Answer::Reply(said)) => {
            reply(&event, Verdict::Reply(said), Decider::Callback)
        }
        Outcome::Answer(other) => format!("{other:?}"),
        Outcome::Failure(failure) => failure.class.name().to_owned(),
    };
    assert_eq!(read, expected, "{answer}");
}

#[test]
fn a_bots_answer_is_passed_on() {
    let same = |bytes: &[u8]| check(&text(bytes), &text(bytes));
    same(fixture!("reply.response.json"));
    same(fixture!("image-reply.response.json"));
    same(fixture!("state-only.response.json"));
    same(fixture!("reset-state.response.json"));
    let kept = r#"{"toBotState":"CONTACT","data":null}"#;
    check(&text(fixture!("noop.response.json")), kept);
    check(&text(fixture!("empty-object.response.json")), kept);
    // The form of 2019 has no `data`.
    check(
        &text(fixture!("legacy-flat.response.json")),
        r#"{"senderID":"robot001","toBotState":"","data":{"message":"hello","messageType":"text"}}"#,
    );
    // Whoever forgets to say as whom speaks as the bot.
    check(
        r#"{"data":{"message":"hi","messageType":"text"},"more":1}"#,
        r#"{"senderID":"robot001","toBotState":"CONTACT","data":{"message":"hi","messageType":"text"}}"#,
    );
    for broken in [
        "",
        "[]",
        "ok",
        r#"{"data":"hi"}"#,
        r#"{"toBotState":1}"#,
        r#"{"senderID":{}}"#,
    ] {
        check(broken, "invalid_answer");
    }
    check_status(500, "{}", "http_status");
}

#[test]
fn a_call_that_cannot_be_read_is_answered_with_the_state_it_came_in() {
    let check = |body: &str, expected: &str| {
        let unreadable = decode(body.as_bytes());
        assert!(!matches!(unreadable, Ok(Decoded::Event(_))), "{body}");
        let dialect = of(DialectId::Funtek);
        let reply = dialect.reply_without_event(None, body.as_bytes(), &Decision::acknowledged());
        assert_eq!(text(&reply.body), expected);
    };
    let nothing = text(fixture!("noop.response.json"));
    for body in [
        "",
        "[]",
        "x",
        "{}",
        r#"{"roomID":"r"}"#,
        r#"{"event":"MESSAGE"}"#,
    ] {
        check(body, &nothing);
    }
    let later = r#"{"roomID":"r","event":"TOMORROW","botState":"CONTACT"}"#;
    check(later, &text(fixture!("state-only.response.json")));
}

#[test]
fn a_bot_gets_what_the_server_sent_and_the_state_that_is_known() {
    let dialect = of(DialectId::Funtek);
    let sent = |event: &Event| dialect.request("http://bot/", event, None).body;
    for body in [
        fixture!("MESSAGE.request.json"),
        fixture!("MESSAGE.in-state.request.json"),
        fixture!("MESSAGE.doc-sample.request.json"),
        fixture!("JOIN_ROOM.request.json"),
    ] {
        assert_eq!(sent(&event(body)), body);
    }
    let with_state = |body: &[u8]| {
        let mut event = event(body);
        event.room.as_mut().unwrap().bot_state = Some("active".to_owned());
        let sent: serde_json::Value = serde_json::from_slice(&sent(&event)).unwrap();
        sent["botState"].clone()
    };
    assert_eq!(
        with_state(fixture!("MESSAGE.in-state.request.json")),
        "active"
    );
    assert_eq!(
        with_state(fixture!("MESSAGE.doc-sample.request.json")),
        "active"
    );
}

#[test]
fn a_message_in_our_words_is_read_back_as_it_was() {
    let message = Message {
        send_id: "sss".to_owned(),
        group_id: "demo-room".to_owned(),
        server_msg_id: "5c1d".to_owned(),
        sender_nickname: "Desirae".to_owned(),
        session_type: 3,
        msg_from: 100,
        content_type: 101,
        status: 1,
        send_time: 1_545_461_549_380,
        create_time: 1_545_461_549_380,
        content: "Bonjour 2".to_owned(),
        ..Message::default()
    };
    let dialect = of(DialectId::Funtek);
    let body = dialect.compose(super::table::MESSAGE, &message).unwrap();
    assert_eq!(event(body.as_bytes()).message, Some(message.clone()));
    assert_eq!(dialect.compose(RECALL, &message), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in damaged()) {
        let dialect = of(DialectId::Funtek);
        if let Ok(Decoded::Event(event)) = decode(&body) {
            let sent = dialect.request("http://bot/", &event, None);
            prop_assert!(dialect.decode_one(event.hook, "", sent.body).is_ok());
            for verdict in [Verdict::Allow, block()] {
                let reply = reply(&event, verdict, Decider::Filter);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok());
            }
        }
        let reply = dialect.reply_without_event(None, &body, &Decision::acknowledged());
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok());
    }

    #[test]
    fn any_answer_is_read(body in damaged(), status in 100..600u16) {
        let event = event(fixture!("MESSAGE.request.json"));
        let reading = of(DialectId::Funtek).read_answer(&event, status, &body, Answers::OpenIm.into());
        if let Outcome::Answer(Answer::Reply(said)) = reading.outcome {
            let reply = reply(&event, Verdict::Reply(said), Decider::Callback);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "{}", reply);
        }
    }
}

/// Recorded bytes with a few of them changed, removed or repeated.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    damaged_of(proptest::sample::select(vec![
        fixture!("MESSAGE.request.json"),
        fixture!("MESSAGE.object-message.request.json"),
        fixture!("JOIN_ROOM.request.json"),
        fixture!("reply.response.json"),
        fixture!("legacy-flat.response.json"),
    ]))
}
