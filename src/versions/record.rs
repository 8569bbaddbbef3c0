//! What is written of one version.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::audit::Who;

/// Who brought a version into force, and what for, where that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub who: Who,
    /// The reason that was given; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The earlier version whose files these are, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
}

impl Origin {
    /// Nobody: callgate itself.
    pub fn callgate(why: String) -> Origin {
        Origin {
            who: Who::Callgate,
            why,
            restores: None,
        }
    }

    /// Whoever wrote the files.
    pub fn files(uid: Option<u32>) -> Origin {
        Origin {
            who: Who::Files { uid },
            why: String::new(),
            restores: None,
        }
    }
}

/// A file that a version consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Relative to the policy directory with `/`; of files outside of it as the policy names them.
    pub path: String,
    pub sha256: String,
    pub bytes: u64,
    /// Its content is a secret, and is not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
    /// No policy is read from it, so that its content, which may be anything, is not kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
}

impl KeptFile {
    /// Its content is kept.
    pub fn is_kept(&self) -> bool {
        !self.secret && !self.idle
    }
}

/// A version that was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub number: u64,
    /// As [`crate::policy::Version`] has it.
    pub hash: String,
    /// When it came into force, in milliseconds since 1970.
    pub at_ms: u64,
    #[serde(flatten)]
    pub origin: Origin,
    /// callgate's own version.
    pub program: String,
    /// The files of the policy directory, by path.
    pub files: Vec<KeptFile>,
    /// Files elsewhere that it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<KeptFile>,
}

impl Record {
    /// Two lines: the record as JSON, and the SHA-256 of that line.
    pub(super) fn write(&self) -> String {
        // Strings and numbers: serialising them cannot fail.
        let line = serde_json::to_string(self).unwrap_or_default();
        let sum = sha256(line.as_bytes());
        format!("{line}\n{sum}\n")
    }

    /// `None`: it is not as it was written.
    pub(super) fn read(text: &[u8]) -> Option<Record> {
        let text = str::from_utf8(text).ok()?;
        let (line, sum) = text.strip_suffix('\n')?.split_once('\n')?;
        let is_whole = sum == sha256(line.as_bytes());
        serde_json::from_str(line).ok().filter(|_| is_whole)
    }

    pub fn file(&self, path: &str) -> Option<&KeptFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every content that it needs here.
    pub(super) fn contents(&self) -> impl Iterator<Item = &KeptFile> {
        let all = self.files.iter().chain(&self.outside);
        all.filter(|file| file.is_kept())
    }
}

/// In hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}
