//! What is searched and what is looked for: chat, word lists, recorded evasions, and the lists of
//! the peers where they were fetched to.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The root of callgate's repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Texts, a line each, also in a file for the peers that are scripts.
pub struct Corpus {
    pub name: &'static str,
    pub lines: Vec<String>,
    pub file: PathBuf,
}

impl Corpus {
    /// Lines in an order that is the same in every run and mixes the corpus, so that a peer that
    /// gets through a part of it in its time has seen the like of the whole.
    pub fn mixed(name: &'static str, text: &str) -> Corpus {
        // A prime that is no factor of any corpus's number of lines visits each line once.
        const STRIDE: usize = 7_919;
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert!(
            !lines.len().is_multiple_of(STRIDE),
            "{name} has a multiple of {STRIDE} lines"
        );
        let mixed = (0..lines.len()).map(|n| lines[n * STRIDE % lines.len()].to_owned());
        Corpus::new(name, mixed.collect())
    }

    pub fn new(name: &'static str, lines: Vec<String>) -> Corpus {
        Corpus {
            file: write_lines(name, &lines),
            name,
            lines,
        }
    }
}

/// Writes lines under `target/`, for the scripts.
pub fn write_lines(name: &str, lines: &[String]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/texts");
    let broken = |line: &&String| line.contains(['\n', '\r']);
    assert_eq!(
        lines.iter().find(broken),
        None,
        "a text of {name} is no line"
    );
    fs::create_dir_all(&folder).expect("target/ can be written");
    let file = folder.join(name).with_extension("txt");
    fs::write(&file, lines.join("\n")).expect("target/ can be written");
    file
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn zh_chat() -> Corpus {
    Corpus::mixed(
        "zh_chat",
        &read(&repository().join("benches/data/zh_chat.txt")),
    )
}

pub fn en_chat() -> Corpus {
    Corpus::mixed(
        "en_chat",
        &read(&repository().join("benches/data/en_chat.txt")),
    )
}

/// Different words of two to four Han characters of the corpus, each character as likely as any
/// other and the same in every run; hardly one of them occurs in the corpus.
pub fn random_words(corpus: &Corpus, count: usize) -> Vec<String> {
    let chars = corpus.lines.iter().flat_map(|line| line.chars());
    let alphabet: BTreeSet<char> = chars
        .filter(|c| ('\u{4e00}'..'\u{a000}').contains(c))
        .collect();
    let alphabet: Vec<char> = alphabet.into_iter().collect();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut known = HashSet::new();
    let mut words = Vec::with_capacity(count);
    while words.len() < count {
        let length = 2 + random(3);
        let word: String = (0..length)
            .map(|_| alphabet[random(alphabet.len())])
            .collect();
        if known.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// The entries of callgate's own example lists that are there.
pub fn own_lists() -> Vec<(&'static str, Vec<String>)> {
    let folder = repository().join("policies");
    let mut lists = Vec::new();
    for (folder_name, name) in [
        ("lists", "gambling"),
        ("lists", "fraud"),
        ("lists", "ads"),
        ("examples", "english_spam"),
    ] {
        let path = folder.join(folder_name).join(name).with_extension("txt");
        match fs::read_to_string(&path) {
            Ok(text) => lists.push((name, entries(&text))),
            Err(error) => eprintln!("left out: the list {}: {error}", path.display()),
        }
    }
    lists
}

/// The entries of a word list without their tags and settings.
fn entries(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').next().unwrap_or_default().trim_end())
        .map(|entry| entry.strip_prefix('\\').unwrap_or(entry).to_owned())
        .collect()
}

/// A message with one listed word, changed in one way.
pub struct Evasion {
    pub kind: String,
    pub word: String,
    pub text: String,
    /// Where the word is, in characters.
    pub chars: std::ops::Range<usize>,
}

pub fn evasions() -> Vec<Evasion> {
    let text = read(&repository().join("tests/fixtures/filter/evasion.jsonl"));
    text.lines().map(evasion).collect()
}

fn evasion(line: &str) -> Evasion {
    let case: Value = serde_json::from_str(line).expect("a recorded evasion is one JSON object");
    let string = |name: &str| case[name].as_str().expect("it has this string").to_owned();
    let number = |name: &str| case[name].as_u64().expect("it has this number") as usize;
    Evasion {
        kind: string("kind"),
        word: string("word"),
        text: string("text"),
        chars: number("start_char")..number("end_char"),
    }
}

/// The lists inside the source of the crate `rustrict`, read where cargo has put it.
pub struct Rustrict {
    /// Its words, without the blanks at their ends that mean a word's boundary.
    pub words: Vec<String>,
    pub false_positives: Corpus,
}

pub fn rustrict() -> Rustrict {
    let source = source_of("rustrict").join("src");
    Rustrict {
        words: profane_words(&read(&source.join("profanity.csv"))),
        false_positives: Corpus::mixed(
            "false_positives",
            &read(&source.join("false_positives.txt")),
        ),
    }
}

/// The words that the crate `sensitive-rs` brings, from the same place.
pub fn sensitive_rs_words() -> Vec<String> {
    let words = read(&source_of("sensitive-rs").join("dict/dict.txt"));
    let words: BTreeSet<&str> = words.lines().map(str::trim).collect();
    let words = words.into_iter().filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The first column of the rows in which one of the others is not 0.
fn profane_words(csv: &str) -> Vec<String> {
    let rows = csv.lines().skip(1).filter_map(|row| row.split_once(','));
    let profane = rows.filter(|(_, levels)| levels.split(',').any(|level| level != "0"));
    let words: BTreeSet<&str> = profane.map(|(word, _)| word.trim()).collect();
    words.into_iter().map(str::to_owned).collect()
}

/// The folder that cargo has put a dependency's source into.
fn source_of(name: &str) -> PathBuf {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo can be started");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"]
        .as_array()
        .expect("cargo lists packages");
    let package = packages.iter().find(|package| package["name"] == name);
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("it is a dependency"));
    manifest
        .parent()
        .expect("a manifest is in a folder")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_tags_and_settings_are_no_part_of_an_entry() {
        let text = "# words\n加微信\tzh\n\n  rent a car \tads,en\t{leet: true}\r\n\\#1\n";
        assert_eq!(entries(text), ["加微信", "rent a car", "#1"]);
    }

    #[test]
    fn rows_of_zeros_are_no_profanity() {
        let csv = "word,profane,offensive,sexual,mean,evasive\nbeta,0,0,0,0,0\n alpha ,0,1,0,0,0\n";
        assert_eq!(profane_words(csv), ["alpha"]);
    }

    #[test]
    fn an_evasion_is_read_with_its_place_in_characters() {
        let line = r#"{"kind":"noise","word":"赌博","text":"去赌_博","start_char":1,"end_char":4}"#;
        let read = evasion(line);
        assert_eq!((read.kind.as_str(), read.word.as_str()), ("noise", "赌博"));
        let found: String = read
            .text
            .chars()
            .skip(read.chars.start)
            .take(read.chars.len())
            .collect();
        assert_eq!(found, "赌_博");
    }

    #[test]
    fn mixing_keeps_every_line_once() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let mut lines = Corpus::mixed("mixing", &text).lines;
        assert_ne!(lines[1], "1");
        lines.sort_by_key(|line| line.parse::<u32>().expect("a number"));
        assert_eq!(lines.join("\n") + "\n", text);
    }

    #[test]
    fn random_words_differ_and_are_the_same_in_every_run() {
        let corpus = Corpus::new("alphabet", vec!["中文字 abc 很多个".to_owned()]);
        let words = random_words(&corpus, 200);
        assert_eq!(words, random_words(&corpus, 200));
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), 200);
        assert!(
            words
                .iter()
                .all(|word| (2..=4).contains(&word.chars().count()))
        );
    }
}
