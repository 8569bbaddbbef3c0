//! Word lists of other programs, turned into our form.
//!
//! Bytes become text (`decode`), the text words with tags (`lines`, `table`, `json`), and those
//! become a list file of ours (`write`). Nothing is lost in silence: what is left out is told
//! with its line and the reason.

mod decode;
mod detect;
mod json;
mod lines;
mod table;
mod write;

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::filter::{ENTRY_CHARS_MAX, is_pattern};

/// How words are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WordFormat {
    /// One word a line.
    Plain,
    /// `word tag1,tag2`, with blanks or a tab between them.
    Tags,
    /// `one|two|three`, on one line or many.
    Pipe,
    /// Columns, with a header or without: the word first, then its tags.
    Csv,
    /// An array of strings or objects, or an object of such arrays.
    Json,
    /// Discord's AutoMod: `cat, cat*, *cat*`.
    Discord,
}

/// What is known about a file, beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct WordImport {
    /// `None` is found out.
    pub format: Option<WordFormat>,
    /// A name such as `gbk`, `big5`, `utf-16le`; `None` is found out.
    pub encoding: Option<String>,
    /// Tags that every word gets.
    pub tags: Vec<String>,
    /// The column of the words in a CSV file: its header, or its number from 1.
    pub word_column: Option<String>,
    /// The column of the tags, in the same way.
    pub tags_column: Option<String>,
    /// Between the columns of a CSV file; `None` is found out.
    pub delimiter: Option<u8>,
}

/// A list in our form, and what became of the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedWords {
    /// A list file; without comments.
    #[serde(skip)]
    pub list: String,
    pub format: WordFormat,
    /// How the file was encoded: `UTF-8`, `GBK`.
    pub encoding: &'static str,
    /// Entries of the list.
    pub entries: usize,
    /// Entries with a `*` at an end, where the word may go on.
    pub open_ended: usize,
    pub dropped: Vec<Dropped>,
}

/// A piece of the file that is not in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// From 1.
    pub line: u32,
    /// Its beginning.
    pub text: String,
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a piece was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    Comment,
    /// The word stands in the file before; its tags were added there.
    Repeated {
        first: u32,
    },
    /// There is no word, or nothing of it that a filter could look for.
    NoWord {
        what: String,
    },
    TooLong {
        chars: usize,
    },
    /// A pattern, which is no word.
    Pattern,
    /// A word that is allowed and not looked for.
    Allowed,
    /// These bytes are no text in the encoding of the file.
    NotText,
    /// A list of ours cannot hold it.
    NotWritable,
}

impl Reason {
    /// Nothing that the file looks for is missing.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Reason::Comment | Reason::Repeated { .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Comment => write!(f, "a comment"),
            Reason::Repeated { first } => write!(f, "repeated, it stands in line {first}"),
            Reason::NoWord { what } => write!(f, "{what}"),
            Reason::TooLong { chars } => {
                write!(f, "{chars} characters; {ENTRY_CHARS_MAX} are the most")
            }
            Reason::Pattern => write!(f, "a pattern, which is no word"),
            Reason::Allowed => write!(
                f,
                "an allowed word; it belongs in a list of its own with `action: allow`"
            ),
            Reason::NotText => write!(f, "not readable in the file's encoding; name another one"),
            Reason::NotWritable => write!(f, "a list of ours cannot hold it"),
        }
    }
}

/// Turns a foreign word list into ours. `name` is the file's, for a hint on its format.
///
/// Errors: one sentence, when the file as a whole cannot be read.
pub fn import_words(
    name: &str,
    bytes: &[u8],
    import: &WordImport,
) -> Result<ImportedWords, String> {
    let decoded = decode::decode(bytes, import.encoding.as_deref())?;
    let format = import
        .format
        .unwrap_or_else(|| detect::format(name, &decoded.text));
    let mut words = Words::default();
    match format {
        WordFormat::Plain => lines::plain(&decoded.text, &mut words),
        WordFormat::Tags => lines::tags(&decoded.text, &mut words),
        WordFormat::Pipe => lines::separated(&decoded.text, '|', &mut words),
        WordFormat::Discord => lines::discord(&decoded.text, &mut words),
        WordFormat::Csv => table::read(&decoded.text, import, &mut words)?,
        WordFormat::Json => json::read(&decoded.text, &mut words)?,
    }
    words.add_tags(&import.tags);
    let list = write::write(&mut words);
    words.dropped.sort_by_key(|dropped| dropped.line);
    Ok(ImportedWords {
        list,
        format,
        encoding: decoded.encoding,
        entries: words.entries.len(),
        open_ended: words
            .entries
            .iter()
            .filter(|word| is_open_ended(&word.text))
            .count(),
        dropped: words.dropped,
    })
}

fn is_open_ended(word: &str) -> bool {
    word.starts_with('*') || word.ends_with('*')
}

/// A word on its way from the file to the list.
#[derive(Debug)]
struct Word {
    line: u32,
    text: String,
    tags: Vec<String>,
}

/// The words of a file, each once, and what was dropped.
#[derive(Default)]
struct Words {
    entries: Vec<Word>,
    by_text: HashMap<String, usize>,
    dropped: Vec<Dropped>,
}

impl Words {
    /// Takes a word, unless it cannot be one.
    fn add(&mut self, line: u32, text: &str, tags: &[&str]) {
        let text = text.trim();
        let chars = text.chars().count();
        let reason = if text.is_empty() {
            no_word("there is no word")
        } else if text.contains('\u{FFFD}') {
            Reason::NotText
        } else if text.chars().any(char::is_control) {
            no_word("a word cannot hold tabs, line breaks or control characters")
        } else if text.chars().all(|c| c == '*') {
            no_word("there is nothing but `*`")
        } else if chars > ENTRY_CHARS_MAX {
            Reason::TooLong { chars }
        } else if is_pattern(text) {
            Reason::Pattern
        } else if let Some(first) = self.by_text.get(text) {
            let first = &mut self.entries[*first];
            first.tag(tags);
            Reason::Repeated { first: first.line }
        } else {
            self.by_text.insert(text.to_owned(), self.entries.len());
            let mut word = Word {
                line,
                text: text.to_owned(),
                tags: Vec::new(),
            };
            word.tag(tags);
            return self.entries.push(word);
        };
        self.drop(line, text, reason);
    }

    fn drop(&mut self, line: u32, text: &str, reason: Reason) {
        const TOLD_CHARS_MAX: usize = 40;
        let mut told: String = text.trim().chars().take(TOLD_CHARS_MAX).collect();
        if told.len() < text.trim().len() {
            told.push('…');
        }
        self.dropped.push(Dropped {
            line,
            text: told,
            reason,
        });
    }

    fn add_tags(&mut self, tags: &[String]) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        for word in &mut self.entries {
            word.tag(&tags);
        }
    }
}

impl Word {
    /// Adds tags; commas part them.
    fn tag(&mut self, tags: &[&str]) {
        let parts = tags
            .iter()
            .flat_map(|tags| tags.split([',', '，', '、', ';', '\t']));
        for tag in parts.map(str::trim).filter(|tag| !tag.is_empty()) {
            if !self.tags.iter().any(|known| known == tag) {
                self.tags.push(tag.to_owned());
            }
        }
    }
}

fn no_word(what: &str) -> Reason {
    Reason::NoWord {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
