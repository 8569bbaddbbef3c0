//! A million events that wait: what a claim costs does not depend on them.

use std::time::{Duration, Instant};

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
