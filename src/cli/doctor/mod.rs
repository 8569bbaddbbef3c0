//! `callgate doctor`: plays known calls against the business servers, and looks at the way to here.
//!
//! Order, downward: `text`.

mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::client::block_on;
use super::engine_file::load_config;
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output;
use crate::callback::{Callbacks, check_secret, check_tls};
use crate::doctor::{Doctor, Here, Wanted};
use crate::policy::{self, CompileContext};
use crate::reload::read_files;
use text::text;

/// Exit codes: 0 nothing grave, 1 something is (or anything, with --deny-warnings), 3 an endpoint
/// cannot be reached.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One endpoint alone.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// The IM server's own file: does it send its calls here, hook by hook. OpenIM's webhooks.yml or
    /// config.yaml, WuKongIM's wk.yaml or wukongim.toml.
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
    let compiled = policy::compile_untried(&read, &context, 1);
    let Some(doctor) = Doctor::of(&compiled) else {
        // An endpoint that is callgate itself is among them.
        output::problems(&compiled.problems);
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    };
    let wanted = Wanted {
        endpoint: args.endpoint,
        webhooks: args.webhooks.as_deref().map(read_webhooks).transpose()?,
        until: None,
        deny_warnings: args.deny_warnings,
    };
    let callbacks = Callbacks::new("callgate-doctor", listeners.clone());
    let here = Here {
        listeners,
        routes: config.http.routes.served.clone(),
    };
    let look = async { Ok(doctor.look(&wanted, &callbacks, &here).await) };
    let report = match block_on(look)? {
        Ok(report) => report,
        Err(unknown) => {
            output::complain(&format!("callgate: {unknown}"));
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    match args.json {
        true => output::line(&serde_json::to_string(&report)?)?,
        false => output::page(&text(&report, args.verbose))?,
    }
    Ok(match report.ok {
        true => ExitCode::SUCCESS,
        false if report.is_unreachable() => ExitCode::from(EXIT_NO_SERVER),
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn read_webhooks(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let name = path.display().to_string();
    let content = std::fs::read(path).with_context(|| format!("{name} cannot be read"))?;
    Ok((name, content))
}
