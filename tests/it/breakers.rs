//! What closes the door to a business server, and what does not: one sender, one broken handler.

use std::time::Duration;

use callgate::proto::v1;

use crate::harness::calls::{self, GROUP, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Request, http, wait_for};
use crate::outbox_delivery::{AFTER, accept};

const BREAKER: &str = "breaker: {failures: 3, calls_min: 6, open: 1m}";

fn start(business: &Business, settings: &str) -> Callgate {
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", {settings}}}}}\nhooks:\n  {SINGLE}: {{endpoint: business}}\n  {GROUP}: {{endpoint: business}}\n  {AFTER}: {{endpoint: business}}\n  afterSendGroupMsg: {{endpoint: business}}\n",
        business.url()
    );
    Callgate::start(&policy)
}

fn failure(answer: &http::Answer) -> String {
    answer.header("x-callgate-failure").to_owned()
}

fn is_from(request: &Request, sender: &str) -> bool {
    request.json()["sendID"] == sender
}

/// 240 messages of others among 240 of one whose messages the server cannot bear.
#[test]
fn one_sender_closes_the_door_for_nobody() {
    let business = Business::choosing(|request| match is_from(request, "bad") {
        true => Behaviour::status(500, ""),
        false => Behaviour::block(),
    });
    let callgate = start(&business, BREAKER);
    for number in 0..240 {
        assert_eq!(
            failure(&callgate.call_from("bad", SINGLE, "hello")),
            "http_status"
        );
        if number % 4 == 0 {
            let sender = format!("good{}", number % 16);
            let answer = callgate.call_from(&sender, SINGLE, "hello");
            assert_eq!(answer.json()["errCode"], 20123, "message {number}");
        }
    }
    let status = callgate.status();
    assert_eq!(status["endpoints"][0]["breaker"], "closed");
}

/// Nor does such a sender keep it closed after an outage.
#[test]
fn one_sender_alone_does_not_spoil_the_trial() {
    let business = Business::start(Behaviour::status(500, ""));
    let settings = "breaker: {failures: 3, open: 200ms, open_max: 1m, probes: 1}";
    let callgate = start(&business, settings);
    for sender in ["u1", "u2", "u3"] {
        callgate.call_from(sender, SINGLE, "hello");
    }
    assert_eq!(callgate.status()["endpoints"][0]["breaker"], "open");
    let address = business.address;
    drop(business);
    let _business = Business::start_choosing_at(address, |request| match is_from(request, "bad") {
        true => Behaviour::status(500, ""),
        false => Behaviour::block(),
    });
    wait_for("the bad sender's trial", PATIENCE, || {
        let answer = callgate.call_from("bad", SINGLE, "hello");
        (failure(&answer) == "http_status").then_some(())
    });
    let again = failure(&callgate.call_from("bad", SINGLE, "hello"));
    assert_eq!(again, "breaker_open");
    let answer = callgate.call_from("good", SINGLE, "hello");
    assert_eq!(answer.json()["errCode"], 20123);
    assert_eq!(callgate.status()["endpoints"][0]["breaker"], "closed");
}

/// A handler that fails is left alone, and the others of the same server are called.
#[test]
fn a_broken_handler_costs_the_other_hooks_nothing() {
    let business = Business::choosing(|request| match request.path.contains("Group") {
        true => Behaviour::status(500, ""),
        false => Behaviour::block(),
    });
    let callgate = start(&business, BREAKER);
    for number in 0..20 {
        let sender = format!("u{number}");
        let group = failure(&callgate.call_from(&sender, GROUP, "hello"));
        let expected = if number < 3 {
            "http_status"
        } else {
            "breaker_open"
        };
        assert_eq!(group, expected, "{number}");
        let single = callgate.call_from(&sender, SINGLE, "hello");
        assert_eq!(single.json()["errCode"], 20123, "{number}");
    }
    let endpoint = callgate.status()["endpoints"][0].take();
    assert_eq!(
        endpoint["hook_breakers"],
        serde_json::json!({ GROUP: "open" })
    );
}

/// A server that nobody can connect to is known to calls from the first delivery on, and once it
/// answers one side the other goes on at once, whatever `open` says.
#[test]
fn both_sides_know_what_one_has_learnt() {
    let business = Business::start(Behaviour::allow());
    let settings = "breaker: {failures: 3, open: 1s, open_max: 1h}, retry_waits: [50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms]";
    let callgate = start(&business, settings);
    let address = business.address;
    drop(business);
    accept(&callgate, &["a", "b", "c", "d"]);
    wait_for("the delivery's breaker", PATIENCE, || {
        let endpoint = callgate.status()["endpoints"][0].take();
        (endpoint["delivery_breaker"] == "open" && endpoint["breaker"] == "open").then_some(())
    });
    let refused = failure(&callgate.call_from("u1", SINGLE, "hello"));
    assert_eq!(refused, "breaker_open");
    let _business = Business::start_at(address, Behaviour::allow());
    wait_for("an answer", PATIENCE, || {
        (failure(&callgate.call_from("u1", SINGLE, "hello")).is_empty()).then_some(())
    });
    wait_for("all four events", Duration::from_secs(15), || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        (books["delivered"] == 4).then_some(())
    });
}

/// The answer to a refused connection counts, whoever sends: there is nothing to blame a message for.
#[test]
fn connections_that_are_refused_count_for_one_sender_too() {
    let business = Business::start(Behaviour::allow());
    let callgate = start(&business, BREAKER);
    drop(business);
    let grpc = callgate.grpc();
    let class = || grpc.before(calls::request(SINGLE, "hello")).failure();
    let classes = [class(), class(), class(), class()];
    let refused = v1::FailureClass::Connect;
    assert_eq!(
        classes,
        [refused, refused, refused, v1::FailureClass::BreakerOpen]
    );
}
