//! The history on disks that fail, with the real program: decisions go on and nobody waits, what is
//! dropped is counted and told once, and what was written is found when the files open again.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

const LONG: Duration = Duration::from_secs(120);
const REFUSED: &str = "\"errCode\":20001";

fn setup() -> Setup {
    let policy = format!(
        "lists: {{bad: {{words: [damn], action: block}}}}\nhooks: {{{SINGLE}: {{endpoint: none}}}}\n"
    );
    Setup::new(&policy).engine("history.decisions_per_second_max", "1000000")
}

fn folder(callgate: &Callgate) -> PathBuf {
    folder_of(callgate.setup())
}

fn folder_of(setup: &Setup) -> PathBuf {
    setup.policies().join("../data/history")
}

/// Has this many messages blocked, each with an id of its own that begins so. Each is answered.
fn send(callgate: &Callgate, prefix: &str, count: usize) {
    let mut connection = http::Connection::open(callgate.http);
    for number in 0..count {
        let id = format!("{prefix}-{number}-{}", "x".repeat(120));
        let body = calls::body_with_id(SINGLE, "damn", &id);
        let answer = connection.post(&calls::path(SINGLE), body.as_bytes());
        let answer = answer.unwrap();
        assert!(answer.text().contains(REFUSED), "{answer:?}");
    }
}

/// The ids of messages that are found, without what makes them long.
fn found(callgate: &Callgate) -> Vec<String> {
    let server = format!("http://{}", callgate.admin);
    let args = ["decisions", "--json", "--limit", "1000000"];
    let output = callgate
        .setup()
        .run(&[&args[..], &["--server", &server]].concat());
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let ids = lines.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let id = row["message_id"].as_str().unwrap();
        id.trim_end_matches("-x")
            .trim_end_matches('x')
            .trim_end_matches('-')
            .to_owned()
    });
    ids.collect()
}

/// The ids, once these many are found: with a slow disk, whoever looks is answered with what there is.
fn found_in_time(callgate: &Callgate, prefix: &str, count: usize) -> Vec<String> {
    let what = format!("{count} decisions `{prefix}…`");
    wait_for(&what, LONG, || {
        let ids = found(callgate);
        (count_of(&ids, prefix) == count).then_some(ids)
    })
}

fn count_of(ids: &[String], prefix: &str) -> usize {
    ids.iter().filter(|id| id.starts_with(prefix)).count()
}

fn dropped(callgate: &Callgate, reason: &str) -> usize {
    let name = format!("callgate_history_dropped_total{{kind=\"block\",reason=\"{reason}\"}}");
    callgate.metric(&name) as usize
}

fn lines_with(callgate: &Callgate, text: &str) -> usize {
    callgate
        .log()
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

/// What `/status`, `callgate status`, the overview and the metric say while nothing can be written.
fn every_place_says_so(callgate: &Callgate) {
    let error = wait_for("the error in /status", PATIENCE, || {
        callgate.status()["history"]["error"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(error.contains("history"), "{error}");
    assert_eq!(callgate.metric("callgate_history_failing"), 1.0);
    let server = format!("http://{}", callgate.admin);
    let told = callgate.setup().run(&["status", "--server", &server]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("NO HISTORY  decisions are made and not kept"),
        "{told}"
    );
    for (language, says) in [
        ("en", "Decisions are made and not kept"),
        ("zh-CN", "历史无法写入"),
    ] {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nAccept-Language: {language}\r\n\r\n"
        );
        let page = http::send(callgate.admin, head.as_bytes());
        assert!(page.text().contains(says), "{}", page.text());
    }
}

fn all_is_well(callgate: &Callgate) {
    wait_for("a history that is written", PATIENCE, || {
        callgate.status()["history"]["error"]
            .is_null()
            .then_some(())
    });
    assert_eq!(callgate.metric("callgate_history_failing"), 0.0);
}

#[test]
fn a_folder_that_is_taken_away_is_made_again() {
    let callgate = setup().start();
    send(&callgate, "before", 3);
    found_in_time(&callgate, "", 3);
    fs::remove_dir_all(folder(&callgate)).unwrap();
    send(&callgate, "after", 5);
    // What is written after it is in no file that is gone.
    found_in_time(&callgate, "after", 5);
    assert_eq!(lines_with(&callgate, "was taken away"), 1);
    all_is_well(&callgate);
    let callgate = callgate.kill().start();
    found_in_time(&callgate, "after", 5);
}

#[test]
fn hashed_ids_are_found_after_their_key_was_taken_away() {
    let callgate = setup().engine("history.ids", "hashed").start();
    let by_sender = |callgate: &Callgate| {
        let server = format!("http://{}", callgate.admin);
        let args = [
            "decisions",
            "--json",
            "--sender",
            "user1",
            "--server",
            &server,
        ];
        let output = callgate.setup().run(&args);
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    send(&callgate, "before", 2);
    assert_eq!(by_sender(&callgate), 2);
    fs::remove_file(folder(&callgate).join("ids.key")).unwrap();
    send(&callgate, "after", 3);
    assert_eq!(by_sender(&callgate), 5);
    let callgate = callgate.kill().start();
    assert_eq!(by_sender(&callgate), 5);
}

#[test]
fn a_disk_that_takes_nothing_costs_decisions_their_place_and_nobody_an_answer() {
    let callgate = setup().start();
    send(&callgate, "before", 1);
    found_in_time(&callgate, "", 1);
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
    every_place_says_so(&callgate);
    assert_eq!(callgate.status()["history"]["dropped"], 20);
    assert_eq!(lines_with(&callgate, "the history cannot be written"), 1);
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    // Numbers have waited, so that nobody must send anything.
    all_is_well(&callgate);
    send(&callgate, "after", 2);
    let ids = found_in_time(&callgate, "after", 2);
    assert_eq!(count_of(&ids, "lost"), 0);
    let counts = http::get(callgate.admin, "/api/v1/counts?outcome=block&step_s=86400").json();
    let total: u64 = counts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["count"].as_u64().unwrap())
        .sum();
    assert!(total >= 22, "{counts}");
    let callgate = callgate.kill().start();
    let ids = found_in_time(&callgate, "after", 2);
    assert_eq!(count_of(&ids, "before"), 1);
}

#[test]
fn a_limit_of_file_sizes_is_no_end_of_the_process() {
    // Whoever sends may be faster than any disk.
    let setup = setup()
        .engine("history.queue_rows_max", "1000000")
        .engine("history.queue_bytes_max", "1GiB")
        .engine("outbox.reserve_bytes", "1MiB")
        .shell("ulimit -f 4096");
    let mut callgate = setup.start();
    // More than one file may hold.
    let mut sent = 0;
    wait_for("a file at its limit", LONG, || {
        send(&callgate, "row", 1000);
        sent += 1000;
        let files = fs::read_dir(folder(&callgate)).unwrap();
        let files = files.filter(|file| {
            let name = file.as_ref().unwrap().file_name();
            let name = name.to_string_lossy();
            name.starts_with("decisions-") && name.ends_with(".db")
        });
        (files.count() > 1 || dropped(&callgate, "disk") > 0).then_some(())
    });
    assert!(callgate.is_alive());
    // What one file has no room for another one takes.
    found_in_time(&callgate, "row", sent);
    let lost = [dropped(&callgate, "disk"), dropped(&callgate, "queue")];
    assert_eq!(lost, [0, 0]);
    let callgate = callgate.kill().shell("true").start();
    found_in_time(&callgate, "row", sent);
    send(&callgate, "after", 2);
    found_in_time(&callgate, "after", 2);
}

#[test]
fn a_file_that_somebody_locks_is_left_for_another() {
    let callgate = setup().start();
    send(&callgate, "before", 1);
    found_in_time(&callgate, "", 1);
    let files = fs::read_dir(folder(&callgate)).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    let path = paths.find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("decisions-") && name.ends_with(".db")
    });
    let other = rusqlite::Connection::open(path.unwrap()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    send(&callgate, "meanwhile", 10);
    let ids = wait_for("what was decided meanwhile", PATIENCE, || {
        let ids = found(&callgate);
        (count_of(&ids, "meanwhile") == 10).then_some(ids)
    });
    assert_eq!(count_of(&ids, "before"), 1);
    assert_eq!(dropped(&callgate, "disk"), 0);
    drop(other);
}

/// A key that is a pipe nobody writes to: whoever opens it waits, as for a disk that hangs.
#[test]
fn a_disk_that_hangs_holds_up_neither_an_answer_nor_the_end() {
    let setup = setup()
        .engine("history.ids", "hashed")
        .engine("history.queue_rows_max", "50");
    fs::create_dir_all(folder_of(&setup)).unwrap();
    let key = folder_of(&setup).join("ids.key");
    let made = Command::new("mkfifo").arg(&key).status().unwrap();
    assert!(made.success());
    let callgate = setup.start();
    send(&callgate, "hangs", 300);
    assert_eq!(dropped(&callgate, "queue"), 250);
    // The log is written behind.
    wait_for("the line that says so", PATIENCE, || {
        (lines_with(&callgate, "too many wait for the disk") == 1).then_some(())
    });
    // Whoever looks is answered too, with what there is.
    assert_eq!(found(&callgate).len(), 0);
    // The disk answers again.
    let mut pipe = fs::OpenOptions::new().write(true).open(&key).unwrap();
    pipe.write_all(&[7; 32]).unwrap();
    drop(pipe);
    wait_for("what had waited", PATIENCE, || {
        (found(&callgate).len() == 50).then_some(())
    });
    // Once more, to the end.
    let setup = callgate.kill();
    let mut callgate = setup.start();
    send(&callgate, "hangs", 10);
    callgate.signal("TERM");
    assert!(callgate.ended_within(LONG).success());
    assert_eq!(lines_with(&callgate, "the last decisions are not kept"), 1);
}

/// What waited while the disk hung is more than a file may hold.
#[test]
fn a_burst_that_is_larger_than_a_file_may_be_is_kept_in_several() {
    let setup = setup()
        .engine("history.ids", "hashed")
        .engine("history.queue_rows_max", "1000000")
        .engine("history.queue_bytes_max", "1GiB")
        .engine("outbox.kind", "memory")
        .shell("ulimit -f 1024");
    fs::create_dir_all(folder_of(&setup)).unwrap();
    let key = folder_of(&setup).join("ids.key");
    let made = Command::new("mkfifo").arg(&key).status().unwrap();
    assert!(made.success());
    let callgate = setup.start();
    let sent = 12_000;
    send(&callgate, "waits", sent);
    let mut pipe = fs::OpenOptions::new().write(true).open(&key).unwrap();
    pipe.write_all(&[7; 32]).unwrap();
    drop(pipe);
    found_in_time(&callgate, "", sent);
    let lost = [dropped(&callgate, "disk"), dropped(&callgate, "queue")];
    assert_eq!(lost, [0, 0]);
    let files = fs::read_dir(folder(&callgate)).unwrap();
    let names = files.map(|file| file.unwrap().file_name());
    let of_decisions = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("decisions-") && name.ends_with(".db")
    };
    assert!(names.filter(of_decisions).count() > 1);
}

#[test]
fn what_was_found_is_found_after_any_crash() {
    let mut setup = setup();
    let mut known = 0;
    for round in 0..4 {
        let callgate = setup.start();
        let before = wait_for("what was found before", LONG, || {
            let before = found(&callgate).len();
            (before >= known).then_some(before)
        });
        send(&callgate, &format!("round{round}"), 50);
        known = found_in_time(&callgate, "", before + 50).len();
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
        let seen = wait_for("rows that come", PATIENCE, || {
            let rows = callgate.metric("callgate_history_rows_total");
            (rows > 100.0 + f64::from(round) * 50.0).then_some(rows)
        });
        setup = callgate.kill();
        ends.store(true, Ordering::Relaxed);
        let answered: usize = sending.join().unwrap();
        assert!(answered > 0 && seen > 0.0);
        let aside = fs::read_dir(folder_of(&setup)).unwrap();
        let mut names = aside.map(|file| file.unwrap().file_name());
        assert!(names.all(|name| !name.to_string_lossy().ends_with(".damaged")));
    }
    let callgate = setup.start();
    wait_for("what was found before", LONG, || {
        (found(&callgate).len() >= known).then_some(())
    });
    send(&callgate, "last", 3);
    found_in_time(&callgate, "last", 3);
}

/// A disk of its own that is full, then read-only, then has room.
#[test]
#[ignore = "part of the long run: needs unshare and a tmpfs"]
fn a_full_or_read_only_disk_costs_nothing_but_history() {
    let setup = setup();
    let (disk, signs) = (folder_of(&setup), setup.policies());
    fs::create_dir_all(&disk).unwrap();
    let (disk, signs) = (disk.display(), signs.display());
    let script = format!(
        "mount -t tmpfs -o size=1m none {disk}; \
         (for sign in readonly:ro room:rw,size=64m; do \
            while [ ! -e {signs}/${{sign%%:*}} ]; do [ -d {signs} ] || exit; sleep 0.05; done; \
            mount -o remount,${{sign##*:}} {disk}; done) >/dev/null 2>&1 & \
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
    every_place_says_so(&callgate);
    for _ in 0..5 {
        send(&callgate, "row", 200);
        sent += 200;
    }
    let kept = wait_for("all to be kept or counted", PATIENCE, || {
        let kept = found(&callgate).len();
        (kept + dropped(&callgate, "disk") == sent).then_some(kept)
    });
    assert!(kept > 0);
    fs::write(callgate.setup().policies().join("readonly"), "").unwrap();
    send(&callgate, "row", 200);
    every_place_says_so(&callgate);
    assert!(found(&callgate).len() >= kept);
    fs::write(callgate.setup().policies().join("room"), "").unwrap();
    all_is_well(&callgate);
    send(&callgate, "after", 10);
    let ids = wait_for("new rows", LONG, || {
        let ids = found(&callgate);
        (count_of(&ids, "after") == 10).then_some(ids)
    });
    assert!(count_of(&ids, "row") >= kept);
    assert!(lines_with(&callgate, "the history cannot be written") <= 2);
}
