//! The end: what is in flight is finished, and it does not take longer than it may.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Metronome, PATIENCE, Setup, wait_for};

fn policy(business: &Business) -> String {
    format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks:\n  {SINGLE}: {{endpoint: business, timeout: 4s}}\n  afterSendSingleMsg: {{endpoint: business}}\n",
        business.url()
    )
}

fn check(signal: &str) {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::block().after(Duration::from_millis(800)));
    let mut callgate = Callgate::start(&policy(&business));
    let grpc = callgate.grpc();
    thread::scope(|scope| {
        let over_http = scope.spawn(|| callgate.call(SINGLE, "hello"));
        let over_grpc = scope.spawn(|| grpc.before(calls::request(SINGLE, "hello")));
        business.wait_for(2);
        callgate.signal(signal);
        assert_eq!(over_http.join().unwrap().json()["errCode"], 20123);
        assert_eq!(over_grpc.join().unwrap().action(), v1::Action::Block);
    });
    drop(grpc);
    let answered = Instant::now();
    let status = callgate.ended_within(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", callgate.log());
    // The grace period is 5 s; nothing is left to wait for.
    metronome.on_time(answered, Duration::from_secs(3), "the end");
    assert!(TcpStream::connect(callgate.http).is_err());
}

#[test]
fn sigterm_finishes_calls_in_flight() {
    check("TERM");
}

#[test]
fn ctrl_c_finishes_calls_in_flight() {
    check("INT");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::allow());
    let mut callgate = Callgate::start(&policy(&business));
    let grpc = callgate.grpc();
    grpc.before(calls::request(SINGLE, "hello"));
    let mut idle = crate::harness::http::Connection::open(callgate.http);
    idle.post(
        &calls::path(SINGLE),
        calls::body(SINGLE, "hello").as_bytes(),
    )
    .unwrap();
    let signalled = Instant::now();
    callgate.signal("TERM");
    assert_eq!(callgate.ended_within(PATIENCE).code(), Some(0));
    metronome.on_time(signalled, Duration::from_secs(3), "the end");
}

#[test]
fn the_grace_period_is_the_longest_wait() {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::Hang);
    let mut callgate = Setup::new(&policy(&business))
        .engine("shutdown_grace", "500ms")
        .start();
    let address = callgate.http;
    thread::spawn(move || {
        let body = calls::body(SINGLE, "hello");
        let mut connection = crate::harness::http::Connection::open(address);
        // It is cut off or answered; both are an end.
        let _ = connection.post(&calls::path(SINGLE), body.as_bytes());
    });
    business.wait_for(1);
    let signalled = Instant::now();
    callgate.signal("TERM");
    assert_eq!(callgate.ended_within(PATIENCE).code(), Some(0));
    metronome.on_time(signalled, Duration::from_secs(2), "the end");
}

/// An event that was being delivered when the end came is told again after the start.
#[test]
fn an_event_in_delivery_is_not_lost() {
    let business = Business::start(Behaviour::Hang);
    let mut callgate = Callgate::start(&policy(&business));
    let hook = "afterSendSingleMsg";
    callgate.call(hook, "hello");
    business.wait_for(1);
    callgate.signal("TERM");
    assert_eq!(callgate.ended_within(PATIENCE).code(), Some(0));
    business.set(Behaviour::allow());
    let setup = callgate.into_setup();
    let restarted = setup.start();
    business.wait_for(2);
    wait_for("the delivery", PATIENCE, || {
        let counts = restarted.status()["outbox"]["endpoints"]["business"].take();
        (counts["delivered"] == 1 && counts["pending"] == 0).then_some(())
    });
}
