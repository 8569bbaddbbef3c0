//! Dead letters: seen, replayed and discarded by an operator, with a server and without one.

use std::process::Output;

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", breaker: {{failures: 1000, calls_min: 1000}}, retry_waits: [50ms]}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}}}\n"
    )
}

/// A server with dead letters of these ids, and the business server that refused them.
fn with_dead(ids: &[&str]) -> (Callgate, Business) {
    let business = Business::start(Behaviour::status(503, "try later"));
    let callgate = Callgate::start(&policy(&business.url()));
    let events = ids.iter().map(|id| calls::after_event(AFTER, "hello", id));
    callgate.grpc().after(events.collect()).unwrap();
    books(&callgate, |books| books["dead"] == ids.len());
    (callgate, business)
}

/// Waits until the books of the endpoint are as they should be.
fn books(callgate: &Callgate, good: impl Fn(&Value) -> bool) -> Value {
    wait_for("the books", PATIENCE, || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        good(&books).then_some(books)
    })
}

/// Runs `callgate outbox …` against the server.
fn outbox(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    let args = [&["outbox"], args, &["--server", &server]].concat();
    callgate.setup().run(&args)
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The end of an id as the program gives it: the event's natural one.
fn ids(lines: &str) -> Vec<String> {
    let lines = lines.lines().map(|line| {
        let letter: Value = serde_json::from_str(line).unwrap();
        letter["id"].as_str().unwrap().to_owned()
    });
    lines.collect()
}

#[test]
fn a_dead_event_says_why_and_is_replayed() {
    let (callgate, business) = with_dead(&["a", "b", "c"]);
    let text = said(&outbox(&callgate, &["dead"]));
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("after 2 attempts: http_status: `business` answered 503"));
    let lines = said(&outbox(&callgate, &["dead", "--json"]));
    let letter: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(letter["answer"], "try later");
    assert_eq!(letter["hook"], AFTER);
    let all = ids(&lines);

    let dry = said(&outbox(&callgate, &["replay", "--dry-run"]));
    assert_eq!(dry, "3 events would be replayed\n");
    let one = ["replay", "--dry-run", "--id", &all[1]];
    assert_eq!(
        said(&outbox(&callgate, &one)),
        "1 events would be replayed\n"
    );
    let none = ["replay", "--dry-run", "--reason", "timeout"];
    assert_eq!(
        said(&outbox(&callgate, &none)),
        "0 events would be replayed\n"
    );
    let none = ["replay", "--dry-run", "--until", "1h"];
    assert_eq!(
        said(&outbox(&callgate, &none)),
        "0 events would be replayed\n"
    );
    assert_eq!(business.requests().len(), 6);

    business.set(Behaviour::allow());
    let replayed = said(&outbox(&callgate, &["replay", "--since", "1h"]));
    assert_eq!(replayed, "3 events replayed\n");
    let books = books(&callgate, |books| books["delivered"] == 3);
    assert_eq!((&books["dead"], &books["pending"]), (&0.into(), &0.into()));
    let requests = business.requests();
    let again: Vec<_> = requests[6..].iter().collect();
    let told: Vec<_> = again.iter().map(|told| told.header("webhook-id")).collect();
    assert_eq!(told, all, "the order of the conversation");
    assert!(
        again
            .iter()
            .all(|told| told.header("webhook-replay") == "1")
    );
}

#[test]
fn a_replay_goes_no_faster_than_it_may() {
    let ids: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (callgate, business) = with_dead(&ids);
    business.set(Behaviour::allow());
    let started = std::time::Instant::now();
    let replayed = said(&outbox(&callgate, &["replay", "--rate", "10"]));
    assert_eq!(replayed, "12 events replayed\n");
    assert!(
        started.elapsed().as_millis() > 1000,
        "{:?}",
        started.elapsed()
    );
    books(&callgate, |books| books["delivered"] == 12);
}

#[test]
fn what_is_discarded_is_counted_and_logged() {
    let (callgate, _business) = with_dead(&["a", "b"]);
    let refused = outbox(&callgate, &["discard"]);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("--all"), "{errors}");
    let order = [
        "discard",
        "--all",
        "--why",
        "a test ran against it",
        "--json",
    ];
    let discarded: Value = serde_json::from_str(&said(&outbox(&callgate, &order))).unwrap();
    assert_eq!(discarded["events"], 2);
    let books = books(&callgate, |books| books["dead"] == 0);
    assert_eq!(books["discarded"], 2);
    let log = callgate.log();
    assert!(
        log.contains("an operator discarded it: a test ran against it"),
        "{log}"
    );
}

#[test]
fn without_a_server_the_file_is_opened() {
    let (callgate, business) = with_dead(&["a", "b"]);
    let file = callgate.setup().policies();
    let admin = callgate.admin.to_string();
    let blocked = callgate.setup().run(&["outbox", "status"]);
    let errors = String::from_utf8_lossy(&blocked.stderr).into_owned();
    assert_eq!(blocked.status.code(), Some(3));
    assert!(
        errors.contains("in use by a server that does not answer"),
        "{errors}"
    );
    // The default port of the operators may be that of somebody else.
    let setup = callgate.kill().engine("admin.listen", &admin);
    let status = said(&setup.run(&["outbox", "status"]));
    let wanted =
        "business: accepted 2 = delivered 0 + dead 2 + discarded 0 + pending 0 (0 in flight)";
    assert!(status.contains(wanted), "{status}");
    assert_eq!(said(&setup.run(&["outbox", "dead"])).lines().count(), 2);
    let replayed = said(&setup.run(&["outbox", "replay"]));
    assert_eq!(replayed, "2 events replayed\n");
    business.set(Behaviour::allow());
    let callgate = setup.start();
    books(&callgate, |books| books["delivered"] == 2);
    assert!(file.exists());
}

#[test]
fn what_waits_for_an_endpoint_that_is_gone_is_discarded() {
    let business = Business::start(Behaviour::Hang);
    let callgate = Callgate::start(&policy(&business.url()));
    for id in ["a", "b", "c"] {
        let event = calls::after_event(AFTER, "hello", id);
        callgate.grpc().after(vec![event]).unwrap();
    }
    business.wait_for(1);
    let refused = outbox(&callgate, &["discard", "--pending"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let order = ["discard", "--pending", "--endpoint", "business"];
    let dry = [&order[..], &["--dry-run"]].concat();
    assert_eq!(
        said(&outbox(&callgate, &dry)),
        "2 events would be discarded\n"
    );
    assert_eq!(said(&outbox(&callgate, &order)), "2 events discarded\n");
    let books = books(&callgate, |books| books["discarded"] == 2);
    assert_eq!(
        (&books["pending"], &books["conserved"]),
        (&1.into(), &true.into())
    );
}

#[test]
fn nothing_to_talk_to_is_said_with_a_way_out() {
    let setup = Setup::new("").engine("admin.listen", "127.0.0.1:1");
    for (args, wanted) in [
        (vec!["outbox", "status"], "there is no outbox at"),
        (
            vec!["outbox", "dead", "--server", "http://127.0.0.1:1"],
            "name its `admin.listen` with --server",
        ),
    ] {
        let failed = setup.run(&args);
        let errors = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!(failed.status.code(), Some(3), "{errors}");
        assert!(errors.contains(wanted), "{errors}");
    }
    let wrong = setup.run(&["outbox", "dead", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(errors.contains("2h for two hours ago"), "{errors}");
}
