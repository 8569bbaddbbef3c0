//! OpenIM's own files and spellings.

use std::time::Duration;

use super::*;
use crate::decision::{FailureAction, FailureClass};
use crate::event::DialectId;

const WEBHOOKS: &str = include_str!("../../../tests/fixtures/config/webhooks.yml");
const CALLBACK_V3: &str = include_str!("../../../tests/fixtures/config/callback_v3_6.yml");
const CALLBACK_V2: &str = include_str!("../../../tests/fixtures/config/callback_v2.yml");

/// The rules of a hook in a few words.
fn rules_of(snapshot: &Snapshot, hook: &str) -> String {
    let hook = dialect::hook(hook).unwrap();
    let Some(rules) = snapshot.rules(hook) else {
        return "off".to_owned();
    };
    let endpoints: Vec<_> = rules
        .endpoints
        .iter()
        .map(|endpoint| &*endpoint.name)
        .collect();
    let action = rules.action(FailureClass::Timeout).name();
    let (timeout, caller) = (rules.timeout, rules.caller_timeout);
    format!(
        "{} {timeout:?} of {caller:?}, failure {action}",
        endpoints.join("+")
    )
}

fn check(policy: &str, webhooks: &str, expected: &[(&str, &str)]) {
    let snapshot = snapshot_with(policy, &[("webhooks.yml", webhooks)], &[]);
    for (hook, rules) in expected {
        assert_eq!(rules_of(&snapshot, hook), *rules, "{hook} of {policy}");
    }
}

#[test]
fn a_whole_webhooks_file_is_included_by_one_line() {
    check(
        "callbackUrl: http://b/cb\ninclude: webhooks.yml",
        WEBHOOKS,
        &[
            ("beforeSendSingleMsg", "callbackUrl 5s of 5s, failure allow"),
            ("beforeMsgModify", "callbackUrl 15s of 15s, failure block"),
            ("afterSendGroupMsg", "callbackUrl 3s of 3s, failure block"),
            ("beforeSendGroupMsg", "off"),
            ("beforeAddBlack", "off"),
        ],
    );
}

#[test]
fn its_loose_types_are_understood() {
    let policy = "callbackUrl: http://b/cb\ninclude: webhooks.yml";
    let snapshot = snapshot_with(policy, &[("webhooks.yml", WEBHOOKS)], &[]);
    let rules = snapshot
        .rules(dialect::hook("beforeSendSingleMsg").unwrap())
        .unwrap();
    for (content_type, denied) in [
        (101, true),
        (102, true),
        (103, false),
        (200, true),
        (500, true),
        (501, false),
    ] {
        assert_eq!(
            rules.denied_types.holds(content_type),
            denied,
            "{content_type}"
        );
    }
    let rules = snapshot
        .rules(dialect::hook("afterSendGroupMsg").unwrap())
        .unwrap();
    let mut ids: Vec<_> = rules.attention_ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["6074729403", "g1", "g2"]);
}

#[test]
fn policy_yaml_wins_over_it_key_by_key() {
    check(
        "callbackUrl: http://b/cb\ninclude: webhooks.yml\nhooks:\n  beforeSendSingleMsg: {timeout: 500ms}\n  beforeSendGroupMsg: {enable: true, failedContinue: {timeout: allow}}\n  beforeMsgModify: {failedContinue: true}",
        WEBHOOKS,
        &[
            (
                "beforeSendSingleMsg",
                "callbackUrl 500ms of 5s, failure allow",
            ),
            ("beforeSendGroupMsg", "callbackUrl 5s of 5s, failure allow"),
            ("beforeMsgModify", "callbackUrl 15s of 15s, failure allow"),
        ],
    );
}

#[test]
fn sections_of_older_versions_are_included_under_todays_names() {
    check(
        "callbackUrl: http://b/cb\ninclude: webhooks.yml",
        CALLBACK_V3,
        &[
            ("beforeMsgModify", "callbackUrl 4s of 4s, failure block"),
            (
                "afterKickGroupMember",
                "callbackUrl 5s of 5s, failure block",
            ),
            (
                "beforeApplyJoinGroup",
                "callbackUrl 5s of 5s, failure allow",
            ),
            ("afterJoinGroup", "off"),
        ],
    );
    check(
        "callbackUrl: http://b/cb\ninclude: webhooks.yml",
        CALLBACK_V2,
        &[
            ("beforeSendSingleMsg", "callbackUrl 2s of 2s, failure allow"),
            ("beforeMsgModify", "callbackUrl 15s of 15s, failure block"),
            ("afterSendSingleMsg", "callbackUrl 2s of 2s, failure block"),
            (
                "beforeGroupOnlinePush",
                "callbackUrl 2s of 2s, failure block",
            ),
        ],
    );
}

#[test]
fn the_v2_section_may_stand_in_policy_yaml_itself() {
    for policy in [
        "callbackUrl: http://b/cb\ncallbackbeforeSendSingleMsg: {enable: true, callbackTimeOut: 3, callbackFailedContinue: false}\ncallbackWordFilter: {enable: true}",
        "callback:\n  callbackUrl: http://b/cb\n  CALLBACKBEFORESENDSINGLEMSG: {enable: 'true', callbackTimeOut: '3', callbackFailedContinue: 0}\n  callbackWordFilter: {enable: true}",
    ] {
        check(
            policy,
            "",
            &[
                ("beforeSendSingleMsg", "callbackUrl 3s of 5s, failure block"),
                ("beforeMsgModify", "callbackUrl 2s of 5s, failure allow"),
            ],
        );
        assert_eq!(
            snapshot(policy).endpoint("callbackurl").unwrap().dialect,
            DialectId::OpenImV2
        );
    }
}

#[test]
fn a_callback_url_alone_speaks_todays_dialect() {
    let policy = "callbackUrl: http://b/cb\nhooks: {beforeSendSingleMsg: }";
    assert_eq!(
        snapshot(policy).endpoint("callbackUrl").unwrap().dialect,
        DialectId::OpenIm
    );
    let policy = "callbackUrl: http://b/cb\ncallbackBeforeSendSingleMsg: {enable: true}\nendpoints: {callbackUrl: {dialect: openim, answers: intent}}";
    assert_eq!(
        snapshot(policy).endpoint("callbackUrl").unwrap().dialect,
        DialectId::OpenIm
    );
}

#[test]
fn what_is_odd_in_an_included_file_is_a_warning() {
    let policy = "callbackUrl: http://b/cb\ninclude: webhooks.yml";
    let others = [("webhooks.yml", WEBHOOKS)];
    let compiled = compile(&files(policy, &others), &context(&[]), 1);
    assert_eq!(
        lines(&compiled),
        [
            "(warning) policies/webhooks.yml:5:12: hooks.beforeSendSingleMsg.timeout: with beforeMsgModify a send may take 20s, and clients wait 10s; shorten one of the two, well below 10s together",
            "(warning) policies/webhooks.yml:7:38: BeforeSendSingleMsg.deniedTypes: OpenIM skips `some`, which is not a message type; write a number such as 101 or a range such as 200-500",
            "(warning) policies/webhooks.yml:15:12: beforeMsgModify.timeout: a timeout of 0 is 15 s for OpenIM; write 1 to 15",
            "(warning) policies/webhooks.yml:17:13: beforeMsgModify.priority: OpenIM has no setting `priority` for a hook; known are `enable`, `timeout`, `failedContinue`, `deniedTypes`, `allowedTypes`, `attentionIds`",
            "(warning) policies/webhooks.yml:25:1: hooks.afterUserKickOff: no version of OpenIM ever calls `afterUserKickOff`; remove it or write `enable: false`",
            "(warning) policies/webhooks.yml:31:1: beforeSendSingleMesg: no hook named `beforeSendSingleMesg`, so it is never called; did you mean `beforeSendSingleMsg`?",
        ]
    );
}

#[test]
fn a_failure_action_of_a_class_leaves_the_included_boolean_to_the_others() {
    let policy = "callbackUrl: http://b/cb\ninclude: webhooks.yml\nhooks:\n  beforeMsgModify: {failedContinue: {timeout: allow}}";
    let snapshot = snapshot_with(policy, &[("webhooks.yml", WEBHOOKS)], &[]);
    let rules = snapshot
        .rules(dialect::hook("beforeMsgModify").unwrap())
        .unwrap();
    assert_eq!(rules.action(FailureClass::Timeout), FailureAction::Allow);
    assert_eq!(rules.action(FailureClass::Connect), FailureAction::Block);
    assert_eq!(rules.timeout, Duration::from_secs(15));
}

#[test]
fn what_overrides_an_included_key_is_named_with_both_places() {
    let webhooks = "beforeSendSingleMsg: {enable: true, failedContinue: false, timeout: 5}\n\
                    beforeMsgModify:\n  enable: true\n";
    let policy = "include: webhooks.yml\nhooks:\n  BeforeSendSingleMsg: {timeout: 5s, failedContinue: true}\n  \
                  beforeMsgModify: {failedContinue: {timeout: allow}}\n";
    let env = [("CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__ENABLE", "false")];
    let compiled = compile(
        &files(policy, &[("webhooks.yml", webhooks)]),
        &context(&env),
        1,
    );
    let snapshot = compiled.snapshot.as_ref().unwrap();
    let overrides: Vec<String> = snapshot
        .overrides()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        overrides,
        [
            "beforeMsgModify.enable: false (CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__ENABLE), not true (policies/webhooks.yml:3)",
            "beforeMsgModify.failedContinue: {timeout: allow} (policies/policy.yaml:4), not false (policies/webhooks.yml:2)",
            "beforeSendSingleMsg.failedContinue: true (policies/policy.yaml:3), not false (policies/webhooks.yml:1)",
        ]
    );
}

#[test]
fn the_url_of_an_included_file_is_only_told_of_where_it_may_be_missed() {
    let check = |policy: &str, webhooks: &str, expected: &[&str]| {
        let policy = format!("include: webhooks.yml\n{policy}");
        let webhooks = format!("{webhooks}\nbeforeMsgModify: {{enable: true}}\n");
        let files = files(&policy, &[("webhooks.yml", &webhooks)]);
        let compiled = compile(&files, &context(&[]), 1);
        assert_eq!(lines(&compiled), expected, "{webhooks}");
    };
    check("", "url: http://127.0.0.1:10006/callbackExample", &[]);
    check(
        "callbackUrl: http://b/cb",
        "url: http://callgate:10006/x",
        &[],
    );
    check("", "", &[]);
    check(
        "",
        "url: http://business:80/x",
        &[
            "(warning) policies/webhooks.yml:1:1: url: this url is ignored: on an OpenIM server it leads to callgate; name the business server in policy.yaml: `callbackUrl`, or `endpoints`",
        ],
    );
}
