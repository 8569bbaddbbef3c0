//! How long accepting and settling wait while an outbox of a gigabyte is copied.
//!
//! `OUTBOX_BENCH_DIR` is where the files are made, as for the rows of the outbox.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callgate::outbox::{Capacity, Outbox, Settlement};

use super::{Row, load, median, outbox};

/// Events accepted a second, each by itself.
const RATE: u32 = 1_000;
/// Without a copy; and after one, when what was held back is written back.
const TIME: Duration = Duration::from_secs(5);
/// Events that are taken and settled together, and how often.
const TOGETHER: usize = 32;
const SETTLE_EVERY: Duration = Duration::from_millis(20);
const ENDPOINT: &str = "business";

pub fn rows(rounds: usize) -> Vec<Row> {
    load::runtime().block_on(measure(rounds))
}

async fn measure(rounds: usize) -> Vec<Row> {
    let folder = outbox::folder();
    let kept = outbox::open(&folder);
    let endpoints = [ENDPOINT.to_owned()];
    for first in (0..outbox::BACKLOG).step_by(1000) {
        let entries = (first..first + 1000).map(|number| outbox::entry(number, &endpoints, 1));
        let appended = kept.append(entries.collect()).await;
        appended.expect("it has room");
    }
    let next = Arc::new(AtomicU64::new(outbox::BACKLOG));
    let size = fs::metadata(folder.path().join("outbox.db")).expect("it is there");
    let mut took = Vec::new();
    let mut waits: [[Vec<f64>; 2]; 2] = Default::default();
    let mut worst: [[f64; 2]; 2] = Default::default();
    for round in 0..rounds {
        let copy = folder.path().join(format!("copy-{round}"));
        fs::File::create(&copy).expect("it can be made");
        for (at, to) in [None, Some(copy)].into_iter().enumerate() {
            let (found, seconds) = load_while(&kept, &next, to).await;
            took.extend(seconds);
            for (kind, found) in found.into_iter().enumerate() {
                let last = found.last().copied().unwrap_or_default();
                let p99 = found[found.len() * 99 / 100];
                eprintln!(
                    "round {round}: {} {}: p50 {:.2} ms, p99 {p99:.2} ms, worst {last:.1} ms",
                    ["accepting", "settling"][kind],
                    ["alone", "beside a copy"][at],
                    median(&found),
                );
                waits[kind][at].push(p99);
                worst[kind][at] = worst[kind][at].max(last);
            }
        }
    }
    kept.close().await;
    let row = |kind: usize, what| {
        let [alone, beside] = &waits[kind];
        let [worst_alone, worst_beside] = worst[kind];
        Row {
            what,
            reference: format!(
                "without a copy, {:.1} ms, worst {worst_alone:.0} ms",
                median(alone)
            ),
            measured: format!(
                "{:.1} ms, worst {worst_beside:.0} ms; {} MB copied in {:.1} s",
                median(beside),
                size.len() / 1_000_000,
                median(&took)
            ),
            ratios: beside.iter().zip(alone).map(|(a, b)| a / b).collect(),
            goal: "worst below 1000 ms",
        }
    };
    vec![
        row(
            0,
            "p99 of accepting an event, 1,000 a second, while a large outbox is copied",
        ),
        row(
            1,
            "p99 of taking and settling 32 events, while a large outbox is copied",
        ),
    ]
}

/// Milliseconds that accepting and settling took, sorted, while the outbox is copied and for some time
/// behind that; and how many seconds the copy took.
async fn load_while(
    kept: &Arc<dyn Outbox>,
    next: &Arc<AtomicU64>,
    copy: Option<std::path::PathBuf>,
) -> ([Vec<f64>; 2], Option<f64>) {
    let ends = Arc::new(AtomicBool::new(false));
    let accepting = tokio::spawn(accept(kept.clone(), next.clone(), ends.clone()));
    let settling = tokio::spawn(settle(kept.clone(), ends.clone()));
    let took = match copy {
        Some(to) => {
            let started = Instant::now();
            let copied = kept.copy(&to).await.expect("it can be copied");
            assert!(copied, "there is something to copy");
            let took = started.elapsed().as_secs_f64();
            fs::remove_file(&to).expect("it was made");
            Some(took)
        }
        None => None,
    };
    tokio::time::sleep(TIME).await;
    ends.store(true, Ordering::Relaxed);
    let mut found = [
        accepting.await.expect("it does not panic"),
        settling.await.expect("it does not panic"),
    ];
    for found in &mut found {
        found.sort_by(f64::total_cmp);
    }
    (found, took)
}

/// Accepts events at a constant rate, whoever waits.
async fn accept(kept: Arc<dyn Outbox>, next: Arc<AtomicU64>, ends: Arc<AtomicBool>) -> Vec<f64> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut events = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        let (kept, number) = (kept.clone(), next.fetch_add(1, Ordering::Relaxed));
        events.push(tokio::spawn(async move {
            let started = Instant::now();
            let entry = outbox::entry(number, &[ENDPOINT.to_owned()], 1);
            let appended = kept.append(vec![entry]).await;
            appended.expect("it has room");
            started.elapsed().as_secs_f64() * 1e3
        }));
    }
    let mut waits = Vec::with_capacity(events.len());
    for event in events {
        waits.push(event.await.expect("it does not panic"));
    }
    waits
}

async fn settle(kept: Arc<dyn Outbox>, ends: Arc<AtomicBool>) -> Vec<f64> {
    let mut ticks = tokio::time::interval(SETTLE_EVERY);
    let mut waits = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        let started = Instant::now();
        let claimed = kept.claim(ENDPOINT, 1, Capacity::of(TOGETHER)).await;
        let claimed = claimed.expect("it answers");
        let settled = claimed
            .iter()
            .map(|event| (event.key, Settlement::Delivered));
        let settled = kept.settle(settled.collect(), 1).await;
        settled.expect("it answers");
        waits.push(started.elapsed().as_secs_f64() * 1e3);
    }
    waits
}
