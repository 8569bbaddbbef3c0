//! The server ends without a word: what was accepted is still there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::cluster::Cluster;
use super::own;
use crate::outbox::tests::bench::{Bench, entry};
use crate::outbox::*;

struct Totals {
    acked: usize,
    lost: usize,
    wrong: Vec<String>,
}

/// Ends the server, or connections that it has, in whatever they are doing.
fn harm(cluster: &Cluster, server: &Server, number: usize) {
    match number % 6 {
        0 => cluster.crash(),
        3 => cluster.stop_at_once(),
        _ => {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'callgate' AND random() < 0.7";
            return own::run(server, sql);
        }
    }
    cluster.start_again();
}

/// Producers go on while the server is killed so often, and everything is delivered at the end.
async fn kill_the_server(kills: usize) -> Option<Totals> {
    let cluster = Arc::new(Cluster::start()?);
    let bench = Bench::new(Kind::Postgres, |config| {
        let server = config.server.as_mut().unwrap();
        server.url = cluster.url();
        server.lease = Duration::from_secs(3);
        server.takeover_after = Duration::from_secs(60);
    });
    let server = bench.config.server.clone().unwrap();
    let ends = AtomicBool::new(false);
    let producer = |number: usize| {
        let (outbox, ends) = (&bench.outbox, &ends);
        async move {
            let mut acked = Vec::new();
            for n in 0.. {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let id = format!("{number}-{n}/{number}");
                match outbox.append(vec![entry(&id, "A", 10)]).await {
                    Ok(_) => acked.push(format!("{number}-{n}")),
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            acked
        }
    };
    let consumer = async {
        let mut told = BTreeSet::new();
        let mut empty = 0;
        // The last look is when nothing comes any more, whatever is to be put back.
        while empty < 3 {
            let Ok(claimed) = bench.outbox.claim("A", 20, Capacity::of(16)).await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let keys = claimed
                .iter()
                .map(|event| (event.key, Settlement::Delivered));
            // Whatever becomes of the settlement, they were told; it may stand though it failed.
            let _ = bench.outbox.settle(keys.collect(), 20).await;
            told.extend(claimed.iter().map(|event| event.id.clone()));
            let is_over = ends.load(Ordering::SeqCst);
            let pending = bench.outbox.stats().await.ok().map(|stats| {
                (stats.endpoints.iter())
                    .map(|one| one.counts.pending)
                    .sum::<u64>()
            });
            match is_over && claimed.is_empty() && pending == Some(0) {
                true => empty += 1,
                false if claimed.is_empty() => tokio::time::sleep(Duration::from_millis(5)).await,
                false => empty = 0,
            }
        }
        told
    };
    let killer = async {
        for number in 0..kills {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(20..200))).await;
            let (cluster, server) = (Arc::clone(&cluster), server.clone());
            let harm = move || harm(&cluster, &server, number);
            tokio::task::spawn_blocking(harm).await.unwrap();
        }
        ends.store(true, Ordering::SeqCst);
    };
    let producers = futures_util::future::join_all((0..4).map(producer));
    let all = async { tokio::join!(producers, consumer, killer) };
    let (acked, told, ()) = tokio::time::timeout(Duration::from_secs(300), all)
        .await
        .expect("everything is told after the last kill");
    let acked: BTreeSet<String> = acked.into_iter().flatten().collect();
    Some(Totals {
        lost: acked.difference(&told).count(),
        acked: acked.len(),
        wrong: own::audit(bench.config.server.as_ref().unwrap()),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_survives_kills_of_the_server() {
    let kills = match std::env::var_os("CALLGATE_LONG") {
        Some(_) => 600,
        None => 42,
    };
    let Some(totals) = kill_the_server(kills).await else {
        return;
    };
    println!(
        "{kills} ends of PostgreSQL or of connections to it, {} events acked, {} lost",
        totals.acked, totals.lost
    );
    assert!(totals.acked > 0);
    assert_eq!((totals.lost, totals.wrong), (0, Vec::new()));
}

#[cfg(feature = "faults")]
mod broken_on_purpose {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_acknowledgement_before_the_commit_is_seen() {
        let mut acked = 0;
        // What is lost depends on the moment.
        for _ in 0..5 {
            faults::here::FAULT.set(Some(faults::Fault::AckEarly));
            match kill_the_server(12).await {
                Some(totals) if totals.lost == 0 => acked += totals.acked,
                _ => return,
            }
        }
        panic!("{acked} acknowledged, none lost");
    }
}
