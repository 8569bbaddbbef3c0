//! The policies in force: reads the files, compiles them, swaps the snapshot, watches for edits.
//!
//! Owns: which snapshot is current, its number, what is wrong with a rejected edit.
//! Leaves alone: what the files mean (`policy`).
//!
//! A reader takes the current snapshot without a lock and keeps it for one whole message. An
//! edit comes into force whole or not at all; a bad one changes nothing but a metric, a log line
//! and the status.

mod files;
mod watch;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use crate::policy::{self, CompileContext, FileSet, Snapshot, Version};
use crate::settings::{Problem, Severity};
use crate::telemetry::Metrics;

use files::Fingerprint;
pub use files::read_files;
pub use watch::Watch;

/// Versions that `/status` and `AdminService.Versions` remember.
const VERSIONS_KEPT: usize = 32;

/// How often files that are being edited are read again before they are taken as they are.
const READ_TRIES: usize = 5;
const READ_PAUSE: Duration = Duration::from_millis(50);

/// Why callgate cannot start: every problem of the policy files.
#[derive(Debug, thiserror::Error)]
#[error("the policy has {} error(s)", .0.iter().filter(|problem| problem.severity == Severity::Error).count())]
pub struct BadPolicy(pub Vec<Problem>);

/// An edit that was not taken, while an older policy stays in force.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub problems: Vec<Problem>,
}

/// A version that is or was in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub version: Version,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// What one look at the files led to.
#[derive(Debug)]
pub struct Reloaded {
    pub version: Version,
    pub changed: bool,
    pub problems: Vec<Problem>,
}

/// The policies in force, shared by all that decide.
#[derive(Debug)]
pub struct Policies {
    current: ArcSwap<Snapshot>,
    directory: PathBuf,
    context: CompileContext,
    metrics: Arc<Metrics>,
    history: Mutex<History>,
    /// Held while files are read and compiled, so that two reloads never race.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct History {
    loaded: VecDeque<Loaded>,
    rejected: Option<Rejected>,
    warnings: Vec<Problem>,
}

impl Policies {
    /// Reads `directory` for the first time.
    ///
    /// Errors: [`BadPolicy`] lists every problem; nothing is in force then.
    pub fn start(
        directory: &Path,
        context: CompileContext,
        metrics: Arc<Metrics>,
    ) -> Result<Policies, BadPolicy> {
        let files = read_files(directory).map_err(|problem| BadPolicy(vec![*problem]))?;
        let compiled = policy::compile(&files, &context, 1);
        let Some(snapshot) = compiled.snapshot else {
            return Err(BadPolicy(compiled.problems));
        };
        metrics.reloaded("loaded", snapshot.version.number, false);
        let history = History {
            loaded: VecDeque::from([loaded_now(&snapshot)]),
            rejected: None,
            warnings: compiled.problems,
        };
        Ok(Policies {
            current: ArcSwap::from_pointee(snapshot),
            directory: directory.to_owned(),
            context,
            metrics,
            history: Mutex::new(history),
            loading: Mutex::new(()),
        })
    }

    /// The snapshot in force. Take it once for a message and use it for the whole of it.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Looks at the files now. Blocks while it reads and compiles: not for an async task.
    pub fn reload(&self) -> Reloaded {
        let _alone = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        let number = current.version.number + 1;
        let compiled = match self.read_whole() {
            Ok(files) => policy::compile(&files, &self.context, number),
            Err(problem) => policy::Compiled {
                snapshot: None,
                problems: vec![*problem],
            },
        };
        match compiled.snapshot {
            Some(snapshot) if snapshot.version.hash == current.version.hash => {
                self.unchanged(&current.version, compiled.problems)
            }
            Some(snapshot) => self.take(snapshot, compiled.problems),
            None => self.reject(&current.version, compiled.problems),
        }
    }

    /// The versions that were in force, newest first.
    pub fn versions(&self) -> Vec<Loaded> {
        self.history().loaded.iter().rev().cloned().collect()
    }

    /// The edit that was refused and is still on disk.
    pub fn rejected(&self) -> Option<Rejected> {
        self.history().rejected.clone()
    }

    /// Findings about the policy in force that do not keep it from working.
    pub fn warnings(&self) -> Vec<Problem> {
        self.history().warnings.clone()
    }

    /// Reads until nothing was edited between the first and the last file, so that no mixture of
    /// two edits is ever compiled.
    fn read_whole(&self) -> Result<FileSet, Box<Problem>> {
        let mut tries = 0;
        loop {
            let before = self.fingerprint();
            let files = read_files(&self.directory);
            tries += 1;
            if self.fingerprint() == before || tries == READ_TRIES {
                return files;
            }
            thread::sleep(READ_PAUSE);
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.directory)
    }

    fn take(&self, snapshot: Snapshot, problems: Vec<Problem>) -> Reloaded {
        let version = snapshot.version.clone();
        {
            let mut history = self.history();
            history.loaded.push_back(loaded_now(&snapshot));
            if history.loaded.len() > VERSIONS_KEPT {
                history.loaded.pop_front();
            }
            history.rejected = None;
            history.warnings = problems.clone();
        }
        self.current.store(Arc::new(snapshot));
        self.metrics.reloaded("loaded", version.number, false);
        info!(version = %version, warnings = problems.len(), "policies reloaded");
        for problem in &problems {
            warn!("{problem}");
        }
        Reloaded {
            version,
            changed: true,
            problems,
        }
    }

    fn unchanged(&self, version: &Version, problems: Vec<Problem>) -> Reloaded {
        let recovered = self.history().rejected.take().is_some();
        if recovered {
            info!(version = %version, "policy files are back to what is in force");
        }
        self.metrics.reloaded("unchanged", version.number, false);
        Reloaded {
            version: version.clone(),
            changed: false,
            problems,
        }
    }

    fn reject(&self, version: &Version, problems: Vec<Problem>) -> Reloaded {
        self.metrics.reloaded("rejected", version.number, true);
        error!(
            in_force = %version,
            problems = problems.len(),
            "policy edit rejected, the last good policy stays in force"
        );
        for problem in &problems {
            error!("{problem}");
        }
        self.history().rejected = Some(Rejected {
            at_ms: now_ms(),
            problems: problems.clone(),
        });
        Reloaded {
            version: version.clone(),
            changed: false,
            problems,
        }
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn loaded_now(snapshot: &Snapshot) -> Loaded {
    Loaded {
        version: snapshot.version.clone(),
        at_ms: now_ms(),
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
