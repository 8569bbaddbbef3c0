//! What differs between the files of two versions.

use std::collections::BTreeSet;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::record::{KeptFile, Record};
use super::store::{Store, VersionError};

/// After so long the rest of a file is told as it is, and not the shortest way.
const DIFF_TIME_MAX: Duration = Duration::from_millis(500);
/// Lines around each change.
const CONTEXT: usize = 3;

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    pub path: String,
    pub change: Change,
    /// Lines that came and went; of what is no text, or a secret, none.
    pub added: usize,
    pub removed: usize,
    /// As `patch` takes it, with the names of the file before and after. `None`: it is a secret, or
    /// no text.
    pub patch: Option<String>,
    /// What `patch` is made of.
    pub before: String,
    pub after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

/// The files that differ, by path. `before` is `None` for the first version that there is.
///
/// Errors: a version is damaged.
pub fn diff(
    store: &Store,
    before: Option<&Record>,
    after: &Record,
) -> Result<Vec<FileDiff>, VersionError> {
    let old = before.map(|record| &record.files[..]).unwrap_or_default();
    let paths: BTreeSet<&str> = old
        .iter()
        .chain(&after.files)
        // What no policy is read from decides nothing.
        .filter(|file| !file.idle)
        .map(|file| file.path.as_str())
        .collect();
    let mut diffs = Vec::new();
    for path in paths {
        let old = before.and_then(|before| Some((before.number, before.file(path)?)));
        let new = after.file(path).map(|file| (after.number, file));
        if old.map(|(_, file)| &file.sha256) == new.map(|(_, file)| &file.sha256) {
            continue;
        }
        diffs.push(file_diff(path, text(store, old)?, text(store, new)?));
    }
    Ok(diffs)
}

/// What a file was, and what it is: nothing, something that cannot be shown, or a text.
pub(super) enum Side {
    Nothing,
    Hidden,
    Text(String),
}

impl Side {
    pub(super) fn of(content: Vec<u8>) -> Side {
        String::from_utf8(content).map_or(Side::Hidden, Side::Text)
    }
}

fn text(store: &Store, file: Option<(u64, &KeptFile)>) -> Result<Side, VersionError> {
    Ok(match file {
        None => Side::Nothing,
        Some((_, file)) if !file.is_kept() => Side::Hidden,
        Some((number, file)) => Side::of(store.content(number, file)?),
    })
}

pub(super) fn file_diff(path: &str, before: Side, after: Side) -> FileDiff {
    let change = match (&before, &after) {
        (Side::Nothing, _) => Change::Added,
        (_, Side::Nothing) => Change::Removed,
        _ => Change::Changed,
    };
    let mut diff = FileDiff {
        path: path.to_owned(),
        change,
        added: 0,
        removed: 0,
        patch: None,
        before: String::new(),
        after: String::new(),
    };
    let (name_before, before) = match before {
        Side::Hidden => return diff,
        Side::Nothing => ("/dev/null".to_owned(), String::new()),
        Side::Text(text) => (format!("a/{path}"), text),
    };
    let (name_after, after) = match after {
        Side::Hidden => return diff,
        Side::Nothing => ("/dev/null".to_owned(), String::new()),
        Side::Text(text) => (format!("b/{path}"), text),
    };
    let lines = TextDiff::configure()
        .timeout(DIFF_TIME_MAX)
        .diff_lines(before.as_str(), after.as_str());
    for line in lines.iter_all_changes() {
        match line.tag() {
            ChangeTag::Insert => diff.added += 1,
            ChangeTag::Delete => diff.removed += 1,
            ChangeTag::Equal => {}
        }
    }
    let mut unified = lines.unified_diff();
    unified
        .context_radius(CONTEXT)
        .header(&name_before, &name_after);
    diff.patch = Some(unified.to_string());
    (diff.before, diff.after) = (before, after);
    diff
}
