//! A log that is full, slow or gone costs log lines, and never an answer.

use std::fs::File;
use std::io::{PipeReader, pipe};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, Setup, http, wait_for, within};

const POLICY: &str = "lists: {bad: {words: [forbidden]}}\nhooks: {beforeSendSingleMsg: {}}\n";
const SOON: Duration = Duration::from_secs(20);

/// One sender may make as many lines as it likes.
fn unlimited() -> Setup {
    Setup::new(POLICY)
        .engine("log.lines_per_sender_max", "0")
        .engine("log.lines_per_address_max", "0")
}

fn setup() -> Setup {
    unlimited().engine("log.queue_bytes_max", "16KiB")
}

fn lost(callgate: &Callgate, reason: &str) -> f64 {
    callgate.metric(&format!(
        "callgate_log_lines_lost_total{{reason=\"{reason}\"}}"
    ))
}

/// Each of these makes a line in the log. Every answer is right, over both transports, and so are
/// those to messages that nobody objects to.
fn check_answers(callgate: &Callgate, messages: usize) {
    let grpc = callgate.grpc();
    for number in 0..messages {
        let refused = callgate.call(SINGLE, "a forbidden word");
        assert_eq!(refused.json()["nextCode"], 1, "{number}");
        let refused = grpc.before(calls::request(SINGLE, "a forbidden word"));
        assert_eq!(refused.err_code, 20001, "{number}");
        let allowed = callgate.call(SINGLE, "a good word");
        assert_eq!(allowed.text(), calls::ALLOW, "{number}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(http::get(callgate.admin, path).status, 200, "{path}");
    }
}

/// An edit is noticed: the thread that looks for it lives.
fn check_edits(callgate: &Callgate) {
    let broken = "hooks: {nonsense: {}}\n";
    callgate.setup().write("policy.yaml", broken);
    wait_for("a rejected edit", SOON, || {
        (callgate.metric("callgate_policy_rejected") == 1.0).then_some(())
    });
    let other = POLICY.replace("forbidden", "unwanted");
    callgate.setup().write("policy.yaml", other);
    wait_for("the next policy", SOON, || {
        let answer = callgate.call(SINGLE, "an unwanted word");
        (answer.json()["nextCode"] == 1).then_some(())
    });
}

fn unread() -> (PipeReader, Stdio) {
    let (reader, writer) = pipe().unwrap();
    (reader, writer.into())
}

#[test]
fn a_full_log_disk_costs_no_answer() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let callgate = setup().start_with_log(full.into());
    check_answers(&callgate, 100);
    check_edits(&callgate);
    wait_for("counted losses", SOON, || {
        (lost(&callgate, "write") >= 200.0).then_some(())
    });
}

#[test]
fn a_reader_that_is_gone_costs_no_answer() {
    let (reader, log) = unread();
    drop(reader);
    let callgate = setup().start_with_log(log);
    check_answers(&callgate, 100);
    check_edits(&callgate);
    wait_for("counted losses", SOON, || {
        (lost(&callgate, "write") >= 200.0).then_some(())
    });
}

#[test]
fn a_pipe_that_nobody_reads_costs_no_answer() {
    let (reader, log) = unread();
    let mut callgate = setup().start_with_log(log);
    // A pipe takes 64 KiB, the queue 16 KiB more.
    check_answers(&callgate, 400);
    assert!(lost(&callgate, "queue") > 100.0);
    check_edits(&callgate);
    within(Duration::from_secs(2), || {
        callgate.call(SINGLE, "a forbidden word")
    });
    callgate.signal("TERM");
    let ended = callgate.ended_within(Duration::from_secs(10));
    assert!(ended.success(), "{ended}");
    drop(reader);
}

#[test]
fn nobody_makes_more_than_a_set_rate_of_lines() {
    let setup = unlimited().engine("log.lines_per_second_max", "5");
    let callgate = setup.start();
    let started = std::time::Instant::now();
    check_answers(&callgate, 100);
    let seconds = started.elapsed().as_secs() as usize + 1;
    let lines = callgate.log().matches("action=\"block\"").count();
    assert!(lines <= 5 * (seconds + 1), "{lines} in {seconds} s");
    let held_back = lost(&callgate, "rate");
    assert_eq!(held_back as usize + lines, 200, "{lines}");
    wait_for("the log's own word on it", SOON, || {
        callgate
            .log()
            .contains("log lines are missing here")
            .then_some(())
    });
}

/// A sender that is refused again and again neither floods the log nor hides what others do, and
/// its next line says what is missing.
#[test]
fn one_sender_makes_no_more_than_its_rate_of_lines() {
    let callgate = Setup::new(POLICY)
        .engine("log.lines_per_sender_max", "5")
        .start();
    let started = std::time::Instant::now();
    check_answers(&callgate, 100);
    let answer = callgate.call_from("quiet", SINGLE, "a forbidden word");
    assert_eq!(answer.json()["nextCode"], 1);
    let seconds = started.elapsed().as_secs() as usize + 1;
    let log = wait_for("the quiet one's line", SOON, || {
        let seen = lost(&callgate, "caller") as usize + lines(&callgate.log()) == 201;
        seen.then(|| callgate.log())
    });
    let made = lines(&log);
    assert!(made <= 5 * (seconds + 1) + 1, "{made} in {seconds} s");
    wait_for("a line that says what was held back", SOON, || {
        callgate.call(SINGLE, "a forbidden word");
        let log = callgate.log();
        let mut told = log
            .lines()
            .filter_map(|line| line.split("held_back=").nth(1));
        told.any(|rest| !rest.starts_with('0')).then_some(())
    });
}

fn lines(log: &str) -> usize {
    log.matches("action=\"block\"").count()
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_the_log() {
    for format in ["text", "json"] {
        let setup = Setup::new(POLICY).engine("log.format", format);
        let callgate = setup.start();
        let evil = "op\u{1b}[2J\u{202e}\u{9b}\u{7f}\nforged line";
        let escaped = serde_json::to_string(evil).unwrap();
        let body = calls::body(SINGLE, "a forbidden word").replace(r#""op-1""#, &escaped);
        let answer = http::post(callgate.http, &calls::path(SINGLE), body);
        assert_eq!(answer.json()["nextCode"], 1);
        // Unknown hooks, paths and rooms are named in the log as well.
        let path = "/openim/callback%1b%5b2J%0aforged%e2%80%aeCommand";
        http::post(callgate.http, path, "{}");
        let log = wait_for("the line", SOON, || {
            Some(callgate.log()).filter(|log| log.contains("forged line"))
        });
        assert!(
            !log.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\u{7f}', '\r']),
            "{log:?}"
        );
        assert!(log.lines().all(|line| !line.starts_with("forged")), "{log}");
    }
}

/// A log that comes back after it was full tells what is missing in it.
#[test]
fn what_was_lost_is_told_when_the_log_is_read_again() {
    let (mut reader, log) = unread();
    let callgate = setup().start_with_log(log);
    check_answers(&callgate, 400);
    assert!(lost(&callgate, "queue") > 0.0);
    let (told, seen) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut all = String::new();
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = std::io::Read::read(&mut reader, &mut chunk) {
            all.push_str(&String::from_utf8_lossy(&chunk[..read]));
            if all.contains("log lines are missing here") {
                let _ = told.send(());
            }
        }
    });
    seen.recv_timeout(SOON).expect("the log says what it lacks");
}
