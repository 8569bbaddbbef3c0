//! What changes between two policies, by what causes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use strum::IntoStaticStr;

use super::super::snapshot::Snapshot;
use super::call::RecordedCall;
use super::excerpt::excerpt;
use super::judge::{Judged, judge};
use crate::decision::{Decider, Decision, Hit, ListAction, Verdict};
use crate::event::Event;
use crate::filter::Scratch;

/// Excerpts that a group has.
const EXCERPTS_MAX: usize = 5;
/// Senders that are told apart; the calls of more are counted all the same.
const SENDERS_MAX: usize = 100_000;
/// Senders that are named.
const SENDERS_NAMED: usize = 20;
/// Groups that are told apart; what comes behind them is counted together.
const GROUPS_MAX: usize = 10_000;

/// How one call comes out otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Change {
    /// It was not blocked.
    Blocked,
    /// It was blocked.
    Freed,
    /// Its text is replaced, and was not.
    Masked,
    Unmasked,
    /// The same action, in other words or with another text.
    Altered,
    /// A list marks it, and nothing else comes of it.
    Marked,
    Unmarked,
}

impl Change {
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What causes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cause {
    pub hook: &'static str,
    /// `list`, `endpoint`, `failure`, `caller`, `hook`.
    pub rule: &'static str,
    /// The list, the endpoint, the class of failure, the caller, why the hook is skipped.
    pub name: String,
    /// Of a list.
    pub entry: Option<String>,
    pub line: Option<u32>,
}

/// Calls that come out otherwise for one cause.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    pub change: &'static str,
    #[serde(flatten)]
    pub cause: Cause,
    pub count: u64,
    /// Of all calls that were judged.
    pub share: f64,
    /// Around what matched, which is masked, as are digits.
    pub excerpts: Vec<String>,
}

/// A sender of calls that are newly blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sender {
    pub sender: String,
    pub count: u64,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Calls that both policies were tried on.
    pub judged: u64,
    /// Calls that come out otherwise.
    pub changed: u64,
    pub blocked: u64,
    pub freed: u64,
    pub masked: u64,
    pub unmasked: u64,
    pub altered: u64,
    pub marked: u64,
    pub unmarked: u64,
    /// How many are blocked under each.
    pub blocked_before: u64,
    pub blocked_after: u64,
    /// Calls of which it cannot be told, by the endpoint that would be asked and was not.
    pub unknown: BTreeMap<String, u64>,
    /// Recorded calls that cannot be read any more.
    pub unreadable: u64,
    pub groups: Vec<Group>,
    /// Of newly blocked calls, those with the most first.
    pub senders: Vec<Sender>,
    pub senders_all: u64,
}

/// Counts differences, call by call.
#[derive(Default)]
pub struct Differences {
    judged: u64,
    changed: u64,
    blocked_before: u64,
    blocked_after: u64,
    unreadable: u64,
    unknown: BTreeMap<String, u64>,
    of: BTreeMap<Change, u64>,
    groups: BTreeMap<(Change, Cause), Counted>,
    senders: HashMap<String, u64>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    excerpts: BTreeSet<String>,
}

impl Differences {
    /// Judges one more call under both.
    pub fn judge(&mut self, ruling: &Snapshot, candidate: &Snapshot, call: &RecordedCall) {
        let Ok(event) = call.event() else {
            self.unreadable += 1;
            return;
        };
        let before = judge(ruling, call, &event, &mut self.scratch);
        let after = judge(candidate, call, &event, &mut self.scratch);
        self.add(call, &event, &before, &after);
    }

    /// A line that is no call.
    pub fn add_unreadable(&mut self) {
        self.unreadable += 1;
    }

    pub fn judged(&self) -> u64 {
        self.judged
    }

    fn add(&mut self, call: &RecordedCall, event: &Event, before: &Judged, after: &Judged) {
        for judged in [after, before] {
            if let Judged::Unknown(endpoint) = judged {
                *self.unknown.entry(endpoint.to_string()).or_default() += 1;
                return;
            }
        }
        self.judged += 1;
        self.blocked_before += u64::from(is_blocked(before));
        self.blocked_after += u64::from(is_blocked(after));
        if before == after {
            return;
        }
        let Some(change) = change(before, after) else {
            return self.compare_marks(event, before, after);
        };
        self.changed += 1;
        *self.of.entry(change).or_default() += 1;
        let by = match change {
            Change::Freed | Change::Unmasked => before,
            _ => after,
        };
        self.group(change, event, by, call, hit_that_acts(by));
        if change == Change::Blocked {
            let sender = event.sender();
            let is_full = self.senders.len() >= SENDERS_MAX;
            match self.senders.get_mut(sender) {
                Some(count) => *count += 1,
                None if !is_full => {
                    self.senders.insert(sender.to_owned(), 1);
                }
                None => {}
            }
        }
    }

    /// The action is the same, and perhaps not what lists found.
    fn compare_marks(&mut self, event: &Event, before: &Judged, after: &Judged) {
        let (Judged::Decided(before), Judged::Decided(after)) = (before, after) else {
            return;
        };
        let mut is_changed = false;
        for (change, here, there) in [
            (Change::Marked, after, before),
            (Change::Unmarked, before, after),
        ] {
            let known: BTreeSet<_> = there.hits.iter().map(mark).collect();
            let mut new: BTreeSet<_> = BTreeSet::new();
            for hit in here.hits.iter().filter(|hit| !known.contains(&mark(hit))) {
                if new.insert(mark(hit)) {
                    let cause = cause_of_hit(event, hit);
                    self.count(change, cause, event, Some(hit));
                }
            }
            if !new.is_empty() {
                *self.of.entry(change).or_default() += 1;
                is_changed = true;
            }
        }
        self.changed += u64::from(is_changed);
    }

    fn group(
        &mut self,
        change: Change,
        event: &Event,
        by: &Judged,
        call: &RecordedCall,
        hit: Option<&Hit>,
    ) {
        let cause = cause(event, by, call, hit);
        self.count(change, cause, event, hit);
    }

    fn count(&mut self, change: Change, cause: Cause, event: &Event, hit: Option<&Hit>) {
        let mut key = (change, cause);
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            // However long a candidate's lists are, this is how much is told apart.
            key.1.entry = None;
            key.1.line = None;
        }
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        if group.excerpts.len() < EXCERPTS_MAX
            && let Some(excerpt) = hit.and_then(|hit| excerpt(event, hit))
        {
            group.excerpts.insert(excerpt);
        }
    }

    /// All of it, in an order that depends on nothing but what it says.
    pub fn report(&self) -> Report {
        let of = |change| self.of.get(&change).copied().unwrap_or(0);
        let mut groups: Vec<(Change, Group)> = self
            .groups
            .iter()
            .map(|((change, cause), counted)| {
                let group = Group {
                    change: change.name(),
                    cause: cause.clone(),
                    count: counted.count,
                    share: self.share(counted.count),
                    excerpts: counted.excerpts.iter().cloned().collect(),
                };
                (*change, group)
            })
            .collect();
        groups.sort_by(|(change, one), (other_change, other)| {
            let by_change = change.cmp(other_change);
            by_change
                .then(other.count.cmp(&one.count))
                .then_with(|| one.cause.cmp(&other.cause))
        });
        let senders = self.senders.iter().map(|(sender, count)| Sender {
            sender: sender.clone(),
            count: *count,
        });
        let mut senders: Vec<Sender> = senders.collect();
        senders.sort_by(|one, other| {
            let by_count = other.count.cmp(&one.count);
            by_count.then_with(|| one.sender.cmp(&other.sender))
        });
        senders.truncate(SENDERS_NAMED);
        Report {
            judged: self.judged,
            changed: self.changed,
            blocked: of(Change::Blocked),
            freed: of(Change::Freed),
            masked: of(Change::Masked),
            unmasked: of(Change::Unmasked),
            altered: of(Change::Altered),
            marked: of(Change::Marked),
            unmarked: of(Change::Unmarked),
            blocked_before: self.blocked_before,
            blocked_after: self.blocked_after,
            unknown: self.unknown.clone(),
            unreadable: self.unreadable,
            groups: groups.into_iter().map(|(_, group)| group).collect(),
            senders,
            senders_all: self.senders.len() as u64,
        }
    }

    fn share(&self, count: u64) -> f64 {
        match self.judged {
            0 => 0.0,
            judged => count as f64 / judged as f64,
        }
    }
}

fn is_blocked(judged: &Judged) -> bool {
    match judged {
        Judged::Refused => true,
        Judged::Decided(decision) => matches!(decision.verdict, Verdict::Block(_)),
        Judged::Unknown(_) => false,
    }
}

/// `None`: what the caller gets is the same.
fn change(before: &Judged, after: &Judged) -> Option<Change> {
    match (is_blocked(before), is_blocked(after)) {
        (false, true) => return Some(Change::Blocked),
        (true, false) => return Some(Change::Freed),
        _ => {}
    }
    let (Judged::Decided(before), Judged::Decided(after)) = (before, after) else {
        // One of both refuses the caller, and the other its message.
        return Some(Change::Altered).filter(|_| before != after);
    };
    let is_same = before.verdict == after.verdict && before.reviewed == after.reviewed;
    match (&before.verdict, &after.verdict) {
        _ if is_same => None,
        (Verdict::Allow, Verdict::Replace(_)) => Some(Change::Masked),
        (Verdict::Replace(_), Verdict::Allow) => Some(Change::Unmasked),
        _ => Some(Change::Altered),
    }
}

type Mark<'a> = (&'a str, &'a str, ListAction);

fn mark(hit: &Hit) -> Mark<'_> {
    (&*hit.list, &*hit.entry, hit.action)
}

/// The match that counts most.
fn hit_that_acts(judged: &Judged) -> Option<&Hit> {
    let Judged::Decided(decision) = judged else {
        return None;
    };
    let by_filter = decision.decider == Decider::Filter;
    let hits = decision.hits.iter().filter(|_| by_filter);
    hits.min_by_key(|hit| hit.action)
}

fn cause_of_hit(event: &Event, hit: &Hit) -> Cause {
    Cause {
        hook: event.hook.name,
        rule: "list",
        name: hit.list.to_string(),
        entry: Some(hit.entry.to_string()),
        line: Some(hit.line).filter(|line| *line > 0),
    }
}

fn cause(event: &Event, by: &Judged, call: &RecordedCall, hit: Option<&Hit>) -> Cause {
    if let Some(hit) = hit {
        return cause_of_hit(event, hit);
    }
    let (rule, name) = match by {
        Judged::Refused => ("caller", call.caller.as_deref().unwrap_or_default()),
        Judged::Unknown(endpoint) => ("endpoint", &**endpoint),
        Judged::Decided(decision) => rule_of(decision, call),
    };
    Cause {
        hook: event.hook.name,
        rule,
        name: name.to_owned(),
        entry: None,
        line: None,
    }
}

fn rule_of<'a>(decision: &'a Decision, call: &'a RecordedCall) -> (&'static str, &'a str) {
    let endpoint = call
        .asked
        .as_ref()
        .and_then(|asked| asked.endpoint.as_deref());
    match (decision.decider, decision.failure, decision.skipped) {
        (_, _, Some(reason)) => ("hook", reason.name()),
        (_, Some(class), _) => ("failure", class.name()),
        (Decider::Callback, ..) => ("endpoint", endpoint.unwrap_or("any")),
        _ => ("hook", "its rules"),
    }
}
