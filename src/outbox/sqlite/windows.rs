//! What is told next, of all endpoints. What is delivered leaves its window at once, and the file
//! with a later commit. Claims are noted in the file of claims alone.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::claims_file::{ClaimsFile, Record};
use super::window::{Flight, Item, Window};
use crate::outbox::entry::{Capacity, EntryKey, Settlement, StoredEvent};
use crate::outbox::faults::{Fault, asked};

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

/// A pair that was delivered, and is in the file still.
pub(super) struct Ended {
    pub endpoint: i64,
    pub item: Item,
    pub at_ms: u64,
    place: usize,
}

impl Windows {
    /// A window for an endpoint with nothing, or with pairs behind a place in the file.
    pub(super) fn open(&mut self, number: i64, name: &str, behind: Option<i64>) -> &mut Window {
        self.numbers.insert(name.to_owned(), number);
        let window = || Window::of(name, behind);
        self.by_number.entry(number).or_insert_with(window)
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
        if window.has_rows || window.has_dead {
            return None;
        }
        let heads: Vec<i64> = window.first_heads(capacity.pairs)?.collect();
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
        if shut || window.has_rows {
            return None;
        }
        Some(window.is_ready()?.then_some(0))
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
        let mut names: Vec<String> = pending.map(|window| window.name.to_string()).collect();
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
        let others = window.map_or(0, Window::len);
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
        let (file, first_claim) = (&mut self.file, self.first_claim);
        let name = Arc::clone(&window.name);
        let item = window.claim(seq, |item| {
            item.claims = item.claims.max(first_claim) + 1;
            file.add(&Record {
                endpoint: number,
                seq,
                claim: item.claims,
                delivered_at_ms: None,
            })
        })?;
        Some(item.told(number, &name, gap))
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
        let claim = window.and_then(|window| window.claim_in_flight(key.seq));
        claim == Some(key.claim)
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
