//! How fast passwords can be guessed: who failed waits before the next try is looked at. Nobody is
//! ever locked out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::OperatorsError;
use crate::clock::Clock;

const DELAY_MAX: Duration = Duration::from_secs(30);
/// Failures that cost nothing, for a name from one network, and for a network whatever the name.
const FREE_FOR_NAME: u32 = 3;
const FREE_FOR_NETWORK: u32 = 10;
/// So long after the last failure all are forgotten.
const FORGOTTEN_AFTER_MS: u64 = 15 * 60 * 1000;
/// Who waits, of one network: a connection and some memory each.
const WAITING_MAX: u32 = 16;
/// Names and networks that are remembered; more than these forget the oldest.
const KEPT_MAX: usize = 10_000;

/// The addresses that one customer of a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(IpAddr);

impl Network {
    pub(super) fn of(address: IpAddr) -> Network {
        Network(match address.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// Whose failures are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Of {
    Name(String, Network),
    Network(Network),
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
}

#[derive(Debug, Default)]
struct Tries {
    failures: HashMap<Of, Failures>,
    waiting: HashMap<Network, u32>,
}

#[derive(Debug)]
pub(super) struct Throttle {
    clock: Clock,
    tries: Mutex<Tries>,
}

/// One try, which counts as a failure until it is said to have been none.
#[derive(Debug)]
pub(super) struct Try<'a> {
    throttle: &'a Throttle,
    of_name: Of,
    of_network: Of,
    network: Network,
}

impl Throttle {
    pub(super) fn new(clock: Clock) -> Throttle {
        Throttle {
            clock,
            tries: Mutex::default(),
        }
    }

    /// Waits as long as failures before this one say; of many at once each waits for itself.
    ///
    /// Errors: as many wait already as may.
    pub(super) async fn wait(
        &self,
        name: &str,
        network: Network,
    ) -> Result<Try<'_>, OperatorsError> {
        let (one, delay) = self.begin(name, network)?;
        tokio::time::sleep(delay).await;
        Ok(one)
    }

    fn begin(&self, name: &str, network: Network) -> Result<(Try<'_>, Duration), OperatorsError> {
        let now = self.clock.now_ms();
        let mut tries = self.tries();
        let waiting = tries.waiting.entry(network).or_default();
        if *waiting >= WAITING_MAX {
            return Err(OperatorsError::TooMany(DELAY_MAX.as_secs()));
        }
        *waiting += 1;
        let of_name = Of::Name(name.to_lowercase(), network);
        let of_network = Of::Network(network);
        let delay = tries.fail(&of_name, now, FREE_FOR_NAME).max(tries.fail(
            &of_network,
            now,
            FREE_FOR_NETWORK,
        ));
        tries.forget();
        drop(tries);
        let one = Try {
            throttle: self,
            of_name,
            of_network,
            network,
        };
        Ok((one, delay))
    }

    // A panic elsewhere leaves counts as they were.
    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// Counts a failure, and says how long those before it make it wait.
    fn fail(&mut self, of: &Of, now: u64, free: u32) -> Duration {
        let failures = self.failures.entry(of.clone()).or_default();
        if now.saturating_sub(failures.last_ms) > FORGOTTEN_AFTER_MS {
            failures.count = 0;
        }
        let delay = match failures.count.checked_sub(free) {
            None => Duration::ZERO,
            Some(over) => Duration::from_secs(1 << over.min(5)).min(DELAY_MAX),
        };
        failures.count = failures.count.saturating_add(1);
        failures.last_ms = now;
        delay
    }

    fn forget(&mut self) {
        while self.failures.len() > KEPT_MAX {
            let oldest = self
                .failures
                .iter()
                .min_by_key(|(_, failures)| failures.last_ms);
            let Some(oldest) = oldest.map(|(of, _)| of.clone()) else {
                return;
            };
            self.failures.remove(&oldest);
        }
    }
}

impl Try<'_> {
    /// It was the right password: the name's failures are forgotten, and of the network's this one.
    pub(super) fn succeeded(self) {
        let mut tries = self.throttle.tries();
        tries.failures.remove(&self.of_name);
        if let Some(failures) = tries.failures.get_mut(&self.of_network) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut tries = self.throttle.tries();
        if let Some(waiting) = tries.waiting.get_mut(&self.network) {
            *waiting -= 1;
            if *waiting == 0 {
                tries.waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    /// Seconds that a failure takes.
    async fn fail(throttle: &Throttle, name: &str, from: &str) -> u64 {
        let started = Instant::now();
        drop(throttle.wait(name, network(from)).await.unwrap());
        started.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_gets_slower_and_nobody_is_locked_out() {
        let throttle = Throttle::new(Clock::start());
        let mut waits = Vec::new();
        for _ in 0..10 {
            waits.push(fail(&throttle, "ann", "10.0.0.1").await);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        // The same network, written otherwise, and the name too.
        assert_eq!(fail(&throttle, "ANN", "::ffff:10.0.0.99").await, 30);
        // From elsewhere she gets in at once.
        assert_eq!(fail(&throttle, "ann", "10.0.1.1").await, 0);
        // The right password is waited for as well, and then all is well.
        let started = Instant::now();
        let right = throttle.wait("ann", network("10.0.0.1")).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 30);
        right.succeeded();
        assert!(fail(&throttle, "ann", "10.0.0.1").await <= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn many_names_from_one_network_are_slow_too() {
        let throttle = Throttle::new(Clock::start());
        let mut last = 0;
        for number in 0..20 {
            last = fail(&throttle, &format!("name-{number}"), "2001:db8::1").await;
        }
        assert_eq!(last, 30);
        assert_eq!(fail(&throttle, "another", "2001:db8::ffff:1").await, 30);
        assert_eq!(fail(&throttle, "another", "2001:db8:0:1::1").await, 0);
        tokio::time::advance(Duration::from_millis(FORGOTTEN_AFTER_MS + 1)).await;
        assert_eq!(fail(&throttle, "another", "2001:db8::1").await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_at_the_same_time_see_each_other() {
        let throttle = Throttle::new(Clock::start());
        let mut begun = Vec::new();
        let mut delays = Vec::new();
        for _ in 0..WAITING_MAX {
            let (one, delay) = throttle.begin("ann", network("10.0.0.1")).unwrap();
            begun.push(one);
            delays.push(delay.as_secs());
        }
        assert_eq!(delays[..10], [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]);
        assert!(throttle.begin("bob", network("10.0.0.1")).is_err());
        assert!(throttle.begin("bob", network("10.0.9.1")).is_ok());
        begun.pop();
        assert!(throttle.begin("bob", network("10.0.0.1")).is_ok());
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut tries = Tries::default();
        for number in 0..KEPT_MAX as u64 + 50 {
            let of = Of::Name(number.to_string(), network("10.0.0.1"));
            tries.fail(&of, number, 0);
            tries.forget();
        }
        assert_eq!(tries.failures.len(), KEPT_MAX);
        let first = Of::Name("0".to_owned(), network("10.0.0.1"));
        assert!(!tries.failures.contains_key(&first));
    }
}
