//! What a failure of the file means, and who is told.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ErrorCode;

use super::store::lock;
use super::windows::Windows;
use crate::outbox::interface::{Broken, OnFatal};

/// Tells that the outbox can keep no promise any more.
pub(super) struct Alarm {
    pub broken: Arc<Mutex<Option<Broken>>>,
    pub on_fatal: OnFatal,
    pub windows: Arc<Mutex<Windows>>,
}

impl Alarm {
    pub(super) fn raise(&self, why: &str) {
        if self.set(why, false) {
            (self.on_fatal)(why);
        }
    }

    /// What is on the disk is as safe as it was, but this writer is of no use.
    pub(super) fn give_up(&self, why: &str) {
        self.set(why, true);
    }

    fn set(&self, why: &str, may_reopen: bool) -> bool {
        lock(&self.windows).shut = true;
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if broken.is_some() {
            return false;
        }
        let why = why.to_owned();
        *broken = Some(Broken { why, may_reopen });
        true
    }

    /// Why it has ended.
    pub(super) fn broken(&self) -> Option<Broken> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.clone()
    }

    /// It begins again.
    pub(super) fn clear(&self) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a failure of the file means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing was written, and there may be room later.
    Full,
    /// What was asked cannot be done; what else is asked can.
    Failed,
    /// The file is not what was written, and more writing would make it worse.
    Damaged,
    /// Nothing that the disk says can be believed any more.
    Fatal,
}

/// The error, with the code that says which operation failed.
pub(super) fn words(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("{error} (SQLite code {})", code.extended_code),
        None => error.to_string(),
    }
}

pub(super) fn fate(error: &rusqlite::Error) -> Fate {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fate::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Fate::Damaged,
        // A failed sync is one of the first; the kernel may drop the data and then report success.
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            Fate::Fatal
        }
        _ => Fate::Failed,
    }
}
