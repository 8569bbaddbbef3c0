//! Versions of the policy in PostgreSQL, where all replicas have the same newest one.
//!
//! Owns: the tables, a thread with one connection, and how replicas wake each other.
//! Leaves alone: what the files mean (`policy`), and when a version is in force here (`reload`).
//!
//! A version is published over the one that it was made from, by compare-and-set: of two replicas
//! that publish at once one is told that the other came first. What is asked for here is asked once
//! a second; that others are told makes it sooner, and nothing depends on it.
//!
//! Order, downward: `thread`, `book`, `migrate`, `failed`.

mod book;
mod failed;
mod migrate;
mod thread;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use self::failed::Failed;
use self::thread::{Job, News, To};
use crate::outbox::Server;
use crate::reload::{Draft, Given, Ledger, NotShared, Policies};
use crate::watch::Watch;

/// Jobs that wait for the connection.
const JOBS_MAX: usize = 64;
/// Nobody waits longer for an answer: jobs are given up before that.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The newest version is asked for so often, whatever is heard.
const POLL: Duration = Duration::from_secs(1);

/// The asking side.
pub(crate) struct PostgresLedger {
    jobs: Sender<Job>,
    news: Arc<News>,
}

impl PostgresLedger {
    /// Connects with the first question. `versions_max`: older versions than so many are dropped.
    ///
    /// Errors: the operating system gives no thread.
    pub(crate) fn open(server: Server, versions_max: usize) -> std::io::Result<PostgresLedger> {
        let (jobs, to_do) = tokio::sync::mpsc::channel(JOBS_MAX);
        let news = Arc::new(News::default());
        thread::start(server, versions_max, to_do, Arc::clone(&news))?;
        Ok(PostgresLedger { jobs, news })
    }

    fn ask<T>(&self, job: impl FnOnce(To<T>) -> Job) -> Result<T, NotShared> {
        let (to, answer) = mpsc::channel();
        let away = |why: &str| NotShared::Away(why.to_owned());
        let sent = self.jobs.try_send(job(to));
        sent.map_err(|_| away("too much is asked at once"))?;
        match answer.recv_timeout(ANSWER_MAX) {
            Ok(answer) => answer.map_err(NotShared::from),
            Err(RecvTimeoutError::Timeout) => Err(away("no answer")),
            Err(RecvTimeoutError::Disconnected) => Err(away("its thread has ended")),
        }
    }
}

impl Ledger for PostgresLedger {
    fn newest(&self, known: u64) -> Result<Option<Given>, NotShared> {
        self.ask(|to| Job::Newest(known, to))
    }

    fn publish(&self, draft: &Draft) -> Result<u64, NotShared> {
        self.ask(|to| Job::Publish(draft.clone(), to))
    }

    fn hurry(&self) {
        self.news.raise();
    }
}

impl From<Failed> for NotShared {
    fn from(failed: Failed) -> NotShared {
        match failed {
            Failed::Overtaken(newest) => NotShared::Overtaken(newest),
            Failed::Database(error) if error.is_passing() => NotShared::Away(error.to_string()),
            other => NotShared::Refused(other.to_string()),
        }
    }
}

/// Keeps the policies in force the newest until dropped. [`Ledger::hurry`] before makes that quick.
///
/// Errors: the operating system gives no thread.
pub(crate) fn follow(
    ledger: Arc<PostgresLedger>,
    policies: Arc<Policies>,
) -> std::io::Result<Watch> {
    // The wait is in the look, so that news end it.
    Watch::start("policy-follow", Duration::from_millis(1), move || {
        ledger.news.wait(POLL);
        policies.catch_up();
    })
}
