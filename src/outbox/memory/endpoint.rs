//! One endpoint's pairs: which are ready, which wait for their ordering key, which are dead.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::outbox::entry::{Counts, Health, NewEntry};
use crate::outbox::letter::DeadLetter;
use crate::outbox::rules::{GAP_MAX, first_claim};

pub(super) struct Endpoint {
    pub name: String,
    pub counts: Counts,
    pub health: Health,
    /// Of the events that are pending or dead for it.
    pub bytes: u64,
    pub pairs: BTreeMap<i64, Pair>,
    pub ready: BTreeSet<i64>,
    pub retry: BTreeSet<(u64, i64)>,
    queues: HashMap<String, KeyQueue>,
    /// Given up; their events stay for replay.
    pub dead: BTreeMap<i64, DeadLetter>,
}

/// The pending pairs of one ordering key. While some are tried the others wait; else the first is
/// ready.
#[derive(Default)]
struct KeyQueue {
    pairs: BTreeSet<i64>,
    /// How many are in flight or a retry.
    tried: usize,
    ready: Option<i64>,
}

pub(super) struct Pair {
    pub place: Place,
    pub accepted_at_ms: u64,
    /// Of the last retry, if there was one.
    pub due_at_ms: Option<u64>,
    pub attempts: u32,
    pub claims: i64,
    pub replays: u32,
    /// Why the last attempt failed.
    pub reason: String,
    /// Empty without one, and for a pair that has left it.
    pub ordering_key: String,
    /// It has left its ordering key.
    pub out_of_order: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Ready,
    Retry,
    InFlight,
    Waiting,
}

impl Place {
    fn is_tried(self) -> bool {
        matches!(self, Place::InFlight | Place::Retry)
    }
}

impl Endpoint {
    pub(super) fn new(name: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            counts: Counts::default(),
            health: Health::default(),
            bytes: 0,
            pairs: BTreeMap::new(),
            ready: BTreeSet::new(),
            retry: BTreeSet::new(),
            queues: HashMap::new(),
            dead: BTreeMap::new(),
        }
    }

    /// A new pair, or one that is replayed and may come before others of its ordering key.
    pub(super) fn add(&mut self, seq: i64, entry: &NewEntry, replays: u32) {
        self.counts.pending += 1;
        let pair = Pair {
            place: Place::Waiting,
            accepted_at_ms: entry.accepted_at_ms,
            due_at_ms: None,
            attempts: 0,
            claims: first_claim(replays),
            replays,
            reason: String::new(),
            ordering_key: entry.ordering_key.clone(),
            out_of_order: false,
        };
        self.pairs.insert(seq, pair);
        if entry.ordering_key.is_empty() {
            self.put(seq, Place::Ready);
            return;
        }
        let queue = self.queues.entry(entry.ordering_key.clone()).or_default();
        queue.pairs.insert(seq);
        self.arrange(&entry.ordering_key);
    }

    /// Puts a pair that was in flight back to where it was before its first try.
    pub(super) fn release(&mut self, seq: i64) {
        let key = self.pairs[&seq].ordering_key.clone();
        match key.as_str() {
            "" => drop(self.put(seq, Place::Ready)),
            key => {
                self.put(seq, Place::Waiting);
                self.arrange(key);
            }
        }
    }

    /// Makes the first pair of an ordering key ready when none is tried, and no other.
    fn arrange(&mut self, key: &str) {
        let Some(queue) = self.queues.get(key) else {
            return;
        };
        let first = match queue.tried {
            0 => queue.pairs.first().copied(),
            _ => None,
        };
        let before = queue.ready;
        if before == first {
            return;
        }
        if let Some(before) = before {
            self.put(before, Place::Waiting);
        }
        if let Some(first) = first {
            self.put(first, Place::Ready);
        }
    }

    /// Moves a pair to another place. Its due time changes only in flight, where it is in no set.
    pub(super) fn put(&mut self, seq: i64, place: Place) -> &mut Pair {
        let pair = self.pairs.get_mut(&seq).expect("a moved pair is pending");
        let due_at_ms = pair.due_at_ms.unwrap_or_default();
        match pair.place {
            Place::Ready => self.ready.remove(&seq),
            Place::Retry => self.retry.remove(&(due_at_ms, seq)),
            Place::InFlight | Place::Waiting => false,
        };
        match place {
            Place::Ready => self.ready.insert(seq),
            Place::Retry => self.retry.insert((due_at_ms, seq)),
            Place::InFlight | Place::Waiting => false,
        };
        if let Some(queue) = self.queues.get_mut(&pair.ordering_key) {
            queue.tried -= usize::from(pair.place.is_tried());
            queue.tried += usize::from(place.is_tried());
            if queue.ready == Some(seq) {
                queue.ready = None;
            }
            if place == Place::Ready {
                queue.ready = Some(seq);
            }
        }
        pair.place = place;
        pair
    }

    /// Makes a retry due at another time.
    pub(super) fn make_due(&mut self, seq: i64, due_at_ms: u64) {
        if let Some(pair) = self.pairs.get_mut(&seq)
            && pair.place == Place::Retry
        {
            let before = pair.due_at_ms.replace(due_at_ms).unwrap_or_default();
            self.retry.remove(&(before, seq));
            self.retry.insert((due_at_ms, seq));
        }
    }

    /// Takes out a pair that has ended; the next of its ordering key may be ready then.
    pub(super) fn remove(&mut self, seq: i64) {
        self.put(seq, Place::Waiting);
        self.counts.pending -= 1;
        if let Some(pair) = self.pairs.remove(&seq) {
            self.leave(seq, &pair.ordering_key);
        }
    }

    /// Takes a pair out of its ordering key, which goes on without it.
    pub(super) fn leave_order(&mut self, seq: i64) {
        let place = self.pairs[&seq].place;
        let pair = self.put(seq, Place::Waiting);
        pair.out_of_order = true;
        let key = std::mem::take(&mut pair.ordering_key);
        self.put(seq, place);
        self.leave(seq, &key);
    }

    fn leave(&mut self, seq: i64, key: &str) {
        let Some(queue) = self.queues.get_mut(key) else {
            return;
        };
        queue.pairs.remove(&seq);
        match queue.pairs.is_empty() {
            true => drop(self.queues.remove(key)),
            false => self.arrange(key),
        }
    }

    /// Whether a pair of its ordering key before this one is in flight or a retry.
    pub(super) fn is_busy_before(&self, seq: i64) -> bool {
        let queue = self.queues.get(&self.pairs[&seq].ordering_key);
        let mut before = queue.into_iter().flat_map(|queue| queue.pairs.range(..seq));
        before.any(|before| self.pairs[before].place.is_tried())
    }

    /// The pairs behind one of an ordering key that wait and were never tried, up to the first of
    /// another kind.
    pub(super) fn behind(&self, seq: i64) -> impl Iterator<Item = i64> {
        let queue = self.queues.get(&self.pairs[&seq].ordering_key);
        let behind = queue
            .into_iter()
            .flat_map(move |queue| queue.pairs.range(seq + 1..));
        behind.copied().take_while(|behind| {
            let pair = &self.pairs[behind];
            pair.place == Place::Waiting && pair.attempts == 0
        })
    }

    /// Dead letters of an ordering key before a pair of it, as far as they are counted.
    pub(super) fn gap(&self, seq: i64, ordering_key: &str) -> u64 {
        if ordering_key.is_empty() || self.pairs[&seq].out_of_order {
            return 0;
        }
        let before = self.dead.range(..seq);
        let of_key = before.filter(|(_, letter)| letter.ordering_key == ordering_key);
        of_key.take(GAP_MAX).count() as u64
    }
}
