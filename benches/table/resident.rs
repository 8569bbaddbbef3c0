//! What a server that does nothing keeps in memory: with its words, after edits of them, and for
//! each connection that is open and asks nothing.

use std::thread;
use std::time::Duration;

use super::servers::{Process, WORDS};
use super::{Row, load, median, openim, scan};

/// Open at the same time; each has asked once.
const CONNECTIONS: usize = 5_000;
const EDITS: usize = 10;
/// What is not needed any more is given back by then.
const SETTLED: Duration = Duration::from_secs(3);

pub fn rows(rounds: usize) -> Vec<Row> {
    callgate::server::raise_limit();
    let (mut idle, mut edited, mut ours, mut theirs) = Default::default();
    for _ in 0..rounds {
        let (callgate, axum) = (Process::callgate(None), Process::own("axum"));
        thread::sleep(SETTLED);
        push(&mut idle, mib(&callgate));
        push(&mut ours, of_a_connection(&callgate));
        push(&mut theirs, of_a_connection(&axum));
        let fresh = Process::callgate(None);
        thread::sleep(SETTLED);
        let before = mib(&fresh);
        edit(&fresh);
        push(&mut edited, mib(&fresh) / before);
    }
    vec![
        Row {
            what: "memory of an idle callgate with 100,000 words",
            reference: "25 MiB".to_owned(),
            measured: format!("{:.1} MiB resident, {WORDS} words", median(&idle)),
            ratios: idle.iter().map(|mib| mib / 25.0).collect(),
            goal: "at most 1",
        },
        Row {
            what: "the same after ten edits of the list",
            reference: "before them".to_owned(),
            measured: format!("{:.2} times as much", median(&edited)),
            ratios: edited,
            goal: "at most 1.3",
        },
        Row {
            what: "memory of a connection of HTTP/1.1 that asked once and is idle",
            reference: format!("bare axum, {:.1} KiB", median(&theirs)),
            measured: format!("{:.1} KiB, of {CONNECTIONS}", median(&ours)),
            ratios: ours.iter().zip(&theirs).map(|(a, b)| a / b).collect(),
            goal: "at most 11 KiB",
        },
    ]
}

fn push(figures: &mut Vec<f64>, figure: f64) {
    figures.push(figure);
}

fn mib(server: &Process) -> f64 {
    server.resident_kib() / 1024.0
}

/// KiB for each of many connections.
fn of_a_connection(server: &Process) -> f64 {
    let runtime = load::runtime();
    let before = server.resident_kib();
    let open = runtime.block_on(openim::open(server, CONNECTIONS));
    thread::sleep(SETTLED);
    let each = (server.resident_kib() - before) / CONNECTIONS as f64;
    drop(open);
    each
}

fn edit(server: &Process) {
    let words = scan::words(WORDS).join("\n");
    for edit in 0..EDITS {
        server.write("words.txt", &format!("probe{edit}\n{words}\n"));
        thread::sleep(Duration::from_secs(1));
    }
    thread::sleep(SETTLED);
}
