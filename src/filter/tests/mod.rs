//! What a filter finds, on recorded cases, on sentences of our own, in several lists and on random
//! text.

mod lists;
mod random;
mod recorded;
mod sentences;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::filter::{
    Combo, ENTRY_CHARS_MAX, Entry, EntryRef, Marks, MaskBy, Mode, OptionDef, Pinyin, SkipClasses,
    Slot, WholeWord, mask,
};

fn list(name: &str, role: Role, options: Options, words: &[&str]) -> ListSpec {
    let entries = words.iter().zip(1..).map(|(word, line)| Entry {
        text: (*word).to_owned(),
        line,
        tags: Arc::new([]),
        options: None,
    });
    ListSpec {
        name: name.into(),
        role,
        options,
        entries: entries.collect(),
    }
}

/// One list of words and one of allowed phrases, ready to scan.
struct Words {
    filter: Filter,
    set: ListSet,
    scratch: Scratch,
}

impl Words {
    fn new(words: &[&str], allow: &[&str], options: Options) -> Words {
        let filter = Filter::compile(vec![
            list("words", Role::Match, options, words),
            list("allow", Role::Allow, Options::default(), allow),
        ])
        .unwrap();
        Words {
            set: filter.list_set(&["words", "allow"]),
            filter,
            scratch: Scratch::default(),
        }
    }

    fn find(&mut self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        self.filter
            .scan(text, &self.set, &mut self.scratch, &mut matches);
        matches
    }

    fn masked(&mut self, text: &str) -> String {
        let matches = self.find(text);
        let cuts: Vec<_> = matches
            .iter()
            .map(|found| (found.span.bytes.clone(), self.filter.mask_of(found)))
            .collect();
        mask(text, &cuts, &[], false)
    }
}

/// Asserts that exactly these parts of the text match, in order.
fn check(words: &[&str], text: &str, expected: &[&str]) {
    check_with(words, &[], Options::default(), text, expected);
}

fn check_with(words: &[&str], allow: &[&str], options: Options, text: &str, expected: &[&str]) {
    let found = Words::new(words, allow, options).find(text);
    let found: Vec<&str> = found
        .iter()
        .map(|found| &text[found.span.bytes.clone()])
        .collect();
    assert_eq!(found, expected, "{words:?} in {text:?}");
}

fn check_refused(options: Options, words: &[&str], expected: &[&str]) {
    let list = list("ads", Role::Match, options, words);
    let problems: Vec<String> = Filter::compile(vec![list])
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems, expected);
}

/// Noise and repeats are seen through too.
fn strict() -> Options {
    Options {
        skip: noise(),
        repeat: 3,
        ..Options::default()
    }
}

fn noise() -> SkipClasses {
    SkipClasses::SPACE
        .with(SkipClasses::PUNCT)
        .with(SkipClasses::SYMBOL)
}
