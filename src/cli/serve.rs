//! `callgate serve`: opens everything in order, prints what is in force, and ends in order.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::at_rest;
use super::engine::{Engine, Entry, Kept, Listeners, Running};
use super::engine_file::{differs_from, load_config, open_tls};
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::kept;
use super::output;
use super::postgres;
use super::shared;
use super::signals;
use super::start_text::{start_json, start_text};
use super::storage;
use super::token;
use super::{operators, reach};
use crate::admin::PortsTls;
use crate::callback::{check_secret, check_tls};
use crate::callers::check_token;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::history::History;
use crate::ledger::{self, PostgresLedger};
use crate::operators::{Operators, ProxyIdentity};
use crate::outbox::{self, Outbox};
use crate::policy::{CompileContext, Digest};
use crate::recordings::Recordings;
use crate::reload::{Ledger, Policies};
use crate::rooms::Rooms;
use crate::settings::{Problem, Severity};
use crate::telemetry::{self, LogFormat, Losses, Metrics};

/// How long the end waits for a disk that does not take the last decisions.
const LAST_DECISIONS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Fail when the policy files have errors, also where the last good version could be in force
    /// instead; as `versions.strict_start` in engine.yaml.
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    at_rest::make_private();
    let env: Vec<_> = std::env::vars().collect();
    let mut config = match load_config(&files.policies, &env) {
        Ok(Ok(config)) => config,
        Ok(Err(problems)) => return Ok(refuse_settings(files, &env, &problems)),
        Err(error) => {
            let file = files.policies.join("engine.yaml").display().to_string();
            let hint = "check that it may be read";
            let problem = Problem::of_file(
                file,
                format!("cannot be read: {}", error.root_cause()),
                hint,
            );
            refuse_settings(files, &env, &[problem]);
            return Ok(ExitCode::from(EXIT_NO_SERVER));
        }
    };
    if config.installation.is_empty() {
        config.installation = uuid::Uuid::now_v7().simple().to_string();
    }
    let metrics = Arc::new(Metrics::new());
    let logs = telemetry::start_logs(&config.log, metrics.log_losses());
    let _logs = logs.map_err(anyhow::Error::msg)?;
    let is_json = config.log.format == LogFormat::Json;
    match start(files, config, env, metrics, args.strict) {
        // Who reads JSON reads nothing else.
        Err(error) if is_json => {
            error!("{error:#}");
            Ok(ExitCode::from(EXIT_NO_SERVER))
        }
        done => done,
    }
}

fn start(
    files: &Files,
    config: Config,
    env: Vec<(String, String)>,
    metrics: Arc<Metrics>,
    strict: bool,
) -> anyhow::Result<ExitCode> {
    let open_ports = config.open_ports();
    let context = CompileContext {
        env: env.clone(),
        listeners: config.listeners(),
        check_secret: Some(check_secret),
        check_tls: Some(check_tls),
        check_token: Some(check_token),
        open_ports,
        plain_ports: config.plain_ports(),
        is_candidate: false,
    };
    let _entered = storage::enter(&config)?;
    let begun = match config.policies_shared {
        true => shared::start(&config, files, &context, &metrics, strict)?
            .map(|begun| (begun.policies, Some(begun.ledger))),
        false => {
            let from = kept::start_of(&config, &files.policies, strict);
            let started = Policies::start(&files.policies, context, Arc::clone(&metrics), from);
            started.map(|policies| (policies, None))
        }
    };
    let (policies, ledger) = match begun {
        Ok((policies, ledger)) => (Arc::new(policies), ledger),
        Err(bad) if config.log.format == LogFormat::Json => return Ok(refuse_as_json(&bad.0)),
        Err(bad) => return Ok(refuse(&bad.0)),
    };
    let ports = match open_tls(&config) {
        Ok(ports) => ports,
        Err(bad) if config.log.format == LogFormat::Json => return Ok(refuse_as_json(&bad)),
        Err(bad) => return Ok(refuse(&bad)),
    };
    policies.compare_engine(differs_from(config.clone(), files.policies.clone(), env));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let grace = config.shutdown_grace;
    let engine_yaml = files.policies.join("engine.yaml").display().to_string();
    let warnings = config.warnings(&engine_yaml);
    let code = runtime.block_on(serve(config, policies, ledger, metrics, ports, warnings));
    // Whatever still hangs (a DNS look-up in a system call) must not hold up the end.
    runtime.shutdown_timeout(grace.min(Duration::from_millis(200)));
    code
}

async fn serve(
    config: Config,
    policies: Arc<Policies>,
    ledger: Option<Arc<PostgresLedger>>,
    metrics: Arc<Metrics>,
    ports: PortsTls,
    warnings: Vec<Problem>,
) -> anyhow::Result<ExitCode> {
    signals::outlive_file_limits();
    let listeners = Listeners::open(&config).await?;
    let failed = CancellationToken::new();
    for line in at_rest::left_behind(&config) {
        warn!("{line}");
    }
    for line in at_rest::keep_private(&config) {
        warn!("{line}");
    }
    for line in postgres::left_elsewhere(&config).await {
        warn!("{line}");
    }
    let outbox = open_outbox(&config, failed.clone())?;
    let rooms = Rooms::open(&config.funtek.rooms)
        .context("the rooms could not be read (`funtek.rooms` in engine.yaml)")?;
    let operators = Operators::open(&config.data.join("operators.db"), Clock::start())
        .context("the operators could not be read (operators.db in `data` of engine.yaml)")?;
    let operators = Arc::new(operators);
    let history = History::open(config.history.clone(), Arc::clone(&metrics))
        .context("the thread that keeps decisions could not be started")?;
    let recordings = Recordings::open(
        config.recordings.clone(),
        Arc::clone(&metrics),
        Clock::start(),
    )
    .context("the thread that records calls could not be started")?;
    let token = local_token(&config);
    let proxy = config.admin.proxy_identity.clone().map(ProxyIdentity::open);
    let proxy = proxy
        .transpose()
        .context("the secret of `admin.proxy_identity` in engine.yaml cannot be read")?
        .map(Arc::new);
    let mut engine = Engine::assemble(
        config,
        policies,
        metrics,
        Kept {
            outbox,
            rooms,
            history: Arc::new(history),
            recordings: Arc::new(recordings),
        },
        ports,
        Entry {
            operators: Arc::clone(&operators),
            proxy,
            token,
        },
    );
    engine.warnings = Arc::new(warnings);
    let keeper = engine.keep_versions()?;
    let watch = (engine.watch()?, engine.watch_certificates()?);
    let follow = ledger.as_ref().map(|ledger| {
        let following = ledger::follow(Arc::clone(ledger), Arc::clone(&engine.policies));
        following.context("the thread that follows the policy of all replicas could not be started")
    });
    let follow = follow.transpose()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    print_start(&engine, &listeners)?;
    invite_first(&engine.config, &operators, &listeners)?;
    let running = Running {
        tasks: tasks.clone(),
        stop: stop.clone(),
        failed: failed.clone(),
    };
    engine.start(listeners, &running)?;
    let mut stops = signals::Stops::listen();
    engine.ready.store(true, Ordering::Relaxed);
    let broken = tokio::select! {
        () = stops.next() => false,
        () = failed.cancelled() => true,
    };
    engine.ready.store(false, Ordering::Relaxed);
    info!(grace = ?engine.config.shutdown_grace, "stopping: no new calls, what is in flight is finished");
    drop(watch);
    if let Some(ledger) = &ledger {
        ledger.hurry();
    }
    drop(follow);
    stop.cancel();
    tasks.close();
    tokio::select! {
        drained = tokio::time::timeout(engine.config.shutdown_grace, tasks.wait()) => {
            if drained.is_err() {
                warn!("the grace period ended before every call did");
            }
        }
        () = stops.next() => warn!("told to stop again: calls in flight are cut off"),
    }
    tokio::select! {
        () = engine.outbox.close() => {}
        () = stops.next() => warn!("told to stop again: the outbox is left as it is"),
    }
    let trials = Arc::clone(&engine.trials);
    let kept_trial = tokio::task::spawn_blocking(move || trials.close());
    keeper.end();
    let (history, recordings) = (Arc::clone(&engine.history), Arc::clone(&engine.recordings));
    let kept = tokio::task::spawn_blocking(move || {
        history.close();
        recordings.close();
    });
    let kept = async { tokio::join!(kept, kept_trial) };
    tokio::select! {
        kept = tokio::time::timeout(LAST_DECISIONS_WITHIN, kept) => {
            if kept.is_err() {
                warn!("the disk of the history takes nothing: the last decisions are not kept");
            }
        }
        () = stops.next() => warn!("told to stop again: the last decisions are not kept"),
    }
    info!("stopped");
    Ok(if broken {
        ExitCode::from(EXIT_NO_SERVER)
    } else {
        ExitCode::SUCCESS
    })
}

fn print_start(engine: &Engine, listeners: &Listeners) -> anyhow::Result<()> {
    let snapshot = engine.policies.current();
    let addresses = listeners.addresses()?;
    match engine.config.log.format {
        LogFormat::Text => telemetry::say(start_text(&snapshot, &addresses, &engine.config)),
        // Both streams of a container are one log, and no line of it may be anything else.
        LogFormat::Json => telemetry::say(start_json(&snapshot, &addresses)),
    }
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    for (name, _) in std::env::vars().filter(|(_, value)| !value.is_empty()) {
        if proxies.contains(&name.to_uppercase().as_str()) {
            warn!(
                "`{name}` is set, but endpoints are called without a proxy: it would go round the address guard"
            );
        }
    }
    for problem in engine.warnings.iter().chain(&engine.policies.warnings()) {
        warn!("{problem}");
    }
    Ok(())
}

/// Until there is an operator, the link to become the first one, for the person who starts it.
fn invite_first(
    config: &Config,
    operators: &Operators,
    listeners: &Listeners,
) -> anyhow::Result<()> {
    let invited = match operators.invite_first() {
        Ok(None) => return Ok(()),
        Ok(Some(invited)) => invited,
        Err(error) => {
            warn!(%error, "no link for the first operator was made");
            return Ok(());
        }
    };
    let url = reach::url_of(listeners.addresses()?.admin, config.admin.tls.is_some());
    let link = operators::link(&url, invited.secret.text());
    let hint = "good once and for an hour; `callgate operators invite` prints another";
    match config.log.format {
        LogFormat::Text => output::complain(&format!("become the first operator: {link} ({hint})")),
        LogFormat::Json => info!(link, "become the first operator: {hint}"),
    }
    Ok(())
}

/// The digest of what commands on this machine show. Without it they are strangers, which keeps
/// nobody's messages from being sent.
fn local_token(config: &Config) -> Option<Digest> {
    let file = token::file_of(config);
    match token::settle(&file) {
        Ok(token) => Some(Digest::of(token.as_bytes())),
        Err(error) => {
            let file = file.display();
            warn!(%file, %error, "the token of the command line cannot be written, so commands on this machine are strangers to ports that know their callers");
            None
        }
    }
}

fn open_outbox(config: &Config, failed: CancellationToken) -> anyhow::Result<Arc<dyn Outbox>> {
    let on_fatal = move |why: &str| {
        error!(
            why,
            "the outbox cannot promise durability any more, the process ends"
        );
        failed.cancel();
    };
    let settings = postgres::outbox_of(config)?;
    outbox::open_supervised(&settings, Arc::new(on_fatal))
        .context("the outbox could not be opened (`outbox` and `storage` in engine.yaml)")
}

/// Before there are logs: in the form that they would have.
fn refuse_settings(files: &Files, env: &[(String, String)], problems: &[Problem]) -> ExitCode {
    let text = std::fs::read_to_string(files.policies.join("engine.yaml")).ok();
    let file = text.as_deref().map(|text| ("engine.yaml", text));
    if config::log_format(file, env) == LogFormat::Text {
        return refuse(problems);
    }
    let mut settings = config::default_log();
    settings.format = LogFormat::Json;
    match telemetry::start_logs(&settings, Losses::default()) {
        // Dropped at the end, when all lines are written.
        Ok(_logs) => refuse_as_json(problems),
        Err(_) => refuse(problems),
    }
}

fn refuse_as_json(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        match problem.severity {
            Severity::Error => error!("{problem}"),
            Severity::Warning => warn!("{problem}"),
            Severity::Note => info!("{problem}"),
        }
    }
    error!("not started; `callgate check` lists the problems too");
    ExitCode::from(EXIT_BAD_INPUT)
}

fn refuse(problems: &[Problem]) -> ExitCode {
    output::problems(problems);
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    output::complain(&format!(
        "callgate: not started, {errors} error(s); `callgate check` lists them too"
    ));
    if io::stderr().is_terminal() {
        output::complain("nothing is in force until they are mended");
    }
    ExitCode::from(EXIT_BAD_INPUT)
}
