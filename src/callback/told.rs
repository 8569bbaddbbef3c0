//! How telling an endpoint of events ended, and what its status codes mean.

use std::borrow::Cow;
use std::time::Duration;

use super::breaker::{Ending, ending_of_status};
use crate::decision::{Failure, FailureClass};

/// How telling an endpoint ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A complete 2xx head came in time.
    Delivered,
    /// Such a head came, and its body names every event of the request as failed.
    Failed(Miss),
    /// Such a head came, and its body names some events: those at these places, rising.
    Partly { failed: Vec<usize>, miss: Miss },
    /// Worth another try, now or when the endpoint was mended.
    Retry(Miss),
    /// Nothing was put on the wire: the try does not count.
    NotSent(Miss),
    /// The endpoint refuses this very body: 400, 413, 415, 422.
    Rejected(Miss),
    /// The endpoint says that it is gone for good: 410.
    Gone(Miss),
    /// No try will ever help: an address that the guard refuses, an event that cannot be read.
    Hopeless(Miss),
}

/// Why an event was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    pub class: FailureClass,
    /// What happened, for people.
    pub detail: String,
    pub status: Option<u16>,
    /// The endpoint's own wish, at most an hour.
    pub retry_after: Option<Duration>,
    /// The beginning of its answer.
    pub answer: String,
}

impl Miss {
    pub(super) fn of(failure: Failure) -> Miss {
        Miss {
            class: failure.class,
            detail: failure.detail,
            status: None,
            retry_after: None,
            answer: String::new(),
        }
    }

    /// The class and what happened, as a dead letter keeps it.
    pub fn reason(&self) -> String {
        format!("{}: {}", self.class.name(), self.detail)
    }
}

impl Told {
    pub(super) fn from_failure(failure: Failure) -> Told {
        let miss = Miss::of(failure);
        match miss.class {
            FailureClass::BlockedAddress => Told::Hopeless(miss),
            _ => Told::Retry(miss),
        }
    }

    /// `delivered` is the dialect's word on the status, `miss` what to say if it is no success.
    pub(super) fn from_status(status: u16, delivered: bool, mut miss: Miss) -> Told {
        miss.status = Some(status);
        match status {
            _ if delivered => Told::Delivered,
            400 | 413 | 415 | 422 => Told::Rejected(miss),
            410 => Told::Gone(miss),
            200..=299 => {
                miss.detail += ", which does not count as delivered here";
                Told::Retry(miss)
            }
            300..=399 => {
                miss.detail += "; redirects are not followed, so write the new address into `url`";
                Told::Retry(miss)
            }
            _ => Told::Retry(miss),
        }
    }

    /// Takes those out of the delivered ones that the answer to `events` of them names.
    pub(super) fn without(failed: Vec<usize>, events: usize, mut miss: Miss) -> Told {
        miss.detail += " and names it in `failed`";
        match failed.len() {
            0 => Told::Delivered,
            all if all == events => Told::Failed(miss),
            _ => Told::Partly { failed, miss },
        }
    }

    /// How it ended for the event at a place in the request.
    pub fn of(&self, place: usize) -> Cow<'_, Told> {
        match self {
            Told::Partly { failed, miss } => Cow::Owned(match failed.binary_search(&place) {
                Ok(_) => Told::Failed(miss.clone()),
                Err(_) => Told::Delivered,
            }),
            told => Cow::Borrowed(told),
        }
    }

    /// What was missed, if anything was.
    pub fn miss(&self) -> Option<&Miss> {
        match self {
            Told::Delivered => None,
            Told::Failed(miss)
            | Told::Partly { miss, .. }
            | Told::Retry(miss)
            | Told::NotSent(miss)
            | Told::Rejected(miss)
            | Told::Gone(miss)
            | Told::Hopeless(miss) => Some(miss),
        }
    }

    /// The label of metrics and the status: `delivered`, `failed`, `partly`, `rejected`, `gone` or
    /// a class of failure. A single event never has `partly`.
    pub fn name(&self) -> &'static str {
        match self {
            Told::Delivered => "delivered",
            Told::Failed(_) => "failed",
            Told::Partly { .. } => "partly",
            Told::Rejected(_) => "rejected",
            Told::Gone(_) => "gone",
            Told::Retry(miss) | Told::NotSent(miss) | Told::Hopeless(miss) => miss.class.name(),
        }
    }

    /// What it says about the endpoint's health.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Told::Delivered
            | Told::Failed(_)
            | Told::Partly { .. }
            | Told::Rejected(_)
            | Told::Gone(_) => Ending::Success,
            Told::NotSent(_) | Told::Hopeless(_) => Ending::Unknown,
            Told::Retry(miss) => miss.status.map_or(Ending::Failure, ending_of_status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_event_failed_and_its_neighbours_are_delivered() {
        let miss = Miss::of(Failure::new(FailureClass::HttpStatus, "`b` answered 200"));
        let names = |failed: &[usize]| {
            let told = Told::without(failed.to_vec(), 3, miss.clone());
            [0, 1, 2].map(|place| told.of(place).name())
        };
        assert_eq!(names(&[]), ["delivered"; 3]);
        assert_eq!(names(&[1]), ["delivered", "failed", "delivered"]);
        assert_eq!(names(&[0, 2]), ["failed", "delivered", "failed"]);
        assert_eq!(names(&[0, 1, 2]), ["failed"; 3]);
        let reason = Told::without(vec![0], 3, miss)
            .of(0)
            .miss()
            .unwrap()
            .reason();
        assert_eq!(
            reason,
            "http_status: `b` answered 200 and names it in `failed`"
        );
    }

    #[test]
    fn a_success_that_does_not_count_is_tried_again_and_says_so() {
        let miss = Miss::of(Failure::new(FailureClass::HttpStatus, "`b` answered 202"));
        let told = Told::from_status(202, false, miss);
        let reason = told.miss().unwrap().reason();
        let wanted = "http_status: `b` answered 202, which does not count as delivered here";
        assert!(matches!(told, Told::Retry(_)));
        assert_eq!(reason, wanted);
    }

    #[test]
    fn every_status_has_its_class() {
        let name = |status| {
            let miss = Miss::of(Failure::new(FailureClass::HttpStatus, ""));
            match Told::from_status(status, (200..300).contains(&status), miss) {
                Told::Delivered => "delivered",
                Told::Retry(_) => "retry",
                Told::Rejected(_) => "rejected",
                Told::Gone(_) => "gone",
                other => panic!("{other:?}"),
            }
        };
        for (statuses, wanted) in [
            (&[200, 201, 202, 204, 299][..], "delivered"),
            (&[400, 413, 415, 422], "rejected"),
            (&[410], "gone"),
            (&[100, 301, 302, 304, 307, 308], "retry"),
            (&[401, 403, 404, 405, 408, 425, 429], "retry"),
            (&[500, 501, 502, 503, 504, 507, 599, 600], "retry"),
        ] {
            for &status in statuses {
                assert_eq!(name(status), wanted, "{status}");
            }
        }
    }
}
