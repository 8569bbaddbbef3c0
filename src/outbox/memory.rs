//! The outbox in memory, for tests and for those who can do without durability.

mod endpoint;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use self::endpoint::{Endpoint, Place};
use super::Outbox;
use super::config::Config;
use super::entry::{
    Appended, Due, EndpointStats, EntryKey, Health, NewEntry, Room, Settlement, Stats, Work,
};
use super::error::{AppendError, Limit, OutboxError};
use super::letter::{
    DeadAct, DeadCursor, DeadFilter, DeadLetter, DeadPage, DeadStep, STEP_LETTERS_MAX,
};
use super::rules::{RETIRED, SWEEP_MAX, forget_at_ms, longest_due, note_discarded};

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
    /// The ids of ended events, the first to be forgotten first: the time, and which it was of
    /// all that ended.
    remembered: BTreeSet<(u64, u64, String)>,
    ended: u64,
    numbers: HashMap<String, usize>,
    endpoints: Vec<Endpoint>,
}

struct Event {
    entry: NewEntry,
    /// Pairs that are pending or dead.
    pairs: usize,
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
        room: Room,
    ) -> Result<Vec<Due>, OutboxError> {
        self.with(|state| {
            state.sweep(now_ms, &self.config);
            state.claim(endpoint, now_ms, room)
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
            state.sweep(now_ms, &self.config);
        })?;
        self.wake();
        Ok(())
    }

    async fn dead(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> Result<DeadPage, OutboxError> {
        self.with(|state| {
            let (found, next) = state.look_for(filter, from, limit);
            let letter =
                |(endpoint, seq): &(usize, i64)| state.endpoints[*endpoint].dead[seq].clone();
            DeadPage {
                letters: found.iter().map(letter).collect(),
                next,
            }
        })
    }

    async fn act_on_dead(
        &self,
        act: &DeadAct,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
        now_ms: u64,
    ) -> Result<DeadStep, OutboxError> {
        let step = self.with(|state| {
            let (found, next) = state.look_for(filter, from, limit);
            let done = found.len() as u64;
            for (endpoint, seq) in found {
                match act {
                    DeadAct::Count => {}
                    DeadAct::Replay => state.replay(endpoint, seq),
                    DeadAct::Discard { reason } => {
                        state.discard_dead(endpoint, seq, reason, now_ms, &self.config);
                    }
                }
            }
            DeadStep { done, next }
        })?;
        self.wake();
        Ok(step)
    }

    async fn discard_pending(
        &self,
        endpoint: &str,
        reason: &str,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, OutboxError> {
        let discarded = self.with(|state| {
            let Some(&number) = state.numbers.get(endpoint) else {
                return 0;
            };
            let pairs = state.endpoints[number].pairs.iter();
            let idle = pairs.filter(|(_, pair)| pair.place != Place::InFlight);
            let seqs: Vec<i64> = idle.map(|(&seq, _)| seq).take(limit).collect();
            for &seq in &seqs {
                state.discard_pair(number, seq, reason, now_ms, &self.config);
            }
            seqs.len() as u64
        })?;
        self.wake();
        Ok(discarded)
    }

    async fn set_health(&self, endpoint: &str, health: Health) -> Result<(), OutboxError> {
        self.with(|state| {
            if let Some(&number) = state.numbers.get(endpoint) {
                state.endpoints[number].health = health;
            }
        })
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
            self.sweep(first.accepted_at_ms, config);
        }
        let (mut bytes, mut events) = (0, 0);
        for entry in &entries {
            if !self.ids.contains_key(&entry.id) {
                bytes += entry.bytes();
                events += 1;
            }
        }
        if self.bytes + bytes > config.bytes_max {
            let limit = Limit::Bytes(config.bytes_max);
            return Err(AppendError::full(self.bytes, bytes, limit));
        }
        let held = self.events.len() as u64;
        if held + events > config.entries_max {
            let limit = Limit::Entries(config.entries_max);
            return Err(AppendError::full(held, events, limit));
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
            let endpoint = &mut self.endpoints[number];
            endpoint.counts.accepted += 1;
            endpoint.add(seq, &entry, 0);
        }
        self.bytes += entry.bytes();
        self.ids.insert(entry.id.clone(), None);
        let pairs = entry.endpoints.len();
        self.events.insert(seq, Event { entry, pairs });
        Appended::Stored
    }

    fn claim(&mut self, name: &str, now_ms: u64, room: Room) -> Vec<Due> {
        let Some(&number) = self.numbers.get(name) else {
            return Vec::new();
        };
        let endpoint = &mut self.endpoints[number];
        let ready = endpoint.ready.iter().take(room.pairs);
        let ready: Vec<_> = ready
            .map(|&seq| (endpoint.pairs[&seq].accepted_at_ms, seq))
            .collect();
        let retry = endpoint.retry.range(..=(now_ms, i64::MAX));
        let retry: Vec<_> = retry.copied().take(room.retries.min(room.pairs)).collect();
        let chosen = longest_due(&ready, &retry, room.pairs);
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
                replays: pair.replays,
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
                match pair.due_at_ms {
                    Some(_) => drop(endpoint.put(key.seq, Place::Retry)),
                    None => endpoint.release(key.seq, &event.lane),
                }
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
            Settlement::Dead { reason, answer } => {
                let letter = DeadLetter {
                    endpoint: endpoint.name.clone(),
                    id: event.id.clone(),
                    hook: event.hook.clone(),
                    lane: event.lane.clone(),
                    operation_id: event.operation_id.clone(),
                    accepted_at_ms: event.accepted_at_ms,
                    died_at_ms: now_ms,
                    attempts: pair.attempts,
                    replays: pair.replays,
                    reason,
                    answer,
                    body_bytes: event.body.len() as u64,
                };
                endpoint.remove(key.seq, &event.lane);
                endpoint.counts.dead += 1;
                endpoint.dead.insert(key.seq, letter);
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

    /// Looks at some dead letters behind the cursor, and says where to go on.
    fn look_for(
        &self,
        filter: &DeadFilter,
        from: DeadCursor,
        limit: usize,
    ) -> (Vec<(usize, i64)>, Option<DeadCursor>) {
        let mut found = Vec::new();
        let mut looked_at = 0;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            let after = match (number as i64).cmp(&from.endpoint) {
                Ordering::Less => continue,
                Ordering::Equal => from.seq + 1,
                Ordering::Greater => 0,
            };
            if !filter.is_about(&endpoint.name) {
                continue;
            }
            for (&seq, letter) in endpoint.dead.range(after..) {
                looked_at += 1;
                if filter.holds(letter) {
                    found.push((number, seq));
                }
                if found.len() >= limit || looked_at >= STEP_LETTERS_MAX {
                    let endpoint = number as i64;
                    return (found, Some(DeadCursor { endpoint, seq }));
                }
            }
        }
        (found, None)
    }

    fn replay(&mut self, number: usize, seq: i64) {
        let entry = &self.events[&seq].entry;
        let endpoint = &mut self.endpoints[number];
        if let Some(letter) = endpoint.dead.remove(&seq) {
            endpoint.counts.dead -= 1;
            endpoint.add(seq, entry, letter.replays + 1);
        }
    }

    fn discard_dead(
        &mut self,
        number: usize,
        seq: i64,
        reason: &str,
        now_ms: u64,
        config: &Config,
    ) {
        let endpoint = &mut self.endpoints[number];
        if let Some(letter) = endpoint.dead.remove(&seq) {
            endpoint.counts.dead -= 1;
            endpoint.counts.discarded += 1;
            note_discarded(&endpoint.name, &letter.id, reason);
            self.end_pair(seq, now_ms, config);
        }
    }

    fn discard_pair(
        &mut self,
        number: usize,
        seq: i64,
        reason: &str,
        now_ms: u64,
        config: &Config,
    ) {
        let entry = &self.events[&seq].entry;
        let endpoint = &mut self.endpoints[number];
        endpoint.remove(seq, &entry.lane);
        endpoint.counts.discarded += 1;
        note_discarded(&endpoint.name, &entry.id, reason);
        self.end_pair(seq, now_ms, config);
    }

    /// Discards dead letters that were kept for long enough.
    fn retire(&mut self, now_ms: u64, config: &Config) {
        let old = |letter: &DeadLetter| forget_at_ms(letter.died_at_ms, config.dead_keep) <= now_ms;
        for number in 0..self.endpoints.len() {
            let dead = self.endpoints[number].dead.iter();
            let seqs: Vec<i64> = dead
                .filter(|(_, letter)| old(letter))
                .map(|(&seq, _)| seq)
                .collect();
            for seq in seqs {
                self.discard_dead(number, seq, RETIRED, now_ms, config);
            }
        }
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
        self.ended += 1;
        self.remembered.insert((forget_at_ms, self.ended, id));
    }

    /// Discards dead letters that are too old, forgets some ids whose time has come, and some of
    /// those that are too many.
    fn sweep(&mut self, now_ms: u64, config: &Config) {
        self.retire(now_ms, config);
        for _ in 0..SWEEP_MAX {
            let too_many = self.remembered.len() as u64 > config.dedupe_ids_max;
            match self.remembered.first() {
                Some(&(forget_at_ms, ..)) if too_many || forget_at_ms <= now_ms => {}
                _ => return,
            }
            if let Some((_, _, id)) = self.remembered.pop_first() {
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
            health: endpoint.health.clone(),
        };
        let mut endpoints: Vec<_> = self.endpoints.iter().map(stats_of).collect();
        endpoints.sort_unstable_by(|one, other| one.endpoint.cmp(&other.endpoint));
        Stats {
            endpoints,
            bytes: self.bytes,
            entries: self.events.len() as u64,
            remembered_ids: self.remembered.len() as u64,
            work: Work::default(),
        }
    }
}
