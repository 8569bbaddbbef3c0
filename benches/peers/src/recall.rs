//! How much of what is hidden is found, and what is found in texts without anything.

use std::collections::BTreeSet;

use crate::corpora::{self, Corpus, Evasion};
use crate::markdown::{Table, percent};
use crate::peer::{Found, Peer};
use crate::rust_peers as rust;
use crate::scripts;

/// In the order of the table; kinds that are new stand behind them.
const KINDS: [&str; 11] = [
    "plain", "case", "width", "circled", "cyr", "mark", "invis", "noise", "spell", "repeat",
    "multi",
];

pub fn print() {
    let (latin, han): (Vec<Evasion>, Vec<Evasion>) = corpora::evasions()
        .into_iter()
        .partition(|evasion| evasion.word.is_ascii());
    let benign = [corpora::zh_chat(), corpora::en_chat()];
    table("Latin words", "evasions_latin", &latin, &benign, |words| {
        let file = corpora::write_lines("words_latin", words);
        let mut peers = of_any_script(words, &file);
        peers.push(rust::rustrict_with("rustrict", words));
        for (name, peer) in [
            ("npm obscenity, recommended", "obscenity"),
            (
                "npm obscenity, `skipNonAlphabetic` and all duplicates",
                "obscenity-all",
            ),
        ] {
            peers.extend(scripts::node(name, peer, &file));
        }
        peers
    });
    table("Chinese words", "evasions_han", &han, &benign, |words| {
        let file = corpora::write_lines("words_han", words);
        of_any_script(words, &file)
    });
}

fn of_any_script(words: &[String], file: &std::path::Path) -> Vec<Box<dyn Peer>> {
    let lists = [("words", words.to_vec())];
    let mut peers = vec![
        rust::callgate("callgate, defaults", &lists, &Default::default()),
        rust::callgate(
            "callgate, `skip: [space, punct, symbol]`, `repeat: 3`",
            &lists,
            &rust::skip_and_repeat(),
        ),
        rust::daachorse(words),
        rust::aho_corasick("aho-corasick, `ascii_case_insensitive`", words, true),
        rust::sensitive_rs("sensitive-rs", words, None),
        rust::sensitive_rs(
            "sensitive-rs, all but words is noise",
            words,
            Some(r"[^\w一-鿿]"),
        ),
    ];
    for peer in ["ahocorasick_rs", "pyahocorasick"] {
        peers.extend(scripts::python(&format!("Python {peer}"), peer, file));
    }
    peers.extend(scripts::node("npm mint-filter", "mint-filter", file));
    peers
}

fn table(
    title: &str,
    name: &'static str,
    evasions: &[Evasion],
    benign: &[Corpus],
    peers: impl FnOnce(&[String]) -> Vec<Box<dyn Peer>>,
) {
    let words: BTreeSet<&String> = evasions.iter().map(|evasion| &evasion.word).collect();
    let words: Vec<String> = words.into_iter().cloned().collect();
    let kinds = kinds(evasions);
    let texts = evasions
        .iter()
        .map(|evasion| evasion.text.clone())
        .collect();
    let texts = Corpus::new(name, texts);
    let title = format!(
        "{title} found, in percent of {} texts; hits in benign chat",
        texts.lines.len()
    );
    let columns = kinds
        .iter()
        .copied()
        .chain(benign.iter().map(|corpus| corpus.name));
    let mut table = Table::new(&title, [""].into_iter().chain(columns));
    for mut peer in peers(&words) {
        let found = peer.find(&texts);
        let mut figures = shares(evasions, &found, &kinds);
        for corpus in benign {
            let hits = peer.find(corpus).iter().filter(|found| found.any()).count();
            figures.push(format!("{hits} of {}", corpus.lines.len()));
        }
        table.add_or_join(peer.name(), figures);
    }
    table.print();
}

fn kinds(evasions: &[Evasion]) -> Vec<&str> {
    let present: BTreeSet<&str> = evasions
        .iter()
        .map(|evasion| evasion.kind.as_str())
        .collect();
    let known = KINDS.into_iter().filter(|kind| present.contains(kind));
    let new = present.iter().copied().filter(|kind| !KINDS.contains(kind));
    known.chain(new).collect()
}

/// The share of each kind that is found where it is.
fn shares(evasions: &[Evasion], found: &[Found], kinds: &[&str]) -> Vec<String> {
    let share = |kind: &&str| {
        let (mut all, mut hits) = (0, 0);
        for (evasion, found) in evasions.iter().zip(found) {
            if evasion.kind == **kind {
                all += 1;
                hits += usize::from(found.covers(&evasion.chars));
            }
        }
        percent(hits, all)
    };
    kinds.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_share() {
        let evasion = |kind: &str, chars| Evasion {
            kind: kind.to_owned(),
            word: String::new(),
            text: String::new(),
            chars,
        };
        let evasions = [
            evasion("new", 0..3),
            evasion("spell", 2..3),
            evasion("plain", 5..9),
            evasion("plain", 5..9),
        ];
        assert_eq!(kinds(&evasions), ["plain", "spell", "new"]);
        let found = [
            Found::Somewhere(true),
            Found::At(vec![]),
            Found::At(vec![8..10, 11..12]),
            Found::At(vec![9..10, 11..12]),
        ];
        let shares = shares(&evasions, &found, &["plain", "spell", "new"]);
        assert_eq!(shares, ["50.0", "0", "100"]);
    }
}
