//! What a receiver can see of order and gaps, and what becomes of events that wait for long.

use std::time::Duration;

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, Request, Setup, wait_for};

const AFTER: &str = "afterSendSingleMsg";
const NO_BREAKER: &str = "breaker: {failures: 1000000, calls_min: 1000000}";

fn policy(endpoints: &[(&str, &str, &str)]) -> String {
    let names: Vec<&str> = endpoints.iter().map(|(name, ..)| *name).collect();
    let endpoints: String = endpoints
        .iter()
        .map(|(name, url, settings)| format!("  {name}: {{url: \"{url}\", {settings}}}\n"))
        .collect();
    format!(
        "endpoints:\n{endpoints}hooks: {{{AFTER}: {{endpoint: [{}]}}}}\n",
        names.join(", ")
    )
}

/// Tells of events with these ids, all of one conversation.
fn accept(callgate: &Callgate, ids: &[&str]) -> Result<(), tonic::Status> {
    let events = ids.iter().map(|id| calls::after_event(AFTER, "hello", id));
    callgate.grpc().after(events.collect()).map(drop)
}

fn id_of(told: &Request) -> String {
    told.json()["serverMsgID"].as_str().unwrap().to_owned()
}

fn books(callgate: &Callgate, endpoint: &str, good: impl Fn(&Value) -> bool) -> Value {
    wait_for("the books", Duration::from_secs(30), || {
        let books = callgate.status()["outbox"]["endpoints"][endpoint].take();
        assert_ne!(books["conserved"], false, "{books}");
        good(&books).then_some(books)
    })
}

/// The lines of `callgate outbox … --json`.
fn outbox(callgate: &Callgate, args: &[&str]) -> Vec<Value> {
    let server = format!("http://{}", callgate.admin);
    let args = [&["outbox"], args, &["--json", "--server", &server]].concat();
    let output = callgate.setup().run(&args);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn a_gap_that_a_dead_letter_leaves_is_told_until_it_is_replayed() {
    let business = Business::choosing(|request| match id_of(request).as_str() {
        "bad" => Behaviour::status(500, "not this one"),
        _ => Behaviour::allow(),
    });
    let settings = format!("{NO_BREAKER}, retry_waits: [10ms]");
    let callgate = Callgate::start(&policy(&[("business", &business.url(), &settings)]));
    accept(&callgate, &["first", "bad", "next", "last"]).unwrap();
    books(&callgate, "business", |books| books["pending"] == 0);
    business.set(Behaviour::allow());
    outbox(&callgate, &["replay"]);
    books(&callgate, "business", |books| books["delivered"] == 4);
    accept(&callgate, &["after"]).unwrap();
    books(&callgate, "business", |books| books["delivered"] == 5);
    let told: Vec<(String, String, String)> = business
        .requests()
        .iter()
        .map(|request| {
            let header = |name| request.header(name).to_owned();
            (
                id_of(request),
                header("webhook-missing"),
                header("webhook-replay"),
            )
        })
        .collect();
    let told: Vec<String> = told
        .iter()
        .map(|(id, missing, replay)| format!("{id} {missing} {replay}"))
        .collect();
    assert_eq!(
        told,
        [
            "first  ", "bad  ", "bad  ", "next 1 ", "last 1 ", "bad  1", "after  "
        ]
    );
    let numbers = business.requests();
    let numbers = numbers.iter().map(|request| {
        let number: u64 = request.header("webhook-sequence").parse().unwrap();
        (id_of(request), number)
    });
    let numbers: std::collections::BTreeMap<String, u64> = numbers.collect();
    let order = ["first", "bad", "next", "last", "after"].map(|id| numbers[id]);
    assert!(order.is_sorted_by(|one, next| one < next), "{order:?}");
}

#[test]
fn cloudevents_say_their_order_each() {
    let business = Business::choosing(|request| {
        let items: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        let bad = |item: &Value| item["data"]["serverMsgID"] == "bad";
        match items.iter().any(bad) {
            true => Behaviour::status(422, "not this one"),
            false => Behaviour::allow(),
        }
    });
    let settings =
        format!("{NO_BREAKER}, events: {{format: cloudevents, batch_wait: 10ms}}, retry_waits: []");
    let callgate = Callgate::start(&policy(&[("business", &business.url(), &settings)]));
    accept(&callgate, &["bad", "next"]).unwrap();
    books(&callgate, "business", |books| books["pending"] == 0);
    let requests = business.requests();
    let items: Vec<Value> = serde_json::from_slice(&requests.last().unwrap().body).unwrap();
    assert_eq!(items[0]["data"]["serverMsgID"], "next");
    assert_eq!(items[0]["missing"], 1);
    assert_eq!(items[0]["outoforder"], Value::Null);
    assert_eq!(items[0]["sequence"], "00000000000000000002");
}

#[test]
fn a_conversation_goes_on_without_an_event_that_blocks_it_for_long() {
    let business = Business::choosing(|request| match id_of(request).as_str() {
        "stuck" if request.header("webhook-out-of-order").is_empty() => {
            Behaviour::status(500, "not now")
        }
        _ => Behaviour::allow(),
    });
    let settings = |lane_block_max| {
        format!(
            "{NO_BREAKER}, retry_waits: [100ms, 100ms, 100ms, 1h], events: {{lane_block_max: {lane_block_max}}}"
        )
    };
    let waiting = settings("0s");
    let callgate = Callgate::start(&policy(&[("business", &business.url(), &waiting)]));
    accept(&callgate, &["first", "stuck", "a", "b"]).unwrap();
    business.wait_for(5);
    // What is behind would go once the last try has ended.
    books(&callgate, "business", |books| {
        books["in_flight"] == 0 && books["pending"] == 3
    });
    let told: Vec<String> = business.requests().iter().map(id_of).collect();
    assert_eq!(told, ["first", "stuck", "stuck", "stuck", "stuck"]);

    let business_b = Business::choosing(|request| match id_of(request).as_str() {
        "stuck" if request.header("webhook-out-of-order").is_empty() => {
            Behaviour::status(500, "not now")
        }
        _ => Behaviour::allow(),
    });
    let moving = settings("200ms");
    let callgate = Callgate::start(&policy(&[("business", &business_b.url(), &moving)]));
    accept(&callgate, &["first", "stuck", "a", "b"]).unwrap();
    books(&callgate, "business", |books| books["delivered"] == 4);
    let told = business_b.requests();
    let told: Vec<(String, &str)> = told
        .iter()
        .map(|request| (id_of(request), request.header("webhook-out-of-order")))
        .collect();
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(id, aside)| (id.as_str(), *aside))
        .collect();
    assert_eq!(
        told[..4],
        [("first", ""), ("stuck", ""), ("stuck", ""), ("stuck", "")]
    );
    let mut rest = told[4..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, [("a", ""), ("b", ""), ("stuck", "true")]);
}

#[test]
fn events_that_waited_too_long_are_discarded_and_listed() {
    let business = Business::start(Behaviour::status(410, "gone"));
    // Nothing is too old before the first has been tried, however long that takes.
    let never = "events: {pending_age_max: 0s, probe_every: 1h}";
    let callgate = Callgate::start(&policy(&[("business", &business.url(), never)]));
    accept(&callgate, &["a", "b", "c"]).unwrap();
    books(&callgate, "business", |books| books["dead"] == 1);
    let soon = never.replace("0s", "1s");
    let edited = policy(&[("business", &business.url(), &soon)]);
    callgate.setup().write("policy.yaml", edited);
    let books = books(&callgate, "business", |books| books["discarded"] != 0);
    assert_eq!(books["dead"], 1);
    wait_for("the list", Duration::from_secs(10), || {
        (outbox(&callgate, &["discarded"]).len() == 2).then_some(())
    });
    let listed = outbox(&callgate, &["discarded", "--endpoint", "business"]);
    assert_eq!(
        listed[0]["reason"],
        "it waited for longer than `pending_age_max`"
    );
    assert_eq!(listed[0]["hook"], AFTER);
    assert!(listed[0]["discarded_at_ms"].as_u64() > listed[0]["accepted_at_ms"].as_u64());
    let server = format!("http://{}", callgate.admin);
    let text = callgate
        .setup()
        .run(&["outbox", "discarded", "--limit", "1", "--server", &server]);
    let text =
        String::from_utf8_lossy(&text.stdout).into_owned() + &String::from_utf8_lossy(&text.stderr);
    assert!(
        text.contains("discarded") && text.contains("`--limit`"),
        "{text}"
    );
    assert!(outbox(&callgate, &["discarded", "--id", "other"]).is_empty());
}

/// One receiver of two is down for so long that the outbox would be full of what waits for it.
#[test]
fn a_receiver_that_is_down_does_not_take_the_room_of_the_others() {
    let alive = Business::start(Behaviour::allow());
    let policy_text = policy(&[
        ("alive", &alive.url(), ""),
        ("down", "http://127.0.0.1:9/", ""),
    ]);
    let setup = Setup::new(&policy_text).engine("outbox.bytes_max", "16KiB");
    let callgate = setup.start();
    for n in 0..100 {
        accept(&callgate, &[&format!("m{n}")]).unwrap();
        books(&callgate, "alive", |books| books["delivered"] == n + 1);
    }
    let down = books(&callgate, "down", |books| books["accepted"] == 100);
    let (discarded, waits) = (down["discarded"].as_u64(), down["pending"].as_u64());
    assert!(discarded > Some(50) && waits > Some(3), "{down}");
    let bytes = down["bytes"].as_u64().unwrap();
    assert!(bytes <= 16 * 1024 * 4 / 5, "{down}");
    let listed = outbox(&callgate, &["discarded"]);
    assert_eq!(listed.len() as u64, discarded.unwrap());
    assert!(
        listed[0]["reason"]
            .as_str()
            .unwrap()
            .contains("`endpoint_share`")
    );
    // What is for the one that is down alone is refused, for nobody would get it.
    let alone = policy_text.replace("[alive, down]", "[down]");
    callgate.setup().write("policy.yaml", alone);
    let mut tries = 0;
    let refused = wait_for("the new policy", Duration::from_secs(10), || {
        tries += 1;
        accept(&callgate, &[&format!("x{tries}")]).err()
    });
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(refused.message().contains("for `down`"), "{refused}");
}
