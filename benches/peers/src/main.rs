//! callgate's filter beside other word filters: how fast, how much is found, how much is found
//! that should not be. Prints Markdown.
//!
//! `run` prepares what the tables need and starts this. What is missing is said in one line on
//! standard error and left out.

mod corpora;
mod false_hits;
mod languages;
mod markdown;
mod peer;
mod recall;
mod rust_peers;
mod scripts;
mod throughput;

const USAGE: &str =
    "usage: run [--rounds N] [--show N] [throughput] [recall] [false-hits] [languages]

  --rounds N  rounds of the throughput tables, 5 without it
  --show N    write N of the messages behind each rate of false hits to standard error";

fn main() {
    let (mut rounds, mut shown) = (5, 0);
    let mut tables = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|number| number.parse().ok());
        match argument.as_str() {
            "--rounds" => rounds = number().filter(|n| *n > 0).unwrap_or_else(|| usage()),
            "--show" => shown = number().unwrap_or_else(|| usage()),
            "throughput" | "recall" | "false-hits" | "languages" => tables.push(argument),
            _ => usage(),
        }
    }
    let wanted = |table: &str| tables.is_empty() || tables.iter().any(|name| name == table);
    if wanted("throughput") {
        throughput::print(rounds);
    }
    if wanted("recall") {
        recall::print();
    }
    if wanted("false-hits") {
        false_hits::print(shown);
    }
    if wanted("languages") {
        languages::print(shown);
    }
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(2);
}
