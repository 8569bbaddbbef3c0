//! `callgate storage move`: from the file to PostgreSQL and back, killed at random, refused where it must be.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::harness::{Behaviour, Business, Callgate, Random, Setup, http, wait_for};
use crate::outbox_kill::{Seen, Temper, check_seen, dead_ids, drained, policy, produce, receiver};
use crate::replicas_storage::{tell, told};

const PRODUCERS: usize = 4;
const HEAL: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(60);
/// Moves that were ended by `kill -9`, at the least.
const KILLS: usize = 24;

/// Where the outbox of a setup is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Postgres,
}

/// A policy directory whose outbox is moved.
struct Moved<'a> {
    engine: String,
    cluster: &'a Cluster,
}

impl Moved<'_> {
    fn new<'a>(setup: &Setup, cluster: &'a Cluster) -> Moved<'a> {
        let engine = fs::read_to_string(setup.policies().join("engine.yaml")).unwrap();
        Moved { engine, cluster }
    }

    fn set(&self, setup: &Setup, place: Place) {
        let storage = match place {
            Place::File => String::new(),
            Place::Postgres => format!(
                "storage: {{kind: postgres, url: \"{}\", tls: {{mode: plain}}, lease: 3s, takeover_after: 1s}}\n",
                self.cluster.url()
            ),
        };
        setup.write("engine.yaml", format!("{}{storage}", self.engine));
    }

    /// The arguments of a move out of a place.
    fn args(&self, from: Place) -> Vec<String> {
        let url = self.cluster.url();
        let words: &[&str] = match from {
            Place::File => &["storage", "move", "--to", &url, "--plain"],
            Place::Postgres => &["storage", "move", "--to", "embedded"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn run(&self, setup: &Setup, from: Place, more: &[&str]) -> Output {
        let args = self.args(from);
        let args: Vec<&str> = args
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        setup.run(&args)
    }
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it refused with, and the exit code.
fn refused(output: &Output, code: i32, said: &str) {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(said), "{errors}");
    assert!(!errors.contains("callgate:callgate@"), "{errors}");
}

fn data(setup: &Setup) -> PathBuf {
    setup.policies().parent().unwrap().join("data")
}

/// Begins moves and ends each at a random moment of `window`, until so many were ended or one was done: on a
/// machine that moves faster the next ones are ended sooner.
fn killed(
    moved: &Moved<'_>,
    setup: &Setup,
    from: Place,
    random: &mut Random,
    window: &mut Duration,
) -> usize {
    let args = moved.args(from);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut killed = 0;
    while killed < KILLS / 3 {
        let mut command = setup.command(&args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let crashes = killed % 8 == 7;
        let most = window.as_millis() as usize;
        thread::sleep(Duration::from_millis(random.below(most) as u64));
        if crashes {
            moved.cluster.crash();
        }
        let is_done = child.try_wait().unwrap().is_some_and(|it| it.success());
        if !is_done {
            // It may have ended by itself just now.
            let _ = child.kill();
            child.wait().unwrap();
            killed += 1;
        }
        if crashes {
            moved.cluster.start_again();
        }
        if is_done {
            *window = (*window * 2 / 3).max(Duration::from_millis(60));
            break;
        }
    }
    killed
}

#[test]
fn nothing_is_lost_or_told_twice_whenever_a_move_is_killed() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let mut random = Random::from_env("storage_move");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let temper = Arc::new(Temper::default());
    temper.be_good();
    let business = receiver(random.split(), seen.clone(), temper.clone());
    let mut setup = Setup::new(&policy(&business.url()));
    let moved = Moved::new(&setup, &cluster);
    let acknowledged = Mutex::new(BTreeSet::new());
    let (mut place, mut kills, mut moves) = (Place::File, 0, 0);
    let mut window = Duration::from_millis(500);
    while kills < KILLS || moves < 3 {
        assert!(moves < 40, "{kills} kills in {moves} moves");
        moved.set(&setup, place);
        let callgate = setup.start();
        temper.refuse(false);
        accept(&callgate, moves, &temper, &acknowledged);
        setup = callgate.kill();
        kills += killed(&moved, &setup, place, &mut random, &mut window);
        let ended = moved.run(&setup, place, &[]);
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(
            ended.status.success() || errors.contains("already"),
            "{errors}"
        );
        refused(&setup.run(&["serve"]), 3, "were moved to");
        place = match place {
            Place::File => Place::Postgres,
            Place::Postgres => Place::File,
        };
        moves += 1;
    }
    moved.set(&setup, place);
    let callgate = setup.start();
    temper.refuse(false);
    let count = acknowledged.lock().unwrap().len();
    check(&callgate, &seen, &acknowledged.lock().unwrap());
    println!("{kills} kills in {moves} moves, {count} events acknowledged, 0 lost, 0 repeats");
}

/// Has events accepted, of which some are delivered, and some wait and die: nothing is being taken by
/// the receiver at the end.
fn accept(
    callgate: &Callgate,
    round: usize,
    temper: &Temper,
    acknowledged: &Mutex<BTreeSet<String>>,
) {
    let address = Mutex::new(Some(callgate.http));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (address, stop) = (&address, &stop);
            let number = round * PRODUCERS + producer;
            let pause = Duration::from_millis(1);
            scope.spawn(move || produce(number, pause, address, stop, acknowledged));
        }
        thread::sleep(Duration::from_millis(300));
        temper.refuse(true);
        thread::sleep(Duration::from_millis(1800));
        stop.store(true, Ordering::Relaxed);
    });
}

/// The books, and what the receiver has seen, at the end of it all.
fn check(callgate: &Callgate, seen: &Mutex<Seen>, acknowledged: &BTreeSet<String>) {
    let drained = || drained(callgate, HEAL).unwrap_or_else(|why| panic!("{why}"));
    let of = |books: &Value, name: &str| books[name].as_u64().unwrap() as usize;
    let books = drained();
    let dead = dead_ids(callgate);
    assert!(
        !dead.is_empty(),
        "nothing died, so no dead letter was moved"
    );
    assert_eq!(of(&books, "accepted"), acknowledged.len(), "{books}");
    assert_eq!(of(&books, "dead"), dead.len(), "{books}");
    let ended = of(&books, "delivered") + dead.len();
    assert_eq!(ended, acknowledged.len(), "{books}");
    let server = format!("http://{}", callgate.admin);
    let replay = ["outbox", "replay", "--rate", "10000", "--server", &server];
    callgate.setup().run(&replay);
    let books = drained();
    assert_eq!(of(&books, "delivered"), acknowledged.len(), "{books}");
    let seen = seen.lock().unwrap();
    let repeats = check_seen(&seen, acknowledged, &dead).unwrap_or_else(|why| panic!("{why}"));
    // The receiver took nothing when callgate was killed, and a move tells nothing.
    assert_eq!(repeats, 0);
}

#[test]
fn an_operator_goes_to_postgres_and_back() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::status(503, "busy"));
    let policy = crate::replicas_storage::policy(&business.url())
        .replace("retry_waits: [20ms, 20ms]", "retry_waits: [1h, 1h]");
    let setup = Setup::new(&policy);
    let moved = Moved::new(&setup, &cluster);
    refused(
        &moved.run(&setup, Place::File, &[]),
        3,
        "there is no outbox",
    );
    let callgate = setup.start();
    let ids: Vec<String> = (0..20).map(|number| format!("m-{number}")).collect();
    for id in &ids {
        assert_eq!(tell(&callgate, id), 200);
    }
    wait_for("a first try", LIMIT, || {
        (!told(&business).is_empty()).then_some(())
    });
    refused(
        &moved.run(callgate.setup(), Place::File, &[]),
        1,
        "is in use by a callgate that runs; stop it first",
    );
    let setup = callgate.kill();
    let would = said(&moved.run(&setup, Place::File, &["--dry-run", "--json"]));
    let would: Value = serde_json::from_str(&would).unwrap();
    assert_eq!(
        (&would["pending"], &would["would"]),
        (&20.into(), &"begin".into())
    );
    // The URL from a file, which is in no message and not among the arguments.
    let url = data(&setup).join("url");
    fs::write(&url, format!("{}\n", cluster.url())).unwrap();
    let by_file = [
        "storage",
        "move",
        "--to-file",
        url.to_str().unwrap(),
        "--plain",
    ];
    let printed = said(&setup.run(&by_file));
    assert!(
        printed.contains("20 events (20 pending, 0 dead)"),
        "{printed}"
    );
    assert!(printed.contains("stay files of this machine"), "{printed}");
    refused(&setup.run(&by_file), 1, "already");
    refused(
        &setup.run(&["serve"]),
        3,
        "were moved to PostgreSQL 127.0.0.1",
    );
    let aside = fs::read_dir(data(&setup))
        .unwrap()
        .map(|entry| entry.unwrap());
    let aside: Vec<_> = aside
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("outbox.db.moved-")
        })
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let mode = aside[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // It goes on where it was: nothing is tried before its time, and a duplicate is one.
    moved.set(&setup, Place::Postgres);
    let callgate = setup.start();
    let before = told(&business).len();
    assert_eq!(tell(&callgate, "m-3"), 200);
    let books = callgate.status()["outbox"]["endpoints"]["business"].take();
    assert_eq!(
        (&books["accepted"], &books["pending"]),
        (&20.into(), &20.into())
    );
    // Whoever else lives there keeps the events from being moved away.
    let other = Setup::new("hooks: {}");
    Moved::new(&other, &cluster).set(&other, Place::Postgres);
    let other = other.start();
    let setup = callgate.kill();
    refused(&moved.run(&setup, Place::Postgres, &[]), 1, "stop it first");
    drop(other.kill());
    let printed = said(&moved.run(&setup, Place::Postgres, &[]));
    assert!(
        printed.contains("20 events (20 pending, 0 dead)"),
        "{printed}"
    );
    refused(&moved.run(&setup, Place::Postgres, &[]), 1, "already");
    refused(&setup.run(&["serve"]), 3, "were moved to the file");
    moved.set(&setup, Place::File);
    let callgate = setup.start();
    let books = callgate.status()["outbox"]["endpoints"]["business"].take();
    assert_eq!(books["pending"], 20);
    assert_eq!(told(&business).len(), before);
    business.set(Behaviour::allow());
    let server = format!("http://{}", callgate.admin);
    said(
        &callgate
            .setup()
            .run(&["outbox", "retry", "--all", "--server", &server]),
    );
    wait_for("all of them", LIMIT, || {
        (told(&business).len() >= before + ids.len()).then_some(())
    });
    assert_eq!(told(&business)[before..], ids);
    let setup = callgate.kill();
    let acts = said(&setup.run(&["audit", "list", "--json"]));
    assert!(acts.contains("storage.move"), "{acts}");
    assert!(!acts.contains("callgate:callgate@"), "{acts}");
}

#[test]
fn a_spool_is_forwarded_before_anything_is_moved_back() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::allow());
    let setup = Setup::new(&crate::replicas_storage::policy(&business.url()));
    let moved = Moved::new(&setup, &cluster);
    moved.set(&setup, Place::Postgres);
    let callgate = setup.start();
    cluster.stop_at_once();
    assert_eq!(tell(&callgate, "a"), 200);
    let setup = callgate.kill();
    cluster.start_again();
    refused(
        &moved.run(&setup, Place::Postgres, &[]),
        1,
        "were not forwarded to PostgreSQL yet",
    );
    // What cannot be meant, and a server that is away.
    refused(
        &setup.run(&["storage", "move", "--to", &cluster.url(), "--plain"]),
        1,
        "is in PostgreSQL already",
    );
    moved.set(&setup, Place::File);
    refused(
        &setup.run(&["storage", "move", "--to", "embedded"]),
        1,
        "in a file already",
    );
    refused(&setup.run(&["storage", "move"]), 2, "--to");
    refused(
        &setup.run(&["storage", "move", "--to", "mysql://x"]),
        1,
        "no URL of PostgreSQL",
    );
    let callgate = setup.start();
    assert_eq!(tell(&callgate, "b"), 200);
    let setup = callgate.kill();
    cluster.stop_at_once();
    refused(
        &moved.run(&setup, Place::File, &[]),
        3,
        "goes on where it was",
    );
    // It was not begun, so nothing keeps the file from being used.
    let callgate = setup.start();
    assert_eq!(http::get(callgate.admin, "/readyz").status, 200);
}

/// A replica that slept through a move out of PostgreSQL accepts nothing there when it wakes: it spools.
#[test]
fn a_replica_that_wakes_after_a_move_loses_nothing() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let business = Business::start(Behaviour::status(503, "busy"));
    let policy = crate::replicas_storage::policy(&business.url());
    let setups = [(); 2].map(|()| Setup::new(&policy));
    let [asleep, mover] = setups.map(|setup| {
        let moved = Moved::new(&setup, &cluster);
        moved.set(&setup, Place::Postgres);
        (setup, moved)
    });
    let asleep = asleep.0.start();
    assert_eq!(tell(&asleep, "a"), 200);
    asleep.signal("STOP");
    let (setup, moved) = mover;
    wait_for("the end of its lease", LIMIT, || {
        let ended = moved.run(&setup, Place::Postgres, &[]);
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(
            ended.status.success() || errors.contains("stop it first"),
            "{errors}"
        );
        ended.status.success().then_some(())
    });
    let ids = "SELECT count(*) FROM callgate.known";
    assert_eq!(cluster.ask(ids), "1");
    asleep.signal("CONT");
    assert_eq!(tell(&asleep, "b"), 200);
    assert_eq!(cluster.ask(ids), "1");
    wait_for("its spool", LIMIT, || {
        (asleep.metric("callgate_outbox_spooled") == 1.0).then_some(())
    });
}

/// How long a million events take, and how much memory; prints both. Made in a file, moved to a server
/// whose commits are on the disk of `OUTBOX_BENCH_DIR`, and back.
#[test]
#[ignore = "takes minutes: OUTBOX_BENCH_DIR=/a/disk cargo test --test it a_million -- --ignored --nocapture"]
fn a_million_events_there_and_back() {
    const EVENTS: usize = 1_000_000;
    let disk = std::env::var_os("OUTBOX_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let Some(cluster) = Cluster::start_on_disk(&disk) else {
        return;
    };
    let setup = Setup::new("hooks: {}");
    let moved = Moved::new(&setup, &cluster);
    let config = callgate::config::load(None, &[]).unwrap();
    let config = callgate::outbox::Config {
        path: data(&setup).join("outbox.db"),
        bytes_max: u64::MAX / 4,
        endpoint_bytes_max: u64::MAX / 4,
        entries_max: u64::MAX / 4,
        ..config.outbox
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let outbox = callgate::outbox::open(&config, Box::new(|why| panic!("{why}"))).unwrap();
        for from in (0..EVENTS).step_by(500) {
            let entries = (from..from + 500).map(|number| callgate::outbox::NewEntry {
                id: format!("event-{number}"),
                hook: "afterSendSingleMsg".to_owned(),
                dialect: "openim".to_owned(),
                ordering_key: format!("conversation-{}", number % 5000),
                operation_id: format!("operation-{number}"),
                body: vec![b'x'; 600].into(),
                endpoints: vec!["business".to_owned()],
                accepted_at_ms: 1_700_000_000_000 + number as u64,
                series: None,
                read: callgate::outbox::AsRead::default(),
            });
            outbox.append(entries.collect()).await.unwrap();
        }
        outbox.close().await;
    });
    for place in [Place::File, Place::Postgres] {
        moved.set(&setup, place);
        let args = moved.args(place);
        let args: Vec<&str> = args.iter().map(String::as_str).chain(["--json"]).collect();
        let mut child = setup.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut peak = String::new();
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
            let status = status.unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("VmHWM"));
            peak = line.map_or(peak, str::to_owned);
            thread::sleep(Duration::from_millis(100));
        }
        let printed = said(&child.wait_with_output().unwrap());
        let done: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(done["events"], EVENTS);
        println!("{printed}{peak}");
    }
}
