//! Attacks on the ports with honest traffic beside them: no answer is wrong, and no word of a
//! list passes.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Metronome, Setup, http};

/// Honest callers have their answers within this, but for one in a hundred.
const P99_MAX: Duration = Duration::from_millis(100);
/// A machine is quiet on which they have them within this without an attack.
const QUIET: Duration = Duration::from_millis(10);
/// With fewer calls that nothing else held up, there is nothing to be said about one in a hundred.
const CALLS_MIN: usize = 50;

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

/// 50 calls a second; every other message has a word of the list. When each began and ended.
fn honest(honest: &Honest, mut call: impl FnMut(&str) -> bool) -> Vec<(Instant, Instant)> {
    let mut times = Vec::new();
    let mut number = 0;
    while !honest.stop.load(Ordering::Relaxed) {
        let text = ["forbidden", "hello"][number % 2];
        number += 1;
        let started = Instant::now();
        let blocked = call(text);
        let ended = Instant::now();
        let took = ended - started;
        times.push((started, ended));
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

/// Runs one attack with honest traffic beside it. The attack is made on the same machine, and
/// others may use it too: how fast honest calls are is asserted where they are fast without the
/// attack, and calls do not count during which the machine itself stood still.
fn check(what: &str, callgate: &Callgate, attack: impl Fn(Instant) + Sync) {
    let (quiet, _) = p99_beside(callgate, || thread::sleep(length() / 2));
    let (p99, forbidden) = p99_beside(callgate, || attack(Instant::now() + length()));
    println!(
        "{what}: {forbidden} forbidden and none passed, p99 {p99:?}, without attack {quiet:?}"
    );
    if quiet.is_some_and(|quiet| quiet < QUIET) && p99.is_some() {
        assert!(
            p99 < Some(P99_MAX),
            "{what}: {p99:?}, without attack {quiet:?}"
        );
    }
    assert_eq!(http::get(callgate.admin, "/healthz").status, 200);
}

/// The time of the slowest of a hundred honest calls while something goes on, `None` where too few
/// were undisturbed by the machine; and how many forbidden messages were refused.
fn p99_beside(callgate: &Callgate, work: impl FnOnce()) -> (Option<Duration>, usize) {
    let state = Honest::default();
    let metronome = Metronome::start();
    let grpc = callgate.grpc();
    let calls = thread::scope(|scope| {
        let http = scope.spawn(|| honest(&state, over_http(callgate.http)));
        let grpc = scope.spawn(|| {
            honest(&state, |text| {
                let answer = grpc.before(calls::request(SINGLE, text));
                answer.action() == v1::Action::Block
            })
        });
        work();
        state.stop.store(true, Ordering::Relaxed);
        let mut calls = http.join().unwrap();
        calls.extend(grpc.join().unwrap());
        calls
    });
    let undisturbed = calls
        .iter()
        .filter(|(from, to)| !metronome.stood_still(*from, *to));
    let mut times: Vec<_> = undisturbed.map(|(from, to)| *to - *from).collect();
    times.sort();
    let p99 = times.get(times.len() * 99 / 100).copied();
    (
        p99.filter(|_| times.len() >= CALLS_MIN),
        state.forbidden.load(Ordering::Relaxed),
    )
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
