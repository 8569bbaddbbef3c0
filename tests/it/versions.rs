//! Versions of the policy: numbered over restarts, and the last good one survives them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, PATIENCE, Setup, http, wait_for};

fn policy(n: usize) -> String {
    format!(
        "lists:\n  words: {{file: words.txt, code: {}}}\n  more: {{file: more.txt, code: 30001}}\n\
         hooks:\n  {SINGLE}: {{}}\n",
        20000 + n
    )
}

fn setup() -> Setup {
    let setup = Setup::new(&policy(1));
    setup.write("words.txt", "forbidden\n");
    setup.write("more.txt", "unwanted\n");
    setup
}

fn data(setup: &Setup) -> PathBuf {
    setup.policies().join("../data")
}

fn number(callgate: &Callgate) -> u64 {
    callgate.status()["policy"]["number"].as_u64().unwrap()
}

fn code(callgate: &Callgate, text: &str) -> i64 {
    let answer = callgate.call(SINGLE, text).json();
    answer["errCode"].as_i64().unwrap_or_default()
}

/// Until the version in force is on disk.
fn kept(callgate: &Callgate) {
    wait_for("the version on disk", PATIENCE, || {
        let status = callgate.status();
        let newest = status["versions"]["newest"].as_u64()?;
        (status["policy"]["number"] == newest).then_some(())
    });
}

fn edit(callgate: &Callgate, file: &str, text: &str) {
    callgate.setup().write(file, text);
}

fn wait_for_code(callgate: &Callgate, text: &str, expected: i64) {
    wait_for(&format!("code {expected}"), PATIENCE, || {
        (code(callgate, text) == expected).then_some(())
    });
}

fn rejected(callgate: &Callgate) -> Value {
    wait_for("the rejected edit", PATIENCE, || {
        let rejected = callgate.status()["policy"]["rejected"].take();
        (!rejected.is_null()).then_some(rejected)
    })
}

fn stop(mut callgate: Callgate) -> Setup {
    callgate.signal("TERM");
    callgate.ended_within(PATIENCE);
    callgate.into_setup()
}

#[test]
fn numbers_go_on_over_restarts_and_the_same_files_are_the_same_version() {
    let callgate = setup().start();
    assert_eq!(number(&callgate), 1);
    edit(&callgate, "policy.yaml", &policy(2));
    wait_for_code(&callgate, "forbidden", 20002);
    let callgate = stop(callgate).start();
    assert_eq!(number(&callgate), 2);
    let setup = stop(callgate);
    setup.write("policy.yaml", policy(3));
    let callgate = setup.start();
    assert_eq!(number(&callgate), 3);
    kept(&callgate);
    // Killed: numbers may be skipped, and none comes twice.
    let callgate = callgate.kill().start();
    assert_eq!(number(&callgate), 3);
    edit(&callgate, "policy.yaml", &policy(1));
    wait_for_code(&callgate, "forbidden", 20001);
    assert!(number(&callgate) > 3);
}

/// The example of the whole: a bad edit, then a restart.
#[test]
fn a_bad_edit_and_a_restart_start_with_the_last_good_version_and_say_so() {
    let callgate = setup().start();
    kept(&callgate);
    edit(
        &callgate,
        "policy.yaml",
        "hooks: {beforeSendSingelMsg: {}}\n",
    );
    rejected(&callgate);
    let setup = stop(callgate);
    let strict = setup.run(&["serve", "--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    let said = String::from_utf8_lossy(&strict.stderr).into_owned();
    assert!(
        said.contains("beforeSendSingelMsg") && said.contains("not started"),
        "{said}"
    );
    let checked = setup.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));

    let callgate = setup.start();
    assert_eq!(code(&callgate, "forbidden"), 20001);
    assert_eq!(number(&callgate), 1);
    let status = callgate.status();
    assert_eq!(status["policy"]["restored"], true);
    let problem = status["policy"]["rejected"]["problems"].to_string();
    assert!(problem.contains("beforeSendSingelMsg"), "{problem}");
    assert_eq!(callgate.metric("callgate_policy_restored"), 1.0);
    assert_eq!(callgate.metric("callgate_policy_rejected"), 1.0);
    let ready = http::get(callgate.admin, "/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.text().contains("from before the start is in force"),
        "{}",
        ready.text()
    );
    let log = callgate.log();
    assert!(log.contains("started with the last good version"), "{log}");
    assert!(log.contains("beforeSendSingelMsg"), "{log}");
    let shown =
        callgate
            .setup()
            .run(&["status", "--server", &format!("http://{}", callgate.admin)]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("RESTORED"), "{shown}");

    // Once more, from what the restored version left.
    let callgate = callgate.kill().start();
    assert_eq!(
        (code(&callgate, "forbidden"), number(&callgate)),
        (20001, 1)
    );
    edit(&callgate, "policy.yaml", &policy(5));
    wait_for_code(&callgate, "forbidden", 20005);
    let status = callgate.status();
    assert_eq!(status["policy"]["restored"], false);
    assert!(status["policy"]["rejected"].is_null());
    assert!(number(&callgate) > 1);
    assert_eq!(callgate.metric("callgate_policy_restored"), 0.0);
    assert_eq!(http::get(callgate.admin, "/readyz").text(), "ready\n");
}

#[test]
fn every_kind_of_bad_file_is_survived_and_none_by_a_first_start() {
    type Break = fn(&Setup);
    let breaks: [(&str, Break); 5] = [
        ("emptied", |setup| setup.write("policy.yaml", "")),
        ("no YAML", |setup| setup.write("policy.yaml", "a: [b")),
        ("removed", |setup| {
            fs::remove_file(setup.policies().join("policy.yaml")).unwrap()
        }),
        ("a directory", |setup| {
            fs::remove_file(setup.policies().join("policy.yaml")).unwrap();
            fs::create_dir(setup.policies().join("policy.yaml")).unwrap();
        }),
        ("our own port", |setup| {
            let own = "endpoints: {b: {url: 'http://127.0.0.1:10006'}}\nhooks: {}\nx: y\n";
            setup.write("policy.yaml", own);
        }),
    ];
    for (name, break_it) in breaks {
        let callgate = setup().start();
        kept(&callgate);
        let setup = callgate.kill();
        break_it(&setup);
        let callgate = setup.start();
        assert_eq!(code(&callgate, "forbidden"), 20001, "{name}");
        assert_eq!(callgate.status()["policy"]["restored"], true, "{name}");
        // Without what was kept it is a first start.
        let setup = stop(callgate);
        fs::remove_dir_all(data(&setup).join("versions")).unwrap();
        let first = setup.run(&["serve"]);
        assert_eq!(first.status.code(), Some(1), "{name}");
        let said = String::from_utf8_lossy(&first.stderr).into_owned();
        assert!(
            said.contains("policy.yaml") && said.contains("not started"),
            "{name}: {said}"
        );
    }
}

#[test]
fn a_directory_that_is_not_there_fails_the_start_whatever_was_kept() {
    let callgate = setup().start();
    kept(&callgate);
    let setup = stop(callgate);
    let away = setup.policies().with_file_name("elsewhere");
    fs::rename(setup.policies(), &away).unwrap();
    let output = setup.run(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("not started"), "{said}");
}

#[test]
fn a_pipeline_can_have_a_start_with_bad_files_fail_by_a_setting() {
    let callgate = setup().start();
    kept(&callgate);
    let setup = stop(callgate).engine("versions.strict_start", "true");
    setup.write("policy.yaml", "");
    assert_eq!(setup.run(&["serve"]).status.code(), Some(1));
    setup.write("policy.yaml", policy(1));
    setup.write("words.txt", b"\xff\n");
    assert_eq!(setup.run(&["serve"]).status.code(), Some(1));
}

const SECRET: &str = "whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

/// A secret is not kept, so a start with the last good version goes on without one that is gone.
#[test]
fn a_secret_that_is_gone_does_not_keep_the_last_good_version_from_starting() {
    let with_secret = policy(1)
        + "endpoints: {b: {url: 'http://127.0.0.1:9', sign: {secret_file: key.txt}}}\n\
           failedContinue: true\n";
    let with_secret = with_secret.replace("failedContinue: true\n", "");
    let setup = Setup::new(&with_secret);
    setup.write("words.txt", "forbidden\n");
    setup.write("more.txt", "unwanted\n");
    setup.write("key.txt", SECRET);
    let callgate = setup.start();
    kept(&callgate);
    let setup = callgate.kill();
    assert_nowhere(&data(&setup).join("versions"), SECRET.trim());
    // Nothing but the policy is bad: the secret is read where it is.
    setup.write("policy.yaml", "");
    let callgate = setup.start();
    assert_eq!(number(&callgate), 1);
    let setup = callgate.kill();
    fs::remove_file(setup.policies().join("key.txt")).unwrap();
    let callgate = setup.start();
    assert_eq!(code(&callgate, "forbidden"), 20001);
    assert_eq!(callgate.status()["policy"]["restored"], true);
}

fn assert_nowhere(folder: &Path, text: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, text);
            continue;
        }
        let content = fs::read(&path).unwrap();
        let found = content
            .windows(text.len())
            .any(|part| part == text.as_bytes());
        assert!(!found, "{} holds it", path.display());
    }
}

/// The edit of one list is bad; the others, and the policy itself, are edited on.
#[test]
fn a_bad_list_holds_up_itself_alone() {
    let callgate = setup().start();
    kept(&callgate);
    let bad: [&[u8]; 2] = [b"fine\nnot \xff UTF-8\n", b"\xff"];
    for content in bad {
        callgate.setup().write("words.txt", content);
        let rejected = rejected(&callgate);
        let problem = &rejected["problems"][0];
        assert!(
            problem["file"].as_str().unwrap().ends_with("words.txt"),
            "{problem}"
        );
        assert_eq!(callgate.status()["policy"]["held"][0]["file"], "words.txt");
        assert_eq!(callgate.metric("callgate_policy_held_lists"), 1.0);
        assert_eq!(code(&callgate, "forbidden"), 20001);
    }
    edit(&callgate, "more.txt", "unwelcome\n");
    wait_for_code(&callgate, "unwelcome", 30001);
    assert_eq!(code(&callgate, "unwanted"), 0);
    edit(&callgate, "policy.yaml", &policy(2));
    wait_for_code(&callgate, "forbidden", 20002);
    assert_eq!(callgate.status()["policy"]["held"][0]["file"], "words.txt");
    wait_for("the log", PATIENCE, || {
        let log = callgate.log();
        log.contains("the last good content of this list stays in force")
            .then_some(())
    });
    let ready = http::get(callgate.admin, "/readyz").text().to_owned();
    assert!(
        ready.contains("1 list(s) keep their last good content"),
        "{ready}"
    );
    let shown =
        callgate
            .setup()
            .run(&["status", "--server", &format!("http://{}", callgate.admin)]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("HELD LIST  words.txt"), "{shown}");
    assert_eq!(callgate.setup().run(&["check"]).status.code(), Some(1));

    // A restart takes the list from what was kept, and the rest from the disk.
    kept(&callgate);
    let setup = stop(callgate);
    setup.write("more.txt", "unasked\n");
    let callgate = setup.start();
    assert_eq!(code(&callgate, "forbidden"), 20002);
    assert_eq!(code(&callgate, "unasked"), 30001);
    let status = callgate.status();
    assert_eq!(status["policy"]["held"][0]["file"], "words.txt");
    assert_eq!(status["policy"]["restored"], false);

    edit(&callgate, "words.txt", "mended\n");
    wait_for_code(&callgate, "mended", 20002);
    let status = callgate.status();
    assert!(status["policy"]["rejected"].is_null(), "{status}");
    assert_eq!(status["policy"]["held"], serde_json::json!([]));
    assert_eq!(callgate.metric("callgate_policy_held_lists"), 0.0);
}

#[test]
fn a_list_that_goes_missing_keeps_its_content_and_what_is_wrong_in_the_policy_holds_up_all() {
    let callgate = setup().start();
    fs::remove_file(callgate.setup().policies().join("words.txt")).unwrap();
    rejected(&callgate);
    assert_eq!(
        callgate.status()["policy"]["held"][0]["why"],
        "it is not there"
    );
    edit(&callgate, "more.txt", "unwelcome\n");
    wait_for_code(&callgate, "unwelcome", 30001);
    assert_eq!(code(&callgate, "forbidden"), 20001);
    // The policy names a list that never was: whatever else is edited waits for it.
    let unknown = policy(3).replace("words.txt", "never.txt");
    edit(&callgate, "policy.yaml", &unknown);
    wait_for("never.txt", PATIENCE, || {
        let problems = rejected(&callgate).to_string();
        problems.contains("never.txt").then_some(())
    });
    assert_eq!(callgate.status()["policy"]["held"], serde_json::json!([]));
    assert_eq!(code(&callgate, "forbidden"), 20001);
}

/// Killed at any moment between edits, it starts with the old state or the new one.
#[test]
fn killed_at_any_moment_it_starts_with_one_state_or_the_other() {
    let mut setup = setup();
    let mut highest = 0;
    for round in 1..8 {
        let callgate = setup.start();
        let started = number(&callgate);
        assert!(started >= highest, "{started} after {highest}");
        if round == 1 {
            // Before anything was kept, a bad file is the end.
            kept(&callgate);
        }
        edit(&callgate, "policy.yaml", &policy(round * 10));
        let expected = 20000 + round as i64 * 10;
        if round % 2 == 0 {
            wait_for_code(&callgate, "forbidden", expected);
        } else {
            // Another moment each time.
            for _ in 0..round * 40 {
                callgate.call(SINGLE, "harmless");
            }
        }
        highest = number(&callgate);
        setup = callgate.kill();
        // What is on disk is bad now: what was kept decides.
        let good = fs::read(setup.policies().join("policy.yaml")).unwrap();
        setup.write("policy.yaml", "");
        let callgate = setup.start();
        let found = code(&callgate, "forbidden");
        let whole = found == expected || (found - 20000) % 10 == 0 || found == 20001;
        assert!(whole, "{found}");
        assert_eq!(callgate.call(SINGLE, "harmless").text(), calls::ALLOW);
        setup = callgate.kill();
        setup.write("policy.yaml", good);
    }
}

#[test]
fn what_is_kept_among_the_policy_files_makes_no_version() {
    let setup = setup().engine("data", "policies/data");
    let recorded = setup.policies().join("data/audit/policy.json");
    let callgate = setup.start();
    let first = wait_for("the first policy in the audit", PATIENCE, || {
        fs::read(&recorded).ok()
    });
    for n in 2..=3 {
        edit(&callgate, "policy.yaml", &policy(n));
        wait_for_code(&callgate, "forbidden", 20000 + n as i64);
        kept(&callgate);
        assert_eq!(number(&callgate), n as u64);
    }
    wait_for("the last policy in the audit", PATIENCE, || {
        (fs::read(&recorded).ok()? != first).then_some(())
    });
    assert_eq!(number(&callgate), 3);
}
