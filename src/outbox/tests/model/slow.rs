//! The slow outbox: every pair that ever was, in a list.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{How, What};
use crate::outbox::*;

/// The slow and obvious one: every pair that ever was, in the order of acceptance.
pub(super) struct Model {
    pub(super) config: Config,
    /// The first time that was told since the last start.
    pub(super) opened_ms: Option<u64>,
    pub(super) seq: u64,
    pub(super) pairs: Vec<Pair>,
    /// Bytes of events that have a pair pending or dead.
    pub(super) held: BTreeMap<String, u64>,
    pub(super) remembered: Vec<(u64, String)>,
    /// Ids and endpoints, in the order of their ends.
    pub(super) discarded: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) seq: u64,
    pub(super) entry: NewEntry,
    pub(super) endpoint: &'static str,
    pub(super) state: State,
    /// Of the last retry; 0 before the first.
    pub(super) due_at_ms: u64,
    pub(super) attempts: u32,
    pub(super) claims: u32,
    pub(super) crashes: u32,
    pub(super) replays: u32,
    pub(super) died_at_ms: u64,
    pub(super) out_of_order: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    Retry,
    InFlight,
    Delivered,
    Dead,
    Discarded,
}

impl Pair {
    /// Since when it can be claimed, and its place among equals.
    pub(super) fn due(&self) -> (u64, u64) {
        match self.state {
            State::Ready => (self.entry.accepted_at_ms, self.seq),
            _ => (self.due_at_ms, self.seq),
        }
    }

    /// Where a pair in flight goes back to.
    pub(super) fn before(&self) -> State {
        match self.due_at_ms {
            0 => State::Ready,
            _ => State::Retry,
        }
    }

    pub(super) fn ordering_key(&self) -> &str {
        match self.out_of_order {
            true => "",
            false => &self.entry.ordering_key,
        }
    }

    pub(super) fn name(&self) -> (String, &'static str) {
        (self.entry.id.clone(), self.endpoint)
    }

    pub(super) fn pending(&self) -> bool {
        matches!(self.state, State::Ready | State::Retry | State::InFlight)
    }
}

fn wants(entry: &NewEntry, endpoint: &str) -> bool {
    entry.endpoints.iter().any(|name| name == endpoint)
}

impl Model {
    pub(super) fn new(config: Config) -> Model {
        Model {
            config,
            opened_ms: None,
            seq: 0,
            pairs: Vec::new(),
            held: BTreeMap::new(),
            remembered: Vec::new(),
            discarded: Vec::new(),
        }
    }

    pub(super) fn append(&mut self, entries: &[NewEntry]) -> Result<Vec<Appended>, ()> {
        self.sweep(entries[0].accepted_at_ms);
        let unknown = entries.iter().filter(|entry| !self.knows(&entry.id));
        let more: u64 = unknown.clone().map(NewEntry::bytes).sum();
        if self.held.values().sum::<u64>() + more > self.config.bytes_max
            || (self.held.len() + unknown.count()) as u64 > self.config.entries_max
        {
            return Err(());
        }
        let unknown = || entries.iter().filter(|entry| !self.knows(&entry.id));
        let full: Vec<&str> = ["A", "B", "C"]
            .into_iter()
            .filter(|&endpoint| {
                let own = unknown().filter(|entry| wants(entry, endpoint));
                let more: u64 = own.map(NewEntry::bytes).sum();
                more > 0 && self.bytes_of(endpoint) + more > self.config.endpoint_bytes_max
            })
            .collect();
        let only_full = |entry: &NewEntry| {
            let mut endpoints = entry.endpoints.iter();
            !entry.endpoints.is_empty() && endpoints.all(|name| full.contains(&name.as_str()))
        };
        if unknown().any(only_full) {
            return Err(());
        }
        let appended = entries.iter().map(|entry| self.append_one(entry, &full));
        Ok(appended.collect())
    }

    pub(super) fn bytes_of(&self, endpoint: &str) -> u64 {
        let own = self.pairs.iter().filter(|pair| pair.endpoint == endpoint);
        let held = own.filter(|pair| pair.pending() || pair.state == State::Dead);
        held.map(|pair| pair.entry.bytes()).sum()
    }

    pub(super) fn append_one(&mut self, entry: &NewEntry, full: &[&str]) -> Appended {
        if self.knows(&entry.id) {
            return Appended::Duplicate;
        }
        self.seq += u64::from(!entry.endpoints.is_empty());
        for endpoint in ["A", "B", "C"] {
            if wants(entry, endpoint) {
                let state = match full.contains(&endpoint) {
                    true => State::Discarded,
                    false => State::Ready,
                };
                if state == State::Discarded {
                    self.discarded.push((entry.id.clone(), endpoint));
                }
                self.pairs.push(Pair {
                    seq: self.seq,
                    entry: entry.clone(),
                    endpoint,
                    state,
                    out_of_order: false,
                    due_at_ms: 0,
                    attempts: 0,
                    claims: 0,
                    crashes: 0,
                    replays: 0,
                    died_at_ms: 0,
                });
            }
        }
        self.held.insert(entry.id.clone(), entry.bytes());
        self.forget_ended(entry.accepted_at_ms);
        Appended::Stored
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.held.contains_key(id) || self.remembered.iter().any(|(_, other)| other == id)
    }

    /// Moves events without a pending or dead pair to the remembered ids.
    pub(super) fn forget_ended(&mut self, now_ms: u64) {
        let forget_at_ms = now_ms + self.config.dedupe.as_millis() as u64;
        let pairs = &self.pairs;
        let held = std::mem::take(&mut self.held);
        for (id, bytes) in held {
            let mut own = pairs.iter().filter(|pair| pair.entry.id == id);
            if own.any(|pair| pair.pending() || pair.state == State::Dead) {
                self.held.insert(id, bytes);
            } else {
                self.remembered.push((forget_at_ms, id));
            }
        }
        // In the order of their ends, at the same time too.
        self.remembered
            .sort_by_key(|(forget_at_ms, _)| *forget_at_ms);
    }

    /// Whether what is kept for so long is kept still, because it was here at the start.
    fn is_held(&self, keep: Duration, now_ms: u64) -> bool {
        let opened_ms = self.opened_ms.unwrap_or(now_ms);
        now_ms < opened_ms + keep.as_millis() as u64
    }

    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.opened_ms.get_or_insert(now_ms);
        let keep = self.config.dead_keep.as_millis() as u64;
        let held = self.is_held(self.config.dead_keep, now_ms);
        let mut old: Vec<usize> = (0..self.pairs.len())
            .filter(|&at| self.pairs[at].state == State::Dead)
            .filter(|&at| !held && self.pairs[at].died_at_ms + keep <= now_ms)
            .collect();
        let numbers = self.numbers();
        let number = |endpoint| numbers.iter().position(|name| *name == endpoint);
        old.sort_by_key(|&at| {
            let pair = &self.pairs[at];
            (pair.died_at_ms, number(pair.endpoint), pair.seq)
        });
        for at in old {
            self.discard(at);
            self.forget_ended(now_ms);
        }
        let held = self.is_held(self.config.dedupe, now_ms);
        while let Some((forget_at_ms, _)) = self.remembered.first()
            && ((*forget_at_ms <= now_ms && !held)
                || self.remembered.len() as u64 > self.config.dedupe_ids_max)
        {
            self.remembered.remove(0);
        }
    }

    pub(super) fn discard(&mut self, at: usize) {
        let pair = &mut self.pairs[at];
        pair.state = State::Discarded;
        self.discarded.push(pair.name());
    }

    /// Dead letters of its ordering key before a pair.
    pub(super) fn gap(&self, of: &Pair) -> u64 {
        let dead = self.pairs.iter().filter(|pair| {
            pair.state == State::Dead
                && pair.endpoint == of.endpoint
                && pair.seq < of.seq
                && pair.entry.ordering_key == of.ordering_key()
                && !of.ordering_key().is_empty()
        });
        dead.count() as u64
    }

    pub(super) fn claimable(&self, pair: &Pair, now_ms: u64) -> bool {
        // The one that is being tried, or one that was accepted earlier.
        let blocks = |other: &Pair| {
            other.endpoint == pair.endpoint
                && other.ordering_key() == pair.ordering_key()
                && other.seq != pair.seq
                && (matches!(other.state, State::Retry | State::InFlight)
                    || (other.state == State::Ready && other.seq < pair.seq))
        };
        let blocked = !pair.ordering_key().is_empty()
            && pair.state == State::Ready
            && self.pairs.iter().any(blocks);
        let due = match pair.state {
            State::Ready => true,
            State::Retry => pair.due_at_ms <= now_ms,
            _ => false,
        };
        due && !blocked
    }

    /// Places in `pairs`, with the number of the claim.
    pub(super) fn claim(
        &mut self,
        endpoint: &str,
        now_ms: u64,
        limit: usize,
        in_a_row: usize,
    ) -> Vec<(usize, u32)> {
        self.sweep(now_ms);
        let all = 0..self.pairs.len();
        let mut left: Vec<usize> = all
            .filter(|&at| self.pairs[at].endpoint == endpoint)
            .filter(|&at| self.claimable(&self.pairs[at], now_ms))
            .collect();
        let mut claimed = Vec::new();
        while claimed.len() < limit {
            // The first of the new ones against the longest due of the retries.
            let pairs = &self.pairs;
            let new = left.iter().find(|&&at| pairs[at].state == State::Ready);
            let again = left.iter().filter(|&&at| pairs[at].state == State::Retry);
            let again = again.min_by_key(|&&at| pairs[at].due());
            let both = [new, again].into_iter().flatten();
            let Some(&at) = both.min_by_key(|&&at| pairs[at].due()) else {
                break;
            };
            left.retain(|&other| other != at);
            claimed.push(self.take(at));
        }
        for (head, _) in claimed.clone() {
            for at in self.behind(head, in_a_row) {
                if claimed.len() < limit {
                    claimed.push(self.take(at));
                }
            }
        }
        claimed
    }

    fn take(&mut self, at: usize) -> (usize, u32) {
        let pair = &mut self.pairs[at];
        pair.state = State::InFlight;
        pair.attempts += 1;
        pair.claims += 1;
        (at, pair.claims)
    }

    /// What goes with a pair that was taken: those of its ordering key that come next, if none of
    /// them was tried before.
    fn behind(&self, head: usize, in_a_row: usize) -> Vec<usize> {
        let pair = &self.pairs[head];
        if pair.ordering_key().is_empty() || pair.attempts != 1 || pair.crashes > 0 {
            return Vec::new();
        }
        (0..self.pairs.len())
            .filter(|&at| {
                let other = &self.pairs[at];
                other.endpoint == pair.endpoint
                    && other.ordering_key() == pair.ordering_key()
                    && other.seq > pair.seq
                    && other.pending()
            })
            .take_while(|&at| self.pairs[at].state == State::Ready && self.pairs[at].attempts == 0)
            .take(in_a_row - 1)
            .collect()
    }

    pub(super) fn settle(&mut self, (at, claim): (usize, u32), how: How, now_ms: u64) {
        let pair = &mut self.pairs[at];
        if pair.state != State::InFlight || pair.claims != claim {
            return;
        }
        match how {
            How::Delivered => pair.state = State::Delivered,
            How::Dead => {
                pair.state = State::Dead;
                pair.died_at_ms = now_ms;
            }
            How::Discarded => self.discard(at),
            How::Release => {
                pair.state = pair.before();
                pair.attempts -= 1;
            }
            How::Retry(wait, counts, out_of_order) => {
                pair.out_of_order |= out_of_order;
                pair.attempts -= u32::from(!counts);
                let pair = pair.clone();
                let before = |other: &Pair| {
                    other.endpoint == pair.endpoint
                        && other.ordering_key() == pair.ordering_key()
                        && other.seq < pair.seq
                        && matches!(other.state, State::InFlight | State::Retry)
                };
                let waits = !pair.ordering_key().is_empty() && self.pairs.iter().any(before);
                let pair = &mut self.pairs[at];
                pair.state = if waits { State::Ready } else { State::Retry };
                pair.due_at_ms = if waits { 0 } else { (now_ms + wait).max(1) };
            }
        }
        self.forget_ended(now_ms);
    }

    /// The places of dead pairs in the order of the outbox, which numbers endpoints as they come.
    pub(super) fn dead(&self, of: Option<&str>, numbers: &[&str]) -> Vec<usize> {
        let all = 0..self.pairs.len();
        let mut dead: Vec<usize> = all
            .filter(|&at| self.pairs[at].state == State::Dead)
            .filter(|&at| of.is_none_or(|of| of == self.pairs[at].endpoint))
            .collect();
        let number = |endpoint| numbers.iter().position(|name| *name == endpoint);
        dead.sort_by_key(|&at| (number(self.pairs[at].endpoint), self.pairs[at].seq));
        dead
    }

    pub(super) fn act(&mut self, what: What, dead: &[usize], now_ms: u64) {
        for &at in dead {
            let pair = &mut self.pairs[at];
            match what {
                What::Count => {}
                What::Discard => self.discard(at),
                What::Replay => {
                    pair.out_of_order = false;
                    pair.state = State::Ready;
                    pair.due_at_ms = 0;
                    pair.attempts = 0;
                    pair.crashes = 0;
                    pair.replays += 1;
                }
            }
            self.forget_ended(now_ms);
        }
    }

    pub(super) fn discard_pending(
        &mut self,
        endpoint: &str,
        before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> u64 {
        let idle = |pair: &Pair| {
            pair.endpoint == endpoint
                && matches!(pair.state, State::Ready | State::Retry)
                && before_ms.is_none_or(|before_ms| pair.entry.accepted_at_ms < before_ms)
        };
        let mut discarded = 0;
        while discarded < limit as u64
            && let Some(at) = self.pairs.iter().position(idle)
        {
            self.discard(at);
            discarded += 1;
            self.forget_ended(now_ms);
        }
        discarded
    }

    /// The endpoints in the order in which they first had a pair.
    pub(super) fn numbers(&self) -> Vec<&'static str> {
        let mut numbers = Vec::new();
        for pair in &self.pairs {
            if !numbers.contains(&pair.endpoint) {
                numbers.push(pair.endpoint);
            }
        }
        numbers
    }

    pub(super) fn put_back(&mut self, crashes: u32) {
        self.opened_ms = None;
        for pair in &mut self.pairs {
            if pair.state == State::InFlight {
                pair.state = pair.before();
                pair.crashes += crashes;
            }
        }
    }

    pub(super) fn next_due_ms(&self, endpoint: &str) -> Option<u64> {
        let own = self.pairs.iter().filter(|pair| pair.endpoint == endpoint);
        let head = own.filter(|pair| self.claimable(pair, u64::MAX));
        let due = |pair: &Pair| match pair.state {
            State::Ready => 0,
            _ => pair.due_at_ms,
        };
        head.map(due).min()
    }

    pub(super) fn stats(&self) -> Stats {
        let mut endpoints = Vec::new();
        for endpoint in ["A", "B", "C"] {
            let own = || self.pairs.iter().filter(|pair| pair.endpoint == endpoint);
            let count = |state| own().filter(|pair| pair.state == state).count() as u64;
            let pending = own().filter(|pair| pair.pending());
            let counts = Counts {
                accepted: own().count() as u64,
                delivered: count(State::Delivered),
                dead: count(State::Dead),
                discarded: count(State::Discarded),
                pending: pending.clone().count() as u64,
                in_flight: count(State::InFlight),
            };
            if counts.accepted > 0 {
                endpoints.push(EndpointStats {
                    endpoint: endpoint.to_owned(),
                    counts,
                    bytes: self.bytes_of(endpoint),
                    oldest_pending_ms: pending.map(|pair| pair.entry.accepted_at_ms).next(),
                    health: Health::default(),
                });
            }
        }
        Stats {
            endpoints,
            bytes: self.held.values().sum(),
            entries: self.held.len() as u64,
            remembered_ids: self.remembered.len() as u64,
            work: Work::default(),
        }
    }
}
