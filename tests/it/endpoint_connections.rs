//! Connections to business servers: used again while they are good, and never at a call's cost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::calls::{self, ALLOW, SINGLE};
use crate::harness::{Business, Callgate, Setup, wait_for};
use crate::outbox_delivery::{AFTER, accept};

const NO_BREAKER: &str = "breaker: {failures: 1000000, calls_min: 1000000}";
const POLICY: &str = "hooks: {beforeSendSingleMsg: {}}\n";
const SOON: Duration = Duration::from_secs(20);

/// A server that answers so many calls on each connection, and closes it when one more has come.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(answers: usize, headers: &'static str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                let requests = requests.clone();
                thread::spawn(move || serve(stream, answers, headers, &requests));
            }
        });
        server
    }

    fn seen(&self) -> (usize, usize) {
        let connections = self.connections.load(Ordering::SeqCst);
        (connections, self.requests.load(Ordering::SeqCst))
    }
}

fn serve(mut stream: TcpStream, answers: usize, headers: &str, requests: &AtomicUsize) {
    for _ in 0..answers {
        if !request_came(&mut stream, requests) {
            return;
        }
        let length = ALLOW.len();
        let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{ALLOW}");
        if stream.write_all(head.as_bytes()).is_err() {
            return;
        }
    }
    request_came(&mut stream, requests);
}

/// Reads one request, whose body ends with the line end of the harness's calls.
fn request_came(stream: &mut TcpStream, requests: &AtomicUsize) -> bool {
    let mut all = Vec::new();
    let mut chunk = [0; 16 << 10];
    while !all.ends_with(b"}\n") {
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => all.extend_from_slice(&chunk[..read]),
            _ => return false,
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    true
}

/// Asks so often, and says how often the message went unreviewed.
fn unreviewed(server: &Server, settings: &str, times: usize) -> usize {
    let policy = format!(
        "endpoints: {{business: {{url: \"http://{}/callback\", {NO_BREAKER}, {settings}}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 5s, caller_timeout: 9s}}}}\n",
        server.address
    );
    let callgate = Callgate::start(&policy);
    let answers = (0..times).map(|_| callgate.call(SINGLE, "hello"));
    answers
        .filter(|answer| !answer.header("x-callgate-failure").is_empty())
        .count()
}

/// Calls on the connection of the one before are sent by the same worker; each has its own pool.
const WORKERS_MAX: usize = 64;

#[test]
fn connections_are_used_again() {
    let server = Server::start(usize::MAX, "");
    assert_eq!(unreviewed(&server, "pool_idle_timeout: 1m", 300), 0);
    let (connections, requests) = server.seen();
    assert!(connections <= WORKERS_MAX, "{connections}");
    assert_eq!(requests, 300);
}

#[test]
fn a_call_that_dies_on_a_used_connection_is_sent_again_on_a_fresh_one() {
    let server = Server::start(1, "");
    assert_eq!(unreviewed(&server, "pool_idle_timeout: 1m", 100), 0);
}

#[test]
fn a_call_that_dies_on_a_fresh_connection_is_not_sent_again() {
    let server = Server::start(0, "");
    assert_eq!(unreviewed(&server, "pool_idle_timeout: 1m", 10), 10);
    assert_eq!(server.seen(), (10, 10));
}

#[test]
fn connections_are_left_alone_when_they_are_old_or_their_server_closes_them() {
    for (headers, settings) in [
        ("", "connection_age_max: 0s"),
        ("", "pool_idle_timeout: 0s"),
        ("Keep-Alive: timeout=0\r\n", ""),
        ("Keep-Alive: max=7, timeout=0\r\n", ""),
        ("Connection: close\r\n", ""),
    ] {
        let server = Server::start(usize::MAX, headers);
        assert_eq!(unreviewed(&server, settings, 20), 0);
        assert_eq!(server.seen(), (20, 20), "{headers:?} {settings}");
    }
}

/// Hands on whatever comes, as a proxy or another name of the same machine would.
fn relay_to(target: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections: Arc<AtomicUsize> = Arc::default();
    let count = connections.clone();
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::SeqCst);
            let Ok(to) = TcpStream::connect(target) else {
                continue;
            };
            for (mut from, mut to) in [
                (from.try_clone().unwrap(), to.try_clone().unwrap()),
                (to, from),
            ] {
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (address, connections)
}

#[test]
fn a_call_that_comes_back_is_refused_and_does_not_multiply() {
    // A port that is free now and the relay's target when callgate has started.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free.local_addr().unwrap();
    drop(free);
    let (relay, connections) = relay_to(own);
    let policy = format!(
        "endpoints: {{business: {{url: \"http://{relay}/openim\", {NO_BREAKER}, retry_waits: [50ms]}}}}\nhooks:\n  {SINGLE}: {{endpoint: business, failedContinue: {{default: allow, loop: block}}}}\n  {AFTER}: {{endpoint: business}}\n"
    );
    let setup = Setup::new(&policy).engine("http.listen", &own.to_string());
    let callgate = setup.start();
    let answer = callgate.call(SINGLE, "hello");
    assert_eq!(answer.header("x-callgate-failure"), "loop");
    assert_eq!(answer.json()["nextCode"], 1);
    accept(&callgate, &["a", "b"]);
    let books = wait_for("two dead events", SOON, || {
        let books = callgate.status()["outbox"]["endpoints"]["business"].take();
        (books["dead"] == 2).then_some(books)
    });
    assert_eq!(books["accepted"], 2);
    assert!(connections.load(Ordering::SeqCst) <= 3);
    assert!(callgate.log().contains("an endpoint leads here"));
}

/// Every way to write our own address is seen by `check` and at start.
#[test]
fn our_own_address_is_known_however_it_is_written() {
    for host in [
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.",
        "LOCALHOST",
        "[::ffff:7f00:1]",
    ] {
        let policy = format!(
            "endpoints: {{business: {{url: \"http://{host}:18080/callback\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n"
        );
        let setup = Setup::new(&policy).engine("http.listen", "127.0.0.1:18080");
        let start = setup.run(&["serve"]);
        let said = String::from_utf8_lossy(&start.stderr);
        assert!(!start.status.success(), "{host} starts");
        assert!(said.contains("callgate"), "{host}: {said}");
        assert!(said.contains("url"), "{host}: {said}");
    }
}

/// What can never be called is refused when it is written, by the parser that calls use.
#[test]
fn urls_that_can_never_work_are_refused() {
    for url in [
        "http://business:0/x",
        "http://business:99999/x",
        "http://256.1.1.1/x",
        "http://[fe80::1%25eth0]/x",
        "http://[::1/x",
        "http://bad host/x",
        "ftp://business/x",
        "business/x",
        "http:///x y",
    ] {
        let policy = format!(
            "endpoints: {{business: {{url: \"{url}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n"
        );
        let check = Setup::new(&policy).run(&["check"]);
        assert!(!check.status.success(), "{url}");
    }
    let business = Business::start(crate::harness::Behaviour::block());
    let url = business.url().replace("http://", "HTTP://");
    let policy = format!(
        "endpoints: {{business: {{url: \"{url}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n"
    );
    let answer = Callgate::start(&policy).call(SINGLE, "hello");
    assert_eq!(answer.json()["errCode"], 20123);
    let request = &business.requests()[0];
    assert_eq!(
        request.path,
        format!("/callback/{}", calls::command(SINGLE))
    );
    assert_eq!(request.header("host"), business.address.to_string());
    assert!(!request.header("x-callgate-hop").is_empty());
}

#[test]
fn what_an_endpoint_does_not_know_of_itself_is_said() {
    use crate::harness::Behaviour;
    for (behaviour, words) in [
        (
            Behaviour::RedirectTo("http://new.example/x".to_owned()),
            "it redirects to `http://new.example/x`",
        ),
        (Behaviour::Gzip, "its body is compressed (`gzip`)"),
    ] {
        let business = Business::start(behaviour);
        let policy = format!(
            "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n",
            business.url()
        );
        let callgate = Callgate::start(&policy);
        callgate.call(SINGLE, "hello");
        wait_for(words, SOON, || callgate.log().contains(words).then_some(()));
    }
}

#[test]
fn a_proxy_that_is_set_and_not_used_is_named() {
    let setup = Setup::new(POLICY).env("https_proxy", "http://127.0.0.1:3128");
    let callgate = setup.start();
    wait_for("the warning", SOON, || {
        callgate
            .log()
            .contains("`https_proxy` is set")
            .then_some(())
    });
}

/// A hangup is a wish for the new policy and no end.
#[test]
fn a_hangup_reloads() {
    let mut callgate = Callgate::start(POLICY);
    callgate.signal("HUP");
    wait_for("a reload", SOON, || {
        let unchanged = "callgate_reloads_total{result=\"unchanged\"}";
        (callgate.metric(unchanged) >= 1.0).then_some(())
    });
    assert!(callgate.is_alive());
}

/// Whoever asks twice does not want to wait.
#[test]
fn a_second_signal_ends_at_once() {
    let business = Business::start(crate::harness::Behaviour::Hang);
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 15s, caller_timeout: 1m}}}}\n",
        business.url()
    );
    let setup = Setup::new(&policy).engine("shutdown_grace", "1h");
    let mut callgate = setup.start();
    let http = callgate.http;
    let asked = thread::spawn(move || {
        let mut stream = TcpStream::connect(http).unwrap();
        let body = calls::body(SINGLE, "hello");
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            calls::path(SINGLE),
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.read(&mut [0; 64]);
    });
    business.wait_for(1);
    callgate.signal("TERM");
    wait_for("the end to begin", SOON, || {
        callgate.log().contains("stopping").then_some(())
    });
    callgate.signal("TERM");
    callgate.ended_within(Duration::from_secs(10));
    asked.join().unwrap();
}
