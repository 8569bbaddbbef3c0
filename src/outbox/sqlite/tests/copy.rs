//! A copy is of one moment, whatever is accepted while it is made.

use std::sync::atomic::AtomicBool;

use super::*;

/// Of this many with bodies of 1 MiB the log is written back, if nobody copies.
const EVENTS: usize = 20;

async fn append_much(outbox: &Sqlite, name: &str) {
    for number in 0..EVENTS {
        let event = NewEntry {
            body: vec![b'x'; 1 << 20].into(),
            ..entry(&format!("{name}{number}"), "A", 10)
        };
        outbox.append(vec![event]).await.unwrap();
    }
}

/// Looked at from outside: to open and close it here would drop the locks on it.
fn state(config: &Config) -> (u64, std::time::SystemTime) {
    let file = fs::metadata(&config.path).unwrap();
    (file.len(), file.modified().unwrap())
}

async fn hold(outbox: &Sqlite) -> Arc<AtomicBool> {
    let (answer, answered) = oneshot::channel();
    outbox.send(Message::Hold(answer)).unwrap();
    answered.await.unwrap().unwrap()
}

#[tokio::test]
async fn the_file_stays_as_it_is_while_it_is_copied() {
    let bench = bench();
    bench.append("before").await.unwrap();
    let is_broken = hold(&bench.outbox).await;
    let held = state(&bench.config);
    append_much(&bench.outbox, "meanwhile").await;
    assert_eq!(state(&bench.config), held);
    assert!(!is_broken.load(Ordering::Acquire));
    let copy = bench.config.path.with_file_name("copy.db");
    copy_file(&bench.config.path, &copy).unwrap();
    let copy = Connection::open(copy).unwrap();
    let count = "SELECT count(*) FROM event";
    let events: i64 = copy.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(events, 1);
    // Then the log is written back as ever.
    drop(is_broken);
    append_much(&bench.outbox, "after").await;
    assert_ne!(state(&bench.config), held);
}

#[tokio::test]
async fn a_copy_of_a_file_that_is_written_to_all_the_same_is_known_for_one() {
    let bench = bench();
    bench.append("before").await.unwrap();
    let is_broken = hold(&bench.outbox).await;
    let write_back = |store: &mut Store| store.write_log_back("PASSIVE");
    bench
        .outbox
        .call(Needs::LOOKING, 0, write_back)
        .await
        .unwrap();
    assert!(is_broken.load(Ordering::Acquire));
    // A second one begins from the file as it is.
    let second = hold(&bench.outbox).await;
    assert!(!second.load(Ordering::Acquire));
}
