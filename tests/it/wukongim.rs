//! An unmodified WuKongIM server that points at us, and a business server that expects its calls.

use std::time::{Duration, Instant};

use callgate::proto::v1;
use callgate::proto::wkhook::webhook_service_client::WebhookServiceClient;
use callgate::proto::wkhook::{EventReq, EventResp};
use prost::Message as _;

use crate::harness::calls::{self, dialect_fixture as fixture};
use crate::harness::{
    Behaviour, Business, Callgate, Grpc, Metronome, PATIENCE, Setup, http, wait_for,
};

const ALLOW: &str = r#"{"allow":true}"#;
const REFUSED: &str = r#"{"allow":false}"#;
/// What the server waits for an answer to `msg.before_send`.
const SERVER_WAITS: Duration = Duration::from_millis(500);

fn path(event: &str) -> String {
    format!("/wukongim?event={event}")
}

/// Every recorded call of the three events that are told afterwards, with how many events it is.
const TOLD: [(&str, &str, usize); 18] = [
    ("msg.notify", "msg.notify.v1.0.0.request.json", 1),
    ("msg.notify", "msg.notify.v1.2.6.request.json", 2),
    ("msg.notify", "msg.notify.v2.2.5.request.json", 3),
    (
        "msg.notify",
        "msg.notify.v2.2.5-null-payload.request.json",
        1,
    ),
    (
        "msg.notify",
        "msg.notify.v2.2.5-system-sender.request.json",
        2,
    ),
    ("msg.notify", "msg.notify.v3.request.json", 2),
    ("msg.offline", "msg.offline.v1.0.0.request.json", 1),
    ("msg.offline", "msg.offline.v1.2.6.request.json", 1),
    ("msg.offline", "msg.offline.v2.2.5.request.json", 1),
    (
        "msg.offline",
        "msg.offline.v2.2.5-empty-to_uids.request.json",
        1,
    ),
    (
        "msg.offline",
        "msg.offline.v1-v2-gzip-truncated.request.json",
        1,
    ),
    ("msg.offline", "msg.offline.v3.request.json", 1),
    ("msg.offline", "msg.offline.v3-gzip.request.json", 1),
    ("msg.offline", "msg.offline.doc-array-form.request.json", 1),
    ("user.onlinestatus", "user.onlinestatus.request.json", 2),
    (
        "user.onlinestatus",
        "user.onlinestatus.dashed-uid.request.json",
        3,
    ),
    (
        "user.onlinestatus",
        "user.onlinestatus.legacy-3-field.request.json",
        2,
    ),
    (
        "user.onlinestatus",
        "user.onlinestatus.v3-last-session-offline.request.json",
        1,
    ),
];

/// Forwards the three events to a business server of this dialect.
fn telling(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", dialect: wukongim, retry_waits: [50ms, 50ms, 50ms]}}}}\n\
         hooks:\n  wukongim.msg.notify: {{endpoint: business}}\n  \
         wukongim.msg.offline: {{endpoint: business}}\n  \
         wukongim.user.onlinestatus: {{endpoint: business}}\n"
    )
}

/// Asks a business server of this dialect about messages, with a word list before it.
fn asking(url: &str, more: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", dialect: wukongim}}}}\n\
         lists: {{rude: {{words: [badword], action: replace}}, bad: {{words: [worseword], code: 200}}}}\n\
         hooks: {{wukongim.msg.before_send: {{endpoint: business{more}}}}}\n"
    )
}

fn answered(answer: &http::Answer, expected: &str) {
    assert_eq!((answer.status, answer.text()), (200, expected));
    let kind = if expected.is_empty() {
        ""
    } else {
        "application/json"
    };
    assert_eq!(answer.header("content-type"), kind);
}

fn stored(callgate: &Callgate, hook: &str, result: &str) -> f64 {
    let name = format!("callgate_events_total{{hook=\"wukongim.{hook}\",result=\"{result}\"}}");
    callgate.metric(&name)
}

/// Every item of the arrays that a business server was sent, as it was written.
fn items(business: &Business) -> Vec<serde_json::Value> {
    let items_of = |body: serde_json::Value| match body {
        serde_json::Value::Array(items) => items,
        one => vec![one],
    };
    business
        .requests()
        .iter()
        .flat_map(|request| items_of(request.json()))
        .collect()
}

#[test]
fn every_recorded_call_is_answered_200_with_an_empty_body() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    for (event, name, _) in TOLD {
        let answer = http::post(callgate.http, &path(event), fixture("wukongim", name));
        answered(&answer, "");
        assert_eq!(answer.header("content-length"), "0", "{name}");
    }
    assert_eq!(
        callgate.metric("callgate_odd_calls_total{reason=\"unreadable_event\"}"),
        0.0
    );
}

/// With an empty answer v1 and v2 keep their connection, and so do we.
#[test]
fn many_calls_take_one_connection() {
    let callgate = Callgate::start(&telling("http://127.0.0.1:9/hook"));
    let mut connection = http::Connection::open(callgate.http);
    let body = fixture("wukongim", "msg.notify.v3.request.json");
    for _ in 0..20 {
        answered(&connection.post(&path("msg.notify"), &body).unwrap(), "");
    }
}

#[test]
fn events_reach_the_business_server_as_wukongim_would_send_them() {
    for (event, name, count) in TOLD {
        let business = Business::start(Behaviour::answer(""));
        let callgate = Callgate::start(&telling(&business.url()));
        let body = fixture("wukongim", name);
        answered(&http::post(callgate.http, &path(event), &body), "");
        let told = wait_for(name, PATIENCE, || {
            Some(items(&business)).filter(|told| told.len() >= count)
        });
        let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mut sent = match sent {
            serde_json::Value::Array(items) => items,
            one => vec![one],
        };
        let key = |item: &serde_json::Value| item.to_string();
        let mut told = told;
        told.sort_by_key(key);
        sent.sort_by_key(key);
        assert_eq!(told, sent, "{name}");
        for request in business.requests() {
            assert_eq!(request.path, format!("/callback?event={event}"));
            assert_eq!(request.header("content-type"), "application/json");
            let is_array = request.body.starts_with(b"[");
            assert_eq!(is_array, event != "msg.offline", "{name}");
        }
    }
}

#[test]
fn a_repeated_call_is_one_event() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    for (event, name) in [
        ("msg.notify", "msg.notify.v2.2.5.request.json"),
        ("msg.offline", "msg.offline.v3-gzip.request.json"),
        ("user.onlinestatus", "user.onlinestatus.request.json"),
    ] {
        for _ in 0..3 {
            answered(
                &http::post(callgate.http, &path(event), fixture("wukongim", name)),
                "",
            );
        }
    }
    for (event, count) in [
        ("msg.notify", 3.0),
        ("msg.offline", 1.0),
        ("user.onlinestatus", 2.0),
    ] {
        assert_eq!(stored(&callgate, event, "stored"), count, "{event}");
        assert_eq!(
            stored(&callgate, event, "duplicate"),
            2.0 * count,
            "{event}"
        );
    }
}

/// Without a connection's id equal lines may be two visits of one user.
#[test]
fn presence_in_the_short_form_is_never_a_repeat() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    let body = fixture("wukongim", "user.onlinestatus.legacy-3-field.request.json");
    for _ in 0..2 {
        answered(
            &http::post(callgate.http, &path("user.onlinestatus"), &body),
            "",
        );
    }
    assert_eq!(stored(&callgate, "user.onlinestatus", "stored"), 4.0);
}

#[test]
fn one_bad_item_does_not_fail_the_batch() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    let good =
        r#"{"message_idstr":"1","from_uid":"a","channel_id":"b","channel_type":1,"payload":null}"#;
    let body = format!(r#"[null,7,"x",{good},[],{{"message_id":2,"payload":"?"}}]"#);
    answered(&http::post(callgate.http, &path("msg.notify"), body), "");
    assert_eq!(stored(&callgate, "msg.notify", "stored"), 2.0);
    assert_eq!(
        callgate.metric("callgate_odd_calls_total{reason=\"unreadable_event\"}"),
        4.0
    );
    let lines = r#"["uid1-1-1-1001-2-4","nobody",null,"uid2-0-0-1002-1-2"]"#;
    answered(
        &http::post(callgate.http, &path("user.onlinestatus"), lines),
        "",
    );
    assert_eq!(stored(&callgate, "user.onlinestatus", "stored"), 2.0);
}

#[test]
fn what_cannot_be_read_is_acknowledged_and_counted() {
    let callgate = Callgate::start(&telling("http://127.0.0.1:9/hook"));
    for path in [
        "/wukongim?event=msg.notify",
        "/wukongim?event=msg.offline",
        "/wukongim?event=user.onlinestatus",
        "/wukongim?event=msg.tomorrow",
        "/wukongim?event=",
        "/wukongim",
        "/wukongim/",
    ] {
        answered(&http::post(callgate.http, path, "not JSON"), "");
    }
    let odd = |reason| callgate.metric(&format!("callgate_odd_calls_total{{reason=\"{reason}\"}}"));
    assert_eq!((odd("unreadable_call"), odd("unknown_command")), (6.0, 1.0));
    assert_eq!(http::get(callgate.http, &path("msg.notify")).status, 405);
}

#[test]
fn what_cannot_be_read_is_refused_if_configured() {
    let setup = Setup::new(&telling("http://127.0.0.1:9/hook"));
    let callgate = setup.engine("wukongim.unreadable", "refuse").start();
    let post = |event, body: &str| http::post(callgate.http, &path(event), body).status;
    assert_eq!(post("msg.notify", "not JSON"), 503);
    assert_eq!(post("msg.notify", "[null]"), 503);
    assert_eq!(post("user.onlinestatus", r#"["uid1-0-1"]"#), 200);
}

#[test]
fn a_batch_of_22_mib_is_stored_and_one_above_the_limit_is_not() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    let payload = "QUJD".repeat(32_767 / 3);
    let item = |id: u64| {
        format!(
            r#"{{"message_id":{id},"message_idstr":"{id}","from_uid":"a","channel_id":"g{id}","channel_type":2,"payload":"{payload}"}}"#
        )
    };
    let batch: Vec<_> = (1..=500).map(item).collect();
    let body = format!("[{}]", batch.join(","));
    assert!(body.len() > 20 << 20);
    answered(&http::post(callgate.http, &path("msg.notify"), body), "");
    assert_eq!(stored(&callgate, "msg.notify", "stored"), 500.0);
    let too_long = " ".repeat((32 << 20) + 1);
    answered(
        &http::post(callgate.http, &path("msg.notify"), too_long),
        "",
    );
    assert_eq!(
        callgate.metric("callgate_odd_calls_total{reason=\"unreadable_call\"}"),
        1.0
    );
}

#[test]
fn long_bodies_have_a_limit_of_their_own() {
    let setup = Setup::new(&telling("http://127.0.0.1:9/hook"));
    let callgate = setup.engine("wukongim.large_bodies_max", "1").start();
    let long = format!("[{}]", " ".repeat(2 << 20));
    // Which of two connections is looked at first is nobody's promise, so it is tried again.
    let mut first = wait_for("the limit", PATIENCE, || {
        let mut first = http::Connection::open(callgate.http);
        let head = http::head("POST", &path("msg.notify"), Some(long.len()));
        first.write(&head).unwrap();
        first.write(&long.as_bytes()[..100]).unwrap();
        // A caller that is still sending may see the connection closed instead of the answer.
        let second = || {
            let mut connection = http::Connection::open(callgate.http);
            let answer = connection.post(&path("msg.notify"), long.as_bytes());
            answer.map_or(503, |answer| answer.status)
        };
        (0..5).any(|_| second() == 503).then_some(first)
    });
    answered(&http::post(callgate.http, &path("msg.notify"), "[]"), "");
    let rest = &long.as_bytes()[100..];
    answered(&first.exchange(rest).unwrap(), "");
    answered(&http::post(callgate.http, &path("msg.notify"), &long), "");
}

#[test]
fn senders_and_targets_are_the_same_in_every_version() {
    let business = Business::start(Behaviour::answer(""));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", dialect: wukongim}}}}\n\
         hooks: {{wukongim.msg.notify: {{endpoint: business, attentionIds: [bob]}}}}\n",
        business.url()
    );
    for version in ["v1.0.0", "v1.2.6", "v2.2.5", "v3"] {
        let callgate = Callgate::start(&policy);
        let body = fixture("wukongim", &format!("msg.notify.{version}.request.json"));
        answered(&http::post(callgate.http, &path("msg.notify"), body), "");
        // In v2.2.5 bob also writes to a group.
        let expected = if version == "v2.2.5" { 2.0 } else { 1.0 };
        assert_eq!(
            stored(&callgate, "msg.notify", "stored"),
            expected,
            "{version}"
        );
    }
}

#[test]
fn before_send_gets_the_recorded_answers() {
    let business = Business::start(Behaviour::answer(ALLOW));
    let callgate = Callgate::start(&asking(&business.url(), ""));
    let recorded = |name: &str| {
        String::from_utf8(fixture(
            "wukongim",
            &format!("msg.before_send.{name}.response.json"),
        ))
        .unwrap()
    };
    let post = |name| {
        let body = fixture("wukongim", name);
        http::post(callgate.http, &path("msg.before_send"), body)
    };
    answered(&post("msg.before_send.request.json"), &recorded("replace"));
    answered(
        &post("msg.before_send.person.request.json"),
        &recorded("allow"),
    );
    let shown = business.requests();
    assert_eq!(shown[0].path, "/callback?event=msg.before_send");
    assert_eq!(
        shown[0].json()["payload"],
        "eyJjb250ZW50IjoiaGVsbG8gKioqKioqKiIsInR5cGUiOjF9",
        "the endpoint sees what the filters left"
    );
    assert_eq!(
        shown[1].body,
        fixture("wukongim", "msg.before_send.person.request.json")
    );
    for (answer, expected) in [
        (recorded("reject"), recorded("reject")),
        (recorded("reject-default"), recorded("reject-default")),
        (
            r#"{"allow":true,"payload":"aGk="}"#.to_owned(),
            r#"{"allow":true,"payload":"aGk="}"#.to_owned(),
        ),
        // What an endpoint writes passes the filters too.
        (
            r#"{"allow":true,"payload":"YmFkd29yZA=="}"#.to_owned(),
            r#"{"allow":true,"payload":"KioqKioqKg=="}"#.to_owned(),
        ),
    ] {
        business.set(Behaviour::answer(answer));
        answered(&post("msg.before_send.person.request.json"), &expected);
    }
    let raw = r#"{"from_uid":"a","channel_id":"g","channel_type":2,"client_msg_no":"c","payload":"d29yc2V3b3Jk"}"#;
    let blocked = http::post(callgate.http, &path("msg.before_send"), raw);
    answered(&blocked, r#"{"allow":false,"reason_code":200}"#);
}

/// Whatever the endpoint does, the server has an answer of the right form before it gives up.
#[test]
fn before_send_is_answered_in_time_whatever_the_endpoint_does() {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::Hang);
    let body = fixture("wukongim", "msg.before_send.person.request.json");
    for (more, expected) in [
        (", failedContinue: true", ALLOW),
        (", failedContinue: false", REFUSED),
        (", timeout: 10s, failedContinue: true", ALLOW),
    ] {
        let callgate = Callgate::start(&asking(&business.url(), more));
        for behaviour in [
            Behaviour::Hang,
            Behaviour::HeadThenHang,
            Behaviour::Drip,
            Behaviour::answer(ALLOW).after(Duration::from_secs(2)),
            Behaviour::Close,
            Behaviour::Reset,
            Behaviour::Garbage,
            Behaviour::EndlessChunks,
            Behaviour::status(500, "oops"),
            Behaviour::status(201, ALLOW),
            Behaviour::html("<html>"),
            Behaviour::answer(r#"{"allow":false,"msg":"blocked"}"#),
            Behaviour::answer(r#"{"actionCode":0,"errCode":0,"nextCode":1}"#),
            Behaviour::answer(r#"{"allow":"true"}"#),
            Behaviour::answer(""),
        ] {
            let what = format!("{behaviour:?} {more}");
            business.set(behaviour);
            let started = Instant::now();
            let answer = http::post(callgate.http, &path("msg.before_send"), &body);
            metronome.on_time(started, SERVER_WAITS, &what);
            assert_eq!((answer.status, answer.text()), (200, expected), "{what}");
            assert_ne!(answer.header("x-callgate-failure"), "", "{what}");
        }
    }
}

/// No form of a call that cannot be read is a way past the filters.
#[test]
fn before_send_that_cannot_be_read_is_refused() {
    let callgate = Callgate::start(&asking("http://127.0.0.1:9/", ""));
    for body in [
        "",
        "[]",
        "not JSON",
        "{}",
        r#"{"from_uid":"a","payload":"?"}"#,
    ] {
        answered(
            &http::post(callgate.http, &path("msg.before_send"), body),
            REFUSED,
        );
    }
}

#[test]
fn only_200_counts_as_told() {
    let business = Business::start(Behaviour::status(201, ""));
    let callgate = Callgate::start(&telling(&business.url()));
    let body = fixture("wukongim", "msg.offline.v3.request.json");
    answered(&http::post(callgate.http, &path("msg.offline"), body), "");
    business.wait_for(2);
    business.set(Behaviour::answer(""));
    wait_for("delivery", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"]["business"].take();
        (counts["delivered"] == 1).then_some(())
    });
}

/// The same bytes over gRPC have the same results.
#[test]
fn grpc_takes_the_recorded_messages() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&telling(&business.url()));
    let grpc = callgate.grpc();
    for (name, hook, count) in [
        ("msg.notify", "msg.notify", 1.0),
        ("user.onlinestatus", "user.onlinestatus", 2.0),
    ] {
        let bytes = fixture("wukongim", &format!("grpc.SendWebhook.{name}.EventReq.pb"));
        let answer = send(&grpc, EventReq::decode(&*bytes).unwrap());
        let success = fixture("wukongim", "grpc.SendWebhook.success.EventResp.pb");
        assert_eq!(answer.encode_to_vec(), success, "{name}");
        assert!(stored(&callgate, hook, "stored") >= count, "{name}");
    }
    for (event, name, _) in TOLD {
        let request = EventReq {
            event: event.to_owned(),
            data: fixture("wukongim", name).into(),
        };
        assert_eq!(send(&grpc, request).status, 1, "{name}");
    }
    for (event, data) in [("msg.notify", "not JSON"), ("msg.tomorrow", "[]"), ("", "")] {
        let request = EventReq {
            event: event.to_owned(),
            data: data.into(),
        };
        assert_eq!(send(&grpc, request).status, 1, "{event}");
    }
}

#[test]
fn grpc_takes_messages_above_the_usual_4_mib_and_pings() {
    let callgate = Callgate::start(&telling("http://127.0.0.1:9/hook"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    // v1.0.0 pings although nothing is in flight.
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", callgate.grpc))
        .unwrap()
        .http2_keep_alive_interval(Duration::from_millis(50))
        .keep_alive_while_idle(true);
    let channel = runtime.block_on(endpoint.connect()).unwrap();
    let grpc = Grpc { runtime, channel };
    let idle = Instant::now();
    wait_for("some pings", PATIENCE, || {
        (idle.elapsed() > Duration::from_millis(500)).then_some(())
    });
    let lines: Vec<_> = (0..200_000)
        .map(|n| format!("\"user-number-{n}-1-1-{n}-1-1\""))
        .collect();
    let data = format!("[{}]", lines.join(","));
    assert!(data.len() > 5 << 20);
    let request = EventReq {
        event: "user.onlinestatus".to_owned(),
        data: data.into(),
    };
    assert_eq!(send(&grpc, request).status, 1);
}

fn send(grpc: &Grpc, request: EventReq) -> EventResp {
    let mut client = WebhookServiceClient::new(grpc.channel.clone());
    let answer = grpc.runtime.block_on(client.send_webhook(request));
    answer.unwrap().into_inner()
}

/// What we send is what we take: one callgate behind another.
#[test]
fn a_round_trip_changes_nothing() {
    let business = Business::start(Behaviour::answer(ALLOW));
    let receiver = Callgate::start(
        &format!(
            "{}lists: {{rude: {{words: [badword], action: replace}}}}\n",
            telling(&business.url())
        )
        .replace("hooks:\n", "hooks:\n  wukongim.msg.before_send: {}\n"),
    );
    let url = format!("http://{}/wukongim", receiver.http);
    let policy = telling(&url) + "  wukongim.msg.before_send: {endpoint: business, filters: []}\n";
    let sender = Callgate::start(&policy);
    let grpc = sender.grpc();
    let sent: serde_json::Value =
        serde_json::from_slice(&fixture("wukongim", "msg.notify.v3.request.json")).unwrap();
    let events: Vec<_> = sent
        .as_array()
        .unwrap()
        .iter()
        .map(|item| v1::AfterEvent {
            hook: "wukongim.msg.notify".to_owned(),
            body_json: item.to_string(),
            ..v1::AfterEvent::default()
        })
        .collect();
    grpc.after(events).unwrap();
    let told = wait_for("both messages", PATIENCE, || {
        Some(items(&business)).filter(|told| told.len() >= 2)
    });
    for item in sent.as_array().unwrap() {
        assert!(told.contains(item), "{told:?}");
    }
    let body = fixture("wukongim", "msg.before_send.request.json");
    let answer = grpc.before(v1::BeforeRequest {
        hook: "wukongim.msg.before_send".to_owned(),
        body_json: String::from_utf8(body).unwrap(),
        ..v1::BeforeRequest::default()
    });
    assert_eq!(answer.action(), v1::Action::Replace);
    assert_eq!(
        answer.content.as_deref(),
        Some(r#"{"content":"hello *******","type":1}"#)
    );
}

/// A message service of one's own names the form by the hook and gives its message.
#[test]
fn a_message_over_grpc_is_asked_about_in_this_form() {
    let business = Business::start(Behaviour::answer(r#"{"allow":false,"reason_code":130}"#));
    let callgate = Callgate::start(&asking(&business.url(), ""));
    let mut request = calls::request("wukongim.msg.before_send", "");
    request.message.as_mut().unwrap().content = r#"{"type":1,"content":"a badword"}"#.to_owned();
    let answer = callgate.grpc().before(request);
    assert_eq!((answer.action(), answer.err_code), (v1::Action::Block, 130));
    let asked = &business.requests()[0];
    assert_eq!(asked.path, "/callback?event=msg.before_send");
    let asked = asked.json();
    assert_eq!(
        (&asked["from_uid"], &asked["channel_type"]),
        (&"user1".into(), &1.into())
    );
    assert_eq!(
        asked["payload"],
        "eyJ0eXBlIjoxLCJjb250ZW50IjoiYSAqKioqKioqIn0="
    );
    business.set(Behaviour::answer(ALLOW));
    let mut request = calls::request("wukongim.msg.before_send", "");
    request.message.as_mut().unwrap().content = "a badword".to_owned();
    let answer = callgate.grpc().before(request);
    assert_eq!(answer.content.as_deref(), Some("a *******"));
    let offline = calls::after_event("wukongim.msg.offline", "x", "1");
    let refused = callgate.grpc().after(vec![offline]).unwrap_err();
    assert!(
        refused.message().contains("more than a message"),
        "{refused}"
    );
}

#[test]
fn explain_shows_what_a_recorded_call_is_and_what_it_gets() {
    let setup = Setup::new(&asking("http://127.0.0.1:9/hook", ""));
    let explain = |event: &str, name: &str, more: &[&str]| {
        setup.write("call.json", fixture("wukongim", name));
        let file = setup.policies().join("call.json");
        let mut args = vec!["explain", "--dialect", "wukongim", "--event", event];
        args.push(file.to_str().unwrap());
        args.extend(more);
        let output = setup.run(&args);
        assert!(output.status.success(), "{name}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (event, name, count) in TOLD {
        let shown = explain(event, name, &["--json"]);
        assert_eq!(shown.lines().count(), count, "{shown}");
        for line in shown.lines() {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                json["answer"],
                serde_json::json!({"status": 200, "body": ""})
            );
        }
    }
    let shown = explain("msg.before_send", "msg.before_send.request.json", &[]);
    for part in [
        r#"from "alice" to "group_1""#,
        "replace `badword` from list rude",
        r#"answered 200 with {"allow":true,"payload":"eyJjb250ZW50IjoiaGVsbG8gKioqKioqKiIsInR5cGUiOjF9"}"#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

/// A hook that the endpoint's dialect has no call for is found when the policy is read.
#[test]
fn an_endpoint_of_another_dialect_is_refused() {
    let setup = Setup::new(
        "endpoints: {business: {url: \"http://127.0.0.1:9/\"}}\n\
         hooks: {wukongim.msg.notify: {endpoint: business}}\n",
    );
    let output = setup.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("which has no call for wukongim.msg.notify"),
        "{said}"
    );
}
