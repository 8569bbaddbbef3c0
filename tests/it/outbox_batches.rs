//! Answers that name events of their batch: those come again, and the others do not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Behaviour, Business, Callgate, Metronome, Request, Setup, calls, http, wait_for,
};
use crate::outbox_delivery::{AFTER, NO_BREAKER, accept, books, names, policy, strs};

const CLOUD: &str = "retry_waits: [100ms, 100ms, 100ms, 100ms], events: {format: cloudevents, batch_wait: 200ms, timeout: 2s}";

fn items(request: &Request) -> Vec<Value> {
    serde_json::from_slice(&request.body).unwrap()
}

/// The events of a request as their receiver sees them: id, and what they are about.
fn told(request: &Request) -> Vec<(String, String)> {
    let name = |item: &Value| item["data"]["serverMsgID"].as_str().unwrap().to_owned();
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    items(request)
        .iter()
        .map(|item| (id(item), name(item)))
        .collect()
}

/// How often each event was told.
fn counts(business: &Business) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, name) in business.requests().iter().flat_map(told) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Names, the first `times` times that they come, the events that `fails` chooses.
fn naming(times: usize, fails: impl Fn(&str) -> bool + Send + Sync + 'static) -> Business {
    let failures = AtomicUsize::new(0);
    Business::choosing(move |request| {
        let failed: Vec<String> = told(request)
            .into_iter()
            .filter(|(_, name)| fails(name))
            .map(|(id, _)| id)
            .collect();
        if failed.is_empty() || failures.fetch_add(1, Ordering::SeqCst) >= times {
            return Behaviour::allow();
        }
        Behaviour::answer(json!({"failed": failed, "why": "busy"}).to_string())
    })
}

fn deliveries(callgate: &Callgate, outcome: &str) -> f64 {
    callgate.metric(&format!(
        "callgate_deliveries_total{{endpoint=\"business\",outcome=\"{outcome}\"}}"
    ))
}

#[test]
fn named_events_come_again_and_their_neighbours_do_not() {
    let business = naming(1, |name| name == "m3" || name == "m7");
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    accept(&callgate, &strs(&names(10)));
    books(&callgate, |books| books["delivered"] == 10);
    let counts = counts(&business);
    for name in names(10) {
        let wanted = if name == "m3" || name == "m7" { 2 } else { 1 };
        assert_eq!(counts[&name], wanted, "{name}");
    }
    assert_eq!(deliveries(&callgate, "delivered"), 10.0);
    assert_eq!(deliveries(&callgate, "failed"), 2.0);
    assert!(callgate.log().contains("names it in `failed`"));
}

#[test]
fn all_of_a_batch_may_be_named_and_one_event_is_a_batch() {
    let business = naming(1, |_| true);
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    accept(&callgate, &strs(&names(5)));
    books(&callgate, |books| books["delivered"] == 5);
    assert!(counts(&business).values().all(|&count| count == 2));
    let single = naming(1, |_| true);
    let callgate = Callgate::start(&policy(&single.url(), CLOUD));
    accept(&callgate, &["alone"]);
    books(&callgate, |books| books["delivered"] == 1);
    assert_eq!(counts(&single)["alone"], 2);
}

/// It uses up its attempts like any failure; nothing of it touches the other events.
#[test]
fn an_event_that_is_always_named_is_dead_with_a_reason() {
    let business = naming(usize::MAX, |name| name == "m1");
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    accept(&callgate, &strs(&names(4)));
    let books = books(&callgate, |books| books["pending"] == 0);
    assert_eq!(
        (&books["delivered"], &books["dead"]),
        (&3.into(), &1.into())
    );
    assert_eq!(counts(&business)["m1"], 5);
    let server = format!("http://{}", callgate.admin);
    let dead = callgate
        .setup()
        .run(&["outbox", "dead", "--json", "--server", &server]);
    let letter: Value = serde_json::from_slice(&dead.stdout).unwrap();
    let reason = "http_status: `business` answered 200 and names it in `failed`";
    assert_eq!(letter["reason"], reason);
    assert!(letter["answer"].as_str().unwrap().contains("busy"));
}

#[test]
fn a_named_event_holds_up_its_own_conversation_alone() {
    let metronome = Metronome::start();
    let business = naming(1, |name| name == "m0");
    let settings = CLOUD.replacen("100ms", "1s", 1);
    let callgate = Callgate::start(&policy(&business.url(), &settings));
    // All of these to one user, so in one conversation.
    let grpc = callgate.grpc();
    let same = ["m0", "later1", "later2"].map(|id| calls::after_event(AFTER, "hello", id));
    grpc.after(same.to_vec()).unwrap();
    business.wait_for(1);
    let started = Instant::now();
    accept(&callgate, &["other"]);
    books(&callgate, |books| books["delivered"] == 1);
    metronome.on_time(
        started,
        Duration::from_millis(900),
        "the other conversation",
    );
    books(&callgate, |books| books["delivered"] == 4);
    let order: Vec<String> = business
        .requests()
        .iter()
        .flat_map(told)
        .map(|(_, name)| name)
        .filter(|name| name != "other")
        .collect();
    assert_eq!(order, ["m0", "later1", "later2", "m0", "later1", "later2"]);
}

/// A complete 2xx head is the promise: what cannot be understood behind it changes nothing.
#[test]
fn an_answer_that_names_nothing_it_was_told_of_means_delivered() {
    let drip = Behaviour::Drip;
    let cut = |body: &str| Behaviour::Length {
        declared: body.len() + 9,
        body: body.into(),
    };
    let long = format!(
        "{{\"padding\":\"{}\",\"failed\":[ID]}}",
        "x".repeat(70 << 10)
    );
    for (answer, is_odd) in [
        (Behaviour::answer("{\"failed\":[\"nobody\"]}"), true),
        (Behaviour::answer("{\"failed\":\"ID\"}"), true),
        (Behaviour::answer("failed: ID"), false),
        (Behaviour::answer(long), false),
        (cut("{\"failed\":[ID"), true),
        (drip, false),
        (Behaviour::HeadThenHang, false),
        (Behaviour::EndlessChunks, false),
        (Behaviour::status(204, ""), false),
    ] {
        let shown: String = format!("{answer:?}").chars().take(80).collect();
        let business = Business::choosing(move |request| naming_all(request, &answer));
        let callgate = Callgate::start(&policy(&business.url(), CLOUD));
        accept(&callgate, &["a", "b"]);
        books(&callgate, |books| books["delivered"] == 2);
        assert!(
            counts(&business).values().all(|&count| count == 1),
            "{shown}"
        );
        let log = callgate.log();
        let said = log.matches("its list `failed`").count();
        assert_eq!(said, usize::from(is_odd), "{shown}: {log}");
    }
}

/// The answer with the ids of the request in place of `ID`.
fn naming_all(request: &Request, answer: &Behaviour) -> Behaviour {
    let ids: Vec<String> = told(request)
        .iter()
        .map(|(id, _)| format!("{id:?}"))
        .collect();
    let filled = |body: &[u8]| {
        let body = String::from_utf8(body.to_vec()).unwrap();
        body.replace("ID", &ids.join(",")).into_bytes()
    };
    match answer {
        Behaviour::Answer { status, kind, body } => Behaviour::Answer {
            status: *status,
            kind,
            body: filled(body),
        },
        Behaviour::Length { declared, body } => Behaviour::Length {
            declared: declared + 1000,
            body: filled(body),
        },
        other => other.clone(),
    }
}

/// A list that came whole is believed, whatever became of the connection: rather twice than lost.
#[test]
fn a_whole_list_counts_although_the_body_breaks_off_behind_it() {
    let first = AtomicUsize::new(0);
    let business = Business::choosing(move |request| match first.fetch_add(1, Ordering::SeqCst) {
        0 => naming_all(
            request,
            &Behaviour::Length {
                declared: 0,
                body: b"{\"failed\":[ID]}".to_vec(),
            },
        ),
        _ => Behaviour::allow(),
    });
    let callgate = Callgate::start(&policy(&business.url(), CLOUD));
    accept(&callgate, &["a", "b"]);
    books(&callgate, |books| books["delivered"] == 2);
    assert!(counts(&business).values().all(|&count| count == 2));
}

/// With another status the list says nothing: the whole batch fails as it always did.
#[test]
fn a_list_with_a_failing_status_is_not_read() {
    let calls = AtomicUsize::new(0);
    let business = Business::choosing(move |request| {
        if calls.fetch_add(1, Ordering::SeqCst) > 0 {
            return Behaviour::allow();
        }
        let (id, _) = told(request).remove(0);
        Behaviour::status(503, &json!({"failed": [id]}).to_string())
    });
    let settings = format!("{NO_BREAKER}, {CLOUD}");
    let callgate = Callgate::start(&policy(&business.url(), &settings));
    accept(&callgate, &strs(&names(3)));
    books(&callgate, |books| books["delivered"] == 3);
    assert!(counts(&business).values().all(|&count| count == 2));
}

/// OpenIM's own form is one event in one body, and its answer is nobody's list.
#[test]
fn where_no_list_is_sent_no_list_is_read() {
    let answer = "{\"actionCode\":0,\"failed\":[\"m\"]}";
    let business = Business::start(Behaviour::answer(answer));
    let callgate = Callgate::start(&policy(&business.url(), "retry_waits: [20ms]"));
    accept(&callgate, &["m"]);
    books(&callgate, |books| books["delivered"] == 1);
    assert_eq!(business.requests().len(), 1);
}

/// A receiver of WuKongIM's arrays sees no id of ours: it names what its items have.
#[test]
fn items_of_wukongim_are_named_by_what_they_have() {
    let message = |id: u64| {
        json!({"message_id": id, "message_idstr": id.to_string(), "client_msg_no": format!("no-{id}"),
            "from_uid": format!("u{id}"), "channel_id": format!("g{id}"), "channel_type": 2,
            "message_seq": 1, "timestamp": 1_767_225_600, "payload": "eyJ0eXBlIjoxfQ=="})
    };
    let big = 1_999_999_999_999_999_999_u64;
    let messages = json!([message(big), message(big + 1), message(big + 2)]);
    let presences = json!(["u1-0-1-101-1-1", "u2-0-1-102-1-1"]);
    let seen = Arc::new(std::sync::Mutex::new(BTreeMap::<String, usize>::new()));
    let for_business = Arc::clone(&seen);
    let business = Business::choosing(move |request| {
        let mut seen = for_business.lock().unwrap();
        let mut failed = Vec::new();
        for item in items(request) {
            let name = match item.as_str() {
                Some(line) => line.to_owned(),
                None => item["message_idstr"].as_str().unwrap().to_owned(),
            };
            let count = seen.entry(name).or_default();
            *count += 1;
            // The first as a number, the second as a string, the third is well.
            match item["message_id"].as_u64() {
                _ if *count > 1 => {}
                Some(id) if id == big => failed.push(json!(id)),
                Some(id) if id == big + 1 => failed.push(json!(id.to_string())),
                Some(_) => {}
                None if item == "u1-0-1-101-1-1" => failed.push(item),
                None => {}
            }
        }
        match failed.is_empty() {
            true => Behaviour::answer(""),
            false => Behaviour::answer(json!({ "failed": failed }).to_string()),
        }
    });
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", dialect: wukongim, retry_waits: [50ms, 50ms], events: {{batch_wait: 200ms}}}}}}\n\
         hooks:\n  wukongim.msg.notify: {{endpoint: business}}\n  wukongim.user.onlinestatus: {{endpoint: business}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy).start();
    for (event, body) in [("msg.notify", messages), ("user.onlinestatus", presences)] {
        let path = format!("/wukongim?event={event}");
        let answer = http::post(callgate.http, &path, body.to_string());
        assert_eq!(answer.status, 200);
    }
    books(&callgate, |books| books["delivered"] == 5);
    let seen = wait_for("all items", Duration::from_secs(5), || {
        let seen = seen.lock().unwrap().clone();
        (seen.values().sum::<usize>() >= 8).then_some(seen)
    });
    let wanted = [
        (big.to_string(), 2),
        ((big + 1).to_string(), 2),
        ((big + 2).to_string(), 1),
        ("u1-0-1-101-1-1".to_owned(), 2),
        ("u2-0-1-102-1-1".to_owned(), 1),
    ];
    assert_eq!(seen, BTreeMap::from(wanted));
}
