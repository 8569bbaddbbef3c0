//! Calls on their way to the writer's thread, and their answers.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::store::Store;
use crate::outbox::error::OutboxError;

pub(super) enum Message {
    Do(Job),
    /// Something was delivered that the file does not know yet.
    Settled,
    /// Much was.
    Record,
    /// The file is to stay as it is while it is copied; true when it did not.
    Hold(oneshot::Sender<Result<Arc<AtomicBool>, OutboxError>>),
    Close(oneshot::Sender<()>),
}

/// A call in the queue.
pub(super) struct Job {
    pub call: Box<dyn Work>,
    pub needs: Needs,
    /// How much of a commit it takes.
    pub entries: usize,
    /// Its place in the queue, free again when it is dropped.
    pub _room: OwnedSemaphorePermit,
}

/// What a call needs of its commit.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    /// It makes the outbox larger.
    pub adds: bool,
    /// Its answer is a promise that outlives a power loss.
    pub synced: bool,
    /// It is about what the file says, which must know what was delivered.
    pub records: bool,
}

impl Needs {
    /// It accepts events.
    pub(super) const ACCEPTING: Needs = Needs {
        adds: true,
        synced: true,
        records: false,
    };
    /// It changes for good what the file says.
    pub(super) const LASTING: Needs = Needs {
        adds: false,
        synced: true,
        records: true,
    };
    /// It looks at what the file says.
    pub(super) const LOOKING: Needs = Needs {
        synced: false,
        ..Needs::LASTING
    };
    /// It is about what is next to be told, whatever was delivered. A power loss may take it.
    pub(super) const TELLING: Needs = Needs {
        records: false,
        ..Needs::LOOKING
    };
}

/// A call of any type: done in a transaction, answered after it.
pub(super) trait Work: Send {
    /// Done again from the start if the transaction was rolled back.
    fn run(&mut self, store: &mut Store) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, committed: Result<(), OutboxError>);
}

pub(super) struct Call<T, F> {
    run: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, OutboxError>>,
}

impl<T, F> Call<T, F> {
    pub(super) fn new(run: F, answer: oneshot::Sender<Result<T, OutboxError>>) -> Call<T, F> {
        Call {
            run,
            value: None,
            answer,
        }
    }
}

impl<T: Send, F: FnMut(&mut Store) -> rusqlite::Result<T> + Send> Work for Call<T, F> {
    fn run(&mut self, store: &mut Store) -> rusqlite::Result<()> {
        self.value = Some((self.run)(store)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), OutboxError>) {
        let Call { run, value, answer } = *self;
        // What only the caller needs is freed by the caller.
        drop(run);
        let value = committed.map(|()| value.expect("what is committed was run"));
        // The caller may have gone; what it asked for is done all the same.
        let _ = answer.send(value);
    }
}
