//! After events: what was acknowledged arrives, in its conversation's order, or ends as dead with
//! a reason; and the books balance.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use callgate::proto::v1::AfterResult;

use crate::harness::calls::{self, ALLOW};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Request, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", breaker: {{failures: 1000, calls_min: 1000}}, retry_waits: [50ms, 50ms, 50ms, 50ms, 1s, 1s, 1s]}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}}}\n"
    )
}

fn id_of(told: &Request) -> String {
    told.json()["serverMsgID"].as_str().unwrap().to_owned()
}

/// Waits until nothing is pending, and checks that everything accepted has had an end.
fn settled(callgate: &Callgate) -> serde_json::Value {
    wait_for("an empty outbox", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        let of = |name: &str| counts[name].as_u64().unwrap_or(0);
        let ended = of("delivered") + of("dead") + of("discarded");
        assert!(ended + of("pending") == of("accepted"), "{counts}");
        (of("accepted") > 0 && of("pending") == 0).then_some(counts)
    })
}

#[test]
fn a_conversation_keeps_its_order_through_failures() {
    let tries = Mutex::new(0);
    // The first tries fail; by then the later events have been accepted.
    let business = Business::choosing(move |_| {
        let mut tries = tries.lock().unwrap();
        *tries += 1;
        match *tries {
            ..3 => Behaviour::status(503, ""),
            _ => Behaviour::allow(),
        }
    });
    let callgate = Callgate::start(&policy(&business.url()));
    let sent: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    for id in &sent {
        let body = calls::body_with_id(AFTER, "hello", id);
        assert_eq!(
            http::post(callgate.http, &calls::path(AFTER), body).text(),
            ALLOW
        );
    }
    settled(&callgate);
    let mut told: Vec<_> = business.requests().iter().map(id_of).collect();
    told.dedup();
    assert_eq!(told, sent);
}

/// One event that the business server cannot take does not hold up its neighbours for ever.
#[test]
fn a_refused_event_ends_as_dead_with_a_reason_and_the_next_one_arrives() {
    let business = Business::choosing(|request| match id_of(request).as_str() {
        "gone" => Behaviour::status(410, ""),
        _ => Behaviour::allow(),
    });
    let callgate = Callgate::start(&policy(&business.url()));
    let grpc = callgate.grpc();
    let events = ["before", "gone", "behind"].map(|id| calls::after_event(AFTER, "hello", id));
    let stored = grpc.after(events.to_vec()).unwrap();
    assert!(stored.results().all(|result| result == AfterResult::Stored));
    let counts = settled(&callgate);
    assert_eq!(
        (&counts["delivered"], &counts["dead"]),
        (&2.into(), &1.into())
    );
    let log = callgate.log();
    assert!(log.contains("answered 410"), "{log}");
    assert_eq!(
        callgate.metric("callgate_outbox_dead{endpoint=\"business\"}"),
        1.0
    );
}

/// Acknowledged means on disk: whatever was acknowledged before a crash arrives after it.
#[test]
fn every_acknowledged_event_survives_a_crash() {
    let business = Business::start(Behaviour::status(503, ""));
    let callgate = Callgate::start(&policy(&business.url()));
    let acknowledged = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for caller in 0..4 {
            let (acknowledged, address) = (&acknowledged, callgate.http);
            scope.spawn(move || {
                let mut connection = http::Connection::open(address);
                for n in 0.. {
                    let id = format!("m{caller}-{n}");
                    let body = calls::body_with_id(AFTER, "hello", &id);
                    match connection.post(&calls::path(AFTER), body.as_bytes()) {
                        Ok(answer) if answer.status == 200 => {
                            acknowledged.lock().unwrap().insert(id);
                        }
                        // The crash.
                        _ => return,
                    }
                }
            });
        }
        wait_for("some events", PATIENCE, || {
            (acknowledged.lock().unwrap().len() > 200).then_some(())
        });
        callgate.signal("KILL");
    });
    let setup = callgate.kill();
    let acknowledged = acknowledged.into_inner().unwrap();
    business.set(Behaviour::allow());
    let callgate = setup.start();
    wait_for("an empty outbox", Duration::from_secs(30), || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        (counts["pending"] == 0).then_some(())
    });
    let told: BTreeSet<_> = business.requests().iter().map(id_of).collect();
    let lost: Vec<_> = acknowledged.difference(&told).collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}

/// Two endpoints each have their own copy; one that is down does not keep the other waiting.
#[test]
fn every_endpoint_is_told() {
    let alive = Business::start(Behaviour::allow());
    let dead = Business::start(Behaviour::status(503, ""));
    let policy = format!(
        "endpoints:\n  alive: {{url: \"{}\"}}\n  dead: {{url: \"{}\", retry_waits: [50ms, 50ms]}}\n\
         hooks: {{{AFTER}: {{endpoint: [dead, alive]}}}}\n",
        alive.url(),
        dead.url()
    );
    let callgate = Callgate::start(&policy);
    callgate.call(AFTER, "hello");
    alive.wait_for(1);
    let counts = wait_for("the end of both", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"].take();
        (counts["dead"]["dead"] == 1 && counts["alive"]["delivered"] == 1).then_some(counts)
    });
    assert_eq!(counts["dead"]["pending"], 0);
    assert_eq!(
        dead.requests().len(),
        3,
        "the first attempt and one after each wait"
    );
}
