//! The filter and the model read random texts alike.
//!
//! The seed of a run is printed, and every disagreement with a seed of its own:
//!
//! ```text
//! CALLGATE_SEED=123 cargo test --test filter agrees -- --nocapture
//! ```
//!
//! begins with the batch that it is of. A disagreement is made small and printed as a line for a file of
//! cases, with what the model expects.

use serde_json::json;

use super::Model;
use super::random::{Batch, RandomCase, seed};
use crate::cases::{Reading, Words, options_from_json};

const CASES: u64 = 20_000;
/// Of words with more forms than this the filter may leave out some.
const FORMS_MAX: usize = 150;
/// After so many disagreements a run ends.
const DISAGREEMENTS_MAX: usize = 12;

/// What the model and the filter say; `None` where the filter refuses the list.
fn read(case: &RandomCase) -> Option<[Reading; 2]> {
    let options = options_from_json(&case.options).expect("random options are known");
    let mut words = Words::new(&case.words, &case.allow, &options).ok()?;
    let model = Model::new(&case.words, &case.allow, &options);
    Some([model.run(&case.text), words.run(&case.text)])
}

/// The same for each case of a batch, compiled together; none where the filter refuses one.
fn read_batch(batch: &Batch) -> Vec<(RandomCase, [Reading; 2])> {
    let options = options_from_json(&batch.options).expect("random options are known");
    let lists = batch.lists.iter();
    let lists: Vec<_> = lists
        .map(|list| (&list.words[..], &list.allow[..]))
        .collect();
    let Ok(mut filters) = Words::together(&lists, &options) else {
        return Vec::new();
    };
    let mut read = Vec::new();
    for (nth, list) in batch.lists.iter().enumerate() {
        let model = Model::new(&list.words, &list.allow, &options);
        if model.forms_max() > FORMS_MAX {
            continue;
        }
        for (text_nth, text) in list.texts.iter().enumerate() {
            let readings = [model.run(text), filters[nth].run(text)];
            read.push((batch.case(nth, text_nth), readings));
        }
    }
    read
}

fn disagree(case: &RandomCase) -> bool {
    read(case).is_some_and(|[model, filter]| model != filter)
}

/// The smallest case on which they still disagree that leaving out one thing after the other
/// leads to.
fn smallest(mut case: RandomCase) -> RandomCase {
    while let Some(smaller) = smaller(&case).into_iter().find(disagree) {
        case = smaller;
    }
    case
}

/// The cases with one thing less.
fn smaller(case: &RandomCase) -> Vec<RandomCase> {
    let mut smaller = Vec::new();
    let mut push = |change: &dyn Fn(&mut RandomCase)| {
        let mut case = case.clone();
        change(&mut case);
        smaller.push(case);
    };
    for at in 0..case.words.len() {
        push(&|case| drop(case.words.remove(at)));
    }
    for at in 0..case.allow.len() {
        push(&|case| drop(case.allow.remove(at)));
    }
    for name in case.options.keys() {
        push(&|case| drop(case.options.remove(name)));
    }
    for at in 0..case.text.chars().count() {
        push(&|case| case.text = without(&case.text, at));
    }
    for nth in 0..case.words.len() {
        for at in 0..case.words[nth].chars().count() {
            push(&|case| case.words[nth] = without(&case.words[nth], at));
        }
    }
    smaller.retain(|case| !case.words.is_empty());
    smaller
}

fn without(text: &str, at: usize) -> String {
    let chars = text.chars().enumerate();
    chars
        .filter(|(place, _)| *place != at)
        .map(|(_, c)| c)
        .collect()
}

/// What they disagree on, as small as it gets.
fn describe(seed: u64, case: RandomCase, readings: [Reading; 2]) -> String {
    let case = if disagree(&case) {
        smallest(case)
    } else {
        // The lists beside it in the batch are needed.
        case
    };
    let [model, filter] = match read(&case) {
        Some([model, filter]) if model != filter => [model, filter],
        _ => readings,
    };
    let expect = model.found.iter().map(|found| {
        json!({
            "word": found.word, "matched": found.matched,
            "start_char": found.chars[0], "end_char": found.chars[1],
            "start_byte": found.bytes[0], "end_byte": found.bytes[1],
            "start_utf16": found.utf16[0], "end_utf16": found.utf16[1],
        })
    });
    let line = json!({
        "id": format!("seed-{seed}"), "category": "random",
        "list": case.words, "allow": case.allow, "options": case.options, "text": case.text,
        "expect": expect.collect::<Vec<_>>(), "masked": model.masked,
    });
    let spans = |reading: &Reading| {
        let found = reading.found.iter();
        let spans = found.map(|found| format!("{}@{:?}", found.word, found.chars));
        format!(
            "{} masked {:?}",
            spans.collect::<Vec<_>>().join(" "),
            reading.masked
        )
    };
    format!(
        "CALLGATE_SEED={seed}\n  words {:?} allow {:?} options {}\n  text {:?}\n  model:  {}\n  filter: {}\n  {line}",
        case.words,
        case.allow,
        json!(case.options),
        case.text,
        spans(&model),
        spans(&filter),
    )
}

#[test]
fn filter_agrees_with_the_model() {
    let first = seed();
    let (mut compared, mut with_hits, mut wrong) = (0, 0, Vec::new());
    for seed in (0..).map(|nth| first.wrapping_add(nth)) {
        let batch = Batch::new(seed);
        let before = wrong.len();
        for (case, [model, filter]) in read_batch(&batch) {
            compared += 1;
            with_hits += u64::from(!model.found.is_empty());
            if model != filter && wrong.len() == before {
                wrong.push(describe(seed, case, [model, filter]));
            }
        }
        if compared >= CASES || wrong.len() >= DISAGREEMENTS_MAX {
            break;
        }
    }
    println!("{compared} cases compared, {with_hits} with matches");
    assert!(
        wrong.is_empty(),
        "{} disagreements\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        with_hits * 4 > compared,
        "too few of the cases have matches"
    );
}
