//! `storage` of engine.yaml as the outbox takes it: its secret and its certificates read.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use crate::config::{Config, Postgres, Storage, UrlPlace};
use crate::outbox::{self, Access, Again, Kind, Server, ServerTls};
use crate::settings::{Problem, Severity};
use crate::tls::{CallingFiles, calling_config};

/// The settings of the outbox, wherever it is.
pub(super) fn outbox_of(config: &Config) -> anyhow::Result<outbox::Config> {
    let Storage::Postgres(postgres) = &config.storage else {
        return Ok(config.outbox.clone());
    };
    Ok(outbox::Config {
        kind: Kind::Postgres,
        server: Some(server(postgres)?),
        ..config.outbox.clone()
    })
}

/// Where the policy of all replicas is.
pub(super) fn server_of(config: &Config) -> anyhow::Result<Server> {
    match &config.storage {
        Storage::Postgres(postgres) => server(postgres),
        Storage::Embedded => bail!("`storage.kind` in engine.yaml is embedded"),
    }
}

fn server(postgres: &Postgres) -> anyhow::Result<Server> {
    let replica = match postgres.replica.as_str() {
        "" => rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        name => name.to_owned(),
    };
    let Access { url, tls } = access(&postgres.url, postgres.tls.as_ref())?;
    let (place, files) = (postgres.url.clone(), postgres.tls.clone());
    let again = move || access(&place, files.as_ref()).map_err(|error| format!("{error:#}"));
    Ok(Server {
        url,
        schema: postgres.schema.clone(),
        when_down: postgres.when_down,
        tls,
        again: Some(Again(Arc::new(again))),
        replica,
        connections: postgres.pool,
        lease: postgres.lease,
        takeover_after: postgres.takeover_after,
    })
}

/// What a connection that is made now is made with.
fn access(place: &UrlPlace, files: Option<&CallingFiles>) -> anyhow::Result<Access> {
    let tls = match files {
        None => None,
        Some(files) => Some(ServerTls(calling_config(files, &[]).map_err(
            |problems| {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                anyhow!("storage.tls: {}", lines.join("\n"))
            },
        )?)),
    };
    let url = url(place)?;
    Ok(Access { url, tls })
}

/// The URL; no message has any of it.
fn url(place: &UrlPlace) -> anyhow::Result<String> {
    let (text, whence) = match place {
        UrlPlace::Written(text) => (text.clone(), "storage.url".to_owned()),
        UrlPlace::File(path) => {
            let whence = format!("storage.url_file: `{}`", path.display());
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{whence} cannot be read"))?;
            (text, whence)
        }
        UrlPlace::Environment(name) => {
            let whence = format!("storage.url_env: the variable `{name}`");
            match std::env::var(name) {
                Ok(text) => (text, whence),
                Err(_) => bail!("{whence} is not set; set it to the URL of PostgreSQL"),
            }
        }
    };
    let url = text.trim().to_owned();
    Server::check_url(&url).map_err(|bad| anyhow!("{whence}: {}; {}", bad.what, bad.hint))?;
    Ok(url)
}

/// What would keep callgate from a start, as far as that is seen without asking the server.
pub(super) fn problem(config: &Config, engine_yaml: &Path) -> Option<Problem> {
    let error = outbox_of(config).err()?;
    Some(Problem {
        path: "storage".to_owned(),
        severity: Severity::Error,
        ..Problem::of_file(
            engine_yaml.display().to_string(),
            format!("{error:#}"),
            "it is read at start",
        )
    })
}

/// Says where events wait that the outbox of today does not know of, because `storage` was another
/// one when they were accepted.
pub(super) async fn left_elsewhere(config: &Config) -> Vec<String> {
    let spool = outbox::spool_path(&config.outbox.path);
    let (path, hint) = match &config.storage {
        Storage::Postgres(_) => (
            config.outbox.path.clone(),
            "the outbox is in PostgreSQL now; stop, and with `storage.kind: embedded` in engine.yaml \
             call `callgate storage move`, or start once so until they are delivered",
        ),
        Storage::Embedded => (
            spool,
            "they are for PostgreSQL; start with `storage.kind: postgres` until they are forwarded",
        ),
    };
    match waiting(config, &path).await {
        Ok(0) => Vec::new(),
        Ok(events) => vec![format!(
            "`{}` holds {events} events: {hint}",
            path.display()
        )],
        Err(error) => vec![format!("{error:#}: {hint}")],
    }
}

/// Events in a file that is not the outbox of today.
pub(super) async fn waiting(config: &Config, path: &Path) -> anyhow::Result<u64> {
    if config.outbox.kind == Kind::Memory || !path.exists() {
        return Ok(0);
    }
    let settings = outbox::Config {
        path: path.to_owned(),
        ..config.outbox.clone()
    };
    let failed = |why: &str| tracing::error!(why, "the disk of a file from before failed");
    let before = outbox::open(&settings, Box::new(failed))?;
    let stats = before.stats().await;
    before.close().await;
    Ok(stats?.entries)
}
