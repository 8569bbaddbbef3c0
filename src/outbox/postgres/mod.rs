//! The outbox in PostgreSQL, for several replicas: accepted means committed there.
//!
//! Owns: the schema, a thread with a few connections, and this replica's lease.
//! Calls become jobs for that thread. A transaction is never open while somebody is told something.
//!
//! All that changes pairs of an endpoint holds the row of the endpoint, so claims and settlements of
//! several replicas come one after the other; accepting holds nothing and waits for nobody.
//! Whatever a replica claimed carries a number that is never used twice; when it was silent for its
//! lease, others put that back, and its late settlements find nothing.
//!
//! Order, downward: `moving`, `alone`, `keeper`, `migrate`, `task`, `job`, `replica`, `sweep`, `append`, `latest`, `claim`, `settle`, `dead`,
//! `pending`, `stats`, `order`, `ends`, `move_out`, `move_in`, `mark`, `store`, `hosts`, `tally`, `connect`, `tls`, `digest`.

mod alone;
mod append;
mod claim;
mod connect;
mod dead;
mod digest;
mod ends;
mod hosts;
mod job;
mod keeper;
mod latest;
mod mark;
mod migrate;
mod move_in;
mod move_out;
mod moving;
mod order;
mod pending;
mod replica;
mod settle;
mod stats;
mod store;
mod sweep;
mod tally;
mod task;
mod tls;

#[cfg(test)]
pub(super) mod tests;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tracing::error;

pub(crate) use self::connect::{Connection, Error};
pub(crate) use self::hosts::Hosts;
pub(super) use self::moving::Moving;

use self::job::{Append, Deliver, Look, To};
use self::store::{Shared, lock};
use self::task::Task;
use super::config::{Config, Server, WhenDown};
use super::entry::{
    Appended, Capacity, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
};
use super::error::{AppendError, OpenError, OutboxError};
use super::interface::{Outbox, SharedState};
use super::letter::{DeadAct, DeadCursor, DeadFilter, DeadPage, DeadStep, DiscardedPage};
use super::pending::{PendingFilter, PendingPage};

/// The asking side of the thread that has the connections.
pub(super) struct Postgres {
    shared: Arc<Shared>,
    /// `None` once it is closed.
    asks: Mutex<Option<Asks>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Asks {
    append: mpsc::Sender<Append>,
    /// Each with a connection of its own; an endpoint has always the same.
    deliver: Vec<mpsc::Sender<Deliver>>,
    look: mpsc::Sender<Look>,
}

struct Jobs {
    append: mpsc::Receiver<Append>,
    deliver: Vec<mpsc::Receiver<Deliver>>,
    look: mpsc::Receiver<Look>,
}

impl Postgres {
    pub(super) fn open(config: &Config, server: &Server) -> Result<Postgres, OpenError> {
        Postgres::start(config, server, false)
    }

    /// The same, though the server may be away: every call is answered with the reason meanwhile.
    pub(super) fn keep_open(config: &Config, server: &Server) -> Result<Postgres, OpenError> {
        Postgres::start(config, server, true)
    }

    fn start(config: &Config, server: &Server, may_wait: bool) -> Result<Postgres, OpenError> {
        let shared = Shared::new(config.clone(), server.clone(), watch::Sender::new(0));
        let shared = Arc::new(shared);
        let (asks, jobs) = channels(config.queue_max.max(1), server.connections.max(1));
        let (begun, is_begun) = std::sync::mpsc::channel();
        let of_thread = Arc::clone(&shared);
        let failed = |why: String| OpenError::Database { why };
        let thread = thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || serve(of_thread, jobs, may_wait, &begun))
            .map_err(|error| failed(format!("no thread for it: {error}")))?;
        match is_begun.recv() {
            Ok(Ok(())) => {}
            Ok(Err(connect::Error::Newer { found, known })) => {
                return Err(OpenError::NewerSchema {
                    schema: server.schema.clone(),
                    found,
                    known,
                });
            }
            Ok(Err(connect::Error::Moved(why))) => {
                return Err(OpenError::Moved {
                    place: format!("{}, schema {}", server.shown(), server.schema),
                    why,
                });
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("its thread has ended".to_owned())),
        }
        Ok(Postgres {
            shared,
            asks: Mutex::new(Some(asks)),
            thread: Mutex::new(Some(thread)),
        })
    }

    fn asks(&self) -> Result<Asks, OutboxError> {
        lock(&self.asks).clone().ok_or(OutboxError::Closed)
    }

    async fn look<T>(&self, job: impl FnOnce(To<T>) -> Look) -> Result<T, OutboxError> {
        let (to, answer) = oneshot::channel();
        let sent = self.asks()?.look.send(job(to)).await;
        sent.map_err(|_| OutboxError::Closed)?;
        answer.await.map_err(|_| OutboxError::Closed)?
    }

    async fn deliver<T>(
        &self,
        endpoint: usize,
        job: impl FnOnce(To<T>) -> Deliver,
    ) -> Result<T, OutboxError> {
        let (to, answer) = oneshot::channel();
        let asks = self.asks()?.deliver;
        let sent = asks[endpoint % asks.len()].send(job(to)).await;
        sent.map_err(|_| OutboxError::Closed)?;
        answer.await.map_err(|_| OutboxError::Closed)?
    }

    /// Which connection an endpoint has.
    fn place(&self, endpoint: &str) -> usize {
        let number = lock(&self.shared.endpoints).numbers.get(endpoint).copied();
        number.unwrap_or_default() as usize
    }
}

fn channels(queue_max: usize, connections: usize) -> (Asks, Jobs) {
    let (append, appends) = mpsc::channel(queue_max);
    let (look, looks) = mpsc::channel(queue_max);
    let delivers = (0..connections).map(|_| mpsc::channel(queue_max));
    let (deliver, to_deliver) = delivers.unzip();
    let asks = Asks {
        append,
        deliver,
        look,
    };
    let jobs = Jobs {
        append: appends,
        deliver: to_deliver,
        look: looks,
    };
    (asks, jobs)
}

/// The life of the thread.
fn serve(
    shared: Arc<Shared>,
    jobs: Jobs,
    may_wait: bool,
    begun: &std::sync::mpsc::Sender<Result<(), connect::Error>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = begun.send(Err(connect::Error::Failed(error.to_string())));
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        let connection = match keeper::begin(&shared).await {
            Ok(connection) => Some(connection),
            Err(connect::Error::Away(why)) if may_wait => {
                match shared.server.when_down {
                    WhenDown::Spool => error!(
                        why,
                        "PostgreSQL is away and asked again; after events are kept here meanwhile"
                    ),
                    WhenDown::Refuse => error!(
                        why,
                        "no after event is accepted, and PostgreSQL is asked again"
                    ),
                }
                shared.gone(&why);
                None
            }
            Err(error) => {
                let _ = begun.send(Err(error));
                return;
            }
        };
        let _ = begun.send(Ok(()));
        let mut tasks = tokio::task::JoinSet::new();
        let task = |number| Task {
            number,
            shared: Arc::clone(&shared),
            connection: None,
        };
        tasks.spawn_local(task(1).accept(jobs.append));
        tasks.spawn_local(task(2).look(jobs.look));
        for (number, deliver) in (3..).zip(jobs.deliver) {
            tasks.spawn_local(task(number).deliver(deliver));
        }
        let keeper = tokio::task::spawn_local(keeper::keep(Arc::clone(&shared), connection));
        while tasks.join_next().await.is_some() {}
        shared.ended.cancel();
        // A panic of it was reported by itself.
        let _ = keeper.await;
    });
}

#[async_trait]
impl Outbox for Postgres {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            entry.admit(&self.shared.config)?;
        }
        let (to, answer) = oneshot::channel();
        let job = Append { entries, to };
        let sent = self.asks()?.append.send(job).await;
        sent.map_err(|_| AppendError::Closed)?;
        answer.await.map_err(|_| AppendError::Closed)?
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Result<Vec<StoredEvent>, OutboxError> {
        let name = endpoint.to_owned();
        let claim = |to| Deliver::Claim(name, now_ms, capacity, to);
        self.deliver(self.place(endpoint), claim).await
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        let endpoint = settlements.first().map_or(0, |(key, _)| key.endpoint);
        let settle = |to| Deliver::Settle(settlements, now_ms, to);
        self.deliver(endpoint as usize, settle).await
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        let name = endpoint.to_owned();
        let ask = |to| Deliver::NextDue(name, to);
        self.deliver(self.place(endpoint), ask).await
    }

    async fn bound_retries(&self, endpoint: &str, latest_ms: Vec<u64>) -> Result<(), OutboxError> {
        let name = endpoint.to_owned();
        let bound = |to| Deliver::BoundRetries(name, latest_ms, to);
        self.deliver(self.place(endpoint), bound).await
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        let filter = filter.clone();
        self.look(|to| Look::Dead(filter, from, limit, to)).await
    }

    async fn discarded(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        let filter = filter.clone();
        self.look(|to| Look::Discarded(filter, from, limit, to))
            .await
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let (act, filter) = (act.clone(), filter.clone());
        self.look(|to| Look::ActOnDead(act, filter, from, limit, now_ms, to))
            .await
    }

    async fn pending(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<PendingPage, OutboxError> {
        let filter = filter.clone();
        self.look(|to| Look::Pending(filter, from, limit, to)).await
    }

    async fn retry_now(
        &self,
        filter: &PendingFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let filter = filter.clone();
        self.look(|to| Look::RetryNow(filter, from, limit, now_ms, to))
            .await
    }

    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        let (name, reason) = (endpoint.to_owned(), reason.to_owned());
        let job = |to| Look::DiscardPending(name, reason, accepted_before_ms, limit, now_ms, to);
        self.look(job).await
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        let name = endpoint.to_owned();
        self.look(|to| Look::SetHealth(name, health, to)).await
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        self.look(Look::Endpoints).await
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.look(Look::Stats).await
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.shared.wakeups.subscribe()
    }

    fn refusal(&self) -> Option<String> {
        let away = lock(&self.shared.away).clone();
        away.map(|why| connect::Error::Away(why).to_string())
    }

    fn replicas(&self) -> u32 {
        self.shared.replicas.load(Ordering::Relaxed)
    }

    async fn shared(&self) -> Option<SharedState> {
        Some(SharedState {
            replica: self.shared.server.replica.clone(),
            replicas: self.replicas(),
            away: lock(&self.shared.away).clone(),
            spooled: 0,
        })
    }

    async fn close(&self) {
        let asks = lock(&self.asks).take();
        if asks.is_none() {
            return;
        }
        self.shared.close_well();
        drop(asks);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // A panic of it was reported by itself.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Postgres {
    /// Without `close` before, what is in flight stays so, as after a crash.
    fn drop(&mut self) {
        self.shared.end();
        lock(&self.asks).take();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}
