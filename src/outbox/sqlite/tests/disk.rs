//! A disk that is full, or that cannot be believed.

use super::*;

#[tokio::test]
async fn a_full_disk_without_a_reserve_refuses_what_is_new_and_goes_on() {
    let bench = bench_with(|config| config.reserve_bytes = 0);
    bench.append("a").await.unwrap();
    let claimed = bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
    let pages = |pages: i64| {
        bench.start(move |store| {
            store
                .connection
                .pragma_update(None, "max_page_count", pages)
        })
    };
    // No more pages than there are now.
    pages(1).await.unwrap().unwrap();
    let mut large = entry("large", "A", 10);
    large.body = vec![0; 100_000].into();
    let refused = bench.outbox.append(vec![large.clone()]).await;
    assert!(
        matches!(refused, Err(AppendError::Full { .. })),
        "{refused:?}"
    );
    let delivered = vec![(claimed[0].key, Settlement::Delivered)];
    bench.outbox.settle(delivered, 10).await.unwrap();
    pages(1_000_000).await.unwrap().unwrap();
    bench.outbox.append(vec![large]).await.unwrap();
    let stats = bench.outbox.stats().await.unwrap();
    let counts = stats.endpoints[0].counts;
    assert_eq!(
        (counts.accepted, counts.delivered, counts.pending),
        (2, 1, 1)
    );
    assert!(bench.alarms.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_gives_the_reserve_to_the_backlog_alone() {
    let bench = bench_with(|config| config.reserve_bytes = 100_000);
    let reserve = bench.config.path.with_extension("db-reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 100_000);
    bench.append("a").await.unwrap();
    let claimed = bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
    let pages = |pages: i64| {
        bench.start(move |store| {
            let pragma = "max_page_count";
            store.connection.pragma_update(None, pragma, pages)
        })
    };
    pages(1).await.unwrap().unwrap();
    let mut large = entry("large", "A", 10);
    large.body = vec![0; 100_000].into();
    let refused = bench.outbox.append(vec![large]).await;
    assert!(
        matches!(refused, Err(AppendError::Full { .. })),
        "{refused:?}"
    );
    assert!(!reserve.exists());
    pages(1_000_000).await.unwrap().unwrap();
    // There would be room, but it is not for new events.
    let refused = bench.append("b").await;
    assert!(
        matches!(refused, Err(AppendError::Full { .. })),
        "{refused:?}"
    );
    let delivered = vec![(claimed[0].key, Settlement::Delivered)];
    bench.outbox.settle(delivered, 10).await.unwrap();
    let started = Instant::now();
    while bench.append("b").await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(60));
    }
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 100_000);
    let stats = bench.outbox.stats().await.unwrap();
    assert_eq!((stats.entries, stats.endpoints[0].counts.delivered), (1, 1));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_alarm_is_raised_first() {
    let bench = bench();
    let hold = bench.hold().await;
    let innocent = bench.start(|store| store.append(&[entry("a", "A", 10).into()]));
    let broken = bench.start(|_| Err::<(), _>(error(ffi::SQLITE_IOERR_FSYNC)));
    while bench.outbox.room.available_permits() > bench.config.queue_max - 3 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    assert!(matches!(broken.await.unwrap(), Err(OutboxError::Failed(_))));
    let alarms = bench.alarms.lock().unwrap().clone();
    let is_told = |why: &String| why.contains("disk I/O error") && why.contains("1034");
    assert!(alarms.len() == 1 && is_told(&alarms[0]), "{alarms:?}");
    assert!(innocent.await.unwrap().is_err());
    assert!(matches!(
        bench.append("b").await,
        Err(AppendError::Failed(_))
    ));
    bench.outbox.close().await;
    assert_eq!(bench.alarms.lock().unwrap().len(), 1);
}
