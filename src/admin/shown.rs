//! All that the operators' port shows and changes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tonic::Status;

use super::access::Access;
use super::certificates::Certificates;
use super::check_ups::CheckUps;
use super::lately::Lately;
use super::observed::Observed;
use super::outbox::{self, Named};
use super::plans::Plans;
use crate::audit::Audit;
use crate::callback::Callbacks;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::history::History;
use crate::lists::Lists;
use crate::operators::{Operators, ProxyIdentity};
use crate::outbox::Outbox;
use crate::recordings::Recordings;
use crate::reload::Policies;
use crate::rooms::Rooms;
use crate::server::Hosts;
use crate::settings::Problem;
use crate::storage::Backups;
use crate::telemetry::{Metrics, UsageLimits};
use crate::trial::Trials;
use crate::versions::Keeper;

/// All that the operators' port shows.
#[derive(Clone)]
pub struct Admin {
    pub policies: Arc<Policies>,
    /// The same policies' word lists, for who edits them.
    pub lists: Arc<Lists>,
    pub callbacks: Arc<Callbacks>,
    pub outbox: Arc<dyn Outbox>,
    /// What the outbox said last; pages must not wait for a disk.
    pub observed: Arc<Observed>,
    /// What messages came to in the last hour.
    pub lately: Arc<Lately>,
    pub outbox_limits: UsageLimits,
    pub metrics: Arc<Metrics>,
    /// What was decided.
    pub history: Arc<History>,
    /// Calls that are kept to be judged again.
    pub recordings: Arc<Recordings>,
    /// A candidate policy beside the one in force.
    pub trials: Arc<Trials>,
    /// What ages are told by.
    pub clock: Clock,
    pub rooms: Arc<Rooms>,
    pub callers: Arc<Callers>,
    /// True from the moment that all ports are open until shutdown begins.
    pub ready: Arc<AtomicBool>,
    /// Names that the port may be asked under.
    pub hosts: Arc<Hosts>,
    pub certificates: Arc<Certificates>,
    /// Where acts are recorded before they are done.
    pub audit: Arc<Audit>,
    pub operators: Arc<Operators>,
    /// What a reverse proxy is believed; `None`: nothing.
    pub proxy: Option<Arc<ProxyIdentity>>,
    /// The policies that were in force.
    pub versions: Arc<Keeper>,
    /// Copies of all that is kept.
    pub backups: Arc<Backups>,
    /// What was found out about the business servers.
    pub check_ups: Arc<CheckUps>,
    /// The port has TLS of its own.
    pub tls: bool,
    /// Who may see more than probes and metrics.
    pub access: Access,
    /// `/metrics` is for everybody.
    pub metrics_open: bool,
    pub api: ApiLimits,
    /// The part of messages that an edit may hit newly before a trial is the first choice.
    pub preview_share_max: f64,
    /// What operators are about to do.
    pub plans: Arc<Plans>,
    /// What of engine.yaml works and is dangerous.
    pub engine_warnings: Arc<Vec<Problem>>,
}

impl Admin {
    /// Refuses names in a filter that nobody knows.
    pub(super) async fn check_names<'a, F>(&self, filter: Option<&'a F>) -> Result<(), Status>
    where
        &'a F: Into<Named<'a>>,
    {
        let snapshot = self.policies.current();
        let configured = snapshot.endpoints();
        let configured: Vec<String> = configured.map(|one| one.name.to_string()).collect();
        outbox::check_names(&*self.outbox, &configured, filter).await
    }
}

/// How much one operator, or one token, may ask of the JSON API.
#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    pub calls_per_second: u32,
    /// Calls at once, after a rest.
    pub burst: u32,
    pub body_bytes_max: usize,
}
