//! What only the file has: its settings, its thread, its disk.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};
use tempfile::TempDir;

use super::*;
use crate::outbox::conformance::entry;

/// An outbox in a folder of its own, and what its alarm said.
struct Bench {
    outbox: Arc<Sqlite>,
    config: Config,
    alarms: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

fn bench() -> Bench {
    bench_with(|_| {})
}

fn bench_with(adjust: impl FnOnce(&mut Config)) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_in(folder.path());
    adjust(&mut config);
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alarms);
    let on_fatal = Box::new(move |why: &str| heard.lock().unwrap().push(why.to_owned()));
    Bench {
        outbox: Arc::new(Sqlite::open(&config, on_fatal).unwrap()),
        config,
        alarms,
        _folder: folder,
    }
}

fn config_in(folder: &Path) -> Config {
    Config {
        path: folder.join("outbox.db"),
        ..Config::default()
    }
}

impl Bench {
    async fn append(&self, id: &str) -> Result<Vec<Appended>, AppendError> {
        self.outbox.append(vec![entry(id, "A", 10)]).await
    }

    /// Puts a call into the queue without waiting for its answer.
    fn start<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Result<T, OutboxError>> {
        let outbox = Arc::clone(&self.outbox);
        tokio::spawn(async move { outbox.call(1, run).await })
    }

    /// Holds the writer up until the sender is used or dropped.
    async fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (release, released) = std::sync::mpsc::channel();
        let (reached, holding) = oneshot::channel();
        let mut reached = Some(reached);
        self.start(move |_| {
            let _ = reached.take().map(|reached| reached.send(()));
            let _ = released.recv();
            Ok(())
        });
        holding.await.unwrap();
        release
    }
}

fn error(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn check_open(path: &Path, wanted: &str) {
    let config = Config {
        path: path.to_owned(),
        ..Config::default()
    };
    let opened = Sqlite::open(&config, Box::new(|_| {}));
    let found = opened.err().unwrap().to_string();
    assert_eq!(found, wanted.replace("PATH", &path.display().to_string()));
}

#[tokio::test]
async fn durability_stands_on_wal_full_and_exclusive() {
    let bench = bench();
    for (pragma, wanted) in [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("locking_mode", "exclusive"),
        ("auto_vacuum", "2"),
        ("wal_autocheckpoint", "0"),
        ("user_version", "3"),
    ] {
        let found = bench.start(move |store| file::read(&store.connection, pragma));
        assert_eq!(found.await.unwrap().unwrap(), wanted, "{pragma}");
    }
}

#[tokio::test]
async fn a_file_in_use_is_refused() {
    let bench = bench();
    check_open(
        &bench.config.path,
        "`PATH` is in use by another process: stop the other callgate, or give this one a file of its own in `outbox.path`",
    );
    bench.append("a").await.unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a database ".repeat(100)).unwrap();
    check_open(
        &path,
        "`PATH` is not an outbox of callgate (file is not a database): move it away, or set another file in `outbox.path`",
    );
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    check_open(
        &path,
        "`PATH` is not an outbox of callgate (it is a database of another program): move it away, or set another file in `outbox.path`",
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_a_newer_callgate_is_refused() {
    let bench = bench();
    bench.outbox.close().await;
    let file = Connection::open(&bench.config.path).unwrap();
    file.pragma_update(None, "user_version", 9).unwrap();
    drop(file);
    check_open(
        &bench.config.path,
        "`PATH` was written by a newer callgate (schema 9, this one knows 3): start that version, or set another file in `outbox.path`",
    );
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_to_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_in(folder.path());
    let old = Connection::open(&config.path).unwrap();
    old.execute_batch(include_str!("v1.sql")).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x63674f42; PRAGMA user_version = 1;
        INSERT INTO endpoint VALUES (1, 'A', 3, 0, 1, 0, 2, 0);
        UPDATE total SET last_seq = 3, bytes = 900;
        INSERT INTO event VALUES (1, 'a', 10, 300, 'h', 'openim', 'x', '', x'61'),
            (2, 'b', 10, 300, 'h', 'openim', 'x', '', x'62'),
            (3, 'c', 10, 300, 'h', 'openim', 'x', '', x'63');
        INSERT INTO known VALUES ('a', 1, NULL), ('b', 1, NULL), ('c', 1, NULL),
            ('z', 0, 10000);
        UPDATE total SET remembered_ids = 1;
        INSERT INTO dead VALUES (1, 1, 5, 20, 'gone');
        INSERT INTO pair VALUES (1, 2, 2, 50, 10, 'x', 1, 1, 0, 'busy'),
            (1, 3, 3, 0, 10, 'x', 0, 0, 0, '');",
    )
    .unwrap();
    drop(old);
    let outbox = Sqlite::open(&config, Box::new(|_| {})).unwrap();
    let stats = outbox.stats().await.unwrap();
    assert_eq!((stats.entries, stats.endpoints[0].bytes), (3, 900));
    let again = ["b", "z", "d"].map(|id| entry(id, "B", 10));
    let again = outbox.append(again.to_vec()).await.unwrap();
    use Appended::{Duplicate, Stored};
    assert_eq!(again, [Duplicate, Duplicate, Stored]);
    let other = outbox.claim("B", 50, Room::of(9)).await.unwrap();
    assert_eq!((other.len(), other[0].id.as_str()), (1, "d"));
    let delivered = vec![(other[0].key, Settlement::Delivered)];
    outbox.settle(delivered, 50).await.unwrap();
    let (filter, from) = (DeadFilter::default(), DeadCursor::default());
    let letters = outbox.dead(&filter, from, 9);
    let letter = letters.await.unwrap().letters.remove(0);
    assert_eq!((letter.id.as_str(), letter.attempts), ("a", 5));
    outbox
        .act_on_dead(&DeadAct::Replay, &filter, from, 9, 40)
        .await
        .unwrap();
    let mut order = Vec::new();
    while let Some(due) = outbox.claim("A", 50, Room::of(9)).await.unwrap().pop() {
        order.push(due.id);
        let delivered = vec![(due.key, Settlement::Delivered)];
        outbox.settle(delivered, 50).await.unwrap();
    }
    assert_eq!(order, ["b", "a", "c"]);
    let stats = outbox.stats().await.unwrap();
    assert_eq!(stats.endpoints[0].counts.delivered, 3);
    assert_eq!((stats.bytes, stats.entries), (0, 0));
}

#[test]
fn a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    check_open(folder.path(), "`PATH` cannot be opened: is a directory");
}

#[cfg(unix)]
#[test]
fn a_new_file_and_its_folders_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let config = config_in(&folder.path().join("a/b"));
    let outbox = Sqlite::open(&config, Box::new(|_| {})).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&config.path), 0o600);
    assert_eq!(mode(&config.path.with_extension("db-wal")), 0o600);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    drop(outbox);
}

#[tokio::test]
async fn close_leaves_one_file_without_a_log() {
    let bench = bench();
    bench.append("a").await.unwrap();
    assert!(bench.config.path.with_extension("db-wal").exists());
    bench.outbox.close().await;
    assert!(!bench.config.path.with_extension("db-wal").exists());
}

#[tokio::test]
async fn what_waits_is_one_commit() {
    let bench = bench();
    let commits = bench.outbox.wakeups();
    let hold = bench.hold().await;
    let waiting: Vec<_> = (0..10)
        .map(|n| bench.start(move |store| store.append(&[entry(&n.to_string(), "A", 10)])))
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
    let claimed = bench.outbox.claim("A", 10, Room::of(300)).await.unwrap();
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
    let rest = outbox.claim("A", 10, Room::of(300)).await.unwrap();
    assert!(rest.iter().all(|due| !ended(due.number as usize - 1)));
    assert_eq!(rest.len(), 169);
    let rows = outbox.call(0, |store| {
        let sql = "SELECT count(*), sum(length(ids)) FROM held";
        let count = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        store.connection.query_row(sql, [], count)
    });
    let (rows, bytes): (i64, i64) = rows.await.unwrap();
    assert_eq!((rows, bytes), (2, (128 + 44) * 16));
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
    let claimed = bench.outbox.claim("A", 10, Room::of(9)).await.unwrap();
    assert_eq!(claimed.len(), 9);
    let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
    bench.outbox.settle(keys.collect(), 10).await.unwrap();
}

#[tokio::test]
async fn a_call_that_fails_fails_alone() {
    let bench = bench();
    let hold = bench.hold().await;
    let before = bench.start(|store| store.append(&[entry("before", "A", 10)]));
    let broken = bench.start(|store| {
        store.append(&[entry("broken", "A", 10)])?.unwrap();
        Err::<(), _>(error(ffi::SQLITE_CONSTRAINT))
    });
    let after = bench.start(|store| store.append(&[entry("after", "A", 10)]));
    while bench.outbox.room.available_permits() > bench.config.queue_max - 4 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let stored = Ok(Ok(vec![Appended::Stored]));
    assert_eq!(before.await.unwrap(), stored);
    assert!(matches!(broken.await.unwrap(), Err(OutboxError::Failed(_))));
    assert_eq!(after.await.unwrap(), stored);
    let claimed = bench.outbox.claim("A", 10, Room::of(9)).await.unwrap();
    let ids: Vec<&str> = claimed.iter().map(|due| due.id.as_str()).collect();
    assert_eq!(ids, ["before", "after"]);
    let stats = bench.outbox.stats().await.unwrap();
    assert_eq!(stats.endpoints[0].counts.accepted, 2);
    let bytes = |id| entry(id, "A", 10).bytes();
    assert_eq!(stats.bytes, bytes("before") + bytes("after"));
    assert!(bench.alarms.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_goes_on() {
    let bench = bench();
    bench.append("a").await.unwrap();
    let claimed = bench.outbox.claim("A", 10, Room::of(1)).await.unwrap();
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
    let claimed = bench.outbox.claim("A", 10, Room::of(1)).await.unwrap();
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
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 100_000);
    let stats = bench.outbox.stats().await.unwrap();
    assert_eq!((stats.entries, stats.endpoints[0].counts.delivered), (1, 1));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_alarm_is_raised_first() {
    let bench = bench();
    let hold = bench.hold().await;
    let innocent = bench.start(|store| store.append(&[entry("a", "A", 10)]));
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

#[tokio::test]
async fn a_panic_of_the_writer_raises_the_alarm() {
    let bench = bench();
    let panicked = bench.start(|_| -> rusqlite::Result<()> { panic!("on purpose") });
    panicked.await.unwrap().unwrap_err();
    while bench.alarms.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(bench.append("a").await.is_err());
}

#[tokio::test]
async fn the_file_is_small_again_after_the_backlog_is_delivered() {
    let bench = bench();
    for batch in 0..10 {
        let entries = (0..100).map(|n| {
            let mut entry = entry(&format!("{batch}-{n}"), "A", 10);
            entry.body = vec![7; 8_000].into();
            entry
        });
        bench.outbox.append(entries.collect()).await.unwrap();
    }
    loop {
        let claimed = bench.outbox.claim("A", 10, Room::of(100)).await.unwrap();
        if claimed.is_empty() {
            break;
        }
        let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
        bench.outbox.settle(keys.collect(), 10).await.unwrap();
    }
    let size = || fs::metadata(&bench.config.path).unwrap().len();
    let started = Instant::now();
    while size() > 2_000_000 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{} bytes",
            size()
        );
        bench.outbox.stats().await.unwrap();
    }
}

#[tokio::test]
async fn the_log_stays_short_while_events_come_without_a_pause() {
    let bench = bench();
    for batch in 0..14 {
        let entries = (0..16).map(|n| {
            let mut entry = entry(&format!("{batch}-{n}"), "A", 10);
            entry.body = vec![7; 250_000].into();
            entry
        });
        bench.outbox.append(entries.collect()).await.unwrap();
    }
    let log = fs::metadata(bench.config.path.with_extension("db-wal")).unwrap();
    assert!(log.len() < 28_000_000, "{} bytes", log.len());
}

#[tokio::test]
async fn no_statement_reads_through_a_table_or_sorts() {
    let bench = bench();
    let source = [
        include_str!("store.rs"),
        include_str!("claim.rs"),
        include_str!("discards.rs"),
        include_str!("ids.rs"),
        include_str!("intake.rs"),
        include_str!("letters.rs"),
        include_str!("look.rs"),
        include_str!("settle.rs"),
        include_str!("upkeep.rs"),
    ];
    let mut seen = 0;
    for literal in source.join("\n").split('"').skip(1).step_by(2) {
        let verb = literal.split(' ').next().unwrap();
        if !["SELECT", "INSERT", "UPDATE", "DELETE"].contains(&verb) {
            continue;
        }
        seen += 1;
        let sql = format!("EXPLAIN QUERY PLAN {literal}");
        let plan = bench.start(move |store| {
            let mut statement = store.connection.prepare(&sql)?;
            for parameter in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(parameter, 0)?;
            }
            let mut rows = statement.raw_query();
            let mut plan = Vec::new();
            while let Some(row) = rows.next()? {
                plan.push(row.get::<_, String>(3)?);
            }
            Ok(plan)
        });
        for step in plan.await.unwrap().unwrap() {
            // The totals are one row, the oldest ended ids the first, and all ids are read once.
            let is_meant = literal.contains("LIMIT 1")
                || literal.starts_with("SELECT ids FROM")
                || step.contains("(subquery");
            let slow = step.starts_with("SCAN") && step != "SCAN total" && !is_meant;
            assert!(!slow && !step.contains("TEMP"), "{literal}: {step}");
            // One place is meant, so all that wait must not be looked through for it.
            let through_all = literal.contains("AND place = ") && step.contains("place<?");
            assert!(!through_all, "{literal}: {step}");
        }
    }
    assert!(seen > 20, "{seen} statements found");
}
