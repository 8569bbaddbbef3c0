//! `callgate check`: every problem of the policy files at once.

use std::process::ExitCode;

use serde::Serialize;

use super::engine_file::{files_problem, load_config};
use super::{EXIT_BAD_INPUT, Files};
use crate::config;
use crate::policy::{self, CompileContext};
use crate::reload::read_files;
use crate::settings::{Problem, Severity};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    errors: usize,
    warnings: usize,
    /// Present when there are no errors.
    policy_hash: Option<String>,
    problems: &'a [Problem],
}

pub fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let env: Vec<_> = std::env::vars().collect();
    let (hash, problems) = check(files, &env)?;
    let count = |severity: Severity| {
        problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if args.json {
        let report = Report {
            ok: errors == 0,
            errors,
            warnings,
            policy_hash: hash,
            problems: &problems,
        };
        println!("{}", serde_json::to_string(&report)?);
    } else {
        for problem in &problems {
            println!("{problem}");
        }
        let root = files.policies.display();
        match errors {
            0 => println!(
                "{root}: good, {warnings} warning(s), policy {}",
                hash.unwrap_or_default()
            ),
            _ => println!("{root}: {errors} error(s), {warnings} warning(s)"),
        }
    }
    Ok(match errors {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_BAD_INPUT),
    })
}

/// The hash of the policy, if it has no errors, and every problem.
fn check(
    files: &Files,
    env: &[(String, String)],
) -> anyhow::Result<(Option<String>, Vec<Problem>)> {
    let mut problems = Vec::new();
    let listeners = match load_config(&files.policies, env)? {
        Ok(config) => {
            let engine_yaml = files.policies.join("engine.yaml");
            problems.extend(files_problem(&config, &engine_yaml));
            vec![config.grpc.listen, config.http.listen, config.admin.listen]
        }
        Err(bad) => {
            problems.extend(bad);
            config::default_listeners()
        }
    };
    let context = CompileContext {
        env: env.to_vec(),
        listeners,
    };
    match read_files(&files.policies) {
        Ok(files) => {
            let compiled = policy::compile(&files, &context, 1);
            problems.extend(compiled.problems);
            if let Some(snapshot) = &compiled.snapshot {
                problems.extend(policy::lint(&files, &context, snapshot));
            }
            let snapshot = compiled.snapshot.filter(|_| {
                problems
                    .iter()
                    .all(|problem| problem.severity != Severity::Error)
            });
            Ok((
                snapshot.map(|snapshot| snapshot.version.hash.to_string()),
                problems,
            ))
        }
        Err(problem) => {
            problems.push(*problem);
            Ok((None, problems))
        }
    }
}
