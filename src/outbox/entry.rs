//! What goes into the outbox, what comes out, and what is counted.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::config::Config;
use super::error::AppendError;
use crate::event::Event;

/// Bytes of one event's ids and names together; they come from outside and need a limit too.
const NAMES_BYTES_MAX: usize = 16 << 10;

// What an event and each of its pairs take in the file beside their own bytes, measured.
const EVENT_EXTRA_BYTES: usize = 160;
const PAIR_EXTRA_BYTES: usize = 80;

/// One event to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// Stable: an entry with an id that is known already is a duplicate and is not stored again.
    pub id: String,
    pub hook: String,
    pub dialect: String,
    /// Entries of one ordering key keep their order; an empty ordering key has none.
    pub ordering_key: String,
    pub operation_id: String,
    pub body: Bytes,
    /// Who must get it; a name given twice counts once.
    pub endpoints: Vec<String>,
    pub accepted_at_ms: u64,
    /// A repeat of the latest entry of its series is a duplicate too, whatever its id.
    pub series: Option<Series>,
    pub read: AsRead,
}

/// What the body of an entry says, where it was just read: who tells of it soon need not read it
/// again. It is no part of what is stored, and no two differ.
#[derive(Default)]
pub struct AsRead(Mutex<Option<Arc<Event>>>);

impl AsRead {
    pub fn of(event: Arc<Event>) -> AsRead {
        AsRead(Mutex::new(Some(event)))
    }

    pub fn get(&self) -> Option<Arc<Event>> {
        self.lock().clone()
    }

    /// For an entry that waits for long: its body is enough to keep.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Event>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for AsRead {
    fn clone(&self) -> AsRead {
        AsRead(Mutex::new(self.get()))
    }
}

impl fmt::Debug for AsRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsRead")
    }
}

impl PartialEq for AsRead {
    fn eq(&self, _: &AsRead) -> bool {
        true
    }
}

impl Eq for AsRead {}

/// Entries that undo each other: only the latest one can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub name: String,
    /// What the entry says; equal for a repeat.
    pub line: String,
    /// So long after the latest one an equal one is a repeat.
    pub within: Duration,
}

impl NewEntry {
    /// What the entry counts against `bytes_max`.
    pub(super) fn bytes(&self) -> u64 {
        let names = self.id.len() + self.hook.len() + self.dialect.len() + self.operation_id.len();
        // The id stands in the list of known ids as well, the ordering key in each pair and its index.
        let event =
            names + self.id.len() + self.ordering_key.len() + self.body.len() + EVENT_EXTRA_BYTES;
        let pair = 2 * self.ordering_key.len() + PAIR_EXTRA_BYTES;
        (event + pair * self.endpoints.len()) as u64
    }

    /// Drops repeated endpoints, and refuses what would never fit.
    pub(super) fn admit(&mut self, config: &Config) -> Result<(), AppendError> {
        self.endpoints.sort_unstable();
        self.endpoints.dedup();
        let endpoints: usize = self.endpoints.iter().map(String::len).sum();
        let names = self.id.len()
            + self.hook.len()
            + self.dialect.len()
            + self.ordering_key.len()
            + self.operation_id.len()
            + endpoints;
        let (part, bytes, limit) = if self.body.len() > config.body_bytes_max {
            ("body", self.body.len(), config.body_bytes_max)
        } else if names > NAMES_BYTES_MAX {
            ("ids and names", names, NAMES_BYTES_MAX)
        } else {
            return Ok(());
        };
        let id: String = self.id.chars().take(64).collect();
        Err(AppendError::TooLarge {
            id,
            part,
            bytes,
            limit,
        })
    }
}

/// What became of one entry of an accepted `append`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored,
    /// An entry with this id is in the outbox, or was within the time that ids are remembered.
    Duplicate,
}

/// Names one claim of one pair. Good until that claim is settled, and only with the outbox that
/// gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// The endpoint's number.
    pub(super) endpoint: i64,
    /// The event's place in the order of acceptance.
    pub(super) seq: i64,
    /// Counts the claims of the pair, so that a late settlement cannot touch a later claim.
    pub(super) claim: i64,
}

/// One pair in flight: tell `endpoint` of the event, then settle `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub key: EntryKey,
    /// What was accepted, as far as it is told on; its fields are read as this one's.
    pub entry: Arc<NewEntry>,
    pub endpoint: Arc<str>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// How many unclean ends of the process found this pair in flight.
    pub crashes: u32,
    /// How often an operator replayed it after it was dead.
    pub replays: u32,
    /// Rises in the order of acceptance.
    pub number: u64,
    /// How many earlier events of the ordering key the endpoint did not get and are dead now.
    pub gap: u64,
    /// Its ordering key went on without it.
    pub out_of_order: bool,
}

impl Deref for StoredEvent {
    type Target = NewEntry;

    fn deref(&self) -> &NewEntry {
        &self.entry
    }
}

/// How many pairs a claim may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    pub pairs: usize,
    /// Of these, how many may be retries: slow failures must not take every seat.
    pub retries: usize,
    /// How many of one ordering key may be taken, one behind the other: what one request can
    /// carry.
    pub in_a_row: usize,
    /// Of these hooks.
    pub in_a_row_of: Arc<[&'static str]>,
}

impl Capacity {
    /// How many may be taken behind a first attempt of an event that keeps its order. What was
    /// tried before is tried alone.
    pub(super) fn behind(&self, head: &StoredEvent) -> usize {
        let can = head.attempt == 1
            && head.crashes == 0
            && !head.out_of_order
            && !head.ordering_key.is_empty()
            && self.in_a_row_of.contains(&head.hook.as_str());
        match can {
            true => self.in_a_row.saturating_sub(1),
            false => 0,
        }
    }

    /// Capacity for so many pairs of any kind.
    pub fn of(pairs: usize) -> Capacity {
        Capacity {
            pairs,
            retries: pairs,
            in_a_row: 1,
            in_a_row_of: Arc::default(),
        }
    }
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    Delivered,
    Retry {
        due_at_ms: u64,
        reason: String,
        /// `false`: nothing was put on the wire, and the attempt is not used up.
        counts: bool,
        /// The ordering key goes on without it, and gives its order up for it.
        out_of_order: bool,
    },
    /// Given up; kept for replay. The ordering key goes on.
    Dead {
        reason: String,
        /// The beginning of the endpoint's last answer.
        answer: String,
    },
    /// Ended by an operator or a policy, not by success; the outbox logs it.
    Discarded {
        reason: String,
    },
    /// Back to where it was: at shutdown. The attempt is not used up.
    Release,
}

/// Pairs of one endpoint since the outbox was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: u64,
    pub delivered: u64,
    pub dead: u64,
    pub discarded: u64,
    /// Not ended yet, in flight or not.
    pub pending: u64,
    /// Of the pending ones.
    pub in_flight: u64,
}

impl Counts {
    /// Nothing was lost and nothing came from nowhere.
    pub fn conserved(&self) -> bool {
        self.accepted == self.delivered + self.dead + self.discarded + self.pending
            && self.in_flight <= self.pending
    }
}

/// What the outbox holds for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStats {
    pub endpoint: String,
    pub counts: Counts,
    /// When the oldest pending pair was accepted.
    pub oldest_pending_ms: Option<u64>,
    /// What counts against `endpoint_bytes_max`: the events that are pending or dead for it.
    pub bytes: u64,
    pub health: Health,
}

/// What is known of an endpoint, beside its pairs. Kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Since when no attempt has succeeded; `None` while it answers.
    pub failing_since_ms: Option<u64>,
    /// Set while the endpoint is only tried now and then, and events are parked.
    pub paused: Option<Paused>,
}

/// Since when and why an endpoint is paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    pub at_ms: u64,
    pub reason: String,
}

/// What the outbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sorted by name; an endpoint that ever had a pair is listed.
    pub endpoints: Vec<EndpointStats>,
    /// What counts against `bytes_max`.
    pub bytes: u64,
    /// What counts against `entries_max`.
    pub entries: u64,
    /// Ids of ended events that are remembered.
    pub remembered_ids: u64,
    pub work: Work,
}

/// What was done since the outbox was opened; zero in memory, where nothing is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Transactions that were synced to disk.
    pub commits: u64,
    /// Calls that they answered.
    pub calls: u64,
    /// What they took together.
    pub time: Duration,
    /// Events that they accepted.
    pub accepted: u64,
    /// Those that accepted events, by how many: up to each of [`Work::SIZES`], and more.
    pub by_size: [u64; Work::SIZES.len() + 1],
    /// All of them, by their time: up to each of [`Work::TIMES_US`], and more.
    pub by_time: [u64; Work::TIMES_US.len() + 1],
}

impl Work {
    /// Events.
    pub const SIZES: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    /// Microseconds.
    pub const TIMES_US: [u64; 12] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_000_000,
    ];

    /// Counts one transaction. Only the writer's thread does, so nothing is locked.
    pub(super) fn committed(&mut self, calls: usize, accepted: usize, time: Duration) {
        self.commits += 1;
        self.calls += calls as u64;
        self.time += time;
        let range = |bounds: &[u64], value| bounds.partition_point(|&bound| bound < value);
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.by_time[range(&Work::TIMES_US, time_us)] += 1;
        if accepted > 0 {
            self.accepted += accepted as u64;
            self.by_size[range(&Work::SIZES, accepted as u64)] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_counted_up_to_its_bound() {
        let mut work = Work::default();
        for (accepted, time_us) in [(0, 100), (1, 101), (3, 1_000), (4, 9), (600, 3_000_000)] {
            work.committed(2, accepted, Duration::from_micros(time_us));
        }
        assert_eq!((work.commits, work.calls, work.accepted), (5, 10, 608));
        assert_eq!(work.by_size, [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(work.by_time, [2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
