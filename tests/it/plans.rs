//! Dangerous acts over the JSON API: nothing is done that was not said before.

use std::fs;

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::http::Answer;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, calls, wait_for};

const AFTER: &str = "afterSendSingleMsg";

/// A server with so many dead events, the business server that refused them, and the token of the
/// command line.
fn with_dead(count: usize) -> (Callgate, Business, String) {
    let business = Business::start(Behaviour::status(503, "try later"));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", breaker: {{failures: 10000, calls_min: 10000}}, retry_waits: [50ms]}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);

    die(&callgate, 0..count);
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, business, token)
}

/// Accepts events of these numbers, and waits until they are dead.
fn die(callgate: &Callgate, numbers: std::ops::Range<usize>) {
    let end = numbers.end;
    let events = numbers.map(|number| calls::after_event(AFTER, "hello", &format!("m{number}")));
    callgate.grpc().after(events.collect()).unwrap();
    wait_for("the dead", PATIENCE, || {
        (books(callgate)["dead"] == end).then_some(())
    });
}

fn books(callgate: &Callgate) -> Value {
    callgate.status()["outbox"]["endpoints"]["business"].take()
}

fn post(callgate: &Callgate, token: &str, path: &str, body: &Value) -> Answer {
    let asked = format!("POST /api/v1{path}");
    call(callgate, token, &asked, "", &body.to_string())
}

fn plan(callgate: &Callgate, token: &str, body: &Value) -> Value {
    let answer = post(callgate, token, "/outbox/plans", body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn operators(callgate: &Callgate, args: &[&str]) -> String {
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let args = [&["operators"], args, &["--server", &server]].concat();
    let output = callgate.setup().run(&args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn only_what_was_planned_is_discarded_and_once() {
    let (callgate, _business, token) = with_dead(103);
    let planned = plan(&callgate, &token, &json!({ "act": "discard" }));
    let summary = planned["summary"].as_str().unwrap();
    let begins = "discard 103 dead events for `business`, the oldest ";
    assert!(summary.starts_with(begins), "{planned}");
    assert_eq!(planned["rows"], 103);
    assert_eq!(planned["confirm"], "business");
    assert_eq!(planned["facts"]["endpoints"][0]["endpoint"], "business");
    assert_eq!(books(&callgate)["dead"], 103);
    // What dies now was not in it.
    die(&callgate, 103..105);
    let run = format!("/plans/{}/run", planned["id"].as_str().unwrap());
    let check = |body: Value, status: u16, code: &str| {
        let answer = post(&callgate, &token, &run, &body);
        assert_eq!(
            problem(&answer),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
    };
    check(json!({}), 400, "invalid");
    check(json!({ "why": " " }), 400, "why_missing");
    check(json!({ "why": "two\nlines" }), 400, "why_missing");
    check(json!({ "why": "gone" }), 400, "name_missing");
    check(
        json!({ "why": "gone", "name": "Business" }),
        400,
        "name_missing",
    );
    assert_eq!(books(&callgate)["dead"], 105);
    let good = json!({ "why": "gone for good", "name": "business" });
    let mut answer = post(&callgate, &token, &run, &good);
    let seen = format!("/api/v1/plans/{}", planned["id"].as_str().unwrap());
    wait_for("the end", PATIENCE, || {
        if answer.json()["state"] != "done" {
            answer = get(&callgate, &token, &seen);
        }
        (answer.json()["state"] == "done").then_some(())
    });
    assert_eq!(answer.json()["done"], 103, "{}", answer.text());
    assert_eq!(books(&callgate)["dead"], 2);
    assert_eq!(books(&callgate)["discarded"], 103);
    check(good, 409, "conflict");
    let listed = callgate.setup().run(&["audit", "list", "--json"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let records: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |act: &str, result: &str| {
        let found = records
            .iter()
            .filter(|one| one["act"] == act && one["result"] == result);
        found.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("plan.make", "done").len(), 1, "{listed}");
    let discarded = of("outbox.discard", "done");
    assert_eq!(discarded.len(), 1, "{listed}");
    assert_eq!(discarded[0]["why"], "gone for good");
    assert_eq!(discarded[0]["details"]["plan"], planned["id"]);
    assert_eq!(discarded[0]["counts"]["events"], 103);
}

#[test]
fn a_plan_is_its_makers_own_and_takes_his_role() {
    let (callgate, business, token) = with_dead(3);
    let one = operators(&callgate, &["token", "one", "--role", "operator"]);
    let other = operators(&callgate, &["token", "other", "--role", "operator"]);
    let viewer = operators(&callgate, &["token", "viewer", "--role", "viewer"]);
    let refused = post(
        &callgate,
        &viewer,
        "/outbox/plans",
        &json!({ "act": "replay" }),
    );
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let planned = plan(&callgate, &one, &json!({ "act": "replay" }));
    assert_eq!(planned["confirm"], Value::Null);
    let id = planned["id"].as_str().unwrap();
    let run = format!("/plans/{id}/run");
    let why = json!({ "why": "it answers again" });
    for stranger in [&other, &token] {
        let refused = post(&callgate, stranger, &run, &why);
        assert_eq!(problem(&refused), (404, "not_found".to_owned()));
        let refused = get(&callgate, stranger, &format!("/api/v1/plans/{id}"));
        assert_eq!(problem(&refused), (404, "not_found".to_owned()));
    }
    let refused = post(&callgate, &viewer, &run, &why);
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    assert_eq!(books(&callgate)["dead"], 3);
    business.set(Behaviour::allow());
    assert_eq!(post(&callgate, &one, &run, &why).status, 200);
    wait_for("the delivery", PATIENCE, || {
        (books(&callgate)["delivered"] == 3).then_some(())
    });
}

#[test]
fn slips_of_the_pen_plan_nothing() {
    let (callgate, _business, token) = with_dead(1);
    let check = |body: Value, status: u16, code: &str, words: &str| {
        let answer = post(&callgate, &token, "/outbox/plans", &body);
        assert_eq!(
            problem(&answer),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains(words), "{}", answer.text());
    };
    check(
        json!({ "act": "repaly" }),
        400,
        "invalid",
        "did you mean `replay`?",
    );
    check(json!({}), 400, "invalid", "`act` is missing");
    check(json!({ "act": 7 }), 400, "invalid", "`act` must be a text");
    check(
        json!({ "act": "replay", "endpoint": "busines" }),
        400,
        "invalid",
        "did you mean",
    );
    check(
        json!({ "act": "replay", "endpiont": "x" }),
        400,
        "unknown_field",
        "did you mean",
    );
    check(
        json!({ "act": "replay", "id": "nobody" }),
        409,
        "conflict",
        "no such events",
    );
    check(
        json!({ "act": "discard_pending" }),
        400,
        "invalid",
        "name the endpoint",
    );
    let nothing = json!({ "act": "discard_pending", "endpoint": "business" });
    check(nothing, 409, "conflict", "no such events");
    for body in ["", "[]", "{", "\"x\"", "{\"act\":\"replay\"} {}"] {
        let answer = call(&callgate, &token, "POST /api/v1/outbox/plans", "", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    assert_eq!(books(&callgate)["dead"], 1);
}

/// No spelling of a path with a name in it leads past the check, or to another plan.
#[test]
fn hostile_paths_of_a_plan_lead_nowhere() {
    let (callgate, _business, token) = with_dead(1);
    let planned = plan(&callgate, &token, &json!({ "act": "discard" }));
    let id = planned["id"].as_str().unwrap();
    let long = "x".repeat(4000);
    let escaped: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for (path, status) in [
        (format!("/api/v1/plans/{id}"), 200),
        // The same name in other letters is the same plan, judged as such.
        (format!("/api/v1/plans/{escaped}"), 200),
        (format!("/api/v1/plans/{id}/"), 404),
        (format!("/api/v1/plans//{id}"), 404),
        (format!("//api/v1/plans/{id}"), 404),
        (format!("/api/v1/plans/./{id}"), 404),
        (format!("/api/v1/plans/x/../{id}"), 404),
        (format!("/api/v1/plans/x%2F..%2F{id}"), 404),
        (format!("/api/v1/plans/%2e%2e/plans/{id}"), 404),
        (format!("/api/v1/plans%2F{id}"), 404),
        (format!("/api/v1/plans/{id}%00"), 404),
        (format!("/api/v1/plans/{id}%2F"), 404),
        (format!("/api/v1/plans/{id};x"), 404),
        (format!("/api/v1/plans/{long}"), 404),
        ("/api/v1/plans/".to_owned(), 404),
        ("/api/v1/plans/%".to_owned(), 404),
        ("/api/v1/plans/%ff".to_owned(), 404),
        (format!("/api/v1/plans/{id}/run"), 405),
    ] {
        for (token, unknown) in [(token.as_str(), false), ("no-token-of-anybody", true)] {
            let answer = get(&callgate, token, &path);
            // Who is not known is told nothing of what there is; but for the method.
            let expected = if unknown && status != 405 {
                401
            } else {
                status
            };
            assert_eq!(
                answer.status,
                expected,
                "{path} {unknown}: {}",
                answer.text()
            );
        }
    }
    assert_eq!(books(&callgate)["dead"], 1);
}

#[test]
fn a_few_events_are_replayed_by_id_and_once_for_a_key() {
    let (callgate, business, token) = with_dead(3);
    let dead = get(&callgate, &token, "/api/v1/outbox/dead").json();
    let id = dead["items"][1]["id"].as_str().unwrap();
    let check = |body: Value, status: u16, code: &str| {
        let answer = post(&callgate, &token, "/replays", &body);
        assert_eq!(
            problem(&answer),
            (status, code.to_owned()),
            "{}",
            answer.text()
        );
    };
    check(json!({ "ids": [], "why": "x" }), 400, "invalid");
    check(json!({ "ids": [""], "why": "x" }), 400, "invalid");
    check(json!({ "ids": vec!["a"; 11], "why": "x" }), 400, "invalid");
    check(json!({ "ids": [id] }), 400, "invalid");
    check(json!({ "ids": [id], "why": "" }), 400, "why_missing");
    let dry = json!({ "ids": [id, "nobody"], "why": "x", "dry_run": true });
    assert_eq!(
        post(&callgate, &token, "/replays", &dry).json()["replayed"],
        1
    );
    assert_eq!(books(&callgate)["dead"], 3);
    business.set(Behaviour::allow());
    let body = json!({ "ids": [id], "why": "x" }).to_string();
    let key = "Idempotency-Key: k1\r\n";
    let asked = "POST /api/v1/replays";
    let first = call(&callgate, &token, asked, key, &body);
    assert_eq!((first.status, &first.json()["replayed"]), (200, &json!(1)));
    let again = call(&callgate, &token, asked, key, &body);
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = call(&callgate, &token, asked, key, &dry.to_string());
    assert_eq!(problem(&other), (422, "key_reused".to_owned()));
    wait_for("the delivery", PATIENCE, || {
        (books(&callgate)["delivered"] == 1).then_some(())
    });
    let without = call(&callgate, &token, asked, "", &body);
    assert_eq!(without.json()["replayed"], 0);
}
