//! `callgate import`: foreign configuration and word lists in, ours out.
//!
//! Order, downward: `openim`, `words`.

mod openim;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// OpenIM's webhooks.yml (v3), or the `callback:` section of its config.yaml (v2 to v3.6).
    ///
    /// Prints a policy.yaml on standard output: its `url` becomes an endpoint, the hooks that
    /// are on become hooks. To keep OpenIM's file as it is, write `include: webhooks.yml` in
    /// policy.yaml instead.
    Openim { file: PathBuf },
    /// A word list of another program, in nearly any form and encoding.
    Words(words::Args),
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Openim { file } => openim::run(&file),
        What::Words(args) => words::run(args),
    }
}
