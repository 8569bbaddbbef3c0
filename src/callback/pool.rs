//! Connections that are kept open between calls, each for no longer than its server keeps it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use super::connection::Connection;
use crate::policy::{Endpoint, EndpointTls};

/// Idle connections to all servers together.
const IDLE_MAX: usize = 4096;
/// How often connections are looked for that nobody asks for any more.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) https: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What connections are made with; endpoints with the same settings share a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolSettings {
    pub(super) connect_timeout: Duration,
    pub(super) allow_addresses: Vec<IpNet>,
    idle_max: usize,
    idle_timeout: Duration,
    age_max: Duration,
    tls: EndpointTls,
}

impl PoolSettings {
    pub(super) fn of(endpoint: &Endpoint) -> PoolSettings {
        PoolSettings {
            connect_timeout: endpoint.connect_timeout,
            allow_addresses: endpoint.allow_addresses.clone(),
            idle_max: endpoint.pool_idle_max,
            idle_timeout: endpoint.pool_idle_timeout,
            age_max: endpoint.connection_age_max,
            tls: endpoint.tls.clone(),
        }
    }

    /// Whether a policy change left the connection settings as they were.
    pub(super) fn suit(&self, endpoint: &Endpoint) -> bool {
        self.connect_timeout == endpoint.connect_timeout
            && self.idle_max == endpoint.pool_idle_max
            && self.idle_timeout == endpoint.pool_idle_timeout
            && self.age_max == endpoint.connection_age_max
            && self.allow_addresses == endpoint.allow_addresses
            && self.tls == endpoint.tls
    }
}

/// The idle connections of one runtime.
///
/// A connection is driven by the runtime that opened it. With a pool for each runtime a call stays
/// on its thread; a shared pool wakes another thread twice a call.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) settings: PoolSettings,
    idle: Mutex<Idle>,
}

#[derive(Debug)]
struct Idle {
    targets: HashMap<Target, Vec<Waiting>>,
    count: usize,
    swept_at: Instant,
}

#[derive(Debug)]
struct Waiting {
    connection: Connection,
    until: Instant,
}

impl Pool {
    pub(super) fn new(settings: PoolSettings) -> Pool {
        Pool {
            settings,
            idle: Mutex::new(Idle {
                targets: HashMap::new(),
                count: 0,
                swept_at: Instant::now(),
            }),
        }
    }

    /// The connection that was used last, so that those that are not needed grow old.
    pub(super) fn take(&self, target: &Target, now: Instant) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let Idle { targets, count, .. } = &mut *idle;
        let waiting = targets.get_mut(target)?;
        while let Some(next) = waiting.pop() {
            *count -= 1;
            if next.is_good(now) {
                return Some(next.connection);
            }
        }
        None
    }

    /// Keeps a connection whose call has ended. `idle_max` is how long its server said that it
    /// keeps it.
    pub(super) fn put(
        &self,
        target: &Target,
        connection: Connection,
        idle_max: Option<Duration>,
        now: Instant,
    ) {
        let idle_for = idle_max.map_or(self.settings.idle_timeout, |said| {
            // Less what a call is on its way for.
            let said = said.saturating_sub(Duration::from_secs(1).min(said / 2));
            said.min(self.settings.idle_timeout)
        });
        let until = (now + idle_for).min(connection.opened + self.settings.age_max);
        let next = Waiting { connection, until };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(idle.swept_at) >= SWEEP_EVERY {
            idle.sweep(now);
        }
        if idle.count >= IDLE_MAX || !next.is_good(now) {
            return;
        }
        let waiting = match idle.targets.get_mut(target) {
            Some(waiting) => waiting,
            None => idle.targets.entry(target.clone()).or_default(),
        };
        if waiting.len() < self.settings.idle_max {
            waiting.push(next);
            idle.count += 1;
        }
    }
}

impl Idle {
    fn sweep(&mut self, now: Instant) {
        self.swept_at = now;
        for waiting in self.targets.values_mut() {
            waiting.retain(|one| one.is_good(now));
        }
        self.targets.retain(|_, waiting| !waiting.is_empty());
        self.count = self.targets.values().map(Vec::len).sum();
    }
}

impl Waiting {
    fn is_good(&self, now: Instant) -> bool {
        now < self.until && !self.connection.is_closed()
    }
}
