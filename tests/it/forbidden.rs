//! No word of a list passes, whatever is done to callgate at the same time.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use callgate::proto::v1;

use crate::harness::calls::{self, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Setup, http};

/// Messages with a word of the list: 100,000 and more with `CALLGATE_LONG`.
fn messages() -> usize {
    match std::env::var_os("CALLGATE_LONG") {
        Some(_) => 100_000,
        None => 3_000,
    }
}

/// The list's word as it is, in disguise, and in company.
const TEXTS: [&str; 4] = [
    "forbidden",
    "ｆｏｒｂｉｄｄｅｎ",
    "quite a forbidden word",
    "FORBIDDEN\u{200b}",
];
const HOOKS: [&str; 3] = [SINGLE, GROUP, MODIFY];

#[derive(Default)]
struct Count {
    sent: AtomicUsize,
    passed: AtomicUsize,
    /// Not answered, so not sent either as far as the sender knows.
    unanswered: AtomicUsize,
    stop: AtomicBool,
}

impl Count {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn answered(&self, blocked: bool) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        if !blocked {
            self.passed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lost(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }
}

fn over_http(callgate: &Callgate, count: &Count, caller: usize) {
    let mut connection = None;
    for number in caller.. {
        if count.is_over() {
            return;
        }
        let hook = HOOKS[number % 3];
        let body = calls::body_from(&format!("user{}", number % 50), hook, TEXTS[number % 4]);
        let open = connection
            .take()
            .or_else(|| http::Connection::try_open(callgate.http));
        let Some(mut open) = open else {
            count.lost();
            continue;
        };
        match open.post(&calls::path(hook), body.as_bytes()) {
            Ok(answer) => {
                let answer_json = answer.json();
                count.answered(answer_json["actionCode"] == 0 && answer_json["nextCode"] == 1);
                connection = Some(open);
            }
            // Its place was needed.
            Err(_) => count.lost(),
        }
    }
}

fn over_grpc(callgate: &Callgate, count: &Count, caller: usize) {
    let mut grpc = callgate.grpc();
    for number in caller.. {
        if count.is_over() {
            return;
        }
        let request = calls::request(HOOKS[number % 3], TEXTS[number % 4]);
        match grpc.before_within(request, Some(Duration::from_secs(5))) {
            Ok(answer) => count.answered(answer.action() == v1::Action::Block),
            Err(_) => {
                count.lost();
                grpc = callgate.grpc();
            }
        }
    }
}

/// Sockets that ask nothing, half-sent calls, broken bodies, orders that make no sense.
fn noise(callgate: &Callgate, count: &Count) {
    let mut half = http::head("POST", &calls::path(SINGLE), Some(100_000));
    half.extend(vec![b' '; 20_000]);
    let mut held = Vec::new();
    while !count.is_over() {
        for (address, bytes) in [
            (callgate.http, &half[..]),
            (callgate.http, b"POST /openim HTTP/1.1\r\nHost"),
            (callgate.http, b"GET / HTTP/1.1\r\n\r\n"),
            (
                callgate.grpc,
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            ),
            (callgate.admin, b"GET /metrics HTTP/1.1\r\nHost: im\r\n\r\n"),
        ] {
            held.extend(TcpStream::connect(address).ok().inspect(|mut stream| {
                // It may be closed at once; that is what it is for.
                let _ = stream.write_all(bytes);
            }));
        }
        if held.len() > 600 {
            held.drain(..300);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Good calls that wait for a business server which hangs, so that places are few.
fn flood(callgate: &Callgate, count: &Count) {
    while !count.is_over() {
        if let Some(mut connection) = http::Connection::try_open(callgate.http) {
            let body = calls::body(SINGLE, "hello");
            // Whatever becomes of it.
            let _ = connection.post(&calls::path(SINGLE), body.as_bytes());
        }
    }
}

/// Edits, good and bad, all of which have the word on the list.
fn edits(callgate: &Callgate, count: &Count, policies: &[String]) {
    for policy in policies.iter().cycle() {
        if count.is_over() {
            return;
        }
        callgate.setup().write("policy.yaml", policy);
        thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn no_forbidden_message_passes_under_load_attack_and_edits() {
    let business = Business::start(Behaviour::Hang);
    let policy = |more: &str| {
        format!(
            "endpoints: {{business: {{url: \"{}\", in_flight_max: 4}}}}\n\
             lists: {{bad: {{words: [forbidden{more}]}}}}\n\
             each_hook: {{filters: [bad], endpoint: business, timeout: 300ms, failedContinue: true}}\n\
             hooks: {{{SINGLE}: {{}}, {GROUP}: {{}}, {MODIFY}: {{}}}}\n",
            business.url()
        )
    };
    let policies = [
        policy(""),
        policy(", other"),
        "hooks: {nonsense: {}}\n".to_owned(),
    ];
    let callgate = Setup::new(&policies[0])
        .engine("http.in_flight_max", "4")
        .engine("grpc.in_flight_max", "2")
        .engine("http.connections_max", "300")
        .engine("grpc.connections_max", "200")
        .engine("connections.head_timeout", "1s")
        .engine("log.queue_bytes_max", "64KiB")
        .start();
    let count = Count::default();
    thread::scope(|scope| {
        for caller in 0..4 {
            let (callgate, count) = (&callgate, &count);
            scope.spawn(move || over_http(callgate, count, caller));
            scope.spawn(move || over_grpc(callgate, count, caller));
        }
        for _ in 0..12 {
            let (callgate, count) = (&callgate, &count);
            scope.spawn(move || flood(callgate, count));
        }
        scope.spawn(|| noise(&callgate, &count));
        scope.spawn(|| edits(&callgate, &count, &policies));
        while count.sent.load(Ordering::Relaxed) < messages() {
            thread::sleep(Duration::from_millis(20));
        }
        count.stop.store(true, Ordering::Relaxed);
    });
    let [sent, passed, unanswered] = [&count.sent, &count.passed, &count.unanswered]
        .map(|number| number.load(Ordering::Relaxed));
    println!("{sent} forbidden messages answered, {passed} passed, {unanswered} unanswered");
    assert_eq!(passed, 0, "of {sent}");
    let shed = [SINGLE, GROUP, MODIFY].map(|hook| {
        callgate.metric(&format!(
            "callgate_failures_total{{hook=\"{hook}\",class=\"overloaded\"}}"
        ))
    });
    assert!(shed.iter().sum::<f64>() > 0.0, "nothing was shed: {shed:?}");
}
