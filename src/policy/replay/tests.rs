//! Two policies over the same calls.

use super::{Differences, RecordedCall, Report};
use crate::policy::{CompileContext, FileSet, Snapshot, compile_untried};

fn snapshot(policy: &str) -> Snapshot {
    let policy = ("policy.yaml".to_owned(), policy.as_bytes().into());
    let files = FileSet {
        root: "policies".to_owned(),
        files: [policy].into(),
    };
    let compiled = compile_untried(&files, &CompileContext::default(), 1);
    compiled
        .snapshot
        .unwrap_or_else(|| panic!("{:#?}", compiled.problems))
}

fn calls(lines: &[&str]) -> Vec<RecordedCall> {
    let read = |line: &&str| RecordedCall::read(line.as_bytes()).unwrap();
    lines.iter().map(read).collect()
}

fn compare(ruling: &str, candidate: &str, calls: &[RecordedCall]) -> Report {
    let (ruling, candidate) = (snapshot(ruling), snapshot(candidate));
    let mut differences = Differences::default();
    for call in calls {
        differences.judge(&ruling, &candidate, call);
    }
    differences.report()
}

const RULING: &str = "endpoints: {business: {url: 'http://b.example/'}, other: {url: 'http://o.example/'}}\n\
    lists: {bad: {words: [casino, poker], action: block}, soft: {words: [darn], action: replace}}\n\
    hooks: {beforeSendSingleMsg: {endpoint: none}, beforeMsgModify: {endpoint: none}, \
    beforeSendGroupMsg: {endpoint: business, failedContinue: true}}\n";

const CALLS: &[&str] = &[
    r#"{"hook":"beforeSendSingleMsg","text":"a casino","from":"u1"}"#,
    r#"{"hook":"beforeSendSingleMsg","text":"call 555 lotto 123 now","from":"u1"}"#,
    r#"{"hook":"beforeSendSingleMsg","text":"lotto","from":"u2"}"#,
    r#"{"hook":"beforeMsgModify","text":"darn it","from":"u2"}"#,
    r#"{"hook":"beforeSendGroupMsg","text":"hello","group":"g","answer":"timeout"}"#,
    r#"{"hook":"beforeSendGroupMsg","text":"hello","group":"g","asked":{"endpoint":"business","outcome":"block","code":20005}}"#,
];

/// One line for each group.
fn groups(report: &Report) -> Vec<String> {
    let lines = report.groups.iter().map(|group| {
        let cause = &group.cause;
        format!(
            "{} {} {} {} {} {:?}",
            group.change,
            cause.hook,
            cause.rule,
            cause.name,
            cause.entry.as_deref().unwrap_or("-"),
            (group.count, &group.excerpts)
        )
    });
    lines.collect()
}

#[test]
fn the_same_policy_makes_no_difference_ever() {
    let calls = calls(CALLS);
    for _ in 0..10 {
        let report = compare(RULING, RULING, &calls);
        assert_eq!((report.judged, report.changed), (6, 0));
        assert!(report.groups.is_empty() && report.unknown.is_empty());
        assert_eq!(report.blocked_before, 2);
    }
}

#[test]
fn what_changes_is_told_by_its_cause() {
    let candidate = RULING
        .replace("[casino, poker]", "[lotto]")
        .replace("[darn]", "[durn]")
        .replace("failedContinue: true", "failedContinue: false");
    let report = compare(RULING, &candidate, &calls(CALLS));
    assert_eq!(
        groups(&report),
        [
            "blocked beforeSendSingleMsg list bad lotto (2, [\"*****\", \"call ### ***** ### now\"])",
            "blocked beforeSendGroupMsg failure timeout - (1, [])",
            "freed beforeSendSingleMsg list bad casino (1, [\"a ******\"])",
            "unmasked beforeMsgModify list soft darn (1, [\"**** it\"])",
        ]
    );
    assert_eq!((report.judged, report.changed), (6, 5));
    assert_eq!((report.blocked_before, report.blocked_after), (2, 4));
    let senders: Vec<_> = report.senders.iter().map(|one| &one.sender[..]).collect();
    assert_eq!(senders, ["u1", "u2", "user1"]);
}

#[test]
fn an_endpoint_that_was_not_asked_is_told() {
    let candidate = RULING.replace("endpoint: business", "endpoint: other");
    let report = compare(RULING, &candidate, &calls(CALLS));
    // Of the short form anybody says what is written.
    assert_eq!(report.unknown.get("other"), Some(&1));
    assert_eq!((report.judged, report.changed), (5, 0));
}

#[test]
fn marks_and_words_are_told_apart_from_what_acts() {
    let trial = RULING.replace(
        "lists: {",
        "lists: {new: {words: [hello], action: shadow}, ",
    );
    let report = compare(RULING, &trial, &calls(CALLS));
    assert_eq!(report.marked, 2);
    assert_eq!(
        groups(&report),
        ["marked beforeSendGroupMsg list new hello (2, [\"*****\"])"]
    );
    let worded = RULING.replace("action: block}", "action: block, code: 20009}");
    let report = compare(RULING, &worded, &calls(CALLS));
    assert_eq!((report.altered, report.changed), (1, 1));
}

#[test]
fn a_caller_that_may_not_call_is_blocked() {
    let callers = |hooks: &str| {
        format!("{RULING}callers: {{im: {{addresses: [10.0.0.0/8], hooks: [{hooks}]}}}}\n")
    };
    let line = r#"{"hook":"beforeSendSingleMsg","text":"hello","caller":"im"}"#;
    let report = compare(
        &callers("beforeSendSingleMsg, beforeMsgModify"),
        &callers("beforeMsgModify"),
        &calls(&[line]),
    );
    assert_eq!(
        groups(&report),
        ["blocked beforeSendSingleMsg caller im - (1, [])"]
    );
}
