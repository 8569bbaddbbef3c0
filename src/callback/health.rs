//! An endpoint's health: which breakers a call must pass, and which of them its end is told.
//!
//! That no connection can be made concerns the whole endpoint: one breaker, which counts each
//! such failure in a row and which any answer closes. Everything else concerns one hook, whose
//! handler may be broken while the others work: one breaker each. An endpoint that answers after
//! it was silent is news: the breakers that opened in the silence try at once. Calls that are
//! waited for and the delivery of events learn from each other in this way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Permit, Word};
use super::source::Source;
use crate::decision::FailureClass;
use crate::event::{Hook, Moment};
use crate::policy::BreakerSettings;

/// What one call says about the health of what was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A usable answer.
    Success,
    /// An answer that is none: it can be reached.
    BadAnswer,
    /// No answer in time, or a connection that broke off.
    NoAnswer,
    /// No connection.
    Unreachable,
    /// The call says nothing: it was cut short by somebody else.
    Unknown,
}

#[derive(Debug, Default)]
pub(super) struct Health {
    connect: Arc<Mutex<Breaker>>,
    hooks: RwLock<HashMap<Hook, Arc<Mutex<Breaker>>>>,
    answered_at: Mutex<Option<Instant>>,
}

/// The right to make one call.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    health: &'a Health,
    connect: Permit,
    hook: Permit,
}

/// What stands in the way of the calls of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// `closed`, `open` or `half_open`: the worst of the breakers.
    pub(super) state: &'static str,
    /// Of the one that stays open longest.
    pub(super) open_left: Option<Duration>,
    /// The hooks whose own breaker is not closed, by name.
    pub(super) hooks: Vec<(&'static str, &'static str)>,
}

impl Health {
    /// Lets a call through, or says how long it has to wait.
    pub(super) fn enter(
        &self,
        hook: Hook,
        source: Source,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Result<Pass<'_>, Duration> {
        let hook = Breaker::enter(&self.hook(hook), source, settings, now)?;
        // Nobody can be blamed for a connection that is not made: each counts.
        let settings = connect_settings(settings);
        let connect = Breaker::enter(&self.connect, Source::any(), &settings, now)?;
        Ok(Pass {
            health: self,
            connect,
            hook,
        })
    }

    /// What stands in the way of any hook of a moment.
    pub(super) fn obstacle(&self, moment: Moment, now: Instant) -> Obstacle {
        let connect = lock(&self.connect);
        let mut worst = Obstacle {
            state: connect.state(now),
            open_left: connect.open_left(now),
            hooks: Vec::new(),
        };
        drop(connect);
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        for (hook, breaker) in hooks.iter().filter(|(hook, _)| hook.moment == moment) {
            let breaker = lock(breaker);
            let state = breaker.state(now);
            if state != "closed" {
                worst.hooks.push((hook.name, state));
            }
            if severity(state) > severity(worst.state) {
                worst.state = state;
            }
            worst.open_left = worst.open_left.max(breaker.open_left(now));
        }
        worst.hooks.sort_unstable();
        worst
    }

    /// How long no call of the hook can be made, and whether one would be a trial. `None` is the
    /// part that concerns all hooks.
    pub(super) fn wait(&self, hook: Option<Hook>, now: Instant) -> (Duration, bool) {
        let own = hook.map(|hook| self.hook(hook));
        let breakers = [Some(&self.connect), own.as_ref()];
        let mut wait = (Duration::ZERO, false);
        for breaker in breakers.into_iter().flatten() {
            let breaker = lock(breaker);
            wait.0 = wait.0.max(breaker.open_left(now).unwrap_or_default());
            wait.1 |= !breaker.is_closed();
        }
        wait
    }

    /// Calls of this hook may come; its breaker is there from now on, closed.
    pub(super) fn expect(&self, hook: Hook) {
        self.hook(hook);
    }

    /// The hooks of a moment that were called since the start, or are expected.
    pub(super) fn hooks(&self, moment: Moment) -> Vec<Hook> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        let hooks = hooks.keys().filter(|hook| hook.moment == moment);
        hooks.copied().collect()
    }

    fn hook(&self, hook: Hook) -> Arc<Mutex<Breaker>> {
        {
            let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(breaker) = hooks.get(&hook) {
                return Arc::clone(breaker);
            }
        }
        // Bounded: a `Hook` is made only from the dialects' tables.
        let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hooks.entry(hook).or_default())
    }

    /// A usable answer came.
    fn answered(&self, settings: &BreakerSettings, now: Instant) {
        let mut answered_at = self
            .answered_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = answered_at.replace(now);
        drop(answered_at);
        let silent_from = before.map(|before| before + settings.window);
        if silent_from.is_some_and(|from| now < from) {
            return;
        }
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        for breaker in hooks.values() {
            let mut breaker = lock(breaker);
            // One that opened while others were answered has a reason of its own.
            let opened_in_silence = breaker
                .open_since()
                .is_some_and(|since| silent_from.is_none_or(|from| since > from));
            if opened_in_silence {
                breaker.try_now();
            }
        }
    }
}

impl Pass<'_> {
    pub(super) fn end(self, ending: Ending, settings: &BreakerSettings, now: Instant) {
        let (connect, hook) = match ending {
            Ending::Success => (Word::Success, Word::Success),
            Ending::BadAnswer => (Word::Success, Word::Failure),
            Ending::NoAnswer => (Word::Nothing, Word::Failure),
            Ending::Unreachable => (Word::Failure, Word::Nothing),
            Ending::Unknown => (Word::Nothing, Word::Nothing),
        };
        if connect == Word::Success {
            let mut breaker = lock(&self.health.connect);
            if !breaker.is_closed() {
                breaker.close();
            }
        }
        self.connect.end(connect, &connect_settings(settings), now);
        self.hook.end(hook, settings, now);
        if ending == Ending::Success {
            self.health.answered(settings, now);
        }
    }
}

/// Without a share: any success closes it.
fn connect_settings(settings: &BreakerSettings) -> BreakerSettings {
    BreakerSettings {
        calls_min: u32::MAX,
        probes: 1,
        ..settings.clone()
    }
}

fn severity(state: &str) -> u8 {
    match state {
        "open" => 2,
        "half_open" => 1,
        _ => 0,
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a failed call says about the endpoint's health.
pub(super) fn ending_of(class: FailureClass) -> Ending {
    match class {
        FailureClass::HttpStatus | FailureClass::InvalidAnswer | FailureClass::TooLarge => {
            Ending::BadAnswer
        }
        // A connection that was made and broke off; one that was never made is told apart where
        // it fails.
        FailureClass::Timeout | FailureClass::Connect => Ending::NoAnswer,
        // None of these reached the endpoint.
        FailureClass::Deadline
        | FailureClass::BlockedAddress
        | FailureClass::Loop
        | FailureClass::BreakerOpen
        | FailureClass::Overloaded
        | FailureClass::Internal
        | FailureClass::UnreadableCall
        | FailureClass::Unfiltered
        | FailureClass::StalePolicy => Ending::Unknown,
    }
}

/// A server that refuses with 4xx is alive; one that is overloaded or broken is not.
pub(super) fn ending_of_status(status: u16) -> Ending {
    if status == 429 || status >= 500 {
        Ending::BadAnswer
    } else {
        Ending::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: Hook = Hook {
        name: "beforeSend",
        moment: Moment::Before,
    };
    const JOIN: Hook = Hook {
        name: "beforeJoin",
        moment: Moment::Before,
    };
    const SENT: Hook = Hook {
        name: "afterSend",
        moment: Moment::After,
    };

    fn settings() -> BreakerSettings {
        BreakerSettings {
            failures: 3,
            failure_ratio: 0.5,
            calls_min: 100,
            window: Duration::from_secs(10),
            open: Duration::from_secs(20),
            open_max: Duration::from_secs(60),
            probes: 1,
        }
    }

    #[derive(Default)]
    struct Endpoint {
        health: Health,
        passed: Duration,
        start: Option<Instant>,
    }

    impl Endpoint {
        fn now(&mut self) -> Instant {
            *self.start.get_or_insert_with(Instant::now) + self.passed
        }

        /// Calls of different senders; false when one was not let through.
        fn call(&mut self, hook: Hook, ending: Ending, times: usize) -> bool {
            let now = self.now();
            (0..times).all(|_| {
                let pass = self.health.enter(hook, Source::any(), &settings(), now);
                pass.map(|pass| pass.end(ending, &settings(), now)).is_ok()
            })
        }

        fn wait(&mut self, seconds: u64) {
            self.passed += Duration::from_secs(seconds);
        }

        fn states(&mut self) -> (&'static str, &'static str) {
            let now = self.now();
            let before = self.health.obstacle(Moment::Before, now).state;
            (before, self.health.obstacle(Moment::After, now).state)
        }
    }

    #[test]
    fn a_broken_handler_closes_the_door_of_its_own_hook_alone() {
        for ending in [Ending::BadAnswer, Ending::NoAnswer] {
            let mut endpoint = Endpoint::default();
            assert!(endpoint.call(JOIN, Ending::Success, 1));
            assert!(endpoint.call(SEND, ending, 3));
            assert!(!endpoint.call(SEND, Ending::Success, 1), "{ending:?}");
            assert!(endpoint.call(JOIN, Ending::Success, 1), "{ending:?}");
            assert!(endpoint.call(SENT, Ending::Success, 1), "{ending:?}");
            assert_eq!(endpoint.states(), ("open", "closed"));
        }
    }

    #[test]
    fn an_endpoint_that_cannot_be_reached_is_left_alone_by_all_until_any_answer() {
        let mut endpoint = Endpoint::default();
        assert!(endpoint.call(SENT, Ending::Unreachable, 3));
        assert!(!endpoint.call(SEND, Ending::Success, 1));
        assert_eq!(endpoint.states(), ("open", "open"));
        endpoint.wait(20);
        assert!(endpoint.call(SEND, Ending::BadAnswer, 1));
        assert_eq!(endpoint.states(), ("closed", "closed"));
        assert!(endpoint.call(SENT, Ending::Success, 9));
    }

    #[test]
    fn one_sender_counts_for_connections_as_often_as_it_calls() {
        let mut endpoint = Endpoint::default();
        let now = endpoint.now();
        for _ in 0..3 {
            let pass = endpoint.health.enter(SEND, Source(1), &settings(), now);
            pass.unwrap().end(Ending::Unreachable, &settings(), now);
        }
        assert_eq!(endpoint.states(), ("open", "open"));
    }

    #[test]
    fn an_answer_after_silence_lets_the_other_side_try_at_once() {
        let mut endpoint = Endpoint::default();
        assert!(endpoint.call(SENT, Ending::NoAnswer, 3));
        assert_eq!(endpoint.states(), ("closed", "open"));
        endpoint.wait(1);
        assert!(endpoint.call(SEND, Ending::Success, 1));
        assert!(endpoint.call(SENT, Ending::Success, 1));
        assert_eq!(endpoint.states(), ("closed", "closed"));
    }

    #[test]
    fn a_broken_handler_is_not_tried_the_more_for_what_others_answer() {
        let mut endpoint = Endpoint::default();
        assert!(endpoint.call(JOIN, Ending::Success, 1));
        endpoint.wait(1);
        assert!(endpoint.call(SEND, Ending::BadAnswer, 3));
        for _ in 0..18 {
            endpoint.wait(1);
            assert!(endpoint.call(JOIN, Ending::Success, 1));
            assert!(!endpoint.call(SEND, Ending::BadAnswer, 1));
        }
    }
}
