//! `callgate mock`: a business server for those who integrate one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::{Setup, calls, http};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A running mock; it ends with the test.
struct Mock {
    child: Child,
    address: std::net::SocketAddr,
    lines: mpsc::Receiver<String>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mock {
    fn start(setup: &Setup, args: &[&str]) -> Mock {
        let all = ["mock", "--listen", "127.0.0.1:0"].iter().chain(args);
        let all: Vec<&str> = all.copied().collect();
        let mut command = setup.command(&all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(';').next());
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in printed.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        std::thread::spawn(move || said.read_to_string(&mut String::new()));
        Mock {
            child,
            address,
            lines,
        }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/any/where", self.address)
    }
}

fn setup() -> Setup {
    Setup::new("hooks: {}")
}

#[test]
fn it_plays_steps_one_after_the_other_and_tells_no_texts_unasked() {
    let steps = [
        "--answer",
        "[{answer: block, code: 20009, reason: not here}, {status: 503, body: down}, {}]",
    ];
    let mock = Mock::start(&setup(), &steps);
    let post = |text: &str| {
        let path = format!("/base{}", calls::path("beforeSendSingleMsg"));
        http::post(
            mock.address,
            &path,
            calls::body("beforeSendSingleMsg", text),
        )
    };
    let answer = post("a secret text").json();
    assert_eq!(
        (answer["nextCode"].as_i64(), answer["errCode"].as_i64()),
        (Some(1), Some(20009))
    );
    assert_eq!(answer["errMsg"], "not here");
    let line = mock.line();
    assert!(
        line.contains("beforeSendSingleMsg from") && line.ends_with("-> block 20009"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
    assert_eq!(post("b").status, 503);
    assert!(mock.line().ends_with("-> status 503 with 4 bytes"));
    for _ in 0..2 {
        assert_eq!(post("c").json()["nextCode"], 0);
        assert!(mock.line().ends_with("-> allow"));
    }
    let answer = http::post(mock.address, "/nothing", "{");
    assert_eq!(answer.status, 200);
    assert!(mock.line().contains("NOT READABLE"));
}

#[test]
fn callgate_meets_every_failure_that_it_plays_and_it_verifies_what_callgate_signs() {
    for class in [
        "timeout",
        "connect",
        "http_status",
        "invalid_answer",
        "too_large",
        "loop",
    ] {
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(secret.path(), SECRET).unwrap();
        let step = format!("{{failure: {class}}}");
        let args = [
            "--secret-file",
            secret.path().to_str().unwrap(),
            "--texts",
            "--answer",
            &step,
        ];
        let mock = Mock::start(&setup(), &args);
        let policy = format!(
            "endpoints: {{b: {{url: '{}', sign: {{secret_env: SECRET, before: true}}}}}}\n\
             hooks: {{beforeSendSingleMsg: {{endpoint: b, timeout: 3s}}}}\n",
            mock.url()
        );
        let callgate = Setup::new(&policy).env("SECRET", SECRET).start();
        let answer = callgate.call("beforeSendSingleMsg", "hello there");
        assert_eq!(answer.header("x-callgate-failure"), class);
        let line = mock.line();
        assert!(line.contains(", signature good ->"), "{line}");
        // Names are texts too, and come first.
        while !mock.line().contains("hello there") {}
    }
    let other = tempfile::NamedTempFile::new().unwrap();
    fs::write(other.path(), SECRET.replace("MDEy", "MDEx")).unwrap();
    let mock = Mock::start(
        &setup(),
        &["--secret-file", other.path().to_str().unwrap(), "--json"],
    );
    http::post(mock.address, "/x", "{}");
    let told: serde_json::Value = serde_json::from_str(&mock.line()).unwrap();
    assert_eq!(told["signature"], "BAD: `webhook-id` is missing");
}

#[test]
fn it_plays_the_cases_of_a_policy_in_every_dialect_and_refuses_what_nobody_can_play() {
    let setup = setup();
    fs::create_dir(setup.policies().join("tests")).unwrap();
    setup.write(
        "tests/a.yaml",
        "cases:\n  refused:\n    hook: wukongim.msg.before_send\n    text: no way\n    endpoint: {answer: block}\n    expect: {action: block}\n",
    );
    let mock = Mock::start(&setup, &["--dialect", "wukongim", "--cases"]);
    let body = calls::dialect_fixture("wukongim", "msg.before_send.request.json");
    let answer = http::post(mock.address, "/?event=msg.before_send", &body);
    assert_eq!(answer.json()["allow"], true);
    assert!(mock.line().ends_with("-> allow"));
    for (args, part) in [
        (["--answer", "{failure: breaker_open}"], "callgate's own"),
        (["--answer", "{answr: block}"], "did you mean `answer`?"),
        (["--dialect", "openin"], "no dialect is named"),
    ] {
        let all: Vec<&str> = ["mock"].iter().chain(&args).copied().collect();
        let output = setup.run(&all);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(part), "{said}");
    }
}

/// What a mock printed of each call, as JSON, as far as it has come.
fn told(mock: &Mock) -> Vec<serde_json::Value> {
    let mut told = Vec::new();
    while let Ok(line) = mock.lines.recv_timeout(Duration::from_millis(500)) {
        told.push(serde_json::from_str(&line).unwrap());
    }
    told
}

/// The outcomes of all calls that the doctor plays to a mock, at these hooks.
fn outcomes(mock: &Mock, dialect: &str, hooks: &str, timeout: &str) -> Vec<String> {
    let hooks: Vec<String> = hooks
        .split(' ')
        .map(|hook| format!("{hook}: {{endpoint: b, timeout: {timeout}}}"))
        .collect();
    let setup = Setup::new(&format!(
        "endpoints: {{b: {{url: '{}', dialect: {dialect}, sign: {{secret_env: SECRET, before: true}}}}}}\nhooks: {{{}}}\n",
        mock.url(),
        hooks.join(", ")
    ))
    .env("SECRET", SECRET);
    let output = setup.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let calls = report["endpoints"][0]["calls"].as_array().unwrap().iter();
    // A mock has no answer of its own for a command that it does not know.
    let calls = calls.filter(|call| call["name"] != "an unknown command");
    calls
        .map(|call| call["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_dialect_is_spoken_verified_and_played_with_every_answer_and_failure() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), SECRET).unwrap();
    let secret = secret.path().to_str().unwrap();
    for (dialect, hooks, answers) in [
        (
            "openim",
            "beforeSendSingleMsg beforeAddFriend",
            &["allow", "block"][..],
        ),
        ("openim-v2", "beforeSendSingleMsg", &["allow", "block"]),
        ("wukongim", "wukongim.msg.before_send", &["allow", "block"]),
        (
            "chatserver",
            "chatserver.auth chatserver.action",
            &["allow", "block"],
        ),
        ("funtek", "funtek.MESSAGE", &["allow"]),
    ] {
        let failures = [
            "timeout",
            "connect",
            "http_status",
            "invalid_answer",
            "too_large",
            "loop",
        ];
        let steps = answers.iter().map(|step| ("answer", step));
        for (kind, step) in steps.chain(failures.iter().map(|step| ("failure", step))) {
            let answer = format!("{{{kind}: {step}}}");
            let args = [
                "--dialect",
                dialect,
                "--secret-file",
                secret,
                "--json",
                "--answer",
                &answer,
            ];
            let mock = Mock::start(&setup(), &args);
            let timeout = if *step == "timeout" { "300ms" } else { "5s" };
            let outcomes = outcomes(&mock, dialect, hooks, timeout);
            assert!(!outcomes.is_empty());
            let is_it = |one: &String| match (dialect, *step, &**one) {
                // What chatServer's action goes on as is its answer, also where nothing is changed.
                ("chatserver", "allow", "replace") => true,
                // What a bot says to a message is its allow.
                ("funtek", "allow", "reply") => true,
                _ => one == step,
            };
            assert!(outcomes.iter().all(is_it), "{dialect} {step}: {outcomes:?}");
            let told = told(&mock);
            assert!(told.len() >= outcomes.len(), "{dialect} {step}: {told:?}");
            for call in &told {
                let is_unknown = call["path"].as_str().unwrap().contains("CallgateDoctor");
                assert!(is_unknown || call["fault"].is_null(), "{dialect}: {call}");
                assert!(
                    is_unknown || hooks.contains(call["hook"].as_str().unwrap()),
                    "{call}"
                );
                assert_eq!(call["signature"], "good", "{dialect}: {call}");
            }
        }
    }
}

#[test]
fn cloud_events_are_verified_and_each_is_told() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), SECRET).unwrap();
    let args = [
        "--secret-file",
        secret.path().to_str().unwrap(),
        "--json",
        "--texts",
    ];
    let mock = Mock::start(&setup(), &args);
    let policy = format!(
        "endpoints: {{b: {{url: '{}', events: {{format: cloudevents}}, sign: {{secret_env: SECRET}}}}}}\n\
         hooks: {{afterSendSingleMsg: {{endpoint: b}}}}\n",
        mock.url()
    );
    let callgate = Setup::new(&policy).env("SECRET", SECRET).start();
    let event = |number: usize| {
        let id = format!("m{number}");
        calls::after_event("afterSendSingleMsg", &format!("text {number}"), &id)
    };
    callgate.grpc().after((0..5).map(event).collect()).unwrap();
    let (mut events, mut texts) = (Vec::new(), String::new());
    while events.len() < 5 {
        let call: serde_json::Value = serde_json::from_str(&mock.line()).unwrap();
        assert_eq!(call["signature"], "good", "{call}");
        assert_eq!(call["fault"], serde_json::Value::Null, "{call}");
        assert_eq!(call["hook"], "afterSendSingleMsg", "{call}");
        texts.push_str(&call["texts"].to_string());
        events.extend(call["cloud_events"].as_array().unwrap().clone());
    }
    let mut before = String::new();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["type"], "callgate.v1.afterSendSingleMsg", "{event}");
        assert_eq!(event["fault"], serde_json::Value::Null, "{event}");
        assert!(
            event["id"]
                .as_str()
                .unwrap()
                .contains(&format!("m{number}")),
            "{event}"
        );
        let sequence = event["sequence"].as_str().unwrap().to_owned();
        assert!(before < sequence, "{before} {sequence}");
        before = sequence;
        assert!(texts.contains(&format!("text {number}")), "{texts}");
    }
    // Whoever else sends such a thing is told what is wrong with it.
    let mock = Mock::start(&setup(), &[]);
    let body = r#"[{"specversion":"1.0","id":"a","source":"/x","type":"y","data":{}}]"#;
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: im\r\nContent-Type: application/cloudevents-batch+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(http::send(mock.address, head.as_bytes()).status, 200);
    assert!(mock.line().contains(", 1 CloudEvent(s), "));
    assert!(
        mock.line()
            .contains("BAD: its source `/x` is none of callgate's")
    );
}
