//! Accepting events: many calls in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::Error;
use super::digest::{digest, from_sql, lane, text, to_sql};
use super::ends::Gone;
use super::latest::Latest;
use super::store::{Shared, Tx, lock};
use super::tally::{self, ALL, Tallies};
use crate::outbox::config::Config;
use crate::outbox::entry::{Appended, NewEntry};
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::rules::{NO_ROOM, cut, forget_at_ms, note_discarded};

const INTRODUCE: &str = "INSERT INTO known (digest, pairs)
    SELECT * FROM unnest($1::uuid[], $2::int[]) AS k(digest, pairs) ORDER BY digest
    ON CONFLICT DO NOTHING RETURNING digest";
/// Events get the next numbers in their order: there are no gaps among them but for transactions
/// that failed. A pair names its event by the place of that among them.
const INSERT: &str = "WITH numbered AS MATERIALIZED (SELECT array_agg(seq) AS seqs
        FROM (SELECT nextval('event_seq') AS seq FROM generate_series(1, cardinality($2::bigint[]))) AS next),
    stored AS (INSERT INTO event (part, seq, accepted_at_ms, id, hook, dialect, ordering_key,
            operation_id, body)
        SELECT $1::bigint, seqs[e.place], e.accepted_at_ms, e.id, e.hook, e.dialect, e.ordering_key,
            e.operation_id, e.body
        FROM numbered, unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::bytea[]) WITH ORDINALITY
            AS e(accepted_at_ms, id, hook, dialect, ordering_key, operation_id, body, place))
    INSERT INTO pair (part, place, endpoint, seq, accepted_at_ms, bytes, digest, lane)
        SELECT $1::bigint, 0, p.endpoint, seqs[p.event], ($2::bigint[])[p.event], p.bytes, p.digest, p.lane
        FROM numbered, unnest($9::bigint[], $10::bigint[], $11::bigint[], $12::uuid[], $13::uuid[])
            AS p(endpoint, event, bytes, digest, lane)";

/// What becomes of one call.
pub(super) type Answer = Result<Vec<Appended>, AppendError>;

/// What the transaction has accepted so far.
struct Intake<'a> {
    config: &'a Config,
    /// Ids that nobody knew before this transaction, and those of them that it has accepted.
    fresh: HashSet<Uuid>,
    taken: HashSet<Uuid>,
    /// What is held, with what this transaction adds.
    held: Tallies,
    numbers: HashMap<String, i64>,
    accepted: Vec<Accepted<'a>>,
}

struct Accepted<'a> {
    entry: &'a NewEntry,
    digest: Uuid,
    bytes: u64,
    /// Those without room for it.
    full: BTreeSet<&'a str>,
}

/// Columns of new pairs.
#[derive(Default)]
struct Pairs {
    endpoints: Vec<i64>,
    /// The places of their events, from 1.
    events: Vec<i64>,
    bytes: Vec<i64>,
    digests: Vec<Uuid>,
    lanes: Vec<Option<Uuid>>,
}

impl Accepted<'_> {
    fn pairs(&self) -> usize {
        self.entry.endpoints.len() - self.full.len()
    }
}

impl Tx<'_> {
    /// Accepts the events of each call, or of a call none.
    pub(super) async fn append(&mut self, calls: &[Vec<NewEntry>]) -> Result<Vec<Answer>, Error> {
        let mut latest = Latest::read(self, calls).await?;
        let expected = first_of_each(calls);
        self.connection.prepare(&[INTRODUCE, tally::SUMS]).await?;
        let (fresh, held) =
            futures_util::join!(self.introduce(&expected), tally::sums(self.connection));
        // Before anything else is asked: after an error nothing else says why.
        let (fresh, held) = (fresh?, held?);
        let mut intake = Intake {
            config: &self.shared.config,
            fresh,
            taken: HashSet::new(),
            held,
            numbers: self.known_numbers(calls).await?,
            accepted: Vec::new(),
        };
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let repeats = latest.repeats(call);
            let new = call.iter().zip(&repeats).filter(|(_, repeat)| !**repeat);
            let new: Vec<&NewEntry> = new.map(|(entry, _)| entry).collect();
            let answer = intake.append(&new);
            answers.push(answer.map(|appended| {
                latest.note(call, &repeats);
                let mut appended = appended.into_iter();
                let of = |repeat: &bool| match repeat {
                    true => Some(Appended::Duplicate),
                    false => appended.next(),
                };
                repeats.iter().filter_map(of).collect()
            }));
        }
        let Intake {
            fresh, accepted, ..
        } = intake;
        latest.write(self).await?;
        self.correct(&expected, &fresh, &accepted).await?;
        (self.calls, self.accepted) = (calls.len(), accepted.len());
        self.insert_and_commit(&accepted).await?;
        Ok(answers)
    }

    /// The numbers of endpoints, read again when one of the calls' is not among them.
    async fn known_numbers(&self, calls: &[Vec<NewEntry>]) -> Result<HashMap<String, i64>, Error> {
        let mut names = calls.iter().flatten().flat_map(|entry| &entry.endpoints);
        let is_new = |name: &String| !lock(&self.shared.endpoints).numbers.contains_key(name);
        if names.any(is_new) {
            self.shared.read_endpoints(self.connection).await?;
        }
        Ok(lock(&self.shared.endpoints).numbers.clone())
    }

    /// Makes ids known, and says which were not. Another transaction that makes the same ones known
    /// ends before.
    async fn introduce(&self, expected: &BTreeMap<Uuid, i32>) -> Result<HashSet<Uuid>, Error> {
        let digests: Vec<Uuid> = expected.keys().copied().collect();
        let pairs: Vec<i32> = expected.values().copied().collect();
        let rows = (self.connection)
            .rows(INTRODUCE, &[&digests, &pairs])
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Mends what was supposed of ids: those of refused calls are unknown again, and some have
    /// fewer pairs.
    async fn correct(
        &mut self,
        expected: &BTreeMap<Uuid, i32>,
        fresh: &HashSet<Uuid>,
        accepted: &[Accepted<'_>],
    ) -> Result<(), Error> {
        let taken: HashSet<Uuid> = accepted.iter().map(|new| new.digest).collect();
        let refused: Vec<Uuid> = fresh.difference(&taken).copied().collect();
        if !refused.is_empty() {
            let sql = "DELETE FROM known WHERE digest = ANY($1)";
            self.connection.rows(sql, &[&refused]).await?;
        }
        for new in accepted {
            let pairs = new.pairs() as i32;
            if pairs == 0 {
                let at_ms = forget_at_ms(new.entry.accepted_at_ms, self.shared.config.dedupe);
                let sql = "UPDATE known SET pairs = 0, forget_at_ms = $2,
                    ended = nextval('known_ended') << 20 WHERE digest = $1";
                self.connection
                    .rows(sql, &[&new.digest, &to_sql(at_ms)])
                    .await?;
                self.tally(ALL).remembered += 1;
                let mut hints = lock(&self.shared.hints);
                hints.forget_from_ms = hints.forget_from_ms.min(at_ms);
            } else if expected[&new.digest] != pairs {
                let sql = "UPDATE known SET pairs = $2 WHERE digest = $1";
                self.connection.rows(sql, &[&new.digest, &pairs]).await?;
            }
        }
        Ok(())
    }

    async fn insert_and_commit(&mut self, accepted: &[Accepted<'_>]) -> Result<(), Error> {
        let stored: Vec<&Accepted<'_>> = (accepted.iter())
            .filter(|new| !new.entry.endpoints.is_empty())
            .collect();
        if stored.is_empty() {
            return Ok(());
        }
        let names = stored.iter().flat_map(|new| &new.entry.endpoints);
        let numbers = self.numbers(names).await?;
        let pairs = self.pairs(&stored, &numbers);
        self.refuse_full(&stored, &numbers).await?;
        let texts = |of: fn(&NewEntry) -> &String| -> Vec<std::borrow::Cow<'_, str>> {
            stored.iter().map(|new| text(of(new.entry))).collect()
        };
        let times: Vec<i64> = (stored.iter())
            .map(|new| to_sql(new.entry.accepted_at_ms))
            .collect();
        let bodies: Vec<&[u8]> = stored.iter().map(|new| new.entry.body.as_ref()).collect();
        let part = self.shared.part.load(Ordering::Acquire);
        let values: [&(dyn ToSql + Sync); 13] = [
            &part,
            &times,
            &texts(|entry| &entry.id),
            &texts(|entry| &entry.hook),
            &texts(|entry| &entry.dialect),
            &texts(|entry| &entry.ordering_key),
            &texts(|entry| &entry.operation_id),
            &bodies,
            &pairs.endpoints,
            &pairs.events,
            &pairs.bytes,
            &pairs.digests,
            &pairs.lanes,
        ];
        self.commit_with(Some((INSERT, &values))).await
    }

    /// The pairs of events; they and the events are counted.
    fn pairs(&mut self, stored: &[&Accepted<'_>], numbers: &HashMap<&str, i64>) -> Pairs {
        let mut pairs = Pairs::default();
        for (event, new) in (1..).zip(stored) {
            self.woke |= new.pairs() > 0;
            let bytes = to_sql(new.bytes);
            let total = self.tally(ALL);
            total.bytes += bytes;
            total.entries += 1;
            for name in &new.entry.endpoints {
                let tally = self.tally(numbers[name.as_str()]);
                tally.accepted += 1;
                if new.full.contains(name.as_str()) {
                    continue;
                }
                tally.pending += 1;
                tally.bytes += bytes;
                pairs.endpoints.push(numbers[name.as_str()]);
                pairs.events.push(event);
                pairs.bytes.push(bytes);
                pairs.digests.push(new.digest);
                pairs.lanes.push(lane(&new.entry.ordering_key));
            }
        }
        pairs
    }

    /// Records what finds no room at some of its endpoints.
    async fn refuse_full(
        &mut self,
        stored: &[&Accepted<'_>],
        numbers: &HashMap<&str, i64>,
    ) -> Result<(), Error> {
        for new in stored {
            for name in &new.full {
                note_discarded(name, &new.entry.id, NO_ROOM);
                // Each at the time of its own acceptance.
                let event = new.gone(numbers[*name]);
                self.record_discarded(&[event], new.entry.accepted_at_ms)
                    .await?;
            }
        }
        Ok(())
    }

    /// The numbers of endpoints; a new one gets the next.
    async fn numbers<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<HashMap<&'n str, i64>, Error> {
        let mut numbers = HashMap::new();
        for name in names {
            if numbers.contains_key(name.as_str()) {
                continue;
            }
            let mut number = self.shared.number(self.connection, name).await?;
            if number.is_none() {
                let sql = "INSERT INTO endpoint (name) VALUES ($1) ON CONFLICT DO NOTHING";
                self.connection.rows(sql, &[name]).await?;
                let sql = "SELECT number FROM endpoint WHERE name = $1";
                let rows = self.connection.rows(sql, &[name]).await?;
                // It is known to all once the transaction is committed.
                number = rows.first().map(|row| row.get(0));
            }
            let number = number.ok_or_else(|| Error::Again("an endpoint is gone".to_owned()))?;
            numbers.insert(name.as_str(), number);
        }
        Ok(numbers)
    }
}

impl Accepted<'_> {
    fn gone(&self, endpoint: i64) -> Gone {
        let entry = self.entry;
        Gone {
            endpoint,
            id: text(&entry.id).into_owned(),
            hook: text(&entry.hook).into_owned(),
            ordering_key: text(&entry.ordering_key).into_owned(),
            operation_id: text(&entry.operation_id).into_owned(),
            accepted_at_ms: to_sql(entry.accepted_at_ms),
            reason: cut(NO_ROOM).to_owned(),
        }
    }
}

/// The ids of all calls, with the pairs that the first event of each will have.
fn first_of_each(calls: &[Vec<NewEntry>]) -> BTreeMap<Uuid, i32> {
    let mut expected = BTreeMap::new();
    for entry in calls.iter().flatten() {
        let pairs = entry.endpoints.len() as i32;
        expected.entry(digest(&entry.id)).or_insert(pairs);
    }
    expected
}

impl<'a> Intake<'a> {
    fn append(&mut self, call: &[&'a NewEntry]) -> Answer {
        let unknown: Vec<&'a NewEntry> = (call.iter())
            .filter(|entry| self.is_unknown(&digest(&entry.id)))
            .copied()
            .collect();
        self.room_for(&unknown)?;
        let full = self.full_endpoints(&unknown)?;
        Ok(call
            .iter()
            .map(|entry| self.append_one(entry, &full))
            .collect())
    }

    fn is_unknown(&self, id: &Uuid) -> bool {
        self.fresh.contains(id) && !self.taken.contains(id)
    }

    fn room_for(&self, unknown: &[&NewEntry]) -> Result<(), AppendError> {
        let held = self.held.get(&ALL).copied().unwrap_or_default();
        let (bytes, max) = (from_sql(held.bytes), self.config.bytes_max);
        let more = unknown.iter().map(|entry| entry.bytes()).sum();
        if bytes + more > max {
            return Err(AppendError::full(bytes, more, Limit::Bytes(max)));
        }
        let (entries, max) = (from_sql(held.entries), self.config.entries_max);
        let more = unknown.len() as u64;
        if entries + more > max {
            return Err(AppendError::full(entries, more, Limit::Entries(max)));
        }
        Ok(())
    }

    fn held_for(&self, name: &str) -> u64 {
        let number = self.numbers.get(name);
        let held = number.and_then(|number| self.held.get(number));
        held.map_or(0, |held| from_sql(held.bytes))
    }

    /// The endpoints that have no room for their part of a call. An event for such alone refuses
    /// the call.
    fn full_endpoints(&self, unknown: &[&'a NewEntry]) -> Result<BTreeSet<&'a str>, AppendError> {
        let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in unknown {
            for name in &entry.endpoints {
                *bytes.entry(name).or_default() += entry.bytes();
            }
        }
        let max = self.config.endpoint_bytes_max;
        bytes.retain(|name, more| self.held_for(name) + *more > max);
        for entry in unknown {
            if let Some(name) = entry.endpoints.first()
                && (entry.endpoints.iter()).all(|name| bytes.contains_key(name.as_str()))
            {
                let limit = Limit::EndpointBytes(max, name.clone());
                return Err(AppendError::full(self.held_for(name), entry.bytes(), limit));
            }
        }
        Ok(bytes.into_keys().collect())
    }

    fn append_one(&mut self, entry: &'a NewEntry, full: &BTreeSet<&'a str>) -> Appended {
        let digest = digest(&entry.id);
        if !self.is_unknown(&digest) {
            return Appended::Duplicate;
        }
        self.taken.insert(digest);
        let names = entry.endpoints.iter().map(String::as_str);
        let new = Accepted {
            entry,
            digest,
            bytes: entry.bytes(),
            full: names.clone().filter(|name| full.contains(name)).collect(),
        };
        if !entry.endpoints.is_empty() {
            let held = self.held.entry(ALL).or_default();
            held.bytes += to_sql(new.bytes);
            held.entries += 1;
        }
        for name in names.filter(|name| !full.contains(name)) {
            // An endpoint without a number holds nothing yet; it gets one below 0 until then.
            let next = -1 - self.numbers.len() as i64;
            let number = *self.numbers.entry(name.to_owned()).or_insert(next);
            self.held.entry(number).or_default().bytes += to_sql(new.bytes);
        }
        self.accepted.push(new);
        Appended::Stored
    }
}

impl Shared {
    /// The part into which events are written now, as others may have begun another.
    pub(super) async fn read_part(
        &self,
        connection: &super::connect::Connection,
    ) -> Result<(), Error> {
        let rows = connection.rows("SELECT max(number) FROM part", &[]).await?;
        self.part.store(rows[0].get(0), Ordering::Release);
        Ok(())
    }
}
