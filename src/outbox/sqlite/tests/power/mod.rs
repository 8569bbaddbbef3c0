//! Power losses: what was committed is there afterwards, whole, whatever the disk dropped or tore.
//!
//! The file lies on a simulated disk that keeps what was synced and, of the rest, any sectors.
//! `CALLGATE_LONG=1` makes it 100,000 losses; `CALLGATE_SEED` plays a run again.

mod disk;
mod vfs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags};

use self::disk::{Disk, Random};
use super::super::file;
use super::super::store::Store;
use crate::outbox::tests::bench::{entry, shipped};
use crate::outbox::*;

/// What a disk must still hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Expected {
    /// By id, with the endpoint's name.
    pending: BTreeSet<String>,
    dead: BTreeSet<String>,
    accepted: u64,
    delivered: u64,
    discarded: u64,
}

/// One change, done to the store and to the expected alike.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<String>),
    /// Claims so many, and ends them by turns in these ways.
    Work(usize, Vec<u64>),
    /// Claims so many, without a sync.
    Claim(usize),
    Replay,
    Discard,
}

/// What a run saw.
#[derive(Default)]
struct Totals {
    losses: u64,
    acknowledged: u64,
    in_recovery: u64,
}

fn config() -> Config {
    Config {
        path: PathBuf::from("outbox.db"),
        ..shipped()
    }
}

fn open(disk: &Arc<Disk>, config: &Config) -> Result<Store, String> {
    let path = vfs::mount(disk);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(&path, flags, vfs::NAME);
    let connection = connection.map_err(|error| error.to_string())?;
    let prepared = file::prepare(connection, &config.path);
    let prepared = prepared.map_err(|error| error.to_string())?;
    Store::start(prepared, config, None).map_err(|error| error.to_string())
}

/// The expected as the file has them.
fn read(store: &Store) -> Result<Expected, String> {
    let mut expected = Expected::default();
    let ids = |table: &str| {
        let sql = format!("SELECT event.id FROM {table} JOIN event USING (seq)");
        let mut statement = store.connection.prepare(&sql).unwrap();
        let ids = statement.query_map([], |row| row.get::<_, String>(0));
        ids.unwrap()
            .collect::<rusqlite::Result<BTreeSet<_>>>()
            .unwrap()
    };
    expected.pending = ids("pair");
    let unlooked = "(SELECT event.seq FROM event JOIN endpoint
        WHERE event.seq > looked_to AND instr(endpoints, ' ' || number || ' ')
        AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.seq = event.seq))";
    expected.pending.extend(ids(unlooked));
    expected.dead = ids("dead");
    let check = file::read(&store.connection, "quick_check").map_err(|e| e.to_string())?;
    if check != "ok" {
        return Err(format!("the file is broken: {check}"));
    }
    for one in store.stats().unwrap().endpoints {
        if !one.counts.conserved() {
            return Err(format!("not conserved: {:?}", one.counts));
        }
        expected.accepted += one.counts.accepted;
        expected.delivered += one.counts.delivered;
        expected.discarded += one.counts.discarded;
        let (pending, dead) = (expected.pending.len() as u64, expected.dead.len() as u64);
        if one.counts.pending != pending || one.counts.dead != dead {
            return Err(format!("{:?} but {pending} and {dead} rows", one.counts));
        }
    }
    Ok(expected)
}

/// Does a step in one transaction, and says what the expected are after it.
fn apply(
    store: &mut Store,
    step: &Step,
    expected: &Expected,
    now_ms: u64,
) -> rusqlite::Result<Expected> {
    let mut after = expected.clone();
    store.sync(!matches!(step, Step::Claim(_)))?;
    store.begin()?;
    match step {
        Step::Claim(limit) => {
            store.claim("A", now_ms, &Capacity::of(*limit))?;
        }
        Step::Append(ids) => {
            let entries = ids.iter().map(|id| entry(id, "A", now_ms).into());
            let entries: Vec<_> = entries.collect();
            store.append(&entries)?.unwrap();
            for id in ids {
                let id = id.split('/').next().unwrap().to_owned();
                after.pending.insert(id);
                after.accepted += 1;
            }
        }
        Step::Work(limit, ends) => {
            let claimed = store.claim("A", now_ms, &Capacity::of(*limit))?;
            let mut settlements = Vec::new();
            for (due, end) in claimed.into_iter().zip(ends.iter().cycle()) {
                let reason = "because".to_owned();
                settlements.push((
                    due.key,
                    match end % 5 {
                        0 | 1 => {
                            after.pending.remove(&due.id);
                            after.delivered += 1;
                            Settlement::Delivered
                        }
                        2 => {
                            after.pending.remove(&due.id);
                            after.dead.insert(due.id.clone());
                            let answer = "no".to_owned();
                            Settlement::Dead { reason, answer }
                        }
                        3 => {
                            after.pending.remove(&due.id);
                            after.discarded += 1;
                            Settlement::Discarded { reason }
                        }
                        _ => Settlement::Retry {
                            due_at_ms: now_ms + 3,
                            reason,
                            counts: true,
                            out_of_order: end % 2 == 0,
                        },
                    },
                ));
            }
            store.settle(&settlements, now_ms)?;
            store.record_delivered()?;
        }
        Step::Replay | Step::Discard => {
            let act = match step {
                Step::Replay => DeadAct::Replay,
                _ => DeadAct::Discard {
                    reason: String::new(),
                },
            };
            let (filter, from) = (DeadFilter::default(), DeadCursor::default());
            store.act_on_dead(&act, &filter, from, 1000, now_ms)?;
            let dead = std::mem::take(&mut after.dead);
            match step {
                Step::Replay => after.pending.extend(dead),
                _ => after.discarded += dead.len() as u64,
            }
        }
    }
    store.commit()?;
    store.keep_log_short()?;
    Ok(after)
}

/// Works on a disk until the power goes, again and again, and compares after each loss.
fn run(seed: u64, losses: u64, config: &Config) -> Result<Totals, String> {
    let mut random = Random(seed);
    let mut totals = Totals::default();
    while totals.losses < losses {
        let disk = Arc::new(Disk::new(random.next()));
        let mut expected = Expected::default();
        let mut names = 0;
        let mut now_ms = 10;
        for _ in 0..random.below(12) + 1 {
            let mut store = loop {
                // Sometimes the power goes again while the file is opened.
                if random.below(4) == 0 {
                    disk.power_goes_after(random.below(20));
                }
                match open(&disk, config) {
                    Ok(store) => break store,
                    Err(_) if disk.is_off() => {
                        totals.losses += 1;
                        totals.in_recovery += 1;
                        disk.power_returns();
                    }
                    Err(why) => return Err(format!("seed {seed}: it cannot be opened: {why}")),
                }
            };
            disk.power_stays();
            let found = read(&store).map_err(|why| format!("seed {seed}: {why}"))?;
            if found != expected {
                return Err(format!("seed {seed}: {found:?} instead of {expected:?}"));
            }
            disk.power_goes_after(random.below(120));
            // The expected after a transaction of which nobody knows whether it was committed.
            let mut doubt = None;
            while !disk.is_off() {
                now_ms += random.below(5);
                let step = match random.below(10) {
                    0..=4 => Step::Append(
                        (0..random.below(8) + 1)
                            .map(|_| {
                                names += 1;
                                format!("e{names}/{}", random.below(4))
                            })
                            .collect(),
                    ),
                    5 => Step::Claim(random.below(3) as usize + 1),
                    6..=7 => {
                        let ends = (0..5).map(|_| random.next()).collect();
                        Step::Work(random.below(8) as usize + 1, ends)
                    }
                    8 => Step::Replay,
                    _ => Step::Discard,
                };
                match apply(&mut store, &step, &expected, now_ms) {
                    Ok(after) => {
                        totals.acknowledged += 1;
                        expected = after;
                    }
                    Err(error) if disk.is_off() => doubt = Some((step, error)),
                    Err(error) => return Err(format!("seed {seed}: {step:?}: {error}")),
                }
            }
            // As when the process ends: nothing more is written.
            drop(store);
            disk.power_returns();
            totals.losses += 1;
            if doubt.is_some() {
                // It is there as a whole or not at all; which of the two, the file says.
                let mut survivor = open(&disk, config)
                    .map_err(|why| format!("seed {seed}: it cannot be opened: {why}"))?;
                let found = read(&survivor).map_err(|why| format!("seed {seed}: {why}"))?;
                if found != expected {
                    accept_whole(&found, &expected, doubt)
                        .map_err(|why| format!("seed {seed}: {why}"))?;
                    expected = found;
                }
                survivor.begin().unwrap();
                survivor.commit().unwrap();
            }
        }
    }
    Ok(totals)
}

/// What differs must be the transaction in doubt and nothing else.
fn accept_whole(
    found: &Expected,
    before: &Expected,
    doubt: Option<(Step, rusqlite::Error)>,
) -> Result<(), String> {
    let wrong = || format!("{found:?} after {before:?} and {doubt:?}");
    let Some((step, _)) = &doubt else {
        return Err(wrong());
    };
    let good = match step {
        Step::Append(ids) => {
            let mut whole = before.clone();
            for id in ids {
                let id = id.split('/').next().unwrap().to_owned();
                whole.pending.insert(id);
                whole.accepted += 1;
            }
            *found == whole
        }
        Step::Work(limit, _) => {
            let moved = before.pending.len() - found.pending.len();
            let dead = found.dead.difference(&before.dead).count();
            let ended = found.delivered - before.delivered + found.discarded - before.discarded;
            moved <= *limit
                && dead as u64 + ended == moved as u64
                && found.pending.is_subset(&before.pending)
                && before.dead.is_subset(&found.dead)
                && found.accepted == before.accepted
        }
        Step::Claim(_) => found == before,
        Step::Replay => {
            let mut whole = before.clone();
            whole.pending.append(&mut whole.dead);
            *found == whole
        }
        Step::Discard => {
            let mut whole = before.clone();
            whole.discarded += std::mem::take(&mut whole.dead).len() as u64;
            *found == whole
        }
    };
    if good { Ok(()) } else { Err(wrong()) }
}

fn seed() -> u64 {
    let given = std::env::var("CALLGATE_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_nanos() as u64
    })
}

#[test]
fn what_was_committed_survives_every_power_loss() {
    let long = std::env::var_os("CALLGATE_LONG").is_some();
    let losses = if long { 100_000 } else { 1_500 };
    let seed = seed();
    let totals = run(seed, losses, &config()).unwrap_or_else(|why| panic!("{why}"));
    println!(
        "{} power losses ({} while the file was opened), {} transactions acknowledged, 0 lost; play it again with CALLGATE_SEED={seed}",
        totals.losses, totals.in_recovery, totals.acknowledged
    );
}

/// Without its syncs the file loses what was acknowledged: the simulation sees it.
#[cfg(feature = "faults")]
#[test]
fn a_file_without_syncs_does_not_survive() {
    faults::here::FAULT.set(Some(faults::Fault::NoSync));
    let why = run(1, 5_000, &config())
        .err()
        .expect("nothing was lost without syncs");
    println!("seen: {}", &why[..why.len().min(200)]);
}

#[test]
fn a_disk_without_room_refuses_and_recovers() {
    let config = config();
    let disk = Arc::new(Disk::new(1));
    let mut store = open(&disk, &config).unwrap();
    disk.set_room(Some(1_500_000));
    let mut stored: BTreeMap<String, u64> = BTreeMap::new();
    let mut refused = 0;
    for n in 0..200 {
        let id = format!("e{n}");
        let mut large = entry(&id, "A", 10);
        large.body = vec![7; 10_000].into();
        store.begin().unwrap();
        let done = store.append(&[large.into()]).and_then(|appended| {
            appended.unwrap();
            store.commit()
        });
        match done {
            Ok(()) => drop(stored.insert(id, n)),
            Err(error) => {
                let code = error.sqlite_error_code();
                assert_eq!(code, Some(rusqlite::ErrorCode::DiskFull), "{error}");
                store.roll_back().unwrap();
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && stored.len() > 10, "{refused}");
    let expected = read(&store).unwrap();
    assert_eq!(expected.accepted, stored.len() as u64);
    disk.set_room(None);
    store.begin().unwrap();
    store
        .append(&[entry("later", "A", 10).into()])
        .unwrap()
        .unwrap();
    store.commit().unwrap();
    assert_eq!(read(&store).unwrap().accepted, stored.len() as u64 + 1);
}
