//! Attacks on the ports with honest traffic beside them: no answer is wrong, and no word of a
//! list passes.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Setup, http};

/// How long each attack lasts; with `CALLGATE_LONG` ten times as long.
fn length() -> Duration {
    match std::env::var_os("CALLGATE_LONG") {
        Some(_) => Duration::from_secs(20),
        None => Duration::from_secs(2),
    }
}

/// What honest callers saw.
#[derive(Default)]
struct Honest {
    stop: AtomicBool,
    forbidden: AtomicUsize,
}

/// 50 calls a second; every other message has a word of the list.
fn honest(honest: &Honest, mut call: impl FnMut(&str) -> bool) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut number = 0;
    while !honest.stop.load(Ordering::Relaxed) {
        let text = ["forbidden", "hello"][number % 2];
        number += 1;
        let started = Instant::now();
        let blocked = call(text);
        let took = started.elapsed();
        times.push(took);
        assert_eq!(blocked, text == "forbidden", "call {number}");
        if blocked {
            honest.forbidden.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(20).saturating_sub(took));
    }
    times
}

fn over_http(address: SocketAddr) -> impl FnMut(&str) -> bool {
    let mut connection = http::Connection::open(address);
    move |text| {
        let body = calls::body(SINGLE, text);
        let answer = connection.post(&calls::path(SINGLE), body.as_bytes());
        answer.unwrap().json()["nextCode"] == 1
    }
}

/// Runs one attack with honest traffic beside it.
fn check(what: &str, callgate: &Callgate, attack: impl Fn(Instant) + Sync) {
    let state = Honest::default();
    let grpc = callgate.grpc();
    let mut times = thread::scope(|scope| {
        let http = scope.spawn(|| honest(&state, over_http(callgate.http)));
        let grpc = scope.spawn(|| {
            honest(&state, |text| {
                let answer = grpc.before(calls::request(SINGLE, text));
                answer.action() == v1::Action::Block
            })
        });
        attack(Instant::now() + length());
        state.stop.store(true, Ordering::Relaxed);
        let mut times = http.join().unwrap();
        times.extend(grpc.join().unwrap());
        times
    });
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    let forbidden = state.forbidden.load(Ordering::Relaxed);
    println!(
        "{what}: {} honest calls, {forbidden} forbidden and none passed, p99 {p99:?}",
        times.len()
    );
    assert_eq!(http::get(callgate.admin, "/healthz").status, 200);
}

fn open(address: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    // It may be closed at once; that is what it is for.
    let _ = stream.write_all(bytes);
    Some(stream)
}

#[test]
fn sockets_that_ask_nothing_and_half_sent_calls() {
    let callgate = Setup::new(
        "lists: {bad: {words: [forbidden]}}\nhooks: {beforeSendSingleMsg: {filters: [bad]}}\n",
    )
    .engine("http.connections_max", "500")
    .engine("grpc.connections_max", "500")
    .engine("http.in_flight_max", "100")
    .start();
    let mut half = http::head("POST", &calls::path(SINGLE), Some(5000));
    half.extend(vec![b' '; 1000]);
    check("half-sent calls", &callgate, |until| {
        let mut held = Vec::new();
        while Instant::now() < until {
            for address in [callgate.http, callgate.grpc, callgate.admin] {
                held.extend(open(address, b""));
                held.extend(open(address, b"POST /openim HTTP/1.1\r\nHost"));
                held.extend(open(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
            }
            held.extend(open(callgate.http, &half));
            if held.len() > 3000 {
                held.drain(..1500);
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
}

/// The business server hangs, and a flood waits for it: past the limit calls are shed, and a shed
/// call still passes the filters.
#[test]
fn a_flood_at_a_business_server_that_hangs() {
    let business = Business::start(Behaviour::Hang);
    let policy = format!(
        "lists: {{bad: {{words: [forbidden]}}}}\nendpoints: {{business: {{url: \"{}\"}}}}\n\
         hooks:\n  {SINGLE}: {{filters: [bad]}}\n  beforeSendGroupMsg: {{filters: [bad], endpoint: business, timeout: 1s}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy)
        .engine("http.in_flight_max", "20")
        .engine("grpc.in_flight_max", "20")
        .start();
    let group = "beforeSendGroupMsg";
    check("a flood", &callgate, |until| {
        thread::scope(|scope| {
            for caller in 0..60 {
                let callgate = &callgate;
                scope.spawn(move || {
                    let mut connection = http::Connection::open(callgate.http);
                    while Instant::now() < until {
                        let text = ["hello", "forbidden"][usize::from(caller % 3 == 0)];
                        let body = calls::body(group, text);
                        let answer = connection
                            .post(&calls::path(group), body.as_bytes())
                            .unwrap();
                        let blocked = answer.json()["nextCode"] == 1;
                        assert_eq!(blocked, text == "forbidden", "{}", answer.text());
                    }
                });
            }
        });
    });
}
