//! Bytes that nobody should send: always a defined answer, and a process that lives on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Random, http};

const POLICY: &str =
    "lists: {bad: {words: [damn]}}\nhooks: {beforeSendSingleMsg: {}, beforeMsgModify: {}}\n";

fn check_alive(callgate: &mut Callgate) {
    assert!(callgate.is_alive());
    assert_eq!(http::get(callgate.admin, "/healthz").text(), "ok\n");
    assert_eq!(callgate.call(SINGLE, "damn").json()["errCode"], 20001);
    let log = callgate.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// A canonical answer to a before call: one of the two that OpenIM understands.
fn check_defined(answer: &http::Answer, sent: &[u8]) {
    let shown = String::from_utf8_lossy(&sent[..sent.len().min(200)]);
    assert_eq!(answer.status, 200, "{shown}");
    let json = answer.json();
    assert_eq!(json["actionCode"], 0, "{shown}");
    assert!(json["nextCode"] == 0 || json["nextCode"] == 1, "{shown}");
}

#[test]
fn random_bytes_over_http() {
    let mut random = Random::from_env("random_bytes_over_http");
    let mut callgate = Callgate::start(POLICY);
    let mut connection = http::Connection::open(callgate.http);
    let recorded = calls::recorded();
    for _ in 0..600 {
        let (_, command, body) = random.pick(&recorded);
        let body = match random.below(3) {
            0 => {
                let length = random.below(3000);
                random.bytes(length)
            }
            1 => body[..random.below(body.len())].to_vec(),
            _ => mutated(&mut random, body),
        };
        let path = format!("/openim/{command}");
        let answer = connection.post(&path, &body).unwrap();
        check_defined(&answer, &body);
    }
    check_alive(&mut callgate);
}

fn mutated(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(body.len());
        match random.below(3) {
            0 => body[at] = random.next() as u8,
            1 => body.insert(at, *random.pick(b"\"\\{}[]:,\x00\xff0")),
            _ => drop(body.remove(at)),
        }
    }
    body
}

#[test]
fn random_bytes_instead_of_http() {
    let mut random = Random::from_env("random_bytes_instead_of_http");
    let mut callgate = Callgate::start(POLICY);
    for address in [callgate.http, callgate.grpc, callgate.admin] {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(address).unwrap();
            let length = random.below(2000);
            // It may hang up in the middle, which is an answer too.
            let _ = stream.write_all(&random.bytes(length));
            let _ = stream.shutdown(std::net::Shutdown::Write);
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest);
            let timed_out = ended.is_err_and(|error| {
                matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                )
            });
            assert!(!timed_out, "{address} neither answers nor hangs up");
        }
    }
    check_alive(&mut callgate);
}

/// Bodies of gRPC calls that no client would make.
#[test]
fn random_bytes_over_grpc() {
    let mut random = Random::from_env("random_bytes_over_grpc");
    let mut callgate = Callgate::start(POLICY);
    let grpc = callgate.grpc();
    let valid = prost::Message::encode_to_vec(&calls::request(SINGLE, "hello"));
    // Nothing here speaks TLS; the client wants a provider all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    for _ in 0..600 {
        let payload = match random.below(3) {
            0 => {
                let length = random.below(500);
                random.bytes(length)
            }
            _ => mutated(&mut random, &valid),
        };
        let mut body = match random.below(10) {
            0 => random.bytes(5),
            _ => [&[0], &(payload.len() as u32).to_be_bytes()[..]].concat(),
        };
        body.extend_from_slice(&payload);
        let method = random.pick(&["Before", "After", "BeforeStream", "Capabilities", "Nothing"]);
        let url = format!("http://{}/callgate.v1.HookService/{method}", callgate.grpc);
        let call = client
            .post(url)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body);
        let answer = grpc
            .runtime
            .block_on(async { call.send().await.unwrap().status() });
        // gRPC says what went wrong in `grpc-status`; over HTTP it is always 200.
        assert_eq!(answer.as_u16(), 200);
    }
    check_alive(&mut callgate);
}

#[test]
fn deep_json() {
    let mut callgate = Callgate::start(POLICY);
    let deep = |open: &str, close: &str| {
        let levels = 100_000;
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    for nested in [deep("[", "]"), deep("{\"a\":", "}")] {
        let path = calls::path(SINGLE);
        let whole = http::post(callgate.http, &path, &nested);
        check_defined(&whole, nested.as_bytes());
        let in_content = calls::body(SINGLE, "X");
        let content = serde_json::json!(nested).to_string();
        let in_content = in_content.replace(r#""{\"content\":\"X\"}""#, &content);
        check_defined(
            &http::post(callgate.http, &path, &in_content),
            in_content.as_bytes(),
        );
        let beside =
            calls::body(SINGLE, "damn").replacen("\"ex\":\"\"", &format!("\"ex\":{nested}"), 1);
        let answer = http::post(callgate.http, &path, &beside);
        check_defined(&answer, beside.as_bytes());
        assert_eq!(
            answer.json()["nextCode"],
            1,
            "depth is no way past the filter"
        );
    }
    check_alive(&mut callgate);
}

/// Whatever hides a word from a reader that is less careful than the receiving client.
#[test]
fn words_cannot_hide_in_odd_json() {
    let mut callgate = Callgate::start(POLICY);
    let body = calls::body(SINGLE, "X");
    let with = |content: &str| body.replace(r#""{\"content\":\"X\"}""#, content);
    let check = |what: &str, body: Vec<u8>| {
        let answer = http::post(callgate.http, &calls::path(SINGLE), &body);
        check_defined(&answer, &body);
        assert_eq!(answer.json()["nextCode"], 1, "{what}: {}", answer.text());
    };
    check(
        "escapes",
        with(r#""{\"content\":\"\\u0064\\u0061mn\"}""#).into(),
    );
    check(
        "outer escapes",
        with(r#""{\"content\":\"\u0064\u0061mn\"}""#).into(),
    );
    check(
        "first of two keys",
        with(r#""{\"content\":\"damn\",\"content\":\"hello\"}""#).into(),
    );
    check(
        "second of two keys",
        with(r#""{\"content\":\"hello\",\"content\":\"damn\"}""#).into(),
    );
    check(
        "key in other case",
        with(r#""{\"CONTENT\":\"damn\"}""#).into(),
    );
    check("no object", with(r#""damn""#).into());
    check("cut off", with(r#""{\"content\":\"damn""#).into());
    check(
        "text after the object",
        with(r#""{\"content\":\"hi\"} damn""#).into(),
    );
    let twice = body.replacen(
        "\"seq\":0",
        r#""content":"{\"content\":\"damn\"}","seq":0"#,
        1,
    );
    check("two contents", twice.into());
    let mut not_utf8 = with(r#""{\"content\":\"Z damn\"}""#).into_bytes();
    let at = not_utf8.iter().position(|byte| *byte == b'Z').unwrap();
    not_utf8[at] = 0xff;
    check("invalid UTF-8 beside it", not_utf8);
    check_alive(&mut callgate);
}

#[test]
fn what_is_forwarded_keeps_every_byte() {
    let business = Business::start(Behaviour::allow());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let odd = [
        r#""sendTime":9007199254740993"#,
        r#""sendTime":18446744073709551616"#,
        r#""sendTime":1.0"#,
        r#""sendTime":1e400"#,
        r#""sendTime":1767225600316,"unknown":{"b":1,"a":[1.50,-0]}"#,
        r#""sendTime":1767225600316,"twice":1,"twice":2"#,
        "\"sendTime\":1767225600316 , \"spaced\" :\t[ ]",
    ];
    for (index, odd) in odd.iter().enumerate() {
        let body = calls::body(SINGLE, "hello <b>").replace("\"sendTime\":1767225600316", odd);
        let answer = http::post(callgate.http, &calls::path(SINGLE), &body);
        assert_eq!(answer.header("x-callgate-failure"), "", "{odd}");
        let asked = business.wait_for(index + 1);
        assert_eq!(String::from_utf8_lossy(&asked[index].body), body);
    }
}
