//! The limit of calls at the same time: to an endpoint, and to us.
//!
//! Over it a call is refused at once, class `overloaded`: nobody queues, so a flood does not turn
//! into late answers for everyone. The limit is an argument, since a new policy may change it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls in flight, counted.
#[derive(Debug, Default)]
pub(crate) struct InFlightLimit {
    in_flight: AtomicUsize,
}

/// One call in flight; given back when it ends in whatever way.
#[derive(Debug)]
pub(crate) struct InFlightPermit<'a>(&'a InFlightLimit);

impl InFlightLimit {
    /// `None` when `max` calls are in flight already.
    pub(crate) fn acquire(&self, max: usize) -> Option<InFlightPermit<'_>> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = InFlightPermit(self);
        (taken < max).then_some(permit)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for InFlightPermit<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_limit_refuses_and_a_freed_permit_admits() {
        let limit = InFlightLimit::default();
        let first = limit.acquire(2);
        let second = limit.acquire(2);
        assert!(first.is_some() && second.is_some());
        assert!(limit.acquire(2).is_none());
        assert_eq!(limit.in_flight(), 2);
        drop(first);
        assert!(limit.acquire(2).is_some());
    }

    #[test]
    fn a_limit_that_was_lowered_holds_at_once() {
        let limit = InFlightLimit::default();
        let _held = limit.acquire(9);
        assert!(limit.acquire(1).is_none());
        assert!(limit.acquire(2).is_some());
    }
}
