//! A schema of a test's own, in the cluster of all tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::cluster::Cluster;
use crate::outbox::{Server, WhenDown};

/// Whether there is a PostgreSQL to test with.
pub(in crate::outbox) fn is_here() -> bool {
    Cluster::shared().is_some()
}

/// A schema that nobody has used.
pub(in crate::outbox) fn server() -> Server {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
    Server {
        url: Cluster::shared().expect("asked before").url(),
        schema: format!("test_{}_{number}", std::process::id()),
        when_down: WhenDown::Refuse,
        tls: None,
        again: None,
        replica: "test".to_owned(),
        connections: 1,
        lease: Duration::from_secs(30),
        takeover_after: Duration::ZERO,
    }
}

/// Waits until the server has seen the end of every connection of a replica.
pub(in crate::outbox) fn wait_for_end(server: &Server) {
    let sql = format!(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'
        AND classid = (hashtext('callgate replica ' || '{}')::bigint & 4294967295)::oid",
        server.schema
    );
    ask(server, move |client| {
        Box::pin(async move {
            let until = std::time::Instant::now() + Duration::from_secs(60);
            while !client.query(&sql, &[]).await.unwrap().is_empty() {
                assert!(
                    std::time::Instant::now() < until,
                    "a connection does not end"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    });
}

pub(in crate::outbox) fn drop_schema(server: &Server) {
    let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", server.schema);
    ask(server, move |client| {
        Box::pin(async move { client.batch_execute(&sql).await.unwrap() })
    });
}

type Asked<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;

/// Asks the server something on a thread of its own: the caller may be in a runtime.
pub(in crate::outbox) fn ask<T: Send>(
    server: &Server,
    ask: impl for<'c> FnOnce(&'c tokio_postgres::Client) -> Asked<'c, T> + Send,
) -> T {
    let url = server.url.clone();
    std::thread::scope(|scope| {
        let asked = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
                let (client, connection) = connected.unwrap();
                tokio::spawn(connection);
                ask(&client).await
            })
        });
        asked.join().unwrap()
    })
}

/// Runs statements without an answer.
pub(in crate::outbox) fn run(server: &Server, sql: &str) {
    let sql = sql.to_owned();
    ask(server, move |client| {
        Box::pin(async move { client.batch_execute(&sql).await.unwrap() })
    });
}

/// The texts in the first column.
pub(in crate::outbox) fn texts(server: &Server, sql: &str) -> Vec<String> {
    let sql = sql.to_owned();
    ask(server, move |client| {
        Box::pin(async move {
            let rows = client.query(&sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        })
    })
}

/// Where counters and rows disagree, whatever replicas did; empty when nothing was lost.
pub(in crate::outbox) fn audit(server: &Server) -> Vec<String> {
    let schema = &server.schema;
    let sql = format!(
        "WITH counted AS (SELECT endpoint, sum(accepted) AS accepted, sum(delivered) AS delivered,
                sum(dead) AS dead, sum(discarded) AS discarded, sum(pending) AS pending,
                sum(in_flight) AS in_flight, sum(bytes) AS bytes, sum(entries) AS entries,
                sum(remembered) AS remembered FROM {schema}.tally GROUP BY endpoint),
            found AS (SELECT number AS endpoint,
                (SELECT count(*) FROM {schema}.pair WHERE endpoint = number) AS pending,
                (SELECT count(*) FROM {schema}.pair WHERE endpoint = number AND place = 1) AS in_flight,
                (SELECT count(*) FROM {schema}.dead WHERE endpoint = number) AS dead,
                (SELECT coalesce(sum(bytes), 0) FROM {schema}.pair WHERE endpoint = number)
                + (SELECT coalesce(sum(bytes), 0) FROM {schema}.dead WHERE endpoint = number) AS bytes
                FROM {schema}.endpoint)
        SELECT concat_ws(' ', 'endpoint', endpoint, counted::text, found::text)
            FROM counted JOIN found USING (endpoint)
            WHERE (counted.pending, counted.in_flight, counted.dead, counted.bytes)
                <> (found.pending, found.in_flight, found.dead, found.bytes)
            OR accepted <> delivered + counted.dead + discarded + counted.pending
        UNION ALL SELECT concat_ws(' ', 'all', counted::text) FROM counted WHERE endpoint = 0
            AND (entries, remembered) <> (
                (SELECT count(*) FROM {schema}.known WHERE pairs > 0),
                (SELECT count(*) FROM {schema}.known WHERE forget_at_ms IS NOT NULL))
        UNION ALL SELECT concat_ws(' ', 'nobody lets it go on:', endpoint, lane)
            FROM {schema}.pair GROUP BY endpoint, lane
            HAVING lane IS NOT NULL AND bool_and(place = 3)"
    );
    texts(server, &sql)
}
