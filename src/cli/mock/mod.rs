//! `callgate mock`: a business server for those who integrate one.
//!
//! Order, downward: `serve`, `script`, `told`, `cloudevents`.

mod cloudevents;
mod script;
mod serve;
mod told;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::client::block_on;
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output;
use crate::callback::Verifier;
use crate::event::DialectId;
use script::Script;
use serve::Mock;

/// Answers as a business server does, with what cases or `--answer` say, and prints what it got.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where it listens; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// What it speaks: openim, openim-v2, wukongim, chatserver or funtek.
    #[arg(long, default_value = "openim", value_name = "NAME")]
    dialect: String,
    /// What it does, as `endpoint` of a case says it; several are one after the other, and the
    /// last goes on. Without it everything is allowed.
    #[arg(long, value_name = "STEP")]
    answer: Vec<String>,
    /// A call that a case of the policy is about (tests/*.yaml) gets what that case's `endpoint` does.
    #[arg(long)]
    cases: bool,
    /// Verify the signature of every call with the secret in this file.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Also print the texts of messages.
    #[arg(long)]
    texts: bool,
    /// Print one JSON object for each call.
    #[arg(long)]
    json: bool,
    /// End after so many calls.
    #[arg(long, value_name = "COUNT")]
    calls: Option<usize>,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let Some(dialect) = DialectId::from_name(&args.dialect) else {
        let names = DialectId::ALL.map(DialectId::name).join("`, `");
        let name = &args.dialect;
        output::complain(&format!(
            "callgate: no dialect is named `{name}`; the names are `{names}`"
        ));
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    };
    let script = match Script::read(&args.answer, args.cases.then_some(&*files.policies)) {
        Ok(script) => script,
        Err(problems) => {
            output::problems(&problems);
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    let verifier = args.secret_file.as_ref().map(|path| {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        Verifier::read(&text).map_err(|why| anyhow!("{}: {why}", path.display()))
    });
    let mock = Mock {
        dialect,
        script,
        verifier: verifier.transpose()?,
        texts: args.texts,
        json: args.json,
        calls_max: args.calls,
    };
    block_on(Arc::new(mock).serve(args.listen))
}
