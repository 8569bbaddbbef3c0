//! Messages a second, each peer in turn in every round, so that a busy moment of the machine
//! meets all of them.

use std::time::Duration;

use crate::corpora::{self, Corpus};
use crate::markdown::{Table, rounded};
use crate::peer::Peer;
use crate::rust_peers as rust;
use crate::scripts;

/// How long each peer runs in a round.
const TURN: Duration = Duration::from_millis(400);

pub fn print(rounds: usize) {
    han(rounds);
    english(rounds);
}

fn han(rounds: usize) {
    let corpus = corpora::zh_chat();
    let words = corpora::random_words(&corpus, 50_000);
    let file = corpora::write_lines("words", &words);
    let lists = [("words", words.clone())];
    let mut peers = vec![
        rust::callgate("callgate, defaults", &lists, &Default::default()),
        rust::callgate(
            "callgate, `skip: [space, punct, symbol]`, `repeat: 3`",
            &lists,
            &rust::skip_and_repeat(),
        ),
        rust::daachorse(&words),
        rust::aho_corasick("aho-corasick", &words, false),
    ];
    peers.extend(scripts::hyperscan("Hyperscan", &file));
    peers.push(rust::sensitive_rs("sensitive-rs", &words, None));
    for peer in ["ahocorasick_rs", "pyahocorasick", "hyperscan"] {
        peers.extend(scripts::python(&format!("Python {peer}"), peer, &file));
    }
    peers.extend(scripts::node("npm mint-filter", "mint-filter", &file));
    table(
        "50,000 Chinese words, chat in Chinese",
        &corpus,
        peers,
        rounds,
    );
}

fn english(rounds: usize) {
    let corpus = corpora::en_chat();
    let words = corpora::rustrict().words;
    let title = format!(
        "{} English words, those of rustrict, chat in English",
        words.len()
    );
    let file = corpora::write_lines("profanity", &words);
    let lists = [("words", words)];
    let mut peers = vec![
        rust::callgate("callgate, defaults", &lists, &Default::default()),
        rust::callgate(
            "callgate, `skip: [space, punct, symbol]`, `repeat: 3`",
            &lists,
            &rust::skip_and_repeat(),
        ),
        rust::daachorse(&lists[0].1),
        rust::rustrict("rustrict, its list"),
    ];
    for (name, peer) in [
        ("npm obscenity, the same words", "obscenity"),
        ("npm obscenity, its list", "obscenity-own"),
    ] {
        peers.extend(scripts::node(name, peer, &file));
    }
    table(&title, &corpus, peers, rounds);
}

/// The first peer is what the others are compared with.
fn table(title: &str, corpus: &Corpus, mut peers: Vec<Box<dyn Peer>>, rounds: usize) {
    let mut seconds = vec![Vec::new(); peers.len()];
    let mut ratios = vec![Vec::new(); peers.len()];
    // The first round warms up.
    for round in 0..=rounds {
        let times: Vec<f64> = peers
            .iter_mut()
            .map(|peer| peer.time(corpus, TURN))
            .collect();
        for (peer, ns) in times.iter().enumerate().filter(|_| round > 0) {
            seconds[peer].push(1e9 / ns);
            ratios[peer].push(times[0] / ns);
        }
    }
    let title = format!("{title} ({} messages, {rounds} rounds)", corpus.lines.len());
    let columns = [
        "",
        "messages a second of CPU time",
        "times callgate's default",
        "ms to build",
    ];
    let mut table = Table::new(&title, columns);
    for (peer, (seconds, ratios)) in peers.iter().zip(seconds.iter().zip(&ratios)) {
        let figures = vec![
            rounded(median(seconds)),
            rounded(median(ratios)),
            rounded(peer.built_in().as_secs_f64() * 1e3),
        ];
        table.add(peer.name(), figures);
    }
    table.print();
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    (sorted[half] + sorted[(sorted.len() - 1) / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[9.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 3.0, 4.0]), 3.5);
    }
}
