//! Backups of a running server, and what is there after a restore.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::calls;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";
const GROUP: &str = "afterSendGroupMsg";
const BEFORE: &str = calls::SINGLE;

fn policy(good: &str, gone: &str, code: u32) -> String {
    let endpoint = |url: &str| {
        format!(
            "{{url: \"{url}\", breaker: {{failures: 1000, calls_min: 1000}}, retry_waits: [50ms]}}"
        )
    };
    format!(
        "endpoints: {{good: {}, gone: {}}}\n\
         lists: {{words: {{words: [forbidden], code: {code}}}}}\n\
         hooks: {{{BEFORE}: {{}}, {AFTER}: {{endpoint: good}}, {GROUP}: {{endpoint: gone}}}}\n",
        endpoint(good),
        endpoint(gone),
    )
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    errors
}

fn data(setup: &Setup) -> PathBuf {
    setup.policies().parent().unwrap().join("data")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn modes(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        match path.is_dir() {
            true => {
                assert_eq!(mode, 0o700, "{}", path.display());
                modes(&path);
            }
            false => assert_eq!(mode, 0o600, "{}", path.display()),
        }
    }
}

fn told(business: &Business) -> BTreeSet<String> {
    let requests = business.requests();
    let ids = requests.iter().map(|request| request.header("webhook-id"));
    ids.map(str::to_owned).collect()
}

/// The natural ids, as the program makes its own of them.
fn holds(told: &BTreeSet<String>, id: &str) -> bool {
    told.iter()
        .any(|told| told == id || told.ends_with(&format!(":{id}")) || told.contains(id))
}

/// Accepts events until it is told to stop; each that was acknowledged is noted.
fn produce(
    callgate: &Callgate,
    acked: &Arc<Mutex<Vec<String>>>,
    stop: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (grpc, acked, stop) = (callgate.grpc(), Arc::clone(acked), Arc::clone(stop));
    thread::spawn(move || {
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let id = format!("event-{number:06}-x");
            let hook = if number % 10 == 0 { GROUP } else { AFTER };
            if grpc
                .after(vec![calls::after_event(hook, "hello", &id)])
                .is_ok()
                && hook == AFTER
            {
                acked.lock().unwrap().push(id);
            }
        }
    })
}

#[test]
fn what_was_acknowledged_before_a_backup_is_there_after_its_restore() {
    let good = Business::start(Behaviour::allow());
    let gone = Business::start(Behaviour::status(503, "gone"));
    let callgate = Callgate::start(&policy(&good.url(), &gone.url(), 20001));
    let server = format!("http://{}", callgate.admin);
    let setup = callgate.setup();
    said(&setup.run(&["rooms", "set", "r1", "http://bot/r1", "--server", &server]));
    let made = said(&setup.run(&[
        "operators",
        "token",
        "ann",
        "--role",
        "viewer",
        "--json",
        "--server",
        &server,
    ]));
    let token: Value = serde_json::from_str(made.lines().next().unwrap()).unwrap();
    let token = token["token"].as_str().unwrap().to_owned();
    setup.write("policy.yaml", policy(&good.url(), &gone.url(), 20002));
    wait_for("the edit", PATIENCE, || {
        (callgate.call(BEFORE, "forbidden").json()["errCode"] == 20002).then_some(())
    });
    let version = callgate.status()["policy"]["number"].as_u64().unwrap();

    let (acked, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
    let producer = produce(&callgate, &acked, &stop);
    wait_for("a dead letter and a delivery", PATIENCE, || {
        let endpoints = callgate.status()["outbox"]["endpoints"].take();
        let dead = endpoints["gone"]["dead"].as_u64().unwrap_or(0);
        let delivered = endpoints["good"]["delivered"].as_u64().unwrap_or(0);
        (dead > 0 && delivered > 100).then_some(())
    });
    let before: Vec<String> = acked.lock().unwrap().clone();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("one");
    let printed = said(&setup.run(&[
        "storage",
        "backup",
        text(&backup),
        "--why",
        "nightly",
        "--server",
        &server,
    ]));
    assert!(printed.starts_with("backed up to "), "{printed}");
    stop.store(true, Ordering::Relaxed);
    producer.join().unwrap();
    modes(&backup);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside"
    );
    // A second one into the same folder is refused.
    let again = setup.run(&["storage", "backup", text(&backup), "--server", &server]);
    assert!(refused(&again).contains("is there already"));
    let delivered_before = told(&good);
    drop(callgate);

    // Elsewhere, with another receiver.
    let later = Business::start(Behaviour::allow());
    let other = Setup::new(&policy(&later.url(), &gone.url(), 20003));
    let printed = said(&other.run(&["storage", "restore", text(&backup)]));
    assert!(printed.starts_with("restored "), "{printed}");
    modes(&data(&other));
    let callgate = other.start();
    let server = format!("http://{}", callgate.admin);
    assert!(callgate.status()["policy"]["number"].as_u64().unwrap() > version);
    wait_for("an empty outbox", PATIENCE, || {
        let books = callgate.status()["outbox"]["endpoints"]["good"].take();
        (books["pending"] == 0).then_some(())
    });
    let told_since = told(&later);
    let lost: Vec<_> = before
        .iter()
        .filter(|id| !holds(&delivered_before, id) && !holds(&told_since, id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        before.len()
    );
    let books = callgate.status()["outbox"]["endpoints"].take();
    assert!(books["gone"]["dead"].as_u64().unwrap() > 0, "{books}");
    for books in books.as_object().unwrap().values() {
        let of = |name: &str| books[name].as_u64().unwrap();
        let ended = of("delivered") + of("dead") + of("discarded") + of("pending");
        assert_eq!(of("accepted"), ended, "{books}");
    }
    let setup = callgate.setup();
    let rooms = said(&setup.run(&["rooms", "--json", "--server", &server]));
    assert!(rooms.contains("http://bot/r1"), "{rooms}");
    let head = format!(
        "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    assert_eq!(http::send(callgate.admin, head.as_bytes()).status, 200);
    let blocked = said(&setup.run(&[
        "decisions",
        "--outcome",
        "block",
        "--json",
        "--server",
        &server,
    ]));
    assert!(blocked.contains("20002"), "{blocked}");
    let mut callgate = callgate;
    callgate.signal("TERM");
    callgate.ended_within(PATIENCE);
    let setup = callgate.into_setup();
    let versions = said(&setup.run(&["versions", "list", "--json"]));
    assert!(versions.lines().count() >= 3, "{versions}");
    said(&setup.run(&["audit", "verify"]));
    let acts = said(&setup.run(&["audit", "list", "--act", "storage", "--json"]));
    assert!(
        acts.contains("storage.backup") && acts.contains("storage.restore"),
        "{acts}"
    );
    assert!(acts.contains("nightly"), "{acts}");
}

/// A data folder with something of everything, and no server.
fn stopped() -> (Setup, Business) {
    let gone = Business::start(Behaviour::status(503, "gone"));
    let mut callgate = Callgate::start(&policy(&gone.url(), &gone.url(), 20001));
    let events = (0..200).map(|n| calls::after_event(AFTER, &"x".repeat(2000), &format!("e{n}")));
    callgate.grpc().after(events.collect()).unwrap();
    callgate.call(BEFORE, "forbidden");
    callgate.signal("TERM");
    callgate.ended_within(PATIENCE);
    (callgate.into_setup(), gone)
}

#[test]
fn a_backup_without_a_server_is_made_by_the_command_and_a_restore_is_refused_with_a_reason() {
    let (setup, _gone) = stopped();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("deep/two");
    said(&setup.run(&["storage", "backup", text(&backup)]));
    modes(&backup);
    let inside = data(&setup).join("copy");
    assert!(refused(&setup.run(&["storage", "backup", text(&inside)])).contains("data directory"));

    let restore = |setup: &Setup, more: &[&str]| {
        setup.run(&[&["storage", "restore", text(&backup)], more].concat())
    };
    // Not into what is there, unless told; and not beside a server.
    assert!(refused(&restore(&setup, &[])).contains("--replace"));
    let callgate = setup.start();
    assert!(refused(&restore(callgate.setup(), &["--replace"])).contains("stop it first"));
    let setup = callgate.kill();
    let done: Value =
        serde_json::from_str(&said(&restore(&setup, &["--replace", "--json"]))).unwrap();
    let aside = setup
        .policies()
        .parent()
        .unwrap()
        .join(done["aside"].as_str().unwrap());
    assert!(aside.join("outbox.db").exists(), "{done}");
    let callgate = setup.start();
    let pending = callgate.status()["outbox"]["endpoints"]["good"].take();
    assert_eq!(pending["accepted"], 200, "{pending}");
    drop(callgate);

    // Nothing is written of what is damaged, foreign, or newer.
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let copy = folder.path().join("changed");
        let _ = fs::remove_dir_all(&copy);
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .arg(&backup)
            .arg(&copy)
            .status();
        assert!(copied.unwrap().success());
        change(&copy);
        let fresh = Setup::new("hooks: {}\n");
        let why = refused(&fresh.run(&["storage", "restore", text(&copy)]));
        assert!(why.contains(expected), "{why}");
        assert!(!data(&fresh).join("outbox.db").exists());
    };
    let edit = |file: &'static str, from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
        }
    };
    check(
        &|it| fs::remove_file(it.join("backup.json")).unwrap(),
        "is no backup",
    );
    check(
        &|it| fs::write(it.join("backup.json"), "{").unwrap(),
        "is no backup",
    );
    check(
        &|it| fs::remove_file(it.join("outbox.db")).unwrap(),
        "it is not there",
    );
    check(
        &|it| fs::write(it.join("more"), "x").unwrap(),
        "nothing says that it belongs",
    );
    check(
        &edit("backup.json", "\"outbox.db\"", "\"../outbox.db\""),
        "leads elsewhere",
    );
    check(
        &edit("backup.json", "\"history\": 1", "\"history\": 2"),
        "newer one",
    );
    check(
        &edit("backup.json", "\"audit\": 1", "\"plans\": 1"),
        "newer one",
    );
    let renamed = |it: &Path| {
        fs::rename(it.join("outbox.db"), it.join("spool.db")).unwrap();
        edit("backup.json", "\"outbox.db\"", "\"spool.db\"")(it);
    };
    check(&renamed, "another `storage.kind`");
    check(
        &|it| {
            let mut bytes = fs::read(it.join("outbox.db")).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(it.join("outbox.db"), bytes).unwrap();
        },
        "digest",
    );
}

#[test]
fn where_nothing_more_can_be_written_nothing_half_is_left() {
    let (setup, _gone) = stopped();
    let setup = setup.shell("trap '' XFSZ; ulimit -f 200");
    let folder = tempfile::tempdir().unwrap();
    let failed = setup.run(&["storage", "backup", text(&folder.path().join("b"))]);
    assert_eq!(
        failed.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&failed.stderr)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Runs a command and kills it after a while; false when it had ended by itself.
#[test]
fn every_restore_keeps_what_was_there() {
    let (setup, _gone) = stopped();
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    said(&setup.run(&["storage", "backup", text(&whole)]));
    for _ in 0..4 {
        said(&setup.run(&["storage", "restore", text(&whole), "--replace"]));
    }
    let kept = fs::read_dir(data(&setup)).unwrap().flatten();
    let kept = kept.filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("before-restore-")
            && entry.path().join("versions").is_dir()
    });
    assert_eq!(kept.count(), 4);
}

#[test]
fn with_a_restore_that_was_broken_off_nothing_is_read_or_written() {
    let (setup, _gone) = stopped();
    let begun = data(&setup).join("restore.json");
    for args in [
        &["outbox", "pending"][..],
        &["outbox", "dead"],
        &["outbox", "check"],
        &["outbox", "repair"],
        &["outbox", "export"],
        &["versions", "list"],
        &["versions", "rollback", "1", "--why", "back"],
        &["audit", "list"],
        &["audit", "verify"],
        &[
            "explain",
            "--version",
            "1",
            "--hook",
            "beforeSendSingleMsg",
            "hello",
        ],
    ] {
        fs::write(&begun, r#"{"aside":"before-restore-x","moves":[]}"#).unwrap();
        let output = setup.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("was broken off"), "{args:?}: {said}");
        fs::remove_file(&begun).unwrap();
        let output = setup.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("was broken off"), "{args:?}: {said}");
    }
}

fn killed(setup: &Setup, args: &[&str], after: Duration) -> bool {
    let mut command = setup.command(args);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + after;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        thread::yield_now();
    }
    let ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    !ended
}

#[test]
fn a_kill_leaves_a_backup_whole_or_not_there_and_a_restore_done_or_not_begun() {
    let (setup, _gone) = stopped();
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    said(&setup.run(&["storage", "backup", text(&whole)]));
    let (mut kills, mut rounds) = (0, 0);
    while kills < 8 && rounds < 40 {
        let backup = folder.path().join(format!("b{rounds}"));
        let after = Duration::from_millis(10 + 7 * rounds);
        kills += u32::from(killed(&setup, &["storage", "backup", text(&backup)], after));
        rounds += 1;
        if backup.exists() {
            let fresh = Setup::new("hooks: {}\n");
            said(&fresh.run(&["storage", "restore", text(&backup)]));
        } else {
            said(&setup.run(&["storage", "backup", text(&backup)]));
        }
        fs::remove_dir_all(&backup).unwrap();
    }
    assert!(kills > 0, "no backup was killed");
    let (mut kills, mut rounds) = (0, 0);
    let mut target = Setup::new("hooks: {}\n");
    while kills < 8 && rounds < 40 {
        let args = ["storage", "restore", text(&whole), "--replace"];
        kills += u32::from(killed(
            &target,
            &args,
            Duration::from_millis(5 + 5 * rounds),
        ));
        rounds += 1;
        // Whatever it was, a server starts on it, with all of the backup or with nothing of it.
        let mut callgate = target.start();
        let accepted = callgate.status()["outbox"]["endpoints"]["good"]["accepted"].take();
        assert!(accepted.is_null() || accepted == 200, "{accepted}");
        assert!(!data(callgate.setup()).join("restore.json").exists());
        callgate.signal("TERM");
        callgate.ended_within(PATIENCE);
        target = callgate.into_setup();
    }
    assert!(kills > 0, "no restore was killed");
}

#[test]
fn after_a_restore_no_session_of_before_lets_anybody_in() {
    let gone = Business::start(Behaviour::status(503, "gone"));
    let mut callgate = Callgate::start(&policy(&gone.url(), &gone.url(), 20001));
    let server = format!("http://{}", callgate.admin);
    let made = ["operators", "token", "ann", "--role", "viewer", "--server"];
    said(&callgate.setup().run(&[&made[..], &[&server]].concat()));
    callgate.signal("TERM");
    callgate.ended_within(PATIENCE);
    let setup = callgate.into_setup();
    let open =
        |setup: &Setup| rusqlite::Connection::open(data(setup).join("operators.db")).unwrap();
    let count = |setup: &Setup, table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        open(setup).query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let session =
        "INSERT INTO sessions (secret_sha256, operator, made_ms, seen_ms) VALUES ('ab', 1, 1, 1)";
    open(&setup).execute(session, []).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("one");
    said(&setup.run(&["storage", "backup", text(&backup)]));
    let fresh = Setup::new("hooks: {}\n");
    said(&fresh.run(&["storage", "restore", text(&backup)]));
    assert_eq!(count(&setup, "sessions"), 1);
    assert_eq!((count(&fresh, "sessions"), count(&fresh, "tokens")), (0, 1));
}

#[test]
fn a_server_ends_a_restore_that_was_decided_before_it_opens_anything() {
    let (setup, _gone) = stopped();
    let data = data(&setup);
    // What a kill behind the decision leaves: the outbox prepared, the old one in its place.
    let prepared = data.join("restored");
    fs::create_dir(&prepared).unwrap();
    fs::copy(data.join("outbox.db"), prepared.join("outbox.db")).unwrap();
    let old = rusqlite::Connection::open(data.join("outbox.db")).unwrap();
    old.execute_batch("CREATE TABLE of_before (x)").unwrap();
    drop(old);
    let moves = serde_json::json!({"aside": "before-restore-x", "moves": [
        {"from": prepared.join("outbox.db"), "to": data.join("outbox.db")},
    ]});
    fs::write(data.join("restore.json"), moves.to_string()).unwrap();
    let callgate = setup.start();
    let accepted = callgate.status()["outbox"]["endpoints"]["good"]["accepted"].take();
    assert_eq!(accepted, 200);
    assert!(!data.join("restore.json").exists() && !prepared.exists());
    assert!(data.join("before-restore-x/outbox.db").exists());
}
