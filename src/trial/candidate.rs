//! The candidate's own directory, read and watched as that of the policy in force is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info};

use crate::policy::{CompileContext, Snapshot};
use crate::reload::{Fingerprint, Policies, Start, watch};
use crate::settings::Problem;
use crate::telemetry::Metrics;
use crate::versions::{Files, InForce};
use crate::watch::Watch;

/// A directory that the policy names, whether a policy can be read from it or not.
#[derive(Debug)]
pub(super) struct Candidate {
    pub directory: PathBuf,
    context: CompileContext,
    opened: Option<Opened>,
    /// Why it cannot be opened, and what its files looked like then.
    problems: Vec<Problem>,
    seen: Option<Fingerprint>,
}

#[derive(Debug)]
struct Opened {
    policies: Arc<Policies>,
    files: Arc<Mutex<Option<InForce>>>,
    _watch: Watch,
}

impl Candidate {
    pub(super) fn new(directory: PathBuf, context: &CompileContext) -> Candidate {
        Candidate {
            directory,
            context: CompileContext {
                is_candidate: true,
                ..context.clone()
            },
            opened: None,
            problems: Vec::new(),
            seen: None,
        }
    }

    /// The policy that its files were last when they had no errors; opens it when its files have
    /// changed since it could not be.
    pub(super) fn look(&mut self) -> Option<Arc<Snapshot>> {
        if self.opened.is_none() {
            let now = Fingerprint::of(&self.directory);
            if self.seen.as_ref() != Some(&now) {
                self.open();
                self.seen = Some(now);
            }
        }
        let opened = self.opened.as_ref()?;
        Some(opened.policies.current())
    }

    /// A policy could be read from it.
    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// What keeps its files as they are on disk from being tried.
    pub(super) fn problems(&self) -> Vec<Problem> {
        match &self.opened {
            None => self.problems.clone(),
            Some(opened) => {
                let rejected = opened.policies.rejected();
                rejected.map_or_else(Vec::new, |rejected| rejected.problems)
            }
        }
    }

    /// The files that are tried: what the policy is read from, and its cases. With its hash.
    pub(super) fn files(&self) -> Option<(String, Files)> {
        let opened = self.opened.as_ref()?;
        let files = opened.files.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = files.as_ref()?;
        let is_part = |path: &str| {
            path.starts_with("tests/") || in_force.reads.iter().any(|read| read == path)
        };
        let files = in_force.files.iter().filter(|(path, _)| is_part(path));
        let files = files.map(|(path, content)| (path.clone(), Arc::clone(content)));
        Some((in_force.hash.to_string(), files.collect()))
    }

    fn open(&mut self) {
        let shown = self.directory.display().to_string();
        match open(&self.directory, self.context.clone()) {
            Ok(opened) => {
                info!(directory = shown, "a candidate policy is there");
                self.opened = Some(opened);
                self.problems.clear();
            }
            Err(problems) => {
                error!(
                    directory = shown,
                    problems = problems.len(),
                    "the candidate policy has errors, so it is not tried; the policy in force decides"
                );
                for problem in &problems {
                    error!("{problem}");
                }
                self.problems = problems;
            }
        }
    }
}

fn open(directory: &Path, context: CompileContext) -> Result<Opened, Vec<Problem>> {
    // Of its own: those of the process are about the policy in force.
    let metrics = Arc::new(Metrics::new());
    let policies = Policies::start(directory, context, metrics, Start::default());
    let policies = Arc::new(policies.map_err(|bad| bad.0)?);
    let files = Arc::new(Mutex::new(None));
    let follow = Arc::clone(&files);
    policies.follow_files(move |in_force| {
        *follow.lock().unwrap_or_else(PoisonError::into_inner) = Some(in_force.clone());
    });
    let watched = watch(Arc::clone(&policies)).map_err(|error| {
        let place = directory.display().to_string();
        let what = format!("cannot be watched: {error}");
        vec![Problem::of_file(place, what, "free some threads")]
    })?;
    Ok(Opened {
        policies,
        files,
        _watch: watched,
    })
}
