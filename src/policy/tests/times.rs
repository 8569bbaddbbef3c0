//! Times that do not fit are told, for every server, with hook and place.

use super::problems::{check, check_with};

const WEBHOOKS: &str = "url: http://127.0.0.1:10006/openim\nbeforeSendSingleMsg: {enable: true, timeout: 2, failedContinue: true}\n";

fn of_hook(dialect: &str, hook: &str, says: &str, expected: &[&str]) {
    let policy = format!(
        "endpoints: {{b: {{url: http://b, dialect: {dialect}}}}}\nhooks:\n  {hook}: {{endpoint: b, {says}}}\n"
    );
    check(&policy, expected);
}

#[test]
fn times_that_fit_are_not_spoken_of() {
    of_hook("openim", "beforeSendSingleMsg", "", &[]);
    of_hook("openim", "beforeSendSingleMsg", "timeout: 4s", &[]);
    of_hook("openim", "beforeSendSingleMsg", "caller_timeout: 3s", &[]);
    of_hook("wukongim", "wukongim.msg.before_send", "", &[]);
    let shorter = "timeout: 100ms, caller_timeout: 300ms";
    of_hook("wukongim", "wukongim.msg.before_send", shorter, &[]);
    of_hook("chatserver", "chatserver.auth", "", &[]);
    of_hook(
        "funtek",
        "funtek.MESSAGE",
        "timeout: 5s, caller_timeout: 6s",
        &[],
    );
    let included = "callbackUrl: http://b/c\ninclude: webhooks.yml";
    check_with(included, &[("webhooks.yml", WEBHOOKS)], &[], &[]);
    check(
        "each_hook: {timeout: 1s}\ncallbackUrl: http://b/c\nhooks: {afterSendSingleMsg: , afterRevokeMsg: }",
        &[],
    );
}

#[test]
fn an_endpoint_that_may_take_longer_than_the_caller_waits() {
    of_hook(
        "wukongim",
        "wukongim.msg.before_send",
        "timeout: 800ms",
        &[
            "(warning) policies/policy.yaml:3:52: hooks.wukongim.msg.before_send.timeout: the IM server gives up after caller_timeout (500ms), so 800ms are never used up; make it shorter than caller_timeout",
        ],
    );
    of_hook(
        "wukongim",
        "wukongim.msg.before_send",
        "caller_timeout: 250ms",
        &[
            "(warning) policies/policy.yaml:3:59: hooks.wukongim.msg.before_send.caller_timeout: the IM server gives up after caller_timeout (250ms), so 300ms are never used up; make it shorter than caller_timeout",
        ],
    );
    of_hook(
        "wukongim",
        "wukongim.msg.before_send",
        "timeout: 500ms",
        &[
            "(note) policies/policy.yaml:3:52: hooks.wukongim.msg.before_send.timeout: callgate answers 25ms before caller_timeout (500ms), so the endpoint has 475ms and not 500ms; make timeout shorter, or caller_timeout and the IM server's own limit longer",
        ],
    );
    of_hook(
        "chatserver",
        "chatserver.auth",
        "timeout: 12s",
        &[
            "(warning) policies/policy.yaml:3:43: hooks.chatserver.auth.timeout: the IM server gives up after caller_timeout (10s), so 12s are never used up; make it shorter than caller_timeout",
        ],
    );
}

#[test]
fn a_caller_that_gives_up_earlier_than_the_policy_says() {
    of_hook(
        "wukongim",
        "wukongim.msg.before_send",
        "timeout: 800ms, caller_timeout: 1s",
        &[
            "(note) policies/policy.yaml:3:75: hooks.wukongim.msg.before_send.caller_timeout: WuKongIM gives up on wukongim.msg.before_send after 500ms, unless its own settings say else, and callgate may take up to 950ms (caller_timeout); set `timeout` below `[webhook.before_send]` of WuKongIM's settings to 1s or more",
        ],
    );
    of_hook(
        "openim",
        "beforeSendSingleMsg",
        "caller_timeout: 8s",
        &[
            "(note) policies/policy.yaml:3:54: hooks.beforeSendSingleMsg.caller_timeout: OpenIM gives up on beforeSendSingleMsg after 5s, unless its own settings say else, and callgate may take up to 7.6s (caller_timeout); set the hook's `timeout` in OpenIM's webhooks.yml to 8s or more",
        ],
    );
    of_hook(
        "openim",
        "beforeSendSingleMsg",
        "caller_timeout: 20s",
        &[
            "(warning) policies/policy.yaml:3:54: hooks.beforeSendSingleMsg.caller_timeout: OpenIM gives up on beforeSendSingleMsg after 15s, and callgate may take up to 19s (caller_timeout); make caller_timeout 15s at the most",
        ],
    );
    of_hook(
        "chatserver",
        "chatserver.action",
        "caller_timeout: 11s",
        &[
            "(warning) policies/policy.yaml:3:52: hooks.chatserver.action.caller_timeout: chatServer gives up on chatserver.action after 10s, and callgate may take up to 10.45s (caller_timeout); make caller_timeout 10s at the most",
        ],
    );
    check_with(
        "callbackUrl: http://b/c\ninclude: webhooks.yml\nhooks: {beforeSendSingleMsg: {caller_timeout: 4s}}",
        &[("webhooks.yml", WEBHOOKS)],
        &[],
        &[
            "(warning) policies/policy.yaml:3:47: hooks.beforeSendSingleMsg.caller_timeout: OpenIM gives up on beforeSendSingleMsg after 2s (policies/webhooks.yml:2), and callgate may take up to 3.8s (caller_timeout); make caller_timeout 2s, or change both",
        ],
    );
    check_with(
        "callbackUrl: http://b/c\nhooks: {beforeSendSingleMsg: }",
        &[],
        &[(
            "CALLGATE_POLICY__HOOKS__BEFORESENDSINGLEMSG__CALLER_TIMEOUT",
            "16s",
        )],
        &[
            "(warning) CALLGATE_POLICY__HOOKS__BEFORESENDSINGLEMSG__CALLER_TIMEOUT: hooks.beforeSendSingleMsg.caller_timeout: OpenIM gives up on beforeSendSingleMsg after 15s, and callgate may take up to 15.2s (caller_timeout); make caller_timeout 15s at the most",
        ],
    );
}

#[test]
fn times_that_say_nothing() {
    of_hook(
        "openim",
        "afterSendSingleMsg",
        "timeout: 4s",
        &[
            "(note) policies/policy.yaml:3:46: hooks.afterSendSingleMsg.timeout: nobody waits for an after hook, so `timeout` says nothing here; its endpoint has `events: {timeout: …}`",
        ],
    );
    check(
        "endpoints: {b: {url: http://b, dialect: wukongim, connect_timeout: 400ms}}\nhooks: {wukongim.msg.before_send: {endpoint: b}}",
        &[
            "(note) policies/policy.yaml:1:68: endpoints.b.connect_timeout: wukongim.msg.before_send gives its endpoint 300ms, so a server that cannot be reached is of class `timeout`, not `connect`, for it; make connect_timeout shorter than that",
        ],
    );
}

#[test]
fn answers_of_another_dialect_are_a_problem() {
    let answers = |dialect: &str, answers: &str, hook: &str, expected: &[&str]| {
        let policy = format!(
            "endpoints: {{b: {{url: http://b, dialect: {dialect}, answers: {answers}}}}}\nhooks: {{{hook}: {{endpoint: b}}}}"
        );
        check(&policy, expected);
    };
    let send = "beforeSendSingleMsg";
    for (dialect, name) in [
        ("openim", "openim-3.0"),
        ("openim", "openim-3.4.2"),
        ("openim", "openim-3.6"),
        ("openim-v2", "openim-2.1"),
        ("openim-v2", "intent"),
        ("openim-v2", "openim"),
    ] {
        answers(dialect, name, send, &[]);
    }
    answers(
        "openim",
        "openim-2.1",
        send,
        &[
            "policies/policy.yaml:1:58: endpoints.b.answers: an endpoint with `dialect: openim` does not answer as `openim-2.1` says; remove it, or write `dialect: openim-v2` if that is what it speaks",
        ],
    );
    answers(
        "openim-v2",
        "openim-3.6",
        send,
        &[
            "policies/policy.yaml:1:61: endpoints.b.answers: an endpoint with `dialect: openim-v2` does not answer as `openim-3.6` says; remove it, or write `dialect: openim` if that is what it speaks",
        ],
    );
    answers(
        "chatserver",
        "openim-3.0",
        "chatserver.auth",
        &[
            "policies/policy.yaml:1:62: endpoints.b.answers: an endpoint with `dialect: chatserver` does not answer as `openim-3.0` says; remove it, or write `dialect: openim` if that is what it speaks",
        ],
    );
    answers(
        "chatserver",
        "strict",
        "chatserver.auth",
        &[
            "(warning) policies/policy.yaml:1:62: endpoints.b.answers: an endpoint with `dialect: chatserver` does not answer as `strict` says; remove it, or write `dialect: openim` or `openim-v2` if that is what it speaks",
        ],
    );
}
