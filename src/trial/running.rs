//! A trial as those who decide see it: which policy it is for an event, and where they hand over
//! what came of it.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::judge::Heard;
use super::share::{Messages, Part};
use crate::decision::Decision;
use crate::event::Event;
use crate::policy::{Snapshot, TrialMode};

/// What waits to be compared, at most.
const WAITING_MAX: usize = 2_000;
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Who decides in a conversation of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruler {
    Candidate,
    Policy,
}

/// A trial that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub candidate: Arc<Snapshot>,
    pub share: f64,
    pub mode: TrialMode,
    messages: Arc<Messages>,
    waiting: Mutex<Waiting>,
    wake: SyncSender<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    compares: VecDeque<Compare>,
    bytes: usize,
    dropped: u64,
}

/// A decision that was made, and the policy that did not make it.
#[derive(Debug)]
pub(super) struct Compare {
    pub event: Event,
    pub decision: Decision,
    pub ruler: Ruler,
    /// The policy that did not decide.
    pub other: Arc<Snapshot>,
    pub heard: Option<Heard>,
    pub total: Duration,
}

/// What deciders need to know of an event that is in a trial.
#[derive(Debug)]
pub struct Taking {
    running: Arc<Running>,
    ruler: Ruler,
}

/// A decision on it, as it was made.
#[derive(Debug)]
pub struct Seen<'a> {
    pub event: &'a Event,
    pub decision: &'a Decision,
    /// The policy in force.
    pub policy: &'a Arc<Snapshot>,
    pub heard: Option<Heard>,
    pub total: Duration,
}

impl Running {
    pub(super) fn new(
        candidate: Arc<Snapshot>,
        share: f64,
        mode: TrialMode,
        messages: Arc<Messages>,
        wake: SyncSender<()>,
    ) -> Running {
        Running {
            candidate,
            share,
            mode,
            messages,
            waiting: Mutex::default(),
            wake,
        }
    }

    pub(super) fn ruler(&self, event: &Event) -> Option<Ruler> {
        match (self.messages.part(event, self.share)?, self.mode) {
            (Part::Share, TrialMode::Ruling) => Some(Ruler::Candidate),
            (Part::Control, TrialMode::Ruling) | (Part::Share, TrialMode::Shadow) => {
                Some(Ruler::Policy)
            }
            (Part::Rest, _) | (Part::Control, TrialMode::Shadow) => None,
        }
    }

    /// What waits, and how many found no room.
    pub(super) fn take(&self) -> (VecDeque<Compare>, u64) {
        let mut waiting = self.lock();
        waiting.bytes = 0;
        let dropped = mem::take(&mut waiting.dropped);
        (mem::take(&mut waiting.compares), dropped)
    }

    fn put(&self, compare: Compare) {
        let bytes = size(&compare.event);
        let mut waiting = self.lock();
        let is_full = waiting.compares.len() >= WAITING_MAX;
        if is_full || waiting.bytes + bytes > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += bytes;
        waiting.compares.push_back(compare);
        drop(waiting);
        // Full: it was woken and has not looked yet.
        let _ = self.wake.try_send(());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taking {
    pub(super) fn new(running: Arc<Running>, ruler: Ruler) -> Taking {
        Taking { running, ruler }
    }

    /// The candidate, where it rules.
    pub fn ruling(&self) -> Option<&Arc<Snapshot>> {
        (self.ruler == Ruler::Candidate).then_some(&self.running.candidate)
    }

    /// Hands over what came of it; waits for nothing.
    pub fn tell(&self, seen: Seen<'_>) {
        let other = match self.ruler {
            Ruler::Candidate => seen.policy,
            Ruler::Policy => &self.running.candidate,
        };
        self.running.put(Compare {
            event: seen.event.clone(),
            decision: seen.decision.clone(),
            ruler: self.ruler,
            other: Arc::clone(other),
            heard: seen.heard,
            total: seen.total,
        });
    }
}

fn size(event: &Event) -> usize {
    let texts = event.texts.iter().map(|text| text.value.len());
    let content = event
        .message
        .as_ref()
        .map_or(0, |message| message.content.len());
    size_of::<Compare>()
        + texts.sum::<usize>()
        + content
        + event.body.as_ref().map_or(0, |body| body.len())
}
