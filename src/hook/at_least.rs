//! The oldest policy that a caller lets decide: "I banned the word, why did it pass?" has an answer.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::decision::{Failure, FailureClass};
use crate::policy::Version;
use crate::reload::Policies;

/// A newer version is not waited for longer: an edit is in force by then, or is none.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Of what is left to the caller's limit this part stays for deciding.
const KEPT: u32 = 4;

/// Which policies a caller lets decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLeast {
    #[default]
    Any,
    /// Those with this number and above.
    Number(u64),
    /// The caller said something that is no version, so that none is known to be new enough.
    Unreadable,
}

impl AtLeast {
    /// As a header has it: a number, or a version as answers have it (`7-9f2c01ab34de`).
    pub fn read(text: &str) -> AtLeast {
        let number = text.split_once('-').map_or(text, |(number, _)| number);
        // `parse` takes a sign too.
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse().ok().filter(|_| is_number) {
            Some(number) => AtLeast::number(number),
            None => AtLeast::Unreadable,
        }
    }

    /// 0 is any.
    pub fn number(number: u64) -> AtLeast {
        match number {
            0 => AtLeast::Any,
            number => AtLeast::Number(number),
        }
    }

    pub(super) fn is_met_by(self, version: &Version) -> bool {
        match self {
            AtLeast::Any => true,
            AtLeast::Number(min) => version.number >= min,
            AtLeast::Unreadable => false,
        }
    }

    /// Waits until such a policy is in force, with some time left before `deadline` to decide by it.
    ///
    /// Errors: there is none by then.
    pub(super) async fn wait(self, policies: &Policies, deadline: Instant) -> Result<(), Failure> {
        let stale = |why: String| Err(Failure::new(FailureClass::StalePolicy, why));
        let min = match self {
            AtLeast::Any => return Ok(()),
            AtLeast::Unreadable => {
                return stale("the caller names a policy version that is no number".to_owned());
            }
            AtLeast::Number(min) => min,
        };
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let until = now + (left - left / KEPT).min(WAIT_MAX);
        match timeout_at(until, policies.reached(min)).await {
            Ok(()) => Ok(()),
            Err(_) => stale(format!(
                "the caller asks for version {min} of the policy or a newer one, and {} is in force",
                policies.current().version.number
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_number_or_a_version() {
        let check = |text, expected| assert_eq!(AtLeast::read(text), expected, "{text}");
        check("7", AtLeast::Number(7));
        check("7-9f2c01ab34de", AtLeast::Number(7));
        check("0", AtLeast::Any);
        for text in [
            "",
            "-",
            "-7",
            "+7",
            "seven",
            "7.0",
            "99999999999999999999999",
        ] {
            check(text, AtLeast::Unreadable);
        }
    }
}
