//! Who may call: known by token, path or address, held to hooks and limits, refused otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use callgate::policy::Digest;
use callgate::proto::v1;
use tonic::Code;
use tonic::metadata::MetadataValue;

use crate::harness::calls::{self, ALLOW, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const TOKEN: &str = "token-of-the-pipeline";
const SECRET: &str = "s3cret-path-of-openim";
const HOOKS: &str = "lists: {l: {words: [badword], action: block}}\n\
                     hooks: {beforeSendSingleMsg: {}, beforeMsgModify: {}, afterSendSingleMsg: {}}\n";

fn sha256(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_string()
}

/// A policy in which each line is one caller.
fn policy(callers: &[&str]) -> String {
    let lines: Vec<_> = callers
        .iter()
        .map(|caller| format!("  {caller}\n"))
        .collect();
    format!("callers:\n{}{HOOKS}", lines.concat())
}

fn pipeline() -> String {
    format!("pipeline: {{token_sha256: {}}}", sha256(TOKEN))
}

/// A call of OpenIM with further head lines.
fn post(address: SocketAddr, path: &str, lines: &str, body: &str) -> http::Answer {
    let mut head = http::head("POST", path, Some(body.len()));
    head.truncate(head.len() - 2);
    head.extend_from_slice(format!("{lines}\r\n{body}").as_bytes());
    http::send(address, &head)
}

fn ask(callgate: &Callgate, lines: &str) -> http::Answer {
    let body = calls::body(SINGLE, "hello");
    post(callgate.http, &calls::path(SINGLE), lines, &body)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Asks over gRPC, with a token or without.
fn ask_grpc(
    callgate: &Callgate,
    token: &str,
    hook: &str,
) -> Result<v1::BeforeResponse, tonic::Status> {
    let grpc = callgate.grpc();
    let mut request = tonic::Request::new(calls::request(hook, "hello"));
    if !token.is_empty() {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let mut hooks = grpc.hooks();
    let answer = grpc.runtime.block_on(hooks.before(request));
    answer.map(tonic::Response::into_inner)
}

#[test]
fn whoever_brings_nothing_is_refused_in_words_that_refuse() {
    let callgate = Callgate::start(&policy(&[&pipeline()]));
    let refusal = calls::block(20001, "not allowed", "");
    for lines in [
        "",
        &bearer("wrong"),
        &bearer(""),
        &bearer(&TOKEN[1..]),
        "Authorization: x\r\n",
    ] {
        let answer = ask(&callgate, lines);
        assert_eq!(
            (answer.status, answer.text()),
            (401, refusal.as_str()),
            "{lines}"
        );
    }
    assert_eq!(ask(&callgate, &bearer(TOKEN)).text(), ALLOW);
    for (token, code) in [
        ("", Some(Code::Unauthenticated)),
        ("wrong", Some(Code::Unauthenticated)),
        (TOKEN, None),
    ] {
        let answer = ask_grpc(&callgate, token, SINGLE);
        assert_eq!(
            answer.as_ref().err().map(tonic::Status::code),
            code,
            "{token}: {answer:?}"
        );
    }
    let metric = |name: &str| callgate.metric(name);
    assert_eq!(
        metric("callgate_callers_refused_total{reason=\"nobody\"}"),
        4.0
    );
    assert_eq!(
        metric("callgate_callers_refused_total{reason=\"token\"}"),
        3.0
    );
    assert_eq!(
        metric("callgate_caller_calls_total{caller=\"pipeline\"}"),
        2.0
    );
    assert_eq!(callgate.status()["callers"]["pipeline"]["in_flight"], 0);
    assert!(!callgate.log().contains(TOKEN), "{}", callgate.log());
}

#[test]
fn a_secret_path_holds_with_its_addresses() {
    let of_openim = |addresses: &str| {
        format!(
            "openim: {{path_sha256: {}, addresses: {addresses}}}",
            sha256(SECRET)
        )
    };
    let callgate = Callgate::start(&policy(&[&of_openim("[127.0.0.0/8]")]));
    let body = calls::body(SINGLE, "hello");
    let call = |path: String, lines: &str| post(callgate.http, &path, lines, &body);
    let command = calls::command(SINGLE);
    assert_eq!(
        call(format!("/openim/{SECRET}/{command}"), "").text(),
        ALLOW
    );
    assert_eq!(
        call(format!("/callbackExample//{SECRET}//{command}"), "").text(),
        ALLOW
    );
    for wrong in [
        format!("/openim/{command}"),
        format!("/openim/{}x/{command}", SECRET),
        format!("/openim/{}/{command}", &SECRET[1..]),
        format!("/openim/{}/{command}", SECRET.to_uppercase()),
        format!("/openim/x/{SECRET}/{command}"),
        "/openim".to_owned(),
    ] {
        let refused = call(wrong.clone(), "");
        assert_eq!(refused.status, 401, "{wrong}");
        assert!(refused.text().contains(r#""actionCode":"#), "{wrong}");
        assert_ne!(refused.text(), ALLOW, "{wrong}");
    }
    // Nobody but a named proxy says where a call comes from.
    let forwarded = "X-Forwarded-For: 10.9.9.9\r\n";
    assert_eq!(
        call(format!("/openim/{SECRET}/{command}"), forwarded).text(),
        ALLOW
    );

    let elsewhere = of_openim("[10.1.0.0/16]");
    let proxied = policy(&[&elsewhere]) + "trusted_proxies: [127.0.0.1]\n";
    callgate.setup().write("policy.yaml", &proxied);
    wait_for("the edit", PATIENCE, || {
        (call(format!("/openim/{SECRET}/{command}"), "").status == 401).then_some(())
    });
    for (hops, status) in [
        ("10.1.2.3", 200),
        ("8.8.8.8, 10.1.2.3", 200),
        ("10.1.2.3, 127.0.0.1", 200),
        ("10.1.2.3, 8.8.8.8", 401),
        ("10.1.2.3, nonsense", 401),
        ("", 401),
    ] {
        let lines = format!("X-Forwarded-For: {hops}\r\n");
        let answer = call(format!("/openim/{SECRET}/{command}"), &lines);
        assert_eq!(answer.status, status, "{hops}");
    }
    let log = callgate.log();
    assert!(
        log.contains("reason=\"address\"") && log.contains("caller=\"openim\""),
        "{log}"
    );
    for shown in [
        log,
        callgate.status().to_string(),
        http::get(callgate.admin, "/metrics").text().to_owned(),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn a_caller_may_call_its_hooks_alone() {
    let limited = format!(
        "pipeline: {{token_sha256: {}, hooks: [beforeSendSingleMsg]}}",
        sha256(TOKEN)
    );
    let callgate = Callgate::start(&policy(&[&limited]));
    assert!(ask_grpc(&callgate, TOKEN, SINGLE).is_ok());
    let denied = ask_grpc(&callgate, TOKEN, MODIFY).unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    assert_eq!(
        denied.message(),
        "`pipeline` may not call `beforeMsgModify`"
    );
    let body = calls::body(MODIFY, "hello");
    for body in [body.as_str(), "{}", "no json"] {
        let denied = post(callgate.http, &calls::path(MODIFY), &bearer(TOKEN), body);
        assert_eq!(
            (denied.status, denied.text()),
            (403, calls::block(20001, "not allowed", "").as_str())
        );
    }
    let after = calls::body("afterSendSingleMsg", "hello");
    let denied = post(
        callgate.http,
        &calls::path("afterSendSingleMsg"),
        &bearer(TOKEN),
        &after,
    );
    assert_eq!(denied.status, 403);
    let unknown = post(
        callgate.http,
        "/openim/callbackOfTomorrowCommand",
        &bearer(TOKEN),
        "{}",
    );
    assert_eq!(unknown.status, 403);
    assert_eq!(
        callgate.metric("callgate_callers_refused_total{reason=\"hook\"}"),
        6.0
    );
}

#[test]
fn a_caller_past_its_limit_slows_nobody_and_passes_no_listed_word() {
    let business = Business::start(Behaviour::allow());
    let limited = format!(
        "flood: {{token_sha256: {}, calls_per_second: 1, burst: 1}}",
        sha256("token-of-the-flood")
    );
    let callers = policy(&[&pipeline(), &limited]);
    let callgate = Callgate::start(&format!("callbackUrl: {}\n{callers}", business.url()));
    let stop = AtomicBool::new(false);
    let flooded = AtomicUsize::new(0);
    let lines = bearer("token-of-the-flood");
    let text = |text: &str| calls::body(SINGLE, text);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let body = text("a badword");
                while !stop.load(Ordering::Relaxed) {
                    let answer = post(callgate.http, &calls::path(SINGLE), &lines, &body);
                    // Whatever its limit says, the word lists look at each of its messages.
                    assert!(
                        answer.text().contains("\"nextCode\":1"),
                        "{}",
                        answer.text()
                    );
                    flooded.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The other one has every answer, and none of class `overloaded`.
        for _ in 0..100 {
            let answer = ask(&callgate, &bearer(TOKEN));
            assert_eq!(answer.header("x-callgate-failure"), "");
            assert_eq!(answer.status, 200);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(flooded.load(Ordering::Relaxed) > 10);
    let mut shed = 0;
    for _ in 0..20 {
        let answer = ask(&callgate, &lines);
        shed += usize::from(answer.header("x-callgate-failure") == "overloaded");
    }
    assert!(shed > 0);
    let body = calls::body("afterSendSingleMsg", "hello");
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for _ in 0..20 {
        let after = post(
            callgate.http,
            &calls::path("afterSendSingleMsg"),
            &lines,
            &body,
        );
        *statuses.entry(after.status).or_default() += 1;
    }
    assert!(statuses.contains_key(&503), "{statuses:?}");
    assert!(
        callgate.metric("callgate_caller_limited_total{caller=\"flood\",limit=\"rate\"}") > 0.0
    );
    assert_eq!(
        callgate.metric("callgate_caller_limited_total{caller=\"pipeline\",limit=\"rate\"}"),
        0.0
    );
}

#[test]
fn a_token_is_changed_without_one_failed_call() {
    let setup = Setup::new("");
    let file = setup.policies().join("pipeline.token");
    fs::write(&file, TOKEN).unwrap();
    setup.write(
        "policy.yaml",
        policy(&["pipeline: {token_file: pipeline.token}"]),
    );
    let callgate = setup.start();
    let token = std::sync::Mutex::new(TOKEN.to_owned());
    let stop = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let lines = bearer(&token.lock().unwrap().clone());
                    assert_eq!(ask(&callgate, &lines).text(), ALLOW);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let known = |token: &str, known: bool| {
            wait_for(token, PATIENCE, || {
                ((ask(&callgate, &bearer(token)).status == 200) == known).then_some(())
            });
        };
        let new = "new-token-of-the-pipeline";
        fs::write(&file, format!("{TOKEN}\n{new}\n")).unwrap();
        known(new, true);
        *token.lock().unwrap() = new.to_owned();
        let before = asked.load(Ordering::Relaxed);
        wait_for("calls with the new one", PATIENCE, || {
            (asked.load(Ordering::Relaxed) > before + 4).then_some(())
        });
        fs::write(&file, format!("{new}\n")).unwrap();
        known(TOKEN, false);
        // A file that is gone, or half written, locks nobody out, and is told.
        fs::write(&file, "").unwrap();
        wait_for("the error", PATIENCE, || {
            callgate
                .log()
                .contains("cannot be read, what it was goes on to count")
                .then_some(())
        });
        known(new, true);
        // The same by an edit of the policy: digests, old and new.
        let digests = format!(
            "pipeline: {{token_sha256: [{}, {}]}}",
            sha256(new),
            sha256("third-token-of-it")
        );
        callgate.setup().write("policy.yaml", policy(&[&digests]));
        known("third-token-of-it", true);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!callgate.log().contains("token-of"), "{}", callgate.log());
}

#[test]
fn a_port_that_others_reach_is_warned_about_where_nobody_is_named() {
    let warning = "others reach http.listen 0.0.0.0:0, and whoever does may call";
    let setup = || Setup::new(HOOKS).engine("http.listen", "0.0.0.0:0");
    let checked = setup().run(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains(warning), "{text}");
    let callgate = setup().start();
    wait_for("the warning", PATIENCE, || {
        callgate.log().contains(warning).then_some(())
    });
    let status = callgate.status()["policy"]["warnings"].to_string();
    assert!(status.contains(warning), "{status}");
    callgate
        .setup()
        .write("policy.yaml", policy(&[&pipeline()]));
    wait_for("no warning", PATIENCE, || {
        let warnings = &callgate.status()["policy"]["warnings"];
        (!warnings.to_string().contains(warning)).then_some(())
    });
}
