//! The last look at the business servers: one is made at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::doctor::{Here, Report};

/// The last look, while it goes on and after.
#[derive(Debug)]
pub struct CheckUps {
    last: Mutex<Option<CheckUp>>,
    pub(super) within: Duration,
    pub(super) here: Here,
}

/// One look, as far as it is.
#[derive(Clone, Debug)]
pub(super) struct CheckUp {
    /// The one endpoint that is looked at; empty: every endpoint of the policy.
    pub(super) endpoint: String,
    /// Milliseconds since 1970.
    pub(super) began_ms: u64,
    pub(super) ended_ms: Option<u64>,
    pub(super) state: State,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Running,
    Done(Arc<Report>),
    Failed(String),
}

impl CheckUps {
    /// `within` is how long a look may take, `here` where callgate itself is.
    pub fn new(within: Duration, here: Here) -> CheckUps {
        CheckUps {
            last: Mutex::default(),
            within,
            here,
        }
    }

    /// What became of the last look since the start.
    pub(super) fn last(&self) -> Option<CheckUp> {
        self.lock().clone()
    }

    /// Takes the place of the one look that is made at a time. False: another is being made.
    pub(super) fn claim(&self, endpoint: &str, now_ms: u64) -> bool {
        let mut last = self.lock();
        if last.as_ref().is_some_and(CheckUp::is_running) {
            return false;
        }
        *last = Some(CheckUp {
            endpoint: endpoint.to_owned(),
            began_ms: now_ms,
            ended_ms: None,
            state: State::Running,
        });
        true
    }

    pub(super) fn end(&self, now_ms: u64, state: State) {
        if let Some(last) = &mut *self.lock() {
            last.ended_ms = Some(now_ms);
            last.state = state;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<CheckUp>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CheckUp {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }
}
