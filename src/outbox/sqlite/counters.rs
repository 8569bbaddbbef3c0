//! The counters of the file: kept in memory, written with the change that they count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use rusqlite::{Connection, Result, params};

use super::event::lossy;
use super::number::{from_sql, to_sql};
use crate::outbox::entry::{Counts, Health, NewEntry, Paused};

/// Every counter, as of the transaction that is open.
#[derive(Default)]
pub(super) struct Counters {
    pub last_seq: i64,
    pub bytes: u64,
    pub events: u64,
    pub remembered_ids: u64,
    pub endpoints: BTreeMap<i64, EndpointCounters>,
    numbers: HashMap<String, i64>,
    /// What the file says of the first four.
    saved: (i64, u64, u64, u64),
}

/// Events that the file's counters may lack: those are counted when it is opened.
pub(super) const UNCOUNTED_MAX: i64 = if cfg!(test) { 4 } else { 512 };

pub(super) struct EndpointCounters {
    pub name: String,
    pub counts: Counts,
    pub health: Health,
    /// Of the events that are pending or dead for it.
    pub bytes: u64,
    promoted: Promoted,
    /// What the file says; `None` when it has no row yet.
    saved: Option<(Counts, Health, u64, Promoted)>,
}

/// The pairs of a new event.
#[derive(Default)]
pub(super) struct Pairs {
    /// The numbers of their endpoints, each between blanks.
    pub endpoints: String,
    pub count: i64,
    /// The numbers of endpoints that wanted it and have no room.
    pub without_room: Vec<i64>,
}

impl Pairs {
    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> {
        numbers(&self.endpoints)
    }
}

/// The numbers in a list of endpoints.
pub(super) fn numbers(endpoints: &str) -> impl Iterator<Item = i64> {
    let numbers = endpoints.split_ascii_whitespace();
    numbers.filter_map(|number| number.parse().ok())
}

/// How far an endpoint has come with what was accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Promoted {
    /// Every pair up to this place has ended or has a row.
    to: i64,
    /// The pending pairs that have a row.
    listed: u64,
}

impl Counters {
    pub(super) fn load(connection: &Connection) -> Result<Counters> {
        let mut counters = Counters::default();
        let sql = "SELECT last_seq, bytes, remembered_ids, events FROM total";
        connection.prepare_cached(sql)?.query_row([], |row| {
            counters.last_seq = row.get(0)?;
            counters.bytes = from_sql(row.get(1)?);
            counters.remembered_ids = from_sql(row.get(2)?);
            counters.events = from_sql(row.get(3)?);
            Ok(())
        })?;
        counters.saved = counters.totals();
        let sql = "SELECT number, name, accepted, delivered, dead, discarded, pending, in_flight,
            failing_since_ms, paused_at_ms, pause_reason, looked_to, listed, bytes FROM endpoint";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let counts = Counts {
                accepted: from_sql(row.get(2)?),
                delivered: from_sql(row.get(3)?),
                dead: from_sql(row.get(4)?),
                discarded: from_sql(row.get(5)?),
                pending: from_sql(row.get(6)?),
                in_flight: from_sql(row.get(7)?),
            };
            let name: String = row.get(1)?;
            counters.numbers.insert(name.clone(), row.get(0)?);
            let paused_at_ms: Option<i64> = row.get(9)?;
            let reason: String = row.get(10)?;
            let health = Health {
                failing_since_ms: row.get::<_, Option<i64>>(8)?.map(from_sql),
                paused: paused_at_ms.map(|at_ms| Paused {
                    at_ms: from_sql(at_ms),
                    reason,
                }),
            };
            let promoted = Promoted {
                to: row.get(11)?,
                listed: from_sql(row.get(12)?),
            };
            let bytes = from_sql(row.get(13)?);
            let saved = Some((counts, health.clone(), bytes, promoted));
            let endpoint = EndpointCounters {
                name,
                counts,
                health,
                bytes,
                promoted,
                saved,
            };
            counters.endpoints.insert(row.get(0)?, endpoint);
        }
        counters.count_events(connection)?;
        Ok(counters)
    }

    /// Counts the events in that were accepted since the counters were written.
    fn count_events(&mut self, connection: &Connection) -> Result<()> {
        let sql = "SELECT seq, bytes, endpoints FROM event WHERE seq > ?1 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.last_seq])?;
        while let Some(row) = rows.next()? {
            let bytes = from_sql(row.get(1)?);
            self.last_seq = row.get(0)?;
            self.bytes += bytes;
            self.events += 1;
            for number in numbers(&lossy(row, 2)?) {
                if let Some(endpoint) = self.endpoints.get_mut(&number) {
                    endpoint.counts.accepted += 1;
                    endpoint.counts.pending += 1;
                    endpoint.bytes += bytes;
                }
            }
        }
        Ok(())
    }

    /// The number of an endpoint that had a pair before.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    /// The number of an endpoint, a new one if it has none.
    pub(super) fn number_or_new(&mut self, name: &str) -> i64 {
        if let Some(number) = self.number(name) {
            return number;
        }
        let number = self
            .endpoints
            .last_key_value()
            .map_or(1, |(last, _)| last + 1);
        let endpoint = EndpointCounters {
            name: name.to_owned(),
            counts: Counts::default(),
            health: Health::default(),
            bytes: 0,
            promoted: Promoted::default(),
            saved: None,
        };
        self.endpoints.insert(number, endpoint);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The counters of an endpoint whose number came from the file or from `number_or_new`.
    pub(super) fn counts(&mut self, number: i64) -> &mut Counts {
        &mut self.endpoint(number).counts
    }

    fn endpoint(&mut self, number: i64) -> &mut EndpointCounters {
        let endpoint = self.endpoints.get_mut(&number);
        endpoint.expect("an endpoint is never removed")
    }

    /// Counts an event in; its place in the order of acceptance.
    pub(super) fn add_event(&mut self, bytes: u64) -> i64 {
        self.last_seq += 1;
        self.bytes += bytes;
        self.events += 1;
        self.last_seq
    }

    /// Counts the pairs of an event in, but for those endpoints that have no room for it.
    pub(super) fn add_pairs(
        &mut self,
        seq: i64,
        entry: &NewEntry,
        bytes: u64,
        full: &BTreeSet<&str>,
    ) -> Pairs {
        let mut pairs = Pairs::default();
        for name in &entry.endpoints {
            let number = self.number_or_new(name);
            let endpoint = self.endpoint(number);
            endpoint.counts.accepted += 1;
            if full.contains(name.as_str()) {
                pairs.without_room.push(number);
                continue;
            }
            if endpoint.counts.pending == endpoint.promoted.listed {
                // Nothing of this endpoint stands between.
                endpoint.promoted.to = seq - 1;
            }
            endpoint.counts.pending += 1;
            endpoint.bytes += bytes;
            pairs.count += 1;
            // Writing to a string cannot fail.
            let _ = write!(pairs.endpoints, " {number} ");
        }
        pairs
    }

    /// What an endpoint has for the limit of its bytes.
    pub(super) fn bytes_of(&self, name: &str) -> u64 {
        let number = self.number(name);
        number.map_or(0, |number| self.endpoints[&number].bytes)
    }

    /// How many pairs have no row.
    pub(super) fn unlisted(&self, number: i64) -> u64 {
        let endpoint = &self.endpoints[&number];
        endpoint
            .counts
            .pending
            .saturating_sub(endpoint.promoted.listed)
    }

    /// Whether any pair has a row.
    pub(super) fn has_rows(&self, number: i64) -> bool {
        self.endpoints[&number].promoted.listed > 0
    }

    /// Every pair up to this place has ended or has a row.
    pub(super) fn looked_to(&self, number: i64) -> i64 {
        self.endpoints[&number].promoted.to
    }

    /// Every pair up to this place has ended or has a row now.
    pub(super) fn looked(&mut self, number: i64, to: i64) {
        let promoted = &mut self.endpoint(number).promoted;
        promoted.to = promoted.to.max(to);
    }

    /// A pending pair has a row now.
    pub(super) fn got_row(&mut self, number: i64) {
        self.endpoint(number).promoted.listed += 1;
    }

    /// A pair without a row was delivered.
    pub(super) fn delivered(&mut self, number: i64) {
        let counts = self.counts(number);
        counts.pending -= 1;
        counts.delivered += 1;
    }

    /// A pair has ended for good.
    pub(super) fn freed(&mut self, number: i64, bytes: u64) {
        let held = &mut self.endpoint(number).bytes;
        *held = held.saturating_sub(bytes);
    }

    /// A pair that was dead is pending again, in a row.
    pub(super) fn replayed(&mut self, number: i64) {
        let endpoint = self.endpoint(number);
        endpoint.counts.pending += 1;
        endpoint.promoted.listed += 1;
    }

    /// A pair with a row is not pending any more.
    pub(super) fn removed(&mut self, number: i64) {
        let endpoint = self.endpoint(number);
        endpoint.counts.pending -= 1;
        endpoint.promoted.listed -= 1;
    }

    pub(super) fn set_health(&mut self, number: i64, health: Health) {
        if let Some(endpoint) = self.endpoints.get_mut(&number) {
            endpoint.health = health;
        }
    }

    fn totals(&self) -> (i64, u64, u64, u64) {
        (self.last_seq, self.bytes, self.remembered_ids, self.events)
    }

    /// Whether nothing has changed but that events were accepted, few enough to be counted again.
    fn only_added(&self) -> bool {
        let (last_seq, _, remembered_ids, events) = self.saved;
        let added = self.last_seq - last_seq;
        let only_added = |endpoint: &EndpointCounters| {
            let Some((counts, health, _, promoted)) = &endpoint.saved else {
                return false;
            };
            let now = endpoint.counts;
            let accepted = now.accepted - counts.accepted;
            let added = Counts {
                accepted: now.accepted,
                pending: counts.pending + accepted,
                ..*counts
            };
            now == added
                && endpoint.health == *health
                && endpoint.promoted.listed == promoted.listed
        };
        added <= UNCOUNTED_MAX
            && self.events == events + from_sql(added)
            && self.remembered_ids == remembered_ids
            && self.endpoints.values().all(only_added)
    }

    /// Writes what has changed, unless the events themselves say it.
    pub(super) fn save(&mut self, connection: &Connection) -> Result<()> {
        if self.only_added() {
            return Ok(());
        }
        for (number, endpoint) in &mut self.endpoints {
            let now = (
                endpoint.counts,
                endpoint.health.clone(),
                endpoint.bytes,
                endpoint.promoted,
            );
            if endpoint.saved.as_ref() == Some(&now) {
                continue;
            }
            let (counts, health, bytes, promoted) = &now;
            // In release too: a lost event is worse than an engine that stops.
            assert!(counts.conserved(), "`{}`: {counts:?}", endpoint.name);
            let sql = "INSERT INTO endpoint VALUES
                (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                ON CONFLICT (number) DO UPDATE SET accepted = ?3, delivered = ?4, dead = ?5,
                discarded = ?6, pending = ?7, in_flight = ?8, failing_since_ms = ?9,
                paused_at_ms = ?10, pause_reason = ?11, looked_to = ?12, listed = ?13,
                bytes = ?14";
            let paused = health.paused.as_ref();
            connection.prepare_cached(sql)?.execute(params![
                number,
                endpoint.name,
                to_sql(counts.accepted),
                to_sql(counts.delivered),
                to_sql(counts.dead),
                to_sql(counts.discarded),
                to_sql(counts.pending),
                to_sql(counts.in_flight),
                health.failing_since_ms.map(to_sql),
                paused.map(|paused| to_sql(paused.at_ms)),
                paused.map_or("", |paused| paused.reason.as_str()),
                promoted.to,
                to_sql(promoted.listed),
                to_sql(*bytes),
            ])?;
            endpoint.saved = Some(now);
        }
        let now = self.totals();
        if self.saved != now {
            let sql = "UPDATE total SET last_seq = ?1, bytes = ?2, remembered_ids = ?3,
                events = ?4";
            connection.prepare_cached(sql)?.execute(params![
                now.0,
                to_sql(now.1),
                to_sql(now.2),
                to_sql(now.3)
            ])?;
            self.saved = now;
        }
        Ok(())
    }
}
