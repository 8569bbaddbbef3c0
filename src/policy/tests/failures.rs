//! `failedContinue` is honoured for every class of failure, by every before hook.

use super::*;
use crate::decision::{Decider, Failure, FailureAction, FailureClass, Replacement, SkipReason};
use crate::event::{Can, DialectId, Hook, Moment};
use crate::policy::screen::Screening;

const ACTIONS: [FailureAction; 2] = [FailureAction::Allow, FailureAction::Block];

fn hooks(moment: Moment) -> impl Iterator<Item = Hook> {
    let hooks = dialect::of(DialectId::OpenIm).hooks().iter();
    hooks
        .map(|info| info.hook)
        .filter(move |hook| hook.moment == moment)
}

/// A policy in which every hook has this `failedContinue`.
fn policy_with(failed_continue: &str) -> Snapshot {
    let mut policy = "callbackUrl: http://b/c\nhooks:\n".to_owned();
    for hook in hooks(Moment::Before).chain(hooks(Moment::After)) {
        policy += &format!("  \"{hook}\": {{failedContinue: {failed_continue}}}\n");
    }
    snapshot(&policy)
}

fn event_of(hook: Hook) -> Event {
    let can = Can {
        block: true,
        replace: true,
        replace_later: false,
        reply: false,
    };
    Event::new(hook, DialectId::OpenIm, can)
}

/// Expects this action of every before hook, whether a call failed or there was none.
fn check(snapshot: &Snapshot, class: FailureClass, action: FailureAction) {
    for hook in hooks(Moment::Before) {
        let event = event_of(hook);
        let rules = snapshot.rules(hook).unwrap();
        let masked = Verdict::Replace(Replacement {
            content: Some("masked".to_owned()),
            fields: Vec::new(),
            ..Replacement::default()
        });
        for filters in [Verdict::Allow, masked] {
            let screening = Screening {
                hits: Vec::new(),
                verdict: filters.clone(),
                why: String::new(),
                shown: Replacement::default(),
                unfiltered: None,
            };
            let failure = Failure::new(class, "detail");
            let outcome = Outcome::Failure(failure.clone());
            let asked = snapshot.answered(rules, &event, screening, outcome);
            check_decision(&asked, class, action, &filters);
            let failed = snapshot.failed(Some(hook), &failure);
            check_decision(&failed, class, action, &Verdict::Allow);
        }
    }
    let unknown = snapshot.failed(None, &Failure::new(class, "detail"));
    check_decision(&unknown, class, action, &Verdict::Allow);
}

fn check_decision(
    decision: &Decision,
    class: FailureClass,
    action: FailureAction,
    filters: &Verdict,
) {
    assert_eq!(decision.decider, Decider::FailurePolicy);
    assert_eq!(decision.failure, Some(class));
    match action {
        FailureAction::Allow => {
            assert_eq!(&decision.verdict, filters);
            assert!(!decision.reviewed, "what nobody reviewed says so");
        }
        FailureAction::Block => {
            let words = in_words(decision);
            let expected = match class.blocks_unless_named() {
                true => "message is too long or cannot be read",
                false => "message could not be checked, try again",
            };
            assert_eq!(
                words,
                format!("block 20099 {expected} (failure policy: {class})")
            );
            assert!(decision.reviewed);
        }
    }
}

#[test]
fn one_boolean_holds_for_all_classes_but_unreadable_calls() {
    for action in ACTIONS {
        let snapshot = policy_with(if action == FailureAction::Allow {
            "true"
        } else {
            "false"
        });
        for class in FailureClass::ALL {
            let expected = match class {
                _ if class.blocks_unless_named() => FailureAction::Block,
                _ => action,
            };
            check(&snapshot, class, expected);
        }
    }
}

#[test]
fn each_class_has_its_own_action() {
    for class in FailureClass::ALL {
        for action in ACTIONS {
            let other = ACTIONS[usize::from(action == FailureAction::Allow)];
            let own = format!("{{{class}: {}, default: {}}}", action.name(), other.name());
            let snapshot = policy_with(&own);
            for looked_at in FailureClass::ALL {
                let expected = match looked_at {
                    _ if looked_at == class => action,
                    _ if looked_at.blocks_unless_named() => FailureAction::Block,
                    _ => other,
                };
                check(&snapshot, looked_at, expected);
            }
        }
    }
}

#[test]
fn a_hook_that_is_off_has_nothing_to_fail() {
    let snapshot = snapshot("hooks: {beforeSendSingleMsg: {failedContinue: false}}");
    let failure = Failure::new(FailureClass::UnreadableCall, "");
    let other = snapshot.failed(dialect::hook("beforeAddBlack"), &failure);
    assert_eq!(other, Decision::skipped(SkipReason::Disabled));
    let unknown = snapshot.failed(None, &failure);
    assert_eq!(
        unknown.verdict.name(),
        "block",
        "it may be the hook that is on"
    );
    let mixed = "hooks: {beforeAddBlack: {failedContinue: true}, beforeMsgModify: {failedContinue: false}, beforeSendSingleMsg: {failedContinue: true}}";
    let unknown = self::snapshot(mixed).failed(None, &Failure::new(FailureClass::Internal, ""));
    assert_eq!(unknown.verdict.name(), "block", "one of the three blocks");
    let none = snapshot_with("hooks: {}\nfailure: {}", &[], &[]);
    assert_eq!(
        none.failed(None, &failure),
        Decision::skipped(SkipReason::Disabled)
    );
}

#[test]
fn an_after_hook_is_acknowledged_whatever_failed() {
    let snapshot = policy_with("false");
    for hook in hooks(Moment::After) {
        let decision = snapshot.failed(Some(hook), &Failure::new(FailureClass::Internal, ""));
        assert_eq!(decision.verdict, Verdict::Allow);
        assert!(decision.reviewed);
        assert_eq!(decision.failure, Some(FailureClass::Internal));
    }
}

#[test]
fn what_the_sender_reads_is_configuration() {
    let policy =
        "hooks: {beforeMsgModify: {failedContinue: false}}\nfailure: {code: 21000, reason: later}";
    let failure = Failure::new(FailureClass::Overloaded, "queue full at 4096");
    let decision = snapshot(policy).failed(None, &failure);
    assert_eq!(
        in_words(&decision),
        "block 21000 later (failure policy: overloaded)"
    );
}
