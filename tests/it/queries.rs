//! The query of a call goes on as it came, whatever bytes it has and whatever the form of delivery.

use callgate::proto::v1;
use serde_json::{Value, json};

use crate::harness::{Behaviour, Business, Callgate, calls, http};

const AFTER: &str = "afterSendSingleMsg";
const BEFORE: &str = "beforeSendSingleMsg";

fn openim(url: &str, more: &str) -> Callgate {
    Callgate::start(&format!(
        "endpoints: {{business: {{url: \"{url}\"{more}}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}, {BEFORE}: {{endpoint: business}}}}\n"
    ))
}

/// Bytes that some URL parser would write in another way, each of which Go sends as it is.
const ODD: [&str; 14] = [
    "key=eyJzZW5kSUQiOiJhIn0%3D",
    "a=it's&b=(x)!*",
    "a=%e4%bd%a0%E5%A5%BD",
    "a=b+c%20d%2Bе",
    "a=b&a=c&&=&d",
    "a=%zz%",
    "a=x;y|z",
    "a={q:1}",
    "a=[1,2]^`\\",
    "a=/../..//?b=c?d",
    "=",
    "&",
    "event=1&command2=3",
    "a=1:2@3,4~5_6-7.8$",
];

#[test]
fn every_byte_of_a_query_reaches_the_business_server_before_and_after() {
    let business = Business::start(Behaviour::allow());
    let callgate = openim(&business.url(), "");
    for (number, query) in ODD.iter().enumerate() {
        for hook in [BEFORE, AFTER] {
            let body = calls::body_with_id(hook, "hello", &format!("m{number}"));
            let target = format!("{}?{query}", calls::path(hook));
            let answer = http::post(callgate.http, &target, body);
            assert_eq!(answer.text(), calls::ALLOW, "{query}");
        }
    }
    let mut came: Vec<String> = business
        .wait_for(2 * ODD.len())
        .iter()
        .map(|request| request.path.clone())
        .collect();
    let expected = ODD.iter().flat_map(|query| {
        [BEFORE, AFTER].map(|hook| format!("/callback/{}?{query}", calls::command(hook)))
    });
    let mut expected: Vec<String> = expected.collect();
    came.sort();
    expected.sort();
    assert_eq!(came, expected);
}

/// What OpenIM's URL had in it before the command was appended to it.
#[test]
fn what_names_the_command_alone_is_taken_out() {
    let business = Business::start(Behaviour::allow());
    let callgate = openim(&format!("{}?own=1", business.url()), ", dialect: openim-v2");
    let command = calls::command(BEFORE);
    for (target, query) in [
        (format!("/openim?command={command}&a=1"), "own=1&a=1"),
        (format!("/openim?token=t'x/{command}"), "own=1&token=t'x"),
        (
            format!("/openim/{command}?command=mine"),
            "own=1&command=mine",
        ),
        (format!("/openim?callbackCommand={command}"), "own=1"),
    ] {
        let answer = http::post(callgate.http, &target, calls::body(BEFORE, "hello"));
        assert_eq!(answer.text(), calls::ALLOW, "{target}");
        let last = business.requests().pop().unwrap();
        assert_eq!(last.path, format!("/callback?{query}"), "{target}");
    }
}

#[test]
fn cloudevents_carry_it_each() {
    let business = Business::start(Behaviour::allow());
    let callgate = openim(&business.url(), ", events: {format: cloudevents}");
    for (id, query) in [("m1", "?key=a%3D"), ("m2", ""), ("m3", "?key=b'")] {
        let target = format!("{}{query}", calls::path(AFTER));
        http::post(
            callgate.http,
            &target,
            calls::body_with_id(AFTER, "hello", id),
        );
    }
    let events = || -> Vec<Value> {
        let requests = business.requests();
        let of = |body: &[u8]| serde_json::from_slice::<Vec<Value>>(body).unwrap();
        requests
            .iter()
            .flat_map(|request| of(&request.body))
            .collect()
    };
    crate::harness::wait_for("events", crate::harness::PATIENCE, || {
        (events().len() == 3).then_some(())
    });
    let queries: Vec<Value> = events()
        .into_iter()
        .map(|event| event["query"].clone())
        .collect();
    assert_eq!(queries, [json!("key=a%3D"), Value::Null, json!("key=b'")]);
    assert!(
        business
            .requests()
            .iter()
            .all(|request| request.path == "/callback")
    );
}

#[test]
fn a_caller_over_grpc_gives_it() {
    let business = Business::start(Behaviour::allow());
    let callgate = openim(&business.url(), "");
    let mut request = calls::request(BEFORE, "hello");
    request.query = "key=x'%3D".to_owned();
    assert_eq!(callgate.grpc().before(request).action(), v1::Action::Allow);
    let mut event = calls::after_event(AFTER, "hello", "m1");
    event.query = "key=y".to_owned();
    callgate.grpc().after(vec![event]).unwrap();
    let paths: Vec<String> = business
        .wait_for(2)
        .iter()
        .map(|request| request.path.clone())
        .collect();
    let expected = [(BEFORE, "key=x'%3D"), (AFTER, "key=y")];
    let expected =
        expected.map(|(hook, query)| format!("/callback/{}?{query}", calls::command(hook)));
    assert_eq!(paths, expected);
    let mut bad = calls::after_event(AFTER, "hello", "m2");
    bad.query = "a b".to_owned();
    let status = callgate.grpc().after(vec![bad]).unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(
        status.message().starts_with("events[0].query: has a space"),
        "{status:?}"
    );
}

/// Two servers that share one callgate: their ids are their own, and so are their batches.
#[test]
fn servers_are_told_apart_by_their_queries() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&format!(
        "endpoints: {{app: {{url: \"{}\", dialect: wukongim, events: {{batch_wait: 200ms}}}}}}\n\
         hooks: {{wukongim.msg.notify: {{endpoint: app}}, wukongim.user.onlinestatus: {{endpoint: app}}}}\n",
        business.url()
    ));
    let message = |id: u64| {
        format!(
            r#"{{"message_id":{id},"message_idstr":"{id}","from_uid":"a","channel_id":"g","channel_type":2,"payload":""}}"#
        )
    };
    let notify = format!("[{},{}]", message(1), message(2));
    let line = r#"["u-0-1-1-1-1"]"#;
    for query in ["event={}&tenant=a", "tenant=b?event={}", "event={}"] {
        for (event, body) in [("msg.notify", notify.as_str()), ("user.onlinestatus", line)] {
            // A repeat is one only of the same server's.
            for _ in 0..2 {
                let target = format!("/wukongim?{}", query.replace("{}", event));
                assert_eq!(http::post(callgate.http, &target, body).status, 200);
            }
        }
    }
    let told = || {
        let mut told: Vec<(String, Value)> = Vec::new();
        for request in business.requests() {
            let items: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            told.extend(items.into_iter().map(|item| (request.path.clone(), item)));
        }
        told
    };
    crate::harness::wait_for("all of them", crate::harness::PATIENCE, || {
        (told().len() >= 9).then_some(())
    });
    for query in ["&tenant=a", "&tenant=b", ""] {
        let of = |event: &str| {
            let path = format!("/callback?event={event}{query}");
            told().iter().filter(|(at, _)| *at == path).count()
        };
        assert_eq!(
            (of("msg.notify"), of("user.onlinestatus")),
            (2, 1),
            "{query}"
        );
    }
}

/// Go writes any UTF-8 into a header, and a trace id may be anything.
#[test]
fn an_operation_id_goes_on_in_any_letters() {
    let business = Business::start(Behaviour::allow());
    let callgate = openim(&business.url(), "");
    for id in ["plain-1", "操作 7", "a\tb", "é"] {
        let body = calls::body(BEFORE, "hello");
        let call = format!(
            "POST {} HTTP/1.1\r\nHost: im\r\nOperationid: {id}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            calls::path(BEFORE),
            body.len()
        );
        let answer = http::send(callgate.http, call.as_bytes());
        assert_eq!(answer.text(), calls::ALLOW);
        let last = business.requests().pop().unwrap();
        assert_eq!(last.header("operationid"), id);
    }
}
