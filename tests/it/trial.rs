//! A candidate policy beside the one in force: who sees it, what is counted, what ends it, and how it
//! becomes the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::calls::{self, GROUP, MODIFY};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const VERSION: &str = "x-callgate-version";

fn candidate_directory(setup: &Setup) -> PathBuf {
    setup.policies().parent().unwrap().join("candidate")
}

fn write_candidate(setup: &Setup, policy: &str) {
    let directory = candidate_directory(setup);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("policy.yaml"), policy).unwrap();
}

/// A policy that blocks these words in groups.
fn blocks(words: &str) -> String {
    format!(
        "lists: {{l: {{action: block, words: [{words}]}}}}\nhooks: {{{GROUP}: {{}}, {MODIFY}: {{}}}}\n"
    )
}

fn with(policy: &str, terms: &str) -> String {
    format!("{policy}candidate: {{directory: ../candidate, {terms}}}\n")
}

fn trial(callgate: &Callgate) -> Value {
    http::get(callgate.admin, "/api/v1/trial").json()
}

fn wait_state(callgate: &Callgate, state: &str) -> Value {
    wait_for(&format!("a trial that is {state}"), PATIENCE, || {
        let trial = trial(callgate);
        (trial["state"] == state).then_some(trial)
    })
}

/// Waits until everything that was put there was looked at.
fn wait_compared(callgate: &Callgate, count: u64) -> Value {
    wait_for(&format!("{count} compared"), PATIENCE, || {
        let trial = trial(callgate);
        (trial["compared"].as_u64()? >= count).then_some(trial)
    })
}

fn started(policy: &str, candidate: &str, terms: &str) -> Callgate {
    let setup = Setup::new(&with(policy, terms));
    write_candidate(&setup, candidate);
    let callgate = setup.start();
    wait_state(&callgate, "running");
    callgate
}

fn group_body(group: &str, text: &str) -> String {
    calls::body(GROUP, text).replace("group1", group)
}

fn say(callgate: &Callgate, group: &str, text: &str) -> http::Answer {
    http::post(callgate.http, &calls::path(GROUP), group_body(group, text))
}

fn run(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    callgate
        .setup()
        .run(&[args, &["--server", &server]].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn in_the_shadow_it_is_counted_and_decides_nothing() {
    let callgate = started(&blocks("old"), &blocks("old, new"), "share: 1");
    for text in ["hello", "old", "new"] {
        let answer = say(&callgate, "g1", text);
        assert_eq!(
            answer.json()["nextCode"],
            i64::from(text == "old"),
            "{text}"
        );
        assert!(!answer.header(VERSION).contains("candidate"));
    }
    let trial = wait_compared(&callgate, 3);
    assert_eq!(trial["differences"], json!({"allow>block": 1}));
    let latest = &trial["latest"][0];
    assert_eq!(
        (&latest["list"], &latest["policy"]),
        (&json!("l"), &json!("allow"))
    );
    assert_eq!(trial["beside"]["decisions"], 3);
    let metric = "callgate_trial_differences_total{policy=\"allow\",candidate=\"block\"}";
    assert_eq!(callgate.metric(metric), 1.0);
    let page = run(&callgate, &["trial", "status"]);
    assert!(said(&page).contains("allow -> block: 1"), "{}", said(&page));
}

#[test]
fn no_endpoint_is_asked_twice_and_its_answer_counts_for_both() {
    let business = Business::start(Behaviour::block());
    let other = Business::start(Behaviour::allow());
    let policy = format!("callbackUrl: {}\n{}", business.url(), blocks("old"));
    let callgate = started(&policy, &policy.replace("old", "old, new"), "share: 1");
    say(&callgate, "g1", "hello");
    let trial = wait_compared(&callgate, 1);
    assert_eq!(trial["candidate_outcomes"], json!({"block": 1}));
    // It would ask somebody else: that is not asked, and they are not comparable.
    let asks_other = format!("callbackUrl: {}\n{}", other.url(), blocks("old"));
    write_candidate(callgate.setup(), &asks_other);
    let before = trial["candidate"].clone();
    wait_for("the other candidate", PATIENCE, || {
        (self::trial(&callgate)["candidate"] != before).then_some(())
    });
    say(&callgate, "g1", "hello");
    wait_for("one that is not comparable", PATIENCE, || {
        (self::trial(&callgate)["not_comparable"] == 1).then_some(())
    });
    assert_eq!((business.requests().len(), other.requests().len()), (2, 0));
}

#[test]
fn a_conversation_sees_one_policy_under_load_and_the_second_call_about_a_message_too() {
    let callgate = started(
        &blocks("old"),
        &blocks("old, new"),
        "share: 0.3, mode: ruling",
    );
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let address = callgate.http;
            thread::spawn(move || {
                let mut connection = http::Connection::open(address);
                let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
                for round in 0..150 {
                    let group = format!("group-{}", (round * 7 + number) % 40);
                    let id = format!("m-{number}-{round}");
                    let first = group_body(&group, "hello").replace("server-1", &id);
                    let second = calls::body_with_id(MODIFY, "hello", &id);
                    for (hook, body) in [(GROUP, first), (MODIFY, second)] {
                        let answer = connection
                            .post(&calls::path(hook), body.as_bytes())
                            .unwrap();
                        let versions = seen.entry(group.clone()).or_default();
                        versions.insert(answer.header(VERSION).to_owned());
                    }
                }
                seen
            })
        })
        .collect();
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for thread in threads {
        for (group, versions) in thread.join().unwrap() {
            seen.entry(group).or_default().extend(versions);
        }
    }
    assert!(
        seen.values().all(|versions| versions.len() == 1),
        "{seen:?}"
    );
    let of_candidate =
        |versions: &&BTreeSet<String>| versions.iter().any(|one| one.starts_with("candidate-"));
    let ruled = seen.values().filter(of_candidate).count();
    assert!((4..=20).contains(&ruled), "{ruled} of {}", seen.len());
    // The same ones after a restart.
    let callgate = callgate.kill().start();
    wait_state(&callgate, "running");
    for (group, versions) in &seen {
        let is_candidate = versions.iter().any(|one| one.starts_with("candidate-"));
        let answer = say(&callgate, group, "hello");
        assert_eq!(
            answer.header(VERSION).starts_with("candidate-"),
            is_candidate,
            "{group}"
        );
    }
    let found = run(&callgate, &["decisions", "--policy", "0", "--json"]);
    assert!(said(&found).contains("\"number\":0"), "{}", said(&found));
}

#[test]
fn ten_times_the_blocks_end_it_and_it_stays_ended_over_a_restart() {
    let callgate = started(
        &blocks("word0"),
        &blocks("word0, word1, word2, word3"),
        "share: 0.5, mode: ruling",
    );
    let mut decisions = 0;
    wait_for("the end of the trial", PATIENCE, || {
        let text = format!("word{}", decisions % 20);
        say(&callgate, &format!("g{decisions}"), &text);
        decisions += 1;
        (trial(&callgate)["state"] == "ended").then_some(())
    });
    let ended = trial(&callgate);
    assert_eq!(ended["ended"]["by"], "blocks");
    let looked = |trial: &Value| trial["compared"].as_u64().unwrap();
    assert!(looked(&ended) <= 200, "{ended}");
    for number in 0..50 {
        let answer = say(&callgate, &format!("g{number}"), "hello");
        assert!(!answer.header(VERSION).contains("candidate"));
    }
    let acts = http::get(callgate.admin, "/api/v1/audit").text().to_owned();
    assert!(acts.contains("trial.end"), "{acts}");
    let callgate = callgate.kill().start();
    let after = wait_state(&callgate, "ended");
    assert_eq!(after["compared"], ended["compared"]);
    let started = run(&callgate, &["trial", "start", "--why", "once more"]);
    assert!(started.status.success(), "{}", said(&started));
    let again = wait_state(&callgate, "running");
    assert_eq!(again["compared"], 0);
    let ended = run(&callgate, &["trial", "end", "--why", "enough"]);
    assert!(said(&ended).contains("ended"), "{}", said(&ended));
    let twice = run(&callgate, &["trial", "end", "--why", "enough"]);
    assert_eq!(twice.status.code(), Some(1), "{}", said(&twice));
}

#[test]
fn the_counts_of_one_that_runs_survive_a_crash() {
    let callgate = started(&blocks("old"), &blocks("new"), "share: 1");
    say(&callgate, "g1", "new");
    let before = wait_compared(&callgate, 1);
    let kept = callgate.setup().policies().join("../data/trial.json");
    wait_for("the counts on disk", PATIENCE, || {
        let kept = fs::read_to_string(&kept).ok()?;
        kept.contains("allow>block").then_some(())
    });
    let callgate = callgate.kill().start();
    let after = wait_state(&callgate, "running");
    assert_eq!(after["started_at"], before["started_at"]);
    assert_eq!(after["differences"], before["differences"]);
}

#[test]
fn a_broken_candidate_touches_nothing_and_is_tried_once_mended() {
    let setup = Setup::new(&with(
        &blocks("old"),
        "share: 0.5, mode: ruling, ends: {blocks: 1}",
    ));
    write_candidate(&setup, "hoks: {}\n");
    let callgate = setup.start();
    let broken = wait_state(&callgate, "broken");
    assert!(broken["problems"].to_string().contains("hoks"), "{broken}");
    assert_eq!(say(&callgate, "g1", "old").json()["nextCode"], 1);
    assert!(callgate.status()["policy"]["rejected"].is_null());
    write_candidate(callgate.setup(), &blocks("new"));
    let first = wait_state(&callgate, "running");
    // Of so many conversations some are the candidate's, and stay so.
    let blocked_there = || -> Vec<bool> {
        let blocks = |number| say(&callgate, &format!("g{number}"), "new").json()["nextCode"] == 1;
        (0..24).map(blocks).collect()
    };
    let theirs = blocked_there();
    assert!(theirs.contains(&true) && theirs.contains(&false));
    write_candidate(callgate.setup(), "hoks: {}\n");
    let still = wait_for("the problems of the edit", PATIENCE, || {
        let trial = trial(&callgate);
        trial["problems"]
            .to_string()
            .contains("hoks")
            .then_some(trial)
    });
    assert_eq!(
        (&still["state"], &still["candidate"]),
        (&json!("running"), &first["candidate"])
    );
    assert_eq!(blocked_there(), theirs);
    let refused = run(&callgate, &["trial", "promote"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
}

#[test]
fn a_promotion_writes_what_was_planned_as_a_new_version() {
    let policy = with(
        "lists: {l: {file: l.txt}, gone: {file: gone.txt}}\nhooks: {beforeSendGroupMsg: {}}\n",
        "share: 0.5, mode: ruling",
    );
    let setup = Setup::new(&policy);
    setup.write("l.txt", "old\n");
    setup.write("gone.txt", "gone\n");
    setup.write("notes.txt", "nobody's business\n");
    write_candidate(
        &setup,
        "lists: {l: {file: l.txt}}\nhooks: {beforeSendGroupMsg: {}}\n",
    );
    fs::write(candidate_directory(&setup).join("l.txt"), "old\nnew\n").unwrap();
    let callgate = setup.start();
    wait_state(&callgate, "running");
    wait_for("version 1 on disk", PATIENCE, || {
        (callgate.status()["versions"]["newest"] == 1).then_some(())
    });
    let planned = run(&callgate, &["trial", "promote"]);
    assert!(
        said(&planned).contains("l.txt: changed, 1 line(s) more"),
        "{}",
        said(&planned)
    );
    let done = run(&callgate, &["trial", "promote", "--yes", "--why", "calm"]);
    assert!(
        said(&done).contains("3 file(s) written; 2-"),
        "{}",
        said(&done)
    );
    let read = |name: &str| fs::read_to_string(callgate.setup().policies().join(name)).ok();
    assert_eq!(read("l.txt").as_deref(), Some("old\nnew\n"));
    assert_eq!(read("gone.txt"), None);
    assert!(read("notes.txt").is_some());
    for number in 0..20 {
        let answer = say(&callgate, &format!("g{number}"), "new");
        assert_eq!(answer.json()["nextCode"], 1);
        assert!(answer.header(VERSION).starts_with("2-"));
    }
    assert_eq!(trial(&callgate)["ended"]["by"], "promotion");
    let versions = run(&callgate, &["versions", "list", "--json"]);
    assert!(
        said(&versions).contains("promoted: calm"),
        "{}",
        said(&versions)
    );
}

#[test]
fn what_cannot_be_written_is_said_and_comes_as_a_patch() {
    let callgate = started(&blocks("old"), &blocks("old, new"), "share: 1");
    let policies = callgate.setup().policies();
    let before = fs::read(policies.join("policy.yaml")).unwrap();
    // A candidate that would be no policy there is refused, whoever may write.
    let keyed = "endpoints: {e: {url: 'http://127.0.0.1:9', sign: {secret_file: ./key}}}\nhooks: {beforeSendGroupMsg: {endpoint: e}}\n";
    fs::write(
        candidate_directory(callgate.setup()).join("key"),
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    .unwrap();
    let first = trial(&callgate)["candidate"].clone();
    write_candidate(callgate.setup(), keyed);
    wait_for("the other candidate", PATIENCE, || {
        (trial(&callgate)["candidate"] != first).then_some(())
    });
    let refused = run(&callgate, &["trial", "promote"]);
    assert!(said(&refused).contains("no policy"), "{}", said(&refused));
    assert_eq!(fs::read(policies.join("policy.yaml")).unwrap(), before);
    write_candidate(callgate.setup(), &blocks("old, new"));
    wait_for("the first candidate", PATIENCE, || {
        (trial(&callgate)["candidate"] == first).then_some(())
    });
    let patch = run(&callgate, &["trial", "promote", "--patch"]);
    assert!(
        said(&patch).contains("-lists: {l: {action: block, words: [old]}}"),
        "{}",
        said(&patch)
    );
    fs::set_permissions(&policies, fs::Permissions::from_mode(0o500)).unwrap();
    let planned = run(&callgate, &["trial", "promote"]);
    fs::set_permissions(&policies, fs::Permissions::from_mode(0o700)).unwrap();
    // Root may write everywhere.
    let may_write = said(&planned).contains("nothing was done");
    assert!(
        may_write || said(&planned).contains("--patch"),
        "{}",
        said(&planned)
    );
}

/// What a conversation saw: whether the candidate decided, call by call.
type SeenBy = BTreeMap<String, Vec<bool>>;

/// Has calls made in 40 conversations until `until`, one after the other in each.
fn say_until(callgate: &Callgate, until: &AtomicBool, threads: usize) -> SeenBy {
    thread::scope(|scope| {
        let speakers = (0..threads).map(|thread| {
            scope.spawn(move || {
                let mut seen = SeenBy::new();
                let mut connection = http::Connection::open(callgate.http);
                while !until.load(Ordering::Relaxed) {
                    for number in (thread..40).step_by(threads) {
                        let group = format!("group-{number}");
                        let body = group_body(&group, "hello");
                        let answer = connection.post(&calls::path(GROUP), body.as_bytes());
                        let version = answer.unwrap().header(VERSION).to_owned();
                        let by = seen.entry(group).or_default();
                        by.push(version.starts_with("candidate-"));
                    }
                }
                seen
            })
        });
        let speakers: Vec<_> = speakers.collect();
        let seen = speakers
            .into_iter()
            .flat_map(|speaker| speaker.join().unwrap());
        seen.collect()
    })
}

#[test]
fn as_the_share_grows_a_conversation_moves_once_and_never_back() {
    let policy = blocks("old");
    let callgate = started(&policy, &blocks("old, new"), "share: 0.05, mode: ruling");
    let is_over = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let speaking = scope.spawn(|| say_until(&callgate, &is_over, 2));
        for share in [0.1, 0.2, 0.4, 0.5] {
            let terms = format!("share: {share}, mode: ruling");
            callgate.setup().write("policy.yaml", with(&policy, &terms));
            wait_for("the share", PATIENCE, || {
                let trial = trial(&callgate);
                let is_so = trial["share"] == share && trial["state"] == "running";
                // Whoever was asked before that has been answered since.
                (is_so && trial["compared"].as_u64()? >= 20).then_some(())
            });
        }
        is_over.store(true, Ordering::Relaxed);
        speaking.join().unwrap()
    });
    let moves = |seen: &[bool]| seen.windows(2).filter(|two| two[0] != two[1]).count();
    for (group, seen) in &seen {
        let is_back = seen.windows(2).any(|two| two[0] && !two[1]);
        assert!(moves(seen) <= 1 && !is_back, "{group}: {seen:?}");
    }
    let moved = seen.values().filter(|seen| moves(seen) == 1).count();
    assert!((4..=30).contains(&moved), "{moved} moved");
    // As it shrinks they go back, each once.
    let of_candidate: BTreeSet<String> = at_last(&seen, true);
    let terms = "share: 0.05, mode: ruling";
    callgate.setup().write("policy.yaml", with(&policy, terms));
    wait_for("the share", PATIENCE, || {
        let trial = trial(&callgate);
        (trial["share"] == 0.05 && trial["state"] == "running").then_some(())
    });
    for group in seen.keys() {
        let answer = say(&callgate, group, "hello");
        let is_candidate = answer.header(VERSION).starts_with("candidate-");
        assert!(!is_candidate || of_candidate.contains(group), "{group}");
    }
}

fn at_last(seen: &SeenBy, by_candidate: bool) -> BTreeSet<String> {
    let last = seen
        .iter()
        .filter(|(_, seen)| seen.last() == Some(&by_candidate));
    last.map(|(group, _)| group.clone()).collect()
}

const LISTS: usize = 40;

/// A policy of many files, each of which a promotion writes.
fn many_lists() -> String {
    let list = |number| format!("l{number:02}: {{file: l{number:02}.txt, action: block}}");
    let lists: Vec<String> = (0..LISTS).map(list).collect();
    format!(
        "lists: {{{}}}\nhooks: {{{GROUP}: {{}}}}\n",
        lists.join(", ")
    )
}

#[test]
fn a_crash_in_the_midst_of_a_promotion_leaves_one_policy_and_it_is_whole() {
    let setup = Setup::new(&with(&many_lists(), "share: 0.5, mode: ruling"));
    write_candidate(&setup, &many_lists());
    for number in 0..LISTS {
        let name = format!("l{number:02}.txt");
        setup.write(&name, "old\n");
        fs::write(candidate_directory(&setup).join(name), "old\nnew\n").unwrap();
    }
    let mut callgate = setup.start();
    for killed_at in [0, LISTS / 2, LISTS - 1] {
        wait_state(&callgate, "running");
        let dry = json!({"dry_run": true}).to_string();
        let plan = http::post(callgate.admin, "/api/v1/trial/promote", dry).json();
        let order = json!({"plan": plan["plan"], "why": "calm"}).to_string();
        let mut head = http::head("POST", "/api/v1/trial/promote", Some(order.len()));
        head.extend_from_slice(order.as_bytes());
        let mut connection = http::Connection::open(callgate.admin);
        connection.write(&head).unwrap();
        let file = callgate
            .setup()
            .policies()
            .join(format!("l{killed_at:02}.txt"));
        wait_for("the file", PATIENCE, || {
            (fs::read(&file).unwrap() == b"old\nnew\n").then_some(())
        });
        callgate = callgate.kill().start();
        let read = |name: &str| fs::read_to_string(callgate.setup().policies().join(name)).unwrap();
        for number in 0..LISTS {
            assert_eq!(
                read(&format!("l{number:02}.txt")),
                "old\nnew\n",
                "{killed_at}"
            );
        }
        assert_eq!(read("policy.yaml"), many_lists());
        for number in 0..10 {
            let answer = say(&callgate, &format!("g{number}"), "new");
            assert_eq!(answer.json()["nextCode"], 1);
            assert!(!answer.header(VERSION).contains("candidate"));
        }
        let ended = wait_for("the end of the trial", PATIENCE, || {
            let trial = trial(&callgate);
            (trial["state"] != "running").then(|| trial["ended"].clone())
        });
        assert_eq!(ended["by"], "promotion", "{ended}");
        // Once more from the start.
        for number in 0..LISTS {
            callgate
                .setup()
                .write(&format!("l{number:02}.txt"), "old\n");
        }
        let policy = with(&many_lists(), "share: 0.5, mode: ruling");
        callgate.setup().write("policy.yaml", &policy);
    }
}

#[test]
fn what_a_candidate_makes_an_endpoint_fail_by_does_not_end_the_calls_of_the_others() {
    let business = Business::start(Behaviour::allow());
    let policy = |name: &str, more: &str| {
        format!(
            "endpoints: {{{name}: {{url: \"{}\", breaker: {{failures: 2}}{more}}}}}\nhooks: {{{GROUP}: {{endpoint: {name}, timeout: 2s}}}}\n",
            business.url()
        )
    };
    // Every answer is too large for the candidate.
    let callgate = started(
        &policy("b", ""),
        &policy("b", ", answer_bytes_max: 1"),
        "share: 0.5, mode: ruling, ends: {let_through: 1, blocks: 1, disagreement: 1}",
    );
    let mut failed = BTreeSet::new();
    for number in 0..60 {
        let body = group_body(&format!("g{number}"), "hello");
        let body = body.replace("user1", &format!("user{number}"));
        let answer = http::post(callgate.http, &calls::path(GROUP), body);
        let is_candidate = answer.header(VERSION).starts_with("candidate-");
        let failure = answer.header("x-callgate-failure").to_owned();
        assert!(is_candidate || failure.is_empty(), "{number}: {failure}");
        failed.insert(failure);
    }
    assert!(failed.contains("too_large"), "{failed:?}");
    // Each has its line where operators look, and the candidate's says so.
    let endpoints = http::get(callgate.admin, "/api/v1/endpoints").json();
    let lines = endpoints["items"].as_array().unwrap().iter();
    let lines: Vec<_> = lines
        .map(|one| (one["candidate"] == true, one["last_outcome"] == "answered"))
        .collect();
    assert_eq!(lines, [(false, true), (true, false)], "{endpoints}");
    for (language, mark) in [("en", "candidate"), ("zh", "候选策略")] {
        let head = format!(
            "GET /endpoints HTTP/1.1\r\nHost: localhost\r\nAccept-Language: {language}\r\n\r\n"
        );
        let page = http::send(callgate.admin, head.as_bytes());
        let marks = page.text().matches(&format!(">{mark}</span>")).count();
        assert_eq!(marks, 1, "{}", page.text());
    }
    let shown = run(&callgate, &["status"]);
    assert!(
        said(&shown).contains("in flight  (candidate)  "),
        "{}",
        said(&shown)
    );
}

#[test]
fn a_promotion_past_what_is_expected_writes_nothing_unless_it_is_forced() {
    let expect = "expect: {blocks: 0, calls_min: 5}\n";
    let policy = blocks("old") + expect;
    let setup = Setup::new(&with(&policy, "share: 1"));
    let setup = setup.engine("recordings.enabled", "true");
    let setup = setup.engine("recordings.share", "1");
    write_candidate(&setup, &(blocks("old, new") + expect));
    let callgate = setup.start();
    wait_state(&callgate, "running");
    for number in 0..8 {
        let text = ["hello", "new"][number % 2];
        say(&callgate, &format!("g{number}"), text);
    }
    let file = callgate.setup().policies().join("policy.yaml");
    let before = fs::read(&file).unwrap();
    let promote = ["trial", "promote", "--yes", "--why", "calm"];
    let refused = run(&callgate, &promote);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let figures = "4 of 8 recorded calls would be newly blocked";
    assert!(said(&refused).contains(figures), "{}", said(&refused));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert_eq!(trial(&callgate)["state"], "running");
    let forced = run(&callgate, &[&promote[..], &["--force"]].concat());
    assert!(forced.status.success(), "{}", said(&forced));
    assert_eq!(say(&callgate, "g1", "new").json()["nextCode"], 1);
    let acts = callgate
        .setup()
        .run(&["audit", "list", "--act", "policy.force"]);
    assert!(said(&acts).contains("calm"), "{}", said(&acts));
}
