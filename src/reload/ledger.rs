//! Versions that several replicas agree on: what is in force here is what a ledger has as the newest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Problem;
use crate::versions::Origin;

/// A version that cannot be in force here is tried again so often: what it lacks may be there by then.
const AGAIN: Duration = Duration::from_secs(5);

/// By path in the policy directory.
pub type Contents = BTreeMap<String, Arc<[u8]>>;

/// A version as all replicas have it.
#[derive(Clone, Debug)]
pub struct Given {
    pub number: u64,
    pub origin: Origin,
    pub files: Contents,
}

/// A version that is to be the newest.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The newest that it was made from; if another one is newest by then, it is not taken.
    pub over: u64,
    /// Its number is this or a higher one.
    pub at_least: u64,
    pub hash: Arc<str>,
    pub origin: Origin,
    pub files: Contents,
}

/// Why a version is not the newest, or the newest cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShared {
    #[error("version {0} of the policy came first: look at it, and make the change again")]
    Overtaken(u64),
    /// It may be tried again.
    #[error("the versions of the policy cannot be reached: {0}")]
    Away(String),
    /// This must be mended by people.
    #[error("the versions of the policy cannot be used: {0}")]
    Refused(String),
}

/// Where replicas agree. Calls block, no longer than a few seconds.
pub trait Ledger: Send + Sync {
    /// The newest version, unless it is `known`. `None` too before there is any.
    fn newest(&self, known: u64) -> Result<Option<Given>, NotShared>;

    /// Makes a version the newest; returns its number.
    fn publish(&self, draft: &Draft) -> Result<u64, NotShared>;

    /// Has whoever follows ask for the newest at once.
    fn hurry(&self);
}

/// How far this replica is with what all have.
#[derive(Clone, Debug, Default)]
pub struct SharedState {
    /// The newest version that is known here.
    pub newest: u64,
    /// Why the newest one cannot be asked for.
    pub away: Option<String>,
    /// Why the newest one cannot be in force here.
    pub problems: Vec<Problem>,
}

/// The ledger of the policies in force.
pub(super) struct Shared {
    pub ledger: Arc<dyn Ledger>,
    /// The file is no part of a version: each replica has its own.
    pub engine_yaml: PathBuf,
    state: Mutex<SharedState>,
    /// The version that cannot be in force here, and when that was found.
    refused: Mutex<Option<(u64, Instant)>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    pub(super) fn new(ledger: Arc<dyn Ledger>, engine_yaml: PathBuf, state: SharedState) -> Shared {
        Shared {
            ledger,
            engine_yaml,
            state: Mutex::new(state),
            refused: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, SharedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version that needs not be asked for: `in_force`, or one that cannot be.
    pub(super) fn known(&self, in_force: u64) -> u64 {
        let refused = *lock(&self.refused);
        match refused {
            Some((number, at)) if at.elapsed() < AGAIN => number.max(in_force),
            _ => in_force,
        }
    }

    /// Says whether that is news.
    pub(super) fn refuse(&self, number: u64, problems: Vec<Problem>) -> bool {
        let is_news = {
            let mut state = self.state();
            let is_news = state.newest != number || state.problems != problems;
            state.newest = number;
            state.problems = problems;
            is_news
        };
        *lock(&self.refused) = Some((number, Instant::now()));
        is_news
    }

    /// What is newest is in force here.
    pub(super) fn reached(&self, number: u64) {
        let mut state = self.state();
        state.newest = number;
        state.problems.clear();
        drop(state);
        *lock(&self.refused) = None;
    }

    /// What was refused is tried at once.
    pub(super) fn retry(&self) {
        *lock(&self.refused) = None;
    }

    /// Says whether that is news.
    pub(super) fn asked(&self, away: Option<String>) -> bool {
        let mut state = self.state();
        let is_news = state.away.is_some() != away.is_some();
        state.away = away;
        is_news
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
