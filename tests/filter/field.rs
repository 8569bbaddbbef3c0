//! What people complained of about word filters: small inputs of every script, with what is right.
//!
//! A case says whether something is found, and where in characters if that is not obvious. One
//! that was decided against the first impression says why in `reason`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cases::{Reading, Words, options_from_json, read};
use crate::model::Model;

#[derive(Deserialize)]
struct Case {
    id: String,
    kind: String,
    words: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    options: Map<String, Value>,
    text: String,
    hit: bool,
    span: Option<[usize; 2]>,
}

impl Case {
    /// What is wrong with a reading.
    fn wrong(&self, reading: &Reading) -> Option<String> {
        let spans: Vec<[usize; 2]> = reading.found.iter().map(|found| found.chars).collect();
        let right = match (self.hit, self.span) {
            (false, _) => spans.is_empty(),
            (true, None) => !spans.is_empty(),
            (true, Some(span)) => spans.contains(&span),
        };
        (!right).then(|| {
            let (id, words, text) = (&self.id, &self.words, &self.text);
            format!("{id}: {words:?} in {text:?} {:?}: {spans:?}", self.span)
        })
    }
}

fn check(file: &str, read_with: impl Fn(&Case) -> Option<Reading>) {
    let cases: Vec<Case> = read(&Path::new("tests/fixtures/filter").join(file)).unwrap();
    let mut kinds: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let Some(reading) = read_with(case) else {
            continue;
        };
        let counts = kinds.entry(&case.kind).or_default();
        counts[1] += 1;
        match case.wrong(&reading) {
            None => counts[0] += 1,
            Some(what) => wrong.push(what),
        }
    }
    for (kind, [passed, count]) in kinds {
        println!("{kind}: passed {passed} of {count}");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn by_filter(case: &Case) -> Option<Reading> {
    let options = options_from_json(&case.options).unwrap();
    let words = Words::new(&case.words, &case.allow, &options);
    Some(words.unwrap().run(&case.text))
}

/// The model reads no patterns, and neither finds nor spares URLs.
fn by_model(case: &Case) -> Option<Reading> {
    let options = options_from_json(&case.options).unwrap();
    let mut words = case.words.iter().chain(&case.allow);
    let is_pattern = |word: &String| {
        ["re:", "contact:"]
            .iter()
            .any(|kind| word.trim().starts_with(kind))
    };
    let combined = options
        .combos
        .iter()
        .any(|combo| combo.all.iter().any(is_pattern));
    let read = !words.any(is_pattern) && !combined && !case.options.contains_key("urls");
    read.then(|| Model::new(&case.words, &case.allow, &options).run(&case.text))
}

#[test]
fn the_filter_reads_field_cases() {
    check("field.jsonl", by_filter);
}

#[test]
fn the_filter_reads_every_script() {
    check("scripts.jsonl", by_filter);
}

#[test]
fn the_filter_reads_variants_of_what_people_complained_of() {
    check("variants.jsonl", by_filter);
}

#[test]
fn the_model_reads_variants_of_what_people_complained_of() {
    check("variants.jsonl", by_model);
}

#[test]
fn the_model_reads_every_script() {
    check("scripts.jsonl", by_model);
}

#[test]
fn the_model_reads_field_cases() {
    check("field.jsonl", by_model);
}
