//! Operators, tokens and the audit over the JSON API.

use serde_json::{Value, json};

use crate::api::{call, get, problem, start};
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, wait_for};

fn post(callgate: &Callgate, token: &str, path: &str, body: &Value) -> Answer {
    call(
        callgate,
        token,
        &format!("POST /api/v1{path}"),
        "",
        &body.to_string(),
    )
}

fn token(callgate: &Callgate, by: &str, role: &str, rights: &[&str]) -> String {
    let body = json!({ "name": "ci", "role": role, "rights": rights });
    let made = post(callgate, by, "/tokens", &body);
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

/// Follows a link, and is an operator.
pub fn follow(callgate: &Callgate, path: &str, name: &str) -> String {
    let code = path.split_once('#').unwrap().1;
    let form = format!("code={code}&name={name}&password=long-enough-{name}");
    let here = format!("127.0.0.1:{}", callgate.admin.port());
    let head = format!(
        "POST /setup HTTP/1.1\r\nHost: {here}\r\nOrigin: http://{here}\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = http::send(callgate.admin, head.as_bytes());
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn operators_are_invited_and_changed_by_a_plan() {
    let (callgate, cli) = start(&[]);
    let invite = |name: &str, role: &str| {
        post(
            &callgate,
            &cli,
            "/operators/invitations",
            &json!({ "name": name, "role": role }),
        )
    };
    assert_eq!(
        problem(&invite("b b", "viewer")),
        (400, "invalid".to_owned())
    );
    assert_eq!(problem(&invite("bob", "boss")), (400, "invalid".to_owned()));
    let invited = invite("bob", "viewer");
    assert_eq!(invited.status, 201, "{}", invited.text());
    let cookie = follow(&callgate, invited.json()["path"].as_str().unwrap(), "bob");
    let listed = get(&callgate, &cli, "/api/v1/operators").json();
    assert_eq!(listed["items"][0]["name"], "bob", "{listed}");
    assert_eq!(listed["items"][0]["role"], "viewer");
    let change = json!({ "name": "bob", "role": "operator", "rights": ["text"] });
    let planned = post(&callgate, &cli, "/operators/plans", &change).json();
    let summary =
        "`bob`: role operator instead of viewer, rights `text` instead of ``; 1 session ends";
    assert_eq!(planned["summary"], summary, "{planned}");
    let run = |plan: &Value| {
        let path = format!("/plans/{}/run", plan["id"].as_str().unwrap());
        post(&callgate, &cli, &path, &json!({ "why": "he is on call" }))
    };
    // Another change in between makes the plan one for what is not there any more.
    let off = post(
        &callgate,
        &cli,
        "/operators/plans",
        &json!({ "name": "bob", "disabled": true }),
    );
    assert_eq!(run(&off.json()).status, 200);
    assert_eq!(problem(&run(&planned)), (409, "conflict".to_owned()));
    let account = format!("GET /account HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    assert_eq!(http::send(callgate.admin, account.as_bytes()).status, 401);
    let again = post(
        &callgate,
        &cli,
        "/operators/plans",
        &json!({ "name": "bob", "disabled": true }),
    );
    assert_eq!(problem(&again), (409, "conflict".to_owned()));
    let unknown = post(
        &callgate,
        &cli,
        "/operators/plans",
        &json!({ "name": "eve", "role": "viewer" }),
    );
    assert_eq!(problem(&unknown), (404, "not_found".to_owned()));
    let why = get(
        &callgate,
        &cli,
        "/api/v1/audit?act=operator.set&result=done",
    )
    .json();
    assert_eq!(why["items"][0]["why"], "he is on call", "{why}");
}

#[test]
fn nobody_gives_away_more_than_he_has() {
    let (callgate, cli) = start(&[]);
    let operator = token(&callgate, &cli, "operator", &[]);
    let more = json!({ "name": "x", "role": "operator", "rights": ["text"] });
    let refused = post(&callgate, &operator, "/tokens", &more);
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let refused = post(&callgate, &operator, "/operators/invitations", &more);
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let moderator = token(&callgate, &operator, "moderator", &[]);
    let refused = get(&callgate, &moderator, "/api/v1/tokens");
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let listed = get(&callgate, &cli, "/api/v1/tokens").json();
    let ids: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids.len(), 2, "{listed}");
    assert!(!listed.to_string().contains("cg_"), "{listed}");
    for id in ids {
        let asked = format!("DELETE /api/v1/tokens/{}", id.as_str().unwrap());
        assert_eq!(call(&callgate, &cli, &asked, "", "").status, 200);
        assert_eq!(
            problem(&call(&callgate, &cli, &asked, "", "")),
            (404, "not_found".to_owned())
        );
    }
    assert_eq!(get(&callgate, &operator, "/api/v1/hooks").status, 401);
}

#[test]
fn the_audit_is_read_newest_first_by_who_may() {
    let (callgate, cli) = start(&[]);
    let auditor = token(&callgate, &cli, "viewer", &["audit"]);
    let viewer = token(&callgate, &cli, "viewer", &[]);
    let refused = get(&callgate, &viewer, "/api/v1/audit");
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    let whole = wait_for("the refusal on record", PATIENCE, || {
        let whole = get(&callgate, &auditor, "/api/v1/audit").json();
        let refused = whole["items"].to_string().contains("port.refused");
        refused.then(|| whole["items"].as_array().unwrap().clone())
    });
    let numbers: Vec<_> = whole
        .iter()
        .map(|one| one["number"].as_u64().unwrap())
        .collect();
    assert!(
        numbers.is_sorted_by(|one, next| *one == next + 1),
        "{numbers:?}"
    );
    assert_eq!(numbers.last(), Some(&1));
    // The same page by page.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(
            &callgate,
            &auditor,
            &format!("/api/v1/audit?limit=2{cursor}"),
        )
        .json();
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, whole);
    let count = |query: &str| {
        let page = get(&callgate, &auditor, &format!("/api/v1/audit?{query}")).json();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("act=token.make&result=done"), 2);
    assert_eq!(count("act=token&who=cli&result=begun"), 2);
    assert_eq!(count("who=nobody-of-this-name"), 0);
    assert_eq!(count("until=2020-01-01T00:00:00Z"), 0);
    assert_eq!(count("since=2020-01-01T00:00:00%2B08:00"), whole.len());
    let wrong = get(&callgate, &auditor, "/api/v1/audit?result=good");
    assert_eq!(problem(&wrong), (400, "invalid".to_owned()));
    // A command elsewhere reads the same, in the order of the file.
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let listed = |token: &str, server: &[&str]| {
        let args = [&["audit", "list", "--json"], server].concat();
        let output = callgate
            .setup()
            .command(&args)
            .env("CALLGATE_TOKEN", token)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            String::from_utf8(output.stdout).unwrap(),
            said,
            output.status.code(),
        )
    };
    let (over_port, _, code) = listed(&auditor, &["--server", &server]);
    let (of_files, _, _) = listed(&auditor, &[]);
    let parsed = |text: &str| -> Vec<Value> {
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!((parsed(&over_port), code), (parsed(&of_files), Some(0)));
    let (nothing, said, code) = listed(&viewer, &["--server", &server]);
    assert_eq!((nothing.as_str(), code), ("", Some(3)), "{said}");
    assert!(said.contains("the right `audit`"), "{said}");
    let logins = callgate.metric("callgate_operator_refused_total{reason=\"forbidden\"}");
    assert!(logins >= 2.0, "{logins}");
}
