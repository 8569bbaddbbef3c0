//! Looking through a whole file: what is damaged, and what it holds.

use std::path::Path;

use rusqlite::Connection;

use super::salvage::{self, Found, Frame, Pair};
use crate::outbox::error::OpenError;
use crate::outbox::file_care::{Exported, Inspection};

/// Findings that are told one by one.
const FINDINGS_MAX: usize = 100;

/// Reads the whole file, which no other process may have open.
pub(in crate::outbox) fn check(path: &Path) -> Result<Inspection, OpenError> {
    let connection = salvage::open_to_look(path)?;
    Ok(look_through(&connection))
}

pub(super) fn look_through(connection: &Connection) -> Inspection {
    let mut seen = Inspection::default();
    let mut find = |finding: String| {
        seen.found += 1;
        if seen.findings.len() < FINDINGS_MAX {
            seen.findings.push(finding);
        }
    };
    for line in integrity(connection) {
        find(format!("the file: {line}"));
    }
    let frame = match Frame::read(connection) {
        Ok(frame) => frame,
        Err(error) => {
            find(format!("the endpoints cannot be read: {error}"));
            return seen;
        }
    };
    for endpoint in &frame.torn {
        let name = &frame.endpoints[endpoint].name;
        find(format!("what waits for `{name}` cannot all be read"));
    }
    let mut kept = vec![(0, 0); frame.endpoints.len()];
    let mut events = 0;
    let whole = salvage::events(connection, frame.last_seq, |found| match found {
        Found::Unreadable(from, to) => {
            find(format!(
                "events in the places {from} to {to} cannot be read"
            ));
        }
        Found::There(seq, stored) => {
            events += 1;
            if !stored.sound {
                let id = &stored.entry.id;
                find(format!(
                    "event `{id}` in place {seq} does not fit its checksum"
                ));
            }
            let numbers: Vec<i64> = frame.endpoints.keys().copied().collect();
            for (endpoint, pair) in frame.pairs_of(&stored) {
                let place = numbers.binary_search(&endpoint).unwrap_or_default();
                match pair {
                    Some(Pair::Dead { .. }) => kept[place].1 += 1,
                    _ => kept[place].0 += 1,
                }
            }
        }
    });
    if whole && frame.torn.is_empty() {
        for (endpoint, (pending, dead)) in frame.endpoints.values().zip(kept) {
            let (counts, name) = (endpoint.counts, &endpoint.name);
            if counts.pending != pending || counts.dead != dead || !counts.conserved() {
                find(format!(
                    "the counters of `{name}` are wrong: {pending} pending and {dead} dead are there, counted are {} and {}",
                    counts.pending, counts.dead
                ));
            }
        }
    }
    seen.events = events;
    seen
}

/// What SQLite finds wrong with its own structure.
fn integrity(connection: &Connection) -> Vec<String> {
    let read = || {
        let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<rusqlite::Result<Vec<String>>>()
    };
    match read() {
        Ok(lines) if lines == ["ok"] => Vec::new(),
        Ok(lines) => lines,
        Err(error) => vec![error.to_string()],
    }
}

/// Hands on every event that can be read and is pending or dead for somebody; false when some
/// could not be read.
pub(in crate::outbox) fn export(
    path: &Path,
    mut each: impl FnMut(Exported),
) -> Result<bool, OpenError> {
    let connection = salvage::open_to_look(path)?;
    let failed = |error| super::file::failed(path, &error);
    let frame = Frame::read(&connection).map_err(failed)?;
    let mut whole = frame.torn.is_empty();
    whole &= salvage::events(&connection, frame.last_seq, |found| {
        let Found::There(_, stored) = found else {
            return;
        };
        let pairs = frame.pairs_of(&stored);
        if pairs.is_empty() {
            return;
        }
        let name = |endpoint: &i64| frame.endpoints[endpoint].name.clone();
        let is_dead = |pair: &Option<Pair>| matches!(pair, Some(Pair::Dead { .. }));
        let named = |dead: bool| {
            let own = pairs.iter().filter(|(_, pair)| is_dead(pair) == dead);
            own.map(|(endpoint, _)| name(endpoint)).collect()
        };
        each(Exported {
            pending: named(false),
            dead: named(true),
            sound: stored.sound,
            entry: stored.entry,
        });
    });
    Ok(whole)
}
