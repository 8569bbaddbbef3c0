//! No caller makes more lines than a set rate, so that none can push the lines of others out of
//! the log.
//!
//! A caller is a sender, or the address that a call comes from. An IM server is one address for
//! all of its senders, so an address may make many more lines than a sender.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::bucket::Bucket;

/// Callers that are known at the same time.
const CALLERS_MAX: usize = 8192;
/// Whoever was silent for so long has its whole rate again, so nothing is lost with its bucket.
const FORGET_AFTER: Duration = Duration::from_secs(1);

/// Lines in a second; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerLimits {
    pub per_sender_max: u32,
    pub per_address_max: u32,
}

/// How many lines each caller made lately.
#[derive(Debug)]
pub struct CallerLines {
    limits: CallerLimits,
    held_back: Counter,
    hasher: RandomState,
    known: Mutex<Known>,
}

/// By the hash of what they are. Ever new senders make no address forgotten.
#[derive(Debug, Default)]
struct Known {
    senders: HashMap<u64, Caller>,
    addresses: HashMap<u64, Caller>,
}

#[derive(Debug)]
struct Caller {
    bucket: Bucket,
    held_back: u64,
}

impl CallerLines {
    /// `held_back` counts the lines that are not written.
    pub fn new(limits: CallerLimits, held_back: Counter) -> CallerLines {
        CallerLines {
            limits,
            held_back,
            hasher: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// Whether a line about a call may be written; `Some` is how many were held back since the
    /// last one. An empty sender is not known.
    pub fn pass(&self, address: Option<IpAddr>, sender: &str) -> Option<u64> {
        self.pass_at(address, sender, Instant::now())
    }

    fn pass_at(&self, address: Option<IpAddr>, sender: &str, now: Instant) -> Option<u64> {
        let sender = (!sender.is_empty()).then(|| self.hasher.hash_one(sender));
        let address = address.map(|address| self.hasher.hash_one(address));
        let CallerLimits {
            per_sender_max,
            per_address_max,
        } = self.limits;
        let mut held_back = 0;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { senders, addresses } = &mut *known;
        for (callers, key, max) in [
            (senders, sender, per_sender_max),
            (addresses, address, per_address_max),
        ] {
            let Some(key) = key.filter(|_| max > 0) else {
                continue;
            };
            if callers.len() >= CALLERS_MAX {
                forget(callers, now);
            }
            let caller = callers.entry(key).or_insert_with(|| Caller {
                bucket: Bucket::new(max, now),
                held_back: 0,
            });
            if !caller.bucket.take(max, now) {
                caller.held_back += 1;
                self.held_back.inc();
                return None;
            }
            held_back += std::mem::take(&mut caller.held_back);
        }
        Some(held_back)
    }
}

/// Those who are silent; everybody, where that is not enough, rather than grow.
fn forget(callers: &mut HashMap<u64, Caller>, now: Instant) {
    callers
        .retain(|_, caller| now.saturating_duration_since(caller.bucket.used_at()) < FORGET_AFTER);
    if callers.len() >= CALLERS_MAX {
        callers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const THERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::BROADCAST));

    fn lines(per_sender_max: u32, per_address_max: u32) -> CallerLines {
        let limits = CallerLimits {
            per_sender_max,
            per_address_max,
        };
        CallerLines::new(limits, Counter::default())
    }

    #[test]
    fn a_sender_that_floods_pushes_nobody_elses_lines_out_and_is_told_of() {
        let lines = lines(10, 1000);
        let now = Instant::now();
        let pass = |sender, ms| lines.pass_at(HERE, sender, now + Duration::from_millis(ms));
        assert_eq!((0..500).filter_map(|_| pass("a", 0)).count(), 10);
        assert_eq!(pass("b", 0), Some(0));
        assert_eq!(pass("a", 50), None);
        assert_eq!(pass("a", 150), Some(491));
        assert_eq!(lines.held_back.get(), 491);
    }

    #[test]
    fn an_address_with_ever_new_senders_leaves_room_for_other_addresses() {
        let lines = lines(10, 100);
        let now = Instant::now();
        let flood = (0..3 * CALLERS_MAX).map(|number| number.to_string());
        let passed = flood.filter_map(|sender| lines.pass_at(HERE, &sender, now));
        assert_eq!(passed.count(), 100);
        assert_eq!(lines.pass_at(THERE, "x", now), Some(0));
        assert!(lines.known.lock().unwrap().senders.len() <= CALLERS_MAX);
    }

    #[test]
    fn nothing_known_and_no_limit_hold_nothing_back() {
        let now = Instant::now();
        let limited = lines(1, 1);
        assert!((0..100).all(|_| limited.pass_at(None, "", now) == Some(0)));
        let free = lines(0, 0);
        assert!((0..100).all(|_| free.pass_at(HERE, "a", now) == Some(0)));
    }
}
