//! Every class of failure, with `failedContinue` true and false, on both send hooks, over HTTP and
//! over gRPC: what the caller is told, and what is counted.

use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use callgate::decision::FailureClass;
use callgate::proto::v1;

use crate::harness::calls::{self, ALLOW, GROUP, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, Grpc, PATIENCE, Setup, http, wait_for};

/// What the sender reads of a failure that blocks; the same message would fail again, or not.
fn refusal(class: FailureClass) -> &'static str {
    match class {
        FailureClass::UnreadableCall | FailureClass::Unfiltered => {
            "message is too long or cannot be read"
        }
        _ => "message could not be checked, try again",
    }
}

/// How a failure is brought about.
#[derive(Default)]
struct How {
    business: Option<Behaviour>,
    /// Instead of the business server's own.
    url: Option<String>,
    /// More keys of the endpoint and of each hook.
    endpoint: &'static str,
    hook: &'static str,
    env: Option<(&'static str, &'static str)>,
    grpc_timeout: Option<Duration>,
    /// Brings the engine into the state in which calls fail.
    first: Option<fn(&Callgate, &Business)>,
}

fn business(behaviour: Behaviour) -> How {
    How {
        business: Some(behaviour),
        ..How::default()
    }
}

fn url(url: impl Into<String>) -> How {
    How {
        url: Some(url.into()),
        ..How::default()
    }
}

fn policy(url: &str, action: &str, how: &How) -> String {
    let timeout = if how.hook.contains("timeout:") {
        ""
    } else {
        "timeout: 300ms,"
    };
    let breaker = if how.endpoint.contains("breaker:") {
        ""
    } else {
        "breaker: {failures: 100000, calls_min: 100000},"
    };
    let continues = action == "allow";
    let hook = format!(
        "{{endpoint: business, {timeout} failedContinue: {{default: {continues}, unreadable_call: {action}}}, {}}}",
        how.hook
    );
    format!(
        "endpoints:\n  business: {{url: \"{url}\", {breaker} {}}}\nhooks:\n  {SINGLE}: {hook}\n  {GROUP}: {hook}\n",
        how.endpoint
    )
}

fn start(action: &str, how: &How) -> (Callgate, Business) {
    let behaviour = how.business.clone().unwrap_or(Behaviour::allow());
    let business = Business::start(behaviour);
    let url = how.url.clone().unwrap_or_else(|| business.url());
    let mut setup = Setup::new(&policy(&url, action, how));
    if let Some((name, value)) = how.env {
        setup = setup.env(name, value);
    }
    let callgate = setup.start();
    if let Some(first) = how.first {
        first(&callgate, &business);
    }
    (callgate, business)
}

/// Brings a failure about in all its forms, and looks at every answer and counter.
fn check(class: FailureClass, how: How) {
    for action in ["allow", "block"] {
        let (callgate, _business) = start(action, &how);
        let grpc = callgate.grpc();
        thread::scope(|scope| {
            for hook in [SINGLE, GROUP] {
                scope.spawn(|| check_http(&callgate.call(hook, "hello"), class, action));
                scope.spawn(|| {
                    let request = calls::request(hook, "hello");
                    let answer = grpc.before_within(request, how.grpc_timeout).unwrap();
                    check_grpc(&answer, class, action);
                });
            }
        });
        for hook in [SINGLE, GROUP] {
            let let_through = if action == "allow" { 2.0 } else { 0.0 };
            check_counter(&callgate, "failures", hook, class, 2.0);
            check_counter(&callgate, "let_through", hook, class, let_through);
        }
    }
}

fn check_http(answer: &http::Answer, class: FailureClass, action: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-callgate-failure"), class.name());
    match action {
        "allow" => assert_eq!(answer.text(), ALLOW, "{class}"),
        _ => {
            let expected = calls::block(20099, refusal(class), "");
            assert_eq!(answer.text(), expected, "{class}");
        }
    }
    let reviewed = (action == "block").to_string();
    assert_eq!(answer.header("x-callgate-reviewed"), reviewed, "{class}");
    assert!(answer.header("x-callgate-version").starts_with("1-"));
}

fn check_grpc(answer: &v1::BeforeResponse, class: FailureClass, action: &str) {
    let failure = format!("FAILURE_CLASS_{}", class.name().to_uppercase());
    assert_eq!(answer.failure().as_str_name(), failure);
    let expected = match action {
        "allow" => (v1::Action::Allow, 0, "", false),
        _ => (v1::Action::Block, 20099, refusal(class), true),
    };
    let actual = (
        answer.action(),
        answer.err_code,
        answer.err_msg.as_str(),
        answer.reviewed,
    );
    assert_eq!(actual, expected, "{class}");
    assert_eq!(answer.decided_by(), v1::DecidedBy::FailurePolicy, "{class}");
    assert_eq!(answer.content, None);
}

fn check_counter(callgate: &Callgate, name: &str, hook: &str, class: FailureClass, value: f64) {
    let metric = format!("callgate_{name}_total{{hook=\"{hook}\",class=\"{class}\"}}");
    assert_eq!(callgate.metric(&metric), value, "{metric}");
}

/// A port at which nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/callback", listener.local_addr().unwrap())
}

#[test]
fn timeout_hang() {
    check(FailureClass::Timeout, business(Behaviour::Hang));
}

#[test]
fn timeout_head_then_hang() {
    check(FailureClass::Timeout, business(Behaviour::HeadThenHang));
}

#[test]
fn timeout_one_byte_a_second() {
    check(FailureClass::Timeout, business(Behaviour::Drip));
}

#[test]
fn timeout_continue_for_ever() {
    check(FailureClass::Timeout, business(Behaviour::ContinueForEver));
}

#[test]
fn timeout_answer_comes_late() {
    let late = Behaviour::block().after(Duration::from_secs(1));
    check(FailureClass::Timeout, business(late));
}

#[test]
fn connect_refused() {
    check(FailureClass::Connect, url(closed_port()));
}

#[test]
fn connect_reset() {
    check(FailureClass::Connect, business(Behaviour::Reset));
}

#[test]
fn connect_closed_without_answer() {
    check(FailureClass::Connect, business(Behaviour::Close));
}

#[test]
fn invalid_answer_closed_within_it() {
    let cut = Behaviour::Length {
        declared: 500,
        body: ALLOW.into(),
    };
    check(FailureClass::InvalidAnswer, business(cut));
}

#[test]
fn connect_name_does_not_resolve() {
    let how = How {
        hook: "timeout: 3s,",
        ..url("http://business.callgate.invalid/callback")
    };
    check(FailureClass::Connect, how);
}

#[test]
fn connect_tls_to_a_plain_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    check(
        FailureClass::Connect,
        url(format!("https://{address}/callback")),
    );
}

#[test]
fn http_status_500_with_an_allow() {
    check(
        FailureClass::HttpStatus,
        business(Behaviour::status(500, ALLOW)),
    );
}

#[test]
fn http_status_404_page() {
    let page = "<html><body>404 page not found</body></html>";
    check(
        FailureClass::HttpStatus,
        business(Behaviour::status(404, page)),
    );
}

#[test]
fn http_status_redirect_is_not_followed() {
    let elsewhere = Business::start(Behaviour::allow());
    let to = Behaviour::RedirectTo(elsewhere.url());
    check(FailureClass::HttpStatus, business(to));
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn invalid_answer_html() {
    check(
        FailureClass::InvalidAnswer,
        business(Behaviour::html("<html>ok</html>")),
    );
}

#[test]
fn invalid_answer_empty() {
    check(FailureClass::InvalidAnswer, business(Behaviour::html("")));
}

#[test]
fn invalid_answer_ok() {
    check(FailureClass::InvalidAnswer, business(Behaviour::html("OK")));
}

#[test]
fn invalid_answer_cut_off() {
    let cut = Behaviour::Length {
        declared: 40,
        body: ALLOW.into(),
    };
    check(FailureClass::InvalidAnswer, business(cut));
}

#[test]
fn invalid_answer_garbage_instead_of_http() {
    check(FailureClass::InvalidAnswer, business(Behaviour::Garbage));
}

#[test]
fn invalid_answer_compressed_unasked() {
    check(FailureClass::InvalidAnswer, business(Behaviour::Gzip));
}

#[test]
fn too_large_body() {
    let huge = format!("{{\"pad\":\"{}\"}}", "x".repeat(1024 * 1024));
    check(FailureClass::TooLarge, business(Behaviour::answer(huge)));
}

#[test]
fn too_large_endless_chunks() {
    check(FailureClass::TooLarge, business(Behaviour::EndlessChunks));
}

#[test]
fn too_large_by_its_own_limit() {
    let how = How {
        endpoint: "answer_bytes_max: 64",
        ..business(Behaviour::allow())
    };
    check(FailureClass::TooLarge, how);
}

#[test]
fn blocked_address() {
    check(
        FailureClass::BlockedAddress,
        url("http://169.254.169.254/callback"),
    );
}

#[test]
fn blocked_address_in_other_spellings() {
    for host in ["0xa9fea9fe", "2852039166", "[::ffff:a9fe:a9fe]"] {
        check(
            FailureClass::BlockedAddress,
            url(format!("http://{host}/callback")),
        );
    }
}

/// Our own word that a call came back to us by a way that nobody could see.
#[test]
fn loop_that_a_listener_of_ours_tells_of() {
    let refusal = Behaviour::Headed {
        status: 508,
        header: "x-callgate-failure: loop".to_owned(),
    };
    check(FailureClass::Loop, business(refusal));
}

#[test]
fn breaker_open() {
    let how = How {
        endpoint: "breaker: {failures: 1, open: 60s}",
        first: Some(|callgate, _| {
            for hook in [SINGLE, GROUP] {
                let failed = callgate.call(hook, "hello");
                assert_eq!(failed.header("x-callgate-failure"), "http_status");
            }
        }),
        ..business(Behaviour::status(503, ""))
    };
    check(FailureClass::BreakerOpen, how);
}

#[test]
fn overloaded() {
    let how = How {
        endpoint: "in_flight_max: 1",
        hook: "timeout: 5s, caller_timeout: 8s",
        first: Some(|callgate, business| {
            let address = callgate.http;
            // Takes the only seat and holds it; its own answer is of no interest.
            thread::spawn(move || {
                let body = calls::body(SINGLE, "hangs");
                let mut connection = http::Connection::open(address);
                let _ = connection.post(&calls::path(SINGLE), body.as_bytes());
            });
            business.wait_for(1);
        }),
        ..business(Behaviour::Hang)
    };
    check(FailureClass::Overloaded, how);
}

/// Two calls that wait for the business server: one of each port's single seat.
struct Held {
    _http: http::Connection,
    grpc: tokio::task::AbortHandle,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.grpc.abort();
    }
}

/// Takes the one seat of either port.
fn hold_every_seat(callgate: &Callgate, grpc: &Grpc, business: &Business) -> Held {
    let mut held = http::Connection::open(callgate.http);
    let body = calls::body(SINGLE, "hangs");
    let mut call = http::head("POST", &calls::path(SINGLE), Some(body.len()));
    call.extend_from_slice(body.as_bytes());
    held.write(&call).unwrap();
    let mut hooks = grpc.hooks();
    let request = calls::request(SINGLE, "hangs");
    let waiting = grpc.runtime.spawn(async move {
        let _ = hooks.before(request).await;
    });
    business.wait_for(2);
    Held {
        _http: held,
        grpc: waiting.abort_handle(),
    }
}

#[test]
fn overloaded_engine() {
    let how = How {
        hook: "timeout: 5s, caller_timeout: 8s",
        ..business(Behaviour::Hang)
    };
    for action in ["allow", "block"] {
        let business = Business::start(Behaviour::Hang);
        let policy = policy(&business.url(), action, &how);
        let callgate = Setup::new(&policy)
            .engine("http.in_flight_max", "1")
            .engine("grpc.in_flight_max", "1")
            .start();
        let grpc = callgate.grpc();
        let held = hold_every_seat(&callgate, &grpc, &business);
        for hook in [SINGLE, GROUP] {
            let answer = callgate.call(hook, "hello");
            check_http(&answer, FailureClass::Overloaded, action);
            let answer = grpc.before(calls::request(hook, "hello"));
            check_grpc(&answer, FailureClass::Overloaded, action);
        }
        drop(held);
    }
}

/// Whatever bounded the time of an endpoint: it had some, and used it up.
#[test]
fn timeout_by_the_callers_limit() {
    let how = How {
        hook: "timeout: 4s, caller_timeout: 1s",
        grpc_timeout: Some(Duration::from_secs(1)),
        ..business(Behaviour::Hang)
    };
    check(FailureClass::Timeout, how);
}

/// OpenIM's own file gives the hook's `timeout` as the time that its caller waits.
#[test]
fn timeout_has_its_action_and_opens_the_breaker_with_openims_own_file() {
    let business = Business::start(Behaviour::Hang);
    let setup = Setup::new(&format!(
        "include: webhooks.yml\nendpoints: {{business: {{url: \"{}\", breaker: {{failures: 1, open: 60s}}}}}}\n\
         hooks: {{{SINGLE}: {{endpoint: business, failedContinue: {{default: allow, timeout: block}}}}}}\n",
        business.url()
    ));
    let webhooks = "url: http://127.0.0.1:10006/callbackExample\n\
        beforeSendSingleMsg: {enable: true, timeout: 1, failedContinue: true}\n";
    setup.write("webhooks.yml", webhooks);
    let callgate = setup.start();
    let answer = callgate.call(SINGLE, "hello");
    check_http(&answer, FailureClass::Timeout, "block");
    let answer = callgate.call(SINGLE, "hello");
    check_http(&answer, FailureClass::BreakerOpen, "allow");
}

/// The time was gone before anybody was asked.
#[test]
fn deadline() {
    for action in ["allow", "block"] {
        let how = How {
            hook: "timeout: 4s, caller_timeout: 20ms",
            ..business(Behaviour::allow())
        };
        let (callgate, business) = start(action, &how);
        for hook in [SINGLE, GROUP] {
            let answer = callgate.call(hook, "hello");
            check_http(&answer, FailureClass::Deadline, action);
            check_counter(&callgate, "failures", hook, FailureClass::Deadline, 1.0);
        }
        let grpc = callgate.grpc();
        let answer = wait_for("an answer in time", PATIENCE, || {
            let limit = Some(Duration::from_millis(22));
            let request = calls::request(SINGLE, "hello");
            grpc.before_within(request, limit).ok()
        });
        check_grpc(&answer, FailureClass::Deadline, action);
        assert!(business.requests().is_empty());
    }
}

/// Text that costs more than may be spent is no way past the word lists: it blocks, unless its
/// own key says else.
#[test]
fn unfiltered() {
    let limits = [
        ("text_bytes_max: 1KiB", "casino"),
        ("regex_work_max: 1000", "'re:cas[i1]no'"),
    ];
    for (limit, entry) in limits {
        for (action, key) in [("block", ""), ("allow", "unfiltered: allow")] {
            let business = Business::start(Behaviour::allow());
            let hook = format!("{{endpoint: business, failedContinue: {{{key}}}}}");
            let callgate = Callgate::start(&format!(
                "endpoints: {{business: {{url: \"{}\"}}}}\nlists: {{bad: {{words: [{entry}]}}}}\n\
                 filters: {{{limit}}}\nhooks: {{{SINGLE}: {hook}, {GROUP}: {hook}}}\n",
                business.url()
            ));
            let long = "casino ".repeat(1000);
            let grpc = callgate.grpc();
            for hook in [SINGLE, GROUP] {
                let answer = callgate.call(hook, &long);
                check_http(&answer, FailureClass::Unfiltered, action);
                let answer = grpc.before(calls::request(hook, &long));
                check_grpc(&answer, FailureClass::Unfiltered, action);
                let refused = callgate.call(hook, "a casino").json();
                assert_eq!(refused["errCode"], 20001);
            }
            let asked = if action == "allow" { 4 } else { 0 };
            assert_eq!(business.requests().len(), asked);
        }
    }
}

/// The certificates of the machine are broken: the engine's own fault, found out when a client
/// for https is made.
#[test]
fn internal_no_certificates() {
    let how = How {
        env: Some(("SSL_CERT_FILE", "/dev/null")),
        ..url("https://127.0.0.1:9/callback")
    };
    check(FailureClass::Internal, how);
}

fn check_unreadable(what: &str, path_of: &str, body: &[u8]) {
    for action in ["allow", "block"] {
        let (callgate, business) = start(action, &How::default());
        let answer = http::post(callgate.http, &calls::path(path_of), body);
        println!("{what}: {}", answer.text());
        check_http(&answer, FailureClass::UnreadableCall, action);
        assert!(business.requests().is_empty(), "{what}");
        check_counter(
            &callgate,
            "failures",
            path_of,
            FailureClass::UnreadableCall,
            1.0,
        );
    }
}

#[test]
fn unreadable_call() {
    for hook in [SINGLE, GROUP] {
        check_unreadable("empty body", hook, b"");
        check_unreadable("garbage", hook, b"\x00\xff<xml/>");
        check_unreadable("array", hook, b"[]");
        let whole = calls::body(hook, "hello");
        check_unreadable("cut off", hook, &whole.as_bytes()[..whole.len() / 2]);
    }
}

#[test]
fn unreadable_call_url_and_body_disagree() {
    check_unreadable(
        "other command",
        SINGLE,
        calls::body(GROUP, "hello").as_bytes(),
    );
    check_unreadable(
        "other command",
        GROUP,
        calls::body(SINGLE, "hello").as_bytes(),
    );
}

/// `unreadable_call` blocks unless its own key says else, so that padding is no way past the
/// filter.
#[test]
fn unreadable_call_blocks_by_default_although_failures_are_let_through() {
    let business = Business::start(Behaviour::allow());
    let policy = format!(
        "callbackUrl: {}\nendpoints: {{callbackUrl: {{dialect: openim}}}}\nhooks:\n  {SINGLE}: {{failedContinue: true}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let answer = http::post(callgate.http, &calls::path(SINGLE), "{");
    check_http(&answer, FailureClass::UnreadableCall, "block");
}

/// Asked with the oldest version that may decide.
fn call_with_version(callgate: &Callgate, hook: &str, text: &str, version: &str) -> http::Answer {
    let body = calls::body(hook, text);
    let head = http::head("POST", &calls::path(hook), Some(body.len()));
    let head = String::from_utf8(head).unwrap();
    let said = format!("\r\nX-Callgate-Min-Version: {version}\r\n\r\n");
    let call = format!("{}{said}{body}", head.trim_end());
    http::send(callgate.http, call.as_bytes())
}

fn request_with_version(hook: &str, text: &str, min_version: u64) -> v1::BeforeRequest {
    v1::BeforeRequest {
        min_version,
        ..calls::request(hook, text)
    }
}

/// No call that names a version is answered by an older one without saying so, and none that names
/// the one in force, or an older one, is answered otherwise than without it.
#[test]
fn stale_policy() {
    for action in ["allow", "block"] {
        let (callgate, business) = start(action, &How::default());
        let grpc = callgate.grpc();
        for hook in [SINGLE, GROUP] {
            for version in ["0", "1", "1-0123456789ab"] {
                let answer = call_with_version(&callgate, hook, "hello", version);
                assert_eq!(answer.text(), ALLOW);
                assert_eq!(answer.header("x-callgate-failure"), "");
            }
            let answer = grpc.before(request_with_version(hook, "hello", 1));
            assert_eq!(answer.failure(), v1::FailureClass::Unspecified);
        }
        let asked = business.requests().len();
        assert_eq!(asked, 8);
        for hook in [SINGLE, GROUP] {
            for version in ["2", "newest"] {
                let answer = call_with_version(&callgate, hook, "hello", version);
                check_http(&answer, FailureClass::StalePolicy, action);
            }
            let limit = Some(Duration::from_secs(1));
            let request = request_with_version(hook, "hello", 2);
            let answer = grpc.before_within(request, limit).unwrap();
            check_grpc(&answer, FailureClass::StalePolicy, action);
            assert_eq!(answer.policy_version.unwrap().number, 1);
            check_counter(&callgate, "failures", hook, FailureClass::StalePolicy, 3.0);
        }
        assert_eq!(business.requests().len(), asked);
    }
}

/// What callgate does without an endpoint, or for a hook that it does not know, says so too.
#[test]
fn stale_policy_is_said_whatever_the_older_one_decides() {
    let callgate = Callgate::start(&format!(
        "lists: {{bad: {{words: [casino]}}, soft: {{words: [darn], action: replace}}}}\n\
         hooks: {{{SINGLE}: {{}}}}\n"
    ));
    let said = |hook, text, version| {
        let answer = call_with_version(&callgate, hook, text, version);
        let failure = answer.header("x-callgate-failure").to_owned();
        (
            answer.json()["errCode"].as_i64().unwrap_or_default(),
            failure,
        )
    };
    let stale = "stale_policy".to_owned();
    assert_eq!(said(SINGLE, "a casino", "2"), (20001, stale.clone()));
    // OpenIM's own answer has no place for a new content here; ours has.
    let answer = callgate
        .grpc()
        .before(request_with_version(SINGLE, "darn it", 2));
    assert_eq!(answer.action(), v1::Action::Replace);
    assert_eq!(answer.failure(), v1::FailureClass::StalePolicy);
    assert!(!answer.content().contains("darn"), "{answer:?}");
    assert_eq!(said(SINGLE, "hello", "2").1, stale);
    assert_eq!(said(GROUP, "hello", "2").1, stale);
    assert_eq!(said(GROUP, "hello", "1").1, "");
}

/// An edit that is on its way is waited for, and decides.
#[test]
fn stale_policy_is_no_answer_while_an_edit_is_on_its_way() {
    let callgate = Callgate::start(&format!("hooks: {{{SINGLE}: {{}}}}\n"));
    let banned = format!("lists: {{bad: {{words: [casino]}}}}\nhooks: {{{SINGLE}: {{}}}}\n");
    callgate.setup().write("policy.yaml", banned);
    let answer = call_with_version(&callgate, SINGLE, "a casino", "2");
    assert_eq!(answer.json()["errCode"], 20001);
    assert_eq!(answer.header("x-callgate-failure"), "");
    assert!(answer.header("x-callgate-version").starts_with("2-"));
}

#[test]
fn every_class_of_failure_has_a_test_here() {
    let source = include_str!("failures.rs");
    for class in FailureClass::ALL {
        let test = format!("\nfn {class}");
        assert!(source.contains(&test), "no test of `{class}`");
    }
}

/// A class may have an action of its own; the others follow the default.
#[test]
fn one_action_for_each_class() {
    let business = Business::start(Behaviour::status(500, ""));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nhooks:\n  {SINGLE}: {{endpoint: business, timeout: 300ms, failedContinue: {{default: allow, http_status: block}}}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    check_http(
        &callgate.call(SINGLE, "hello"),
        FailureClass::HttpStatus,
        "block",
    );
    business.set(Behaviour::Hang);
    check_http(
        &callgate.call(SINGLE, "hello"),
        FailureClass::Timeout,
        "allow",
    );
}

/// However full it is: shedding means that the business server is not asked, and nothing else.
#[test]
fn overloaded_lets_no_forbidden_message_pass() {
    let business = Business::start(Behaviour::Hang);
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nlists: {{bad: {{words: [damn]}}}}\n\
         hooks:\n  {SINGLE}: {{endpoint: business, timeout: 10s, caller_timeout: 14s}}\n",
        business.url()
    );
    let callgate = Setup::new(&policy)
        .engine("http.in_flight_max", "1")
        .engine("grpc.in_flight_max", "1")
        .start();
    let grpc = callgate.grpc();
    let held = hold_every_seat(&callgate, &grpc, &business);
    let mut connection = http::Connection::open(callgate.http);
    for n in 0..500 {
        let (forbidden, honest) = (format!("damn {n}"), format!("hello {n}"));
        for (text, code, class) in [(&forbidden, 20001, ""), (&honest, 0, "overloaded")] {
            let body = calls::body(SINGLE, text);
            let answer = connection
                .post(&calls::path(SINGLE), body.as_bytes())
                .unwrap();
            assert_eq!(answer.json()["errCode"], code, "{text}");
            assert_eq!(answer.header("x-callgate-failure"), class, "{text}");
            let answer = grpc.before(calls::request(SINGLE, text));
            assert_eq!(answer.err_code, code, "{text}");
        }
    }
    drop(held);
    assert_eq!(business.requests().len(), 2, "nobody else was asked");
}

/// What the filters say holds whatever state the endpoint is in.
#[test]
fn filters_run_while_the_endpoint_is_dead() {
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\"}}}}\nlists: {{bad: {{words: [damn], action: block}}}}\nhooks:\n  {SINGLE}: {{endpoint: business, failedContinue: true}}\n",
        closed_port()
    );
    let callgate = Callgate::start(&policy);
    for _ in 0..10 {
        let refused = callgate.call(SINGLE, "well, damn it").json();
        assert_eq!(refused["errCode"], 20001);
        check_passed_by_failure(&callgate.call(SINGLE, "hello"));
    }
}

fn check_passed_by_failure(answer: &http::Answer) {
    assert_eq!(answer.text(), ALLOW);
    assert_eq!(answer.header("x-callgate-reviewed"), "false");
}

/// After `open` the endpoint is tried again, and used again when it is well.
#[test]
fn the_breaker_closes_when_the_endpoint_recovers() {
    let business = Business::start(Behaviour::status(500, ""));
    let policy = format!(
        "endpoints: {{business: {{url: \"{}\", breaker: {{failures: 2, open: 300ms, probes: 1}}}}}}\nhooks:\n  {SINGLE}: {{endpoint: business}}\n",
        business.url()
    );
    let callgate = Callgate::start(&policy);
    let class = |sender| {
        let answer = callgate.call_from(sender, SINGLE, "hello");
        answer.header("x-callgate-failure").to_owned()
    };
    assert_eq!(
        [class("u1"), class("u2"), class("u3")],
        ["http_status", "http_status", "breaker_open"]
    );
    assert_eq!(callgate.status()["endpoints"][0]["breaker"], "open");
    let asked = business.requests().len();
    assert_eq!(asked, 2, "an open breaker keeps calls away");
    business.set(Behaviour::block());
    wait_for("the business server's own answer", PATIENCE, || {
        (callgate.call(SINGLE, "hello").json()["errCode"] == 20123).then_some(())
    });
    assert_eq!(callgate.status()["endpoints"][0]["breaker"], "closed");
}
