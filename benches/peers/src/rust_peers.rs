//! callgate and the peers that are Rust libraries.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use callgate::filter::{Entry, Filter, ListSpec, Options, Role, Scratch, SkipClasses};
use daachorse::CharwiseDoubleArrayAhoCorasick;
use rustrict::{Censor, CensorStr, Trie, Type};

use crate::peer::{Peer, linked};

/// Words under the name of their list.
pub type Lists<'a> = [(&'a str, Vec<String>)];

/// Noise and repeats are seen through.
pub fn skip_and_repeat() -> Options {
    Options {
        skip: SkipClasses::SPACE
            .with(SkipClasses::PUNCT)
            .with(SkipClasses::SYMBOL),
        repeat: 3,
        ..Options::default()
    }
}

pub fn callgate<'a>(name: &str, lists: &Lists<'_>, options: &Options) -> Box<dyn Peer + 'a> {
    linked(name, true, || {
        let filter = compile(lists, options);
        let names: Vec<&str> = lists.iter().map(|(name, _)| *name).collect();
        let set = filter.list_set(&names);
        let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
        move |text: &str, spans: &mut Vec<Range<usize>>| {
            matches.clear();
            filter.scan(text, &set, &mut scratch, &mut matches);
            spans.extend(matches.iter().map(|found| found.span.bytes.clone()));
            !matches.is_empty()
        }
    })
}

/// Compiles lists of one kind without the entries that callgate refuses, and says how many.
fn compile(lists: &Lists<'_>, options: &Options) -> Filter {
    let mut lists: Vec<ListSpec> = lists.iter().map(|list| spec(list, options)).collect();
    match Filter::compile(lists.clone()) {
        Ok(filter) => filter,
        Err(refused) => {
            eprintln!(
                "left out: {} entries, the first because {}",
                refused.len(),
                refused[0]
            );
            for list in &mut lists {
                let name = list.name.clone();
                let refused = refused.iter().filter(|problem| problem.list == name);
                let lines: Vec<u32> = refused.map(|problem| problem.line).collect();
                let entries = list.entries.iter();
                let kept = entries.filter(|entry| !lines.contains(&entry.line));
                list.entries = kept.collect();
            }
            Filter::compile(lists).unwrap_or_else(|refused| panic!("{refused:?}"))
        }
    }
}

fn spec((name, words): &(&str, Vec<String>), options: &Options) -> ListSpec {
    let entries = words.iter().zip(1..).map(|(word, line)| Entry {
        text: word.clone(),
        line,
        tags: Arc::from([]),
        options: None,
    });
    ListSpec {
        name: (*name).into(),
        role: Role::Match,
        options: options.clone(),
        entries: entries.collect(),
    }
}

pub fn daachorse<'a>(words: &[String]) -> Box<dyn Peer + 'a> {
    linked("daachorse", true, || {
        let words: Vec<&String> = words.iter().collect();
        let automaton =
            CharwiseDoubleArrayAhoCorasick::<u32>::new(words).expect("the words differ");
        move |text: &str, spans: &mut Vec<Range<usize>>| {
            let found = automaton.find_overlapping_iter(text);
            spans.extend(found.map(|found| found.start()..found.end()));
            !spans.is_empty()
        }
    })
}

/// `any_case`: ASCII letters of either case are equal.
pub fn aho_corasick<'a>(name: &str, words: &[String], any_case: bool) -> Box<dyn Peer + 'a> {
    linked(name, true, || {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(any_case)
            .build(words)
            .expect("the words fit");
        move |text: &str, spans: &mut Vec<Range<usize>>| {
            let found = automaton.find_overlapping_iter(text);
            spans.extend(found.map(|found| found.range()));
            !spans.is_empty()
        }
    })
}

/// `noise`: what it takes out of a text; `None` is its own default.
pub fn sensitive_rs<'a>(name: &str, words: &[String], noise: Option<&str>) -> Box<dyn Peer + 'a> {
    linked(name, false, || {
        let mut filter = sensitive_rs::Filter::new();
        if let Some(noise) = noise {
            filter
                .update_noise_pattern(noise)
                .expect("the pattern is valid");
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        filter.add_words(&words);
        move |text: &str, _: &mut Vec<Range<usize>>| filter.find_first_match(text).is_some()
    })
}

/// rustrict with the list that it brings.
pub fn rustrict<'a>(name: &str) -> Box<dyn Peer + 'a> {
    linked(name, false, || {
        // The first text builds what all are searched with.
        assert!(!"".is_inappropriate());
        |text: &str, _: &mut Vec<Range<usize>>| text.is_inappropriate()
    })
}

/// rustrict with these words alone.
pub fn rustrict_with<'a>(name: &str, words: &[String]) -> Box<dyn Peer + 'a> {
    linked(name, false, || {
        let mut trie = Trie::new();
        for word in words {
            trie.set(word, Type::PROFANE & Type::SEVERE);
        }
        // It takes tries that live as long as the program.
        let trie: &'static Trie = Box::leak(Box::new(trie));
        move |text: &str, _: &mut Vec<Range<usize>>| {
            let mut censor = Censor::from_str(text);
            censor.with_trie(trie).analyze().is(Type::INAPPROPRIATE)
        }
    })
}
