//! Properties over random bytes and over recorded calls with random damage.

use bytes::Bytes;
use proptest::prelude::*;

use crate::decision::{Answer, Outcome, Verdict};
use crate::dialect::document::json;
use crate::dialect::{Answers, Call, Decoded, Form, Head, info, of};
use crate::event::{DialectId, Document, Event};

use super::damage::damaged_of;
use super::fixtures;
use super::{OPENIM, decision, direct, masked};

/// Recorded requests or answers.
fn recorded(kind: &'static str) -> impl Strategy<Value = &'static [u8]> {
    let files: Vec<_> = fixtures::all()
        .filter(|(name, _)| name.contains(kind))
        .map(|(_, bytes)| bytes)
        .collect();
    proptest::sample::select(files)
}

fn damaged(kind: &'static str) -> impl Strategy<Value = Vec<u8>> {
    damaged_of(recorded(kind))
}

fn decoded(body: &[u8]) -> Option<Event> {
    let decode = |route| {
        of(route).decode(&Call {
            head: Head::at("", ""),
            body: Bytes::copy_from_slice(body),
        })
    };
    match decode(DialectId::OpenIm) {
        Ok(Decoded::Event(event)) => Some(*event),
        _ => None,
    }
}

/// Everything that is done with an event, on one that may be strange.
fn use_event(event: &Event) {
    let dialect = of(event.dialect);
    let replacement = masked(event);
    let shown = dialect.apply(event, &replacement);
    assert_eq!(shown.texts.len(), event.texts.len());
    for verdict in [
        Verdict::Allow,
        Verdict::Replace(replacement.clone()),
        super::block(),
    ] {
        let reply = dialect.reply(event, &decision(verdict));
        json::Object::parse(std::str::from_utf8(&reply.body).unwrap()).unwrap();
    }
    for endpoint in OPENIM {
        let outgoing = of(endpoint).request("http://h", event, Some(&replacement));
        json::Object::parse(std::str::from_utf8(&outgoing.body).unwrap()).unwrap();
    }
}

/// Content with texts in every place, spelt in every way.
fn content() -> impl Strategy<Value = (i32, String)> {
    let literal = prop_oneof![
        "\"[ a-z<>&*中😀@]{0,8}\"",
        Just(r#""\u0064amn \ud83d\ude00 \ud800""#.to_owned()),
        Just(r#""{\"a\":\"damn\",\"b\":[\"{\\\"c\\\":\\\"damn\\\"}\"]}""#.to_owned()),
        Just("null".to_owned()),
        Just("1.0".to_owned()),
    ];
    let key = prop::sample::select(vec![
        "content",
        "text",
        "TEXT",
        "title",
        "data",
        "description",
        "quoteMessage",
        "textElem",
        "multiMessage",
        "abstractList",
        "atUserList",
        "messageEntityList",
        "x",
        "mergeElem",
    ]);
    let object = |members: Vec<(&str, String)>| {
        let members = members
            .iter()
            .map(|(key, value)| format!("\"{key}\" :{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    };
    let keys = key.clone();
    let value = literal.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            proptest::collection::vec((keys.clone(), inner), 0..4).prop_map(object),
        ]
    });
    let types = prop::sample::select(vec![101, 106, 107, 110, 114, 117, 999]);
    let whole = proptest::collection::vec((key, value), 0..5).prop_map(object);
    (types, whole)
}

/// The document with the decoded value of every changed literal cut out.
fn without(document: &str, event: &Event) -> Vec<String> {
    let mut rest = Vec::new();
    let mut from = 0;
    let mut outermost: Vec<_> = event
        .texts
        .iter()
        .filter(|text| text.document == Document::Content)
        .filter_map(|text| text.literals.first().cloned())
        .collect();
    outermost.sort_by_key(|range| range.start);
    outermost.dedup();
    for range in outermost {
        rest.push(document[from..range.start].to_owned());
        from = range.end;
    }
    rest.push(document[from..].to_owned());
    rest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_survived(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        path in "\\PC{0,40}",
        query in "\\PC{0,40}",
    ) {
        for route in OPENIM {
            let _ = of(route).decode(&Call {
                head: Head::at(&path, &query),
                body: Bytes::from(body.clone()),
            });
            let reply = of(route).reply_without_event(None, &body, &decision(Verdict::Allow));
            prop_assert_eq!(reply.status, 200);
        }
    }

    #[test]
    fn damaged_requests_are_survived(body in damaged(".request.json")) {
        if let Some(event) = decoded(&body) {
            use_event(&event);
        }
    }

    #[test]
    fn damaged_answers_are_survived(
        request in recorded(".request.json"),
        answer in damaged(".response-"),
        status in prop::sample::select(vec![200u16, 500]),
        answers in prop::sample::select(Answers::ALL.to_vec()),
    ) {
        let event = decoded(request).unwrap();
        for endpoint in OPENIM {
            let reading = of(endpoint).read_answer(&event, status, &answer, answers.into());
            if let Outcome::Answer(Answer::Replace(replacement)) = reading.outcome {
                let dialect = of(event.dialect);
                let shown = dialect.apply(&event, &replacement);
                let body = shown.body.as_ref().unwrap();
                json::Object::parse(std::str::from_utf8(body).unwrap()).unwrap();
                let reply = dialect.reply(&event, &decision(Verdict::Replace(replacement)));
                json::Object::parse(std::str::from_utf8(&reply.body).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn random_content_is_survived(content_type in 95..125i32, content in "\\PC{0,60}") {
        let event = direct("beforeMsgModify", content_type, &content);
        use_event(&event);
    }

    #[test]
    fn replacing_no_text_changes_nothing((content_type, content) in content()) {
        let event = direct("beforeMsgModify", content_type, &content);
        let same: Vec<_> =
            event.texts.iter().map(|text| text.value.clone()).enumerate().collect();
        prop_assert!(of(event.dialect).replace_texts(&event, &same).is_empty());
        prop_assert!(of(event.dialect).replace_texts(&event, &[]).is_empty());
    }

    #[test]
    fn only_the_replaced_literals_change(
        (content_type, content) in content(),
        pick in any::<prop::sample::Index>(),
        new in "[ a-z\"\\\\<😀\n]{1,6}",
    ) {
        let event = direct("beforeMsgModify", content_type, &content);
        // The nickname comes first.
        let n_texts = event.texts.len() - 1;
        if n_texts > 0 {
            let index = 1 + pick.index(n_texts);
            let replacement = of(event.dialect).replace_texts(&event, &[(index, new.clone())]);
            let shown = of(event.dialect).apply(&event, &replacement);
            prop_assert_eq!(shown.texts.len(), event.texts.len());
            for (at, (before, after)) in event.texts.iter().zip(&shown.texts).enumerate() {
                let expected = if at == index { &new } else { &before.value };
                prop_assert_eq!(&after.value, expected);
            }
            let changed = replacement.content.as_ref().unwrap_or(&content);
            prop_assert_eq!(without(&content, &event), without(changed, &shown));
        }
    }

    #[test]
    fn texts_stand_where_they_say((content_type, content) in content()) {
        for text in direct("beforeMsgModify", content_type, &content).texts {
            let mut document = content.clone();
            for range in &text.literals {
                document = crate::dialect::document::literal::decode(&document[range.clone()]).into_owned();
            }
            if text.document == Document::Content {
                prop_assert_eq!(document, text.value);
            }
        }
    }
}

#[test]
fn every_message_hook_has_a_form() {
    for hook in of(DialectId::OpenIm).hooks() {
        let is_message = !matches!(info(hook.hook).form, Form::Plain);
        assert_eq!(hook.has_message(), is_message);
    }
}
