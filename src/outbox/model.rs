//! Random calls against an outbox that is slow and obvious.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::conformance::{Bench, body, entry};
use super::*;

/// Small limits, so that random calls reach them.
fn small(config: &mut Config) {
    config.bytes_max = 4_000;
    config.dedupe = Duration::from_millis(40);
    config.dedupe_ids_max = 5;
    config.dead_keep = Duration::from_millis(120);
    config.entries_max = 11;
    config.endpoint_bytes_max = 2_600;
    config.discarded_kept = 4;
}

#[derive(Clone, Debug)]
enum Step {
    /// Number of the id, of the lane, and the endpoints, for each entry.
    Append(Vec<(u8, u8, Vec<&'static str>)>),
    Claim(&'static str, usize),
    /// Which of all claims so far, from the end, and how it ends.
    Settle(Vec<(usize, How)>),
    /// Of the dead letters of all endpoints or of one.
    Act(What, Option<&'static str>, usize),
    /// Those that were accepted so long ago.
    DiscardPending(&'static str, u64, usize),
    Pass(u64),
    Crash,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Delivered,
    /// After so long; whether it counts; whether it leaves its lane.
    Retry(u64, bool, bool),
    Dead,
    Discarded,
    Release,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Count,
    Replay,
    Discard,
}

fn steps(restarts: bool) -> impl Strategy<Value = Vec<Step>> {
    let endpoints = subsequence(vec!["A", "B", "C"], 0..=3);
    let endpoint = prop::sample::select(vec!["A", "B", "C"]);
    let how = prop_oneof![
        4 => Just(How::Delivered),
        3 => (0..60_u64, any::<bool>(), any::<bool>())
            .prop_map(|(wait, counts, aside)| How::Retry(wait, counts, aside)),
        3 => Just(How::Dead),
        1 => Just(How::Discarded),
        1 => Just(How::Release),
    ];
    let what = prop_oneof![
        1 => Just(What::Count),
        5 => Just(What::Replay),
        2 => Just(What::Discard)
    ];
    let of = prop::option::of(endpoint.clone());
    let step = prop_oneof![
        3 => (what, of, 1..4_usize).prop_map(|(what, of, limit)| Step::Act(what, of, limit)),
        1 => (endpoint.clone(), prop_oneof![Just(0), 0..200_u64], 1..3_usize)
            .prop_map(|(endpoint, age_ms, limit)| Step::DiscardPending(endpoint, age_ms, limit)),
        6 => vec((0..12_u8, 0..3_u8, endpoints), 1..4).prop_map(Step::Append),
        6 => (endpoint, 0..4_usize).prop_map(|(endpoint, limit)| Step::Claim(endpoint, limit)),
        6 => vec((0..6_usize, how), 1..4).prop_map(Step::Settle),
        3 => (0..50_u64).prop_map(Step::Pass),
        1 => Just(if restarts { Step::Crash } else { Step::Pass(1) }),
        1 => Just(if restarts { Step::Restart } else { Step::Pass(1) }),
    ];
    vec(step, 1..40)
}

/// The slow and obvious one: every pair that ever was, in the order of acceptance.
struct Model {
    config: Config,
    seq: u64,
    pairs: Vec<Pair>,
    /// Bytes of events that have a pair pending or dead.
    held: BTreeMap<String, u64>,
    remembered: Vec<(u64, String)>,
    /// Ids and endpoints, in the order of their ends.
    discarded: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug)]
struct Pair {
    seq: u64,
    entry: NewEntry,
    endpoint: &'static str,
    state: State,
    /// Of the last retry; 0 before the first.
    due_at_ms: u64,
    attempts: u32,
    claims: u32,
    crashes: u32,
    replays: u32,
    died_at_ms: u64,
    aside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Retry,
    InFlight,
    Delivered,
    Dead,
    Discarded,
}

impl Pair {
    /// Since when it can be claimed, and its place among equals.
    fn due(&self) -> (u64, u64) {
        match self.state {
            State::Ready => (self.entry.accepted_at_ms, self.seq),
            _ => (self.due_at_ms, self.seq),
        }
    }

    /// Where a pair in flight goes back to.
    fn before(&self) -> State {
        match self.due_at_ms {
            0 => State::Ready,
            _ => State::Retry,
        }
    }

    fn lane(&self) -> &str {
        match self.aside {
            true => "",
            false => &self.entry.lane,
        }
    }

    fn name(&self) -> (String, &'static str) {
        (self.entry.id.clone(), self.endpoint)
    }

    fn pending(&self) -> bool {
        matches!(self.state, State::Ready | State::Retry | State::InFlight)
    }
}

fn wants(entry: &NewEntry, endpoint: &str) -> bool {
    entry.endpoints.iter().any(|name| name == endpoint)
}

impl Model {
    fn append(&mut self, entries: &[NewEntry]) -> Result<Vec<Appended>, ()> {
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

    fn bytes_of(&self, endpoint: &str) -> u64 {
        let own = self.pairs.iter().filter(|pair| pair.endpoint == endpoint);
        let held = own.filter(|pair| pair.pending() || pair.state == State::Dead);
        held.map(|pair| pair.entry.bytes()).sum()
    }

    fn append_one(&mut self, entry: &NewEntry, full: &[&str]) -> Appended {
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
                    aside: false,
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

    fn knows(&self, id: &str) -> bool {
        self.held.contains_key(id) || self.remembered.iter().any(|(_, other)| other == id)
    }

    /// Moves events without a pending or dead pair to the remembered ids.
    fn forget_ended(&mut self, now_ms: u64) {
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

    fn sweep(&mut self, now_ms: u64) {
        let keep = self.config.dead_keep.as_millis() as u64;
        let mut old: Vec<usize> = (0..self.pairs.len())
            .filter(|&at| self.pairs[at].state == State::Dead)
            .filter(|&at| self.pairs[at].died_at_ms + keep <= now_ms)
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
        while let Some((forget_at_ms, _)) = self.remembered.first()
            && (*forget_at_ms <= now_ms
                || self.remembered.len() as u64 > self.config.dedupe_ids_max)
        {
            self.remembered.remove(0);
        }
    }

    fn discard(&mut self, at: usize) {
        let pair = &mut self.pairs[at];
        pair.state = State::Discarded;
        self.discarded.push(pair.name());
    }

    /// Dead letters of its lane before a pair.
    fn missing(&self, of: &Pair) -> u64 {
        let dead = self.pairs.iter().filter(|pair| {
            pair.state == State::Dead
                && pair.endpoint == of.endpoint
                && pair.seq < of.seq
                && pair.entry.lane == of.lane()
                && !of.lane().is_empty()
        });
        dead.count() as u64
    }

    fn claimable(&self, pair: &Pair, now_ms: u64) -> bool {
        // The one that is being tried, or one that was accepted earlier.
        let blocks = |other: &Pair| {
            other.endpoint == pair.endpoint
                && other.lane() == pair.lane()
                && other.seq != pair.seq
                && (matches!(other.state, State::Retry | State::InFlight)
                    || (other.state == State::Ready && other.seq < pair.seq))
        };
        let blocked =
            !pair.lane().is_empty() && pair.state == State::Ready && self.pairs.iter().any(blocks);
        let due = match pair.state {
            State::Ready => true,
            State::Retry => pair.due_at_ms <= now_ms,
            _ => false,
        };
        due && !blocked
    }

    /// Places in `pairs`, with the number of the claim.
    fn claim(&mut self, endpoint: &str, now_ms: u64, limit: usize) -> Vec<(usize, u32)> {
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
            let pair = &mut self.pairs[at];
            pair.state = State::InFlight;
            pair.attempts += 1;
            pair.claims += 1;
            claimed.push((at, pair.claims));
        }
        claimed
    }

    fn settle(&mut self, (at, claim): (usize, u32), how: How, now_ms: u64) {
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
            How::Retry(wait, counts, aside) => {
                pair.aside |= aside;
                pair.state = State::Retry;
                pair.due_at_ms = (now_ms + wait).max(1);
                pair.attempts -= u32::from(!counts);
            }
        }
        self.forget_ended(now_ms);
    }

    /// The places of dead pairs in the order of the outbox, which numbers endpoints as they come.
    fn dead(&self, of: Option<&str>, numbers: &[&str]) -> Vec<usize> {
        let all = 0..self.pairs.len();
        let mut dead: Vec<usize> = all
            .filter(|&at| self.pairs[at].state == State::Dead)
            .filter(|&at| of.is_none_or(|of| of == self.pairs[at].endpoint))
            .collect();
        let number = |endpoint| numbers.iter().position(|name| *name == endpoint);
        dead.sort_by_key(|&at| (number(self.pairs[at].endpoint), self.pairs[at].seq));
        dead
    }

    fn act(&mut self, what: What, dead: &[usize], now_ms: u64) {
        for &at in dead {
            let pair = &mut self.pairs[at];
            match what {
                What::Count => {}
                What::Discard => self.discard(at),
                What::Replay => {
                    pair.aside = false;
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

    fn discard_pending(
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
    fn numbers(&self) -> Vec<&'static str> {
        let mut numbers = Vec::new();
        for pair in &self.pairs {
            if !numbers.contains(&pair.endpoint) {
                numbers.push(pair.endpoint);
            }
        }
        numbers
    }

    fn put_back(&mut self, crashes: u32) {
        for pair in &mut self.pairs {
            if pair.state == State::InFlight {
                pair.state = pair.before();
                pair.crashes += crashes;
            }
        }
    }

    fn next_due_ms(&self, endpoint: &str) -> Option<u64> {
        let own = self.pairs.iter().filter(|pair| pair.endpoint == endpoint);
        let head = own.filter(|pair| self.claimable(pair, u64::MAX));
        let due = |pair: &Pair| match pair.state {
            State::Ready => 0,
            _ => pair.due_at_ms,
        };
        head.map(due).min()
    }

    fn stats(&self) -> Stats {
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

/// Does the steps on an outbox and on the model, and compares every answer.
async fn check(kind: Kind, steps: Vec<Step>) {
    let mut bench = Bench::new(kind, small);
    let mut model = Model {
        config: bench.config.clone(),
        seq: 0,
        pairs: Vec::new(),
        held: BTreeMap::new(),
        remembered: Vec::new(),
        discarded: Vec::new(),
    };
    let mut claims: Vec<(EntryKey, (usize, u32))> = Vec::new();
    let mut now_ms = 100;
    for step in steps {
        match step {
            Step::Append(entries) => {
                let entry_of = |(id, lane, endpoints): (u8, u8, Vec<&str>)| {
                    let lane = ["", "x", "y"][usize::from(lane)];
                    let mut entry = entry(&format!("{id}/{lane}"), "-", now_ms);
                    entry.endpoints = endpoints.into_iter().map(str::to_owned).collect();
                    entry
                };
                let entries: Vec<NewEntry> = entries.into_iter().map(entry_of).collect();
                let wanted = model.append(&entries);
                let found = bench.outbox.append(entries).await;
                assert_eq!(found.map_err(|_| ()), wanted);
            }
            Step::Claim(endpoint, limit) => {
                let wanted = model.claim(endpoint, now_ms, limit);
                let room = Room::of(limit);
                let found = bench.outbox.claim(endpoint, now_ms, room).await.unwrap();
                assert_eq!(found.len(), wanted.len());
                for (due, (at, claim)) in found.into_iter().zip(wanted) {
                    let pair = &model.pairs[at];
                    assert_eq!(due.body, body(&due.id));
                    assert_eq!(
                        (
                            due.id,
                            due.lane,
                            due.endpoint.as_str(),
                            due.attempt,
                            due.crashes,
                            due.replays,
                            due.number,
                            due.missing,
                            due.aside
                        ),
                        (
                            pair.entry.id.clone(),
                            pair.entry.lane.clone(),
                            pair.endpoint,
                            pair.attempts,
                            pair.crashes,
                            pair.replays,
                            pair.seq,
                            model.missing(pair),
                            pair.lane() != pair.entry.lane
                        )
                    );
                    claims.push((due.key, (at, claim)));
                }
            }
            Step::Settle(chosen) => {
                let mut settlements = Vec::new();
                for (back, how) in chosen {
                    let Some(&(key, pair)) = claims.iter().rev().nth(back) else {
                        continue;
                    };
                    model.settle(pair, how, now_ms);
                    settlements.push((key, settlement(how, now_ms)));
                }
                model.sweep(now_ms);
                bench.outbox.settle(settlements, now_ms).await.unwrap();
            }
            Step::Act(what, of, limit) => {
                let filter = DeadFilter {
                    endpoint: of.map(str::to_owned),
                    ..DeadFilter::default()
                };
                let act = match what {
                    What::Count => DeadAct::Count,
                    What::Replay => DeadAct::Replay,
                    What::Discard => DeadAct::Discard {
                        reason: String::new(),
                    },
                };
                let mut dead = model.dead(of, &model.numbers());
                dead.truncate(limit);
                model.act(what, &dead, now_ms);
                let from = DeadCursor::default();
                let step = bench.outbox.act_on_dead(&act, &filter, from, limit, now_ms);
                assert_eq!(step.await.unwrap().done, dead.len() as u64);
            }
            Step::DiscardPending(endpoint, age_ms, limit) => {
                let before_ms = (age_ms > 0).then(|| now_ms.saturating_sub(age_ms));
                let wanted = model.discard_pending(endpoint, before_ms, limit, now_ms);
                let found = bench
                    .outbox
                    .discard_pending(endpoint, "", before_ms, limit, now_ms);
                assert_eq!(found.await.unwrap(), wanted);
            }
            Step::Pass(ms) => now_ms += ms,
            Step::Crash => {
                bench.crash();
                model.put_back(1);
            }
            Step::Restart => {
                bench.restart().await;
                model.put_back(0);
            }
        }
        let stats = bench.outbox.stats().await.unwrap();
        assert!(stats.endpoints.iter().all(|one| one.counts.conserved()));
        let stats = Stats {
            work: Work::default(),
            ..stats
        };
        assert_eq!(stats, model.stats());
        let from = DeadCursor::default();
        let all = DeadFilter::default();
        let listed = bench.outbox.discarded(&all, from, 9);
        let listed = listed.await.unwrap().events;
        let listed = listed
            .into_iter()
            .map(|event| (event.id, event.endpoint))
            .collect::<Vec<_>>();
        let wanted = &model.discarded[model.discarded.len().saturating_sub(4)..];
        let wanted = wanted
            .iter()
            .map(|(id, name)| (id.clone(), name.to_string()));
        assert_eq!(listed, wanted.collect::<Vec<_>>());
        for endpoint in ["A", "B", "C"] {
            // Too early is allowed, too late is not.
            let found = bench.outbox.next_due_ms(endpoint).await.unwrap();
            let latest = model.next_due_ms(endpoint).unwrap_or(u64::MAX);
            assert!(found.unwrap_or(u64::MAX) <= latest, "{endpoint}: {found:?}");
        }
    }
}

fn settlement(how: How, now_ms: u64) -> Settlement {
    let reason = String::new();
    match how {
        How::Delivered => Settlement::Delivered,
        How::Dead => Settlement::Dead {
            reason,
            answer: String::new(),
        },
        How::Discarded => Settlement::Discarded { reason },
        How::Release => Settlement::Release,
        How::Retry(wait, counts, aside) => Settlement::Retry {
            due_at_ms: now_ms + wait,
            reason,
            counts,
            aside,
        },
    }
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn memory_agrees_with_the_model(steps in steps(false)) {
        run(check(Kind::Memory, steps));
    }

    #[test]
    fn sqlite_agrees_with_the_model_over_crashes_and_restarts(steps in steps(true)) {
        run(check(Kind::Sqlite, steps));
    }
}
