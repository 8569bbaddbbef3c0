//! The server: away at the start, with TLS, with another's certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore};

use super::cluster::{Cluster, free_port};
use super::own;
use crate::outbox::postgres::connect::Error;
use crate::outbox::postgres::digest::digest;
use crate::outbox::postgres::hosts::Hosts;
use crate::outbox::postgres::store::{Lasting, Shared, Tx};
use crate::outbox::tests::bench::{Bench, entry, shipped};
use crate::outbox::*;

fn config(server: Server) -> Config {
    Config {
        kind: Kind::Postgres,
        server: Some(server),
        ..shipped()
    }
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    cluster.stop_at_once();
    let server = Server {
        url: cluster.url(),
        ..own::server()
    };
    let outbox = open_supervised(&config(server), Arc::new(|_| {})).unwrap();
    let refused = outbox.append(vec![entry("a", "A", 10)]).await.unwrap_err();
    let why = refused.to_string();
    assert!(why.contains("PostgreSQL is away: "), "{why}");
    assert!(
        outbox
            .refusal()
            .unwrap()
            .starts_with("PostgreSQL is away: ")
    );
    cluster.start_again();
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = outbox.append(vec![entry("a", "A", 10)]).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(outbox.refusal(), None);
    let claimed = outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    outbox.close().await;
}

fn trusts(certificate: &CertifiedKey<rcgen::KeyPair>) -> ServerTls {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    ServerTls(Arc::new(config))
}

#[tokio::test]
async fn a_server_proves_who_it_is() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let certified =
        || generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let (real, other) = (certified().unwrap(), certified().unwrap());
    let with = |tls: &ServerTls| {
        let server = Server {
            url: cluster.url(),
            tls: Some(tls.clone()),
            ..own::server()
        };
        open(&config(server), Box::new(|_| {}))
    };
    let error = with(&trusts(&real)).err().unwrap().to_string();
    assert!(error.contains("server does not support TLS"), "{error}");
    cluster.add("server.crt", &real.cert.pem());
    cluster.add("server.key", &real.signing_key.serialize_pem());
    cluster.set("ssl = on\n");
    cluster.stop_at_once();
    cluster.start_again();
    let error = with(&trusts(&other)).err().unwrap().to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let outbox = with(&trusts(&real)).unwrap();
    outbox.append(vec![entry("a", "A", 10)]).await.unwrap();
    let server = Server {
        url: cluster.url(),
        ..own::server()
    };
    let sql = "SELECT DISTINCT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'callgate'";
    assert_eq!(own::texts(&server, sql), ["true"]);
    outbox.close().await;
}

/// A process that hangs in a transaction holds the others up for a while at the most.
#[tokio::test]
async fn an_endpoint_that_another_holds_is_refused_and_comes_back() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, |_| {});
    bench.step("append a to A @10").await;
    let server = bench.config.server.clone().unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let hold = format!("BEGIN; SELECT * FROM {}.endpoint FOR UPDATE", server.schema);
    client.batch_execute(&hold).await.unwrap();
    let outbox = Arc::clone(&bench.outbox);
    let claim = tokio::spawn(async move { outbox.claim("A", 10, Capacity::of(1)).await });
    // Accepting waits for nobody.
    assert_eq!(bench.step("append b to A @10").await, "stored");
    assert!(!claim.is_finished());
    drop(client);
    connection.await.unwrap().unwrap();
    let claimed = claim.await.unwrap().unwrap();
    assert_eq!(claimed[0].id, "a");
}

/// A transaction is begun without waiting for the answer.
#[tokio::test]
async fn nothing_is_written_where_no_transaction_began() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, |_| {});
    let server = bench.config.server.clone().unwrap();
    let mut connection = Hosts::new(&server).connect(Arc::default()).await.unwrap();
    connection.guard().await.unwrap();
    let names = || {
        let sql = format!("SELECT name FROM {}.endpoint", server.schema);
        own::texts(&server, &sql)
    };
    for writes in [
        "INSERT INTO endpoint (name) VALUES ('B')",
        "SELECT nextval('event_seq')",
        "SELECT 1 FROM endpoint FOR UPDATE",
    ] {
        connection.begin("; is no statement").await.unwrap();
        let refused = connection.rows(writes, &[]).await.unwrap_err();
        assert!(matches!(refused, Error::Away(_)), "{writes}: {refused}");
        assert_eq!(names(), Vec::<String>::new());
    }
    connection.begin("").await.unwrap();
    let sql = "INSERT INTO endpoint (name) VALUES ('B')";
    connection.rows(sql, &[]).await.unwrap();
    connection.commit().await.unwrap();
    assert_eq!(names(), ["B"]);
}

/// The server has heard of no error then, so it would commit.
#[tokio::test]
async fn nothing_is_committed_without_a_statement_that_could_not_be_sent() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, |_| {});
    let server = bench.config.server.clone().unwrap();
    let wakeups = tokio::sync::watch::Sender::new(0);
    let shared = Shared::new(bench.config.clone(), server.clone(), wakeups);
    let connection = Hosts::new(&server).connect(Arc::default()).await.unwrap();
    let mut tx = Tx::begin(&connection, &shared, 1, Lasting::Synced)
        .await
        .unwrap();
    let sql = "INSERT INTO endpoint (name) VALUES ('B')";
    connection.rows(sql, &[]).await.unwrap();
    let last = tx.commit_with(Some(("SELECT $1::bigint", &[&"no number"])));
    last.await.unwrap_err();
    drop(connection);
    let sql = format!("SELECT name FROM {}.endpoint", server.schema);
    assert_eq!(own::texts(&server, &sql), Vec::<String>::new());
}

/// What was sent behind a statement that fails says nothing about why.
#[tokio::test]
async fn a_call_that_others_are_in_the_way_of_is_tried_again() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, |_| {});
    let server = bench.config.server.clone().unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut ids = [digest("a"), digest("b")];
    ids.sort_unstable();
    let known = async |id: &uuid::Uuid| {
        let sql = format!("INSERT INTO {}.known VALUES ($1, 1)", server.schema);
        client.execute(&sql, &[id]).await
    };
    client.batch_execute("BEGIN").await.unwrap();
    known(&ids[1]).await.unwrap();
    let outbox = Arc::clone(&bench.outbox);
    // To an endpoint that nobody knows yet.
    let call = vec![entry("a", "New", 10), entry("b", "New", 10)];
    let append = tokio::spawn(async move { outbox.append(call).await });
    // Locks are as they are now; activity is as it was at its first look.
    let waits = "SELECT 1 FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    let until = Instant::now() + Duration::from_secs(60);
    while client.query(waits, &[]).await.unwrap().is_empty() {
        assert!(Instant::now() < until && !append.is_finished());
    }
    // Each waits for the other now; the first that finds out gives up.
    let _ = known(&ids[0]).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(append.await.unwrap(), Ok(vec![Appended::Stored; 2]));
    drop(client);
    connection.await.unwrap().unwrap();
    assert_eq!(own::audit(&server), Vec::<String>::new());
}

#[tokio::test]
async fn of_several_servers_one_that_hangs_is_passed_over() {
    if !own::is_here() {
        return;
    }
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = format!("@{},", hangs.local_addr().unwrap());
    let mut server = own::server();
    server.url = server.url.replace('@', &first);
    Hosts::new(&server).connect(Arc::default()).await.unwrap();
    // What each of them says is told when none can be used.
    server.url = format!(
        "postgres://a:b@127.0.0.1:1,{}/c",
        hangs.local_addr().unwrap()
    );
    let none = Hosts::new(&server).connect(Arc::default()).await;
    let why = none.err().unwrap().to_string();
    assert!(why.contains("127.0.0.1:1: error connecting"), "{why}");
    assert!(why.contains("it did not answer within 5s"), "{why}");
}

/// Whoever ends the wait for a standby ends no event's: what is acknowledged is there as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_no_standby_confirmed_is_not_accepted() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let standby = cluster.standby(free_port().unwrap());
    let server = Server {
        url: cluster.url(),
        ..own::server()
    };
    let outbox = open(&config(server), Box::new(|_| {})).unwrap();
    outbox.append(vec![entry("a", "A", 10)]).await.unwrap();
    standby.stop_following();
    let asked = Arc::clone(&outbox);
    let append = tokio::spawn(async move { asked.append(vec![entry("b", "A", 10)]).await });
    let until = Instant::now() + Duration::from_secs(60);
    while !append.is_finished() {
        assert!(Instant::now() < until, "it is never answered");
        cluster.ask(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        );
    }
    let why = append.await.unwrap().unwrap_err().to_string();
    assert!(why.contains("no standby has confirmed"), "{why}");
    cluster.ask("ALTER SYSTEM SET synchronous_standby_names = ''");
    cluster.ask("SELECT pg_reload_conf()");
    while let Err(error) = outbox.append(vec![entry("b", "A", 10)]).await {
        assert!(Instant::now() < until, "{error}");
    }
    outbox.close().await;
}
