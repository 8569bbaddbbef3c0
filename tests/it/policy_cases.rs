//! `callgate test`, and policies that must pass their cases.

use std::fs;
use std::time::Duration;

use crate::harness::{Behaviour, Business, Setup, http, wait_for};

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

#[test]
fn a_dry_run_decides_and_leaves_no_trace() {
    let business = Business::start(Behaviour::block());
    let policy = format!(
        "callbackUrl: {}\nlists: {{bad: {{words: [damn]}}}}\nhooks: {{beforeSendSingleMsg: {{failedContinue: {{timeout: false}}}}}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy).start();
    let admin = format!("http://{}", callgate.admin);
    let dry = |args: &[&str]| {
        let mut all = vec!["send", "--dry-run", "--admin", &admin];
        all.extend(args);
        let output = callgate.setup().run(&all);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            said,
        )
    };
    // Every counter of decisions, calls and matches, as far as there is one.
    let counted = || {
        let metrics = http::get(callgate.admin, "/metrics");
        let names = [
            "callgate_decisions",
            "callgate_matches",
            "callgate_callbacks",
            "callgate_before",
        ];
        let lines = metrics
            .text()
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = counted();
    let (code, shown, said) = dry(&["well damn"]);
    assert_eq!(code, Some(0), "{shown}{said}");
    assert!(shown.starts_with("would block with code 20001"), "{shown}");
    assert!(shown.contains("block `damn` (list bad, line 0)"), "{shown}");
    let (_, shown, _) = dry(&["hello"]);
    assert!(shown.starts_with("would allow\n"), "{shown}");
    assert!(
        shown.contains("would be asked at http://")
            && shown.contains("failures timeout, unfiltered, unreadable_call would block"),
        "{shown}"
    );
    let (_, shown, _) = dry(&["hello", "--hook", "beforeMsgModify"]);
    assert!(
        shown.contains("the hook's rules are not applied, disabled"),
        "{shown}"
    );
    let (_, shown, _) = dry(&["damn", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["hook"],
        "beforeSendSingleMsg"
    );
    assert_eq!(dry(&["x", "--hook", "nothing"]).0, Some(1));
    assert_eq!(counted(), before);
    assert!(business.requests().is_empty());
    let kept = || http::get(callgate.admin, "/api/v1/decisions").json()["items"].clone();
    assert_eq!(kept(), serde_json::json!([]));
    // The same text for real is counted.
    callgate.call("beforeSendSingleMsg", "well damn");
    assert_ne!(counted(), before);
    wait_for(
        "the decision in the history",
        Duration::from_secs(30),
        || (kept() != serde_json::json!([])).then_some(()),
    );
}
