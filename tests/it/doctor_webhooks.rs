//! `callgate doctor`: the way from the IM server to here, hook by hook, and from here to itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::thread;

use serde_json::{Value, json};

use crate::api::{call, get};
use crate::harness::{PATIENCE, Setup, wait_for};

const HERE: &str = "grpc: {listen: '127.0.0.1:50951'}\nhttp: {listen: '127.0.0.1:10986'}\nadmin: {listen: '127.0.0.1:10987'}\n";

/// What is said of a file, as `name: what`, and the exit code.
fn look(policy: &str, name: &str, text: &str) -> (i32, Vec<String>) {
    let setup = Setup::new(policy);
    setup.write("engine.yaml", HERE);
    setup.write(name, text);
    let file = setup.policies().join(name);
    let output = setup.run(&["doctor", "--json", "--webhooks", file.to_str().unwrap()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let remarks = report["webhooks"].as_array().unwrap().iter();
    let said = remarks.map(|remark| {
        let part = |key: &str| remark[key].as_str().unwrap().to_owned();
        let grave = if remark["grave"] == true {
            "FAULT "
        } else {
            ""
        };
        format!("{grave}{}: {}", part("name"), part("what"))
    });
    (output.status.code().unwrap(), said.collect())
}

fn check(policy: &str, name: &str, text: &str, expected: &[&str]) {
    let (code, said) = look(policy, name, text);
    for part in expected {
        let found = said.iter().any(|remark| remark.contains(part));
        assert!(found, "{part}\n{text}\n{said:#?}");
    }
    let is_grave = said.iter().any(|remark| remark.starts_with("FAULT"));
    let should = expected.iter().any(|part| part.starts_with("FAULT"));
    assert_eq!(is_grave, should, "{text}\n{said:#?}");
    assert_eq!(code, i32::from(should), "{said:#?}");
}

#[test]
fn openims_file_is_told_where_it_leads_and_how_long_it_waits() {
    let policy = "hooks: {beforeMsgModify: {caller_timeout: 5s, timeout: 4s}}\n";
    let file = |url: &str, more: &str| {
        format!("url: {url}\nbeforeMsgModify: {{enable: true, timeout: 5{more}}}\n")
    };
    let check = |url: &str, more: &str, expected: &[&str]| {
        check(policy, "webhooks.yml", &file(url, more), expected);
    };
    for url in [
        "http://127.0.0.1:10986/callbackExample",
        "http://localhost:10986/openim/",
        "http://callgate.example:10986/openim",
        "HTTP://LOCALHOST.:10986/callbackexample/secret",
    ] {
        check(url, "", &["pointed_here", "sent: beforeMsgModify"]);
    }
    let wrong = "http://<callgate>:10986/callbackExample";
    for (url, fault) in [
        ("http://127.0.0.1:10987/callbackExample", "FAULT wrong_port"),
        ("http://127.0.0.1:50951/callbackExample", "FAULT wrong_port"),
        ("http://127.0.0.1:10986", "FAULT wrong_path"),
        ("http://127.0.0.1:10986/openimx", "FAULT wrong_path"),
        ("http://127.0.0.1:10986/wukongim", "FAULT wrong_path"),
        ("http://192.0.2.1:10986/openim", "FAULT pointed_elsewhere"),
        ("ftp://127.0.0.1:10986/openim", "FAULT pointed_elsewhere"),
        ("''", "FAULT pointed_elsewhere"),
    ] {
        let way_out = if url == "''" { "no url" } else { wrong };
        check(url, "", &[fault, way_out]);
    }
    let here = "http://127.0.0.1:10986/openim";
    check(
        here,
        ", failedContinue: true",
        &["failed_continue: `failedContinue: true`"],
    );
    check(
        here,
        ", allowedTypes: [101, 200-500]",
        &["types_left_out: beforeMsgModify: OpenIM sends these types alone: 101, 200-500"],
    );
    let shorter = file(here, "").replace("timeout: 5", "timeout: 2");
    let (_, said) = look(policy, "webhooks.yml", &shorter);
    let late = "FAULT waits_less: beforeMsgModify: OpenIM waits 2s, and the policy takes it for 5s";
    assert!(said.iter().any(|one| one.starts_with(late)), "{said:?}");
    let (code, said) = look("hooks: {}\n", "webhooks.yml", "a: [");
    assert_eq!(code, 1, "{said:?}");
    assert!(
        said.iter().any(|one| one.starts_with("FAULT file: ")),
        "{said:?}"
    );
}

/// Files with the keys of the three generations.
#[test]
fn the_file_of_every_generation_of_openim_is_read() {
    for (name, text) in [
        (
            "webhooks.yml",
            include_str!("../fixtures/config/webhooks.yml"),
        ),
        (
            "config.yaml",
            include_str!("../fixtures/config/callback_v3_6.yml"),
        ),
        (
            "v2.yaml",
            include_str!("../fixtures/config/callback_v2.yml"),
        ),
    ] {
        let (_, said) = look("hooks: {beforeAddFriend: {}}\n", name, text);
        let has = |begin: &str| said.iter().any(|one| one.contains(begin));
        assert!(
            has("pointed_elsewhere") || has("pointed_here") || has("wrong_"),
            "{name}: {said:?}"
        );
        assert!(has("unseen: ") || has("sent: "), "{name}: {said:?}");
        assert!(has("beforeAddFriend"), "{name}: {said:?}");
    }
}

const WUKONG: &str = "hooks: {wukongim.msg.notify: {}, wukongim.user.onlinestatus: {}}\n";

#[test]
fn wukongims_file_of_every_version_is_looked_at_event_by_event() {
    for (name, text) in [
        (
            "wk.yaml",
            "mode: release\nwebhook:\n  httpAddr: http://127.0.0.1:10986/wukongim\n  focusEvents: []\n",
        ),
        (
            "flat.yaml",
            "webhook.httpAddr: http://127.0.0.1:10986/wukongim\n",
        ),
        (
            "grpc.yaml",
            "webhook: {grpcAddr: '127.0.0.1:50951', httpAddr: 'http://x.example'}\n",
        ),
        (
            "wukongim.toml",
            "mode = \"x\"\n[webhook]\nhttp_addr = \"http://127.0.0.1:10986/wukongim/secret\" # here\nfocus_events = []\n",
        ),
    ] {
        check(
            WUKONG,
            name,
            text,
            &[
                "pointed_here",
                "sent: wukongim.msg.notify",
                "unseen: wukongim.msg.offline",
            ],
        );
    }
    let with = |line: &str| {
        format!("[webhook]\nhttp_addr = \"http://127.0.0.1:10986/wukongim\"\n{line}\n")
    };
    check(
        WUKONG,
        "a.toml",
        &with("focus_events = [\"msg.notify\", \"msg.notfy\"]"),
        &[
            "sent: wukongim.msg.notify",
            "knows no event `msg.notfy`",
            "FAULT not_sent: wukongim.user.onlinestatus is on here, and not among",
        ],
    );
    check(
        WUKONG,
        "a.yaml",
        "webhook: {httpAddr: ''}\n",
        &[
            "FAULT pointed_elsewhere: ",
            "FAULT not_sent: wukongim.msg.notify is on here, and the file names no address",
        ],
    );
    check(
        WUKONG,
        "a.yaml",
        "webhook: {grpcAddr: '127.0.0.1:10986'}\n",
        &["FAULT wrong_port", "<callgate>:50951"],
    );
    check(
        WUKONG,
        "a.yaml",
        "webhook: {httpAddr: 'http://127.0.0.1:10986/openim'}\n",
        &["FAULT wrong_path", "takes calls of openim"],
    );
    check(
        WUKONG,
        "a.toml",
        "[webhook]\nhttp_addr = oops\n",
        &["FAULT file", "TOML"],
    );
}

#[test]
fn what_wukongim_asks_before_it_sends_is_looked_at_too() {
    let policy = "hooks: {wukongim.msg.before_send: {timeout: 300ms}}\n";
    let file = |more: &str| {
        format!(
            "[webhook]\nhttp_addr = \"\"\n[webhook.before_send]\n{more}\nhttp_addr = \"http://127.0.0.1:10986/wukongim\"\n"
        )
    };
    check(
        policy,
        "a.toml",
        &file("enabled = true"),
        &["pointed_here: ", "sent: wukongim.msg.before_send"],
    );
    check(
        policy,
        "a.toml",
        &file("enabled = true\ntimeout = \"200ms\""),
        &["FAULT waits_less: wukongim.msg.before_send: WuKongIM waits 200ms"],
    );
    check(
        policy,
        "a.toml",
        &file("enabled = true\non_error = \"allow\""),
        &["lets_through: wukongim.msg.before_send: `on_error"],
    );
    check(
        policy,
        "a.toml",
        &file("enabled = false"),
        &[
            "FAULT not_sent: wukongim.msg.before_send is on here, and `[webhook.before_send]` is not enabled",
        ],
    );
    check(
        "hooks: {}\n",
        "a.toml",
        &file("enabled = true"),
        &["unseen: wukongim.msg.before_send"],
    );
    // v1 and v2 have no such hook.
    check(
        policy,
        "wk.yaml",
        "webhook: {httpAddr: 'http://127.0.0.1:10986/wukongim'}\n",
        &["FAULT not_sent: wukongim.msg.before_send"],
    );
}

/// Passes everything on to an address that is told later; its own.
fn relay(to: &Arc<OnceLock<SocketAddr>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let to = Arc::clone(to);
    thread::spawn(move || {
        for mut near in listener.incoming().map_while(Result::ok) {
            let mut far = TcpStream::connect(to.wait()).unwrap();
            let (mut back, mut from) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass(&mut near, &mut far));
            thread::spawn(move || pass(&mut from, &mut back));
        }
    });
    address
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn fault<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    let mut faults = report["endpoints"][0]["faults"].as_array()?.iter();
    faults.find(|fault| fault["name"] == name)
}

#[test]
fn an_endpoint_that_leads_back_here_through_a_proxy_is_a_loop() {
    let to = Arc::new(OnceLock::new());
    let policy = format!(
        "endpoints: {{b: {{url: 'http://{}/openim'}}}}\nhooks: {{beforeMsgModify: {{endpoint: b, timeout: 4s}}}}\n",
        relay(&to)
    );
    let callgate = Setup::new(&policy).start();
    to.set(callgate.http).unwrap();
    // From inside its calls are known; the command's come back as an answer of callgate.
    let path = callgate.setup().policies().join("../data/cli.token");
    let token = std::fs::read_to_string(path).unwrap().trim().to_owned();
    call(
        &callgate,
        &token,
        "POST /api/v1/doctor",
        "",
        &json!({}).to_string(),
    );
    let last = wait_for("the end of a look", PATIENCE * 6, || {
        let last = get(&callgate, &token, "/api/v1/doctor").json();
        (last["state"] != "running").then_some(last)
    });
    let output = callgate.setup().run(&["doctor", "--json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    for report in [&last["report"], &printed] {
        let found = fault(report, "loop").unwrap_or_else(|| panic!("{report}"));
        assert!(
            found["way_out"].as_str().unwrap().contains("own address"),
            "{found}"
        );
    }
    assert_eq!(output.status.code(), Some(1));
}

/// An address of this machine that is no loopback one; `None` without a network.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[test]
fn an_endpoint_that_is_another_address_of_this_machine_is_a_loop() {
    let Some(own) = own_address() else {
        eprintln!("this machine has no address beside its loopback one");
        return;
    };
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let setup = Setup::new(&format!(
        "callbackUrl: http://{own}:{port}/openim\nhooks: {{beforeMsgModify: }}\n"
    ));
    setup.write(
        "engine.yaml",
        format!("http: {{listen: '0.0.0.0:{port}'}}\n"),
    );
    let output = setup.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = fault(&report, "loop").unwrap_or_else(|| panic!("{report}"));
    assert!(
        found["what"].as_str().unwrap().contains("callgate itself"),
        "{found}"
    );
}

#[test]
fn an_endpoint_that_names_this_machine_in_any_way_is_no_policy() {
    for host in [
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "127.1",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let setup = Setup::new(&format!(
            "callbackUrl: http://{host}:10986/openim\nhooks: {{beforeMsgModify: }}\n"
        ));
        setup.write("engine.yaml", HERE);
        let output = setup.run(&["doctor"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{host}: {said}");
        assert!(said.contains("policy.yaml:1:14: "), "{host}: {said}");
    }
}
