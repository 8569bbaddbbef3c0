//! JSON: arrays of strings or objects, objects of arrays, and Discord's AutoMod rules.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use serde_json::value::RawValue;

use super::columns;
use super::form::WordImport;
use super::lines::{discord_word, regex_literal, signs_of};
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

/// Reads a document, or one a line. Errors: it is no JSON, with line and column; which texts are
/// the words cannot be told.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    // A byte-order mark was taken off when the bytes were decoded.
    let roots = roots(text)?;
    let mut reading = Reading {
        text,
        import,
        words,
        at: (0, 1),
        is_alone: roots.len() == 1,
        unclear: None,
    };
    match &roots[..] {
        [root] => reading.value(root, None, 0),
        _ => reading.items(&roots, None, 0),
    }
    match reading.unclear {
        Some(why) => Err(why),
        None => Ok(()),
    }
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
    import: &'w WordImport,
    words: &'w mut Words,
    /// A byte of the text and its line; later ones are counted from here.
    at: (usize, u32),
    /// There is one document.
    is_alone: bool,
    /// Why the words cannot be told from other texts.
    unclear: Option<String>,
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
            Some(b'[') => self.items(&parsed::<Vec<&RawValue>>(json), tag, depth + 1),
            Some(b'{') => self.object(raw, tag, depth),
            Some(b'"') if depth == 0 => self.several(line, &parsed::<String>(json), tag),
            Some(b'"') => self.word(line, &parsed::<String>(json), tag),
            _ => self.words.drop(line, json, no_word("this is no text")),
        }
    }

    /// The items of an array: words, rows or records of a table, or arrays of these.
    fn items(&mut self, items: &[&'a RawValue], tag: Option<&str>, depth: usize) {
        match table_of(items, self.import) {
            Some(table) => self.table(items, &table, tag),
            None => {
                for item in items {
                    self.value(item, tag, depth);
                }
            }
        }
    }

    fn table(&mut self, items: &[&'a RawValue], table: &Table, tag: Option<&str>) {
        let names: Option<Vec<&str>> = table
            .names
            .as_ref()
            .map(|names| names.iter().map(String::as_str).collect());
        let rows: Vec<Vec<&str>> = table
            .rows
            .iter()
            .map(|row| row.iter().map(String::as_str).collect())
            .collect();
        let found = match columns::find(&rows, names.as_deref(), self.import) {
            Ok(found) => found,
            Err(why) => return self.unclear = Some(why),
        };
        let rows = items.iter().zip(&rows);
        for (item, row) in rows.skip(usize::from(found.has_header)) {
            let line = self.line_of(item);
            let tags = found.tags.and_then(|column| row.get(column));
            let tags = [tags.copied().unwrap_or_default(), tag.unwrap_or_default()];
            self.words.add(
                line,
                row.get(found.word).copied().unwrap_or_default(),
                &tags,
            );
        }
    }

    /// A text that is a word, or a pattern that says no more than it.
    fn word(&mut self, line: u32, text: &str, tag: Option<&str>) {
        match regex_literal(text).filter(|_| text.starts_with("\\b")) {
            Some(Some(word)) => self.words.add_read_as(line, text, &word),
            _ => self.words.add(line, text, &[tag.unwrap_or_default()]),
        }
    }

    /// A text that is a whole list.
    fn several(&mut self, line: u32, text: &str, tag: Option<&str>) {
        let signs: &[char] = match text.contains('\n') {
            true => &['\n'],
            false => signs_of(text),
        };
        for word in text.split(signs).filter(|word| !word.trim().is_empty()) {
            self.word(line, word, tag);
        }
    }

    fn object(&mut self, raw: &'a RawValue, tag: Option<&str>, depth: usize) {
        let line = self.line_of(raw);
        let fields: BTreeMap<String, &RawValue> = parsed(raw.get());
        let word = the_word(&fields);
        let holds_list = fields.keys().any(|key| is_list_key(key));
        // In an array an object is one word with what is said of it.
        if depth == 0 && !holds_list && has_words_as_keys(&fields, word.is_some()) {
            return self.keys(&fields);
        }
        if depth == 0 && word.is_none() && fields.values().all(|raw| raw.get().starts_with('"')) {
            return self.texts(&fields, tag);
        }
        let is_sure = ["word", "keyword", "term"]
            .iter()
            .any(|key| find(&fields, key).is_some());
        if depth == 0 && self.is_alone && word.is_some() && !holds_list && !is_sure {
            self.unclear = Some(
                "whether this one object is a word, and which of its texts, cannot be told; get the \
                 list itself, or write the words one a line"
                    .to_owned(),
            );
            return;
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
        let is_list = |key: &str, raw: &RawValue| {
            let json = raw.get();
            json.starts_with(['[', '{']) || is_list_key(key) && json.starts_with('"')
        };
        let mut lists: Vec<(&String, &&RawValue)> = fields
            .iter()
            .filter(|(key, raw)| is_list(key, raw))
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

    /// Names and texts: a list of words for each name, a word for each number, or a word with
    /// what is said of it.
    fn texts(&mut self, fields: &BTreeMap<String, &'a RawValue>, tag: Option<&str>) {
        let mut fields: Vec<(&String, &RawValue, String)> = fields
            .iter()
            .map(|(name, raw)| (name, *raw, parsed::<String>(raw.get())))
            .collect();
        fields.sort_by_key(|(_, raw, _)| raw.get().as_ptr());
        let is_numbered = |name: &str| {
            let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
            bare.len() < name.len() && bare.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
        };
        let holds_several = |text: &str| text.contains([',', '\n', '，', '、', ';', '|']);
        let lists = fields.iter().filter(|(.., text)| holds_several(text));
        let are_lists = lists.count() * 2 > fields.len();
        if fields.iter().all(|(name, ..)| is_list_key(name)) || are_lists {
            for (name, raw, text) in fields {
                let line = self.line_of(raw);
                let named = (!is_list_key(name)).then_some(name.as_str());
                self.several(line, &text, named.or(tag));
            }
            return;
        }
        let are_numbered = fields.iter().all(|(name, ..)| is_numbered(name));
        let rows: Vec<Vec<&str>> = fields
            .iter()
            .map(|(name, _, text)| vec![name.as_str(), text.as_str()])
            .collect();
        let found = match are_numbered {
            true => Ok((1, None)),
            false => columns::find(&rows, Some(&["", ""]), &WordImport::default())
                .map(|found| (found.word, Some(1 - found.word))),
        };
        let Ok((word, tags)) = found else {
            self.unclear = Some(
                "whether the names or the texts of this object are the words cannot be told; write \
                 them as an array, or one a line"
                    .to_owned(),
            );
            return;
        };
        for (row, (_, raw, _)) in rows.iter().zip(&fields) {
            let line = self.line_of(raw);
            let tags = tags.map(|column| row[column]).unwrap_or_default();
            self.words.add(line, row[word], &[tags]);
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
            _ if raw.get().starts_with('"') => {
                let line = self.line_of(raw);
                self.several(line, &parsed::<String>(raw.get()), tag);
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

/// The text of the field that is called as words are.
fn the_word(fields: &BTreeMap<String, &RawValue>) -> Option<String> {
    WORD_KEYS.iter().find_map(|key| {
        let word = find(fields, key)?.get();
        word.starts_with('"').then(|| parsed::<String>(word))
    })
}

/// Rows of texts and numbers, as an array of arrays or of objects has them.
struct Table {
    names: Option<Vec<String>>,
    rows: Vec<Vec<String>>,
}

/// The items as a table: arrays of the same length, or objects of which no field is called as words
/// are, unless the column was named.
fn table_of(items: &[&RawValue], import: &WordImport) -> Option<Table> {
    let cell = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    };
    let all = |sign: char| !items.is_empty() && items.iter().all(|raw| raw.get().starts_with(sign));
    if all('[') {
        let row = |raw: &&RawValue| -> Option<Vec<String>> {
            let cells: Vec<Value> = parsed(raw.get());
            cells.iter().map(cell).collect()
        };
        let rows: Vec<Vec<String>> = items.iter().map(row).collect::<Option<_>>()?;
        let width = rows[0].len();
        let is_table = width > 1 && rows.iter().all(|row| row.len() == width);
        return is_table.then_some(Table { names: None, rows });
    }
    if !all('{') {
        return None;
    }
    let records: Vec<BTreeMap<String, &RawValue>> =
        items.iter().map(|raw| parsed(raw.get())).collect();
    let is_known = |fields: &BTreeMap<String, &RawValue>| {
        the_word(fields).is_some() || fields.keys().any(|key| is_list_key(key))
    };
    let is_deep = |raw: &&&RawValue| raw.get().starts_with(['[', '{']);
    let goes_on = records
        .iter()
        .flat_map(BTreeMap::values)
        .any(|raw| is_deep(&raw));
    if import.word_column.is_none() && (goes_on || records.iter().any(is_known)) {
        return None;
    }
    let mut named: Vec<(&String, &RawValue)> = records
        .iter()
        .flatten()
        .map(|(name, raw)| (name, *raw))
        .filter(|(_, raw)| !raw.get().starts_with(['[', '{']))
        .collect();
    named.sort_by_key(|(_, raw)| raw.get().as_ptr());
    let mut names: Vec<String> = Vec::new();
    for (name, _) in named {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let row = |fields: &BTreeMap<String, &RawValue>| {
        let cells = names.iter().map(|name| {
            let value: Option<Value> = fields.get(name).map(|raw| parsed(raw.get()));
            value.as_ref().and_then(cell).unwrap_or_default()
        });
        cells.collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = records.iter().map(row).collect();
    let has_texts = !names.is_empty();
    let names = Some(names);
    has_texts.then_some(Table { names, rows })
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
