//! The trial of this process: it follows what the policy in force names, compares, ends and promotes.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use tracing::{error, info, warn};

use super::candidate::Candidate;
use super::kept::{self, Ended, EndedBy, Trial};
use super::promotion::{TrialError, carry_out, may_promote, plan, promotion};
use super::running::{Ruler, Running, Taking};
use super::share::Messages;
use super::status::{Difference, Status, looked_at};
use super::tally::Sides;
use crate::audit::{Act, Audit, Who};
use crate::event::Event;
use crate::filter::Scratch;
use crate::policy::{Snapshot, TrialRules};
use crate::reload::{Budget, Policies, Reloaded};
use crate::telemetry::Metrics;
use crate::versions::{Files, Origin, Plan, Store};

/// How often the policy is looked at; what is to be compared is looked at when it comes.
const EVERY: Duration = Duration::from_millis(100);
/// What is counted is kept at least as often: a crash loses no more.
const KEPT_EVERY: Duration = Duration::from_secs(5);
/// How often a promotion whose time has come is tried again.
const PROMOTED_EVERY: Duration = Duration::from_secs(60);
/// Differences that are listed.
const LISTED_MAX: usize = 200;

/// The trial of this process, if its policy names a candidate.
pub struct Trials {
    policies: Arc<Policies>,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    store: Store,
    /// What survives a restart.
    file: PathBuf,
    running: ArcSwapOption<Running>,
    state: Mutex<State>,
    /// Made with the first trial.
    messages: OnceLock<Arc<Messages>>,
    wake: SyncSender<()>,
    woken: Mutex<Option<Receiver<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    is_ending: std::sync::atomic::AtomicBool,
}

impl fmt::Debug for Trials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trials")
    }
}

#[derive(Default)]
struct State {
    rules: Option<Arc<TrialRules>>,
    candidate: Option<Candidate>,
    trial: Option<Trial>,
    latest: VecDeque<Difference>,
    held: Option<String>,
    /// The files are being written by which the policy names it no more.
    is_promoting: bool,
    promoted_at: Option<Instant>,
    kept_at: Option<Instant>,
    is_changed: bool,
    scratch: Scratch,
}

impl Trials {
    pub fn new(
        policies: Arc<Policies>,
        metrics: Arc<Metrics>,
        audit: Arc<Audit>,
        store: Store,
        file: PathBuf,
    ) -> Trials {
        let (wake, woken) = mpsc::sync_channel(1);
        let state = State {
            trial: kept::read(&file),
            ..State::default()
        };
        Trials {
            policies,
            metrics,
            audit,
            store,
            file,
            running: ArcSwapOption::empty(),
            state: Mutex::new(state),
            messages: OnceLock::new(),
            wake,
            woken: Mutex::new(Some(woken)),
            thread: Mutex::default(),
            is_ending: std::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Looks at the policy now, so that the first call sees a trial that goes on, and from then on in
    /// a thread of its own until [`Trials::close`].
    ///
    /// Errors: the operating system gives no thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let woken = self.lock_woken().take();
        let Some(woken) = woken else { return Ok(()) };
        self.look();
        let trials = Arc::clone(self);
        let thread = thread::Builder::new().name("trial".to_owned());
        let thread = thread.spawn(move || {
            while !trials.is_ending.load(std::sync::atomic::Ordering::Relaxed) {
                if woken.recv_timeout(EVERY) == Err(RecvTimeoutError::Disconnected) {
                    break;
                }
                let look = std::panic::AssertUnwindSafe(|| trials.look());
                if std::panic::catch_unwind(look).is_err() {
                    error!("a look at the trial failed");
                }
            }
        })?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Keeps what is counted, and stops looking. Blocks for the disk.
    pub fn close(&self) {
        self.is_ending
            .store(true, std::sync::atomic::Ordering::Relaxed);
        let _ = self.wake.try_send(());
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.compare();
        self.keep(&mut self.lock());
    }

    /// The trial that an event is in; `None` for nearly all of them.
    pub fn taking(&self, event: &Event) -> Option<Taking> {
        let running = self.running.load();
        let running = running.as_ref()?;
        let ruler = running.ruler(event)?;
        Some(Taking::new(Arc::clone(running), ruler))
    }

    pub fn status(&self) -> Status {
        let state = self.lock();
        let mut status = Status::of(state.rules.as_deref(), state.trial.as_ref());
        if let Some(candidate) = &state.candidate {
            status.problems = candidate.problems();
            if !candidate.is_open() {
                status.state = "broken";
            }
        }
        status.promotion_held.clone_from(&state.held);
        status.latest = state.latest.iter().rev().cloned().collect();
        status
    }

    /// Ends it: every conversation sees the policy in force again. It stays ended until it is
    /// started, or the candidate or its terms are others.
    pub fn end(&self, who: Who, why: &str) -> Result<(), TrialError> {
        let mut state = self.lock();
        match &state.trial {
            Some(trial) if trial.ended.is_none() && state.rules.is_some() => {}
            _ => return Err(TrialError::NotRunning),
        }
        self.finish(&mut state, EndedBy::Order, who, why.to_owned());
        Ok(())
    }

    /// Starts one anew that has ended, with all counts at nothing.
    pub fn start_again(&self) -> Result<(), TrialError> {
        let mut state = self.lock();
        let rules = state.rules.clone().ok_or(TrialError::NoCandidate)?;
        let snapshot = state.candidate.as_mut().and_then(Candidate::look);
        let Some(snapshot) = snapshot else {
            let problems = state.candidate.as_ref().map(Candidate::problems);
            return Err(TrialError::Broken(problems.unwrap_or_default()));
        };
        if state
            .trial
            .as_ref()
            .is_some_and(|trial| trial.ended.is_none())
        {
            return Err(TrialError::Running);
        }
        self.begin(&mut state, &rules, &snapshot);
        self.run(&mut state, &rules, snapshot);
        Ok(())
    }

    /// What a promotion would do to the files of the policy. Blocks for the disk, and compiles.
    pub fn plan(&self) -> Result<Plan, TrialError> {
        let (hash, files) = self.promotable()?;
        let planned = plan(&self.policies, &self.store, &hash, &files);
        planned.map(|(plan, _)| plan)
    }

    /// Makes the candidate the policy, as it was planned. Blocks as [`Trials::plan`] does.
    pub fn promote(
        &self,
        planned: &Plan,
        origin: Origin,
        budget: Budget,
    ) -> Result<Reloaded, TrialError> {
        let (_, files) = self.promotable()?;
        let who = origin.who.clone();
        let why = origin.why.clone();
        self.lock().is_promoting = true;
        let done = carry_out(&self.policies, &self.store, planned, &files, origin, budget);
        let mut state = self.lock();
        state.is_promoting = false;
        if done.as_ref().is_ok_and(|done| done.changed) {
            self.finish(&mut state, EndedBy::Promotion, who, why);
        }
        done
    }

    fn promotable(&self) -> Result<(String, Files), TrialError> {
        let state = self.lock();
        let candidate = state.candidate.as_ref().ok_or(TrialError::NoCandidate)?;
        let problems = candidate.problems();
        match candidate.files() {
            Some(files) if problems.is_empty() => Ok(files),
            _ => Err(TrialError::Broken(problems)),
        }
    }

    /// One look at everything.
    fn look(&self) {
        self.follow();
        self.compare();
        self.promote_in_time();
        let mut state = self.lock();
        if state.is_changed && state.kept_at.is_none_or(|at| at.elapsed() >= KEPT_EVERY) {
            self.keep(&mut state);
        }
    }

    /// Goes along with what the policy in force names, and with the candidate's files.
    fn follow(&self) {
        let policy = self.policies.current();
        let mut state = self.lock();
        state.rules.clone_from(&policy.candidate);
        let Some(rules) = state.rules.clone() else {
            state.candidate = None;
            let running = state.trial.as_ref().filter(|trial| trial.ended.is_none());
            if let Some(trial) = running
                && !state.is_promoting
            {
                let (by, why) = trial.left(&policy.version.hash);
                self.finish(&mut state, by, Who::Callgate, why.to_owned());
            }
            return;
        };
        let directory = self.policies.directory().join(&rules.directory);
        if state
            .candidate
            .as_ref()
            .is_none_or(|candidate| candidate.directory != directory)
        {
            state.candidate = Some(Candidate::new(directory, self.policies.context()));
        }
        let Some(snapshot) = state.candidate.as_mut().and_then(Candidate::look) else {
            self.running.store(None);
            self.metrics.trial.running(false);
            return;
        };
        let (hash, terms) = (&snapshot.version.hash, rules.terms());
        let goes_on = state
            .trial
            .as_ref()
            .is_some_and(|trial| trial.is_of(hash, &terms) && trial.stays());
        if !goes_on {
            self.begin(&mut state, &rules, &snapshot);
        }
        self.run(&mut state, &rules, snapshot);
    }

    fn begin(&self, state: &mut State, rules: &TrialRules, snapshot: &Snapshot) {
        let base = self.policies.current().version.to_string();
        info!(candidate = %snapshot.version, policy = base, mode = rules.mode.name(), share = rules.share, "a trial begins");
        state.trial = Some(Trial {
            candidate: snapshot.version.hash.to_string(),
            terms: rules.terms(),
            base,
            started_ms: now_ms(),
            ended: None,
            tally: Default::default(),
        });
        state.latest.clear();
        state.held = None;
        state.promoted_at = None;
        self.keep(state);
    }

    /// Has it decided by, or not, as the trial stands.
    fn run(&self, state: &mut State, rules: &TrialRules, snapshot: Arc<Snapshot>) {
        let runs = state
            .trial
            .as_ref()
            .is_some_and(|trial| trial.ended.is_none());
        self.metrics.trial.running(runs);
        let now = self.running.load_full();
        match (runs, now) {
            (false, None) => {}
            (false, Some(_)) => self.running.store(None),
            (true, Some(now))
                if Arc::ptr_eq(&now.candidate, &snapshot)
                    && now.mode == rules.mode
                    && now.share.to_bits() == rules.share.to_bits() => {}
            (true, _) => {
                let wake = self.wake.clone();
                let messages = Arc::clone(self.messages.get_or_init(Arc::default));
                let running = Running::new(snapshot, rules.share, rules.mode, messages, wake);
                self.running.store(Some(Arc::new(running)));
            }
        }
    }

    /// Compares what waits.
    fn compare(&self) {
        let Some(running) = self.running.load_full() else {
            return;
        };
        let (compares, dropped) = running.take();
        if compares.is_empty() && dropped == 0 {
            return;
        }
        self.metrics.trial.dropped(dropped);
        let mut scratch = std::mem::take(&mut self.lock().scratch);
        for (number, compare) in compares.iter().enumerate() {
            let (sides, difference) = looked_at(compare, &mut scratch, now_ms());
            let mut state = self.lock();
            let is_current = self
                .running
                .load()
                .as_ref()
                .is_some_and(|now| Arc::ptr_eq(now, &running));
            // It ended, or is another one: what comes late counts for neither.
            if !is_current {
                break;
            }
            let dropped = if number == 0 { dropped } else { 0 };
            self.count(&mut state, &sides, difference, dropped);
        }
        self.lock().scratch = scratch;
    }

    fn count(
        &self,
        state: &mut State,
        sides: &Sides,
        difference: Option<Difference>,
        dropped: u64,
    ) {
        let (Some(rules), Some(trial)) = (state.rules.clone(), &mut state.trial) else {
            return;
        };
        let decided_by = match sides.ruler {
            Ruler::Candidate => "candidate",
            Ruler::Policy => "policy",
        };
        let metrics = &self.metrics.trial;
        metrics.looked(decided_by, sides.other.is_some());
        trial.tally.dropped += dropped;
        let failed = trial.tally.add(sides, &rules.ends, rules.mode);
        state.is_changed = true;
        if let Some(difference) = difference {
            metrics.differed(difference.policy, difference.candidate);
            state.latest.push_back(difference);
            if state.latest.len() > LISTED_MAX {
                state.latest.pop_front();
            }
        }
        if let Some(condition) = failed {
            let why = trial.tally.why(condition);
            let act = Act::new("trial.end", Who::Callgate).because(&why);
            self.finish(state, condition.into(), Who::Callgate, why);
            // It is safer ended than running, whether that can be recorded or not.
            if let Err(error) = self.audit.record(act) {
                error!(%error, "the end of the trial could not be recorded");
            }
        }
    }

    fn finish(&self, state: &mut State, by: EndedBy, who: Who, why: String) {
        // First of all: nobody is decided on by it any more.
        self.running.store(None);
        self.metrics.trial.running(false);
        self.metrics.trial.ended(by.name());
        state.held = None;
        let Some(trial) = &mut state.trial else {
            return;
        };
        let candidate = format!("candidate-{}", trial.candidate);
        match by {
            EndedBy::Blocks | EndedBy::LetThrough | EndedBy::Disagreement | EndedBy::P99 => {
                warn!(
                    candidate,
                    condition = by.name(),
                    "the trial ended by itself: {why}"
                );
            }
            EndedBy::Order | EndedBy::Promotion | EndedBy::Removed => {
                info!(candidate, by = by.name(), "the trial ended");
            }
        }
        trial.ended = Some(Ended {
            at_ms: now_ms(),
            by,
            who,
            why,
        });
        self.keep(state);
    }

    /// Makes the candidate the policy when its time has come and nothing speaks against it.
    fn promote_in_time(&self) {
        if !self.is_due() {
            return;
        }
        let held = match self.promote_now() {
            Ok(()) => None,
            Err(why) => {
                warn!("the candidate does not become the policy by itself: {why}");
                Some(why)
            }
        };
        let mut state = self.lock();
        state.held = held;
        state.promoted_at = Some(Instant::now());
    }

    fn is_due(&self) -> bool {
        let state = self.lock();
        let (Some(rules), Some(trial)) = (&state.rules, &state.trial) else {
            return false;
        };
        let after = rules.promote_after;
        let ran = Duration::from_millis(now_ms().saturating_sub(trial.started_ms));
        let tried = state.promoted_at;
        trial.ended.is_none()
            && !after.is_zero()
            && ran >= after
            && tried.is_none_or(|tried| tried.elapsed() >= PROMOTED_EVERY)
    }

    /// Errors: why not.
    fn promote_now(&self) -> Result<(), String> {
        let (base, compared) = match &self.lock().trial {
            Some(trial) => (trial.base.clone(), trial.tally.compared),
            None => return Ok(()),
        };
        let policy = self.policies.current().version.to_string();
        may_promote(&policy, &base, compared)?;
        let plan = self.plan().map_err(|error| error.to_string())?;
        let why = "its time had come, and no condition ended its trial";
        let begun = self.audit.begin(promotion(Who::Callgate, &plan, why));
        let begun = begun.map_err(|error| error.to_string())?;
        let origin = Origin {
            who: Who::Callgate,
            why: format!("candidate-{} promoted: {why}", plan.hash),
            restores: None,
        };
        match self.promote(&plan, origin, Budget::Held) {
            Ok(_) => {
                begun.done();
                Ok(())
            }
            Err(error) => {
                begun.failed(&error.to_string());
                Err(error.to_string())
            }
        }
    }

    fn keep(&self, state: &mut State) {
        let Some(trial) = &state.trial else { return };
        if let Err(error) = kept::write(&self.file, trial) {
            let file = self.file.display();
            warn!(%file, %error, "what is counted of the trial cannot be kept");
        }
        state.is_changed = false;
        state.kept_at = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_woken(&self) -> MutexGuard<'_, Option<Receiver<()>>> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
