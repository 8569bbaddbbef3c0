//! Words as a list file of ours, which our own reader and filter take as they were meant.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::word::{Reason, Word, Words, no_word};
use crate::filter::{self, Filter, Options, Role};
use crate::policy::read_list;
use crate::settings::Problems;

/// Writes the list. Words that it cannot hold, or of which the filter would find nothing to look
/// for, are dropped.
pub(super) fn write(words: &mut Words) -> String {
    let unread = unread(&words.entries);
    let refused = refused(&words.entries);
    let entries = std::mem::take(&mut words.entries);
    for (number, word) in entries.into_iter().enumerate() {
        let reason = refused.get(&number).cloned();
        let reason = reason.or_else(|| unread[number].then_some(Reason::NotWritable));
        match reason {
            Some(reason) => words.drop(word.line, &word.text, reason),
            None => words.entries.push(word),
        }
    }
    words.entries.iter().map(line_of).collect()
}

/// One line of a list file.
fn line_of(word: &Word) -> String {
    let escape = match word.text.strip_prefix('\\') {
        Some(rest) => rest.starts_with(['#', '\\']),
        None => word.text.starts_with('#'),
    };
    let escape = if escape { "\\" } else { "" };
    match word.tags[..] {
        [] => format!("{escape}{}\n", word.text),
        _ => format!("{escape}{}\t{}\n", word.text, word.tags.join(",")),
    }
}

/// By word: our reader would not read its line as this word with these tags.
fn unread(words: &[Word]) -> Vec<bool> {
    let text: String = words.iter().map(line_of).collect();
    let read = read_list("imported", text.as_bytes(), &Problems::default());
    let mut unread = vec![true; words.len()];
    for (entry, place) in read.entries.iter().zip(0..) {
        let number = entry.line as usize - 1;
        let word = &words[number];
        let has_settings = entry.options.is_some() || read.actions.contains_key(&place);
        unread[number] = entry.text != word.text || **entry.tags != *word.tags || has_settings;
    }
    unread
}

/// The words that no filter takes, under default options, by their numbers.
fn refused(words: &[Word]) -> BTreeMap<usize, Reason> {
    let entries = words.iter().zip(1..).map(|(word, line)| filter::Entry {
        text: word.text.clone(),
        line,
        tags: Arc::new([]),
        options: None,
    });
    let list = filter::ListSpec {
        name: "imported".into(),
        role: Role::Match,
        options: Options::default(),
        entries: entries.collect(),
    };
    let errors = Filter::compile(vec![list]).err().unwrap_or_default();
    let errors = errors.into_iter().filter(|error| error.line > 0);
    errors
        .map(|error| (error.line as usize - 1, no_word(&error.what)))
        .collect()
}
