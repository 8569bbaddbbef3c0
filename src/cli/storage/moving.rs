//! `callgate storage move`: the outbox goes from its file to PostgreSQL, and back.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use serde_json::json;

use crate::audit::Act;
use crate::cli::at_rest;
use crate::cli::audited;
use crate::cli::client;
use crate::cli::engine_file::{config_for_files, load_config};
use crate::cli::files::Files;
use crate::cli::output::{self, plain};
use crate::cli::postgres;
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::outbox::{self, Kind, MoveFrame, MovePlace, MoveSource, MoveTarget, Part};
use crate::storage::{self, Relocated, StorageError};

/// How far it has come is said so often.
const SAY_EVERY: Duration = Duration::from_secs(1);
const EMBEDDED: &str = "embedded";
/// What a move leaves where it is.
const STAYS: &str = "rooms, operators, the audit, decisions, recorded calls and kept versions of the \
                     policy stay files of this machine";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `embedded`, or the URL of PostgreSQL: postgres://USER:PASSWORD@HOST:5432/DATABASE. Others on the
    /// machine may see it in the list of processes; with a password in it rather use one of the next two.
    #[arg(long, value_name = "PLACE", required_unless_present_any = ["to_file", "to_env"])]
    to: Option<String>,
    /// The file with the URL in it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "to_env"])]
    to_file: Option<PathBuf>,
    /// The variable with the URL in it.
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    to_env: Option<String>,
    /// The schema there, as `storage.schema` will be; without it what engine.yaml says.
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
    /// Who signed the certificate of PostgreSQL, as `storage.tls.ca` will be.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Without TLS, as `storage.tls.mode: plain` will be.
    #[arg(long, conflicts_with = "ca")]
    plain: bool,
    /// Say what would go, and whether it could.
    #[arg(long)]
    dry_run: bool,
    /// Give up a move that has not ended: everything stays where it was.
    #[arg(long, conflicts_with = "dry_run")]
    abandon: bool,
}

/// Both sides, and the settings that name the source.
struct Sides {
    config: Config,
    source: Box<dyn MoveSource>,
    target: Box<dyn MoveTarget>,
    is_to_file: bool,
}

pub(super) fn run(files: &Files, args: &Args, json: bool) -> anyhow::Result<ExitCode> {
    at_rest::make_private();
    let sides = sides(files, args)?;
    let entered = storage::enter_alone(&sides.config.data)?;
    let done = client::block_on(async {
        refuse_spooled(&sides.config).await?;
        match (args.dry_run, args.abandon) {
            (true, _) => dry_run(sides, json).await,
            (_, true) => abandon(sides, json).await,
            _ => relocate(sides, json).await,
        }
    });
    drop(entered);
    done.map(|()| ExitCode::SUCCESS)
}

fn sides(files: &Files, args: &Args) -> anyhow::Result<Sides> {
    let mut config = config_for_files(files)?;
    if config.outbox.kind == Kind::Memory {
        bail!(refused("`outbox.kind` is memory: there is nothing to move"));
    }
    // One place has one name, wherever the command is called.
    config.outbox.path = std::path::absolute(&config.outbox.path)?;
    let is_to_file = args.to.as_deref() == Some(EMBEDDED);
    let in_file = outbox::Config {
        kind: Kind::Sqlite,
        server: None,
        ..config.outbox.clone()
    };
    let now_ms = Clock::start().now_ms();
    let (source, target) = match (&config.storage, is_to_file) {
        (Storage::Embedded, true) => bail!(refused(
            "the outbox is in a file already (`storage.kind` in engine.yaml, which names where it is \
             moved from)"
        )),
        (Storage::Postgres(_), false) => bail!(refused(
            "the outbox is in PostgreSQL already (`storage.kind` in engine.yaml, which names where it \
             is moved from): move it with `kind: embedded`, and change that when everything is there"
        )),
        (Storage::Embedded, false) => (in_file, there(files, args)?),
        (Storage::Postgres(_), true) => (postgres::outbox_of(&config)?, in_file),
    };
    Ok(Sides {
        source: outbox::move_from(&source, now_ms).map_err(StorageError::from)?,
        target: outbox::move_to(&target).map_err(StorageError::from)?,
        config,
        is_to_file,
    })
}

/// The outbox as engine.yaml will name it.
fn there(files: &Files, args: &Args) -> anyhow::Result<outbox::Config> {
    let text = |path: &PathBuf| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        path.display().to_string()
    };
    let settings = [
        ("KIND", Some("postgres".to_owned())),
        ("URL", args.to.clone()),
        ("URL_FILE", args.to_file.as_ref().map(text)),
        ("URL_ENV", args.to_env.clone()),
        ("SCHEMA", args.schema.clone()),
        ("TLS__CA", args.ca.as_ref().map(text)),
        ("TLS__MODE", args.plain.then(|| "plain".to_owned())),
    ];
    let mut env: Vec<_> = std::env::vars().collect();
    for (name, value) in settings {
        let name = format!("CALLGATE_ENGINE__STORAGE__{name}");
        if let Some(value) = value {
            env.retain(|(known, _)| *known != name);
            env.push((name, value));
        }
    }
    let config = load_config(&files.policies, &env)?.map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!(refused(&lines.join("\n")))
    })?;
    postgres::outbox_of(&config)
}

/// What this machine has spooled for PostgreSQL is to be forwarded first.
async fn refuse_spooled(config: &Config) -> anyhow::Result<()> {
    if config.storage == Storage::Embedded {
        return Ok(());
    }
    let spool = outbox::spool_path(&config.outbox.path);
    match postgres::waiting(config, &spool).await? {
        0 => Ok(()),
        events => bail!(refused(&format!(
            "`{}` has {events} events that were not forwarded to PostgreSQL yet: start callgate once \
             more until it has none",
            spool.display()
        ))),
    }
}

fn refused(why: &str) -> StorageError {
    StorageError::NotMoved(why.to_owned())
}

async fn dry_run(mut sides: Sides, json: bool) -> anyhow::Result<()> {
    let (source, target) = (&mut *sides.source, &mut *sides.target);
    let plan = storage::plan(source, target).await?;
    let (from, to) = (source.name(), target.name());
    let frame = source.frame().await.map_err(StorageError::from)?;
    if json {
        let would = json!({
            "from": from, "to": to, "would": plan.name(), "events": frame.entries,
            "pending": pending(&frame), "dead": dead(&frame), "ids": frame.remembered_ids,
            "endpoints": frame.endpoints.len(),
        });
        return output::line(&would.to_string());
    }
    output::line(&plain(&format!(
        "would {} from {from} to {to}:",
        match plan.name() {
            "begin" => "move",
            _ => "go on with the move",
        }
    )))?;
    print_frame(&frame)?;
    output::line(STAYS)
}

fn pending(frame: &MoveFrame) -> u64 {
    frame.endpoints.iter().map(|it| it.counts.pending).sum()
}

fn dead(frame: &MoveFrame) -> u64 {
    frame.endpoints.iter().map(|it| it.counts.dead).sum()
}

fn print_frame(frame: &MoveFrame) -> anyhow::Result<()> {
    output::line(&format!(
        "{} events ({} pending, {} dead), {} ids of ended events, the last discarded ones, and what \
         is known of {} endpoints",
        frame.entries,
        pending(frame),
        dead(frame),
        frame.remembered_ids,
        frame.endpoints.len(),
    ))
}

async fn abandon(mut sides: Sides, json: bool) -> anyhow::Result<()> {
    let act = Act::new("storage.move", audited::who())
        .on(sides.target.name())
        .because("abandoned");
    let begun = audited::open(&sides.config).begun(act).await?;
    let left = match storage::abandon(&mut *sides.source, &mut *sides.target).await {
        Ok(left) => left,
        Err(error) => {
            begun.failed(&error.to_string());
            return Err(error.into());
        }
    };
    begun.done();
    let source = sides.source.name();
    if let Err(error) = &left {
        output::complain(&format!(
            "callgate: what {} has of it could not be taken away ({error}); it is never used, and \
             another move needs another place",
            sides.target.name()
        ));
    }
    match json {
        true => output::line(&json!({"abandoned": true, "from": source}).to_string()),
        false => output::line(&plain(&format!(
            "abandoned: everything is in {source}, as before"
        ))),
    }
}

async fn relocate(mut sides: Sides, json: bool) -> anyhow::Result<()> {
    // What is refused is no act.
    storage::plan(&mut *sides.source, &mut *sides.target).await?;
    let act = Act::new("storage.move", audited::who()).on(sides.target.name());
    let mut begun = audited::open(&sides.config).begun(act).await?;
    let mut said = Instant::now();
    let mut say = |place: &MovePlace, frame: &MoveFrame| {
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            output::complain(&progress(place, frame));
        }
    };
    let began = Instant::now();
    let moved = storage::relocate(&mut *sides.source, &mut *sides.target, &mut say).await;
    let moved = match moved {
        Ok(moved) => moved,
        Err(error) => {
            begun.failed(&error.to_string());
            return Err(error.into());
        }
    };
    begun.counted("events", moved.frame.entries);
    begun.done();
    report(&sides, &moved, began.elapsed(), json)
}

fn progress(place: &MovePlace, frame: &MoveFrame) -> String {
    let (events, all) = (place.events, frame.entries);
    match place.part {
        Part::Events => format!("{events} of {all} events are there"),
        _ => format!("{all} events are there, and now what is remembered of ended ones"),
    }
}

fn report(sides: &Sides, moved: &Relocated, took: Duration, json: bool) -> anyhow::Result<()> {
    let (from, to) = (sides.source.name(), sides.target.name());
    let frame = &moved.frame;
    if json {
        let done = json!({
            "from": from, "to": to, "events": frame.entries, "pending": pending(frame),
            "dead": dead(frame), "ids": frame.remembered_ids, "aside": moved.aside,
            "seconds": took.as_secs_f64(),
        });
        return output::line(&done.to_string());
    }
    output::line(&plain(&format!("moved from {from} to {to}:")))?;
    print_frame(frame)?;
    output::line(STAYS)?;
    if let Some(aside) = &moved.aside {
        let aside = plain(aside);
        output::line(&format!(
            "what was moved is left in `{aside}`; delete it when nobody misses it"
        ))?;
    }
    output::line(match sides.is_to_file {
        true => "now set `storage.kind: embedded` in engine.yaml, and start one callgate",
        false => {
            "now set `storage` in engine.yaml to that place, and start as many replicas as you like"
        }
    })
}
