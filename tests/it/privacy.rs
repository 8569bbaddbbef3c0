//! Message text and secrets are not in logs, not in metrics and not on the status page.

use crate::harness::calls::{self, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, http};

/// Stands in every message, name and answer of this test.
const SECRET: &str = "s3cr3t";

#[test]
fn message_text_is_nowhere_but_in_the_message() {
    let business = Business::start(Behaviour::block());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", retry_waits: [50ms]}}}}\n\
         lists:\n  bad: {{words: [damn], action: block}}\n  ads: {{words: [gosh], action: replace}}\n\
         hooks:\n  {SINGLE}: {{endpoint: business, timeout: 200ms}}\n  {GROUP}: {{endpoint: business, timeout: 200ms, failedContinue: false}}\n  \
         {MODIFY}: {{endpoint: none}}\n  afterSendSingleMsg: {{endpoint: business}}\n",
        business.url()
    );
    let mut callgate = Callgate::start(&policy);
    let answers = [
        Behaviour::block(),
        Behaviour::html(SECRET),
        Behaviour::replace(SECRET),
        Behaviour::answer(format!("{{\"actionCode\":\"{SECRET}\"}}")),
        Behaviour::status(410, SECRET),
        Behaviour::Hang,
        Behaviour::Reset,
    ];
    for answer in answers {
        business.set(answer);
        for text in [SECRET, "s3cr3t damn", "s3cr3t gosh"] {
            for hook in [SINGLE, GROUP, MODIFY, "afterSendSingleMsg"] {
                callgate.call(hook, text);
            }
            callgate.grpc().before(calls::request(SINGLE, text));
        }
    }
    let whole = calls::body(SINGLE, SECRET).replace("Alice", SECRET);
    let cut = &whole[..whole.len() - 10];
    for odd in [
        cut,
        &whole.replace("101", "\"s3cr3t\""),
        "s3cr3t",
        "[\"s3cr3t\"]",
    ] {
        http::post(callgate.http, &calls::path(SINGLE), odd);
        http::post(callgate.http, "/openim", odd);
    }
    let (status, metrics) = (
        http::get(callgate.admin, "/status"),
        http::get(callgate.admin, "/metrics"),
    );
    for (place, text) in [
        ("log", callgate.log().as_str()),
        ("status", status.text()),
        ("metrics", metrics.text()),
    ] {
        let line = text.lines().find(|line| line.contains(SECRET));
        assert_eq!(line, None, "in the {place}");
    }
    assert!(callgate.is_alive());
}
