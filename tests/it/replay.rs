//! Recorded calls under another policy, and what a policy expects of a change, with the real
//! program.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};

use crate::api::call;
use crate::harness::calls::{GROUP, MODIFY, SINGLE, body_with_id, path};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

fn policy(url: &str, expect: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\"}}}}\n\
         lists: {{ads: {{file: ads.txt, action: block}}}}\n\
         hooks:\n  {SINGLE}: {{endpoint: none}}\n  {MODIFY}: {{endpoint: none}}\n  \
         {GROUP}: {{endpoint: business}}\n{expect}"
    )
}

fn start(url: &str, expect: &str) -> Callgate {
    let setup = Setup::new(&policy(url, expect));
    setup.write("ads.txt", "casino\n");
    let setup = setup.engine("recordings.enabled", "true");
    setup.engine("recordings.share", "1").start()
}

fn send(callgate: &Callgate, hook: &str, text: &str, id: &str) {
    let answer = http::post(callgate.http, &path(hook), body_with_id(hook, text, id));
    assert_eq!(answer.status, 200);
}

fn everyday(callgate: &Callgate) {
    for number in 0..20 {
        let text = match number % 4 {
            0 => "我的电话是 13800138000",
            1 => "good morning",
            2 => "今天的天气很好",
            _ => "a casino",
        };
        send(callgate, SINGLE, text, &format!("m{number}"));
    }
}

/// A copy of the policy with another list.
fn candidate(callgate: &Callgate, list: &str) -> String {
    let folder: PathBuf = callgate.setup().policies().join("../candidate");
    fs::create_dir_all(&folder).unwrap();
    let policy = fs::read(callgate.setup().policies().join("policy.yaml")).unwrap();
    fs::write(folder.join("policy.yaml"), policy).unwrap();
    fs::write(folder.join("ads.txt"), list).unwrap();
    folder.display().to_string()
}

fn asked(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    callgate
        .setup()
        .run(&[args, &["--server", &server]].concat())
}

fn replay(callgate: &Callgate, candidate: &str) -> Value {
    let output = asked(callgate, &["replay", "--candidate", candidate, "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_candidate_is_judged_by_what_people_wrote() {
    let business = Business::start(Behaviour::block());
    let callgate = start(&business.url(), "");
    everyday(&callgate);
    send(&callgate, GROUP, "hello", "g1");
    let folder = candidate(&callgate, "的\n");
    let report = replay(&callgate, &folder);
    assert_eq!(report["judged"], 21);
    assert_eq!(
        (&report["blocked"], &report["freed"]),
        (&10.into(), &5.into())
    );
    let group = &report["groups"][0];
    assert_eq!(
        (&group["name"], &group["entry"], &group["line"]),
        (&"ads".into(), &"的".into(), &1.into())
    );
    assert_eq!(group["count"], 10);
    let excerpts = group["excerpts"].to_string();
    assert!(excerpts.contains("我*电话是 ###########"), "{excerpts}");
    assert_eq!(report["senders_all"], 1);
    // For people, and with an exit code.
    let told = asked(&callgate, &["replay", "--candidate", &folder, "--same"]);
    assert_eq!(told.status.code(), Some(1));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("newly blocked: 10 (47.62 %); freed: 5 (23.81 %)"),
        "{told}"
    );
    assert!(told.contains("list ads: 的 (line 1)"), "{told}");
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "recordings"]);
    assert!(
        String::from_utf8(listed.stdout)
            .unwrap()
            .contains("recordings.read")
    );
}

#[test]
fn the_same_policy_makes_no_difference_however_often_and_after_a_restart() {
    let business = Business::start(Behaviour::block());
    let callgate = start(&business.url(), "");
    everyday(&callgate);
    send(&callgate, GROUP, "hello", "g1");
    let folder = candidate(&callgate, "casino\n");
    let first = replay(&callgate, &folder);
    assert_eq!(
        (&first["judged"], &first["changed"]),
        (&21.into(), &0.into())
    );
    assert_eq!(first["blocked_before"], 6);
    for _ in 0..9 {
        assert_eq!(replay(&callgate, &folder), first);
    }
    let callgate = callgate.kill().start();
    assert_eq!(replay(&callgate, &folder), first);
    let other = candidate(&callgate, "的\n");
    let differs = replay(&callgate, &other);
    assert_eq!(replay(&callgate, &other), differs);
}

#[test]
fn calls_of_a_file_are_judged_without_a_server() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/", ""));
    setup.write("ads.txt", "casino\n");
    setup.write(
        "calls.ndjson",
        "{\"hook\":\"beforeSendSingleMsg\",\"text\":\"a casino\"}\n\n{\"hook\":\"beforeMsgModify\",\"text\":\"hello\"}\n",
    );
    let (own, calls) = (setup.policies(), setup.policies().join("calls.ndjson"));
    let (own, calls) = (own.display().to_string(), calls.display().to_string());
    let same = ["replay", "--candidate", &own, "--calls", &calls, "--same"];
    let output = setup.run(&same);
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("judged: 2, of which 0 ")
    );
    setup.write(
        "calls.ndjson",
        "{\"hook\":\"beforeMsgModify\",\"text\":\"a\"}\n{\"hook\":\"x\"}\n",
    );
    let output = setup.run(&same);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("calls.ndjson:2: no hook is named `x`"),
        "{said}"
    );
    assert!(!output.status.success());
    setup.write("calls.ndjson", "");
    assert_eq!(setup.run(&same).status.code(), Some(1));
}

const BUDGET: &str = "expect: {blocks: \"+0..+0.4%\", freed: 0, calls_min: 10}\n";

#[test]
fn an_edit_past_its_budget_is_refused_and_comes_by_order() {
    let callgate = start("http://127.0.0.1:9/", BUDGET);
    everyday(&callgate);
    callgate.setup().write("ads.txt", "casino\n的\n");
    let refused = asked(&callgate, &["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    for figure in [
        "10 of 20 recorded calls would be newly blocked (50.00 %), and at most 0.4 % may be",
        "list ads `的` (10)",
        "expect.blocks",
        "--force",
    ] {
        assert!(said.contains(figure), "{figure}: {said}");
    }
    send(&callgate, SINGLE, "今天的天气很好", "after");
    let decided = asked(&callgate, &["decisions", "--message", "after", "--json"]);
    assert!(
        String::from_utf8(decided.stdout)
            .unwrap()
            .contains("\"outcome\":\"allow\"")
    );
    // What is no longer blocked has a budget of its own.
    callgate.setup().write("ads.txt", "poker\n");
    let refused = asked(&callgate, &["reload"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("5 of 21 recorded calls would be no longer blocked"),
        "{said}"
    );
    // Whoever takes the budget away in the same edit is held to it still, and may take it away alone.
    let url = "http://127.0.0.1:9/";
    callgate.setup().write("policy.yaml", policy(url, ""));
    let refused = asked(&callgate, &["reload"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("5 of 21 recorded calls"), "{said}");
    callgate.setup().write("ads.txt", "casino\n");
    assert!(asked(&callgate, &["reload"]).status.success());
    callgate.setup().write("policy.yaml", policy(url, BUDGET));
    // The console's way is the same, and nothing is written.
    assert!(asked(&callgate, &["reload"]).status.success());
    let add = asked(&callgate, &["lists", "add", "ads", "的", "--why", "a slip"]);
    assert!(!add.status.success());
    assert!(
        String::from_utf8_lossy(&add.stderr).contains("would not come into force"),
        "{add:?}"
    );
    let list = fs::read(callgate.setup().policies().join("ads.txt")).unwrap();
    assert_eq!(list, b"casino\n");
    // What keeps to it goes through.
    let add = asked(
        &callgate,
        &["lists", "add", "ads", "roulette", "--why", "new"],
    );
    assert!(add.status.success(), "{add:?}");
    // By order, with a reason.
    callgate.setup().write("ads.txt", "casino\n的\n");
    assert_eq!(
        asked(&callgate, &["reload", "--force"]).status.code(),
        Some(2)
    );
    let forced = asked(
        &callgate,
        &["reload", "--force", "--reason", "it is meant so"],
    );
    assert!(forced.status.success(), "{forced:?}");
    send(&callgate, SINGLE, "今天的天气很好", "forced");
    let decided = asked(&callgate, &["decisions", "--message", "forced", "--json"]);
    assert!(
        String::from_utf8(decided.stdout)
            .unwrap()
            .contains("\"outcome\":\"block\"")
    );
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "policy.force"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("it is meant so"), "{listed}");
}

#[test]
fn with_too_few_calls_nothing_is_judged_and_that_is_said() {
    let callgate = start("http://127.0.0.1:9/", BUDGET);
    send(&callgate, SINGLE, "今天的天气很好", "m1");
    callgate.setup().write("ads.txt", "casino\n的\n");
    let taken = wait_for("the order is carried out", PATIENCE, || {
        let taken = asked(&callgate, &["reload"]);
        taken.status.success().then_some(taken)
    });
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(
        said.contains("the change is not judged: 1 recorded calls can be, and it takes 10"),
        "{said}"
    );
    send(&callgate, SINGLE, "今天的天气很好", "m2");
    let decided = asked(&callgate, &["decisions", "--message", "m2", "--json"]);
    assert!(
        String::from_utf8(decided.stdout)
            .unwrap()
            .contains("\"outcome\":\"block\"")
    );
}

fn order(callgate: &Callgate, asked: &str, body: &str) -> http::Answer {
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap();
    call(callgate, token.trim(), asked, "", body)
}

fn expected(callgate: &Callgate, body: &Value) -> Value {
    let asked = "POST /api/v1/recordings/replay";
    let answer = order(callgate, asked, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn the_api_and_the_page_show_what_a_change_would_do_before_it_is_made() {
    let callgate = start("http://127.0.0.1:9/", BUDGET);
    everyday(&callgate);
    // The files on disk are those in force.
    let same = expected(&callgate, &json!({}));
    assert_eq!(
        (&same["report"]["judged"], &same["report"]["changed"]),
        (&20.into(), &0.into())
    );
    assert_eq!(same["refused"], false);
    // A draft of a list, as `callgate replay` has it of a directory.
    let ops = json!([{"op": "add", "entry": "的"}]);
    let draft = expected(&callgate, &json!({"list": "ads", "ops": ops}));
    let folder = candidate(&callgate, "casino\n的\n");
    assert_eq!(draft["report"], replay(&callgate, &folder));
    assert_eq!(draft["report"]["blocked"], 10);
    assert_eq!(
        (&draft["refused"], &draft["hidden"]),
        (&true.into(), &false.into())
    );
    let expected_text = draft["expected"].to_string();
    assert!(
        expected_text.contains("10 of 20 recorded calls"),
        "{expected_text}"
    );
    // Nothing was written.
    let list = fs::read(callgate.setup().policies().join("ads.txt")).unwrap();
    assert_eq!(list, b"casino\n");
    let page = order(
        &callgate,
        "GET /changes/replay?list=ads&draft=add%3D%25E7%259A%2584",
        "",
    );
    assert_eq!(page.status, 200);
    for shown in [
        "Newly blocked",
        "我*电话是 ###########",
        "10 of 20 recorded calls",
        "action=\"/changes/force\"",
    ] {
        assert!(page.text().contains(shown), "{shown}: {}", page.text());
    }
    // An edit by hand that was refused is seen the same way.
    callgate.setup().write("ads.txt", "casino\n的\n");
    let disk = expected(&callgate, &json!({}));
    assert_eq!(disk["report"]["groups"], draft["report"]["groups"]);
    callgate.setup().write("ads.txt", "casino\n");
    let both = order(
        &callgate,
        "POST /api/v1/recordings/replay",
        &json!({"list": "ads", "version": 1}).to_string(),
    );
    assert_eq!(both.status, 400);
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "recordings"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("list ads"), "{listed}");
}

#[test]
fn a_save_past_its_budget_is_forced_by_an_operator_with_a_reason() {
    let callgate = start("http://127.0.0.1:9/", BUDGET);
    everyday(&callgate);
    let list = || fs::read_to_string(callgate.setup().policies().join("ads.txt")).unwrap();
    let form = |fields: &str| order(&callgate, "POST /changes/force", fields);
    let draft = "list=ads&draft=add%3D%25E7%259A%2584";
    // Without a reason nothing is done, and it is asked again.
    let unsaid = form(draft);
    assert_eq!(unsaid.status, 400);
    assert!(unsaid.text().contains("action=\"/changes/force\""));
    assert_eq!(list(), "casino\n");
    let forced = form(&format!("{draft}&why=the+new+law"));
    assert_eq!(forced.status, 303, "{}", forced.text());
    assert!(forced.header("location").starts_with("/changes?forced="));
    assert_eq!(list(), "casino\n的\n");
    send(&callgate, SINGLE, "今天的天气很好", "forced");
    let decided = asked(&callgate, &["decisions", "--message", "forced", "--json"]);
    let decided = String::from_utf8(decided.stdout).unwrap();
    assert!(decided.contains("\"outcome\":\"block\""), "{decided}");
    // What is on disk and was refused, the same way.
    callgate.setup().write("ads.txt", "poker\n");
    assert!(!asked(&callgate, &["reload"]).status.success());
    let forced = form("why=poker+alone");
    assert_eq!(forced.status, 303, "{}", forced.text());
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "policy.force"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    for reason in ["the new law", "poker alone", "list ads"] {
        assert!(listed.contains(reason), "{reason}: {listed}");
    }
}

#[test]
fn a_budget_has_a_least_too_and_looks_at_the_newest_calls_alone() {
    let callgate = start(
        "http://127.0.0.1:9/",
        "expect: {blocks: \"3..4\", calls_min: 2, calls_max: 4}\n",
    );
    everyday(&callgate);
    callgate.setup().write("ads.txt", "casino\n的\n");
    let refused = asked(&callgate, &["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    let figures = "2 of 4 recorded calls would be newly blocked (50.00 %), and from 3 to 4 may be";
    assert!(said.contains(figures), "{said}");
}

#[test]
fn nobody_forces_a_policy_without_a_reason() {
    let callgate = start("http://127.0.0.1:9/", BUDGET);
    everyday(&callgate);
    callgate.setup().write("ads.txt", "casino\n的\n");
    for body in [
        "{\"force\":true}",
        "{\"force\":true,\"why\":\"\"}",
        "{\"force\":true,\"why\":\" \"}",
    ] {
        let order = format!(
            "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = http::send(callgate.admin, order.as_bytes());
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(answer.text().contains("`why`"), "{answer:?}");
    }
    let listed = callgate
        .setup()
        .run(&["audit", "list", "--act", "policy.force"]);
    assert!(
        !String::from_utf8(listed.stdout)
            .unwrap()
            .contains("policy.force")
    );
}
