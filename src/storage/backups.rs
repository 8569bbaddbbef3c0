//! The backups of a running server: one at a time, and what became of the last.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backup::backup;
use super::error::StorageError;
use super::manifest::Manifest;
use super::places::Places;
use crate::audit::Begun;
use crate::history::History;
use crate::outbox::Outbox;

/// What became of the last backup.
#[derive(Clone, Debug)]
pub enum State {
    Running {
        to: PathBuf,
    },
    Done {
        to: PathBuf,
        manifest: Box<Manifest>,
    },
    Failed {
        to: PathBuf,
        why: String,
    },
}

/// Makes backups of what this process keeps.
#[derive(Debug)]
pub struct Backups {
    places: Places,
    last: Mutex<Option<State>>,
}

impl Backups {
    pub fn new(places: Places) -> Backups {
        Backups {
            places,
            last: Mutex::default(),
        }
    }

    pub fn last(&self) -> Option<State> {
        self.lock().clone()
    }

    /// Takes the place of the one backup that is made at a time.
    ///
    /// Errors: another is being made.
    pub fn claim(&self, to: &std::path::Path) -> Result<(), StorageError> {
        let mut last = self.lock();
        if let Some(State::Running { to }) = &*last {
            return Err(StorageError::Busy(to.clone()));
        }
        *last = Some(State::Running { to: to.to_owned() });
        Ok(())
    }

    /// It does not begin after all.
    pub fn give_up(&self, to: PathBuf, why: String) {
        *self.lock() = Some(State::Failed { to, why });
    }

    /// Makes the backup that has the place, in a task of its own.
    pub fn start(
        self: &Arc<Self>,
        to: PathBuf,
        outbox: Arc<dyn Outbox>,
        history: Arc<History>,
        begun: Begun,
    ) {
        let backups = Arc::clone(self);
        // Were it to panic, it is told as failed all the same.
        let running = Running { backups, to };
        tokio::spawn(running.run(outbox, history, begun));
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Running {
    backups: Arc<Backups>,
    to: PathBuf,
}

impl Running {
    async fn run(self, outbox: Arc<dyn Outbox>, history: Arc<History>, mut begun: Begun) {
        let made = backup(
            &self.backups.places,
            Some(&*outbox),
            Some(history),
            &self.to,
        )
        .await;
        let to = self.to.clone();
        let state = match &made {
            Ok(manifest) => {
                begun.counted("files", manifest.files.len() as u64);
                begun.counted("bytes", manifest.bytes());
                let manifest = Box::new(manifest.clone());
                State::Done { to, manifest }
            }
            Err(error) => {
                let why = error.to_string();
                tracing::error!(to = %to.display(), why, "no backup was made");
                State::Failed { to, why }
            }
        };
        let recorded = tokio::task::spawn_blocking(move || match made {
            Ok(_) => begun.done(),
            Err(error) => begun.failed(&error.to_string()),
        });
        let _ = recorded.await;
        *self.backups.lock() = Some(state);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut last = self.backups.lock();
        if matches!(&*last, Some(State::Running { .. })) {
            let (to, why) = (self.to.clone(), "it was broken off".to_owned());
            *last = Some(State::Failed { to, why });
        }
    }
}
