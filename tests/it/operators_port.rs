//! The operators' port: who may give orders there, what it shows, and that it answers when
//! nothing else does.

use std::process::{Command, Stdio};
use std::thread;

use callgate::proto::v1;
use tonic::Code;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const AFTER: &str = "endpoints: {business: {url: \"http://127.0.0.1:9/\"}}\n\
    hooks: {afterSendSingleMsg: {endpoint: business}}\n";

#[test]
fn an_unknown_path_is_a_404_and_the_root_shows_what_there_is() {
    let callgate = Callgate::start("hooks: {}\n");
    let unknown = http::get(callgate.admin, "/nothing");
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("/status"), "{}", unknown.text());
    let root = http::get(callgate.admin, "/");
    assert_eq!(root.status, 200);
    assert!(root.text().contains("/metrics"), "{}", root.text());
    // A page cannot be posted to either.
    assert_eq!(http::post(callgate.admin, "/nothing", b"").status, 403);
}

/// An order as a browser's page can send it: each header that a browser adds or lets it set.
fn order(callgate: &Callgate, headers: &str) -> u16 {
    let path = "/callgate.v1.AdminService/DiscardEvents";
    let mut bytes =
        format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: 5\r\n\r\n").into_bytes();
    bytes.extend_from_slice(&[0, 0, 0, 0, 0]);
    http::send(callgate.admin, &bytes).status
}

#[test]
fn pages_of_strangers_give_no_orders_and_send_no_webhooks() {
    let callgate = Callgate::start(AFTER);
    let port = callgate.admin.port();
    for headers in [
        format!(
            "Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n"
        ),
        format!(
            "Host: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\nContent-Type: application/grpc\r\n"
        ),
        format!(
            "Host: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/grpc\r\n"
        ),
        format!("Host: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"),
        format!("Host: 127.0.0.1:{port}\r\n"),
    ] {
        assert_eq!(order(&callgate, &headers), 403, "{headers}");
    }
    for headers in [
        format!("Host: evil.example:{port}\r\nContent-Type: application/grpc\r\n"),
        format!(
            "Host: evil.example:{port}\r\nOrigin: http://evil.example:{port}\r\nContent-Type: application/grpc\r\n"
        ),
    ] {
        assert_eq!(order(&callgate, &headers), 421, "{headers}");
    }
    // Nor does it see anything; who watches does, whatever it calls us.
    for (page, status) in [
        ("/status", 421),
        ("/", 421),
        ("/metrics", 200),
        ("/readyz", 200),
    ] {
        let head = format!("GET {page} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n");
        let answer = http::send(callgate.admin, head.as_bytes());
        assert_eq!(answer.status, status, "{page}");
        assert!(
            status == 200 || answer.text().contains("admin.hosts"),
            "{answer:?}"
        );
    }
    let path = calls::path(SINGLE);
    let body = calls::body(SINGLE, "hello");
    for extra in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: im\r\n{extra}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(
            http::send(callgate.http, head.as_bytes()).status,
            403,
            "{extra}"
        );
    }
    // The command line is no page.
    let admin = format!("http://{}", callgate.admin);
    let status = callgate
        .setup()
        .run(&["outbox", "status", "--server", &admin]);
    assert!(status.status.success(), "{status:?}");
}

#[test]
fn grpc_codes_are_the_documented_ones() {
    let callgate = Setup::new("hooks: {}\n")
        .engine("grpc.message_bytes_max", "64KiB")
        .start();
    let grpc = callgate.grpc();
    let too_large = calls::request(SINGLE, &"x".repeat(100_000));
    let status = grpc.before_within(too_large, None).unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    // `hook` is field 1; its one byte is no UTF-8.
    let status = grpc.raw("/callgate.v1.HookService/Before", vec![0x0a, 0x01, 0xff]);
    assert_eq!(status.unwrap_err().code(), Code::InvalidArgument);
    let admin = crate::harness::Grpc::connect(callgate.admin);
    let unknown = admin.raw("/callgate.v1.HookService/Before", Vec::new());
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

/// The disk stops answering; only who waits for it waits.
#[test]
fn watchers_and_filters_answer_while_the_disk_stalls() {
    if Command::new("strace").arg("-V").output().is_err() {
        return println!("not tried: there is no strace to stall a disk with");
    }
    let policy = format!(
        "lists: {{bad: {{words: [forbidden]}}}}\nendpoints: {{business: {{url: \"http://127.0.0.1:9/\"}}}}\n\
         hooks: {{{SINGLE}: {{filters: [bad]}}, afterSendSingleMsg: {{endpoint: business}}}}\n"
    );
    let stall = "exec strace -D -f -qq -o /dev/null -e trace=fdatasync,fsync \
        -e inject=fdatasync,fsync:delay_enter=600000000:when=25+ \"$0\" \"$@\"";
    let callgate = Setup::new(&policy)
        .shell(stall)
        .engine("http.in_flight_max", "20")
        .start();
    let address = callgate.http;
    let hook = "afterSendSingleMsg";
    let is_stalled = || {
        let status = callgate.status();
        (status["outbox"]["age_ms"].as_u64() > Some(1000)).then_some(())
    };
    let tell = move |number: usize| {
        let body = calls::body_with_id(hook, "hello", &format!("m{number}"));
        let mut connection = http::Connection::open(address);
        connection.post(&calls::path(hook), body.as_bytes()).is_ok()
    };
    // One after another, each synced for itself, until one is not.
    thread::spawn(move || (0..1000).all(tell));
    wait_for("the stall", PATIENCE * 3, is_stalled);
    // More than there are places for after calls; they wait until the test ends.
    for number in 1000..1060 {
        thread::spawn(move || tell(number));
    }
    for _ in 0..20 {
        for path in ["/healthz", "/readyz", "/status", "/metrics"] {
            let answer = http::get(callgate.admin, path);
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.took < PATIENCE / 5, "{path}: {:?}", answer.took);
        }
        let answer = callgate.call(SINGLE, "forbidden");
        assert_eq!(answer.json()["nextCode"], 1, "{}", answer.text());
    }
    assert!(callgate.metric("callgate_outbox_snapshot_age_seconds") > 1.0);
    callgate.kill_tracer();
}

#[test]
fn status_is_a_page_for_people() {
    let callgate = Callgate::start(AFTER);
    let admin = format!("http://{}", callgate.admin);
    let output = callgate.setup().run(&["status", "--server", &admin]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for expected in [
        "policy 1-",
        "afterSendSingleMsg",
        "business",
        "outbox normal",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let json = callgate
        .setup()
        .run(&["status", "--json", "--server", &admin]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["policy"]["number"], 1);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let setup = Setup::new("hooks: {}\n");
    let mut child = setup
        .command(&["defaults", "engine"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    let mut dialects = setup
        .command(&["dialects", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(dialects.stdout.take());
    let output = dialects.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.is_empty(), "{stderr}");
}

#[test]
fn send_asks_the_port_of_engine_yaml() {
    let callgate = Callgate::start(
        "lists: {bad: {words: [forbidden]}}\nhooks: {beforeMsgModify: {filters: [bad]}}\n",
    );
    let engine = format!("grpc: {{listen: \"{}\"}}\n", callgate.grpc);
    callgate.setup().write("engine.yaml", engine);
    let output = callgate.setup().run(&["send", "forbidden"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("block"), "{said}{:?}", output.stderr);
}

#[test]
fn a_stream_whose_requests_wait_loses_no_call() {
    use crate::harness::{Behaviour, Business};
    use std::time::Duration;

    let business = Business::start(Behaviour::allow().after(Duration::from_secs(3)));
    let policy = format!(
        "lists: {{bad: {{words: [forbidden]}}}}\nendpoints: {{business: {{url: \"{}\"}}}}\n\
         hooks: {{{SINGLE}: {{filters: [bad], endpoint: business, timeout: 2s}}}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy)
        .engine("grpc.in_flight_max", "200")
        .start();
    let grpc = callgate.grpc();
    const COUNT: usize = 20_000;
    let requests = (0..COUNT).map(|number| {
        let text = if number % 10 == 0 {
            "forbidden"
        } else {
            "hello"
        };
        let mut request = calls::request(SINGLE, text);
        request.request_id = number.to_string();
        request
    });
    let requests: Vec<v1::BeforeRequest> = requests.collect();
    let answers = grpc.runtime.block_on(async {
        let mut hooks = grpc.hooks();
        let mut stream = hooks
            .before_stream(tokio_stream::iter(requests))
            .await
            .unwrap()
            .into_inner();
        let mut answers = Vec::new();
        while let Some(answer) = stream.message().await.unwrap() {
            answers.push(answer);
        }
        answers
    });
    assert_eq!(answers.len(), COUNT);
    for answer in answers {
        let number: usize = answer.request_id.parse().unwrap();
        let expected = match number % 10 {
            0 => v1::Action::Block,
            _ => v1::Action::Allow,
        };
        assert_eq!(answer.action(), expected, "{answer:?}");
    }
}

#[test]
fn json_logs_are_json_from_the_first_line() {
    let setup = Setup::new("hooks: {}\n").engine("log.format", "json");
    let mut child = setup
        .command(&["serve"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let started: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(
        started["grpc"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{started}"
    );
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
    let bad = Setup::new("hooks: {x: 1}\n")
        .engine("log.format", "json")
        .run(&["serve"]);
    assert_eq!(bad.status.code(), Some(1));
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(said.lines().count() > 1, "{said}");
    for line in said.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
}
