//! `callgate serve`: opens everything in order, prints what is in force, and ends in order.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::{EXIT_BAD_INPUT, EXIT_NO_SERVER, Files};
use crate::admin::{self, Admin};
use crate::callback::Callbacks;
use crate::config::{self, Config};
use crate::decision::{FailureAction, FailureClass};
use crate::dialect::Options;
use crate::event::Moment;
use crate::hook::{After, Before, Delivery, watch_usage};
use crate::outbox::{self, Outbox};
use crate::policy::{HookRules, Problem, Severity, Snapshot, Surroundings};
use crate::proto;
use crate::reload::{Policies, Watch};
use crate::rooms::Rooms;
use crate::server::{self, GrpcSettings, HttpSettings, Incoming, WebhookSettings, Webhooks};
use crate::telemetry::{self, Metrics};

#[derive(Debug, Default, clap::Args)]
pub struct Args {}

/// Everything that runs, ready to be stopped in order.
struct Engine {
    config: Config,
    policies: Arc<Policies>,
    callbacks: Arc<Callbacks>,
    outbox: Arc<dyn Outbox>,
    metrics: Arc<Metrics>,
    before: Arc<Before>,
    after: Arc<After>,
    webhooks: Arc<Webhooks>,
    rooms: Arc<Rooms>,
    ready: Arc<AtomicBool>,
}

struct Listeners {
    grpc: TcpListener,
    http: TcpListener,
    admin: TcpListener,
}

pub fn run(files: &Files, _: Args) -> anyhow::Result<ExitCode> {
    let env: Vec<_> = std::env::vars().collect();
    let config = match load_config(&files.policies, &env)? {
        Ok(config) => config,
        Err(problems) => return Ok(refuse(&problems)),
    };
    telemetry::start_logs(config.log.format, &config.log.level).map_err(anyhow::Error::msg)?;
    let metrics = Arc::new(Metrics::new());
    let surroundings = Surroundings {
        env,
        listeners: vec![config.grpc.listen, config.http.listen, config.admin.listen],
    };
    let policies = match Policies::start(&files.policies, surroundings, Arc::clone(&metrics)) {
        Ok(policies) => Arc::new(policies),
        Err(bad) => return Ok(refuse(&bad.0)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let grace = config.shutdown_grace;
    let code = runtime.block_on(serve(config, policies, metrics));
    // Whatever still hangs (a DNS look-up in a system call) must not hold up the end.
    runtime.shutdown_timeout(grace.min(Duration::from_millis(200)));
    code
}

async fn serve(
    config: Config,
    policies: Arc<Policies>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<ExitCode> {
    let listeners = Listeners {
        grpc: listen(config.grpc.listen, "grpc.listen").await?,
        http: listen(config.http.listen, "http.listen").await?,
        admin: listen(config.admin.listen, "admin.listen").await?,
    };
    let failed = CancellationToken::new();
    let outbox = open_outbox(&config, failed.clone())?;
    let rooms = Rooms::open(&config.funtek.rooms)
        .context("the rooms could not be read (`funtek.rooms` in engine.yaml)")?;
    let engine = Engine::assemble(config, policies, metrics, outbox, rooms);
    let watch = engine.watch()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    engine.print_start(&listeners);
    engine.start(listeners, &stop, &failed, &tasks)?;
    engine.ready.store(true, Ordering::Relaxed);
    let broken = tokio::select! {
        () = stop_signal() => false,
        () = failed.cancelled() => true,
    };
    engine.ready.store(false, Ordering::Relaxed);
    info!(grace = ?engine.config.shutdown_grace, "stopping: no new calls, what is in flight is finished");
    drop(watch);
    stop.cancel();
    tasks.close();
    let drained = tokio::time::timeout(engine.config.shutdown_grace, tasks.wait()).await;
    if drained.is_err() {
        warn!("the grace period ended before every call did");
    }
    engine.outbox.close().await;
    info!("stopped");
    Ok(if broken {
        ExitCode::from(EXIT_NO_SERVER)
    } else {
        ExitCode::SUCCESS
    })
}

impl Engine {
    fn assemble(
        config: Config,
        policies: Arc<Policies>,
        metrics: Arc<Metrics>,
        outbox: Arc<dyn Outbox>,
        rooms: Rooms,
    ) -> Engine {
        let rooms = Arc::new(rooms);
        let callbacks = Arc::new(Callbacks::default());
        let before = Arc::new(Before::new(
            policies.clone(),
            callbacks.clone(),
            metrics.clone(),
            rooms.clone(),
        ));
        let after = Arc::new(After::new(
            policies.clone(),
            outbox.clone(),
            metrics.clone(),
        ));
        let webhooks = Webhooks::new(
            WebhookSettings {
                in_flight_max: config.http.in_flight_max,
                wukongim_refuses_unreadable: config.wukongim.refuses_unreadable,
                options: options_of(&config),
            },
            before.clone(),
            after.clone(),
            metrics.clone(),
        );
        Engine {
            config,
            policies,
            callbacks,
            outbox,
            metrics,
            before,
            after,
            webhooks: Arc::new(webhooks),
            rooms,
            ready: Arc::default(),
        }
    }

    /// Watches the policy files, and keeps the endpoints' state in step with them.
    fn watch(&self) -> anyhow::Result<Watch> {
        prepare_endpoints(&self.policies, &self.callbacks);
        let (policies, callbacks) = (self.policies.clone(), self.callbacks.clone());
        Watch::start(self.policies.clone(), move || {
            prepare_endpoints(&policies, &callbacks);
        })
        .context("the thread that watches the policy files could not be started")
    }

    fn start(
        &self,
        listeners: Listeners,
        stop: &CancellationToken,
        failed: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<()> {
        let http = server::router(
            HttpSettings {
                body_bytes_max: self.config.http.body_bytes_max,
                wukongim_body_bytes_max: self.config.wukongim.body_bytes_max,
                wukongim_large_bodies_max: self.config.wukongim.large_bodies_max,
                routes: self.config.http.routes.clone(),
            },
            self.webhooks.clone(),
        );
        let admin = admin::router(Admin {
            policies: self.policies.clone(),
            callbacks: self.callbacks.clone(),
            outbox: self.outbox.clone(),
            outbox_limits: self.config.usage_limits(),
            metrics: self.metrics.clone(),
            rooms: self.rooms.clone(),
            ready: self.ready.clone(),
        });
        let http = axum::serve(listeners.http.tap_io(send_at_once), http)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        let admin = axum::serve(listeners.admin, admin)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        run_until_done(tasks, failed, "http", http);
        run_until_done(tasks, failed, "admin", admin);
        run_until_done(tasks, failed, "grpc", self.grpc(listeners.grpc, stop)?);
        let delivery = Delivery::new(
            self.policies.clone(),
            self.callbacks.clone(),
            self.outbox.clone(),
            self.metrics.clone(),
        );
        tasks.spawn(delivery.run(stop.clone()));
        let limits = self.config.usage_limits();
        tasks.spawn(watch_usage(self.outbox.clone(), limits, stop.clone()));
        Ok(())
    }

    fn grpc(
        &self,
        listener: TcpListener,
        stop: &CancellationToken,
    ) -> anyhow::Result<impl Future<Output = Result<(), String>> + use<>> {
        let settings = GrpcSettings {
            message_bytes_max: self.config.grpc.message_bytes_max,
            in_flight_max: self.config.grpc.in_flight_max,
        };
        let hooks = server::hook_service(
            settings,
            self.policies.clone(),
            self.before.clone(),
            self.after.clone(),
        );
        let wukongim =
            server::webhook_service(self.webhooks.clone(), self.config.wukongim.body_bytes_max);
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let no_reflection = "the reflection service could not be made";
        let reflection_v1 = reflection().build_v1().context(no_reflection)?;
        // gRPC's own client for Python asks for no other.
        let reflection_v1alpha = reflection().build_v1alpha().context(no_reflection)?;
        let (reporter, health) = tonic_health::server::health_reporter();
        let serve_lane = {
            let stop = stop.clone();
            move |incoming: Incoming| {
                let server = tonic::transport::Server::builder()
                    .http2_keepalive_interval(Some(Duration::from_secs(30)))
                    .add_service(hooks.clone())
                    .add_service(wukongim.clone())
                    .add_service(health.clone())
                    .add_service(reflection_v1.clone())
                    .add_service(reflection_v1alpha.clone())
                    .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
                async { server.await.map_err(|error| error.to_string()) }
            }
        };
        let lanes = match self.config.grpc.threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        let stop = stop.clone();
        Ok(async move {
            let service = "callgate.v1.HookService";
            let serving = tonic_health::ServingStatus::Serving;
            reporter.set_service_status(service, serving).await;
            let unhealthy = async {
                stop.cancelled().await;
                for name in [service, ""] {
                    let not = tonic_health::ServingStatus::NotServing;
                    reporter.set_service_status(name, not).await;
                }
                std::future::pending().await
            };
            tokio::select! {
                ended = server::serve_lanes(listener, lanes, stop.clone(), serve_lane) => ended,
                ended = unhealthy => ended,
            }
        })
    }

    fn print_start(&self, listeners: &Listeners) {
        let snapshot = self.policies.current();
        let text = start_text(&snapshot, listeners, &self.config);
        // Nobody reads it when standard output is closed; that is no reason not to serve.
        let _ = io::stdout().write_all(text.as_bytes());
        let _ = io::stdout().flush();
        for problem in self.policies.warnings() {
            warn!("{problem}");
        }
    }
}

/// What is in force, for the person who starts it.
fn start_text(snapshot: &Snapshot, listeners: &Listeners, config: &Config) -> String {
    let address = |listener: &TcpListener| {
        listener
            .local_addr()
            .map_or_else(|_| "?".to_owned(), |address| address.to_string())
    };
    let grpc = address(&listeners.grpc);
    let routes: Vec<_> = config
        .http
        .routes
        .iter()
        .map(|(prefix, dialect)| format!("{prefix} ({dialect})"))
        .collect();
    let mut text = format!(
        "callgate {}, policy {}\n  gRPC    {grpc}\n  HTTP    http://{}  {}\n  status  http://{}/status\nhooks\n",
        env!("CARGO_PKG_VERSION"),
        snapshot.version,
        address(&listeners.http),
        routes.join(", "),
        address(&listeners.admin),
    );
    for rules in snapshot.hooks() {
        text.push_str(&hook_line(rules));
    }
    let default = "127.0.0.1:50051";
    let server = if grpc == default {
        String::new()
    } else {
        format!(" --server http://{grpc}")
    };
    text.push_str(&format!("try it: callgate send{server} \"a message\"\n"));
    text
}

/// One enabled hook: where it forwards to, and what its failures lead to.
fn hook_line(rules: &HookRules) -> String {
    let urls: Vec<_> = rules
        .endpoints
        .iter()
        .map(|endpoint| endpoint.url.as_str())
        .collect();
    let forwards = if urls.is_empty() {
        "forwards to nobody".to_owned()
    } else {
        format!("-> {} within {:?}", urls.join(", "), rules.timeout)
    };
    let failures = match rules.hook.moment {
        Moment::After => "stored, then delivered at least once".to_owned(),
        Moment::Before => failure_text(rules),
    };
    format!(
        "  {:<22} filters [{}], {forwards}; {failures}\n",
        rules.hook.name,
        rules.list_names().join(", "),
    )
}

fn failure_text(rules: &HookRules) -> String {
    let named = |action: FailureAction| -> Vec<&str> {
        FailureClass::ALL
            .into_iter()
            .filter(|class| rules.action(*class) == action)
            .map(FailureClass::name)
            .collect()
    };
    match (named(FailureAction::Allow), named(FailureAction::Block)) {
        (allowed, blocked) if allowed.is_empty() => {
            format!("every failure blocks ({} classes)", blocked.len())
        }
        (allowed, blocked) if blocked.len() <= allowed.len() => {
            format!("failures are let through, but {} block", blocked.join(", "))
        }
        (allowed, _) => format!("failures block, but {} are let through", allowed.join(", ")),
    }
}

fn prepare_endpoints(policies: &Policies, callbacks: &Callbacks) {
    let snapshot = policies.current();
    for endpoint in snapshot.endpoints() {
        callbacks.prepare(endpoint);
    }
    callbacks.keep_only(snapshot.endpoints().map(AsRef::as_ref));
}

/// Runs one server; if it ends before it is told to, the whole process does.
fn run_until_done<E: std::fmt::Display + Send + 'static>(
    tasks: &TaskTracker,
    failed: &CancellationToken,
    what: &'static str,
    server: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    let failed = failed.clone();
    tasks.spawn(async move {
        if let Err(error) = server.await {
            error!(server = what, %error, "a server ended");
            failed.cancel();
        }
    });
}

fn open_outbox(config: &Config, failed: CancellationToken) -> anyhow::Result<Arc<dyn Outbox>> {
    let on_fatal = move |why: &str| {
        error!(
            why,
            "the outbox cannot promise durability any more, the process ends"
        );
        failed.cancel();
    };
    outbox::open(&config.outbox, Box::new(on_fatal))
        .context("the outbox could not be opened (`outbox` in engine.yaml)")
}

/// Nagle would hold an answer back until the caller's next ACK.
fn send_at_once(connection: &mut TcpStream) {
    // A connection that cannot be set is closed already.
    let _ = connection.set_nodelay(true);
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on; free it or set `{setting}` in engine.yaml")
    })
}

/// Ctrl-C or SIGTERM.
async fn stop_signal() {
    let interrupt = async {
        // Without a handler the signal ends the process the hard way, which is safe too.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// What the engine settings say of the dialects.
pub(super) fn options_of(config: &Config) -> Options {
    Options {
        funtek_bot: config.funtek.bot.clone(),
        chatserver_type_1_is_room: config.chatserver.type_1_is_room,
        chatserver_shows_refusals: config.chatserver.shows_refusals,
    }
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

fn refuse(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    eprintln!("callgate: not started, {errors} error(s); `callgate check` lists them too");
    if io::stderr().is_terminal() {
        eprintln!("nothing is in force until they are mended");
    }
    ExitCode::from(EXIT_BAD_INPUT)
}
