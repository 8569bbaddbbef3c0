//! A list of 50,000 words that is edited every two seconds, under load.
//!
//! The first line of the list says which edit it is; a probe message finds that line. Every answer
//! is of one edit as a whole: the line found and the version of the policy go up together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::servers::Process;
use super::{Row, load, median, scan};

const WORDS: usize = 50_000;
const RATE: u32 = 1_000;
const EVERY: Duration = Duration::from_secs(2);
/// Seconds under load, first without edits, then with them.
const QUIET: Duration = Duration::from_secs(20);
const EDITED: Duration = Duration::from_secs(60);

/// What the answers say about the edits.
#[derive(Default)]
struct Seen {
    /// For each version of the policy the entries that were found under it.
    entries: HashMap<u64, Vec<String>>,
    errors: usize,
}

pub fn rows(_rounds: usize) -> Vec<Row> {
    let words = scan::words(WORDS).join("\n");
    let list = move |edit: usize| format!("probe{edit}*\n{words}\n");
    let server = Arc::new(Process::callgate(None));
    server.write("words.txt", &list(0));
    std::thread::sleep(EVERY);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let runtime = load::runtime();
    let quiet = runtime.block_on(measure(&server, &seen, QUIET));
    let editor = {
        let server = Arc::clone(&server);
        std::thread::spawn(move || {
            let started = Instant::now();
            let mut edits = 0;
            while started.elapsed() < EDITED {
                edits += 1;
                server.write("words.txt", &list(edits));
                std::thread::sleep(EVERY);
            }
            edits
        })
    };
    let edited = runtime.block_on(measure(&server, &seen, EDITED));
    let edits = editor.join().expect("the editor does not panic");
    let seen = seen.lock().expect("nobody panics");
    assert!(
        seen.entries.len() >= edits,
        "{edits} edits and {} versions: edits were not in force, so no reload was measured",
        seen.entries.len()
    );
    let mixed = seen.entries.values().filter(|entries| entries.len() > 1);
    let p99 = |latencies: &[f64]| latencies[latencies.len() * 99 / 100];
    let worst = |latencies: &[f64]| latencies.last().copied().unwrap_or_default();
    vec![Row {
        what: "p99 of a decision while a list of 50,000 words is edited every 2 s for 60 s",
        reference: format!(
            "without edits, p50 {:.0} us, p99 {:.0} us, worst {:.0} us",
            median(&quiet),
            p99(&quiet),
            worst(&quiet)
        ),
        measured: format!(
            "p50 {:.0} us, p99 {:.0} us, worst {:.0} us; {edits} edits, {} versions seen, {} errors, {} versions mixed",
            median(&edited),
            p99(&edited),
            worst(&edited),
            seen.entries.len(),
            seen.errors,
            mixed.count()
        ),
        ratios: vec![p99(&edited) / p99(&quiet)],
        goal: "at most 2, worst below 5 ms, no error, no mixed version",
    }]
}

/// Latencies in microseconds of chat lines and probes at a constant rate.
async fn measure(server: &Process, seen: &Arc<Mutex<Seen>>, time: Duration) -> Vec<f64> {
    let client = load::connect(server.address).await;
    let mut requests = load::requests().to_vec();
    // Every entry that a probe can find begins like it.
    let probe = (0..64)
        .map(|edit| format!("probe{edit} "))
        .collect::<String>();
    for request in requests.iter_mut().step_by(4) {
        *request = load::request(&probe);
    }
    let requests = Arc::new(requests);
    let next = std::sync::atomic::AtomicUsize::new(0);
    load::at_rate(RATE, time, || {
        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (mut client, requests, seen) = (client.clone(), requests.clone(), seen.clone());
        async move {
            let answer = client.before(requests[at % requests.len()].clone()).await;
            let mut seen = seen.lock().expect("nobody panics");
            let Ok(answer) = answer else {
                seen.errors += 1;
                return;
            };
            let answer = answer.into_inner();
            let version = answer.policy_version.map_or(0, |version| version.number);
            let entries = seen.entries.entry(version).or_default();
            // Chat lines hold words of the list too, which every edit has.
            let probes = answer.matches.into_iter();
            for found in probes.filter(|found| found.entry.starts_with("probe")) {
                if !entries.contains(&found.entry) {
                    entries.push(found.entry);
                }
            }
        }
    })
    .await
}
