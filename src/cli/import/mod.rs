//! `callgate import`: foreign configuration and word lists in, ours out.
//!
//! Order, downward: `openim`, `words`.

mod openim;
mod words;

use std::process::ExitCode;

use crate::cli::files::Files;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// OpenIM's webhooks.yml (v3), or the `callback:` section of its config.yaml (v2 to v3.6).
    Openim(openim::Args),
    /// A word list of another program, in nearly any form and encoding.
    Words(words::Args),
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Openim(args) => openim::run(files, args),
        What::Words(args) => words::run(args),
    }
}
