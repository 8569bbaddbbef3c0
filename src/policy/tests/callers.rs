//! `callers:` in a policy: what is refused, and that no secret is repeated.

use super::*;
use crate::policy::Digest;

const SECRET: &str = "a-secret-in-clear";

/// Every problem of a policy with this caller, none of which may hold the secret.
fn told(caller: &str, env: &[(&str, &str)]) -> Vec<String> {
    let policy = format!("callers: {{im: {{{caller}}}}}\nhooks: {{beforeMsgModify: {{}}}}\n");
    let compiled = compile(&files(&policy, &[]), &context(env), 1);
    let mut lines = lines(&compiled);
    for line in &lines {
        assert!(!line.contains(SECRET), "{line}");
    }
    lines.retain(|line| line.contains("callers"));
    lines
}

#[test]
fn a_secret_in_clear_is_refused_with_a_hint_how_to_hash_it() {
    let clear = "a secret is not written here in clear; write its SHA-256 as `token_sha256`, which \
                 `callgate hash-token` prints, or name its place with `token_file` or `token_env`";
    let addresses = "addresses: [10.0.0.1]";
    let lines = told(&format!("{addresses}, token: {SECRET}"), &[]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("callers.im.token") && lines[0].ends_with(clear),
        "{lines:?}"
    );
    for (caller, key) in [
        (
            format!("{addresses}, token: [{SECRET}]"),
            "callers.im.token",
        ),
        (format!("{addresses}, path: {SECRET}"), "callers.im.path"),
        (format!("token_sha256: {SECRET}"), "callers.im.token_sha256"),
        (
            format!("token_sha256: [{SECRET}, x]"),
            "callers.im.token_sha256",
        ),
        (format!("path_sha256: {SECRET}"), "callers.im.path_sha256"),
    ] {
        let lines = told(&caller, &[]);
        assert!(
            lines.iter().any(|line| line.contains(key)),
            "{caller}: {lines:?}"
        );
        assert!(!lines.is_empty(), "{caller}");
    }
    let variable = ("CALLGATE_POLICY__CALLERS__IM__TOKEN", SECRET);
    assert!(told(addresses, &[variable])[0].contains("in clear"));
}

#[test]
fn a_caller_is_known_by_something_and_by_its_own() {
    let check = |caller: &str, what: &str| {
        let lines = told(caller, &[]);
        assert!(
            lines.iter().any(|line| line.contains(what)),
            "{caller}: {lines:?}"
        );
    };
    check("hooks: all", "nothing says how this caller is known");
    check(
        "addresses: [10.0.0.1/33]",
        "is not a valid address or range",
    );
    check(
        "addresses: [0.0.0.0/0]",
        "is every address, so it says nothing",
    );
    check(
        "addresses: [10.0.0.1], hooks: [beforeSendSingelMsg]",
        "did you mean `beforeSendSingleMsg`?",
    );
    check("addresses: [10.0.0.1], hooks: []", "may call nothing");
    check("certificates: ['sha256:abc']", "is not a valid fingerprint");
    let digest = Digest::of(b"x").to_string();
    let policy = format!(
        "callers: {{a: {{token_sha256: {digest}}}, b: {{path_sha256: {digest}}}, cli: {{token_sha256: {digest}}}}}\nhooks: {{}}\n"
    );
    let compiled = compile(&files(&policy, &[]), &context(&[]), 1);
    let lines = lines(&compiled).join("\n");
    assert!(
        lines.contains("`a` and `b` have the same secret"),
        "{lines}"
    );
    assert!(
        lines.contains("`cli` is the command line on the same machine"),
        "{lines}"
    );
}

#[test]
fn an_open_port_is_warned_about_until_somebody_is_named() {
    let check = |policy: &str, warned: bool| {
        let mut context = context(&[]);
        context.open_ports = vec!["http.listen 0.0.0.0:10006".to_owned()];
        let compiled = compile(&files(policy, &[]), &context, 1);
        let lines = lines(&compiled).join("\n");
        assert_eq!(lines.contains("whoever does may call"), warned, "{lines}");
        assert!(compiled.snapshot.is_some());
    };
    check("hooks: {}\n", true);
    check("callers: {im: {addresses: [10.0.0.1]}}\nhooks: {}\n", false);
}

#[test]
fn a_token_on_a_port_without_tls_is_warned_about() {
    let digest = "ab".repeat(32);
    let check = |caller: &str, ports: &[&str], warned: bool| {
        let mut context = context(&[]);
        context.plain_ports = ports.iter().map(|port| (*port).to_owned()).collect();
        let policy = format!("callers:\n  im: {caller}\nhooks: {{}}\n");
        let compiled = compile(&files(&policy, &[]), &context, 1);
        let lines = lines(&compiled).join("\n");
        let told = lines.contains("callers.im: its token can be read on the way");
        assert_eq!(told, warned, "{lines}");
        assert!(compiled.snapshot.is_some(), "{lines}");
    };
    let port = ["grpc.listen 0.0.0.0:50051"];
    check(&format!("{{token_sha256: {digest}}}"), &port, true);
    check(&format!("{{token_sha256: {digest}}}"), &[], false);
    check("{addresses: [10.0.0.1]}", &port, false);
    check("{certificates: [im.example]}", &port, false);
}
