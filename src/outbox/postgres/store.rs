//! What the connections of one outbox share, and the transactions that they make.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::connect::{Connection, Error};
use super::digest::to_sql;
use super::hosts::Hosts;
use super::tally::{self, ALL, Tallies, Tally};
use crate::outbox::config::{Config, Server};
use crate::outbox::entry::Work;
use crate::outbox::faults::{Fault, asked};
use crate::outbox::rules::forget_at_ms;

pub(super) struct Shared {
    pub config: Config,
    pub server: Server,
    pub hosts: Hosts,
    /// The replica's number, a new one after others took it for dead.
    pub me: AtomicI64,
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
            replicas: AtomicU32::new(1),
            part: AtomicI64::new(1),
            claims: AtomicI64::new(0),
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
}

/// How a commit may be lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It is on disk before it is answered.
    Synced,
    /// The end of the server may take it back.
    Soon,
}

impl<'a> Tx<'a> {
    pub(super) async fn begin(
        connection: &'a Connection,
        shared: &'a Shared,
        lasting: Lasting,
    ) -> Result<Tx<'a>, Error> {
        let begin = match lasting {
            Lasting::Synced if !shared.broken.no_sync => "BEGIN",
            _ => "BEGIN; SET LOCAL synchronous_commit = off",
        };
        connection.run(begin).await?;
        Ok(Tx {
            connection,
            shared,
            tallies: Tallies::new(),
            woke: false,
            taken: Vec::new(),
            settled: Vec::new(),
        })
    }

    pub(super) async fn commit(self, task: i16) -> Result<(), Error> {
        let Tx {
            connection, shared, ..
        } = self;
        tally::add(connection, shared.me(), task, &self.tallies).await?;
        // Before others can see the claims: what is not noted here is put back.
        lock(&shared.flying).extend(self.taken.iter().copied());
        if let Err(error) = connection.commit().await {
            lock(&shared.flying).retain(|pair, claim| !self.taken.contains(&(*pair, *claim)));
            return Err(error);
        }
        let mut flying = lock(&shared.flying);
        for (pair, claim) in &self.settled {
            if flying.get(pair) == Some(claim) {
                flying.remove(pair);
            }
        }
        drop(flying);
        if let Some(change) = self.tallies.get(&ALL) {
            let mut hints = lock(&shared.hints);
            hints.remembered = hints.remembered.saturating_add(change.remembered);
        }
        if self.woke {
            shared.wake();
        }
        Ok(())
    }

    pub(super) fn tally(&mut self, endpoint: i64) -> &mut Tally {
        self.tallies.entry(endpoint).or_default()
    }

    /// Makes this transaction the only one that changes pairs of these endpoints.
    pub(super) async fn hold(&self, endpoints: &[i64]) -> Result<(), Error> {
        let sql = "SELECT number FROM endpoint WHERE number = ANY($1) ORDER BY number FOR UPDATE";
        self.connection.rows(sql, &[&endpoints]).await.map(drop)
    }

    /// Fails when others took this replica for dead; else they cannot until this ends.
    pub(super) async fn is_alive(&self) -> Result<(), Error> {
        let sql = "SELECT 1 FROM replica WHERE number = $1 FOR KEY SHARE";
        let rows = self.connection.rows(sql, &[&self.shared.me()]).await?;
        match rows.is_empty() {
            true => Err(Error::Fenced),
            false => Ok(()),
        }
    }

    /// Pairs of events have ended, in this order; an event's last one takes the event with it. The
    /// pairs' endpoints, bytes and digests.
    pub(super) async fn end_pairs(
        &mut self,
        ended: &[(i64, i64, uuid::Uuid)],
        now_ms: u64,
    ) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let mut pairs: HashMap<uuid::Uuid, (i32, i64, i64)> = HashMap::new();
        for (place, (endpoint, bytes, digest)) in ended.iter().enumerate() {
            self.tally(*endpoint).bytes -= bytes;
            let pair = pairs.entry(*digest).or_insert((0, *bytes, 0));
            pair.0 += 1;
            pair.2 = place as i64;
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Rows are locked in one order by all.
        pairs.sort_unstable();
        let digests: Vec<uuid::Uuid> = pairs.iter().map(|(digest, _)| *digest).collect();
        let counts: Vec<i32> = pairs.iter().map(|(_, pair)| pair.0).collect();
        let places: Vec<i64> = pairs.iter().map(|(_, pair)| pair.2).collect();
        let forget_at_ms = forget_at_ms(now_ms, self.shared.config.dedupe);
        let sql = "WITH held AS MATERIALIZED (SELECT digest FROM known
                WHERE digest = ANY($1) ORDER BY digest FOR UPDATE),
            batch AS MATERIALIZED (SELECT nextval('known_ended') << 20 AS number),
            gone AS (SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[]) AS g(digest, pairs, place))
            UPDATE known SET pairs = known.pairs - gone.pairs,
                forget_at_ms = CASE WHEN known.pairs <= gone.pairs THEN $4::bigint END,
                ended = CASE WHEN known.pairs <= gone.pairs THEN batch.number + gone.place END
            FROM gone, batch, held
            WHERE known.digest = gone.digest AND held.digest = gone.digest
            RETURNING known.digest, known.pairs";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&digests, &counts, &places, &to_sql(forget_at_ms)];
        let rows = self.connection.rows(sql, &values).await?;
        let bytes: HashMap<_, _> = pairs
            .iter()
            .map(|(digest, pair)| (*digest, pair.1))
            .collect();
        let mut all = Tally::default();
        for row in rows {
            if row.get::<_, i32>(1) <= 0 {
                all.bytes -= bytes[&row.get::<_, uuid::Uuid>(0)];
                all.entries -= 1;
                all.remembered += 1;
            }
        }
        let mut hints = lock(&self.shared.hints);
        hints.forget_from_ms = hints.forget_from_ms.min(forget_at_ms);
        drop(hints);
        let total = self.tally(ALL);
        total.bytes += all.bytes;
        total.entries += all.entries;
        total.remembered += all.remembered;
        Ok(())
    }

    /// Keeps what is to be known of events that end by somebody's will, in this order.
    pub(super) async fn record_discarded(
        &mut self,
        events: &[Gone],
        now_ms: u64,
    ) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        for event in events {
            self.tally(event.endpoint).discarded += 1;
        }
        let column = |of: fn(&Gone) -> &str| -> Vec<&str> { events.iter().map(of).collect() };
        let endpoints: Vec<i64> = events.iter().map(|event| event.endpoint).collect();
        let accepted: Vec<i64> = events.iter().map(|event| event.accepted_at_ms).collect();
        let sql = "WITH added AS (INSERT INTO discarded (endpoint, id, hook, ordering_key,
                operation_id, accepted_at_ms, reason, discarded_at_ms)
            SELECT e.endpoint, e.id, e.hook, e.ordering_key, e.operation_id, e.accepted_at_ms,
                e.reason, $8::bigint FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],
                $5::text[], $6::bigint[], $7::text[])
                WITH ORDINALITY AS e(endpoint, id, hook, ordering_key, operation_id, accepted_at_ms, reason, place)
            ORDER BY e.place RETURNING number)
            SELECT max(number) FROM added";
        let rows = self
            .connection
            .rows(
                sql,
                &[
                    &endpoints,
                    &column(|event| &event.id),
                    &column(|event| &event.hook),
                    &column(|event| &event.ordering_key),
                    &column(|event| &event.operation_id),
                    &accepted,
                    &column(|event| &event.reason),
                    &to_sql(now_ms),
                ],
            )
            .await?;
        let last: i64 = rows[0].get(0);
        let kept = to_sql(self.shared.config.discarded_kept);
        let sql = "DELETE FROM discarded WHERE number <= $1";
        let until = last.saturating_sub(kept);
        self.connection.rows(sql, &[&until]).await.map(drop)
    }
}

/// What is kept of an event that ends by somebody's will.
pub(super) struct Gone {
    pub endpoint: i64,
    pub id: String,
    pub hook: String,
    pub ordering_key: String,
    pub operation_id: String,
    pub accepted_at_ms: i64,
    pub reason: String,
}
