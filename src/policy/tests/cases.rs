//! Cases of a policy: what they say of good and bad decisions, and of themselves.

use std::collections::BTreeSet;

use super::super::{Coverage, Ran, compile_untried, read_cases, run_case};
use super::shipped::SHIPPED;
use super::*;
use crate::settings::Problems;

const POLICY: &str = "lists:\n  bad: {words: [damn, hell], code: 20007, reason: mind your words}\n  \
    soft: {words: [darn], action: replace}\n  fine: {words: [what the hell], action: allow}\n\
    endpoints: {b: {url: 'http://127.0.0.1:9/x', answer_bytes_max: 1KiB}}\n\
    callers:\n  im: {addresses: [127.0.0.1], hooks: [beforeMsgModify]}\n\
    hooks:\n  beforeMsgModify: {endpoint: b, timeout: 1s, failedContinue: {default: allow, timeout: block}}\n  \
    beforeSendSingleMsg: {endpoint: none}\n  afterSendSingleMsg: {endpoint: b}\n";

/// What the cases of this text come to under [`POLICY`]: every fault, or every problem.
fn outcome(cases: &str) -> Vec<String> {
    let files = files(POLICY, &[("tests/a.yaml", cases)]);
    let problems = Problems::default();
    let read = read_cases(&files, &problems);
    let problems = problems.into_sorted();
    if !problems.is_empty() {
        return problems.iter().map(ToString::to_string).collect();
    }
    let snapshot = compile_untried(&files, &context(&[]), 1).snapshot.unwrap();
    let mut coverage = Coverage::default();
    let ran = read
        .iter()
        .map(|case| run_case(&snapshot, case, None, &mut coverage));
    let ran: Vec<Ran> = ran.collect();
    let made = ran.iter().flat_map(|ran| &ran.decisions);
    made.flat_map(|made| made.faults.clone()).collect()
}

/// One case, in flow style: what is behind `cases: {x: `.
fn check(case: &str, expected: &[&str]) {
    assert_eq!(
        outcome(&format!("cases: {{x: {case}}}\n")),
        expected,
        "{case}"
    );
}

#[test]
fn each_thing_that_is_expected_is_looked_at() {
    let modify = |text: &str, expect: &str| {
        format!("{{hook: beforeMsgModify, text: {text}, expect: {{{expect}}}}}")
    };
    for (text, good) in [
        (
            "damn",
            "action: block, code: 20007, reason: mind your words, matches: [damn]",
        ),
        (
            "damn",
            "matches: [bad/damn], decided_by: filter, reviewed: true, asks: []",
        ),
        (
            "oh darn it",
            "action: replace, text: oh **** it, decided_by: filter",
        ),
        (
            "good day",
            "action: allow, failure: none, skipped: none, asks: [b]",
        ),
        ("good day", "content: '{\"content\":\"good day\"}'"),
    ] {
        check(&modify(text, good), &[]);
    }
    for (text, bad, fault) in [
        (
            "damn",
            "action: allow",
            "action: expected `allow`, got `block`",
        ),
        ("damn", "code: 1", "code: expected `1`, got `20007`"),
        (
            "damn",
            "reason: x",
            "reason: expected `x`, got `mind your words`",
        ),
        ("damn", "detail: x", "detail: expected `x`, got ``"),
        (
            "damn",
            "matches: []",
            "matches: `bad/damn` (line 0) is found, which nobody expects",
        ),
        ("good", "matches: [damn]", "matches: `damn` is not found"),
        ("darn", "text: darn", "text: expected `darn`, got `****`"),
        (
            "good",
            "content: x",
            "content: expected `x`, got `{\"content\":\"good\"}`",
        ),
        (
            "good",
            "reviewed: false",
            "reviewed: expected `false`, got `true`",
        ),
        (
            "good",
            "failure: timeout",
            "failure: expected `timeout`, got `none`",
        ),
        (
            "good",
            "skipped: robot",
            "skipped: expected `robot`, got `none`",
        ),
        (
            "good",
            "decided_by: filter",
            "decided_by: expected `filter`, got `nothing`",
        ),
        ("good", "asks: []", "asks: expected `[]`, got `[b]`"),
        ("good", "code: 20007", "code: nothing was refused"),
    ] {
        check(&modify(text, bad), &[fault]);
    }
}

#[test]
fn an_endpoint_does_what_a_case_says_step_by_step() {
    let modify = |endpoint: &str, expect: &str| {
        format!("{{hook: beforeMsgModify, text: good, endpoint: {endpoint}, expect: {{{expect}}}}}")
    };
    for (endpoint, expect) in [
        (
            "{answer: block, code: 30001, reason: no}",
            "action: block, code: 30001, reason: no, decided_by: callback",
        ),
        ("{answer: allow}", "action: allow, decided_by: nothing"),
        (
            "{answer: replace, text: better}",
            "action: replace, text: better",
        ),
        (
            "{answer: replace, text: well damn}",
            "action: block, code: 20007, decided_by: filter",
        ),
        (
            "{status: 200, body: '{\"actionCode\":0,\"nextCode\":1,\"errCode\":20009}'}",
            "action: block, code: 20009",
        ),
        (
            "{status: 200, body: '<html>'}",
            "action: allow, failure: invalid_answer, reviewed: false",
        ),
        ("{status: 502, body: '{}'}", "failure: http_status"),
        ("{delay: 900ms}", "action: allow, failure: none"),
        ("{delay: 2s}", "action: block, failure: timeout"),
        (
            "{failure: unreadable_call}",
            "action: block, failure: unreadable_call",
        ),
        (
            "{failure: unfiltered}",
            "action: block, failure: unfiltered",
        ),
    ] {
        check(&modify(endpoint, expect), &[]);
    }
    for class in crate::decision::FailureClass::ALL {
        let name = class.name();
        check(
            &modify(&format!("{{failure: {name}}}"), &format!("failure: {name}")),
            &[],
        );
    }
    let large = format!("{{body: '{}'}}", "x".repeat(2000));
    check(&modify(&large, "failure: too_large"), &[]);
    // Whoever expects something of an endpoint that nobody asks is told so.
    let unasked =
        "{hook: beforeSendSingleMsg, text: a, endpoint: {answer: block}, expect: {action: block}}";
    check(
        unasked,
        &[
            "action: expected `block`, got `allow`",
            "no endpoint was asked, so what it would do is not seen",
        ],
    );
    // The last step goes on.
    let three = "{hook: beforeMsgModify, text: [a, b, c], endpoint: [{}, {failure: connect}], expect: {failure: none}}";
    let fault = "failure: expected `none`, got `connect`";
    check(three, &[fault, fault]);
}

#[test]
fn tables_calls_callers_and_after_hooks_have_cases() {
    let table = "{hook: beforeSendSingleMsg, table: {bad: [damn, darn], none: [good, hell], fine: [what the hell, good]}}";
    check(
        table,
        &[
            "`bad` does not find it",
            "`soft/darn` (line 0) finds it too",
            "`bad/hell` (line 0) finds it",
            "no phrase of `fine` spares anything in it",
        ],
    );
    check(
        "{hook: beforeSendSingleMsg, table: {nobody: [damn]}}",
        &["there is no list `nobody`"],
    );
    check(
        "{hook: afterSendSingleMsg, text: x, expect: {asks: [b], action: allow}}",
        &[],
    );
    check(
        "{hook: afterSendGroupMsg, text: x, expect: {asks: [], skipped: disabled}}",
        &[],
    );
    check(
        "{hook: beforeSendSingleMsg, caller: im, text: x, expect: {action: refused}}",
        &[],
    );
    check(
        "{hook: beforeMsgModify, caller: im, text: x, expect: {action: allow}}",
        &[],
    );
    check(
        "{hook: beforeMsgModify, caller: nobody, text: x, expect: {action: refused}}",
        &[],
    );
    check(
        "{call: {dialect: wukongim, event: msg.before_send, body: '{'}, expect: {skipped: disabled}}",
        &[],
    );
    let over = "{hook: beforeSendSingleMsg, over: http, text: darn, expect: {action: block}}";
    check(over, &[]);
    check(
        &over.replace("http", "grpc"),
        &["action: expected `block`, got `replace`"],
    );
}

#[test]
fn what_is_wrong_with_a_case_has_its_place_and_a_way_out() {
    let whole = |cases: &str, expected: &str| {
        let found = outcome(cases);
        assert_eq!(found, [expected], "{cases}");
    };
    whole(
        "case: {}\ncases: {}\n",
        "policies/tests/a.yaml:1:1: there is no setting `case`; did you mean `cases`?",
    );
    whole(
        "cases:\n  x:\n    hook: beforeSendSingleMsg\n    txt: a\n    text: a\n    expect: {action: allow}\n",
        "policies/tests/a.yaml:4:5: cases.x: there is no setting `txt`; did you mean `text`?",
    );
    whole(
        "cases:\n  x:\n    hook: beforeSendSingelMsg\n    text: a\n    expect: {action: allow}\n",
        "policies/tests/a.yaml:3:11: cases.x.hook: no hook named `beforeSendSingelMsg`; did you mean `beforeSendSingleMsg`?",
    );
    whole(
        "cases:\n  x:\n    hook: beforeSendSingleMsg\n    text: a\n    expect: {acton: allow, code: 1}\n",
        "policies/tests/a.yaml:5:14: cases.x.expect: there is no setting `acton`; did you mean `action`?",
    );
    whole(
        "cases:\n  x:\n    hook: beforeSendSingleMsg\n    text: a\n    endpoint: [{failure: timeot}]\n    expect: {action: allow}\n",
        "policies/tests/a.yaml:5:26: cases.x.endpoint[0].failure: `timeot` is not possible here; did you mean `timeout`?",
    );
    whole(
        "cases:\n  x: {hook: beforeSendSingleMsg, text: a}\n",
        "policies/tests/a.yaml:2:3: cases.x: nothing is expected, so this case cannot fail; write what must come out: `expect: {action: block}`",
    );
    whole(
        "cases:\n  x: {hook: beforeSendSingleMsg, text: a, expect: {}}\n",
        "policies/tests/a.yaml:2:43: cases.x.expect: nothing is expected, so this case cannot fail; write `action: block`",
    );
    whole(
        "cases:\n  x: {hook: beforeSendSingleMsg, text: a, content: b, expect: {action: allow}}\n",
        "policies/tests/a.yaml:2:40: cases.x.text: a case is about one of `text`, `content`, `table` and `call`; make several cases of it",
    );
    whole(
        "cases:\n  x: {call: {file: tests/none.json}, expect: {action: allow}}\n",
        "policies/tests/a.yaml:2:20: cases.x.call.file: there is no file `tests/none.json` in the policy directory; known are `policy.yaml`, `tests/a.yaml`",
    );
}

#[test]
fn a_policy_that_must_pass_its_cases_and_does_not_is_no_policy() {
    let cases = "cases:\n  no damn:\n    hook: beforeSendSingleMsg\n    text: damn\n    expect: {action: block}\n";
    let policy = |word: &str| {
        format!(
            "tests: required\nlists: {{bad: {{words: [{word}]}}}}\nhooks: {{beforeSendSingleMsg: }}\n"
        )
    };
    let good = compile(
        &files(&policy("damn"), &[("tests/a.yaml", cases)]),
        &context(&[]),
        1,
    );
    assert_eq!(lines(&good), Vec::<String>::new());
    let bad = files(&policy("hell"), &[("tests/a.yaml", cases)]);
    let refused = compile(&bad, &context(&[]), 1);
    assert!(refused.snapshot.is_none());
    assert_eq!(
        lines(&refused),
        [
            "policies/tests/a.yaml:2:1: the case `no damn` fails: beforeSendSingleMsg \"damn\": action: expected `block`, got `allow`; mend the policy, or the case if it should decide so (`tests: required`)"
        ]
    );
    let optional = policy("hell").replace("required", "optional");
    assert!(
        compile(
            &files(&optional, &[("tests/a.yaml", cases)]),
            &context(&[]),
            1
        )
        .snapshot
        .is_some()
    );
    let none = compile(&files(&policy("damn"), &[]), &context(&[]), 1);
    assert!(lines(&none)[0].contains("there are no cases"), "{none:?}");
    // Cases decide nothing, so they are no part of the version.
    let hash = |files: &FileSet| super::super::content_hash(files, &context(&[]));
    assert_eq!(hash(&bad), hash(&files(&policy("hell"), &[])));
}

#[test]
fn coverage_names_what_no_case_sees_at_work() {
    let cases = "cases: {x: {hook: beforeMsgModify, text: [damn, x], endpoint: {failure: connect}, expect: {reviewed: true}}}\n";
    let files = files(POLICY, &[("tests/a.yaml", cases)]);
    let snapshot = compile_untried(&files, &context(&[]), 1).snapshot.unwrap();
    let problems = Problems::default();
    let mut coverage = Coverage::default();
    for case in read_cases(&files, &problems) {
        run_case(&snapshot, &case, None, &mut coverage);
    }
    let covering = coverage.of(&snapshot);
    let bad = &covering.lists["bad"];
    assert_eq!(
        (bad.seen, bad.all, &bad.missing[..]),
        (1, 2, &["hell".to_owned()][..])
    );
    assert_eq!(covering.lists["fine"].seen, 0);
    assert_eq!(covering.hooks.seen, 1);
    assert!(
        !covering
            .failures
            .missing
            .iter()
            .any(|one| one == "beforeMsgModify: connect")
    );
    assert!(
        covering
            .failures
            .missing
            .iter()
            .any(|one| one == "beforeMsgModify: timeout")
    );
}

/// Everything of a snapshot that decides.
fn essence(snapshot: &Snapshot) -> String {
    let lists = snapshot.filter.lists().iter();
    let entries: Vec<_> = lists
        .map(|list| {
            let entries: Vec<_> = list.written().map(|entry| entry.text.to_owned()).collect();
            (&list.name, entries, format!("{:?}", list.options))
        })
        .collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {entries:?}",
        snapshot.hooks,
        snapshot.endpoints,
        snapshot.lists,
        snapshot.texts,
        snapshot.failure,
        snapshot.callers
    )
}

/// The cases of the files that fail under a snapshot.
fn failing(files: &FileSet, snapshot: &Snapshot) -> Vec<String> {
    let problems = Problems::default();
    let cases = read_cases(files, &problems);
    assert_eq!(problems.into_sorted(), []);
    assert!(!cases.is_empty());
    let mut coverage = Coverage::default();
    let mut failing = Vec::new();
    for case in cases {
        let ran = run_case(snapshot, &case, None, &mut coverage);
        let bad = ran.decisions.iter().filter(|made| !made.faults.is_empty());
        failing.extend(bad.map(|made| format!("{}: {made}: {:?}", case.name, made.faults)));
    }
    failing
}

#[test]
fn every_line_of_the_shipped_policy_that_matters_has_a_case_that_fails_without_it() {
    let whole = files(SHIPPED[0].1, &SHIPPED[1..]);
    let snapshot = compile_untried(&whole, &context(&[]), 1).snapshot.unwrap();
    assert_eq!(failing(&whole, &snapshot), Vec::<String>::new());
    let essential = essence(&snapshot);
    let (mut unseen, mut tried, mut files_tried) = (Vec::new(), 0, BTreeSet::new());
    for (path, content) in SHIPPED {
        if path.starts_with("tests/") {
            continue;
        }
        let all: Vec<&str> = content.lines().collect();
        for line in 0..all.len() {
            let mut rest = all.clone();
            rest.remove(line);
            let mut mutant = whole.clone();
            let text = rest.join("\n") + "\n";
            mutant
                .files
                .insert(path.to_owned(), Arc::from(text.as_bytes()));
            let compiled = compile_untried(&mutant, &context(&[]), 1);
            let Some(snapshot) = compiled.snapshot.filter(|one| essence(one) != essential) else {
                continue;
            };
            tried += 1;
            files_tried.insert(path);
            if failing(&mutant, &snapshot).is_empty() {
                unseen.push(format!("{path}:{}: {}", line + 1, all[line]));
            }
        }
    }
    assert!(
        tried > 100 && files_tried.len() > 4,
        "{tried} lines of {files_tried:?}"
    );
    assert!(unseen.is_empty(), "\n{}", unseen.join("\n"));
}
