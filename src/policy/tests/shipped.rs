//! The policy that is shipped works as it is.

use super::super::lint;
use super::*;

pub(super) const SHIPPED: [(&str, &str); 9] = [
    ("policy.yaml", include_str!("../../../policies/policy.yaml")),
    ("engine.yaml", include_str!("../../../policies/engine.yaml")),
    (
        "lists/ads.txt",
        include_str!("../../../policies/lists/ads.txt"),
    ),
    (
        "lists/allowed.txt",
        include_str!("../../../policies/lists/allowed.txt"),
    ),
    (
        "examples/english_spam.txt",
        include_str!("../../../policies/examples/english_spam.txt"),
    ),
    (
        "lists/fraud.txt",
        include_str!("../../../policies/lists/fraud.txt"),
    ),
    (
        "lists/gambling.txt",
        include_str!("../../../policies/lists/gambling.txt"),
    ),
    (
        "tests/shipped.yaml",
        include_str!("../../../policies/tests/shipped.yaml"),
    ),
    (
        "tests/calls/before_send_group_msg.json",
        include_str!("../../../policies/tests/calls/before_send_group_msg.json"),
    ),
];

#[test]
fn it_has_neither_errors_nor_warnings() {
    let compiled = compile(&files(SHIPPED[0].1, &SHIPPED[1..]), &context(&[]), 1);
    assert_eq!(lines(&compiled), Vec::<String>::new());
    let snapshot = compiled.snapshot.unwrap();
    let hooks: Vec<&str> = snapshot.hooks().map(|rules| rules.hook.name).collect();
    assert_eq!(
        hooks,
        [
            "beforeMsgModify",
            "beforeSendGroupMsg",
            "beforeSendSingleMsg"
        ]
    );
    assert!(snapshot.hooks().all(|rules| rules.endpoints.is_empty()));
    assert!(snapshot.lists().all(|list| list.entries >= 10));
}

/// Whoever includes OpenIM's file, as policy.yaml and the documents say, gets what it says.
#[test]
fn it_overrides_nothing_of_an_included_file() {
    let policy = SHIPPED[0]
        .1
        .replace("# include: webhooks.yml", "include: webhooks.yml");
    let webhooks = "url: http://127.0.0.1:10006/callbackExample\n\
                    beforeSendSingleMsg: {enable: true, timeout: 7, failedContinue: false}\n\
                    beforeSendGroupMsg: {enable: true, timeout: 7, failedContinue: false}\n\
                    beforeMsgModify: {enable: true, timeout: 7, failedContinue: false}\n";
    let mut all = SHIPPED[1..].to_vec();
    all.push(("webhooks.yml", webhooks));
    let compiled = compile(&files(&policy, &all), &context(&[]), 1);
    assert_eq!(lines(&compiled), Vec::<String>::new());
    let snapshot = compiled.snapshot.unwrap();
    assert_eq!(snapshot.overrides(), []);
    for rules in snapshot.hooks() {
        assert_eq!(rules.timeout.as_secs(), 7, "{}", rules.hook);
        let action = rules.action(crate::decision::FailureClass::Timeout);
        assert_eq!(action.name(), "block", "{}", rules.hook);
    }
}

#[test]
fn its_lists_have_no_findings_and_its_example_neither() {
    // As the comment in policy.yaml says.
    let switched_on = SHIPPED[0]
        .1
        .replace("  # english_spam:", "  english_spam:")
        .replace("  #   file: examples", "    file: examples")
        .replace("  #   action: flag", "    action: flag")
        .replace("ads, allowed]", "ads, english_spam, allowed]");
    let files = files(&switched_on, &SHIPPED[1..]);
    let compiled = compile(&files, &context(&[]), 1);
    assert_eq!(lines(&compiled), Vec::<String>::new());
    let snapshot = compiled.snapshot.as_ref().unwrap();
    assert_eq!(snapshot.lists().count(), 5);
    let findings = lint(&files, &compiled);
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn gambling_is_blocked_ads_are_masked_and_clean_messages_pass() {
    let gambling = "block 20001 message contains forbidden words (list `gambling`, line 2)";
    let snapshot = snapshot_with(SHIPPED[0].1, &SHIPPED[1..], &[]);
    for (hook, text, expected) in [
        ("beforeSendSingleMsg", "来网上赌场玩", gambling),
        ("beforeSendGroupMsg", "來網上賭場玩", gambling),
        (
            "beforeMsgModify",
            "好东西免费领取哦",
            r#"replace {"content":"好东西****哦"}"#,
        ),
        (
            "beforeSendSingleMsg",
            "do ACT Now!",
            r#"replace {"content":"do *******!"}"#,
        ),
        ("beforeSendSingleMsg", "see you at eight", "allow"),
        ("beforeSendSingleMsg", "大家一起反对网上赌场", "allow"),
    ] {
        let decision = decide(&snapshot, &text_event(hook, text));
        assert_eq!(in_words(&decision), expected, "{text}");
    }
}
