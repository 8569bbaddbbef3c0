//! What a restart, a crash and many callers at once leave.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, check, check_with, entry, kinds};
use crate::outbox::*;

#[tokio::test]
async fn a_closed_outbox_says_so() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        close
        append b to A @10 = the outbox is closed
        settle a@A delivered @10 = the outbox is closed
        close",
    )
    .await;
}

#[tokio::test]
async fn a_restart_brings_back_what_is_pending_and_what_was_in_flight() {
    check(
        "append a/x,b/x,c,d to A @10 = stored stored stored stored
        append e to B @10 = stored
        claim A 9 @10 = a#1 c#1 d#1
        settle c@A delivered @10
        settle d@A retry:500 @10
        crash
        counts A = accepted 4 delivered 1 dead 0 discarded 0 pending 3 in flight 0
        endpoints = A B
        claim A 9 @10 = a#2
        claim A 9 @500 = d#2
        restart
        claim A 9 @500 = a#3 d#3
        settle a@A,d@A delivered @500
        claim A 9 @500 = b#1
        settle b@A release @500
        restart
        due A = 0
        claim A 9 @500 = b#1
        claim B 9 @500 = e#1",
    )
    .await;
}

#[tokio::test]
async fn a_restart_remembers_ids_and_counters() {
    check_with(
        |config| config.dedupe = Duration::from_millis(100),
        "append a,b to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A delivered @10
        crash
        append a,b to A @20 = duplicate duplicate
        restart
        counts A = accepted 2 delivered 1 dead 0 discarded 0 pending 1 in flight 0
        append a,b to A @110 = duplicate duplicate
        append a,b to A @209 = duplicate duplicate
        append a,b to A @210 = stored duplicate
        claim A 9 @210 = b#1 a#1",
    )
    .await;
}

/// What time has passed since the last end is told by the wall clock alone.
#[tokio::test]
async fn a_clock_that_is_30_days_ahead_at_a_start_ends_nothing_at_once() {
    check_with(
        |config| {
            config.dead_keep = Duration::from_secs(30 * 86_400);
            config.dedupe = Duration::from_secs(86_400);
        },
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A delivered @10
        settle b@A dead @10
        restart
        append a,b,c to A @2700000000 = duplicate duplicate stored
        claim A 9 @2700000000 = c#1
        settle c@A delivered @2700000000
        counts A = accepted 3 delivered 2 dead 1 discarded 0 pending 0 in flight 0
        append d to A @2703600000 = stored
        counts A = accepted 4 delivered 2 dead 0 discarded 1 pending 1 in flight 0
        append a to A @2703600000 = stored",
    )
    .await;
}

#[tokio::test]
async fn unclean_ends_are_counted_on_what_they_found_in_flight() {
    let mut bench = Bench::new(Kind::Sqlite, |_| {});
    bench.step("append a to A @10").await;
    for crashes in 0..3 {
        let claimed = bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
        assert_eq!(
            (claimed[0].crashes, claimed[0].attempt),
            (crashes, crashes + 1)
        );
        bench.crash();
    }
    bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
    bench.restart().await;
    let claimed = bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
    assert_eq!(claimed[0].crashes, 3);
}

#[tokio::test]
async fn a_waiting_task_hears_of_what_became_ready() {
    for kind in kinds() {
        let mut bench = Bench::new(kind, |_| {});
        let mut wakeups = bench.outbox.wakeups();
        for step in [
            "append a/x,b/x to A @10",
            "claim A 1 @10",
            "settle a@A retry:20 @10",
            "claim A 1 @20",
            "settle a@A delivered @20",
        ] {
            bench.step(step).await;
            if !step.starts_with("claim") {
                // The commit was answered just before the value rises.
                let wait = tokio::time::timeout(Duration::from_secs(10), wakeups.changed());
                wait.await.expect(step).unwrap();
            }
        }
    }
}

/// An endpoint that nothing was accepted for before: both in one transaction, most likely.
#[tokio::test]
async fn a_first_event_that_is_claimed_at_once_hangs_nothing() {
    for kind in kinds() {
        let bench = Bench::new(kind, |_| {});
        for n in 0..50 {
            let endpoint = format!("E{n}");
            let (accepted, claimed) = tokio::join!(
                bench
                    .outbox
                    .append(vec![entry(&format!("{n}/k"), &endpoint, 0)]),
                bench.outbox.claim(&endpoint, 100, Capacity::of(7)),
            );
            accepted.unwrap();
            let mut claimed = claimed.unwrap();
            if claimed.is_empty() {
                let later = bench.outbox.claim(&endpoint, 100, Capacity::of(7));
                claimed = later.await.unwrap();
            }
            assert_eq!(claimed.len(), 1, "{endpoint}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_lose_nothing() {
    for kind in kinds() {
        let bench = Bench::new(kind, |config| config.queue_max = 8);
        let producers = (0..16).map(|producer| {
            let outbox = Arc::clone(&bench.outbox);
            tokio::spawn(async move {
                for n in 0..20 {
                    let id = format!("{producer}-{n}/{}", producer % 4);
                    outbox.append(vec![entry(&id, "A,B", n)]).await.unwrap();
                }
            })
        });
        let consumers = ["A", "B"].map(|endpoint| {
            let outbox = Arc::clone(&bench.outbox);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while ids.len() < 320 {
                    let claimed = outbox.claim(endpoint, 100, Capacity::of(7)).await.unwrap();
                    let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
                    outbox.settle(keys.collect(), 100).await.unwrap();
                    ids.extend(claimed.into_iter().map(|due| due.id.clone()));
                    tokio::task::yield_now().await;
                }
                ids
            })
        });
        for producer in producers.collect::<Vec<_>>() {
            producer.await.unwrap();
        }
        for consumer in consumers {
            let mut ids = consumer.await.unwrap();
            for producer in 0..16 {
                let prefix = format!("{producer}-");
                let own = ids.iter().filter_map(|id| id.strip_prefix(&prefix));
                let own: Vec<u32> = own.map(|n| n.parse().unwrap()).collect();
                assert_eq!(own, (0..20).collect::<Vec<_>>(), "order of {producer}");
            }
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 320);
        }
        let stats = bench.outbox.stats().await.unwrap();
        assert!(
            stats
                .endpoints
                .iter()
                .all(|one| one.counts.delivered == 320)
        );
        assert_eq!(stats.bytes, 0);
    }
}
