//! What a list looks like, and what is known about a file.

use serde::Serialize;

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
    /// `一，二、三；四`, with one of these signs, or `;`, between the words.
    Separated,
    /// `word=replacement`, `word => replacement`: the word alone is taken.
    Replacements,
    /// `word 123` or `word 123 n`: how often a word occurs, as dictionaries have it.
    Frequencies,
    /// Program text: the strings in it, as in `module.exports = ["one", "two"]`.
    Code,
    /// XML: the text of each element that holds no other.
    Xml,
    /// Columns, with a header or without: the word first, then its tags.
    Csv,
    /// An array of strings or objects, an object of such arrays, an object whose keys are the
    /// words, or one of these a line.
    Json,
    /// The same in YAML.
    Yaml,
    /// Discord's AutoMod: `cat, cat*, *cat*`.
    Discord,
}

impl WordFormat {
    /// It says itself where a word begins and ends.
    pub(super) fn has_a_grammar(self) -> bool {
        use WordFormat::{Code, Json, Xml, Yaml};
        matches!(self, Json | Yaml | Xml | Code)
    }
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
