//! What is counted of a trial, and when it is too much.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bet::Bet;
use super::running::Ruler;
use crate::decision::{Answer, Decision, Outcome};
use crate::history::Kind;
use crate::policy::{TrialEnds, TrialMode};

/// The share of slow decisions that a p99 allows.
const SLOW: f64 = 0.01;

/// Everything that is counted. What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Decisions that the candidate made, and those that it was judged beside.
    pub ruled: Ruled,
    pub beside: Ruled,
    /// Of both: those of which it is known what each policy decides.
    pub compared: u64,
    pub not_comparable: u64,
    /// There was no room for them, so they were not looked at.
    pub dropped: u64,
    /// What each would come to, over those that were compared.
    pub candidate: BTreeMap<String, u64>,
    pub policy: BTreeMap<String, u64>,
    /// How often they differ, as `allow>block`: the policy in force first.
    pub differences: BTreeMap<String, u64>,
    tests: Tests,
}

/// Decisions that one policy made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Ruled {
    pub decisions: u64,
    pub blocks: u64,
    pub let_through: u64,
    /// Longer than `ends.p99`.
    pub slow: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tests {
    blocks: Bet,
    let_through: Bet,
    disagreement: Bet,
    p99: Bet,
}

/// Both sides of one decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides {
    pub ruler: Ruler,
    pub made: Kind,
    /// What the other policy would have decided, if that is known.
    pub other: Option<Kind>,
    /// Whether the endpoint refused, where it gave an answer.
    pub endpoint_blocks: Option<bool>,
    pub total: Duration,
}

/// The condition that a trial does not fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Blocks,
    LetThrough,
    Disagreement,
    P99,
}

impl Condition {
    pub(super) fn name(self) -> &'static str {
        match self {
            Condition::Blocks => "blocks",
            Condition::LetThrough => "let_through",
            Condition::Disagreement => "disagreement",
            Condition::P99 => "p99",
        }
    }
}

impl Sides {
    pub(super) fn of(
        ruler: Ruler,
        made: &Decision,
        other: Option<&Decision>,
        outcome: Option<&Outcome>,
        total: Duration,
    ) -> Sides {
        Sides {
            ruler,
            made: Kind::of(made),
            other: other.map(Kind::of),
            endpoint_blocks: match outcome {
                Some(Outcome::Answer(answer)) => Some(matches!(answer, Answer::Block(_))),
                Some(Outcome::Failure(_)) | None => None,
            },
            total,
        }
    }

    /// What the candidate comes to, and what the policy in force does, where that is known.
    pub(super) fn kinds(&self) -> (Option<Kind>, Option<Kind>) {
        match self.ruler {
            Ruler::Candidate => (Some(self.made), self.other),
            Ruler::Policy => (self.other, Some(self.made)),
        }
    }
}

impl Tally {
    /// Counts one more decision. Returns what ends the trial, if that does.
    pub(super) fn add(
        &mut self,
        sides: &Sides,
        ends: &TrialEnds,
        mode: TrialMode,
    ) -> Option<Condition> {
        let failed = self.test(sides, ends, mode);
        let ruled = match sides.ruler {
            Ruler::Candidate => &mut self.ruled,
            Ruler::Policy => &mut self.beside,
        };
        ruled.decisions += 1;
        ruled.blocks += u64::from(sides.made == Kind::Block);
        ruled.let_through += u64::from(sides.made == Kind::LetThrough);
        ruled.slow += u64::from(is_slow(sides, ends));
        match sides.kinds() {
            (Some(candidate), Some(policy)) => {
                self.compared += 1;
                count(&mut self.candidate, candidate.name());
                count(&mut self.policy, policy.name());
                if candidate != policy {
                    let name = format!("{}>{}", policy.name(), candidate.name());
                    count(&mut self.differences, &name);
                }
            }
            _ => self.not_comparable += 1,
        }
        failed
    }

    /// How sure it is, from 0 to 1, that each condition is not fulfilled.
    pub(super) fn sureness(&self) -> [(Condition, f64); 4] {
        let tests = &self.tests;
        [
            (Condition::Blocks, tests.blocks.sureness()),
            (Condition::LetThrough, tests.let_through.sureness()),
            (Condition::Disagreement, tests.disagreement.sureness()),
            (Condition::P99, tests.p99.sureness()),
        ]
    }

    /// Why a condition is not fulfilled, in figures.
    pub(super) fn why(&self, condition: Condition) -> String {
        let (name, ruled, beside) = match condition {
            Condition::Blocks => ("block", self.ruled.blocks, self.beside.blocks),
            Condition::LetThrough => (
                "let_through",
                self.ruled.let_through,
                self.beside.let_through,
            ),
            Condition::Disagreement => {
                return format!(
                    "the endpoint answers otherwise than the candidate decides more often than allowed, over {} compared decisions",
                    self.compared
                );
            }
            Condition::P99 => {
                return format!(
                    "{} of {} decisions by the candidate took too long, and {} of {} by the policy",
                    self.ruled.slow, self.ruled.decisions, self.beside.slow, self.beside.decisions
                );
            }
        };
        let of = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or_default();
        format!(
            "more `{name}` than allowed: of {} compared decisions the candidate comes to {}, the policy to {}; the candidate decided {} itself, {ruled} of them so, the policy {} beside it, {beside} of them so",
            self.compared,
            of(&self.candidate),
            of(&self.policy),
            self.ruled.decisions,
            self.beside.decisions,
        )
    }

    /// Every test looks at every decision, so that none stands still when another one is sure.
    fn test(&mut self, sides: &Sides, ends: &TrialEnds, mode: TrialMode) -> Option<Condition> {
        let beside = self.beside.clone();
        let tests = &mut self.tests;
        let is_block = |kind| kind == Kind::Block;
        let is_let_through = |kind| kind == Kind::LetThrough;
        let blocks = more(sides, is_block, larger_of(beside.blocks, beside.decisions));
        let let_through = more(
            sides,
            is_let_through,
            larger_of(beside.let_through, beside.decisions),
        );
        let is_slow = is_slow(sides, ends);
        let slow =
            (mode == TrialMode::Ruling && !ends.p99.is_zero() && sides.ruler == Ruler::Candidate)
                .then(|| share(is_slow) - larger_of(beside.slow, beside.decisions).max(SLOW));
        let looks = [
            (Condition::Blocks, &mut tests.blocks, blocks, ends.blocks),
            (
                Condition::LetThrough,
                &mut tests.let_through,
                let_through,
                ends.let_through,
            ),
            (
                Condition::Disagreement,
                &mut tests.disagreement,
                disagreement(sides),
                ends.disagreement,
            ),
            (Condition::P99, &mut tests.p99, slow, 0.0),
        ];
        let failed = looks
            .into_iter()
            .filter_map(|(condition, bet, more, allowed)| {
                let is_sure = more.is_some_and(|more| bet.add(more, allowed));
                is_sure.then_some(condition)
            });
        failed.collect::<Vec<_>>().first().copied()
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

/// How much more of it the candidate has than the policy in force. Where only the candidate decided
/// it is compared with what the policy has elsewhere.
fn more(sides: &Sides, is_it: impl Fn(Kind) -> bool, elsewhere: f64) -> Option<f64> {
    match sides.kinds() {
        (Some(candidate), Some(policy)) => Some(share(is_it(candidate)) - share(is_it(policy))),
        (Some(candidate), None) => Some(share(is_it(candidate)) - elsewhere),
        (None, _) => None,
    }
}

/// The same of deciding otherwise than the endpoint answered.
fn disagreement(sides: &Sides) -> Option<f64> {
    let endpoint = sides.endpoint_blocks?;
    let (candidate, policy) = sides.kinds();
    let differs = |kind: Kind| share((kind == Kind::Block) != endpoint);
    Some(differs(candidate?) - differs(policy?))
}

fn is_slow(sides: &Sides, ends: &TrialEnds) -> bool {
    !ends.p99.is_zero() && sides.total > ends.p99
}

fn share(is_it: bool) -> f64 {
    if is_it { 1.0 } else { 0.0 }
}

/// A share that the true one hardly exceeds; 1 where nothing is known.
fn larger_of(count: u64, of: u64) -> f64 {
    let of = of as f64 + 2.0;
    let share = (count as f64 + 1.0) / of;
    (share + 2.0 * (share * (1.0 - share) / of).sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const RUNS: u64 = 1_000;
    /// Not those by which the stakes were chosen.
    const SEED: u64 = 0x7472_6961_6c00_0000;
    const DECISIONS: usize = 1_000;

    fn ends() -> TrialEnds {
        TrialEnds {
            blocks: 0.005,
            let_through: 0.005,
            disagreement: 0.01,
            p99: Duration::from_millis(20),
        }
    }

    fn kind(is_block: bool, is_let_through: bool) -> Kind {
        match (is_block, is_let_through) {
            (true, _) => Kind::Block,
            (_, true) => Kind::LetThrough,
            _ => Kind::Allow,
        }
    }

    fn chance(random: &mut Rng, of: f64) -> bool {
        random.f64() < of
    }

    /// What one policy comes to, with its own chance of each.
    fn drawn(random: &mut Rng, blocks: f64) -> Kind {
        let is_block = chance(random, blocks);
        kind(is_block, chance(random, 0.01))
    }

    /// Of so many trials, those that end, and after how many decisions each.
    fn ended(make: impl Fn(&mut Rng) -> Sides, decisions: usize) -> Vec<usize> {
        let runs = (0..RUNS).filter_map(|run| {
            let mut random = Rng::with_seed(SEED + run);
            let mut tally = Tally::default();
            (0..decisions).find(|_| {
                let sides = make(&mut random);
                tally.add(&sides, &ends(), TrialMode::Ruling).is_some()
            })
        });
        runs.collect()
    }

    fn total(random: &mut Rng, slow: f64) -> Duration {
        Duration::from_millis(if chance(random, slow) { 50 } else { 2 })
    }

    /// One that is known on both sides, drawn independently for each policy.
    fn both(random: &mut Rng, candidate: f64, policy: f64) -> Sides {
        let ruler = match chance(random, 0.5) {
            true => Ruler::Candidate,
            false => Ruler::Policy,
        };
        let (candidate, policy) = (drawn(random, candidate), drawn(random, policy));
        let (made, other) = match ruler {
            Ruler::Candidate => (candidate, policy),
            Ruler::Policy => (policy, candidate),
        };
        Sides {
            ruler,
            made,
            other: Some(other),
            endpoint_blocks: Some(chance(random, 0.02)),
            total: total(random, 0.01),
        }
    }

    /// One that is known on both sides, of which the candidate blocks all that the policy blocks.
    fn alike(random: &mut Rng, candidate: f64, policy: f64) -> Sides {
        let at = random.f64();
        let kind_of = |blocks: f64| kind(at < blocks, false);
        Sides {
            made: kind_of(policy),
            other: Some(kind_of(candidate)),
            ruler: Ruler::Policy,
            ..both(random, candidate, policy)
        }
    }

    /// One that is known on one side alone.
    fn one(random: &mut Rng, candidate: f64, policy: f64) -> Sides {
        let sides = both(random, candidate, policy);
        Sides {
            other: None,
            ..sides
        }
    }

    #[test]
    fn equal_policies_end_in_at_most_one_run_of_a_hundred() {
        let at_most = RUNS as usize / 100;
        for blocks in [0.002, 0.1] {
            let twice = ended(|random| both(random, blocks, blocks), DECISIONS);
            assert!(twice.len() <= at_most, "{blocks}: {}", twice.len());
            let apart = ended(|random| one(random, blocks, blocks), DECISIONS);
            assert!(apart.len() <= at_most, "{blocks}, apart: {}", apart.len());
        }
    }

    #[test]
    fn times_that_are_slow_for_both_end_nothing() {
        let slow = |random: &mut Rng| Sides {
            total: total(random, 0.3),
            ..both(random, 0.02, 0.02)
        };
        assert!(ended(slow, DECISIONS).len() <= RUNS as usize / 100);
    }

    #[test]
    fn ten_times_the_blocks_end_it_within_two_hundred_decisions() {
        let at_least = RUNS as usize * 99 / 100;
        for policy in [0.02, 0.05] {
            let apart = ended(|random| both(random, 10.0 * policy, policy), 200);
            assert!(apart.len() >= at_least, "{policy}: {}", apart.len());
            let twice = ended(|random| alike(random, 10.0 * policy, policy), 200);
            assert!(twice.len() >= at_least, "{policy}, alike: {}", twice.len());
        }
    }

    #[test]
    fn each_condition_is_found_by_itself() {
        let calm = Sides {
            ruler: Ruler::Candidate,
            made: Kind::Allow,
            other: Some(Kind::Allow),
            endpoint_blocks: None,
            total: Duration::from_millis(1),
        };
        let check = |bad: Sides, expected: Condition, mode: TrialMode| {
            let mut tally = Tally::default();
            for _ in 0..500 {
                let control = Sides {
                    ruler: Ruler::Policy,
                    ..calm
                };
                assert_eq!(tally.add(&control, &ends(), mode), None);
            }
            let found = (0..200).find_map(|_| tally.add(&bad, &ends(), mode));
            assert_eq!(found, Some(expected));
        };
        let ruling = TrialMode::Ruling;
        let block = Sides {
            made: Kind::Block,
            ..calm
        };
        check(block, Condition::Blocks, ruling);
        // Where it would have asked and nobody was asked, it is compared with the others.
        let apart = Sides {
            other: None,
            ..block
        };
        check(apart, Condition::Blocks, ruling);
        let let_through = Sides {
            made: Kind::LetThrough,
            ..calm
        };
        check(let_through, Condition::LetThrough, ruling);
        let slow = Sides {
            total: Duration::from_millis(50),
            ..calm
        };
        check(slow, Condition::P99, ruling);
        // It lets through what the endpoint, which it does not ask, refuses.
        let disagrees = Sides {
            ruler: Ruler::Policy,
            made: Kind::Block,
            other: Some(Kind::Allow),
            endpoint_blocks: Some(true),
            ..calm
        };
        check(disagrees, Condition::Disagreement, TrialMode::Shadow);
    }

    #[test]
    fn what_is_kept_goes_on_where_it_was() {
        let mut random = Rng::with_seed(1);
        let mut tally = Tally::default();
        let mut kept = tally.clone();
        for _ in 0..300 {
            let sides = both(&mut random, 0.1, 0.1);
            tally.add(&sides, &ends(), TrialMode::Ruling);
            let text = serde_json::to_string(&kept).unwrap();
            kept = serde_json::from_str(&text).unwrap();
            kept.add(&sides, &ends(), TrialMode::Ruling);
        }
        assert_eq!(
            (kept.compared, &kept.differences),
            (tally.compared, &tally.differences)
        );
        for ((_, kept), (_, sureness)) in kept.sureness().into_iter().zip(tally.sureness()) {
            assert!((kept - sureness).abs() < 1e-6, "{kept} {sureness}");
        }
    }
}
