//! The thread: what shares a commit, and what fails alone.

use super::*;

#[tokio::test]
async fn what_waits_is_one_commit() {
    let bench = bench();
    let commits = bench.outbox.wakeups();
    let hold = bench.hold().await;
    let waiting: Vec<_> = (0..10)
        .map(|n| bench.start(move |store| store.append(&[entry(&n.to_string(), "A", 10).into()])))
        .collect();
    // Once the queue has them all.
    while bench.outbox.room.available_permits() > bench.config.queue_max - 11 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    for appended in waiting {
        appended.await.unwrap().unwrap().unwrap();
    }
    bench.outbox.stats().await.unwrap();
    assert_eq!(*commits.borrow(), 1);
}

#[tokio::test]
async fn a_single_caller_never_waits_for_others() {
    let bench = bench_with(|config| config.commit_wait = Duration::from_secs(3600));
    for n in 0..5 {
        bench.append(&n.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn ids_are_known_in_every_row_before_and_after_a_restart() {
    let bench = bench();
    let entries: Vec<NewEntry> = (0..300).map(|n| entry(&n.to_string(), "A", 10)).collect();
    bench.outbox.append(entries.clone()).await.unwrap();
    let claimed = bench
        .outbox
        .claim("A", 10, Capacity::of(300))
        .await
        .unwrap();
    assert_eq!(claimed.len(), 300);
    // The ends of rows, and a row as a whole.
    let ended = |n: usize| [0, 127, 299].contains(&n) || (128..256).contains(&n);
    let keys = claimed.iter().enumerate().filter(|(n, _)| ended(*n));
    let keys = keys.map(|(_, due)| (due.key, Settlement::Delivered));
    bench.outbox.settle(keys.collect(), 10).await.unwrap();
    let again = bench.outbox.append(entries.clone()).await.unwrap();
    assert_eq!(again, vec![Appended::Duplicate; 300]);
    bench.outbox.close().await;
    let outbox = Sqlite::open(&bench.config, Box::new(|_| {})).unwrap();
    let again = outbox.append(entries).await.unwrap();
    assert_eq!(again, vec![Appended::Duplicate; 300]);
    let rest = outbox.claim("A", 10, Capacity::of(300)).await.unwrap();
    assert!(rest.iter().all(|due| !ended(due.number as usize - 1)));
    assert_eq!(rest.len(), 169);
    let rows = outbox.call(Needs::LASTING, 0, |store| {
        let sql = "SELECT count(*), sum(length(ids)) FROM held";
        let count = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        store.connection.query_row(sql, [], count)
    });
    let (rows, bytes): (i64, i64) = rows.await.unwrap();
    // But for the newest, which stand in no row.
    assert!(rows <= 3 && bytes >= 160 * 16, "{rows} rows, {bytes} bytes");
}

/// Producers come back for the next commit; what others settled they do not settle again.
#[tokio::test]
async fn only_producers_are_waited_for() {
    let bench = bench_with(|config| config.commit_wait = Duration::from_secs(3600));
    let append = |bench: &Bench, n: i32| {
        let outbox = Arc::clone(&bench.outbox);
        tokio::spawn(async move { outbox.append(vec![entry(&n.to_string(), "A", 10)]).await })
    };
    let hold = bench.hold().await;
    let waiting: Vec<_> = (0..10).map(|n| append(&bench, n)).collect();
    while bench.outbox.room.available_permits() > bench.config.queue_max - 11 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    for appended in waiting {
        appended.await.unwrap().unwrap();
    }
    let claimed = bench.outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
    assert_eq!(claimed.len(), 9);
    let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
    bench.outbox.settle(keys.collect(), 10).await.unwrap();
}

#[tokio::test]
async fn a_call_that_fails_fails_alone() {
    let bench = bench();
    let hold = bench.hold().await;
    let before = bench.start(|store| store.append(&[entry("before", "A", 10).into()]));
    let broken = bench.start(|store| {
        store.append(&[entry("broken", "A", 10).into()])?.unwrap();
        Err::<(), _>(error(ffi::SQLITE_CONSTRAINT))
    });
    let after = bench.start(|store| store.append(&[entry("after", "A", 10).into()]));
    while bench.outbox.room.available_permits() > bench.config.queue_max - 4 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let stored = Ok(Ok(vec![Appended::Stored]));
    assert_eq!(before.await.unwrap(), stored);
    assert!(matches!(broken.await.unwrap(), Err(OutboxError::Failed(_))));
    assert_eq!(after.await.unwrap(), stored);
    let claimed = bench.outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
    let ids: Vec<&str> = claimed.iter().map(|due| due.id.as_str()).collect();
    assert_eq!(ids, ["before", "after"]);
    let stats = bench.outbox.stats().await.unwrap();
    assert_eq!(stats.endpoints[0].counts.accepted, 2);
    let bytes = |id| entry(id, "A", 10).bytes();
    assert_eq!(stats.bytes, bytes("before") + bytes("after"));
    assert!(bench.alarms.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_of_the_writer_ends_the_outbox_and_not_the_process() {
    let bench = bench();
    let panicked = bench.start(|_| -> rusqlite::Result<()> { panic!("on purpose") });
    panicked.await.unwrap().unwrap_err();
    while bench.outbox.broken().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(bench.outbox.broken().unwrap().may_reopen);
    assert!(bench.alarms.lock().unwrap().is_empty());
    assert!(bench.append("a").await.is_err());
}

/// What a process leaves that is killed: two events in flight, two delivered, which the file does
/// not know yet. With what is noted beside it nothing is told again that was delivered, and what
/// was in flight counts; without that, after a power loss, all of it is told again.
#[tokio::test]
async fn what_was_delivered_just_before_an_end_is_told_again_after_a_power_loss_alone() {
    for power_loss in [false, true] {
        let bench = bench();
        for id in ["a", "b", "c", "d"] {
            bench.append(id).await.unwrap();
        }
        // Within the time in which nothing is recorded by itself.
        let hold = bench.hold().await;
        let mut claimed = Vec::new();
        while claimed.len() < 3 {
            claimed.extend(bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap());
        }
        for due in &claimed[..2] {
            let delivered = vec![(due.key, Settlement::Delivered)];
            bench.outbox.settle(delivered, 10).await.unwrap();
        }
        let left = tempfile::tempdir().unwrap();
        for file in fs::read_dir(bench.config.path.parent().unwrap()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
        }
        drop(hold);
        let config = config_in(left.path());
        if power_loss {
            fs::remove_file(left.path().join("outbox.db-claims")).unwrap();
        }
        let outbox = Sqlite::open(&config, Box::new(|_| {})).unwrap();
        let claimed = outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
        let found: Vec<_> = claimed
            .iter()
            .map(|due| (due.id.as_str(), due.attempt, due.crashes))
            .collect();
        let counts = outbox.stats().await.unwrap().endpoints[0].counts;
        assert!(counts.conserved());
        match power_loss {
            false => {
                assert_eq!(found, [("c", 2, 1), ("d", 1, 0)]);
                assert_eq!(counts.delivered, 2);
            }
            true => {
                let all = ["a", "b", "c", "d"].map(|id| (id, 1, 0));
                assert_eq!(found, all);
            }
        }
    }
}

/// More than any window holds, of one busy conversation and of quiet ones behind it.
#[tokio::test]
async fn a_backlog_is_told_whole_and_in_order_and_the_quiet_do_not_wait_for_the_busy() {
    let bench = bench();
    let mut entries: Vec<NewEntry> = (0..600)
        .map(|n| entry(&format!("busy{n}/x"), "A,B", 10))
        .collect();
    entries.extend((0..5).map(|n| entry(&format!("quiet{n}/q{n}"), "A,B", 10)));
    bench.outbox.append(entries).await.unwrap();
    let mut told = Vec::new();
    let mut quiet_at = Vec::new();
    loop {
        let claimed = bench.outbox.claim("A", 10, Capacity::of(4)).await.unwrap();
        let due = bench.outbox.next_due_ms("A").await.unwrap();
        if claimed.is_empty() && due.is_none() {
            break;
        }
        let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
        bench.outbox.settle(keys.collect(), 10).await.unwrap();
        for due in claimed {
            match due.id.strip_prefix("busy") {
                Some(n) => told.push(n.parse::<usize>().unwrap()),
                None => quiet_at.push(told.len()),
            }
        }
    }
    assert_eq!(told, (0..600).collect::<Vec<_>>());
    assert_eq!(quiet_at.len(), 5);
    assert!(quiet_at[4] < 20, "{quiet_at:?}");
    let stats = bench.outbox.stats().await.unwrap();
    assert_eq!(stats.endpoints[0].counts.delivered, 605);
    assert_eq!(
        (stats.entries, stats.endpoints[1].counts.pending),
        (605, 605)
    );
}

/// Tests have the ids and the counters written at every few events, which is most of it here.
#[tokio::test]
async fn what_is_accepted_alone_writes_little() {
    let bench = bench();
    let logged = async || {
        let logged = bench.start(|store| Ok(store.log_pages()? * store.page_bytes));
        logged.await.unwrap().unwrap()
    };
    bench.append("first").await.unwrap();
    let before = logged().await;
    for n in 0..64 {
        bench.append(&n.to_string()).await.unwrap();
    }
    let each = (logged().await - before) / 64;
    assert!(each <= 5000, "{each} bytes an event");
}
