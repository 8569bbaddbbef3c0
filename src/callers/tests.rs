//! Who is who, by everything that a call may bring.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::door::Callers;
use super::refused::Refused;
use super::table::Evidence;
use crate::policy::{self, CompileContext, Digest, FileSet};
use crate::telemetry::Metrics;
use crate::tls::{ClientCertificate, San};

fn callers(policy: &str) -> Callers {
    let files = FileSet {
        root: "policies".to_owned(),
        files: [("policy.yaml".to_owned(), Arc::from(policy.as_bytes()))].into(),
    };
    let compiled = policy::compile(&files, &CompileContext::default(), 1);
    let snapshot = compiled
        .snapshot
        .unwrap_or_else(|| panic!("{:?}", compiled.problems));
    let callers = Callers::new(Arc::new(Metrics::new()));
    callers.follow(&snapshot);
    callers
}

fn sha256(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_string()
}

fn certificate(name: &str) -> ClientCertificate {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, name.as_bytes()).as_ref());
    ClientCertificate {
        names: vec![San::Dns(name.to_owned())],
        sha256,
        not_after: std::time::SystemTime::now(),
    }
}

fn everybody() -> Callers {
    callers(&format!(
        "trusted_proxies: [10.0.0.5, 'fd00::5']\n\
         callers:\n  token: {{token_sha256: [{}, {}]}}\n  path: {{path_sha256: {}, addresses: [10.1.0.0/16]}}\n  \
         san: {{certificates: [IM.example]}}\n  print: {{certificates: ['sha256:{}']}}\n  \
         address: {{addresses: ['fd01::/16', 192.168.7.7]}}\nhooks: {{}}\n",
        sha256("token"),
        sha256("old token"),
        sha256("path"),
        sha256("other.example"),
    ))
}

#[test]
fn a_caller_is_known_by_any_of_its_ways() {
    let callers = everybody();
    let check = |evidence: Evidence<'_>, expected: Result<&str, &str>| {
        let found = callers.admit(&evidence);
        let seen = match &found {
            Ok(admitted) => Ok(&**admitted.caller.as_ref().unwrap().name()),
            Err(refused) => Err(refused.name()),
        };
        assert_eq!(seen, expected, "{evidence:?}");
    };
    let from = |address: &str| Evidence {
        address: Some(address.parse::<IpAddr>().unwrap()),
        ..Evidence::default()
    };
    let token = |token: &'static str| Evidence {
        token: Some(token.as_bytes()),
        ..from("8.8.8.8")
    };
    check(token("token"), Ok("token"));
    check(token("old token"), Ok("token"));
    for wrong in ["", "toke", "token ", "Token", "path"] {
        check(token(wrong), Err("token"));
    }
    let path = |path: &'static str, address: &str| Evidence {
        path: Some(path),
        ..from(address)
    };
    check(path("path", "10.1.2.3"), Ok("path"));
    check(path("path", "::ffff:10.1.2.3"), Ok("path"));
    check(path("path", "10.2.2.3"), Err("address"));
    check(path("token", "10.1.2.3"), Err("nobody"));
    let [san, print, stranger] = ["im.example", "other.example", "evil.example"].map(certificate);
    let shows = |certificate| Evidence {
        certificate: Some(certificate),
        ..from("8.8.8.8")
    };
    check(shows(&san), Ok("san"));
    check(shows(&print), Ok("print"));
    check(shows(&stranger), Err("certificate"));
    check(from("fd01::9"), Ok("address"));
    check(from("192.168.7.7"), Ok("address"));
    check(from("192.168.7.8"), Err("nobody"));
    check(Evidence::default(), Err("nobody"));
    let forwarded = |peer: &str, hops: &'static str| Evidence {
        forwarded_for: Some(Cow::Borrowed(hops)),
        ..from(peer)
    };
    check(forwarded("10.0.0.5", "192.168.7.7"), Ok("address"));
    check(
        forwarded("fd00::5", "1.1.1.1, 192.168.7.7, 10.0.0.5"),
        Ok("address"),
    );
    check(forwarded("10.0.0.5", "192.168.7.7, 1.1.1.1"), Err("nobody"));
    check(forwarded("10.0.0.6", "192.168.7.7"), Err("nobody"));
    check(forwarded("10.0.0.5", "192.168.7.7, unknown"), Err("nobody"));
}

#[test]
fn nobody_is_asked_for_anything_where_nobody_is_named() {
    let callers = callers("hooks: {}\n");
    assert!(callers.is_open());
    let admitted = callers.admit(&Evidence::default()).unwrap();
    assert!(admitted.caller.is_none() && !admitted.path_is_secret);
}

#[test]
fn the_command_line_is_known_beside_callers_and_at_its_ports_alone() {
    let callers = everybody();
    let evidence = Evidence {
        token: Some(b"of the command line"),
        ..Evidence::default()
    };
    assert_eq!(
        callers.admit_command_line(&evidence).unwrap_err(),
        Refused::Token
    );
    callers.know_command_line(Digest::of(b"of the command line"));
    let admitted = callers.admit_command_line(&evidence).unwrap();
    assert_eq!(&**admitted.caller.unwrap().name(), "cli");
    assert_eq!(callers.admit(&evidence).unwrap_err(), Refused::Token);
}

/// Processor time of looking a token up: `cargo test --lib token_check -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn a_token_check_takes_a_microsecond_and_tells_nothing_by_its_time() {
    let names: String = (0..16)
        .map(|at| {
            format!(
                "  c{at}: {{token_sha256: {}}}\n",
                sha256(&format!("token {at}"))
            )
        })
        .collect();
    let callers = callers(&format!("callers:\n{names}hooks: {{}}\n"));
    let token = "x".repeat(43);
    let right = format!("token {}", 7);
    let near = {
        // The digest of no other text begins like another's, so the nearest miss there is: the
        // right text but for its end.
        let mut near = right.clone().into_bytes();
        *near.last_mut().unwrap() ^= 1;
        near
    };
    let spent = |token: &[u8]| {
        let evidence = Evidence {
            token: Some(token),
            ..Evidence::default()
        };
        let mut best = Duration::MAX;
        for _ in 0..50 {
            let started = Instant::now();
            for _ in 0..1000 {
                let _ = std::hint::black_box(callers.look_up(&evidence));
            }
            best = best.min(started.elapsed() / 1000);
        }
        best
    };
    let (near, far, right) = (spent(&near), spent(b"nothing"), spent(right.as_bytes()));
    println!(
        "right {right:?}, near miss {near:?}, far miss {far:?}, 43 bytes {:?}",
        spent(token.as_bytes())
    );
    assert!(right < Duration::from_micros(1), "{right:?}");
    let (less, more) = (near.min(far), near.max(far));
    assert!(
        more.as_nanos() < less.as_nanos() * 5 / 4,
        "{near:?} {far:?}"
    );
}
