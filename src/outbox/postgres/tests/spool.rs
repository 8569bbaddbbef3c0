//! A spool before a server that comes and goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::own;
use crate::outbox::tests::bench::{entry, folder, shipped};
use crate::outbox::*;

fn config(cluster: &Cluster, folder: &std::path::Path) -> Config {
    let server = Server {
        url: cluster.url(),
        when_down: WhenDown::Spool,
        takeover_after: Duration::from_secs(60),
        ..own::server()
    };
    Config {
        kind: Kind::Postgres,
        path: folder.join("outbox.db"),
        server: Some(server),
        ..shipped()
    }
}

fn start(config: &Config) -> Arc<dyn Outbox> {
    open_supervised(config, Arc::new(|_| {})).unwrap()
}

/// Claims and delivers everything; what is told, in its order.
async fn tell_all(outbox: &dyn Outbox, wanted: usize) -> Vec<String> {
    let mut told = Vec::new();
    let until = Instant::now() + Duration::from_secs(120);
    let capacity = Capacity {
        in_a_row: 64,
        in_a_row_of: Arc::new(["afterSendSingleMsg"]),
        ..Capacity::of(256)
    };
    while told.len() < wanted {
        assert!(
            Instant::now() < until,
            "{} of {wanted} are told",
            told.len()
        );
        let Ok(claimed) = outbox.claim("A", 100, capacity.clone()).await else {
            continue;
        };
        let keys = claimed
            .iter()
            .map(|event| (event.key, Settlement::Delivered));
        outbox.settle(keys.collect(), 100).await.unwrap();
        told.extend(claimed.iter().map(|event| event.id.clone()));
        if claimed.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_refused_and_every_conversation_keeps_its_order() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let (cluster, folder) = (Arc::new(cluster), folder());
    let config = config(&cluster, folder.path());
    let outbox = start(&config);
    let ends = Arc::new(AtomicBool::new(false));
    let producers = (0..4).map(|producer: usize| {
        let (outbox, ends) = (Arc::clone(&outbox), Arc::clone(&ends));
        tokio::spawn(async move {
            let mut accepted = 0;
            while !ends.load(Ordering::SeqCst) {
                let id = format!("{producer}-{accepted}/{producer}");
                outbox.append(vec![entry(&id, "A", 10)]).await.unwrap();
                accepted += 1;
                // As much as is told again soon.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            accepted
        })
    });
    let producers: Vec<_> = producers.collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..200))).await;
        let server = Arc::clone(&cluster);
        let away = tokio::task::spawn_blocking(move || {
            server.crash();
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
            server.start_again();
        });
        away.await.unwrap();
    }
    ends.store(true, Ordering::SeqCst);
    let mut accepted = BTreeMap::new();
    for (producer, task) in producers.into_iter().enumerate() {
        accepted.insert(producer.to_string(), task.await.unwrap());
    }
    let all: usize = accepted.values().sum();
    let told = tell_all(&*outbox, all).await;
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for id in &told {
        let (producer, number) = id.split_once('-').unwrap();
        let next = next.entry(producer.to_owned()).or_default();
        assert_eq!(number.parse(), Ok(*next), "of {producer}, in {told:?}");
        *next += 1;
    }
    assert_eq!(next, accepted);
    println!("4 kills of PostgreSQL, {all} events accepted, each told once and in order");
    outbox.close().await;
    assert_eq!(
        own::audit(config.server.as_ref().unwrap()),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn what_an_earlier_process_left_in_the_spool_is_forwarded_first() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let folder = folder();
    let config = config(&cluster, folder.path());
    cluster.stop_at_once();
    let outbox = start(&config);
    let series = Series {
        name: "u".to_owned(),
        line: "on".to_owned(),
        within: Duration::from_secs(60),
    };
    let mut first = entry("a/x", "A,B", 10);
    first.series = Some(series);
    let stored = outbox.append(vec![first, entry("b/x", "A", 11)]).await;
    assert_eq!(stored, Ok(vec![Appended::Stored; 2]));
    let again = outbox.append(vec![entry("b/x", "A", 12)]).await;
    assert_eq!(again, Ok(vec![Appended::Duplicate]));
    assert_eq!(outbox.refusal(), None);
    let too_large = NewEntry {
        body: vec![0; config.body_bytes_max + 1].into(),
        ..entry("large", "A", 12)
    };
    let refused = outbox.append(vec![too_large]).await;
    assert!(
        matches!(refused, Err(AppendError::TooLarge { .. })),
        "{refused:?}"
    );
    drop(outbox);
    cluster.start_again();
    let until = Instant::now() + Duration::from_secs(60);
    let outbox = loop {
        // The file is free when the last task of the one before has ended.
        match open_supervised(&config, Arc::new(|_| {})) {
            Ok(outbox) => break outbox,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    outbox.append(vec![entry("c/x", "A", 13)]).await.unwrap();
    assert_eq!(tell_all(&*outbox, 3).await, ["a", "b", "c"]);
    let of_b = outbox.claim("B", 100, Capacity::of(9)).await.unwrap();
    assert_eq!(of_b.len(), 1);
    assert_eq!(of_b[0].entry.body, entry("a/x", "A", 0).body);
    assert_eq!(
        (of_b[0].ordering_key.as_str(), of_b[0].accepted_at_ms),
        ("x", 10)
    );
    outbox.close().await;
}
