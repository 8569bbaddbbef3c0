//! `callgate test`, and policies that must pass their cases.

use std::fs;
use std::time::Duration;

use crate::harness::{Setup, wait_for};

const CASES: &str = "cases:\n  no damn:\n    hook: beforeMsgModify\n    text: [damn, well damn]\n    expect: {action: block}\n  \
    hello passes:\n    hook: beforeMsgModify\n    text: hello\n    expect: {action: allow, micros_max: 5000000}\n";

fn policy(word: &str) -> String {
    format!("tests: required\nlists: {{bad: {{words: [{word}]}}}}\nhooks: {{beforeMsgModify: }}\n")
}

fn setup(word: &str) -> Setup {
    let setup = Setup::new(&policy(word));
    fs::create_dir(setup.policies().join("tests")).unwrap();
    setup.write("tests/a.yaml", CASES);
    setup
}

/// Runs `test` with these arguments: its exit code, and what it printed and said.
fn test(setup: &Setup, args: &[&str]) -> (i32, String, String) {
    let args: Vec<&str> = ["test"].iter().chain(args).copied().collect();
    let output = setup.run(&args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_shipped_policy_passes_its_cases_and_nothing_of_its_lists_is_left_out() {
    let (code, shown, said) = test(&Setup::shipped(), &["--json"]);
    assert_eq!((code, said.as_str()), (0, ""), "{shown}");
    let report: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(report["ok"], true);
    for (list, covered) in report["coverage"]["lists"].as_object().unwrap() {
        assert_eq!(covered["seen"], covered["all"], "{list}: {covered}");
    }
    assert_eq!(
        report["coverage"]["hooks"]["missing"],
        serde_json::json!([])
    );
}

#[test]
fn a_failing_case_is_named_with_what_differs_and_the_exit_code_says_so() {
    let good = setup("damn");
    let (code, shown, _) = test(&good, &[]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("good: 2 cases, 3 decisions"), "{shown}");
    let bad = setup("hell");
    let junit = bad.policies().join("junit.xml");
    let (code, shown, _) = test(&bad, &["--junit", junit.to_str().unwrap()]);
    assert_eq!(code, 1);
    for part in [
        "a.yaml:2: no damn (2 decisions",
        "beforeMsgModify \"well damn\"",
        "action: expected `block`, got `allow`",
        "list bad: 0 of 1 at work",
        "1 of 2 cases failed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("hello passes"), "{shown}");
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(
        xml.contains("<failure message=\"beforeMsgModify &quot;damn&quot;: action:"),
        "{xml}"
    );
    let (code, shown, _) = test(&bad, &["--filter", "hello", "--verbose"]);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("good ") && shown.contains("hello passes"),
        "{shown}"
    );
    let (code, _, said) = test(&bad, &["--filter", "nothing"]);
    assert_eq!(code, 1);
    assert!(said.contains("no case has that"), "{said}");
}

#[test]
fn a_bad_file_of_cases_is_an_error_with_its_place() {
    let setup = setup("damn");
    setup.write(
        "tests/a.yaml",
        "cases:\n  x: {hok: beforeMsgModify, text: a, expect: {action: allow}}\n",
    );
    let (code, shown, said) = test(&setup, &[]);
    assert_eq!((code, shown.as_str()), (1, ""));
    assert!(
        said.contains("a.yaml:2:7: cases.x: there is no setting `hok`; did you mean `hook`?"),
        "{said}"
    );
}

#[test]
fn an_edit_whose_cases_fail_changes_nothing_and_says_which() {
    let callgate = setup("damn").start();
    let setup = callgate.setup();
    let blocks = |text: &str| {
        let answer = callgate.call("beforeMsgModify", text);
        answer.json()["nextCode"] == 1
    };
    assert!(blocks("damn") && !blocks("hell"));
    setup.write("policy.yaml", policy("hell"));
    let rejected = || {
        let rejected = callgate.status()["policy"]["rejected"].to_string();
        rejected.contains("the case `no damn` fails").then_some(())
    };
    wait_for("the refusal", Duration::from_secs(30), rejected);
    assert!(blocks("damn") && !blocks("hell"), "what was in force stays");
    assert_eq!(setup.run(&["check"]).status.code(), Some(1));
    // The case is mended with the policy.
    setup.write("tests/a.yaml", CASES.replace("damn, well damn", "hell"));
    let in_force = || blocks("hell").then_some(());
    wait_for("the edit", Duration::from_secs(30), in_force);
    assert!(callgate.status()["policy"]["rejected"].is_null());
}
