//! Random calls against an outbox that is slow and obvious.

mod slow;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use self::slow::Model;
use super::bench::{Bench, body, entry};
use crate::outbox::postgres::tests::own;
use crate::outbox::*;

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
    /// Number of the id, of the ordering key, and the endpoints, for each entry.
    Append(Vec<(u8, u8, Vec<&'static str>)>),
    /// How many, and how many of them of one ordering key.
    Claim(&'static str, usize, usize),
    /// Which of all claims so far, from the end, and how it ends.
    Settle(Vec<(usize, How)>),
    /// Of the dead letters of all endpoints or of one.
    Act(What, Option<&'static str>, usize),
    /// Those that were accepted so long ago.
    DiscardPending(&'static str, u64, usize),
    Pass(u64),
    Crash,
    Restart,
    /// To the other kind, after a crash or a close; after so many calls it was broken off once.
    Move(bool, usize, bool),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Delivered,
    /// After so long; whether it counts; whether it leaves its ordering key.
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

/// The same with moves among them.
fn steps_with_moves() -> impl Strategy<Value = Vec<Step>> {
    let moves = (any::<bool>(), 0..40_usize, any::<bool>());
    let moves = moves.prop_map(|(crash, calls, does_it)| Step::Move(crash, calls, does_it));
    let part = (vec(moves, 1), steps(true));
    (steps(true), vec(part, 1..4)).prop_map(|(mut steps, parts)| {
        for (moves, more) in parts {
            steps.extend(moves.into_iter().chain(more));
        }
        steps
    })
}

fn steps(restarts: bool) -> impl Strategy<Value = Vec<Step>> {
    let endpoints = subsequence(vec!["A", "B", "C"], 0..=3);
    let endpoint = prop::sample::select(vec!["A", "B", "C"]);
    let how = prop_oneof![
        4 => Just(How::Delivered),
        3 => (0..60_u64, any::<bool>(), any::<bool>())
            .prop_map(|(wait, counts, out_of_order)| How::Retry(wait, counts, out_of_order)),
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
        6 => (endpoint, 0..5_usize, 1..4_usize)
            .prop_map(|(endpoint, limit, in_a_row)| Step::Claim(endpoint, limit, in_a_row)),
        6 => vec((0..6_usize, how), 1..4).prop_map(Step::Settle),
        3 => (0..50_u64).prop_map(Step::Pass),
        1 => Just(if restarts { Step::Crash } else { Step::Pass(1) }),
        1 => Just(if restarts { Step::Restart } else { Step::Pass(1) }),
    ];
    vec(step, 1..40)
}

/// Does the steps on an outbox and on the model, and compares every answer.
async fn check(kind: Kind, steps: Vec<Step>) {
    let moves = steps.iter().any(|step| matches!(step, Step::Move(..)));
    let mut bench = match moves {
        true => Bench::moving(kind, small),
        false => Bench::new(kind, small),
    };
    let mut model = Model::new(bench.config.clone());
    let mut claims: Vec<(EntryKey, (usize, u32))> = Vec::new();
    let mut now_ms = 100;
    for step in steps {
        match step {
            Step::Append(entries) => {
                let entry_of = |(id, ordering_key, endpoints): (u8, u8, Vec<&str>)| {
                    let ordering_key = ["", "x", "y"][usize::from(ordering_key)];
                    let mut entry = entry(&format!("{id}/{ordering_key}"), "-", now_ms);
                    entry.endpoints = endpoints.into_iter().map(str::to_owned).collect();
                    entry
                };
                let entries: Vec<NewEntry> = entries.into_iter().map(entry_of).collect();
                let wanted = model.append(&entries);
                let found = bench.outbox.append(entries).await;
                assert_eq!(found.map_err(|_| ()), wanted);
            }
            Step::Claim(endpoint, limit, in_a_row) => {
                let wanted = model.claim(endpoint, now_ms, limit, in_a_row);
                let capacity = Capacity {
                    in_a_row,
                    in_a_row_of: Arc::new(["afterSendSingleMsg"]),
                    ..Capacity::of(limit)
                };
                let found = bench
                    .outbox
                    .claim(endpoint, now_ms, capacity)
                    .await
                    .unwrap();
                assert_eq!(found.len(), wanted.len());
                for (due, (at, claim)) in found.into_iter().zip(wanted) {
                    let pair = &model.pairs[at];
                    assert_eq!(due.body, body(&due.id));
                    assert_eq!(
                        (
                            due.id.clone(),
                            due.ordering_key.clone(),
                            &*due.endpoint,
                            due.attempt,
                            due.crashes,
                            due.replays,
                            due.number,
                            due.gap,
                            due.out_of_order
                        ),
                        (
                            pair.entry.id.clone(),
                            pair.entry.ordering_key.clone(),
                            pair.endpoint,
                            pair.attempts,
                            pair.crashes,
                            pair.replays,
                            pair.seq,
                            model.gap(pair),
                            pair.ordering_key() != pair.entry.ordering_key
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
            Step::Move(crash, calls, does_it) => {
                if !crash {
                    bench.outbox.close().await;
                }
                bench.relocate(calls, does_it).await;
                model.put_back(u32::from(crash));
                // Good only with the outbox that gave them.
                claims.clear();
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
        How::Retry(wait, counts, out_of_order) => Settlement::Retry {
            due_at_ms: now_ms + wait,
            reason,
            counts,
            out_of_order,
        },
    }
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future);
}

/// PostgreSQL takes milliseconds for what the others do in microseconds.
const IN_POSTGRES: u32 = 40;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(IN_POSTGRES))]

    #[test]
    fn postgres_agrees_with_the_model_over_crashes_and_restarts(steps in steps(true)) {
        if own::is_here() {
            run(check(Kind::Postgres, steps));
        }
    }

    #[test]
    fn moved_there_and_back_it_agrees_with_the_model(steps in steps_with_moves()) {
        if own::is_here() {
            run(check(Kind::Sqlite, steps));
        }
    }
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
