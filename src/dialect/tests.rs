//! OpenIM's two dialects against recorded calls and answers, and against random ones.

pub(in crate::dialect) mod damage;
mod fixtures;

mod answers;
mod calls;
mod content;
mod differential;
mod direct;
mod random;
mod recorded;
mod refused;
mod replies;
mod requests;

use bytes::Bytes;
use serde_json::Value;

use crate::decision::{
    Answer, Decider, Decision, FailureClass, Outcome, Refusal, Replacement, Verdict,
};
use crate::event::{DialectId, Event, Message, Moment, Text, TextClass};

use super::document::texts::{Search, find_texts};
use super::openim::texts::search;
use super::*;
use fixtures::{file, tree};

/// Both of OpenIM.
const OPENIM: [DialectId; 2] = [DialectId::OpenIm, DialectId::OpenImV2];

fn decode(dialect: DialectId, path: &str, body: &[u8]) -> Result<Decoded, Unreadable> {
    of(dialect).decode(&Call {
        head: Head::at(path, ""),
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
        why: String::new(),
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
        ..Replacement::default()
    }
}

fn reply_to(request: &str, verdict: Verdict) -> String {
    let event = event(request);
    let reply = of(event.dialect).reply(&event, &decision(verdict));
    assert_eq!(
        (reply.status, reply.content_type),
        (200, "application/json")
    );
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// An event as it comes over gRPC.
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

/// URL and body of a call to an endpoint.
fn sent(event: &Event, to: DialectId, replacement: Option<&Replacement>) -> (String, String) {
    let outgoing = of(to).request("http://h/cb", event, replacement);
    (
        outgoing.url,
        String::from_utf8(outgoing.body.to_vec()).unwrap(),
    )
}

#[test]
fn every_hook_is_known_to_a_dialect() {
    for id in DialectId::ALL {
        assert_eq!(of(id).id(), id);
        for info in of(id).hooks() {
            assert_eq!(hook(info.hook.name), Some(info.hook));
            let waits = info.can_block() || info.can == Ability::Reply;
            assert_eq!(info.hook.moment == Moment::Before, waits);
        }
    }
    assert_eq!(of(DialectId::OpenIm).hooks().len(), 54);
    assert_eq!(of(DialectId::OpenImV2).hooks().len(), 5);
}
