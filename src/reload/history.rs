//! What was in force, and what was not taken.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::policy::Version;
use crate::settings::Problem;

/// Versions that `/status` and `AdminService.Versions` remember.
const VERSIONS_KEPT: usize = 32;

/// An edit that was not taken, while an older policy stays in force.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub problems: Vec<Problem>,
}

/// The file of a word list that is not in force as it is on disk; its last good content is.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// By its path in the policy directory.
    pub file: String,
    /// In one clause.
    pub why: String,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// A version that is or was in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub version: Version,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

/// engine.yaml on disk says something else than what callgate was started with.
#[derive(Clone, Debug)]
pub struct EngineEdit {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Empty: the next start takes it.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Default)]
pub(super) struct History {
    /// Newest last.
    pub loaded: VecDeque<Loaded>,
    /// The edit that is on disk and not in force.
    pub rejected: Option<Rejected>,
    /// Lists whose edit is not in force, while everything else may be.
    pub held: Vec<Held>,
    /// The start took the version that was in force last, because the files had errors.
    pub restored: bool,
    /// Findings about the version in force.
    pub warnings: Vec<Problem>,
    pub engine: Option<EngineEdit>,
}

impl History {
    /// Returns when that was.
    pub(super) fn took(&mut self, version: Version, warnings: Vec<Problem>) -> u64 {
        let at_ms = now_ms();
        self.loaded.push_back(Loaded { version, at_ms });
        if self.loaded.len() > VERSIONS_KEPT {
            self.loaded.pop_front();
        }
        self.rejected = None;
        self.held.clear();
        self.restored = false;
        self.warnings = warnings;
        at_ms
    }

    pub(super) fn engine_edited(&mut self, problems: Vec<Problem>) {
        let at_ms = now_ms();
        self.engine = Some(EngineEdit { at_ms, problems });
    }

    pub(super) fn refused(&mut self, problems: Vec<Problem>, held: Vec<Held>) {
        let at_ms = now_ms();
        self.rejected = Some(Rejected { at_ms, problems });
        self.held = held;
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
