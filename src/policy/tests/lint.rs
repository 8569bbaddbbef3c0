//! What `callgate check` finds in word lists, and what it must not find.

use super::super::lint;
use super::*;

const HOOK: &str = "hooks: {beforeMsgModify: {}}\n";

/// Everyday messages do not count: the words of most cases stand in some.
const NO_MESSAGES: &str = "lint: {everyday_share_max: 1}\n";

/// Lints a policy of these list files.
fn check_policy(policy: &str, lists: &[(&str, &str)], expected: &[&str]) {
    let files = files(policy, lists);
    let compiled = compile(&files, &context(&[]), 1);
    assert!(
        compiled.snapshot.is_some(),
        "{policy}: {:#?}",
        lines(&compiled)
    );
    let findings = lint(&files, &compiled);
    assert!(findings.iter().all(|one| one.severity == Severity::Warning));
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, expected, "{policy} {lists:?}");
}

/// Lints one list that blocks.
fn check(words: &str, expected: &[&str]) {
    check_with("action: block", words, expected);
}

fn check_with(settings: &str, words: &str, expected: &[&str]) {
    let policy = format!("lists: {{l: {{file: l.txt, {settings}}}}}\n{HOOK}{NO_MESSAGES}");
    check_policy(&policy, &[("l.txt", words)], expected);
}

#[test]
fn a_good_list_has_no_findings() {
    check("网上赌场\nonline casino\ncat*\n代开发票\n", &[]);
}

#[test]
fn one_character_is_found_everywhere() {
    check(
        "网上赌场\n日\nｖ\n*x*\n",
        &[
            "policies/l.txt:2:1: `日` is one character, and is found wherever that stands; write a longer word",
            "policies/l.txt:3:1: `ｖ` is one character, and is found wherever that stands; write a longer word",
            "policies/l.txt:4:1: `*x*` is one character, and is found wherever that stands; write a longer word",
        ],
    );
}

#[test]
fn an_entry_of_which_nothing_is_left_is_an_error_with_its_line() {
    let policy = format!("lists: {{l: {{file: l.txt}}}}\n{HOOK}");
    let files = files(&policy, &[("l.txt", "好\n\u{200b}\u{301}\n")]);
    let compiled = compile(&files, &context(&[]), 1);
    assert_eq!(
        lines(&compiled),
        ["policies/l.txt:2:1: the entry is nothing but blanks and what the options drop"]
    );
}

#[test]
fn repeated_entries_name_both_lines() {
    check(
        "赌博网站\n# comment\n赌博网站\n賭博網站\nCasino VIP\nｃａｓｉｎｏ ｖｉｐ\n",
        &[
            "policies/l.txt:3:1: `赌博网站` stands in line 1 already; remove one of the two",
            "policies/l.txt:4:1: `賭博網站` is the same as `赌博网站` (line 1) once both are folded; remove one of the two",
            "policies/l.txt:6:1: `ｃａｓｉｎｏ ｖｉｐ` is the same as `Casino VIP` (line 5) once both are folded; remove one of the two",
        ],
    );
    check_with("options: {trad: false}", "赌博网站\n賭博網站\n", &[]);
    check(
        "赌博网站\ta\n赌博网站\tb\n",
        &[
            "policies/l.txt:2:1: `赌博网站` stands in line 1 already; remove one of the two; the tags of the first count",
        ],
    );
}

#[test]
fn words_of_the_policy_have_their_place_there() {
    check_policy(
        &format!("lists:\n  l:\n    file: l.txt\n    words:\n      - 赌博网站\n{HOOK}"),
        &[("l.txt", "代开发票\n赌博网站\n")],
        &[
            "policies/policy.yaml:5:9: lists.l.words[0]: `赌博网站` stands in policies/l.txt:2 already; remove one of the two",
        ],
    );
}

#[test]
fn a_word_around_a_shorter_one_never_matters() {
    let covered = |line: u32, long: &str, short: &str, at: u32| {
        format!(
            "policies/l.txt:{line}:1: `{long}` never matters, because `{short}` (line {at}) is found wherever it is; remove one of the two"
        )
    };
    check(
        "赌博\n网上赌博平台\nmy casino\ncasino\ncasinos\n",
        &[
            &covered(2, "网上赌博平台", "赌博", 1),
            &covered(3, "my casino", "casino", 4),
        ],
    );
    check(
        "cat\ncat*\ncategory\nbobcat\n",
        &[
            &covered(1, "cat", "cat*", 2),
            &covered(3, "category", "cat*", 2),
        ],
    );
    check_with(
        "options: {whole_word: off}",
        "cat\nbobcat\n",
        &[&covered(2, "bobcat", "cat", 1)],
    );
}

#[test]
fn a_longer_word_matters_where_it_changes_something() {
    let words = "赌博\n网上赌博平台\n";
    // It is masked as a whole.
    check_with("action: replace", words, &[]);
    // Every match is asked for.
    check_with("options: {mode: all}", words, &[]);
    // Its tags are reported.
    check("赌博\n网上赌博平台\tsite\n", &[]);
    // A quoted one is masked.
    check_policy(
        &format!("lists: {{l: {{file: l.txt}}}}\nfilters: {{nested_text: mask}}\n{HOOK}"),
        &[("l.txt", words)],
        &[],
    );
    // The shorter one is spared in `反对赌博`, also in `反对网上赌博平台`.
    check_policy(
        &format!("lists: {{l: {{file: l.txt}}, a: {{words: [赌博论文], action: allow}}}}\n{HOOK}"),
        &[("l.txt", words)],
        &[],
    );
}

#[test]
fn patterns_are_compared_as_they_were_written() {
    check(
        "re:a+b\nre:A+B\nre:a+b\ncontact:phone\n",
        &["policies/l.txt:3:1: `re:a+b` stands in line 1 already; remove one of the two"],
    );
}

#[test]
fn noise_that_is_letters_hides_a_boundary() {
    let covered = "policies/l.txt:2:1: `加vip` never matters, because `vip` (line 1) is found wherever it is; remove one of the two";
    check_with("options: {skip: [space]}", "vip\n加vip\n", &[covered]);
    check_with("options: {skip: [latin]}", "vip\n加vip\n", &[]);
    check_with("options: {leet: true}", "vip\n加vip\n", &[]);
}

#[test]
fn phone_numbers_are_private() {
    check(
        "加我13812345678\n代开发票\n",
        &[
            "policies/l.txt:1:1: the entry holds what looks like a phone number (138…78); keep nobody's number in a list that others read",
        ],
    );
}

#[test]
fn an_allowed_phrase_that_is_the_entry_spares_it_everywhere() {
    let policy = |lists: &str| {
        format!("lists:\n  l: {{file: l.txt{lists}}}\n  a: {{file: a.txt, action: allow}}\n{HOOK}")
    };
    check_policy(
        &policy(""),
        &[("l.txt", "赌博\n代开发票\n"), ("a.txt", "反赌博\n賭博\n")],
        &[
            "policies/a.txt:2:1: `賭博` spares `赌博` of `l` (policies/l.txt:1) wherever it is found; write the longer phrase that is meant, or remove the entry",
        ],
    );
    check_policy(
        &policy(""),
        &[("l.txt", "赌博\n"), ("a.txt", "赌博\n")],
        &[
            "policies/a.txt:1:1: `赌博` spares `赌博` of `l` (policies/l.txt:1) wherever it is found; write the longer phrase that is meant, or remove the entry",
            "policies/policy.yaml:2:3: lists.l: the list never finds anything: `a` spares every entry; remove the phrases that spare it",
        ],
    );
    // Inside of the entry it spares nothing, unless touching is enough.
    check_policy(
        &policy(""),
        &[("l.txt", "网上赌博\n"), ("a.txt", "网上\n")],
        &[
            "policies/policy.yaml:3:3: lists.a: the list `a` spares nothing: no phrase of it holds what the lists beside it find; write phrases with a listed word in them, or remove the list",
        ],
    );
    check_policy(
        &policy(", options: {allow_mode: overlap}"),
        &[("l.txt", "网上赌博\n代开发票\n"), ("a.txt", "网上\n")],
        &[
            "policies/a.txt:1:1: `网上` spares `网上赌博` of `l` (policies/l.txt:1) wherever it is found; write the longer phrase that is meant, or remove the entry",
        ],
    );
}

#[test]
fn lists_of_different_hooks_do_not_spare_each_other() {
    check_policy(
        "lists:\n  l: {file: l.txt}\n  a: {file: a.txt, action: allow}\n\
         hooks: {beforeMsgModify: {filters: [l]}, beforeSendSingleMsg: {filters: [a]}}\n",
        &[("l.txt", "赌博\n"), ("a.txt", "赌博\n")],
        &[
            "policies/policy.yaml:3:3: lists.a: the list `a` spares nothing: no hook that uses it has a list that finds anything; name it in the `filters` of a hook with other lists, or remove it",
            "policies/policy.yaml:4:42: hooks.beforeSendSingleMsg: the hook asks nobody and has no list that finds anything, so everything passes; name an `endpoint` or `filters` with a list that finds something, or write `enable: false`",
        ],
    );
}

#[test]
fn findings_of_one_kind_are_counted_beyond_the_limit() {
    let words: String = ('a'..='z').map(|c| format!("{c}\n")).collect();
    let policy = format!(
        "lists: {{l: {{file: l.txt}}}}\nlint: {{warnings_max: 1, everyday_share_max: 1}}\n{HOOK}"
    );
    check_policy(
        &policy,
        &[("l.txt", &words)],
        &[
            "policies/l.txt: 25 more entries are one character; `lint.warnings_max` in policy.yaml tells more of them",
            "policies/l.txt:1:1: `a` is one character, and is found wherever that stands; write a longer word",
        ],
    );
}

#[test]
fn entries_of_everyday_messages_are_told_with_an_example() {
    check_policy(
        &format!("lists: {{l: {{file: l.txt}}}}\n{HOOK}"),
        &[("l.txt", "代开发票\n明天\nlottery\n")],
        &[
            "policies/l.txt:2:1: `明天` is found in 11 of 546 everyday messages, such as `减肥从明天开始`; write a longer phrase, or spare those messages with an allow list",
            "policies/l.txt:3:1: `lottery` is found in 2 of 546 everyday messages, such as `that old lottery building is a museum now`; write a longer phrase, or spare those messages with an allow list",
        ],
    );
    check_policy(
        &format!("lists: {{l: {{words: [明天]}}}}\nlint: {{everyday_share_max: 0.1}}\n{HOOK}"),
        &[],
        &[],
    );
    check_policy(
        &format!(
            "lists: {{l: {{words: [lottery]}}, a: {{words: [old lottery, lottery of], action: allow}}}}\n{HOOK}"
        ),
        &[],
        &[],
    );
}

#[test]
fn the_share_is_above_0() {
    let compiled = compile(
        &files(
            "lint: {everyday_share_max: 0}\nhooks: {beforeMsgModify: {}}\n",
            &[],
        ),
        &context(&[]),
        1,
    );
    assert_eq!(
        lines(&compiled),
        [
            "policies/policy.yaml:1:28: lint.everyday_share_max: this must be a share above 0 and up to 1; write 0.5 for a half"
        ]
    );
}

#[test]
fn entries_that_say_something_for_themselves_matter() {
    check("赌博\n网上赌博平台\t\t{action: flag}\n", &[]);
    check(
        "赌博\t\t{leet: true}\n网上赌博平台\n赌博\n",
        &[
            "policies/l.txt:2:1: `网上赌博平台` never matters, because `赌博` (line 3) is found wherever it is; remove one of the two",
        ],
    );
    check(
        "赌博\n网上赌博平台\t\t{action: block}\n",
        &[
            "policies/l.txt:2:1: `网上赌博平台` never matters, because `赌博` (line 1) is found wherever it is; remove one of the two",
        ],
    );
    check_with("tag_actions: {soft: flag}", "赌博\tsoft\n赌博平台\n", &[]);
}

#[test]
fn words_of_combinations_are_no_entries() {
    check_with(
        "words: [日结工资], options: {combos: {job: {all: [刷单, 日结]}}}",
        "刷单返利\n",
        &[],
    );
}

/// Lints one list; some finding says so.
fn check_told(settings: &str, words: &str, expected: &[&str]) {
    let policy = format!("lists: {{l: {{file: l.txt, {settings}}}}}\n{HOOK}{NO_MESSAGES}");
    let files = files(&policy, &[("l.txt", words)]);
    let compiled = compile(&files, &context(&[]), 1);
    let findings: Vec<String> = match compiled.snapshot {
        Some(_) => lint(&files, &compiled)
            .iter()
            .map(ToString::to_string)
            .collect(),
        None => lines(&compiled),
    };
    let is_told = findings
        .iter()
        .any(|one| expected.iter().all(|part| one.contains(part)));
    assert!(is_told, "{expected:?}: {findings:#?}");
}

#[test]
fn what_costs_much_is_named_with_its_price() {
    let endings: String = (1..=100).map(|count| "哈".repeat(count) + "\n").collect();
    check_told(
        "",
        &endings,
        &["a text of its own entries costs", "class `unfiltered`"],
    );
    let ways: String = (0..20)
        .map(|nth: u32| {
            let alias = char::from_u32(0x4E00 + nth).unwrap();
            format!("网上赌场{nth}\tx\t{{aliases: {{{alias}: 网}}}}\n")
        })
        .collect();
    check_told("", &ways, &["make it 21 ways to read every text"]);
    check_told(
        "",
        "好的赌场\nre:[ab]*a[ab]{20}c\n",
        &["policies/l.txt:2:1", "steps for each byte"],
    );
    check_told(
        "",
        "好的赌场\nre:[ab]*a[ab]{250}c\n",
        &["policies/l.txt:2:1", "64 are the most"],
    );
    check("网上赌场\nre:cas[i1]no\nre:[a-z]+赌\n", &[]);
}

#[test]
fn a_long_mask_is_refused() {
    let mask = "x".repeat(1_025);
    let policy = format!(
        "lists: {{l: {{words: [w], action: replace, options: {{mask: {{by: word, text: {mask}}}}}}}}}\n{HOOK}"
    );
    let compiled = compile(&files(&policy, &[]), &context(&[]), 1);
    let problems = lines(&compiled).join("\n");
    assert!(
        problems.contains("lists.l.options.mask.text: a mask of 1025 bytes; 1024 are the most"),
        "{problems}"
    );
}

/// Each can never do anything, and is told with its place and a way out.
#[test]
fn what_can_never_do_anything_is_told() {
    let check = |policy: &str, lists: &[(&str, &str)], expected: &[&str]| {
        let files = files(policy, lists);
        let compiled = compile(&files, &context(&[]), 1);
        let told: Vec<String> = (compiled.problems.iter())
            .chain(&lint(&files, &compiled))
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, expected, "{policy} {lists:?}");
    };
    let empty = "the list is empty, so it never finds anything; write words in it, or remove it below `lists:`";
    let passes = "the hook asks nobody and has no list that finds anything, so everything passes; name an `endpoint` or `filters` with a list that finds something, or write `enable: false`";
    check(
        &format!("lists:\n  l: {{words: []}}\n{HOOK}"),
        &[],
        &[
            &format!("policies/policy.yaml:2:3: lists.l: {empty}"),
            &format!("policies/policy.yaml:3:9: hooks.beforeMsgModify: {passes}"),
        ],
    );
    check(
        &format!("lists: {{l: {{file: l.txt}}, m: {{words: [casino]}}}}\n{HOOK}"),
        &[("l.txt", "# nothing\n\n")],
        &[&format!("policies/l.txt: {empty}")],
    );
    check(
        &format!(
            "lists: {{l: {{words: [], options: {{combos: {{c: {{all: [刷单, 日结]}}}}}}}}}}\n{HOOK}"
        ),
        &[],
        &[],
    );
    check(
        HOOK,
        &[],
        &[&format!(
            "policies/policy.yaml:1:9: hooks.beforeMsgModify: {passes}"
        )],
    );
    check(
        "lists: {l: {words: [casino]}}\nhooks: {beforeMsgModify: {filters: []}, beforeSendSingleMsg: }\n",
        &[],
        &[&format!(
            "policies/policy.yaml:2:9: hooks.beforeMsgModify: {passes}"
        )],
    );
    check(
        "lists: {l: {words: [casino]}}\nhooks: {beforeMsgModify: , beforeAddBlack: }\n",
        &[],
        &[
            "policies/policy.yaml:2:28: hooks.beforeAddBlack: the hook asks nobody, and its calls hold no text to search, so everything passes; name an `endpoint`, or write `enable: false`",
        ],
    );
    check(
        "lists: {l: {words: [casino]}}\nhooks: {beforeMsgModify: {allowedTypes: [101, 105], deniedTypes: [\"100-110\"]}}\n",
        &[],
        &[
            "policies/policy.yaml:2:9: hooks.beforeMsgModify: `deniedTypes` denies every type that `allowedTypes` allows, so nothing is looked at; take away from one of the two, or write `enable: false`",
        ],
    );
    check(
        "lists: {l: {words: [casino]}}\nendpoints: {e: {url: \"http://10.0.0.1/\"}}\nhooks: {beforeMsgModify: {endpoint: none}}\n",
        &[],
        &[
            "policies/policy.yaml:2:13: endpoints.e: no enabled hook uses the endpoint `e`; name it as the `endpoint` of a hook, or remove it",
        ],
    );
}

#[test]
fn tags_of_no_entry_are_told() {
    check_with(
        "tag_actions: {soft: flag, tril: shadow, other: flag}",
        "赌博\tsoft\n网上赌场\ttrial\n",
        &[
            "policies/policy.yaml:1:58: lists.l.tag_actions.tril: no entry of the list `l` has the tag `tril`; did you mean `trial`?",
            "policies/policy.yaml:1:73: lists.l.tag_actions.other: no entry of the list `l` has the tag `other`; write the tag behind a word, after a TAB, or remove the line",
        ],
    );
}

#[test]
fn an_allow_list_that_spares_nothing_is_told() {
    let check = |words: &str, allowed: &str, filters: &str, expected: &[&str]| {
        let policy = format!(
            "lists: {{l: {{file: l.txt}}, ok: {{file: ok.txt, action: allow}}}}\nhooks: {{beforeMsgModify: {{filters: {filters}}}, beforeSendSingleMsg: {{filters: [l]}}}}\n{NO_MESSAGES}"
        );
        check_policy(&policy, &[("l.txt", words), ("ok.txt", allowed)], expected);
    };
    check("赌场\n", "赌场风云\n天气\n", "[l, ok]", &[]);
    check("赌场\n", "天气*\n", "[l, ok]", &[]);
    check("赌场\n", "contact:url\n", "[l, ok]", &[]);
    check(
        "赌场\n",
        "天气\n生日快乐\n",
        "[l, ok]",
        &[
            "policies/policy.yaml:1:27: lists.ok: the list `ok` spares nothing: no phrase of it holds what the lists beside it find; write phrases with a listed word in them, or remove the list",
        ],
    );
}

#[test]
fn words_that_differ_from_everyday_ones_by_accents_are_told() {
    for (entry, word) in [
        ("coño", "cono"),
        ("péter", "peter"),
        ("sås", "sas"),
        ("hård", "hard"),
        ("jätkä", "jatka"),
    ] {
        let files = files(&format!("lists: {{l: {{words: [{entry}]}}}}\n{HOOK}"), &[]);
        let told = lint(&files, &compile(&files, &context(&[]), 1));
        let wanted = format!("`{entry}` is found in `{word}`, an everyday word in ");
        let is_told = |one: &crate::settings::Problem| one.what.starts_with(&wanted);
        assert!(told.iter().any(is_told), "{entry}: {told:#?}");
    }
}
