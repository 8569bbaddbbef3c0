//! Word lists of other programs, turned into our form.
//!
//! Bytes become text (`decode`), the text words with tags (`lines`, `table`, `json`, …), and those
//! become a list file of ours (`write`). Nothing is lost in silence: what is left out is told
//! with its line and the reason.
//!
//! Order, downward: `nonsense`, `unclear`, `write`, `detect`, `yaml`, `json`, `sql`, `xml`,
//! `markup`, `code`, `strings`, `dress`, `heads`, `table`, `lines`, `columns`, `escape`, `quotes`,
//! `decode`, `word`, `form`.

mod code;
mod columns;
mod decode;
mod detect;
mod dress;
mod escape;
mod form;
mod heads;
mod json;
mod lines;
mod markup;
mod nonsense;
mod quotes;
mod sql;
mod strings;
mod table;
mod unclear;
mod word;
mod write;
mod xml;
mod yaml;

use serde::Serialize;

pub use form::{WordFormat, WordImport};
pub(super) use word::Changed;
use word::Words;
pub use word::{Dropped, Reason};

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
    /// Pieces of which a part is the word.
    pub changed: Vec<Changed>,
}

/// Turns a foreign word list into ours. `name` is the file's, for a hint on its format.
///
/// Errors: one sentence, when the file as a whole cannot be read.
pub fn import_words(
    name: &str,
    bytes: &[u8],
    import: &WordImport,
) -> Result<ImportedWords, String> {
    let mut decoded = decode::decode(bytes, import.encoding.as_deref())?;
    let mut format = import
        .format
        .unwrap_or_else(|| detect::format(name, &decoded.text));
    let mut words = Words::default();
    if import.format.is_none()
        && !format.has_a_grammar()
        && !table::heads(&decoded.text)
        && let Some(bare) = dress::undressed(&decoded.text)
    {
        words.were_dressed(&decoded.text, &bare);
        format = detect::format(name, &bare);
        decoded.text = bare;
    }
    match format {
        WordFormat::Plain => lines::plain(&decoded.text, &mut words),
        WordFormat::Tags if import.format.is_none() && decoded.text.contains('\t') => {
            table::read_tabs(&decoded.text, import, &mut words)?;
        }
        WordFormat::Tags => lines::tags(&decoded.text, &mut words),
        WordFormat::Pipe => lines::separated(&decoded.text, &['|', '｜'], &mut words),
        WordFormat::Separated => {
            lines::separated(&decoded.text, lines::signs_of(&decoded.text), &mut words)
        }
        WordFormat::Replacements => lines::replacements(&decoded.text, &mut words),
        WordFormat::Frequencies => lines::frequencies(&decoded.text, &mut words),
        WordFormat::Code if sql::is_sql(&decoded.text) => {
            sql::read(&decoded.text, import, &mut words)?
        }
        WordFormat::Code => code::read(&decoded.text, import, &mut words)?,
        WordFormat::Xml => xml::read(&decoded.text, import, &mut words)?,
        WordFormat::Discord => lines::discord(&decoded.text, &mut words),
        WordFormat::Csv => table::read(&decoded.text, import, &mut words)?,
        WordFormat::Yaml => {
            json::read(&yaml::as_json(&decoded.text)?, import, &mut words)?;
        }
        WordFormat::Json => json::read(&decoded.text, import, &mut words)?,
    }
    if import.format.is_none() {
        nonsense::refuse(&decoded.text, &words.entries, format)?;
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
        changed: words.changed,
    })
}

fn is_open_ended(word: &str) -> bool {
    word.starts_with('*') || word.ends_with('*')
}

#[cfg(test)]
mod tests;
