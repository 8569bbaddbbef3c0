//! Findings about word lists: entries that are allowed, but that an operator would not want.
//!
//! Nothing here decides on a message, and nothing keeps a policy from coming into force: a
//! finding is a warning with file and line, for `callgate check`.
//!
//! Order, downward: `spared`, `everyday`, `entries`, `phone`, `findings`, `subject`.

mod entries;
mod everyday;
mod findings;
mod phone;
mod spared;
mod subject;

use super::snapshot::Snapshot;
use super::sources::{self, CompileContext, FileSet, POLICY_FILE};
use super::spec;
use crate::settings::{At, Problem, Problems, Section};
use findings::Findings;
use subject::{Lint, List};

/// Looks at every word list of a policy that was compiled from these files.
pub fn lint(files: &FileSet, context: &CompileContext, snapshot: &Snapshot) -> Vec<Problem> {
    let problems = Problems::default();
    // The snapshot was compiled from the same files, so what is wrong with them is known.
    let known = Problems::default();
    let settings = sources::read(files, &context.env, &known);
    let file = At::file(&files.shown(POLICY_FILE));
    if let Some(settings) = settings {
        let spec = spec::read(&Section::root(&settings, file, &known));
        let lists: Vec<List> = spec
            .lists
            .iter()
            .zip(snapshot.filter.lists())
            .map(|(spec, words)| List::new(spec, words, files))
            .collect();
        let lint = Lint {
            spec: &spec,
            snapshot,
            lists,
        };
        let mut findings = Findings::new(&lint.spec.lint, &lint.lists);
        lint.entries(&mut findings);
        lint.everyday(&mut findings);
        findings.report(&problems);
    }
    problems.into_sorted()
}
