//! `callgate doctor`: plays known calls against the business servers, and looks at the way to here.
//!
//! Order, downward: `report`, `examine`, `webhooks`, `alone`, `judge`, `calls`.

mod alone;
mod calls;
mod examine;
mod judge;
mod report;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;

use super::client::block_on;
use super::engine_file::load_config;
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output;
use crate::callback::{Callbacks, check_secret, check_tls};
use crate::policy::{self, CompileContext, Compiled, Endpoint, Snapshot};
use crate::reload::read_files;
use examine::Examination;
use report::Report;

/// Exit codes: 0 nothing grave, 1 something is (or anything, with --deny-warnings), 3 an endpoint
/// cannot be reached.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One endpoint alone.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// OpenIM's own webhooks.yml: does it send its calls here, hook by hook.
    #[arg(long, value_name = "FILE")]
    webhooks: Option<PathBuf>,
    /// Name every call.
    #[arg(long, short)]
    verbose: bool,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// What is not grave counts too.
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let env: Vec<_> = std::env::vars().collect();
    let config = match load_config(&files.policies, &env)? {
        Ok(config) => config,
        Err(problems) => {
            output::problems(&problems);
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    let listeners = config.listeners();
    let context = CompileContext {
        env,
        listeners: listeners.clone(),
        check_secret: Some(check_secret),
        check_tls: Some(check_tls),
        ..CompileContext::default()
    };
    let read = read_files(&files.policies).map_err(|problem| anyhow!("{problem}"))?;
    let mut compiled = policy::compile_untried(&read, &context, 1);
    let Some(snapshot) = compiled.snapshot.take() else {
        // An endpoint that is callgate itself is among them.
        output::problems(&compiled.problems);
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    };
    let endpoints = match wanted(&snapshot, args.endpoint.as_deref()) {
        Ok(endpoints) => endpoints,
        Err(why) => {
            output::complain(&format!("callgate: {why}"));
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    let remarks = match &args.webhooks {
        None => Vec::new(),
        Some(path) => webhooks::look(path, &snapshot, &listeners)?,
    };
    let callbacks = Callbacks::new("callgate-doctor", listeners);
    let examined = block_on(examine_all(&compiled, &snapshot, &callbacks, &endpoints))?;
    let report = Report::new(examined, remarks, args.deny_warnings);
    match args.json {
        true => output::line(&serde_json::to_string(&report)?)?,
        false => output::page(&report.text(args.verbose))?,
    }
    Ok(match report.ok {
        true => ExitCode::SUCCESS,
        false if report.is_unreachable() => ExitCode::from(EXIT_NO_SERVER),
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn wanted(snapshot: &Snapshot, name: Option<&str>) -> Result<Vec<Arc<Endpoint>>, String> {
    let Some(name) = name else {
        return Ok(snapshot.endpoints().cloned().collect());
    };
    match snapshot.endpoint(name) {
        Some(endpoint) => Ok(vec![Arc::clone(endpoint)]),
        None => {
            let names: Vec<&str> = snapshot.endpoints().map(|one| &*one.name).collect();
            let hint = crate::settings::suggest(name, names);
            Err(format!("no endpoint is named `{name}`; {hint}"))
        }
    }
}

async fn examine_all(
    compiled: &Compiled,
    snapshot: &Snapshot,
    callbacks: &Callbacks,
    endpoints: &[Arc<Endpoint>],
) -> anyhow::Result<Vec<examine::Examined>> {
    let examination = Examination {
        compiled,
        snapshot,
        callbacks,
    };
    let mut examined = Vec::new();
    for endpoint in endpoints {
        examined.push(examination.examine(endpoint).await);
    }
    Ok(examined)
}
