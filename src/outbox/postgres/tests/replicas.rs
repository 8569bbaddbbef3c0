//! Several replicas on one schema: each in one process here, with connections of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, free_port};
use super::own;
use crate::outbox::postgres::hosts::Hosts;
use crate::outbox::postgres::replica::put_back_lost;
use crate::outbox::postgres::store::{Shared, lock};
use crate::outbox::tests::bench::{Bench, entry, open_or_panic};
use crate::outbox::*;

/// Another replica on the schema of a bench.
fn other(bench: &Bench, adjust: impl FnOnce(&mut Server)) -> Arc<dyn Outbox> {
    let mut config = bench.config.clone();
    adjust(config.server.as_mut().unwrap());
    open_or_panic(&config)
}

/// Replicas that are alive are not taken for dead.
fn patient(config: &mut Config) {
    config.server.as_mut().unwrap().takeover_after = Duration::from_secs(60);
}

/// Two replicas accept and deliver; says what was told to whom twice, or out of order.
async fn share_work(bench: &Bench) -> Result<(), String> {
    let replicas = [Arc::clone(&bench.outbox), other(bench, |_| {})];
    const PRODUCERS: usize = 6;
    const EACH: usize = 30;
    let told: Arc<AtomicUsize> = Arc::default();
    let producers = (0..PRODUCERS).map(|producer| {
        let replicas = replicas.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                // One conversation through either replica, one event after the other.
                let of = &replicas[fastrand::usize(..2)];
                let id = format!("{producer}-{n}/{producer}");
                of.append(vec![entry(&id, "A,B", n as u64)]).await.unwrap();
            }
        })
    });
    let consumers = replicas
        .iter()
        .flat_map(|replica| [(replica, "A"), (replica, "B")]);
    let consumers = consumers.map(|(replica, endpoint)| {
        let (replica, told) = (Arc::clone(replica), Arc::clone(&told));
        tokio::spawn(async move {
            let mut heard = Vec::new();
            while told.load(Ordering::SeqCst) < 2 * PRODUCERS * EACH {
                let claimed = replica
                    .claim(endpoint, 1_000, Capacity::of(5))
                    .await
                    .unwrap();
                if claimed.is_empty() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    continue;
                }
                for event in &claimed {
                    // As long as it takes to call an endpoint.
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(..5))).await;
                    let begun = Instant::now();
                    heard.push((endpoint, event.id.clone(), begun));
                }
                let keys = claimed
                    .iter()
                    .map(|event| (event.key, Settlement::Delivered));
                replica.settle(keys.collect(), 1_000).await.unwrap();
                told.fetch_add(claimed.len(), Ordering::SeqCst);
            }
            heard
        })
    });
    let consumers: Vec<_> = consumers.collect();
    for producer in producers.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    let mut heard = Vec::new();
    for consumer in consumers {
        let heard_here = tokio::time::timeout(Duration::from_secs(120), consumer).await;
        heard.extend(heard_here.map_err(|_| "something is never told")?.unwrap());
    }
    heard.sort_by_key(|(.., at)| *at);
    let mut last: HashMap<(&str, &str), usize> = HashMap::new();
    for (endpoint, id, _) in &heard {
        let (producer, n) = id.split_once('-').unwrap();
        let n: usize = n.parse().unwrap();
        let next = last.entry((endpoint, producer)).or_default();
        if n != *next {
            return Err(format!("{endpoint} hears {id} where {next} is next"));
        }
        *next += 1;
    }
    for replica in replicas {
        replica.close().await;
    }
    match own::audit(bench.config.server.as_ref().unwrap()).as_slice() {
        [] => Ok(()),
        wrong => Err(format!("{wrong:?}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_tell_each_event_once_and_in_order() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, patient);
    assert_eq!(share_work(&bench).await, Ok(()));
}

#[cfg(feature = "faults")]
mod broken_on_purpose {
    use super::*;

    #[tokio::test]
    async fn two_replicas_that_race_for_a_key_are_seen() {
        if !own::is_here() {
            return;
        }
        let until = Instant::now() + Duration::from_secs(60);
        let mut seen = false;
        while !seen && Instant::now() < until {
            faults::here::FAULT.set(Some(faults::Fault::KeyRace));
            let bench = Bench::new(Kind::Postgres, patient);
            seen = share_work(&bench).await.is_err();
        }
        assert!(seen);
    }
}

/// Has others take the replica of a bench for dead, as if it had been silent for its lease.
async fn silence(bench: &Bench) {
    let server = bench.config.server.as_ref().unwrap();
    let schema = &server.schema;
    let until = Instant::now() + Duration::from_secs(60);
    let numbers = || {
        own::texts(
            server,
            &format!("SELECT number::text FROM {schema}.replica"),
        )
    };
    let silenced = numbers();
    while numbers().iter().any(|number| silenced.contains(number)) {
        assert!(Instant::now() < until, "it is never taken for dead");
        let sql = format!(
            "UPDATE {schema}.replica SET beat_at = beat_at - interval '1 hour' WHERE number = {}",
            silenced[0]
        );
        own::run(server, &sql);
        other(bench, |_| {}).close().await;
    }
}

#[tokio::test]
async fn a_silent_replica_is_fenced() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, patient);
    bench.step("append a/x,b/x,c to A @10").await;
    assert_eq!(bench.step("claim A 9 @10").await, "a#1 c#1");
    silence(&bench).await;
    let replica = other(&bench, |_| {});
    let claimed = replica.claim("A", 10, Capacity::of(9)).await.unwrap();
    let claimed: Vec<_> = (claimed.iter())
        .map(|event| (event.id.as_str(), event.attempt, event.crashes, event.key))
        .collect();
    assert_eq!(claimed.len(), 2);
    assert_eq!((claimed[0].0, claimed[0].1, claimed[0].2), ("a", 2, 1));
    // What the silent one says of its claims later is of no account.
    assert_eq!(bench.step("settle a@A,c@A delivered @20").await, "");
    let counts = "accepted 3 delivered 0 dead 0 discarded 0 pending 3 in flight 2";
    assert_eq!(bench.step("counts A").await, counts);
    let keys = claimed
        .iter()
        .map(|(.., key)| (*key, Settlement::Delivered));
    replica.settle(keys.collect(), 20).await.unwrap();
    // It claims nothing until it lives again under another number.
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match bench.outbox.claim("A", 30, Capacity::of(9)).await {
            Ok(claimed) => break assert_eq!(claimed[0].id, "b"),
            Err(error) => assert!(error.to_string().contains("lease"), "{error}"),
        }
        assert!(Instant::now() < until, "it never lives again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    replica.close().await;
    let server = bench.config.server.as_ref().unwrap();
    assert_eq!(own::audit(server), Vec::<String>::new());
}

#[tokio::test]
async fn what_one_replica_accepts_wakes_the_others() {
    if !own::is_here() {
        return;
    }
    let bench = Bench::new(Kind::Postgres, patient);
    let replica = other(&bench, |_| {});
    let mut wakeups = replica.wakeups();
    wakeups.borrow_and_update();
    bench
        .outbox
        .append(vec![entry("a", "A", 10)])
        .await
        .unwrap();
    let woken = tokio::time::timeout(Duration::from_secs(30), wakeups.changed()).await;
    woken.expect("it is woken").unwrap();
    replica.close().await;
}

/// A server takes the place of the one that a replica claimed on, and another replica goes on there.
/// What the first says late counts for nothing, whether its claims were copied in time or not.
async fn settle_late_after_a_failover(copied: bool) {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let port = free_port().unwrap();
    let standby = cluster.standby(port);
    let both = format!("{},127.0.0.1:{port}/", cluster.port);
    let url = cluster.url().replace(&format!("{}/", cluster.port), &both);
    let mut bench = Bench::new(Kind::Postgres, |config| {
        patient(config);
        config.server.as_mut().unwrap().url = url;
    });
    bench.step("append a/x,b/x,c to A @10").await;
    if !copied {
        standby.stop_following();
    }
    assert_eq!(bench.step("claim A 9 @10").await, "a#1 c#1");
    if copied {
        // Its commit waits for the standby, so the claim is there too.
        bench.step("append d to A @10").await;
    }
    cluster.crash();
    standby.promote();
    let server = bench.config.server.clone().unwrap();
    if copied {
        silence(&bench).await;
    }
    let replica = other(&bench, |_| {});
    let until = Instant::now() + Duration::from_secs(60);
    let claimed = loop {
        match replica.claim("A", 10, Capacity::of(2)).await {
            Ok(claimed) => break claimed,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    let ids: Vec<&str> = claimed.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(bench.step("settle a@A,c@A delivered @20").await, "");
    let counts = bench.step("counts A").await;
    assert!(counts.contains(" delivered 0 "), "{counts}");
    assert!(counts.ends_with(" in flight 2"), "{counts}");
    let keys = claimed
        .iter()
        .map(|event| (event.key, Settlement::Delivered));
    replica.settle(keys.collect(), 20).await.unwrap();
    assert_eq!(own::audit(&server), Vec::<String>::new());
    replica.close().await;
    bench.outbox.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_is_fenced_by_the_server_that_took_over() {
    settle_late_after_a_failover(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_the_new_server_never_saw_counts_for_nothing() {
    settle_late_after_a_failover(false).await;
}

/// Behind a standby that does not wait, the number of a replica may be given out again.
#[tokio::test]
async fn two_replicas_with_one_number_are_told_apart() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, patient);
    bench.step("append a to A @10").await;
    assert_eq!(bench.step("claim A 9 @10").await, "a#1");
    let server = bench.config.server.clone().unwrap();
    // As if it had registered and claimed on a server that is lost.
    let sql = format!(
        "SET search_path = {};
        UPDATE pair SET place = 0, attempts = 0, owner = NULL, claim = NULL;
        UPDATE tally SET in_flight = 0;
        DELETE FROM replica;
        ALTER TABLE replica ALTER COLUMN number RESTART WITH 1;
        SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
            AND classid = (hashtext('callgate replica ' || current_schema())::bigint & 4294967295)::oid",
        server.schema
    );
    own::run(&server, &sql);
    let numbers = || {
        let sql = format!("SELECT number::text FROM {}.replica", server.schema);
        own::texts(&server, &sql)
    };
    let replica = other(&bench, |_| {});
    assert_eq!(numbers(), ["1"]);
    let claimed = replica.claim("A", 10, Capacity::of(9)).await.unwrap();
    assert_eq!(claimed[0].id, "a");
    assert_eq!(bench.step("settle a@A delivered @20").await, "");
    assert!(bench.step("counts A").await.ends_with(" in flight 1"));
    // It claims again under another number.
    bench.step("append b to A @20").await;
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match bench.outbox.claim("A", 30, Capacity::of(9)).await {
            Ok(claimed) => break assert_eq!(claimed[0].id, "b"),
            Err(error) => assert!(error.to_string().contains("lease"), "{error}"),
        }
        assert!(Instant::now() < until, "it never lives again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(numbers(), ["1", "2"]);
    let keys = claimed
        .iter()
        .map(|event| (event.key, Settlement::Delivered));
    replica.settle(keys.collect(), 20).await.unwrap();
    assert_eq!(own::audit(&server), Vec::<String>::new());
    replica.close().await;
}

/// The connection may end while a claim is being committed.
#[tokio::test]
async fn a_claim_that_nobody_heard_of_is_undone() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, patient);
    bench.step("append a/x,b/x,c to A @10").await;
    bench.step("claim A 1 @10").await;
    let server = bench.config.server.clone().unwrap();
    // As if `c` had been claimed by it too.
    let sql = format!(
        "UPDATE {0}.pair SET place = 1, attempts = 1, owner = (SELECT number FROM {0}.replica),
            claim = 7 WHERE seq = 3;
        UPDATE {0}.tally SET in_flight = in_flight + 1 WHERE ctid = (SELECT ctid FROM {0}.tally
            WHERE endpoint > 0 LIMIT 1);",
        server.schema
    );
    own::run(&server, &sql);
    assert_eq!(own::audit(&server), Vec::<String>::new());
    // What every lost connection of a claim leads to.
    let config = bench.config.clone();
    let shared = Shared::new(config, server.clone(), tokio::sync::watch::Sender::new(0));
    let number = own::texts(
        &server,
        &format!("SELECT number::text FROM {}.replica", server.schema),
    );
    let born = own::texts(
        &server,
        &format!(
            "SELECT (extract(epoch FROM began_at) * 1000000)::bigint::text FROM {}.replica",
            server.schema
        ),
    );
    shared
        .me
        .store(number[0].parse().unwrap(), Ordering::SeqCst);
    shared
        .born_us
        .store(born[0].parse().unwrap(), Ordering::SeqCst);
    let key = bench.keys[&("a".to_owned(), "A".to_owned())];
    lock(&shared.flying).insert((key.endpoint, key.seq), key.claim);
    let connection = Hosts::new(&server).connect(Arc::default()).await.unwrap();
    put_back_lost(&connection, &shared).await.unwrap();
    assert_eq!(bench.step("claim A 9 @10").await, "c#1");
    bench.step("settle a@A,c@A delivered @10").await;
    assert_eq!(bench.step("claim A 9 @10").await, "b#1");
    assert_eq!(own::audit(&server), Vec::<String>::new());
}

/// The server that takes the place of another may lack its last commits.
#[tokio::test]
async fn a_settlement_that_the_server_forgot_holds_up_nothing() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::new(Kind::Postgres, |config| {
        patient(config);
        // It looks a few times in this time.
        config.server.as_mut().unwrap().lease = Duration::from_secs(1);
    });
    bench.step("append a/x,b/x,c to A @10").await;
    assert_eq!(bench.step("claim A 9 @10").await, "a#1 c#1");
    let server = bench.config.server.clone().unwrap();
    let tables = ["pair", "known", "tally"];
    let each = |what: &dyn Fn(&str) -> String| {
        let statements: Vec<String> = tables.into_iter().map(what).collect();
        own::run(&server, &format!("BEGIN; {} COMMIT;", statements.concat()));
    };
    let schema = &server.schema;
    each(&|table| format!("CREATE TABLE {schema}.old_{table} AS SELECT * FROM {schema}.{table};"));
    bench.step("settle a@A delivered @10").await;
    each(&|table| {
        format!(
            "DELETE FROM {schema}.{table}; INSERT INTO {schema}.{table} SELECT * FROM {schema}.old_{table};"
        )
    });
    let until = Instant::now() + Duration::from_secs(60);
    // It lives, so nobody else puts anything back; and what it knows stays in flight.
    loop {
        match bench.step("claim A 9 @20").await.as_str() {
            "" => assert!(Instant::now() < until, "it holds what it does not know"),
            claimed => break assert_eq!(claimed, "a#1"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.step("settle a@A,c@A delivered @20").await;
    assert_eq!(bench.step("claim A 9 @20").await, "b#1");
    assert_eq!(own::audit(&server), Vec::<String>::new());
}
