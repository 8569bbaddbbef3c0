//! Everything that runs in `callgate serve`, put together and started.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use super::engine_file::options_of;
use super::signals;
use crate::admin::{Certificates, Lately, Observed, PortsTls};
use crate::audit::{Audit, Edited};
use crate::callback::Callbacks;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::config::Config;
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
use crate::server::{BodyBudget, BodyLimits, WebhookSettings, Webhooks};
use crate::settings::Problem;
use crate::telemetry::{CallerLines, Metrics};
use crate::tls;
use crate::trial::Trials;
use crate::versions::{self, InForce, Keeper, Store};
use crate::watch::Watch;

mod listeners;
mod ports;
mod running;

pub(super) use listeners::Listeners;
pub(super) use running::Running;

use listeners::fitting_connections;

/// Everything that runs, ready to be stopped in order.
pub(super) struct Engine {
    pub config: Config,
    pub policies: Arc<Policies>,
    pub outbox: Arc<dyn Outbox>,
    pub history: Arc<History>,
    pub recordings: Arc<Recordings>,
    pub trials: Arc<Trials>,
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
        let audit = Arc::new(Audit::open(config.audit.clone(), metrics.clone()));
        let trials = Arc::new(Trials::new(
            policies.clone(),
            metrics.clone(),
            audit.clone(),
            Store::new(&config.versions.folder),
            config.data.join("trial.json"),
        ));
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
        let before = Arc::new(
            before
                .recording(recordings.clone())
                .with_trials(trials.clone()),
        );
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
            audit,
            trials,
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
        let trials = self.trials.start();
        trials.context("the thread of the trial could not be started")?;
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

    /// Serves the ports and delivers events until it is told to stop.
    pub(super) fn start(&self, listeners: Listeners, running: &Running) -> anyhow::Result<()> {
        let stop = || running.stop.clone();
        let (grpc, health) = self.grpc(listeners.grpc)?;
        running.keep("health", health.follow(stop()));
        let ports = [
            grpc,
            self.http(listeners.http),
            self.admin(listeners.admin)?,
        ];
        for port in ports {
            running.run(port.name, port.serve(stop()));
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
        running.keep("delivery", delivery.run(stop()));
        let (observed, outbox, until) = (self.observed.clone(), self.outbox.clone(), stop());
        running.keep("observer", async move { observed.run(outbox, until).await });
        let (lately, metrics) = (self.lately.clone(), self.metrics.clone());
        let (clock, until) = (self.clock, stop());
        running.keep("lately", async move {
            lately.run(metrics, clock, until).await;
        });
        let limits = self.config.usage_limits();
        running.keep("usage", watch_usage(self.outbox.clone(), limits, stop()));
        let (callers, until) = (self.callers.clone(), stop());
        running.keep("callers", async move { callers.look_on(until).await });
        running.keep("operators", self.operators.clone().keep_on(stop()));
        running.keep("audit", self.audit.clone().keep_short(stop()));
        let policies = self.policies.clone();
        let look = move || drop(policies.reload());
        running.keep("hangup", signals::on_hangup(stop(), look));
        Ok(())
    }
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
