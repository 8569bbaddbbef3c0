//! The first policy of a process: that of the files, or the last good one where they have errors.

use std::path::Path;

use super::attempt::{Attempt, attempt};
use super::doubts::Doubts;
use super::files::{Fingerprint, read_files};
use super::history::Held;
use crate::policy::{self, CompileContext, Compiled, FileSet, Outside, Snapshot, Version};
use crate::settings::{Problem, Severity};
use crate::versions::Origin;

/// Why callgate cannot start: every problem of the policy files.
#[derive(Debug, thiserror::Error)]
#[error("the policy has {} error(s)", .0.iter().filter(|problem| problem.severity == Severity::Error).count())]
pub struct BadPolicy(pub Vec<Problem>);

/// What was in force before.
#[derive(Debug)]
pub struct Start {
    /// The number of the next version.
    pub next: u64,
    /// The version that was in force last, with its files by path.
    pub last: Option<(Version, FileSet)>,
    /// Who had the files written that are another version now, if that is known.
    pub origin: Option<Origin>,
    /// Files with errors fail the start, whatever was in force before.
    pub strict: bool,
}

impl Default for Start {
    /// Nothing was.
    fn default() -> Start {
        Start {
            next: 1,
            last: None,
            origin: None,
            strict: false,
        }
    }
}

/// What is in force at the start.
pub(super) struct Started {
    pub snapshot: Snapshot,
    pub files: FileSet,
    pub outside: Vec<Outside>,
    pub lists: Vec<String>,
    pub reads: Vec<String>,
    pub doubts: Doubts,
    /// The number of the version that comes after it.
    pub next: u64,
    pub problems: Vec<Problem>,
    /// What is wrong with the files on disk.
    pub rejected: Vec<Problem>,
    pub held: Vec<Held>,
    pub restored: bool,
}

/// Errors: the files have errors, and nothing was in force before that could be instead.
pub(super) fn start(
    directory: &Path,
    context: &CompileContext,
    from: Start,
) -> Result<Started, BadPolicy> {
    let Start {
        next, last, strict, ..
    } = from;
    let base = last.as_ref().filter(|_| !strict);
    let stats = Fingerprint::of(directory);
    let disk = read_files(directory);
    let mut doubts = Doubts::default();
    // A directory that is not there at all is a slip of the pen, not an edit.
    let base = base.filter(|_| disk.is_ok() || directory.is_dir());
    let rejected = match disk {
        Err(problem) => vec![*problem],
        Ok(mut disk) => {
            let mut held = Vec::new();
            if let Some((_, files)) = base {
                let lists: Vec<String> = files
                    .files
                    .keys()
                    .filter(|path| is_list(path))
                    .cloned()
                    .collect();
                held = doubts.hold_cut(&mut disk, files, &lists, &stats, false);
            }
            let number = number_of(&disk, context, last.as_ref(), next);
            // Nothing is in force: every policy is another one.
            let none = Version {
                number: 0,
                hash: "".into(),
            };
            let files = base.map(|(_, files)| files);
            let tried = attempt(
                disk,
                files,
                held,
                context,
                number,
                &none,
                &|_: &Snapshot| Vec::new(),
            );
            match tried.attempt {
                Attempt::Good {
                    files,
                    mut snapshot,
                    problems,
                    held,
                } => {
                    // With lists that keep their content it may be another than the disk's.
                    snapshot.version.number = number_of(&files, context, last.as_ref(), next);
                    let rejected = held.iter().flat_map(|one| one.problems.clone()).collect();
                    return Ok(Started {
                        next: next.max(snapshot.version.number + 1),
                        snapshot: *snapshot,
                        files,
                        outside: tried.outside.unwrap_or_default(),
                        lists: tried.lists,
                        reads: tried.reads,
                        doubts,
                        problems,
                        rejected,
                        held,
                        restored: false,
                    });
                }
                Attempt::Bad(problems) => problems,
                Attempt::Same { .. } => unreachable!("no policy has an empty hash"),
            }
        }
    };
    match base.and_then(|last| restore(last, context, next)) {
        Some((files, compiled, snapshot)) => Ok(Started {
            next: next.max(snapshot.version.number + 1),
            snapshot,
            files,
            outside: compiled.outside,
            lists: compiled.lists,
            reads: compiled.reads,
            doubts,
            problems: compiled.problems,
            rejected,
            held: Vec::new(),
            restored: true,
        }),
        None => Err(BadPolicy(rejected)),
    }
}

/// Which of the files are lists is not known before they are compiled.
fn is_list(path: &str) -> bool {
    path.ends_with(".txt")
}

/// A policy that says what the last one said is that version; a candidate is none.
fn number_of(
    files: &FileSet,
    context: &CompileContext,
    last: Option<&(Version, FileSet)>,
    next: u64,
) -> u64 {
    if context.is_candidate {
        return 0;
    }
    let hash = policy::content_hash(files, context);
    match last {
        Some((version, _)) if version.hash == hash => version.number,
        _ => next,
    }
}

/// Compiles the version that was in force last. A secret that has gone since fails calls to its
/// endpoint, as it would have without a restart, and not the start.
fn restore(
    (version, files): &(Version, FileSet),
    context: &CompileContext,
    next: u64,
) -> Option<(FileSet, Compiled, Snapshot)> {
    let number = match policy::content_hash(files, context) == version.hash {
        true => version.number,
        // The environment says something else than then.
        false => next,
    };
    let unchecked = CompileContext {
        check_secret: None,
        check_tls: None,
        check_token: None,
        ..context.clone()
    };
    [context, &unchecked].into_iter().find_map(|context| {
        let mut compiled = policy::compile(files, context, number);
        let snapshot = compiled.snapshot.take()?;
        Some((files.clone(), compiled, snapshot))
    })
}
