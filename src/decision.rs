//! The vocabulary of what we answer: decisions, answers of endpoints, classes of failure.
//!
//! Owns: the closed sets that policies, logs and metrics name.
//! Leaves alone: how a decision is reached (`policy`) and written (`dialect`).
//! No IO, no clock.

use std::fmt;
use std::sync::Arc;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::event::{Span, closed_set};

/// Why an endpoint gave no usable answer, or why none was asked.
///
/// Closed: each class has a line in the failure table, an action per hook and a metric label.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray, IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum FailureClass {
    /// The endpoint did not answer within the time that it had: the hook's `timeout`, or what was
    /// left of the caller's limit.
    Timeout,
    /// DNS, refused, reset or TLS.
    Connect,
    /// The status was not 2xx and the body no explicit refusal.
    HttpStatus,
    /// The body is not an answer in the endpoint's dialect.
    InvalidAnswer,
    /// The answer is larger than `answer_bytes_max`.
    TooLarge,
    /// The address guard refused the endpoint's address.
    BlockedAddress,
    /// The call would come back to callgate, or has.
    Loop,
    /// The circuit breaker is open, so the endpoint was not called.
    BreakerOpen,
    /// Too many calls in flight, to the endpoint or to us.
    Overloaded,
    /// The caller's own limit was over before anybody was asked.
    Deadline,
    /// Our own fault.
    Internal,
    /// A before call that we cannot read, or whose URL and body disagree.
    UnreadableCall,
    /// Texts that the word lists were not run over to the end: they cost more than may be spent.
    Unfiltered,
    /// The caller asked for a newer policy than the one in force.
    StalePolicy,
}

closed_set!(FailureClass);

impl FailureClass {
    /// The class blocks unless its own key says allow: otherwise padding, or costly text, would be
    /// a way past the filter.
    pub fn blocks_unless_named(self) -> bool {
        matches!(
            self,
            FailureClass::UnreadableCall | FailureClass::Unfiltered
        )
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a hook does about one class of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FailureAction {
    Allow,
    Block,
}

closed_set!(FailureAction);

/// A failure with what an operator needs to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    /// For the log: what happened, without message text or secrets.
    pub detail: String,
}

impl Failure {
    pub fn new(class: FailureClass, detail: impl Into<String>) -> Failure {
        Failure {
            class,
            detail: detail.into(),
        }
    }
}

/// Why an operation is refused, in the words for the sender and in the words for our log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `errCode` for the sender's client; 20001 to 29999 by OpenIM's convention, never 0.
    pub code: i32,
    /// `errMsg`: what the sender may read.
    pub public: String,
    /// `errDlt`: more detail, which some clients show. Ours is empty unless the policy says else.
    pub detail: String,
}

/// New values for parts of what was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacement {
    /// The message's new `content`, whole.
    pub content: Option<String>,
    /// Other fields of the answer in the caller's dialect: name and JSON value as written.
    pub fields: Vec<(String, String)>,
    /// Fields that would harm the IM server's data or the server itself, as the answer has them:
    /// they reach it only where a policy names them.
    pub held_back: Vec<(String, String)>,
}

impl Replacement {
    pub fn is_empty(&self) -> bool {
        self.content.is_none() && self.fields.is_empty()
    }

    /// The JSON value of a field, as written.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, json)| json.as_str())
    }
}

/// What a room's bot says, and the state that it goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomReply {
    /// The user that the message is posted as; empty where the answer names none.
    pub sender: String,
    /// The message as a JSON object as written; `None` says nothing.
    pub message: Option<String>,
    /// `None` keeps the state; an empty one is the default.
    pub state: Option<String>,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Allow,
    Block(Refusal),
    Replace(Replacement),
    Reply(RoomReply),
}

/// How asking an endpoint ended.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answer(Answer),
    Failure(Failure),
}

/// What we tell the IM server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Block(Refusal),
    Replace(Replacement),
    /// The message stands; a bot answers it in the room.
    Reply(RoomReply),
}

impl Verdict {
    /// The `action` of logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Block(_) => "block",
            Verdict::Replace(_) => "replace",
            Verdict::Reply(_) => "reply",
        }
    }
}

/// Who settled a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Decider {
    /// Nobody objected, or nobody was asked.
    Nothing,
    Filter,
    Callback,
    FailurePolicy,
}

closed_set!(Decider);

/// Why a hook's rules were not applied to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SkipReason {
    /// The hook is not in the policy, or `enable` is false.
    Disabled,
    /// `allowedTypes` is set and does not hold the message's type.
    AllowedTypes,
    /// `deniedTypes` holds the message's type.
    DeniedTypes,
    /// `attentionIds` is set and holds neither sender nor target.
    AttentionIds,
    /// The message is a robot's: to answer it would be a loop.
    Robot,
}

closed_set!(SkipReason);

/// What a list does with a match, from what changes a message most to what changes nothing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray, IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum ListAction {
    Block,
    Replace,
    /// Marked in the answer and the log; changes nothing.
    Flag,
    /// Counted, and told apart from the rest in the answer; changes nothing.
    Shadow,
}

closed_set!(ListAction);

/// One match of a filter, as reported to the caller and the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub list: Arc<str>,
    /// The entry as its list file has it.
    pub entry: Arc<str>,
    /// The line of the entry in its file, from 1; 0 when it stands in the policy itself.
    pub line: u32,
    pub tags: Arc<[String]>,
    /// What the entry was seen through, by the names of the options that see through it.
    pub evasions: Vec<&'static str>,
    pub action: ListAction,
    /// Which text: `content/text`, `groupName`.
    pub place: String,
    pub span: Span,
}

/// What we answer, who decided it and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub decider: Decider,
    /// False when a failure let the message through without the review that the policy asks for.
    pub reviewed: bool,
    pub failure: Option<FailureClass>,
    pub hits: Vec<Hit>,
    pub skipped: Option<SkipReason>,
    /// Of a block, for the log and the operator: which list, whose refusal, what failed. Never
    /// text of the message.
    pub why: String,
}

impl Decision {
    /// Nobody objects, and nobody was asked.
    pub fn acknowledged() -> Decision {
        Decision {
            verdict: Verdict::Allow,
            decider: Decider::Nothing,
            reviewed: true,
            failure: None,
            hits: Vec::new(),
            skipped: None,
            why: String::new(),
        }
    }

    /// Nobody was asked: the hook has no rule for this event.
    pub fn skipped(reason: SkipReason) -> Decision {
        Decision {
            skipped: Some(reason),
            ..Decision::acknowledged()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policies, dashboards and callers have these words.
    #[test]
    fn names_are_a_contract() {
        let classes = FailureClass::ALL.map(FailureClass::name).join(" ");
        assert_eq!(
            classes,
            "timeout connect http_status invalid_answer too_large blocked_address loop breaker_open \
             overloaded deadline internal unreadable_call unfiltered stale_policy"
        );
        let deciders = Decider::ALL.map(Decider::name).join(" ");
        assert_eq!(deciders, "nothing filter callback failure_policy");
        let reasons = SkipReason::ALL.map(SkipReason::name).join(" ");
        assert_eq!(
            reasons,
            "disabled allowed_types denied_types attention_ids robot"
        );
        let actions = ListAction::ALL.map(ListAction::name).join(" ");
        assert_eq!(actions, "block replace flag shadow");
        let actions = FailureAction::ALL.map(FailureAction::name).join(" ");
        assert_eq!(actions, "allow block");
    }
}
