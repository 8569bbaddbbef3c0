//! What good policies decide.

use bytes::Bytes;

use super::*;
use crate::decision::{Decider, FailureClass, ListAction, Refusal, Replacement, SkipReason};
use crate::dialect::{Call, Decoded, Head};
use crate::event::{DialectId, Document, Moment};

/// A call of OpenIM over HTTP.
fn http_event(command: &str, body: &serde_json::Value) -> Event {
    let call = Call {
        head: Head::at(command, ""),
        body: Bytes::from(body.to_string()),
    };
    match dialect::of(DialectId::OpenIm).decode(&call) {
        Ok(Decoded::Event(event)) => *event,
        other => panic!("{command} {body}: {other:?}"),
    }
}

fn http_text(hook: &str, content_type: i32, content: &serde_json::Value) -> Event {
    let command = dialect::info(dialect::hook(hook).unwrap()).command;
    let body = serde_json::json!({
        "sendID": "u1", "recvID": "u2", "callbackCommand": command, "serverMsgID": "s1",
        "clientMsgID": "c1", "operationID": "o1", "senderPlatformID": 1, "senderNickname": "nick",
        "sessionType": 1, "msgFrom": 100, "contentType": content_type, "status": 1,
        "sendTime": 1, "createTime": 1, "content": content.to_string(), "seq": 0,
        "atUserList": null, "faceURL": "", "ex": "",
    });
    http_event(command, &body)
}

fn check(snapshot: &Snapshot, event: &Event, expected: &str) {
    let decision = decide(snapshot, event);
    assert_eq!(in_words(&decision), expected);
}

fn check_skip(rules: &str, content_type: i32, expected: Option<SkipReason>) {
    let snapshot = snapshot(&format!("hooks: {{beforeSendSingleMsg: {{{rules}}}}}"));
    let mut event = text_event("beforeSendSingleMsg", "hi");
    event.message.as_mut().unwrap().content_type = content_type;
    assert_eq!(
        snapshot.select(&event).err(),
        expected,
        "{rules} {content_type}"
    );
}

#[test]
fn a_hook_is_used_for_its_types_and_ids_alone() {
    check_skip("", 101, None);
    check_skip("enable: false", 101, Some(SkipReason::Disabled));
    check_skip("allowedTypes: [101, 200-300]", 101, None);
    check_skip("allowedTypes: [101, 200-300]", 300, None);
    check_skip(
        "allowedTypes: [101, 200-300]",
        102,
        Some(SkipReason::AllowedTypes),
    );
    check_skip("deniedTypes: ['102']", 102, Some(SkipReason::DeniedTypes));
    check_skip(
        "allowedTypes: [102], deniedTypes: [100-105]",
        102,
        Some(SkipReason::DeniedTypes),
    );
    check_skip("attentionIds: [u1]", 101, None);
    check_skip("attentionIds: [u2]", 101, None);
    check_skip(
        "attentionIds: [u3, 12]",
        101,
        Some(SkipReason::AttentionIds),
    );
    let other = text_event("beforeSendGroupMsg", "hi");
    let snapshot = snapshot("hooks: {beforeSendSingleMsg: }");
    assert_eq!(snapshot.select(&other).err(), Some(SkipReason::Disabled));
}

const LISTS: &str = "lists:
  soft: {words: [soft], action: replace, code: 20003, reason: no soft}
  hard: {words: [hard], action: block, code: 20002, reason: no hard}
  other: {words: [other], action: block, code: 20004, reason: no other}
  seen: {words: [seen], action: flag, tags: [t]}
  fine: {words: [hard cheese], action: allow}
hooks: {beforeSendSingleMsg: , beforeMsgModify: }
";

#[test]
fn block_wins_over_replace_and_replace_over_allow() {
    let snapshot = snapshot(LISTS);
    for (text, expected) in [
        ("nothing", "allow"),
        ("a soft word", r#"replace {"content":"a **** word"}"#),
        ("soft and hard", "block 20002 no hard (list `hard`)"),
        ("seen", "allow"),
        ("hard cheese", "allow"),
        ("other before hard", "block 20002 no hard (list `hard`)"),
    ] {
        check(
            &snapshot,
            &text_event("beforeSendSingleMsg", text),
            expected,
        );
    }
}

#[test]
fn the_order_of_a_hooks_filters_is_the_rank_of_its_lists() {
    let policy = LISTS.replace(
        "beforeSendSingleMsg: ",
        "beforeSendSingleMsg: {filters: [other, hard]}",
    );
    let event = text_event("beforeSendSingleMsg", "hard or other");
    let ranked = snapshot(&policy);
    check(&ranked, &event, "block 20004 no other (list `other`)");
    check(&ranked, &text_event("beforeSendSingleMsg", "soft"), "allow");
    let soft_alone = snapshot(&format!("{LISTS}filters: {{lists: [soft]}}"));
    check(&soft_alone, &event, "allow");
}

#[test]
fn hits_say_what_was_found_where() {
    let list = [("lists/l.txt", "# comment\nword\tb,c\n")];
    let policy = "lists: {l: {file: lists/l.txt, tags: [a]}}\nhooks: {beforeSendSingleMsg: }";
    let snapshot = snapshot_with(policy, &list, &[]);
    let decision = decide(&snapshot, &text_event("beforeSendSingleMsg", "赌 WORD"));
    let hit = &decision.hits[0];
    assert_eq!((&*hit.list, &*hit.entry, hit.line), ("l", "word", 2));
    assert_eq!(
        (hit.tags.join(","), hit.action),
        ("a,b,c".to_owned(), ListAction::Block)
    );
    assert_eq!(
        (hit.place.as_str(), hit.span.chars.clone()),
        ("content/content", 2..6)
    );
    assert_eq!(
        in_words(&decision),
        "block 20001 message contains forbidden words (list `l`, line 2)"
    );
    assert_eq!(
        (decision.decider, decision.reviewed),
        (Decider::Filter, true)
    );
}

#[test]
fn an_entry_on_trial_is_counted_alone() {
    let check = |settings: &str, line: &str, expected: &str| {
        let list = [("lists/l.txt", line)];
        let policy = format!(
            "lists: {{l: {{file: lists/l.txt, {settings}}}}}\nhooks: {{beforeSendSingleMsg: }}"
        );
        let snapshot = snapshot_with(&policy, &list, &[]);
        let decision = decide(&snapshot, &text_event("beforeSendSingleMsg", "word"));
        assert_eq!(
            decision.hits[0].action.name(),
            expected,
            "{settings} {line}"
        );
    };
    check("", "word\ttrial\n", "shadow");
    check("tag_actions: {hot: block}", "word\thot,trial\n", "shadow");
    check("", "word\ttrial\t{action: block}\n", "shadow");
    check("tags: [trial]", "word\n", "shadow");
    check("tag_actions: {trial: flag}", "word\ttrial\n", "flag");
    check("", "word\ttrials\n", "block");
}

#[test]
fn entries_and_tags_have_actions_and_options_of_their_own() {
    let list = [(
        "lists/l.txt",
        "plain\nsoft\ttame\nquiet\ttame,trial\t{action: shadow}\nseen\ttrial\nleet\t{leet: true, whole_word: off}\n",
    )];
    let policy = "lists: {l: {file: lists/l.txt, tag_actions: {tame: replace, trial: flag}, options: {combos: {both: {all: [one, two]}}}}}\nhooks: {beforeSendSingleMsg: }";
    let snapshot = snapshot_with(policy, &list, &[]);
    let decide = |text| {
        let decision = decide(&snapshot, &text_event("beforeSendSingleMsg", text));
        let hits = decision.hits.iter();
        let hits = hits.map(|hit| {
            format!(
                "{} {} {}",
                hit.entry,
                hit.action.name(),
                hit.evasions.join(",")
            )
        });
        let verdict = in_words(&decision);
        format!("{verdict} | {}", hits.collect::<Vec<_>>().join(" | "))
    };
    let blocked =
        |line: &str| format!("block 20001 message contains forbidden words (list `l`{line})");
    assert_eq!(
        decide("plain"),
        format!("{} | plain block ", blocked(", line 1"))
    );
    assert_eq!(
        decide("SOFT"),
        r#"replace {"content":"****"} | soft replace case"#
    );
    assert_eq!(decide("quiet"), "allow | quiet shadow ");
    assert_eq!(decide("seen"), "allow | seen flag ");
    assert_eq!(
        decide("xl33tx"),
        format!("{} | leet block leet", blocked(", line 5"))
    );
    assert_eq!(decide("one"), "allow | ");
    assert_eq!(
        decide("two one"),
        format!("{} | two block  | one block ", blocked(""))
    );
}

#[test]
fn what_cannot_be_masked_in_a_send_hook_blocks_or_waits_for_the_next_call() {
    let text = serde_json::json!({ "content": "soft" });
    let send = http_text("beforeSendSingleMsg", 101, &text);
    let modify = http_text("beforeMsgModify", 101, &text);
    let blocks = snapshot(LISTS);
    let defer = snapshot(&format!("{LISTS}filters: {{replace_in_send_hook: defer}}"));
    check(&blocks, &send, "block 20003 no soft (list `soft`)");
    check(&blocks, &modify, r#"replace {"content":"****"}"#);
    check(&defer, &send, "allow");
    check(&defer, &modify, r#"replace {"content":"****"}"#);
    let decision = decide(&defer, &send);
    assert_eq!(decision.hits.len(), 1, "a deferred word is still reported");
    let other_type = http_text(
        "beforeSendSingleMsg",
        106,
        &serde_json::json!({ "text": "soft", "atUserList": [] }),
    );
    check(&defer, &other_type, "block 20003 no soft (list `soft`)");
    let all = snapshot(&format!(
        "{LISTS}filters: {{replace_in_send_hook: defer, defer_types: all}}"
    ));
    check(&all, &other_type, "allow");
}

#[test]
fn quoted_words_count_as_the_policy_says() {
    let quote = |word: &str| {
        let quoted = serde_json::json!({ "sendID": "u9", "contentType": 101, "textElem": { "content": word } });
        let content = serde_json::json!({ "text": "see", "quoteMessage": quoted });
        http_text("beforeMsgModify", 114, &content)
    };
    let with = |rule: &str| snapshot(&format!("{LISTS}filters: {{nested_text: {rule}}}"));
    check(
        &with("block"),
        &quote("hard"),
        "block 20002 no hard (list `hard`)",
    );
    check(&with("ignore"), &quote("hard"), "allow");
    let masks = with("mask");
    for word in ["hard", "soft"] {
        let decision = decide(&masks, &quote(word));
        let words = in_words(&decision);
        assert!(
            words.starts_with("replace") && words.contains(r#""content":"****""#),
            "{words}"
        );
        assert_eq!(decision.hits[0].action, ListAction::Replace);
    }
}

#[test]
fn an_id_in_a_mention_is_no_word() {
    let event = |text: &str| {
        let content =
            serde_json::json!({ "text": text, "atUserList": ["hard"], "isAtSelf": false });
        http_text("beforeMsgModify", 106, &content)
    };
    let snapshot = snapshot(LISTS);
    check(&snapshot, &event("@hard hello"), "allow");
    check(
        &snapshot,
        &event("@hard this is hard"),
        "block 20002 no hard (list `hard`)",
    );
}

const ASKING: &str = "callbackUrl: http://b/c
lists:
  soft: {words: [soft], action: replace}
  hard: {words: [hard], action: block}
hooks: {beforeSendSingleMsg: {pass_fields: [recvid]}, beforeMsgModify: }
";

fn asked(event: &Event, answer: Answer) -> Decision {
    decide_with(&snapshot(ASKING), event, &Outcome::Answer(answer))
}

fn check_answer(text: &str, answer: Answer, expected: &str, decider: Decider) {
    let event = text_event("beforeMsgModify", text);
    let decision = asked(&event, answer);
    assert_eq!(in_words(&decision), expected);
    assert_eq!(
        (decision.decider, decision.reviewed, decision.failure),
        (decider, true, None)
    );
}

fn content(text: &str) -> Answer {
    Answer::Replace(Replacement {
        content: Some(serde_json::json!({ "content": text }).to_string()),
        fields: Vec::new(),
        ..Replacement::default()
    })
}

#[test]
fn an_answer_stands_beside_what_the_filters_said() {
    let refusal = Refusal {
        code: 20_009,
        public: "no".to_owned(),
        detail: String::new(),
    };
    check_answer("hi", Answer::Allow, "allow", Decider::Nothing);
    check_answer(
        "soft",
        Answer::Allow,
        r#"replace {"content":"****"}"#,
        Decider::Filter,
    );
    check_answer(
        "soft",
        Answer::Block(refusal.clone()),
        "block 20009 no (the business server's answer)",
        Decider::Callback,
    );
    let hard = "block 20001 message contains forbidden words (list `hard`)";
    check_answer("hard", Answer::Allow, hard, Decider::Filter);
    check_answer("hard", Answer::Block(refusal), hard, Decider::Filter);
}

#[test]
fn a_replacement_by_the_endpoint_wins_and_passes_the_filters_once_more() {
    check_answer(
        "soft",
        content("new"),
        r#"replace {"content":"new"}"#,
        Decider::Callback,
    );
    check_answer(
        "hi",
        content("soft"),
        r#"replace {"content":"****"}"#,
        Decider::Callback,
    );
    let hard = "block 20001 message contains forbidden words (list `hard`)";
    check_answer("hi", content("hard"), hard, Decider::Filter);
    check_answer(
        "hi",
        Answer::Replace(Replacement::default()),
        "allow",
        Decider::Nothing,
    );
}

#[test]
fn fields_that_redirect_pass_only_where_the_policy_names_them() {
    let answer = |fields: &[(&str, &str)]| {
        let fields = fields.iter();
        Answer::Replace(Replacement {
            content: None,
            fields: fields
                .map(|(name, json)| ((*name).to_owned(), (*json).to_owned()))
                .collect(),
            ..Replacement::default()
        })
    };
    let fields = [("recvID", "\"u9\""), ("groupID", "\"g9\""), ("ex", "\"x\"")];
    let send = text_event("beforeSendSingleMsg", "soft");
    let words = in_words(&asked(&send, answer(&fields)));
    assert_eq!(words, r#"replace {"content":"****"} recvID="u9" ex="x""#);
    let modify = text_event("beforeMsgModify", "hi");
    assert_eq!(in_words(&asked(&modify, answer(&fields[..2]))), "allow");
}

#[test]
fn content_is_dropped_where_the_answer_carries_none() {
    let event = http_text(
        "beforeSendSingleMsg",
        101,
        &serde_json::json!({ "content": "hi" }),
    );
    assert_eq!(in_words(&asked(&event, content("new"))), "allow");
    assert_eq!(in_words(&asked(&event, content("hard"))), "allow");
}

#[test]
fn the_version_names_everything_that_decides() {
    let version = |policy: &str, others: &[(&str, &str)], env: &[(&str, &str)]| {
        snapshot_with(policy, others, env).version.to_string()
    };
    let policy = "hooks: {beforeMsgModify: }";
    let base = version(policy, &[], &[]);
    assert_eq!((&base[..2], base.len()), ("1-", 14));
    assert_eq!(
        base,
        version(
            policy,
            &[("engine.yaml", "x"), ("tests/t.yaml", "x")],
            &[("PATH", "x")]
        )
    );
    assert_ne!(base, version("hooks: {beforeMsgModify: {}}", &[], &[]));
    assert_ne!(base, version(policy, &[("lists/a.txt", "x")], &[]));
    let moved = version(policy, &[("lists/a.txtx", "y")], &[]);
    assert_ne!(moved, version(policy, &[("lists/a.txt", "xy")], &[]));
    assert_ne!(
        base,
        version(policy, &[], &[("CALLGATE_POLICY__FAILURE__CODE", "20005")])
    );
}

#[test]
fn what_holds_for_each_entry_can_be_changed_for_all() {
    let policy =
        "each_hook: {timeout: 700ms}\nhooks: {beforeMsgModify: , beforeAddBlack: {timeout: 1}}";
    let env = [("CALLGATE_POLICY__EACH_HOOK__CALLER_TIMEOUT", "3s")];
    let snapshot = snapshot_with(policy, &[], &env);
    let times = snapshot
        .hooks()
        .map(|rules| (rules.timeout, rules.caller_timeout));
    let times: Vec<_> = times.map(|times| format!("{times:?}")).collect();
    assert_eq!(times, ["(1s, 3s)", "(700ms, 3s)"]);
}

/// Where nothing can be masked, and nothing follows that could.
#[test]
fn what_cannot_be_masked_leads_to_what_the_hook_says() {
    let command = "callbackBeforeAddFriendCommand";
    let body = serde_json::json!({
        "callbackCommand": command, "fromUserID": "u1", "reqMsg": "soft words", "toUserID": "u2",
        "ex": "", "operationID": "o1",
    });
    let event = http_event(command, &body);
    for defer in ["block", "defer"] {
        for (does, expected, hits) in [
            ("block", "block 20003 no soft (list `soft`)", "soft replace"),
            ("allow", "allow", ""),
            ("flag", "allow", "soft flag"),
        ] {
            let snapshot = snapshot(&format!(
                "{}, beforeAddFriend: {{cannot_replace: {does}}}}}\nfilters: {{replace_in_send_hook: {defer}}}",
                LISTS.trim_end().trim_end_matches('}')
            ));
            check(&snapshot, &event, expected);
            let decision = decide(&snapshot, &event);
            let found = decision.hits.iter();
            let found = found.map(|hit| format!("{} {}", hit.entry, hit.action.name()));
            assert_eq!(found.collect::<Vec<_>>().join(","), hits, "{does}");
        }
    }
}

/// Walks to the endpoint that is asked, and says which content it sees.
fn seen(snapshot: &Snapshot, event: &Event) -> String {
    let Step::Scan(scan) = snapshot.begin(event) else {
        panic!("lists are run first");
    };
    let found = scan.run(&mut Scratch::default());
    let Step::Ask(ask) = scan.resume(&found) else {
        panic!("the endpoint is asked");
    };
    let new = ask.replacement().and_then(|new| new.content.clone());
    let replaced = ask.replacement().cloned().unwrap_or_default();
    let endpoint = ask.endpoint();
    let dialect = dialect::of(endpoint.dialect);
    let call = dialect.request(&endpoint.url, event, Some(&replaced));
    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["content"].as_str(), new.as_deref(), "also on the wire");
    new.unwrap_or_default()
}

#[test]
fn a_word_that_is_left_to_the_next_call_is_masked_for_the_endpoint_in_this_one() {
    let policy =
        format!("callbackUrl: http://b/c\n{LISTS}filters: {{replace_in_send_hook: defer}}");
    let snapshot = snapshot(&policy);
    let text = serde_json::json!({ "content": "a soft word" });
    for hook in ["beforeSendSingleMsg", "beforeMsgModify"] {
        let event = http_text(hook, 101, &text);
        assert_eq!(
            seen(&snapshot, &event),
            r#"{"content":"a **** word"}"#,
            "{hook}"
        );
    }
    let send = http_text("beforeSendSingleMsg", 101, &text);
    check(&snapshot, &send, "allow");
}

#[test]
fn which_list_blocked_is_told_to_the_sender_only_if_the_policy_says_so() {
    let event = text_event("beforeSendSingleMsg", "hard");
    for (setting, expected) in [("false", ""), ("true", "list `hard`")] {
        let snapshot = snapshot(&format!(
            "{LISTS}filters: {{tell_list: {setting}}}\nfailure: {{tell_class: {setting}}}"
        ));
        let decision = decide(&snapshot, &event);
        assert_eq!(decision.why, "list `hard`", "operators know in any case");
        let Verdict::Block(refusal) = decision.verdict else {
            panic!("it blocks");
        };
        assert_eq!(refusal.detail, expected);
    }
}

#[test]
fn what_is_too_costly_to_search_blocks_unless_its_own_key_says_else() {
    for (limit, over, within) in [
        ("text_bytes_max: 10", "12 bytes now", "ten bytes!"),
        ("regex_work_max: 10", "11 bytes of", "ten bytes!"),
        ("scan_steps_max: 12", "ten bytes! and ten", "ten bytes!"),
    ] {
        let with = |key: &str| {
            snapshot(&format!(
                "callbackUrl: http://b/c\nlists: {{bad: {{words: ['re:x1', 're:x2', x3]}}}}\n\
                 filters: {{{limit}}}\nhooks: {{beforeSendSingleMsg: {{failedContinue: {key}}}}}"
            ))
        };
        for key in ["true", "{default: allow}", "false"] {
            let decision = decide(&with(key), &text_event("beforeSendSingleMsg", over));
            assert_eq!(decision.verdict.name(), "block", "{key}");
            assert_eq!(decision.failure, Some(FailureClass::Unfiltered));
            let within = decide(&with(key), &text_event("beforeSendSingleMsg", within));
            assert_eq!(in_words(&within), "allow");
            assert!(within.reviewed);
        }
        let open = with("{unfiltered: allow}");
        let event = text_event("beforeSendSingleMsg", over);
        let decision = decide(&open, &event);
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(decision.failure, Some(FailureClass::Unfiltered));
        assert_eq!(
            (decision.reviewed, decision.decider),
            (false, Decider::FailurePolicy)
        );
        let refusal = Refusal {
            code: 20123,
            public: "no".to_owned(),
            detail: String::new(),
        };
        let asked = Outcome::Answer(Answer::Block(refusal));
        let decision = decide_with(&open, &event, &asked);
        assert_eq!(decision.decider, Decider::Callback, "the endpoint is asked");
    }
}

#[test]
fn masked_texts_have_a_limit() {
    let snapshot = snapshot(
        "lists: {soft: {words: ['*a*'], action: replace, options: {mask: {by: word, text: 0123456789}}}}\n\
         filters: {masked_bytes_max: 50}\nhooks: {beforeMsgModify: }",
    );
    let decision = |text: &str| decide(&snapshot, &text_event("beforeMsgModify", text));
    assert_eq!(decision("a-a-a-a").verdict.name(), "replace");
    let refused = decision("a-a-a-a-a");
    assert_eq!(refused.verdict.name(), "block");
    assert_eq!(refused.failure, Some(FailureClass::Unfiltered));
}

#[test]
fn ids_in_a_text_are_no_words_wherever_they_stand() {
    let mut event = text_event("beforeMsgModify", "soft @soft soft @soft");
    event.texts[0].protected = vec![16..21, 5..10];
    let snapshot =
        snapshot("lists: {l: {words: [soft], action: flag}}\nhooks: {beforeMsgModify: }");
    let hits = decide(&snapshot, &event).hits;
    let starts: Vec<usize> = hits.iter().map(|hit| hit.span.bytes.start).collect();
    assert_eq!(starts, [0, 11]);
}

#[test]
fn check_says_where_a_word_cannot_be_masked_and_what_it_leads_to_there() {
    let hooks = "hooks: {beforeSendSingleMsg: , beforeMsgModify: , beforeAddFriend: {cannot_replace: flag}, beforeSetGroupInfo: }";
    let lists = "lists: {soft: {words: [soft], action: replace}}";
    let lines = |filters: &str| {
        let snapshot = snapshot(&format!("{lists}\n{hooks}\n{filters}"));
        let all = snapshot.unmaskable().into_iter();
        let lines =
            all.map(|one| format!("{} {} {}", one.hook, one.fields.join(","), one.leads_to));
        lines.collect::<Vec<_>>()
    };
    let blocking = lines("");
    assert!(
        blocking.contains(&"beforeSendSingleMsg senderNickname,content block".to_owned()),
        "{blocking:?}"
    );
    assert!(
        blocking.contains(&"beforeAddFriend reqMsg flag".to_owned()),
        "{blocking:?}"
    );
    let deferring = lines("filters: {replace_in_send_hook: defer}");
    assert!(
        !deferring.iter().any(|line| line.contains("content")),
        "{deferring:?}"
    );
    let none = snapshot("lists: {hard: {words: [hard]}}\nhooks: {beforeSendSingleMsg: }");
    assert_eq!(none.unmaskable(), []);
}

/// The fields that `check` speaks of are those that the dialects cannot replace.
#[test]
fn a_fixed_text_is_one_that_no_answer_carries() {
    for info in dialect::of(DialectId::OpenIm).hooks() {
        if info.hook.moment != Moment::Before || info.command.is_empty() {
            continue;
        }
        let mut body = serde_json::json!({
            "callbackCommand": info.command, "operationID": "o", "sendID": "u", "recvID": "v",
            "groupID": "g", "contentType": 101, "sessionType": 1, "content": "{\"content\":\"word\"}",
        });
        for text in info.texts {
            match text.list {
                None => body[text.name] = "word".into(),
                Some(list) => {
                    if body[list].is_null() {
                        body[list] = serde_json::json!([{}]);
                    }
                    body[list][0][text.name] = "word".into();
                }
            }
        }
        let event = http_event(info.command, &body);
        let fixed = event.texts.iter().filter(|text| !text.replaceable);
        let mut fixed: Vec<String> = fixed
            .map(|text| match text.document {
                Document::Content => "content".to_owned(),
                Document::Body => text.place().replace("/0/", "[]."),
            })
            .collect();
        fixed.sort();
        fixed.dedup();
        let mut said = info.fixed_texts();
        said.sort();
        assert_eq!(said, fixed, "{}", info.hook);
        let document = include_str!("../../../docs/operator/word-lists.md");
        let is_row = |line: &&str| line.starts_with(&format!("| `{}` |", info.hook));
        let row = document.lines().find(is_row).unwrap_or_default();
        let cannot = row.split('|').nth(3).unwrap_or_default();
        let named: Vec<&str> = cannot.split('`').skip(1).step_by(2).collect();
        assert_eq!(named, said, "{} in the document", info.hook);
    }
}

/// Who gets a message an answer changes only where a policy lets it, by field or for all of them.
#[test]
fn what_redirects_has_two_switches() {
    let redirected = Answer::Replace(Replacement {
        fields: vec![("recvID".to_owned(), "\"u9\"".to_owned())],
        ..Replacement::default()
    });
    let event = text_event("beforeMsgModify", "hello");
    for (protect, pass, expected) in [
        ("", "", "allow"),
        ("protect: {redirect: true}", "", "allow"),
        ("protect: {wipe: false, panic: false}", "", "allow"),
        ("protect: {redirect: false}", "", "replace recvID=\"u9\""),
        ("", "pass_fields: [recvID]", "replace recvID=\"u9\""),
    ] {
        let snapshot = snapshot(&format!(
            "endpoints: {{b: {{url: http://b, {protect}}}}}\nhooks: {{beforeMsgModify: {{endpoint: b, {pass}}}}}"
        ));
        let outcome = Outcome::Answer(redirected.clone());
        let decision = decide_with(&snapshot, &event, &outcome);
        assert_eq!(in_words(&decision), expected, "{protect} {pass}");
    }
}
