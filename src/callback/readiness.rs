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
    /// that it is told of rests by itself; then as long as the first of them. A hook that a policy
    /// tells it of and that was never told yet is one that does not rest.
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

#[cfg(test)]
mod tests {
    use super::super::health::Ending;
    use super::super::registry::tests::endpoint_of;
    use super::super::source::Source;
    use super::*;

    const SENT: Hook = Hook {
        name: "afterSendSingleMsg",
        moment: Moment::After,
    };
    const ONLINE: Hook = Hook {
        name: "afterUserOnline",
        moment: Moment::After,
    };

    fn endpoint() -> Endpoint {
        let text = "endpoints: {b: {url: 'http://127.0.0.1:9/x'}}\nhooks: {afterSendSingleMsg: {endpoint: b}}\n";
        endpoint_of(text, "b")
    }

    fn fail(callbacks: &Callbacks, endpoint: &Endpoint, hook: Hook, ending: Ending) {
        let (client, settings) = (callbacks.client(endpoint), &endpoint.breaker);
        for _ in 0..settings.failures {
            let now = Instant::now();
            let pass = client.health.enter(hook, Source::any(), settings, now);
            pass.unwrap().end(ending, settings, now);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_event_of_a_hook_waits_for_no_other_hook() {
        let callbacks = Callbacks::new("test", Vec::new());
        let endpoint = endpoint();
        callbacks.expect(&endpoint, SENT);
        callbacks.expect(&endpoint, ONLINE);
        fail(&callbacks, &endpoint, SENT, Ending::BadAnswer);
        assert!(matches!(
            callbacks.hook_readiness(&endpoint, SENT),
            Readiness::Resting(_)
        ));
        assert_eq!(callbacks.readiness(&endpoint), Readiness::Ready);
        assert_eq!(
            callbacks.hook_readiness(&endpoint, ONLINE),
            Readiness::Ready
        );
        fail(&callbacks, &endpoint, ONLINE, Ending::BadAnswer);
        assert!(matches!(
            callbacks.readiness(&endpoint),
            Readiness::Resting(_)
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_cannot_be_reached_rests_with_all_its_hooks() {
        let callbacks = Callbacks::new("test", Vec::new());
        let endpoint = endpoint();
        callbacks.expect(&endpoint, ONLINE);
        fail(&callbacks, &endpoint, SENT, Ending::Unreachable);
        assert!(matches!(
            callbacks.readiness(&endpoint),
            Readiness::Resting(_)
        ));
    }
}
