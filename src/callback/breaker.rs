//! The circuit breaker: stops calling what fails, and tries it again by itself.
//!
//! It counts sources, which are senders or conversations, and not calls: what one of them does
//! again and again must not close the door on all the others. Closed → open when `failures`
//! sources in a row failed, or when `failure_ratio` of the sources heard in the rolling `window`
//! failed last, of at least `calls_min` calls. Open → half-open after `open`, then at most
//! `probes` calls at a time; that many successes close it, failures of two sources open it for
//! twice as long, up to `open_max`. A source whose probe failed alone waits that long alone.
//! The time is an argument.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::source::Source;
use super::window::Window;
use crate::policy::BreakerSettings;

/// What a call says to one breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Success,
    Failure,
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    window: Window,
    /// Those whose calls failed since the last success.
    failed_in_a_row: HashSet<Source>,
    /// How often it opened since it was last closed; the open time doubles with each.
    opened: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Closed,
    Open {
        since: Instant,
        until: Instant,
    },
    HalfOpen {
        in_flight: u32,
        succeeded: u32,
        /// The source whose probe failed, and how long it waits.
        failed: Option<(Source, Instant)>,
    },
}

/// The right to make one call. Dropped without [`Permit::end`], it said nothing.
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<Mutex<Breaker>>,
    source: Source,
    /// Of a probe: how often the breaker had opened when it began.
    probe: Option<u32>,
    ended: bool,
}

impl Breaker {
    /// Lets a call through, or says how long the breaker stays open.
    pub(super) fn enter(
        breaker: &Arc<Mutex<Breaker>>,
        source: Source,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Result<Permit, Duration> {
        let mut inner = breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let probe = inner.admit(source, settings, now)?;
        Ok(Permit {
            breaker: Arc::clone(breaker),
            source,
            probe,
            ended: false,
        })
    }

    /// `closed`, `open` or `half_open`.
    pub(super) fn state(&self, now: Instant) -> &'static str {
        match self.state {
            State::Closed => "closed",
            State::Open { until, .. } if now < until => "open",
            State::Open { .. } | State::HalfOpen { .. } => "half_open",
        }
    }

    pub(super) fn open_left(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open { until, .. } if now < until => Some(until - now),
            _ => None,
        }
    }

    /// Since when it is open; `None` when calls pass or may try.
    pub(super) fn open_since(&self) -> Option<Instant> {
        match self.state {
            State::Open { since, .. } => Some(since),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    /// There is news of what was called: it is tried at once, as if it had opened for the first
    /// time.
    pub(super) fn try_now(&mut self) {
        if self.open_since().is_some() {
            self.half_open();
            self.opened = 1;
        }
    }

    /// Forgets all that failed.
    pub(super) fn close(&mut self) {
        *self = Breaker::default();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Of a probe, the number of the opening.
    fn admit(
        &mut self,
        source: Source,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Result<Option<u32>, Duration> {
        if let State::Open { until, .. } = self.state {
            if now < until {
                return Err(until - now);
            }
            self.half_open();
        }
        let State::HalfOpen {
            in_flight,
            succeeded,
            failed,
        } = &mut self.state
        else {
            return Ok(None);
        };
        match *failed {
            Some((other, until)) if other == source && now < until => return Err(until - now),
            _ if *in_flight + *succeeded >= settings.probes => return Err(Duration::ZERO),
            _ => {}
        }
        *in_flight += 1;
        Ok(Some(self.opened))
    }

    fn half_open(&mut self) {
        self.state = State::HalfOpen {
            in_flight: 0,
            succeeded: 0,
            failed: None,
        };
    }

    fn record(&mut self, permit: &Permit, word: Word, settings: &BreakerSettings, now: Instant) {
        match (self.state, permit.probe) {
            (State::Closed, _) => self.record_closed(permit.source, word, settings, now),
            (State::HalfOpen { .. }, Some(opened)) if opened == self.opened => {
                self.record_probe(permit.source, word, settings, now);
            }
            // A call from before the breaker opened says nothing new.
            (State::Open { .. } | State::HalfOpen { .. }, _) => {}
        }
    }

    fn record_probe(
        &mut self,
        source: Source,
        word: Word,
        settings: &BreakerSettings,
        now: Instant,
    ) {
        let open = self.open_time(settings);
        let State::HalfOpen {
            in_flight,
            succeeded,
            failed,
        } = &mut self.state
        else {
            return;
        };
        *in_flight = in_flight.saturating_sub(1);
        match word {
            Word::Success => {
                *succeeded += 1;
                if *succeeded >= settings.probes {
                    self.close();
                }
            }
            Word::Failure if failed.is_some() || settings.failures <= 1 => {
                self.open(settings, now);
            }
            Word::Failure => *failed = Some((source, now + open)),
            Word::Nothing => {}
        }
    }

    fn record_closed(
        &mut self,
        source: Source,
        word: Word,
        settings: &BreakerSettings,
        now: Instant,
    ) {
        let failed = match word {
            Word::Nothing => return,
            Word::Success => {
                self.failed_in_a_row.clear();
                false
            }
            Word::Failure => {
                self.failed_in_a_row.insert(source);
                true
            }
        };
        self.window.count(source, failed, settings.window, now);
        if failed && (self.is_row_full(settings) || self.is_share_too_large(settings)) {
            self.open(settings, now);
        }
    }

    fn is_row_full(&self, settings: &BreakerSettings) -> bool {
        self.failed_in_a_row.len() >= settings.failures as usize
    }

    fn is_share_too_large(&self, settings: &BreakerSettings) -> bool {
        if self.window.calls() < settings.calls_min {
            return false;
        }
        let (heard, failed) = self.window.sources();
        // So many would have failed if each of the least number of calls had its own source.
        let least = (settings.failure_ratio * f64::from(settings.calls_min)).ceil() as u32;
        failed >= least.min(settings.failures)
            && f64::from(failed) >= settings.failure_ratio * f64::from(heard)
    }

    fn open(&mut self, settings: &BreakerSettings, now: Instant) {
        let until = now + self.open_time(settings);
        self.opened += 1;
        self.failed_in_a_row.clear();
        self.window = Window::default();
        self.state = State::Open { since: now, until };
    }

    fn open_time(&self, settings: &BreakerSettings) -> Duration {
        settings
            .open
            .saturating_mul(1 << self.opened.min(16))
            .min(settings.open_max)
    }
}

impl Permit {
    pub(super) fn end(mut self, word: Word, settings: &BreakerSettings, now: Instant) {
        self.ended = true;
        self.breaker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(&self, word, settings, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(opened) = self.probe.filter(|_| !self.ended) else {
            return;
        };
        // A probe whose caller went away frees its place for the next one.
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let now_opened = breaker.opened;
        if let State::HalfOpen { in_flight, .. } = &mut breaker.state
            && opened == now_opened
        {
            *in_flight = in_flight.saturating_sub(1);
        }
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

    /// Plays a script: `f` a failure, `s` a success and `u` an end that says nothing, each of a
    /// source of its own; a capital letter is a failure of the source with that name, a `+` makes
    /// it a success. `!` must be refused, also before a name; digits wait that many seconds.
    /// Returns the final state.
    fn check(script: &str, expected: &str) {
        let breaker = Arc::new(Mutex::new(Breaker::default()));
        let mut now = Instant::now();
        let mut own = 1000;
        let mut steps = script.chars().peekable();
        while let Some(step) = steps.next() {
            if let Some(seconds) = step.to_digit(10) {
                now += Duration::from_secs(u64::from(seconds));
                continue;
            }
            let refused = step == '!';
            let step = match refused {
                true => steps.next_if(char::is_ascii_uppercase).unwrap_or('s'),
                false => step,
            };
            own += 1;
            let source = match step.is_ascii_uppercase() {
                true => Source(step as u64),
                false => Source(own),
            };
            let entered = Breaker::enter(&breaker, source, &settings(), now);
            assert_eq!(entered.is_err(), refused, "`{step}` in {script}");
            let word = match step {
                's' => Word::Success,
                'u' => Word::Nothing,
                _ if steps.next_if_eq(&'+').is_some() => Word::Success,
                _ => Word::Failure,
            };
            if let Ok(permit) = entered {
                permit.end(word, &settings(), now);
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
        check("fff5ff!", "open");
    }

    #[test]
    fn open_time_doubles_up_to_its_limit() {
        check("fff5ff9!", "open");
        check("fff5ff91s", "half_open");
        check("fff5ff91ff95!", "open");
        check("fff5ff91ff96s", "half_open");
    }

    #[test]
    fn opens_on_the_ratio_of_the_window() {
        check("sfsfsfsfsf", "open");
        check("sfsfsfsfs", "closed");
        check("sfsfsf9995sfsfs", "closed");
    }

    #[test]
    fn what_one_source_does_again_and_again_counts_once() {
        check("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "closed");
        check("AABBAABBAABBAABBAABBAABBAABB", "closed");
        check("AABBAABBC", "open");
        check("sAAAAsAAAAsAAAAsAAAAsAAAAsAAAA", "closed");
        // Two of three fail, which is less than ten calls of ten sources would have shown.
        check("AAsBBsAAsBBsAAsBBsAAsBBs", "closed");
        // A source that recovers is heard anew.
        check("AA+sBB+sCC+sDD+sEE+s", "closed");
    }

    #[test]
    fn one_source_alone_keeps_no_breaker_open() {
        check("fff5A!Ass", "closed");
        check("fff5A!A9!A1A!", "open");
        check("fff5AB!", "open");
    }

    #[test]
    fn unknown_endings_change_nothing() {
        check("ffuuuu", "closed");
        check("ffuf", "open");
        check("fff5uus", "half_open");
    }

    #[test]
    fn news_lets_it_try_at_once() {
        let breaker = Arc::new(Mutex::new(Breaker::default()));
        let now = Instant::now();
        let enter = || Breaker::enter(&breaker, Source::any(), &settings(), now);
        for _ in 0..3 {
            enter().unwrap().end(Word::Failure, &settings(), now);
        }
        assert!(enter().is_err());
        breaker.lock().unwrap().try_now();
        for _ in 0..2 {
            enter().unwrap().end(Word::Success, &settings(), now);
        }
        assert!(breaker.lock().unwrap().is_closed());
    }

    #[test]
    fn a_dropped_probe_frees_its_place() {
        let breaker = Arc::new(Mutex::new(Breaker::default()));
        let now = Instant::now();
        let enter = |at| Breaker::enter(&breaker, Source::any(), &settings(), at);
        for _ in 0..3 {
            enter(now).unwrap().end(Word::Failure, &settings(), now);
        }
        let later = now + Duration::from_secs(5);
        let first = enter(later).unwrap();
        let _second = enter(later).unwrap();
        assert!(enter(later).is_err());
        drop(first);
        assert!(enter(later).is_ok());
    }
}
