//! `callgate doctor`: business servers that misbehave, each fault named.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Setup, calls};

pub const ALLOW: &str = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#;

/// Faults in what an answer means say themselves what it would have to be.
pub const SAY_IT: [&str; 6] = [
    "action_code",
    "err_code_alone",
    "next_code",
    "refusal_code",
    "refusal_status",
    "wrong_type",
];

/// What a server does with one call; it is given the body.
pub type Does = Box<dyn Fn(&str, &mut TcpStream) + Send + Sync>;

/// A server that does the same with every call; its URL. It ends with the test process.
pub fn server(does: Does) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/cb", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let does: &'static Does = Box::leak(Box::new(does));
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || talk(stream, does));
        }
    });
    url
}

fn talk(mut stream: TcpStream, does: &Does) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let low = line.to_lowercase();
            if let Some(value) = low.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        does(&String::from_utf8_lossy(&body), &mut stream);
    }
}

/// An answer with headers of its own, without the lines that every answer has.
pub fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

pub fn says(bytes: Vec<u8>) -> String {
    server(Box::new(move |_, stream| {
        let _ = stream.write_all(&bytes);
    }))
}

pub fn json(status: &str, body: &str) -> String {
    says(raw(
        status,
        "Content-Type: application/json\r\n",
        body.as_bytes(),
    ))
}

pub fn policy(url: &str, more: &str, timeout: &str) -> String {
    format!(
        "endpoints: {{b: {{url: '{url}'{more}}}}}\n\
         hooks: {{beforeMsgModify: {{endpoint: b, timeout: {timeout}, failedContinue: {{default: true, connect: false}}}}}}\n"
    )
}

pub fn doctor(policy: &str, args: &[&str]) -> (i32, Value, String) {
    let setup = Setup::new(policy);
    let all: Vec<&str> = ["doctor", "--json"].iter().chain(args).copied().collect();
    let output = setup.run(&all);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_str(&shown).unwrap_or(Value::Null);
    (output.status.code().unwrap(), report, shown + &said)
}

pub fn faults(report: &Value) -> Vec<&str> {
    let faults = report["endpoints"][0]["faults"].as_array();
    let faults = faults.into_iter().flatten();
    faults
        .map(|fault| fault["name"].as_str().unwrap())
        .collect()
}

#[test]
fn every_misbehaviour_is_named_with_what_follows_from_it() {
    let plain_json = "Content-Type: application/json\r\n";
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let never = server(Box::new(|_, stream| {
        let _ = stream.read(&mut [0; 1]);
    }));
    let stalls = server(Box::new(|_, stream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        );
        let _ = stream.read(&mut [0; 1]);
    }));
    let slow = server(Box::new(|_, stream| {
        // Longer than half of what the hook waits.
        std::thread::sleep(Duration::from_millis(1100));
        let _ = stream.write_all(&raw(
            "200 OK",
            "Content-Type: application/json\r\n",
            ALLOW.as_bytes(),
        ));
    }));
    let closes = server(Box::new(|_, stream| {
        let _ = stream.shutdown(Shutdown::Both);
    }));
    let cut_off = server(Box::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"actionCode\":0");
        let _ = stream.shutdown(Shutdown::Both);
    }));
    let knows_not = server(Box::new(|body, stream| {
        let _ = stream.write_all(&match body.contains("CallgateDoctorCommand") {
            true => raw("404 Not Found", "Content-Type: application/json\r\n", b"{}"),
            false => raw(
                "200 OK",
                "Content-Type: application/json\r\n",
                ALLOW.as_bytes(),
            ),
        });
    }));
    let no_pictures = server(Box::new(|body, stream| {
        let _ = stream.write_all(&match body.contains("\"contentType\":102") {
            true => raw("500 Oops", "Content-Type: application/json\r\n", b"{}"),
            false => raw(
                "200 OK",
                "Content-Type: application/json\r\n",
                ALLOW.as_bytes(),
            ),
        });
    }));
    let servers: Vec<(&str, String, &str)> = vec![
        (
            "unresolved",
            "http://callgate-doctor.invalid/".to_owned(),
            "10s",
        ),
        ("unreachable", nobody, "10s"),
        (
            "tls",
            json("200 OK", ALLOW).replace("http:", "https:"),
            "10s",
        ),
        (
            "redirect",
            says(raw(
                "302 Found",
                "Location: http://example.invalid/\r\n",
                b"",
            )),
            "10s",
        ),
        ("http_status", json("500 Oops", "{}"), "10s"),
        (
            "html",
            says(raw(
                "200 OK",
                "Content-Type: text/html\r\n",
                b"<!DOCTYPE html><p>Welcome",
            )),
            "10s",
        ),
        ("empty", json("200 OK", ""), "10s"),
        ("array", json("200 OK", "[]"), "10s"),
        ("not_json", json("200 OK", "OK"), "10s"),
        ("broken_json", json("200 OK", "{\"actionCode\":0,"), "10s"),
        (
            "wrong_type",
            json("200 OK", r#"{"actionCode":"0","nextCode":"1"}"#),
            "10s",
        ),
        (
            "next_code",
            json("200 OK", r#"{"actionCode":0,"nextCode":2}"#),
            "10s",
        ),
        (
            "action_code",
            json("200 OK", r#"{"actionCode":1,"errCode":20001,"nextCode":1}"#),
            "10s",
        ),
        (
            "err_code_alone",
            json("200 OK", r#"{"errCode":20001}"#),
            "10s",
        ),
        (
            "refusal_code",
            json("200 OK", r#"{"actionCode":0,"errCode":5,"nextCode":1}"#),
            "10s",
        ),
        (
            "refusal_status",
            json("403 No", r#"{"actionCode":0,"errCode":20001,"nextCode":1}"#),
            "10s",
        ),
        (
            "framework_error",
            json(
                "200 OK",
                r#"{"timestamp":"x","status":500,"error":"Internal Server Error","path":"/"}"#,
            ),
            "10s",
        ),
        (
            "nothing_known",
            json("200 OK", r#"{"code":0,"msg":"ok"}"#),
            "10s",
        ),
        (
            "too_large",
            json("200 OK", &format!("{{\"x\":\"{}\"}}", "x".repeat(100_000))),
            "10s",
        ),
        (
            "charset",
            says(raw(
                "200 OK",
                plain_json,
                b"{\"actionCode\":0,\"errMsg\":\"\xc4\xe3\xba\xc3\"}",
            )),
            "10s",
        ),
        (
            "charset",
            says(raw(
                "200 OK",
                "Content-Type: application/json; charset=gbk\r\n",
                ALLOW.as_bytes(),
            )),
            "10s",
        ),
        (
            "byte_order_mark",
            says(raw(
                "200 OK",
                plain_json,
                format!("\u{feff}{ALLOW}").as_bytes(),
            )),
            "10s",
        ),
        (
            "compressed",
            says(raw(
                "200 OK",
                "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
                b"\x1f\x8b\x08\x00abc",
            )),
            "10s",
        ),
        ("cut_off", cut_off, "10s"),
        ("closes_unanswered", closes, "10s"),
        ("timeout", never, "300ms"),
        ("stalls", stalls, "300ms"),
        ("slow", slow, "2s"),
        (
            "closes_connection",
            says(raw(
                "200 OK",
                "Content-Type: application/json\r\nConnection: close\r\n",
                ALLOW.as_bytes(),
            )),
            "10s",
        ),
        (
            "content_type",
            says(raw(
                "200 OK",
                "Content-Type: text/plain\r\n",
                ALLOW.as_bytes(),
            )),
            "10s",
        ),
        (
            "refuses",
            json("200 OK", r#"{"actionCode":0,"errCode":20001,"nextCode":1}"#),
            "10s",
        ),
        (
            "changes",
            json(
                "200 OK",
                r#"{"actionCode":0,"nextCode":0,"content":"{\"content\":\"x\"}"}"#,
            ),
            "10s",
        ),
        ("unknown_command", knows_not, "10s"),
        ("http_status", no_pictures, "10s"),
    ];
    assert!(servers.len() >= 20);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let tried: Vec<_> = servers
            .iter()
            .map(|(fault, url, timeout)| {
                scope.spawn(move || {
                    let hooks = policy(url, "", timeout)
                        .replace("hooks: {", "hooks: {'*': {endpoint: b}, ");
                    let policy = match *fault {
                        "unknown_command" => hooks,
                        _ => policy(url, "", timeout),
                    };
                    let (code, report, shown) = doctor(&policy, &[]);
                    let names = faults(&report);
                    let is_mild = report["grave"] == 0;
                    let good_code = match (is_mild, *fault) {
                        (true, _) => code == 0,
                        (_, "unresolved" | "unreachable") => code == 3,
                        _ => code == 1,
                    };
                    let all = report["endpoints"][0]["faults"]
                        .as_array()
                        .into_iter()
                        .flatten();
                    let found = all.clone().find(|one| one["name"] == *fault);
                    let explains = found.is_some_and(|one| {
                        let is_said =
                            |key: &str| one[key].as_str().is_some_and(|text| !text.is_empty());
                        is_said("what")
                            && (is_said("way_out") || SAY_IT.contains(fault))
                            && is_said("callgate")
                            && is_said("im_server")
                            && (one["grave"] == false || is_said("because_of"))
                    });
                    (!good_code || !explains)
                        .then(|| format!("{fault}: exit {code}, {names:?}\n{shown}"))
                })
            })
            .collect();
        tried
            .into_iter()
            .filter_map(|one| one.join().unwrap())
            .collect()
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_good_server_has_no_fault_and_sees_marked_calls_alone() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = std::sync::Arc::clone(&seen);
    let url = server(Box::new(move |body, stream| {
        tell.lock().unwrap().push(body.to_owned());
        let _ = stream.write_all(&raw(
            "200 OK",
            "Content-Type: application/json\r\n",
            ALLOW.as_bytes(),
        ));
    }));
    let policy = format!(
        "callbackUrl: {url}\nhooks: {{beforeSendSingleMsg: {{timeout: 10s}}, beforeSendGroupMsg: {{timeout: 10s}}, \
         beforeMsgModify: {{timeout: 10s}}, beforeAddFriend: {{timeout: 10s}}}}\n"
    );
    let (code, report, shown) = doctor(&policy, &["--deny-warnings"]);
    assert_eq!((code, faults(&report)), (0, vec![]), "{shown}");
    let calls = report["endpoints"][0]["calls"].as_array().unwrap();
    assert!(calls.len() >= 25, "{}", calls.len());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), calls.len());
    assert!(
        seen.iter().all(|body| body.contains("callgate-doctor")),
        "{seen:?}"
    );
}

#[test]
fn each_fault_names_the_line_of_the_policy_and_both_consequences() {
    let url = json("200 OK", "OK");
    let (_, report, shown) = doctor(&policy(&url, "", "10s"), &[]);
    let fault = &report["endpoints"][0]["faults"][0];
    let text = |key: &str| fault[key].as_str().unwrap().to_owned();
    assert!(
        text("callgate").contains("takes it for invalid_answer and lets it through, not reviewed"),
        "{shown}"
    );
    assert!(text("im_server").contains("blocks it (90007)"), "{shown}");
    assert!(text("because_of").contains("policy.yaml:2:"), "{shown}");
    assert!(
        text("because_of").ends_with("hooks.beforeMsgModify.failedContinue.default"),
        "{shown}"
    );
}

#[test]
fn an_endpoint_that_is_callgate_itself_is_an_error() {
    let setup =
        Setup::new("callbackUrl: http://localhost:10996/openim\nhooks: {beforeMsgModify: }\n");
    setup.write("engine.yaml", "http: {listen: '127.0.0.1:10996'}\n");
    let output = setup.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("policy.yaml:1:14: "), "{said}");
}

/// `MATRIX.json` says what each version of OpenIM does with each answer.
#[test]
fn what_the_im_server_alone_does_is_what_both_generations_of_openim_do() {
    let matrix: Value = serde_json::from_slice(&calls::fixture("MATRIX.json")).unwrap();
    for (dialect, version) in [("openim", "v3.7.0..main"), ("openim-v2", "v2.0.2..v2.0.10")] {
        for (name, versions) in matrix.as_object().unwrap() {
            let body = calls::fixture(&format!("any.response-{name}.json"));
            let url = says(raw("200 OK", "Content-Type: application/json\r\n", &body));
            let policy = policy(&url, &format!(", dialect: {dialect}"), "10s");
            let (_, report, shown) = doctor(&policy, &[]);
            let truth = versions[version].as_str().unwrap();
            let endpoint = &report["endpoints"][0];
            let alone = endpoint["faults"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["grave"] == true);
            let agrees = match alone.map(|fault| fault["im_server"].as_str().unwrap()) {
                // Nothing is wrong with it: callgate does the same.
                None => truth.starts_with(endpoint["calls"][0]["outcome"].as_str().unwrap()),
                Some(says) if truth.starts_with("allow") => says.contains("lets it through"),
                Some(says)
                    if truth.starts_with("block errCode") || truth.starts_with("block client") =>
                {
                    says.contains("refuses")
                }
                Some(says) => says.contains("blocks it") || says.contains("callbackFailedContinue"),
            };
            assert!(agrees, "{dialect} {name}: {truth}\n{shown}");
        }
    }
}

#[test]
fn openims_own_file_is_looked_at_hook_by_hook() {
    let setup =
        Setup::new("hooks: {beforeMsgModify: , beforeSendSingleMsg: , beforeAddFriend: }\n");
    let webhooks = |url: &str| {
        format!(
            "url: {url}\nbeforeMsgModify: {{enable: true, timeout: 5}}\nbeforeSendSingleMsg: {{enable: false}}\nbeforeSendGroupMsg: {{enable: true}}\n"
        )
    };
    let look = |text: String| {
        setup.write("webhooks.yml", text);
        let file = setup.policies().join("webhooks.yml");
        let output = setup.run(&["doctor", "--webhooks", file.to_str().unwrap()]);
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, shown) = look(webhooks("http://elsewhere.example:8080/callback"));
    assert_eq!(code, 1);
    for part in [
        "FAULT pointed_elsewhere",
        "note sent: beforeMsgModify",
        "FAULT not_sent: beforeSendSingleMsg is on here, and `enable: false`",
        "FAULT not_sent: beforeAddFriend is on here, and not in the file",
        "note unseen: beforeSendGroupMsg",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
