//! What of a trial survives a restart: one small file, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tally::{Condition, Tally};
use crate::audit::Who;

/// One candidate on one set of terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trial {
    /// The hash of the candidate.
    pub candidate: String,
    pub terms: String,
    /// The policy in force when it began.
    pub base: String,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    pub ended: Option<Ended>,
    pub tally: Tally,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub at_ms: u64,
    pub by: EndedBy,
    pub who: Who,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndedBy {
    Blocks,
    LetThrough,
    Disagreement,
    P99,
    /// Somebody said so.
    Order,
    /// The candidate is the policy now.
    Promotion,
    /// The policy names it no more.
    Removed,
}

impl EndedBy {
    pub(super) fn name(self) -> &'static str {
        match self {
            EndedBy::Blocks => "blocks",
            EndedBy::LetThrough => "let_through",
            EndedBy::Disagreement => "disagreement",
            EndedBy::P99 => "p99",
            EndedBy::Order => "order",
            EndedBy::Promotion => "promotion",
            EndedBy::Removed => "removed",
        }
    }
}

impl From<Condition> for EndedBy {
    fn from(condition: Condition) -> EndedBy {
        match condition {
            Condition::Blocks => EndedBy::Blocks,
            Condition::LetThrough => EndedBy::LetThrough,
            Condition::Disagreement => EndedBy::Disagreement,
            Condition::P99 => EndedBy::P99,
        }
    }
}

impl Trial {
    pub(super) fn is_of(&self, candidate: &str, terms: &str) -> bool {
        self.candidate == candidate && self.terms == terms
    }

    /// What ends it where the policy in force, of this hash, names no candidate: a promotion that broke
    /// off at a crash is ended by the next start, which knows no more of it than the files.
    pub(super) fn left(&self, policy: &str) -> (EndedBy, &'static str) {
        match *self.candidate == *policy {
            true => (EndedBy::Promotion, "the candidate's files are the policy"),
            false => (EndedBy::Removed, "the policy names no candidate"),
        }
    }

    /// It goes on, or stays ended, when the same is named again; what left the policy begins anew.
    pub(super) fn stays(&self) -> bool {
        let by = self.ended.as_ref().map(|ended| ended.by);
        !matches!(by, Some(EndedBy::Promotion | EndedBy::Removed))
    }
}

/// `None`: there is none that can be read.
pub(super) fn read(file: &Path) -> Option<Trial> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

pub(super) fn write(file: &Path, trial: &Trial) -> io::Result<()> {
    let beside = file.with_extension("json.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut written = options.open(&beside)?;
    written.write_all(&serde_json::to_vec(trial)?)?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    if let Some(folder) = file.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
