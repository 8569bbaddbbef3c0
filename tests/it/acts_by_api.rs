//! What the pages do, the API does: each form of theirs has its route, and what they alone had
//! before is repeated here by `curl`.

use std::collections::BTreeMap;
use std::process::Command;

use callgate::admin::doors::{self, Kind};
use serde_json::{Value, json};

use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

/// What a form of the pages does, and the route that does it too; `OWN` for what is about the
/// browser or the account of who is logged in, which no program is.
const FORMS: [(&str, &str); 26] = [
    ("/setup", OWN),
    ("/login", OWN),
    ("/logout", OWN),
    ("/account/password", OWN),
    ("/account/tokens", OWN),
    ("/account/tokens/remove", OWN),
    ("/account/sessions/end", OWN),
    ("/console/switch", OWN),
    (
        "/changes/{number}/rollback",
        "POST /api/v1/versions/{number}/rollback",
    ),
    ("/changes/force", "POST /api/v1/reload"),
    ("/trial/start", "POST /api/v1/trial/start"),
    ("/trial/end", "POST /api/v1/trial/end"),
    ("/trial/promotion", "POST /api/v1/trial/promote"),
    ("/doctor", "POST /api/v1/doctor"),
    ("/delivery/plans", "POST /api/v1/outbox/plans"),
    ("/delivery/plans/{id}", "POST /api/v1/plans/{id}/run"),
    ("/delivery/retry", "POST /api/v1/outbox/retries"),
    ("/try", "POST /api/v1/try"),
    ("/lists/{name}/save", "PATCH /api/v1/lists/{name}"),
    ("/lists/{name}/plans", "POST /api/v1/lists/{name}/plans"),
    ("/lists/{name}/plans/{id}", "POST /api/v1/plans/{id}/run"),
    ("/operators", "POST /api/v1/operators/invitations"),
    ("/operators/{name}/plans", "POST /api/v1/operators/plans"),
    (
        "/operators/{name}/plans/{id}",
        "POST /api/v1/plans/{id}/run",
    ),
    ("/tokens", "POST /api/v1/tokens"),
    ("/tokens/{id}/remove", "DELETE /api/v1/tokens/{id}"),
];
const OWN: &str = "its own";

#[test]
fn every_form_of_the_pages_has_its_route() {
    let table = doors::doors(true);
    let known: BTreeMap<&str, &str> = FORMS.into_iter().collect();
    let forms = table
        .iter()
        .filter(|door| door.kind == Kind::Page && door.method != "GET");
    for form in forms {
        let route = known.get(form.path);
        let route = route.unwrap_or_else(|| panic!("{} has no route of the API here", form.path));
        if *route == OWN {
            continue;
        }
        let mut doors = table.iter().filter(|door| door.kind == Kind::Api);
        let found = doors.find(|door| format!("{} {}", door.method, door.path) == *route);
        assert!(found.is_some(), "{}: there is no {route}", form.path);
    }
}

fn start() -> (Callgate, String) {
    let setup = Setup::new(
        "lists: {ads: {file: ads.txt, action: block}}\nhooks: {beforeSendSingleMsg: {}}\n",
    );
    setup.write("ads.txt", "vip\ncasino\n");
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = std::fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

/// What `curl` prints: the status, and the answer.
fn curl(
    callgate: &Callgate,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> (u16, String) {
    let mut order = Command::new("curl");
    order.args(["-sS", "-X", method, "-w", "\n%{http_code}"]);
    order.args(["-H", &format!("Authorization: Bearer {token}")]);
    if let Some(body) = body {
        order.args([
            "-H",
            "content-type: application/json",
            "-d",
            &body.to_string(),
        ]);
    }
    order.arg(format!("http://{}/api/v1{path}", callgate.admin));
    let output = order.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), answer.to_owned())
}

fn json_of(callgate: &Callgate, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = curl(callgate, token, method, path, Some(body));
    assert!(
        (200..300).contains(&status),
        "{method} {path}: {status} {answer}"
    );
    serde_json::from_str(&answer).unwrap()
}

fn get(callgate: &Callgate, token: &str, path: &str) -> Value {
    let (status, answer) = curl(callgate, token, "GET", path, None);
    assert_eq!(status, 200, "{path}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn a_text_is_tried_under_the_policy_in_force_and_under_an_earlier_one() {
    let (callgate, token) = start();
    let now = wait_for("the version on disk", PATIENCE, || {
        let number = get(&callgate, &token, "/versions")["items"][0]["number"].clone();
        number.is_u64().then_some(number)
    });
    callgate.setup().write("ads.txt", "nothing\ncasino\n");
    wait_for("the edit", PATIENCE, || {
        let tried = json_of(
            &callgate,
            &token,
            "POST",
            "/try",
            &json!({ "text": "a vip" }),
        );
        let matches = &tried["items"][0]["texts"][0]["matches"];
        matches.as_array().unwrap().is_empty().then_some(())
    });
    let then = json!({ "text": "a vip", "hook": "beforeSendSingleMsg", "version": now });
    let tried = json_of(&callgate, &token, "POST", "/try", &then);
    let found = &tried["items"][0]["texts"][0]["matches"][0];
    assert_eq!(
        (&found["list"], &found["entry"]),
        (&json!("ads"), &json!("vip")),
        "{tried}"
    );
    let bad = [
        (json!({ "text": "x", "hook": "noHook" }), "hook"),
        (json!({ "text": "x", "form": "noForm" }), "form"),
        (json!({ "text": "x", "version": 4_000_000 }), "version"),
        (json!({ "text": "{", "form": "openim" }), "text"),
    ];
    for (body, field) in bad {
        let (status, answer) = curl(&callgate, &token, "POST", "/try", Some(&body));
        let problem: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(status, 400, "{body}: {answer}");
        assert_eq!(problem["params"]["field"], field, "{answer}");
    }
}

#[test]
fn sessions_of_another_are_ended_by_a_plan_with_a_reason() {
    let (callgate, token) = start();
    let body = json!({ "name": "bob", "role": "viewer" });
    let invited = json_of(&callgate, &token, "POST", "/operators/invitations", &body);
    let cookie = crate::operators_api::follow(&callgate, invited["path"].as_str().unwrap(), "bob");
    let is_in = || {
        let path = format!("http://{}/api/v1/status", callgate.admin);
        let cookie = format!("Cookie: {cookie}");
        let args = [
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-H",
            &cookie,
            &path,
        ];
        let output = Command::new("curl").args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap() == "200"
    };
    assert!(is_in());
    let wanted = json!({ "name": "bob", "end_sessions": true });
    let plan = json_of(&callgate, &token, "POST", "/operators/plans", &wanted);
    assert_eq!(plan["summary"], "`bob`: 1 session ends", "{plan}");
    assert!(is_in());
    let run = format!("/plans/{}/run", plan["id"].as_str().unwrap());
    let (status, answer) = curl(&callgate, &token, "POST", &run, Some(&json!({ "why": "" })));
    assert_eq!(status, 400, "{answer}");
    json_of(
        &callgate,
        &token,
        "POST",
        &run,
        &json!({ "why": "a lost laptop" }),
    );
    assert!(!is_in());
    let audit = get(&callgate, &token, "/audit?act=session.end");
    assert_eq!(audit["items"][0]["result"], "done", "{audit}");
    assert_eq!(audit["items"][1]["why"], "a lost laptop", "{audit}");
}

#[test]
fn the_audit_is_exported_line_by_line_and_that_is_on_record() {
    let (callgate, token) = start();
    for number in 0..5 {
        let body = json!({ "user": format!("u{number}"), "reason": "asked for" });
        json_of(&callgate, &token, "POST", "/history/forget", &body);
    }
    let path = "/audit.ndjson?act=history.forget&result=begun";
    let (status, text) = curl(&callgate, &token, "GET", path, None);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((status, lines.len()), (200, 5), "{text}");
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| line["number"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.is_sorted_by(|one, other| one > other),
        "{numbers:?}"
    );
    let exported = get(&callgate, &token, "/audit?act=audit.export");
    assert_eq!(exported["items"].as_array().unwrap().len(), 1, "{exported}");
}
