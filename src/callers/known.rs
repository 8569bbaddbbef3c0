//! A caller that is known: its name, what it may call, and its limits.

use std::sync::Arc;

use tokio::time::Instant;

use super::pace::Pace;
use super::refused::Refused;
use crate::event::Hook;
use crate::in_flight::{InFlightLimit, InFlightPermit};
use crate::policy::{CallerLimits, CallerRule, LOCAL_NAME, Secrets};

/// A caller of the policy in force. Its calls in flight are counted over edits of the policy.
#[derive(Clone, Debug)]
pub struct Known(Arc<State>);

#[derive(Debug)]
struct State {
    rule: Arc<CallerRule>,
    in_flight: Arc<InFlightLimit>,
    pace: Option<Arc<Pace>>,
}

/// One call of a caller, within its limits until it is dropped.
#[derive(Debug)]
#[must_use = "the call counts until it is dropped"]
pub struct Held<'a> {
    _permit: Option<InFlightPermit<'a>>,
}

/// Which limit of a caller a call is past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    InFlight,
    Rate,
}

impl Limit {
    /// A metric label.
    pub fn name(self) -> &'static str {
        match self {
            Limit::InFlight => "in_flight",
            Limit::Rate => "rate",
        }
    }
}

impl Known {
    /// `before` is what was known of the caller under the policy before.
    pub(super) fn new(rule: Arc<CallerRule>, before: Option<&Known>, now: Instant) -> Known {
        let limits = rule.limits;
        let same_pace = before.filter(|known| {
            let before = known.0.rule.limits;
            (before.calls_per_second, before.burst) == (limits.calls_per_second, limits.burst)
        });
        let pace = match same_pace {
            Some(known) => known.0.pace.clone(),
            None => (limits.calls_per_second > 0)
                .then(|| Arc::new(Pace::new(limits.calls_per_second, limits.burst, now))),
        };
        let in_flight = before.map(|known| Arc::clone(&known.0.in_flight));
        Known(Arc::new(State {
            rule,
            in_flight: in_flight.unwrap_or_default(),
            pace,
        }))
    }

    /// The command line on the same machine: all is for it, without limits.
    pub(super) fn command_line() -> Known {
        let limits = CallerLimits {
            in_flight_max: 0,
            calls_per_second: 0,
            burst: 0,
        };
        let rule = rule_of_all(LOCAL_NAME, limits);
        Known::new(Arc::new(rule), None, Instant::now())
    }

    pub fn name(&self) -> &Arc<str> {
        &self.0.rule.name
    }

    pub(super) fn rule(&self) -> &CallerRule {
        &self.0.rule
    }

    pub fn may_call(&self, hook: Hook) -> bool {
        self.0.rule.may_call(hook)
    }

    /// Why a hook is not for it.
    pub fn refused(&self) -> Refused {
        Refused::Hook(Arc::clone(self.name()))
    }

    /// Every hook is for it.
    pub fn may_call_all(&self) -> bool {
        self.0.rule.hooks.is_none()
    }

    pub fn in_flight(&self) -> usize {
        self.0.in_flight.in_flight()
    }

    /// Counts one call, or says which limit it is past.
    pub fn hold(&self, now: Instant) -> Result<Held<'_>, Limit> {
        let State {
            rule,
            in_flight,
            pace,
        } = &*self.0;
        let max = match rule.limits.in_flight_max {
            0 => usize::MAX,
            max => max,
        };
        let permit = in_flight.acquire(max).ok_or(Limit::InFlight)?;
        match pace {
            Some(pace) if !pace.pass(now) => Err(Limit::Rate),
            _ => Ok(Held {
                _permit: Some(permit),
            }),
        }
    }
}

/// All hooks are for it, and nothing tells it from others.
fn rule_of_all(name: &str, limits: CallerLimits) -> CallerRule {
    CallerRule {
        name: name.into(),
        tokens: Secrets::default(),
        paths: Secrets::default(),
        certificates: Vec::new(),
        addresses: Vec::new(),
        hooks: None,
        limits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(in_flight_max: usize, calls_per_second: u32) -> Arc<CallerRule> {
        let limits = CallerLimits {
            in_flight_max,
            calls_per_second,
            burst: 0,
        };
        Arc::new(rule_of_all("im", limits))
    }

    #[test]
    fn limits_hold_over_an_edit_of_the_policy() {
        let now = Instant::now();
        let first = Known::new(rule(2, 0), None, now);
        let one = first.hold(now).unwrap();
        let edited = Known::new(rule(2, 0), Some(&first), now);
        let two = edited.hold(now).unwrap();
        assert_eq!(edited.hold(now).unwrap_err(), Limit::InFlight);
        assert_eq!(edited.in_flight(), 2);
        drop((one, two));
        assert!(edited.hold(now).is_ok());
        let lowered = Known::new(rule(0, 1), Some(&edited), now);
        assert!(lowered.hold(now).is_ok());
        let again = Known::new(rule(0, 1), Some(&lowered), now);
        assert_eq!(again.hold(now).unwrap_err(), Limit::Rate);
        assert_eq!(again.in_flight(), 0);
    }
}
