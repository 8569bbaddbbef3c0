//! The public lists of many languages in the commonest words of each: what is hit and is no word of
//! the list. The lists are npm's `naughty-words`, the words those of PyPI's `wordfreq`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use callgate::filter::Options;
use serde_json::Value;

use crate::corpora::{self, Corpus};
use crate::markdown::Table;
use crate::peer::Peer;
use crate::rust_peers as rust;
use crate::scripts;

/// As the list calls them; the words call Norwegian `nb`.
const LANGUAGES: &str = "ar cs da de en es fa fi fil fr hi hu it ja ko nl no pl pt ru sv tr zh";

/// Of each language.
const COMMONEST: &str = "10000";

/// `shown`: of the words that are hit, this many are written to standard error.
pub fn print(shown: usize) {
    let columns = [
        "",
        "entries",
        "are common words",
        "callgate, defaults",
        "callgate, `skip: [space, punct, symbol]`, `repeat: 3`",
        "callgate, `whole_word: false`",
        "npm @2toad/profanity",
        "npm bad-words",
        "aho-corasick, `ascii_case_insensitive`",
    ];
    let title = "Of the 10,000 commonest words of a language those that are hit and are no word of the list";
    let mut table = Table::new(title, columns);
    for list in LANGUAGES.split(' ') {
        let language = if list == "no" { "nb" } else { list };
        match words_of(list, language) {
            Ok((words, common)) => table.add(list, row(list, &words, &common, shown)),
            Err(why) => {
                // What is missing for one is missing for all.
                eprintln!("left out: the words of languages: {why}");
                return;
            }
        }
    }
    table.print();
}

/// The list of a language, and its commonest words. Errors: what was not fetched.
fn words_of(list: &str, language: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root
        .join("node_modules/naughty-words")
        .join(list)
        .with_extension("json");
    let json = fs::read_to_string(&file)
        .map_err(|_| "npm's environment has no naughty-words".to_owned())?;
    let list: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let words = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let words: BTreeSet<String> = words.map(|word| word.trim().to_owned()).collect();
    let output = Command::new(root.join(".venv/bin/python"))
        .args(["-c", SCRIPT, language, COMMONEST])
        .output()
        .map_err(|_| "Python's environment is not there".to_owned())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().last().unwrap_or("it said nothing").to_owned());
    }
    let common = String::from_utf8_lossy(&output.stdout);
    let words = words.into_iter().filter(|word| !word.is_empty());
    Ok((words.collect(), common.lines().map(str::to_owned).collect()))
}

const SCRIPT: &str = "
import sys
from wordfreq import top_n_list
print(*top_n_list(sys.argv[1], int(sys.argv[2])), sep='\\n')
";

fn row(name: &str, words: &[String], common: &[String], shown: usize) -> Vec<String> {
    let lower: BTreeSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let listed = common
        .iter()
        .filter(|word| lower.contains(&word.to_lowercase()));
    let others = common
        .iter()
        .filter(|word| !lower.contains(&word.to_lowercase()));
    let mut figures = vec![words.len().to_string(), listed.count().to_string()];
    let corpus = Corpus::new("languages", others.cloned().collect());
    let file = corpora::write_lines("language", words);
    let lists = [("list", words.to_vec())];
    let within = Options {
        whole_word: callgate::filter::WholeWord::Off,
        ..Options::default()
    };
    let mut peers: Vec<Option<Box<dyn Peer + '_>>> = vec![
        Some(rust::callgate(
            "callgate, defaults",
            &lists,
            &Options::default(),
        )),
        Some(rust::callgate(
            "callgate, skip and repeat",
            &lists,
            &rust::skip_and_repeat(),
        )),
        Some(rust::callgate("callgate, parts of words", &lists, &within)),
        scripts::node("npm @2toad/profanity", "2toad-profanity", &file),
        scripts::node("npm bad-words", "bad-words", &file),
        Some(rust::aho_corasick("aho-corasick", words, true)),
    ];
    for peer in &mut peers {
        figures.push(match peer {
            None => "-".to_owned(),
            Some(peer) => hits(name, peer.as_mut(), &corpus, shown).to_string(),
        });
    }
    figures
}

fn hits(name: &str, peer: &mut dyn Peer, corpus: &Corpus, shown: usize) -> usize {
    let found = peer.find(corpus);
    let hit = corpus
        .lines
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.any());
    let hit: Vec<&String> = hit.map(|(word, _)| word).collect();
    if shown > 0 && !hit.is_empty() {
        let hit: Vec<&str> = hit.iter().take(shown).map(|word| word.as_str()).collect();
        eprintln!("{name}, {}: {}", peer.name(), hit.join(", "));
    }
    hit.len()
}
