//! Saving an edit: merged with what others wrote, compiled before anything is written, in force
//! when it answers.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use similar::TextDiff;

use super::bases::{Bases, hash_of};
use super::place::{NoPlace, Place};
use super::write::{NotWritten, replace};
use crate::editor::{Applied, Conflict, NotMerged, Op, OpProblem, apply, merge};
use crate::filter::{Identities, ListSpec, Options, Role};
use crate::policy::{FileSet, ListRules, Snapshot, Version, read_list};
use crate::reload::{Budget, Desk, NotShared, Policies, read_files};
use crate::settings::{Problem, Problems, Severity, suggest};
use crate::versions::{KeptFile, Origin, Store};

/// How often an edit is made anew because somebody else wrote the file in that moment.
const TRIES: usize = 20;
/// A file that others are writing is taken once it has rested for so long, as the watch does.
const REST: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How many times it is looked at until it has rested.
const LOOKS_MAX: usize = 60;
/// Lists that are folded otherwise than others and are kept ready to be edited.
const FOLDINGS_MAX: usize = 16;

/// What an edit was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Whatever is there.
    Any,
    /// The content with this hash.
    Hash(String),
}

/// What somebody wants of a list.
#[derive(Clone, Debug)]
pub struct Edit {
    pub list: String,
    pub base: Base,
    pub ops: Vec<Op>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Saved {
    pub version: Version,
    /// Of the content that is in force now.
    pub hash: String,
    pub added: u64,
    pub set: u64,
    pub removed: u64,
    /// Somebody else had edited the file meanwhile, and both edits are in it.
    pub merged: bool,
    /// Entries of which others had said the same already.
    pub made_already: usize,
    pub warnings: Vec<Problem>,
}

/// Why nothing was saved.
#[derive(Debug, thiserror::Error)]
pub enum NotSaved {
    #[error("no list named `{0}`; {1}")]
    NoList(String, String),
    #[error(
        "the words of the list `{0}` stand in policy.yaml; move them to a file to edit them here"
    )]
    NoFile(String),
    #[error("{} of the edits cannot be made", .0.len())]
    Wrong(Vec<OpProblem>),
    /// Both sides say something of the same entry. With the hash of what is there now.
    #[error("{} of the entries were edited by somebody else too", .0.len())]
    Conflicts(Vec<Conflict>, String),
    /// The hash of what is there now.
    #[error("what the edit was made for is not known any more; look at the list as it is now")]
    BaseUnknown(String),
    #[error("the list is broken on disk; mend the file first")]
    Locked(Vec<Problem>),
    #[error("the policy would not come into force")]
    Invalid(Vec<Problem>),
    #[error("{why}; take the change as a patch")]
    ReadOnly { why: String, patch: String },
    #[error("the file is being written by somebody else all the time; try again")]
    Busy,
    /// Text that is no list.
    #[error("{0}")]
    NotRead(String),
    #[error("{0}")]
    Unreadable(Problem),
    #[error("{0}")]
    Io(String),
    /// Other replicas have to agree, and did not.
    #[error(transparent)]
    NotShared(#[from] NotShared),
}

impl From<Box<Problem>> for NotSaved {
    fn from(problem: Box<Problem>) -> NotSaved {
        NotSaved::Unreadable(*problem)
    }
}

/// What an edit makes of a file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Made {
    #[serde(skip)]
    pub applied: Applied,
    pub merged: bool,
    pub made_already: usize,
}

/// Says what people wrote of late.
type Recent = Box<dyn Fn() -> Vec<Arc<str>> + Send + Sync>;

/// Identities of entries under the options of a list, which are costly to make.
type Folding = (Role, Options, Arc<Mutex<Identities>>);

/// The word lists of the policies in force.
pub struct Lists {
    pub(super) policies: Arc<Policies>,
    pub(super) versions: Option<Store>,
    pub(super) recent: Recent,
    pub(super) bases: Bases,
    foldings: Mutex<Vec<Folding>>,
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lists")
    }
}

/// A list that stands in a file.
pub(super) struct Known {
    pub snapshot: Arc<Snapshot>,
    pub name: Arc<str>,
    /// Relative to the policy directory.
    pub file: Arc<str>,
}

impl Known {
    pub(super) fn rules(&self) -> Option<&ListRules> {
        self.snapshot.list(&self.name)
    }

    pub(super) fn words(&self) -> Option<&ListSpec> {
        self.snapshot.words(&self.name)
    }
}

impl Lists {
    /// `versions` has what lists were before the last start; `recent` says what people wrote of
    /// late, for previews.
    pub fn new(
        policies: Arc<Policies>,
        versions: Option<Store>,
        recent: impl Fn() -> Vec<Arc<str>> + Send + Sync + 'static,
    ) -> Lists {
        Lists {
            policies,
            versions,
            recent: Box::new(recent),
            bases: Bases::default(),
            foldings: Mutex::default(),
        }
    }

    /// Makes the edit in the file and puts it in force. Blocks for the disk and for compiling.
    pub fn save(&self, edit: &Edit, origin: Origin) -> Result<Saved, NotSaved> {
        self.save_by(edit, origin, Budget::Held)
    }

    /// The same, also where it changes more than the policy expects of a change.
    pub fn force(&self, edit: &Edit, origin: Origin) -> Result<Saved, NotSaved> {
        self.save_by(edit, origin, Budget::Passed)
    }

    /// The files on disk as they would be with the edit made. Blocks for the disk.
    pub fn files_with(&self, edit: &Edit) -> Result<FileSet, NotSaved> {
        let known = self.known(&edit.list)?;
        let mut files = read_files(self.policies.directory())?;
        let content = files.files.get(&*known.file).cloned();
        let made = self.make(&known, edit, &content.unwrap_or_default())?;
        let bytes = made.applied.bytes.into();
        files.files.insert(known.file.to_string(), bytes);
        Ok(files)
    }

    fn save_by(&self, edit: &Edit, origin: Origin, budget: Budget) -> Result<Saved, NotSaved> {
        let known = self.known(&edit.list)?;
        let (made, reloaded) = self.policies.edit(&known.file, origin, budget, |desk| {
            for _ in 0..TRIES {
                let content = settled(desk, &known.file)?;
                let made = self.make(&known, edit, &content)?;
                if self.put(desk, &known, &content, &made.applied.bytes)? {
                    return Ok(made);
                }
                desk.look_again()?;
            }
            Err(NotSaved::Busy)
        })?;
        let content: Arc<[u8]> = made.applied.bytes.into();
        Ok(Saved {
            version: reloaded.version,
            hash: self.bases.remember(&content),
            added: made.applied.added,
            set: made.applied.set,
            removed: made.applied.removed,
            merged: made.merged,
            made_already: made.made_already,
            warnings: reloaded.problems,
        })
    }

    /// Writes the file, if it would come into force and is still what it was; `false` if not that.
    fn put(
        &self,
        desk: &mut Desk<'_>,
        known: &Known,
        before: &[u8],
        after: &[u8],
    ) -> Result<bool, NotSaved> {
        if before == after {
            return Ok(true);
        }
        desk.would_be(&known.file, after)
            .map_err(NotSaved::Invalid)?;
        let read_only = |why: String| NotSaved::ReadOnly {
            why,
            patch: patch(&known.file, before, after),
        };
        let place = match Place::of(desk.directory(), &known.file) {
            Ok(place) => place,
            Err(NoPlace::Outside(path)) => {
                let (file, path) = (&known.file, path.display());
                let why = format!("`{file}` leads out of the policy directory, to {path}");
                return Err(read_only(why));
            }
            Err(NoPlace::Io(error)) => return Err(NotSaved::Io(error.to_string())),
        };
        match replace(&place, before, after) {
            Ok(()) => Ok(true),
            Err(NotWritten::Changed) => Ok(false),
            Err(NotWritten::ReadOnly(error)) => Err(read_only(format!(
                "`{}` cannot be written: {error}",
                known.file
            ))),
            Err(NotWritten::Io(error)) => Err(NotSaved::Io(format!(
                "`{}` cannot be written: {error}",
                known.file
            ))),
        }
    }

    /// What the edit makes of this content.
    pub(super) fn make(
        &self,
        known: &Known,
        edit: &Edit,
        content: &[u8],
    ) -> Result<Made, NotSaved> {
        let problems = Problems::default();
        read_list(&known.file, content, &problems);
        let mut problems = problems.into_sorted();
        problems.retain(|problem| problem.severity == Severity::Error);
        if !problems.is_empty() {
            return Err(NotSaved::Locked(problems));
        }
        let identities = self.identities(known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hash_of(content);
        let base = match &edit.base {
            Base::Hash(hash) if *hash != now => Some(hash),
            Base::Hash(_) | Base::Any => None,
        };
        let Some(hash) = base else {
            let applied = apply(content, &edit.ops, &mut identities).map_err(NotSaved::Wrong)?;
            return Ok(Made {
                applied,
                merged: false,
                made_already: 0,
            });
        };
        let base = self.base(&known.file, hash);
        let base = base.ok_or_else(|| NotSaved::BaseUnknown(now.clone()))?;
        match merge(&base, content, &edit.ops, &mut identities) {
            Ok(merged) => Ok(Made {
                applied: merged.applied,
                merged: true,
                made_already: merged.made_already,
            }),
            Err(NotMerged::Wrong(problems)) => Err(NotSaved::Wrong(problems)),
            Err(NotMerged::Conflicts(conflicts)) => {
                self.bases.remember(&content.into());
                Err(NotSaved::Conflicts(conflicts, now))
            }
        }
    }

    /// What the list was when it had this hash.
    fn base(&self, file: &str, hash: &str) -> Option<Arc<[u8]>> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return None;
        }
        let kept = || {
            let kept = KeptFile {
                path: file.to_owned(),
                sha256: hash.to_owned(),
                bytes: 0,
                idle: false,
                secret: false,
            };
            let content = self.versions.as_ref()?.content(0, &kept).ok()?;
            Some(Arc::from(content))
        };
        self.bases.get(hash).or_else(kept)
    }

    /// The list of this name, in a file. Errors: there is none.
    pub(super) fn known(&self, name: &str) -> Result<Known, NotSaved> {
        let snapshot = self.policies.current();
        let mut lists = snapshot.lists();
        let Some(rules) = lists.find(|list| list.name.eq_ignore_ascii_case(name)) else {
            let names = snapshot.lists().map(|list| &*list.name);
            return Err(NotSaved::NoList(name.to_owned(), suggest(name, names)));
        };
        let (name, file) = (Arc::clone(&rules.name), rules.file.clone());
        let file = file.ok_or_else(|| NotSaved::NoFile(name.to_string()))?;
        drop(lists);
        Ok(Known {
            name,
            file,
            snapshot,
        })
    }

    /// Tells the entries of a list apart.
    pub(super) fn identities(&self, known: &Known) -> Result<Arc<Mutex<Identities>>, NotSaved> {
        let words = known.words();
        let words = words.ok_or_else(|| NotSaved::Io("the list was not compiled".to_owned()))?;
        let mut foldings = self.foldings.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&(Role, Options, _)| one.0 == words.role && one.1 == words.options;
        if let Some((_, _, found)) = foldings.iter().find(same) {
            return Ok(Arc::clone(found));
        }
        let made = Identities::of(words.role, &words.options);
        let made = made.map_err(|wrong| NotSaved::Io(wrong.join("; ")))?;
        let made = Arc::new(Mutex::new(made));
        if foldings.len() >= FOLDINGS_MAX {
            foldings.remove(0);
        }
        foldings.push((words.role, words.options.clone(), Arc::clone(&made)));
        Ok(made)
    }
}

/// The file on disk, once nobody is writing it any more.
fn settled(desk: &mut Desk<'_>, file: &str) -> Result<Arc<[u8]>, NotSaved> {
    for _ in 0..LOOKS_MAX {
        let disk = desk.disk().files.get(file).cloned();
        let is_ours = disk.is_some() && disk.as_ref() == desk.in_force().files.get(file);
        let metadata = fs::metadata(desk.directory().join(file));
        let written = metadata.and_then(|metadata| metadata.modified());
        let rested = written.ok().and_then(|at| at.elapsed().ok());
        match disk {
            Some(content) if is_ours || rested.is_none_or(|rested| rested >= REST) => {
                return Ok(content);
            }
            _ => {
                thread::sleep(LOOK_AGAIN);
                desk.look_again()?;
            }
        }
    }
    Err(NotSaved::Busy)
}

/// The change as `git apply` and `patch -p1` take it, in the policy directory.
pub(super) fn patch(file: &str, before: &[u8], after: &[u8]) -> String {
    let [before, after] = [before, after].map(String::from_utf8_lossy);
    let diff = TextDiff::from_lines(&*before, &*after);
    let mut diff = diff.unified_diff();
    let (from, to) = (format!("a/{file}"), format!("b/{file}"));
    diff.context_radius(3).header(&from, &to).to_string()
}
