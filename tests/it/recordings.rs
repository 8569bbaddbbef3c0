//! Every call that real servers made, made again: through callgate nothing may differ that nobody
//! asked for.
//!
//! The yardstick is the recording itself: a business server that the IM server calls directly
//! would get exactly these targets, content types and bytes, in this order.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use callgate::dialect;
use callgate::event::{DialectId, Moment};
use callgate::proto::v1;
use callgate::proto::wkhook::webhook_service_client::WebhookServiceClient;
use callgate::proto::wkhook::{EventReq, EventStatus};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::harness::{
    Behaviour, Business, Callgate, PATIENCE, Request, Setup, calls, http, wait_for,
};

/// What OpenIM waits for an answer, less what we leave it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// After the last call, or the restart, everything has arrived in this.
const ARRIVED_WITHIN: Duration = Duration::from_secs(60);
/// Headers of a delivery that the IM server does not send, or sends with other values.
const OTHER_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "connection",
    "accept",
    "accept-encoding",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-sequence",
    "webhook-missing",
    "webhook-out-of-order",
    "webhook-replay",
    "x-callback-timeout-ms",
    "x-callgate-hop",
];

/// One recorded call.
struct Call {
    /// `/openim/callbackX?key=…`; empty over gRPC.
    target: String,
    /// The event's name over gRPC.
    event: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn recording(name: &str) -> Vec<Call> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded");
    let text = fs::read_to_string(root.join(format!("{name}.jsonl"))).unwrap();
    text.lines().map(call).collect()
}

fn call(line: &str) -> Call {
    let call: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
    let header = |pair: &Value| {
        let part = |at: usize| pair[at].as_str().unwrap().to_owned();
        (part(0), part(1))
    };
    let headers = call["headers"].as_array();
    Call {
        target: text("target"),
        event: text("event"),
        headers: headers.map_or_else(Vec::new, |pairs| pairs.iter().map(header).collect()),
        body: text("body"),
    }
}

impl Call {
    fn is_before(&self) -> bool {
        self.target.contains("/callbackBefore") && !self.target.contains("callbackBeforeAfterMsg")
    }

    fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn post(&self, connection: &mut http::Connection) -> http::Answer {
        let mut bytes = format!("POST {} HTTP/1.1\r\nHost: im\r\n", self.target);
        for (name, value) in &self.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str(&format!(
            "Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        ));
        connection.exchange(bytes.as_bytes()).unwrap()
    }

    /// What the business server gets of it: target, content type and body.
    fn delivered(&self) -> Delivered {
        Delivered {
            target: self.target.replace("/openim", "/callback"),
            content_type: self.header("content-type").to_owned(),
            body: self.body.clone(),
        }
    }

    /// The conversation that it belongs to; empty for what has no order.
    fn conversation(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        match (text("groupID"), text("sendID"), text("recvID")) {
            ("", "", _) => String::new(),
            ("", a, b) => format!("{} {}", a.min(b), a.max(b)),
            (group, ..) => group.to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delivered {
    target: String,
    content_type: String,
    body: String,
}

impl Delivered {
    fn of(request: &Request) -> Delivered {
        Delivered {
            target: request.path.clone(),
            content_type: request.header("content-type").to_owned(),
            body: String::from_utf8(request.body.clone()).unwrap(),
        }
    }
}

/// Every hook of a dialect is on, and asks or tells this server.
fn all_hooks(dialect: DialectId, url: &str) -> Setup {
    let hooks: String = dialect::of(dialect)
        .hooks()
        .iter()
        .map(|info| format!("  \"{}\": {{endpoint: business}}\n", info.hook.name))
        .collect();
    Setup::new(&format!(
        "endpoints: {{business: {{url: \"{url}\", dialect: {dialect}, retry_waits: [50ms, 50ms]}}}}\n\
         hooks:\n{hooks}"
    ))
}

fn assert_canonical(call: &Call, answer: &http::Answer) {
    assert_eq!(answer.status, 200, "{}", call.target);
    assert!(
        answer.took < ANSWERED_WITHIN,
        "{} {:?}",
        call.target,
        answer.took
    );
    if call.target.starts_with("/wukongim") {
        assert_eq!(answer.text(), "");
        return;
    }
    assert_eq!(answer.header("content-type"), "application/json");
    let echoes = call.target.contains("callbackBeforeSetGroupInfo");
    if !(call.is_before() && echoes) {
        return assert_eq!(answer.text(), calls::ALLOW, "{}", call.target);
    }
    let request: Value = serde_json::from_str(&call.body).unwrap();
    let answer = answer.json();
    for name in ["actionCode", "errCode", "nextCode"] {
        assert_eq!(answer[name], 0, "{answer}");
    }
    for name in ["groupID", "groupName", "introduction", "faceURL"] {
        assert_eq!(answer[name], request[name], "{answer}");
    }
}

/// After calls as they arrived, without the before calls.
fn told(business: &Business) -> Vec<Delivered> {
    let requests = business.requests();
    let is_after = |request: &&Request| {
        let command = request.json()["callbackCommand"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        command.contains("After")
    };
    requests
        .iter()
        .filter(is_after)
        .map(Delivered::of)
        .collect()
}

fn sorted(mut all: Vec<Delivered>) -> Vec<Delivered> {
    all.sort();
    all
}

fn by_conversation(calls: &[&Call]) -> BTreeMap<String, Vec<Delivered>> {
    let mut conversations: BTreeMap<String, Vec<Delivered>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.conversation().is_empty()) {
        let conversation = conversations.entry(call.conversation()).or_default();
        conversation.push(call.delivered());
    }
    conversations
}

/// Panics: a conversation's events came in another order than they were sent, repeats aside.
fn assert_in_order(sent: &[&Call], arrived: &[Delivered]) {
    for (conversation, sent) in by_conversation(sent) {
        let mut seen: Vec<&Delivered> = Vec::new();
        for one in arrived.iter().filter(|one| sent.contains(one)) {
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
        assert_eq!(seen, sent.iter().collect::<Vec<_>>(), "{conversation}");
    }
}

fn replay_openim(name: &str) {
    let business = Business::start(Behaviour::allow());
    let callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let recorded = recording(name);
    let mut connection = http::Connection::open(callgate.http);
    for call in &recorded {
        assert_canonical(call, &call.post(&mut connection));
    }
    let after: Vec<&Call> = recorded.iter().filter(|call| !call.is_before()).collect();
    wait_for(name, ARRIVED_WITHIN, || {
        (told(&business).len() >= after.len()).then_some(())
    });
    let arrived = told(&business);
    assert_in_order(&after, &arrived);
    let sent = after.iter().map(|call| call.delivered()).collect();
    assert_eq!(sorted(arrived), sorted(sent));
    assert_headers(&business, &recorded);
    assert_asked(&business, &recorded);
}

/// Before calls reach the business server as they came, too.
fn assert_asked(business: &Business, recorded: &[Call]) {
    let before = recorded.iter().filter(|call| call.is_before());
    let before: Vec<Delivered> = before.map(Call::delivered).collect();
    let requests = business.requests();
    let asked = requests.iter().map(Delivered::of);
    let asked: Vec<Delivered> = asked.filter(|one| before.contains(one)).collect();
    assert_eq!(sorted(asked), sorted(before));
}

fn assert_headers(business: &Business, recorded: &[Call]) {
    let mut operations: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for call in recorded {
        let of_body = operations.entry(call.body.clone()).or_default();
        of_body.push(call.header("operationid"));
    }
    for request in business.requests() {
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert!(operations[&body].contains(&request.header("operationid")));
        let known = |name: &str| {
            OTHER_HEADERS.contains(&name) || ["content-type", "operationid"].contains(&name)
        };
        let unknown: Vec<_> = request.header_names().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn openim_main() {
    replay_openim("openim-main");
}

#[test]
fn openim_patch_16() {
    replay_openim("openim-3.8.3-patch.16");
}

/// Nothing that was acknowledged is lost; what was under way may come twice.
#[test]
fn openim_main_with_a_kill_in_the_middle() {
    let business = Business::start(Behaviour::allow().after(Duration::from_millis(1)));
    let mut callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let recorded = recording("openim-main");
    let (first, second) = recorded.split_at(recorded.len() / 2);
    for half in [first, second] {
        let mut connection = http::Connection::open(callgate.http);
        for call in half {
            assert_canonical(call, &call.post(&mut connection));
        }
        if half.len() == first.len() && std::ptr::eq(half, first) {
            callgate = callgate.kill().start();
        }
    }
    let after: Vec<&Call> = recorded.iter().filter(|call| !call.is_before()).collect();
    let sent: Vec<Delivered> = after.iter().map(|call| call.delivered()).collect();
    wait_for("every event", ARRIVED_WITHIN, || {
        let arrived = told(&business);
        sent.iter().all(|one| arrived.contains(one)).then_some(())
    });
    let arrived = told(&business);
    assert!(arrived.iter().all(|one| sent.contains(one)));
    assert_in_order(&after, &arrived);
}

/// Over gRPC a caller gives the body of a hook that has no message, and gets the same delivered.
#[test]
fn openim_main_over_grpc() {
    let business = Business::start(Behaviour::allow());
    let callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let grpc = callgate.grpc();
    let mut sent = Vec::new();
    for call in recording("openim-main") {
        let command = call.target.trim_start_matches("/openim/");
        let command = command.split('?').next().unwrap();
        let mut infos = dialect::of(DialectId::OpenIm).hooks().iter();
        let info = infos.find(|info| info.command == command).unwrap();
        if info.takes_message() {
            continue;
        }
        let (hook, body_json) = (info.hook.name.to_owned(), call.body.clone());
        if info.hook.moment == Moment::Before {
            let answer = grpc.before(v1::BeforeRequest {
                hook,
                body_json,
                ..v1::BeforeRequest::default()
            });
            assert_eq!(answer.action(), v1::Action::Allow, "{command}");
            continue;
        }
        let event = v1::AfterEvent {
            hook,
            body_json,
            ..v1::AfterEvent::default()
        };
        let answer = grpc.after(vec![event]).unwrap();
        assert_eq!(
            answer.results,
            [v1::AfterResult::Stored as i32],
            "{command}"
        );
        sent.push(call.delivered());
    }
    wait_for("every event", ARRIVED_WITHIN, || {
        (told(&business).len() >= sent.len()).then_some(())
    });
    assert_eq!(sorted(told(&business)), sorted(sent));
}

/// Each element of the server's arrays, by its event, byte for byte.
fn elements(query: &str, body: &str) -> Vec<(String, String)> {
    let items: Vec<&RawValue> = match body.starts_with('[') {
        true => serde_json::from_str(body).unwrap(),
        false => vec![serde_json::from_str(body).unwrap()],
    };
    let named = |item: &RawValue| (query.to_owned(), item.get().to_owned());
    items.into_iter().map(named).collect()
}

fn arrived_elements(business: &Business) -> Vec<(String, String)> {
    let of = |request: &Request| {
        assert_eq!(request.header("content-type"), "application/json");
        let query = request.path.trim_start_matches("/callback?");
        elements(query, std::str::from_utf8(&request.body).unwrap())
    };
    business.requests().iter().flat_map(of).collect()
}

/// `msg.notify` keeps the order of a channel; `msg.offline` is sent by several at a time.
fn assert_channels_in_order(sent: &[(String, String)], arrived: &[(String, String)]) {
    let channels = |all: &[(String, String)]| {
        let mut channels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (query, item) in all.iter().filter(|(query, _)| query.contains("msg.notify")) {
            let tree: Value = serde_json::from_str(item).unwrap();
            let (kind, id) = (&tree["channel_type"], &tree["channel_id"]);
            // Of two persons, each direction keeps its order.
            let channel = format!("{query} {kind} {id} {}", tree["from_uid"]);
            channels.entry(channel).or_default().push(item.clone());
        }
        channels
    };
    assert_eq!(channels(arrived), channels(sent));
}

fn replay_wukongim(name: &str, send: impl Fn(&Callgate, &[Call])) {
    let business = Business::start(Behaviour::answer(""));
    let callgate = all_hooks(DialectId::WukongIm, &business.url()).start();
    let recorded = recording(name);
    send(&callgate, &recorded);
    let query = |call: &Call| match call.event.as_str() {
        "" => call.target.split_once('?').unwrap().1.to_owned(),
        event => format!("event={event}"),
    };
    let sent: Vec<_> = recorded
        .iter()
        .flat_map(|call| elements(&query(call), &call.body))
        .collect();
    wait_for(name, ARRIVED_WITHIN, || {
        (arrived_elements(&business).len() >= sent.len()).then_some(())
    });
    let mut arrived = arrived_elements(&business);
    assert_channels_in_order(&sent, &arrived);
    let mut sent = sent;
    sent.sort();
    arrived.sort();
    assert_eq!(arrived, sent);
}

fn over_http(callgate: &Callgate, calls: &[Call]) {
    let mut connection = http::Connection::open(callgate.http);
    for call in calls {
        assert_canonical(call, &call.post(&mut connection));
    }
}

fn over_grpc(callgate: &Callgate, calls: &[Call]) {
    let grpc = callgate.grpc();
    let mut client = WebhookServiceClient::new(grpc.channel.clone());
    for call in calls {
        let request = EventReq {
            event: call.event.clone(),
            data: call.body.clone().into(),
        };
        let sending = client.send_webhook(request);
        let answer = grpc.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, sending)
                .await
                .unwrap()
                .unwrap()
        });
        assert_eq!(answer.into_inner().status, EventStatus::Success as i32);
    }
}

#[test]
fn wukongim_1_2_6() {
    replay_wukongim("wukongim-1.2.6-http", over_http);
}

#[test]
fn wukongim_2_2_5() {
    replay_wukongim("wukongim-2.2.5-http", over_http);
}

#[test]
fn wukongim_2_2_5_over_grpc() {
    replay_wukongim("wukongim-2.2.5-grpc", over_grpc);
}

#[test]
fn wukongim_main() {
    replay_wukongim("wukongim-main-http", over_http);
}

/// A command of tomorrow is told where `"*"` asks for it, and named in `/status` either way.
#[test]
fn commands_of_tomorrow_are_told_and_named() {
    let target = "/openim/callbackAfterSetGroupInfoCommandEX?key=k";
    let body = r#"{"callbackCommand":"callbackAfterSetGroupInfoCommandEX","groupID":"g"}"#;
    for (hooks, told) in [("{\"*\": {endpoint: business}}", 1), ("{}", 0)] {
        let business = Business::start(Behaviour::allow());
        let callgate = Callgate::start(&format!(
            "endpoints: {{business: {{url: \"{}\"}}}}\nhooks: {hooks}\n",
            business.url()
        ));
        let answer = http::post(callgate.http, target, body);
        assert_eq!(answer.text(), calls::ALLOW);
        let requests = business.wait_for(told);
        assert_eq!(requests.len(), told);
        for request in requests {
            assert_eq!(request.path, target.replace("/openim", "/callback"));
            assert_eq!(request.body, body.as_bytes());
        }
        let named = &callgate.status()["unknown_commands"];
        assert_eq!(named["callbackAfterSetGroupInfoCommandEX"], 1);
    }
}
