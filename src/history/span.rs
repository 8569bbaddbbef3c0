//! A decision as a span in the trace of its caller.

use std::time::Duration;

use tokio::time::Instant;

/// Where the id of the caller's span stands in a `traceparent`: behind `00-`, the trace and a `-`.
const PARENT: std::ops::Range<usize> = 36..52;

/// The id of a decision's span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(u64);

/// What a decision spent time on.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub name: &'static str,
    pub from: Instant,
    pub took: Duration,
}

impl SpanId {
    pub(super) fn fresh() -> SpanId {
        SpanId(fastrand::u64(1..))
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    /// The `traceparent` for who is asked because of this decision: of the same trace, below it.
    pub fn below(self, traceparent: &str) -> String {
        let parts = traceparent
            .get(..PARENT.start)
            .zip(traceparent.get(PARENT.end..));
        match parts {
            Some((before, behind)) => format!("{before}{:016x}{behind}", self.0),
            None => traceparent.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_is_below_the_decision() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(
            SpanId(0x12ab).below(trace),
            "00-0af7651916cd43dd8448eb211c80319c-00000000000012ab-01"
        );
        assert_ne!(SpanId::fresh(), SpanId::fresh());
    }
}
