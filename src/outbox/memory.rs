//! The outbox in memory, for tests and for those who can do without durability.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::Outbox;
use super::config::Config;
use super::entry::{Appended, Counts, Due, EndpointStats, EntryKey, NewEntry, Settlement, Stats};
use super::error::{AppendError, OutboxError};
use super::rules::{SWEEP_MAX, forget_at_ms, longest_due, note_discarded};

pub(super) struct Memory {
    config: Config,
    /// `None` once it is closed.
    state: Mutex<Option<State>>,
    wakeups: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    last_seq: i64,
    bytes: u64,
    events: HashMap<i64, Event>,
    /// Every known id, with the time when it may be forgotten: `None` while its event is here.
    ids: HashMap<String, Option<u64>>,
    /// The ids of ended events, the first to be forgotten first.
    remembered: BTreeSet<(u64, String)>,
    numbers: HashMap<String, usize>,
    endpoints: Vec<Endpoint>,
}

struct Event {
    entry: NewEntry,
    /// Pairs that are pending or dead.
    pairs: usize,
}

struct Endpoint {
    name: String,
    counts: Counts,
    pairs: BTreeMap<i64, Pair>,
    ready: BTreeSet<i64>,
    retry: BTreeSet<(u64, i64)>,
    /// The pending pairs of each lane.
    lanes: HashMap<String, BTreeSet<i64>>,
    /// Given up; their events stay for replay.
    dead: BTreeSet<i64>,
}

struct Pair {
    place: Place,
    accepted_at_ms: u64,
    /// Of the last retry, if there was one.
    due_at_ms: Option<u64>,
    attempts: u32,
    claims: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Retry,
    InFlight,
    Waiting,
}

impl Memory {
    pub(super) fn new(config: Config) -> Memory {
        Memory {
            config,
            state: Mutex::new(Some(State::default())),
            wakeups: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, ask: impl FnOnce(&mut State) -> T) -> Result<T, OutboxError> {
        self.state().as_mut().map(ask).ok_or(OutboxError::Closed)
    }

    fn wake(&self) {
        self.wakeups.send_modify(|commits| *commits += 1);
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn append(&self, mut entries: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        for entry in &mut entries {
            entry.admit(&self.config)?;
        }
        let appended = self.with(|state| state.append(entries, &self.config))??;
        self.wake();
        Ok(appended)
    }

    async fn claim(
        &self,
        endpoint: &str,
        now_ms: u64,
        limit: usize,
    ) -> Result<Vec<Due>, OutboxError> {
        self.with(|state| {
            state.sweep(now_ms, self.config.dedupe_ids_max);
            state.claim(endpoint, now_ms, limit)
        })
    }

    async fn settle(
        &self,
        settlements: Vec<(EntryKey, Settlement)>,
        now_ms: u64,
    ) -> Result<(), OutboxError> {
        self.with(|state| {
            for (key, settlement) in settlements {
                state.settle(key, settlement, now_ms, &self.config);
            }
            state.sweep(now_ms, self.config.dedupe_ids_max);
        })?;
        self.wake();
        Ok(())
    }

    async fn next_due_ms(&self, endpoint: &str) -> Result<Option<u64>, OutboxError> {
        self.with(|state| {
            let endpoint = &state.endpoints[*state.numbers.get(endpoint)?];
            if !endpoint.ready.is_empty() {
                return Some(0);
            }
            endpoint.retry.first().map(|&(due_at_ms, _)| due_at_ms)
        })
    }

    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        self.with(|state| {
            let pending = |endpoint: &&Endpoint| endpoint.counts.pending > 0;
            let mut names: Vec<String> = state
                .endpoints
                .iter()
                .filter(pending)
                .map(|endpoint| endpoint.name.clone())
                .collect();
            names.sort_unstable();
            names
        })
    }

    async fn stats(&self) -> Result<Stats, OutboxError> {
        self.with(|state| state.stats())
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wakeups.subscribe()
    }

    async fn close(&self) {
        *self.state() = None;
    }
}

impl State {
    fn append(
        &mut self,
        entries: Vec<NewEntry>,
        config: &Config,
    ) -> Result<Vec<Appended>, AppendError> {
        if let Some(first) = entries.first() {
            self.sweep(first.accepted_at_ms, config.dedupe_ids_max);
        }
        let unknown = entries
            .iter()
            .filter(|entry| !self.ids.contains_key(&entry.id));
        let more: u64 = unknown.map(NewEntry::bytes).sum();
        if self.bytes + more > config.bytes_max {
            return Err(AppendError::full(self.bytes, more, config.bytes_max));
        }
        Ok(entries
            .into_iter()
            .map(|entry| self.append_one(entry, config))
            .collect())
    }

    fn append_one(&mut self, entry: NewEntry, config: &Config) -> Appended {
        if self.ids.contains_key(&entry.id) {
            return Appended::Duplicate;
        }
        if entry.endpoints.is_empty() {
            self.remember(entry.id, entry.accepted_at_ms, config);
            return Appended::Stored;
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        for name in &entry.endpoints {
            let number = *self.numbers.entry(name.clone()).or_insert_with(|| {
                self.endpoints.push(Endpoint::new(name));
                self.endpoints.len() - 1
            });
            self.endpoints[number].add(seq, &entry);
        }
        self.bytes += entry.bytes();
        self.ids.insert(entry.id.clone(), None);
        let pairs = entry.endpoints.len();
        self.events.insert(seq, Event { entry, pairs });
        Appended::Stored
    }

    fn claim(&mut self, name: &str, now_ms: u64, limit: usize) -> Vec<Due> {
        let Some(&number) = self.numbers.get(name) else {
            return Vec::new();
        };
        let endpoint = &mut self.endpoints[number];
        let ready = endpoint.ready.iter().take(limit);
        let ready: Vec<_> = ready
            .map(|&seq| (endpoint.pairs[&seq].accepted_at_ms, seq))
            .collect();
        let retry = endpoint.retry.range(..=(now_ms, i64::MAX)).take(limit);
        let retry: Vec<_> = retry.copied().collect();
        let chosen = longest_due(&ready, &retry, limit);
        let mut claimed = Vec::with_capacity(chosen.len());
        for seq in chosen {
            let entry = &self.events[&seq].entry;
            let pair = endpoint.put(seq, Place::InFlight);
            pair.attempts += 1;
            pair.claims += 1;
            claimed.push(Due {
                key: EntryKey {
                    endpoint: number as i64,
                    seq,
                    claim: pair.claims,
                },
                id: entry.id.clone(),
                hook: entry.hook.clone(),
                dialect: entry.dialect.clone(),
                lane: entry.lane.clone(),
                operation_id: entry.operation_id.clone(),
                body: entry.body.clone(),
                endpoint: name.to_owned(),
                attempt: pair.attempts,
                crashes: 0,
                accepted_at_ms: entry.accepted_at_ms,
            });
        }
        endpoint.counts.in_flight += claimed.len() as u64;
        claimed
    }

    fn settle(&mut self, key: EntryKey, settlement: Settlement, now_ms: u64, config: &Config) {
        let Some(endpoint) = self.endpoints.get_mut(key.endpoint as usize) else {
            return;
        };
        let Some(pair) = endpoint.pairs.get_mut(&key.seq) else {
            return;
        };
        if pair.place != Place::InFlight || pair.claims != key.claim {
            return;
        }
        endpoint.counts.in_flight -= 1;
        let event = &self.events[&key.seq].entry;
        match settlement {
            Settlement::Release => {
                pair.attempts -= 1;
                let place = match pair.due_at_ms {
                    Some(_) => Place::Retry,
                    None => Place::Ready,
                };
                endpoint.put(key.seq, place);
                return;
            }
            Settlement::Retry {
                due_at_ms, counts, ..
            } => {
                pair.due_at_ms = Some(due_at_ms.max(1));
                if !counts {
                    pair.attempts -= 1;
                }
                endpoint.put(key.seq, Place::Retry);
                return;
            }
            Settlement::Dead { .. } => {
                endpoint.remove(key.seq, &event.lane);
                endpoint.counts.dead += 1;
                endpoint.dead.insert(key.seq);
                return;
            }
            Settlement::Delivered => endpoint.counts.delivered += 1,
            Settlement::Discarded { reason } => {
                endpoint.counts.discarded += 1;
                note_discarded(&endpoint.name, &event.id, &reason);
            }
        }
        endpoint.remove(key.seq, &event.lane);
        self.end_pair(key.seq, now_ms, config);
    }

    /// One pair of the event has ended for good; the last one takes the event with it.
    fn end_pair(&mut self, seq: i64, now_ms: u64, config: &Config) {
        let event = self.events.get_mut(&seq).expect("a pair has its event");
        event.pairs -= 1;
        if event.pairs > 0 {
            return;
        }
        let event = self.events.remove(&seq).expect("found above");
        self.bytes -= event.entry.bytes();
        self.remember(event.entry.id, now_ms, config);
    }

    fn remember(&mut self, id: String, now_ms: u64, config: &Config) {
        let forget_at_ms = forget_at_ms(now_ms, config.dedupe);
        self.ids.insert(id.clone(), Some(forget_at_ms));
        self.remembered.insert((forget_at_ms, id));
    }

    /// Forgets some ids whose time has come, and some of those that are too many.
    fn sweep(&mut self, now_ms: u64, ids_max: u64) {
        for _ in 0..SWEEP_MAX {
            let too_many = self.remembered.len() as u64 > ids_max;
            match self.remembered.first() {
                Some(&(forget_at_ms, _)) if too_many || forget_at_ms <= now_ms => {}
                _ => return,
            }
            if let Some((_, id)) = self.remembered.pop_first() {
                self.ids.remove(&id);
            }
        }
    }

    fn stats(&self) -> Stats {
        let stats_of = |endpoint: &Endpoint| EndpointStats {
            endpoint: endpoint.name.clone(),
            counts: endpoint.counts,
            oldest_pending_ms: endpoint
                .pairs
                .first_key_value()
                .map(|(seq, _)| self.events[seq].entry.accepted_at_ms),
        };
        let mut endpoints: Vec<_> = self.endpoints.iter().map(stats_of).collect();
        endpoints.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Stats {
            endpoints,
            bytes: self.bytes,
            remembered_ids: self.remembered.len() as u64,
        }
    }
}

impl Endpoint {
    fn new(name: &str) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            counts: Counts::default(),
            pairs: BTreeMap::new(),
            ready: BTreeSet::new(),
            retry: BTreeSet::new(),
            lanes: HashMap::new(),
            dead: BTreeSet::new(),
        }
    }

    fn add(&mut self, seq: i64, entry: &NewEntry) {
        self.counts.accepted += 1;
        self.counts.pending += 1;
        let mut place = Place::Ready;
        if !entry.lane.is_empty() {
            let lane = self.lanes.entry(entry.lane.clone()).or_default();
            if !lane.is_empty() {
                place = Place::Waiting;
            }
            lane.insert(seq);
        }
        let pair = Pair {
            place: Place::Waiting,
            accepted_at_ms: entry.accepted_at_ms,
            due_at_ms: None,
            attempts: 0,
            claims: 0,
        };
        self.pairs.insert(seq, pair);
        self.put(seq, place);
    }

    /// Moves a pair to another place. Its due time changes only in flight, where it is in no set.
    fn put(&mut self, seq: i64, place: Place) -> &mut Pair {
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

    /// Takes out a pair in flight that has ended; the next of its lane becomes ready.
    fn remove(&mut self, seq: i64, lane_name: &str) {
        self.pairs.remove(&seq);
        self.counts.pending -= 1;
        let Some(lane) = self.lanes.get_mut(lane_name) else {
            return;
        };
        lane.remove(&seq);
        match lane.first() {
            Some(&next) => {
                self.put(next, Place::Ready);
            }
            None => {
                self.lanes.remove(lane_name);
            }
        }
    }
}
