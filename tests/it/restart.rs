//! A restart under load: whoever starts the program keeps its ports open, so callers wait a
//! moment instead of failing.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Grpc, PATIENCE, Setup, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

/// The ports as systemd keeps them.
struct Sockets([TcpListener; 3]);

impl Sockets {
    fn open() -> Sockets {
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        for socket in &sockets {
            // The program is to inherit it.
            rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty()).unwrap();
        }
        Sockets(sockets)
    }

    fn address(&self, place: usize) -> SocketAddr {
        self.0[place].local_addr().unwrap()
    }

    /// What a shell does to hand them over: first away from 3 to 5, then there.
    fn hand_over(&self, names: &str) -> String {
        let mut script = String::new();
        for (place, socket) in self.0.iter().enumerate() {
            script.push_str(&format!("exec {}<&{}; ", 90 + place, socket.as_raw_fd()));
        }
        for place in 0..3 {
            script.push_str(&format!("exec {}<&{}; ", 3 + place, 90 + place));
        }
        format!("{script}export LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES={names}")
    }
}

/// What the callers saw.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
}

/// Calls over connections that are kept open, as an IM server does.
fn over_http(load: &Load, address: SocketAddr, caller: usize) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    let mut connection = http::Connection::open(address);
    let mut number = 0;
    while !load.stop.load(Ordering::Relaxed) {
        let id = format!("h{caller}-{number}");
        number += 1;
        for (hook, text) in [(SINGLE, "forbidden"), (AFTER, "hello")] {
            let body = calls::body_with_id(hook, text, &id);
            let answer = connection
                .post(&calls::path(hook), body.as_bytes())
                .unwrap_or_else(|error| panic!("{hook} {id}: {error}"));
            assert_eq!(answer.status, 200, "{hook} {id}");
            let blocked = answer.json()["nextCode"] == 1;
            assert_eq!(blocked, hook == SINGLE, "{}", answer.text());
            load.answered.fetch_add(1, Ordering::Relaxed);
            if answer.header("connection") == "close" {
                connection = http::Connection::open(address);
            }
        }
        acknowledged.insert(id);
    }
    acknowledged
}

/// A call that was sent while the server took leave of its connection: it says that it has not looked
/// at it, and clients of gRPC send it again by themselves. This one leaves that to us.
fn is_for_another_connection(status: &tonic::Status) -> bool {
    format!("{status:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}

fn over_grpc(load: &Load, address: SocketAddr) {
    let grpc = Grpc::connect(address);
    while !load.stop.load(Ordering::Relaxed) {
        let ask = || grpc.before_within(calls::request(SINGLE, "forbidden"), None);
        let answer = ask().or_else(|status| match is_for_another_connection(&status) {
            true => ask(),
            false => Err(status),
        });
        let answer = answer.unwrap_or_else(|status| panic!("{status:?}"));
        assert_eq!(answer.action(), v1::Action::Block);
        load.answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn restarts_under_load_fail_no_call_and_lose_no_event() {
    let restarts = if std::env::var_os("CALLGATE_LONG").is_some() {
        100
    } else {
        4
    };
    let business = Business::start(Behaviour::allow());
    let policy = format!(
        "lists: {{bad: {{words: [forbidden]}}}}\nendpoints: {{business: {{url: \"{}\"}}}}\n\
         hooks: {{{SINGLE}: {{filters: [bad]}}, {AFTER}: {{endpoint: business}}}}\n",
        business.url()
    );
    let sockets = Sockets::open();
    let start = |setup: Setup| setup.shell(&sockets.hand_over("http:grpc:admin")).start();
    let mut callgate = start(Setup::new(&policy));
    assert_eq!(callgate.http, sockets.address(0));
    assert_eq!(callgate.grpc, sockets.address(1));
    assert_eq!(callgate.admin, sockets.address(2));
    let load = Load::default();
    let (callgate, acknowledged) = thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|caller| {
                scope.spawn({
                    let (load, address) = (&load, sockets.address(0));
                    move || over_http(load, address, caller)
                })
            })
            .collect();
        let grpc = scope.spawn(|| over_grpc(&load, sockets.address(1)));
        for _ in 0..restarts {
            let before = load.answered.load(Ordering::Relaxed);
            wait_for("calls", PATIENCE, || {
                let now = load.answered.load(Ordering::Relaxed);
                (now > before + 20 || callers.iter().any(|caller| caller.is_finished()))
                    .then_some(())
            });
            callgate.signal("TERM");
            assert_eq!(callgate.ended_within(PATIENCE).code(), Some(0));
            callgate = start(callgate.into_setup());
        }
        load.stop.store(true, Ordering::Relaxed);
        grpc.join().unwrap();
        let told = callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap());
        (callgate, told.collect::<BTreeSet<_>>())
    });
    wait_for("every event", PATIENCE * 3, || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        (counts["pending"] == 0).then_some(())
    });
    let told = business.requests();
    let told: BTreeSet<_> = told
        .iter()
        .map(|told| told.json()["serverMsgID"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&told).collect();
    assert!(lost.is_empty(), "{lost:?}");
    println!(
        "{restarts} restarts, {} calls answered, {} events acknowledged, none lost",
        load.answered.load(Ordering::Relaxed),
        acknowledged.len()
    );
}

#[test]
fn a_socket_that_nobody_wants_stops_the_start() {
    let sockets = Sockets::open();
    let output = Setup::new("hooks: {}\n")
        .shell(&sockets.hand_over("http:grpc:other"))
        .run(&["serve"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("nothing listens on `other`"), "{said}");
}

/// A draining process tells each caller that its connection ends.
#[test]
fn the_last_answer_of_a_connection_says_so() {
    let business = Business::start(Behaviour::block().after(Duration::from_millis(800)));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 4s}}}}\n",
        business.url()
    );
    let mut callgate = Setup::new(&policy).start();
    let answer = thread::scope(|scope| {
        let call = scope.spawn(|| callgate.call(SINGLE, "hello"));
        business.wait_for(1);
        callgate.signal("TERM");
        call.join().unwrap()
    });
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(answer.json()["errCode"], 20123);
    assert_eq!(callgate.ended_within(PATIENCE).code(), Some(0));
}
