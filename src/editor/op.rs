//! What somebody wants of a list: entries added, set and removed.

use serde::{Deserialize, Serialize};

use crate::policy::{EntryLine, ListLine, written_entry};

/// Longer than any entry, tag or setting that a policy takes.
const FIELD_BYTES_MAX: usize = 4_096;

/// What a line says of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub entry: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its own settings in braces, `{leet: true}`, or nothing.
    #[serde(default)]
    pub options: String,
}

impl Said {
    pub fn of(line: &EntryLine<'_>) -> Said {
        Said {
            entry: line.text().to_owned(),
            tags: line.tags().map(str::to_owned).collect(),
            options: line.own().to_owned(),
        }
    }

    /// What a line without its end says; `None` where it is no entry.
    pub fn read(line: &str) -> Option<Said> {
        match ListLine::read(line) {
            ListLine::Entry(entry) => Some(Said::of(&entry)),
            ListLine::Blank | ListLine::Comment(_) => None,
        }
    }

    /// As a line without its end.
    pub fn to_line(&self) -> String {
        let mut line = written_entry(&self.entry);
        line.push_str(&columns(&self.tags, &self.options));
        line
    }
}

/// What stands behind an entry.
pub(super) fn columns(tags: &[String], options: &str) -> String {
    let mut columns = String::new();
    for column in [&*tags.join(","), options] {
        if !column.is_empty() {
            columns.push('\t');
            columns.push_str(column);
        }
    }
    columns
}

/// Which entry is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Which {
    pub entry: String,
    /// Its line, from 1, where several say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// A line more. It goes to the section with this heading, or to where others like it are.
    Add {
        #[serde(flatten)]
        said: Said,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        section: Option<String>,
    },
    /// What is absent stays as it is.
    Set {
        #[serde(flatten)]
        which: Which,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tags: Option<Vec<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<String>,
    },
    /// Without a line, wherever the entry stands.
    Remove {
        #[serde(flatten)]
        which: Which,
    },
}

impl Op {
    pub fn add(entry: impl Into<String>) -> Op {
        Op::Add {
            said: Said {
                entry: entry.into(),
                ..Said::default()
            },
            section: None,
        }
    }

    pub fn remove(entry: impl Into<String>) -> Op {
        Op::Remove {
            which: Which {
                entry: entry.into(),
                line: None,
            },
        }
    }

    /// What a line says that is added or set, as far as the edit says it.
    pub fn said(&self) -> Option<Said> {
        match self {
            Op::Add { said, .. } => Some(said.clone()),
            Op::Set {
                which,
                to,
                tags,
                options,
            } => Some(Said {
                entry: to.clone().unwrap_or_else(|| which.entry.clone()),
                tags: tags.clone().unwrap_or_default(),
                options: options.clone().unwrap_or_default(),
            }),
            Op::Remove { .. } => None,
        }
    }

    /// The entries that it is about: the one that it finds, and the one that it leaves.
    pub(super) fn entries(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Op::Add { said, .. } => (&*said.entry, None),
            Op::Set { which, to, .. } => (&*which.entry, to.as_deref()),
            Op::Remove { which } => (&*which.entry, None),
        };
        std::iter::once(first).chain(second)
    }
}

/// Why an edit cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpProblem {
    /// Which of the edits, from 0.
    pub op: usize,
    pub entry: String,
    pub what: String,
    #[serde(rename = "way_out")]
    pub hint: String,
}

/// Looks whether what is to be written can be a line. Errors: what is wrong, and the way out.
pub fn check(op: &Op) -> Result<(), (String, &'static str)> {
    let (entry, tags, options) = match op {
        Op::Add { said, .. } => (Some(&said.entry), Some(&said.tags), Some(&said.options)),
        Op::Set {
            to, tags, options, ..
        } => (to.as_ref(), tags.as_ref(), options.as_ref()),
        Op::Remove { .. } => (None, None, None),
    };
    entry.map_or(Ok(()), |entry| check_entry(entry))?;
    for tag in tags.into_iter().flatten() {
        check_tag(tag)?;
    }
    options.map_or(Ok(()), |options| check_options(options))
}

fn check_entry(entry: &str) -> Result<(), (String, &'static str)> {
    short("the entry", entry)?;
    if entry.trim().is_empty() {
        return Err(("the entry is empty".to_owned(), "write a word"));
    }
    if entry != entry.trim() {
        let hint = "a list drops them: leave them out";
        return Err((format!("blanks stand around `{entry}`"), hint));
    }
    if let Some(control) = entry.chars().find(|c| c.is_control()) {
        let what = format!(
            "the entry holds the control character U+{:04X}",
            control as u32
        );
        return Err((what, "write one entry a line, without TABs"));
    }
    // A list drops one at its beginning.
    if entry.starts_with('\u{feff}') {
        let what = "the entry begins with a byte-order mark".to_owned();
        return Err((what, "leave it out"));
    }
    let line = written_entry(entry);
    match ListLine::read(&line) {
        ListLine::Entry(read) if read.text() == entry => Ok(()),
        _ => Err((format!("`{entry}` cannot be an entry"), "write a word")),
    }
}

fn check_tag(tag: &str) -> Result<(), (String, &'static str)> {
    short("the tag", tag)?;
    let bad = |c: char| c.is_control() || c == ',' || c == '{';
    if tag.trim().is_empty() || tag != tag.trim() || tag.contains(bad) {
        let hint = "write one word or several, without commas and braces";
        return Err((format!("`{tag}` cannot be a tag"), hint));
    }
    Ok(())
}

fn check_options(options: &str) -> Result<(), (String, &'static str)> {
    short("the settings", options)?;
    let braced = options.starts_with('{') && options.ends_with('}');
    if !options.is_empty() && (!braced || options.contains(char::is_control)) {
        let what = format!("`{options}` cannot be the settings of an entry");
        return Err((what, "write them in braces, on one line: {leet: true}"));
    }
    Ok(())
}

fn short(what: &str, text: &str) -> Result<(), (String, &'static str)> {
    match text.len() {
        bytes if bytes > FIELD_BYTES_MAX => {
            let what = format!("{what} has {bytes} bytes; {FIELD_BYTES_MAX} are the most");
            Err((what, "write something shorter"))
        }
        _ => Ok(()),
    }
}
