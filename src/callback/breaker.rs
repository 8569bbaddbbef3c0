//! The circuit breaker: stops calling an endpoint that fails, and tries it again by itself.
//!
//! Closed → open on `failures` in a row, or on `failure_ratio` of at least `calls_min` calls in
//! the rolling `window`. Open → half-open after `open`, then at most `probes` calls at a time;
//! that many successes close it, one failure opens it for twice as long, up to `open_max`.
//! The time is an argument.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::decision::FailureClass;
use crate::policy::BreakerSettings;

/// The rolling window is kept in this many buckets.
const BUCKETS: usize = 10;

/// What one call says about the endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Success,
    Failure,
    /// The call says nothing: it was cut short by somebody else.
    Unknown,
}

#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
    window: Window,
    failures_in_a_row: u32,
    /// How often it opened since it was last closed; the open time doubles with each.
    opened: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        in_flight: u32,
        succeeded: u32,
    },
}

/// The right to make one call. Dropped without [`Permit::end`], it counts as [`Ending::Unknown`].
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Mutex<Breaker>>,
    probe: bool,
    ended: bool,
}

impl Breaker {
    /// Lets a call through, or says how long the breaker stays open.
    pub fn enter(
        breaker: &Arc<Mutex<Breaker>>,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Result<Permit, Duration> {
        let mut inner = breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let probe = inner.admit(settings, now)?;
        Ok(Permit {
            breaker: Arc::clone(breaker),
            probe,
            ended: false,
        })
    }

    /// `closed`, `open` or `half_open`.
    pub fn state(&self, now: Instant) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { until } if now < until => "open",
            State::Open { .. } | State::HalfOpen { .. } => "half_open",
        }
    }

    pub fn open_left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until } if now < until => Some(until - now),
            _ => None,
        }
    }

    /// True when the call is a probe.
    fn admit(&mut self, settings: &BreakerSettings, now: Instant) -> Result<bool, Duration> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.state = State::HalfOpen {
                in_flight: 0,
                succeeded: 0,
            };
        }
        match &mut self.state {
            State::HalfOpen {
                in_flight,
                succeeded,
            } => {
                if *in_flight + *succeeded >= settings.probes {
                    return Err(Duration::ZERO);
                }
                *in_flight += 1;
                Ok(true)
            }
            State::Closed | State::Open { .. } => Ok(false),
        }
    }

    fn record(&mut self, probe: bool, ending: Ending, settings: &BreakerSettings, now: Instant) {
        match (&mut self.state, probe) {
            (
                State::HalfOpen {
                    in_flight,
                    succeeded,
                },
                true,
            ) => {
                *in_flight = in_flight.saturating_sub(1);
                match ending {
                    Ending::Success => {
                        *succeeded += 1;
                        if *succeeded >= settings.probes {
                            *self = Breaker::default();
                        }
                    }
                    Ending::Failure => self.open(settings, now),
                    Ending::Unknown => {}
                }
            }
            (State::Closed, _) => self.record_closed(ending, settings, now),
            // A call from before the breaker opened says nothing new.
            (State::Open { .. } | State::HalfOpen { .. }, _) => {}
        }
    }

    fn record_closed(&mut self, ending: Ending, settings: &BreakerSettings, now: Instant) {
        match ending {
            Ending::Unknown => return,
            Ending::Success => self.failures_in_a_row = 0,
            Ending::Failure => self.failures_in_a_row += 1,
        }
        self.window
            .count(ending == Ending::Failure, settings.window, now);
        let (calls, failures) = self.window.sums();
        let many = calls >= settings.calls_min
            && f64::from(failures) >= settings.failure_ratio * f64::from(calls);
        if ending == Ending::Failure && (self.failures_in_a_row >= settings.failures || many) {
            self.open(settings, now);
        }
    }

    fn open(&mut self, settings: &BreakerSettings, now: Instant) {
        let doubled = settings
            .open
            .saturating_mul(1 << self.opened.min(16))
            .min(settings.open_max);
        self.opened += 1;
        self.failures_in_a_row = 0;
        self.window = Window::default();
        self.state = State::Open {
            until: now + doubled,
        };
    }
}

impl Permit {
    pub fn end(mut self, ending: Ending, settings: &BreakerSettings, now: Instant) {
        self.ended = true;
        self.breaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(self.probe, ending, settings, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.ended || !self.probe {
            return;
        }
        // A probe whose caller went away frees its place for the next one.
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::HalfOpen { in_flight, .. } = &mut breaker.state {
            *in_flight = in_flight.saturating_sub(1);
        }
    }
}

/// Calls and failures of the last `window`, in buckets.
#[derive(Debug, Default)]
struct Window {
    buckets: [(u32, u32); BUCKETS],
    at: usize,
    bucket_started: Option<Instant>,
}

impl Window {
    fn count(&mut self, failed: bool, window: Duration, now: Instant) {
        let width = window / BUCKETS as u32;
        let started = *self.bucket_started.get_or_insert(now);
        let passed = now.saturating_duration_since(started).as_nanos() / width.as_nanos().max(1);
        for _ in 0..passed.min(BUCKETS as u128) {
            self.at = (self.at + 1) % BUCKETS;
            self.buckets[self.at] = (0, 0);
        }
        if passed > 0 {
            self.bucket_started = Some(now);
        }
        let (calls, failures) = &mut self.buckets[self.at];
        *calls += 1;
        *failures += u32::from(failed);
    }

    fn sums(&self) -> (u32, u32) {
        self.buckets
            .iter()
            .fold((0, 0), |(calls, failures), bucket| {
                (calls + bucket.0, failures + bucket.1)
            })
    }
}

/// What a failed call says about the endpoint's health.
pub(super) fn ending_of(class: FailureClass) -> Ending {
    match class {
        FailureClass::Timeout
        | FailureClass::Connect
        | FailureClass::HttpStatus
        | FailureClass::InvalidAnswer
        | FailureClass::TooLarge => Ending::Failure,
        // None of these was the endpoint's doing: the caller's limit may be far shorter than
        // the hook's, and the rest never reached it.
        FailureClass::Deadline
        | FailureClass::BlockedAddress
        | FailureClass::BreakerOpen
        | FailureClass::Overloaded
        | FailureClass::Internal
        | FailureClass::UnreadableCall => Ending::Unknown,
    }
}

/// A server that refuses with 4xx is alive; one that is overloaded or broken is not.
pub(super) fn ending_of_status(status: u16) -> Ending {
    if status == 429 || status >= 500 {
        Ending::Failure
    } else {
        Ending::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BreakerSettings {
        BreakerSettings {
            failures: 3,
            failure_ratio: 0.5,
            calls_min: 10,
            window: Duration::from_secs(10),
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(15),
            probes: 2,
        }
    }

    /// Plays a script: `f` failure, `s` success, `u` unknown, `!` must be refused, digits wait
    /// that many seconds. Returns the final state.
    fn check(script: &str, expected: &str) {
        let breaker = Arc::new(Mutex::new(Breaker::default()));
        let mut now = Instant::now();
        for step in script.chars() {
            match step {
                'f' | 's' | 'u' => {
                    let permit = Breaker::enter(&breaker, &settings(), now)
                        .unwrap_or_else(|_| panic!("refused at `{step}` in {script}"));
                    let ending = match step {
                        'f' => Ending::Failure,
                        's' => Ending::Success,
                        _ => Ending::Unknown,
                    };
                    permit.end(ending, &settings(), now);
                }
                '!' => assert!(Breaker::enter(&breaker, &settings(), now).is_err()),
                wait => now += Duration::from_secs(u64::from(wait.to_digit(10).unwrap())),
            }
        }
        assert_eq!(breaker.lock().unwrap().state(now), expected, "{script}");
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_after_probes() {
        check("ff", "closed");
        check("ffsff", "closed");
        check("fff", "open");
        check("fff!", "open");
        check("fff4!", "open");
        check("fff5", "half_open");
        check("fff5s", "half_open");
        check("fff5ss", "closed");
        check("fff5f!", "open");
    }

    #[test]
    fn open_time_doubles_up_to_its_limit() {
        check("fff5f9!", "open");
        check("fff5f91s", "half_open");
        check("fff5f91f95!", "open");
        check("fff5f91f96s", "half_open");
    }

    #[test]
    fn opens_on_the_ratio_of_the_window() {
        check("sfsfsfsfsf", "open");
        check("sfsfsfsfs", "closed");
        check("sfsfsf9995sfsfs", "closed");
    }

    #[test]
    fn unknown_endings_change_nothing() {
        check("ffuuuu", "closed");
        check("ffuf", "open");
        check("fff5uus", "half_open");
    }

    #[test]
    fn a_dropped_probe_frees_its_place() {
        let breaker = Arc::new(Mutex::new(Breaker::default()));
        let now = Instant::now();
        for _ in 0..3 {
            let permit = Breaker::enter(&breaker, &settings(), now).unwrap();
            permit.end(Ending::Failure, &settings(), now);
        }
        let later = now + Duration::from_secs(5);
        let first = Breaker::enter(&breaker, &settings(), later).unwrap();
        let _second = Breaker::enter(&breaker, &settings(), later).unwrap();
        assert!(Breaker::enter(&breaker, &settings(), later).is_err());
        drop(first);
        assert!(Breaker::enter(&breaker, &settings(), later).is_ok());
    }
}
