//! The file: its settings, who may open it, its size, its statements.

use super::*;

fn check_open(path: &Path, wanted: &str) {
    let config = Config {
        path: path.to_owned(),
        ..shipped()
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
        ("user_version", "6"),
        ("page_size", "2048"),
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
        "`PATH` was written by a newer callgate (schema 9, this one knows 6): start that version, or set another file in `outbox.path`",
    );
}

/// The first schema with an event in every state of the time.
const FIRST: &str = "INSERT INTO endpoint VALUES (1, 'A', 3, 0, 1, 0, 2, 0);
    UPDATE total SET last_seq = 3, bytes = 900;
    INSERT INTO event VALUES (1, 'a', 10, 300, 'h', 'openim', 'x', '', x'61'),
        (2, 'b', 10, 300, 'h', 'openim', 'x', '', x'62'),
        (3, 'c', 10, 300, 'h', 'openim', 'x', '', x'63');
    INSERT INTO known VALUES ('a', 1, NULL), ('b', 1, NULL), ('c', 1, NULL), ('z', 0, 10000);
    UPDATE total SET remembered_ids = 1;
    INSERT INTO dead VALUES (1, 1, 5, 20, 'gone');
    INSERT INTO pair VALUES (1, 2, 2, 50, 10, 'x', 1, 1, 0, 'busy'),
        (1, 3, 3, 0, 10, 'x', 0, 0, 0, '');";

#[tokio::test]
async fn a_file_of_every_earlier_schema_is_brought_to_the_newest() {
    for schema in 1..=5 {
        check_earlier(schema).await;
    }
}

async fn check_earlier(schema: usize) {
    let folder = tempfile::tempdir().unwrap();
    let config = config_in(folder.path());
    let mut old = Connection::open(&config.path).unwrap();
    old.execute_batch(include_str!("../v1.sql")).unwrap();
    old.execute_batch(FIRST).unwrap();
    let mark = "PRAGMA application_id = 0x63674f42; PRAGMA user_version = 1";
    old.execute_batch(mark).unwrap();
    super::file::migrate_to(&mut old, schema).unwrap();
    let found = super::file::read(&old, "user_version").unwrap();
    assert_eq!(found, schema.to_string());
    drop(old);
    let bytes = fs::read(&config.path).unwrap();
    let seen = super::super::check(&config.path).unwrap();
    assert_eq!((seen.events, seen.findings), (3, vec![]), "{schema}");
    let mut ids = Vec::new();
    super::super::export(&config.path, |event| ids.push(event.entry.id)).unwrap();
    assert_eq!(ids, ["a", "b", "c"]);
    assert!(fs::read(&config.path).unwrap() == bytes, "only looked at");
    let outbox = Sqlite::open(&config, Box::new(|_| {})).unwrap();
    let stats = outbox.stats().await.unwrap();
    assert_eq!((stats.entries, stats.endpoints[0].bytes), (3, 900));
    let again = ["b", "z", "d"].map(|id| entry(id, "B", 10));
    let again = outbox.append(again.to_vec()).await.unwrap();
    use Appended::{Duplicate, Stored};
    assert_eq!(again, [Duplicate, Duplicate, Stored]);
    let other = outbox.claim("B", 50, Capacity::of(9)).await.unwrap();
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
    while let Some(due) = outbox.claim("A", 50, Capacity::of(9)).await.unwrap().pop() {
        order.push(due.id.clone());
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
        let claimed = bench
            .outbox
            .claim("A", 10, Capacity::of(100))
            .await
            .unwrap();
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
        include_str!("../store.rs"),
        include_str!("../claim.rs"),
        include_str!("../deliver.rs"),
        include_str!("../discards.rs"),
        include_str!("../ids.rs"),
        include_str!("../append.rs"),
        include_str!("../dead.rs"),
        include_str!("../stats.rs"),
        include_str!("../settle.rs"),
        include_str!("../start.rs"),
        include_str!("../order.rs"),
        include_str!("../promote.rs"),
        include_str!("../sweep.rs"),
        include_str!("../event.rs"),
        include_str!("../pending.rs"),
        include_str!("../latest.rs"),
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

#[tokio::test]
async fn as_shipped_a_body_of_a_mebibyte_fits_and_there_is_a_reserve() {
    let shipped = crate::config::load(None, &[]).unwrap().outbox;
    let bench = bench_with(|config| config.reserve_bytes = shipped.reserve_bytes);
    let reserve = bench.config.path.with_extension("db-reserve");
    assert_eq!(fs::metadata(reserve).unwrap().len(), 32 << 20);
    let mut largest = entry("a", "A", 10);
    largest.body = vec![7; 1 << 20].into();
    let stored = bench.outbox.append(vec![largest]).await;
    assert_eq!(stored, Ok(vec![Appended::Stored]));
}

/// Else an alert on the oldest event is blind until the clock has caught up.
#[tokio::test]
async fn what_was_accepted_by_a_clock_that_was_ahead_is_as_old_as_the_start() {
    let bench = bench();
    let ahead = vec![entry("a", "A", 9_000_000), entry("b", "B", 9_000_000)];
    bench.outbox.append(ahead).await.unwrap();
    bench
        .outbox
        .claim("A", 9_000_000, Capacity::of(1))
        .await
        .unwrap();
    bench.outbox.close().await;
    let outbox = Sqlite::open(&bench.config, Box::new(|_| {})).unwrap();
    outbox.claim("C", 5_000_000, Capacity::of(1)).await.unwrap();
    outbox
        .append(vec![entry("c", "C", 5_000_100)])
        .await
        .unwrap();
    let stats = outbox.stats().await.unwrap().endpoints;
    let oldest: Vec<_> = stats.iter().map(|one| one.oldest_pending_ms).collect();
    assert_eq!(oldest, [Some(5_000_000), Some(5_000_000), Some(5_000_100)]);
}
