//! Moderators of some word lists: theirs they change, and no other, by whatever door.

use std::fs;

use callgate::admin::doors;
use callgate::operators::Capability;
use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

const POLICY: &str = "lists:\n  Ads: {file: ads.txt}\n  spam: {file: spam.txt}\n  \
                      one: {file: both.txt}\n  two: {file: both.txt, action: flag}\n\
                      hooks: {beforeSendSingleMsg: {}}\n";

fn start() -> (Callgate, String) {
    let setup = Setup::new(POLICY);
    for file in ["ads.txt", "spam.txt", "both.txt"] {
        setup.write(file, "a\n");
    }
    let callgate = setup.engine("admin.listen", "0.0.0.0:0").start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

fn make_token(callgate: &Callgate, token: &str, role: &str, lists: &Value) -> Answer {
    let mut body = json!({ "name": "ci", "role": role });
    if !lists.is_null() {
        body["lists"] = lists.clone();
    }
    call(
        callgate,
        token,
        "POST /api/v1/tokens",
        "",
        &body.to_string(),
    )
}

fn limited(callgate: &Callgate, token: &str, lists: &[&str]) -> String {
    let made = make_token(callgate, token, "moderator", &json!(lists));
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["token"].as_str().unwrap().to_owned()
}

fn add(callgate: &Callgate, token: &str, list: &str) -> Answer {
    let asked = format!("PATCH /api/v1/lists/{list}");
    let body = json!({ "ops": [{ "op": "add", "entry": "new" }], "why": "a test" });
    call(
        callgate,
        token,
        &asked,
        "If-Match: *\r\n",
        &body.to_string(),
    )
}

fn audit(callgate: &Callgate) -> Vec<Value> {
    let listed = callgate.setup().run(&["audit", "list", "--json"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn whoever_is_limited_to_some_lists_changes_no_other_by_any_door() {
    let (callgate, command_line) = start();
    let token = limited(&callgate, &command_line, &["ads", "one"]);
    let of_lists = |path: &str| path.contains("/lists/{name}");
    let table = doors::doors(true);
    let changing = table
        .iter()
        .filter(|door| door.capability == Capability::Moderate && of_lists(door.path));
    let mut refused = Vec::new();
    for door in changing {
        for (list, is_own) in [("sPAM", false), ("aDS", true)] {
            let path = door.path.replace("{name}", list);
            let kind = match door.kind {
                doors::Kind::Page => "application/x-www-form-urlencoded",
                _ => "application/json",
            };
            let head = format!(
                "{} {path} HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\n\
                 Content-Type: {kind}\r\nContent-Length: 0\r\n\r\n",
                door.method
            );
            let answer = http::send(callgate.admin, head.as_bytes());
            let who = format!("{} {path}: {answer:?}", door.method);
            assert_eq!(answer.status == 403, !is_own, "{who}");
            if !is_own {
                assert!(
                    answer
                        .text()
                        .contains("may change `ads`, `one` alone, and not `sPAM`"),
                    "{who}"
                );
                refused.push(door.path.to_owned());
            }
        }
    }
    assert!(refused.len() >= 7, "{refused:?}");
    // Each is on record, with what was asked for.
    let mut recorded = wait_for("every refusal on record", PATIENCE, || {
        let recorded = audit(&callgate).into_iter();
        let recorded = recorded.filter(|record| record["act"] == "port.refused");
        let recorded: Vec<String> = recorded
            .map(|record| record["target"].as_str().unwrap().to_owned())
            .collect();
        (recorded.len() >= refused.len()).then_some(recorded)
    });
    recorded.sort();
    refused.sort();
    assert_eq!(recorded, refused);
    // To see a list takes less.
    assert_eq!(get(&callgate, &token, "/api/v1/lists/spam").status, 200);
    assert_eq!(
        problem(&add(&callgate, &token, "spam")),
        (403, "forbidden".to_owned())
    );
    assert_eq!(add(&callgate, &token, "ads").status, 200);
    let policies = callgate.setup().policies();
    let content = |file: &str| fs::read_to_string(policies.join(file)).unwrap();
    assert_eq!(
        (content("ads.txt"), content("spam.txt")),
        ("a\nnew\n".to_owned(), "a\n".to_owned())
    );
}

#[test]
fn what_stands_in_the_file_of_another_list_takes_both() {
    let (callgate, command_line) = start();
    let one = limited(&callgate, &command_line, &["one"]);
    let refused = add(&callgate, &one, "one");
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    assert!(
        refused.json()["message"]
            .as_str()
            .unwrap()
            .contains("`two`"),
        "{refused:?}"
    );
    wait_for("the refusal on record", PATIENCE, || {
        let last = audit(&callgate).pop()?;
        (last["act"] == "list.edit" && last["result"] == "refused").then_some(())
    });
    let body = json!({ "ops": [{ "op": "add", "entry": "new" }] }).to_string();
    let preview = call(&callgate, &one, "POST /api/v1/lists/one/preview", "", &body);
    assert_eq!(preview.status, 403, "{preview:?}");
    let both = limited(&callgate, &command_line, &["one", "two"]);
    assert_eq!(add(&callgate, &both, "one").status, 200);
}

#[test]
fn a_limit_names_lists_that_there_are_and_is_for_moderators() {
    let (callgate, token) = start();
    let check = |role: &str, lists: Value, said: &str| {
        let refused = make_token(&callgate, &token, role, &lists);
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(
            refused.status == 400 && message.contains(said),
            "{refused:?}"
        );
    };
    check(
        "moderator",
        json!(["adds"]),
        "no list named `adds`; did you mean `Ads`?",
    );
    check("moderator", json!([]), "write `*` for all of them");
    check(
        "operator",
        json!(["ads"]),
        "an operator gives orders about every list",
    );
    for (lists, shown) in [
        (Value::Null, json!(["*"])),
        (json!(["*"]), json!(["*"])),
        (json!(["ADS", "spam"]), json!(["ads", "spam"])),
    ] {
        assert_eq!(
            make_token(&callgate, &token, "moderator", &lists).status,
            201
        );
        let tokens = get(&callgate, &token, "/api/v1/tokens").json();
        let found = tokens["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["lists"] == shown);
        assert!(found, "{lists}: {tokens}");
    }
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let run = |args: &[&str]| {
        let args = [&["operators"], args, &["--server", &server]].concat();
        let output = callgate.setup().run(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = run(&[
        "token",
        "by-hand",
        "--role",
        "moderator",
        "--lists",
        "ads,spam",
    ]);
    assert_eq!(add(&callgate, shown.trim(), "one").status, 403);
    assert_eq!(add(&callgate, shown.trim(), "spam").status, 200);
    assert!(
        run(&["list"]).contains("by-hand moderator of ads,spam,"),
        "{}",
        run(&["list"])
    );
}
