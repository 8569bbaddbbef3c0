//! A disk that gives back other bytes than it was given.

use super::*;

const BODY: &[u8] = b"what is told of this event, and nothing else may be";

/// Events `a` and `b` with one ordering key in a closed file, and where the body of `a` lies.
async fn closed() -> (Bench, Vec<u8>, usize) {
    let bench = bench();
    let entries = ["a/x", "b/x"].map(|id| {
        let mut entry = entry(id, "A", 10);
        entry.body = BODY.into();
        entry
    });
    bench.outbox.append(entries.to_vec()).await.unwrap();
    bench.outbox.close().await;
    let bytes = fs::read(&bench.config.path).unwrap();
    let found = bytes.windows(BODY.len()).rposition(|part| part == BODY);
    (bench, bytes, found.unwrap())
}

#[tokio::test]
async fn a_flipped_byte_of_a_body_is_never_told_and_holds_nobody_up() {
    let (bench, mut bytes, at) = closed().await;
    bytes[at + 5] ^= 1;
    fs::write(&bench.config.path, &bytes).unwrap();
    let outbox = Sqlite::open(&bench.config, Box::new(|_| {})).unwrap();
    let told = async || {
        let mut told = Vec::new();
        for _ in 0..3 {
            for due in outbox.claim("A", 20, Capacity::of(9)).await.unwrap() {
                assert_eq!(due.body, BODY);
                let delivered = vec![(due.key, Settlement::Delivered)];
                outbox.settle(delivered, 20).await.unwrap();
                told.push(due.id.clone());
            }
        }
        told
    };
    // The rows of a page are written from its end.
    assert_eq!(told().await, ["b"]);
    let (all, from) = (DeadFilter::default(), DeadCursor::default());
    for replays in 0..2 {
        let dead = outbox.dead(&all, from, 9).await.unwrap().letters;
        assert_eq!((dead.len(), dead[0].id.as_str()), (1, "a"));
        assert!(
            dead[0].reason.starts_with("damaged: "),
            "{}",
            dead[0].reason
        );
        assert_eq!(dead[0].replays, replays);
        let replay = outbox.act_on_dead(&DeadAct::Replay, &all, from, 9, 30);
        assert_eq!(replay.await.unwrap().done, 1);
        assert_eq!(told().await, [""; 0], "replayed, it is still damaged");
    }
    let counts = outbox.stats().await.unwrap().endpoints[0].counts;
    assert!(counts.conserved());
    assert_eq!((counts.delivered, counts.dead, counts.pending), (1, 1, 0));
}

/// Every byte around the events, one after the other: what is told is what was accepted.
#[tokio::test]
async fn whatever_byte_is_flipped_nothing_else_is_told() {
    let (bench, bytes, at) = closed().await;
    let mut told = 0;
    for place in at - 60..at + BODY.len() + 8 {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x55;
        let config = Config {
            path: bench.config.path.with_file_name(format!("{place}.db")),
            reserve_bytes: 0,
            ..bench.config.clone()
        };
        fs::write(&config.path, &bytes).unwrap();
        let Ok(outbox) = Sqlite::open(&config, Box::new(|_| {})) else {
            continue;
        };
        while let Ok(claimed) = outbox.claim("A", 20, Capacity::of(9)).await
            && let Some(due) = claimed.first()
        {
            let names = (due.id.as_str(), due.hook.as_str(), due.dialect.as_str());
            let expected = match due.number {
                1 => ("a", "afterSendSingleMsg", "openim"),
                _ => ("b", "afterSendSingleMsg", "openim"),
            };
            assert_eq!((names, &due.body[..]), (expected, BODY), "byte {place}");
            assert_eq!(
                (due.accepted_at_ms, &*due.ordering_key),
                (10, "x"),
                "byte {place}"
            );
            told += 1;
            let delivered = vec![(due.key, Settlement::Delivered)];
            if outbox.settle(delivered, 20).await.is_err() {
                break;
            }
        }
    }
    assert!(told > 50, "{told}: the other event is told all the same");
}

/// Whatever the page held: the outbox ends, with the reason and a way out, and lets go of its file.
#[tokio::test]
async fn a_damaged_page_ends_the_outbox_alone() {
    let bench = bench();
    let broken = bench.start(|_| Err::<(), _>(error(ffi::SQLITE_CORRUPT_INDEX)));
    let why = broken.await.unwrap().unwrap_err().to_string();
    assert!(why.contains("callgate outbox repair"), "{why}");
    assert!(bench.append("a").await.is_err());
    let broken = bench.outbox.broken().unwrap();
    assert!(broken.may_reopen && why.contains(&broken.why), "{broken:?}");
    assert_eq!(bench.outbox.refusal(), Some(broken.why));
    assert!(bench.alarms.lock().unwrap().is_empty());
    let again = loop {
        // The thread ends just after its answer.
        if let Ok(again) = Sqlite::open(&bench.config, Box::new(|_| {})) {
            break again;
        }
    };
    again.append(vec![entry("a", "A", 10)]).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_not_where_it_was_takes_nothing_new() {
    for name in ["outbox.db", "outbox.db-wal"] {
        for how in ["removed", "moved", "replaced"] {
            let bench = bench();
            bench.append("a").await.unwrap();
            let file = bench.config.path.with_file_name(name);
            let away = bench.config.path.with_file_name("away");
            match how {
                "removed" => fs::remove_file(&file).unwrap(),
                "moved" => fs::rename(&file, &away).unwrap(),
                _ => {
                    fs::copy(&file, &away).unwrap();
                    fs::rename(&away, &file).unwrap();
                }
            }
            let refused = bench.append("b").await.unwrap_err().to_string();
            let path = file.display().to_string();
            assert!(
                refused.contains(&path) && refused.contains("while it was open"),
                "{refused}"
            );
            assert!(bench.outbox.refusal().unwrap().contains(&path));
            // What was accepted before is delivered all the same.
            let claimed = bench.outbox.claim("A", 10, Capacity::of(9)).await.unwrap();
            let delivered = vec![(claimed[0].key, Settlement::Delivered)];
            bench.outbox.settle(delivered, 10).await.unwrap();
            if how == "moved" {
                fs::rename(&away, &file).unwrap();
                bench.append("c").await.unwrap();
                assert_eq!(bench.outbox.refusal(), None);
            }
        }
    }
}
