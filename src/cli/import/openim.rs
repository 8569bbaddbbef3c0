//! `callgate import openim`: OpenIM's settings become a policy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::engine_file::load_config;
use crate::cli::exit::EXIT_BAD_INPUT;
use crate::cli::files::Files;
use crate::cli::output;
use crate::config;
use crate::import::{OpenImImport, import_openim};
use crate::settings::Severity;

/// Prints a policy.yaml on standard output, or writes it to OUT: its `url` becomes an endpoint,
/// the hooks that are on become hooks, and the word lists of the policy directory are kept. To
/// keep OpenIM's file as it is, write `include: webhooks.yml` in policy.yaml instead.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// OpenIM's webhooks.yml (v3), or its config.yaml with a `callback:` section.
    file: PathBuf,
    /// Where to write the policy; without it, standard output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Write over OUT if it exists.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let bytes = fs::read(&args.file).with_context(|| format!("{name} cannot be read"))?;
    let policy = match old_policy(&files.policies)? {
        Ok(policy) => policy,
        Err(why) => return Ok(refuse(&why)),
    };
    let env: Vec<_> = std::env::vars().collect();
    let listeners = load_config(&files.policies, &env)?;
    let listeners = listeners.map_or_else(|_| config::default_listeners(), |it| it.listeners());
    let import = OpenImImport { listeners, policy };
    let (text, problems) = import_openim(&name, &bytes, &import);
    output::problems(&problems);
    let mut severities = problems.iter().map(|problem| problem.severity);
    match text.filter(|_| severities.all(|one| one != Severity::Error)) {
        None => Ok(ExitCode::from(EXIT_BAD_INPUT)),
        Some(text) => write(&args, &text),
    }
}

/// The name and text of the policy that is there. The error is a sentence: a shell's `>` has
/// emptied it before we could read it.
fn old_policy(directory: &Path) -> anyhow::Result<Result<Option<(String, String)>, String>> {
    let path = directory.join("policy.yaml");
    let name = path.display().to_string();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
        Err(error) => return Err(error).with_context(|| format!("{name} cannot be read")),
    };
    let has_lists = fs::read_dir(directory.join("lists")).is_ok_and(|mut all| all.next().is_some());
    if text.is_empty() && has_lists {
        return Ok(Err(format!(
            "{name} is empty, so its word lists cannot be kept; restore it and write with \
             `-o {name} --force`: a shell's `>` empties a file before it is read"
        )));
    }
    Ok(Ok(Some((name, text))))
}

fn write(args: &Args, text: &str) -> anyhow::Result<ExitCode> {
    let Some(output) = &args.output else {
        output::data(text)?;
        return Ok(ExitCode::SUCCESS);
    };
    let name = output.display();
    if output.exists() && !args.force {
        return Ok(refuse(&format!("{name} exists; --force writes over it")));
    }
    fs::write(output, text).with_context(|| format!("{name} cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

fn refuse(why: &str) -> ExitCode {
    output::complain(&format!("callgate: {why}"));
    ExitCode::from(EXIT_BAD_INPUT)
}
