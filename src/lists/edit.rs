//! Edits of lists: what somebody wants, which list and file that is, and what becomes of the lines.

use std::sync::{Arc, Mutex, PoisonError};

use super::bases::{Bases, hash_of};
use crate::editor::{Applied, Conflict, NotMerged, Op, OpProblem, apply, merge};
use crate::filter::{Identities, ListSpec, Options, Role};
use crate::policy::{ListRules, Snapshot, Version, read_list};
use crate::reload::{NotShared, Policies};
use crate::settings::{Problem, Problems, Severity, suggest};
use crate::versions::{KeptFile, Store};

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
    /// Another list, which the entries that are removed go to.
    pub to: Option<String>,
}

/// Entries that went to another list, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The name of that list.
    pub to: String,
    /// Those that it had already, as they stood in the other: its own line of each stays as it is.
    pub listed: Vec<String>,
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
    /// Where entries went that were moved.
    pub moved: Option<Moved>,
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
    #[error("{0}")]
    NoMove(String),
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
    /// A move wrote its first file and not its second.
    #[error("both lists have the entries now: {0}; move them again")]
    Half(String),
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

/// What an edit makes of the file of its list.
#[derive(Clone, Debug)]
pub(super) struct Edited {
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

    /// Errors: this content of its file is no list.
    pub(super) fn must_be_whole(&self, content: &[u8]) -> Result<(), NotSaved> {
        let problems = Problems::default();
        read_list(&self.file, content, &problems);
        let mut problems = problems.into_sorted();
        problems.retain(|problem| problem.severity == Severity::Error);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(NotSaved::Locked(problems)),
        }
    }

    /// Words of the list that stand in policy.yaml.
    pub(super) fn inline(&self) -> impl Iterator<Item = &str> {
        let both = self.rules().zip(self.words());
        both.into_iter().flat_map(|(rules, words)| {
            let all = words.written();
            let from_file = all.len() - rules.words.min(all.len());
            all.skip(from_file).map(|word| word.text)
        })
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

    /// What the edit makes of this content of its list.
    pub(super) fn edited(
        &self,
        known: &Known,
        edit: &Edit,
        content: &[u8],
    ) -> Result<Edited, NotSaved> {
        known.must_be_whole(content)?;
        let identities = self.identities(known)?;
        let mut identities = identities.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hash_of(content);
        let base = match &edit.base {
            Base::Hash(hash) if *hash != now => Some(hash),
            Base::Hash(_) | Base::Any => None,
        };
        let Some(hash) = base else {
            let applied = apply(content, &edit.ops, &mut identities).map_err(NotSaved::Wrong)?;
            return Ok(Edited {
                applied,
                merged: false,
                made_already: 0,
            });
        };
        let base = self.base(&known.file, hash);
        let base = base.ok_or_else(|| NotSaved::BaseUnknown(now.clone()))?;
        match merge(&base, content, &edit.ops, &mut identities) {
            Ok(merged) => Ok(Edited {
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
