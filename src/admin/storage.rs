//! A backup of what this server keeps, as the API shows it and the audit has it.

use std::path::Path;

use serde_json::{Value, json};

use crate::audit::{Act, Who};
use crate::storage::State;

/// A backup, as it stands in the audit.
pub fn backup_act(who: Who, folder: &Path, why: &str) -> Act {
    Act::new("storage.backup", who)
        .on(folder.display().to_string())
        .because(why)
}

/// What became of the last backup.
pub(super) fn shown(last: Option<State>) -> Value {
    match last {
        None => json!({ "state": "none" }),
        Some(State::Running { to }) => json!({ "state": "running", "folder": to }),
        Some(State::Failed { to, why }) => {
            json!({ "state": "failed", "folder": to, "error": why })
        }
        Some(State::Done { to, manifest }) => json!({
            "state": "done",
            "folder": to,
            "began": manifest.began,
            "ended": manifest.ended,
            "files": manifest.files.len(),
            "bytes": manifest.bytes(),
        }),
    }
}
