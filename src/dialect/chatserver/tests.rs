//! Recorded calls and answers of every hook, and random bytes.

use bytes::Bytes;
use proptest::prelude::*;

use crate::decision::{Answer, Decision, Outcome, Refusal, SkipReason, Verdict};
use crate::dialect::tests::damage::damaged_of;
use crate::dialect::{Answers, Call, ChatServerOptions, Decoded, Dialect, Head, Unreadable, of};
use crate::event::{DialectId, Event, Message};

use super::ChatServer;
use super::table::{ACTION, AUTH, MESSAGE};

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!(
            "../../../tests/fixtures/dialects/chatserver.",
            $name
        ))[..]
    };
}

fn decode_with(path: &str, body: &[u8], options: ChatServerOptions) -> Result<Event, Unreadable> {
    let call = Call {
        head: Head::at(path, ""),
        body: Bytes::copy_from_slice(body),
    };
    match ChatServer::new(options).decode(&call)? {
        Decoded::Event(event) => Ok(*event),
        other => panic!("{other:?}"),
    }
}

fn event(path: &str, body: &[u8]) -> Event {
    decode_with(path, body, ChatServerOptions::default()).unwrap()
}

fn reply(event: &Event, verdict: Verdict) -> String {
    let decision = Decision {
        verdict,
        ..Decision::acknowledged()
    };
    let reply = of(DialectId::ChatServer).reply(event, &decision);
    assert_eq!(reply.status, 200);
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn block(reason: &str) -> Verdict {
    Verdict::Block(Refusal {
        code: 20001,
        public: reason.to_owned(),
        detail: "list `bad`".to_owned(),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_hook_is_known_by_path_or_by_what_the_body_holds() {
    let check = |path: &str, body: &[u8], hook| assert_eq!(event(path, body).hook, hook, "{path}");
    let auth = fixture!("auth.request.json");
    for path in ["auth.do", "/authProxy", "/x/auth/", "", "/anything"] {
        check(path, auth, AUTH);
    }
    let message = fixture!("message.room.request.json");
    for path in [
        "/messageReveiced.do",
        "/messageReceived.do",
        "/msgResProxy",
        "message",
        "/",
    ] {
        check(path, message, MESSAGE);
    }
    for body in [
        fixture!("action.request.json"),
        fixture!("action.body-form.request.json"),
        fixture!("action.string-msg.request.json"),
    ] {
        for path in ["/actionMessage.do", "/actionResProxy", "action", ""] {
            check(path, body, ACTION);
        }
    }
    let nobody = decode_with("", b"{\"a\":1}", ChatServerOptions::default()).unwrap_err();
    assert_eq!(nobody.hook, None);
    let broken = decode_with("/auth.do", b"{", ChatServerOptions::default()).unwrap_err();
    assert_eq!(broken.hook, Some(AUTH));
}

#[test]
fn every_form_of_a_login_names_its_user_and_its_urls() {
    for body in [
        fixture!("auth.request.json"),
        fixture!("auth.number-userId.request.json"),
        fixture!("auth.reconnect.request.json"),
        fixture!("auth.two-proxies.request.json"),
        fixture!("auth.doc-sample-outside-proxy.request.json"),
    ] {
        let event = event("auth", body);
        assert_eq!(event.sender(), "323123");
        assert_eq!(event.texts[0].value, "张三");
        let chosen = of(DialectId::ChatServer).chosen_url(&event).unwrap();
        assert!(chosen.ends_with("/auth.do"), "{chosen}");
        let sent = of(DialectId::ChatServer).request("http://h/auth.do", &event, None);
        assert_eq!(sent.body, body, "all of it is passed on");
    }
}

#[test]
fn messages_are_read_in_every_form() {
    let check = |body: &[u8], session_type, content: &str| {
        let event = event("message", body);
        let message = event.message.as_ref().unwrap();
        assert_eq!(
            (event.sender(), message.session_type),
            ("323123", session_type)
        );
        assert!(message.content.contains(content), "{}", message.content);
        assert_eq!(event.natural_id, None, "an equal message may come again");
    };
    check(fixture!("message.room.request.json"), 3, "大家好");
    check(fixture!("message.p2p.request.json"), 1, "大家好");
    check(fixture!("message.doc-sample.request.json"), 3, "XXX");
    check(
        fixture!("message.object-content.request.json"),
        3,
        "badword",
    );
    check(fixture!("message.file-content.request.json"), 3, "a.png");
}

#[test]
fn what_the_type_means_can_be_set() {
    let session_type = |type_1_is_room, body: &str| {
        let options = ChatServerOptions {
            type_1_is_room,
            ..ChatServerOptions::default()
        };
        let event = decode_with("message", body.as_bytes(), options).unwrap();
        event.message.unwrap().session_type
    };
    let (one, two) = (r#"{"type":1,"content":"x"}"#, r#"{"type":2,"content":"x"}"#);
    assert_eq!((session_type(false, one), session_type(false, two)), (1, 3));
    assert_eq!((session_type(true, one), session_type(true, two)), (3, 1));
    let described = r#"{"type":1,"desc":"房间消息","content":"x"}"#;
    assert_eq!(session_type(false, described), 3);
}

#[test]
fn a_login_is_true_only_when_it_is_allowed() {
    let login = event("auth", fixture!("auth.request.json"));
    let allowed = text(fixture!("auth.allow.response.json"));
    let denied = text(fixture!("auth.deny.response.json"));
    assert_eq!(reply(&login, Verdict::Allow), allowed);
    assert_eq!(reply(&login, block("no")), denied);
    let nobody = Decision::skipped(SkipReason::Disabled);
    let dialect = of(DialectId::ChatServer);
    assert_eq!(dialect.reply(&login, &nobody).body, denied.as_bytes());
    assert_eq!(
        dialect
            .reply_without_event(None, b"", &Decision::acknowledged())
            .body,
        denied.as_bytes()
    );
}

#[test]
fn a_message_is_acknowledged_whatever_is_decided() {
    let message = event("message", fixture!("message.room.request.json"));
    let expected = text(fixture!("message.response.json"));
    assert_eq!(reply(&message, Verdict::Allow), expected);
    assert_eq!(reply(&message, block("no")), expected);
}

#[test]
fn a_refused_action_says_why() {
    let action = event("action", fixture!("action.request.json"));
    assert_eq!(
        reply(&action, block("消息含有违规内容")),
        text(fixture!("action.reject.response.json"))
    );
    let shown = Event {
        shows_refusal: true,
        ..action
    };
    assert_eq!(reply(&shown, block("no")), r#"{"retVal":true,"msg":"no"}"#);
}

#[test]
fn an_endpoints_answer_to_an_action_is_passed_on_as_it_is() {
    let action = event("action", fixture!("action.request.json"));
    for body in [
        text(fixture!("action.response.json")),
        r#"{ "retVal" : true, "msg":{"a":[1,2.50]},"recvID":"x","n":9007199254740993 }"#.to_owned(),
    ] {
        let reading = of(DialectId::ChatServer).read_answer(
            &action,
            200,
            body.as_bytes(),
            Answers::OpenIm.into(),
        );
        let Outcome::Answer(Answer::Replace(replacement)) = reading.outcome else {
            panic!("{body}");
        };
        assert_eq!(reply(&action, Verdict::Replace(replacement)), body);
    }
}

#[test]
fn texts_of_an_action_and_of_its_answer_are_masked_in_place() {
    let mask = |event: &Event| {
        let values: Vec<_> = event
            .texts
            .iter()
            .enumerate()
            .map(|(index, text)| (index, text.value.replace("badword", "***")))
            .collect();
        of(DialectId::ChatServer).replace_texts(event, &values)
    };
    let action = event("action", fixture!("action.string-msg.request.json"));
    let masked = mask(&action);
    assert_eq!(
        reply(&action, Verdict::Replace(masked.clone())),
        r#"{"retVal":true,"msg":"this is a ***"}"#
    );
    let sent = of(DialectId::ChatServer).request("http://h/", &action, Some(&masked));
    let expected = text(fixture!("action.string-msg.request.json")).replace("badword", "***");
    assert_eq!(sent.body, expected.as_bytes());

    let object = event(
        "action",
        br#"{"msg":{"text":"a badword","n":[1,"badword"]},"clientMsgId":"c"}"#,
    );
    assert_eq!(
        reply(&object, Verdict::Replace(mask(&object))),
        r#"{"retVal":true,"msg":{"text":"a ***","n":[1,"***"]}}"#
    );

    let answer =
        br#"{"retVal":true,"msg":"badword","clientMsgId":"badword","more":{"x":"badword"}}"#;
    let reading =
        of(DialectId::ChatServer).read_answer(&object, 200, answer, Answers::OpenIm.into());
    let Outcome::Answer(Answer::Replace(replacement)) = reading.outcome else {
        panic!("no replacement");
    };
    let shown = of(DialectId::ChatServer).apply(&object, &replacement);
    assert_eq!(
        reply(&object, Verdict::Replace(mask(&shown))),
        r#"{"retVal":true,"msg":"***","clientMsgId":"badword","more":{"x":"***"}}"#
    );
}

#[test]
fn only_ret_val_true_or_false_is_an_answer() {
    let login = event("auth", fixture!("auth.request.json"));
    let check = |status, body: &str, expected: &str| {
        let dialect = of(DialectId::ChatServer);
        let reading = dialect.read_answer(&login, status, body.as_bytes(), Answers::OpenIm.into());
        let read = match reading.outcome {
            Outcome::Answer(Answer::Allow) => "allow",
            Outcome::Answer(Answer::Block(_)) => "block",
            Outcome::Answer(Answer::Replace(_) | Answer::Reply(_)) => "replace",
            Outcome::Failure(failure) => failure.class.name(),
        };
        assert_eq!(read, expected, "{status} {body}");
    };
    check(200, r#"{"retVal":true}"#, "allow");
    check(200, r#"{"retVal":true,"more":1}"#, "allow");
    check(200, r#"{"retVal":false}"#, "block");
    for body in [
        "",
        "{}",
        "true",
        "[]",
        r#"{"retVal":"true"}"#,
        r#"{"retVal":1}"#,
        r#"{"retval":true}"#,
        r#"{"retVal":true}x"#,
    ] {
        check(200, body, "invalid_answer");
    }
    check(201, r#"{"retVal":true}"#, "http_status");
    check(500, r#"{"retVal":true}"#, "http_status");
}

#[test]
fn what_a_client_chose_is_not_told_to_the_endpoint_of_a_message() {
    let body = br#"{"desc":"d","type":2,"proxy":{"msgResProxy":"http://c/x"},"sendUserId":1,"content":"hi"}"#;
    let event = event("message", body);
    let dialect = of(DialectId::ChatServer);
    assert_eq!(dialect.chosen_url(&event).as_deref(), Some("http://c/x"));
    assert_eq!(
        dialect.request("http://h/", &event, None).body,
        r#"{"desc":"d","type":2,"sendUserId":1,"content":"hi"}"#
    );
}

#[test]
fn a_message_in_our_words_is_written_as_the_server_writes_it() {
    let message = Message {
        send_id: "323123".to_owned(),
        group_id: "room".to_owned(),
        client_msg_id: "c".to_owned(),
        content: r#"{"content":"大家好","type":"text"}"#.to_owned(),
        ..Message::default()
    };
    let dialect = of(DialectId::ChatServer);
    let composed = |hook| dialect.compose(hook, &message);
    assert_eq!(
        composed(MESSAGE),
        Some(text(fixture!("message.room.request.json")))
    );
    assert_eq!(
        composed(ACTION).as_deref(),
        Some(
            r#"{"msg":{"content":"大家好","type":"text"},"clientMsgId":"c","sendUserId":"323123"}"#
        )
    );
    assert_eq!(composed(AUTH), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(path in "(/(auth|message|action|x))?", body in damaged()) {
        let dialect = of(DialectId::ChatServer);
        if let Ok(event) = decode_with(&path, &body, ChatServerOptions::default()) {
            let values: Vec<_> = (0..event.texts.len()).map(|index| (index, "*".to_owned())).collect();
            let replacement = dialect.replace_texts(&event, &values);
            let changed = dialect.apply(&event, &replacement);
            let sent = dialect.request("http://h/", &changed, Some(&replacement));
            let reply = reply(&event, Verdict::Replace(replacement));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "{}", reply);
            let again = dialect.decode_one(event.hook, "", sent.body);
            prop_assert!(again.is_ok());
        }
    }

    #[test]
    fn any_answer_is_read(body in damaged(), status in 100..600u16) {
        let dialect = of(DialectId::ChatServer);
        let action = event("action", fixture!("action.request.json"));
        let reading = dialect.read_answer(&action, status, &body, Answers::OpenIm.into());
        if let Outcome::Answer(Answer::Replace(replacement)) = reading.outcome {
            let shown = dialect.apply(&action, &replacement);
            let values: Vec<_> = (0..shown.texts.len()).map(|index| (index, "*".to_owned())).collect();
            let masked = dialect.replace_texts(&shown, &values);
            let reply = reply(&action, Verdict::Replace(masked));
            prop_assert!(serde_json::from_str::<serde_json::Value>(&reply).is_ok(), "{}", reply);
        }
    }
}

/// Recorded bytes with a few of them changed, removed or repeated.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    damaged_of(proptest::sample::select(vec![
        fixture!("auth.request.json"),
        fixture!("message.file-content.request.json"),
        fixture!("message.object-content.request.json"),
        fixture!("action.request.json"),
        fixture!("action.string-msg.request.json"),
        fixture!("action.response.json"),
    ]))
}
