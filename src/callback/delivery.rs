//! How telling an endpoint of events ended, and what its status codes mean.

use std::borrow::Cow;
use std::time::Duration;

use super::health::{Ending, ending_of, ending_of_status};
use crate::decision::{Failure, FailureClass};

/// How telling an endpoint ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A complete 2xx head came in time.
    Delivered,
    /// Such a head came, and its body names every event of the request as failed.
    Failed(DeliveryError),
    /// Such a head came, and its body names some events: those at these places, rising.
    Partly {
        failed: Vec<usize>,
        error: DeliveryError,
    },
    /// Worth another try, now or when the endpoint was mended.
    Retry(DeliveryError),
    /// Nothing was put on the wire: the try does not count.
    NotSent(DeliveryError),
    /// The endpoint refuses this very body: 400, 413, 415, 422.
    Rejected(DeliveryError),
    /// The endpoint says that it is gone for good: 410.
    Gone(DeliveryError),
    /// No try will ever help: an address that the guard refuses, an event that cannot be read.
    Hopeless(DeliveryError),
}

/// Why an event was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    pub class: FailureClass,
    /// What happened, for people.
    pub detail: String,
    pub status: Option<u16>,
    /// The endpoint's own wish, at most an hour.
    pub retry_after: Option<Duration>,
    /// The beginning of its answer.
    pub answer: String,
}

impl DeliveryError {
    pub(super) fn of(failure: Failure) -> DeliveryError {
        DeliveryError {
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

impl Delivery {
    pub(super) fn from_failure(failure: Failure) -> Delivery {
        let error = DeliveryError::of(failure);
        match error.class {
            FailureClass::BlockedAddress | FailureClass::Loop => Delivery::Hopeless(error),
            _ => Delivery::Retry(error),
        }
    }

    /// `delivered` is the dialect's word on the status, `error` what to say if it is no success.
    pub(super) fn from_status(status: u16, delivered: bool, mut error: DeliveryError) -> Delivery {
        error.status = Some(status);
        match status {
            _ if delivered => Delivery::Delivered,
            400 | 413 | 415 | 422 => Delivery::Rejected(error),
            410 => Delivery::Gone(error),
            200..=299 => {
                error.detail += ", which does not count as delivered here";
                Delivery::Retry(error)
            }
            300..=399 => {
                error.detail += "; redirects are not followed, so write the new address into `url`";
                Delivery::Retry(error)
            }
            _ => Delivery::Retry(error),
        }
    }

    /// Takes those out of the delivered ones that the answer to `events` of them names.
    pub(super) fn without(failed: Vec<usize>, events: usize, mut error: DeliveryError) -> Delivery {
        error.detail += " and names it in `failed`";
        match failed.len() {
            0 => Delivery::Delivered,
            all if all == events => Delivery::Failed(error),
            _ => Delivery::Partly { failed, error },
        }
    }

    /// How it ended for the event at a place in the request.
    pub fn of(&self, place: usize) -> Cow<'_, Delivery> {
        match self {
            Delivery::Partly { failed, error } => Cow::Owned(match failed.binary_search(&place) {
                Ok(_) => Delivery::Failed(error.clone()),
                Err(_) => Delivery::Delivered,
            }),
            delivery => Cow::Borrowed(delivery),
        }
    }

    /// What was missed, if anything was.
    pub fn error(&self) -> Option<&DeliveryError> {
        match self {
            Delivery::Delivered => None,
            Delivery::Failed(error)
            | Delivery::Partly { error, .. }
            | Delivery::Retry(error)
            | Delivery::NotSent(error)
            | Delivery::Rejected(error)
            | Delivery::Gone(error)
            | Delivery::Hopeless(error) => Some(error),
        }
    }

    /// The label of metrics and the status: `delivered`, `failed`, `partly`, `rejected`, `gone` or
    /// a class of failure. A single event never has `partly`.
    pub fn name(&self) -> &'static str {
        match self {
            Delivery::Delivered => "delivered",
            Delivery::Failed(_) => "failed",
            Delivery::Partly { .. } => "partly",
            Delivery::Rejected(_) => "rejected",
            Delivery::Gone(_) => "gone",
            Delivery::Retry(error) | Delivery::NotSent(error) | Delivery::Hopeless(error) => {
                error.class.name()
            }
        }
    }

    /// What it says about the endpoint's health.
    pub(super) fn ending(&self) -> Ending {
        match self {
            Delivery::Delivered
            | Delivery::Failed(_)
            | Delivery::Partly { .. }
            | Delivery::Rejected(_)
            | Delivery::Gone(_) => Ending::Success,
            Delivery::NotSent(_) | Delivery::Hopeless(_) => Ending::Unknown,
            Delivery::Retry(error) => error
                .status
                .map_or_else(|| ending_of(error.class), ending_of_status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_event_failed_and_its_neighbours_are_delivered() {
        let error = DeliveryError::of(Failure::new(FailureClass::HttpStatus, "`b` answered 200"));
        let names = |failed: &[usize]| {
            let delivery = Delivery::without(failed.to_vec(), 3, error.clone());
            [0, 1, 2].map(|place| delivery.of(place).name())
        };
        assert_eq!(names(&[]), ["delivered"; 3]);
        assert_eq!(names(&[1]), ["delivered", "failed", "delivered"]);
        assert_eq!(names(&[0, 2]), ["failed", "delivered", "failed"]);
        assert_eq!(names(&[0, 1, 2]), ["failed"; 3]);
        let reason = Delivery::without(vec![0], 3, error)
            .of(0)
            .error()
            .unwrap()
            .reason();
        assert_eq!(
            reason,
            "http_status: `b` answered 200 and names it in `failed`"
        );
    }

    #[test]
    fn a_success_that_does_not_count_is_tried_again_and_says_so() {
        let error = DeliveryError::of(Failure::new(FailureClass::HttpStatus, "`b` answered 202"));
        let delivery = Delivery::from_status(202, false, error);
        let reason = delivery.error().unwrap().reason();
        let wanted = "http_status: `b` answered 202, which does not count as delivered here";
        assert!(matches!(delivery, Delivery::Retry(_)));
        assert_eq!(reason, wanted);
    }

    #[test]
    fn every_status_has_its_class() {
        let name = |status| {
            let error = DeliveryError::of(Failure::new(FailureClass::HttpStatus, ""));
            match Delivery::from_status(status, (200..300).contains(&status), error) {
                Delivery::Delivered => "delivered",
                Delivery::Retry(_) => "retry",
                Delivery::Rejected(_) => "rejected",
                Delivery::Gone(_) => "gone",
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
