//! Accepting events: many calls in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::connect::Error;
use super::digest::{digest, from_sql, lane, text, to_sql};
use super::latest::Latest;
use super::store::{Gone, Shared, Tx, lock};
use super::tally::{self, ALL, Tallies};
use crate::outbox::config::Config;
use crate::outbox::entry::{Appended, NewEntry};
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::rules::{NO_ROOM, cut, forget_at_ms, note_discarded};

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
        let (fresh, held) = tokio::join!(self.introduce(&expected), tally::sums(self.connection));
        let numbers = self.known_numbers(calls).await?;
        let mut intake = Intake {
            config: &self.shared.config,
            fresh: fresh?,
            taken: HashSet::new(),
            held: held?,
            numbers,
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
        self.insert(&accepted).await?;
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
        let sql = "INSERT INTO known (digest, pairs)
            SELECT * FROM unnest($1::uuid[], $2::int[]) AS k(digest, pairs) ORDER BY digest
            ON CONFLICT DO NOTHING RETURNING digest";
        let rows = self.connection.rows(sql, &[&digests, &pairs]).await?;
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

    async fn insert(&mut self, accepted: &[Accepted<'_>]) -> Result<(), Error> {
        let stored: Vec<&Accepted<'_>> = (accepted.iter())
            .filter(|new| !new.entry.endpoints.is_empty())
            .collect();
        if stored.is_empty() {
            return Ok(());
        }
        let names = stored.iter().flat_map(|new| &new.entry.endpoints);
        let numbers = self.numbers(names).await?;
        let sql = "SELECT nextval('event_seq') FROM generate_series(1, $1::bigint)";
        let rows = self.connection.rows(sql, &[&(stored.len() as i64)]).await?;
        let mut seqs: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        seqs.sort_unstable();
        self.insert_events(&stored, &seqs).await?;
        self.insert_pairs(&stored, &seqs, &numbers).await?;
        let mut gone = Vec::new();
        for new in &stored {
            self.woke |= new.pairs() > 0;
            let total = self.tally(ALL);
            total.bytes += to_sql(new.bytes);
            total.entries += 1;
            for name in &new.full {
                note_discarded(name, &new.entry.id, NO_ROOM);
                gone.push(new.gone(numbers[*name]));
            }
        }
        for event in gone {
            // Each at the time of its own acceptance.
            let at_ms = from_sql(event.accepted_at_ms);
            self.record_discarded(&[event], at_ms).await?;
        }
        Ok(())
    }

    async fn insert_events(&self, stored: &[&Accepted<'_>], seqs: &[i64]) -> Result<(), Error> {
        let texts = |of: fn(&NewEntry) -> &String| -> Vec<std::borrow::Cow<'_, str>> {
            stored.iter().map(|new| text(of(new.entry))).collect()
        };
        let accepted: Vec<i64> = (stored.iter())
            .map(|new| to_sql(new.entry.accepted_at_ms))
            .collect();
        let bodies: Vec<&[u8]> = stored.iter().map(|new| new.entry.body.as_ref()).collect();
        let sql = "INSERT INTO event (part, seq, accepted_at_ms, id, hook, dialect, ordering_key,
                operation_id, body)
            SELECT $1::bigint, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[],
                $6::text[], $7::text[], $8::text[], $9::bytea[])";
        let part = self.shared.part.load(Ordering::Acquire);
        self.connection
            .rows(
                sql,
                &[
                    &part,
                    &seqs,
                    &accepted,
                    &texts(|entry| &entry.id),
                    &texts(|entry| &entry.hook),
                    &texts(|entry| &entry.dialect),
                    &texts(|entry| &entry.ordering_key),
                    &texts(|entry| &entry.operation_id),
                    &bodies,
                ],
            )
            .await
            .map(drop)
    }

    async fn insert_pairs(
        &mut self,
        stored: &[&Accepted<'_>],
        seqs: &[i64],
        numbers: &HashMap<&str, i64>,
    ) -> Result<(), Error> {
        let (mut endpoints, mut at, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bytes, mut digests, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for (new, seq) in stored.iter().zip(seqs) {
            for name in &new.entry.endpoints {
                let endpoint = numbers[name.as_str()];
                self.tally(endpoint).accepted += 1;
                if new.full.contains(name.as_str()) {
                    continue;
                }
                let tally = self.tally(endpoint);
                tally.pending += 1;
                tally.bytes += to_sql(new.bytes);
                endpoints.push(endpoint);
                at.push(*seq);
                accepted.push(to_sql(new.entry.accepted_at_ms));
                bytes.push(to_sql(new.bytes));
                digests.push(new.digest);
                lanes.push(lane(&new.entry.ordering_key));
            }
        }
        let sql = "INSERT INTO pair (part, place, endpoint, seq, accepted_at_ms, bytes, digest, lane)
            SELECT $1::bigint, 0, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                $6::uuid[], $7::uuid[])";
        let part = self.shared.part.load(Ordering::Acquire);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
            [&part, &endpoints, &at, &accepted, &bytes, &digests, &lanes];
        self.connection.rows(sql, &values).await.map(drop)
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
