//! A damaged file is told of, and what can be read of it is saved.

use super::*;
use crate::outbox::{check_file, export_file, repair_file};

const EVENTS: usize = 400;

/// A closed file with events in every state: 400 of them for `A`, every fourth for `B` too.
async fn filled() -> Bench {
    let bench = bench();
    let entries = (0..EVENTS).map(|n| {
        let to = if n % 4 == 0 { "A,B" } else { "A" };
        let mut entry = entry(&format!("e{n}/{}", n % 7), to, 10);
        entry.body = format!("body {n} ").repeat(40).into();
        entry
    });
    bench.outbox.append(entries.collect()).await.unwrap();
    let claimed = bench.outbox.claim("A", 10, Capacity::of(60)).await.unwrap();
    let mut settlements = Vec::new();
    for (place, event) in claimed.iter().enumerate() {
        let how = match place % 3 {
            0 => Settlement::Delivered,
            1 => Settlement::Dead {
                reason: "gone".to_owned(),
                answer: String::new(),
            },
            _ => continue,
        };
        settlements.push((event.key, how));
    }
    bench.outbox.settle(settlements, 20).await.unwrap();
    bench.outbox.close().await;
    bench
}

/// Everything that is told of the outbox until nothing is left, by endpoint.
async fn told(outbox: &Sqlite) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for endpoint in ["A", "B"] {
        loop {
            let claimed = outbox
                .claim(endpoint, 1_000, Capacity::of(99))
                .await
                .unwrap();
            if claimed.is_empty() {
                break;
            }
            let keys = claimed
                .iter()
                .map(|event| (event.key, Settlement::Delivered));
            outbox.settle(keys.collect(), 1_000).await.unwrap();
            for event in claimed {
                let number = event.id.trim_start_matches('e');
                assert_eq!(event.body, format!("body {number} ").repeat(40));
                told.push((endpoint.to_owned(), event.id.clone()));
            }
        }
    }
    told.sort();
    told
}

#[tokio::test]
async fn a_sound_file_is_said_to_be_and_left_alone() {
    let bench = filled().await;
    let seen = check_file(&bench.config.path).unwrap();
    assert!(seen.is_sound(), "{:?}", seen.findings);
    let before = fs::read(&bench.config.path).unwrap();
    let done = repair_file(&bench.config.path, 50).unwrap();
    assert_eq!((done.old, done.kept), (None, 0));
    // But for the counter of openings in its head.
    let after = fs::read(&bench.config.path).unwrap();
    assert!(after[100..] == before[100..]);
    let mut exported = 0;
    assert!(export_file(&bench.config.path, |_| exported += 1).unwrap());
    assert_eq!(exported as u64, seen.events);
}

/// One page after the other is overwritten: whatever it was, the rest is saved and told, the
/// books balance, and what was delivered stays so.
#[tokio::test]
async fn whichever_page_is_damaged_the_rest_is_saved() {
    let bench = filled().await;
    let sound = fs::read(&bench.config.path).unwrap();
    let outbox = Sqlite::open(&bench.config, Box::new(|_| {})).unwrap();
    let all = told(&outbox).await;
    drop(outbox);
    let pages = sound.len() / 2048;
    let (mut repaired, mut saved, mut hard) = (0, 0, 0);
    for page in 1..pages {
        let config = Config {
            path: bench.config.path.with_file_name(format!("{page}.db")),
            reserve_bytes: 0,
            ..bench.config.clone()
        };
        let mut bytes = sound.clone();
        bytes[page * 2048..(page + 1) * 2048].fill(0x5a);
        fs::write(&config.path, &bytes).unwrap();
        let Ok(done) = repair_file(&config.path, 50) else {
            // The schema or the endpoints themselves.
            continue;
        };
        let seen = check_file(&config.path).unwrap();
        assert!(seen.is_sound(), "page {page}: {:?}", seen.findings);
        let outbox = Sqlite::open(&config, Box::new(|_| {})).unwrap();
        for one in outbox.stats().await.unwrap().endpoints {
            assert!(one.counts.conserved(), "page {page}: {:?}", one.counts);
        }
        let told = told(&outbox).await;
        let lost = all
            .iter()
            .filter(|pair| told.binary_search(pair).is_err())
            .count();
        hard += usize::from(lost >= 40);
        repaired += usize::from(done.old.is_some());
        saved += told.len();
    }
    // Only what leads to many pages takes more than one page's events along.
    assert!(hard <= 3, "{hard} pages cost many events");
    assert!(repaired > pages / 2, "{repaired} of {pages} pages");
    println!(
        "{repaired} of {pages} pages repaired, {} events told on average",
        saved / repaired
    );
}

#[tokio::test]
async fn a_damaged_event_is_a_dead_letter_after_a_repair() {
    let bench = filled().await;
    let mut bytes = fs::read(&bench.config.path).unwrap();
    let at = bytes
        .windows(9)
        .position(|part| part == b"body 399 ")
        .unwrap();
    bytes[at] ^= 1;
    fs::write(&bench.config.path, &bytes).unwrap();
    let seen = check_file(&bench.config.path).unwrap();
    assert_eq!(
        seen.findings,
        ["event `e399` in place 400 does not fit its checksum"]
    );
    let done = repair_file(&bench.config.path, 50).unwrap();
    assert_eq!((done.damaged, done.lost), (1, 0));
    assert!(done.old.unwrap().exists());
    let outbox = Sqlite::open(&bench.config, Box::new(|_| {})).unwrap();
    let filter = DeadFilter {
        reason: Some("damaged".to_owned()),
        ..DeadFilter::default()
    };
    let dead = outbox.dead(&filter, DeadCursor::default(), 9);
    assert_eq!(dead.await.unwrap().letters[0].id, "e399");
}
