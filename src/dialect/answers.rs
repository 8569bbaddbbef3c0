//! How an endpoint's answer was read, and what is odd about it.
//!
//! Owns: the modes of reading and the closed set of answer warnings.
//! Leaves alone: the rules of each dialect, which are its own.

use std::fmt;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::decision::{Failure, FailureClass, Outcome};
use crate::event::{DialectId, closed_set};

/// How answers are read that mean something else than their author thinks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr,
)]
#[strum(serialize_all = "lowercase")]
pub enum Answers {
    /// Exactly as the IM server would read them; of OpenIM, the newest.
    #[default]
    OpenIm,
    /// A contradictory answer is no answer: `invalid_answer`.
    Strict,
    /// A contradictory answer is what its author means: a refusal.
    Intent,
    /// As OpenIM v2.1 to v2.3: an `actionCode` that is not 0 refuses.
    #[strum(serialize = "openim-2.1")]
    OpenIm21,
    /// As OpenIM v3.0 to v3.4.0: an `actionCode` or `errCode` that is not 0 refuses.
    #[strum(serialize = "openim-3.0")]
    OpenIm30,
    /// As OpenIM v3.4.2 to v3.5.1: an `actionCode` that is not 0, or `nextCode` 1, refuses.
    #[strum(serialize = "openim-3.4.2")]
    OpenIm342,
    /// As OpenIM v3.6: nothing refuses.
    #[strum(serialize = "openim-3.6")]
    OpenIm36,
}

closed_set!(Answers);

/// What keeps an answer from meaning to the IM server all that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Protection {
    /// A refusal's `errCode` that OpenIM would report as a success or as a fault of its own is
    /// 20001 instead.
    Code,
    /// What an answer leaves out, and OpenIM would therefore wipe, is the request's value.
    Echo,
    /// A value that OpenIM panics on is left out.
    Panic,
    /// A field that changes who gets a message, or who owns a group, is left out.
    Redirect,
    /// An answer that refuses, beside a field of a wrong type, refuses.
    Refusal,
    /// `null` or `""` that would empty what the request has is left out, where the answer does not
    /// repeat the request on purpose.
    Wipe,
}

closed_set!(Protection);

/// The protections that are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protections([bool; Protection::COUNT]);

impl Protections {
    pub fn of(is_on: impl Fn(Protection) -> bool) -> Protections {
        Protections(Protection::ALL.map(is_on))
    }

    pub fn hold(self, protection: Protection) -> bool {
        self.0[protection as usize]
    }
}

impl Default for Protections {
    fn default() -> Protections {
        Protections::of(|_| true)
    }
}

/// How the answers of an endpoint are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerRules {
    pub answers: Answers,
    pub protect: Protections,
}

impl From<Answers> for AnswerRules {
    fn from(answers: Answers) -> AnswerRules {
        AnswerRules {
            answers,
            protect: Protections::default(),
        }
    }
}

impl Answers {
    /// An endpoint of this dialect can be read in this way; other ways say nothing to it.
    pub fn suits(self, dialect: DialectId) -> bool {
        match self {
            Answers::OpenIm => true,
            Answers::Strict => matches!(dialect, DialectId::OpenIm | DialectId::OpenImV2),
            Answers::Intent => !matches!(dialect, DialectId::ChatServer | DialectId::Funtek),
            Answers::OpenIm21 => dialect == DialectId::OpenImV2,
            Answers::OpenIm30 | Answers::OpenIm342 | Answers::OpenIm36 => {
                dialect == DialectId::OpenIm
            }
        }
    }
}

/// An answer as we understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub outcome: Outcome,
    /// Counted and explained in the log.
    pub warning: Option<AnswerWarning>,
}

impl Reading {
    pub(super) fn failure(
        class: FailureClass,
        detail: impl Into<String>,
        warning: Option<AnswerWarning>,
    ) -> Reading {
        Reading {
            outcome: Outcome::Failure(Failure::new(class, detail)),
            warning,
        }
    }

    pub(super) fn invalid(warning: AnswerWarning) -> Reading {
        Self::failure(
            FailureClass::InvalidAnswer,
            warning.explain(),
            Some(warning),
        )
    }
}

/// An answer that means something else than its author probably thinks.
///
/// Closed: each has a line in the documentation and a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AnswerWarning {
    /// An `actionCode` that does not refuse: 1 in v3.7 and later, 2 and more in v2.0.
    ActionCode,
    /// v2.0: `actionCode` 1 together with an `errCode` lets the operation go on.
    ActionAndErrCode,
    /// An `errCode` that refuses nothing.
    ErrCodeAlone,
    /// v3.7 and later: `nextCode` is neither 0 nor 1, which lets the operation go on.
    NextCode,
    /// v2.0: a refusal in the form of v3, which v2.0 does not read.
    NextCodeUnknown,
    /// A refusal that this version of OpenIM ignores.
    RefusalIgnored,
    /// One of the five codes, or a field of the hook, has a wrong type.
    WrongType,
    /// A refusal with an `errCode` that the IM server turns into success or into a fault of its own.
    RefusalCode,
    /// A refusal with an HTTP status of failure.
    RefusalStatus,
    /// The new `content` is not the JSON object that the message's type needs.
    ContentNotObject,
    /// A new value that OpenIM ignores or breaks on was left out.
    UnusableField,
    /// The error body of a web framework.
    FrameworkError,
    /// None of the fields is one that an answer has.
    NothingKnown,
    /// v2.0 wordFilter: an answer without `content`, which empties the message.
    ContentMissing,
    /// WuKongIM: a key beside the three that an answer may have.
    ExtraKey,
    /// WuKongIM: a `reason_code` that does not reach the sender, or that stands beside an allow.
    ReasonCode,
    /// WuKongIM: a new payload that is not base64, empty or too long.
    UnusablePayload,
}

closed_set!(AnswerWarning);

impl AnswerWarning {
    /// What the IM server makes of it and what to answer instead, for the author of the endpoint.
    pub fn explain(self) -> &'static str {
        match self {
            AnswerWarning::ActionCode => {
                "OpenIM takes this `actionCode` as allow; to refuse, answer `actionCode` 0, \
                 `nextCode` 1 and an `errCode` from 20001 (v3.7 and later), or `actionCode` 1 and \
                 `errCode` 0 (v2.0)"
            }
            AnswerWarning::ActionAndErrCode => {
                "`actionCode` 1 with an `errCode` is taken as allow by OpenIM v2.0; to refuse, \
                 answer `actionCode` 1 and `errCode` 0"
            }
            AnswerWarning::ErrCodeAlone => {
                "an `errCode` alone refuses nothing; to refuse, answer `nextCode` 1 with \
                 `actionCode` 0 (OpenIM v3.7 and later) or `actionCode` 1 with `errCode` 0 (v2.0)"
            }
            AnswerWarning::NextCode => {
                "`nextCode` is neither 0 nor 1, which OpenIM takes as allow; to refuse, answer 1"
            }
            AnswerWarning::NextCodeUnknown => {
                "OpenIM v2.0 has no `nextCode`; to refuse, answer `actionCode` 1 and `errCode` 0"
            }
            AnswerWarning::RefusalIgnored => {
                "OpenIM v3.6 logs a refusal and lets the operation go on; to refuse, have the \
                 endpoint's `answers` be those of another version"
            }
            AnswerWarning::WrongType => {
                "a field has another type than OpenIM reads: codes are integers of 32 bits such as \
                 1, not \"1\", true or 1.0"
            }
            AnswerWarning::RefusalCode => {
                "the refusal's `errCode` is below 100: OpenIM reports 0 as success and 1 to 99 as \
                 its own fault; the sender gets 20001"
            }
            AnswerWarning::RefusalStatus => {
                "the refusal came with an HTTP status of failure; it counts, but answer 200"
            }
            AnswerWarning::ContentNotObject => {
                "`content` must be the whole message element as a JSON object in a string, such \
                 as \"{\\\"content\\\":\\\"hello\\\"}\" for a text"
            }
            AnswerWarning::UnusableField => {
                "the answer sets a field that the request does not carry, or an entry without its \
                 id; OpenIM would fail on it, so it was left out"
            }
            AnswerWarning::FrameworkError => {
                "this is a web framework's error body, which OpenIM takes as allow"
            }
            AnswerWarning::NothingKnown => {
                "no field of the answer is one that OpenIM reads: it allows"
            }
            AnswerWarning::ContentMissing => {
                "the answer to wordFilter has no `content`, with which OpenIM v2.0 empties the \
                 message; the content was kept"
            }
            AnswerWarning::ExtraKey => {
                "WuKongIM takes an answer with any key beside `allow`, `payload` and `reason_code` \
                 for an error, and may then send the message; answer these three alone"
            }
            AnswerWarning::ReasonCode => {
                "WuKongIM passes a `reason_code` on to the sender only from 128 to 255 and only \
                 with `allow` false and no `payload`; beside `allow` true it is an error"
            }
            AnswerWarning::UnusablePayload => {
                "the new `payload` must be 1 to 32767 bytes in standard base64 with padding; \
                 WuKongIM takes any other for an error"
            }
        }
    }
}

impl fmt::Display for AnswerWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<_> = AnswerWarning::ALL
            .into_iter()
            .map(AnswerWarning::name)
            .collect();
        assert_eq!(names.len(), AnswerWarning::ALL.len());
    }

    #[test]
    fn modes_are_found_by_name() {
        for answers in Answers::ALL {
            assert_eq!(Answers::from_name(answers.name()), Some(answers));
        }
    }
}
