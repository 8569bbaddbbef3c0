//! Rows of a word list with what they hit and when they changed last, and the story of an entry.

use std::fs;

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::calls::SINGLE;
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

const POLICY: &str = "lists:\n  l: {file: l.txt}\n  spare: {file: spare.txt, action: allow}\n  \
                      inline: {words: [here]}\nhooks: {beforeSendSingleMsg: {}}\n";

fn start(list: &str) -> (Callgate, String) {
    let setup = Setup::new(POLICY);
    setup.write("l.txt", list);
    setup.write("spare.txt", "casino royale\n");
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    kept(&callgate, 1);
    (callgate, token)
}

fn kept(callgate: &Callgate, number: u64) {
    wait_for(&format!("version {number} on disk"), PATIENCE, || {
        (callgate.status()["versions"]["newest"] == number).then_some(())
    });
}

/// Makes an edit, and waits until its version is kept; its number.
fn edit(callgate: &Callgate, token: &str, ops: Value, why: &str) -> u64 {
    let body = json!({ "ops": ops, "why": why }).to_string();
    let saved = call(
        callgate,
        token,
        "PATCH /api/v1/lists/l",
        "If-Match: *\r\n",
        &body,
    );
    assert_eq!(saved.status, 200, "{saved:?}");
    let version = saved.json()["version"].as_str().unwrap().to_owned();
    let number = version.split('-').next().unwrap().parse().unwrap();
    kept(callgate, number);
    number
}

fn row(callgate: &Callgate, token: &str, entry: &str) -> Value {
    let rows = get(callgate, token, "/api/v1/lists/l").json();
    let rows = rows["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["entry"] == entry);
    row.unwrap_or_else(|| panic!("{entry}: {rows:?}")).clone()
}

fn story(callgate: &Callgate, token: &str, entry: &str) -> Value {
    let entry: String = url::form_urlencoded::byte_serialize(entry.as_bytes()).collect();
    let answer = get(
        callgate,
        token,
        &format!("/api/v1/lists/L/story?entry={entry}"),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_row_says_who_changed_it_last_and_what_it_hits() {
    let (callgate, token) = start("# head\r\nold\r\ncasino\r\n");
    let ops = json!([{ "op": "add", "entry": "赌博" },
                     { "op": "set", "entry": "casino", "tags": ["trial"] }]);
    let edited = edit(&callgate, &token, ops, "a wave of spam");
    let changed = |entry: &str| row(&callgate, &token, entry)["changed"].clone();
    let new = changed("赌博");
    assert_eq!(
        (&new["state"], &new["version"], &new["why"]),
        (
            &json!("changed"),
            &json!(edited.to_string()),
            &json!("a wave of spam")
        )
    );
    assert!(!new["who"].as_str().unwrap().is_empty(), "{new}");
    assert_eq!(changed("casino"), new);
    let old = changed("old");
    assert_eq!(
        (&old["state"], &old["version"]),
        (&json!("unchanged_since"), &json!("1"))
    );
    // Other lines, and the same lines at another place, are no change of this one.
    let later = edit(
        &callgate,
        &token,
        json!([{ "op": "remove", "entry": "old" }]),
        "x",
    );
    assert!(later > edited);
    assert_eq!(changed("赌博"), new);

    for text in [
        "來賭博",
        "赌博 赌博",
        "a casino",
        "casino royale",
        "nothing",
    ] {
        callgate.call(SINGLE, text);
    }
    wait_for("the hits", PATIENCE, || {
        let (new, trial) = (
            row(&callgate, &token, "赌博")["hits"].clone(),
            row(&callgate, &token, "casino")["hits"].clone(),
        );
        let none = json!({ "day": 0, "week": 0, "shadow_day": 0, "shadow_week": 0 });
        let with = |day: &str, week: &str, count: u64| {
            let mut hits = none.clone();
            (hits[day], hits[week]) = (count.into(), count.into());
            hits
        };
        let is = new == with("day", "week", 2) && trial == with("shadow_day", "shadow_week", 1);
        is.then_some(())
    });
    let since = get(&callgate, &token, "/api/v1/lists/l").json()["hits_since"].clone();
    assert!(since.as_str().unwrap().starts_with("20"), "{since}");
}

#[test]
fn an_entry_has_its_story_in_whatever_spelling() {
    let (callgate, token) = start("first\n");
    let add = json!([{ "op": "add", "entry": "赌博", "tags": ["trial"] }]);
    let added = edit(&callgate, &token, add, "seen in groups");
    let set = json!([{ "op": "set", "entry": "赌博", "tags": [] }]);
    let set = edit(&callgate, &token, set, "it is bad");
    edit(
        &callgate,
        &token,
        json!([{ "op": "add", "entry": "other" }]),
        "x",
    );
    let remove = json!([{ "op": "remove", "entry": "赌博" }]);
    let removed = edit(&callgate, &token, remove, "false hits");
    // By hand, and of another spelling.
    let path = callgate.setup().policies().join("l.txt");
    let mut content = fs::read_to_string(&path).unwrap();
    content.push_str("賭博\n");
    fs::write(&path, content).unwrap();
    kept(&callgate, removed + 1);
    let told = story(&callgate, &token, "赌博");
    let events = told["events"].as_array().unwrap().iter().map(|event| {
        let (what, why) = (event["what"].as_str(), event["why"].as_str());
        format!(
            "{} {} {}: {}",
            what.unwrap(),
            event["version"].as_str().unwrap(),
            event["lines"].as_array().unwrap().len(),
            why.unwrap()
        )
    });
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            format!("added {} 1: ", removed + 1),
            format!("removed {removed} 0: false hits"),
            format!("changed {set} 1: it is bad"),
            format!("added {added} 1: seen in groups"),
        ]
    );
    assert_eq!((&told["since"], &told["cut"]), (&json!(1), &json!(false)));
    assert_eq!(told["now"][0]["entry"], "賭博");
    let first = story(&callgate, &token, "FIRST");
    assert_eq!(first["events"][0]["what"], "found", "{first}");
    let none = story(&callgate, &token, "never");
    assert_eq!(none["events"], json!([]));

    let refused = |path: &str| problem(&get(&callgate, &token, path));
    assert_eq!(refused("/api/v1/lists/l/story").0, 400);
    assert_eq!(refused("/api/v1/lists/no/story?entry=x").0, 404);
    assert_eq!(refused("/api/v1/lists/inline/story?entry=here").0, 409);
    let page = get(&callgate, &token, "/lists/l/entry?entry=%E8%B5%8C%E5%8D%9A");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("false hits"), "{}", page.text());
    assert_eq!(
        get(&callgate, &token, "/lists/no/entry?entry=x").status,
        404
    );
}
