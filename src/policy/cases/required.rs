//! A policy that must pass its own cases: `tests: required`.

use super::super::compile::{self, Compiled};
use super::super::sources::{CompileContext, FileSet};
use super::coverage::Coverage;
use super::read::{read_cases, shown_in};
use super::run::{Ran, run_case};
use crate::settings::{Problem, Problems, Severity};

/// Cases that are named one by one.
const NAMED_MAX: usize = 20;

/// Reads, checks and compiles the files of a policy; where it says `tests: required`, it also runs
/// its cases, and one that fails is an error like any other. Time limits are not looked at: how
/// busy a machine is says nothing about a policy.
pub fn compile(files: &FileSet, context: &CompileContext, number: u64) -> Compiled {
    let mut compiled = compile::compile(files, context, number);
    let is_required = compiled
        .spec
        .as_ref()
        .is_some_and(|spec| spec.tests_required);
    let Some(snapshot) = compiled.snapshot.as_ref().filter(|_| is_required) else {
        return compiled;
    };
    let problems = Problems::default();
    let cases = read_cases(files, &problems);
    let mut found = problems.into_sorted();
    if !found
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        let mut coverage = Coverage::default();
        let ran = cases
            .iter()
            .map(|case| run_case(snapshot, case, None, &mut coverage));
        let failed: Vec<Ran> = ran.filter(|ran| !ran.is_good()).collect();
        found.extend(failed.iter().take(NAMED_MAX).map(problem_of));
        if failed.len() > NAMED_MAX {
            let what = format!("{} more cases fail", failed.len() - NAMED_MAX);
            found.push(Problem::of_file(
                shown_in(files),
                what,
                "`callgate test` shows them all",
            ));
        }
        if cases.is_empty() {
            let hint = "write some, or remove `tests: required` from policy.yaml";
            found.push(Problem::of_file(
                shown_in(files),
                "`tests: required`, but there are no cases",
                hint,
            ));
        }
    }
    if found
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        compiled.snapshot = None;
    }
    compiled.problems.extend(found);
    compiled
}

fn problem_of(ran: &Ran) -> Problem {
    let mut bad = ran.decisions.iter().filter(|made| !made.faults.is_empty());
    let first = bad.next();
    let more = bad.count();
    let what = first.map(|made| format!("{made}: {}", made.faults.join("; ")));
    let more = match more {
        0 => String::new(),
        more => format!(", and {more} more of its decisions"),
    };
    Problem {
        file: ran.file.clone(),
        line: ran.line,
        column: 1,
        path: String::new(),
        what: format!(
            "the case `{}` fails: {}{more}",
            ran.name,
            what.unwrap_or_default()
        ),
        hint: "mend the policy, or the case if it should decide so (`tests: required`)".to_owned(),
        severity: Severity::Error,
    }
}
