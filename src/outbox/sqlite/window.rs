//! What one endpoint is told next: the pairs that have no row, and which of them can be claimed.
//!
//! A window is a part of what the file holds, from its front.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;

use super::ids::Digest;
use crate::outbox::entry::{EntryKey, NewEntry, StoredEvent};
use crate::outbox::faults::{Fault, asked};

/// Events and bytes of them that one window holds at the most, a few aside; the others stay in
/// the file until there is room. So few in tests that all of them come to the end of a window.
const EVENTS_MAX: usize = if cfg!(test) { 3 } else { 4096 };
const BYTES_MAX: usize = 8 << 20;
/// So many of them may wait with what their bodies say; behind them it is read again in its turn.
const READ_MAX: usize = if cfg!(test) { 1 } else { 256 };

/// One event for one endpoint, without a row.
#[derive(Clone)]
pub(super) struct Item {
    pub seq: i64,
    pub entry: Arc<NewEntry>,
    /// Of its id.
    pub digest: Digest,
    /// What it counts against the limits.
    pub bytes: u64,
    /// Others are to get it too.
    pub shared: bool,
    /// Its last claim; 0 before the first.
    pub claims: i64,
}

pub(super) struct Flight {
    pub item: Item,
    /// Its place in the file of claims.
    pub place: usize,
}

/// Places in the order of acceptance, in their order. Of most ordering keys there are one or two.
#[derive(Default)]
struct Places(SmallVec<[i64; 4]>);

impl Places {
    fn insert(&mut self, seq: i64) {
        if let Err(at) = self.0.binary_search(&seq) {
            self.0.insert(at, seq);
        }
    }

    fn remove(&mut self, seq: i64) {
        if let Ok(at) = self.0.binary_search(&seq) {
            self.0.remove(at);
        }
    }

    fn first(&self) -> Option<i64> {
        self.0.first().copied()
    }

    fn behind(&self, after: i64) -> &[i64] {
        &self.0[self.0.partition_point(|seq| *seq <= after)..]
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is known of an ordering key.
#[derive(Default)]
struct Key {
    waiting: Places,
    in_flight: Places,
    /// Which of the waiting ones is among the heads.
    head: Option<i64>,
    /// It waits for pairs with rows.
    blocked: bool,
}

#[derive(Default)]
pub(super) struct Window {
    pub name: Arc<str>,
    waiting: BTreeMap<i64, Item>,
    /// Those of the waiting ones that can be claimed: the first of each ordering key that is free.
    heads: BTreeSet<i64>,
    keys: HashMap<String, Key>,
    in_flight: BTreeMap<i64, Flight>,
    /// Of the waiting ones.
    bytes: usize,
    /// Of the pairs without rows, those up to this place are here, or all that were committed.
    loaded_to: i64,
    complete: bool,
    /// Others of the endpoint may have rows.
    pub has_rows: bool,
    pub has_dead: bool,
}

impl Item {
    pub(super) fn told(&self, endpoint: i64, name: &Arc<str>, gap: u64) -> StoredEvent {
        StoredEvent {
            key: EntryKey {
                endpoint,
                seq: self.seq,
                claim: self.claims,
            },
            entry: Arc::clone(&self.entry),
            endpoint: Arc::clone(name),
            attempt: 1,
            crashes: 0,
            replays: 0,
            number: u64::try_from(self.seq).unwrap_or_default(),
            gap,
            out_of_order: false,
        }
    }
}

impl Window {
    /// Of an endpoint of which nothing is committed.
    pub(super) fn with_nothing() -> Window {
        Window {
            complete: true,
            ..Window::default()
        }
    }

    pub(super) fn of(name: &str, behind: Option<i64>) -> Window {
        Window {
            name: name.into(),
            complete: behind.is_none(),
            loaded_to: behind.unwrap_or_default(),
            ..Window::default()
        }
    }

    /// A pair that can wait here.
    pub(super) fn add(&mut self, item: Item) {
        let seq = item.seq;
        self.bytes += item.entry.body.len();
        let entry = Arc::clone(&item.entry);
        self.waiting.insert(seq, item);
        if entry.ordering_key.is_empty() {
            self.heads.insert(seq);
            return;
        }
        let key = match self.keys.get_mut(&entry.ordering_key) {
            Some(key) => key,
            None => self.keys.entry(entry.ordering_key.clone()).or_default(),
        };
        key.waiting.insert(seq);
        key.choose_head(&mut self.heads);
    }

    /// A pair that was just committed, if this window has room for it.
    pub(super) fn feed(&mut self, item: Item) {
        if !self.complete {
            return;
        }
        match self.is_full() {
            true => {
                self.complete = false;
                self.loaded_to = item.seq - 1;
            }
            false => {
                if self.waiting.len() >= READ_MAX {
                    item.entry.read.forget();
                }
                self.add(item);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= EVENTS_MAX || self.bytes >= BYTES_MAX
    }

    /// From where on pairs are to be read from the file, if there are any and some are needed.
    pub(super) fn unread(&self, wanted: usize) -> Option<i64> {
        let needed = !self.complete && self.heads.len() < wanted;
        needed.then_some(self.loaded_to)
    }

    /// The same when none waits here, though the first of all is needed.
    pub(super) fn unread_if_empty(&self) -> Option<i64> {
        let needed = !self.complete && self.waiting.is_empty();
        needed.then_some(self.loaded_to)
    }

    /// The pairs up to a place are here, have rows, or ended.
    pub(super) fn read_to(&mut self, to: i64, complete: bool) {
        self.loaded_to = to;
        self.complete = complete;
    }

    pub(super) fn remove(&mut self, seq: i64) -> Option<Item> {
        let item = self.waiting.remove(&seq)?;
        self.bytes -= item.entry.body.len();
        self.heads.remove(&seq);
        self.of_key(&item.entry.ordering_key, |key, _| key.waiting.remove(seq));
        Some(item)
    }

    /// Takes a waiting pair in flight, with its new claim, to its place in the file of claims.
    pub(super) fn claim(
        &mut self,
        seq: i64,
        claim: impl FnOnce(&mut Item) -> usize,
    ) -> Option<&Item> {
        let mut item = self.waiting.remove(&seq)?;
        let place = claim(&mut item);
        self.bytes -= item.entry.body.len();
        self.heads.remove(&seq);
        let entry = Arc::clone(&item.entry);
        self.of_key(&entry.ordering_key, |key, _| {
            key.waiting.remove(seq);
            key.in_flight.insert(seq);
        });
        let flight = self.in_flight.entry(seq).or_insert(Flight { item, place });
        Some(&flight.item)
    }

    /// Puts a pair back in flight.
    pub(super) fn take_off(&mut self, flight: Flight) {
        let seq = flight.item.seq;
        let entry = Arc::clone(&flight.item.entry);
        self.in_flight.insert(seq, flight);
        if !entry.ordering_key.is_empty() {
            self.keys.entry(entry.ordering_key.clone()).or_default();
        }
        self.of_key(&entry.ordering_key, |key, _| key.in_flight.insert(seq));
    }

    /// A claim has ended; whether another of its ordering key is ready now.
    pub(super) fn land(&mut self, seq: i64) -> Option<(Flight, bool)> {
        let flight = self.in_flight.remove(&seq)?;
        let mut ready = false;
        self.of_key(&flight.item.entry.ordering_key, |key, heads| {
            key.in_flight.remove(seq);
            key.choose_head(heads);
            ready = key.head.is_some();
        });
        Some((flight, ready))
    }

    /// Changes what is known of an ordering key; of one without any pair nothing is.
    fn of_key(&mut self, name: &str, change: impl FnOnce(&mut Key, &mut BTreeSet<i64>)) {
        let Some(key) = self.keys.get_mut(name) else {
            return;
        };
        change(key, &mut self.heads);
        key.choose_head(&mut self.heads);
        if key.waiting.is_empty() && key.in_flight.is_empty() {
            self.keys.remove(name);
        }
    }

    /// Pairs with rows go first, until the key is let go on.
    pub(super) fn block(&mut self, key: &str) {
        self.of_key(key, |key, _| key.blocked = true);
    }

    pub(super) fn unblock(&mut self, key: &str) {
        self.of_key(key, |key, _| key.blocked = false);
    }

    /// Whether one of the ordering key is in flight here, before a place.
    pub(super) fn is_busy(&self, key: &str, before: i64) -> bool {
        let key = self.keys.get(key);
        key.is_some_and(|key| key.in_flight.first().is_some_and(|seq| seq < before))
    }

    /// The ordering key of a claim that is in flight here.
    pub(super) fn key_in_flight(&self, key: &EntryKey) -> Option<String> {
        let item = &self.in_flight.get(&key.seq)?.item;
        (item.claims == key.claim).then(|| item.entry.ordering_key.clone())
    }

    /// Whether any of the ordering key is here.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// The first of the ordering key that waits.
    pub(super) fn first_waiting(&self, key: &str) -> Option<i64> {
        self.keys.get(key)?.waiting.first()
    }

    /// The first behind a place that can be claimed, as far as is known here.
    pub(super) fn next_head(&self, after: i64) -> Option<&Item> {
        if asked(Fault::KeyRace) {
            return self.waiting.range(after + 1..).next().map(|(_, item)| item);
        }
        let seq = self.heads.range(after + 1..).next()?;
        self.waiting.get(seq)
    }

    pub(super) fn next_waiting(&self, after: i64) -> Option<&Item> {
        self.waiting.range(after + 1..).next().map(|(_, item)| item)
    }

    /// The ordering key of a pair that waits here.
    pub(super) fn waiting_key(&self, seq: i64) -> Option<String> {
        let item = self.waiting.get(&seq)?;
        Some(item.entry.ordering_key.clone())
    }

    /// Of the ordering key those behind a place, with the hooks of those that wait.
    pub(super) fn behind<'a>(
        &'a self,
        key: &str,
        after: i64,
    ) -> impl Iterator<Item = (i64, Option<&'a String>)> {
        let key = self.keys.get(key).into_iter();
        let waiting = key.clone().flat_map(move |key| key.waiting.behind(after));
        let flying = key
            .flat_map(move |key| key.in_flight.behind(after))
            .next()
            .copied();
        let mut waiting = waiting.copied().peekable();
        let mut flying = flying;
        std::iter::from_fn(move || {
            // One in flight ends the run, whoever asks.
            match (waiting.peek(), flying) {
                (Some(seq), Some(flies)) if flies < *seq => flying.take().map(|seq| (seq, None)),
                (None, Some(_)) => flying.take().map(|seq| (seq, None)),
                _ => waiting.next().map(|seq| {
                    let item = self.waiting.get(&seq);
                    (seq, item.map(|item| &item.entry.hook))
                }),
            }
        })
    }

    /// The first pair that has no row and has not ended, or that is not known here.
    pub(super) fn undone_from(&self, committed_seq: i64) -> i64 {
        let waiting = self.waiting.first_key_value().map(|(seq, _)| *seq);
        let in_flight = self.in_flight.first_key_value().map(|(seq, _)| *seq);
        let unread = match self.complete {
            true => committed_seq + 1,
            false => self.loaded_to + 1,
        };
        let first = waiting.into_iter().chain(in_flight).min();
        first.map_or(unread, |first| first.min(unread))
    }

    /// The pair that was accepted first, if all are here; the outer `None` when some may not be.
    pub(super) fn oldest(&self) -> Option<&Item> {
        let waiting = self.waiting.values().next();
        let flying = self.in_flight.values().next().map(|flight| &flight.item);
        waiting
            .into_iter()
            .chain(flying)
            .min_by_key(|item| item.seq)
    }

    /// The claim of a pair that is in flight here.
    pub(super) fn claim_in_flight(&self, seq: i64) -> Option<i64> {
        Some(self.in_flight.get(&seq)?.item.claims)
    }

    /// Whether a pair can be claimed; `None` when that is not known here.
    pub(super) fn is_ready(&self) -> Option<bool> {
        match self.heads.is_empty() {
            false => Some(true),
            true => self.complete.then_some(false),
        }
    }

    /// How many pairs are here, in flight or not.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// The first pairs that can be claimed; `None` when there may be more than are known here.
    pub(super) fn first_heads(&self, limit: usize) -> Option<impl Iterator<Item = i64>> {
        let enough = self.complete || self.heads.len() >= limit;
        enough.then(|| self.heads.iter().copied().take(limit))
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.len() as u64
    }

    pub(super) fn flies(&self, seq: i64) -> bool {
        self.in_flight.contains_key(&seq)
    }

    pub(super) fn flying(&self) -> Vec<i64> {
        self.in_flight.keys().copied().collect()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.has_rows || !self.complete || !self.waiting.is_empty() || !self.in_flight.is_empty()
    }
}

impl Key {
    /// Keeps the first that waits among the heads, if the key is free.
    fn choose_head(&mut self, heads: &mut BTreeSet<i64>) {
        let free = !self.blocked && self.in_flight.is_empty();
        let head = self.waiting.first().filter(|_| free);
        if self.head == head {
            return;
        }
        if let Some(before) = self.head {
            heads.remove(&before);
        }
        heads.extend(head);
        self.head = head;
    }
}
