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

/// Every order that takes a name says of one that nobody knows what may be meant; with and without
/// a server.
#[test]
fn a_name_that_nobody_knows_is_an_error_with_a_hint() {
    let business = Business::start(Behaviour::allow());
    let mut callgate = Callgate::start(&policy(&business.url()));
    tell(&callgate, "m1");
    wait_for("the delivery", PATIENCE, || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        (books["delivered"] == 1).then_some(())
    });
    let server = format!("http://{}", callgate.admin);
    let check_all = |run: &dyn Fn(&[&str]) -> Output| {
        for order in ["dead", "discarded", "pending", "retry", "replay", "discard"] {
            for (names, said) in [
                (
                    &["--endpoint", "busines"][..],
                    "there is no endpoint `busines`; did you mean `business`?",
                ),
                (
                    &["--hook", "afterSendSingelMsg"],
                    "there is no hook `afterSendSingelMsg`; did you mean `afterSendSingleMsg`?",
                ),
                (
                    &["--hook", "nothing like it", "--endpoint", "business"],
                    "there is no hook `nothing like it`; `callgate dialects` names them",
                ),
            ] {
                let output = run(&[&["outbox", order][..], names].concat());
                assert_eq!(
                    output.status.code(),
                    Some(1),
                    "{order} {names:?}: {output:?}"
                );
                let text = String::from_utf8(output.stderr).unwrap();
                assert_eq!(text, format!("callgate: {said}\n"), "{order} {names:?}");
                assert!(output.stdout.is_empty());
            }
            let known = ["--hook", "AFTERsendSingleMsg", "--endpoint", "business"];
            let output = run(&[&["outbox", order][..], &known].concat());
            assert!(output.status.success(), "{order}: {output:?}");
        }
    };
    check_all(&|args| {
        callgate
            .setup()
            .run(&[args, &["--server", &server]].concat())
    });
    callgate.signal("TERM");
    callgate.ended_within(PATIENCE);
    check_all(&|args| callgate.setup().run(args));
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
