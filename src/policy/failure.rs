//! What a failure leads to: an action for each class, and what the sender reads.

use crate::decision::{FailureAction, FailureClass};

/// An action for each class of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureActions([FailureAction; FailureClass::ALL.len()]);

impl FailureActions {
    /// One action for all classes, except that a call which cannot be read stays blocked:
    /// otherwise padding would be a way past the filter.
    pub fn all(action: FailureAction) -> FailureActions {
        let mut actions = FailureActions([action; FailureClass::ALL.len()]);
        actions.set(FailureClass::UnreadableCall, FailureAction::Block);
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
pub struct FailureRefusal {
    pub code: i32,
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_action_for_all_leaves_unreadable_calls_blocked() {
        for action in [FailureAction::Allow, FailureAction::Block] {
            let actions = FailureActions::all(action);
            for class in FailureClass::ALL {
                let expected = match class {
                    FailureClass::UnreadableCall => FailureAction::Block,
                    _ => action,
                };
                assert_eq!(actions.of(class), expected, "{class}");
            }
        }
    }
}
