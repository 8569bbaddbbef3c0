//! More business servers that misbehave: each fault is named, with what is wrong exactly, the way out
//! and what the IM server alone would do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::doctor::{ALLOW, Does, doctor, faults, json, policy, raw, says, server};
use crate::harness::tls::{Authority, Front, HERE, Issued, Valid};
use crate::harness::{Behaviour, Business, Setup, calls};

const JSON: &str = "Content-Type: application/json\r\n";
const REFUSE: &str = r#"{"actionCode":0,"errCode":20001,"errMsg":"no","nextCode":1}"#;

/// What is to be found: the fault, and parts of what is said of it.
struct Row {
    fault: &'static str,
    url: String,
    /// In what is wrong.
    what: &'static str,
    way_out: &'static str,
    im_server: &'static str,
}

fn row(
    fault: &'static str,
    url: String,
    what: &'static str,
    way_out: &'static str,
    im_server: &'static str,
) -> Row {
    Row {
        fault,
        url,
        what,
        way_out,
        im_server,
    }
}

/// What does not hold of a row, in words.
fn wrong_with(row: &Row) -> Option<String> {
    let (_, report, shown) = doctor(&policy(&row.url, "", "10s"), &[]);
    let all = report["endpoints"][0]["faults"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == row.fault);
    let says = |key: &str, part: &str| {
        let text = found.and_then(|one| one[key].as_str());
        text.is_some_and(|text| text.contains(part))
    };
    let holds = says("what", row.what)
        && says("way_out", row.way_out)
        && says("im_server", row.im_server)
        && (found.unwrap()["grave"] == false || !says("because_of", "\0"))
        && row.way_out.is_empty() == found.unwrap()["way_out"].as_str().unwrap().is_empty();
    (!holds).then(|| {
        format!(
            "{} at {}: {:?}\n{shown}",
            row.fault,
            row.url,
            faults(&report)
        )
    })
}

fn all_hold(rows: &[Row]) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let tried: Vec<_> = rows
            .iter()
            .map(|row| scope.spawn(|| wrong_with(row)))
            .collect();
        let tried = tried.into_iter();
        tried.filter_map(|one| one.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::default());
    packing.write_all(text.as_bytes()).unwrap();
    packing.finish().unwrap()
}

fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!(r#"{{"actionCode":0,"nextCode":0,"x":{open}{close}}}"#)
}

#[test]
fn every_body_that_is_none_is_told_apart() {
    let gzipped = format!("{JSON}Content-Encoding: gzip\r\n");
    let lets = "OpenIM 3.7 and later alone lets it through";
    all_hold(&[
        row(
            "empty",
            says(raw("204 No Content", "", b"")),
            "status 204",
            "at least {}",
            "(90007)",
        ),
        row(
            "duplicate_keys",
            json("200 OK", r#"{"actionCode":0,"nextCode":1,"nextCode":0}"#),
            "`nextCode` twice",
            "once",
            lets,
        ),
        row(
            "not_a_number",
            json("200 OK", r#"{"actionCode":NaN,"nextCode":0}"#),
            "NaN",
            "null or a number",
            "(90007)",
        ),
        row(
            "not_a_number",
            json("200 OK", r#"{"x":[-Infinity]}"#),
            "Infinity",
            "null or a number",
            "(90007)",
        ),
        row(
            "deep_nesting",
            json("200 OK", &nested(200)),
            "201 levels",
            "flat",
            lets,
        ),
        row(
            "deep_nesting",
            json("200 OK", &nested(20_000)),
            "do not read",
            "flat",
            "(90007)",
        ),
        row(
            "broken_json",
            json("200 OK", "{\"actionCode\":0,}"),
            "no whole JSON",
            "library",
            "(90007)",
        ),
        row(
            "broken_json",
            json("200 OK", "{} {}"),
            "no whole JSON",
            "library",
            "(90007)",
        ),
        row(
            "compressed",
            says(raw("200 OK", &gzipped, &gzip(ALLOW))),
            "gzip",
            "nobody asked",
            lets,
        ),
        row(
            "compressed",
            says(raw("200 OK", &gzipped, &gzip(REFUSE))),
            "gzip",
            "nobody asked",
            "refuses it with code 20001",
        ),
        row(
            "compressed",
            says(raw("200 OK", &gzipped, ALLOW.as_bytes())),
            "gzip",
            "nobody asked",
            "(90007)",
        ),
        row(
            "charset",
            says(raw(
                "200 OK",
                "Content-Type: application/json; charset=\"GB18030\"; x=y\r\n",
                ALLOW.as_bytes(),
            )),
            "`gb18030`",
            "UTF-8",
            lets,
        ),
        row(
            "html",
            json("200 OK", "<?xml version=\"1.0\"?><soap/>"),
            "HTML page",
            "path in `url`",
            "(90007)",
        ),
    ]);
}

#[test]
fn every_status_of_failure_has_its_way_out() {
    all_hold(&[
        row(
            "http_status",
            json("401 Unauthorized", "{}"),
            "status 401",
            "let callgate in",
            "lets it through",
        ),
        row(
            "http_status",
            json("403 Forbidden", "{}"),
            "status 403",
            "let callgate in",
            "lets it through",
        ),
        row(
            "http_status",
            json("404 Not Found", "{}"),
            "status 404",
            "mend the path",
            "lets it through",
        ),
        row(
            "http_status",
            json("405 Method Not Allowed", "{}"),
            "status 405",
            "POST",
            "lets it through",
        ),
        row(
            "http_status",
            json("500 Oops", "no"),
            "status 500",
            "look at its log",
            "(90007)",
        ),
        row(
            "http_status",
            json("503 Later", ""),
            "status 503",
            "look at its log",
            "(90007)",
        ),
        row(
            "redirect",
            says(raw("302 Found", "Location: /login\r\n", b"")),
            "`/login`",
            "into `url`",
            "GET that has nothing",
        ),
        row(
            "redirect",
            says(raw("308 Moved", "Location: https://x.invalid/\r\n", b"")),
            "x.invalid",
            "into `url`",
            "the same call",
        ),
    ]);
}

/// The https URL of a server that says this to whatever comes.
fn says_at_once(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/cb", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(text.as_bytes());
        }
    });
    url
}

/// A length that is not that of the body.
fn of_length(length: usize, body: &'static str) -> String {
    let does: Does = Box::new(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {length}\r\n\r\n{body}");
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
    });
    server(does)
}

#[test]
fn what_is_wrong_with_the_connection_is_told_apart() {
    let authority = Authority::new("a");
    let business = Business::start(Behaviour::allow());
    let front = Front::start(&authority.issue(&HERE, Valid::Now), None, &business.url());
    let closes: Does = Box::new(|_, stream| {
        let _ = stream.write_all(&raw("200 OK", JSON, ALLOW.as_bytes()));
        let _ = stream.shutdown(Shutdown::Both);
    });
    let old: Does = Box::new(|_, stream| {
        let head = format!("HTTP/1.0 200 OK\r\n{JSON}\r\n{ALLOW}");
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.shutdown(Shutdown::Both);
    });
    let chunks: Does = Box::new(|_, stream| {
        let head =
            format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n20\r\n{{\"ac");
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.shutdown(Shutdown::Both);
    });
    let garbage: Does = Box::new(|_, stream| {
        let _ = stream.write_all(b"+PONG\r\n");
        let _ = stream.shutdown(Shutdown::Both);
    });
    let plain = says_at_once("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let tls_port = "Client sent an HTTP request to an HTTPS server.\n";
    let lets = "lets it through";
    all_hold(&[
        row("http_1_0", server(old), "HTTP/1.0", "HTTP/1.1", lets),
        row(
            "closes_connection",
            server(closes),
            "without saying so",
            "keep-alive",
            lets,
        ),
        row(
            "cut_off",
            server(chunks),
            "cut off",
            "Content-Length",
            "(90004)",
        ),
        row(
            "cut_off",
            of_length(200, ALLOW),
            "cut off",
            "Content-Length",
            "(90004)",
        ),
        row(
            "broken_json",
            of_length(20, ALLOW),
            "no whole JSON",
            "characters instead of bytes",
            "(90007)",
        ),
        row(
            "not_http",
            server(garbage),
            "not HTTP",
            "port in `url`",
            "(90004)",
        ),
        row(
            "not_http",
            format!("http://127.0.0.1:{}/", front.port),
            "not HTTP",
            "https://",
            "(90004)",
        ),
        row(
            "tls_port",
            json("400 Bad Request", tls_port),
            "TLS",
            "https://",
            "(90007)",
        ),
        row("tls", plain, "write http://", "openssl", "(90004)"),
        row(
            "tls",
            json("200 OK", ALLOW).replace("http:", "https:"),
            "handshake eof",
            "write http://",
            "(90004)",
        ),
    ]);
}

/// The fault of a server with this certificate, called by a policy that trusts that authority.
fn tls_fault(issued: &Issued, trusted: &str) -> String {
    let business = Business::start(Behaviour::allow());
    let front = Front::start(issued, None, &business.url());
    let url = format!("https://127.0.0.1:{}/cb", front.port);
    let setup = Setup::new(&policy(&url, ", tls: {ca: ca.pem}", "10s"));
    setup.write("ca.pem", trusted);
    let output = setup.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(faults(&report), ["tls"], "{report}");
    let fault = &report["endpoints"][0]["faults"][0];
    fault["what"].as_str().unwrap().to_owned()
}

#[test]
fn each_fault_of_a_certificate_has_its_way_out() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    for (issued, trusted, part, way_out) in [
        (
            ours.issue(&HERE, Valid::NoLonger),
            &ours,
            "expired",
            "valid today",
        ),
        (
            ours.issue(&["shop.example"], Valid::Now),
            &ours,
            "not valid for name",
            "`tls.server_name`",
        ),
        (
            ours.issue(&HERE, Valid::Now),
            &other,
            "UnknownIssuer",
            "`tls.ca`",
        ),
    ] {
        let what = tls_fault(&issued, &trusted.pem);
        assert!(
            what.contains(part) && what.contains(way_out),
            "{part}, {way_out}: {what}"
        );
    }
}

/// What both generations of OpenIM answer, at each of the endpoint's own dialects and ways of
/// reading, is judged without a fault of ours: every answer is read or named.
#[test]
fn no_answer_of_either_generation_is_left_unnamed() {
    let matrix: Value = serde_json::from_slice(&calls::fixture("MATRIX.json")).unwrap();
    for name in matrix.as_object().unwrap().keys() {
        let body = calls::fixture(&format!("any.response-{name}.json"));
        let url = says(raw("200 OK", JSON, &body));
        for reading in [
            "dialect: openim",
            "dialect: openim-v2",
            "dialect: openim, answers: openim-3.6",
        ] {
            let (code, report, shown) = doctor(&policy(&url, &format!(", {reading}"), "10s"), &[]);
            let endpoint = &report["endpoints"][0];
            let failed = endpoint["calls"].as_array().unwrap().iter();
            let failed = failed.filter(|call| {
                !["allow", "block", "replace"].contains(&call["outcome"].as_str().unwrap())
            });
            for call in failed {
                assert_ne!(
                    call["faults"],
                    serde_json::json!([]),
                    "{reading} {name}\n{shown}"
                );
            }
            assert_eq!(
                code,
                i32::from(report["grave"] != 0),
                "{reading} {name}\n{shown}"
            );
        }
    }
}
