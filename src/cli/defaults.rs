//! `callgate defaults`: every setting with its default and its explanation.

use std::process::ExitCode;

use super::output;
use crate::{config, policy};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which file's settings.
    #[arg(value_enum)]
    which: Which,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// Settings of policy.yaml: what is decided.
    Policy,
    /// Settings of engine.yaml: ports, limits, the outbox.
    Engine,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = match args.which {
        Which::Policy => policy::DEFAULTS,
        Which::Engine => config::DEFAULTS,
    };
    output::data(text)?;
    Ok(ExitCode::SUCCESS)
}
