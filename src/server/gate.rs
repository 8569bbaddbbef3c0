//! The limit of calls in flight. Over it a call is answered at once by the failure policy, class
//! `overloaded`: nobody queues, so a flood does not turn into late answers for everyone.

use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Gate {
    in_flight: AtomicUsize,
    in_flight_max: usize,
}

/// One call in flight; given back when it ends in whatever way.
#[derive(Debug)]
pub struct Seat<'a>(&'a Gate);

impl Gate {
    pub fn new(in_flight_max: usize) -> Gate {
        Gate {
            in_flight: AtomicUsize::new(0),
            in_flight_max,
        }
    }

    /// `None` when as many calls are in flight as may be.
    pub fn enter(&self) -> Option<Seat<'_>> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(self);
        (taken < self.in_flight_max).then_some(seat)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_refuses_and_a_freed_seat_admits() {
        let gate = Gate::new(2);
        let first = gate.enter();
        let second = gate.enter();
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter().is_none());
        assert_eq!(gate.in_flight(), 2);
        drop(first);
        assert!(gate.enter().is_some());
    }
}
