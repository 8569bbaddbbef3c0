//! No kind of line more often than a set rate, so that nobody who makes callgate log can flood
//! the log or hide in it. A kind is the place in the code that writes the line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use tracing::callsite::Identifier;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::bucket::Bucket;

/// Lets so many lines of each kind through in a second; what was not used is saved up for one.
#[derive(Debug)]
pub(super) struct LineRate {
    /// Lines a second; 0 is no limit.
    max: u32,
    held_back: Counter,
    kinds: Mutex<HashMap<Identifier, Bucket>>,
}

impl LineRate {
    pub(super) fn new(max: u32, held_back: Counter) -> LineRate {
        LineRate {
            max,
            held_back,
            kinds: Mutex::default(),
        }
    }

    fn passes(&self, kind: Identifier, now: Instant) -> bool {
        if self.max == 0 {
            return true;
        }
        // Bounded: kinds are places in the code.
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = kinds
            .entry(kind)
            .or_insert_with(|| Bucket::new(self.max, now));
        bucket.take(self.max, now)
    }
}

impl<S: Subscriber> Layer<S> for LineRate {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let passes = self.passes(event.metadata().callsite(), Instant::now());
        if !passes {
            self.held_back.inc();
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing::Callsite;
    use tracing::Metadata;
    use tracing::subscriber::Interest;

    use super::*;

    struct Place(u8);

    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    // Identifiers are compared by address, so the places must have some bytes.
    static ONE: Place = Place(1);
    static OTHER: Place = Place(2);

    #[test]
    fn each_kind_has_its_own_rate() {
        assert_ne!(ONE.0, OTHER.0);
        let (one, other) = (Identifier(&ONE), Identifier(&OTHER));
        let rate = LineRate::new(10, Counter::default());
        let start = Instant::now();
        let pass = |kind: &Identifier, ms| {
            let now = start + Duration::from_millis(ms);
            (0..100).filter(|_| rate.passes(kind.clone(), now)).count()
        };
        assert_eq!(pass(&one, 0), 10);
        assert_eq!(pass(&other, 0), 10);
        assert_eq!(pass(&one, 500), 5);
        assert_eq!(pass(&one, 60_000), 10);
    }

    #[test]
    fn nothing_is_no_limit() {
        let rate = LineRate::new(0, Counter::default());
        let now = Instant::now();
        assert!((0..100_000).all(|_| rate.passes(Identifier(&ONE), now)));
    }
}
