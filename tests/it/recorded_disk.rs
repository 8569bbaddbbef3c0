//! Recorded calls on disks that fail, with the real program: decisions go on and nobody waits, what
//! is dropped is counted and told once, and what was written is read when the files open again.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};
use crate::sealed_calls::{folder, lines};

const LONG: Duration = Duration::from_secs(120);
const REFUSED: &str = "\"errCode\":20001";

fn setup() -> Setup {
    let policy = format!(
        "lists: {{bad: {{words: [damn], action: block}}}}\nhooks: {{{SINGLE}: {{endpoint: none}}}}\n"
    );
    Setup::new(&policy)
        .engine("recordings.enabled", "true")
        .engine("recordings.share", "1")
}

/// Has this many messages decided on, each with an id of its own that begins so. Each is answered.
fn send(callgate: &Callgate, prefix: &str, count: usize) {
    send_with(callgate, prefix, count, "damn");
}

fn send_with(callgate: &Callgate, prefix: &str, count: usize, text: &str) {
    let mut connection = http::Connection::open(callgate.http);
    for number in 0..count {
        let body = calls::body_with_id(SINGLE, text, &format!("{prefix}-{number}"));
        let answer = connection.post(&calls::path(SINGLE), body.as_bytes());
        let answer = answer.unwrap();
        assert!(answer.text().contains(REFUSED), "{answer:?}");
    }
}

/// Waits until so many calls with such ids can be read.
fn wait_read(callgate: &Callgate, prefix: &str, count: usize) {
    wait_for("the calls to be read", PATIENCE, || {
        (read(callgate, prefix) == count).then_some(())
    });
}

/// How many calls with such ids can be read, each whole.
fn read(callgate: &Callgate, prefix: &str) -> usize {
    let all = lines(callgate).into_iter();
    let bodies = all.map(|call| call["body"].as_str().unwrap().to_owned());
    let id = format!("\"serverMsgID\":\"{prefix}-");
    bodies.filter(|body| body.contains(&id)).count()
}

fn dropped(callgate: &Callgate, reason: &str) -> usize {
    let name = format!("callgate_recordings_dropped_total{{reason=\"{reason}\"}}");
    callgate.metric(&name) as usize
}

fn all_dropped(callgate: &Callgate) -> usize {
    dropped(callgate, "disk") + dropped(callgate, "queue")
}

fn recorded(callgate: &Callgate) -> usize {
    callgate.metric("callgate_recordings_calls_total") as usize
}

fn state(callgate: &Callgate) -> serde_json::Value {
    http::get(callgate.admin, "/api/v1/recordings").json()
}

fn lines_with(callgate: &Callgate, text: &str) -> usize {
    let log = callgate.log();
    log.lines().filter(|line| line.contains(text)).count()
}

/// Where the keys of today and tomorrow lie, as `2026-11-29.key`.
fn keys(setup: &Setup) -> Vec<PathBuf> {
    let folder = setup.policies().join("../data/recordings/keys");
    let days = [0, 86_400].map(|later| SystemTime::now() + Duration::from_secs(later));
    let names = days.map(|day| {
        let day = humantime::format_rfc3339_seconds(day).to_string();
        folder.join(format!("{}.key", &day[..10]))
    });
    names.to_vec()
}

#[test]
fn a_folder_that_is_taken_away_is_made_again() {
    let callgate = setup().start();
    send(&callgate, "before", 3);
    wait_read(&callgate, "before", 3);
    fs::remove_dir_all(folder(&callgate)).unwrap();
    send(&callgate, "after", 5);
    // What is written after it is in no file that is gone.
    wait_read(&callgate, "after", 5);
    // A file alone.
    let files = fs::read_dir(folder(&callgate)).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let file = paths.find(|path| path.extension().is_some_and(|ending| ending == "calls"));
    fs::remove_file(file.unwrap()).unwrap();
    send(&callgate, "again", 4);
    wait_read(&callgate, "again", 4);
    assert_eq!(read(&callgate, "after"), 0);
    assert_eq!(all_dropped(&callgate), 0);
    let callgate = callgate.kill().start();
    wait_read(&callgate, "again", 4);
}

#[test]
fn a_disk_that_takes_nothing_costs_calls_and_nobody_an_answer() {
    let callgate = setup().start();
    send(&callgate, "before", 1);
    wait_read(&callgate, "before", 1);
    let folder = folder(&callgate);
    let aside = folder.with_extension("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "no folder").unwrap();
    // Again and again, so that the writer looks often.
    for round in 1..=5 {
        send(&callgate, "lost", 4);
        wait_for("what is dropped", PATIENCE, || {
            (dropped(&callgate, "disk") == round * 4).then_some(())
        });
    }
    let error = state(&callgate)["error"].to_string();
    assert!(error.contains("recordings` cannot be written"), "{error}");
    assert_eq!(callgate.metric("callgate_recordings_failing"), 1.0);
    assert_eq!(lines_with(&callgate, "are decided on and not recorded"), 1);
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    send(&callgate, "after", 2);
    wait_read(&callgate, "after", 2);
    assert_eq!((read(&callgate, "before"), read(&callgate, "lost")), (1, 0));
    assert_eq!(callgate.metric("callgate_recordings_failing"), 0.0);
    assert!(state(&callgate)["error"].is_null());
    assert_eq!(recorded(&callgate), 3);
}

#[test]
fn a_file_at_its_limit_is_left_for_another() {
    let setup = setup()
        .engine("outbox.kind", "memory")
        .engine("history.enabled", "false")
        .shell("ulimit -f 1024");
    let mut callgate = setup.start();
    let long = format!("damn {}", "x".repeat(10_000));
    let mut sent = 0;
    // As much as three files hold.
    for _ in 0..15 {
        send_with(&callgate, "row", 20, &long);
        sent += 20;
        let settled = || (recorded(&callgate) + all_dropped(&callgate) == sent).then_some(());
        wait_for("each to be kept or counted", PATIENCE, settled);
    }
    assert_eq!(
        all_dropped(&callgate),
        0,
        "what one has no room for another takes"
    );
    wait_read(&callgate, "row", sent);
    assert!(callgate.is_alive());
    let files = state(&callgate)["files"].as_u64().unwrap();
    assert!((3..10).contains(&files), "{files}");
    let callgate = callgate.kill().shell("true").start();
    wait_read(&callgate, "row", sent);
}

#[test]
fn a_lost_or_damaged_key_costs_what_it_sealed_alone() {
    let callgate = setup().start();
    send(&callgate, "before", 3);
    wait_read(&callgate, "before", 3);
    fs::remove_dir_all(folder(&callgate).join("keys")).unwrap();
    send(&callgate, "after", 2);
    wait_read(&callgate, "after", 2);
    assert_eq!(read(&callgate, "before"), 0);
    let setup = callgate.kill();
    for key in keys(&setup) {
        fs::write(key, "half").unwrap();
    }
    let callgate = setup.start();
    send(&callgate, "lost", 4);
    wait_for("what is dropped", PATIENCE, || {
        (dropped(&callgate, "disk") == 4).then_some(())
    });
    let error = state(&callgate)["error"].to_string();
    assert!(error.contains(".key` is no key ("), "{error}");
    assert_eq!(lines(&callgate).len(), 0);
    // Its day is given up with it.
    for key in keys(callgate.setup()) {
        fs::remove_file(key).unwrap();
    }
    send(&callgate, "new", 3);
    wait_read(&callgate, "new", 3);
}

/// A key that is a pipe nobody writes to: whoever opens it waits, as for a disk that hangs.
#[test]
fn a_disk_that_hangs_holds_up_neither_an_answer_nor_the_end() {
    let setup = setup().engine("recordings.queue_calls_max", "50");
    let keys = keys(&setup);
    fs::create_dir_all(keys[0].parent().unwrap()).unwrap();
    for key in &keys {
        assert!(Command::new("mkfifo").arg(key).status().unwrap().success());
    }
    let callgate = setup.start();
    send(&callgate, "hangs", 300);
    // The writer has the first of them, or none yet.
    let lost = dropped(&callgate, "queue");
    assert!((200..=250).contains(&lost), "{lost}");
    // Whoever looks is answered too, with what there is.
    assert_eq!(lines(&callgate).len(), 0);
    assert_eq!(state(&callgate)["enabled"], true);
    // The disk answers again.
    for key in &keys {
        let opened = fs::OpenOptions::new().read(true).write(true).open(key);
        opened.unwrap().write_all(&[7; 32]).unwrap();
    }
    wait_for("what had waited", PATIENCE, || {
        (recorded(&callgate) + dropped(&callgate, "queue") == 300).then_some(())
    });
    // Once more, to the end.
    let setup = callgate.kill();
    let mut callgate = setup.start();
    send(&callgate, "hangs", 10);
    callgate.signal("TERM");
    assert!(callgate.ended_within(LONG).success());
}

#[test]
fn what_was_read_is_read_after_any_crash() {
    let mut setup = setup();
    let mut known = 0;
    for round in 0..4 {
        let callgate = setup.start();
        let before = lines(&callgate).len();
        assert!(before >= known, "{before} of {known}");
        send(&callgate, &format!("round{round}"), 50);
        wait_read(&callgate, &format!("round{round}"), 50);
        known = before + 50;
        // In the middle of more.
        let ends = Arc::new(AtomicBool::new(false));
        let (http, ended) = (callgate.http, Arc::clone(&ends));
        let sending = thread::spawn(move || {
            let mut connection = http::Connection::open(http);
            let mut answered = 0;
            while !ended.load(Ordering::Relaxed) {
                let body = calls::body_with_id(SINGLE, "damn", &format!("more{round}-{answered}"));
                match connection.post(&calls::path(SINGLE), body.as_bytes()) {
                    Ok(_) => answered += 1,
                    Err(_) => break,
                }
            }
            answered
        });
        wait_for("calls that come", PATIENCE, || {
            (recorded(&callgate) > 50 + round * 50).then_some(())
        });
        setup = callgate.kill();
        ends.store(true, Ordering::Relaxed);
        assert!(sending.join().unwrap() > 0);
    }
    let callgate = setup.start();
    assert!(lines(&callgate).len() >= known);
    send(&callgate, "last", 3);
    wait_read(&callgate, "last", 3);
}

/// A disk of its own that is full, then has room.
#[test]
#[ignore = "part of the long run: needs unshare and a tmpfs"]
fn a_full_disk_costs_nothing_but_recordings() {
    let setup = setup();
    let (disk, signs) = (
        setup.policies().join("../data/recordings"),
        setup.policies(),
    );
    fs::create_dir_all(&disk).unwrap();
    let (disk, signs) = (disk.display(), signs.display());
    let script = format!(
        "mount -t tmpfs -o size=1m none {disk}; \
         (while [ ! -e {signs}/room ]; do [ -d {signs} ] || exit; sleep 0.05; done; \
            mount -o remount,size=64m {disk}) >/dev/null 2>&1 & \
         exec \"$0\" \"$@\""
    );
    let before = format!("exec unshare -rm bash -c '{script}' \"$0\" \"$@\"");
    let callgate = setup.shell(&before).start();
    let mut sent = 0;
    wait_for("a full disk", LONG, || {
        send(&callgate, "row", 200);
        sent += 200;
        (dropped(&callgate, "disk") > 0).then_some(())
    });
    for _ in 0..5 {
        send(&callgate, "row", 200);
        sent += 200;
    }
    let kept = wait_for("all to be kept or counted", PATIENCE, || {
        (recorded(&callgate) + all_dropped(&callgate) == sent).then(|| recorded(&callgate))
    });
    assert!(kept > 0);
    wait_read(&callgate, "row", kept);
    assert!(state(&callgate)["files"].as_u64().unwrap() < 20);
    fs::write(callgate.setup().policies().join("room"), "").unwrap();
    wait_for("new calls", LONG, || {
        send(&callgate, "after", 1);
        (read(&callgate, "after") > 0).then_some(())
    });
    wait_read(&callgate, "row", kept);
    assert_eq!(lines_with(&callgate, "are decided on and not recorded"), 1);
}
