//! An unmodified OpenIM server that points at us: every answer byte for byte, every odd call, and
//! after events that reach the business server whatever happens.

use std::time::{Duration, Instant};

use crate::harness::calls::{self, ALLOW, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

/// Filters alone, nobody is asked.
const POLICY: &str = r#"
lists:
  bad: {words: [damn], action: block}
  rude: {words: [gosh], action: replace, options: {mask: {by: char, char: "*"}}}
filters: {replace_in_send_hook: defer}
hooks:
  beforeSendSingleMsg: {}
  beforeSendGroupMsg: {}
  beforeMsgModify: {}
"#;

fn check(callgate: &Callgate, path: &str, body: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) {
    let answer = http::post(callgate.http, path, body);
    assert_eq!(answer.status, 200, "{path}");
    assert_eq!(answer.header("content-type"), "application/json", "{path}");
    let expected = String::from_utf8(expected.as_ref().to_vec()).unwrap();
    assert_eq!(answer.text(), expected, "{path}");
}

#[test]
fn message_hooks_answer_canonically() {
    let callgate = Callgate::start(POLICY);
    let block = calls::block(20001, "message contains forbidden words", "");
    for hook in [SINGLE, GROUP, MODIFY] {
        let path = calls::path(hook);
        check(&callgate, &path, calls::body(hook, "hello"), ALLOW);
        check(&callgate, &path, calls::body(hook, "damn it"), &block);
    }
    // The send hooks cannot carry new text; the call that follows can.
    check(
        &callgate,
        &calls::path(SINGLE),
        calls::body(SINGLE, "gosh!"),
        ALLOW,
    );
    let masked = r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0,"content":"{\"content\":\"****!\"}"}"#;
    let masked = format!("{masked}\n");
    check(
        &callgate,
        &calls::path(MODIFY),
        calls::body(MODIFY, "gosh!"),
        masked,
    );
    for hook in ["afterSendSingleMsg", "afterSendGroupMsg", "afterMsgSaveDB"] {
        check(
            &callgate,
            &calls::path(hook),
            calls::body(hook, "damn it"),
            ALLOW,
        );
    }
}

#[test]
fn recorded_calls_get_the_recorded_answers() {
    let policy = r#"
lists: {words: {words: [damn, 傻瓜], action: replace, options: {mask: {by: char, char: "*"}}}}
hooks: {beforeMsgModify: {}, beforeSetGroupInfo: {}, beforeSetGroupInfoEx: {}}
"#;
    let callgate = Callgate::start(policy);
    let same = |call: &str, answer: &str| {
        let call = calls::fixture(&format!("{call}.request.json"));
        let json: serde_json::Value = serde_json::from_slice(&call).unwrap();
        let path = format!("/openim/{}", json["callbackCommand"].as_str().unwrap());
        let answer = calls::fixture(&format!("{answer}.json"));
        check(&callgate, &path, call, answer);
    };
    same(
        "before_msg_modify.text",
        "before_msg_modify.text.response-replace",
    );
    same(
        "before_msg_modify.at_text",
        "before_msg_modify.at_text.response-replace",
    );
    same(
        "before_msg_modify.custom",
        "before_msg_modify.custom.response-replace",
    );
    same(
        "before_msg_modify.quote",
        "before_msg_modify.quote.response-replace",
    );
    same(
        "before_set_group_info",
        "before_set_group_info.response-replace-echo",
    );
    same(
        "before_set_group_info_ex",
        "before_set_group_info_ex.response-replace-echo",
    );
}

/// An allow without echo wipes a group's name, whether or not a policy uses the hook.
#[test]
fn set_group_info_is_echoed_on_allow() {
    let on = "hooks: {beforeSetGroupInfo: {filters: []}, beforeSetGroupInfoEx: {filters: []}}\n";
    for policy in [on, POLICY] {
        let callgate = Callgate::start(policy);
        let same = |call: &str, command: &str| {
            let answer = calls::fixture(&format!("{call}.response-allow-echo.json"));
            let call = calls::fixture(&format!("{call}.request.json"));
            let path = format!("/openim/{command}");
            check(&callgate, &path, call, answer);
        };
        same("before_set_group_info", "callbackBeforeSetGroupInfoCommand");
        same(
            "before_set_group_info_ex",
            "callbackBeforeSetGroupInfoExCommand",
        );
    }
}

#[test]
fn the_command_may_stand_in_path_query_or_body() {
    let callgate = Callgate::start(POLICY);
    let block = calls::block(20001, "message contains forbidden words", "");
    let body = calls::body(SINGLE, "damn");
    for path in [
        "/openim/callbackBeforeSendSingleMsgCommand",
        "/callbackExample/callbackBeforeSendSingleMsgCommand",
        "/openim//callbackBeforeSendSingleMsgCommand",
        "//openim//callbackBeforeSendSingleMsgCommand",
        "/openim/CALLBACKBEFORESENDSINGLEMSGCOMMAND",
        "/openim?command=callbackBeforeSendSingleMsgCommand",
        "/openim/?command=callbackBeforeSendSingleMsgCommand",
        "/openim?callbackCommand=callbackBeforeSendSingleMsgCommand",
        "/openim?token=x/callbackBeforeSendSingleMsgCommand",
        "/openim",
        "/openim/",
        "/openim/callbackBeforeSendSingleMsgCommand?key=eyJzZW5kSUQiOiIifQ==",
    ] {
        check(&callgate, path, &body, &block);
    }
}

#[test]
fn odd_calls_get_defined_answers() {
    let callgate = Callgate::start(POLICY);
    let body = r#"{"callbackCommand":"callbackOfTomorrowCommand","x":1}"#;
    check(&callgate, "/openim/callbackOfTomorrowCommand", body, ALLOW);
    assert_eq!(
        callgate.metric("callgate_odd_calls_total{reason=\"unknown_command\"}"),
        1.0
    );

    let got = http::get(callgate.http, &calls::path(SINGLE));
    assert_eq!(got.status, 405);
    assert!(got.text().contains("POST"), "{}", got.text());

    let body = calls::body(SINGLE, "hello");
    let mut chunked = http::head("POST", &calls::path(SINGLE), None);
    chunked.truncate(chunked.len() - 2);
    chunked.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    chunked.extend_from_slice(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    assert_eq!(http::send(callgate.http, &chunked).text(), ALLOW);

    let lost = http::post(callgate.http, "/openin/callbackX", "{}");
    assert_eq!((lost.status, lost.text()), (404, ""));
    assert_eq!(lost.header("content-type"), "");
    let lost = http::post(callgate.http, "/openimX/callbackX", "{}");
    assert_eq!(lost.status, 404);
    assert_eq!(
        callgate.metric("callgate_odd_calls_total{reason=\"no_route\"}"),
        2.0
    );
}

#[test]
fn a_body_at_the_limit_is_read_and_one_byte_more_is_not() {
    let limit = 16 * 1024;
    let callgate = Setup::new(POLICY)
        .engine("http.body_bytes_max", &limit.to_string())
        .start();
    let body_of = |length: usize| {
        let body = calls::body(SINGLE, "hello");
        let pad = format!("\"ex\":\"{}\"", "x".repeat(length - body.len()));
        body.replace("\"ex\":\"\"", &pad)
    };
    let path = calls::path(SINGLE);
    let at = body_of(limit);
    assert_eq!(at.len(), limit);
    check(&callgate, &path, at, ALLOW);
    let over = http::post(callgate.http, &path, body_of(limit + 1));
    assert_eq!(over.status, 200);
    assert_eq!(over.header("x-callgate-failure"), "unreadable_call");
    assert_eq!(over.json()["nextCode"], 1);
}

#[test]
fn an_unreadable_after_call_that_a_policy_wants_is_503_with_the_canonical_body() {
    let business = Business::start(Behaviour::allow());
    let callgate = Setup::new(&after_policy(&business))
        .engine("http.body_bytes_max", "1KiB")
        .start();
    for body in ["x".repeat(2000), "garbage".to_owned()] {
        let answer = http::post(callgate.http, &calls::path(AFTER), body);
        assert_eq!((answer.status, answer.text()), (503, ALLOW));
    }
}

#[test]
fn an_unreadable_after_call_that_nobody_wants_is_acknowledged() {
    let callgate = Setup::new(POLICY)
        .engine("http.body_bytes_max", "1KiB")
        .start();
    let body = calls::body("afterSendSingleMsg", &"x".repeat(2000));
    check(&callgate, &calls::path("afterSendSingleMsg"), body, ALLOW);
}

#[test]
fn a_body_that_does_not_arrive_is_answered_before_the_caller_gives_up() {
    let callgate = Callgate::start(POLICY);
    let body = calls::body(SINGLE, "hello");
    let mut connection = http::Connection::open(callgate.http);
    let started = Instant::now();
    let head = http::head("POST", &calls::path(SINGLE), Some(body.len()));
    connection.write(&head).unwrap();
    connection.write(&body.as_bytes()[..20]).unwrap();
    let answer = connection.read(started).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-callgate-failure"), "unreadable_call");
    assert_eq!(answer.json()["nextCode"], 1);
    // The default caller_timeout, less the margin.
    assert!(
        answer.took < Duration::from_millis(4750),
        "{:?}",
        answer.took
    );
}

/// The hook's own `caller_timeout` holds while the body is read, too.
#[test]
fn a_slow_body_does_not_use_up_a_short_caller_timeout() {
    let policy = format!("hooks: {{{SINGLE}: {{caller_timeout: 1s}}}}\n");
    let callgate = Callgate::start(&policy);
    let mut connection = http::Connection::open(callgate.http);
    let started = Instant::now();
    let head = http::head("POST", &calls::path(SINGLE), Some(500));
    connection.write(&head).unwrap();
    let answer = connection.read(started).unwrap();
    assert_eq!(answer.header("x-callgate-failure"), "unreadable_call");
    assert!(answer.took < Duration::from_secs(1), "{:?}", answer.took);
}

#[test]
fn every_recorded_call_gets_a_canonical_answer() {
    // Nothing enabled, and everything that can be enabled.
    let names: Vec<_> = calls::recorded()
        .iter()
        .filter_map(|(_, command, _)| {
            callgate::dialect::of(callgate::event::DialectId::OpenIm)
                .hooks()
                .iter()
                .find(|info| info.command.eq_ignore_ascii_case(command))
        })
        .map(|info| info.hook.name)
        .collect();
    let mut hooks: Vec<_> = names
        .iter()
        .map(|name| format!("  {name}: {{}}\n"))
        .collect();
    hooks.sort();
    hooks.dedup();
    let all = format!(
        "lists: {{bad: {{words: [damn]}}}}\nhooks:\n{}",
        hooks.concat()
    );
    for policy in [POLICY, &all] {
        let callgate = Callgate::start(policy);
        for (file, command, body) in calls::recorded() {
            let legacy = file.starts_with("legacy_v2");
            let path = match legacy {
                true => "/callback".to_owned(),
                false => format!("/openim/{command}"),
            };
            let answer = http::post(callgate.http, &path, &body);
            assert_eq!(answer.status, 200, "{file}");
            check_canonical(&file, &answer, legacy);
        }
    }
}

/// The five fields with their exact types, and none other on a block.
fn check_canonical(file: &str, answer: &http::Answer, legacy: bool) {
    let json = answer.json();
    let fields = json.as_object().unwrap();
    let whole = |name: &str| {
        let number = fields.get(name).and_then(serde_json::Value::as_i64);
        number.unwrap_or_else(|| panic!("{file}: {name} in {}", answer.text()))
    };
    let (action, code) = (whole("actionCode"), whole("errCode"));
    assert!(fields["errMsg"].is_string(), "{file}");
    assert_eq!(answer.header("content-type"), "application/json", "{file}");
    if legacy {
        assert!(
            [0, 1].contains(&action) && code == 0,
            "{file}: {}",
            answer.text()
        );
        assert!(fields["operationID"].is_string(), "{file}");
        return;
    }
    assert!(fields["errDlt"].is_string(), "{file}");
    assert_eq!(action, 0, "{file}");
    match whole("nextCode") {
        0 => assert_eq!(code, 0, "{file}"),
        1 => {
            assert!((20001..30000).contains(&code), "{file}");
            assert_eq!(fields.len(), 5, "{file}: {}", answer.text());
        }
        other => panic!("{file}: nextCode {other}"),
    }
}

#[test]
fn openim_v2_gets_answers_in_its_own_form() {
    let policy = r#"
lists: {words: {words: [damn, 傻瓜], action: replace, options: {mask: {by: char, char: "*"}}}}
hooks: {beforeMsgModify: {}, beforeSendSingleMsg: {}}
"#;
    let callgate = Callgate::start(policy);
    let same = |call: &str, answer: &str| {
        let call = calls::fixture(&format!("{call}.request.json"));
        let answer = calls::fixture(&format!("{answer}.json"));
        check(&callgate, "/callback", call, answer);
    };
    same(
        "legacy_v2_word_filter.text",
        "legacy_v2_word_filter.response-replace",
    );
    let refused = http::post(
        callgate.http,
        "/callback",
        calls::fixture("legacy_v2_before_send_single_msg.text.request.json"),
    );
    let refused = refused.json();
    // v2.0 refuses on actionCode 1 with errCode 0 alone.
    assert_eq!(
        (&refused["actionCode"], &refused["errCode"]),
        (&1.into(), &0.into())
    );
}

#[test]
fn the_business_server_is_asked_as_openim_asks() {
    let business = Business::start(Behaviour::block());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{{SINGLE}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let body = calls::body(SINGLE, "hello <b> & 你好");
    let refusal = calls::block(20123, "not here", "rule 7");
    check(&callgate, &calls::path(SINGLE), &body, refusal);
    let asked = &business.wait_for(1)[0];
    assert_eq!(asked.path, "/callback/callbackBeforeSendSingleMsgCommand");
    assert_eq!(asked.header("operationid"), "op-1");
    assert_eq!(
        asked.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(String::from_utf8_lossy(&asked.body), body);
}

/// Many calls have no trace id in the body.
#[test]
fn the_trace_id_of_the_header_is_passed_on() {
    let business = Business::start(Behaviour::allow());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {{beforeAddFriend: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let body = calls::fixture("before_add_friend.request.json");
    let mut call = http::head("POST", &calls::path("beforeAddFriend"), Some(body.len()));
    call.truncate(call.len() - 2);
    call.extend_from_slice(b"Operationid: op-7\r\n\r\n");
    call.extend_from_slice(&body);
    assert_eq!(http::send(callgate.http, &call).text(), ALLOW);
    assert_eq!(business.wait_for(1)[0].header("operationid"), "op-7");
}

fn after_policy(business: &Business) -> String {
    format!(
        "endpoints: {{business: {{url: \"{}\", retry_waits: [100ms, 100ms, 1s, 1s, 1s, 1s]}}}}\n\
         hooks: {{afterSendSingleMsg: {{endpoint: business}}}}\n",
        business.url()
    )
}

const AFTER: &str = "afterSendSingleMsg";

#[test]
fn after_calls_are_acknowledged_and_delivered_unchanged() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&after_policy(&business));
    let body = calls::body(AFTER, "hello <b> & 你好");
    check(&callgate, &calls::path(AFTER), &body, ALLOW);
    let told = &business.wait_for(1)[0];
    assert_eq!(told.path, "/callback/callbackAfterSendSingleMsgCommand");
    assert_eq!(String::from_utf8_lossy(&told.body), body);
    assert!(!told.header("webhook-id").is_empty());
    wait_for("the delivery in /status", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        (counts["delivered"] == 1 && counts["pending"] == 0).then_some(())
    });
    // The same event again is the same event.
    check(&callgate, &calls::path(AFTER), &body, ALLOW);
    let result = "callgate_events_total{hook=\"afterSendSingleMsg\",result=\"duplicate\"}";
    assert_eq!(callgate.metric(result), 1.0);
}

#[test]
fn accepted_events_outlive_a_crash_and_a_dead_business_server() {
    let business = Business::start(Behaviour::allow());
    let address = business.address;
    let policy = after_policy(&business);
    drop(business);
    let callgate = Callgate::start(&policy);
    for n in 0..20 {
        let body = calls::body_with_id(AFTER, "hello", &format!("server-{n}"));
        check(&callgate, &calls::path(AFTER), body, ALLOW);
    }
    let setup = callgate.kill();
    let _restarted = setup.start();
    let business = Business::start_at(address, Behaviour::allow());
    let mut ids: Vec<_> = business
        .wait_for(20)
        .iter()
        .map(|told| told.json()["serverMsgID"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

/// Delivered at least once: what failed is told again under the same id.
#[test]
fn a_failed_delivery_is_tried_again_with_the_same_id() {
    let business = Business::start(Behaviour::status(503, ""));
    let callgate = Callgate::start(&after_policy(&business));
    check(
        &callgate,
        &calls::path(AFTER),
        calls::body(AFTER, "hello"),
        ALLOW,
    );
    business.wait_for(1);
    business.set(Behaviour::allow());
    let told = business.wait_for(2);
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    assert_eq!(told[0].body, told[1].body);
}

#[test]
fn a_full_outbox_refuses_with_503_and_a_canonical_body() {
    let business = Business::start(Behaviour::Hang);
    let callgate = Setup::new(&after_policy(&business))
        .engine("outbox.bytes_max", "64KiB")
        .start();
    let refused = wait_for("a refusal", PATIENCE, || {
        let body = calls::body_with_id(AFTER, &"x".repeat(4000), &fresh_id());
        let answer = http::post(callgate.http, &calls::path(AFTER), body);
        (answer.text() != ALLOW).then_some(answer)
    });
    // OpenIM does not look at an after call's answer; proxies and logs do.
    assert_eq!(refused.status, 503);
    check_canonical("refused", &refused, false);
    assert_eq!(refused.json()["nextCode"], 0);
    assert!(
        callgate.metric("callgate_events_total{hook=\"afterSendSingleMsg\",result=\"refused\"}")
            >= 1.0
    );
}

/// A new message id each time.
fn fresh_id() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("server-{}", since.unwrap().as_nanos())
}

/// A caller that gives up in the middle harms nobody else.
#[test]
fn callers_that_go_away_are_forgotten() {
    let business = Business::start(Behaviour::allow().after(Duration::from_millis(200)));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", in_flight_max: 4}}}}\nhooks: {{{SINGLE}: {{endpoint: business, timeout: 2s}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    for _ in 0..20 {
        let body = calls::body(SINGLE, "hello");
        let mut connection = http::Connection::open(callgate.http);
        connection
            .write(&http::head("POST", &calls::path(SINGLE), Some(body.len())))
            .unwrap();
        connection.write(body.as_bytes()).unwrap();
    }
    wait_for("a free seat", PATIENCE, || {
        let answer = callgate.call(SINGLE, "hello");
        (answer.header("x-callgate-failure").is_empty()).then_some(())
    });
    assert_eq!(callgate.call(SINGLE, "hello").text(), ALLOW);
}
