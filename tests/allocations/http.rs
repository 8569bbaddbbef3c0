//! OpenIM and a business server, with nothing to spare.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::load;

const CALL: &str = include_str!("../fixtures/openim/before_send_single_msg.text.request.json");
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 65\r\n\r\n{\"actionCode\":0,\"errCode\":0,\"errMsg\":\"\",\"errDlt\":\"\",\"nextCode\":0}";

/// Makes calls before a message is sent, one after the other on one connection; `which` is the part
/// of the command that says to whom.
pub fn calls(address: SocketAddr, which: &'static str, count: u64) {
    let calling = load(move || {
        let call = CALL.trim().replace("SendSingleMsg", which);
        let head = format!(
            "POST /openim/callbackBefore{which}Command HTTP/1.1\r\nHost: h\r\nOperationid: 37a60d50\r\nContent-Type: application/json; charset=utf-8\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"
        );
        let call = format!("{head}Content-Length: {}\r\n\r\n{call}", call.len());
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        for _ in 0..count {
            stream.write_all(call.as_bytes()).unwrap();
            let answer = message(&mut stream).expect("callgate answers");
            assert!(answer.starts_with(b"HTTP/1.1 200"));
        }
    });
    calling.join().expect("every call is answered");
}

/// Allows everything.
pub fn business() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    load(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            load(move || {
                while message(&mut stream).is_some() {
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
