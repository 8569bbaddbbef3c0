//! `callgate import`: foreign configuration in, ours out on standard output.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::EXIT_BAD_INPUT;
use crate::policy;

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
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let What::Openim { file } = args.what;
    let name = file.display().to_string();
    let bytes = fs::read(&file).with_context(|| format!("{name} cannot be read"))?;
    let (text, problems) = policy::import_openim(&name, &bytes);
    for problem in &problems {
        eprintln!("{problem}");
    }
    let bad = problems
        .iter()
        .any(|problem| problem.severity == policy::Severity::Error);
    Ok(match text {
        Some(text) if !bad => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(EXIT_BAD_INPUT),
    })
}
