//! Every type of content in every hook that it can come through: no typed word is overlooked, what
//! can be masked is masked, and what cannot leads to what the hook says.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::{Call, Decoded, Head};
use crate::event::{DialectId, Moment};

const RECORDED: [&str; 2] = [
    include_str!("../../../tests/fixtures/recorded/openim-main.jsonl"),
    include_str!("../../../tests/fixtures/recorded/openim-3.8.3-patch.16.jsonl"),
];

/// Where people write in each type; `W` is the word. The second of a pair is content that is
/// written by the sender of a quoted or forwarded message.
const ELEMENTS: &[(i32, &str)] = &[
    (101, r#"{"content":"W"}"#),
    (101, "W"),
    (105, r#"{"fileName":"W"}"#),
    (106, r#"{"text":"W","atUserList":[],"isAtSelf":false}"#),
    (
        106,
        r#"{"text":"","atUsersInfo":[{"atUserID":"u","groupNickname":"W"}]}"#,
    ),
    (
        106,
        r#"{"text":"","quoteMessage":{"textElem":{"content":"W"}}}"#,
    ),
    (107, r#"{"title":"W","abstractList":[],"multiMessage":[]}"#),
    (
        107,
        r#"{"title":"","abstractList":["W"],"multiMessage":[]}"#,
    ),
    (
        107,
        r#"{"title":"","abstractList":[],"multiMessage":[{"textElem":{"content":"W"}}]}"#,
    ),
    (
        107,
        r#"{"title":"","multiMessage":[{"senderNickname":"W","contentType":102}]}"#,
    ),
    (108, r#"{"userID":"u","nickname":"W","faceURL":"","ex":""}"#),
    (
        108,
        r#"{"userID":"u","nickname":"","faceURL":"","ex":"{\"note\":\"W\"}"}"#,
    ),
    (109, r#"{"description":"W","longitude":1.0,"latitude":2.0}"#),
    (109, r#"{"description":"{\"name\":\"W\"}"}"#),
    (110, r#"{"data":"W","description":"","extension":""}"#),
    (110, r#"{"data":"{\"a\":[\"W\"]}"}"#),
    (110, r#"{"description":"W"}"#),
    (110, r#"{"extension":"W"}"#),
    (113, r#"{"msgTips":"W"}"#),
    (114, r#"{"text":"W","quoteMessage":{}}"#),
    (
        114,
        r#"{"text":"","quoteMessage":{"atTextElem":{"text":"W"}}}"#,
    ),
    (115, r#"{"index":1,"data":"W"}"#),
    (117, r#"{"text":"W","messageEntityList":[]}"#),
    (118, r#"{"content":"W"}"#),
    (119, r#"{"data":"W"}"#),
    (120, r#"{"data":"","content":"W"}"#),
    (123, r#"{"whatever":"W"}"#),
    (200, r#"{"operatorID":"W"}"#),
    (201, "W"),
    (203, r#"{"a":{"b":["W"]}}"#),
    (1200, "W"),
    (1400, r#"{"detail":"{\"text\":\"W\"}"}"#),
    (1400, r#"{"text":"W"}"#),
    (1701, r#"["W"]"#),
    (2101, "W"),
    (4999, r#""W""#),
    (5001, r#"{"x":"W"}"#),
];

/// A recorded request of each before hook with a message, by hook.
fn requests() -> BTreeMap<&'static str, Value> {
    let mut requests = BTreeMap::new();
    for line in RECORDED.iter().flat_map(|file| file.lines()) {
        let call: Value = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(call["body"].as_str().unwrap()).unwrap();
        let command = body["callbackCommand"].as_str().unwrap();
        let mut hooks = dialect::of(DialectId::OpenIm).hooks().iter();
        let info = hooks.find(|info| info.command == command).unwrap();
        if info.hook.moment == Moment::Before && info.has_message() {
            requests.entry(info.hook.name).or_insert(body);
        }
    }
    requests
}

fn event_of(dialect: DialectId, path: &str, query: &str, body: String) -> Event {
    let call = Call {
        head: Head::at(path, query),
        body: Bytes::from(body),
    };
    match dialect::of(dialect).decode(&call) {
        Ok(Decoded::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

/// Each hook with each element, and what the element is with the word masked.
fn each(mut look: impl FnMut(&str, Event, &str)) {
    let requests = requests();
    assert_eq!(requests.len(), 6, "{:?}", requests.keys());
    for (hook, request) in &requests {
        for (kind, element) in ELEMENTS {
            let mut body = request.clone();
            body["contentType"] = json!(kind);
            body["content"] = json!(element.replace('W', "badword"));
            if body.get("senderNickname").is_some() {
                body["senderNickname"] = json!("");
            }
            let path = dialect::info(dialect::hook(hook).unwrap()).command;
            let event = event_of(DialectId::OpenIm, path, "", body.to_string());
            look(hook, event, &element.replace('W', "*******"));
        }
    }
    let payloads = [
        r#"{"type":1,"content":"W"}"#,
        r#"{"type":2,"url":"u","name":"W"}"#,
        r#"{"type":1,"content":"","reply":{"payload":{"content":"W"}}}"#,
        r#"{"type":99,"a":{"b":["W"]}}"#,
        "W",
    ];
    for payload in payloads {
        let packed = STANDARD.encode(payload.replace('W', "badword"));
        let body = json!({
            "from_uid": "a", "channel_id": "g", "channel_type": 2, "client_msg_no": "c",
            "payload": packed, "no_persist": false, "sync_once": false,
        });
        let query = "event=msg.before_send";
        let event = event_of(DialectId::WukongIm, "", query, body.to_string());
        look(
            "wukongim.msg.before_send",
            event,
            &payload.replace('W', "*******"),
        );
    }
}

fn policy(action: &str, filters: &str, hook_says: &str) -> Snapshot {
    let hooks: String = requests()
        .keys()
        .chain(&["wukongim.msg.before_send"])
        .map(|hook| {
            let endpoint = if hook.starts_with("wukongim") {
                "w"
            } else {
                "b"
            };
            format!("  {hook}: {{endpoint: {endpoint}{hook_says}}}\n")
        })
        .collect();
    snapshot(&format!(
        "endpoints: {{b: {{url: http://b}}, w: {{url: http://w, dialect: wukongim}}}}\n\
         lists: {{bad: {{words: [badword], action: {action}}}}}\nfilters: {{{filters}}}\nhooks:\n{hooks}"
    ))
}

#[test]
fn no_type_hides_a_word_in_any_hook() {
    let snapshot = policy("block", "", "");
    each(|hook, event, _| {
        let words = in_words(&decide(&snapshot, &event));
        let content = event.message.as_ref().map(|message| &message.content);
        assert!(
            words.starts_with("block 20001"),
            "{hook} {words} {content:?}"
        );
    });
}

/// Where the answer carries a new content, the word is masked in it; elsewhere it is refused.
#[test]
fn a_word_is_masked_wherever_the_answer_carries_it() {
    let snapshot = policy("replace", "", "");
    let mut masked_in: BTreeMap<String, usize> = BTreeMap::new();
    each(|hook, event, masked| {
        let decision = decide(&snapshot, &event);
        if event.can.replace && event.texts.iter().all(|text| text.replaceable) {
            let Verdict::Replace(replacement) = &decision.verdict else {
                panic!("{hook} {masked} {}", in_words(&decision));
            };
            assert_eq!(replacement.content.as_deref(), Some(masked), "{hook}");
            *masked_in.entry(hook.to_owned()).or_default() += 1;
        } else {
            assert!(in_words(&decision).starts_with("block"), "{hook} {masked}");
        }
    });
    assert_eq!(masked_in["beforeMsgModify"], ELEMENTS.len());
    assert_eq!(masked_in.len(), 2, "{masked_in:?}");
}

/// One setting for each hook says what a word leads to that cannot be masked.
#[test]
fn what_cannot_be_masked_leads_to_what_the_hook_says_in_every_type() {
    for (says, passes) in [("block", false), ("allow", true), ("flag", true)] {
        for filters in ["", "replace_in_send_hook: defer, defer_types: [101]"] {
            let snapshot = policy("replace", filters, &format!(", cannot_replace: {says}"));
            each(|hook, event, masked| {
                let decision = decide(&snapshot, &event);
                let kind = event.message.as_ref().map(|message| message.content_type);
                let is_deferred =
                    event.can.replace_later && kind == Some(101) && !filters.is_empty();
                let expected = match &decision.verdict {
                    Verdict::Replace(_) => event.can.replace,
                    Verdict::Allow => passes || is_deferred,
                    Verdict::Block(_) => !passes && !is_deferred,
                    Verdict::Reply(_) => false,
                };
                assert!(expected, "{hook} {says} {masked} {}", in_words(&decision));
                let reported = decision.hits.first().map(|hit| hit.action.name());
                if !event.can.replace && !is_deferred {
                    let wanted = match says {
                        "block" => Some("replace"),
                        "flag" => Some("flag"),
                        _ => None,
                    };
                    assert_eq!(reported, wanted, "{hook} {says} {masked}");
                }
            });
        }
    }
}

/// What a filter will mask is what the endpoint sees, in the send hooks too.
#[test]
fn a_deferred_word_is_masked_for_the_endpoint_in_every_type() {
    let filters = "replace_in_send_hook: defer, defer_types: all";
    let snapshot = policy("replace", filters, "");
    let mut seen = 0;
    each(|hook, event, masked| {
        if !event.can.replace_later {
            return;
        }
        let mut step = snapshot.begin(&event);
        if let Step::Scan(scan) = step {
            let found = scan.run(&mut Scratch::default());
            step = scan.resume(&found);
        }
        let Step::Ask(ask) = step else {
            panic!("{hook} {masked}");
        };
        let request = dialect::of(DialectId::OpenIm).request("http://b", &event, ask.replacement());
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["content"], masked, "{hook}");
        let decision = match ask.resume(Outcome::Answer(Answer::Allow)) {
            Step::Settled(decision) => decision,
            other => panic!("{other:?}"),
        };
        assert_eq!(in_words(&decision), "allow", "{hook} {masked}");
        seen += 1;
    });
    assert_eq!(seen, 2 * ELEMENTS.len());
}
