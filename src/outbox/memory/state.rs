//! What the outbox in memory holds, and every change to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::endpoint::{Endpoint, Pair, Place};
use super::latest::Latest;
use crate::outbox::config::Config;
use crate::outbox::entry::{
    Appended, Capacity, EndpointStats, EntryKey, Health, NewEntry, Settlement, Stats, StoredEvent,
    Work,
};
use crate::outbox::error::{AppendError, Limit};
use crate::outbox::letter::{DeadLetter, Discarded};
use crate::outbox::rules::{NO_ROOM, SWEEP_MAX, forget_at_ms, longest_due};

#[derive(Default)]
pub(super) struct State {
    last_seq: i64,
    bytes: u64,
    pub(super) events: HashMap<i64, Event>,
    /// Every known id, with the time when it may be forgotten: `None` while its event is here.
    ids: HashMap<String, Option<u64>>,
    /// The ids of ended events, the first to be forgotten first: the time, and which it was of
    /// all that ended.
    remembered: BTreeSet<(u64, u64, String)>,
    ended: u64,
    latest: Latest,
    numbers: HashMap<String, usize>,
    pub(super) endpoints: Vec<Endpoint>,
    /// The last ones, and how many there were in all.
    pub(super) discarded: VecDeque<Discarded>,
    pub(super) discarded_ever: u64,
}

pub(super) struct Event {
    pub entry: Arc<NewEntry>,
    /// Pairs that are pending or dead.
    pairs: usize,
}

impl State {
    pub(super) fn append(
        &mut self,
        entries: Vec<NewEntry>,
        config: &Config,
    ) -> Result<Vec<Appended>, AppendError> {
        if let Some(first) = entries.first() {
            self.sweep(first.accepted_at_ms, config);
        }
        let repeats = self.latest.repeats(&entries);
        let mut repeated = repeats.iter();
        let mut new = entries.clone();
        new.retain(|_| repeated.next() == Some(&false));
        let mut appended = self.append_new(new, config)?.into_iter();
        self.latest.note(&entries, &repeats);
        let of = |repeat: bool| match repeat {
            true => Some(Appended::Duplicate),
            false => appended.next(),
        };
        Ok(repeats.into_iter().filter_map(of).collect())
    }

    /// Of entries that repeat nothing of their series.
    fn append_new(
        &mut self,
        entries: Vec<NewEntry>,
        config: &Config,
    ) -> Result<Vec<Appended>, AppendError> {
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
        let full = self.full_endpoints(&entries, config)?;
        Ok(entries
            .into_iter()
            .map(|entry| self.append_one(entry, &full, config))
            .collect())
    }

    /// The endpoints that have no room for their part of a call. An event for such alone refuses
    /// the call.
    fn full_endpoints(
        &self,
        entries: &[NewEntry],
        config: &Config,
    ) -> Result<BTreeSet<String>, AppendError> {
        let new = entries
            .iter()
            .filter(|entry| !self.ids.contains_key(&entry.id));
        let held = |name: &String| {
            let number = self.numbers.get(name);
            number.map_or(0, |&number| self.endpoints[number].bytes)
        };
        let mut bytes: BTreeMap<&String, u64> = BTreeMap::new();
        for entry in new.clone() {
            for name in &entry.endpoints {
                *bytes.entry(name).or_default() += entry.bytes();
            }
        }
        let max = config.endpoint_bytes_max;
        bytes.retain(|name, more| held(name) + *more > max);
        for entry in new {
            if let Some(name) = entry.endpoints.first()
                && entry.endpoints.iter().all(|name| bytes.contains_key(name))
            {
                let limit = Limit::EndpointBytes(max, name.clone());
                return Err(AppendError::full(held(name), entry.bytes(), limit));
            }
        }
        Ok(bytes.into_keys().cloned().collect())
    }

    fn append_one(
        &mut self,
        entry: NewEntry,
        full: &BTreeSet<String>,
        config: &Config,
    ) -> Appended {
        if self.ids.contains_key(&entry.id) {
            return Appended::Duplicate;
        }
        if entry.endpoints.is_empty() {
            self.remember(entry.id, entry.accepted_at_ms, config);
            return Appended::Stored;
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        let mut pairs = 0;
        for name in &entry.endpoints {
            let number = *self.numbers.entry(name.clone()).or_insert_with(|| {
                self.endpoints.push(Endpoint::new(name));
                self.endpoints.len() - 1
            });
            let endpoint = &mut self.endpoints[number];
            endpoint.counts.accepted += 1;
            if full.contains(name) {
                self.record_discarded(number, &entry, NO_ROOM, entry.accepted_at_ms, config);
                continue;
            }
            pairs += 1;
            endpoint.bytes += entry.bytes();
            endpoint.add(seq, &entry, 0);
        }
        self.bytes += entry.bytes();
        self.ids.insert(entry.id.clone(), None);
        let entry = Arc::new(entry);
        self.events.insert(seq, Event { entry, pairs });
        Appended::Stored
    }

    pub(super) fn claim(
        &mut self,
        name: &str,
        now_ms: u64,
        capacity: Capacity,
    ) -> Vec<StoredEvent> {
        let Some(&number) = self.numbers.get(name) else {
            return Vec::new();
        };
        let endpoint = &self.endpoints[number];
        let ready = endpoint.ready.iter().take(capacity.pairs);
        let ready: Vec<_> = ready
            .map(|&seq| (endpoint.pairs[&seq].accepted_at_ms, seq))
            .collect();
        let retry = endpoint.retry.range(..=(now_ms, i64::MAX));
        let retry: Vec<_> = retry
            .copied()
            .take(capacity.retries.min(capacity.pairs))
            .collect();
        let chosen = longest_due(&ready, &retry, capacity.pairs);
        let chosen = chosen.into_iter().map(|seq| self.claim_one(number, seq));
        let mut claimed: Vec<StoredEvent> = chosen.collect();
        for head in 0..claimed.len() {
            let left = capacity.pairs.saturating_sub(claimed.len());
            let limit = capacity.behind(&claimed[head]).min(left);
            let behind = self.endpoints[number].behind(claimed[head].key.seq);
            let of_hook = |seq: &i64| self.events[seq].entry.hook == claimed[head].hook;
            let behind: Vec<i64> = behind.take_while(of_hook).take(limit).collect();
            claimed.extend(behind.into_iter().map(|seq| self.claim_one(number, seq)));
        }
        self.endpoints[number].counts.in_flight += claimed.len() as u64;
        claimed
    }

    fn claim_one(&mut self, number: usize, seq: i64) -> StoredEvent {
        let endpoint = &mut self.endpoints[number];
        let entry = &self.events[&seq].entry;
        let gap = endpoint.gap(seq, &entry.ordering_key);
        let name = endpoint.name.clone();
        let pair = endpoint.put(seq, Place::InFlight);
        pair.attempts += 1;
        pair.claims += 1;
        StoredEvent {
            key: EntryKey {
                endpoint: number as i64,
                seq,
                claim: pair.claims,
            },
            entry: Arc::clone(entry),
            endpoint: name.into(),
            attempt: pair.attempts,
            crashes: 0,
            replays: pair.replays,
            number: seq as u64,
            gap,
            out_of_order: pair.out_of_order && !entry.ordering_key.is_empty(),
        }
    }

    pub(super) fn settle(
        &mut self,
        key: EntryKey,
        settlement: Settlement,
        now_ms: u64,
        config: &Config,
    ) {
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
                    None => endpoint.release(key.seq),
                }
                return;
            }
            Settlement::Retry {
                due_at_ms,
                counts,
                out_of_order,
                reason,
            } => {
                pair.reason = reason;
                if !counts {
                    pair.attempts -= 1;
                }
                if !out_of_order && endpoint.is_busy_before(key.seq) {
                    endpoint.put(key.seq, Place::Waiting).due_at_ms = None;
                    return;
                }
                endpoint.put(key.seq, Place::Waiting).due_at_ms = Some(due_at_ms.max(1));
                endpoint.put(key.seq, Place::Retry);
                if out_of_order {
                    endpoint.leave_order(key.seq);
                }
                return;
            }
            Settlement::Dead { reason, answer } => {
                let letter = DeadLetter {
                    endpoint: endpoint.name.clone(),
                    id: event.id.clone(),
                    hook: event.hook.clone(),
                    ordering_key: event.ordering_key.clone(),
                    operation_id: event.operation_id.clone(),
                    accepted_at_ms: event.accepted_at_ms,
                    died_at_ms: now_ms,
                    attempts: pair.attempts,
                    replays: pair.replays,
                    reason,
                    answer,
                    body_bytes: event.body.len() as u64,
                    body: None,
                };
                endpoint.remove(key.seq);
                endpoint.counts.dead += 1;
                endpoint.dead.insert(key.seq, letter);
                return;
            }
            Settlement::Delivered => endpoint.counts.delivered += 1,
            Settlement::Discarded { reason } => {
                return self.discard_pair(key.endpoint as usize, key.seq, &reason, now_ms, config);
            }
        }
        endpoint.remove(key.seq);
        self.end_pair(key.endpoint as usize, key.seq, now_ms, config);
    }

    /// Up to `limit` pending pairs of an endpoint that are not in flight, the oldest first.
    pub(super) fn idle(
        &self,
        endpoint: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
    ) -> Vec<(usize, i64)> {
        let Some(&number) = self.numbers.get(endpoint) else {
            return Vec::new();
        };
        let pairs = self.endpoints[number].pairs.iter();
        let idle = pairs.filter(|(_, pair)| pair.place != Place::InFlight);
        let is_old = |pair: &Pair| {
            accepted_before_ms.is_none_or(|before_ms| pair.accepted_at_ms < before_ms)
        };
        idle.take_while(|(_, pair)| is_old(pair))
            .map(|(&seq, _)| (number, seq))
            .take(limit)
            .collect()
    }

    pub(super) fn set_health(&mut self, endpoint: &str, health: Health) {
        if let Some(&number) = self.numbers.get(endpoint) {
            self.endpoints[number].health = health;
        }
    }

    pub(super) fn next_due_ms(&self, endpoint: &str) -> Option<u64> {
        let endpoint = &self.endpoints[*self.numbers.get(endpoint)?];
        if !endpoint.ready.is_empty() {
            return Some(0);
        }
        endpoint.retry.first().map(|&(due_at_ms, _)| due_at_ms)
    }

    pub(super) fn bound_retries(&mut self, endpoint: &str, latest_ms: &[u64]) {
        let Some(&number) = self.numbers.get(endpoint) else {
            return;
        };
        let endpoint = &mut self.endpoints[number];
        for (due_at_ms, seq) in endpoint.retry.clone() {
            let Some(pair) = endpoint.pairs.get_mut(&seq) else {
                continue;
            };
            let place = pair.attempts.saturating_sub(1) as usize;
            let latest = latest_ms.get(place).or(latest_ms.last()).copied();
            if let Some(latest) = latest.filter(|latest| *latest < due_at_ms) {
                pair.due_at_ms = Some(latest.max(1));
                endpoint.retry.remove(&(due_at_ms, seq));
                endpoint.retry.insert((latest.max(1), seq));
            }
        }
    }

    pub(super) fn endpoints(&self) -> Vec<String> {
        let pending = |endpoint: &&Endpoint| endpoint.counts.pending > 0;
        let pending = self.endpoints.iter().filter(pending);
        let mut names: Vec<String> = pending.map(|endpoint| endpoint.name.clone()).collect();
        names.sort_unstable();
        names
    }

    pub(super) fn discard_pair(
        &mut self,
        number: usize,
        seq: i64,
        reason: &str,
        now_ms: u64,
        config: &Config,
    ) {
        let entry = self.events[&seq].entry.clone();
        self.endpoints[number].remove(seq);
        self.record_discarded(number, &entry, reason, now_ms, config);
        self.end_pair(number, seq, now_ms, config);
    }

    /// One pair of the event has ended for good; the last one takes the event with it.
    pub(super) fn end_pair(&mut self, number: usize, seq: i64, now_ms: u64, config: &Config) {
        let event = self.events.get_mut(&seq).expect("a pair has its event");
        self.endpoints[number].bytes -= event.entry.bytes();
        event.pairs -= 1;
        if event.pairs > 0 {
            return;
        }
        let event = self.events.remove(&seq).expect("found above");
        self.bytes -= event.entry.bytes();
        self.remember(event.entry.id.clone(), now_ms, config);
    }

    fn remember(&mut self, id: String, now_ms: u64, config: &Config) {
        let forget_at_ms = forget_at_ms(now_ms, config.dedupe);
        self.ids.insert(id.clone(), Some(forget_at_ms));
        self.ended += 1;
        self.remembered.insert((forget_at_ms, self.ended, id));
    }

    /// Discards dead letters that are too old, forgets some ids whose time has come, and some of
    /// those that are too many.
    pub(super) fn sweep(&mut self, now_ms: u64, config: &Config) {
        self.retire(now_ms, config);
        self.latest.sweep(now_ms);
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

    pub(super) fn stats(&self) -> Stats {
        let stats_of = |endpoint: &Endpoint| EndpointStats {
            endpoint: endpoint.name.clone(),
            counts: endpoint.counts,
            bytes: endpoint.bytes,
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
