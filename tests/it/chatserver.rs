//! An unmodified chatServer that points at us, and a business server that expects its calls.

use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::dialect_fixture;
use crate::harness::{Behaviour, Business, Callgate, Metronome, PATIENCE, Setup, http, wait_for};

const TRUE: &str = r#"{"retVal":true}"#;
const FALSE: &str = r#"{"retVal":false}"#;
const LOGINS: [&str; 5] = [
    "auth.request.json",
    "auth.number-userId.request.json",
    "auth.reconnect.request.json",
    "auth.two-proxies.request.json",
    "auth.doc-sample-outside-proxy.request.json",
];
const MESSAGES: [&str; 5] = [
    "message.room.request.json",
    "message.p2p.request.json",
    "message.doc-sample.request.json",
    "message.object-content.request.json",
    "message.file-content.request.json",
];
const ACTIONS: [&str; 3] = [
    "action.request.json",
    "action.body-form.request.json",
    "action.string-msg.request.json",
];

fn fixture(name: &str) -> Vec<u8> {
    dialect_fixture("chatserver", name)
}

fn recorded(name: &str) -> String {
    String::from_utf8(fixture(&format!("{name}.response.json"))).unwrap()
}

/// Asks and tells a business server of this dialect; `more` stands in every hook that asks.
fn policy(business: &str, more: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{business}\", dialect: chatserver, breaker: {{failures: 1000, calls_min: 1000}}}}}}\n\
         lists: {{bad: {{words: [badword], reason: 消息含有违规内容}}}}\n\
         hooks:\n  chatserver.auth: {{endpoint: business{more}}}\n  \
         chatserver.message: {{endpoint: business}}\n  \
         chatserver.action: {{endpoint: business{more}}}\n"
    )
}

fn answered(callgate: &Callgate, path: &str, body: impl AsRef<[u8]>, expected: &str) {
    let answer = http::post(callgate.http, path, body);
    assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
    assert_eq!(
        answer.header("content-type"),
        "application/json;charset=UTF-8"
    );
}

#[test]
fn recorded_calls_get_the_recorded_answers() {
    let business = Business::choosing(|request| {
        Behaviour::answer(match request.json().get("proxy") {
            Some(_) => TRUE.to_owned(),
            None => recorded("action"),
        })
    });
    let callgate = Callgate::start(&policy(&business.url(), ""));
    for prefix in ["/chatserver", "/chatApplication"] {
        for login in LOGINS {
            answered(
                &callgate,
                &format!("{prefix}/auth.do"),
                fixture(login),
                &recorded("auth.allow"),
            );
        }
        for message in MESSAGES {
            let path = format!("{prefix}/messageReveiced.do");
            answered(&callgate, &path, fixture(message), &recorded("message"));
        }
        for action in ["action.request.json", "action.body-form.request.json"] {
            let path = format!("{prefix}/actionMessage.do");
            answered(&callgate, &path, fixture(action), &recorded("action"));
        }
        let path = format!("{prefix}/actionMessage.do");
        let bad = fixture("action.string-msg.request.json");
        answered(&callgate, &path, bad, &recorded("action.reject"));
    }
}

/// Nothing is said about the header, so nothing is read from it.
#[test]
fn the_content_type_does_not_matter() {
    let business = Business::start(Behaviour::answer(TRUE));
    let callgate = Callgate::start(&policy(&business.url(), ""));
    let body = fixture("auth.request.json");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let mut call = format!(
            "POST /chatserver/auth HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        call.extend_from_slice(&body);
        assert_eq!(http::send(callgate.http, &call).text(), TRUE, "{kind}");
    }
}

#[test]
fn the_business_server_gets_what_the_server_sent() {
    let business = Business::start(Behaviour::answer(TRUE));
    let callgate = Callgate::start(&policy(&business.url(), ""));
    let calls = LOGINS.iter().chain(&MESSAGES).chain(&ACTIONS[..2]);
    for name in calls {
        let calls = business.requests().len();
        let path = format!("/chatserver/{}", name.split('.').next().unwrap());
        http::post(callgate.http, &path, fixture(name));
        let told = business.wait_for(calls + 1).pop().unwrap();
        assert_eq!(
            (told.path.as_str(), told.body),
            ("/callback", fixture(name)),
            "{name}"
        );
    }
}

#[test]
fn a_login_is_refused_by_the_endpoint_by_the_filter_and_when_nobody_decides() {
    let business = Business::start(Behaviour::answer(FALSE));
    let callgate = Callgate::start(&policy(&business.url(), ""));
    answered(
        &callgate,
        "/chatserver/auth",
        fixture("auth.request.json"),
        FALSE,
    );
    business.set(Behaviour::answer(TRUE));
    answered(
        &callgate,
        "/chatserver/auth",
        fixture("auth.request.json"),
        TRUE,
    );
    let rude = r#"{"token":"t","userId":"1","nick":"a badword"}"#;
    answered(&callgate, "/chatserver/auth", rude, FALSE);
    let off = Callgate::start("hooks: {beforeMsgModify: {}}\n");
    answered(
        &off,
        "/chatserver/auth",
        fixture("auth.request.json"),
        FALSE,
    );
}

#[test]
fn what_cannot_be_read_lets_nobody_in() {
    let business = Business::start(Behaviour::answer(TRUE));
    let callgate = Callgate::start(&policy(&business.url(), ""));
    for body in [
        "",
        "true",
        "[]",
        "{}",
        r#"{"retVal":true}"#,
        r#"{"userId":{}}"#,
    ] {
        answered(&callgate, "/chatserver/auth", body, FALSE);
        answered(&callgate, "/chatserver", body, FALSE);
        answered(&callgate, "/chatserver/message", body, TRUE);
        let refused = http::post(callgate.http, "/chatserver/action", body).json();
        assert_eq!(refused["retVal"], false, "{body}");
    }
}

/// Whatever the endpoint does, the server has an answer of the right form before it gives up.
#[test]
fn hooks_that_wait_are_answered_in_time_whatever_the_endpoint_does() {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::Hang);
    let refused = r#"{"retVal":false,"msg":"message could not be checked, try again"}"#;
    for (more, login, action) in [
        ("", FALSE, refused),
        (
            ", failedContinue: true",
            TRUE,
            r#"{"retVal":true,"msg":""}"#,
        ),
    ] {
        let callgate =
            Callgate::start(&policy(&business.url(), &format!("{more}, timeout: 400ms")));
        for behaviour in [
            Behaviour::Hang,
            Behaviour::HeadThenHang,
            Behaviour::Drip,
            Behaviour::answer(TRUE).after(Duration::from_secs(2)),
            Behaviour::Close,
            Behaviour::Reset,
            Behaviour::Garbage,
            Behaviour::status(500, TRUE),
            Behaviour::status(201, TRUE),
            Behaviour::html("<html>"),
            Behaviour::answer("true"),
            Behaviour::answer(r#"{"retVal":"true"}"#),
            Behaviour::answer(r#"{"actionCode":0}"#),
            Behaviour::answer(""),
        ] {
            let what = format!("{behaviour:?} {more}");
            business.set(behaviour);
            for (path, body, expected) in [
                ("/chatserver/auth", "auth.request.json", login),
                ("/chatserver/action", "action.request.json", action),
            ] {
                let started = Instant::now();
                let answer = http::post(callgate.http, path, fixture(body));
                metronome.on_time(started, Duration::from_secs(2), &what);
                assert_eq!((answer.status, answer.text()), (200, expected), "{what}");
            }
        }
    }
}

/// The server waits 10 s; without any setting we have answered by then.
#[test]
fn a_hung_endpoint_is_given_up_before_the_server_gives_us_up() {
    let metronome = Metronome::start();
    let business = Business::start(Behaviour::Hang);
    let callgate = Callgate::start(&policy(&business.url(), ""));
    let started = Instant::now();
    answered(
        &callgate,
        "/chatserver/auth",
        fixture("auth.request.json"),
        FALSE,
    );
    assert!(started.elapsed() > Duration::from_secs(7));
    metronome.on_time(started, Duration::from_millis(9500), "the answer");
}

#[test]
fn a_refused_action_can_be_shown() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/", ""));
    let callgate = setup.engine("chatserver.refused_action", "shown").start();
    let bad = fixture("action.string-msg.request.json");
    answered(
        &callgate,
        "/chatserver/action",
        bad,
        r#"{"retVal":true,"msg":"消息含有违规内容"}"#,
    );
}

/// One URL serves each hook; a client's own is called only if the operator allows it.
#[test]
fn a_url_that_the_client_chose_needs_the_operators_word() {
    let own = Business::start(Behaviour::answer(FALSE));
    let chosen = Business::start(Behaviour::answer(TRUE));
    let login = |path: &str| {
        format!(
            r#"{{"token":"t","userId":"1","nick":"n","proxy":{{"authProxy":"http://{}{path}"}}}}"#,
            chosen.address
        )
    };
    let policy = |urls: &str| {
        format!(
            "endpoints: {{business: {{url: \"{}\", dialect: chatserver, client_urls: [{urls}]}}}}\n\
             hooks: {{chatserver.auth: {{endpoint: business}}}}\n",
            own.url()
        )
    };
    let none = Callgate::start(&policy(""));
    answered(&none, "/chatserver/auth", login("/chat/auth.do"), FALSE);
    assert_eq!((own.requests().len(), chosen.requests().len()), (1, 0));

    let some = Callgate::start(&policy(&format!("\"http://{}/chat\"", chosen.address)));
    answered(&some, "/chatserver/auth", login("/chat/auth.do"), TRUE);
    assert_eq!(chosen.requests()[0].path, "/chat/auth.do");
    for path in ["/admin", "/chat/../admin", "/chatX", "/chat#"] {
        let answer = http::post(some.http, "/chatserver/auth", login(path));
        assert_eq!(answer.text(), FALSE, "{path}");
        assert_eq!(
            answer.header("x-callgate-failure"),
            "blocked_address",
            "{path}"
        );
    }
    assert_eq!((own.requests().len(), chosen.requests().len()), (1, 1));
}

/// An address that nobody may call stays closed, whatever the list says.
#[test]
fn the_address_guard_has_the_last_word_on_a_chosen_url() {
    let callgate = Callgate::start(
        "endpoints: {business: {url: \"http://127.0.0.1:9/\", dialect: chatserver, client_urls: [\"http://169.254.169.254/\"]}}\n\
         hooks: {chatserver.auth: {endpoint: business}}\n",
    );
    let login = r#"{"token":"t","userId":"1","nick":"n","proxy":{"authProxy":"http://169.254.169.254/latest"}}"#;
    let answer = http::post(callgate.http, "/chatserver/auth", login);
    assert_eq!(answer.text(), FALSE);
    assert_eq!(answer.header("x-callgate-failure"), "blocked_address");
}

/// What we send is what we take: one callgate behind another.
#[test]
fn a_round_trip_changes_nothing() {
    let business = Business::choosing(|request| {
        Behaviour::answer(match request.json().get("proxy") {
            Some(_) => TRUE.to_owned(),
            None => recorded("action"),
        })
    });
    let receiver = Callgate::start(&policy(&business.url(), ""));
    let sender = Callgate::start(&policy(
        &format!("http://{}/chatserver", receiver.http),
        ", filters: []",
    ));
    let grpc = sender.grpc();
    let ask = |hook: &str, name: &str| {
        grpc.before(v1::BeforeRequest {
            hook: hook.to_owned(),
            body_json: String::from_utf8(fixture(name)).unwrap(),
            ..v1::BeforeRequest::default()
        })
    };
    assert_eq!(
        ask("chatserver.auth", "auth.request.json").action(),
        v1::Action::Allow
    );
    let answer = ask("chatserver.action", "action.request.json");
    assert_eq!(answer.action(), v1::Action::Replace);
    let fields: serde_json::Value = serde_json::from_str(&answer.fields_json).unwrap();
    assert_eq!(fields["answer"].to_string(), {
        let recorded: serde_json::Value = serde_json::from_str(&recorded("action")).unwrap();
        recorded.to_string()
    });
    let refused = ask("chatserver.action", "action.string-msg.request.json");
    assert_eq!(
        (refused.action(), refused.err_msg.as_str()),
        (v1::Action::Block, "消息含有违规内容")
    );
    grpc.after(vec![v1::AfterEvent {
        hook: "chatserver.message".to_owned(),
        body_json: String::from_utf8(fixture("message.room.request.json")).unwrap(),
        ..v1::AfterEvent::default()
    }])
    .unwrap();
    wait_for("the message", PATIENCE, || {
        let told = business.requests();
        told.iter()
            .any(|request| request.body == fixture("message.room.request.json"))
            .then_some(())
    });
}

#[test]
fn explain_shows_what_a_recorded_call_is_and_what_it_gets() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/hook", ""));
    for (event, names, part) in [
        ("auth", &LOGINS[..], "answered 200 with {\"retVal\":true}"),
        (
            "message",
            &MESSAGES[..],
            "answered 200 with {\"retVal\":true}",
        ),
        (
            "action",
            &ACTIONS[..2],
            "answered 200 with {\"retVal\":true,\"msg\":\"\"}",
        ),
        (
            "action",
            &ACTIONS[2..],
            "answered 200 with {\"retVal\":false,\"msg\":\"消息含有违规内容\"}",
        ),
    ] {
        for name in names {
            setup.write("call.json", fixture(name));
            let file = setup.policies().join("call.json");
            let file = file.to_str().unwrap();
            let output = setup.run(&["explain", "--dialect", "chatserver", "--event", event, file]);
            let shown = String::from_utf8(output.stdout).unwrap();
            assert!(shown.contains(part), "{name}: {shown}");
        }
    }
    setup.write("policy.yaml", "hooks: {beforeMsgModify: {}}\n");
    setup.write("call.json", fixture("auth.request.json"));
    let file = setup.policies().join("call.json");
    let file = file.to_str().unwrap();
    let output = setup.run(&[
        "explain",
        "--dialect",
        "chatserver",
        "--event",
        "auth",
        file,
    ]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("answered 200 with {\"retVal\":false}"),
        "{shown}"
    );
}
