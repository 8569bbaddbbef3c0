//! Entries that undo each other: only the latest one can be repeated.

use std::time::Duration;

use super::bench::{Bench, entry, kinds};
use crate::outbox::*;

/// Calls, each of lines `<series>=<what it says>` with commas at a time, and what becomes of each.
async fn check(calls: &[(&str, u64, &str)]) {
    for kind in kinds() {
        let mut bench = Bench::new(kind, |_| {});
        for (place, (lines, at_ms, expected)) in calls.iter().enumerate() {
            let of = |(number, line): (usize, &str)| {
                let (series, line) = line.split_once('=').unwrap();
                NewEntry {
                    series: Some(Series {
                        name: series.to_owned(),
                        line: line.to_owned(),
                        within: Duration::from_secs(60),
                    }),
                    ..entry(&format!("{place}-{number}/{series}"), "A", *at_ms)
                }
            };
            let entries = lines.split(',').enumerate().map(of);
            let appended = bench.outbox.append(entries.collect()).await.unwrap();
            let appended = appended.iter().map(|one| match one {
                Appended::Stored => "new",
                Appended::Duplicate => "repeat",
            });
            let found = appended.collect::<Vec<_>>().join(" ");
            assert_eq!(found, *expected, "{kind:?}: {lines} at {at_ms}");
            if kind == Kind::Sqlite {
                // Whatever is known is known after a crash.
                bench.crash();
            }
        }
    }
}

#[tokio::test]
async fn what_comes_true_again_is_no_repeat() {
    check(&[
        ("u9=on", 0, "new"),
        ("u9=off", 1_000, "new"),
        ("u9=on", 2_000, "new"),
        ("u9=on", 3_000, "repeat"),
    ])
    .await;
}

#[tokio::test]
async fn a_repeat_is_one_wherever_the_minute_ends() {
    check(&[
        ("u=on", 59_999, "new"),
        ("u=on", 60_000, "repeat"),
        ("u=on", 119_998, "repeat"),
        ("u=on", 119_999, "new"),
    ])
    .await;
}

#[tokio::test]
async fn each_series_has_its_own_latest() {
    check(&[
        ("u=on,v=on", 0, "new new"),
        ("v=off", 10, "new"),
        ("u=on,v=off", 20, "repeat repeat"),
    ])
    .await;
}

#[tokio::test]
async fn a_call_that_is_sent_again_with_more_behind_it_is_known_by_its_beginning() {
    check(&[
        ("u=on,u=off,v=on", 0, "new new new"),
        ("u=on,u=off,v=on,u=on", 10, "repeat repeat repeat new"),
        ("u=on", 20, "repeat"),
        ("u=off", 30, "new"),
    ])
    .await;
}

#[tokio::test]
async fn a_refused_call_is_not_remembered() {
    for kind in kinds() {
        let bench = Bench::new(kind, |config| config.entries_max = 1);
        let line = |id: &str| NewEntry {
            series: Some(Series {
                name: "u".to_owned(),
                line: "on".to_owned(),
                within: Duration::from_secs(60),
            }),
            ..entry(id, "A", 10)
        };
        bench
            .outbox
            .append(vec![entry("full", "A", 10)])
            .await
            .unwrap();
        bench.outbox.append(vec![line("a")]).await.unwrap_err();
        let claimed = bench.outbox.claim("A", 10, Capacity::of(1)).await.unwrap();
        let delivered = vec![(claimed[0].key, Settlement::Delivered)];
        bench.outbox.settle(delivered, 10).await.unwrap();
        let appended = bench.outbox.append(vec![line("a")]).await;
        assert_eq!(appended, Ok(vec![Appended::Stored]), "{kind:?}");
    }
}
