//! What each hook did last, for the question "why was my hook not called?".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::decision::{Decider, SkipReason};
use crate::event::Hook;

/// Every hook that was called since the start.
#[derive(Debug, Default)]
pub struct HookStates {
    hooks: RwLock<HashMap<Hook, Arc<HookState>>>,
}

/// Counters of one hook; all since the start of the process.
#[derive(Debug, Default)]
pub struct HookState {
    calls: AtomicU64,
    /// Milliseconds since 1970; 0 before the first call.
    last_at_ms: AtomicU64,
    /// Index into [`OUTCOMES`].
    last_outcome: AtomicUsize,
    skipped: [AtomicU64; SkipReason::ALL.len()],
}

/// What a call of a hook can end as, in words for `/status`.
const OUTCOMES: [&str; 9] = [
    "none",
    "allow",
    "block",
    "replace",
    "skipped",
    "let through by failure policy",
    "blocked by failure policy",
    "stored",
    "not stored",
];

impl HookStates {
    /// Records a decision. `action` is the verdict's name.
    pub fn decided(
        &self,
        hook: Hook,
        action: &'static str,
        decider: Decider,
        skipped: Option<SkipReason>,
    ) {
        let outcome = match (skipped, decider, action) {
            (Some(_), ..) => "skipped",
            (None, Decider::FailurePolicy, "block") => "blocked by failure policy",
            (None, Decider::FailurePolicy, _) => "let through by failure policy",
            (None, _, action) => action,
        };
        self.record(hook, outcome, skipped);
    }

    /// Records what became of an after event.
    pub fn accepted(&self, hook: Hook, stored: bool) {
        self.record(hook, if stored { "stored" } else { "not stored" }, None);
    }

    pub fn skipped(&self, hook: Hook, reason: SkipReason) {
        self.record(hook, "skipped", Some(reason));
    }

    /// The state of one hook, if it was ever called.
    pub fn get(&self, hook: Hook) -> Option<Arc<HookState>> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        hooks.get(&hook).cloned()
    }

    /// Every hook that was ever called, by name.
    pub fn called(&self) -> Vec<Hook> {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = hooks.keys().copied().collect();
        names.sort();
        names
    }

    fn record(&self, hook: Hook, outcome: &str, skipped: Option<SkipReason>) {
        let state = self.get(hook).unwrap_or_else(|| {
            let mut hooks = self.hooks.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hooks.entry(hook).or_default())
        });
        state.calls.fetch_add(1, Ordering::Relaxed);
        state.last_at_ms.store(now_ms(), Ordering::Relaxed);
        let index = OUTCOMES.iter().position(|name| *name == outcome);
        state
            .last_outcome
            .store(index.unwrap_or(0), Ordering::Relaxed);
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
        OUTCOMES[self.last_outcome.load(Ordering::Relaxed)]
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
