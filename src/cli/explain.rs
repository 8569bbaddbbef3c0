//! `callgate explain`: every step of the decision on one message, without a server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use super::engine_file::{config_for_files, load_config, options_of};
use super::exit::EXIT_BAD_INPUT;
use super::explained::Explained;
use super::files::Files;
use super::{output, recorded};
use crate::dialect::{self, Options};
use crate::event::{Event, Hook, Moment};
use crate::policy::{self, CompileContext, FileSet, Snapshot};
use crate::reload::read_files;
use crate::versions::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The text of a message; with --event, the file of a recorded call.
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        value_name = "TEXT or FILE"
    )]
    text: Option<String>,
    /// A recorded call instead: the body that an IM server sent; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The form of the recorded call.
    #[arg(long, default_value = "openim", value_name = "NAME")]
    dialect: String,
    /// What the URL of the recorded call names: `msg.notify` for WuKongIM, a command for OpenIM.
    /// Also shows what the call was read as and what it is answered.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// The hook, for a text; without it, every before hook that is on and takes a message.
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Decide by this version, as it is kept in the data directory, instead of by the files.
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let Some(snapshot) = load(files, args.version)? else {
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    };
    let explained = match &args.event {
        Some(event) => match options(files)? {
            Some(options) => {
                let file = file_of(&args);
                recorded::explain(&snapshot, &args.dialect, event, &file, options)
            }
            None => return Ok(ExitCode::from(EXIT_BAD_INPUT)),
        },
        None => alone(&snapshot, &args),
    };
    let explained = match explained {
        Ok(explained) => explained,
        Err(error) => {
            output::complain(&format!("callgate: {error:#}"));
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    for one in explained {
        if args.json {
            output::line(&serde_json::to_string(&one)?)?;
        } else {
            output::page(&one.text())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What engine.yaml says of the dialects, or `None` after its errors were printed.
fn options(files: &Files) -> anyhow::Result<Option<Options>> {
    let env: Vec<_> = std::env::vars().collect();
    match load_config(&files.policies, &env)? {
        Ok(config) => Ok(Some(options_of(&config))),
        Err(problems) => {
            output::problems(&problems);
            Ok(None)
        }
    }
}

/// With `--event`, `TEXT` is a file too.
fn file_of(args: &Args) -> PathBuf {
    let text = || PathBuf::from(args.text.as_deref().unwrap_or("-"));
    args.file.clone().unwrap_or_else(text)
}

/// The policy, or `None` after its errors were printed.
fn load(files: &Files, version: Option<u64>) -> anyhow::Result<Option<Snapshot>> {
    let context = CompileContext {
        env: std::env::vars().collect(),
        ..CompileContext::default()
    };
    let set = match version {
        Some(number) => kept(files, number)?,
        None => read_files(&files.policies).map_err(|problem| anyhow!("{problem}"))?,
    };
    let compiled = policy::compile_untried(&set, &context, version.unwrap_or(1));
    if compiled.snapshot.is_none() {
        output::problems(&compiled.problems);
    }
    Ok(compiled.snapshot)
}

/// The files of a version that was in force.
fn kept(files: &Files, number: u64) -> anyhow::Result<FileSet> {
    let config = config_for_files(files)?;
    let store = Store::new(&config.versions.folder);
    let record = store.record(number)?;
    Ok(FileSet {
        root: files.policies.display().to_string(),
        files: store.files(&record)?,
    })
}

/// Explains what is no recorded call of an IM server's URL: a body that names its command, or a
/// text.
fn alone(snapshot: &Snapshot, args: &Args) -> anyhow::Result<Vec<Explained>> {
    let text = args.text.as_deref().unwrap_or_default();
    let events = match (&args.file, &args.hook) {
        (Some(file), _) => vec![recorded::event(file, &args.dialect)?],
        (None, Some(name)) => vec![event(hook_named(name)?, text)?],
        (None, None) => events_of_hooks_on(snapshot, text),
    };
    let explained = events.iter().map(|event| Explained::alone(snapshot, event));
    Ok(explained.collect())
}

fn hook_named(name: &str) -> anyhow::Result<Hook> {
    dialect::hook(name).with_context(|| match dialect::near_names(name).join("`, `").as_str() {
        "" => format!("no hook is named `{name}`; `callgate dialects` lists every hook"),
        near => format!("no hook is named `{name}`; did you mean `{near}`?"),
    })
}

/// The text as each before hook would see it that is on and takes a message.
fn events_of_hooks_on(snapshot: &Snapshot, text: &str) -> Vec<Event> {
    let before = snapshot
        .hooks()
        .map(|rules| rules.hook)
        .filter(|hook| hook.moment == Moment::Before);
    let events: Vec<Event> = before.filter_map(|hook| event(hook, text).ok()).collect();
    let names: Vec<&str> = events.iter().map(|event| event.hook.name).collect();
    let said = match names.as_slice() {
        [] => "no before hook that takes a message is on, so every text passes unseen".to_owned(),
        names => format!(
            "without --hook, the hooks that are on: {}",
            names.join(", ")
        ),
    };
    // Not part of the output, which a program may read.
    output::complain(&format!("callgate: {said}"));
    events
}

fn event(hook: Hook, text: &str) -> anyhow::Result<Event> {
    dialect::event_of_text(hook, "callgate-explain", text).map_err(|_| {
        anyhow!("`{hook}` is about more than a text: give a recorded call with --file")
    })
}
