//! An outbox whose file is damaged or gone: what needs no outbox goes on, what does is refused,
//! and both are told.

use std::fs;
use std::path::PathBuf;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", retry_waits: [50ms, 50ms, 50ms]}}}}\n\
         hooks: {{{SINGLE}: {{}}, {AFTER}: {{endpoint: business}}}}\n"
    )
}

fn file(setup: &Setup) -> PathBuf {
    setup.policies().join("../data/outbox.db")
}

fn tell(callgate: &Callgate, id: &str) -> http::Answer {
    let body = calls::body_with_id(AFTER, "hello", id);
    http::post(callgate.http, &calls::path(AFTER), body)
}

fn check_half(callgate: &Callgate, why: &str) {
    let before = http::post(
        callgate.http,
        &calls::path(SINGLE),
        calls::body(SINGLE, "hello"),
    );
    assert_eq!(before.text(), calls::ALLOW);
    assert_ne!(tell(callgate, "refused").status, 200);
    let ready = http::get(callgate.admin, "/readyz");
    let said = ready.text().to_owned();
    assert_eq!(ready.status, 200);
    assert!(said.contains("before hooks: ready"), "{said}");
    assert!(said.contains("after hooks: refused"), "{said}");
    assert!(said.contains(why), "{said}");
    assert_eq!(http::get(callgate.admin, "/readyz/after").status, 503);
}

#[test]
fn a_damaged_file_leaves_the_before_hooks_and_is_opened_once_it_is_mended() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url()));
    assert_eq!(tell(&callgate, "a").status, 200);
    let setup = callgate.kill();
    let path = file(&setup);
    let log = path.with_extension("db-wal");
    let sound = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    fs::write(&path, "no page is left ".repeat(4096)).unwrap();
    fs::remove_file(&log).unwrap();
    let callgate = setup.start();
    check_half(&callgate, "is not an outbox of callgate");
    fs::write(&log, sound.1).unwrap();
    fs::write(&path, sound.0).unwrap();
    wait_for("an outbox that is open", PATIENCE, || {
        (tell(&callgate, "b").status == 200).then_some(())
    });
    assert_eq!(http::get(callgate.admin, "/readyz").text(), "ready\n");
    assert_eq!(http::get(callgate.admin, "/readyz/after").status, 200);
    wait_for("both events", PATIENCE, || {
        (business.requests().len() >= 2).then_some(())
    });
}

#[test]
fn a_file_that_is_taken_away_ends_acknowledging_at_once() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url()));
    assert_eq!(tell(&callgate, "a").status, 200);
    let path = file(callgate.setup());
    fs::rename(&path, path.with_extension("away")).unwrap();
    check_half(&callgate, "was removed or moved");
    fs::rename(path.with_extension("away"), &path).unwrap();
    assert_eq!(tell(&callgate, "b").status, 200);
}
