//! The callers of the policy in force: asked about every call.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::known::{Held, Known, Limit};
use super::refused::Refused;
use super::secrets::Outside;
use super::table::{Evidence, Table};
use crate::policy::{CallerRules, Digest, SecretSource, Snapshot};
use crate::telemetry::{LogThrottle, Metrics};

/// How soon a changed secret outside of the policy is noticed; it counts at the look after that.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The callers of the policy in force.
#[derive(Debug)]
pub struct Callers {
    table: ArcSwap<Table>,
    rules: Mutex<(Arc<CallerRules>, Outside)>,
    /// The command line on this machine, and the digest of its token.
    local: OnceLock<(Digest, Known)>,
    metrics: Arc<Metrics>,
    logged: LogThrottle<&'static str>,
}

/// What is known of a call that may be made.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// `None`: callers are not told apart.
    pub caller: Option<Known>,
    /// The part of the path that follows the route is a secret, and no part of the call.
    pub path_is_secret: bool,
}

impl Callers {
    pub fn new(metrics: Arc<Metrics>) -> Callers {
        Callers {
            table: ArcSwap::default(),
            rules: Mutex::default(),
            local: OnceLock::new(),
            metrics,
            logged: LogThrottle::default(),
        }
    }

    /// Takes over the callers of the policy that has come into force.
    pub fn follow(&self, snapshot: &Snapshot) {
        self.renew(|rules| *rules = Arc::clone(&snapshot.callers));
        let table = self.table.load();
        let kept: Vec<&str> = table
            .callers()
            .iter()
            .map(|known| &**known.name())
            .collect();
        self.metrics.callers.keep_only(|name| kept.contains(&name));
    }

    /// Has the command line on this machine known by this token, beside the callers.
    pub fn know_command_line(&self, token: Digest) {
        let _ = self.local.set((token, Known::command_line()));
    }

    /// Looks at the secrets outside of the policy, until `stop`.
    pub async fn look_on(&self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
            .await
            .is_some()
        {
            self.renew(|_| ());
        }
    }

    /// Makes the table anew if anything that it stands on is another.
    fn renew(&self, edit: impl FnOnce(&mut Arc<CallerRules>)) {
        let mut guard = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let (rules, outside) = &mut *guard;
        let before = Arc::clone(rules);
        edit(rules);
        let mut changed = !Arc::ptr_eq(&before, rules);
        changed |= outside.look(rules, tell);
        if changed {
            let table = Table::new(rules, outside, &self.table.load(), Instant::now());
            self.table.store(Arc::new(table));
        }
    }

    /// Whoever reaches a port may call.
    pub fn is_open(&self) -> bool {
        self.table.load().is_open()
    }

    /// A proxy that the policy names: what it says of others is believed.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.table.load().is_proxy(&address)
    }

    /// The callers, by name.
    pub fn known(&self) -> Vec<Known> {
        self.table.load().callers().to_vec()
    }

    /// Who makes a call. A refusal is counted and logged here.
    ///
    /// Errors: it is nobody who may call.
    pub fn admit(&self, evidence: &Evidence<'_>) -> Result<Admitted, Refused> {
        let table = self.table.load();
        if table.is_open() {
            return Ok(Admitted::default());
        }
        let (found, path_is_secret) = table.identify(evidence);
        match found {
            Ok(caller) => {
                self.metrics.callers.called(caller.name());
                Ok(Admitted {
                    caller: Some(caller),
                    path_is_secret,
                })
            }
            Err(refused) => {
                self.note(&refused, evidence.address);
                Err(refused)
            }
        }
    }

    /// Looks somebody up, and nothing else.
    #[cfg(test)]
    pub(super) fn look_up(&self, evidence: &Evidence<'_>) -> bool {
        self.table.load().identify(evidence).0.is_ok()
    }

    /// The same at a port that the command line on this machine may call too.
    pub fn admit_command_line(&self, evidence: &Evidence<'_>) -> Result<Admitted, Refused> {
        if !self.is_open()
            && let (Some((digest, known)), Some(token)) = (self.local.get(), evidence.token)
            && bool::from(digest.is(&Digest::of(token)))
        {
            return Ok(Admitted {
                caller: Some(known.clone()),
                path_is_secret: false,
            });
        }
        self.admit(evidence)
    }

    /// Counts and logs a refusal.
    pub fn note(&self, refused: &Refused, address: Option<IpAddr>) {
        let reason = refused.name();
        self.metrics.callers.refused(reason);
        if let Some(held_back) = self.logged.pass(reason) {
            let address = address.map(tracing::field::display);
            let caller = refused.caller();
            warn!(
                reason,
                caller, address, held_back, "a call was refused: nobody of `callers` may make it"
            );
        }
    }

    /// Counts one call of a caller, or says which limit of the caller's it is past.
    pub fn hold<'a>(&self, caller: &'a Known) -> Result<Held<'a>, Limit> {
        let held = caller.hold(Instant::now());
        if let Err(limit) = &held {
            self.metrics.callers.limited(caller.name(), limit.name());
        }
        held
    }
}

fn tell(source: &SecretSource, result: Result<(), &str>) {
    let place = match source {
        SecretSource::Env(name) => name,
        SecretSource::File(path) => path,
    };
    match result {
        Ok(()) => info!(place, "the secret of a caller can be read again"),
        Err(why) => error!(
            place,
            why, "the secret of a caller cannot be read, what it was goes on to count"
        ),
    }
}
