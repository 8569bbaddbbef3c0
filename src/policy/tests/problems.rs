//! Bad policies: every problem at once, each with its place and a way out.

use super::*;

/// Compiles a policy of one file and expects these problems.
pub(super) fn check(policy: &str, expected: &[&str]) {
    check_with(policy, &[], &[], expected);
}

pub(super) fn check_with(
    policy: &str,
    others: &[(&str, &str)],
    env: &[(&str, &str)],
    expected: &[&str],
) {
    let compiled = compile(&files(policy, others), &context(env), 1);
    assert_eq!(lines(&compiled), expected, "{policy}");
    let any_error = expected.iter().any(|line| !line.starts_with('('));
    assert_eq!(compiled.snapshot.is_none(), any_error, "{policy}");
}

/// A policy that has nothing wrong; tests write further keys below it.
const GOOD: &str = "lists: {a: {words: [word]}}\nhooks: {beforeMsgModify: }\n";

fn check_beside_good(more: &str, expected: &[&str]) {
    check(&format!("{GOOD}{more}"), expected);
}

#[test]
fn a_good_policy_has_none() {
    check(GOOD, &[]);
}

#[test]
fn a_missing_empty_or_unreadable_file_is_an_error() {
    let empty = "policies/policy.yaml: the file is empty; restore it; `callgate defaults policy` prints every setting";
    check_with("", &[], &[], &[empty]);
    check_with("# only a comment\n", &[], &[], &[empty]);
    check_with(
        "- a\n",
        &[],
        &[],
        &["policies/policy.yaml:1:1: the file must be a map of keys; write `key: value` lines"],
    );
    check_with(
        "hooks:\n\tbeforeMsgModify: {}\n",
        &[],
        &[],
        &[
            "policies/policy.yaml:2:2: this is not YAML: tabs disallowed within this context (block indentation); YAML is indented with spaces, not with tabs",
        ],
    );
    let none = compile(&FileSet::default(), &context(&[]), 1);
    assert_eq!(
        lines(&none),
        [
            "policy.yaml: there is no such file; write one; `callgate defaults policy` prints every setting"
        ]
    );
}

#[test]
fn unknown_keys_have_a_place_and_a_suggestion() {
    check_beside_good(
        "hoks: 1",
        &["policies/policy.yaml:3:1: there is no setting `hoks`; did you mean `hooks`?"],
    );
    check(
        "lists:\n  a:\n    words: [ads]\n    acton: block\nhooks:\n  beforeSendSingelMsg: {}\n  beforeMsgModify:\n    timout: 1\n    failedContinue: {timeot: block}\n",
        &[
            "policies/policy.yaml:4:5: lists.a: there is no setting `acton`; did you mean `action`?",
            "policies/policy.yaml:6:3: hooks.beforeSendSingelMsg: no hook named `beforeSendSingelMsg`; did you mean `beforeSendSingleMsg`?",
            "policies/policy.yaml:8:5: hooks.beforeMsgModify: there is no setting `timout`; did you mean `timeout`?",
            "policies/policy.yaml:9:22: hooks.beforeMsgModify.failedContinue: there is no setting `timeot`; did you mean `timeout`?",
        ],
    );
    check_beside_good(
        "callbackBeforeSendSingelMsg: {}",
        &[
            "policies/policy.yaml:3:1: callbackBeforeSendSingelMsg: there is no setting and no hook `callbackBeforeSendSingelMsg`; did you mean `beforeSendSingleMsg`?",
        ],
    );
}

#[test]
fn a_variable_is_named_as_the_place() {
    check_with(
        GOOD,
        &[],
        &[
            ("CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__TIMOUT", "1"),
            (
                "CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__FAILEDCONTINUE",
                "maybe",
            ),
            ("CALLGATE_POLICY__FILTER__LISTS", "a"),
            ("CALLGATE_ENGINE__X", "not ours"),
        ],
        &[
            "CALLGATE_POLICY__FILTER__LISTS: there is no setting `filter`; did you mean `filters`?",
            "CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__FAILEDCONTINUE: hooks.beforeMsgModify.failedContinue: `maybe` is not possible here; known are `true`, `false`",
            "CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__TIMOUT: hooks.beforeMsgModify: there is no setting `timout`; did you mean `timeout`?",
        ],
    );
}

#[test]
fn names_must_stand_for_something() {
    check(
        "lists: {ads: {words: [ads]}}\nendpoints: {business: {url: http://b/c}}\nfilters: {lists: [ads]}\nhooks:\n  beforeMsgModify: {filters: [ads, adds], endpoint: busines}\n  afterSendSingleMsg: {endpoint: [business, archive]}\n",
        &[
            "policies/policy.yaml:5:36: hooks.beforeMsgModify.filters[1]: no list named `adds`; did you mean `ads`?",
            "policies/policy.yaml:5:53: hooks.beforeMsgModify.endpoint: no endpoint named `busines`; did you mean `business`?",
            "policies/policy.yaml:6:45: hooks.afterSendSingleMsg.endpoint[1]: no endpoint named `archive`; known is only `business`",
        ],
    );
}

#[test]
fn names_are_found_in_any_letter_case() {
    check(
        "lists: {Ads: {words: [ads]}}\nendpoints: {Business: {url: http://b/c}}\nhooks: {BEFOREmsgmodify: {filters: [aDs], endpoint: BUSINESS}}",
        &[],
    );
}

#[test]
fn urls_are_checked() {
    for (url, expected) in [
        ("http://b:8080/cb", ""),
        ("https://b", ""),
        ("ftp://b/cb", "the scheme is `ftp`; use http:// or https://"),
        ("b:8080/cb", "the scheme is `b`; use http:// or https://"),
        (
            "/cb",
            "this is not a valid URL: relative URL without a base; write http://host:port/path",
        ),
        (
            "http://",
            "this is not a valid URL: empty host; write http://host:port/path",
        ),
        (
            "http://公司/cb",
            "this is not a valid URL: it has spaces, or letters that are not ASCII; write international names as xn--… and other characters as %xx",
        ),
        (
            "http://u:p@b/cb",
            "a user or password in a URL ends up in logs; put a secret into the path or let the network decide who may call",
        ),
        (
            "http://b/cb?token=x",
            "the command is appended after the `?`, so it ends up in the query; remove the query, or put what it says into the path",
        ),
        (
            "http://b/cb/",
            "the `/` at the end is dropped before the command is appended; remove it",
        ),
        ("http://b/cb#f", "what follows `#` is never sent; remove it"),
        (
            "http://localhost:10006/x",
            "this is callgate's own listener 0.0.0.0:10006, so every call would come back; write the business server's url",
        ),
        (
            "http://127.0.0.1:50051",
            "this is callgate's own listener 127.0.0.1:50051, so every call would come back; write the business server's url",
        ),
    ] {
        let policy = format!(
            "endpoints: {{b: {{url: '{url}'}}}}\nhooks: {{beforeMsgModify: {{endpoint: b}}}}"
        );
        let compiled = compile(&files(&policy, &[]), &context(&[]), 1);
        let lines: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
        let expected: Vec<String> = match expected {
            "" => Vec::new(),
            what => vec![format!(
                "policies/policy.yaml:1:22: endpoints.b.url: {what}"
            )],
        };
        assert_eq!(lines, expected, "{url}");
    }
}

#[test]
fn endpoint_settings_are_checked() {
    check(
        "endpoints:\n  b:\n    url: http://b\n    dialect: openim-v3\n    in_flight_max: 0\n    answer_bytes_max: 1GiB\n    allow_addresses: [10.0.0.0/8, here]\n    breaker: {failures: x, open: 5s, open_max: 1s}\n    retry_waits: [5s, 30]\n  none: {url: http://b}\nhooks: {beforeMsgModify: {endpoint: b}}\n",
        &[
            "policies/policy.yaml:4:14: endpoints.b.dialect: `openim-v3` is not possible here; did you mean `openim-v2`?",
            "policies/policy.yaml:5:20: endpoints.b.in_flight_max: 0 is out of range; use 1 to 1000000",
            "policies/policy.yaml:6:23: endpoints.b.answer_bytes_max: no answer is that large; use at most 64MiB",
            "(warning) policies/policy.yaml:7:23: endpoints.b.allow_addresses[0]: `10.0.0.0/8` is a range, and only single addresses are let through; name each address",
            "policies/policy.yaml:7:35: endpoints.b.allow_addresses[1]: `here` is not a valid address; write one address such as 169.254.10.20",
            "policies/policy.yaml:8:5: endpoints.b.breaker: `open_max` is shorter than `open`; make it at least as long",
            "policies/policy.yaml:8:25: endpoints.b.breaker.failures: `x` is not a whole number; use 1 to 1000000",
            "policies/policy.yaml:9:23: endpoints.b.retry_waits[1]: `30` is not a valid duration; write a number with its unit: 500ms, 2s, 5m, 1h or 1d",
            "policies/policy.yaml:10:3: endpoints.none: `none` cannot be a name; use 1 to 64 characters and not `none`",
            "(warning) policies/policy.yaml:10:3: endpoints.none: no enabled hook uses the endpoint `none`; name it as the `endpoint` of a hook, or remove it",
        ],
    );
    check(
        "endpoints: {b: {url: http://b, events: {success: [200, 404, ok]}}}\nhooks: {afterSendSingleMsg: {endpoint: b}}",
        &[
            "policies/policy.yaml:1:56: endpoints.b.events.success[1]: 404 is out of range; use 200 to 299",
            "policies/policy.yaml:1:61: endpoints.b.events.success[2]: `ok` is not a whole number; use 200 to 299",
        ],
    );
    check(
        "endpoints: {b: {answers: strict}, c: }\nhooks: {beforeMsgModify: {endpoint: b}, beforeAddBlack: {endpoint: c}}",
        &[
            "policies/policy.yaml:1:13: endpoints.b.url: the url is missing; write `url: http://host:port/path`",
            "policies/policy.yaml:1:35: endpoints.c.url: the url is missing; write `url: http://host:port/path`",
        ],
    );
}

#[test]
fn lists_and_their_files_are_checked() {
    check_with(
        "lists:\n  a: {file: lists/b.txt}\n  b: {}\n  c: {file: ../etc/words.txt}\n  d: {words: [x], action: mask, options: {case: 2, pinyn: full, skip: [spaces], mask: {char: '**'}}}\n  e: {file: lists/bad.txt}\nhooks: {beforeMsgModify: }\n",
        &[("lists/a.txt", "word"), ("lists/bad.txt", "ok\n\u{200b}\n")],
        &[],
        &[
            "(warning) policies/lists/a.txt: no list reads this file; name it below `lists:` in policy.yaml",
            "policies/lists/bad.txt:2:1: the entry is nothing but blanks and what the options drop",
            "policies/policy.yaml:2:13: lists.a.file: there is no file `lists/b.txt` in the policy directory; did you mean `lists/a.txt`?",
            "policies/policy.yaml:3:3: lists.b: the list has no words; write `file: lists/….txt` or `words: [..]`",
            "policies/policy.yaml:4:13: lists.c.file: `../etc/words.txt` is not inside the policy directory; write a path inside of it, with `/`: lists/words.txt",
            "policies/policy.yaml:5:27: lists.d.action: `mask` is not possible here; known are `block`, `replace`, `flag`, `shadow`, `allow`",
            "policies/policy.yaml:5:49: lists.d.options.case: `2` is not possible here; known are `true`, `false`",
            "policies/policy.yaml:5:52: lists.d.options: there is no setting `pinyn`; did you mean `pinyin`?",
            "policies/policy.yaml:5:72: lists.d.options.skip[0]: `spaces` is not possible here; did you mean `space`?",
            "policies/policy.yaml:5:94: lists.d.options.mask.char: a mask is one character; write one, such as \"*\"",
        ],
    );
}

#[test]
fn codes_that_do_not_reach_the_sender_are_refused() {
    let hint =
        "use 20001 to 29999, OpenIM's range for refusals by a callback, or WuKongIM's 128 to 255";
    check_beside_good(
        "failure: {code: 0}",
        &[&format!(
            "policies/policy.yaml:3:17: failure.code: with code 0 a refused message is reported as sent; {hint}"
        )],
    );
    check_beside_good(
        "failure: {code: 14}",
        &[&format!(
            "policies/policy.yaml:3:17: failure.code: code 14 becomes 500 on its way to the sender; {hint}"
        )],
    );
    check_beside_good(
        "failure: {code: -1}",
        &[&format!(
            "policies/policy.yaml:3:17: failure.code: code -1 becomes 500 on its way to the sender; {hint}"
        )],
    );
    check_beside_good(
        "failure: {code: 403}",
        &[&format!(
            "(warning) policies/policy.yaml:3:17: failure.code: code 403 may be taken for one of OpenIM's own; {hint}"
        )],
    );
    check_beside_good("failure: {code: 20001}", &[]);
}

#[test]
fn hook_settings_are_checked() {
    check(
        "callbackUrl: http://b/c\nhooks:\n  beforeMsgModify:\n    timeout: 0\n    caller_timeout: -1\n    allowedTypes: [101, text, 5-1]\n    enable: on\n    failedContinue: {timeout: maybe}\n",
        &[
            "(warning) policies/policy.yaml: no hook is enabled, so every message passes unseen; enable the hooks that callgate shall decide on",
            "(warning) policies/policy.yaml:1:1: endpoints.callbackUrl: no enabled hook uses the endpoint `callbackUrl`; name it as the `endpoint` of a hook, or remove it",
            "policies/policy.yaml:4:14: hooks.beforeMsgModify.timeout: a time above 0 is needed; write seconds, or 500ms",
            "policies/policy.yaml:5:21: hooks.beforeMsgModify.caller_timeout: `-1` is not a valid duration; write a number with its unit: 500ms, 2s, 5m, 1h or 1d",
            "policies/policy.yaml:6:25: hooks.beforeMsgModify.allowedTypes[1]: `text` is not a valid message type; write a number such as 101 or a range such as 200-500",
            "policies/policy.yaml:6:31: hooks.beforeMsgModify.allowedTypes[2]: `5-1` is not a valid message type; write a number such as 101 or a range such as 200-500",
            "policies/policy.yaml:7:13: hooks.beforeMsgModify.enable: `on` is not possible here; known are `true`, `false`",
            "policies/policy.yaml:8:31: hooks.beforeMsgModify.failedContinue.timeout: `maybe` is not possible here; known are `allow`, `block`, `true`, `false`",
        ],
    );
}

#[test]
fn hooks_that_cannot_work_are_refused() {
    check(
        "endpoints: {b: {url: http://b}, c: {url: http://c}}\nhooks:\n  beforeMsgModify: {endpoint: [b, c]}\n  afterSendSingleMsg: {endpoint: b, filters: [x]}\n",
        &[
            "policies/policy.yaml:3:21: hooks.beforeMsgModify.endpoint: a before hook has one answer, so it asks one endpoint; name one",
            "policies/policy.yaml:4:3: hooks.afterSendSingleMsg: an after hook tells what has happened, so there is nothing to filter; remove `filters`, or filter in the before hook",
        ],
    );
    check(
        "lists: {ads: {words: [ads], action: replace}}\nfilters: {replace_in_send_hook: defer}\nhooks: {beforeSendSingleMsg: , beforeMsgModify: {enable: false}}",
        &[
            "policies/policy.yaml:2:33: filters.replace_in_send_hook: beforeSendSingleMsg leaves words to beforeMsgModify, which is off, so they are never masked; enable beforeMsgModify, or write `block`",
        ],
    );
}

#[test]
fn what_will_surprise_is_a_warning() {
    check(
        "callbackUrl: http://b/c\nlists: {x: {words: [x]}, y: {words: [y]}}\nhooks:\n  beforeSendSingleMsg: {timeout: 6, filters: [x]}\n  beforeMsgModify: {timeout: 20, filters: [], caller_timeout: 20, deniedTypes: }\n  afterUserKickOff: {endpoint: none}\n  beforeAddBlack: {deniedTypes: [101], filters: [], pass_fields: [content, recvID]}\n",
        &[
            "(warning) policies/policy.yaml:2:26: lists.y: no enabled hook uses the list `y`; name it in `filters`",
            "(warning) policies/policy.yaml:4:34: hooks.beforeSendSingleMsg.timeout: the IM server gives up after caller_timeout (5s), so 6s are never used up; make it shorter than caller_timeout",
            "(warning) policies/policy.yaml:4:34: hooks.beforeSendSingleMsg.timeout: with beforeMsgModify a send may take 21s, and clients wait 10s; shorten one of the two, well below 10s together",
            "(warning) policies/policy.yaml:5:30: hooks.beforeMsgModify.timeout: 20s is longer than OpenIM waits for any hook, so 15s is used; use at most 15s",
            "(warning) policies/policy.yaml:5:63: hooks.beforeMsgModify.caller_timeout: OpenIM gives up on beforeMsgModify after 15s, and callgate may take up to 19s (caller_timeout); make caller_timeout 15s at the most",
            "(warning) policies/policy.yaml:5:67: hooks.beforeMsgModify.deniedTypes: there is no value, so the default counts; write a value or remove the key",
            "(warning) policies/policy.yaml:6:3: hooks.afterUserKickOff: no version of OpenIM ever calls `afterUserKickOff`; remove it or write `enable: false`",
            "(warning) policies/policy.yaml:6:3: hooks.afterUserKickOff: the hook has no endpoint, so nobody is told; name an `endpoint`, or write `enable: false`",
            "(warning) policies/policy.yaml:7:20: hooks.beforeAddBlack.deniedTypes: this hook has no message, so no type either; remove it",
            "(warning) policies/policy.yaml:7:67: hooks.beforeAddBlack.pass_fields[0]: `content` is no field that would be held back; only fields that change who gets a message, or that do harm, need to be named",
        ],
    );
    check(
        "lists: {x: {words: [x]}}\nfailure: {}",
        &[
            "(warning) policies/policy.yaml: no hook is enabled, so every message passes unseen; enable the hooks that callgate shall decide on",
            "(warning) policies/policy.yaml:1:9: lists.x: no enabled hook uses the list `x`; name it in `filters`",
        ],
    );
}

#[test]
fn ids_with_quotes_or_brackets_are_pointed_out() {
    check_with(
        GOOD,
        &[],
        &[(
            "CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__ATTENTIONIDS",
            "[\"a,b",
        )],
        &[
            "(warning) CALLGATE_POLICY__HOOKS__BEFOREMSGMODIFY__ATTENTIONIDS: hooks.beforeMsgModify.attentionIds: the id `[\"a` contains a quote or a bracket; in an environment variable ids are separated by commas, without brackets or quotes",
        ],
    );
}

#[test]
fn included_files_must_be_there_and_readable() {
    check_with(
        "include: [webhook.yml, sub/empty.yml, list.yml, bad.yml]\nhooks: {beforeMsgModify: }",
        &[
            ("webhooks.yml", "a: 1"),
            ("sub/empty.yml", ""),
            ("list.yml", "[]"),
            (
                "bad.yml",
                "beforeMsgModify: {enable: sure, timeout: [5]}\nbeforeMsgModify: 5\nbeforeAddBlack: 7",
            ),
        ],
        &[],
        &[
            "policies/bad.yml:1:27: beforeMsgModify.enable: OpenIM itself does not start with this value of beforeMsgModify; write true or false",
            "policies/bad.yml:1:33: beforeMsgModify.timeout: OpenIM itself does not start with this value of beforeMsgModify; write seconds as a whole number",
            "policies/bad.yml:2:1: the key `beforeMsgModify` is already at line 1; remove one of the two",
            "policies/bad.yml:3:1: beforeAddBlack: this must be a map of keys",
            "policies/list.yml:1:1: the file must be a map of keys; write `key: value` lines",
            "(warning) policies/policy.yaml: no hook is enabled, so every message passes unseen; enable the hooks that callgate shall decide on",
            "policies/policy.yaml:1:11: include[0]: there is no file `webhook.yml` in the policy directory; did you mean `webhooks.yml`?",
            "(warning) policies/policy.yaml:2:9: hooks.beforeMsgModify: the hook is off in policies/bad.yml:1; to turn it on here, write `enable: true`",
            "policies/sub/empty.yml: the file is empty; restore it or do not include it",
        ],
    );
}

#[test]
fn a_hook_that_an_included_file_turns_off_is_pointed_out() {
    check_with(
        "callbackUrl: http://b/c\ninclude: webhooks.yml\nhooks: {beforeMsgModify: {timeout: 1}, beforeAddBlack: }",
        &[("webhooks.yml", "beforeMsgModify: {enable: false}")],
        &[],
        &[
            "(warning) policies/policy.yaml:3:9: hooks.beforeMsgModify: the hook is off in policies/webhooks.yml:1; to turn it on here, write `enable: true`",
        ],
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    #[test]
    fn any_policy_text_is_compiled_or_refused(
        text in "((callbackUrl|include|endpoints|lists|filters|failure|hooks|beforeMsgModify|words|timeout|enable): ?|[ \\n{}\\[\\],0-9a-z'\"-]){0,40}",
    ) {
        let compiled = compile(&files(&text, &[]), &context(&[]), 1);
        let any_error = compiled.problems.iter().any(|p| p.severity == Severity::Error);
        proptest::prop_assert_eq!(compiled.snapshot.is_none(), any_error);
    }
}
