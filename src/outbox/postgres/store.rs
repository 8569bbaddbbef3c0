//! What the connections of one outbox share, and the transactions that they make.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_postgres::types::ToSql;
use tokio_util::sync::CancellationToken;

use super::connect::{Connection, Error};
use super::hosts::Hosts;
use super::tally::{self, ALL, Tallies, Tally};
use crate::outbox::config::{Config, Server};
use crate::outbox::entry::Work;
use crate::outbox::faults::{Fault, asked};

pub(super) struct Shared {
    pub config: Config,
    pub server: Server,
    pub hosts: Hosts,
    /// The replica's number, a new one after others took it for dead.
    pub me: AtomicI64,
    /// When it got it, in microseconds of the server's clock: a server that took the place of
    /// another may give a number out again.
    pub born_us: AtomicI64,
    /// Replicas that live, this one included.
    pub replicas: AtomicU32,
    /// Into which part events are written.
    pub part: AtomicI64,
    claims: AtomicI64,
    /// What this replica has in flight, with the claims.
    pub flying: Mutex<HashMap<(i64, i64), i64>>,
    pub endpoints: Mutex<Endpoints>,
    pub hints: Mutex<Hints>,
    pub work: Mutex<Work>,
    pub wakeups: watch::Sender<u64>,
    /// Others are to be told that something is ready.
    pub tell: Notify,
    /// Others have told that something is ready.
    pub told: Arc<Notify>,
    /// Others took this replica for dead.
    pub fenced: Notify,
    /// A claim was committed, perhaps, of which nobody heard.
    pub unsure: Notify,
    /// Why the database does not answer.
    pub away: Mutex<Option<String>>,
    /// Nothing is done any more.
    pub ended: CancellationToken,
    /// This replica has a number and the schema is there.
    pub has_begun: AtomicBool,
    is_ending: AtomicBool,
    is_closed_well: AtomicBool,
    pub broken: Broken,
}

/// What is broken on purpose, as it was asked for where the outbox was opened.
#[derive(Clone, Copy, Default)]
pub(super) struct Broken {
    pub no_sync: bool,
    pub ack_early: bool,
    pub key_race: bool,
}

/// The endpoints by name and by number.
#[derive(Default)]
pub(super) struct Endpoints {
    pub numbers: HashMap<String, i64>,
    pub names: HashMap<i64, Arc<str>>,
}

impl Endpoints {
    async fn read(connection: &Connection) -> Result<Endpoints, Error> {
        let sql = "SELECT number, name FROM endpoint";
        let mut endpoints = Endpoints::default();
        for row in connection.rows(sql, &[]).await? {
            let (number, name): (i64, String) = (row.get(0), row.get(1));
            endpoints.names.insert(number, name.as_str().into());
            endpoints.numbers.insert(name, number);
        }
        Ok(endpoints)
    }
}

/// Before which times nothing is to be forgotten; too early costs a look alone.
pub(super) struct Hints {
    pub retire_from_ms: u64,
    pub forget_from_ms: u64,
    pub latest_from_ms: u64,
    /// Remembered ids, as far as this replica knows.
    pub remembered: i64,
    /// The first time that was told since the start.
    pub opened_ms: Option<u64>,
}

impl Default for Hints {
    fn default() -> Hints {
        Hints {
            retire_from_ms: 0,
            forget_from_ms: 0,
            latest_from_ms: 0,
            remembered: i64::MAX,
            opened_ms: None,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(config: Config, server: Server, wakeups: watch::Sender<u64>) -> Shared {
        Shared {
            config,
            hosts: Hosts::new(&server),
            server,
            me: AtomicI64::new(0),
            born_us: AtomicI64::new(0),
            replicas: AtomicU32::new(1),
            part: AtomicI64::new(1),
            // From anywhere, as two may have had the same number.
            claims: AtomicI64::new(fastrand::i64(0..1 << 39)),
            flying: Mutex::default(),
            endpoints: Mutex::default(),
            hints: Mutex::default(),
            work: Mutex::default(),
            wakeups,
            tell: Notify::new(),
            told: Arc::default(),
            fenced: Notify::new(),
            unsure: Notify::new(),
            away: Mutex::default(),
            ended: CancellationToken::new(),
            has_begun: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            is_closed_well: AtomicBool::new(false),
            broken: Broken {
                no_sync: asked(Fault::NoSync),
                ack_early: asked(Fault::AckEarly),
                key_race: asked(Fault::KeyRace),
            },
        }
    }

    pub(super) fn me(&self) -> i64 {
        self.me.load(Ordering::Acquire)
    }

    pub(super) fn born_us(&self) -> i64 {
        self.born_us.load(Ordering::Acquire)
    }

    /// A claim that no replica ever made or makes: the fencing number of what is claimed with it.
    pub(super) fn next_claim(&self) -> i64 {
        (self.me() << 40) + self.claims.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn name(&self, endpoint: i64) -> Arc<str> {
        let endpoints = lock(&self.endpoints);
        let name = endpoints.names.get(&endpoint).cloned();
        name.unwrap_or_else(|| endpoint.to_string().into())
    }

    /// Reads which endpoints there are.
    pub(super) async fn read_endpoints(&self, connection: &Connection) -> Result<(), Error> {
        let read = Endpoints::read(connection).await?;
        let mut endpoints = lock(&self.endpoints);
        endpoints.names.extend(read.names);
        endpoints.numbers.extend(read.numbers);
        Ok(())
    }

    /// The same, and what was known before is forgotten.
    pub(super) async fn forget_endpoints(&self, connection: &Connection) -> Result<(), Error> {
        let read = Endpoints::read(connection).await?;
        *lock(&self.endpoints) = read;
        Ok(())
    }

    /// The number of an endpoint, if it ever had a pair.
    pub(super) async fn number(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<Option<i64>, Error> {
        let known = lock(&self.endpoints).numbers.get(name).copied();
        if known.is_some() {
            return Ok(known);
        }
        self.read_endpoints(connection).await?;
        Ok(lock(&self.endpoints).numbers.get(name).copied())
    }

    /// The database answers.
    pub(super) fn here(&self) {
        lock(&self.away).take();
    }

    pub(super) fn gone(&self, why: &str) {
        *lock(&self.away) = Some(why.to_owned());
    }

    /// Fails as long as the schema was not looked at.
    pub(super) fn begun(&self) -> Result<(), Error> {
        match self.has_begun.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(Error::Away(lock(&self.away).clone().unwrap_or_default())),
        }
    }

    /// Nothing is waited for any more.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// What is in flight is to be put back at the end.
    pub(super) fn close_well(&self) {
        self.is_closed_well.store(true, Ordering::Release);
        self.end();
    }

    pub(super) fn is_closed_well(&self) -> bool {
        self.is_closed_well.load(Ordering::Acquire)
    }

    pub(super) fn wake(&self) {
        self.wakeups.send_modify(|commits| *commits += 1);
        self.tell.notify_one();
    }
}

pub(super) const HOLD: &str =
    "SELECT number FROM endpoint WHERE number = ANY($1) ORDER BY number FOR UPDATE";
pub(super) const ALIVE: &str = "SELECT 1 FROM replica
    WHERE number = $1 AND (extract(epoch FROM began_at) * 1000000)::bigint = $2 FOR KEY SHARE";

/// An open transaction.
pub(super) struct Tx<'a> {
    pub connection: &'a Connection,
    pub shared: &'a Shared,
    pub tallies: Tallies,
    /// Something is ready that was not.
    pub woke: bool,
    /// What this transaction took in flight, and what it ended or put back.
    pub taken: Vec<((i64, i64), i64)>,
    pub settled: Vec<((i64, i64), i64)>,
    /// The calls that it answers, and the events that it accepted.
    pub calls: usize,
    pub accepted: usize,
    /// Of which connection the counters are changed.
    task: i16,
    is_committed: bool,
}

/// How a commit may be lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It is on disk before it is answered.
    Synced,
    /// The end of the server may take it back.
    Soon,
}

/// A statement with its values.
pub(super) type Statement<'s> = (&'static str, &'s [&'s (dyn ToSql + Sync)]);

impl<'a> Tx<'a> {
    pub(super) async fn begin(
        connection: &'a Connection,
        shared: &'a Shared,
        task: i16,
        lasting: Lasting,
    ) -> Result<Tx<'a>, Error> {
        let more = match lasting {
            Lasting::Synced if !shared.broken.no_sync => "",
            _ => "; SET LOCAL synchronous_commit = off",
        };
        connection.begin(more).await?;
        Ok(Tx {
            connection,
            shared,
            tallies: Tallies::new(),
            woke: false,
            taken: Vec::new(),
            settled: Vec::new(),
            calls: 1,
            accepted: 0,
            task,
            is_committed: false,
        })
    }

    /// Commits what was not committed before.
    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        self.commit_with(None).await
    }

    /// Commits, with a last statement whose answer nothing depends on: it, the counters and the
    /// commit are one round trip.
    pub(super) async fn commit_with(&mut self, last: Option<Statement<'_>>) -> Result<(), Error> {
        if self.is_committed {
            return Ok(());
        }
        let (connection, shared) = (self.connection, self.shared);
        if let Some((sql, _)) = last {
            connection.prepare(&[sql]).await?;
        }
        connection.prepare(&[tally::ADD]).await?;
        // Before others can see the claims: what is not noted here is put back.
        lock(&shared.flying).extend(self.taken.iter().copied());
        // After an error of the server a commit is none, and says nothing of it. What fails before it
        // is sent fails at once, and then nothing must be committed.
        let unsent = AtomicBool::new(false);
        let note = |sent: &Result<(), Error>| {
            if sent.is_err() {
                unsent.store(true, Ordering::Relaxed);
            }
        };
        let last = async {
            let Some((sql, values)) = last else {
                return Ok(());
            };
            let done = connection.rows(sql, values).await.map(drop);
            note(&done);
            done
        };
        let add = async {
            let (me, changes) = (shared.me(), &self.tallies);
            let done = tally::add(connection, me, self.task, changes).await;
            note(&done);
            done
        };
        let commit = async {
            match unsent.load(Ordering::Relaxed) {
                true => Ok(()),
                false => connection.commit().await,
            }
        };
        // Each is sent when it is polled for the first time, in this order.
        let (last, added, committed) = futures_util::join!(last, add, commit);
        if let Err(error) = last.and(added).and(committed) {
            lock(&shared.flying).retain(|pair, claim| !self.taken.contains(&(*pair, *claim)));
            return Err(error);
        }
        self.is_committed = true;
        self.note_committed();
        Ok(())
    }

    /// What this replica knows of now.
    fn note_committed(&self) {
        let mut flying = lock(&self.shared.flying);
        for (pair, claim) in &self.settled {
            if flying.get(pair) == Some(claim) {
                flying.remove(pair);
            }
        }
        drop(flying);
        if let Some(change) = self.tallies.get(&ALL) {
            let mut hints = lock(&self.shared.hints);
            hints.remembered = hints.remembered.saturating_add(change.remembered);
        }
        if self.woke {
            self.shared.wake();
        }
    }

    pub(super) fn tally(&mut self, endpoint: i64) -> &mut Tally {
        self.tallies.entry(endpoint).or_default()
    }

    /// Makes this transaction the only one that changes pairs of these endpoints.
    pub(super) async fn hold(&self, endpoints: &[i64]) -> Result<(), Error> {
        self.connection.rows(HOLD, &[&endpoints]).await.map(drop)
    }

    /// Fails when others took this replica for dead; else they cannot until this ends.
    pub(super) async fn is_alive(&self) -> Result<(), Error> {
        let (me, born_us) = (self.shared.me(), self.shared.born_us());
        let rows = self.connection.rows(ALIVE, &[&me, &born_us]).await?;
        match rows.is_empty() {
            true => Err(Error::Fenced),
            false => Ok(()),
        }
    }
}
