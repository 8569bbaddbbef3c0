//! `callgate check`: every problem of the policy files at once, and what they lead to.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::engine_file::{files_problem, load_config, tls_problems};
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output::{self, plain};
use super::postgres;
use crate::callback::{check_secret, check_tls};
use crate::callers::check_token;
use crate::config;
use crate::decision::FailureClass;
use crate::dialect;
use crate::policy::{self, CompileContext, Override, Snapshot, Unmaskable};
use crate::reload::read_files;
use crate::settings::{Problem, Severity};

/// Exit codes: 0 no errors, 1 errors, or warnings with --deny-warnings.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Warnings count as errors, for a pipeline that must not let one through.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    errors: usize,
    warnings: usize,
    /// Present when there are no errors.
    policy_hash: Option<String>,
    problems: &'a [Problem],
    /// Keys of included files that something overrides.
    overrides: &'a [Override],
    /// By before hook and class of failure: `allow` or `block`.
    failures: BTreeMap<&'static str, Actions>,
    /// Where a word of a `replace` list cannot be masked.
    unmaskable: Vec<Unmaskable>,
}

type Actions = BTreeMap<&'static str, &'static str>;

/// What was found; the snapshot only without errors.
struct Checked {
    snapshot: Option<Snapshot>,
    problems: Vec<Problem>,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let env: Vec<_> = std::env::vars().collect();
    let checked = check(files, &env)?;
    let count = |severity: Severity| {
        let problems = checked.problems.iter();
        problems.filter(|one| one.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let ok = errors == 0 && (warnings == 0 || !args.deny_warnings);
    let snapshot = checked.snapshot.as_ref();
    let report = Report {
        ok,
        errors,
        warnings,
        policy_hash: snapshot.map(|snapshot| snapshot.version.hash.to_string()),
        problems: &checked.problems,
        overrides: snapshot.map(Snapshot::overrides).unwrap_or_default(),
        failures: snapshot.map(failures).unwrap_or_default(),
        unmaskable: snapshot.map(Snapshot::unmaskable).unwrap_or_default(),
    };
    if args.json {
        output::line(&serde_json::to_string(&report)?)?;
    } else {
        output::page(&text(&report, &files.policies.display().to_string()))?;
    }
    Ok(match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn check(files: &Files, env: &[(String, String)]) -> anyhow::Result<Checked> {
    let mut problems = Vec::new();
    let (listeners, [open_ports, plain_ports]) = match load_config(&files.policies, env)? {
        Ok(config) => {
            let engine_yaml = files.policies.join("engine.yaml");
            problems.extend(files_problem(&config, &engine_yaml));
            problems.extend(tls_problems(&config));
            problems.extend(postgres::problem(&config, &engine_yaml));
            problems.extend(config.warnings(&engine_yaml.display().to_string()));
            let ports = [config.open_ports(), config.plain_ports()];
            (config.listeners(), ports)
        }
        Err(bad) => {
            problems.extend(bad);
            (config::default_listeners(), Default::default())
        }
    };
    let context = CompileContext {
        env: env.to_vec(),
        listeners,
        check_secret: Some(check_secret),
        check_tls: Some(check_tls),
        check_token: Some(check_token),
        open_ports,
        plain_ports,
        is_candidate: false,
    };
    let snapshot = match read_files(&files.policies) {
        Ok(files) => {
            let mut compiled = policy::compile(&files, &context, 1);
            problems.append(&mut compiled.problems);
            problems.extend(policy::lint(&files, &compiled));
            compiled.snapshot
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    };
    let any_error = problems.iter().any(|one| one.severity == Severity::Error);
    Ok(Checked {
        snapshot: snapshot.filter(|_| !any_error),
        problems,
    })
}

/// What each class of failure leads to, by hook.
fn failures(snapshot: &Snapshot) -> BTreeMap<&'static str, Actions> {
    let before = snapshot.hooks();
    let before = before.filter(|rules| dialect::info(rules.hook).may_ask());
    before
        .map(|rules| {
            let actions = FailureClass::ALL
                .into_iter()
                .map(|class| (class.name(), rules.action(class).name()));
            (rules.hook.name, actions.collect())
        })
        .collect()
}

fn text(report: &Report<'_>, root: &str) -> String {
    let mut lines: Vec<String> = report
        .problems
        .iter()
        .map(|problem| plain(&problem.to_string()))
        .collect();
    if !report.overrides.is_empty() {
        lines.push("overridden keys of included files:".to_owned());
        lines.extend(
            report
                .overrides
                .iter()
                .map(|one| plain(&format!("  {one}"))),
        );
    }
    lines.extend(failure_lines(&report.failures));
    lines.extend(report.unmaskable.iter().map(unmaskable_line));
    let Report {
        errors, warnings, ..
    } = report;
    lines.push(match &report.policy_hash {
        Some(hash) if report.ok => format!("{root}: good, {warnings} warning(s), policy {hash}"),
        Some(_) => format!("{root}: {warnings} warning(s), which --deny-warnings refuses"),
        None => format!("{root}: {errors} error(s), {warnings} warning(s)"),
    });
    lines.join("\n") + "\n"
}

fn unmaskable_line(one: &Unmaskable) -> String {
    let (hook, fields) = (one.hook, one.fields.join("`, `"));
    let leads_to = match one.leads_to {
        "block" => "blocks",
        "flag" => "passes and is reported",
        _ => "passes",
    };
    format!(
        "{hook}: a word to be replaced cannot be in `{fields}`, so there it {leads_to} (cannot_replace)"
    )
}

/// The hooks that treat every class alike share their lines.
fn failure_lines(failures: &BTreeMap<&'static str, Actions>) -> Vec<String> {
    let mut alike: BTreeMap<&Actions, Vec<&str>> = BTreeMap::new();
    for (hook, actions) in failures {
        alike.entry(actions).or_default().push(hook);
    }
    let mut lines = Vec::new();
    for (actions, hooks) in alike {
        lines.push(format!("failures of {}:", hooks.join(", ")));
        for action in ["allow", "block"] {
            let classes = FailureClass::ALL.map(FailureClass::name).into_iter();
            let classes: Vec<_> = classes
                .filter(|class| actions.get(class) == Some(&action))
                .collect();
            if !classes.is_empty() {
                lines.push(format!("  {action} {}", classes.join(", ")));
            }
        }
    }
    lines
}
