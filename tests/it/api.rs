//! The JSON API of the operators' port, as programs see it: real sockets, real answers.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use callgate::admin::doors::{self, Kind};
use serde_json::{Value, json};

use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, Setup};

/// A server, and the token of its command line.
pub fn start(engine: &[(&str, &str)]) -> (Callgate, String) {
    let policy = "endpoints: {shop: {url: \"http://127.0.0.1:9/x\"}}\n\
                  hooks: {beforeSendSingleMsg: {}, afterSendSingleMsg: {endpoint: shop}}\n";
    let mut setup = Setup::new(policy).engine("admin.listen", "0.0.0.0:0");
    for (name, value) in engine {
        setup = setup.engine(name, value);
    }
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

/// One call; `lines` are more headers.
pub fn call(callgate: &Callgate, token: &str, asked: &str, lines: &str, body: &str) -> Answer {
    let head = format!(
        "{asked} HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{lines}\r\n{body}",
        body.len()
    );
    http::send(callgate.admin, head.as_bytes())
}

pub fn get(callgate: &Callgate, token: &str, path: &str) -> Answer {
    call(callgate, token, &format!("GET {path}"), "", "")
}

/// Status and code of an answer without success, which must be a whole problem.
pub fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{answer:?}"
    );
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{problem}");
    assert!(problem["params"].is_object(), "{problem}");
    let message = problem["message"].as_str().unwrap();
    assert!(
        !message.is_empty() && !message.starts_with(char::is_uppercase),
        "{problem}"
    );
    (answer.status, problem["code"].as_str().unwrap().to_owned())
}

#[test]
fn the_document_of_the_api_is_whole() {
    let (callgate, token) = start(&[]);
    let document = get(&callgate, &token, "/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            check_operation(&document, path, method, operation);
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
        }
    }
    let table = doors::doors(true);
    let routes = table.iter().filter(|door| door.kind == Kind::Api);
    let routes = routes.map(|door| (door.method.to_string(), door.path.to_owned()));
    assert_eq!(described, routes.collect());
}

/// What OpenAPI 3.1 asks of an operation.
fn check_operation(document: &Value, path: &str, method: &str, operation: &Value) {
    let who = format!("{method} {path}");
    assert!(
        ["get", "post", "put", "patch", "delete"].contains(&method),
        "{who}"
    );
    assert!(
        operation["summary"].as_str().unwrap().ends_with('.'),
        "{who}"
    );
    assert!(
        operation["description"]
            .as_str()
            .unwrap()
            .starts_with("It takes "),
        "{who}"
    );
    let parameters = operation["parameters"].as_array().unwrap();
    let named: BTreeSet<_> = parameters
        .iter()
        .map(|one| (one["in"].as_str().unwrap(), one["name"].as_str().unwrap()))
        .collect();
    assert_eq!(named.len(), parameters.len(), "{who}: one is there twice");
    let of_path = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path: BTreeSet<_> = of_path.collect();
    let declared = named.iter().filter(|(place, _)| *place == "path");
    assert_eq!(
        declared.map(|(_, name)| *name).collect::<BTreeSet<_>>(),
        of_path,
        "{who}"
    );
    for parameter in parameters {
        assert!(parameter["schema"].is_object(), "{who}: {parameter}");
        if parameter["in"] == "path" {
            assert_eq!(parameter["required"], true, "{who}: {parameter}");
        }
    }
    for (status, response) in operation["responses"].as_object().unwrap() {
        assert!(["2XX", "default"].contains(&status.as_str()), "{who}");
        let response = match response["$ref"].as_str() {
            Some(reference) => document
                .pointer(reference.strip_prefix('#').unwrap())
                .unwrap(),
            None => response,
        };
        assert!(response["description"].is_string(), "{who}");
        check_content(document, &who, &response["content"]);
    }
    match operation.get("requestBody") {
        Some(body) => check_content(document, &who, &body["content"]),
        None => assert!(
            method != "post" && method != "patch",
            "{who}: with which body?"
        ),
    }
}

fn check_content(document: &Value, who: &str, content: &Value) {
    for (kind, content) in content.as_object().unwrap() {
        assert!(kind.contains('/'), "{who}");
        let schema = &content["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(reference) => document
                .pointer(reference.strip_prefix('#').unwrap())
                .unwrap(),
            None => schema,
        };
        assert_eq!(schema["type"], "object", "{who}");
        let properties = schema["properties"].as_object().unwrap();
        assert!(
            !properties.is_empty() || who.ends_with("/openapi.json"),
            "{who}: nothing is said of what it holds"
        );
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                properties.contains_key(required.as_str().unwrap()),
                "{who}: {required}"
            );
        }
    }
}

#[test]
fn what_is_in_force_is_shown_with_times_as_texts() {
    let (callgate, token) = start(&[]);
    let status = get(&callgate, &token, "/api/v1/status").json();
    let loaded_at = status["policy"]["loaded_at"].as_str().unwrap();
    assert!(
        loaded_at.starts_with("20") && loaded_at.ends_with('Z'),
        "{status}"
    );
    assert!(!status.to_string().contains("_at_ms"), "{status}");
    let hooks = get(&callgate, &token, "/api/v1/hooks").json();
    let names: Vec<_> = hooks["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["afterSendSingleMsg", "beforeSendSingleMsg"]);
    let endpoints = get(&callgate, &token, "/api/v1/endpoints").json();
    assert_eq!(endpoints["items"][0]["name"], "shop");
    assert_eq!(endpoints["items"][0]["last_at"], Value::Null);
    let mut stream = TcpStream::connect(callgate.admin).unwrap();
    let head = format!(
        "HEAD /api/v1/hooks HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let is_head_alone = answer.ends_with("\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200") && is_head_alone,
        "{answer}"
    );
}

#[test]
fn what_is_not_answered_says_why_in_one_form() {
    let (callgate, token) = start(&[]);
    let check = |asked: &str, status: u16, code: &str| {
        let answer = call(&callgate, &token, asked, "", "");
        assert_eq!(
            problem(&answer),
            (status, code.to_owned()),
            "{asked}: {}",
            answer.text()
        );
        answer.json()
    };
    check("GET /api/v1/nothing", 404, "nothing_here");
    check("GET /api/v1/status/", 404, "nothing_here");
    check("GET /api/v1/%73tatus", 404, "nothing_here");
    check("DELETE /api/v1/status", 405, "method");
    check("POST /api/v1/status", 405, "method");
    let slip = check(
        "GET /api/v1/outbox/dead?endpiont=shop",
        400,
        "unknown_field",
    );
    assert!(
        slip["message"]
            .as_str()
            .unwrap()
            .contains("did you mean `endpoint`?"),
        "{slip}"
    );
    check("GET /api/v1/hooks?x=1", 400, "unknown_field");
    check(
        "GET /api/v1/outbox/dead?endpoint=shop&endpoint=mall",
        400,
        "invalid",
    );
    check("GET /api/v1/outbox/dead?endpoint=mall", 400, "invalid");
    check("GET /api/v1/outbox/dead?hook=afterNothing", 400, "invalid");
    check("GET /api/v1/outbox/dead?limit=-1", 400, "invalid");
    check(
        "GET /api/v1/outbox/dead?limit=99999999999999999999",
        400,
        "invalid",
    );
    check("GET /api/v1/outbox/dead?show=yes", 400, "invalid");
    check("GET /api/v1/outbox/dead?since=yesterday", 400, "invalid");
    check("GET /api/v1/outbox/dead?cursor=AAAA", 400, "bad_cursor");
    check("GET /api/v1/outbox/dead?cursor=1-1", 400, "bad_cursor");
    let nobody = http::get(callgate.admin, "/api/v1/status");
    assert_eq!(problem(&nobody), (401, "unknown".to_owned()));
    assert_eq!(nobody.header("www-authenticate"), "Bearer");
}

#[test]
fn who_asks_too_fast_is_told_when_to_come_again() {
    let engine = [
        ("admin.api.calls_per_second", "1"),
        ("admin.api.burst", "3"),
    ];
    let (callgate, token) = start(&engine);
    let answers: Vec<Answer> = (0..8)
        .map(|_| get(&callgate, &token, "/api/v1/hooks"))
        .collect();
    let refused = answers.iter().find(|answer| answer.status != 200).unwrap();
    assert_eq!(problem(refused), (429, "too_many_calls".to_owned()));
    assert_eq!(refused.header("retry-after"), "1");
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 3);
    // Others are not held up.
    let made = callgate.setup().run(&[
        "operators",
        "token",
        "ci",
        "--server",
        &format!("http://127.0.0.1:{}", callgate.admin.port()),
    ]);
    let other = String::from_utf8(made.stdout).unwrap();
    assert_eq!(get(&callgate, other.trim(), "/api/v1/hooks").status, 200);
}

#[test]
fn events_that_wait_are_listed() {
    let (callgate, token) = start(&[]);
    for number in 0..5 {
        let event = json!({
            "callbackCommand": "callbackAfterSendSingleMsgCommand", "sendID": "u1", "recvID": "u2",
            "clientMsgID": format!("m{number}"), "serverMsgID": format!("s{number}"),
            "contentType": 101, "content": "{\"content\":\"hi\"}", "sendTime": 1_700_000_000_000_u64,
            "operationID": "op", "sessionType": 1, "seq": number,
        });
        let path = "/openim/callbackAfterSendSingleMsgCommand";
        let answer = http::post(callgate.http, path, event.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/outbox/pending?endpoint=shop&limit=2{cursor}");
        let page = get(&callgate, &token, &path).json();
        for event in page["items"].as_array().unwrap() {
            assert_eq!(event["endpoint"], "shop");
            assert!(
                event["accepted_at"].as_str().unwrap().ends_with('Z'),
                "{event}"
            );
            assert!(event.get("body").is_none(), "{event}");
            seen.push(event["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
        // It is good for this question alone.
        let other = get(
            &callgate,
            &token,
            &format!("/api/v1/outbox/pending?limit=2{cursor}"),
        );
        assert_eq!(problem(&other), (400, "bad_cursor".to_owned()));
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    let shown = get(
        &callgate,
        &token,
        "/api/v1/outbox/pending?show=true&limit=1",
    )
    .json();
    let body = shown["items"][0]["body"].as_str().unwrap();
    assert!(body.contains("clientMsgID"), "{shown}");
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "outbox.show"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("outbox.show"), "{listed}");
}
