//! Connections that ask nothing, half-sent calls and hostile bodies: they end, they hold nobody
//! up, and watchers are answered meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use callgate::proto::v1;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http};

const WORDS: &str =
    "lists: {bad: {words: [forbidden]}}\nhooks: {beforeSendSingleMsg: {filters: [bad]}}\n";

fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads to the end, which the server makes.
fn closed(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest);
    let took = started.elapsed();
    assert!(took < PATIENCE, "still open");
    took
}

/// A word on a list is refused, over HTTP and over gRPC.
fn is_honest(callgate: &Callgate) {
    let answer = callgate.call(SINGLE, "forbidden");
    assert_eq!(answer.json()["actionCode"], 0, "{}", answer.text());
    assert_eq!(answer.json()["nextCode"], 1, "{}", answer.text());
    let over_grpc = callgate.grpc().before(calls::request(SINGLE, "forbidden"));
    assert_eq!(over_grpc.action(), v1::Action::Block);
}

#[test]
fn connections_that_ask_nothing_are_closed_on_every_port() {
    let callgate = Setup::new(WORDS)
        .engine("connections.head_timeout", "500ms")
        .engine("connections.idle_timeout", "900ms")
        .start();
    let head = b"POST /openim/x HTTP/1.1\r\nHost: im\r\nContent-Le".as_slice();
    let mut ends = Vec::new();
    for address in [callgate.http, callgate.admin, callgate.grpc] {
        ends.push(("silent", open(address, b"")));
        ends.push(("half a preface", open(address, b"PRI * HTTP/2.0\r\n")));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        ends.push(("idle HTTP/2", open(address, preface)));
    }
    for address in [callgate.http, callgate.admin] {
        ends.push(("half a head", open(address, head)));
        let mut idle = open(address, b"GET / HTTP/1.1\r\nHost: im\r\n\r\n");
        let mut some = [0; 16];
        idle.read_exact(&mut some).unwrap();
        ends.push(("idle", idle));
    }
    for (what, stream) in &mut ends {
        let took = closed(stream);
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
    is_honest(&callgate);
}

#[test]
fn a_connection_with_a_call_in_flight_is_not_idle() {
    let business = Business::start(Behaviour::block().after(Duration::from_secs(2)));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 4s}}}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy)
        .engine("connections.head_timeout", "200ms")
        .engine("connections.idle_timeout", "300ms")
        .start();
    let answer = callgate.call(SINGLE, "hello");
    assert_eq!(answer.json()["errCode"], 20123, "{}", answer.text());
    let over_grpc = callgate.grpc().before(calls::request(SINGLE, "hello"));
    assert_eq!(over_grpc.action(), v1::Action::Block);
}

#[test]
fn a_full_port_makes_room_for_who_asks() {
    let callgate = Setup::new(WORDS)
        .engine("http.connections_max", "20")
        .engine("http.connections_per_peer_max", "20")
        .engine("grpc.connections_max", "10")
        .engine("admin.connections_max", "10")
        .start();
    let mut held = Vec::new();
    for address in [callgate.http, callgate.grpc, callgate.admin] {
        for _ in 0..60 {
            held.push(open(address, b"POST /openim"));
        }
    }
    for _ in 0..20 {
        is_honest(&callgate);
        assert_eq!(http::get(callgate.admin, "/healthz").status, 200);
    }
    drop(held);
}

#[test]
fn where_descriptors_are_few_watchers_and_callbacks_still_have_theirs() {
    let business = Business::start(Behaviour::block());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n",
        business.url()
    );
    let setup = Setup::new(&policy).shell("ulimit -Sn 64; ulimit -Hn 256");
    let checked = setup.run(&["check"]);
    let callgate = setup.start();
    assert!(
        callgate
            .log()
            .contains("file descriptors are needed and 256 may be open"),
        "{}",
        callgate.log()
    );
    assert!(checked.status.success());
    let mut held = Vec::new();
    for address in [callgate.http, callgate.grpc, callgate.admin] {
        held.extend((0..300).map(|_| open(address, b"POST /openim")));
    }
    for _ in 0..20 {
        let answer = callgate.call(SINGLE, "hello");
        assert_eq!(answer.json()["errCode"], 20123, "{}", answer.text());
        for path in ["/healthz", "/readyz", "/status", "/metrics"] {
            assert_eq!(http::get(callgate.admin, path).status, 200, "{path}");
        }
    }
    drop(held);
}

#[test]
fn half_sent_calls_take_no_place_from_whole_ones() {
    let callgate = Setup::new(WORDS).engine("http.in_flight_max", "10").start();
    let path = calls::path(SINGLE);
    let head = http::head("POST", &path, Some(500));
    let held: Vec<_> = (0..200).map(|_| open(callgate.http, &head)).collect();
    for _ in 0..20 {
        is_honest(&callgate);
    }
    drop(held);
}

#[test]
fn watchers_are_answered_under_a_thousand_idle_sockets() {
    let callgate = Callgate::start(WORDS);
    let idle: Vec<_> = (0..1000)
        .map(|_| open(callgate.admin, b"GET /st"))
        .collect();
    for path in ["/", "/healthz", "/readyz", "/status", "/metrics"] {
        assert_eq!(http::get(callgate.admin, path).status, 200, "{path}");
    }
    is_honest(&callgate);
    drop(idle);
}

/// Long bodies that never end take all the memory that there is for them, and no message.
#[test]
fn unfinished_bodies_have_a_budget_and_ordinary_messages_do_not_need_it() {
    let callgate = Setup::new(WORDS)
        .engine("connections.all_bodies_bytes_max", "1MiB")
        .engine("http.body_bytes_max", "1MiB")
        .start();
    let path = calls::path("afterSendSingleMsg");
    let mut call = http::head("POST", &path, Some(900_000));
    call.extend(vec![b' '; 500_000]);
    let held: Vec<_> = (0..8).map(|_| open(callgate.http, &call)).collect();
    for _ in 0..10 {
        is_honest(&callgate);
    }
    drop(held);
}

/// How many calls one HTTP/2 connection may have is in the server's first frame.
#[test]
fn one_connection_is_not_many() {
    let callgate = Callgate::start(WORDS);
    for address in [callgate.http, callgate.grpc, callgate.admin] {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let mut stream = open(address, preface);
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head[3], 4, "a SETTINGS frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut settings = vec![0; length];
        stream.read_exact(&mut settings).unwrap();
        let streams = settings.chunks(6).find(|setting| setting[..2] == [0, 3]);
        assert_eq!(streams.unwrap()[2..], 1024u32.to_be_bytes());
    }
}

/// Less than a megabyte that unpacks to 600.
#[test]
fn packed_recipients_of_one_call_have_a_budget_together() {
    let policy = format!(
        "{WORDS}  wukongim.msg.offline: {{endpoint: business}}\n\
         endpoints: {{business: {{url: \"http://127.0.0.1:9/\", dialect: wukongim}}}}\n"
    )
    .replace(
        "hooks: {beforeSendSingleMsg: {filters: [bad]}}\n",
        "hooks:\n  beforeSendSingleMsg: {filters: [bad]}\n",
    );
    let callgate = Callgate::start(&policy);
    let ids = format!("[{}\"1\"]", "\"1\",".repeat(250_000));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(ids.as_bytes()).unwrap();
    let packed = base64::engine::general_purpose::STANDARD.encode(packer.finish().unwrap());
    let events: Vec<_> = (0..600)
        .map(|number| {
            format!(
                r#"{{"message_id":{number},"from_uid":"a","channel_id":"g","channel_type":2,"payload":"e30=","compress":"gzip","compress_to_uids":"{packed}"}}"#
            )
        })
        .collect();
    let body = format!("[{}]", events.join(","));
    assert!(body.len() < 1 << 20, "{}", body.len());
    let answer = http::post(callgate.http, "/wukongim?event=msg.offline", body);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let peak = callgate.peak_bytes();
    assert!(peak < 400 << 20, "{peak} bytes");
    is_honest(&callgate);
}
