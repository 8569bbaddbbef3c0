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

/// The pending pairs of one ordering key; all but one of them wait.
struct KeyQueue {
    pairs: BTreeSet<i64>,
    /// The one that is ready, in flight or a retry.
    head: i64,
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

impl Endpoint {
    pub fn new(name: &str) -> Endpoint {
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
    pub fn add(&mut self, seq: i64, entry: &NewEntry, replays: u32) {
        self.counts.pending += 1;
        let pair = Pair {
            place: Place::Waiting,
            accepted_at_ms: entry.accepted_at_ms,
            due_at_ms: None,
            attempts: 0,
            claims: first_claim(replays),
            replays,
            reason: String::new(),
            out_of_order: false,
        };
        self.pairs.insert(seq, pair);
        if entry.ordering_key.is_empty() {
            self.put(seq, Place::Ready);
            return;
        }
        let queue = self
            .queues
            .entry(entry.ordering_key.clone())
            .or_insert(KeyQueue {
                pairs: BTreeSet::new(),
                head: seq,
            });
        queue.pairs.insert(seq);
        let head = queue.head;
        if head == seq {
            self.put(seq, Place::Ready);
        } else if self.pairs[&head].place == Place::Ready {
            self.lead(&entry.ordering_key);
        }
    }

    /// Puts a pair that was in flight back to where it was before its first try.
    pub fn release(&mut self, seq: i64, ordering_key: &str) {
        self.put(seq, Place::Ready);
        self.lead(ordering_key);
    }

    /// Makes the first pair of an ordering key its head, when the one that was is not being tried.
    pub fn lead(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else {
            return;
        };
        let (old, new) = (queue.head, queue.pairs.first().copied());
        let Some(new) = new.filter(|new| *new != old) else {
            return;
        };
        queue.head = new;
        if queue.pairs.contains(&old) {
            self.put(old, Place::Waiting);
        }
        self.put(new, Place::Ready);
    }

    /// Moves a pair to another place. Its due time changes only in flight, where it is in no set.
    pub fn put(&mut self, seq: i64, place: Place) -> &mut Pair {
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
        pair.place = place;
        pair
    }

    /// Makes a retry due at another time.
    pub fn make_due(&mut self, seq: i64, due_at_ms: u64) {
        if let Some(pair) = self.pairs.get_mut(&seq)
            && pair.place == Place::Retry
        {
            let before = pair.due_at_ms.replace(due_at_ms).unwrap_or_default();
            self.retry.remove(&(before, seq));
            self.retry.insert((due_at_ms, seq));
        }
    }

    /// Takes out a pair that has ended; if it was its ordering key's head, the next one is.
    pub fn remove(&mut self, seq: i64, ordering_key: &str) {
        self.put(seq, Place::Waiting);
        self.pairs.remove(&seq);
        self.counts.pending -= 1;
        self.leave(seq, ordering_key);
    }

    /// Takes a pair out of its ordering key, which goes on without it.
    pub fn leave_order(&mut self, seq: i64, ordering_key: &str) {
        if let Some(pair) = self.pairs.get_mut(&seq) {
            pair.out_of_order = true;
        }
        self.leave(seq, ordering_key);
    }

    /// Dead letters of an ordering key before a pair of it, as far as they are counted.
    pub fn gap(&self, seq: i64, ordering_key: &str) -> u64 {
        if ordering_key.is_empty() || self.pairs[&seq].out_of_order {
            return 0;
        }
        let before = self.dead.range(..seq);
        let of_key = before.filter(|(_, letter)| letter.ordering_key == ordering_key);
        of_key.take(GAP_MAX).count() as u64
    }

    fn leave(&mut self, seq: i64, ordering_key: &str) {
        let Some(queue) = self.queues.get_mut(ordering_key) else {
            return;
        };
        queue.pairs.remove(&seq);
        if queue.pairs.is_empty() {
            self.queues.remove(ordering_key);
        } else if queue.head == seq {
            self.lead(ordering_key);
        }
    }
}
