//! What one decision of a case came to.

use super::case::Action;
use crate::decision::Decision;

/// What a decision came to.
#[derive(Debug)]
pub(super) struct Came {
    pub decision: Decision,
    /// Endpoints that were asked, or would be told.
    pub asked: Vec<String>,
    pub is_refused: bool,
}

impl Came {
    pub(super) fn of(decision: Decision) -> Came {
        Came {
            decision,
            asked: Vec::new(),
            is_refused: false,
        }
    }

    pub(super) fn action(&self) -> Action {
        match self.is_refused {
            true => Action::Refused,
            false => Action::of(&self.decision.verdict),
        }
    }
}
