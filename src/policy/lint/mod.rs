//! Findings about word lists: entries that are allowed, but that an operator would not want.
//!
//! Nothing here decides on a message, and nothing keeps a policy from coming into force: a
//! finding is a warning with file and line, for `callgate check`.
//!
//! Order, downward: `cost`, `idle`, `spared`, `everyday`, `words`, `shape`, `entries`, `phone`,
//! `findings`, `subject`.

mod cost;
mod entries;
mod everyday;
mod findings;
mod idle;
mod phone;
mod shape;
mod spared;
mod subject;
mod words;

use super::compile::Compiled;
use super::sources::FileSet;
use crate::settings::{Problem, Problems};
use findings::Findings;
use subject::{Lint, List};

/// Looks at every word list of a policy that was compiled from these files.
pub fn lint(files: &FileSet, compiled: &Compiled) -> Vec<Problem> {
    let problems = Problems::default();
    if let (Some(spec), Some(snapshot)) = (&compiled.spec, &compiled.snapshot) {
        let lists: Vec<List> = spec
            .lists
            .iter()
            .zip(snapshot.filter.lists())
            .map(|(spec, words)| List::new(spec, words, files))
            .collect();
        let lint = Lint {
            spec,
            snapshot,
            lists,
        };
        let mut findings = Findings::new(&lint.spec.lint, &lint.lists);
        lint.entries(&mut findings);
        lint.shapes(&mut findings);
        lint.everyday_words(&mut findings);
        lint.everyday(&mut findings);
        lint.cost(&mut findings);
        lint.idle(&mut findings);
        findings.report(&problems);
    }
    problems.into_sorted()
}
