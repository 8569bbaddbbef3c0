//! What operators are told in numbers: how full the outbox is, its commits, late answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, calls, http, tls, wait_for};
use crate::outbox_delivery::{NO_BREAKER, accept, books, names, policy, strs};

fn said(callgate: &Callgate, text: &str) -> usize {
    callgate.log().matches(text).count()
}

fn outbox_status(callgate: &Callgate, more: &[&str]) -> String {
    let server = format!("http://{}", callgate.admin);
    let mut args = vec!["outbox", "status", "--server", &server];
    args.extend(more);
    let output = callgate.setup().run(&args);
    String::from_utf8(output.stdout).unwrap()
}

/// In the log once for each level, in /status and `outbox status` always.
#[test]
fn an_outbox_that_fills_up_is_told_of_before_it_refuses() {
    let business = Business::start(Behaviour::status(503, ""));
    let settings = format!("{NO_BREAKER}, retry_waits: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s]");
    let setup = Setup::new(&policy(&business.url(), &settings)).engine("outbox.entries_max", "10");
    let callgate = setup.start();
    let names = names(9);
    accept(&callgate, &strs(&names[..6]));
    assert_eq!(callgate.status()["outbox"]["level"], "normal");
    accept(&callgate, &strs(&names[6..7]));
    let status = callgate.status()["outbox"].take();
    assert_eq!(status["level"], "high");
    assert_eq!(status["used"], 0.7);
    assert_eq!(status["entries_max"], 10);
    assert_eq!(callgate.metric("callgate_outbox_used_ratio"), 0.7);
    wait_for("a warning", PATIENCE, || {
        (said(&callgate, "WARN callgate::delivery::usage: outbox fills up") == 1).then_some(())
    });
    accept(&callgate, &strs(&names[7..]));
    wait_for("an error", PATIENCE, || {
        (said(
            &callgate,
            "ERROR callgate::delivery::usage: outbox is nearly full",
        ) == 1)
            .then_some(())
    });
    let shown = outbox_status(&callgate, &[]);
    let line = "90.0 % used of 10 events and 1073741824 bytes: critical\n";
    assert!(shown.contains(line), "{shown}");
    let json: Value = serde_json::from_str(&outbox_status(&callgate, &["--json"])).unwrap();
    assert_eq!(
        (&json["used"], &json["entries_max"]),
        (&0.9.into(), &10.into())
    );
    assert_eq!(json["level"], "critical");
    business.set(Behaviour::allow());
    books(&callgate, |books| books["delivered"] == 9);
    wait_for("room again", PATIENCE, || {
        (said(&callgate, "outbox has room again") == 1).then_some(())
    });
    assert_eq!(said(&callgate, "full it refuses events"), 2);
    // Nobody runs it now: the file is opened, with the limits of engine.yaml.
    let setup = callgate.kill();
    let shown = setup.run(&["outbox", "status"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("0.0 % used of 10 events"), "{shown}");
}

#[test]
fn commits_are_counted_by_size_and_time() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url(), ""));
    accept(&callgate, &strs(&names(100)));
    accept(&callgate, &["one"]);
    books(&callgate, |books| books["delivered"] == 101);
    let metric = |name: &str| callgate.metric(&format!("callgate_outbox_commit_{name}"));
    assert_eq!(metric("batch_size_sum"), 101.0);
    assert_eq!(metric("batch_size_count"), 2.0);
    assert_eq!(metric("batch_size_bucket{le=\"1.0\"}"), 1.0);
    assert_eq!(metric("batch_size_bucket{le=\"64.0\"}"), 1.0);
    assert_eq!(metric("batch_size_bucket{le=\"128.0\"}"), 2.0);
    // One scrape, so that no commit comes between the figures.
    let metrics = http::get(callgate.admin, "/metrics");
    let value = |name: &str| -> f64 {
        let mut lines = metrics.text().lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    };
    let commits = value("callgate_outbox_commits_total");
    assert!(commits >= 2.0, "{commits}");
    let count = "callgate_outbox_commit_latency_seconds_count";
    assert_eq!(value(count), commits);
    let above_all = "callgate_outbox_commit_latency_seconds_bucket{le=\"+Inf\"}";
    assert_eq!(value(above_all), commits);
    let sum = value("callgate_outbox_commit_latency_seconds_sum");
    assert!(sum > 0.0 && sum < 60.0, "{sum}");
}

#[test]
fn answers_after_the_callers_limit_are_counted() {
    let policy = |limit: &str| {
        format!(
            "hooks: {{{}: {{caller_timeout: {limit}}}}}\n",
            calls::SINGLE
        )
    };
    let late = format!("callgate_before_late_total{{hook=\"{}\"}}", calls::SINGLE);
    for (limit, wanted) in [("5s", 0.0), ("0.0001ms", 3.0)] {
        let callgate = Callgate::start(&policy(limit));
        for _ in 0..3 {
            assert_eq!(callgate.call(calls::SINGLE, "hello").text(), calls::ALLOW);
        }
        assert_eq!(callgate.metric(&late), wanted, "{limit}");
    }
}

#[test]
fn an_open_breaker_is_seen_of_both_sides() {
    let business = Business::start(Behaviour::status(500, ""));
    let settings = "breaker: {failures: 2, open: 1m}";
    let both = policy(&business.url(), settings).replace(
        "hooks: {",
        &format!("hooks: {{{}: {{endpoint: business}}, ", calls::SINGLE),
    );
    let callgate = Callgate::start(&both);
    let open = |name: &str| callgate.metric(&format!("callgate_{name}{{endpoint=\"business\"}}"));
    for sender in ["u1", "u2", "u3"] {
        callgate.call_from(sender, calls::SINGLE, "hello");
    }
    assert_eq!(
        (open("breaker_open"), open("delivery_breaker_open")),
        (1.0, 0.0)
    );
    accept(&callgate, &["a", "b", "c"]);
    wait_for("the other one", Duration::from_secs(20), || {
        (open("delivery_breaker_open") == 1.0).then_some(())
    });
}

/// A rule about a metric that does not exist is never true, and nobody notices.
#[test]
fn every_metric_of_the_alert_rules_exists() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts.yml");
    let rules = fs::read_to_string(rules).unwrap();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let named: BTreeSet<&str> = rules
        .split(|c| !is_name(c))
        .filter(|word| word.starts_with("callgate_"))
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    // A family without a member is not shown, so each of them needs one.
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url(), "").replace(
        "hooks: {",
        &format!("hooks: {{{}: {{caller_timeout: 0.0001ms}}, ", calls::SINGLE),
    ));
    callgate.call(calls::SINGLE, "hello");
    accept(&callgate, &["m"]);
    // A certificate has days left where there is one.
    let files = tempfile::tempdir().unwrap();
    let issued = tls::self_signed(&tls::HERE);
    let (cert, key) = issued.write(files.path(), "server");
    let secured = Setup::new("hooks: {}")
        .engine("http.tls.cert", &cert.display().to_string())
        .engine("http.tls.key", &key.display().to_string())
        .start();
    let metrics = [callgate.admin, secured.admin].map(|admin| http::get(admin, "/metrics"));
    let known: BTreeSet<String> = metrics
        .iter()
        .flat_map(|metrics| metrics.text().lines())
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            _ => name.to_owned(),
        })
        .collect();
    for name in named {
        assert!(known.contains(name), "{name} is not in {known:?}");
    }
}
