//! Times that the documents promise, measured on the real program. A busy machine makes everything
//! later and nothing earlier, so the best of several measurements counts where it must be soon.

use std::time::{Duration, Instant};

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Metronome, PATIENCE, Setup, http, wait_for};

const SENT: &str = "afterSendSingleMsg";

/// How long `look` takes to find something, at best.
fn best_of(tries: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    (0..tries).map(|_| measure()).min().unwrap()
}

#[test]
fn an_edit_is_in_force_within_a_second() {
    let policy =
        |word: &str| format!("lists: {{bad: {{words: [{word}]}}}}\nhooks: {{{SINGLE}: {{}}}}\n");
    let callgate = Callgate::start(&policy("first"));
    let mut number = 0;
    let took = best_of(5, || {
        number += 1;
        let word = format!("word{number}");
        callgate.setup().write("policy.yaml", policy(&word));
        let edited = Instant::now();
        wait_for("the edit", PATIENCE, || {
            let answer = callgate.call(SINGLE, &word);
            (answer.json()["nextCode"] == 1).then_some(())
        });
        edited.elapsed()
    });
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// Its calls have the whole grace, and the process ends with it.
#[test]
fn the_grace_is_neither_shorter_nor_longer_than_it_says() {
    let metronome = Metronome::start();
    let grace = Duration::from_secs(2);
    for (setting, grace) in [("2s", grace), ("0s", Duration::ZERO)] {
        let business = Business::start(Behaviour::Hang);
        let policy = format!(
            "endpoints: {{business: {{url: \"{}\"}}}}\n\
             hooks: {{{SINGLE}: {{endpoint: business, timeout: 15s, caller_timeout: 20s}}}}\n",
            business.url()
        );
        let mut callgate = Setup::new(&policy)
            .engine("shutdown_grace", setting)
            .start();
        let (http, grpc) = (callgate.http, callgate.grpc());
        std::thread::spawn(move || {
            let mut connection = http::Connection::open(http);
            // It is cut off, which is what is measured.
            let _ = connection.post(&calls::path(SINGLE), calls::body(SINGLE, "x").as_bytes());
        });
        std::thread::spawn(move || drop(grpc.before_within(calls::request(SINGLE, "x"), None)));
        business.wait_for(2);
        let signalled = Instant::now();
        callgate.signal("TERM");
        callgate.ended_within(PATIENCE);
        let took = signalled.elapsed();
        assert!(took >= grace.mul_f64(0.9), "{setting}: {took:?}");
        metronome.on_time(signalled, grace + Duration::from_secs(3), setting);
    }
}

/// An endpoint that is paused is tried at least every `probe_every`, and is told of what waits as
/// soon as it answers.
#[test]
fn a_paused_endpoint_is_tried_as_often_as_promised() {
    let business = Business::start(Behaviour::status(410, ""));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", events: {{probe_every: 1s}}}}}}\n\
         hooks: {{{SENT}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let tell = |number: usize| {
        let body = calls::body_with_id(SENT, "hello", &format!("server-{number}"));
        let body = body.replace("user1", &format!("sender{number}"));
        http::post(callgate.http, &calls::path(SENT), body);
    };
    // The first says that the endpoint is gone, and ends with it; the others try it.
    tell(0);
    wait_for("the pause", PATIENCE, || {
        let endpoint = callgate.status()["outbox"]["endpoints"]["business"].take();
        (!endpoint["paused"].is_null()).then_some(())
    });
    tell(1);
    tell(2);
    let mut seen = business.requests().len();
    let interval = best_of(3, || {
        let from = Instant::now();
        seen += 1;
        business.wait_for(seen);
        from.elapsed()
    });
    assert!(interval < Duration::from_millis(1500), "{interval:?}");
    business.set(Behaviour::allow());
    wait_for("the delivery", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        (counts["pending"] == 0 && counts["paused"].is_null()).then_some(())
    });
}

/// `Retry-After` holds every event of the endpoint for its time, and no longer.
#[test]
fn retry_after_holds_the_endpoint_for_its_time() {
    let business = Business::choosing(|request| {
        match String::from_utf8_lossy(&request.body).contains("first") {
            true => Behaviour::Headed {
                status: 503,
                header: "Retry-After: 2".to_owned(),
            },
            false => Behaviour::allow(),
        }
    });
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SENT}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    callgate.call(SENT, "first");
    business.wait_for(1);
    let held = Instant::now();
    // Before its answer is read nothing is held.
    wait_for("the refusal", PATIENCE, || {
        callgate.log().contains("event not delivered").then_some(())
    });
    let other = calls::body_with_id(SENT, "second", "server-2").replace("user1", "user7");
    http::post(callgate.http, &calls::path(SENT), other);
    wait_for("the second event", PATIENCE, || {
        let requests = business.requests();
        let mut bodies = requests
            .iter()
            .map(|request| String::from_utf8_lossy(&request.body));
        bodies.any(|body| body.contains("second")).then_some(())
    });
    let took = held.elapsed();
    assert!(took > Duration::from_millis(1800), "{took:?}");
}
