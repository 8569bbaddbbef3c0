//! Prints the performance table of the README: `cargo bench`.
//!
//! Every figure is a ratio of two things measured in turn in one run on one machine; absolute
//! figures only orient. Each row is the median of `ROUNDS` rounds, with the smallest and largest
//! beside it. `cargo bench -- ROW` runs the rows whose name holds ROW; `ROUNDS=n` changes the
//! number of rounds.
//!
//! The servers run as processes of their own, and their CPU time is what the operating system
//! says of them, so the load generator beside them does not count.

mod backup;
/// The tests do more to it.
#[allow(dead_code)]
#[path = "../../tests/postgres/cluster.rs"]
mod cluster;
mod forward;
mod history;
mod load;
mod memory;
mod mixed;
mod openim;
mod outbox;
mod postgres;
mod recordings;
mod reload;
mod resident;
mod scan;
mod servers;
mod tls;
mod unary;

use std::env;
use std::process::ExitCode;

/// What a row compares, and how it came out.
pub struct Row {
    pub what: &'static str,
    pub reference: String,
    pub measured: String,
    /// Our figure divided by the reference, one for each round.
    pub ratios: Vec<f64>,
    pub goal: &'static str,
}

/// Measures some rows in a number of rounds.
type Measure = fn(usize) -> Vec<Row>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some(role) = args.iter().find_map(|arg| arg.strip_prefix("--server=")) {
        return servers::run(role);
    }
    let wanted: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let rounds = env::var("ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let rows: [(&str, Measure); 21] = [
        ("scan", scan::rows),
        ("openim", openim::rows),
        ("tls", tls::rows),
        ("unary", unary::rows),
        ("forward", forward::rows),
        ("mixed", mixed::rows),
        ("history", history::rows),
        ("recorded", recordings::recorded_rows),
        ("replay", recordings::replay_rows),
        ("reload", reload::rows),
        ("resident", resident::rows),
        ("accepted", outbox::accepted_rows),
        ("delivered", outbox::delivered_rows),
        ("written", outbox::written_rows),
        ("dead", outbox::dead_rows),
        ("backlog", outbox::backlog_rows),
        ("backup", backup::rows),
        ("postgres-accepted", postgres::accepted_rows),
        ("postgres-delivered", postgres::delivered_rows),
        ("postgres-claims", postgres::claims_rows),
        ("postgres-away", postgres::away_rows),
    ];
    println!("| what | reference | measured | ratio, median (min to max) | goal |");
    println!("| --- | --- | --- | --- | --- |");
    for (name, run) in rows {
        if wanted.is_empty() || wanted.iter().any(|want| name.contains(want.as_str())) {
            for row in run(rounds) {
                print(row);
            }
        }
    }
    ExitCode::SUCCESS
}

fn print(mut row: Row) {
    row.ratios.sort_by(f64::total_cmp);
    let last = row.ratios.len() - 1;
    println!(
        "| {} | {} | {} | {:.2} ({:.2} to {:.2}) | {} |",
        row.what,
        row.reference,
        row.measured,
        median(&row.ratios),
        row.ratios[0],
        row.ratios[last],
        row.goal
    );
}

/// The middle one of some figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
