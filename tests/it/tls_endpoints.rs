//! Business servers that are called over TLS, and what is said when that fails.

use crate::harness::tls::{Authority, Front, HERE, Issued, Valid, replace, self_signed};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, wait_for};

const HOOK: &str = "beforeSendSingleMsg";

/// A policy whose endpoint has these settings for TLS.
fn policy(front: &Front, tls: &str) -> String {
    format!(
        "endpoints: {{business: {{url: 'https://127.0.0.1:{}/cb', tls: {{{tls}}}, \
         breaker: {{failures: 1000000, calls_min: 1000000}}}}}}\n\
         hooks: {{{HOOK}: {{endpoint: business, timeout: 5s, caller_timeout: 8s}}}}\n",
        front.port
    )
}

fn setup(front: &Front, tls: &str, files: &[(&str, &str)]) -> Setup {
    let setup = Setup::new(&policy(front, tls));
    for (name, text) in files {
        setup.write(name, text);
    }
    setup
}

/// How the last call ended, and why.
fn outcome(gate: &Callgate) -> (String, String) {
    gate.call(HOOK, "hello");
    let endpoint = gate.status()["endpoints"][0].clone();
    let text = |key: &str| endpoint[key].as_str().unwrap_or_default().to_owned();
    (text("last_outcome"), text("last_detail"))
}

fn expect(front: &Front, tls: &str, files: &[(&str, &str)], expected: &str) {
    let gate = setup(front, tls, files).start();
    let (outcome, detail) = outcome(&gate);
    match expected {
        "answered" => assert_eq!(outcome, "answered", "{tls}: {detail}"),
        words => {
            assert_eq!(outcome, "connect", "{tls}: {detail}");
            assert!(detail.contains(words), "{tls}: {words} in {detail}");
        }
    }
}

#[test]
fn a_server_is_trusted_by_its_authority_and_known_by_its_name() {
    let business = Business::start(Behaviour::allow());
    let authority = Authority::new("business");
    let here = authority.issue(&HERE, Valid::Now);
    let front = Front::start(&here, None, &business.url());
    let files = [("ca.pem", authority.pem.as_str())];
    expect(&front, "ca: ca.pem", &files, "answered");
    expect(&front, "", &[], "in `tls.ca` of the endpoint");
    let other = Authority::new("other");
    expect(
        &front,
        "ca: ca.pem",
        &[("ca.pem", &other.pem)],
        "UnknownIssuer",
    );
    let named = authority.issue(&["business.example"], Valid::Now);
    let front = Front::start(&named, None, &business.url());
    expect(&front, "ca: ca.pem", &files, "`tls.server_name`");
    expect(
        &front,
        "ca: ca.pem, server_name: business.example",
        &files,
        "answered",
    );
    let expired = authority.issue(&HERE, Valid::NoLonger);
    let front = Front::start(&expired, None, &business.url());
    expect(&front, "ca: ca.pem", &files, "expired");
}

#[test]
fn a_certificate_that_signed_itself_is_its_own_authority() {
    let business = Business::start(Behaviour::allow());
    for names in [&HERE[..], &[]] {
        let own = self_signed(names);
        let front = Front::start(&own, None, &business.url());
        expect(&front, "ca: own.pem", &[("own.pem", &own.cert)], "answered");
        expect(
            &front,
            "",
            &[],
            "that certificate itself if it signed itself",
        );
    }
    // The name of one that has names counts.
    let own = self_signed(&["business.example"]);
    let front = Front::start(&own, None, &business.url());
    let files = [("own.pem", own.cert.as_str())];
    expect(&front, "ca: own.pem", &files, "`tls.server_name`");
}

#[test]
fn a_server_that_asks_who_calls_is_shown_our_certificate() {
    let business = Business::start(Behaviour::allow());
    let (servers, callers) = (Authority::new("servers"), Authority::new("callers"));
    let server = servers.issue(&HERE, Valid::Now);
    let front = Front::start(&server, Some(&callers.pem), &business.url());
    let ours = callers.issue(&["callgate"], Valid::Now);
    let stranger = Authority::new("strangers").issue(&["callgate"], Valid::Now);
    let with = |issued: &Issued, expected: &str| {
        let files = [
            ("ca.pem", servers.pem.as_str()),
            ("our.pem", issued.cert.as_str()),
            ("our.key", issued.key.as_str()),
        ];
        let tls = "ca: ca.pem, client_cert: our.pem, client_key: our.key";
        expect(&front, tls, &files, expected);
    };
    with(&ours, "answered");
    with(&stranger, "it refuses our certificate, or wants one");
    let files = [("ca.pem", servers.pem.as_str())];
    expect(
        &front,
        "ca: ca.pem",
        &files,
        "see `tls.client_cert` of the endpoint",
    );
}

#[test]
fn files_are_read_again_and_bad_ones_leave_what_was_there_before() {
    let business = Business::start(Behaviour::allow());
    let (servers, callers) = (Authority::new("servers"), Authority::new("callers"));
    let server = servers.issue(&HERE, Valid::Now);
    let front = Front::start(&server, Some(&callers.pem), &business.url());
    let early = callers.issue(&["first"], Valid::Now);
    let files = [
        ("ca.pem", servers.pem.as_str()),
        ("our.pem", early.cert.as_str()),
        ("our.key", early.key.as_str()),
    ];
    let tls = "ca: ca.pem, client_cert: our.pem, client_key: our.key";
    let gate = setup(&front, tls, &files).start();
    assert_eq!(outcome(&gate).0, "answered");
    let certificate = || gate.status()["tls"][0].clone();
    assert_eq!(certificate()["used_by"], "endpoint:business");
    assert_eq!(certificate()["names"][0], "dns:first");
    let path = |name: &str| gate.setup().policies().join(name);
    replace(&path("our.pem"), "-----BEGIN CERTIFICATE-----\nhalf");
    wait_for("the problem", PATIENCE, || {
        let what = certificate()["problems"][0]["what"].clone();
        what.as_str()?.contains("is cut off").then_some(())
    });
    let rejected = "callgate_tls_files_rejected{used_by=\"endpoint:business\"}";
    assert_eq!(gate.metric(rejected), 1.0);
    assert_eq!(outcome(&gate).0, "answered");
    let later = callers.issue(&["second"], Valid::Now);
    later.write(&gate.setup().policies(), "our");
    wait_for("the renewed certificate", PATIENCE, || {
        (certificate()["names"][0] == "dns:second").then_some(())
    });
    assert_eq!(outcome(&gate).0, "answered");
    assert_eq!(gate.metric(rejected), 0.0);
    // An endpoint that is gone takes its certificates with it.
    gate.setup().write("policy.yaml", "hooks: {}");
    wait_for("their end", PATIENCE, || {
        (gate.status()["tls"].as_array()?.is_empty()).then_some(())
    });
}

#[test]
fn check_reads_the_files() {
    let business = Business::start(Behaviour::allow());
    let authority = Authority::new("business");
    let ours = authority.issue(&["callgate"], Valid::Now);
    let other = authority.issue(&["callgate"], Valid::Now);
    let expired = authority.issue(&["callgate"], Valid::NoLonger);
    let front = Front::start(&ours, None, &business.url());
    let check = |tls: &str, files: &[(&str, &str)], words: &str| {
        let output = setup(&front, tls, files).run(&["check"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), words.is_empty(), "{text}");
        assert!(text.contains(words), "{words} in {text}");
        let place = text.contains("policy.yaml:1:") && text.contains("endpoints.business.tls");
        assert!(place || words.is_empty(), "{text}");
    };
    let both = "client_cert: our.pem, client_key: our.key";
    let pair = |cert: &Issued, key: &Issued| (cert.cert.clone(), key.key.clone());
    let files = |(cert, key): &(String, String)| -> Vec<(&'static str, String)> {
        vec![("our.pem", cert.clone()), ("our.key", key.clone())]
    };
    for (pair, words) in [
        (pair(&ours, &ours), ""),
        (pair(&ours, &other), "the key does not fit the certificate"),
        (
            pair(&expired, &expired),
            "the certificate expired on 2020-01-01",
        ),
    ] {
        let files = files(&pair);
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        check(both, &files, words);
    }
    check("ca: ca.pem", &[("ca.pem", &authority.pem)], "");
    check("ca: ca.pem", &[], "ca.pem: cannot be read: No such file");
    check("ca: ca.pem", &[("ca.pem", "words")], "holds no certificate");
    check("client_cert: our.pem", &[], "there is no `client_key`");
    check(
        "server_name: 'a b'",
        &[],
        "`a b` is not a valid name of a server",
    );
}
