//! JSON: arrays of strings or objects, objects of arrays, and Discord's AutoMod rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::lines::discord_word;
use super::word::{Reason, Words, no_word};

/// Keys that hold the word of an object.
const WORD_KEYS: [&str; 9] = [
    "word", "keyword", "text", "term", "phrase", "match", "value", "name", "entry",
];
/// Keys that hold its tags.
const TAG_KEYS: [&str; 9] = [
    "tags",
    "tag",
    "categories",
    "category",
    "type",
    "group",
    "label",
    "level",
    "severity",
];
/// Keys of an array that say no more than that it is one; others are a tag of their words.
const LIST_KEYS: [&str; 11] = [
    "words",
    "keywords",
    "list",
    "lists",
    "items",
    "entries",
    "data",
    "badwords",
    "banned",
    "blacklist",
    "trigger_metadata",
];
/// The words of one of Discord's rules.
const AUTOMOD_WORDS: &str = "keyword_filter";
/// Arrays in arrays in objects; a list is never deeper.
const DEPTH_MAX: usize = 8;

/// Reads a document, or one a line. Errors: it is no JSON, with line and column.
pub(super) fn read(text: &str, words: &mut Words) -> Result<(), String> {
    // A byte-order mark was taken off when the bytes were decoded.
    let roots = roots(text)?;
    let mut reading = Reading {
        text,
        words,
        at: (0, 1),
    };
    for root in roots {
        reading.value(root, None, 0);
    }
    Ok(())
}

/// The documents of a text.
pub(super) fn roots(text: &str) -> Result<Vec<&RawValue>, String> {
    let documents = serde_json::Deserializer::from_str(text).into_iter();
    documents
        .collect::<Result<_, _>>()
        .map_err(|error| format!("this is no JSON: {error}"))
}

struct Reading<'a, 'w> {
    text: &'a str,
    words: &'w mut Words,
    /// A byte of the text and its line; later ones are counted from here.
    at: (usize, u32),
}

impl<'a> Reading<'a, '_> {
    /// Reads what may be a word, an object with one, or an array of either.
    fn value(&mut self, raw: &'a RawValue, tag: Option<&str>, depth: usize) {
        let line = self.line_of(raw);
        let json = raw.get();
        if depth > DEPTH_MAX {
            return self
                .words
                .drop(line, json, no_word("it is nested too deep"));
        }
        match json.as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = parsed(json);
                for item in items {
                    self.value(item, tag, depth + 1);
                }
            }
            Some(b'{') => self.object(raw, tag, depth),
            Some(b'"') => {
                let word: String = parsed(json);
                self.words.add(line, &word, &[tag.unwrap_or_default()]);
            }
            _ => self.words.drop(line, json, no_word("this is no text")),
        }
    }

    fn object(&mut self, raw: &'a RawValue, tag: Option<&str>, depth: usize) {
        let line = self.line_of(raw);
        let fields: BTreeMap<String, &RawValue> = parsed(raw.get());
        let word = WORD_KEYS.iter().find_map(|key| {
            let word = find(&fields, key)?;
            word.get()
                .starts_with('"')
                .then(|| parsed::<String>(word.get()))
        });
        let word = word.or_else(|| the_only_text(&fields)).or_else(|| {
            let id = find(&fields, "id")?;
            let is_text = id.get().starts_with('"');
            is_text.then(|| parsed::<String>(id.get()))
        });
        let holds_list = fields.keys().any(|key| is_list_key(key));
        // In an array an object is one word with what is said of it.
        if depth == 0 && !holds_list && has_words_as_keys(&fields, word.is_some()) {
            return self.keys(&fields);
        }
        if let Some(word) = word.filter(|_| !holds_list) {
            let found = TAG_KEYS.iter().filter_map(|key| find(&fields, key));
            let found: Vec<String> = found.map(|raw| tags_of(parsed(raw.get()))).collect();
            let tags: Vec<&str> = found.iter().map(String::as_str).chain(tag).collect();
            for word in word.split('|').filter(|word| !word.trim().is_empty()) {
                self.words.add(line, word, &tags);
            }
            return;
        }
        let mut lists: Vec<(&String, &&RawValue)> = fields
            .iter()
            .filter(|(_, raw)| raw.get().starts_with(['[', '{']))
            .collect();
        // In the order of the file.
        lists.sort_by_key(|(_, raw)| raw.get().as_ptr());
        if lists.is_empty() {
            let reason = no_word("no key of the object holds a word");
            return self.words.drop(line, raw.get(), reason);
        }
        for (key, raw) in lists {
            self.list(key, raw, tag, depth);
        }
    }

    /// The keys are the words; texts and arrays of them below are their tags.
    fn keys(&mut self, fields: &BTreeMap<String, &'a RawValue>) {
        let mut fields: Vec<_> = fields.iter().collect();
        fields.sort_by_key(|(_, raw)| raw.get().as_ptr());
        for (word, raw) in fields {
            let line = self.line_of(raw);
            let tags = match raw.get().as_bytes().first() {
                Some(b'[') => tags_of(parsed(raw.get())),
                _ => String::new(),
            };
            self.words.add(line, word, &[&tags]);
        }
    }

    /// An array or object below a key.
    fn list(&mut self, key: &str, raw: &'a RawValue, tag: Option<&str>, depth: usize) {
        match key {
            AUTOMOD_WORDS => {
                for item in serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default() {
                    let line = self.line_of(item);
                    match serde_json::from_str::<String>(item.get()) {
                        Ok(word) => discord_word(line, &word, self.words),
                        Err(_) => self
                            .words
                            .drop(line, item.get(), no_word("this is no text")),
                    }
                }
            }
            "regex_patterns" => self.leave_out(raw, Reason::Pattern),
            "allow_list" => self.leave_out(raw, Reason::Allowed),
            key if raw.get().starts_with('[') && !is_list_key(key) => {
                self.value(raw, Some(key), depth + 1);
            }
            _ => self.value(raw, tag, depth + 1),
        }
    }

    fn leave_out(&mut self, raw: &'a RawValue, reason: Reason) {
        for item in serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default() {
            let line = self.line_of(item);
            self.words.drop(line, item.get(), reason.clone());
        }
    }

    /// The line of a value, which is a part of the text.
    fn line_of(&mut self, raw: &RawValue) -> u32 {
        let byte = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        let (known, line) = match self.at {
            at if at.0 <= byte => at,
            _ => (0, 1),
        };
        let breaks = self.text.as_bytes()[known..byte].iter();
        let breaks = breaks.filter(|byte| **byte == b'\n').count();
        self.at = (
            byte,
            line + u32::try_from(breaks).unwrap_or(u32::MAX - line),
        );
        self.at.1
    }
}

/// Whether the keys of an object are the words: all below them are numbers, booleans or
/// replacements, or arrays of the same few tags. `named`: one of the keys is called as a word's is.
fn has_words_as_keys(fields: &BTreeMap<String, &RawValue>, named: bool) -> bool {
    let values: Vec<Value> = fields.values().map(|raw| parsed(raw.get())).collect();
    let all = |is: fn(&Value) -> bool| values.iter().all(is);
    if values.is_empty() {
        return false;
    }
    if all(|value| value.is_number() || value.is_boolean() || value.is_null()) {
        return true;
    }
    if all(Value::is_string) {
        // Words and what they are masked as; anything else may be a record, or a name and its word.
        let is_masked = |value: &&Value| {
            let text = value.as_str().unwrap_or_default();
            text.contains(['*', '#', '█', '•'])
        };
        return !named && values.iter().filter(is_masked).count() * 2 > values.len();
    }
    if all(Value::is_object) {
        // A word and what is said of it; a list in it is one of words.
        let is_plain = |value: &Value| {
            let fields = value.as_object().into_iter().flatten();
            let mut fields = fields.map(|(key, value)| (key.to_lowercase(), value));
            fields.all(|(key, value)| {
                !value.is_array() && !value.is_object() && !WORD_KEYS.contains(&key.as_str())
            })
        };
        return !named && fields.len() > 1 && values.iter().all(is_plain);
    }
    let tags: Option<Vec<&str>> = values
        .iter()
        .filter_map(Value::as_array)
        .flatten()
        .map(Value::as_str)
        .collect();
    let distinct: BTreeSet<&str> = tags.iter().flatten().copied().collect();
    let count = tags.map_or(0, |tags| tags.len());
    all(Value::is_array)
        && fields.len() > 2
        && distinct.len() < fields.len()
        && distinct.len() < count
}

/// The text of an object that has one beside its number and its tags.
fn the_only_text(fields: &BTreeMap<String, &RawValue>) -> Option<String> {
    let is_other = |key: &str| key != "id" && !TAG_KEYS.contains(&key);
    let mut texts = fields
        .iter()
        .filter(|(key, raw)| raw.get().starts_with('"') && is_other(&key.to_lowercase()));
    let (_, text) = texts.next()?;
    let alone = texts.next().is_none() && fields.keys().any(|key| key.eq_ignore_ascii_case("id"));
    alone.then(|| parsed(text.get()))
}

fn is_list_key(key: &str) -> bool {
    key == AUTOMOD_WORDS || LIST_KEYS.contains(&key.to_lowercase().as_str())
}

fn find<'a>(fields: &BTreeMap<String, &'a RawValue>, wanted: &str) -> Option<&'a RawValue> {
    let mut fields = fields.iter();
    let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(wanted));
    found.map(|(_, raw)| *raw)
}

/// A part of a document that was read before.
fn parsed<'a, T: serde::Deserialize<'a>>(json: &'a str) -> T {
    serde_json::from_str(json).expect("serde_json has read this part, and its kind was looked at")
}

/// Tags as one text with commas: `["a", "b"]`, `"a,b"` and `3` are all tags.
fn tags_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.into_iter().map(tags_of).collect();
            items.join(",")
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => String::new(),
    }
}
