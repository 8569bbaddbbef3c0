//! What it costs that decisions are kept: processes of one policy, one with a history and two without,
//! asked in turn. Two processes of one program differ too, by where their memory and threads happen to
//! lie: so each round has new ones, and how far those two differ is said beside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callgate::proto::v1;
use tokio_stream::StreamExt;

use super::servers::Process;
use super::{Row, load, median, scan, servers};

/// Decisions a second while the time of each is measured.
pub const RATE: u32 = 10_000;
const STREAMS: u32 = 4;
/// Of all requests one of so many has a word of the list.
const HITS: usize = 100;
/// How long one is asked before it is another's turn, and how often.
const TIME: Duration = Duration::from_secs(2);
const TURNS: usize = 5;
const SATURATED: Duration = Duration::from_secs(2);
/// A minute of each.
const ROUNDS_MIN: usize = 6;
/// The first two have none.
const KEPT: usize = 2;
const NAMES: [&str; 3] = ["without", "without", "with"];

/// What a round found of each process.
#[derive(Default)]
struct Found {
    p99: [f64; 3],
    us: [f64; 3],
}

pub fn rows(rounds: usize) -> Vec<Row> {
    let rounds = rounds.max(ROUNDS_MIN);
    let runtime = load::runtime();
    let (mixed, plain) = (requests(true), requests(false));
    // The first round only warms up.
    let found: Vec<Found> = (0..=rounds)
        .map(|round| runtime.block_on(round_of(round, &mixed, &plain)))
        .skip(1)
        .collect();
    let ratios = |of: fn(&Found) -> [f64; 3], at: usize| -> Vec<f64> {
        found
            .iter()
            .map(|round| of(round)[at] / of(round)[0])
            .collect()
    };
    let all = |of: fn(&Found) -> [f64; 3], at: usize| -> f64 {
        median(&found.iter().map(|round| of(round)[at]).collect::<Vec<_>>())
    };
    let p99 = |round: &Found| round.p99;
    let us = |round: &Found| round.us;
    vec![
        Row {
            what: "p99 of a decision at 10,000 a second, 1 % of them blocked, with a history",
            reference: format!(
                "without one, {:.0} us; another without one, {:.2} times that",
                all(p99, 0),
                median(&ratios(p99, 1))
            ),
            measured: format!("{:.0} us", all(p99, KEPT)),
            ratios: ratios(p99, KEPT),
            goal: "at most 1.1",
        },
        Row {
            what: "server CPU of an allow over `BeforeStream`, with a history",
            reference: format!("without one, {:.2} us", all(us, 0)),
            measured: format!(
                "{:.2} us, {:.2} us more",
                all(us, KEPT),
                all(us, KEPT) - all(us, 0)
            ),
            ratios: ratios(us, KEPT),
            goal: "at most 0.3 us more",
        },
    ]
}

async fn round_of(
    round: usize,
    mixed: &Arc<Vec<v1::BeforeRequest>>,
    plain: &Arc<Vec<v1::BeforeRequest>>,
) -> Found {
    // Who is started first, and who is asked first, is another one each time.
    let turn = |at: usize| (at + round) % NAMES.len();
    let mut started: Vec<(usize, Process)> = (0..NAMES.len())
        .map(|at| {
            let kept = if turn(at) == KEPT { "true" } else { "false" };
            let process = Process::callgate_set(&[("HISTORY__ENABLED", kept)]);
            (turn(at), process)
        })
        .collect();
    started.sort_by_key(|(at, _)| *at);
    let mut latencies: [Vec<f64>; 3] = Default::default();
    for _ in 0..TURNS {
        for at in 0..NAMES.len() {
            let server = &started[turn(at)].1;
            latencies[turn(at)].extend(at_rate(server, mixed, TIME).await);
        }
    }
    let mut found = Found::default();
    for (at, server) in &started {
        let latencies = &mut latencies[*at];
        latencies.sort_by(f64::total_cmp);
        let share = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
        let cost = load::saturate_streams(server, plain, SATURATED).await;
        found.p99[*at] = share(0.99);
        found.us[*at] = cost.cpu_us;
        eprintln!(
            "round {round}, {} history: p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us; allows {:.3} us at {:.0}/s",
            NAMES[*at],
            share(0.5),
            share(0.99),
            share(0.999),
            cost.cpu_us,
            cost.calls_a_second
        );
    }
    found
}

/// Lines of chat, each a message of its own.
pub fn requests(has_hits: bool) -> Arc<Vec<v1::BeforeRequest>> {
    let words = scan::words(servers::WORDS);
    let lines = scan::chat_lines();
    let requests = lines.iter().take(5_000).enumerate().map(|(at, line)| {
        let text = match has_hits && at.is_multiple_of(HITS) {
            true => format!("{line} {}", words[at]),
            false => (*line).to_owned(),
        };
        let mut request = load::request(&text);
        if let Some(message) = &mut request.message {
            message.server_msg_id = format!("{at:032x}");
            message.send_id = (4_459_135_218 + at as u64 % 997).to_string();
        }
        request
    });
    Arc::new(requests.collect())
}

/// Microseconds of decisions that are asked for at a constant rate, sorted: from the moment at which
/// one should be asked, so that no pause hides those behind it.
pub async fn at_rate(
    server: &Process,
    requests: &Arc<Vec<v1::BeforeRequest>>,
    time: Duration,
) -> Vec<f64> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::new(AtomicU64::new(0));
    let mut streams = Vec::new();
    for stream in 0..STREAMS {
        let mut client = load::connect(server.address).await;
        let (requests, all, asked) = (requests.clone(), all.clone(), asked.clone());
        streams.push(tokio::spawn(async move {
            let started = Instant::now();
            let each = Duration::from_secs(1) * STREAMS / RATE;
            let (sender, receiver) = tokio::sync::mpsc::channel(4096);
            let ask = async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(1));
                let mut number = 0;
                while started.elapsed() < time {
                    ticks.tick().await;
                    // The clock of the runtime ticks every millisecond; each tick has what is due.
                    while each * number < started.elapsed() {
                        let at = (number * STREAMS + stream) as usize % requests.len();
                        let mut request = requests[at].clone();
                        let due = started.elapsed();
                        request.request_id = due.as_nanos().to_string();
                        asked.fetch_add(1, Ordering::Relaxed);
                        if sender.send(request).await.is_err() {
                            return;
                        }
                        number += 1;
                    }
                }
            };
            let asking = tokio::spawn(ask);
            let source = tokio_stream::wrappers::ReceiverStream::new(receiver);
            let response = client.before_stream(source).await;
            let mut answers = response.expect("the server streams").into_inner();
            let mut mine = Vec::new();
            while let Some(answer) = answers.next().await {
                let answer = answer.expect("the stream goes on");
                let due: u64 = answer.request_id.parse().expect("it is ours");
                let took = started.elapsed() - Duration::from_nanos(due);
                mine.push(took.as_secs_f64() * 1e6);
            }
            asking.await.expect("who asks does not panic");
            all.lock().expect("nobody panics").extend(mine);
        }));
    }
    for stream in streams {
        stream.await.expect("no stream panics");
    }
    let mut all = std::mem::take(&mut *all.lock().expect("nobody panics"));
    assert_eq!(
        all.len() as u64,
        asked.load(Ordering::Relaxed),
        "each is answered"
    );
    all.sort_by(f64::total_cmp);
    all
}
