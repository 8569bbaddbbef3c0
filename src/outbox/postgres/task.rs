//! One connection and what is done on it, one transaction after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::connect::{Connection, Error};
use super::job::{Append, Deliver, Look, To};
use super::settle::Settled;
use super::store::{Lasting, Shared, Tx, lock};
use crate::outbox::entry::{Appended, Capacity, NewEntry, Settlement, StoredEvent};
use crate::outbox::error::{AppendError, OutboxError};

/// A transaction that takes longer is given up, with its connection.
const TRANSACTION_MAX: Duration = Duration::from_secs(15);
/// A transaction that others are in the way of is tried so often.
const TRIES_MAX: u32 = 20;
/// Settlements that one transaction takes, so that claims of others wait little.
const SETTLED_MAX: usize = 512;

/// Nobody may wait for it any more.
fn answer<T>(to: To<T>, result: Result<T, Error>) {
    let _ = to.send(result.map_err(OutboxError::from));
}

pub(super) struct Task {
    pub number: i16,
    pub shared: Arc<Shared>,
    pub connection: Option<Connection>,
}

impl Task {
    /// Does something in a transaction, again while others are in its way.
    async fn transact<T>(
        &mut self,
        lasting: Lasting,
        mut run: impl AsyncFnMut(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            let once = tokio::time::timeout(TRANSACTION_MAX, self.once(lasting, &mut run)).await;
            let late = || Error::Away(format!("no answer within {TRANSACTION_MAX:?}"));
            let error = match once.unwrap_or_else(|_| Err(late())) {
                Ok(done) => {
                    self.shared.here();
                    return Ok(done);
                }
                Err(error) => error,
            };
            match &error {
                Error::Again(_) if tries < TRIES_MAX => {
                    tries += 1;
                    let wait = Duration::from_millis(fastrand::u64(1..=10 * u64::from(tries)));
                    tokio::time::sleep(wait).await;
                    continue;
                }
                Error::Away(why) => {
                    self.connection = None;
                    self.shared.gone(why);
                }
                Error::Fenced => self.shared.fenced.notify_one(),
                _ => {}
            }
            return Err(error);
        }
    }

    async fn once<T>(
        &mut self,
        lasting: Lasting,
        run: &mut impl AsyncFnMut(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.shared.begun()?;
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            let told = Arc::default();
            let connected = self.shared.hosts.connect(told).await;
            // It answered at the start: whatever it refuses now, it may take later.
            let mut connection = connected.map_err(|error| Error::Away(error.reason()))?;
            connection.guard().await?;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_ref().expect("it is open");
        let began = Instant::now();
        let mut tx = Tx::begin(connection, &self.shared, self.number, lasting).await?;
        let result = match run(&mut tx).await {
            Ok(done) => tx.commit().await.map(|()| done),
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            if matches!(error, Error::Again(_)) {
                // Others may have dropped the part that was written into.
                let _ = connection.run("ROLLBACK").await;
                let _ = self.shared.read_part(connection).await;
            } else if connection.run("ROLLBACK").await.is_err() {
                self.connection = None;
            }
        } else if lasting == Lasting::Synced {
            let time = began.elapsed();
            lock(&self.shared.work).committed(tx.calls, tx.accepted, time);
        }
        result
    }

    async fn sweep(&mut self, now_ms: u64) -> Result<(), Error> {
        if !self.shared.is_sweep_due(now_ms) {
            return Ok(());
        }
        self.transact(Lasting::Synced, async |tx| tx.sweep(now_ms).await)
            .await
    }

    /// Accepts what comes, as many calls at a time as are there.
    pub(super) async fn accept(mut self, mut jobs: Receiver<Append>) {
        let entries_max = self.shared.config.commit_entries_max.max(1);
        while let Some(first) = jobs.recv().await {
            let mut count = first.entries.len();
            let mut batch = vec![first];
            while count < entries_max
                && let Ok(next) = jobs.try_recv()
            {
                count += next.entries.len();
                batch.push(next);
            }
            let (mut calls, mut answers) = (Vec::new(), Vec::new());
            for append in batch {
                calls.push(append.entries);
                answers.push(append.to);
            }
            if self.shared.broken.ack_early {
                for (call, to) in calls.iter().zip(answers.drain(..)) {
                    let _ = to.send(Ok(vec![Appended::Stored; call.len()]));
                }
            }
            let appended = self.append(&calls).await;
            for (place, to) in answers.into_iter().enumerate() {
                let answer = match &appended {
                    Ok(appended) => appended[place].clone(),
                    Err(error) => Err(AppendError::from(OutboxError::from(error.clone()))),
                };
                let _ = to.send(answer);
            }
        }
    }

    async fn append(
        &mut self,
        calls: &[Vec<NewEntry>],
    ) -> Result<Vec<super::append::Answer>, Error> {
        let times = calls.iter().filter_map(|call| call.first());
        if let Some(now_ms) = times.map(|entry| entry.accepted_at_ms).max() {
            self.sweep(now_ms).await?;
        }
        self.transact(Lasting::Synced, async |tx| tx.append(calls).await)
            .await
    }

    /// Serves deliveries; settlements that are there go together.
    pub(super) async fn deliver(mut self, mut jobs: Receiver<Deliver>) {
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => Some(job),
                None => jobs.recv().await,
            };
            match job {
                None => return,
                Some(Deliver::Claim(endpoint, now_ms, capacity, to)) => {
                    let claimed = self.claim(&endpoint, now_ms, &capacity).await;
                    if let Err(Ok(unheard)) = to.send(claimed.map_err(OutboxError::from)) {
                        let keys = unheard.iter().map(|event| (event.key, Settlement::Release));
                        // What cannot be put back now is when the lease is over.
                        let _ = self.settle(&[(keys.collect(), now_ms)]).await;
                    }
                }
                Some(Deliver::Settle(settlements, now_ms, to)) => {
                    let calls = (vec![(settlements, now_ms)], vec![to]);
                    next = self.settle_many(calls, &mut jobs).await;
                }
                Some(Deliver::NextDue(endpoint, to)) => {
                    let due = self.transact(Lasting::Soon, async |tx| {
                        match tx.shared.number(tx.connection, &endpoint).await? {
                            Some(number) => tx.next_due_ms(number).await,
                            None => Ok(None),
                        }
                    });
                    answer(to, due.await);
                }
                Some(Deliver::BoundRetries(endpoint, latest_ms, to)) => {
                    let bound = self.transact(Lasting::Synced, async |tx| {
                        match tx.shared.number(tx.connection, &endpoint).await? {
                            Some(number) => tx.bound_retries(number, &latest_ms).await,
                            None => Ok(()),
                        }
                    });
                    answer(to, bound.await);
                }
            }
        }
    }

    /// Settles with the settlements that wait behind; gives back what else it found there.
    async fn settle_many(
        &mut self,
        (mut calls, mut answers): (Vec<Settled>, Vec<To<()>>),
        jobs: &mut Receiver<Deliver>,
    ) -> Option<Deliver> {
        let mut next = None;
        let mut count = calls.iter().map(|(of, _)| of.len()).sum::<usize>();
        while count < SETTLED_MAX && next.is_none() {
            match jobs.try_recv() {
                Ok(Deliver::Settle(settlements, now_ms, to)) => {
                    count += settlements.len();
                    calls.push((settlements, now_ms));
                    answers.push(to);
                }
                Ok(other) => next = Some(other),
                Err(_) => break,
            }
        }
        let settled = self.settle(&calls).await;
        for to in answers {
            answer(to, settled.clone());
        }
        next
    }

    async fn claim(
        &mut self,
        endpoint: &str,
        now_ms: u64,
        capacity: &Capacity,
    ) -> Result<Vec<StoredEvent>, Error> {
        self.sweep(now_ms).await?;
        // What the end of the server takes back is claimed again, and told once more at the worst.
        let claimed = self.transact(Lasting::Soon, async |tx| {
            match tx.shared.number(tx.connection, endpoint).await? {
                Some(number) => tx.claim(number, now_ms, capacity).await,
                None => Ok(Vec::new()),
            }
        });
        let claimed = claimed.await;
        if let Err(Error::Away(_)) = &claimed {
            self.shared.unsure.notify_one();
        }
        claimed
    }

    /// Settles; while the server is away it is tried again, until others have put the pairs back.
    async fn settle(&mut self, calls: &[Settled]) -> Result<(), Error> {
        let until = Instant::now() + self.shared.server.lease;
        let mut wait = Duration::from_millis(50);
        loop {
            let settled = self.transact(Lasting::Synced, async |tx| tx.settle(calls).await);
            match settled.await {
                Err(Error::Away(_)) if Instant::now() < until && !self.shared.is_ending() => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    self.forget(calls);
                    return Err(error);
                }
                Ok(()) => break,
            }
        }
        let now_ms = calls.iter().map(|(_, now_ms)| *now_ms).max();
        self.sweep(now_ms.unwrap_or_default()).await
    }

    /// What could not be settled is put back once the server answers: its caller has given it up,
    /// and this replica lives, so nobody else does.
    fn forget(&self, calls: &[Settled]) {
        let mut flying = lock(&self.shared.flying);
        for (key, _) in calls.iter().flat_map(|(settlements, _)| settlements) {
            if flying.get(&(key.endpoint, key.seq)) == Some(&key.claim) {
                flying.remove(&(key.endpoint, key.seq));
            }
        }
        self.shared.unsure.notify_one();
    }

    pub(super) async fn look(mut self, mut jobs: Receiver<Look>) {
        while let Some(job) = jobs.recv().await {
            self.look_at(job).await;
        }
    }

    async fn look_at(&mut self, job: Look) {
        let acts = Lasting::Synced;
        match job {
            Look::Dead(filter, from, limit, to) => {
                let page = self.transact(Lasting::Soon, async |tx| {
                    tx.dead(&filter, from, limit).await
                });
                answer(to, page.await);
            }
            Look::Discarded(filter, from, limit, to) => {
                let page = self.transact(Lasting::Soon, async |tx| {
                    tx.discarded(&filter, from, limit).await
                });
                answer(to, page.await);
            }
            Look::ActOnDead(act, filter, from, limit, now_ms, to) => {
                let step = self.transact(acts, async |tx| {
                    tx.act_on_dead(&act, &filter, from, limit, now_ms).await
                });
                answer(to, step.await);
            }
            Look::Pending(filter, from, limit, to) => {
                let page = self.transact(Lasting::Soon, async |tx| {
                    tx.pending(&filter, from, limit).await
                });
                answer(to, page.await);
            }
            Look::RetryNow(filter, from, limit, now_ms, to) => {
                let step = self.transact(acts, async |tx| {
                    tx.retry_now(&filter, from, limit, now_ms).await
                });
                answer(to, step.await);
            }
            Look::DiscardPending(endpoint, reason, before_ms, limit, now_ms, to) => {
                let discarded = self.transact(acts, async |tx| {
                    match tx.shared.number(tx.connection, &endpoint).await? {
                        Some(number) => {
                            tx.discard_pending(number, &reason, before_ms, limit, now_ms)
                                .await
                        }
                        None => Ok(0),
                    }
                });
                answer(to, discarded.await);
            }
            Look::SetHealth(endpoint, health, to) => {
                let set = self.transact(acts, async |tx| tx.set_health(&endpoint, &health).await);
                answer(to, set.await);
            }
            Look::Endpoints(to) => {
                let names = self.transact(Lasting::Soon, async |tx| tx.endpoints().await);
                answer(to, names.await);
            }
            Look::Stats(to) => {
                let stats = self.transact(Lasting::Soon, async |tx| tx.stats().await);
                answer(to, stats.await);
            }
        }
    }
}
