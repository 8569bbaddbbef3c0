//! Words on their way from a file to a list, and why some do not get there.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::filter::{ENTRY_CHARS_MAX, is_pattern};

/// A word on its way from the file to the list.
#[derive(Debug)]
pub(super) struct Word {
    pub line: u32,
    pub text: String,
    pub tags: Vec<String>,
}

/// The words of a file, each once, and what was dropped.
#[derive(Default)]
pub(super) struct Words {
    pub entries: Vec<Word>,
    by_text: HashMap<String, usize>,
    pub dropped: Vec<Dropped>,
    pub changed: Vec<Changed>,
    /// Lines as they stood in the file, where something was taken off them.
    dressed: HashMap<u32, String>,
}

impl Words {
    /// Remembers the lines off which something was taken.
    pub(super) fn were_dressed(&mut self, text: &str, bare: &str) {
        let lines = (1..).zip(text.lines().zip(bare.lines()));
        let lines = lines.filter(|(_, (line, bare))| line.trim() != *bare);
        let lines = lines.filter(|(_, (_, bare))| !bare.starts_with("# "));
        self.dressed = lines
            .map(|(number, (line, _))| (number, line.to_owned()))
            .collect();
    }

    /// Takes a word, unless it cannot be one.
    pub(super) fn add(&mut self, line: u32, text: &str, tags: &[&str]) {
        let text = bare(text);
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
            if let Some(dressed) = self.dressed.get(&line) {
                self.changed.push(Changed {
                    line,
                    text: told(dressed),
                    word: text.to_owned(),
                });
            }
            return self.entries.push(word);
        };
        self.drop(line, text, reason);
    }

    /// Takes a part of what stands there, and tells of it.
    pub(super) fn add_read_as(&mut self, line: u32, text: &str, word: &str) {
        let before = self.entries.len();
        self.add(line, word, &[]);
        if self.entries.len() > before && !self.dressed.contains_key(&line) {
            self.changed.push(Changed {
                line,
                text: told(text),
                word: word.trim().to_owned(),
            });
        }
    }

    pub(super) fn drop(&mut self, line: u32, text: &str, reason: Reason) {
        self.dropped.push(Dropped {
            line,
            text: told(text),
            reason,
        });
    }

    pub(super) fn add_tags(&mut self, tags: &[String]) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        for word in &mut self.entries {
            word.tag(&tags);
        }
    }
}

impl Word {
    /// Adds tags; commas and line breaks part them.
    fn tag(&mut self, tags: &[&str]) {
        // A line break in a cell of a table would end the line of the list.
        let is_between = |c: char| c.is_control() || matches!(c, ',' | '，' | '、' | ';');
        let parts = tags.iter().flat_map(|tags| tags.split(is_between));
        for tag in parts.map(str::trim).filter(|tag| !tag.is_empty()) {
            if !self.tags.iter().any(|known| known == tag) {
                self.tags.push(tag.to_owned());
            }
        }
    }
}

/// Without blanks around, and without what nobody sees there: marks of direction and of width.
fn bare(text: &str) -> &str {
    let is_unseen = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}');
    let inner = text.trim_matches(|c: char| c.is_whitespace() || is_unseen(c));
    if inner.is_empty() { text.trim() } else { inner }
}

/// The beginning of a text, for a report.
fn told(text: &str) -> String {
    const TOLD_CHARS_MAX: usize = 40;
    let mut told: String = text.trim().chars().take(TOLD_CHARS_MAX).collect();
    if told.len() < text.trim().len() {
        told.push('…');
    }
    told
}

pub(super) fn no_word(what: &str) -> Reason {
    Reason::NoWord {
        what: what.to_owned(),
    }
}

/// A piece of the file of which a part is the word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// From 1.
    pub line: u32,
    /// Its beginning.
    pub text: String,
    pub word: String,
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
    /// The names of the columns.
    Header,
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
        matches!(
            self,
            Reason::Comment | Reason::Header | Reason::Repeated { .. }
        )
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
            Reason::Header => write!(f, "it names the columns"),
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
