//! `engine.yaml`, as every command that needs it reads it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};

use super::files::Files;
use crate::admin::PortsTls;
use crate::config::{self, Config};
use crate::dialect::{ChatServerOptions, FuntekOptions, Options, WukongImOptions};
use crate::server::{Fit, hard_limit};
use crate::settings::{Problem, Severity};
use crate::storage::is_half_restored;
use crate::tls::PortTls;

/// What the engine settings say of the dialects.
pub(super) fn options_of(config: &Config) -> Options {
    Options {
        wukongim: WukongImOptions {
            refuses_unreadable: config.wukongim.refuses_unreadable,
        },
        chatserver: ChatServerOptions {
            type_1_is_room: config.chatserver.type_1_is_room,
            shows_refusals: config.chatserver.shows_refusals,
        },
        funtek: FuntekOptions {
            bot: config.funtek.bot.clone(),
        },
    }
}

/// Whether the file now says something else than what runs; or every problem of it.
pub(super) fn differs_from(
    running: Config,
    directory: PathBuf,
    env: Vec<(String, String)>,
) -> impl Fn() -> Result<bool, Vec<Problem>> + Send + Sync {
    move || match load_config(&directory, &env) {
        Ok(now) => {
            let mut now = now?;
            if now.installation.is_empty() {
                // Made up at start where the file says nothing.
                now.installation.clone_from(&running.installation);
            }
            Ok(now != running)
        }
        Err(error) => {
            let file = directory.join("engine.yaml").display().to_string();
            let hint = "check that it may be read";
            Err(vec![Problem::of_file(
                file,
                format!("cannot be read: {}", error.root_cause()),
                hint,
            )])
        }
    }
}

/// What a command goes by that opens the files itself, where no server does.
///
/// Errors: what is wrong in engine.yaml, in one message; or a restore that was broken off, with which
/// nothing there is what it will be.
pub(super) fn config_for_files(files: &Files) -> anyhow::Result<Config> {
    let config = whole_config(files)?;
    refuse_half_restored(&config)?;
    Ok(config)
}

/// The same where nothing is opened.
pub(super) fn whole_config(files: &Files) -> anyhow::Result<Config> {
    let env: Vec<_> = std::env::vars().collect();
    load_config(&files.policies, &env)?.map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })
}

/// Errors: a restore into the data directory was begun and not ended.
pub(super) fn refuse_half_restored(config: &Config) -> anyhow::Result<()> {
    if is_half_restored(&config.data) {
        bail!(
            "a restore into `{}` was broken off: `callgate serve` ends it, and `callgate storage \
             restore` ends it and restores anew",
            config.data.display()
        );
    }
    Ok(())
}

/// Reads `engine.yaml`; without the file the defaults hold.
pub(super) fn load_config(
    directory: &Path,
    env: &[(String, String)],
) -> anyhow::Result<Result<Config, Vec<Problem>>> {
    let path = directory.join("engine.yaml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    let name = path.display().to_string();
    let file = text.as_deref().map(|text| (name.as_str(), text));
    Ok(config::load(file, env))
}

/// The versions of HTTP that a port offers.
fn protocols(port: &str) -> &'static [&'static [u8]] {
    match port {
        "grpc" => &[b"h2"],
        _ => &[b"h2", b"http/1.1"],
    }
}

/// Reads the certificates of the ports that have TLS.
///
/// Errors: everything that is wrong with them.
pub(super) fn open_tls(config: &Config) -> Result<PortsTls, Vec<Problem>> {
    let (mut ports, mut problems) = (Vec::new(), Vec::new());
    for (port, files) in config.tls() {
        match PortTls::start(port, files.clone(), protocols(port)) {
            Ok(tls) => ports.push((port, Arc::new(tls))),
            Err(bad) => problems.extend(bad),
        }
    }
    match problems.is_empty() {
        true => Ok(ports),
        false => Err(problems),
    }
}

/// What is wrong with the certificates of the ports.
pub(super) fn tls_problems(config: &Config) -> Vec<Problem> {
    let now = SystemTime::now();
    let ports = config.tls().into_iter();
    ports
        .flat_map(|(port, files)| files.check(port, now))
        .collect()
}

/// The connections that the ports may have: http, grpc, admin.
pub(super) fn connections_wanted(config: &Config) -> [usize; 3] {
    [
        config.http.connections.connections_max,
        config.grpc.connections.connections_max,
        config.admin.connections.connections_max,
    ]
}

/// A warning when what the ports may open does not fit the limit of open files.
pub(super) fn files_problem(config: &Config, engine_yaml: &Path) -> Option<Problem> {
    let wanted = connections_wanted(config);
    let fit = Fit::new(hard_limit()?, wanted, config.connections.files_reserve);
    (!fit.is_whole()).then(|| Problem {
        file: engine_yaml.display().to_string(),
        line: 0,
        column: 0,
        path: "connections.files_reserve".to_owned(),
        what: fit.explain(),
        hint: String::new(),
        severity: Severity::Warning,
    })
}
