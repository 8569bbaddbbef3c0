//! What the endpoints are told next, in memory: the pairs that have no row.
//!
//! A window is a part of what the file holds, from its front. What is delivered leaves it at once,
//! and the file with the next commit. Claims of it are noted in the file of claims alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::claims_file::{ClaimsFile, Record};
use super::ids::Digest;
use crate::outbox::entry::{Capacity, EntryKey, NewEntry, Settlement, StoredEvent};
use crate::outbox::faults::{Fault, asked};

/// Events and bytes of them that one window holds at the most, a few aside; the others stay in
/// the file until there is room. So few in tests that all of them come to the end of a window.
const EVENTS_MAX: usize = if cfg!(test) { 3 } else { 4096 };
const BYTES_MAX: usize = 8 << 20;
/// So many delivered pairs wait for a commit at the most, unless it takes them longer.
pub(super) const ENDED_MAX: usize = 256;

/// The windows of all endpoints.
#[derive(Default)]
pub(super) struct Windows {
    by_number: BTreeMap<i64, Window>,
    numbers: HashMap<String, i64>,
    pub file: ClaimsFile,
    /// Nothing is answered from memory any more.
    pub shut: bool,
    /// In the order of their ends.
    ended: VecDeque<Ended>,
    /// How many of `ended` the open transaction has recorded.
    recorded: usize,
    /// What the open transaction took from its place, to be undone with it.
    undo: Vec<Undo>,
    /// From where claims are counted, far from those of earlier processes, and of rows.
    pub first_claim: i64,
    /// The first time that was told since the file was opened.
    opened_ms: Option<u64>,
    /// A time that was told here, by which nothing was forgotten yet.
    unswept_ms: Option<u64>,
}

enum Undo {
    Claimed(i64, i64),
    /// In flight, it got a row.
    Landed(i64, Flight),
    /// Waiting, it got a row.
    Left(i64, Item),
}

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

struct Flight {
    item: Item,
    /// Its place in the file of claims.
    place: usize,
}

/// A pair that was delivered, and is in the file still.
pub(super) struct Ended {
    pub endpoint: i64,
    pub item: Item,
    pub at_ms: u64,
    place: usize,
}

/// What is known of an ordering key.
#[derive(Default)]
struct Key {
    waiting: BTreeSet<i64>,
    in_flight: BTreeSet<i64>,
    /// Which of the waiting ones is among the heads.
    head: Option<i64>,
    /// It waits for pairs with rows.
    blocked: bool,
}

#[derive(Default)]
pub(super) struct Window {
    name: String,
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

impl Windows {
    /// A window for an endpoint with nothing, or with pairs behind a place in the file.
    pub(super) fn open(&mut self, number: i64, name: &str, behind: Option<i64>) -> &mut Window {
        self.numbers.insert(name.to_owned(), number);
        self.by_number.entry(number).or_insert_with(|| Window {
            name: name.to_owned(),
            complete: behind.is_none(),
            loaded_to: behind.unwrap_or_default(),
            ..Window::default()
        })
    }

    pub(super) fn get(&mut self, number: i64) -> Option<&mut Window> {
        self.by_number.get_mut(&number)
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = (i64, &mut Window)> {
        self.by_number
            .iter_mut()
            .map(|(number, window)| (*number, window))
    }

    fn named(&mut self, name: &str) -> Option<(i64, &mut Window)> {
        let number = *self.numbers.get(name)?;
        Some((number, self.by_number.get_mut(&number)?))
    }

    /// Claims of an endpoint of which nothing has a row; `None` when the file must be asked.
    pub(super) fn claim(
        &mut self,
        name: &str,
        now_ms: u64,
        capacity: &Capacity,
    ) -> Option<Vec<StoredEvent>> {
        if self.shut || asked(Fault::KeyRace) {
            return None;
        }
        self.is_told(now_ms);
        let (number, window) = self.named(name)?;
        let enough = window.complete || window.heads.len() >= capacity.pairs;
        if window.has_rows || window.has_dead || !enough {
            return None;
        }
        let heads: Vec<i64> = window.heads.iter().copied().take(capacity.pairs).collect();
        let mut claimed = Vec::with_capacity(heads.len());
        for seq in heads {
            claimed.extend(self.take(number, seq, 0));
        }
        for head in 0..claimed.len() {
            let left = capacity.pairs.saturating_sub(claimed.len());
            let limit = capacity.behind(&claimed[head]).min(left);
            if limit == 0 {
                continue;
            }
            for seq in self.run_behind(number, &claimed[head], limit) {
                claimed.extend(self.take(number, seq, 0));
            }
        }
        Some(claimed)
    }

    /// The pairs behind one of an ordering key that can go with it, as far as none has a row.
    fn run_behind(&mut self, number: i64, head: &StoredEvent, limit: usize) -> Vec<i64> {
        let Some(window) = self.by_number.get(&number) else {
            return Vec::new();
        };
        let behind = window.behind(&head.ordering_key, head.key.seq);
        let fits = behind.take_while(|(_, hook)| *hook == Some(&head.hook));
        fits.take(limit).map(|(seq, _)| seq).collect()
    }

    /// Settles pairs of which none has a row and none gets one, and says whether others are ready
    /// now; `None` when the file must be asked.
    pub(super) fn settle(
        &mut self,
        settlements: &[(EntryKey, Settlement)],
        now_ms: u64,
    ) -> Option<bool> {
        let simple = |(key, how): &(EntryKey, Settlement)| {
            let window = self.by_number.get(&key.endpoint);
            matches!(how, Settlement::Delivered | Settlement::Release)
                && window.is_some_and(|window| !window.has_rows)
        };
        if self.shut || !settlements.iter().all(simple) {
            return None;
        }
        self.is_told(now_ms);
        let mut woke = false;
        for (key, how) in settlements {
            woke |= match how {
                Settlement::Delivered => self.deliver(key, now_ms),
                _ => self.release(key),
            };
        }
        Some(woke)
    }

    /// When the next pair can be claimed; the outer `None` when the file must be asked.
    pub(super) fn next_due_ms(&mut self, name: &str) -> Option<Option<u64>> {
        let shut = self.shut;
        let (_, window) = self.named(name)?;
        match (shut || window.has_rows, window.heads.is_empty()) {
            (true, _) => None,
            (false, false) => Some(Some(0)),
            (false, true) => window.complete.then_some(None),
        }
    }

    /// Whether no pair of the endpoint has a row.
    pub(super) fn is_without_rows(&mut self, name: &str) -> bool {
        !self.shut && self.named(name).is_some_and(|(_, window)| !window.has_rows)
    }

    /// Whether nothing is pending for the endpoint.
    pub(super) fn is_idle(&mut self, name: &str) -> bool {
        !self.shut
            && self
                .named(name)
                .is_some_and(|(_, window)| !window.is_pending())
    }

    /// The names of endpoints with something pending, sorted; `None` when the file must be asked.
    pub(super) fn pending(&self) -> Option<Vec<String>> {
        if self.shut {
            return None;
        }
        let pending = self.by_number.values().filter(|window| window.is_pending());
        let mut names: Vec<String> = pending.map(|window| window.name.clone()).collect();
        names.sort_unstable();
        Some(names)
    }

    /// Pairs that were delivered and are in the file still.
    pub(super) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// What was delivered and is not recorded in the file; from now on it is, if the transaction
    /// is committed.
    pub(super) fn record(&mut self) -> impl Iterator<Item = &Ended> {
        let from = std::mem::replace(&mut self.recorded, self.ended.len());
        self.ended.range(from..)
    }

    /// Of an endpoint every pair up to this place has ended, as the file knows it after `record`,
    /// or has a row.
    pub(super) fn done_to(&self, number: i64, committed_seq: i64) -> i64 {
        let ended = self.ended.range(self.recorded..);
        let own = ended.filter(|ended| ended.endpoint == number);
        let first = own.map(|ended| ended.item.seq).min();
        let window = self.by_number.get(&number);
        let undone = window.map_or(1, |window| window.undone_from(committed_seq));
        first.map_or(undone, |first| first.min(undone)) - 1
    }

    /// Pairs of an endpoint that are here and count as pending in the file.
    pub(super) fn len(&self, number: i64) -> u64 {
        let ended = self.ended.range(self.recorded..);
        let own = ended.filter(|ended| ended.endpoint == number).count();
        let window = self.by_number.get(&number);
        let others = window.map_or(0, |window| window.waiting.len() + window.in_flight.len());
        (own + others) as u64
    }

    /// The first time that was told, this one if none was before.
    pub(super) fn opened_ms(&mut self, now_ms: u64) -> u64 {
        *self.opened_ms.get_or_insert(now_ms)
    }

    /// Notes a time by which something is to be forgotten.
    fn is_told(&mut self, now_ms: u64) {
        self.opened_ms(now_ms);
        self.unswept_ms = Some(now_ms);
    }

    pub(super) fn take_unswept_ms(&mut self) -> Option<u64> {
        self.unswept_ms.take()
    }

    /// Takes a waiting pair in flight.
    pub(super) fn take(&mut self, number: i64, seq: i64, gap: u64) -> Option<StoredEvent> {
        let window = self.by_number.get_mut(&number)?;
        let mut item = window.remove(seq)?;
        item.claims = item.claims.max(self.first_claim) + 1;
        let record = Record {
            endpoint: number,
            seq,
            claim: item.claims,
            delivered_at_ms: None,
        };
        let place = self.file.add(&record);
        let event = item.told(number, &window.name, gap);
        window.take_off(Flight { item, place });
        Some(event)
    }

    /// The same within a transaction that may be undone.
    pub(super) fn take_for_now(&mut self, number: i64, seq: i64, gap: u64) -> Option<StoredEvent> {
        let event = self.take(number, seq, gap)?;
        self.undo.push(Undo::Claimed(number, seq));
        Some(event)
    }

    /// Whether a claim is in flight here.
    pub(super) fn is_in_flight(&self, key: &EntryKey) -> bool {
        let window = self.by_number.get(&key.endpoint);
        let flight = window.and_then(|window| window.in_flight.get(&key.seq));
        flight.is_some_and(|flight| flight.item.claims == key.claim)
    }

    /// Ends a claim well; whether another of its ordering key is ready now.
    pub(super) fn deliver(&mut self, key: &EntryKey, now_ms: u64) -> bool {
        if !self.is_in_flight(key) {
            return false;
        }
        let Some(window) = self.by_number.get_mut(&key.endpoint) else {
            return false;
        };
        let Some((Flight { item, place }, ready)) = window.land(key.seq) else {
            return false;
        };
        let record = Record {
            endpoint: key.endpoint,
            seq: key.seq,
            claim: key.claim,
            delivered_at_ms: Some(now_ms),
        };
        self.file.change(place, &record);
        self.ended.push_back(Ended {
            endpoint: key.endpoint,
            item,
            at_ms: now_ms,
            place,
        });
        ready
    }

    /// Puts a claim back; whether that makes a pair ready.
    pub(super) fn release(&mut self, key: &EntryKey) -> bool {
        if !self.is_in_flight(key) {
            return false;
        }
        let Some(window) = self.by_number.get_mut(&key.endpoint) else {
            return false;
        };
        let Some((Flight { item, place }, _)) = window.land(key.seq) else {
            return false;
        };
        self.file.erase(place);
        window.add(item);
        true
    }

    /// Takes a pair out that gets a row now, with its claims when it is in flight.
    pub(super) fn leave(&mut self, number: i64, seq: i64) -> Option<(Item, bool)> {
        let window = self.by_number.get_mut(&number)?;
        window.has_rows = true;
        if let Some(item) = window.remove(seq) {
            self.undo.push(Undo::Left(number, item.clone()));
            return Some((item, false));
        }
        let (flight, _) = window.land(seq)?;
        let item = flight.item.clone();
        self.undo.push(Undo::Landed(number, flight));
        Some((item, true))
    }

    /// What the transaction did is in the file.
    pub(super) fn committed(&mut self) {
        for undo in std::mem::take(&mut self.undo) {
            if let Undo::Landed(_, flight) = undo {
                self.file.free(flight.place);
            }
        }
        for ended in self.ended.drain(..self.recorded) {
            self.file.free(ended.place);
        }
        self.recorded = 0;
    }

    /// What the transaction did is not in the file.
    pub(super) fn roll_back(&mut self) {
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            let (Undo::Claimed(number, _) | Undo::Landed(number, _) | Undo::Left(number, _)) =
                &undo;
            let Some(window) = self.by_number.get_mut(number) else {
                continue;
            };
            match undo {
                Undo::Claimed(_, seq) => {
                    if let Some((flight, _)) = window.land(seq) {
                        self.file.erase(flight.place);
                        window.add(flight.item);
                    }
                }
                Undo::Landed(_, flight) => window.take_off(flight),
                Undo::Left(_, item) => window.add(item),
            }
        }
        self.recorded = 0;
    }
}

impl Item {
    fn told(&self, endpoint: i64, name: &str, gap: u64) -> StoredEvent {
        let entry = &self.entry;
        StoredEvent {
            key: EntryKey {
                endpoint,
                seq: self.seq,
                claim: self.claims,
            },
            id: entry.id.clone(),
            hook: entry.hook.clone(),
            dialect: entry.dialect.clone(),
            ordering_key: entry.ordering_key.clone(),
            operation_id: entry.operation_id.clone(),
            body: entry.body.clone(),
            endpoint: name.to_owned(),
            attempt: 1,
            crashes: 0,
            replays: 0,
            number: u64::try_from(self.seq).unwrap_or_default(),
            gap,
            out_of_order: false,
            accepted_at_ms: entry.accepted_at_ms,
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
            false => self.add(item),
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

    fn remove(&mut self, seq: i64) -> Option<Item> {
        let item = self.waiting.remove(&seq)?;
        self.bytes -= item.entry.body.len();
        self.heads.remove(&seq);
        self.of_key(&item.entry.ordering_key, |key, _| {
            key.waiting.remove(&seq);
        });
        Some(item)
    }

    fn take_off(&mut self, flight: Flight) {
        let seq = flight.item.seq;
        let entry = Arc::clone(&flight.item.entry);
        self.in_flight.insert(seq, flight);
        if !entry.ordering_key.is_empty() {
            self.keys.entry(entry.ordering_key.clone()).or_default();
        }
        self.of_key(&entry.ordering_key, |key, _| {
            key.in_flight.insert(seq);
        });
    }

    /// A claim has ended; whether another of its ordering key is ready now.
    fn land(&mut self, seq: i64) -> Option<(Flight, bool)> {
        let flight = self.in_flight.remove(&seq)?;
        let mut ready = false;
        self.of_key(&flight.item.entry.ordering_key, |key, heads| {
            key.in_flight.remove(&seq);
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
        key.is_some_and(|key| key.in_flight.first().is_some_and(|seq| *seq < before))
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
        self.keys.get(key)?.waiting.first().copied()
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
        let waiting = key
            .clone()
            .flat_map(move |key| key.waiting.range(after + 1..));
        let flying = key
            .flat_map(move |key| key.in_flight.range(after + 1..))
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
    fn undone_from(&self, committed_seq: i64) -> i64 {
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

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.len() as u64
    }

    pub(super) fn flies(&self, seq: i64) -> bool {
        self.in_flight.contains_key(&seq)
    }

    pub(super) fn flying(&self) -> Vec<i64> {
        self.in_flight.keys().copied().collect()
    }

    fn is_pending(&self) -> bool {
        self.has_rows || !self.complete || !self.waiting.is_empty() || !self.in_flight.is_empty()
    }
}

impl Key {
    /// Keeps the first that waits among the heads, if the key is free.
    fn choose_head(&mut self, heads: &mut BTreeSet<i64>) {
        let free = !self.blocked && self.in_flight.is_empty();
        let head = self.waiting.first().copied().filter(|_| free);
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
