//! Backups of what this server keeps.

use std::path::{Path, PathBuf};

use http::StatusCode;

use super::about::{About, number, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::admin::storage::{backup_act, shown};
use crate::storage::StorageError;

/// Longest reason.
const WHY_BYTES_MAX: usize = 512;

pub(super) const LAST: About = About {
    answer: &[
        text("state", "none, running, done or failed"),
        text("folder", "where it is, on the server's machine"),
        time("began", "what was acknowledged before is in it"),
        time("ended", "when it was whole"),
        number("files", "how many it has"),
        number("bytes", "of all of them"),
        text("error", "why there is none"),
    ],
    ..About::new("Shows what became of the last backup since the start.")
};

pub(super) const BACKUP: About = About {
    body: &[
        text(
            "folder",
            "an absolute path on the server's machine; it must not be there yet",
        )
        .must(),
        text("why", "the reason; it stands in the audit"),
    ],
    answer: &[text("state", "running"), text("folder", "where it will be")],
    ..About::new("Begins a backup of all that is kept; one is made at a time.")
};

pub(super) async fn last(call: Call) -> Answer {
    reply::found(&shown(call.admin.backups.last()))
}

pub(super) async fn backup(call: Call) -> Answer {
    let (folder, why) = (PathBuf::from(call.text("folder")), call.text("why").trim());
    if why.len() > WHY_BYTES_MAX {
        let what = format!("`why` is longer than {WHY_BYTES_MAX} bytes");
        return Err(ApiProblem::invalid(what).with("field", "why"));
    }
    check(&folder)?;
    let backups = &call.admin.backups;
    backups.claim(&folder)?;
    let act = backup_act(call.asked.who(), &folder, why);
    let begun = match call.asked.begin(act).await {
        Ok(begun) => begun,
        Err(status) => {
            backups.give_up(folder, status.message().to_owned());
            return Err(status.into());
        }
    };
    let (outbox, history) = (call.admin.outbox.clone(), call.admin.history.clone());
    backups.start(folder, outbox, history, begun);
    reply::found(&shown(backups.last()))
}

/// What can be said before anything begins.
fn check(folder: &Path) -> Result<(), StorageError> {
    if !folder.is_absolute() {
        return Err(StorageError::Relative(folder.to_owned()));
    }
    match std::fs::symlink_metadata(folder).is_ok() {
        true => Err(StorageError::Exists(folder.to_owned())),
        false => Ok(()),
    }
}

impl From<StorageError> for ApiProblem {
    fn from(error: StorageError) -> ApiProblem {
        let why = error.to_string();
        match error {
            StorageError::Relative(_) => ApiProblem::invalid(why).with("field", "folder"),
            StorageError::Exists(_) | StorageError::Busy(_) => ApiProblem::conflict(why),
            _ => ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "not_written", why),
        }
    }
}
