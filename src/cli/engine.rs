//! Everything that runs in `callgate serve`, put together and started.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::net::TcpListener;
use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::{Context, anyhow, bail};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::engine_file::{connections_wanted, options_of};
use super::signals;
use super::start_text::Addresses;
use super::storage;
use crate::admin::{self, Access, Admin, Certificates, Lately, Observed, PortsTls};
use crate::audit::{Audit, Edited};
use crate::callback::{Callbacks, HOP_HEADER};
use crate::callers::Callers;
use crate::clock::Clock;
use crate::config::{Config, PortConnections};
use crate::delivery::{Supervisor, watch_usage};
use crate::event::Moment;
use crate::history::History;
use crate::hook::{After, Before, WaitLimits};
use crate::lists::Lists;
use crate::operators::{Operators, ProxyIdentity};
use crate::outbox::Outbox;
use crate::policy::{Digest, HookRules, Snapshot};
use crate::recordings::Recordings;
use crate::reload::{self, Policies};
use crate::rooms::Rooms;
use crate::server::{
    self, BodyBudget, BodyLimits, ConnectionLimits, Fit, GrpcSettings, Health, Hosts, HttpSettings,
    Inherited, Listener, OwnCalls, PORT_NAMES, Patience, Port, Proxied, Routes, Secured, Stack,
    StackSettings, WebhookSettings, Webhooks, Wire,
};
use crate::settings::Problem;
use crate::storage::Backups;
use crate::telemetry::{CallerLines, Metrics};
use crate::tls;
use crate::versions::{self, InForce, Keeper};
use crate::watch::Watch;

/// Everything that runs, ready to be stopped in order.
pub(super) struct Engine {
    pub config: Config,
    pub policies: Arc<Policies>,
    pub outbox: Arc<dyn Outbox>,
    pub history: Arc<History>,
    pub recordings: Arc<Recordings>,
    pub ready: Arc<AtomicBool>,
    clock: Clock,
    callbacks: Arc<Callbacks>,
    metrics: Arc<Metrics>,
    before: Arc<Before>,
    after: Arc<After>,
    webhooks: Arc<Webhooks>,
    rooms: Arc<Rooms>,
    observed: Arc<Observed>,
    lately: Arc<Lately>,
    callers: Arc<Callers>,
    operators: Arc<Operators>,
    proxy: Option<Arc<ProxyIdentity>>,
    /// Of the command line on this machine.
    token: Option<Digest>,
    /// What of engine.yaml works and is dangerous.
    pub warnings: Arc<Vec<Problem>>,
    audit: Arc<Audit>,
    versions: Arc<Keeper>,
    bodies: Arc<BodyBudget>,
    /// How many connections the ports have descriptors for: http, grpc, admin.
    connections: [usize; 3],
    certificates: Arc<Certificates>,
}

/// What is kept in the data directory.
pub(super) struct Kept {
    pub outbox: Arc<dyn Outbox>,
    pub rooms: Rooms,
    pub history: Arc<History>,
    pub recordings: Arc<Recordings>,
}

/// What lets people and commands in at the operators' port.
pub(super) struct Entry {
    pub operators: Arc<Operators>,
    /// What a reverse proxy is believed.
    pub proxy: Option<Arc<ProxyIdentity>>,
    /// Of the command line on this machine.
    pub token: Option<Digest>,
}

/// The three ports, open.
pub(super) struct Listeners {
    grpc: TcpListener,
    http: TcpListener,
    admin: TcpListener,
}

impl Listeners {
    /// Opens the ports, or takes over those that the parent process keeps open.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Listeners> {
        let names = std::env::var("LISTEN_FDNAMES").ok();
        let mut inherited = Inherited::take_over(names.as_deref())
            .context("the sockets of LISTEN_FDS could not be taken over")?;
        let configured = [config.http.listen, config.grpc.listen, config.admin.listen];
        let mut listeners = Vec::new();
        for (name, address) in PORT_NAMES.into_iter().zip(configured) {
            listeners.push(match inherited.take(name, address) {
                Some(listener) => listener,
                None => server::listen(address).await.with_context(|| {
                    format!(
                        "{address} cannot be listened on; free it or set `{name}.listen` in \
                         engine.yaml"
                    )
                })?,
            });
        }
        if let Some(left) = inherited.left() {
            bail!(
                "nothing listens on {left}: name the sockets of LISTEN_FDS {}, or give each the \
                 port that engine.yaml has",
                PORT_NAMES.join(", ")
            );
        }
        let [http, grpc, admin] = listeners
            .try_into()
            .map_err(|_| anyhow!("there are three ports"))?;
        Ok(Listeners { grpc, http, admin })
    }

    pub(super) fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            grpc: self.grpc.local_addr()?,
            http: self.http.local_addr()?,
            admin: self.admin.local_addr()?,
        })
    }
}

impl Engine {
    pub(super) fn assemble(
        config: Config,
        policies: Arc<Policies>,
        metrics: Arc<Metrics>,
        kept: Kept,
        ports: PortsTls,
        entry: Entry,
    ) -> Engine {
        let Kept {
            outbox,
            rooms,
            history,
            recordings,
        } = kept;
        let Entry {
            operators,
            proxy,
            token,
        } = entry;
        let clock = Clock::start();
        let rooms = Arc::new(rooms);
        let connections = fitting_connections(&config);
        let listeners = vec![config.grpc.listen, config.http.listen, config.admin.listen];
        let callbacks = Arc::new(Callbacks::new(&config.installation, listeners));
        let certificates = Arc::new(Certificates::new(ports, callbacks.clone()));
        let before = Before::new(
            policies.clone(),
            callbacks.clone(),
            metrics.clone(),
            rooms.clone(),
            WaitLimits {
                per_key_max: config.funtek.room_waits_max,
                all_max: config.funtek.waits_max,
            },
            CallerLines::new(config.log.callers, metrics.log_losses().caller),
            history.clone(),
        );
        let before = Arc::new(before.recording(recordings.clone()));
        let after = Arc::new(After::new(
            policies.clone(),
            outbox.clone(),
            metrics.clone(),
            clock,
        ));
        let callers = Arc::new(Callers::new(metrics.clone()));
        let webhooks = Webhooks::new(
            WebhookSettings {
                in_flight_max: config.http.in_flight_max,
                unpacked_bytes_max: config.connections.bodies_bytes_max,
                options: options_of(&config),
            },
            before.clone(),
            after.clone(),
            metrics.clone(),
            callers.clone(),
        );
        let limits = &config.connections;
        let bodies = Arc::new(BodyBudget::new(BodyLimits {
            timeout: limits.body_timeout,
            connection_bytes_max: limits.bodies_bytes_max,
            process_bytes_max: limits.all_bodies_bytes_max,
        }));
        if let Some(token) = token {
            callers.know_command_line(token);
        }
        Engine {
            token,
            operators,
            proxy,
            audit: Arc::new(Audit::open(config.audit.clone(), metrics.clone())),
            versions: Arc::new(Keeper::new(config.versions.clone(), metrics.clone())),
            warnings: Arc::default(),
            callers,
            bodies,
            config,
            policies,
            callbacks,
            outbox,
            history,
            recordings,
            clock,
            metrics,
            before,
            after,
            webhooks: Arc::new(webhooks),
            rooms,
            ready: Arc::default(),
            observed: Arc::default(),
            lately: Arc::default(),
            connections,
            certificates,
        }
    }

    /// Watches the policy files, and keeps the endpoints' state in step with them.
    pub(super) fn watch(&self) -> anyhow::Result<Watch> {
        let (callbacks, metrics) = (self.callbacks.clone(), self.metrics.clone());
        let callers = self.callers.clone();
        let follow = move |snapshot: &Snapshot| {
            callers.follow(snapshot);
            follow_policy(snapshot, &callbacks, &metrics);
        };
        self.policies.follow(follow);
        let recordings = self.recordings.clone();
        // What cannot be read is as good as not recorded.
        let newest = move |calls_max| recordings.newest(calls_max).ok().flatten();
        self.policies.weigh_by(newest);
        self.record_policies()?;
        reload::watch(self.policies.clone())
            .context("the thread that watches the policy files could not be started")
    }

    /// Has each policy that comes into force recorded, whoever edited it.
    fn record_policies(&self) -> anyhow::Result<()> {
        let edits = self.audit.follow_policies();
        let edits = edits.context("the thread that records edits could not be started")?;
        self.policies.follow_files(move |in_force| {
            let InForce { number, hash, .. } = in_force;
            edits.tell(Edited {
                folder: in_force.root.clone(),
                version: format!("{number}-{hash}"),
                hash: hash.to_string(),
                files: in_force.files.clone(),
            });
        });
        Ok(())
    }

    /// The word lists, for who edits them.
    fn lists(&self) -> Lists {
        let history = self.history.clone();
        let recent = move || {
            let recent = history.recent_texts().into_iter();
            let texts = recent.flat_map(|recent| {
                let texts = recent.texts.iter();
                texts
                    .map(|text| text.value.as_str().into())
                    .collect::<Vec<_>>()
            });
            texts.collect()
        };
        Lists::new(self.policies.clone(), Some(self.versions.store()), recent)
    }

    /// Has each policy that comes into force kept with its files.
    pub(super) fn keep_versions(&self) -> anyhow::Result<Arc<Keeper>> {
        let keeper = self.versions.clone();
        keeper
            .start()
            .context("the thread that keeps versions could not be started")?;
        let history = self.history.clone();
        keeper.spare(Box::new(move || history.versions()));
        let keep = keeper.clone();
        self.policies
            .follow_files(move |in_force| keep.keep(in_force.clone()));
        // What a rollback before the start wrote is in force, or was refused by now.
        versions::end(&keeper.store());
        Ok(keeper)
    }

    /// Reads certificates, and the secret of a proxy, again when they change.
    pub(super) fn watch_certificates(&self) -> anyhow::Result<Watch> {
        let certificates = self.certificates.clone();
        let proxy = self.proxy.clone();
        let look = move || {
            certificates.look();
            if let Some(proxy) = &proxy {
                proxy.look();
            }
        };
        tls::watch(look).context("the thread that watches the certificates could not be started")
    }

    /// Serves the ports and delivers events until `stop`; a server that ends by itself cancels
    /// `failed`.
    pub(super) fn start(
        &self,
        listeners: Listeners,
        stop: &CancellationToken,
        failed: &CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<()> {
        let (grpc, health) = self.grpc(listeners.grpc)?;
        let health = health.follow(stop.clone()).map(Ok::<_, Infallible>);
        run_until_stop(tasks, stop, failed, "health", health);
        let ports = [
            grpc,
            self.http(listeners.http),
            self.admin(listeners.admin)?,
        ];
        for port in ports {
            let name = port.name;
            run_until_stop(tasks, stop, failed, name, port.serve(stop.clone()));
        }
        let delivery = Supervisor::new(
            self.policies.clone(),
            self.callbacks.clone(),
            self.outbox.clone(),
            self.metrics.clone(),
            self.clock,
            // The rest of the time is for settling what they led to.
            self.config.shutdown_grace.mul_f64(0.9),
        );
        let delivery = delivery.run(stop.clone()).map(Ok::<_, Infallible>);
        run_until_stop(tasks, stop, failed, "delivery", delivery);
        let (observed, outbox) = (self.observed.clone(), self.outbox.clone());
        let observing = stop.clone();
        let observe = async move { observed.run(outbox, observing).await };
        run_until_stop(
            tasks,
            stop,
            failed,
            "observer",
            observe.map(Ok::<_, Infallible>),
        );
        let (lately, metrics) = (self.lately.clone(), self.metrics.clone());
        let (clock, counting) = (self.clock, stop.clone());
        let count = async move { lately.run(metrics, clock, counting).await };
        run_until_stop(
            tasks,
            stop,
            failed,
            "lately",
            count.map(Ok::<_, Infallible>),
        );
        let limits = self.config.usage_limits();
        let usage = watch_usage(self.outbox.clone(), limits, stop.clone());
        run_until_stop(tasks, stop, failed, "usage", usage.map(Ok::<_, Infallible>));
        let (callers, looking) = (self.callers.clone(), stop.clone());
        let look_on = async move { callers.look_on(looking).await };
        run_until_stop(
            tasks,
            stop,
            failed,
            "callers",
            look_on.map(Ok::<_, Infallible>),
        );
        let using = self.operators.clone().keep_on(stop.clone());
        run_until_stop(
            tasks,
            stop,
            failed,
            "operators",
            using.map(Ok::<_, Infallible>),
        );
        let cutting = self.audit.clone().keep_short(stop.clone());
        run_until_stop(
            tasks,
            stop,
            failed,
            "audit",
            cutting.map(Ok::<_, Infallible>),
        );
        let policies = self.policies.clone();
        let look = move || drop(policies.reload());
        let hangups = signals::on_hangup(stop.clone(), look).map(Ok::<_, Infallible>);
        run_until_stop(tasks, stop, failed, "hangup", hangups);
        Ok(())
    }

    /// The port, and what says whether it serves.
    fn grpc(&self, listener: TcpListener) -> anyhow::Result<(Port, Health)> {
        let settings = GrpcSettings {
            message_bytes_max: self.config.grpc.message_bytes_max,
            wukongim_message_bytes_max: self.config.wukongim.body_bytes_max,
            in_flight_max: self.config.grpc.in_flight_max,
        };
        let (routes, health) = server::grpc_routes(
            settings,
            self.policies.clone(),
            self.before.clone(),
            self.after.clone(),
            self.webhooks.clone(),
            self.callers.clone(),
        )
        .map_err(anyhow::Error::msg)?;
        let port = Port {
            name: "grpc",
            listener,
            threads: threads(self.config.grpc.threads),
            limits: limits(&self.config.grpc.connections, self.connections[1]),
            stack: self.stack(
                "grpc",
                Wire::Http2,
                &GRPC_STREAMS,
                Routes::Routed {
                    routes,
                    callers: Some(self.callers.clone()),
                },
            ),
        };
        Ok((port, health))
    }

    fn http(&self, listener: TcpListener) -> Port {
        let settings = HttpSettings {
            body_bytes_max: self.config.http.body_bytes_max,
            large_body_bytes_max: self.config.wukongim.body_bytes_max,
            large_bodies_max: self.config.wukongim.large_bodies_max,
            routes: self.config.http.routes.served.clone(),
            shown_routes: self.config.http.routes.shown(),
        };
        let own = OwnCalls::new(HOP_HEADER, &self.config.installation);
        let listener_of_calls = Listener::new(settings, self.webhooks.clone(), own);
        Port {
            name: "http",
            listener,
            threads: threads(self.config.http.threads),
            limits: limits(&self.config.http.connections, self.connections[0]),
            stack: self.stack("http", Wire::Any, &[], Routes::Webhooks(listener_of_calls)),
        }
    }

    fn admin(&self, listener: TcpListener) -> anyhow::Result<Port> {
        let routes = admin::router(Admin {
            policies: self.policies.clone(),
            lists: Arc::new(self.lists()),
            callbacks: self.callbacks.clone(),
            outbox: self.outbox.clone(),
            observed: self.observed.clone(),
            lately: self.lately.clone(),
            outbox_limits: self.config.usage_limits(),
            clock: self.clock,
            metrics: self.metrics.clone(),
            history: self.history.clone(),
            recordings: self.recordings.clone(),
            rooms: self.rooms.clone(),
            callers: self.callers.clone(),
            ready: self.ready.clone(),
            hosts: Arc::new(Hosts::new(&self.config.admin.hosts)),
            certificates: self.certificates.clone(),
            audit: self.audit.clone(),
            versions: self.versions.clone(),
            operators: self.operators.clone(),
            proxy: self.proxy.clone(),
            backups: Arc::new(Backups::new(storage::places(&self.config))),
            tls: self.config.admin.tls.is_some(),
            access: Access {
                // Who comes past the proxy would be anybody, with all that there is.
                open: !self.config.admin.needs_token() && self.proxy.is_none(),
                command_line: self.token,
            },
            metrics_open: self.config.admin.metrics_open,
            plans: Arc::new(admin::Plans::new(self.clock)),
            api: admin::ApiLimits {
                calls_per_second: self.config.admin.api.calls_per_second,
                burst: self.config.admin.api.burst,
                body_bytes_max: self.config.admin.api.body_bytes_max,
            },
            preview_share_max: self.config.preview_share_max,
            engine_warnings: self.warnings.clone(),
        })
        .map_err(anyhow::Error::msg)?;
        Ok(Port {
            name: "admin",
            listener,
            // Who watches is answered while everything else is busy.
            threads: 1,
            limits: limits(&self.config.admin.connections, self.connections[2]),
            stack: self.stack(
                "admin",
                Wire::Any,
                &admin::REFLECTION,
                Routes::Routed {
                    routes,
                    callers: None,
                },
            ),
        })
    }

    fn stack(
        &self,
        port: &'static str,
        wire: Wire,
        endless: &'static [&'static str],
        routes: Routes,
    ) -> Stack {
        let tls = self.certificates.of_port(port);
        let connections = &self.config.connections;
        let proxied = self.config.proxied(port);
        let settings = StackSettings {
            wire,
            patience: Patience {
                head: connections.head_timeout,
                idle: connections.idle_timeout,
                answer: connections.answer_timeout,
            },
            streams_max: connections.streams_max,
            endless,
            bodies: Arc::clone(&self.bodies),
            proxied: proxied
                .then(|| Proxied::new(port, self.callers.clone(), self.metrics.port(port))),
            tls: tls.map(|tls| Secured::new(port, tls, self.metrics.clone())),
            metrics: self.metrics.port(port),
        };
        Stack::new(settings, routes)
    }
}

/// Streams of requests, which end when their callers like.
const GRPC_STREAMS: [&str; 3] = [
    "/callgate.v1.HookService/BeforeStream",
    admin::REFLECTION[0],
    admin::REFLECTION[1],
];

fn limits(configured: &PortConnections, fitting: usize) -> ConnectionLimits {
    ConnectionLimits {
        connections_max: fitting,
        per_peer_max: configured.per_peer_max,
    }
}

/// 0 is one per core.
fn threads(configured: usize) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}

/// Raises the limit of open files, and says when not all fits.
fn fitting_connections(config: &Config) -> [usize; 3] {
    let wanted = connections_wanted(config);
    let Some(limit) = server::raise_limit() else {
        return wanted;
    };
    let fit = Fit::new(limit, wanted, config.connections.files_reserve);
    if !fit.is_whole() {
        warn!("{}", fit.explain());
    }
    fit.connections
}

/// Whatever has to happen when a policy comes into force: its endpoints are made ready, and the
/// state of those that are gone is dropped.
fn follow_policy(snapshot: &Snapshot, callbacks: &Callbacks, metrics: &Metrics) {
    for endpoint in snapshot.endpoints() {
        callbacks.prepare(endpoint);
    }
    let after = |rules: &&HookRules| rules.hook.moment == Moment::After;
    for rules in snapshot.hooks().filter(after) {
        for endpoint in &rules.endpoints {
            callbacks.expect(endpoint, rules.hook);
        }
    }
    callbacks.keep_only(snapshot.endpoints().map(AsRef::as_ref));
    metrics.keep_only(
        |name| snapshot.endpoint(name).is_some(),
        |name| snapshot.list(name).is_some(),
    );
}

/// Runs something that must not end before `stop`. If it does, by itself, with an error or by a
/// panic, the whole process ends too: what is left of it would look alive.
fn run_until_stop<E: Display + Send + 'static>(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    failed: &CancellationToken,
    task: &'static str,
    run: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    let (stop, failed) = (stop.clone(), failed.clone());
    tasks.spawn(async move {
        let why = match AssertUnwindSafe(run).catch_unwind().await {
            Ok(Ok(())) if stop.is_cancelled() => return,
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it panicked".to_owned(),
        };
        error!(task, why, "a task ended that must not, the process ends");
        failed.cancel();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the process would end for what became of the task.
    async fn ends(
        stopped: bool,
        run: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> bool {
        let (stop, failed) = (CancellationToken::new(), CancellationToken::new());
        if stopped {
            stop.cancel();
        }
        let tasks = TaskTracker::new();
        run_until_stop(&tasks, &stop, &failed, "test", run);
        tasks.close();
        tasks.wait().await;
        failed.is_cancelled()
    }

    #[tokio::test]
    async fn what_ends_before_it_is_told_ends_the_process() {
        assert!(!ends(true, async { Ok(()) }).await);
        assert!(ends(false, async { Ok(()) }).await);
        for stopped in [true, false] {
            assert!(ends(stopped, async { Err("no thread".to_owned()) }).await);
            assert!(ends(stopped, async { panic!("on purpose") }).await);
        }
    }
}
