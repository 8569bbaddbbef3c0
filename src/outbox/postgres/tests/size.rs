//! A million events that wait: what a claim costs does not depend on them.

use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::own;
use crate::outbox::tests::bench::Bench;
use crate::outbox::*;

/// So many events of so many conversations for one endpoint, as if they had been accepted.
fn fill(server: &Server, events: u32, conversations: u32) {
    let schema = &server.schema;
    own::run(
        server,
        &format!(
            "INSERT INTO {schema}.endpoint (name) VALUES ('A');
            INSERT INTO {schema}.event SELECT 1, n, 'id' || n, n, 'afterSendSingleMsg', 'openim',
                'key' || n % {conversations}, '', 'body' FROM generate_series(1, {events}) AS n;
            INSERT INTO {schema}.known SELECT md5('id' || n)::uuid, 1
                FROM generate_series(1, {events}) AS n;
            INSERT INTO {schema}.pair (endpoint, seq, part, place, accepted_at_ms, bytes, digest, lane)
                SELECT 1, n, 1, 0, n, 500, md5('id' || n)::uuid, md5('key' || n % {conversations})::uuid
                FROM generate_series(1, {events}) AS n;
            INSERT INTO {schema}.tally SELECT 0, 0, number, n, 0, 0, 0, n, 0, n * 500, entries, 0
                FROM (VALUES (0, 0, 0), (1, {events}, 0)) AS t(number, n, entries);
            UPDATE {schema}.tally SET bytes = {events}::bigint * 500, entries = {events}
                WHERE endpoint = 0;
            SELECT setval('{schema}.event_seq', {events})"
        ),
    );
}

/// The 99th of 100 of the times that claims take, of which each is delivered at once.
async fn slow_claim(events: u32, conversations: u32, claims: usize) -> Duration {
    let bench = Bench::new(Kind::Postgres, |config| {
        config.bytes_max = u64::MAX / 4;
        config.endpoint_bytes_max = u64::MAX / 4;
    });
    let server = bench.config.server.clone().unwrap();
    fill(&server, events, conversations);
    let mut times = Vec::new();
    let mut told = 0;
    for _ in 0..claims {
        let begun = Instant::now();
        let claimed = bench
            .outbox
            .claim("A", 1 << 40, Capacity::of(64))
            .await
            .unwrap();
        times.push(begun.elapsed());
        told += claimed.len();
        let keys = claimed
            .iter()
            .map(|event| (event.key, Settlement::Delivered));
        bench.outbox.settle(keys.collect(), 1 << 40).await.unwrap();
    }
    assert!(told >= claims * 32, "{told} of {claims} claims");
    assert_eq!(own::audit(&server), Vec::<String>::new());
    times.sort_unstable();
    println!(
        "{events} events of {conversations} conversations: claims take {:?}, one of a hundred {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    times[times.len() / 2]
}

#[tokio::test]
async fn a_claim_costs_as_much_with_many_events_as_with_few() {
    if !own::is_here() {
        return;
    }
    let many = match std::env::var_os("CALLGATE_LONG") {
        Some(_) => 1_000_000,
        None => 40_000,
    };
    let few = slow_claim(4_000, 1_000, 30).await;
    let times = slow_claim(many, many / 4, 100).await;
    // The busiest machine does not make one ten times slower than the other, a scan does.
    assert!(
        times < few * 10 + Duration::from_millis(50),
        "{times:?} instead of {few:?}"
    );
}

/// What the server has read of tables and indexes.
fn rows_read(cluster: &Cluster, schema: &str) -> u64 {
    let sql = format!(
        "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = '{schema}')
            + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = '{schema}')"
    );
    cluster.ask(&sql).parse().unwrap()
}

/// However the server plans with what it knows of the tables.
#[tokio::test]
async fn what_waits_is_not_read_to_deliver_some() {
    const EVENTS: u32 = 40_000;
    const ROUNDS: u64 = 20;
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let bench = Bench::new(Kind::Postgres, |config| {
        config.bytes_max = u64::MAX / 4;
        config.endpoint_bytes_max = u64::MAX / 4;
        config.server.as_mut().unwrap().url = cluster.url();
    });
    let server = bench.config.server.clone().unwrap();
    fill(&server, EVENTS, EVENTS / 4);
    // Half of them are retries of other conversations; and an endpoint has nothing.
    own::run(
        &server,
        &format!(
            "SET search_path = {};
            INSERT INTO endpoint (name) VALUES ('B');
            UPDATE pair SET place = 2, attempts = 1, due_at_ms = 1::bigint << 41,
                lane = md5('other' || seq % 5000)::uuid WHERE seq > {EVENTS} / 2;
            ANALYZE pair; ANALYZE known; ANALYZE event; ANALYZE endpoint",
            server.schema
        ),
    );
    let now_ms = 1 << 40;
    for _ in 0..ROUNDS {
        let outbox = &bench.outbox;
        let claimed = outbox.claim("A", now_ms, Capacity::of(64)).await.unwrap();
        assert_eq!(claimed.len(), 64);
        let settled = |place: usize| match place % 8 {
            0 => Settlement::Release,
            _ => Settlement::Delivered,
        };
        let keys = claimed.iter().enumerate();
        let settlements = keys.map(|(place, event)| (event.key, settled(place)));
        outbox.settle(settlements.collect(), now_ms).await.unwrap();
        assert_eq!(outbox.endpoints().await.unwrap(), ["A"]);
        assert_eq!(outbox.next_due_ms("A").await.unwrap(), Some(0));
        let (filter, from) = (PendingFilter::default(), DeadCursor::default());
        outbox.pending(&filter, from, 10).await.unwrap();
    }
    bench.outbox.close().await;
    let until = Instant::now() + Duration::from_secs(60);
    // Each connection has told its counts when it has ended.
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callgate'";
    while cluster.ask(open) != "0" {
        assert!(Instant::now() < until, "a connection does not end");
    }
    let read = rows_read(&cluster, &server.schema);
    println!("{read} rows read");
    assert!(read > ROUNDS * 64);
    assert!(read < ROUNDS * u64::from(EVENTS) / 2, "{read} rows read");
}
