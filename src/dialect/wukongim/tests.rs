//! Recorded calls of every version, every answer of the server's own table, and random bytes.

use bytes::Bytes;
use proptest::prelude::*;

use crate::decision::{Answer, Decision, FailureClass, Outcome, Refusal, Replacement, Verdict};
use crate::dialect::tests::damage::damaged_of;
use crate::dialect::{AnswerWarning, Answers, Call, Decoded, Head, Unreadable, of};
use crate::event::{DialectId, Event};

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!("../../../tests/fixtures/dialects/wukongim.", $name))[..]
    };
}

fn decode(event: &str, body: &[u8]) -> Result<Decoded, Unreadable> {
    of(DialectId::WukongIm).decode(&Call {
        head: Head::at("", &format!("event={event}")),
        body: Bytes::copy_from_slice(body),
    })
}

/// Every event of a call, all of which can be read.
fn events(event: &str, body: &[u8]) -> Vec<Event> {
    match decode(event, body) {
        Ok(Decoded::Event(event)) => vec![*event],
        Ok(Decoded::Batch { hook, items, .. }) => items
            .into_iter()
            .map(|item| of(DialectId::WukongIm).decode_one(hook, "", item).unwrap())
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Id, sender, target, type, text and encryption of a message, one line each.
fn messages(event: &str, body: &[u8]) -> Vec<String> {
    let line = |event: &Event| {
        let message = event.message.as_ref().unwrap();
        let text = event.texts.first().map_or("", |text| &text.value);
        let sealed = if event.encrypted { " sealed" } else { "" };
        format!(
            "{} {}>{} {} {text}{sealed}",
            message.server_msg_id,
            event.sender(),
            event.target(),
            message.content_type
        )
    };
    events(event, body).iter().map(line).collect()
}

#[test]
fn messages_are_the_same_whatever_version_wrote_them() {
    let check = |body: &[u8], expected: &[&str]| assert_eq!(messages("msg.notify", body), expected);
    let person = "1904423718245728256 alice>bob 1 hello";
    let group = "1904423718249922560 alice>group_1 1 大家好";
    check(fixture!("msg.notify.v1.0.0.request.json"), &[person]);
    check(
        fixture!("msg.notify.v1.2.6.request.json"),
        &[
            "1904423718245728256 alice>bob 1 hello <b>世界</b> & co",
            group,
        ],
    );
    check(
        fixture!("msg.notify.v2.2.5.request.json"),
        &[person, group, "1904423718254116864 bob>group_1 1  sealed"],
    );
    check(fixture!("msg.notify.v3.request.json"), &[person, group]);
    check(
        fixture!("msg.notify.v2.2.5-system-sender.request.json"),
        &[
            "1904423718245728256 ____system>u1001 1 system notice",
            "1904423718249922560 ____system> 1 system notice",
        ],
    );
    check(
        fixture!("msg.notify.v2.2.5-null-payload.request.json"),
        &["1904423718245728256 alice>bob 1 "],
    );
}

#[test]
fn an_array_or_one_message_alone_may_come() {
    let one = br#"{"message_idstr":"7","from_uid":"a","channel_id":"b","channel_type":1,"payload":null,"new_field":{}}"#;
    assert_eq!(messages("msg.notify", one), ["7 a>b 1 "]);
    assert!(events("msg.notify", b"[]").is_empty());
}

#[test]
fn pushes_name_their_recipients() {
    let check = |body: &[u8], ids: &[&str], lost: bool| {
        let events = events("msg.offline", body);
        let [event] = events.as_slice() else {
            panic!("{events:?}")
        };
        let recipients = event.recipients.as_ref().unwrap();
        assert_eq!(
            (recipients.ids.as_slice(), recipients.lost),
            (ids.map_owned().as_slice(), lost)
        );
        assert_eq!(
            event.message.as_ref().unwrap().server_msg_id,
            "1904423718249922560"
        );
    };
    let two = &["bob", "carol"];
    check(fixture!("msg.offline.v1.0.0.request.json"), two, false);
    check(fixture!("msg.offline.v1.2.6.request.json"), two, false);
    check(fixture!("msg.offline.v2.2.5.request.json"), two, false);
    check(fixture!("msg.offline.v3.request.json"), two, false);
    check(
        fixture!("msg.offline.doc-array-form.request.json"),
        two,
        false,
    );
    check(
        fixture!("msg.offline.v2.2.5-empty-to_uids.request.json"),
        &[],
        false,
    );
    check(
        fixture!("msg.offline.v1-v2-gzip-truncated.request.json"),
        &[],
        true,
    );
    check(
        fixture!("msg.offline.v3-gzip.request.json"),
        &["bob", "carol", "dave"],
        false,
    );
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn the_same_push_to_other_users_is_no_repeat() {
    let id = |body: &[u8]| events("msg.offline", body)[0].natural_id.clone().unwrap();
    let plain = id(fixture!("msg.offline.v3.request.json"));
    assert_eq!(plain, id(fixture!("msg.offline.v3.request.json")));
    assert_ne!(plain, id(fixture!("msg.offline.v3-gzip.request.json")));
}

/// One message may be told of several times as it grows or is edited.
#[test]
fn states_of_one_message_are_no_repeats_of_each_other() {
    let id = |more: &str| {
        let body = format!(
            r#"[{{"message_id":7,"message_idstr":"7","from_uid":"a","channel_id":"g","channel_type":2,"payload":""{more}}}]"#
        );
        events("msg.notify", body.as_bytes())[0]
            .natural_id
            .clone()
            .unwrap()
    };
    assert_eq!(id(""), "wukongim.msg.notify:7");
    assert_eq!(id(r#","expire":0"#), id(""));
    let states = [
        "",
        r#","stream_no":"s","stream_seq":1,"stream_flag":0"#,
        r#","stream_no":"s","stream_seq":2,"stream_flag":1"#,
        r#","end":1,"end_reason":0,"stream_data":"aGk=""#,
        r#","event_meta":{"edited":1}"#,
    ];
    let ids: std::collections::BTreeSet<String> = states.iter().map(|state| id(state)).collect();
    assert_eq!(ids.len(), states.len());
    assert_eq!(id(states[2]), id(states[2]));
}

#[test]
fn presence_is_exact() {
    let lines = |body: &[u8]| -> Vec<String> {
        let presence = events("user.onlinestatus", body);
        let presence = presence
            .iter()
            .map(|event| event.presence.as_ref().unwrap());
        presence
            .map(|p| {
                let n = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
                format!(
                    "{} {} {} {} {}/{}",
                    p.user_id,
                    p.device_flag,
                    p.online,
                    n(p.connection_id),
                    n(p.device_count),
                    n(p.total_count)
                )
            })
            .collect()
    };
    assert_eq!(
        lines(fixture!("user.onlinestatus.request.json")),
        ["uid1 1 true 1001 2/4", "uid2 0 false 1002 1/2"]
    );
    assert_eq!(
        lines(fixture!("user.onlinestatus.dashed-uid.request.json")),
        [
            "7f1c2c66-0a51-4b0e-9f8a-3f0b0d3a5f10 0 true 1001 1/1",
            "tenant-7-user-3 99 false 1002 0/0",
            "-1 2 true 9007199254740993 1/1"
        ]
    );
    assert_eq!(
        lines(fixture!("user.onlinestatus.legacy-3-field.request.json")),
        ["uid1 0 true ? ?/?", "uid2 1 false ? ?/?"]
    );
    assert_eq!(
        lines(fixture!(
            "user.onlinestatus.v3-last-session-offline.request.json"
        )),
        ["uid1 0 false 72057594037927937 0/0"]
    );
}

fn before_send() -> Event {
    events("msg.before_send", fixture!("msg.before_send.request.json")).remove(0)
}

fn reply(verdict: Verdict) -> String {
    let decision = Decision {
        verdict,
        ..Decision::acknowledged()
    };
    let reply = of(DialectId::WukongIm).reply(&before_send(), &decision);
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn block(code: i32) -> Verdict {
    Verdict::Block(Refusal {
        code,
        public: "no".to_owned(),
        detail: "why".to_owned(),
    })
}

fn content(text: &str) -> Replacement {
    Replacement {
        content: Some(text.to_owned()),
        fields: Vec::new(),
        ..Replacement::default()
    }
}

#[test]
fn answers_hold_the_three_keys_alone() {
    let recorded = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(
        reply(Verdict::Allow),
        recorded(fixture!("msg.before_send.allow.response.json"))
    );
    assert_eq!(
        reply(block(200)),
        recorded(fixture!("msg.before_send.reject.response.json"))
    );
    for code in [0, 11, 127, 256, 20001, -1] {
        assert_eq!(
            reply(block(code)),
            recorded(fixture!("msg.before_send.reject-default.response.json"))
        );
    }
    let event = before_send();
    let place = event
        .texts
        .iter()
        .position(|text| text.value == "hello badword")
        .unwrap();
    let masked =
        of(DialectId::WukongIm).replace_texts(&event, &[(place, "hello *******".to_owned())]);
    assert_eq!(
        reply(Verdict::Replace(masked)),
        recorded(fixture!("msg.before_send.replace.response.json"))
    );
    for unusable in [String::new(), "x".repeat(32_768)] {
        assert_eq!(
            reply(Verdict::Replace(content(&unusable))),
            "{\"allow\":false}"
        );
    }
}

#[test]
fn a_mask_keeps_every_other_byte_of_the_payload() {
    let payload = r#"{ "type":1, "mention":{"uids":["u9"]},"content":"badword \u003cb\u003e","reply":{"payload":{"content":"x"}} }"#;
    let body = format!(
        r#"{{"from_uid":"a","channel_id":"g","channel_type":2,"payload":"{}"}}"#,
        super::payload::encoded(payload)
    );
    let event = events("msg.before_send", body.as_bytes()).remove(0);
    let values = [(0, event.texts[0].value.replace("badword", "***"))];
    let masked = of(DialectId::WukongIm).replace_texts(&event, &values);
    let expected = payload.replace("badword", "***");
    assert_eq!(masked.content.as_deref(), Some(expected.as_str()));
    let changed = of(DialectId::WukongIm).apply(&event, &masked);
    assert_eq!(changed.message.unwrap().content, expected);
    assert!(changed.texts[0].value.starts_with("*** <b>"));
}

#[test]
fn raw_text_is_a_text_too() {
    let body = r#"{"from_uid":"a","channel_id":"b@a","channel_type":1,"payload":"YmFkd29yZA=="}"#;
    let event = events("msg.before_send", body.as_bytes()).remove(0);
    assert_eq!(event.texts[0].value, "badword");
    assert_eq!(event.target(), "b");
    let masked = of(DialectId::WukongIm).replace_texts(&event, &[(0, "*".to_owned())]);
    assert_eq!(
        reply(Verdict::Replace(masked)),
        r#"{"allow":true,"payload":"Kg=="}"#
    );
}

#[test]
fn bytes_that_are_no_text_are_looked_at_but_never_rewritten() {
    let body = r#"{"from_uid":"a","channel_id":"b","channel_type":1,"payload":"/2JhZHdvcmQ="}"#;
    let event = events("msg.before_send", body.as_bytes()).remove(0);
    assert!(event.texts[0].value.contains("badword"));
    assert!(!event.can.replace && event.can.block);
}

#[test]
fn a_call_that_waits_and_cannot_be_read_is_unreadable() {
    for body in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"payload":"?"}"#,
        r#"{"payload":1}"#,
        r#"{"payload":"eyJ9"#,
    ] {
        let unreadable = decode("msg.before_send", body.as_bytes()).unwrap_err();
        assert_eq!(unreadable.hook, Some(super::table::BEFORE_SEND), "{body}");
    }
}

/// What the server makes of an answer, and so do we.
fn check(body: &str, expected: &str) {
    check_as(Answers::OpenIm, 200, body, expected, None);
}

fn check_as(
    answers: Answers,
    status: u16,
    body: &str,
    expected: &str,
    warning: Option<AnswerWarning>,
) {
    let event = before_send();
    let reading =
        of(DialectId::WukongIm).read_answer(&event, status, body.as_bytes(), answers.into());
    let read = match reading.outcome {
        Outcome::Answer(Answer::Allow) => "allow".to_owned(),
        Outcome::Answer(Answer::Block(refusal)) => format!("block {}", refusal.code),
        Outcome::Answer(Answer::Replace(new)) => {
            format!(
                "replace {}{}",
                new.content.unwrap_or_default(),
                new.fields.len()
            )
        }
        Outcome::Answer(Answer::Reply(_)) => "reply".to_owned(),
        Outcome::Failure(failure) if failure.class == FailureClass::InvalidAnswer => {
            "invalid".to_owned()
        }
        Outcome::Failure(failure) => failure.class.name().to_owned(),
    };
    assert_eq!(read, expected, "{status} {body}");
    if warning.is_some() {
        assert_eq!(reading.warning, warning, "{body}");
    }
}

#[test]
fn answers_are_read_as_the_server_reads_them() {
    check(r#"{"allow":true}"#, "allow");
    check(r#" {"allow":true,"reason_code":0} "#, "allow");
    check(r#"{"allow":true,"payload":"aGk="}"#, "replace hi0");
    check(r#"{"allow":true,"payload":"/w=="}"#, "replace 1");
    for payload in ["null", "\"\"", "\"aGk\"", "\"_w==\"", "1"] {
        check(
            &format!(r#"{{"allow":true,"payload":{payload}}}"#),
            "invalid",
        );
    }
    check(r#"{"allow":true,"reason_code":200}"#, "invalid");
    check(r#"{"allow":false}"#, "block 11");
    check(r#"{"allow":false,"reason_code":128}"#, "block 128");
    check(r#"{"allow":false,"reason_code":255}"#, "block 255");
    for code in ["0", "127", "256", "null", "\"200\"", "200.0"] {
        check(
            &format!(r#"{{"allow":false,"reason_code":{code}}}"#),
            "block 11",
        );
    }
    check(r#"{"allow":false,"payload":"aGk="}"#, "block 11");
    check(
        r#"{"allow":false,"reason_code":200,"payload":"aGk="}"#,
        "block 11",
    );
    for odd in [
        r#"{"Allow":true}"#,
        r#"{"allow":null}"#,
        r#"{"allow":"true"}"#,
        r#"{"allow":1}"#,
        "",
        "[]",
        "null",
        "{}",
        r#"{"allow":true}x"#,
        r#"{"allow":true,"allow":true}"#,
        "\u{feff}{\"allow\":true}",
    ] {
        check(odd, "invalid");
    }
    check_as(
        Answers::OpenIm,
        204,
        r#"{"allow":true}"#,
        "http_status",
        None,
    );
    check_as(
        Answers::OpenIm,
        500,
        r#"{"allow":true}"#,
        "http_status",
        None,
    );
}

#[test]
fn a_key_too_many_is_no_answer_unless_the_meaning_counts() {
    let extra = std::str::from_utf8(fixture!(
        "msg.before_send.invalid-extra-field.response.json"
    ));
    let extra = extra.unwrap();
    let warning = Some(AnswerWarning::ExtraKey);
    check_as(Answers::OpenIm, 200, extra, "invalid", warning);
    check_as(Answers::Strict, 200, extra, "invalid", warning);
    check_as(Answers::Intent, 200, extra, "block 200", warning);
}

#[test]
fn our_own_calls_are_read_back_as_they_were() {
    let bodies: [(&str, &[u8]); 6] = [
        ("msg.notify", fixture!("msg.notify.v1.2.6.request.json")),
        ("msg.notify", fixture!("msg.notify.v3.request.json")),
        ("msg.offline", fixture!("msg.offline.v3-gzip.request.json")),
        (
            "user.onlinestatus",
            fixture!("user.onlinestatus.request.json"),
        ),
        (
            "user.onlinestatus",
            fixture!("user.onlinestatus.dashed-uid.request.json"),
        ),
        ("msg.before_send", fixture!("msg.before_send.request.json")),
    ];
    let dialect = of(DialectId::WukongIm);
    for (name, body) in bodies {
        let sent = events(name, body);
        let outgoing = match dialect.request_batch("http://h/hook", &sent) {
            Some(outgoing) => outgoing,
            None => dialect.request("http://h/hook", &sent[0], None),
        };
        assert_eq!(outgoing.url, format!("http://h/hook?event={name}"));
        assert_eq!(outgoing.body, body, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        event in proptest::sample::select(vec![
            "msg.notify", "msg.offline", "user.onlinestatus", "msg.before_send", "", "x",
        ]),
        body in damaged(),
    ) {
        let dialect = of(DialectId::WukongIm);
        let read = match decode(event, &body) {
            Ok(Decoded::Event(event)) => vec![*event],
            Ok(Decoded::Batch { hook, items, .. }) => items
                .into_iter()
                .filter_map(|item| dialect.decode_one(hook, "", item).ok())
                .collect(),
            Ok(Decoded::UnknownCommand { .. }) | Err(_) => Vec::new(),
        };
        for event in read {
            let values: Vec<_> = (0..event.texts.len()).map(|index| (index, "*".to_owned())).collect();
            let replacement = dialect.replace_texts(&event, &values);
            let changed = dialect.apply(&event, &replacement);
            let _ = dialect.request("http://h/", &changed, Some(&replacement));
            let stored = event.body.clone().unwrap();
            let again = dialect.decode_one(event.hook, "", stored).unwrap();
            prop_assert_eq!(again.natural_id, event.natural_id);
        }
    }

    #[test]
    fn any_answer_is_read(body in damaged(), status in 100..600u16) {
        let event = before_send();
        for answers in Answers::ALL {
            let _ = of(DialectId::WukongIm).read_answer(&event, status, &body, answers.into());
        }
    }
}

/// Recorded bytes with a few of them changed, removed or repeated.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    damaged_of(proptest::sample::select(vec![
        fixture!("msg.notify.v1.2.6.request.json"),
        fixture!("msg.offline.v3-gzip.request.json"),
        fixture!("msg.before_send.request.json"),
        fixture!("msg.before_send.replace.response.json"),
        fixture!("user.onlinestatus.dashed-uid.request.json"),
    ]))
}
