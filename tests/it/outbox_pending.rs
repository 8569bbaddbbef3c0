//! What waits, shown and tried now; and what the command line says of a slip of the pen.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", retry_waits: [1h, 1h]}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}}}\n"
    )
}

fn tell(callgate: &Callgate, id: &str) {
    let body = calls::body_with_id(AFTER, "hello", id);
    let told = http::post(callgate.http, &calls::path(AFTER), body);
    assert_eq!(told.status, 200);
}

fn run(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    let all = [&["outbox"], args, &["--server", &server]].concat();
    callgate.setup().run(&all)
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_event_that_waits_an_hour_is_shown_and_tried_now() {
    let business = Business::start(Behaviour::status(503, "busy"));
    let callgate = Callgate::start(&policy(&business.url()));
    tell(&callgate, "m1");
    let waiting = wait_for("a retry", PATIENCE, || {
        let listed = lines(&run(&callgate, &["pending", "--json", "--show"]));
        listed.into_iter().find(|event| event["state"] == "retry")
    });
    assert_eq!(waiting["endpoint"], "business");
    assert!(
        waiting["reason"].as_str().unwrap().contains("503"),
        "{waiting}"
    );
    assert!(
        waiting["body"].as_str().unwrap().contains("\"m1\""),
        "{waiting}"
    );
    let shown = run(&callgate, &["pending"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("tried again at") && !shown.contains("hello"),
        "{shown}"
    );
    business.set(Behaviour::allow());
    let conversation = waiting["lane"].as_str().unwrap();
    let other = run(&callgate, &["retry", "--conversation", "nobody", "--json"]);
    assert_eq!(lines(&other)[0]["events"], 0);
    let retried = run(
        &callgate,
        &["retry", "--conversation", conversation, "--json"],
    );
    assert_eq!(lines(&retried)[0]["events"], 1);
    wait_for("the delivery", PATIENCE, || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        (books["delivered"] == 1).then_some(())
    });
    assert!(
        !run(&callgate, &["retry"]).status.success(),
        "all of them must be said"
    );
}

#[test]
fn an_endpoint_that_nobody_knows_is_an_error_with_a_hint() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url()));
    for args in [
        &["dead", "--endpoint", "busines"][..],
        &["discarded", "--endpoint", "busines"],
        &["pending", "--endpoint", "busines"],
        &["retry", "--endpoint", "busines"],
        &["replay", "--endpoint", "busines"],
        &["discard", "--endpoint", "busines", "--pending"],
    ] {
        let output = run(&callgate, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            said,
            "callgate: there is no endpoint `busines`; did you mean `business`?\n"
        );
        assert!(output.stdout.is_empty());
    }
    assert!(
        run(&callgate, &["dead", "--endpoint", "business"])
            .status
            .success()
    );
}

/// `callgate outbox dead | head -1`
#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let business = Business::start(Behaviour::status(410, ""));
    let callgate = Callgate::start(&policy(&business.url()));
    for n in 0..20 {
        tell(&callgate, &format!("m{n}"));
    }
    let server = format!("http://{}", callgate.admin);
    for args in [
        &["outbox", "status"][..],
        &["outbox", "pending"],
        &["outbox", "dead"],
    ] {
        let mut command = callgate
            .setup()
            .command(&[args, &["--server", &server]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}
