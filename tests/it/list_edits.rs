//! Word lists edited over the API of a real server, by several at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::http::Answer;
use crate::harness::{Callgate, Grpc, Setup, calls};

const POLICY: &str = "lists:\n  l: {file: l.txt}\n  m: {file: m.txt}\n\
                      hooks: {beforeSendSingleMsg: {}}\n";

fn start(list: &[u8]) -> (Callgate, String) {
    let setup = Setup::new(POLICY);
    setup.write("l.txt", list);
    setup.write("m.txt", "other\n");
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

fn edit(callgate: &Callgate, token: &str, tag: &str, ops: Value) -> Answer {
    let line = match tag {
        "" => String::new(),
        tag => format!("If-Match: {tag}\r\n"),
    };
    let body = json!({ "ops": ops, "why": "a test" }).to_string();
    call(callgate, token, "PATCH /api/v1/lists/l", &line, &body)
}

fn add(entry: &str) -> Value {
    json!([{ "op": "add", "entry": entry }])
}

fn content(callgate: &Callgate, list: &str) -> Vec<u8> {
    fs::read(callgate.setup().policies().join(list)).unwrap()
}

#[test]
fn an_edit_is_in_force_and_changes_the_lines_meant_alone() {
    let before = "\u{feff}# head\r\n\tword \t a, b\t{leet: true} \r\n\r\n# Other\n\\#x\nz";
    let (callgate, token) = start(before.as_bytes());
    let shown = get(&callgate, &token, "/api/v1/lists/l");
    let tag = shown.header("etag").to_owned();
    let rows = shown.json()["rows"].as_array().unwrap().len();
    assert_eq!(rows, 3);
    let ops = json!([{ "op": "add", "entry": "赌博", "tags": ["new"] },
                     { "op": "set", "entry": "word", "tags": ["c"] },
                     { "op": "remove", "entry": "#x" }]);
    let saved = edit(&callgate, &token, &tag, ops);
    assert_eq!(saved.status, 200, "{saved:?}");
    let after = "\u{feff}# head\r\n\tword\tc\t{leet: true} \r\n\r\n# Other\nz\r\n赌博\tnew";
    assert_eq!(
        String::from_utf8(content(&callgate, "l.txt")).unwrap(),
        after
    );
    let answer =
        Grpc::connect(callgate.grpc).before(calls::request("beforeSendSingleMsg", "去賭博"));
    let version = answer.policy_version.unwrap();
    let version = format!("{}-{}", version.number, version.hash);
    assert_eq!(saved.json()["version"], version);
    assert_eq!(answer.matches[0].line, 6);
    let audit = fs::read_dir(callgate.setup().policies().join("../data/audit")).unwrap();
    let audit = audit.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    let audit: String = audit.collect();
    assert!(
        audit.contains("list.edit") && audit.contains("a test"),
        "{audit}"
    );
}

#[test]
fn an_edit_says_what_it_is_meant_for() {
    let (callgate, token) = start(b"a\nb\n");
    let tag = get(&callgate, &token, "/api/v1/lists/l")
        .header("etag")
        .to_owned();
    let check = |answer: &Answer, expected: (u16, &str)| {
        assert_eq!(problem(answer), (expected.0, expected.1.to_owned()));
    };
    check(
        &edit(&callgate, &token, "", add("c")),
        (428, "if_match_required"),
    );
    assert_eq!(edit(&callgate, &token, &tag, add("c\tx")).status, 422);
    let theirs = json!([{ "op": "set", "entry": "a", "tags": ["theirs"] }]);
    assert_eq!(edit(&callgate, &token, &tag, theirs).status, 200);
    // Another entry merges, the same one shows three.
    let merged = edit(&callgate, &token, &tag, add("c"));
    assert_eq!(merged.json()["merged"], true);
    let conflict = edit(
        &callgate,
        &token,
        &tag,
        json!([{ "op": "remove", "entry": "A" }]),
    );
    check(&conflict, (412, "conflict"));
    let conflict = &conflict.json()["params"]["conflicts"][0];
    assert_eq!(conflict["base"][0]["tags"], json!([]));
    assert_eq!(conflict["theirs"][0]["tags"], json!(["theirs"]));
    assert_eq!(conflict["mine"], json!([]));
    let unknown = format!("\"{}\"", "0".repeat(64));
    check(&edit(&callgate, &token, &unknown, add("d")), (412, "stale"));
    check(
        &edit(&callgate, &token, "*", add("A")),
        (422, "wrong_edits"),
    );
    assert_eq!(content(&callgate, "l.txt"), b"a\ttheirs\nb\nc\n");
    let body = json!({ "ops": add("d"), "why": " " }).to_string();
    let silent = call(
        &callgate,
        &token,
        "PATCH /api/v1/lists/l",
        "If-Match: *\r\n",
        &body,
    );
    check(&silent, (400, "invalid"));
    check(
        &get(&callgate, &token, "/api/v1/lists/none"),
        (404, "not_found"),
    );
}

#[test]
fn a_trial_is_counted_and_promoted() {
    let (callgate, token) = start(b"a word\n");
    let post = |path: &str, body: Value| {
        let asked = format!("POST /api/v1/lists/l/{path}");
        let answer = call(
            &callgate,
            &token,
            &asked,
            "If-Match: *\r\n",
            &body.to_string(),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let preview = post(
        "preview",
        json!({ "ops": add("日"), "texts": ["生日快乐"] }),
    );
    assert_eq!(preview["given"]["blocked"], 1);
    assert!(
        preview["everyday"]["blocked"].as_u64().unwrap() > 3,
        "{preview}"
    );
    assert!(preview["share"].as_f64().unwrap() > 0.01);
    let problems = post("lint", json!({ "ops": add("日") }));
    assert!(
        problems["problems"][0]
            .to_string()
            .contains("one character"),
        "{problems}"
    );
    let body = json!({ "ops": add("日"), "why": "try it", "trial": true }).to_string();
    let saved = call(
        &callgate,
        &token,
        "PATCH /api/v1/lists/l",
        "If-Match: *\r\n",
        &body,
    );
    assert_eq!(saved.status, 200, "{saved:?}");
    let grpc = Grpc::connect(callgate.grpc);
    let ask = || grpc.before(calls::request("beforeSendSingleMsg", "生日快乐"));
    let decided = ask();
    assert_eq!(
        (decided.err_code, decided.matches.len()),
        (0, 0),
        "{decided:?}"
    );
    assert_eq!(decided.shadow.len(), 1);
    post(
        "promote",
        json!({ "entries": ["日"], "why": "it is right" }),
    );
    assert_eq!(content(&callgate, "l.txt"), "a word\n日\n".as_bytes());
    assert_ne!(ask().err_code, 0);
    let imported = post("import", json!({ "text": "日|x1|x2", "why": "theirs" }));
    assert_eq!(
        (&imported["new"], &imported["listed"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn two_programs_a_hand_and_another_lose_nothing() {
    const EACH: usize = 50;
    let (callgate, token) = start(b"# head\n");
    let folder = callgate.setup().policies();
    std::thread::scope(|scope| {
        for program in ["x", "y"] {
            let (callgate, token) = (&callgate, &token);
            scope.spawn(move || {
                for number in 0..EACH {
                    let shown = get(callgate, token, "/api/v1/lists/l?limit=1");
                    let tag = shown.header("etag").to_owned();
                    let entry = format!("word {program}{number}");
                    let saved = edit(callgate, token, &tag, add(&entry));
                    assert_eq!(saved.status, 200, "{saved:?}");
                }
            });
        }
        scope.spawn(|| {
            for number in 0..EACH {
                let path = folder.join("l.txt");
                let mut file = fs::File::options().append(true).open(path).unwrap();
                file.write_all(format!("by hand {number}\n").as_bytes())
                    .unwrap();
            }
        });
        // As git does it: another file, renamed over.
        scope.spawn(|| {
            let mut list = String::from("other\n");
            for number in 0..EACH {
                list.push_str(&format!("checkout {number}\n"));
                fs::write(folder.join(".m.new"), &list).unwrap();
                fs::rename(folder.join(".m.new"), folder.join("m.txt")).unwrap();
            }
        });
    });
    let list = String::from_utf8(content(&callgate, "l.txt")).unwrap();
    let lines: BTreeSet<&str> = list.lines().collect();
    for number in 0..EACH {
        for line in ["word x", "word y", "by hand "] {
            assert!(
                lines.contains(&*format!("{line}{number}")),
                "{line}{number}\n{list}"
            );
        }
    }
    assert_eq!(list.lines().count(), 3 * EACH + 1, "{list}");
    assert_eq!(
        content(&callgate, "m.txt")
            .split(|byte| *byte == b'\n')
            .count(),
        EACH + 2
    );
}
