//! The PROXY protocol: whom a named proxy speaks for is who calls, and nobody else is believed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::harness::calls::{self, SINGLE};
use crate::harness::tls::{Authority, HERE, Valid, client, exchange};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const CALLER: [u8; 4] = [203, 0, 113, 7];
const STRANGER: [u8; 4] = [203, 0, 113, 8];

fn policy(proxies: &str) -> String {
    format!(
        "callers: {{openim: {{addresses: [203.0.113.7]}}}}\ntrusted_proxies: [{proxies}]\n\
         hooks: {{{SINGLE}: {{}}}}\n"
    )
}

fn header(source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x12, 0x67, 0, 80]);
    header
}

fn request() -> Vec<u8> {
    let body = calls::body(SINGLE, "hello");
    let mut request = http::head("POST", &calls::path(SINGLE), Some(body.len()));
    request.extend_from_slice(body.as_bytes());
    request
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The status of a call behind these bytes; `None`: the connection was closed instead.
fn status(address: SocketAddr, first: &[u8]) -> Option<String> {
    let mut stream = connect(address);
    stream.write_all(first).unwrap();
    // Closed under our hands, or by now.
    let answer = exchange(&mut stream, &request()).ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}

fn wait_for_log(gate: &Callgate, words: &str) {
    wait_for(words, PATIENCE, || gate.log().contains(words).then_some(()));
}

#[test]
fn a_caller_behind_a_named_proxy_is_known_by_its_own_address() {
    let gate = Setup::new(&policy("127.0.0.1"))
        .engine("http.proxy_protocol", "true")
        .start();
    let check = |first: &[u8], expected: Option<&str>| {
        assert_eq!(status(gate.http, first).as_deref(), expected, "{first:?}");
    };
    check(&header(CALLER), Some("200"));
    check(&header(STRANGER), Some("401"));
    check(b"", None);
    wait_for_log(&gate, "it does not begin with a PROXY header");
    check(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n", None);
    wait_for_log(&gate, "it begins with version 1 of the PROXY protocol");
    check(b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c 12 bytes....", None);
    wait_for_log(&gate, "its PROXY header is not valid");
    let refused = "callgate_connections_refused_total{port=\"http\",reason=\"proxy\"}";
    assert_eq!(gate.metric(refused), 3.0);
    // What comes in several parts is one header.
    let mut stream = connect(gate.http);
    for part in header(CALLER).chunks(5) {
        stream.write_all(part).unwrap();
        stream.flush().unwrap();
    }
    let answer = exchange(&mut stream, &request()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A stranger's word for another, behind a proxy that is honest, is nobody's.
    let mut stream = connect(gate.http);
    stream.write_all(&header(STRANGER)).unwrap();
    let forged = String::from_utf8(request()).unwrap();
    let forged = forged.replacen("\r\n", "\r\nX-Forwarded-For: 203.0.113.7\r\n", 1);
    let answer = exchange(&mut stream, forged.as_bytes()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn whoever_is_no_named_proxy_is_who_the_socket_says() {
    let setup = Setup::new(&policy("192.0.2.1")).engine("http.proxy_protocol", "true");
    let gate = setup.start();
    assert_eq!(status(gate.http, b"").as_deref(), Some("401"));
    assert_eq!(status(gate.http, &header(CALLER)), None);
    wait_for_log(&gate, "is no proxy that `trusted_proxies` names");
    // Named while it runs: from then on it must say whom it speaks for.
    gate.setup().write("policy.yaml", policy("127.0.0.0/8"));
    wait_for("the policy", PATIENCE, || {
        (status(gate.http, &header(CALLER)).as_deref() == Some("200")).then_some(())
    });
    assert_eq!(status(gate.http, b""), None);
    // Another port has no such switch.
    assert_eq!(http::get(gate.admin, "/healthz").status, 200);
}

#[test]
fn a_header_that_does_not_come_ends_with_the_time_for_a_head() {
    let gate = Setup::new(&policy("127.0.0.1"))
        .engine("http.proxy_protocol", "true")
        .engine("connections.head_timeout", "300ms")
        .start();
    for part in [&b""[..], &header(CALLER)[..20]] {
        let mut stream = connect(gate.http);
        stream.write_all(part).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    wait_for_log(&gate, "did not come in the time for a head");
}

#[test]
fn it_is_read_before_tls_and_grpc_has_it_too() {
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new("servers");
    let (cert, key) = authority
        .issue(&HERE, Valid::Now)
        .write(files.path(), "server");
    let gate = Setup::new(&policy("127.0.0.1"))
        .engine("http.proxy_protocol", "true")
        .engine("grpc.proxy_protocol", "true")
        .engine("http.tls.cert", &cert.display().to_string())
        .engine("http.tls.key", &key.display().to_string())
        .start();
    let config = client(&authority.pem, None);
    for (source, expected) in [(CALLER, "HTTP/1.1 200"), (STRANGER, "HTTP/1.1 401")] {
        let mut stream = connect(gate.http);
        stream.write_all(&header(source)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let answer = exchange(&mut StreamOwned::new(tls, stream), &request()).unwrap();
        assert!(answer.starts_with(expected), "{answer}");
    }
    let mut stream = connect(gate.grpc);
    stream.write_all(&header(CALLER)).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    // The server's own settings: it speaks HTTP/2 from there on.
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
}
