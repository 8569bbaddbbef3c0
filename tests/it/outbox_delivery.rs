//! How events are brought to a receiver that hangs, refuses, breaks off, comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Request, Setup, http, wait_for};

pub const AFTER: &str = "afterSendSingleMsg";
pub const NO_BREAKER: &str = "breaker: {failures: 1000000, calls_min: 1000000}";

pub fn policy(url: &str, settings: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", {settings}}}}}\nhooks: {{{AFTER}: {{endpoint: business}}}}\n"
    )
}

/// Tells of events with these ids, each in a conversation of its own.
pub fn accept(callgate: &Callgate, ids: &[&str]) {
    for chunk in ids.chunks(500) {
        let events = chunk.iter().map(|id| {
            let mut event = calls::after_event(AFTER, "hello", id);
            if let Some(message) = &mut event.message {
                message.recv_id = format!("to-{id}");
            }
            event
        });
        callgate.grpc().after(events.collect()).unwrap();
    }
}

pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("m{n}")).collect()
}

pub fn strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn id_of(told: &Request) -> String {
    told.json()["serverMsgID"].as_str().unwrap().to_owned()
}

pub fn books(callgate: &Callgate, good: impl Fn(&Value) -> bool) -> Value {
    let patience = Duration::from_secs(30);
    wait_for("the books", patience, || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        assert_ne!(books["conserved"], false, "{books}");
        good(&books).then_some(books)
    })
}

#[test]
fn an_event_that_hangs_holds_up_no_other_conversation() {
    let business = Business::choosing(|request| match id_of(request).as_str() {
        "stuck" => Behaviour::Hang,
        _ => Behaviour::allow(),
    });
    let settings = format!("{NO_BREAKER}, events: {{timeout: 10s, in_flight_max: 2}}");
    let callgate = Callgate::start(&policy(&business.url(), &settings));
    accept(&callgate, &["stuck"]);
    business.wait_for(1);
    let started = Instant::now();
    let names = names(100);
    accept(&callgate, &strs(&names));
    books(&callgate, |books| books["delivered"] == 100);
    assert!(started.elapsed() < Duration::from_secs(8));
}

/// Events that fail slowly again and again leave half of the room to those that come.
#[test]
fn retries_do_not_starve_first_attempts() {
    let business = Business::choosing(|request| match id_of(request).starts_with("bad") {
        true => Behaviour::Hang,
        false => Behaviour::allow(),
    });
    let settings = format!(
        "{NO_BREAKER}, retry_waits: [{}], events: {{timeout: 400ms, in_flight_max: 4}}",
        ["10ms"; 60].join(", ")
    );
    let callgate = Callgate::start(&policy(&business.url(), &settings));
    let bad: Vec<String> = (0..40).map(|n| format!("bad{n}")).collect();
    accept(&callgate, &strs(&bad));
    // All of them are retries by then, and would keep every seat busy for four seconds.
    business.wait_for(42);
    for n in 0..3 {
        let id = format!("good{n}");
        let sent = Instant::now();
        accept(&callgate, &[&id]);
        books(&callgate, |books| books["delivered"] == n + 1);
        let took = sent.elapsed();
        assert!(took < Duration::from_secs(2), "{id}: {took:?}");
    }
}

#[test]
fn retry_after_is_honoured_in_both_forms() {
    for as_date in [false, true] {
        let tries = AtomicUsize::new(0);
        let business = Business::choosing(move |_| {
            if tries.fetch_add(1, Ordering::Relaxed) > 0 {
                return Behaviour::allow();
            }
            let header = match as_date {
                false => "Retry-After: 2".to_owned(),
                // A date has whole seconds.
                true => {
                    let at = SystemTime::now() + Duration::from_secs(3);
                    format!("Retry-After: {}", httpdate::fmt_http_date(at))
                }
            };
            let status = if as_date { 503 } else { 429 };
            Behaviour::Headed { status, header }
        });
        let callgate = Callgate::start(&policy(&business.url(), "retry_waits: [20ms]"));
        let sent = Instant::now();
        accept(&callgate, &["m"]);
        books(&callgate, |books| books["delivered"] == 1);
        let took = sent.elapsed();
        assert!(took > Duration::from_millis(1900), "{as_date} {took:?}");
        assert_eq!(business.requests().len(), 2);
    }
}

/// A complete head says it; what happens to the rest of the answer does not matter.
#[test]
fn a_complete_head_is_delivered_whatever_follows() {
    for behaviour in [
        Behaviour::HeadThenHang,
        Behaviour::Drip,
        Behaviour::EndlessChunks,
        Behaviour::Length {
            declared: 1 << 30,
            body: b"{".to_vec(),
        },
        Behaviour::status(204, ""),
    ] {
        let shown = format!("{behaviour:?}");
        let business = Business::start(behaviour);
        let callgate = Callgate::start(&policy(&business.url(), NO_BREAKER));
        accept(&callgate, &["m"]);
        let books = books(&callgate, |books| books["delivered"] == 1);
        assert_eq!(books["pending"], 0, "{shown}");
        assert_eq!(business.requests().len(), 1, "{shown}");
    }
}

#[test]
fn what_is_no_answer_is_tried_again() {
    for behaviour in [
        Behaviour::Close,
        Behaviour::Reset,
        Behaviour::Garbage,
        Behaviour::ContinueForEver,
        Behaviour::RedirectTo("http://127.0.0.1:1/elsewhere".to_owned()),
        Behaviour::Hang,
        Behaviour::status(404, ""),
        Behaviour::status(408, ""),
        Behaviour::status(502, ""),
    ] {
        let shown = format!("{behaviour:?}");
        let first = Mutex::new(Some(behaviour));
        let business = Business::choosing(move |_| {
            let first = first.lock().unwrap().take();
            first.unwrap_or_else(Behaviour::allow)
        });
        let settings = "retry_waits: [20ms], events: {timeout: 500ms}";
        let callgate = Callgate::start(&policy(&business.url(), settings));
        accept(&callgate, &["m"]);
        books(&callgate, |books| books["delivered"] == 1);
        assert_eq!(business.requests().len(), 2, "{shown}");
    }
}

/// Some receivers say with 202 that they may still fail, and some frameworks answer 204 by
/// themselves; what counts can be said.
#[test]
fn only_the_named_statuses_count_as_delivered() {
    for (dialect, success, statuses, tries) in [
        ("openim", "[]", [202, 202], 1),
        ("openim", "[200]", [202, 200], 2),
        ("openim", "[200, 204]", [204, 204], 1),
        ("wukongim", "[]", [204, 200], 2),
        ("wukongim", "[200, 204]", [204, 204], 1),
    ] {
        let told = AtomicUsize::new(0);
        let business = Business::choosing(move |_| {
            let status = statuses[told.fetch_add(1, Ordering::SeqCst).min(1)];
            Behaviour::status(status, "")
        });
        let settings =
            format!("dialect: {dialect}, retry_waits: [20ms], events: {{success: {success}}}");
        let hook = match dialect {
            "openim" => AFTER,
            _ => "wukongim.msg.notify",
        };
        let policy = policy(&business.url(), &settings).replace(AFTER, hook);
        let callgate = Callgate::start(&policy);
        let mut event = calls::after_event(AFTER, "hello", "1");
        event.hook = hook.to_owned();
        callgate.grpc().after(vec![event]).unwrap();
        books(&callgate, |books| books["delivered"] == 1);
        assert_eq!(business.requests().len(), tries, "{dialect} {success}");
        let said = callgate
            .log()
            .contains("which does not count as delivered here");
        assert_eq!(said, tries == 2, "{dialect} {success}");
    }
}

const CLOUD: &str = "retry_waits: [20ms, 20ms, 20ms], events: {format: cloudevents, batch_events_max: 50, batch_wait: 300ms}";

fn items(request: &Request) -> Vec<Value> {
    let kind = request.header("content-type");
    assert!(kind.starts_with("application/cloudevents-batch+json"));
    serde_json::from_slice(&request.body).unwrap()
}

fn item_id(item: &Value) -> String {
    assert_eq!(item["specversion"], "1.0");
    item["data"]["serverMsgID"].as_str().unwrap().to_owned()
}

#[test]
fn events_share_requests_as_cloudevents() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    let names = names(120);
    accept(&callgate, &strs(&names));
    books(&callgate, |books| books["delivered"] == 120);
    let requests = business.requests();
    // Each event is of a conversation of its own, so the requests may overtake each other.
    let told: BTreeSet<String> = requests
        .iter()
        .flat_map(items)
        .map(|item| item_id(&item))
        .collect();
    assert_eq!(told, names.into_iter().collect());
    assert!(requests.len() <= 5, "{} requests", requests.len());
    assert!(requests.iter().any(|request| items(request).len() == 50));
    let item = &items(&requests[0])[0];
    assert_eq!(item["type"], "callgate.v1.afterSendSingleMsg");
    assert_eq!(item["source"], "/callgate/openim");
    assert!(requests[0].header("webhook-id").starts_with("batch_"));
    let url = requests[0].path.as_str();
    assert_eq!(url, "/callback");
}

/// The culprit is found by halves, and costs few requests.
#[test]
fn a_rejected_batch_is_halved_until_the_culprit_is_alone() {
    let business = Business::choosing(|request| {
        let bad = items(request).iter().any(|item| item_id(item) == "m33");
        if bad {
            Behaviour::status(422, "no m33")
        } else {
            Behaviour::allow()
        }
    });
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    let names = names(50);
    accept(&callgate, &strs(&names));
    let books = books(&callgate, |books| books["pending"] == 0);
    assert_eq!(
        (&books["delivered"], &books["dead"]),
        (&49.into(), &1.into())
    );
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    let requests = business.requests();
    for item in requests.iter().flat_map(items) {
        *told.entry(item_id(&item)).or_default() += 1;
    }
    assert_eq!(told.len(), 50);
    assert!(requests.len() <= 15, "{} requests", requests.len());
    let server = format!("http://{}", callgate.admin);
    let dead = callgate
        .setup()
        .run(&["outbox", "dead", "--json", "--server", &server]);
    let letter: Value = serde_json::from_slice(&dead.stdout).unwrap();
    assert_eq!(letter["answer"], "no m33");
}

#[test]
fn an_endpoint_that_is_gone_is_paused_and_tries_itself() {
    let business = Business::start(Behaviour::status(410, ""));
    let callgate = Callgate::start(&policy(&business.url(), "retry_waits: [20ms]"));
    accept(&callgate, &["first"]);
    let books_of = books(&callgate, |books| !books["paused"].is_null());
    assert_eq!(books_of["dead"], 1);
    assert_eq!(
        callgate.metric("callgate_endpoint_paused{endpoint=\"business\"}"),
        1.0
    );
    let names = names(40);
    accept(&callgate, &strs(&names));
    // Two probes, a second and then two apart.
    wait_for("probes", PATIENCE, || {
        (business.requests().len() >= 3).then_some(())
    });
    let parked = books(&callgate, |books| books["in_flight"] == 0);
    assert_eq!(
        (&parked["pending"], &parked["dead"]),
        (&40.into(), &1.into())
    );
    assert!(business.requests().len() <= 5);
    business.set(Behaviour::allow());
    let resumed = books(&callgate, |books| books["pending"] == 0);
    assert_eq!(
        (&resumed["delivered"], &resumed["paused"]),
        (&40.into(), &Value::Null)
    );
    assert_eq!(
        callgate.metric("callgate_endpoint_paused{endpoint=\"business\"}"),
        0.0
    );
    let log = callgate.log();
    assert!(
        log.contains("endpoint paused") && log.contains("answers again"),
        "{log}"
    );
}

#[test]
fn an_endpoint_that_fails_for_too_long_is_paused_over_restarts() {
    let business = Business::start(Behaviour::status(503, ""));
    let waits = ["200ms"; 30].join(", ");
    let settings = format!("{NO_BREAKER}, retry_waits: [{waits}], events: {{pause_after: 1s}}");
    let callgate = Callgate::start(&policy(&business.url(), &settings));
    accept(&callgate, &["m"]);
    books(&callgate, |books| !books["paused"].is_null());
    let callgate = callgate.kill().start();
    let still = books(&callgate, |books| books["pending"] == 1);
    assert!(
        still["paused"]["reason"]
            .as_str()
            .unwrap()
            .contains("answered 503")
    );
    business.set(Behaviour::allow());
    books(&callgate, |books| books["delivered"] == 1);
}

/// While the breaker is open nothing is claimed; then the backlog is let go slowly.
#[test]
fn a_backlog_is_let_go_slowly_after_an_outage() {
    let in_flight = std::sync::Arc::new(AtomicUsize::new(0));
    let most = std::sync::Arc::new(Mutex::new(Vec::new()));
    let business = Business::start(Behaviour::status(503, ""));
    let settings = "breaker: {failures: 3, open: 500ms, probes: 1}, retry_waits: [100ms, 100ms, 1s, 1s, 1s, 1s], events: {in_flight_max: 16}";
    let callgate = Callgate::start(&policy(&business.url(), settings));
    let names = names(300);
    accept(&callgate, &strs(&names));
    wait_for("an open breaker", PATIENCE, || {
        let endpoint = callgate.status()["endpoints"][0].take();
        (endpoint["delivery_breaker"] == "open").then_some(())
    });
    let before = business.requests().len();
    assert!(before < 40, "{before} requests before the breaker opened");
    // Counts the requests that are open at the same time.
    let address = business.address;
    drop(business);
    let business = {
        let (in_flight, most) = (in_flight.clone(), most.clone());
        Business::start_choosing_at(address, move |_| {
            let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            most.lock().unwrap().push(now);
            thread::sleep(Duration::from_millis(5));
            in_flight.fetch_sub(1, Ordering::SeqCst);
            Behaviour::allow()
        })
    };
    books(&callgate, |books| books["delivered"] == 300);
    let most = most.lock().unwrap();
    let first = most.iter().take(10).max().unwrap();
    assert!(*first <= 2, "{:?}", &most[..40]);
    assert!(*most.iter().max().unwrap() > 4, "{:?}", most.iter().max());
    drop(business);
}

#[test]
fn a_rate_is_kept() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url(), "events: {rate_max: 20}"));
    let names = names(30);
    let started = Instant::now();
    accept(&callgate, &strs(&names));
    books(&callgate, |books| books["delivered"] == 30);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(1200), "{took:?}");
}

#[test]
fn what_an_unknown_endpoint_has_waits_for_its_return() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy("http://127.0.0.1:1/x", "retry_waits: [1s, 1s]"));
    accept(&callgate, &["m"]);
    books(&callgate, |books| !books["failing_since_ms"].is_null());
    let setup = callgate.kill();
    setup.write("policy.yaml", "hooks: {}\n");
    let callgate = setup.start();
    books(&callgate, |books| {
        books["pending"] == 1 && books["in_flight"] == 0
    });
    let good = policy(&business.url(), "retry_waits: [1s, 1s]");
    callgate.setup().write("policy.yaml", good);
    books(&callgate, |books| books["delivered"] == 1);
}

/// A full outbox refuses at once, says so, hurts nobody, and has room again when it drains.
#[test]
fn a_full_outbox_refuses_and_before_hooks_go_on() {
    let business = Business::start(Behaviour::status(503, ""));
    let settings = format!("{NO_BREAKER}, retry_waits: [1s, 1s, 1s, 1s, 1s, 1s, 1s]");
    let policy = policy(&business.url(), &settings)
        .replace("hooks: {", &format!("hooks: {{{}: {{}}, ", calls::SINGLE));
    let setup = Setup::new(&policy).engine("outbox.entries_max", "3");
    let callgate = setup.start();
    accept(&callgate, &["a", "b", "c"]);
    let grpc = callgate.grpc();
    let event = || vec![calls::after_event(AFTER, "hello", "d")];
    let refused = grpc.after(event()).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("`entries_max` 3"), "{refused}");
    let over_http = callgate.call(AFTER, "hello");
    assert_eq!(over_http.status, 503);
    assert_eq!(callgate.call(calls::SINGLE, "hello").text(), calls::ALLOW);
    assert_eq!(callgate.metric("callgate_outbox_entries"), 3.0);
    business.set(Behaviour::allow());
    books(&callgate, |books| books["delivered"] == 3);
    grpc.after(event()).unwrap();
    books(&callgate, |books| books["delivered"] == 4);
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn signatures(request: &Request) -> usize {
    let at: u64 = request.header("webhook-timestamp").parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    assert!(now.unwrap().as_secs().abs_diff(at) < 30);
    assert!(!request.header("webhook-id").is_empty());
    let signature = request.header("webhook-signature");
    assert!(signature.starts_with("v1,"), "{signature}");
    signature.split(' ').count()
}

#[test]
fn requests_are_signed_and_a_changed_secret_is_noticed() {
    let business = Business::start(Behaviour::allow());
    let setup = Setup::new("").env("BUSINESS_SECRET", SECRET);
    let file = setup.policies().join("../secret");
    let settings = format!("sign: {{secret_file: {}, before: true}}", file.display());
    setup.write(
        "policy.yaml",
        policy(&business.url(), &settings).replace(
            "hooks: {",
            &format!("hooks: {{{}: {{endpoint: business}}, ", calls::SINGLE),
        ),
    );
    std::fs::write(&file, SECRET).unwrap();
    let callgate = setup.start();
    // Without its secret nothing is sent unsigned. A change is looked for once a second.
    std::fs::remove_file(&file).unwrap();
    wait_for("a secret that is missed", PATIENCE, || {
        assert_eq!(callgate.call(calls::SINGLE, "hello").text(), calls::ALLOW);
        callgate.log().contains("cannot be read").then_some(())
    });
    let signed = business.requests().len();
    accept(&callgate, &["m0"]);
    wait_for("an event that is put back", PATIENCE, || {
        callgate.log().contains("event not delivered").then_some(())
    });
    assert_eq!(callgate.call(calls::SINGLE, "hello").text(), calls::ALLOW);
    assert_eq!(business.requests().len(), signed);
    std::fs::write(&file, SECRET).unwrap();
    business.wait_for(signed + 1);
    std::fs::write(&file, format!("{SECRET}\n{SECRET}\n")).unwrap();
    wait_for("the second signature", PATIENCE, || {
        callgate.call(calls::SINGLE, "hello");
        let requests = business.requests();
        let both = requests.last().is_some_and(|last| signatures(last) == 2);
        both.then_some(())
    });
    let requests = business.requests();
    assert!(requests.iter().all(|request| signatures(request) >= 1));
    let said = [
        callgate.log(),
        http::get(callgate.admin, "/status").text().to_owned(),
    ];
    for said in said {
        assert!(!said.contains(&SECRET[6..]), "{said}");
    }
}
