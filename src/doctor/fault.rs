//! One thing that is wrong.

use serde::{Serialize, Serializer};
use strum::{EnumCount, IntoStaticStr, VariantArray};

use super::said::Said;
use crate::dialect::AnswerWarning;
use crate::event::closed_set;

/// What can be wrong with an endpoint or its answers.
///
/// Closed: each has a way out and a title in every language, and its name is in `--json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FaultKind {
    Unresolved,
    Unreachable,
    BlockedAddress,
    Tls,
    TlsPort,
    NotHttp,
    ClosesUnanswered,
    Timeout,
    Loop,
    /// Another callgate answers.
    Callgate,
    Secret,
    /// No call could be made, for a reason that lies here.
    NotCalled,
    Stalls,
    CutOff,
    TooLarge,
    Slow,
    Redirect,
    HttpStatus,
    Compressed,
    Html,
    Empty,
    Array,
    NotJson,
    BrokenJson,
    NotANumber,
    InvalidAnswer,
    ByteOrderMark,
    Charset,
    DuplicateKeys,
    DeepNesting,
    UnknownCommand,
    ContentType,
    ClosesConnection,
    #[strum(serialize = "http_1_0")]
    Http10,
    Refuses,
    Changes,
    // What an answer means to its reader, as `AnswerWarning` has it.
    ActionCode,
    ActionAndErrCode,
    ErrCodeAlone,
    NextCode,
    NextCodeUnknown,
    RefusalIgnored,
    WrongType,
    RefusalCode,
    RefusalStatus,
    ContentNotObject,
    UnusableField,
    FrameworkError,
    NothingKnown,
    ContentMissing,
    ExtraKey,
    ReasonCode,
    UnusablePayload,
}

closed_set!(FaultKind);

impl Serialize for FaultKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl From<AnswerWarning> for FaultKind {
    fn from(warning: AnswerWarning) -> FaultKind {
        match warning {
            AnswerWarning::ActionCode => FaultKind::ActionCode,
            AnswerWarning::ActionAndErrCode => FaultKind::ActionAndErrCode,
            AnswerWarning::ErrCodeAlone => FaultKind::ErrCodeAlone,
            AnswerWarning::NextCode => FaultKind::NextCode,
            AnswerWarning::NextCodeUnknown => FaultKind::NextCodeUnknown,
            AnswerWarning::RefusalIgnored => FaultKind::RefusalIgnored,
            AnswerWarning::WrongType => FaultKind::WrongType,
            AnswerWarning::RefusalCode => FaultKind::RefusalCode,
            AnswerWarning::RefusalStatus => FaultKind::RefusalStatus,
            AnswerWarning::ContentNotObject => FaultKind::ContentNotObject,
            AnswerWarning::UnusableField => FaultKind::UnusableField,
            AnswerWarning::FrameworkError => FaultKind::FrameworkError,
            AnswerWarning::NothingKnown => FaultKind::NothingKnown,
            AnswerWarning::ContentMissing => FaultKind::ContentMissing,
            AnswerWarning::ExtraKey => FaultKind::ExtraKey,
            AnswerWarning::ReasonCode => FaultKind::ReasonCode,
            AnswerWarning::UnusablePayload => FaultKind::UnusablePayload,
        }
    }
}

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub kind: FaultKind,
    /// It makes callgate or the IM server do another thing than its author thinks.
    pub is_grave: bool,
    pub what: Said,
}

pub(super) fn grave(kind: FaultKind, what: Said) -> Fault {
    Fault {
        kind,
        is_grave: true,
        what,
    }
}

pub(super) fn mild(kind: FaultKind, what: Said) -> Fault {
    Fault {
        is_grave: false,
        ..grave(kind, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_what_an_answer_means_is_named_as_in_logs_and_metrics() {
        for warning in AnswerWarning::ALL {
            assert_eq!(FaultKind::from(warning).name(), warning.name());
        }
        assert_eq!(FaultKind::Http10.name(), "http_1_0");
    }
}
