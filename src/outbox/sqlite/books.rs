//! The counters of the file: kept in memory, written with the change that they count.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, Result, params};

use super::{from_sql, to_sql};
use crate::outbox::entry::{Counts, Health, Paused};

/// Every counter, as of the transaction that is open.
#[derive(Default)]
pub(super) struct Books {
    pub last_seq: i64,
    pub bytes: u64,
    pub events: u64,
    pub remembered_ids: u64,
    pub endpoints: BTreeMap<i64, Book>,
    numbers: HashMap<String, i64>,
    /// What the file says of the first four.
    saved: (i64, u64, u64, u64),
}

pub(super) struct Book {
    pub name: String,
    pub counts: Counts,
    pub health: Health,
    /// What the file says; `None` when it has no row yet.
    saved: Option<(Counts, Health)>,
}

impl Books {
    pub(super) fn load(connection: &Connection) -> Result<Books> {
        let mut books = Books::default();
        let sql = "SELECT last_seq, bytes, remembered_ids, events FROM total";
        connection.prepare_cached(sql)?.query_row([], |row| {
            books.last_seq = row.get(0)?;
            books.bytes = from_sql(row.get(1)?);
            books.remembered_ids = from_sql(row.get(2)?);
            books.events = from_sql(row.get(3)?);
            Ok(())
        })?;
        books.saved = books.totals();
        let sql = "SELECT number, name, accepted, delivered, dead, discarded, pending, in_flight,
            failing_since_ms, paused_at_ms, pause_reason FROM endpoint";
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
            books.numbers.insert(name.clone(), row.get(0)?);
            let paused_at_ms: Option<i64> = row.get(9)?;
            let reason: String = row.get(10)?;
            let health = Health {
                failing_since_ms: row.get::<_, Option<i64>>(8)?.map(from_sql),
                paused: paused_at_ms.map(|at_ms| Paused {
                    at_ms: from_sql(at_ms),
                    reason,
                }),
            };
            let saved = Some((counts, health.clone()));
            let book = Book {
                name,
                counts,
                health,
                saved,
            };
            books.endpoints.insert(row.get(0)?, book);
        }
        Ok(books)
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
        let book = Book {
            name: name.to_owned(),
            counts: Counts::default(),
            health: Health::default(),
            saved: None,
        };
        self.endpoints.insert(number, book);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The counters of an endpoint whose number came from the file or from `number_or_new`.
    pub(super) fn counts(&mut self, number: i64) -> &mut Counts {
        let book = self.endpoints.get_mut(&number);
        &mut book.expect("an endpoint is never removed").counts
    }

    pub(super) fn set_health(&mut self, number: i64, health: Health) {
        if let Some(book) = self.endpoints.get_mut(&number) {
            book.health = health;
        }
    }

    fn totals(&self) -> (i64, u64, u64, u64) {
        (self.last_seq, self.bytes, self.remembered_ids, self.events)
    }

    /// Writes what has changed.
    pub(super) fn save(&mut self, connection: &Connection) -> Result<()> {
        for (number, book) in &mut self.endpoints {
            let now = (book.counts, book.health.clone());
            if book.saved.as_ref() == Some(&now) {
                continue;
            }
            let (counts, health) = &now;
            // In release too: a lost event is worse than an engine that stops.
            assert!(counts.conserved(), "`{}`: {counts:?}", book.name);
            let sql = "INSERT INTO endpoint VALUES
                (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                ON CONFLICT (number) DO UPDATE SET accepted = ?3, delivered = ?4, dead = ?5,
                discarded = ?6, pending = ?7, in_flight = ?8, failing_since_ms = ?9,
                paused_at_ms = ?10, pause_reason = ?11";
            let paused = health.paused.as_ref();
            connection.prepare_cached(sql)?.execute(params![
                number,
                book.name,
                to_sql(counts.accepted),
                to_sql(counts.delivered),
                to_sql(counts.dead),
                to_sql(counts.discarded),
                to_sql(counts.pending),
                to_sql(counts.in_flight),
                health.failing_since_ms.map(to_sql),
                paused.map(|paused| to_sql(paused.at_ms)),
                paused.map_or("", |paused| paused.reason.as_str()),
            ])?;
            book.saved = Some(now);
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
