//! Peers in processes of their own: libraries of other languages.
//!
//! A script is started with the name of a peer and a file of words, and prints how many seconds
//! of CPU time it took to take them in. Then it answers one line for each line that it reads:
//! `time FILE MILLISECONDS` by nanoseconds of CPU time for a line of the file, `find FILE` by a JSON array
//! with, for each line, spans in characters (`[[0, 2]]`), or whether there is a word.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::corpora::Corpus;
use crate::peer::{Found, Peer};

pub struct Script {
    name: String,
    built_in: Duration,
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Python libraries, in the environment that `run` makes.
pub fn python(name: &str, peer: &str, words: &Path) -> Option<Box<dyn Peer>> {
    start(
        name,
        &here(".venv/bin/python"),
        &[&here("peers.py"), Path::new(peer), words],
    )
}

/// JavaScript libraries, where `run` has installed them.
pub fn node(name: &str, peer: &str, words: &Path) -> Option<Box<dyn Peer>> {
    if !here("node_modules").exists() {
        eprintln!("left out: {name}: there is no node_modules");
        return None;
    }
    start(
        name,
        Path::new("node"),
        &[&here("peers.cjs"), Path::new(peer), words],
    )
}

/// Hyperscan, where `run` has compiled the program; where it has not, it has said so.
pub fn hyperscan(name: &str, words: &Path) -> Option<Box<dyn Peer>> {
    let program = here("target/hyperscan");
    program.exists().then(|| start(name, &program, &[words]))?
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// `None` where it cannot be started, and a line that says so.
fn start(name: &str, program: &Path, arguments: &[&Path]) -> Option<Box<dyn Peer>> {
    match Script::start(name, program, arguments) {
        Ok(script) => Some(Box::new(script)),
        Err(why) => {
            eprintln!("left out: {name}: {why}");
            None
        }
    }
}

impl Script {
    fn start(name: &str, program: &Path, arguments: &[&Path]) -> Result<Script, String> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let asks = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        answers
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let Ok(seconds) = line.trim().parse() else {
            let mut said = String::new();
            let mut errors = child.stderr.take().expect("it is piped");
            errors
                .read_to_string(&mut said)
                .map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            return Err(last_words(&said).to_owned());
        };
        Ok(Script {
            name: name.to_owned(),
            built_in: Duration::from_secs_f64(seconds),
            child,
            asks,
            answers,
        })
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.asks, "{what}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        assert!(matches!(read, Ok(1..)), "{} ended at `{what}`", self.name);
        line
    }
}

impl Peer for Script {
    fn name(&self) -> &str {
        &self.name
    }

    fn built_in(&self) -> Duration {
        self.built_in
    }

    fn time(&mut self, corpus: &Corpus, limit: Duration) -> f64 {
        let answer = self.ask(&format!(
            "time {} {}",
            corpus.file.display(),
            limit.as_millis()
        ));
        let ns = answer.trim().parse();
        ns.unwrap_or_else(|_| panic!("{} answered `{answer}`", self.name))
    }

    fn find(&mut self, corpus: &Corpus) -> Vec<Found> {
        let answer = self.ask(&format!("find {}", corpus.file.display()));
        let found = parse_found(&answer);
        assert_eq!(
            found.len(),
            corpus.lines.len(),
            "{} of {}",
            self.name,
            corpus.name
        );
        found
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line in which a program says why it ended: the last, but node's own version comes last.
fn last_words(said: &str) -> &str {
    let error = said.lines().rfind(|line| line.contains("Error"));
    error.or(said.lines().last()).unwrap_or("it said nothing")
}

fn parse_found(answer: &str) -> Vec<Found> {
    let answer: Value = serde_json::from_str(answer).expect("a script answers in JSON");
    let texts = answer.as_array().expect("it answers for each text");
    texts.iter().map(found).collect()
}

fn found(text: &Value) -> Found {
    let number = |value: &Value| value.as_u64().expect("a place is a number") as usize;
    let span = |span: &Value| -> Range<usize> { number(&span[0])..number(&span[1]) };
    match text {
        Value::Bool(any) => Found::Somewhere(*any),
        Value::Array(spans) => Found::At(spans.iter().map(span).collect()),
        _ => panic!("neither spans nor yes or no: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_spans_or_yes_or_no() {
        let found = parse_found("[true, [], [[1, 3], [4, 6]], false]");
        let expected = [
            Found::Somewhere(true),
            Found::At(vec![]),
            Found::At(vec![1..3, 4..6]),
            Found::Somewhere(false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_error_is_what_a_program_says_last() {
        let node = "throw\nError: Cannot find module 'obscenity'\n    at x\n\nNode.js v20.1.0\n";
        assert_eq!(last_words(node), "Error: Cannot find module 'obscenity'");
        assert_eq!(last_words("first\nlast\n"), "last");
        assert_eq!(last_words(""), "it said nothing");
    }

    #[test]
    fn a_script_that_cannot_be_started_is_left_out_with_its_last_words() {
        let why = Script::start("sh", Path::new("sh"), &[Path::new("no such file")]).err();
        assert!(why.is_some_and(|why| why.contains("no such file")));
    }
}
