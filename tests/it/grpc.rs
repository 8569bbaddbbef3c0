//! `callgate.v1` as a message service uses it.

use std::time::Duration;

use callgate::proto::v1;
use futures_util::{StreamExt, stream};
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ListServiceResponse, ServerReflectionRequest};
use tonic_types::StatusExt;

use crate::harness::calls::{self, GROUP, MODIFY, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, wait_for, within};

const POLICY: &str = r#"
lists:
  bad: {words: [damn], action: block, tags: [rude]}
  ads: {words: [buy now], action: replace, options: {mask: {by: char, char: "*"}}}
hooks:
  beforeSendSingleMsg: {}
  beforeMsgModify: {}
"#;

fn span(span: Option<v1::Span>) -> (u32, u32) {
    let span = span.unwrap();
    (span.start, span.end)
}

#[test]
fn a_clean_message_is_allowed() {
    let callgate = Callgate::start(POLICY);
    let answer = callgate.grpc().before(calls::request(SINGLE, "hello"));
    assert_eq!(answer.action(), v1::Action::Allow);
    assert_eq!(answer.decided_by(), v1::DecidedBy::Nothing);
    assert!(answer.reviewed && answer.matches.is_empty() && answer.content.is_none());
    let version = answer.policy_version.unwrap();
    assert_eq!((version.number, version.hash.len()), (1, 12));
}

#[test]
fn a_match_is_reported_in_three_units() {
    let callgate = Callgate::start(POLICY);
    let answer = callgate
        .grpc()
        .before(calls::request(SINGLE, "😀 说 DAMN!"));
    assert_eq!(answer.action(), v1::Action::Block);
    assert_eq!(answer.decided_by(), v1::DecidedBy::Filter);
    assert_eq!(answer.err_code, 20001);
    let found = &answer.matches[0];
    assert_eq!((found.list.as_str(), found.entry.as_str()), ("bad", "damn"));
    assert_eq!(found.tags, ["rude"]);
    assert_eq!(
        (found.action.as_str(), found.place.as_str()),
        ("block", "content/content")
    );
    assert_eq!(span(found.bytes), (9, 13));
    assert_eq!(span(found.chars), (4, 8));
    assert_eq!(span(found.utf16), (5, 9));
}

/// Over gRPC every before hook with a message can replace.
#[test]
fn a_replacement_comes_back_whole() {
    let callgate = Callgate::start(POLICY);
    for hook in [SINGLE, MODIFY] {
        let answer = callgate
            .grpc()
            .before(calls::request(hook, "please BUY NOW ok"));
        assert_eq!(answer.action(), v1::Action::Replace);
        assert_eq!(answer.content(), r#"{"content":"please ******* ok"}"#);
    }
}

#[test]
fn plain_content_is_judged_as_text() {
    let callgate = Callgate::start(POLICY);
    let mut request = calls::request(SINGLE, "");
    request.message.as_mut().unwrap().content = "damn, no JSON".to_owned();
    let answer = callgate.grpc().before(request);
    assert_eq!(answer.action(), v1::Action::Block);
    assert_eq!(answer.matches[0].place, "content");
}

#[test]
fn how_much_is_explained_is_the_callers_choice() {
    let callgate = Callgate::start(POLICY);
    let ask = |explain: v1::ExplainLevel| {
        let mut request = calls::request(SINGLE, "damn");
        request.set_explain(explain);
        callgate.grpc().before(request)
    };
    assert!(ask(v1::ExplainLevel::None).matches.is_empty());
    let timings = ask(v1::ExplainLevel::Timings).timings.unwrap();
    assert!(timings.total_us >= timings.filter_us);
}

#[test]
fn a_hook_without_rules_says_that_it_was_skipped() {
    let callgate = Callgate::start(POLICY);
    let answer = callgate.grpc().before(calls::request(GROUP, "damn"));
    assert_eq!(answer.action(), v1::Action::Allow);
    assert_eq!(answer.skipped, "disabled");
}

fn check_invalid(request: v1::BeforeRequest, field: &str, why: &str) {
    let callgate = Callgate::start(POLICY);
    let status = callgate.grpc().before_within(request, None).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains(why), "{}", status.message());
    let details = status.get_details_bad_request().unwrap();
    assert_eq!(details.field_violations[0].field, field);
    assert!(details.field_violations[0].description.contains(why));
}

#[test]
fn invalid_requests_name_the_field() {
    let message = || Some(calls::message(SINGLE, "hello", "server-1"));
    let request = |hook: &str, message: Option<v1::Message>, body_json: &str| v1::BeforeRequest {
        hook: hook.to_owned(),
        message,
        body_json: body_json.to_owned(),
        ..v1::BeforeRequest::default()
    };
    check_invalid(
        request("beforeSendSingelMsg", message(), ""),
        "hook",
        "did you mean `beforeSendSingleMsg`",
    );
    check_invalid(request("", message(), ""), "hook", "missing");
    check_invalid(
        request("afterSendSingleMsg", message(), ""),
        "hook",
        "call `After`",
    );
    check_invalid(request(SINGLE, None, ""), "message", "missing");
    check_invalid(
        request(SINGLE, message(), "{}"),
        "body_json",
        "leave this empty",
    );
    check_invalid(
        request("beforeCreateGroup", message(), ""),
        "message",
        "body_json",
    );
    check_invalid(request("beforeCreateGroup", None, "[1]"), "body_json", "");
    let mut negative = calls::message(SINGLE, "hello", "server-1");
    negative.content_type = -1;
    check_invalid(
        request(SINGLE, Some(negative), ""),
        "message.content_type",
        "negative",
    );
}

#[test]
fn a_hook_without_a_message_takes_openims_fields() {
    let policy = "lists: {bad: {words: [damn]}}\nhooks: {beforeCreateGroup: {}}\n";
    let callgate = Callgate::start(policy);
    let answer = callgate.grpc().before(v1::BeforeRequest {
        hook: "beforeCreateGroup".to_owned(),
        body_json: r#"{"groupName":"a damn fine group","ownerUserID":"user1"}"#.to_owned(),
        ..v1::BeforeRequest::default()
    });
    assert_eq!(answer.action(), v1::Action::Block);
    assert_eq!(answer.matches[0].place, "groupName");
}

fn asking(business: &Business, timeout: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nlists: {{bad: {{words: [damn]}}}}\n\
         hooks:\n  {SINGLE}: {{endpoint: business, timeout: {timeout}}}\n  {GROUP}: {{}}\n  \
         afterSendSingleMsg: {{endpoint: business}}\n",
        business.url()
    )
}

#[test]
fn the_business_server_decides() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "2s"));
    let ask = || callgate.grpc().before(calls::request(SINGLE, "hello"));
    let answer = ask();
    assert_eq!(
        (answer.action(), answer.reviewed),
        (v1::Action::Allow, true)
    );
    business.set(Behaviour::block());
    let answer = ask();
    assert_eq!(answer.action(), v1::Action::Block);
    assert_eq!(
        (answer.err_code, answer.err_msg.as_str()),
        (20123, "not here")
    );
    assert_eq!(answer.decided_by(), v1::DecidedBy::Callback);
    business.set(Behaviour::replace("goodbye"));
    let answer = ask();
    assert_eq!(answer.action(), v1::Action::Replace);
    assert_eq!(answer.content(), r#"{"content":"goodbye"}"#);
    // What it puts into the sender's mouth passes the filters too.
    business.set(Behaviour::replace("damn"));
    let answer = ask();
    assert_eq!(answer.action(), v1::Action::Block);
    assert_eq!(answer.decided_by(), v1::DecidedBy::Filter);
}

#[test]
fn the_endpoint_sees_the_message_in_openims_form() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "2s"));
    callgate.grpc().before(calls::request(SINGLE, "hello"));
    let asked = &business.wait_for(1)[0];
    assert_eq!(asked.path, "/callback/callbackBeforeSendSingleMsgCommand");
    let json = asked.json();
    assert_eq!(
        json["callbackCommand"],
        "callbackBeforeSendSingleMsgCommand"
    );
    assert_eq!(
        (&json["sendID"], &json["recvID"]),
        (&"user1".into(), &"user2".into())
    );
    assert_eq!(json["content"], r#"{"content":"hello"}"#);
    assert_eq!(
        (&json["contentType"], &json["sessionType"]),
        (&101.into(), &1.into())
    );
}

/// The endpoint sees what would really be sent.
#[test]
fn the_endpoint_sees_the_filtered_text() {
    let business = Business::start(Behaviour::allow());
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nlists: {{ads: {{words: [buy now], action: replace}}}}\n\
         hooks: {{{SINGLE}: {{endpoint: business}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let answer = callgate.grpc().before(calls::request(SINGLE, "buy now!"));
    assert_eq!(answer.content(), r#"{"content":"*******!"}"#);
    assert_eq!(business.wait_for(1)[0].json()["content"], answer.content());
    // Its own content wins: it saw the filtered text.
    business.set(Behaviour::replace("something else"));
    let answer = callgate.grpc().before(calls::request(SINGLE, "buy now!"));
    assert_eq!(answer.content(), r#"{"content":"something else"}"#);
}

#[test]
fn a_message_that_the_rules_leave_out_says_why() {
    let hook = |rule: &str| {
        format!("lists: {{bad: {{words: [damn]}}}}\nhooks: {{{SINGLE}: {{{rule}}}}}\n")
    };
    let check = |rule: &str, skipped: &str| {
        let callgate = Callgate::start(&hook(rule));
        let answer = callgate.grpc().before(calls::request(SINGLE, "damn"));
        let action = if skipped.is_empty() {
            v1::Action::Block
        } else {
            v1::Action::Allow
        };
        assert_eq!(
            (answer.skipped.as_str(), answer.action()),
            (skipped, action),
            "{rule}"
        );
    };
    check("deniedTypes: [100-110]", "denied_types");
    check("allowedTypes: [102]", "allowed_types");
    check("allowedTypes: [\"101\"]", "");
    check("allowedTypes: [101], deniedTypes: [101]", "denied_types");
    check("attentionIds: [somebody]", "attention_ids");
    check("attentionIds: [user2]", "");
    check("attentionIds: [user1]", "");
    check("enable: false", "disabled");
}

#[test]
fn grpc_timeout_is_honoured_while_the_endpoint_hangs() {
    let business = Business::start(Behaviour::Hang);
    let callgate = Callgate::start(&asking(&business, "10s"));
    let grpc = callgate.grpc();
    for limit_ms in [100, 300, 1000] {
        let limit = Duration::from_millis(limit_ms);
        let ask = || grpc.before_within(calls::request(SINGLE, "hello"), Some(limit));
        let answer = within(limit, ask).unwrap();
        assert_eq!(answer.action(), v1::Action::Allow);
        assert!(!answer.reviewed);
        // The endpoint had all of that time, so it is what failed.
        assert_eq!(answer.failure(), v1::FailureClass::Timeout);
    }
}

/// Less time than any call could use: decided at once, without load on the endpoint.
#[test]
fn a_limit_too_short_to_ask_is_a_deadline_without_a_call() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "10s"));
    let grpc = callgate.grpc();
    let limit = Some(Duration::from_millis(22));
    let answer = wait_for("an answer in time", PATIENCE, || {
        grpc.before_within(calls::request(SINGLE, "hello"), limit)
            .ok()
    });
    assert_eq!(answer.failure(), v1::FailureClass::Deadline);
    assert!(business.requests().is_empty());
}

#[test]
fn after_events_are_stored_recognised_or_dropped() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "2s"));
    let grpc = callgate.grpc();
    let event = |hook: &str, id: &str| calls::after_event(hook, "hello", id);
    let mut named = event("afterSendSingleMsg", "m3");
    named.id = "my-own-id".to_owned();
    let events = vec![
        event("afterSendSingleMsg", "m1"),
        event("afterSendGroupMsg", "m2"),
        event("afterSendSingleMsg", "m1"),
        named.clone(),
    ];
    let answer = grpc.after(events).unwrap();
    let results: Vec<_> = answer.results().collect();
    use v1::AfterResult::{Dropped, Duplicate, Stored};
    assert_eq!(results, [Stored, Dropped, Duplicate, Stored]);
    assert_eq!(answer.ids[0], answer.ids[2]);
    assert_eq!(
        (answer.ids[1].as_str(), answer.ids[3].as_str()),
        ("", "my-own-id")
    );
    let again = grpc.after(vec![named]).unwrap();
    assert_eq!(again.results().collect::<Vec<_>>(), [Duplicate]);
    let told = business.wait_for(2);
    let mut ids: Vec<_> = told.iter().map(|told| told.header("webhook-id")).collect();
    ids.sort_unstable();
    let mut expected = [answer.ids[0].as_str(), "my-own-id"];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(told[0].path, "/callback/callbackAfterSendSingleMsgCommand");
}

#[test]
fn invalid_after_calls_store_nothing() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "2s"));
    let grpc = callgate.grpc();
    let good = calls::after_event("afterSendSingleMsg", "hello", "m1");
    let bad = calls::after_event("afterSendSingelMsg", "hello", "m2");
    let check = |events: Vec<v1::AfterEvent>, field: &str| {
        let status = grpc.after(events).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_details_bad_request().unwrap();
        assert_eq!(details.field_violations[0].field, field);
    };
    check(Vec::new(), "events");
    check(vec![good.clone(); 1001], "events");
    check(vec![good.clone(), bad], "events[1].hook");
    let stored = grpc.after(vec![good]).unwrap();
    assert_eq!(stored.results().next(), Some(v1::AfterResult::Stored));
}

#[test]
fn a_stream_answers_each_request_when_it_is_ready() {
    let business = Business::start(Behaviour::block().after(Duration::from_millis(700)));
    let callgate = Callgate::start(&asking(&business, "3s"));
    let grpc = callgate.grpc();
    let request = |id: &str, hook: &str, text: &str| v1::BeforeRequest {
        request_id: id.to_owned(),
        ..calls::request(hook, text)
    };
    let requests = vec![
        request("slow", SINGLE, "hello"),
        request("refused", GROUP, "damn"),
        request("invalid", "beforeSendSingelMsg", "hello"),
        request("fine", GROUP, "hello"),
    ];
    let answers = grpc.runtime.block_on(async {
        let mut hooks = grpc.hooks();
        let answers = hooks.before_stream(stream::iter(requests)).await.unwrap();
        answers
            .into_inner()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .await
    });
    assert_eq!(answers.len(), 4);
    assert_eq!(
        answers[3].request_id, "slow",
        "the slow one holds nobody up"
    );
    let of = |id: &str| {
        answers
            .iter()
            .find(|answer| answer.request_id == id)
            .unwrap()
    };
    assert_eq!(of("slow").err_code, 20123);
    assert_eq!(of("refused").action(), v1::Action::Block);
    assert_eq!(of("fine").action(), v1::Action::Allow);
    let error = of("invalid").error.as_ref().unwrap();
    assert_eq!(
        (error.code, error.field.as_str()),
        (Code::InvalidArgument as i32, "hook")
    );
    assert!(of("fine").error.is_none());
}

#[test]
fn capabilities_tell_which_hooks_are_in_use() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&asking(&business, "1500ms"));
    let grpc = callgate.grpc();
    let mut client = grpc.hooks();
    let capabilities = grpc
        .runtime
        .block_on(client.capabilities(v1::CapabilitiesRequest {}))
        .unwrap()
        .into_inner();
    let of = |name: &str| {
        capabilities
            .hooks
            .iter()
            .find(|one| one.hook == name)
            .unwrap()
    };
    assert_eq!(capabilities.hooks.len(), 3);
    let single = of(SINGLE);
    assert!(single.before && single.can_block && single.can_replace);
    assert_eq!((single.timeout_ms, single.filters.len()), (1500, 1));
    assert_eq!(single.endpoints, ["business"]);
    assert!(of(GROUP).endpoints.is_empty());
    let after = of("afterSendSingleMsg");
    assert!(!after.before && !after.can_block && !after.can_replace);
}

#[test]
fn health_is_served() {
    let callgate = Callgate::start(POLICY);
    let grpc = callgate.grpc();
    for service in ["", "callgate.v1.HookService"] {
        let mut client = HealthClient::new(grpc.channel.clone());
        let service = service.to_owned();
        let check = client.check(HealthCheckRequest { service });
        let answer = grpc.runtime.block_on(check).unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving);
    }
}

#[test]
fn reflection_lists_the_services() {
    let callgate = Callgate::start(POLICY);
    let grpc = callgate.grpc();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answer = grpc.runtime.block_on(async {
        let mut client = ServerReflectionClient::new(grpc.channel.clone());
        let requests = Request::new(stream::iter([request]));
        let mut answers = client
            .server_reflection_info(requests)
            .await
            .unwrap()
            .into_inner();
        answers.next().await.unwrap().unwrap()
    });
    let Some(MessageResponse::ListServicesResponse(ListServiceResponse { service })) =
        answer.message_response
    else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for name in ["callgate.v1.HookService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn explain_shows_a_decision_without_counting_it() {
    let callgate = Callgate::start(POLICY);
    let admin = crate::harness::Grpc::connect(callgate.admin);
    let mut client = admin.admin();
    let request = Some(calls::request(SINGLE, "damn"));
    let answer = admin
        .runtime
        .block_on(client.explain(v1::ExplainRequest { request }))
        .unwrap()
        .into_inner();
    let json: serde_json::Value = serde_json::from_str(&answer.json).unwrap();
    assert!(json.to_string().contains("\"bad\""), "{json}");
    let counted = "callgate_decisions_total{hook=\"beforeSendSingleMsg\",action=\"block\",decider=\"filter\"}";
    assert_eq!(callgate.metric(counted), 0.0);
    callgate.call(SINGLE, "damn");
    assert_eq!(callgate.metric(counted), 1.0);
}
