//! `callgate test`: the cases of a policy, without a server.
//!
//! Order, downward: `junit`, `report`.

mod junit;
mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output;
use crate::policy::{self, CompileContext, Coverage, FileSet, Ran, Snapshot};
use crate::reload::read_files;
use crate::settings::{Problem, Problems, Severity};
use report::Report;

/// How often files are looked at while they are watched.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Exit codes: 0 every case came out as it must, 1 one did not, or there is an error or no case.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only cases whose name or file holds this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Also write the results as JUnit XML, for a build server.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Name every case, and all that no case sees at work.
    #[arg(long, short)]
    verbose: bool,
    /// Run again whenever a file of the policy is edited, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let mut before: Option<BTreeMap<String, Arc<[u8]>>> = None;
    loop {
        let read = read_files(&files.policies);
        let now = read.as_ref().ok().map(|files| files.files.clone());
        if !args.watch || now.is_none() || now != before {
            let good = match read {
                Ok(files) => run_once(&files, &args)?,
                Err(problem) => {
                    output::problems([&*problem]);
                    false
                }
            };
            if !args.watch {
                return Ok(match good {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::from(EXIT_BAD_INPUT),
                });
            }
            before = Some(now.unwrap_or_default());
            output::complain("callgate: waiting for an edit; Ctrl-C ends it");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether every case is good.
fn run_once(files: &FileSet, args: &Args) -> anyhow::Result<bool> {
    let context = CompileContext {
        env: std::env::vars().collect(),
        ..CompileContext::default()
    };
    let compiled = policy::compile_untried(files, &context, 1);
    let problems = Problems::default();
    let mut cases = policy::read_cases(files, &problems);
    let mut found = problems.into_sorted();
    let Some(snapshot) = compiled.snapshot.as_ref().filter(|_| !any_error(&found)) else {
        if compiled.snapshot.is_none() {
            found.extend(compiled.problems);
        }
        output::problems(&found);
        return Ok(false);
    };
    output::problems(&found);
    if let Some(part) = &args.filter {
        cases.retain(|case| case.name.contains(part) || case.at.place.file.contains(part));
    }
    if cases.is_empty() {
        output::complain(match args.filter {
            None => {
                "callgate: there are no cases; write some in tests/*.yaml of the policy directory"
            }
            Some(_) => "callgate: no case has that in its name or file",
        });
        return Ok(false);
    }
    let (ran, coverage) = run_cases(snapshot, &cases);
    let report = Report::new(snapshot, ran, &coverage);
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::xml(&report))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    match args.json {
        true => output::line(&serde_json::to_string(&report)?)?,
        false => output::page(&report.text(args.verbose))?,
    }
    Ok(report.ok)
}

fn run_cases(snapshot: &Snapshot, cases: &[policy::Case]) -> (Vec<Ran>, Coverage) {
    let mut coverage = Coverage::default();
    let begin = Instant::now();
    let stopwatch = || begin.elapsed();
    let ran = cases
        .iter()
        .map(|case| policy::run_case(snapshot, case, Some(&stopwatch), &mut coverage))
        .collect();
    (ran, coverage)
}

fn any_error(problems: &[Problem]) -> bool {
    problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
}
