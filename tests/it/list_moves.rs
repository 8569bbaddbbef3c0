//! Entries that go from one list to another: whole, in one version, and in one of both at any moment.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::calls::{self, SINGLE};
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, Grpc, PATIENCE, Setup, wait_for};

const POLICY: &str = "lists:\n  a: {file: a.txt, code: 20001}\n  b: {file: b.txt, code: 20002}\n  \
                      inline: {words: [here]}\n  \
                      mixed: {file: mixed.txt, words: [Inside], action: flag}\n\
                      hooks: {beforeSendSingleMsg: {}}\n";

fn setup(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> Setup {
    let setup = Setup::new(POLICY);
    setup.write("a.txt", a);
    setup.write("b.txt", b);
    setup.write("mixed.txt", "outside\n");
    setup
}

fn started(setup: Setup) -> (Callgate, String) {
    let callgate = setup.start();
    let token = token_of(&callgate);
    (callgate, token)
}

fn token_of(callgate: &Callgate) -> String {
    let file = callgate.setup().policies().join("../data/cli.token");
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn start(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> (Callgate, String) {
    started(setup(a, b))
}

fn post(callgate: &Callgate, token: &str, path: &str, tag: &str, body: &Value) -> Answer {
    let asked = format!("POST /api/v1/lists/{path}");
    let line = match tag {
        "" => String::new(),
        tag => format!("If-Match: {tag}\r\n"),
    };
    call(callgate, token, &asked, &line, &body.to_string())
}

fn moved(callgate: &Callgate, token: &str, from: &str, to: &str, entries: &[&str]) -> Answer {
    let body = json!({ "entries": entries, "to": to, "why": "a test" });
    post(callgate, token, &format!("{from}/move"), "*", &body)
}

fn content(callgate: &Callgate, file: &str) -> String {
    read(&callgate.setup().policies(), file)
}

fn read(policies: &Path, file: &str) -> String {
    String::from_utf8(fs::read(policies.join(file)).unwrap()).unwrap()
}

fn both(callgate: &Callgate) -> [String; 2] {
    ["a.txt", "b.txt"].map(|file| content(callgate, file))
}

fn audit(callgate: &Callgate, act: &str) -> Vec<Value> {
    let args = ["audit", "list", "--json", "--act", act];
    let listed = callgate.setup().run(&args);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let lines = listed.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

fn run(callgate: &Callgate, args: &[&str]) -> String {
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let output = callgate
        .setup()
        .run(&[args, &["--server", &server]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn number_in_force(callgate: &Callgate) -> u64 {
    callgate.status()["policy"]["number"].as_u64().unwrap()
}

/// Code and list of what a message is blocked by.
fn blocked_by(grpc: &Grpc, text: &str) -> (i32, Vec<String>) {
    let answer = grpc.before(calls::request(SINGLE, text));
    let lists = answer.matches.iter().map(|found| found.list.clone());
    (answer.err_code, lists.collect())
}

#[test]
fn lines_go_as_they_are_written_in_one_version_and_come_back_by_a_rollback() {
    let a = "\u{feff}# Ads\r\n\tword \t a, b\t{leet: true} \r\n\r\n# Other\n\\#x\nz";
    let b = "# theirs\nelse\tq\r\nlast";
    let (callgate, token) = start(a, b);
    let before = number_in_force(&callgate);
    let grpc = Grpc::connect(callgate.grpc);
    assert_eq!(blocked_by(&grpc, "a w0rd"), (20001, vec!["a".to_owned()]));
    let answer = moved(&callgate, &token, "A", "B", &["#x", "WORD", "word"]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let saved = answer.json();
    assert_eq!(
        (&saved["added"], &saved["removed"], &saved["moved"]),
        (
            &json!(2),
            &json!(2),
            &json!({ "to": "b", "listed": 0, "listed_entries": [] })
        )
    );
    let expected = [
        "\u{feff}# Ads\r\n\r\n# Other\nz",
        "# theirs\nelse\tq\r\nlast\n\\#x\n\tword \t a, b\t{leet: true} ",
    ];
    assert_eq!(both(&callgate), expected);
    assert_eq!(blocked_by(&grpc, "a w0rd"), (20002, vec!["b".to_owned()]));
    // Its tag is that of the list that was edited.
    let shown = get(&callgate, &token, "/api/v1/lists/a");
    assert_eq!(answer.header("etag"), shown.header("etag"));
    // One version has both files, and one record both lists.
    let number = before + 1;
    assert!(
        saved["version"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{number}-")),
        "{saved}"
    );
    wait_for("the version on disk", PATIENCE, || {
        (callgate.status()["versions"]["newest"] == number).then_some(())
    });
    let diff = run(&callgate, &["versions", "diff", &number.to_string()]);
    assert!(diff.contains("a.txt") && diff.contains("b.txt"), "{diff}");
    let records = audit(&callgate, "list");
    let acts: Vec<_> = records
        .iter()
        .map(|record| (&record["act"], &record["target"]))
        .collect();
    assert!(
        acts.iter()
            .all(|act| *act == (&json!("list.move"), &json!("list a to list b"))),
        "{records:?}"
    );
    let first = &records[0];
    assert_eq!(
        (
            &first["why"],
            &first["details"]["to"],
            &first["counts"]["moved"]
        ),
        (&json!("a test"), &json!("b"), &json!(2)),
        "{first}"
    );
    let back = [
        "versions",
        "rollback",
        &before.to_string(),
        "--yes",
        "--why",
        "back",
    ];
    run(&callgate, &back);
    assert_eq!(both(&callgate), [a, b]);
    assert_eq!(blocked_by(&grpc, "a w0rd"), (20001, vec!["a".to_owned()]));
}

#[test]
fn what_is_there_already_stays_as_it_is_and_the_preview_says_what_is_otherwise() {
    let policy = "lists:\n  a: {file: a.txt, tag_actions: {soft: flag}}\n  \
                  b: {file: b.txt, action: replace}\n\
                  hooks:\n  beforeSendSingleMsg: {}\n  beforeSendGroupMsg: {filters: [a]}\n";
    let setup = Setup::new(policy);
    setup.write("a.txt", "Cat\tx\ndog\nemu\tsoft\nfox\ttrial\n");
    setup.write("b.txt", "cat\ttheirs\ngnu\n");
    let (callgate, token) = started(setup);
    let entries = json!(["cat", "DOG", "emu", "fox"]);
    let body =
        json!({ "entries": entries, "to": "b", "texts": ["a dog", "an emu", "a fox", "a cow"] });
    let preview = post(&callgate, &token, "a/preview", "", &body);
    assert_eq!(preview.status, 200, "{preview:?}");
    let preview = preview.json();
    let expected = json!({
        "to": "b", "file": "b.txt", "read_only": null,
        "listed": 1, "listed_entries": ["Cat"],
        "actions": [
            { "from": "block", "to": "replace", "entries": 2 },
            { "from": "flag", "to": "replace", "entries": 1 },
            { "from": "shadow", "to": "shadow", "entries": 1 },
        ],
        "hooks_left": ["beforeSendGroupMsg"], "hooks_new": [], "other_options": false,
    });
    assert_eq!(preview["moved"], expected, "{preview}");
    // A dog is masked where it was blocked, and passes in the other hook; each text counts once.
    let given = &preview["given"];
    assert_eq!(
        (
            &given["texts"],
            &given["freed"],
            &given["masked"],
            &given["blocked"]
        ),
        (&json!(4), &json!(1), &json!(1), &json!(0)),
        "{given}"
    );
    let patch = preview["patch"].as_str().unwrap();
    for line in [
        "--- a/a.txt",
        "+++ b/b.txt",
        "-Cat\tx",
        "+dog",
        "+fox\ttrial",
    ] {
        assert!(patch.contains(line), "{line}: {patch}");
    }
    assert!(!patch.contains("+Cat"), "{patch}");
    let answer = moved(&callgate, &token, "a", "b", &["cat", "DOG", "emu", "fox"]);
    let saved = answer.json();
    assert_eq!(
        saved["moved"]["listed_entries"],
        json!(["Cat"]),
        "{answer:?}"
    );
    assert_eq!((&saved["added"], &saved["removed"]), (&json!(3), &json!(4)));
    assert_eq!(
        both(&callgate),
        ["", "cat\ttheirs\ngnu\ndog\nemu\tsoft\nfox\ttrial\n"]
    );
    // A list that is empty now is in force, and nothing holds it up.
    let reloaded = run(&callgate, &["reload"]);
    assert!(!reloaded.contains("rejected"), "{reloaded}");
    let status = callgate.status();
    assert!(status["policy"]["rejected"].is_null(), "{status}");
    assert_eq!(
        get(&callgate, &token, "/api/v1/lists/a").json()["in_force"],
        true
    );
}

#[test]
fn what_cannot_be_moved_refuses_all_of_it_and_is_named() {
    let (callgate, token) = start("one\ntwo\n", "three\n");
    let policies = callgate.setup().policies();
    // Another list in the same file, by its name and by a link.
    fs::write(policies.join("linked.txt"), "linked\n").unwrap();
    std::os::unix::fs::symlink("linked.txt", policies.join("link.txt")).unwrap();
    fs::hard_link(policies.join("linked.txt"), policies.join("hard.txt")).unwrap();
    let more = "  c: {file: a.txt, action: flag}\n  x: {file: linked.txt}\n  \
                y: {file: link.txt, action: flag}\n  z: {file: hard.txt, action: flag}\nhooks:";
    let policy = POLICY.replace("hooks:", more);
    callgate.setup().write("policy.yaml", policy);
    run(&callgate, &["reload"]);
    let check = |from: &str, to: &str, entries: &[&str], expected: (u16, &str), said: &str| {
        let answer = moved(&callgate, &token, from, to, entries);
        assert_eq!(
            problem(&answer),
            (expected.0, expected.1.to_owned()),
            "{answer:?}"
        );
        assert!(answer.text().contains(said), "{said}: {answer:?}");
    };
    check(
        "a",
        "b",
        &["one", "none"],
        (422, "wrong_edits"),
        "`none` is not in the list",
    );
    check(
        "a",
        "b",
        &["three"],
        (422, "wrong_edits"),
        "`three` is not in the list, and is in `b`",
    );
    check("a", "A", &["one"], (409, "conflict"), "name another list");
    check("a", "bb", &["one"], (404, "not_found"), "did you mean `b`?");
    check("aa", "b", &["one"], (404, "not_found"), "`aa`");
    check(
        "a",
        "inline",
        &["one"],
        (409, "conflict"),
        "stand in policy.yaml",
    );
    check(
        "inline",
        "a",
        &["here"],
        (409, "conflict"),
        "stand in policy.yaml",
    );
    check("a", "c", &["one"], (409, "conflict"), "one file, `a.txt`");
    check(
        "x",
        "y",
        &["linked"],
        (409, "conflict"),
        "one file, `link.txt`",
    );
    check(
        "x",
        "z",
        &["linked"],
        (409, "conflict"),
        "one file, `hard.txt`",
    );
    check(
        "mixed",
        "b",
        &["inside"],
        (422, "wrong_edits"),
        "`inside` stands in policy.yaml, and not in `mixed.txt`",
    );
    check("a", "b", &[], (400, "invalid"), "`entries` is empty");
    check("a", "", &["one"], (400, "invalid"), "`to` is empty");
    let many: Vec<String> = (0..21).map(|number| format!("w{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(
        "a",
        "b",
        &many,
        (409, "plan_needed"),
        "POST /api/v1/lists/NAME/plans",
    );
    let silent = json!({ "entries": ["one"], "to": "b", "why": " " });
    let silent = post(&callgate, &token, "a/move", "*", &silent);
    assert_eq!(problem(&silent), (400, "invalid".to_owned()));
    let body = json!({ "entries": ["one"], "to": "b", "why": "x" });
    let bare = post(&callgate, &token, "a/move", "", &body);
    assert_eq!(problem(&bare), (428, "if_match_required".to_owned()));
    let mut mixture = body.clone();
    mixture["ops"] = json!([]);
    assert_eq!(post(&callgate, &token, "a/move", "*", &mixture).status, 400);
    mixture["texts"] = json!([]);
    mixture.as_object_mut().unwrap().remove("why");
    assert_eq!(
        post(&callgate, &token, "a/preview", "*", &mixture).status,
        400
    );
    // In the file and in policy.yaml too: it would not leave the list.
    callgate.setup().write("mixed.txt", "INSIDE\n");
    run(&callgate, &["reload"]);
    check(
        "mixed",
        "b",
        &["inside"],
        (422, "wrong_edits"),
        "stands in policy.yaml too, and would stay in `mixed`",
    );
    // What stands in policy.yaml is in the list that it goes to.
    callgate.setup().write("a.txt", "one\ntwo\ninside\n");
    run(&callgate, &["reload"]);
    let answer = moved(&callgate, &token, "a", "mixed", &["inside"]);
    assert_eq!(answer.json()["moved"]["listed"], 1, "{answer:?}");
    assert_eq!(both(&callgate), ["one\ntwo\n", "three\n"]);
    assert_eq!(content(&callgate, "mixed.txt"), "INSIDE\n");
    assert_eq!(content(&callgate, "linked.txt"), "linked\n");
    // A broken file of either is named.
    fs::write(policies.join("b.txt"), b"three\n\xff\n").unwrap();
    let broken = moved(&callgate, &token, "a", "b", &["one"]);
    assert_eq!(problem(&broken), (423, "broken_file".to_owned()));
    assert!(broken.text().contains("b.txt"), "{broken:?}");
    assert_eq!(content(&callgate, "a.txt"), "one\ntwo\n");
}

#[test]
fn a_stale_move_is_merged_by_entry_and_shows_what_others_did_to_its_own() {
    let (callgate, token) = start("one\ntwo\nthree\nfour\n", "else\n");
    let tag = get(&callgate, &token, "/api/v1/lists/a")
        .header("etag")
        .to_owned();
    // By hand, while the draft is open: one set, one removed, one more; and something in the other.
    callgate
        .setup()
        .write("a.txt", "new\none\ttheirs\nthree\nfour\n");
    callgate.setup().write("b.txt", "else\nmore\n");
    let ask = |entries: &[&str]| {
        let body = json!({ "entries": entries, "to": "b", "why": "a test" });
        post(&callgate, &token, "a/move", &tag, &body)
    };
    let conflict = ask(&["one", "three"]);
    assert_eq!(problem(&conflict), (412, "conflict".to_owned()));
    let conflicts = &conflict.json()["params"]["conflicts"];
    assert_eq!(
        (
            &conflicts[0]["entry"],
            &conflicts[0]["theirs"][0]["tags"],
            &conflicts[0]["mine"]
        ),
        (&json!("one"), &json!(["theirs"]), &json!([])),
        "{conflicts}"
    );
    let gone = ask(&["two", "three"]);
    assert_eq!(problem(&gone), (422, "wrong_edits".to_owned()));
    assert!(
        gone.text().contains("`two` is not in the list any more"),
        "{gone:?}"
    );
    let merged = ask(&["three", "four"]);
    assert_eq!(merged.json()["merged"], true, "{merged:?}");
    assert_eq!(
        both(&callgate),
        ["new\none\ttheirs\n", "else\nmore\nthree\nfour\n"]
    );
    let unknown = format!("\"{}\"", "0".repeat(64));
    let body = json!({ "entries": ["one"], "to": "b", "why": "x" });
    let stale = post(&callgate, &token, "a/move", &unknown, &body);
    assert_eq!(problem(&stale), (412, "stale".to_owned()));
}

#[test]
fn at_no_moment_an_entry_is_in_neither_list() {
    const ROUNDS: usize = 24;
    let entries: Vec<String> = (0..20).map(|number| format!("moving{number}x")).collect();
    let list = format!("# a\r\n{}", entries.join("\r\n"));
    let (callgate, token) = start(&list, "# b\nstays\n");
    let policies = callgate.setup().policies();
    let files = ["a.txt", "b.txt"];
    let (done, round) = (AtomicBool::new(false), AtomicUsize::new(0));
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (callgate, entries) = (&callgate, &entries);
            let (done, asked) = (&done, &asked);
            scope.spawn(move || {
                let grpc = Grpc::connect(callgate.grpc);
                let mut at = thread;
                while !done.load(Ordering::Relaxed) {
                    let text = format!("see {} now", entries[at % entries.len()]);
                    let (code, lists) = blocked_by(&grpc, &text);
                    // One reload takes both files: it is in one, and never in both either.
                    assert_eq!(lists.len(), 1, "{text}: {code} {lists:?}");
                    assert_eq!(code, if lists == ["a"] { 20001 } else { 20002 });
                    asked.fetch_add(1, Ordering::Relaxed);
                    at += 1;
                }
            });
        }
        let (done, round) = (&done, &round);
        let (policies, entries) = (&policies, &entries);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let now = round.load(Ordering::SeqCst);
                let (from, to) = (files[now % 2], files[(now + 1) % 2]);
                let lines = |file: &str| {
                    let content = read(policies, file);
                    entries
                        .iter()
                        .map(|entry| content.contains(entry.as_str()))
                        .collect::<Vec<_>>()
                };
                // Gone from the first it must be in the second by then.
                let (first, second) = (lines(from), lines(to));
                if round.load(Ordering::SeqCst) == now {
                    let lost: Vec<_> = (0..entries.len())
                        .filter(|at| !first[*at] && !second[*at])
                        .collect();
                    assert!(lost.is_empty(), "round {now}: {lost:?} are in neither file");
                }
            }
        });
        let names: Vec<&str> = entries.iter().map(String::as_str).collect();
        let moving = scope.spawn({
            let (callgate, token) = (&callgate, &token);
            move || {
                for number in 0..ROUNDS {
                    let lists = ["a", "b"];
                    let (from, to) = (lists[number % 2], lists[(number + 1) % 2]);
                    let answer = moved(callgate, token, from, to, &names);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.json()["added"], 20);
                    round.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let moving = moving.join();
        done.store(true, Ordering::Relaxed);
        moving.unwrap();
    });
    assert!(asked.load(Ordering::Relaxed) > ROUNDS);
    assert_eq!(number_in_force(&callgate), 1 + ROUNDS as u64);
    let [a, b] = both(&callgate);
    assert_eq!(a.lines().count(), 21, "{a}");
    assert_eq!(b, "# b\nstays\n");
}

#[test]
fn a_crash_between_both_files_leaves_entries_in_both_and_doing_it_again_mends_it() {
    // As the crash leaves it: the first file is written, the second is not.
    let (callgate, token) = start("one\tx\ntwo\n", "else\none\tx\n");
    let grpc = Grpc::connect(callgate.grpc);
    let (code, lists) = blocked_by(&grpc, "one");
    assert_eq!((code, lists.len()), (20001, 2));
    let again = moved(&callgate, &token, "a", "b", &["one"]);
    assert_eq!(
        again.json()["moved"]["listed_entries"],
        json!(["one"]),
        "{again:?}"
    );
    assert_eq!(both(&callgate), ["two\n", "else\none\tx\n"]);
    assert_eq!(blocked_by(&grpc, "one"), (20002, vec!["b".to_owned()]));
}

#[test]
fn a_program_that_is_killed_while_it_moves_loses_no_entry() {
    let entries: Vec<String> = (0..20).map(|number| format!("moving{number}x")).collect();
    let (mut callgate, mut token) = start(entries.join("\n") + "\n", "stays\n");
    let names: Vec<&str> = entries.iter().map(String::as_str).collect();
    for crash in 0..4 {
        let (address, port) = (callgate.admin, callgate.admin.port());
        let before = number_in_force(&callgate);
        let body = |to: &str| json!({ "entries": names, "to": to, "why": "a test" }).to_string();
        let ask = |from: &str, to: &str| {
            let body = body(to);
            let head = format!(
                "POST /api/v1/lists/{from}/move HTTP/1.1\r\nHost: localhost:{port}\r\n\
                 Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 If-Match: *\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut connection = http::Connection::try_open(address)?;
            connection.exchange(head.as_bytes()).ok()
        };
        let setup = std::thread::scope(|scope| {
            let moving = scope.spawn(|| {
                let mut done = 0;
                // Until nobody answers any more.
                while ask("a", "b").is_some() && ask("b", "a").is_some() {
                    done += 1;
                }
                done
            });
            wait_for("some moves", 6 * PATIENCE, || {
                (number_in_force(&callgate) > before + 1 + crash).then_some(())
            });
            let setup = callgate.kill();
            moving.join().unwrap();
            setup
        });
        let [a, b] = ["a.txt", "b.txt"].map(|file| read(&setup.policies(), file));
        for entry in &entries {
            let lines = |list: &str| list.lines().filter(|line| line == entry).count();
            assert!(
                lines(&a) + lines(&b) >= 1,
                "{entry} is in neither:\n{a}\n{b}"
            );
            assert!(lines(&a) <= 1 && lines(&b) <= 1, "{entry}:\n{a}\n{b}");
        }
        (callgate, token) = started(setup);
        // Again, wherever it stood: then all are in one list.
        let [a, _] = both(&callgate);
        let left: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| a.contains(name))
            .collect();
        if !left.is_empty() {
            let answer = moved(&callgate, &token, "a", "b", &left);
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let answer = moved(&callgate, &token, "b", "a", &names);
        assert_eq!(answer.json()["added"], 20, "{answer:?}");
        assert_eq!(content(&callgate, "b.txt"), "stays\n");
    }
}

#[test]
fn whoever_moves_entries_may_change_both_lists() {
    let policy = POLICY.replace(
        "  inline:",
        "  c: {file: c.txt}\n  d: {file: c.txt, action: flag}\n  inline:",
    );
    let setup = Setup::new(&policy);
    for (file, list) in [
        ("a.txt", "one\n"),
        ("b.txt", "two\n"),
        ("c.txt", "three\n"),
        ("mixed.txt", "x\n"),
    ] {
        setup.write(file, list);
    }
    let (callgate, token) = started(setup.engine("admin.listen", "0.0.0.0:0"));
    let limited = |lists: &[&str]| {
        let body = json!({ "name": "ci", "role": "moderator", "lists": lists }).to_string();
        let made = call(&callgate, &token, "POST /api/v1/tokens", "", &body);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let body = |to: &str| json!({ "entries": ["one"], "to": to, "why": "x" });
    let only = limited(&["a", "c"]);
    for (path, mut body, said) in [
        ("a/move", body("b"), "not `b`"),
        ("b/move", body("a"), "not `b`"),
        ("a/move", body("C"), "not `d`"),
        ("a/preview", body("b"), "not `b`"),
        ("a/plans", body("b"), "not `b`"),
    ] {
        match path {
            "a/preview" => drop(body.as_object_mut().unwrap().remove("why")),
            "a/plans" => {
                body.as_object_mut().unwrap().remove("why");
                body["act"] = "move".into();
            }
            _ => {}
        }
        let refused = post(&callgate, &only, path, "*", &body);
        assert_eq!(
            problem(&refused),
            (403, "forbidden".to_owned()),
            "{path}: {refused:?}"
        );
        assert!(refused.text().contains(said), "{path}: {refused:?}");
    }
    wait_for("the refusals on record", PATIENCE, || {
        let records = audit(&callgate, "list.move");
        let refused = records.iter().filter(|record| {
            record["result"] == "refused" && record["target"] == "list a to list b"
        });
        (refused.count() == 1).then_some(())
    });
    // A page asks the same.
    let page = |token: &str| {
        let head = format!(
            "GET /lists/a/draft?move=one&into=b HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        http::send(callgate.admin, head.as_bytes())
    };
    assert_eq!(page(&only).status, 403);
    assert_eq!(both(&callgate), ["one\n", "two\n"]);
    // It takes an operator to go past what the policy expects.
    let both_lists = limited(&["a", "b"]);
    let mut forced = body("b");
    forced["force"] = true.into();
    assert_eq!(
        post(&callgate, &both_lists, "a/move", "*", &forced).status,
        403
    );
    assert_eq!(page(&both_lists).status, 200);
    let done = post(&callgate, &both_lists, "a/move", "*", &body("b"));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(both(&callgate), ["", "two\none\n"]);
}

#[test]
fn a_file_that_cannot_be_written_leaves_both_and_offers_a_patch_of_both() {
    for outside in ["a.txt", "b.txt"] {
        let setup = setup("one\r\ntwo\r\n", "three\n");
        let real = setup.policies().join("../elsewhere.txt");
        let link = setup.policies().join(outside);
        fs::rename(&link, &real).unwrap();
        std::os::unix::fs::symlink("../elsewhere.txt", &link).unwrap();
        let (callgate, token) = started(setup);
        let refused = moved(&callgate, &token, "a", "b", &["one"]);
        assert_eq!(
            problem(&refused),
            (409, "read_only".to_owned()),
            "{refused:?}"
        );
        assert_eq!(both(&callgate), ["one\r\ntwo\r\n", "three\n"], "{outside}");
        let patch = refused.json()["params"]["patch"]
            .as_str()
            .unwrap()
            .to_owned();
        // Where the files come from, it makes the whole move.
        let origin = callgate.setup().policies().join("../origin");
        fs::create_dir(&origin).unwrap();
        for file in ["a.txt", "b.txt"] {
            fs::write(origin.join(file), content(&callgate, file)).unwrap();
        }
        fs::write(origin.join("move.patch"), &patch).unwrap();
        let applied = Command::new("git")
            .args(["apply", "move.patch"])
            .current_dir(&origin)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(applied.status.success(), "{applied:?}\n{patch}");
        assert_eq!(
            ["a.txt", "b.txt"].map(|file| read(&origin, file)),
            ["two\r\n", "three\none\n"]
        );
        // The page offers the same.
        let head = format!(
            "GET /lists/a/draft?move=one&into=b HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let page = http::send(callgate.admin, head.as_bytes());
        let text = page.text();
        assert!(
            text.contains("/lists/a/draft/patch?move=one") && !text.contains("/lists/a/save"),
            "{text}"
        );
        let head = head.replace("draft?", "draft/patch?");
        assert_eq!(http::send(callgate.admin, head.as_bytes()).text(), patch);
    }
}

#[test]
fn many_are_planned_by_every_door_and_over_a_hundred_named() {
    let entries: Vec<String> = (0..120).map(|number| format!("w{number}x")).collect();
    let (callgate, token) = start(entries.join("\n") + "\nrest\n", "w3x\n");
    let first: Vec<&str> = entries[..25].iter().map(String::as_str).collect();
    let order = |more: &[&str]| {
        let args = [
            &["lists", "move", "a", "b", "--why", "many"],
            more,
            &first[..],
        ]
        .concat();
        run(&callgate, &args)
    };
    let said = order(&[]);
    assert!(
        said.starts_with("list `a`: 25 moved to list `b`, which has 1 already; 0.00 % of messages")
            && said.contains("nothing was done"),
        "{said}"
    );
    assert_eq!(content(&callgate, "b.txt"), "w3x\n");
    let said = order(&["--yes"]);
    assert!(
        said.contains(": 25 moved to b, which had 1 already"),
        "{said}"
    );
    assert_eq!(content(&callgate, "b.txt").lines().count(), 25);
    let ended = audit(&callgate, "list.move");
    assert!(ended[0]["details"]["plan"].is_string(), "{ended:?}");
    // A few are moved at once, and what that would change is said before.
    let seen = run(
        &callgate,
        &["lists", "preview", "a", "w30x", "--move-to", "b"],
    );
    assert!(seen.starts_with("1: block here, block there\n"), "{seen}");
    let said = run(
        &callgate,
        &["lists", "move", "a", "b", "w30x", "--why", "one"],
    );
    assert!(
        said.contains(": 1 moved to b, which had 0 already"),
        "{said}"
    );

    let rest: Vec<&str> = content(&callgate, "a.txt")
        .leak()
        .lines()
        .filter(|line| *line != "rest")
        .collect();
    assert_eq!(rest.len(), 94);
    let back = [&rest[..], &first[..7]].concat();
    let plan = |entries: &[&str], from: &str, to: &str| {
        let body = json!({ "act": "move", "entries": entries, "to": to });
        let made = post(&callgate, &token, &format!("{from}/plans"), "*", &body);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    };
    let run_plan = |plan: &Value, body: Value| {
        let asked = format!("POST /api/v1/plans/{}/run", plan["id"].as_str().unwrap());
        call(&callgate, &token, &asked, "", &body.to_string())
    };
    let all = plan(&first[..24], "b", "a");
    // Another took one of them out meanwhile: nothing of it is done.
    let body = json!({ "ops": [{ "op": "remove", "entry": "w7x" }], "why": "x" }).to_string();
    let theirs = call(
        &callgate,
        &token,
        "PATCH /api/v1/lists/b",
        "If-Match: *\r\n",
        &body,
    );
    assert_eq!(theirs.status, 200, "{theirs:?}");
    let before = both(&callgate);
    let refused = run_plan(&all, json!({ "why": "x" }));
    assert!(
        refused.text().contains("`w7x` is not in the list any more"),
        "{refused:?}"
    );
    assert_eq!(both(&callgate), before);
    let missing = json!({ "act": "move", "entries": back, "to": "b" });
    let missing = post(&callgate, &token, "a/plans", "*", &missing);
    assert_eq!(problem(&missing), (422, "wrong_edits".to_owned()));
    // Over a hundred.
    let more: Vec<String> = (0..110).map(|number| format!("more{number}x")).collect();
    callgate.setup().write("a.txt", more.join("\n") + "\n");
    run(&callgate, &["reload"]);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let many = plan(&more, "A", "B");
    assert_eq!(
        (&many["confirm"], &many["rows"]),
        (&json!("a"), &json!(110))
    );
    assert_eq!(many["facts"]["moved"]["to"], "b");
    let nameless = run_plan(&many, json!({ "why": "x" }));
    assert_eq!(problem(&nameless), (400, "name_missing".to_owned()));
    let ran = run_plan(&many, json!({ "why": "x", "name": "a" }));
    assert!(matches!(ran.status, 200 | 202), "{ran:?}");
    wait_for("the plan", PATIENCE, || {
        (content(&callgate, "a.txt").is_empty()).then_some(())
    });
}

#[test]
fn a_move_is_held_to_what_the_policy_expects_of_a_change() {
    let policy = "lists:\n  soft: {file: a.txt, action: flag}\n  ads: {file: b.txt}\n\
                  hooks: {beforeSendSingleMsg: {}}\nexpect: {blocks: 0, calls_min: 5}\n";
    let setup = Setup::new(policy).engine("recordings.enabled", "true");
    setup.write("a.txt", "的\nemu\n");
    setup.write("b.txt", "casino\n");
    let (callgate, token) = started(setup.engine("recordings.share", "1"));
    for number in 0..10 {
        let body = calls::body_with_id(SINGLE, "我的电话", &format!("m{number}"));
        assert_eq!(
            http::post(callgate.http, &calls::path(SINGLE), body).status,
            200
        );
    }
    let refused = wait_for("recorded calls", PATIENCE, || {
        let body = json!({ "list": "soft", "entries": ["的"], "to": "ads" }).to_string();
        let judged = call(
            &callgate,
            &token,
            "POST /api/v1/recordings/replay",
            "",
            &body,
        );
        assert_eq!(judged.status, 200, "{judged:?}");
        judged.json()["refused"].as_bool().unwrap().then_some(())?;
        Some(moved(&callgate, &token, "soft", "ads", &["的"]))
    });
    assert_eq!(problem(&refused), (422, "invalid_policy".to_owned()));
    assert!(refused.text().contains("expect.blocks"), "{refused:?}");
    assert_eq!(both(&callgate), ["的\nemu\n", "casino\n"]);
    assert_eq!(
        moved(&callgate, &token, "soft", "ads", &["emu"]).status,
        200
    );
    let body = json!({ "entries": ["的"], "to": "ads", "why": "the new law", "force": true });
    let forced = post(&callgate, &token, "soft/move", "*", &body);
    assert_eq!(forced.status, 200, "{forced:?}");
    assert_eq!(both(&callgate), ["", "casino\nemu\n的\n"]);
    let records = audit(&callgate, "policy.force");
    assert_eq!(records[0]["target"], "list soft to list ads", "{records:?}");
}

#[test]
fn a_page_moves_what_is_ticked_without_a_script() {
    let (callgate, token) = start("one\n<b>two\n", "else\n");
    let page = |asked: &str, body: &str, language: &str| {
        let head = format!(
            "{asked} HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\nAccept: text/html\r\n\
             Accept-Language: {language}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http::send(callgate.admin, head.as_bytes())
    };
    let shown = page("GET /lists/a", "", "en");
    let text = shown.text();
    for part in [
        "<form id=\"moving\" method=\"get\" action=\"/lists/a/draft\">",
        "name=\"move\" value=\"one\" form=\"moving\"",
        "name=\"move\" value=\"&lt;b&gt;two\"",
        "<option value=\"b\"",
        "<option value=\"mixed\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("<option value=\"a\"") && !text.contains("<option value=\"inline\""),
        "{text}"
    );
    // Nothing ticked is nothing to change.
    let empty = page("GET /lists/a/draft?into=b", "", "en");
    assert!(
        empty.text().contains("There is nothing to change"),
        "{empty:?}"
    );
    let draft = "move=one&move=%3Cb%3Etwo&into=b";
    let chinese = page(&format!("GET /lists/a/draft?{draft}"), "", "zh");
    assert!(chinese.text().contains("移到哪里"), "{chinese:?}");
    let seen = page(&format!("GET /lists/a/draft?{draft}"), "", "en");
    let text = seen.text();
    assert!(
        text.contains("Where they go") && text.contains("action=\"/lists/a/save\""),
        "{text}"
    );
    // What is moved is no trial, which would take it out of force.
    assert!(!text.contains("value=\"trial\""), "{text}");
    let brought = draft
        .replace('%', "%25")
        .replace('=', "%3D")
        .replace('&', "%26");
    let silent = page(
        "POST /lists/a/save",
        &format!("draft={brought}&how=save"),
        "en",
    );
    assert_eq!(silent.status, 422, "{silent:?}");
    let saved = page(
        "POST /lists/a/save",
        &format!("draft={brought}&how=save&why=x"),
        "en",
    );
    assert_eq!(saved.status, 303, "{saved:?}");
    assert_eq!(both(&callgate), ["", "else\none\n<b>two\n"]);
    // Two who move the same: the second is told where it is.
    let again = page(&format!("GET /lists/a/draft?{draft}"), "", "en");
    assert!(
        again.text().contains("is not in the list, and is in"),
        "{again:?}"
    );
}
