//! What each hook did last, for the question "why was my hook not called?".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::decision::{Decider, Decision, SkipReason, Verdict};
use crate::event::Hook;

/// Every hook that was called since the start.
#[derive(Debug, Default)]
pub struct HookStates {
    /// By name: one hook is for what is asked before and told after, that of unknown commands.
    hooks: RwLock<HashMap<&'static str, (Hook, Arc<HookState>)>>,
}

/// Counters of one hook; all since the start of the process.
#[derive(Debug, Default)]
pub struct HookState {
    calls: AtomicU64,
    /// Milliseconds since 1970; 0 before the first call.
    last_at_ms: AtomicU64,
    /// Index into [`Ended::ALL`].
    ended: AtomicUsize,
    skipped: [AtomicU64; SkipReason::ALL.len()],
}

/// What a call of a hook can end as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    None,
    Allow,
    Block,
    Replace,
    Reply,
    Skipped,
    LetThrough,
    BlockedByFailure,
    Stored,
    NotStored,
}

impl Ended {
    const ALL: [Ended; 10] = [
        Ended::None,
        Ended::Allow,
        Ended::Block,
        Ended::Replace,
        Ended::Reply,
        Ended::Skipped,
        Ended::LetThrough,
        Ended::BlockedByFailure,
        Ended::Stored,
        Ended::NotStored,
    ];

    fn of(decision: &Decision) -> Ended {
        let by_failure = decision.decider == Decider::FailurePolicy;
        match &decision.verdict {
            _ if decision.skipped.is_some() => Ended::Skipped,
            Verdict::Block(_) if by_failure => Ended::BlockedByFailure,
            _ if by_failure => Ended::LetThrough,
            Verdict::Allow => Ended::Allow,
            Verdict::Block(_) => Ended::Block,
            Verdict::Replace(_) => Ended::Replace,
            Verdict::Reply(_) => Ended::Reply,
        }
    }

    /// In words for `/status`.
    fn name(self) -> &'static str {
        match self {
            Ended::None => "none",
            Ended::Allow => "allow",
            Ended::Block => "block",
            Ended::Replace => "replace",
            Ended::Reply => "reply",
            Ended::Skipped => "skipped",
            Ended::LetThrough => "let through by failure policy",
            Ended::BlockedByFailure => "blocked by failure policy",
            Ended::Stored => "stored",
            Ended::NotStored => "not stored",
        }
    }
}

impl HookStates {
    pub fn decided(&self, hook: Hook, decision: &Decision) {
        self.record(hook, Ended::of(decision), decision.skipped);
    }

    /// Records what became of an after event.
    pub fn accepted(&self, hook: Hook, stored: bool) {
        let ended = if stored {
            Ended::Stored
        } else {
            Ended::NotStored
        };
        self.record(hook, ended, None);
    }

    pub fn skipped(&self, hook: Hook, reason: SkipReason) {
        self.record(hook, Ended::Skipped, Some(reason));
    }

    /// The state of one hook, if it was ever called.
    pub fn get(&self, hook: Hook) -> Option<Arc<HookState>> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        hooks.get(hook.name).map(|(_, state)| Arc::clone(state))
    }

    /// Every hook that was ever called, by name.
    pub fn called(&self) -> Vec<Hook> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = hooks.values().map(|(hook, _)| *hook).collect();
        names.sort();
        names
    }

    fn record(&self, hook: Hook, ended: Ended, skipped: Option<SkipReason>) {
        let state = self.get(hook).unwrap_or_else(|| {
            let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
            let fresh = || (hook, Arc::default());
            let (_, state) = hooks.entry(hook.name).or_insert_with(fresh);
            Arc::clone(state)
        });
        state.calls.fetch_add(1, Ordering::Relaxed);
        state.last_at_ms.store(now_ms(), Ordering::Relaxed);
        state.ended.store(ended as usize, Ordering::Relaxed);
        if let Some(reason) = skipped {
            let index = SkipReason::ALL.iter().position(|one| *one == reason);
            if let Some(index) = index {
                state.skipped[index].fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl HookState {
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Milliseconds since 1970.
    pub fn last_at_ms(&self) -> u64 {
        self.last_at_ms.load(Ordering::Relaxed)
    }

    pub fn last_outcome(&self) -> &'static str {
        Ended::ALL[self.ended.load(Ordering::Relaxed)].name()
    }

    /// How often each reason skipped the hook; reasons that never did are left out.
    pub fn skipped(&self) -> impl Iterator<Item = (SkipReason, u64)> {
        SkipReason::ALL
            .into_iter()
            .zip(&self.skipped)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Refusal, Replacement, RoomReply};
    use crate::event::Moment;

    #[test]
    fn what_a_hook_did_last_has_a_name_whatever_it_was() {
        assert!(
            (0..)
                .zip(Ended::ALL)
                .all(|(at, ended)| ended as usize == at)
        );
        let states = HookStates::default();
        let hook = Hook {
            name: "beforeSendSingleMsg",
            moment: Moment::Before,
        };
        let refusal = Refusal {
            code: 1,
            public: String::new(),
            detail: String::new(),
        };
        for verdict in [
            Verdict::Allow,
            Verdict::Block(refusal),
            Verdict::Replace(Replacement::default()),
            Verdict::Reply(RoomReply::default()),
        ] {
            let name = verdict.name();
            let decision = Decision {
                verdict,
                ..Decision::acknowledged()
            };
            states.decided(hook, &decision);
            assert_eq!(states.get(hook).unwrap().last_outcome(), name);
        }
        assert_eq!(states.get(hook).unwrap().calls(), 4);
    }
}
