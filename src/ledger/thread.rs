//! The thread that has the connection.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::book::Book;
use super::failed::Failed;
use crate::outbox::{DatabaseError, Server};
use crate::reload::{Draft, Given};

/// What takes longer is given up, with the connection.
const JOB_MAX: Duration = Duration::from_secs(8);

pub(super) type To<T> = mpsc::Sender<Result<T, Failed>>;

pub(super) enum Job {
    Newest(u64, To<Option<Given>>),
    Publish(Draft, To<u64>),
}

/// Raised when there may be another version.
#[derive(Debug, Default)]
pub(super) struct News {
    raised: Mutex<bool>,
    told: Condvar,
}

impl News {
    pub(super) fn raise(&self) {
        *lock(&self.raised) = true;
        self.told.notify_all();
    }

    pub(super) fn wait(&self, limit: Duration) {
        let raised = lock(&self.raised);
        let waited = self
            .told
            .wait_timeout_while(raised, limit, |raised| !*raised);
        let (mut raised, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *raised = false;
    }
}

/// Ends with the last who may ask.
pub(super) fn start(
    server: Server,
    versions_max: usize,
    jobs: Receiver<Job>,
    news: Arc<News>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = thread::Builder::new().name("policy-ledger".to_owned());
    let book = Book::new(&server, versions_max, Arc::new(Notify::new()));
    thread.spawn(move || runtime.block_on(serve(book, jobs, &news)))?;
    Ok(())
}

async fn serve(mut book: Book, mut jobs: Receiver<Job>, news: &News) {
    let notified = Arc::clone(&book.notified);
    loop {
        let job = tokio::select! {
            job = jobs.recv() => job,
            () = notified.notified() => {
                news.raise();
                continue;
            }
        };
        match job {
            None => return,
            Some(Job::Newest(known, to)) => {
                let newest = timeout(JOB_MAX, book.newest(known)).await;
                answer(&mut book, newest, &to);
            }
            Some(Job::Publish(draft, to)) => {
                let published = timeout(JOB_MAX, book.publish(&draft)).await;
                let published = match published {
                    // It may be committed all the same.
                    Ok(Err(Failed::Database(error))) if error.is_passing() => {
                        book.hang_up();
                        let heard = timeout(JOB_MAX, book.heard_of_last()).await;
                        Ok(match heard {
                            Ok(Ok(Some(number))) => Ok(number),
                            _ => Err(Failed::Database(error)),
                        })
                    }
                    published => published,
                };
                answer(&mut book, published, &to);
            }
        }
    }
}

/// Nobody may wait for it any more.
fn answer<T>(
    book: &mut Book,
    done: Result<Result<T, Failed>, tokio::time::error::Elapsed>,
    to: &To<T>,
) {
    let late = || {
        let why = format!("no answer within {JOB_MAX:?}");
        Err(Failed::Database(DatabaseError::Away(why)))
    };
    let done = done.unwrap_or_else(|_| late());
    if let Err(Failed::Database(error)) = &done
        && error.is_passing()
    {
        book.hang_up();
    }
    let _ = to.send(done);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
