//! Edits of many entries: planned first, and only what was planned is done.

use std::fs;

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

const POLICY: &str = "lists: {l: {file: l.txt}}\nhooks: {beforeSendSingleMsg: {}}\n";

fn start() -> (Callgate, String) {
    let setup = Setup::new(POLICY);
    setup.write("l.txt", "first\n");
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

fn ask(callgate: &Callgate, token: &str, asked: &str, body: &Value) -> Answer {
    call(callgate, token, asked, "If-Match: *\r\n", &body.to_string())
}

fn added(count: usize) -> Value {
    let ops = (0..count).map(|number| json!({ "op": "add", "entry": format!("word {number}") }));
    Value::Array(ops.collect())
}

fn content(callgate: &Callgate) -> String {
    fs::read_to_string(callgate.setup().policies().join("l.txt")).unwrap()
}

/// Runs a plan, and waits for its end.
fn run(callgate: &Callgate, token: &str, id: &Value, said: &Value) -> Answer {
    let path = format!("/api/v1/plans/{}", id.as_str().unwrap());
    let ran = ask(callgate, token, &format!("POST {path}/run"), said);
    match ran.status {
        202 => wait_for("the end of the plan", PATIENCE, || {
            let seen = get(callgate, token, &path);
            (seen.json()["state"] != "running").then_some(seen)
        }),
        _ => ran,
    }
}

#[test]
fn more_than_twenty_entries_are_planned_by_every_route() {
    let (callgate, token) = start();
    let lists = "/api/v1/lists/l";
    let foreign: Vec<String> = (0..21).map(|number| format!("x{number}theirs")).collect();
    let foreign = foreign.join("\n");
    let edit = json!({ "ops": added(21), "why": "many" });
    let import = json!({ "text": foreign, "why": "many" });
    for (asked, body) in [
        (format!("PATCH {lists}"), &edit),
        (format!("POST {lists}/import"), &import),
    ] {
        let refused = ask(&callgate, &token, &asked, body);
        assert_eq!(
            problem(&refused),
            (409, "plan_needed".to_owned()),
            "{refused:?}"
        );
    }
    assert_eq!(content(&callgate), "first\n");
    let plan = |body: &Value| ask(&callgate, &token, &format!("POST {lists}/plans"), body);
    let run = |id: &Value, said: Value| run(&callgate, &token, id, &said);
    let made = plan(&json!({ "ops": added(21) }));
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let summary = made["summary"].as_str().unwrap();
    assert!(summary.starts_with("list `l`: 21 added; "), "{summary}");
    assert_eq!(
        (&made["rows"], &made["confirm"]),
        (&json!(21), &Value::Null)
    );
    assert_eq!(made["facts"]["lines"].as_array().unwrap().len(), 23);
    assert_eq!(content(&callgate), "first\n", "a plan does nothing");
    // Somebody else edits another entry meanwhile: both are in the file.
    let theirs = json!({ "ops": [{ "op": "add", "entry": "theirs" }], "why": "one" });
    assert_eq!(
        ask(&callgate, &token, &format!("PATCH {lists}"), &theirs).status,
        200
    );
    let silent = run(&made["id"], json!({ "why": " " }));
    assert_eq!(problem(&silent), (400, "why_missing".to_owned()));
    let ran = run(&made["id"], json!({ "why": "a wave" }));
    assert_eq!(ran.status, 200, "{ran:?}");
    let ran = ran.json();
    assert_eq!((&ran["done"], &ran["state"]), (&json!(21), &json!("done")));
    let saved = &ran["facts"]["came_of_it"];
    assert_eq!(
        (&saved["added"], &saved["merged"]),
        (&json!(21), &json!(true))
    );
    let status = get(&callgate, &token, "/api/v1/status").json();
    let (_, in_force) = saved["version"].as_str().unwrap().split_once('-').unwrap();
    assert!(
        status.to_string().contains(in_force),
        "{in_force}: {status}"
    );
    assert_eq!(content(&callgate).lines().count(), 23);
    let again = run(&made["id"], json!({ "why": "again" }));
    assert_eq!(again.status, 409, "{again:?}");
    let audit = callgate.setup().run(&["audit", "list", "--json"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    let edits = audit.lines().filter(|line| line.contains("\"list.edit\""));
    let id = made["id"].as_str().unwrap();
    assert!(edits.into_iter().any(|line| line.contains(id)), "{audit}");

    // On trial, promoted and dropped: the same.
    let trial = plan(&json!({ "act": "import", "text": foreign, "trial": true })).json();
    assert_eq!(trial["facts"]["import"]["new"], 21);
    assert_eq!(run(&trial["id"], json!({ "why": "try" })).status, 200);
    let promote = json!({ "why": "good" });
    let refused = ask(
        &callgate,
        &token,
        &format!("POST {lists}/promote"),
        &promote,
    );
    assert_eq!(problem(&refused), (409, "plan_needed".to_owned()));
    let dropped = plan(&json!({ "act": "drop" })).json();
    assert_eq!(run(&dropped["id"], json!({ "why": "bad" })).status, 200);
    assert_eq!(content(&callgate).lines().count(), 23);
    assert_eq!(plan(&json!({ "act": "promote" })).status, 404);
    let unknown = plan(&json!({ "act": "promot" }));
    assert!(
        unknown.json()["message"]
            .as_str()
            .unwrap()
            .contains("`promote`"),
        "{unknown:?}"
    );
}

#[test]
fn over_a_hundred_entries_the_name_is_given_and_what_others_did_to_them_stops_it() {
    let (callgate, token) = start();
    let plan = |body: &Value| {
        let made = ask(&callgate, &token, "POST /api/v1/lists/L/plans", body);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()
    };
    let run = |plan: &Value, said: &Value| run(&callgate, &token, &plan["id"], said);
    let many = plan(&json!({ "ops": added(101) }));
    assert_eq!(many["confirm"], "l");
    let nameless = run(&many, &json!({ "why": "many" }));
    assert_eq!(problem(&nameless), (400, "name_missing".to_owned()));
    assert_eq!(
        run(&many, &json!({ "why": "many", "name": "l" })).status,
        200
    );
    // The same entries by somebody else, after the plan was made.
    let removed =
        (0..30).map(|number| json!({ "op": "remove", "entry": format!("word {number}") }));
    let removed: Vec<Value> = removed.collect();
    let stale = plan(&json!({ "ops": removed }));
    let theirs =
        json!({ "ops": [{ "op": "set", "entry": "word 7", "tags": ["theirs"] }], "why": "x" });
    assert_eq!(
        ask(&callgate, &token, "PATCH /api/v1/lists/l", &theirs).status,
        200
    );
    let before = content(&callgate);
    let refused = run(&stale, &json!({ "why": "stale" }));
    assert!(refused.text().contains("plan it anew"), "{refused:?}");
    assert_eq!(content(&callgate), before);
}

#[test]
fn commands_and_pages_plan_them_too() {
    let (callgate, token) = start();
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let words: Vec<String> = (0..25).map(|number| format!("w{number}x")).collect();
    let run = |more: &[&str]| {
        let mut args = vec!["lists", "add", "l", "--why", "many", "--server", &server];
        args.extend(more);
        args.extend(words.iter().map(String::as_str));
        let output = callgate.setup().run(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&[]).contains("25 added; "), "{}", run(&[]));
    assert_eq!(content(&callgate), "first\n");
    assert!(run(&["--yes"]).starts_with("in force as "));
    assert_eq!(content(&callgate).lines().count(), 26);

    let page = |asked: &str, body: &str| {
        let head = format!(
            "{asked} HTTP/1.1\r\nHost: im\r\nAuthorization: Bearer {token}\r\nAccept: text/html\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        http::send(callgate.admin, head.as_bytes())
    };
    let lines: Vec<String> = (0..22).map(|number| format!("page+{number}")).collect();
    let draft = format!("add={}", lines.join("%0D%0A"));
    let shown = page(&format!("GET /lists/l/draft?{draft}"), "");
    let text = shown.text().to_owned();
    assert!(
        text.contains("action=\"/lists/l/plans\"") && !text.contains("/lists/l/save"),
        "{text}"
    );
    let brought = draft
        .replace('%', "%25")
        .replace('=', "%3D")
        .replace('+', "%2B");
    let form = format!("draft={brought}&how=save&why=x");
    let refused = page("POST /lists/l/save", &form);
    assert_eq!(refused.status, 422, "{refused:?}");
    let made = page("POST /lists/l/plans", &form);
    assert_eq!(made.status, 303, "{made:?}");
    let address = made.header("location").to_owned();
    let text = page(&format!("GET {address}"), "").text().to_owned();
    assert!(
        text.contains("22 added") && text.contains("page 21"),
        "{text}"
    );
    assert_eq!(page(&format!("POST {address}"), "why=").status, 400);
    assert_eq!(content(&callgate).lines().count(), 26);
    assert_eq!(page(&format!("POST {address}"), "why=a+wave").status, 303);
    wait_for("the edit", PATIENCE, || {
        (content(&callgate).lines().count() == 48).then_some(())
    });
    // Of another list it is no plan.
    assert_eq!(
        page(&format!("GET {}", address.replace("/l/", "/m/")), "").status,
        404
    );
}
