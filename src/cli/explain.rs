//! `callgate explain`: every step of the decision on one message, without a server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde_json::json;

use super::engine_file::{load_config, options_of};
use super::recorded::{self, Explained};
use super::{EXIT_BAD_INPUT, Files};
use crate::dialect::{self, Options};
use crate::event::{Event, Message};
use crate::policy::{self, CompileContext, Explanation, Snapshot};
use crate::reload::read_files;

#[derive(Debug, clap::Args)]
pub struct Args {
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
    /// The hook, for a text.
    #[arg(long, default_value = "beforeMsgModify")]
    hook: String,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let Some(snapshot) = load(files)? else {
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
        None => event(&args).map(|event| vec![Explained::alone(snapshot.explain(&event))]),
    };
    let explained = match explained {
        Ok(explained) => explained,
        Err(error) => {
            eprintln!("callgate: {error:#}");
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    for one in explained {
        if args.json {
            println!("{}", serde_json::to_string(&one)?);
        } else {
            print!("{}", one.text());
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
            for problem in problems {
                eprintln!("{problem}");
            }
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
fn load(files: &Files) -> anyhow::Result<Option<Snapshot>> {
    let context = CompileContext {
        env: std::env::vars().collect(),
        listeners: Vec::new(),
    };
    let files = read_files(&files.policies).map_err(|problem| anyhow!("{problem}"))?;
    let compiled = policy::compile(&files, &context, 1);
    if compiled.snapshot.is_none() {
        for problem in &compiled.problems {
            eprintln!("{problem}");
        }
    }
    Ok(compiled.snapshot)
}

fn event(args: &Args) -> anyhow::Result<Event> {
    if let Some(file) = &args.file {
        return recorded::event(file, &args.dialect);
    }
    let hook = dialect::hook(&args.hook).with_context(|| {
        let near = dialect::near_names(&args.hook).join("`, `");
        format!("no hook is named `{}`; did you mean `{near}`?", args.hook)
    })?;
    if !dialect::info(hook).takes_message() {
        bail!("`{hook}` has no message: give a recorded call with --file");
    }
    let text = args.text.as_deref().unwrap_or_default();
    let message = Message {
        send_id: "user1".to_owned(),
        recv_id: "user2".to_owned(),
        session_type: 1,
        msg_from: 100,
        content_type: 101,
        status: 1,
        content: json!({ "content": text }).to_string(),
        ..Message::default()
    };
    Ok(dialect::event_from_message(
        hook,
        "callgate-explain".to_owned(),
        message,
    ))
}

pub(super) fn text_of(explanation: &Explanation) -> String {
    let mut out = format!("hook {}, policy {}\n", explanation.hook, explanation.policy);
    if let Some(reason) = explanation.skipped {
        out.push_str(&format!(
            "the hook's rules are not applied: {reason}\nallow\n"
        ));
        return out;
    }
    for text in &explanation.texts {
        out.push_str(&format!(
            "text {} ({}): {:?}\n",
            text.place, text.class, text.value
        ));
        for (folded, lists) in by_reading(&text.folded) {
            out.push_str(&format!("  read as {folded:?} by {}\n", lists.join(", ")));
        }
        for one in &text.matches {
            out.push_str(&format!(
                "  {} `{}` from list {} line {}, seen as {:?}, bytes {:?}, characters {:?}, UTF-16 {:?}\n",
                one.action, one.entry, one.list, one.line, one.matched, one.bytes, one.chars, one.utf16
            ));
            if !one.evasions.is_empty() {
                out.push_str(&format!("    seen through: {}\n", one.evasions.join(", ")));
            }
        }
        for one in &text.spared {
            out.push_str(&format!(
                "  `{}` from list {}, seen as {:?}, is spared by `{}` from list {} line {}\n",
                one.entry, one.list, one.matched, one.by_phrase, one.by_list, one.by_line
            ));
        }
    }
    out.push_str(&format!("filters: {}\n", explanation.filters));
    match &explanation.forward {
        Some(forward) => {
            out.push_str(&format!(
                "asks {} within {} ms: POST {}\n{}\n",
                forward.endpoint,
                forward.timeout_ms,
                forward.url,
                forward.body.trim_end()
            ));
            for (class, action) in &forward.failures {
                out.push_str(&format!("  on {class}: {action}\n"));
            }
        }
        None => out.push_str("asks nobody\n"),
    }
    out.push_str(&format!(
        "decision, if nobody else objects: {}\n",
        explanation.decision
    ));
    out
}

/// Lists that read a text alike are named together.
fn by_reading(folded: &BTreeMap<String, String>) -> BTreeMap<&str, Vec<&str>> {
    let mut readings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (list, reading) in folded {
        readings.entry(reading).or_default().push(list);
    }
    readings
}
