//! What a decision came to, in one word.

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::decision::{Decision, ListAction, Verdict};
use crate::event::closed_set;

/// What came out, by what matters most about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    Block,
    /// A failure let the message through without the review that the policy asks for.
    LetThrough,
    Replace,
    Reply,
    /// It passed, and a list marked it.
    Flag,
    /// It passed, and a list on trial would have done something.
    Shadow,
    Allow,
    /// No rule wanted it.
    Skipped,
}

closed_set!(Kind);

impl Kind {
    pub fn of(decision: &Decision) -> Kind {
        match &decision.verdict {
            Verdict::Block(_) => Kind::Block,
            _ if !decision.reviewed => Kind::LetThrough,
            Verdict::Replace(_) => Kind::Replace,
            Verdict::Reply(_) => Kind::Reply,
            Verdict::Allow => {
                let strongest = decision.hits.iter().map(|hit| hit.action).min();
                match strongest {
                    Some(ListAction::Shadow) => Kind::Shadow,
                    Some(_) => Kind::Flag,
                    None if decision.skipped.is_some() => Kind::Skipped,
                    None => Kind::Allow,
                }
            }
        }
    }

    /// Of these a share may stand for all.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Kind::Allow | Kind::Skipped)
    }
}
