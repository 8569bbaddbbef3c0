//! `callgate storage`: a copy of all that is kept, and the way back; and the outbox moved to another
//! place.

mod moving;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined};
use super::audited;
use super::client;
use super::engine_file::whole_config;
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output::{self, plain};
use super::reach::{Asked, Reach, TlsArgs};
use crate::admin::backup_act;
use crate::audit::Act;
use crate::config::Config;
use crate::outbox::{self, Kind, Outbox};
use crate::storage::{self, Entered, Places, StorageError};
use crate::versions::is_in_use;

/// How often a server is asked whether its backup is made.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Copy all that is kept (outbox, rooms, operators, history, versions, audit) into a new folder,
    /// also while a server runs.
    Backup {
        /// The folder; it must not be there yet. It is made by the server, on its machine.
        folder: PathBuf,
        /// Why; it stands in the audit.
        #[arg(long, default_value = "", value_name = "REASON")]
        why: String,
        /// Operators' address of the running server; without it `admin.listen` of engine.yaml, and
        /// the files themselves where no server runs.
        #[arg(long, env = "CALLGATE_ADMIN", value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        tls: TlsArgs,
    },
    /// Put what is in a backup where engine.yaml says that it is kept; no server may run there.
    Restore {
        /// A folder that `callgate storage backup` made.
        folder: PathBuf,
        /// What is there already is put aside.
        #[arg(long)]
        replace: bool,
    },
    /// Move the outbox that engine.yaml names to PostgreSQL, or back into a file; no callgate may use
    /// either. Ended anywhere it goes on where it was when it is called again.
    ///
    /// Pending events, dead letters, discarded ones, known ids, counters and what is known of endpoints
    /// go over. Rooms, operators, the audit, decisions and versions of the policy stay files.
    Move(moving::Args),
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let done = match &args.order {
        Order::Backup {
            folder,
            why,
            server,
            tls,
        } => back_up(files, folder, why, server.clone(), tls, args.json),
        Order::Restore { folder, replace } => restore(files, folder, *replace, args.json),
        Order::Move(asked) => moving::run(files, asked, args.json),
    };
    done.or_else(|error| {
        if output::is_closed(&error) {
            return Err(error);
        }
        output::complain(&format!("callgate: {error:#}"));
        let declined = error.downcast_ref::<Declined>().map(Declined::exit);
        let asked = error.downcast_ref::<StorageError>();
        let asked = asked.filter(|error| error.is_asked_wrongly());
        let code = declined.or(asked.map(|_| EXIT_BAD_INPUT));
        Ok(ExitCode::from(code.unwrap_or(EXIT_NO_SERVER)))
    })
}

/// Where engine.yaml says that everything is.
pub(super) fn places(config: &Config) -> Places {
    // Whether one lies in another is seen of absolute paths.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let is_spool = config.outbox.kind == Kind::Postgres;
    Places {
        data: whole(&config.data),
        outbox: whole(&match is_spool {
            true => outbox::spool_path(&config.outbox.path),
            false => config.outbox.path.clone(),
        }),
        is_spool,
        rooms: whole(&config.funtek.rooms),
        history: whole(&config.history.folder),
        audit: whole(&config.audit.folder),
        versions: whole(&config.versions.folder),
    }
}

/// Ends a restore that was broken off, and keeps others from beginning one.
pub(super) fn enter(config: &Config) -> anyhow::Result<Entered> {
    let data = &config.data;
    if storage::is_half_restored(data) {
        let alone = storage::enter_alone(data)?;
        let ended = storage::end_restore(data);
        ended.context("a restore that was broken off could not be ended")?;
        drop(alone);
        tracing::warn!(data = %data.display(), "a restore that was broken off was ended");
    }
    Ok(storage::enter(data)?)
}

fn back_up(
    files: &Files,
    folder: &Path,
    why: &str,
    server: Option<String>,
    tls: &TlsArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let folder = std::path::absolute(folder).context("the folder has no absolute path")?;
    let made = match server {
        Some(_) => {
            let reach = Reach::find(Asked::Admin, server, tls, files)?;
            client::block_on(ask_for(&reach, &folder, why))?
        }
        None => {
            let config = whole_config(files)?;
            match is_in_use(&config.versions.folder) {
                true => {
                    let reach = Reach::of(Asked::Admin, None, tls, Some(&config))?;
                    client::block_on(ask_for(&reach, &folder, why))?
                }
                false => client::block_on(make(&config, &folder, why))?,
            }
        }
    };
    match json {
        true => output::line(&made.to_string())?,
        false => output::line(&format!(
            "backed up to {}: {} files, {} bytes; what was acknowledged before {} is in it",
            plain(&folder.display().to_string()),
            made["files"],
            made["bytes"],
            made["began"].as_str().unwrap_or_default(),
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a server make it, and waits.
async fn ask_for(reach: &Reach, folder: &Path, why: &str) -> anyhow::Result<Value> {
    let api = Api::at(reach);
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    let body = json!({ "folder": folder, "why": why });
    api.send(Method::POST, "/storage/backups", &body, None)
        .await?;
    loop {
        let state = api.get("/storage/backups", &[]).await?;
        if state["folder"] != folder {
            bail!(
                "the server began another backup meanwhile, and what became of this is not known"
            );
        }
        match state["state"].as_str() {
            Some("done") => return Ok(state),
            Some("running") => tokio::time::sleep(LOOK_EVERY).await,
            _ => bail!("{}", state["error"].as_str().unwrap_or("it was not made")),
        }
    }
}

/// Makes it of files that no server has open.
async fn make(config: &Config, folder: &Path, why: &str) -> anyhow::Result<Value> {
    let _entered = enter(config)?;
    let places = places(config);
    let outbox = open_outbox(config, &places.outbox)?;
    let act = backup_act(audited::who(), folder, why);
    let begun = audited::open(config).begun(act).await?;
    let made = storage::backup(&places, outbox.as_deref(), None, folder).await;
    if let Some(outbox) = outbox {
        outbox.close().await;
    }
    match made {
        Ok(manifest) => {
            begun.done();
            Ok(json!({
                "folder": folder,
                "state": "done",
                "files": manifest.files.len(),
                "bytes": manifest.bytes(),
                "began": manifest.began,
                "ended": manifest.ended,
            }))
        }
        Err(error) => {
            begun.failed(&error.to_string());
            Err(error.into())
        }
    }
}

fn open_outbox(config: &Config, path: &Path) -> anyhow::Result<Option<std::sync::Arc<dyn Outbox>>> {
    if config.outbox.kind == Kind::Memory || !path.exists() {
        return Ok(None);
    }
    // What is not forwarded to a database yet is in a file too.
    let settings = outbox::Config {
        kind: Kind::Sqlite,
        server: None,
        path: path.to_owned(),
        ..config.outbox.clone()
    };
    let on_fatal =
        |why: &str| output::complain(&format!("callgate: the disk of the outbox failed: {why}"));
    let opened = outbox::open(&settings, Box::new(on_fatal));
    Ok(Some(opened.context("the outbox could not be opened")?))
}

fn restore(files: &Files, folder: &Path, replace: bool, json: bool) -> anyhow::Result<ExitCode> {
    let config = whole_config(files)?;
    super::at_rest::make_private();
    let restored = storage::restore(&places(&config), folder, replace)?;
    let manifest = &restored.manifest;
    let act = Act::new("storage.restore", audited::who())
        .on(format!("{}", folder.display()))
        .count("files", manifest.files.len() as u64);
    let recorded = audited::open(&config).record(act);
    if let Err(error) = recorded {
        output::complain(&format!(
            "callgate: restored, and that is not in the audit: {error}"
        ));
    }
    let aside = restored.aside.map(|aside| aside.display().to_string());
    if json {
        let done = json!({
            "files": manifest.files.len(),
            "bytes": manifest.bytes(),
            "began": manifest.began,
            "callgate": manifest.callgate,
            "aside": aside,
        });
        output::line(&done.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!(
        "restored {} files, {} bytes, as they were at {}; events that were delivered since are \
         delivered once more",
        manifest.files.len(),
        manifest.bytes(),
        plain(&manifest.began),
    ))?;
    if let Some(aside) = aside {
        output::line(&format!("what was there before is in {}", plain(&aside)))?;
    }
    Ok(ExitCode::SUCCESS)
}
