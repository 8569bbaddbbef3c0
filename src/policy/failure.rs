//! What a failure leads to: an action for each class, and what the sender reads.

use crate::decision::{FailureAction, FailureClass};

/// An action for each class of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureActions([FailureAction; FailureClass::ALL.len()]);

impl FailureActions {
    /// One action for all classes but those that block unless their own key says else.
    pub fn all(action: FailureAction) -> FailureActions {
        let mut actions = FailureActions([action; FailureClass::ALL.len()]);
        for class in FailureClass::ALL {
            if class.blocks_unless_named() {
                actions.set(class, FailureAction::Block);
            }
        }
        actions
    }

    pub fn set(&mut self, class: FailureClass, action: FailureAction) {
        self.0[class as usize] = action;
    }

    pub fn of(&self, class: FailureClass) -> FailureAction {
        self.0[class as usize]
    }
}

/// What a sender reads when the failure policy blocks.
#[derive(Clone, Debug)]
pub(super) struct FailureRefusal {
    pub code: i32,
    pub reason: String,
    /// Instead of `reason` where trying again mends nothing.
    pub final_reason: String,
    /// `errDlt` names the class of failure.
    pub tells_class: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_action_for_all_leaves_what_was_not_looked_at_blocked() {
        for action in [FailureAction::Allow, FailureAction::Block] {
            let actions = FailureActions::all(action);
            for class in FailureClass::ALL {
                let expected = match class {
                    FailureClass::UnreadableCall | FailureClass::Unfiltered => FailureAction::Block,
                    _ => action,
                };
                assert_eq!(actions.of(class), expected, "{class}");
            }
        }
    }
}
