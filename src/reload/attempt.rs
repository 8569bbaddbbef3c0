//! What the files on disk lead to, where the lists among them that cannot be taken keep their last
//! good content.

use std::collections::BTreeSet;

use super::history::Held;
use super::weighing::Weigh;
use crate::policy::{self, CompileContext, Compiled, FileSet, Outside, Snapshot, Version};
use crate::settings::{Problem, Severity};

/// What became of it.
#[derive(Debug)]
pub(super) struct Tried {
    pub attempt: Attempt,
    /// What the policy on disk depends on; `None` where it was not compiled.
    pub outside: Option<Vec<Outside>>,
    /// The files of its word lists.
    pub lists: Vec<String>,
    /// All files that it was read from.
    pub reads: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Attempt {
    /// What can be taken of it is in force; with the files where they say so in other words, which
    /// are cases that the policy passes.
    Same {
        held: Vec<Held>,
        files: Option<FileSet>,
    },
    Good {
        /// What it was compiled from.
        files: FileSet,
        snapshot: Box<Snapshot>,
        problems: Vec<Problem>,
        held: Vec<Held>,
    },
    Bad(Vec<Problem>),
}

/// Compiles what is on disk. `base` are the files in force: a list that has errors is taken from
/// there, if nothing but lists has any. `held` were taken from there already.
pub(super) fn attempt(
    disk: FileSet,
    base: Option<&FileSet>,
    mut held: Vec<Held>,
    context: &CompileContext,
    number: u64,
    current: &Version,
    weigh: &Weigh<'_>,
) -> Tried {
    // Compiling is what costs; a tree that says the same needs none of it.
    let is_same = |files: &FileSet| policy::content_hash(files, context) == current.hash;
    if is_same(&disk) {
        return Tried {
            attempt: other_cases(disk, base, held, context, number),
            outside: None,
            lists: Vec::new(),
            reads: Vec::new(),
        };
    }
    let compiled = policy::compile(&disk, context, number);
    let outside = Some(compiled.outside.clone());
    let lists = compiled.lists.clone();
    let reads = compiled.reads.clone();
    let tried = |attempt| Tried {
        attempt,
        outside,
        lists,
        reads,
    };
    if let Some(snapshot) = compiled.snapshot {
        return tried(good(disk, snapshot, compiled.problems, held, weigh));
    }
    let Some((files, more)) = base.and_then(|base| instead(&disk, base, &compiled)) else {
        let attempt = Attempt::Bad(compiled.problems);
        return tried(attempt);
    };
    held.extend(more);
    if is_same(&files) {
        return tried(Attempt::Same { held, files: None });
    }
    let mended = policy::compile(&files, context, number);
    let attempt = match mended.snapshot {
        Some(snapshot) => good(files, snapshot, mended.problems, held, weigh),
        None => Attempt::Bad(compiled.problems),
    };
    tried(attempt)
}

/// A policy without errors, if it keeps to what it expects of the change to it.
fn good(
    files: FileSet,
    snapshot: Snapshot,
    mut problems: Vec<Problem>,
    held: Vec<Held>,
    weigh: &Weigh<'_>,
) -> Attempt {
    let weighed = weigh(&snapshot);
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    if weighed.iter().any(is_error) {
        return Attempt::Bad(weighed);
    }
    problems.extend(weighed);
    Attempt::Good {
        files,
        snapshot: Box::new(snapshot),
        problems,
        held,
    }
}

/// What is in force decides as before; but cases that were edited may say that it should not.
fn other_cases(
    disk: FileSet,
    base: Option<&FileSet>,
    held: Vec<Held>,
    context: &CompileContext,
    number: u64,
) -> Attempt {
    let is_known = base.is_none_or(|base| base.files == disk.files);
    if is_known {
        return Attempt::Same { held, files: None };
    }
    let compiled = policy::compile(&disk, context, number);
    match compiled.snapshot {
        Some(_) => Attempt::Same {
            held,
            files: Some(disk),
        },
        None => Attempt::Bad(compiled.problems),
    }
}

/// The files with the last good content of every list that has errors; `None` where that mends
/// nothing.
fn instead(disk: &FileSet, base: &FileSet, compiled: &Compiled) -> Option<(FileSet, Vec<Held>)> {
    if compiled.bad_lists.is_empty() {
        return None;
    }
    let mut files = disk.clone();
    let mut held = Vec::new();
    let bad: BTreeSet<&String> = compiled.bad_lists.iter().collect();
    for path in bad {
        let good = base.files.get(path)?;
        let is_missing = files.files.insert(path.clone(), good.clone()).is_none();
        let problems = compiled.problems.iter().filter(|problem| {
            let is_error = problem.severity == Severity::Error;
            is_error
                && (problem.file.ends_with(path.as_str()) || problem.what.contains(path.as_str()))
        });
        held.push(Held {
            file: path.clone(),
            why: match is_missing {
                true => "it is not there".to_owned(),
                false => "it has errors".to_owned(),
            },
            problems: problems.cloned().collect(),
        });
    }
    Some((files, held))
}
