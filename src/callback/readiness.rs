//! Whether it is worth while to begin a call that tells of events.

use std::time::Duration;

use tokio::time::Instant;

use super::registry::Callbacks;
use crate::event::{Hook, Moment};
use crate::policy::Endpoint;

/// Whether an endpoint can be told of events now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// The breaker lets so many calls try it.
    Trying(usize),
    /// The breaker is open for so long.
    Resting(Duration),
}

impl Callbacks {
    /// Of the endpoint as a whole. It rests when no connection can be made, and when every hook
    /// that it was told of rests by itself; then as long as the first of them.
    pub fn readiness(&self, endpoint: &Endpoint) -> Readiness {
        let hooks = self.client(endpoint).health.hooks(Moment::After);
        let each = hooks
            .into_iter()
            .map(|hook| self.hook_readiness(endpoint, hook));
        each.reduce(readier)
            .unwrap_or_else(|| self.readiness_of(endpoint, None))
    }

    /// Of the events of one hook: its handler may be broken while the others work.
    pub fn hook_readiness(&self, endpoint: &Endpoint, hook: Hook) -> Readiness {
        self.readiness_of(endpoint, Some(hook))
    }

    fn readiness_of(&self, endpoint: &Endpoint, hook: Option<Hook>) -> Readiness {
        let client = self.client(endpoint);
        match client.health.wait(hook, Instant::now()) {
            (Duration::ZERO, false) => Readiness::Ready,
            (Duration::ZERO, true) => Readiness::Trying(endpoint.breaker.probes as usize),
            (left, _) => Readiness::Resting(left),
        }
    }
}

/// The one that lets more calls through.
fn readier(one: Readiness, other: Readiness) -> Readiness {
    match (one, other) {
        (Readiness::Resting(one), Readiness::Resting(other)) => Readiness::Resting(one.min(other)),
        (Readiness::Resting(_), ready) | (ready, Readiness::Resting(_)) => ready,
        (Readiness::Trying(_), ready) | (ready, Readiness::Trying(_)) => ready,
        (Readiness::Ready, Readiness::Ready) => Readiness::Ready,
    }
}
