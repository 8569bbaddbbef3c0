//! A file that failed is opened again.

use super::*;

fn kept_open(config: &Config) -> Arc<Sqlite> {
    Arc::new(Sqlite::keep_open(config, Box::new(|_| {})).unwrap())
}

/// Waits until it is open.
async fn append(outbox: &Sqlite, id: &str) {
    while outbox.append(vec![entry(id, "A", 10)]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_opened_once_it_can() {
    let folder = folder();
    let config = config_in(folder.path());
    fs::write(&config.path, "no database ".repeat(99)).unwrap();
    let outbox = kept_open(&config);
    let mut opened = outbox.wakeups();
    let refused = outbox.append(vec![entry("a", "A", 10)]).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("is not an outbox of callgate"), "{why}");
    let refusal = outbox.refusal().unwrap();
    assert!(refusal.contains("is not an outbox"), "{refusal}");
    assert_eq!(outbox.broken(), None, "it will be opened");
    fs::remove_file(&config.path).unwrap();
    opened.changed().await.unwrap();
    append(&outbox, "a").await;
    assert_eq!(outbox.refusal(), None);
    let claimed = outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    outbox.close().await;
    let closed = outbox.append(vec![entry("b", "A", 10)]).await;
    assert_eq!(closed, Err(AppendError::Closed));
}

#[tokio::test]
async fn what_it_held_is_told_after_it_failed() {
    let folder = folder();
    let outbox = kept_open(&config_in(folder.path()));
    append(&outbox, "a").await;
    let mut opened = outbox.wakeups();
    opened.mark_unchanged();
    let failed = outbox.call(Needs::LASTING, 1, |_| -> rusqlite::Result<()> {
        panic!("on purpose")
    });
    failed.await.unwrap_err();
    opened.changed().await.unwrap();
    append(&outbox, "b").await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let claimed = outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
        ids.extend(claimed.iter().map(|due| due.id.clone()));
    }
    assert_eq!(ids, ["a", "b"]);
    assert_eq!((outbox.refusal(), outbox.broken()), (None, None));
}

#[tokio::test]
async fn it_stays_shut_when_the_disk_lies() {
    let folder = folder();
    let outbox = kept_open(&config_in(folder.path()));
    let failed = outbox.call(Needs::LASTING, 1, |_| {
        Err::<(), _>(error(ffi::SQLITE_IOERR_FSYNC))
    });
    failed.await.unwrap_err();
    while !outbox.thread.as_ref().unwrap().is_finished() {
        tokio::task::yield_now().await;
    }
    let broken = outbox.broken().unwrap();
    assert!(!broken.may_reopen);
    assert_eq!(outbox.refusal(), Some(broken.why));
}

#[tokio::test]
async fn one_that_cannot_be_opened_can_be_closed() {
    let folder = folder();
    let config = config_in(folder.path());
    fs::create_dir(&config.path).unwrap();
    let outbox = kept_open(&config);
    outbox.close().await;
    let closed = outbox.append(vec![entry("a", "A", 10)]).await;
    assert_eq!(closed, Err(AppendError::Closed));
    drop(kept_open(&config));
}
