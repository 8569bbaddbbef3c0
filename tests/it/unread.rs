//! Callers that ask and do not take the answers: they hold neither memory nor places for long.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use callgate::proto::v1;
use prost::Message;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const WORDS: &str =
    "lists: {bad: {words: [forbidden]}}\nhooks: {beforeSendSingleMsg: {filters: [bad]}}\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An HTTP/2 connection, byte by byte.
struct Http2 {
    stream: TcpStream,
    next: u32,
    /// How many bytes of bodies the server takes before it says more.
    credit: usize,
}

impl Http2 {
    /// `window` is what the peer may send of each answer before it is told more.
    fn open(address: SocketAddr, window: u32) -> Http2 {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut http2 = Http2 {
            stream,
            next: 1,
            credit: 65_535,
        };
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut initial_window = vec![0, 4];
        initial_window.extend(window.to_be_bytes());
        frame(&mut bytes, SETTINGS, 0, 0, &initial_window);
        // That of the connection is wide.
        frame(&mut bytes, WINDOW_UPDATE, 0, 0, &(1u32 << 30).to_be_bytes());
        http2.send(&bytes);
        http2
    }

    /// Asks for a page.
    fn get(&mut self, path: &str) {
        let mut bytes = Vec::new();
        let head = head("GET", path);
        let flags = END_HEADERS | END_STREAM;
        frame(&mut bytes, HEADERS, flags, self.next, &head);
        self.next += 2;
        self.send(&bytes);
    }

    /// Calls; the answer is its reader's affair. Reads no more than what the server says of the
    /// room that it has for bodies.
    fn ask(&mut self, path: &str, message: &[u8]) {
        let head = head("POST", path);
        let mut body = vec![0];
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
        while self.credit < body.len() {
            match self.frame() {
                Some((WINDOW_UPDATE, 0, more)) => {
                    self.credit += u32::from_be_bytes(more.try_into().unwrap()) as usize;
                }
                Some(_) => {}
                // It was closed.
                None => return,
            }
        }
        self.credit -= body.len();
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_HEADERS, self.next, &head);
        let last = body.chunks(16_384).count() - 1;
        for (number, part) in body.chunks(16_384).enumerate() {
            let flags = if number == last { END_STREAM } else { 0 };
            frame(&mut bytes, DATA, flags, self.next, part);
        }
        self.next += 2;
        self.send(&bytes);
    }

    fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((head[3], stream, payload))
    }

    fn send(&mut self, bytes: &[u8]) {
        // The server may have closed it, which is what it is for.
        let _ = self.stream.write_all(bytes);
    }

    /// Reads until the server ends the connection; how long that took.
    fn ended(&mut self) -> Duration {
        let started = Instant::now();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.stream.read_to_end(&mut rest);
        let took = started.elapsed();
        assert!(took < PATIENCE, "still open");
        took
    }
}

/// Literals that no table remembers, of short texts without Huffman's code.
fn head(method: &str, path: &str) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in [
        (":method", method),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        head.push(0);
        for text in [name, value] {
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
            head.push(length.unwrap());
            head.extend(text.bytes());
        }
    }
    head
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

const BEFORE: &str = "/callgate.v1.HookService/Before";

/// A call whose answer is several times as long: it names every match.
fn amplified() -> Vec<u8> {
    calls::request(SINGLE, &"forbidden ".repeat(700)).encode_to_vec()
}

fn is_honest(callgate: &Callgate) {
    let answer = callgate.call(SINGLE, "forbidden");
    assert_eq!(answer.json()["nextCode"], 1, "{}", answer.text());
    let over_grpc = callgate.grpc().before(calls::request(SINGLE, "forbidden"));
    assert_eq!(over_grpc.action(), v1::Action::Block);
}

fn evicted(callgate: &Callgate, port: &str, reason: &str) -> f64 {
    callgate.metric(&format!(
        "callgate_connections_evicted_total{{port=\"{port}\",reason=\"{reason}\"}}"
    ))
}

#[test]
fn who_gives_answers_no_window_is_closed_on_every_port() {
    let callgate = Setup::new(WORDS)
        .engine("connections.answer_timeout", "500ms")
        .start();
    let short = calls::request(SINGLE, "hello").encode_to_vec();
    for (port, address, path) in [
        ("grpc", callgate.grpc, BEFORE),
        ("admin", callgate.admin, "/callgate.v1.AdminService/Status"),
        (
            "http",
            callgate.http,
            "/openim/callbackBeforeSendSingleMsgCommand",
        ),
    ] {
        let mut silent = Http2::open(address, 0);
        for _ in 0..20 {
            silent.ask(path, if port == "admin" { &[] } else { &short });
        }
        let took = silent.ended();
        assert!(took < Duration::from_secs(5), "{port}: {took:?}");
        assert_eq!(evicted(&callgate, port, "unread"), 1.0, "{port}");
        is_honest(&callgate);
    }
}

/// What waits for a window does not grow beyond its budget.
#[test]
fn answers_without_a_window_have_a_budget() {
    let callgate = Setup::new(WORDS)
        .engine("connections.bodies_bytes_max", "1MiB")
        .start();
    is_honest(&callgate);
    let mut hoarder = Http2::open(callgate.grpc, 0);
    let amplified = amplified();
    wait_for("the end of the connection", PATIENCE, || {
        for _ in 0..20 {
            hoarder.ask(BEFORE, &amplified);
        }
        (evicted(&callgate, "grpc", "memory") == 1.0).then_some(())
    });
    is_honest(&callgate);
}

/// Nor does what waits for a socket that nobody reads: its connection ends, for the memory or for
/// the time.
#[test]
fn answers_into_a_socket_that_nobody_reads_end_with_it() {
    let callgate = Setup::new(WORDS)
        .engine("connections.answer_timeout", "2s")
        .engine("connections.bodies_bytes_max", "2MiB")
        .start();
    let mut hoarders: Vec<Http2> = (0..4)
        .map(|_| Http2::open(callgate.admin, 1 << 30))
        .collect();
    for hoarder in &mut hoarders {
        // The server stops to read from who does not read.
        let patience = Some(Duration::from_millis(200));
        hoarder.stream.set_write_timeout(patience).unwrap();
        for _ in 0..1000 {
            hoarder.get("/metrics");
        }
    }
    wait_for("the end of the connections", 3 * PATIENCE, || {
        let ends = ["memory", "unread"].map(|reason| evicted(&callgate, "admin", reason));
        (ends.iter().sum::<f64>() >= 4.0).then_some(())
    });
    is_honest(&callgate);
    let peak = callgate.peak_bytes();
    assert!(peak < 300 << 20, "{peak} bytes");
}

/// When all answers together are too many, those end who hold them, and nobody else.
#[test]
fn answers_of_many_connections_have_a_budget_together() {
    let callgate = Setup::new(WORDS)
        .engine("connections.all_bodies_bytes_max", "1MiB")
        .start();
    let amplified = amplified();
    let mut hoarders: Vec<Http2> = (0..40).map(|_| Http2::open(callgate.grpc, 0)).collect();
    for hoarder in &mut hoarders {
        for _ in 0..4 {
            hoarder.ask(BEFORE, &amplified);
        }
    }
    wait_for("the end of some", PATIENCE, || {
        (evicted(&callgate, "grpc", "memory") >= 10.0).then_some(())
    });
    // Long answers of those who take them still come, whole.
    let grpc = callgate.grpc();
    for _ in 0..20 {
        let answer = grpc.before(calls::request(SINGLE, &"forbidden ".repeat(700)));
        assert_eq!(answer.action(), v1::Action::Block);
        assert!(!answer.matches.is_empty());
        is_honest(&callgate);
    }
    assert_eq!(http::get(callgate.admin, "/healthz").status, 200);
}

/// An answer that is taken bit by bit arrives.
#[test]
fn an_answer_that_is_taken_in_small_parts_arrives() {
    let callgate = Setup::new(WORDS)
        .engine("connections.answer_timeout", "2s")
        .start();
    let mut connection = TcpStream::connect(callgate.admin).unwrap();
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: im\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = Vec::new();
    let mut part = [0; 512];
    while let Ok(read @ 1..) = connection.read(&mut part) {
        page.extend(&part[..read]);
    }
    assert!(page.ends_with(b"# EOF\n"), "{}", page.len());
    assert_eq!(evicted(&callgate, "admin", "unread"), 0.0);
}
