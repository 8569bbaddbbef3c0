//! What is shown of certificates: to operators, in metrics.

use std::time::SystemTime;

use super::certificate::San;
use crate::settings::Problem;

/// What is known of the certificate files of one port or endpoint.
#[derive(Clone, Debug)]
pub struct CertificateStatus {
    /// `grpc`, or `endpoint:business`.
    pub used_by: String,
    /// The certificate in force, where there is one of our own.
    pub shown: Option<Shown>,
    /// Why the files on disk are not in force; what they held before is.
    pub problems: Vec<Problem>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub subject: String,
    pub names: Vec<San>,
    /// In hexadecimal.
    pub sha256: String,
    pub not_before: SystemTime,
    /// Of the whole chain, what ends first.
    pub not_after: SystemTime,
}

impl Shown {
    /// Days until it expires, in fractions; negative afterwards.
    pub fn days_left(&self, now: SystemTime) -> f64 {
        const DAY_SECONDS: f64 = 86_400.0;
        match self.not_after.duration_since(now) {
            Ok(left) => left.as_secs_f64() / DAY_SECONDS,
            Err(past) => -past.duration().as_secs_f64() / DAY_SECONDS,
        }
    }
}
