//! `storage.kind: postgres` as an operator meets it: PostgreSQL away, wrong, and shared.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::harness::{Behaviour, Business, Callgate, Setup, calls, http, wait_for};
use crate::replicas::on;

const AFTER: &str = "afterSendSingleMsg";
const LIMIT: Duration = Duration::from_secs(60);

pub fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", retry_waits: [20ms, 20ms]}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}, {}: {{}}}}\n",
        calls::SINGLE
    )
}

pub fn tell(callgate: &Callgate, id: &str) -> u16 {
    let body = calls::body_with_id(AFTER, "hello", id);
    http::post(callgate.http, &calls::path(AFTER), body).status
}

pub fn told(business: &Business) -> Vec<String> {
    let requests = business.requests().into_iter();
    let ids = requests.map(|request| request.json()["serverMsgID"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn while_postgres_is_away_calls_are_decided_and_events_spooled() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.stop_at_once();
    let business = Business::start(Behaviour::allow());
    // Away at the start already.
    let setup = on(Setup::new(&policy(&business.url())), &cluster.url());
    let callgate = setup.start();
    assert!(
        callgate
            .started
            .contains("outbox  in PostgreSQL, for all replicas")
    );
    let ids: Vec<String> = (0..40).map(|number| format!("m-{number}")).collect();
    for id in &ids[..20] {
        assert_eq!(tell(&callgate, id), 200);
    }
    let asked = Instant::now();
    assert_eq!(callgate.call(calls::SINGLE, "hello").status, 200);
    assert!(asked.elapsed() < Duration::from_secs(2));
    wait_for("its absence", LIMIT, || {
        (callgate.metric("callgate_storage_away") == 1.0).then_some(())
    });
    assert_eq!(callgate.metric("callgate_outbox_spooled"), 20.0);
    let ready = http::get(callgate.admin, "/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("after events are kept here"),
        "{}",
        ready.text()
    );
    assert_eq!(http::get(callgate.admin, "/readyz/after").status, 200);
    // A crash meanwhile loses nothing of it.
    let callgate = callgate.kill().start();
    for id in &ids[20..] {
        assert_eq!(tell(&callgate, id), 200);
    }
    assert!(told(&business).is_empty());
    cluster.start_again();
    wait_for("all of them", LIMIT, || {
        (told(&business).len() >= ids.len()).then_some(())
    });
    wait_for("its presence", LIMIT, || {
        let here = callgate.metric("callgate_storage_away") == 0.0;
        (here && callgate.metric("callgate_outbox_spooled") == 0.0).then_some(())
    });
    assert_eq!(told(&business), ids);
    // Another one sees the same outbox, and so does a command beside them.
    let other = on(Setup::new(&policy(&business.url())), &cluster.url()).start();
    wait_for("each other", LIMIT, || {
        (other.status()["outbox"]["shared"]["replicas"] == 2).then_some(())
    });
    assert_eq!(
        other.status()["outbox"]["endpoints"]["business"]["accepted"],
        40
    );
    let setup = other.kill();
    let alone = setup.run(&["outbox", "status", "--json"]);
    let text = String::from_utf8_lossy(&alone.stdout).into_owned();
    assert!(
        alone.status.success(),
        "{}",
        String::from_utf8_lossy(&alone.stderr)
    );
    assert!(text.contains("\"accepted\":40"), "{text}");
    let stopped = cluster;
    stopped.stop_at_once();
}

#[test]
fn without_a_spool_events_are_refused_while_postgres_is_away() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::allow());
    let setup = on(Setup::new(&policy(&business.url())), &cluster.url());
    let callgate = setup.engine("storage.when_down", "refuse").start();
    assert_eq!(tell(&callgate, "a"), 200);
    cluster.stop_at_once();
    wait_for("a refusal", LIMIT, || {
        (tell(&callgate, "b") == 503).then_some(())
    });
    assert_eq!(http::get(callgate.admin, "/readyz/after").status, 503);
    assert_eq!(callgate.call(calls::SINGLE, "hello").status, 200);
}

/// What people alone can mend ends the start, with one sentence and without the password.
#[test]
fn a_server_that_refuses_ends_the_start_with_a_sentence() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let good = cluster.url();
    let check = |url: String, said: &str| {
        let setup = on(Setup::new("hooks: {}"), &cluster.url());
        let ended = setup.engine("storage.url", &url).run(&["serve"]);
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(3), "{told}");
        assert!(told.contains(said), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    };
    check(
        good.replace(":callgate@", ":s3cret@"),
        "check user and password in the URL",
    );
    check(
        good.replace("/postgres", "/nowhere"),
        "make it with CREATE DATABASE",
    );
}

/// An endpoint's `rate_max` is for all replicas together.
#[test]
fn two_replicas_tell_an_endpoint_no_more_than_one_would() {
    const RATE: u32 = 20;
    const EVENTS: u32 = 60;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::allow());
    let policy = policy(&business.url()).replace(
        "retry_waits",
        &format!("events: {{rate_max: {RATE}}}, retry_waits"),
    );
    let replicas = [(); 2].map(|()| on(Setup::new(&policy), &cluster.url()).start());
    for replica in &replicas {
        wait_for("each other", LIMIT, || {
            (replica.status()["outbox"]["shared"]["replicas"] == 2).then_some(())
        });
    }
    let began = Instant::now();
    for number in 0..EVENTS {
        let id = format!("m-{number}");
        let body =
            calls::body_with_id(AFTER, "hello", &id).replace("user2", &format!("user-{number}"));
        let replica = &replicas[number as usize % 2];
        assert_eq!(
            http::post(replica.http, &calls::path(AFTER), body).status,
            200
        );
    }
    wait_for("all of them", LIMIT, || {
        (told(&business).len() >= EVENTS as usize).then_some(())
    });
    let wanted = Duration::from_secs(u64::from(EVENTS / RATE));
    // Each of them may begin with a few at once.
    let least = wanted.mul_f64(0.8);
    assert!(
        began.elapsed() >= least,
        "{EVENTS} in {:?}",
        began.elapsed()
    );
}

/// What another replica accepted is found, though nobody is told of it.
#[test]
fn an_event_that_nobody_is_woken_for_is_told_all_the_same() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::allow());
    let callgate = on(Setup::new(&policy(&business.url())), &cluster.url()).start();
    assert_eq!(tell(&callgate, "m-1"), 200);
    let settled = "SELECT count(*) = 0 FROM callgate.pair";
    wait_for("the first", LIMIT, || {
        (told(&business).len() == 1 && cluster.ask(settled) == "t").then_some(())
    });
    // As another replica would write it, but for its NOTIFY.
    let copied = cluster.ask(
        "WITH next AS (SELECT nextval('callgate.event_seq') AS seq),
            known AS (INSERT INTO callgate.known VALUES (md5('again')::uuid, 1)),
            counted AS (INSERT INTO callgate.tally SELECT 0, 0, number, 1, 0, 0, 0, 1, 0, 500, 0, 0
                FROM callgate.endpoint),
            copy AS (INSERT INTO callgate.event
                SELECT part, next.seq, id || '-2', accepted_at_ms, hook, dialect, ordering_key,
                    operation_id, body FROM callgate.event, next LIMIT 1
                RETURNING part, seq, accepted_at_ms)
        INSERT INTO callgate.pair (endpoint, seq, part, place, accepted_at_ms, bytes, digest)
            SELECT number, seq, part, 0, accepted_at_ms, 500, md5('again')::uuid
            FROM copy, callgate.endpoint RETURNING seq",
    );
    assert!(copied.starts_with('2'), "{copied}");
    wait_for("the second", LIMIT, || {
        (told(&business) == ["m-1", "m-1"]).then_some(())
    });
}
