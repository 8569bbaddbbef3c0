//! The schema: kept over starts, refused when it is newer, its parts dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::own;
use crate::outbox::postgres::hosts::Hosts;
use crate::outbox::postgres::store::Shared;
use crate::outbox::postgres::sweep::turn_parts;
use crate::outbox::tests::bench::{Bench, entry, open_or_panic};
use crate::outbox::*;

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_way_out() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, |_| {});
    let server = bench.config.server.clone().unwrap();
    let sql = format!("UPDATE {}.outbox_schema SET version = 99", server.schema);
    own::run(&server, &sql);
    let refused = open(&bench.config, Box::new(|_| {})).err().unwrap();
    assert_eq!(
        refused.to_string(),
        format!(
            "the outbox in schema `{}` of PostgreSQL was made by a newer callgate (schema 99, \
             this one knows 1): start that version, or name another schema",
            server.schema
        )
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    if !own::is_here() {
        return;
    }
    let server = Server {
        url: "postgres://callgate:secret@127.0.0.1:1/postgres".to_owned(),
        ..own::server()
    };
    assert!(!format!("{server:?}").contains("secret"));
    let bench = Bench::new(Kind::Memory, |_| {});
    let config = Config {
        kind: Kind::Postgres,
        server: Some(server),
        ..bench.config.clone()
    };
    let refused = open(&config, Box::new(|_| {})).err().unwrap().to_string();
    let begin = "the outbox in PostgreSQL cannot be opened: PostgreSQL is away: ";
    assert!(refused.starts_with(begin), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

#[test]
fn many_that_start_at_once_make_one_schema() {
    if !own::is_here() {
        return;
    }
    let server = own::server();
    let bench = Bench::new(Kind::Memory, |_| {});
    let config = Config {
        kind: Kind::Postgres,
        server: Some(server.clone()),
        ..bench.config.clone()
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| drop(open_or_panic(&config)));
        }
    });
    own::wait_for_end(&server);
    own::drop_schema(&server);
}

/// Turns to a new part so often.
async fn turn(server: &Server, config: &Config, times: u32) {
    let shared = Shared::new(config.clone(), server.clone(), watch::Sender::new(0));
    let told = Arc::default();
    let connection = Hosts::new(server).connect(told).await.unwrap();
    for _ in 0..times {
        turn_parts(&connection, &shared, Duration::ZERO)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_part_is_dropped_when_its_last_event_has_ended() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, |_| {});
    let server = bench.config.server.clone().unwrap();
    let parts = || {
        let sql = format!(
            "SELECT number::text FROM {}.part ORDER BY number",
            server.schema
        );
        own::texts(&server, &sql).join(" ")
    };
    bench
        .outbox
        .append(vec![entry("a", "A", 10), entry("b", "A", 10)])
        .await
        .unwrap();
    turn(&server, &bench.config, 3).await;
    assert_eq!(parts(), "1 2 3 4");
    assert_eq!(bench.step("claim A 9 @10").await, "a#1 b#1");
    bench.step("settle a@A delivered @10").await;
    turn(&server, &bench.config, 1).await;
    assert_eq!(parts(), "1 3 4 5", "b waits in the first");
    // A dead letter has all that its replay needs.
    bench.step("settle b@A dead @10").await;
    turn(&server, &bench.config, 2).await;
    assert_eq!(parts(), "5 6 7");
    // What does not know that its part is gone writes into another.
    assert_eq!(bench.step("append c to A @20").await, "stored");
    assert_eq!(bench.step("replay 9 - @20").await, "1");
    assert_eq!(bench.step("claim A 9 @20").await, "b#1 c#1");
    bench.step("settle b@A,c@A delivered @20").await;
    assert_eq!(bench.step("bytes").await, "0");
}
