//! OpenIM and a business server, with nothing to spare.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{SOON, load};

/// Events that the business server was told of.
static TOLD: AtomicU64 = AtomicU64::new(0);

const EVENT: &str = include_str!("../fixtures/openim/after_send_single_msg.text.request.json");
const CALL: &str = include_str!("../fixtures/openim/before_send_single_msg.text.request.json");
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 65\r\n\r\n{\"actionCode\":0,\"errCode\":0,\"errMsg\":\"\",\"errDlt\":\"\",\"nextCode\":0}";

/// Makes calls before a message is sent, one after the other on one connection; `which` is the part
/// of the command that says to whom.
pub fn calls(address: SocketAddr, which: &'static str, count: u64) {
    let call = CALL.trim().replace("SendSingleMsg", which);
    let command = format!("callbackBefore{which}Command");
    let calling = load(move || post(address, &command, count, |_| call.clone()));
    calling.join().expect("every call is answered");
}

/// Tells of messages that were sent, each to be told to the business server, and waits until it was.
pub fn events(address: SocketAddr, count: u64) {
    let told = TOLD.load(Ordering::Relaxed);
    // No two of them are the same message, and each has a conversation of its own.
    let event = move |n: u64| {
        let event = EVENT
            .trim()
            .replace("0b2676769e9eceb4", &format!("{:016x}", told + n));
        event.replace("4459135218", &(4_000_000_000 + told + n).to_string())
    };
    let telling = load(move || {
        post(address, "callbackAfterSendSingleMsgCommand", count, event);
        let started = Instant::now();
        while TOLD.load(Ordering::Relaxed) < told + count {
            assert!(started.elapsed() < SOON, "not every event is delivered");
            std::thread::yield_now();
        }
    });
    telling.join().expect("every event is taken");
}

fn post(address: SocketAddr, command: &str, count: u64, body: impl Fn(u64) -> String) {
    let head = format!(
        "POST /openim/{command} HTTP/1.1\r\nHost: h\r\nOperationid: 37a60d50\r\nContent-Type: application/json; charset=utf-8\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    for n in 0..count {
        let body = body(n);
        let call = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(call.as_bytes()).unwrap();
        let answer = message(&mut stream).expect("callgate answers");
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}

/// Allows everything.
pub fn business() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    load(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            load(move || {
                while let Some(call) = message(&mut stream) {
                    let is_event = call.windows(13).any(|part| part == b"callbackAfter");
                    TOLD.fetch_add(u64::from(is_event), Ordering::Relaxed);
                    stream.write_all(ANSWER).unwrap();
                }
            });
        }
    });
    address
}

/// Reads one message with the body that its head promises; `None` at the end of the connection.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    const LENGTH: &str = "content-length: ";
    let mut came = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&came).to_ascii_lowercase();
        if let (Some(head), Some(length)) = (text.find("\r\n\r\n"), text.find(LENGTH)) {
            let digits = text[length + LENGTH.len()..].split("\r\n").next();
            let length: usize = digits.and_then(|digits| digits.parse().ok()).unwrap();
            if came.len() >= head + 4 + length {
                return Some(came);
            }
        }
        match stream.read(&mut chunk) {
            Ok(read @ 1..) => came.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
}
