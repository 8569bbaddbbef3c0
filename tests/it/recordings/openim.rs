//! The recordings of OpenIM, over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use callgate::event::DialectId;

use super::{
    ARRIVED_WITHIN, Call, Delivered, OTHER_HEADERS, all_hooks, assert_canonical, recording,
};
use crate::harness::{Behaviour, Business, Request, http, wait_for};

/// After calls as they arrived, without the before calls.
pub fn told(business: &Business) -> Vec<Delivered> {
    let requests = business.requests();
    let is_after = |request: &&Request| {
        let command = request.json()["callbackCommand"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        command.contains("After")
    };
    requests
        .iter()
        .filter(is_after)
        .map(Delivered::of)
        .collect()
}

pub fn sorted(mut all: Vec<Delivered>) -> Vec<Delivered> {
    all.sort();
    all
}

fn by_conversation(calls: &[&Call]) -> BTreeMap<String, Vec<Delivered>> {
    let mut conversations: BTreeMap<String, Vec<Delivered>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.conversation().is_empty()) {
        let conversation = conversations.entry(call.conversation()).or_default();
        conversation.push(call.delivered());
    }
    conversations
}

/// Panics: a conversation's events came in another order than they were sent, repeats aside.
pub fn assert_in_order(sent: &[&Call], arrived: &[Delivered]) {
    for (conversation, sent) in by_conversation(sent) {
        let mut seen: Vec<&Delivered> = Vec::new();
        for one in arrived.iter().filter(|one| sent.contains(one)) {
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
        assert_eq!(seen, sent.iter().collect::<Vec<_>>(), "{conversation}");
    }
}

fn replay(name: &str) {
    let business = Business::start(Behaviour::allow());
    let callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let recorded = recording(name);
    let mut connection = http::Connection::open(callgate.http);
    for call in &recorded {
        assert_canonical(call, &call.post(&mut connection));
    }
    let after: Vec<&Call> = recorded.iter().filter(|call| !call.is_before()).collect();
    wait_for(name, ARRIVED_WITHIN, || {
        (told(&business).len() >= after.len()).then_some(())
    });
    let arrived = told(&business);
    assert_in_order(&after, &arrived);
    let sent = after.iter().map(|call| call.delivered()).collect();
    assert_eq!(sorted(arrived), sorted(sent));
    assert_headers(&business, &recorded);
    assert_asked(&business, &recorded);
}

/// Before calls reach the business server as they came, too.
fn assert_asked(business: &Business, recorded: &[Call]) {
    let before = recorded.iter().filter(|call| call.is_before());
    let before: Vec<Delivered> = before.map(Call::delivered).collect();
    let requests = business.requests();
    let asked = requests.iter().map(Delivered::of);
    let asked: Vec<Delivered> = asked.filter(|one| before.contains(one)).collect();
    assert_eq!(sorted(asked), sorted(before));
}

fn assert_headers(business: &Business, recorded: &[Call]) {
    let mut operations: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for call in recorded {
        let of_body = operations.entry(call.body.clone()).or_default();
        of_body.push(call.header("operationid"));
    }
    for request in business.requests() {
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert!(operations[&body].contains(&request.header("operationid")));
        let known = |name: &str| {
            OTHER_HEADERS.contains(&name) || ["content-type", "operationid"].contains(&name)
        };
        let unknown: Vec<_> = request.header_names().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn openim_main() {
    replay("openim-main");
}

#[test]
fn openim_patch_16() {
    replay("openim-3.8.3-patch.16");
}

/// Nothing that was acknowledged is lost; what was under way may come twice.
fn replay_with_a_kill(name: &str) {
    let business = Business::start(Behaviour::allow().after(Duration::from_millis(1)));
    let mut callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let recorded = recording(name);
    let (first, second) = recorded.split_at(recorded.len() / 2);
    for half in [first, second] {
        let mut connection = http::Connection::open(callgate.http);
        for call in half {
            assert_canonical(call, &call.post(&mut connection));
        }
        if std::ptr::eq(half, first) {
            callgate = callgate.kill().start();
        }
    }
    let after: Vec<&Call> = recorded.iter().filter(|call| !call.is_before()).collect();
    let sent: Vec<Delivered> = after.iter().map(|call| call.delivered()).collect();
    wait_for("every event", ARRIVED_WITHIN, || {
        let arrived = told(&business);
        sent.iter().all(|one| arrived.contains(one)).then_some(())
    });
    let arrived = told(&business);
    assert!(arrived.iter().all(|one| sent.contains(one)));
    assert_in_order(&after, &arrived);
}

#[test]
fn openim_main_with_a_kill_in_the_middle() {
    replay_with_a_kill("openim-main");
}

#[test]
fn openim_patch_16_with_a_kill_in_the_middle() {
    replay_with_a_kill("openim-3.8.3-patch.16");
}
