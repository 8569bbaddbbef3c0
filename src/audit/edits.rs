//! What an edit of the policy changed: the files in force beside those that were recorded last.
//!
//! The last recorded ones are kept beside the chain, so that an edit that was made while nothing
//! ran is recorded at the next start, and one that could not be recorded is a part of the next.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::act::{Act, Who};
use super::folder::private;

/// The act.
pub(super) const CHANGED: &str = "policy.changed";
const FILE: &str = "policy.json";
/// Files of one record that are told one by one.
const FILES_MAX: usize = 50;
/// Entries of one file, and of one record, that stand there as they are.
const ENTRIES_PER_FILE_MAX: usize = 20;
const ENTRIES_MAX: usize = 200;
const ENTRY_CHARS_MAX: usize = 60;

/// A policy that has come into force.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Where its files are.
    pub folder: PathBuf,
    /// Number and hash.
    pub version: String,
    /// The hash alone: the same after a restart.
    pub hash: String,
    pub files: BTreeMap<String, Arc<[u8]>>,
}

/// What is kept of a policy that was recorded.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    hash: String,
    files: BTreeMap<String, KeptFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    sha256: String,
    lines: Lines,
}

/// The lines of a file, sorted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Lines {
    /// Of a word list: its entries.
    Entries(Vec<String>),
    /// Of other files, which may hold secrets: digests.
    Hashed(Vec<String>),
}

impl Kept {
    /// What was recorded last; nothing, if that cannot be read.
    pub(super) fn read(folder: &Path) -> Kept {
        let text = fs::read(folder.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn of(edited: &Edited) -> Kept {
        let files = edited.files.iter();
        // Cases decide nothing.
        let files = files.filter(|(path, _)| !path.starts_with("tests/"));
        let kept = files.map(|(path, content)| {
            let file = KeptFile {
                sha256: hex(content),
                lines: Lines::of(path, content),
            };
            (path.clone(), file)
        });
        Kept {
            hash: edited.hash.clone(),
            files: kept.collect(),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let beside = folder.join(format!("{FILE}.new"));
        let mut options = private();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, folder.join(FILE))
    }

    /// The act of making `self` into what `edited` is; `None` if they are the same.
    pub(super) fn act(&self, edited: &Edited, now: &Kept) -> Option<Act> {
        if self.hash == now.hash {
            return None;
        }
        let paths: BTreeSet<&String> = self.files.keys().chain(now.files.keys()).collect();
        let mut told = Told::default();
        for path in paths {
            told.file(path, self.files.get(path), now.files.get(path), edited);
        }
        let uid = match told.uids.len() {
            1 => told.uids.first().copied(),
            _ => None,
        };
        let mut act =
            Act::new(CHANGED, Who::Files { uid }).on(format!("policy {}", edited.version));
        for (of, count) in told.counts {
            act = act.count(of, count);
        }
        let mut details = json!({ "before": self.hash, "files": told.files });
        if told.left_out > 0 {
            details["files_left_out"] = told.left_out.into();
        }
        Some(act.with(details))
    }
}

/// What one record says of files.
#[derive(Default)]
struct Told {
    files: Vec<Value>,
    left_out: u64,
    entries: usize,
    counts: BTreeMap<&'static str, u64>,
    uids: BTreeSet<u32>,
}

impl Told {
    fn file(
        &mut self,
        path: &str,
        old: Option<&KeptFile>,
        new: Option<&KeptFile>,
        edited: &Edited,
    ) {
        let change = match (old, new) {
            (Some(old), Some(new)) if old.sha256 == new.sha256 => return,
            (Some(_), Some(_)) => "changed",
            (None, _) => "added",
            (_, None) => "removed",
        };
        self.count("files", 1);
        let mut file = json!({ "path": path, "change": change });
        if new.is_some() {
            self.stat(&mut file, &edited.folder.join(path));
        }
        let (added, removed) = (Lines::beyond(old, new), Lines::beyond(new, old));
        let is_list = new.or(old).is_some_and(KeptFile::is_list);
        let names = match is_list {
            true => ["entries_added", "entries_removed"],
            false => ["lines_added", "lines_removed"],
        };
        for (name, lines) in names.into_iter().zip([&added, &removed]) {
            file[name] = lines.len().into();
            self.count(name, lines.len() as u64);
        }
        if is_list {
            file["added"] = self.some(&added).into();
            file["removed"] = self.some(&removed).into();
        }
        match self.files.len() < FILES_MAX {
            true => self.files.push(file),
            false => self.left_out += 1,
        }
    }

    fn count(&mut self, of: &'static str, count: u64) {
        *self.counts.entry(of).or_default() += count;
    }

    fn some(&mut self, entries: &[&str]) -> Vec<String> {
        let room = ENTRIES_MAX
            .saturating_sub(self.entries)
            .min(ENTRIES_PER_FILE_MAX);
        let some = entries.iter().take(room);
        let some: Vec<String> = some
            .map(|entry| entry.chars().take(ENTRY_CHARS_MAX).collect())
            .collect();
        self.entries += some.len();
        some
    }

    /// Whose the file is and when it was written, as the system tells now.
    fn stat(&mut self, file: &mut Value, path: &Path) {
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        if let Ok(modified) = metadata.modified() {
            file["modified"] = humantime::format_rfc3339_millis(modified)
                .to_string()
                .into();
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            file["uid"] = metadata.uid().into();
            self.uids.insert(metadata.uid());
        }
    }
}

impl KeptFile {
    fn is_list(&self) -> bool {
        matches!(self.lines, Lines::Entries(_))
    }
}

impl Lines {
    fn of(path: &str, content: &[u8]) -> Lines {
        let text = String::from_utf8_lossy(content);
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        match path.ends_with(".txt") {
            true => Lines::Entries(sorted(lines.map(str::to_owned).collect())),
            false => Lines::Hashed(sorted(
                lines
                    .map(|line| hex(line.as_bytes())[..16].to_owned())
                    .collect(),
            )),
        }
    }

    fn sorted(&self) -> &[String] {
        match self {
            Lines::Entries(lines) | Lines::Hashed(lines) => lines,
        }
    }

    /// The lines of the second that the first has not, or not as often.
    fn beyond<'a>(first: Option<&KeptFile>, second: Option<&'a KeptFile>) -> Vec<&'a str> {
        let lines = |file: Option<&'a KeptFile>| file.map_or(&[][..], |file| file.lines.sorted());
        let mut known = first
            .map_or(&[][..], |file| file.lines.sorted())
            .iter()
            .peekable();
        let mut beyond = Vec::new();
        for line in lines(second) {
            while known
                .next_if(|known| known.as_str().cmp(line) == Ordering::Less)
                .is_some()
            {}
            if known.next_if(|known| *known == line).is_none() {
                beyond.push(line.as_str());
            }
        }
        beyond
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(files: &[(&str, &str)]) -> Edited {
        let files = files.iter();
        let files: BTreeMap<String, Arc<[u8]>> = files
            .map(|(path, content)| ((*path).to_owned(), Arc::from(content.as_bytes())))
            .collect();
        let all = format!("{files:?}");
        Edited {
            folder: PathBuf::from("nowhere"),
            version: "2-abc".to_owned(),
            hash: hex(all.as_bytes()),
            files,
        }
    }

    fn act(old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<Act> {
        let (old, new) = (edited(old), edited(new));
        Kept::of(&old).act(&new, &Kept::of(&new))
    }

    #[test]
    fn entries_that_came_and_went_are_told_and_nothing_of_other_files_but_how_much() {
        let policy = "endpoints:\n  b: {sign: {secret: old-secret}}\n";
        let old = [
            ("lists/a.txt", "one\ntwo\n# note\ntwo\n"),
            ("policy.yaml", policy),
            ("gone.txt", "x\n"),
        ];
        let renewed = policy.replace("old", "new");
        let new = [
            ("lists/a.txt", "# other note\n three\none\ntwo\n"),
            ("policy.yaml", renewed.as_str()),
        ];
        let act = act(&old, &new).unwrap();
        let details = act.details.unwrap();
        let files = details["files"].as_array().unwrap();
        assert_eq!(files.len(), 3);
        let told = |at: usize, change: &str, added: Value, removed: Value| {
            assert_eq!(files[at]["change"], change, "{files:?}");
            assert_eq!(files[at]["added"], added, "{files:?}");
            assert_eq!(files[at]["removed"], removed, "{files:?}");
        };
        told(0, "removed", json!([]), json!(["x"]));
        told(1, "changed", json!(["three"]), json!(["two"]));
        told(2, "changed", Value::Null, Value::Null);
        assert_eq!(
            (&files[2]["lines_added"], &files[2]["lines_removed"]),
            (&json!(1), &json!(1))
        );
        assert!(!details.to_string().contains("secret"), "{details}");
        let counts: Vec<_> = act
            .counts
            .into_iter()
            .map(|(of, count)| format!("{of} {count}"))
            .collect();
        let expected = [
            "entries_added 1",
            "entries_removed 2",
            "files 3",
            "lines_added 1",
            "lines_removed 1",
        ];
        assert_eq!(counts, expected);
    }

    #[test]
    fn the_same_files_are_no_edit_and_cases_are_no_policy() {
        let files = [("policy.yaml", "hooks: {}\n")];
        assert_eq!(act(&files, &files), None);
        let kept = Kept::of(&edited(&[("tests/a.yaml", "x"), ("policy.yaml", "")]));
        assert_eq!(kept.files.len(), 1);
    }

    #[test]
    fn a_large_edit_is_counted_and_a_part_of_it_told() {
        let many: String = (0..100_000)
            .map(|number| format!("{}{number}\n", "字".repeat(100)))
            .collect();
        let names: Vec<String> = (0..80).map(|number| format!("{number}.txt")).collect();
        let new: Vec<_> = names.iter().map(|name| (name.as_str(), "a\nb\n")).collect();
        let new: Vec<_> = new.into_iter().chain([("a.txt", many.as_str())]).collect();
        let act = act(&[], &new).unwrap();
        assert_eq!(
            (act.counts["entries_added"], act.counts["files"]),
            (100_160, 81)
        );
        let details = act.details.unwrap();
        assert_eq!(details["files_left_out"], 31);
        assert!(details.to_string().len() < 60_000);
    }

    #[test]
    fn what_is_kept_is_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let edited = edited(&[("a.txt", "x\n\u{feff}y\n"), ("policy.yaml", "a: b")]);
        let kept = Kept::of(&edited);
        kept.write(folder.path()).unwrap();
        assert_eq!(Kept::read(folder.path()).act(&edited, &kept), None);
        assert!(
            Kept::read(&folder.path().join("none"))
                .act(&edited, &kept)
                .is_some()
        );
    }
}
